// Names of the enums that people and JSON see. Stable: a name may be added, none may change.
#include "model/model.h"

#include <strings.h>

#define NAME_OF(table, value)                                                                      \
    ((size_t)(value) < ARRAY_SIZE(table) && (table)[value] ? (table)[value] : "unknown")

static const char *const severities[] = {
    [SEVERITY_EMERGENCY] = "Emergency",
    [SEVERITY_ALERT] = "Alert",
    [SEVERITY_CRITICAL] = "Critical",
    [SEVERITY_ERROR] = "Error",
    [SEVERITY_WARNING] = "Warning",
    [SEVERITY_NOTICE] = "Notice",
    [SEVERITY_INFORMATIONAL] = "Informational",
    [SEVERITY_DEBUG] = "Debug",
};
static_assert(ARRAY_SIZE(severities) == SEVERITY_MAX, "a name for each");

const char *severity_name(enum severity s)
{
    return NAME_OF(severities, s);
}

int severity_parse(struct str s)
{
    for (int i = 0; i < SEVERITY_MAX; i++)
        if (strlen(severities[i]) == s.len && strncasecmp(severities[i], s.ptr, s.len) == 0)
            return i;
    if (s.len == 4 && strncasecmp(s.ptr, "info", 4) == 0)
        return SEVERITY_INFORMATIONAL;
    return SEVERITY_INVALID;
}

static const char *const incident_states[] = {
    [INCIDENT_OPEN] = "open",
    [INCIDENT_CONFIRMED] = "confirmed",
    [INCIDENT_DISMISSED] = "dismissed",
    [INCIDENT_CLOSED] = "closed",
};
static_assert(ARRAY_SIZE(incident_states) == INCIDENT_STATE_MAX, "a name for each");

const char *incident_state_name(enum incident_state s)
{
    return NAME_OF(incident_states, s);
}

static const char *const steps[] = {
    [STEP_RECORD] = "record",     [STEP_ALERT] = "alert",     [STEP_WATCH] = "watch",
    [STEP_THROTTLE] = "throttle", [STEP_ISOLATE] = "isolate", [STEP_FREEZE] = "freeze",
    [STEP_KILL] = "kill",
};
static_assert(ARRAY_SIZE(steps) == STEP_MAX, "a name for each");

const char *step_name(enum step s)
{
    return NAME_OF(steps, s);
}

static const char *const row_kinds[] = {
    [ROW_EXEC] = "exec",         [ROW_LEVEL] = "level",     [ROW_FREEZE] = "freeze",
    [ROW_THROTTLE] = "throttle", [ROW_ISOLATE] = "isolate", [ROW_KILL] = "kill",
    [ROW_HOLD] = "hold",         [ROW_NETWORK] = "network",
};
static_assert(ARRAY_SIZE(row_kinds) == ROW_KIND_MAX, "a name for each");

const char *row_kind_name(enum row_kind k)
{
    return NAME_OF(row_kinds, k);
}

static const char *const row_modes[] = {[MODE_AUDIT] = "audit", [MODE_ENFORCE] = "enforce"};
static_assert(ARRAY_SIZE(row_modes) == MODE_MAX, "a name for each");

const char *row_mode_name(enum row_mode m)
{
    return NAME_OF(row_modes, m);
}

static const char *const row_owners[] = {
    [OWNER_POLICY] = "policy", [OWNER_INCIDENT] = "incident", [OWNER_OPERATOR] = "operator"};
static_assert(ARRAY_SIZE(row_owners) == OWNER_MAX, "a name for each");

const char *row_owner_name(enum row_owner o)
{
    return NAME_OF(row_owners, o);
}

static const char *const row_changes[] = {[ROW_ADDED] = "added",
                                          [ROW_CHANGED] = "changed",
                                          [ROW_REMOVED] = "removed",
                                          [ROW_EXPIRED] = "expired"};

const char *row_change_name(enum row_change c)
{
    return NAME_OF(row_changes, c);
}

static const char *const objects[] = {
    [BH_OBJECT_NONE] = "none",       [BH_OBJECT_PATH] = "path",
    [BH_OBJECT_INODE] = "inode",     [BH_OBJECT_NOT_IN_IMAGE] = "notInImage",
    [BH_OBJECT_MEMFD] = "memfd",     [BH_OBJECT_ANY] = "any",
    [BH_OBJECT_INGRESS] = "ingress", [BH_OBJECT_EGRESS] = "egress",
    [BH_OBJECT_SOCKET] = "socket",
};
static_assert(ARRAY_SIZE(objects) == BH_OBJECT_MAX, "a name for each");

const char *object_name(enum bh_object o)
{
    return NAME_OF(objects, o);
}

static const char *const net_reasons[] = {[BH_NET_NO_LINE] = "not-allowed",
                                          [BH_NET_DENIED] = "denied",
                                          [BH_NET_ISOLATED] = "isolated",
                                          [BH_NET_PENDING] = "pending"};
static_assert(ARRAY_SIZE(net_reasons) == BH_NET_REASON_MAX, "a name for each");

