// kind: Response. What is done to a container because of an incident: rules, the time that each
// step lasts, and the rails that hold it back.
#include "config/internal.h"

#define SEC              NSEC_PER_SEC
#define MINUTE           (60 * SEC)
#define HOUR             (60 * MINUTE)
#define DAY              (24 * HOUR)
#define RESPONSE(member) offsetof(struct response, member)
#define RULE(member)     offsetof(struct response_rule, member)
#define EXPIRY(step)     (RESPONSE(expiry_ns) + (step) * sizeof(uint64_t))

enum { MAX_RESPONSES = 64, MAX_RULES = 256, MAX_PROTECTED = 256, MAX_ALLOWED = 32 };

static const char *const modes[] = {"audit", "enforce", NULL};
static const char *const steps[] = {"record",  "alert",  "watch", "throttle",
                                    "isolate", "freeze", "kill",  NULL};
static_assert(ARRAY_SIZE(steps) == STEP_MAX + 1, "a word for each");
static_assert(sizeof(enum step) == sizeof(unsigned), "choices are stored as unsigned");

static const struct response_rule rule_defaults = {
    .severity = SEVERITY_DEBUG, .confidence = 0.5, .step = STEP_WATCH};

const struct response response_defaults = {
    .mode = MODE_AUDIT,
    .expiry_ns = {[STEP_THROTTLE] = 10 * MINUTE,
                  [STEP_ISOLATE] = 10 * MINUTE,
                  [STEP_FREEZE] = 10 * MINUTE,
                  [STEP_KILL] = MINUTE},
    .cpu_pct = 10,
    .pids_max = 64,
    .acts = 10,
    .acts_workload = 3,
    .window_ns = 10 * MINUTE,
};

static const struct key rule_keys[] = {
    {.name = "rule",
     .text = "glob on the name of one of the incident's rules",
     .type = &value_glob,
     .offset = RULE(rule)},
    {.name = "tag",
     .text = "glob on one of the incident's tags",
     .type = &value_glob,
     .offset = RULE(tag)},
    {.name = "severity",
     .text = "the incident is at least as grave",
     .type = &value_severity,
     .offset = RULE(severity)},
    {.name = "confidence",
     .text = "the incident is at least as sure; below 0.5 nothing above watch is done, whatever a "
             "rule says",
     .type = &value_fraction,
     .offset = RULE(confidence)},
    {.name = "step",
     .text = "what is done then",
     .type = &value_choice,
     .offset = RULE(step),
     .choices = steps,
     .required = true},
    {.name = "expiry",
     .text = "how long; 0s: as long as the step lasts by `expiry`",
     .type = &value_duration,
     .offset = RULE(expiry_ns),
     .max = 30 * DAY},
    {0}};

#define DURATION(word, step, what)                                                                 \
    {                                                                                              \
        .name = (word), .text = (what), .type = &value_duration, .offset = EXPIRY(step),           \
        .min = SEC, .max = 30 * DAY                                                                \
    }
static const struct key expiry_keys[] = {
    DURATION("throttle", STEP_THROTTLE, "until limits are as they were"),
    DURATION("isolate", STEP_ISOLATE, "until the network is open again"),
    DURATION("freeze", STEP_FREEZE, "until it is thawed"),
    DURATION("kill", STEP_KILL, "as long nothing may live in it"),
    {0}};

static const struct key throttle_keys[] = {{.name = "cpu",
                                            .text = "percent of one processor; 0: as it is",
                                            .type = &value_unsigned,
                                            .offset = RESPONSE(cpu_pct),
                                            .max = 100000},
                                           {.name = "pids",
                                            .text = "processes and threads; 0: as it is",
                                            .type = &value_unsigned,
                                            .offset = RESPONSE(pids_max),
                                            .max = 4194304},
                                           {0}};

static const struct key isolate_keys[] = {{.name = "allow",
                                           .text = "addresses and networks that stay open",
                                           .type = &value_networks,
                                           .offset = RESPONSE(allow),
                                           .count_offset = RESPONSE(allow_n),
                                           .max = MAX_ALLOWED},
                                          {0}};

