// Output templates: text with %field, %field[arg], %transformer(field), %20field. What can be read
// as a field after a % is taken as long as it gets; a field without a value prints as <NA>.
#include "detect/rule/internal.h"

enum { MAX_TOKENS = 512, MAX_WIDTH = 4096 };

static bool add(struct arena *a, struct output *o, struct token t)
{
    if (o->n >= MAX_TOKENS)
        return false;
    if ((o->n & (o->n - 1)) == 0) { // grows by doubling
        struct token *grown = arena_alloc(a, MAX(o->n * 2, (size_t)1) * sizeof(*grown));
        if (!grown)
            return false;
        if (o->n)
            memcpy(grown, o->tokens, o->n * sizeof(*grown));
        o->tokens = grown;
    }
    o->tokens[o->n++] = t;
    return true;
}

// The field name that begins here, cut shorter until it is one: `%proc.name.` and `%proc.namefoo`
// are proc.name.
static bool shorten(struct expr *e, char *why, size_t why_size, const char **hint, bool *ret_cut,
                    enum field_problem *ret)
{
    struct field_ref f;
    *ret = field_resolve(e->name, e->arg, e->has_arg, &f, why, why_size, hint);
    *ret_cut = false;
    if (*ret == FIELD_OK || *ret == FIELD_UNSUPPORTED)
        return true;
    for (size_t n = e->name.len; --n > 0;) {
        char other_why[256];
        const char *other_hint;
        enum field_problem p = field_resolve((struct str){e->name.ptr, n}, STR_NULL, false, &f,
                                             other_why, sizeof(other_why), &other_hint);
        if (p == FIELD_OK || p == FIELD_UNSUPPORTED) {
            e->name.len = n;
            e->has_arg = false;
            *ret_cut = true;
            *ret = p;
            return true;
        }
    }
    return false;
}

static bool wrong(struct compile *c, struct place at, const char *hint, const char *message)
{
    c->bad |= BAD_ERROR;
    report_at(c->report, DIAG_ERROR, at, "LOAD_ERR_COMPILE_OUTPUT", hint, "%s", message);
    return false;
}

// One %token at t[*at] (on the %). Moves *at behind it.
static bool token(struct compile *c, struct arena *a, const struct text *t, size_t *at,
                  struct token *ret)
{
    size_t i = *at + 1, end;
    uint64_t width = 0;
    while (i < t->len && t->ptr[i] >= '0' && t->ptr[i] <= '9' && width <= MAX_WIDTH)
        width = width * 10 + (uint64_t)(t->ptr[i++] - '0');
    if (width > MAX_WIDTH)
        return wrong(c, t->at[*at], NULL, "a field wider than 4096");
    struct expr *e = i < t->len ? parse_field(a, t, c->report, i, &end) : NULL;
    if (!e)
        return wrong(c, t->at[*at], "a field's name follows a %, which can't be written by itself",
                     "no field follows this %");
    *ret = (struct token){.text = {t->ptr + i, end - i}, .field = true, .width = (unsigned)width};
    if (e->type == EXPR_FIELD) {
        char why[256], text[192];
        const char *hint;
        bool cut;
        enum field_problem problem;
        if (!shorten(e, why, sizeof(why), &hint, &cut, &problem)) {
            snprintf(text, sizeof(text), "did you mean '%s'?", hint ? hint : "");
            if (problem == FIELD_UNKNOWN && c->unknown == DIAG_WARNING) {
                c->bad |= BAD_UNKNOWN;
                report_at(c->report, DIAG_WARNING, t->at[*at], "LOAD_UNKNOWN_FILTER",
                          hint ? text : NULL, "%s", why);
                return false;
            }
            return wrong(c, t->at[*at], hint ? text : NULL, why);
        }
        if (cut)
            ret->text.len = e->name.len;
        *at = i + ret->text.len;
        if (problem == FIELD_UNSUPPORTED) {
            report_at(
                c->report, DIAG_WARNING, t->at[i], "LOAD_UNKNOWN_FILTER", NULL,
                "'" STR_FMT
                "' is a field of Falco's that Bulkhead's records can't answer: it prints as <NA>",
                STR_ARG(e->name));
            return true;
        }
        ret->term = term_compile(c, e, false, 0);
        if (ret->term && (ret->term->flags & GET_FILTER_ONLY))
            return wrong(c, t->at[i], NULL, "this field can only be compared, not printed");
        return ret->term != NULL;
    }
    *at = end;
    ret->term = term_compile(c, e, false, 0);
    return ret->term != NULL || (c->bad & BAD_UNSUPPORTED);
}

bool output_compile(struct compile *c, struct arena *a, const struct text *t, struct output *ret)
{
    size_t at = 0, start = 0;
    bool ok = true;
    if (t->len == 0)
        return wrong(c, (struct place){0}, NULL, "the output is empty");
    while (at < t->len) {
        if (t->ptr[at] != '%') {
            at++;
            continue;
        }
        struct token lit = {.text = {t->ptr + start, at - start}}, tok;
        if (lit.text.len && (lit.text = arena_str(a, lit.text), !add(a, ret, lit)))
            return wrong(c, t->at[at], NULL, "too many fields");
        // Falco's %container.info means: whatever is suggested; that comes anyway.
        if (str_starts((struct str){t->ptr + at, t->len - at}, STR("%container.info"))) {
            report_at(c->report, DIAG_WARNING, t->at[at], "LOAD_DEPRECATED_ITEM", NULL,
                      "%%container.info is deprecated and prints nothing: the container's fields "
                      "are appended anyway");
            at += 15;
        } else if (token(c, a, t, &at, &tok)) {
            tok.text = arena_str(a, tok.text);
            if (!add(a, ret, tok))
                return wrong(c, t->at[at - 1], NULL, "too many fields");
        } else {
            ok = false;
            at++;
        }
        start = at;
    }
    struct token lit = {.text = arena_str(a, (struct str){t->ptr + start, at - start})};
    if (lit.text.len && !add(a, ret, lit))
        return wrong(c, t->at[at - 1], NULL, "too many fields");
    return ok;
}

void output_suggested(struct compile *c, struct arena *a, struct output *o)
{
    // Falco's order: that of its container plugin's table.
    static const char *const order[] = {
        "container.id",        "container.name", "container.image.repository",
        "container.image.tag", "k8s.pod.name",   "k8s.ns.name"};
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        struct expr e = {.type = EXPR_FIELD, .name = str_of(order[i])};
        char label[64];
        int n = snprintf(label, sizeof(label), " %s=", order[i]);
        for (char *p = label; *p; p++)
            *p = *p == '.' ? '_' : *p;
        struct str text = arena_str(a, (struct str){label, (size_t)n});
        struct token tok = {
            .text = str_of(order[i]), .field = true, .term = term_compile(c, &e, false, 0)};
        if (!add(a, o, (struct token){.text = text}) || !add(a, o, tok))
            return;
    }
}
