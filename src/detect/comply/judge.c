// Judging: expressions in Kleene's strong three-valued logic (unknown and false is false, unknown
// or true is true, otherwise unknown stays unknown), and a control's two halves together.
#include "detect/comply/internal.h"

static bool one_fits(const struct test_of_fact *t, const struct value *v)
{
    for (size_t i = 0; i < t->n; i++)
        if (compare_constant(NULL, t->op, v, &t->constants[i]))
            return true;
    return false;
}

// A list has a property where one of its items has it; `in` where all have it. Where items may be
// missing from it, only what those that are there already decide is known.
static enum tri list_judge(const struct test_of_fact *t, const struct fact_value *v)
{
    enum tri otherwise = v->partial ? UNKNOWN : NO;
    if (t->op == CMP_EXISTS)
        return v->items_n ? YES : otherwise;
    bool all = t->op == CMP_IN;
    for (size_t i = 0; i < v->items_n; i++) {
        struct value item = {.type = FIELD_STRING, .str = v->items[i]};
        bool fits = one_fits(t, &item);
        if (fits != all)
            return fits ? YES : NO;
    }
    return all ? (v->partial ? UNKNOWN : YES) : otherwise;
}

enum tri test_judge(const struct test_of_fact *t, const struct fact_value *v)
{
    struct value value = {.type = v->type};
    if (!v->known)
        return UNKNOWN;
    switch (v->type) {
    case FIELD_STRINGS:
        return list_judge(t, v);
    case FIELD_BOOL:
        value.b = v->b;
        break;
    case FIELD_U64:
        value.u64 = v->n;
        break;
    default:
        value.str = v->s;
        if (t->op == CMP_EXISTS)
            return v->s.len ? YES : NO;
        break;
    }
    return one_fits(t, &value) ? YES : NO;
}

static enum tri inverse(enum tri t)
{
    return t == YES ? NO : t == NO ? YES : UNKNOWN;
}

enum tri expression_judge(const struct clause *t, const struct subject *s,
                          struct str items[MAX_ITEMS])
{
    if (t->type == NODE_CHECK) {
        struct fact_value v;
        fact_get(t->test.fact, s, items, &v);
        return test_judge(&t->test, &v);
    }
    if (t->type == NODE_NOT)
        return inverse(expression_judge(t->kids[0], s, items));
    enum tri decides = t->type == NODE_AND ? NO : YES, all = inverse(decides);
    for (size_t i = 0; i < t->n; i++) {
        enum tri one = expression_judge(t->kids[i], s, items);
        if (one == decides)
            return one;
        if (one == UNKNOWN)
            all = UNKNOWN;
    }
    return all;
}

size_t expression_facts(const struct clause *t, const struct fact *ret[MAX_CITED], size_t n)
{
    if (!t)
        return n;
    if (t->type == NODE_CHECK) {
        for (size_t i = 0; i < n; i++)
            if (ret[i] == t->test.fact)
                return n;
        if (n < MAX_CITED)
            ret[n++] = t->test.fact;
        return n;
    }
    for (size_t i = 0; i < t->n; i++)
        n = expression_facts(t->kids[i], ret, n);
    return n;
}

static enum comply_result result_of(enum tri t)
{
    return t == YES ? COMPLY_PASS : t == NO ? COMPLY_FAIL : COMPLY_UNKNOWN;
}

// Both halves must hold; a half that asks nothing says nothing.
static enum comply_result both(enum comply_result a, enum comply_result b)
{
    if (a == COMPLY_NOT_APPLICABLE || b == COMPLY_NOT_APPLICABLE)
        return a == COMPLY_NOT_APPLICABLE ? b : a;
    if (a == COMPLY_FAIL || b == COMPLY_FAIL)
        return COMPLY_FAIL;
    return a == COMPLY_PASS && b == COMPLY_PASS ? COMPLY_PASS : COMPLY_UNKNOWN;
}

struct verdict judge(const struct compiled *c, const struct subject *s, struct str items[MAX_ITEMS])
{
    const enum comply_result none = COMPLY_NOT_APPLICABLE;
    struct verdict v = {.bundle = none, .live = none, .all = none};
    enum tri applies = c->applies ? expression_judge(c->applies, s, items) : YES;
    if (applies == NO)
        return v;
    if (c->bundle)
        v.bundle = result_of(expression_judge(c->bundle, s, items));
    if (c->live && s->live)
        v.live = result_of(expression_judge(c->live, s, items));
    v.all = both(v.bundle, v.live);
    // Whether it is meant for this container isn't known: that it would fail is not known either.
    if (applies == UNKNOWN)
        v.all = v.all == none ? none : COMPLY_UNKNOWN;
    return v;
}

const char *comply_result_name(enum comply_result r)
{
    static const char *const names[COMPLY_RESULT_MAX] = {"unknown", "fail", "pass",
                                                         "not-applicable"};
    return r < COMPLY_RESULT_MAX ? names[r] : "unknown";
}
