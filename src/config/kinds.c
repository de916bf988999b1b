// The keys of each kind of document: what a user can write, its range, and one line on what it
// does. Reading, `config_schema` and the printed form all come from here.
#include "config/internal.h"

#define KIB    (1024ULL)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define SEC    NSEC_PER_SEC
#define MIN_NS (60 * SEC)
#define HOUR   (60 * MIN_NS)
#define DAY    (24 * HOUR)

#define AGENT(member)  offsetof(struct agent_config, member)
#define POLICY(member) offsetof(struct policy, member)

static const char *const matchings[] = {"all", "first", NULL};
static const char *const times[] = {"local", "iso8601", NULL};
static const char *const modes[] = {"audit", "enforce", NULL};

static const struct key ring_keys[] = {
    {.name = "critical",
     .text = "what decides: exec, credentials, namespaces, mounts; a shard's ring",
     .type = &value_size,
     .offset = AGENT(ring_critical_bytes),
     .min = 64 * KIB,
     .max = 64 * MIB,
     .power_of_two = true},
    {.name = "bulk",
     .text = "everything else; a shard's ring",
     .type = &value_size,
     .offset = AGENT(ring_bulk_bytes),
     .min = 64 * KIB,
     .max = 256 * MIB,
     .power_of_two = true},
    {0}};

static const struct key budget_keys[] = {
    {.name = "critical",
     .text = "records a second that each container has for itself on the critical ring",
     .type = &value_u64,
     .offset = AGENT(budget_critical),
     .min = 10,
     .max = 10000000},
    {.name = "bulk",
     .text = "records a second that each container has for itself on the bulk ring",
     .type = &value_u64,
     .offset = AGENT(budget_bulk),
     .min = 10,
     .max = 10000000},
    {0}};

static const struct key segment_keys[] = {{.name = "size",
                                           .text = "of one segment",
                                           .type = &value_size,
                                           .offset = AGENT(segment_bytes),
                                           .min = 64 * KIB,
                                           .max = 16 * MIB},
                                          {.name = "total",
                                           .text = "of all that are kept; then the oldest go",
                                           .type = &value_size,
                                           .offset = AGENT(segments_bytes),
                                           .min = 16 * MIB,
                                           .max = 1024 * GIB},
                                          {0}};

static const struct key output_keys[] = {
    {.name = "time",
     .text = "how times are written on text lines and in Falco's JSON",
     .type = &value_choice,
     .offset = AGENT(json_iso_time),
     .boolean = true,
     .choices = times},
    {0}};

const struct key agent_spec_keys[] = {
    {.name = "memory",
     .text = "what the agent may use in all",
     .type = &value_size,
     .offset = AGENT(memory_bytes),
     .min = 64 * MIB,
     .max = 64 * GIB},
    {.name = "shards",
     .text = "threads that take events, each with its rings; 0: one per 16 cores",
     .type = &value_unsigned,
     .offset = AGENT(shards),
     .min = 0,
     .max = BH_MAX_SHARDS},
    {.name = "rings",
     .text = "sizes of the rings between kernel and agent",
     .type = &value_group,
     .keys = ring_keys},
    {.name = "budgets",
     .text = "what a container can send before the kernel counts instead",
     .type = &value_group,
     .keys = budget_keys},
    {.name = "lease",
     .text = "how long denying rows outlive an agent that is gone",
     .type = &value_duration,
     .offset = AGENT(lease_ns),
     .min = MIN_NS,
     .max = DAY},
    {.name = "sampleInterval",
     .text = "between two samples of each container's resources",
     .type = &value_duration,
     .offset = AGENT(sample_ns),
     .min = SEC,
     .max = HOUR},
    {.name = "tickInterval",
     .text = "how often the agent looks at the time",
     .type = &value_duration,
     .offset = AGENT(tick_ns),
     .min = 100 * NSEC_PER_MSEC,
     .max = 10 * SEC},
    {.name = "checkpointInterval",
     .text = "between two signed checkpoints of the ledger, at most",
     .type = &value_duration,
     .offset = AGENT(checkpoint_ns),
     .min = 100 * NSEC_PER_MSEC,
     .max = HOUR},
    {.name = "segments",
     .text = "the flight recorder's files",
     .type = &value_group,
     .keys = segment_keys},
    {.name = "watchFor",
     .text = "how long \"watch closer\" lasts",
     .type = &value_duration,
     .offset = AGENT(watch_ns),
     .min = SEC,
     .max = 7 * DAY},
    {.name = "minPriority",
     .text = "rules of a lower priority are not loaded",
     .type = &value_severity,
     .offset = AGENT(min_severity)},
    {.name = "ruleMatching",
     .text = "all: every rule that matches an event says so; first: only the first one",
     .type = &value_choice,
     .offset = AGENT(rule_matching_first),
     .boolean = true,
     .choices = matchings},
    {.name = "rules",
     .text = "files and folders of rules, relative to this file",
     .type = &value_paths,
     .offset = AGENT(rules),
     .count_offset = AGENT(rules_n)},
    {.name = "policies",
     .text = "files and folders of documents, relative to this file",
     .type = &value_paths,
     .offset = AGENT(policies),
     .count_offset = AGENT(policies_n)},
    {.name = "checks",
     .text = "files and folders of controls of compliance, relative to this file",
     .type = &value_paths,
     .offset = AGENT(checks),
     .count_offset = AGENT(checks_n)},
    {.name = "profiles",
     .text = "files and folders of workloads' profiles, relative to this file",
     .type = &value_paths,
     .offset = AGENT(profiles),
     .count_offset = AGENT(profiles_n)},
    {.name = "feeds",
     .text = "files and folders of indicators and of Feed documents, relative to this file",
     .type = &value_paths,
     .offset = AGENT(feeds),
     .count_offset = AGENT(feeds_n)},
    {.name = "output",
     .text = "what is written to standard output",
     .type = &value_group,
     .keys = output_keys},
    {0}};

