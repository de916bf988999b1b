// The table of verbs.
#include "cli/internal.h"

typedef const struct option_row *const options[];

static options no_options = {NULL};
static options comply_options = {&opt_every, NULL};
static options comply_check_options = {&opt_checks, &opt_policies, &opt_every, NULL};
static options run_options = {&opt_rules,  &opt_policies, &opt_profiles, &opt_checks,  &opt_feeds,
                              &opt_for,    &opt_dry_run,  &opt_shards,   &opt_streams, &opt_pins,
                              &opt_record, &opt_release,  &opt_quiet,    NULL};
static options record_options = {&opt_rules, &opt_policies, &opt_profiles, &opt_checks,
                                 &opt_feeds, &opt_for,      &opt_shards,   &opt_streams,
                                 &opt_pins,  &opt_release,  NULL};
static options replay_options = {&opt_rules, &opt_streams, &opt_quiet, NULL};
static options stream_options = {&opt_for, NULL};
static options ps_options = {&opt_all, NULL};
static options doctor_options = {&opt_prove, &opt_pins, NULL};
static options rules_options = {&opt_rules, NULL};
static options check_options = {&opt_policies, &opt_profiles, NULL};
static options incidents_options = {&opt_follow, &opt_for, &opt_since, NULL};
static options incident_options = {&opt_confirm, &opt_dismiss, &opt_close, &opt_reopen, NULL};
static options row_options = {&opt_undo, NULL};
static options act_options = {&opt_for, &opt_reason, &opt_dry_run, NULL};
static options throttle_options = {&opt_for, &opt_reason, &opt_dry_run, &opt_cpu, &opt_pids, NULL};
static options isolate_options = {&opt_for, &opt_reason, &opt_dry_run, &opt_allow, NULL};
static options lift_options = {&opt_reason, &opt_dry_run, NULL};
static options pause_options = {&opt_for, &opt_reason, NULL};
static options ledger_options = {&opt_key, NULL};
static options stop_options = {&opt_release, NULL};

