// run and record: the agent in this process.
#include "agent/agent.h"
#include "cli/internal.h"

#include <errno.h>

static bool known_output(const struct invocation *in, const char **ret)
{
    const char *names[16];
    size_t n = 0;
    *ret = option_text(in, &opt_format);
    if (!*ret)
        *ret = "text";
    if (output_by_name(*ret))
        return true;
    for (; n < MIN(outputs_n, ARRAY_SIZE(names)); n++)
        names[n] = outputs[n].name;
    const char *nearest = nearest_word(*ret, names, n);
    complain("there is no format '%s'%s%s%s", *ret,
             nearest ? "; did you mean '" : "; `bulkhead dump outputs` lists them",
             nearest ? nearest : "", nearest ? "'?" : "");
    return false;
}

static int dry_run(const struct agent_options *o)
{
    struct diag_list diags = {0};
    _cleanup_buf_ struct buf text = {0};
    const char *standard[] = {agent_default_rules_dir()};
    size_t rules = 0;
    bool own = o->rules_n > 0;
    struct agent_options what = *o;
    if (!own) {
        what.rules = standard;
        what.rules_n = 1;
    }
    int r = agent_check(&what, &diags, &rules);
    diag_text(&diags, &text);
    if (text.len)
        (void)!write(STDERR_FILENO, text.ptr, text.len);
    if (r == 0)
        complain("%zu rules; everything that would be loaded is in order", rules);
    diag_list_done(&diags);
    return r == 0 ? EXIT_WELL : EXIT_FOUND;
}

int run_agent(const struct invocation *in, const char *record_file)
{
    struct error err = {0};
    struct agent_options o = {
        .config = option_text(in, &opt_config),
        .state_dir = state_dir(in),
        .host_root = option_text(in, &opt_host_root),
        .pin_dir = option_text(in, &opt_pins),
        .for_ns = option_number(in, &opt_for),
        .record_file = record_file,
        .streams_dir = option_text(in, &opt_streams),
        .release = option_on(in, &opt_release),
        .quiet = option_on(in, &opt_quiet),
        .color = in->color,
    };
    uint64_t shards = option_number(in, &opt_shards);
    if (shards > BH_MAX_SHARDS) {
        complain("--shards: at most %d", BH_MAX_SHARDS);
        return EXIT_USAGE;
    }
    if (!known_output(in, &o.format))
        return EXIT_USAGE;
    o.shards = (unsigned)shards;
    o.rules = option_list(in, &opt_rules, &o.rules_n);
    o.policies = option_list(in, &opt_policies, &o.policies_n);
    o.checks = option_list(in, &opt_checks, &o.checks_n);
    o.profiles = option_list(in, &opt_profiles, &o.profiles_n);
    o.feeds = option_list(in, &opt_feeds, &o.feeds_n);
    o.runtime_dir = option_text(in, &opt_runtime_dir);
    if (!o.runtime_dir)
        o.runtime_dir = agent_default_runtime_dir();
    if (!o.host_root)
        o.host_root = "/";
    if (option_on(in, &opt_dry_run))
        return dry_run(&o);
    return agent_run(&o, &err) < 0 ? fail_with(&err) : EXIT_WELL;
}

int verb_run(const struct invocation *in)
{
    return run_agent(in, option_text(in, &opt_record));
}

int verb_record(const struct invocation *in)
{
    return run_agent(in, in->arguments[0]);
}

int verb_replay(const struct invocation *in)
{
    struct error err = {0};
    struct replay_options o = {
        .file = in->arguments[0],
        .streams_dir = option_text(in, &opt_streams),
        .quiet = option_on(in, &opt_quiet),
        .color = in->color,
    };
    if (!known_output(in, &o.format))
        return EXIT_USAGE;
    o.rules = option_list(in, &opt_rules, &o.rules_n);
    return agent_replay(&o, &err) < 0 ? fail_with(&err) : EXIT_WELL;
}