#define SELECTOR(member) offsetof(struct selector, member)
const struct key config_selector_keys[] = {{.name = "name",
                                            .text = "glob on the container's name or id",
                                            .type = &value_glob,
                                            .offset = SELECTOR(name)},
                                           {.name = "image",
                                            .text = "glob on the image's name",
                                            .type = &value_glob,
                                            .offset = SELECTOR(image)},
                                           {.name = "workload",
                                            .text = "glob on the workload's name",
                                            .type = &value_glob,
                                            .offset = SELECTOR(workload)},
                                           {.name = "labels",
                                            .text = "labels that must be there and equal",
                                            .type = &value_labels,
                                            .offset = SELECTOR(labels),
                                            .count_offset = SELECTOR(labels_n)},
                                           {0}};

static const struct key exec_keys[] = {{.name = "deny",
                                        .text = "programs that may not be executed",
                                        .type = &value_deny,
                                        .offset = POLICY(deny),
                                        .count_offset = POLICY(deny_n),
                                        .required = true},
                                       {0}};

static const char *const pendings[] = {"allow", "deny", NULL};
static const struct key network_keys[] = {
    {.name = "deny",
     .text = "where a container may not connect to, whatever a NetworkPolicy allows",
     .type = &value_net_deny,
     .offset = POLICY(net_deny),
     .count_offset = POLICY(net_deny_n)},
    {.name = "pending",
     .text = "deny: a container whose facts are not known yet may talk to nobody",
     .type = &value_choice,
     .offset = POLICY(net_pending),
     .boolean = true,
     .choices = pendings},
    {0}};

const struct key policy_spec_keys[] = {
    {.name = "selector",
     .text = "which containers; all that is given must hold, nothing given is every container",
     .type = &value_group,
     .offset = POLICY(selector),
     .keys = config_selector_keys},
    {.name = "mode",
     .text = "audit: say what would be refused; enforce: refuse it",
     .type = &value_choice,
     .offset = POLICY(mode),
     .choices = modes},
    {.name = "priority",
     .text = "where two policies meet, the higher one decides",
     .type = &value_i32,
     .offset = POLICY(priority),
     .min = 0,
     .max = 1000000},
    {.name = "reason",
     .text = "why; shown to whoever is refused and in `why`",
     .type = &value_text,
     .offset = POLICY(reason)},
    {.name = "exec",
     .text = "what is said about executing programs",
     .type = &value_group,
     .keys = exec_keys},
    {.name = "network",
     .text = "what is said about connections",
     .type = &value_group,
     .keys = network_keys},
    {0}};

static_assert(sizeof(enum row_mode) == sizeof(unsigned), "choices are stored as unsigned");

void agent_config_defaults(struct agent_config *c)
{
    *c = (struct agent_config){
        .memory_bytes = 256 * MIB,
        .ring_critical_bytes = 2 * MIB,
        .ring_bulk_bytes = 4 * MIB,
        .budget_critical = 5000,
        .budget_bulk = 10000,
        .lease_ns = 15 * MIN_NS,
        .sample_ns = 10 * SEC,
        .tick_ns = SEC,
        .checkpoint_ns = SEC,
        .segment_bytes = 256 * KIB,
        .segments_bytes = GIB,
        .watch_ns = 10 * MIN_NS,
        .min_severity = SEVERITY_DEBUG,
    };
}
