// agent: the line (pure), the shards, the processes, and nothing else. cli/ starts it through
// these.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "output/output.h"

struct agent_options {        // what the command line said; NULL/0: default
    const char *config;       // /etc/bulkhead/bulkhead.yaml if that exists
    const char *const *rules; // NULL: from the configuration, else the installed default content
    size_t rules_n;
    const char *const *policies;
    size_t policies_n;
    const char *const *checks; // NULL: from the configuration, else the installed default content
    size_t checks_n;
    const char *const *profiles; // documents, too: where `profile export` is kept
    size_t profiles_n;
    const char *const *feeds; // lists, folders of them, and Feed documents
    size_t feeds_n;
    const char *state_dir;   // /var/lib/bulkhead
    const char *runtime_dir; // /run/bulkhead (lock, socket "api.sock")
    const char *host_root;   // "/"
    const char *pin_dir; // a bpffs folder; NULL: /sys/fs/bpf/bulkhead/1 if a bpffs is there; "":
                         // pin nothing
    const char *format;  // outputs' name; "text"
    uint64_t for_ns;     // stop by itself
    unsigned shards;
    const char *record_file; // also write every input there (a capture)
    const char *streams_dir; // also write findings.jsonl, incidents.jsonl, decisions.jsonl,
                             // rows.jsonl there
    bool release;            // on the way out remove rows, links and pins at once
    bool quiet;              // no findings on standard output
    bool color;              // standard output is a terminal that may get colours
};
// Runs until SIGINT, SIGTERM or for_ns. 0, or a negative errno with err: -EPERM/-EOPNOTSUPP/-EBUSY
// (a second agent): could not run here; -EINVAL: documents are wrong (diagnostics went to standard
// error).
int agent_run(const struct agent_options *o, struct error *err);

struct replay_options {
    const char *file;
    const char *format;
    const char *streams_dir;
    bool quiet, color;
    const char *const *rules; // instead of the capture's own (what would other rules have said?)
    size_t rules_n;
};
// Feeds a capture to the same line; findings go to standard output. -EBADMSG: not a capture, or
// broken.
int agent_replay(const struct replay_options *o, struct error *err);

// Offline entries for verbs that need no running agent.
// Reads and compiles what these options name; diags get all errors. 0 or -EINVAL.
int agent_check(const struct agent_options *o, struct diag_list *diags, size_t *ret_rules);
int agent_explain(const char *const *rules, size_t rules_n, const char *rule, bool as_json,
                  struct buf *out, struct diag_list *diags, struct error *err);
// Would the documents let this connection through? An end is an address or
// "NAMESPACE/KEY=VALUE,…". The answer, one JSON object, goes to j.
int agent_net_try(const char *const *policies, size_t policies_n, const char *from, const char *to,
                  const char *port, struct json *j, struct diag_list *diags, struct error *err);
// Bundles (folders, their config.json, or folders of bundles) judged by the controls of `checks`,
// with the exceptions of `policies`: members of the object that is open in j. -EINVAL: a control or
// a bundle cannot be read; what can be was judged.
struct comply_answer;
struct comply_check_options {
    const char *const *bundles, *const *checks, *const *policies;
    size_t bundles_n, checks_n, policies_n;
};
int agent_comply_check(const struct comply_check_options *o, struct json *j,
                       struct diag_list *diags, struct comply_answer *ret, struct error *err);
// Where things are, after defaults and BULKHEAD_… environment variables.
const char *agent_default_state_dir(void);
const char *agent_default_runtime_dir(void);
const char *agent_default_rules_dir(void);
const char *agent_default_checks_dir(void);
// doctor: what this kernel allows, programs, pins; prove: self-proof in a scratch cgroup. JSON
// object into j.
int agent_doctor(const char *host_root, const char *pin_dir, bool prove, struct json *j,
                 bool *ret_can_run, struct error *err);
