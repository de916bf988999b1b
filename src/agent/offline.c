// Entries for verbs that need no running agent, and where things are by default.
#include "agent/core.h"

#include <errno.h>

static const char *or_default(const char *variable, const char *otherwise)
{
    const char *v = getenv(variable);
    return v && v[0] ? v : otherwise;
}

const char *agent_default_state_dir(void)
{
    return or_default("BULKHEAD_STATE", "/var/lib/bulkhead");
}

const char *agent_default_runtime_dir(void)
{
    return or_default("BULKHEAD_RUNTIME_DIR", "/run/bulkhead");
}

const char *agent_default_rules_dir(void)
{
    const char *v = getenv("BULKHEAD_RULES_DIR");
    if (v && v[0])
        return v;
    return access("/etc/bulkhead/rules.d", F_OK) == 0 ? "/etc/bulkhead/rules.d"
                                                      : BULKHEAD_DATADIR "/rules";
}

const char *agent_default_checks_dir(void)
{
    const char *v = getenv("BULKHEAD_CHECKS_DIR");
    if (v && v[0])
        return v;
    return access("/etc/bulkhead/checks.d", F_OK) == 0 ? "/etc/bulkhead/checks.d"
                                                       : BULKHEAD_DATADIR "/checks";
}

int agent_check(const struct agent_options *o, struct diag_list *diags, size_t *ret_rules)
{
    struct sources sources = {0};
    if (o->config)
        sources_read(&sources, SOURCE_CONFIG, o->config, diags);
    for (size_t i = 0; i < o->rules_n; i++)
        sources_read(&sources, SOURCE_RULES, o->rules[i], diags);
    for (size_t i = 0; i < o->policies_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, o->policies[i], diags);
    for (size_t i = 0; i < o->profiles_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, o->profiles[i], diags);
    for (size_t i = 0; i < o->checks_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, o->checks[i], diags);
    for (size_t i = 0; i < o->feeds_n; i++)
        sources_read_feeds(&sources, o->feeds[i], diags);
    struct generation *g = generation_build(&sources, 1, diags);
    if (ret_rules)
        *ret_rules = g ? ruleset_rules(g->rules) : 0;
    generation_free(g);
    sources_done(&sources);
    return g && !diags->errors ? 0 : -EINVAL;
}

int agent_explain(const char *const *rules, size_t rules_n, const char *rule, bool as_json,
                  struct buf *out, struct diag_list *diags, struct error *err)
{
    struct sources sources = {0};
    const char *standard[] = {agent_default_rules_dir()};
    for (size_t i = 0; i < MAX(rules_n, (size_t)1); i++)
        sources_read(&sources, SOURCE_RULES, rules_n ? rules[i] : standard[0], diags);
    struct generation *g = diags->errors ? NULL : generation_build(&sources, 1, diags);
    int r = g ? ruleset_explain(g->rules, str_of(rule), as_json, out, err)
              : error_set(err, -EINVAL, "the rules have errors");
    generation_free(g);
    sources_done(&sources);
    return r;
}

struct printing {
    struct json *json;
};

static void program(void *ctx, const char *name, const char *attach, bool attached,
                    uint32_t instructions)
{
    struct json *j = ((struct printing *)ctx)->json;
    json_object(j);
    json_kcstr(j, "name", name);
    json_kcstr(j, "attach", attach);
    json_kbool(j, "attached", attached);
    json_ku64(j, "instructions", instructions);
    json_object_end(j);
}

