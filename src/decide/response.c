// Which Response speaks for a container, and which of its rules for an incident.
#include "decide/internal.h"

static bool any_fits(struct str glob, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (glob_match(glob, list[i]))
            return true;
    return false;
}

static bool rule_fits(const struct response_rule *r, const struct incident *i)
{
    return i->severity <= r->severity && i->confidence >= r->confidence - CONFIDENCE_TOLERANCE &&
           (!r->rule.len || any_fits(r->rule, i->rules, i->rules_n)) &&
           (!r->tag.len || any_fits(r->tag, i->tags, i->tags_n));
}

struct earned response_earned(const struct documents *docs, const struct incident *i,
                              const struct container *c)
{
    struct earned e = {.row = decide_row_for(i->severity, i->confidence)};
    e.step = e.row ? e.row->step : STEP_RECORD;
    for (size_t k = 0; docs && c && k < docs->responses_n && !e.by; k++) {
        enum tri fits = selector_match(&docs->responses[k].selector, c);
        e.unknown |= fits == UNKNOWN;
        if (fits == YES && !e.unknown) // a later one may not speak before an earlier one is known
            e.by = &docs->responses[k];
    }
    for (size_t k = 0; e.by && k < e.by->rules_n && !e.rule; k++)
        if (rule_fits(&e.by->rules[k], i)) {
            e.rule = &e.by->rules[k];
            e.row = NULL;
            e.step = e.rule->step;
        }
    if (i->confidence < CONFIDENCE_LOW - CONFIDENCE_TOLERANCE)
        e.step = MIN(e.step, STEP_WATCH);
    return e;
}
