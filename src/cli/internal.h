// cli's own: the parsed command line, talking to the agent, and printing for people.
#pragma once

#include "cli/cli.h"
#include "control/control.h"

enum { MAX_OPTIONS = 32, MAX_REPEATS = 64 };

struct option_value {
    const struct option_row *row;
    const char *values[MAX_REPEATS];
    size_t n;
    uint64_t number; // of OPTION_DURATION (ns) and OPTION_NUMBER
    bool on;         // a switch
};
struct invocation {
    const struct verb *verb;
    struct option_value options[MAX_OPTIONS];
    size_t options_n;
    const char **arguments;
    size_t arguments_n;
    struct arena *memory;
    bool json;  // --format json
    bool color; // standard output is a terminal that may get colours
};

// ── parse.c ──────────────────────────────────────────────────────────────────────────────────
struct parse_request {
    int argc;
    char **argv;
    const struct verb *verbs;
    size_t verbs_n;
    const char *(*environment)(const char *name); // NULL: not set
};
enum parsed {
    PARSED_RUN,
    PARSED_HELP /* of in->verb, or of all if that is NULL */,
    PARSED_WRONG /* said in *ret_problem */
};
enum parsed cli_parse(const struct parse_request *p, struct invocation *ret,
                      struct buf *ret_problem);
void invocation_done(struct invocation *in);
// "BULKHEAD_HOST_ROOT" of "--host-root".
void option_variable(const struct option_row *row, char out[64]);

const char *option_text(const struct invocation *in,
                        const struct option_row *row); // NULL: not given
bool option_on(const struct invocation *in, const struct option_row *row);
uint64_t option_number(const struct invocation *in, const struct option_row *row); // 0: not given
const char *const *option_list(const struct invocation *in, const struct option_row *row,
                               size_t *ret_n);

extern const struct option_row opt_config, opt_state, opt_runtime_dir, opt_host_root, opt_format,
    opt_no_color, opt_help, opt_rules, opt_policies, opt_for, opt_follow, opt_dry_run, opt_shards,
    opt_streams, opt_pins, opt_record, opt_release, opt_quiet, opt_prove, opt_all, opt_key,
    opt_since, opt_confirm, opt_dismiss, opt_close, opt_reopen, opt_undo, opt_reason, opt_cpu,
    opt_pids, opt_allow, opt_checks, opt_every, opt_profiles, opt_feeds;

// ── help.c ───────────────────────────────────────────────────────────────────────────────────
void help_all(struct buf *out, const struct verb *verbs, size_t n);
void help_verb(struct buf *out, const struct verb *v);

// ── print.c ──────────────────────────────────────────────────────────────────────────────────
// Writes to standard output. 0 or negative errno.
int write_out(const struct buf *b);
// The same for what is printed once: EXIT_WELL; a reader that left (EPIPE) is no fault; else says
// so and EXIT_CANNOT.
int print_out(const struct buf *b);
// "bulkhead: …" on standard error, escaped, line by line.
void complain(const char *format, ...) _printf_(1, 2);
// Complains and says how to go on: the exit code that belongs to a negative errno.
int fail_with(const struct error *err);
int exit_of_errno(int r);

// Columns that line up. Cells are escaped for the terminal; the last column is not padded.
enum { MAX_COLUMNS = 12 };
struct table {
    size_t columns, rows, cap;
    char **cells; // rows × columns, escaped; the first row is the head
    bool failed;
};
void table_head(struct table *t, const char *const *names, size_t n);
void table_row(struct table *t, const struct str *cells); // t->columns of them
void table_print(const struct table *t, struct buf *out, const char *indent, bool color);
void table_done(struct table *t);
#define _cleanup_table_ _cleanup_(table_done)
// "2026-11-24T12:00:00.123456789Z" → to the millisecond; anything else as it is.
struct str short_time(struct str iso, char out[32]);
const char *cli_severity_color(struct str severity, bool color); // "" without colour
const char *color_off(bool color);
void print_escaped_lines(struct buf *out, struct str text, const char *indent); // newlines stay

// ── read.c: Jansson's trees by dotted path ───────────────────────────────────────────────────
// NULL: no JSON. The caller unrefs it.
json_t *tree_load(struct str text);
const json_t *tree_at(const json_t *tree, const char *path); // "owner.name"; NULL: not there
struct str tree_str(const json_t *tree, const char *path);   // a string's bytes; else empty
struct str tree_text(const json_t *tree, const char *path,
                     struct arena *a); // any scalar as text, "-" for null
uint64_t tree_u64(const json_t *tree, const char *path);
double tree_double(const json_t *tree, const char *path);
bool tree_bool(const json_t *tree, const char *path);

