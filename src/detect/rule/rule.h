// detect/rule: the Falco rule language. lexer → syntax tree → resolver → flat code → match.
#pragma once

#include "detect/detect.h"

struct ruleset; // immutable; shared between threads
struct rule_options {
    enum severity min_severity;
    bool first_match; // rule_matching: first
};
// Compiles every SOURCE_RULES of s. NULL if there was an error; every diagnostic of every file is
// in diags.
struct ruleset *ruleset_compile(const struct sources *s, const struct rule_options *o,
                                struct diag_list *diags);
void ruleset_free(struct ruleset *r);
size_t ruleset_rules(const struct ruleset *r);
// What the rules need of the kernel.
void ruleset_interest(const struct ruleset *r, struct interest *add_to);

struct rule_scratch; // per shard: memory of one match
struct rule_scratch *rule_scratch_new(void);
void rule_scratch_free(struct rule_scratch *s);
// Runs all rules that ask for this event. Emits one finding a matching rule. Returns how many.
int ruleset_match(const struct ruleset *r, struct rule_scratch *s, const struct detect_env *env,
                  const struct event *e, detect_emit emit, void *ctx);

// Is there a rule that looks at this kind of event, in a container or on the host?
bool ruleset_looks_at(const struct ruleset *r, uint16_t kind);

// A single condition (for `events EXPRESSION`). NULL on error, diags say why.
struct rule_filter;
struct rule_filter *rule_filter_compile(struct str expression, struct diag_list *diags);
void rule_filter_free(struct rule_filter *f);
void rule_filter_interest(const struct rule_filter *f, struct interest *add_to);
bool rule_filter_match(const struct rule_filter *f, struct rule_scratch *s,
                       const struct detect_env *env, const struct event *e);

// Prints a rule: its source, the resolved condition, event types, flat code with comments,
// interest, and what each field's stability is. -ENOENT: no such rule (nearest name in err).
int ruleset_explain(const struct ruleset *r, struct str rule, bool as_json, struct buf *out,
                    struct error *err);
// Fields and operators tables, for `dump`.
struct rule_operator_row {
    const char *name, *text;
    bool list;      // right side is a list
    uint32_t types; // bit per field_type
};
extern const struct rule_operator_row rule_operators[];
extern const size_t rule_operators_n;
// The value of a field on an event as text ("<NA>" for null), for `events` and tests. 0 or -EINVAL:
// no such field.
int rule_field_text(struct str field, struct rule_scratch *s, const struct detect_env *env,
                    const struct event *e, struct buf *out);
// One line about an event, in the style of Falco's: "TIME: exec sh …". Also all non-null fields as
// JSON.
void rule_event_text(struct rule_scratch *s, const struct detect_env *env, const struct event *e,
                     struct buf *out);
void rule_event_json(struct rule_scratch *s, const struct detect_env *env, const struct event *e,
                     struct json *j);