const char *net_reason_name(enum bh_net_reason r)
{
    return NAME_OF(net_reasons, r);
}

static const char *const actions[] = {
    [BH_ACTION_NONE] = "none", [BH_ACTION_AUDIT] = "audit", [BH_ACTION_DENY] = "deny"};
static_assert(ARRAY_SIZE(actions) == BH_ACTION_MAX, "a name for each");

const char *action_name(enum bh_action a)
{
    return NAME_OF(actions, a);
}

static const char *const effects[] = {
    [BH_EFFECT_NONE] = "none",
    [BH_EFFECT_REFUSED] = "refused",
    [BH_EFFECT_KILLED_BEFORE] = "killed-before",
    [BH_EFFECT_KILLED_AFTER] = "killed-after",
    [BH_EFFECT_WOULD] = "would-refuse",
};
static_assert(ARRAY_SIZE(effects) == BH_EFFECT_MAX, "a name for each");

const char *effect_name(enum bh_effect e)
{
    return NAME_OF(effects, e);
}

static const char *const truths[] = {
    [BH_TRUTH_KERNEL_OBJECT] = "kernel-object",
    [BH_TRUTH_TASK_STATE] = "task-state",
    [BH_TRUTH_RETURNED_FD] = "returned-fd",
    [BH_TRUTH_SOCKET] = "socket",
    [BH_TRUTH_CALLER_MEMORY] = "caller-memory",
    [BH_TRUTH_SCAN] = "scan",
    [BH_TRUTH_AGENT] = "agent",
};
static_assert(ARRAY_SIZE(truths) == BH_TRUTH_MAX, "a name for each");

// Falco's words for what a descriptor is.
static const char *const stdios[] = {
    [BH_STDIO_FILE] = "file", [BH_STDIO_DIRECTORY] = "directory", [BH_STDIO_PIPE] = "pipe",
    [BH_STDIO_UNIX] = "unix", [BH_STDIO_IPV4] = "ipv4",           [BH_STDIO_IPV6] = "ipv6",
    [BH_STDIO_OTHER] = "<NA>"};
static_assert(ARRAY_SIZE(stdios) == BH_STDIO_MAX, "a name for each");

const char *stdio_name(enum bh_stdio s)
{
    return (size_t)s < ARRAY_SIZE(stdios) ? stdios[s] : NULL;
}

const char *truth_name(enum bh_truth t)
{
    return NAME_OF(truths, t);
}

static const char *const storm_causes[] = {
    [BH_STORM_BUDGET] = "budget",
    [BH_STORM_RING_FULL] = "ring-full",
    [BH_STORM_MISSED] = "missed",
};
static_assert(ARRAY_SIZE(storm_causes) == BH_STORM_MAX, "a name for each");

const char *storm_cause_name(enum bh_storm_cause c)
{
    return NAME_OF(storm_causes, c);
}

static const char *const outcome_states[] = {
    [OUTCOME_IN_FORCE] = "in-force",
    [OUTCOME_GONE] = "gone",
    [OUTCOME_FAILED] = "failed",
    [OUTCOME_LOST] = "lost",
};
static_assert(ARRAY_SIZE(outcome_states) == OUTCOME_STATE_MAX, "a name for each");

const char *outcome_state_name(enum outcome_state s)
{
    return NAME_OF(outcome_states, s);
}

static const char *const entry_kinds[] = {
    [ENTRY_FINDING] = "finding",   [ENTRY_INCIDENT] = "incident", [ENTRY_DECISION] = "decision",
    [ENTRY_ROW] = "row",           [ENTRY_OUTCOME] = "outcome",   [ENTRY_GENERATION] = "generation",
    [ENTRY_OPERATOR] = "operator", [ENTRY_SEGMENT] = "segment",   [ENTRY_LOSS] = "loss",
    [ENTRY_KEY] = "key",           [ENTRY_START] = "start",       [ENTRY_STOP] = "stop",
    [ENTRY_DROP] = "drop",
};
static_assert(ARRAY_SIZE(entry_kinds) == ENTRY_KIND_MAX, "a name for each");

const char *entry_kind_name(enum entry_kind k)
{
    return NAME_OF(entry_kinds, k);
}

static const char *const rings[] = {
    [BH_RING_CRITICAL] = "critical", [BH_RING_BULK] = "bulk", [BH_RING_NONE] = "none"};
static_assert(ARRAY_SIZE(rings) == BH_RING_MAX, "a name for each");

const char *ring_name(enum bh_ring r)
{
    return NAME_OF(rings, r);
}

static const struct flag_name {
    uint32_t flag;
    const char *name;
} flags[] = {
    {BH_F_TRUNCATED, "truncated"}, {BH_F_SHARED_TABLE, "shared-table"},
    {BH_F_MISMATCH, "mismatch"},   {BH_F_COMPAT, "compat"},
    {BH_F_FAILED, "failed"},       {BH_F_COPY, "copy"},
    {BH_F_RENAMED, "renamed"},
};

void json_kflags(struct json *j, const char *key, uint32_t value)
{
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (value & flags[i].flag)
            json_cstr(j, flags[i].name);
    json_array_end(j);
}