const struct verb cli_verbs[] = {
    {"run", "",
     "watch, detect, decide and enforce until it is stopped; findings go to standard output",
     "bulkhead run -r rules/ --policies policies/ --state /tmp/state --runtime-dir /tmp/run",
     run_options, verb_run, true},
    {"events", "[EXPRESSION…]", "events that match a condition, as they happen (asks the agent)",
     "bulkhead events 'evt.type=execve and container.id!=host' --for 30s", stream_options,
     verb_events, false},
    {"findings", "", "findings as they are made (asks the agent)",
     "bulkhead findings --format json", stream_options, verb_findings, false},
    {"ps", "[CONTAINER]", "containers and their processes (asks the agent)", "bulkhead ps --all",
     ps_options, verb_ps, false},
    {"status", "", "what the agent has seen, lost and holds, and what is wrong (asks the agent)",
     "bulkhead status", no_options, verb_status, false},
    {"doctor", "",
     "what this kernel allows, what is loaded and pinned; exit code 3 where the agent cannot run",
     "bulkhead doctor --prove", doctor_options, verb_doctor, false},
    {"incidents", "", "all incidents (asks the agent)", "bulkhead incidents --follow",
     incidents_options, verb_incidents, false},
    {"incident", "NUMBER",
     "one incident: its story, findings, decisions; or a word on it (asks the agent)",
     "bulkhead incident 3 --dismiss", incident_options, verb_incident, false},
    {"why", "CONTAINER|PID|PATH",
     "what was done to it and why, and what is in force for it (asks the agent)",
     "bulkhead why /tmp/dropped", no_options, verb_why, false},
    {"rows", "", "the desired kernel state and what came of it (asks the agent)", "bulkhead rows",
     no_options, verb_rows, false},
    {"row", "NUMBER", "one row; or take it back (asks the agent)", "bulkhead row 7 --undo",
     row_options, verb_row, false},
    {"respond freeze", "CONTAINER",
     "stop all processes of a container for a while (asks the agent)",
     "bulkhead respond freeze web --for 10m --reason 'looking at it'", act_options, verb_respond,
     false},
    {"respond thaw", "CONTAINER", "let a frozen container go on (asks the agent)",
     "bulkhead respond thaw web", lift_options, verb_respond, false},
    {"respond throttle", "CONTAINER",
     "give a container little processor time and no more processes (asks the agent)",
     "bulkhead respond throttle web --cpu 5 --pids 32", throttle_options, verb_respond, false},
    {"respond isolate", "CONTAINER",
     "take a container's network away but for what is allowed (asks the agent)",
     "bulkhead respond isolate web --allow 10.0.0.0/8", isolate_options, verb_respond, false},
    {"respond kill", "CONTAINER", "end all processes of a container (asks the agent)",
     "bulkhead respond kill web", act_options, verb_respond, false},
    {"respond undo", "ROW|CONTAINER",
     "take back one row, or all that is done to a container (asks "
     "the agent)",
     "bulkhead respond undo web", lift_options, verb_respond_undo, false},
    {"respond pause", "", "no incident acts on a container until then (asks the agent)",
     "bulkhead respond pause --for 1h", pause_options, verb_respond, false},
    {"respond resume", "", "incidents may act again (asks the agent)", "bulkhead respond resume",
     no_options, verb_respond, false},
    {"respond list", "",
     "what is done to containers now, and whether incidents may act (asks the "
     "agent)",
     "bulkhead respond list", no_options, verb_respond_list, false},
    {"comply status", "[CONTAINER]",
     "controls of compliance that fail or are unknown, for every container (asks the agent)",
     "bulkhead comply status web --all", comply_options, verb_comply_status, false},
    {"comply check", "BUNDLE…",
     "judge bundles before anybody starts them; exit code 1 where a control fails or is unknown",
     "bulkhead comply check /run/bundles/web --checks checks/", comply_check_options,
     verb_comply_check, false},
    {"rules check", "FILE…",
     "read and compile rules: every error with file, line and hint; exit code 1 if there are any",
     "bulkhead rules check rules/*.yaml", check_options, verb_rules_check, false},
    {"rules explain", "RULE",
     "a rule's source, resolved condition, flat code, and what it needs of the kernel",
     "bulkhead rules explain 'Shell in a container' -r rules/", rules_options, verb_rules_explain,
     false},
    {"ledger verify", "[DIR]",
     "check every entry, tile, checkpoint and key of the log; exit code 1 if one is wrong",
     "bulkhead ledger verify --key \"$(cat first-key)\"", ledger_options, verb_ledger_verify,
     false},
    {"ledger prove", "ENTRY",
     "a proof that others can check that an entry (its index, or a finding's id) is in the log",
     "bulkhead ledger prove 17 >proof.json", no_options, verb_ledger_prove, false},
    {"ledger check-proof", "FILE", "check such a proof; exit code 1 if it is wrong",
     "bulkhead ledger check-proof proof.json --key \"$(cat first-key)\"", ledger_options,
     verb_ledger_check_proof, false},
    {"ledger list", "[FROM]", "the log's entries from an index on",
     "bulkhead ledger list 100 --format json", no_options, verb_ledger_list, false},
    {"net check", "FILE…",
     "read network policies: every mistake with file, line and hint, and what is hardly meant; "
     "exit code 1 if there is an error",
     "bulkhead net check policies.d/*.yaml", no_options, verb_net_check, false},
    {"net try", "FROM TO PORT",
     "would this connection be let through, and which row decides; ends are containers or "
     "addresses, or with --policies NAMESPACE/LABEL=VALUE,… (no agent is asked then); exit code 1 "
     "if it is refused",
     "bulkhead net try default/app=web default/app=db 80/tcp --policies policies.d/", check_options,
     verb_net_try, false},
    {"net flows", "", "who talked with whom, allowed and refused (asks the agent)",
     "bulkhead net flows", no_options, verb_net_flows, false},
    {"profile list", "", "workloads and how far they are learned (asks the agent)",
     "bulkhead profile list", no_options, verb_profile_list, false},
    {"profile show", "WORKLOAD",
     "what a workload is known to do, and what is new to it (asks the agent)",
     "bulkhead profile show shop", no_options, verb_profile_show, false},
    {"profile diff", "WORKLOAD",
     "what a workload does that its profile lacks (+), and what it has not done for a period (-)",
     "bulkhead profile diff shop", no_options, verb_profile_diff, false},
    {"profile export", "WORKLOAD",
     "a workload's profile as a document: to keep, to edit, to load with --profiles (asks the "
     "agent)",
     "bulkhead profile export shop >profiles.d/shop.yaml", no_options, verb_profile_export, false},
    {"intel lookup", "VALUE",
     "which feeds name an address, a network, a domain, an URL or a file's hash; exit code 1 if "
     "one does (asks the agent)",
     "bulkhead intel lookup 198.51.100.7", no_options, verb_intel_lookup, false},
    {"intel stats", "", "feeds: what is in force, how old, and what was held back (asks the agent)",
     "bulkhead intel stats", no_options, verb_intel_stats, false},
    {"record", "FILE", "run, and write every input into a capture",
     "bulkhead record attack.bhcap --for 60s", record_options, verb_record, true},
    {"replay", "FILE", "feed a capture to the same line; findings go to standard output",
     "bulkhead replay attack.bhcap -r new-rules.yaml --format json", replay_options, verb_replay,
     true},
    {"reload", "", "read configuration, rules and policies again (asks the agent)",
     "bulkhead reload", no_options, verb_reload, false},
    {"stop", "", "end the agent and wait until it has ended (asks the agent)",
     "bulkhead stop --release", stop_options, verb_stop, false},
    {"dump", "TABLE", "print a table that the binary works from; `dump tables` lists them",
     "bulkhead dump fields --format json", no_options, verb_dump, false},
    {"version", "", "versions of the binary, its API and its record format", "bulkhead version",
     no_options, verb_version, false},
};
const size_t cli_verbs_n = ARRAY_SIZE(cli_verbs);