static int prove(const struct host *host, const struct host_caps *caps, struct sense *sense,
                 struct json *j, struct error *err)
{
    struct guardian *guardian = NULL;
    struct reconcile *reconcile = NULL;
    struct proof proofs[MAX_PROOFS];
    int n = guardian_start(&guardian, err);
    if (n == 0) {
        struct reconcile_options o = {.host = host,
                                      .caps = caps,
                                      .containers_map = sense_map_fd(sense, "containers"),
                                      .settings_map = sense_map_fd(sense, "settings"),
                                      .cgroups_map = sense_map_fd(sense, "cgroups"),
                                      .rings_map = sense_map_fd(sense, "rings"),
                                      .sequences_map = sense_map_fd(sense, "sequences"),
                                      .storms_map = sense_map_fd(sense, "storms"),
                                      .lease_ns = 60 * NSEC_PER_SEC,
                                      .guardian = guardian};
        n = reconcile_open(&o, &reconcile, err);
    }
    if (n == 0)
        n = reconcile_prove(reconcile, proofs, MAX_PROOFS, err);
    json_key(j, "proofs");
    json_array(j);
    for (int i = 0; i < n; i++) {
        json_object(j);
        json_kcstr(j, "row", proofs[i].row_kind);
        json_kcstr(j, "tier", proofs[i].tier);
        json_kcstr(j, "effect", effect_name(proofs[i].effect));
        json_kbool(j, "proven", proofs[i].proven);
        json_kcstr(j, "text", proofs[i].text);
        json_object_end(j);
    }
    json_array_end(j);
    reconcile_close(reconcile, true);
    guardian_stop(guardian);
    return n < 0 ? n : 0;
}

int agent_doctor(const char *host_root, const char *pin_dir, bool with_proof, struct json *j,
                 bool *ret_can_run, struct error *err)
{
    struct host *host = NULL;
    struct host_caps caps;
    char sentence[512], pins[64];
    int r = host_open(host_root ? host_root : "/", &host, err);
    if (r < 0)
        return r;
    host_probe(host, &caps);
    const char *refusal = host_caps_refusal(&caps, sentence, sizeof(sentence));
    snprintf(pins, sizeof(pins), "/sys/fs/bpf/bulkhead/%d", BH_ABI_VERSION);
    json_object(j);
    json_kcstr(j, "version", BULKHEAD_VERSION);
    json_kcstr(j, "kernel", host_kernel(host));
    json_kbool(j, "can_run", refusal == NULL);
    json_kcstr(j, "refusal", refusal);
    json_kcstr(j, "cgroup2", host_cgroup2_path(host));
    json_kbool(j, "cgroup_hybrid", host_cgroup_hybrid(host));
    json_key(j, "capabilities");
    json_array(j);
    for (size_t i = 0; i < CAP_ID_MAX; i++) {
        json_object(j);
        json_kcstr(j, "name", caps.caps[i].name);
        json_kbool(j, "ok", caps.caps[i].ok);
        json_kbool(j, "needed", caps.caps[i].needed);
        json_kcstr(j, "why", caps.caps[i].why);
        json_object_end(j);
    }
    json_array_end(j);
    _cleanup_buf_ struct buf pinned = {0};
    int n = reconcile_list_pins(pin_dir && pin_dir[0] ? pin_dir : pins, &pinned);
    json_ki64(j, "pins", n < 0 ? 0 : n);
    json_kstr(j, "pinned", buf_view(&pinned));
    *ret_can_run = refusal == NULL;
    if (!refusal) {
        struct sense *sense = NULL;
        struct sense_options o = {.host = host,
                                  .shards = 1,
                                  .ring_critical_bytes = 1 << 18,
                                  .ring_bulk_bytes = 1 << 18,
                                  .budget_critical = 1000,
                                  .budget_bulk = 1000};
        for (size_t k = 0; k < model_kinds_n; k++) {
            kind_set_add(&o.interest.host, model_kinds[k].kind);
            kind_set_add(&o.interest.containers, model_kinds[k].kind);
        }
        r = sense_open(&o, &sense, err);
        if (r == 0) {
            struct printing p = {j};
            json_kcstr(j, "sys_exit", sense_sys_exit_reason(sense));
            json_key(j, "programs");
            json_array(j);
            sense_programs(sense, program, &p);
            json_array_end(j);
            if (with_proof)
                r = prove(host, &caps, sense, j, err);
        } else
            *ret_can_run = false;
        sense_close(sense);
    }
    json_object_end(j);
    host_close(host);
    return r;
}