static const struct key limit_keys[] = {
    {.name = "acts",
     .text = "containers that are throttled, isolated, frozen or killed on this node, at most",
     .type = &value_unsigned,
     .offset = RESPONSE(acts),
     .max = 100000},
    {.name = "workload",
     .text = "of one workload, at most",
     .type = &value_unsigned,
     .offset = RESPONSE(acts_workload),
     .max = 100000},
    {.name = "in",
     .text = "in this time",
     .type = &value_duration,
     .offset = RESPONSE(window_ns),
     .min = SEC,
     .max = DAY},
    {0}};

const struct key response_spec_keys[] = {
    {.name = "selector",
     .text = "which containers; all that is given must hold, nothing given is every container",
     .type = &value_group,
     .offset = RESPONSE(selector),
     .keys = config_selector_keys},
    {.name = "mode",
     .text = "audit: say what would be done; enforce: do it",
     .type = &value_choice,
     .offset = RESPONSE(mode),
     .choices = modes},
    {.name = "rules",
     .text = "the first one that fits decides; where none does, the ladder (`dump ladder`)",
     .type = &value_items,
     .offset = RESPONSE(rules),
     .count_offset = RESPONSE(rules_n),
     .max = MAX_RULES,
     .keys = rule_keys,
     .item_size = sizeof(struct response_rule),
     .line_offset = RULE(line),
     .item_defaults = &rule_defaults},
    {.name = "expiry",
     .text = "how long each step lasts",
     .type = &value_group,
     .keys = expiry_keys},
    {.name = "throttle",
     .text = "what a throttled container gets",
     .type = &value_group,
     .keys = throttle_keys},
    {.name = "isolate",
     .text = "what an isolated container reaches",
     .type = &value_group,
     .keys = isolate_keys},
    {.name = "protect",
     .text = "containers that are never acted on, by an incident or by a person",
     .type = &value_items,
     .offset = RESPONSE(protect),
     .count_offset = RESPONSE(protect_n),
     .max = MAX_PROTECTED,
     .keys = config_selector_keys,
     .item_size = sizeof(struct protected_containers),
     .line_offset = offsetof(struct protected_containers, line)},
    {.name = "limit",
     .text = "at most so many acts in a time; what is past it is watched closer",
     .type = &value_group,
     .keys = limit_keys},
    {0}};
static_assert(offsetof(struct protected_containers, selector) == 0, "read by a selector's keys");

void response_take(struct building *b, struct reading *r, const struct document *doc)
{
    struct documents *d = b->d;
    for (size_t i = 0; doc->name.len && i < d->responses_n; i++)
        if (str_eq(d->responses[i].name, doc->name)) {
            char hint[320];
            snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", d->responses[i].file.ptr,
                     d->responses[i].line);
            read_error(r, doc->map, "BH210", hint, "a second Response with the name '" STR_FMT "'",
                       STR_ARG(doc->name));
            break;
        }
    struct response *grown = d->responses_n < MAX_RESPONSES
                                 ? reallocarray(d->responses, d->responses_n + 1, sizeof(*grown))
                                 : NULL;
    if (!grown) {
        read_error(r, doc->map, "BH003", NULL, "more than %d responses", MAX_RESPONSES);
        return;
    }
    d->responses = grown;
    struct response *p = &d->responses[d->responses_n++];
    *p = response_defaults;
    p->name = doc->name;
    p->file = arena_str(r->arena, str_of(r->file));
    p->line = doc->map->line;
    config_keys_read(r, response_spec_keys, doc->spec, p);
}

void responses_print(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->responses_n; i++)
        document_print("Response", d->responses[i].name, response_spec_keys, &d->responses[i], out);
}

enum tri response_protects(const struct response *list, size_t n, const struct container *c,
                           char *ret, size_t size)
{
    enum tri answer = NO;
    ret[0] = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < list[i].protect_n; k++) {
            const struct protected_containers *p = &list[i].protect[k];
            enum tri one = selector_match(&p->selector, c);
            if (one == NO || (one == UNKNOWN && answer == UNKNOWN))
                continue;
            snprintf(ret, size, STR_FMT ":%u", STR_ARG(list[i].file), p->line);
            if (one == YES)
                return YES;
            answer = UNKNOWN;
        }
    return answer;
}
