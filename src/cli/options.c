// Every option there is. Verbs name those they take; the common ones they all take, used or not, so
// that a script can give the same places to every verb.
#include "cli/internal.h"

const struct option_row opt_config = {
    "--config",
    'c',
    "FILE",
    false,
    "configuration; default /etc/bulkhead/bulkhead.yaml where that is",
    OPTION_PATH};
const struct option_row opt_state = {
    "--state",  0, "DIR", false, "ledger, segments, learned state; default /var/lib/bulkhead",
    OPTION_PATH};
const struct option_row opt_runtime_dir = {
    "--runtime-dir", 0, "DIR", false, "lock and API socket (api.sock); default /run/bulkhead",
    OPTION_PATH};
const struct option_row opt_host_root = {
    "--host-root", 0, "DIR", false, "where the host's root is mounted; default /", OPTION_PATH};
const struct option_row opt_format = {"--format",   0, "FORMAT", false, "text or json",
                                      OPTION_FORMAT};
const struct option_row opt_no_color = {
    "--no-color", 0, NULL, false, "no colours, also on a terminal; NO_COLOR does the same",
    OPTION_SWITCH};
const struct option_row opt_help = {"--help", 'h', NULL, false, "say how to use it", OPTION_SWITCH};

const struct option_row opt_rules = {
    "--rules", 'r', "FILE|DIR", true, "rules; given once, only these are loaded", OPTION_PATH};
const struct option_row opt_policies = {
    "--policies",
    0,
    "FILE|DIR",
    true,
    "policies and other documents; given once, only these are loaded",
    OPTION_PATH};
const struct option_row opt_checks = {
    "--checks", 0, "FILE|DIR", true, "controls of compliance; given once, only these are loaded",
    OPTION_PATH};
const struct option_row opt_every = {"--all", 'a', NULL, false, "what passes too", OPTION_SWITCH};
const struct option_row opt_profiles = {
    "--profiles",
    0,
    "FILE|DIR",
    true,
    "profiles of workloads and other documents; given once, only these are loaded",
    OPTION_PATH};
const struct option_row opt_feeds = {
    "--feeds",
    0,
    "FILE|DIR",
    true,
    "lists of indicators, folders of them, and Feed documents; given once, only these are loaded",
    OPTION_PATH};
const struct option_row opt_for = {
    "--for", 0, "DURATION", false, "stop by itself after this long: 10s, 5m", OPTION_DURATION};
const struct option_row opt_follow = {
    "--follow", 0, NULL, false, "go on, and print what is new or changed", OPTION_SWITCH};
const struct option_row opt_since = {
    "--since",      0, "DURATION", false, "only what went on in the last 10s, 5m, 24h, …",
    OPTION_DURATION};
const struct option_row opt_dry_run = {
    "--dry-run",  0, NULL, false, "check everything that would be loaded, run nothing",
    OPTION_SWITCH};
const struct option_row opt_shards = {
    "--shards",
    0,
    "NUMBER",
    false,
    "threads that share the containers; default one per 16 processors",
    OPTION_NUMBER};
const struct option_row opt_streams = {
    "--streams",
    0,
    "DIR",
    false,
    "also write findings, incidents, decisions and rows there, a JSON object a line",
    OPTION_PATH};
const struct option_row opt_pins = {
    "--pins",
    0,
    "DIR",
    false,
    "a folder in a bpffs for what outlives the agent; empty: pin nothing",
    OPTION_TEXT};
const struct option_row opt_record = {
    "--record", 0, "FILE", false, "also write every input there, for replay", OPTION_PATH};
const struct option_row opt_release = {
    "--release", 0, NULL, false, "at the end remove rows, links and pins at once", OPTION_SWITCH};
const struct option_row opt_quiet = {"--quiet",           'q',          NULL, false,
                                     "print no findings", OPTION_SWITCH};
const struct option_row opt_prove = {
    "--prove",    0, NULL, false, "also try what each kind of row forbids, in a scratch cgroup",
    OPTION_SWITCH};
const struct option_row opt_all = {"--all",      'a', NULL, false, "the host and plain cgroups too",
                                   OPTION_SWITCH};
const struct option_row opt_key = {"--key",
                                   0,
                                   "KEY",
                                   false,
                                   "the log's first public key, kept elsewhere; `ledger verify` "
                                   "takes the one beside the log otherwise",
                                   OPTION_TEXT};
const struct option_row opt_confirm = {"--confirm",  0, NULL, false, "it was an attack",
                                       OPTION_SWITCH};
const struct option_row opt_dismiss = {
    "--dismiss",  0, NULL, false, "it was none: take back what was done because of it",
    OPTION_SWITCH};
const struct option_row opt_close = {"--close", 0, NULL, false, "it is dealt with", OPTION_SWITCH};
const struct option_row opt_reopen = {"--reopen", 0, NULL, false, "it is not over", OPTION_SWITCH};
const struct option_row opt_undo = {"--undo", 0, NULL, false, "take the row back", OPTION_SWITCH};

const struct option_row opt_reason = {"--reason", 0, "TEXT", false, "why; shown by `why`",
                                      OPTION_TEXT};
const struct option_row opt_cpu = {"--cpu",
                                   0,
                                   "PERCENT",
                                   false,
                                   "of one processor; 0: as it is; by default as a Response says",
                                   OPTION_NUMBER};
const struct option_row opt_pids = {
    "--pids",
    0,
    "NUMBER",
    false,
    "processes and threads; 0: as it is; by default as a Response says",
    OPTION_NUMBER};
const struct option_row opt_allow = {"--allow",
                                     0,
                                     "NETWORKS",
                                     false,
                                     "addresses and networks that stay open, with commas: "
                                     "10.0.0.0/8,2001:db8::1",
                                     OPTION_TEXT};

const struct option_row *const cli_common_options[] = {
    &opt_config, &opt_state,    &opt_runtime_dir, &opt_host_root,
    &opt_format, &opt_no_color, &opt_help,        NULL};

const struct exit_code_row cli_exit_codes[] = {
    {EXIT_WELL, "well", "all well"},
    {EXIT_FOUND, "found",
     "the thing looked at has errors or findings: rules with errors, a log that does not verify, "
     "no such incident"},
    {EXIT_USAGE, "usage", "wrong usage: unknown verb or option, wrong argument"},
    {EXIT_CANNOT, "cannot",
     "could not run here: no privilege, no kernel support, no agent, a second agent, no memory or "
     "space"},
};
const size_t cli_exit_codes_n = ARRAY_SIZE(cli_exit_codes);

static const struct option_value *value_of(const struct invocation *in,
                                           const struct option_row *row)
{
    for (size_t i = 0; i < in->options_n; i++)
        if (in->options[i].row == row)
            return &in->options[i];
    return NULL;
}

const char *option_text(const struct invocation *in, const struct option_row *row)
{
    const struct option_value *v = value_of(in, row);
    return v && v->n ? v->values[v->n - 1] : NULL;
}

bool option_on(const struct invocation *in, const struct option_row *row)
{
    const struct option_value *v = value_of(in, row);
    return v && v->on;
}

uint64_t option_number(const struct invocation *in, const struct option_row *row)
{
    const struct option_value *v = value_of(in, row);
    return v && v->n ? v->number : 0;
}

const char *const *option_list(const struct invocation *in, const struct option_row *row,
                               size_t *ret_n)
{
    const struct option_value *v = value_of(in, row);
    *ret_n = v ? v->n : 0;
    return v && v->n ? v->values : NULL;
}