// ── call.c: the agent's API ──────────────────────────────────────────────────────────────────
void api_socket(const struct invocation *in, char out[4096]);
// A whole reply into *ret (an object; the caller unrefs it). EXIT_WELL, or complains and returns
// the exit code.
int api_get(const struct invocation *in, const char *method, const char *path, json_t **ret);
// Asks, and prints what came: as it is with --format json, else by render.
typedef void (*api_render)(const struct invocation *in, const json_t *reply, struct buf *out);
int api_show(const struct invocation *in, const char *method, const char *path, api_render render);
// Streams lines until --for, SIGINT, SIGTERM or the end.
int api_stream(const struct invocation *in, const char *path, api_render render_line);
// Readable after `ns` (0: never) or on SIGINT or SIGTERM, which are blocked from here on. For the
// process's life.
int stop_fd(uint64_t ns);

// ── what verbs share ─────────────────────────────────────────────────────────────────────────
const char *state_dir(const struct invocation *in);
int run_agent(const struct invocation *in, const char *record_file);
void rows_table(const json_t *rows, struct arena *a, struct buf *out, const char *indent,
                bool color);

// One a file.
int verb_run(const struct invocation *in);
int verb_record(const struct invocation *in);
int verb_replay(const struct invocation *in);
int verb_events(const struct invocation *in);
int verb_findings(const struct invocation *in);
int verb_ps(const struct invocation *in);
int verb_status(const struct invocation *in);
int verb_incidents(const struct invocation *in);
int verb_incident(const struct invocation *in);
int verb_why(const struct invocation *in);
int verb_rows(const struct invocation *in);
int verb_row(const struct invocation *in);
int verb_respond(const struct invocation *in);
int verb_respond_undo(const struct invocation *in);
int verb_respond_list(const struct invocation *in);
int verb_comply_status(const struct invocation *in);
int verb_comply_check(const struct invocation *in);
int verb_doctor(const struct invocation *in);
int verb_rules_check(const struct invocation *in);
int verb_rules_explain(const struct invocation *in);
int verb_ledger_verify(const struct invocation *in);
int verb_ledger_prove(const struct invocation *in);
int verb_ledger_check_proof(const struct invocation *in);
int verb_ledger_list(const struct invocation *in);
int verb_net_check(const struct invocation *in);
int verb_net_try(const struct invocation *in);
int verb_net_flows(const struct invocation *in);
int verb_profile_list(const struct invocation *in);
int verb_profile_show(const struct invocation *in);
int verb_profile_diff(const struct invocation *in);
int verb_profile_export(const struct invocation *in);
int verb_dump(const struct invocation *in);
int verb_intel_lookup(const struct invocation *in);
int verb_intel_stats(const struct invocation *in);
int verb_reload(const struct invocation *in);
int verb_stop(const struct invocation *in);
int verb_version(const struct invocation *in);

// Renderers, apart so that tests can give them replies.
void render_ps(const struct invocation *in, const json_t *reply, struct buf *out);
void render_status(const struct invocation *in, const json_t *reply, struct buf *out);
void render_incidents(const struct invocation *in, const json_t *reply, struct buf *out);
void render_incident(const struct invocation *in, const json_t *reply, struct buf *out);
void render_why(const struct invocation *in, const json_t *reply, struct buf *out);
void render_rows(const struct invocation *in, const json_t *reply, struct buf *out);
void render_act(const struct invocation *in, const json_t *reply, struct buf *out);
void render_responses(const struct invocation *in, const json_t *reply, struct buf *out);
void render_comply(const struct invocation *in, const json_t *reply, struct buf *out);
void render_intel_lookup(const struct invocation *in, const json_t *reply, struct buf *out);
void render_intel_stats(const struct invocation *in, const json_t *reply, struct buf *out);
void render_event(const struct invocation *in, const json_t *line, struct buf *out);
void render_finding(const struct invocation *in, const json_t *line, struct buf *out);
void render_net_try(const struct invocation *in, const json_t *reply, struct buf *out);
void render_flows(const struct invocation *in, const json_t *reply, struct buf *out);
void render_profiles(const struct invocation *in, const json_t *reply, struct buf *out);
void render_profile(const struct invocation *in, const json_t *reply, struct buf *out);
void render_profile_diff(const struct invocation *in, const json_t *reply, struct buf *out);
void render_profile_export(const struct invocation *in, const json_t *reply, struct buf *out);
void render_doctor(const struct invocation *in, const json_t *reply, struct buf *out);
// `dump`'s tables. False: no such table.
bool dump_table(const char *name, bool as_json, bool color, struct buf *out);
