// The parser of conditions: Falco's grammar, scanned by prefixes as Falco's own parser does, so
// that what loads there loads here (`a in(b)`, `fd.num>=0`, `x=1and y=2`). Works on text whose
// lists have been pasted in.
#include "detect/rule/internal.h"

const char *const modifier_names[] = {"", "oneof", "anyof", "allof"};

struct parse {
    struct arena *arena;
    const struct text *t;
    const struct report *report;
    const char *code;
    size_t at, nodes;
    unsigned depth, term_depth;
    struct str last; // for "unexpected token after"
    bool failed, silent;
};

static struct place place_at(const struct parse *p, size_t at)
{
    if (p->t->len == 0)
        return (struct place){1, 1, 0};
    if (at < p->t->len)
        return p->t->at[at];
    struct place end = p->t->at[p->t->len - 1];
    if (end.column < UINT16_MAX)
        end.column++;
    return end;
}

static void *fail(struct parse *p, const char *hint, const char *format, ...) _printf_(3, 4);
static void *fail(struct parse *p, const char *hint, const char *format, ...)
{
    char message[512];
    if (p->failed)
        return NULL;
    p->failed = true;
    if (p->silent)
        return NULL;
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    report_at(p->report, DIAG_ERROR, place_at(p, p->at), p->code, hint, "%s", message);
    return NULL;
}

static void *take(struct parse *p, size_t size)
{
    void *m = ++p->nodes > MAX_TREE_NODES ? NULL : arena_alloc(p->arena, size);
    return m ? m : fail(p, NULL, "the condition is too long");
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}
static char peek(const struct parse *p, size_t ahead)
{
    return p->at + ahead < p->t->len ? p->t->ptr[p->at + ahead] : 0;
}
static bool more(const struct parse *p)
{
    return p->at < p->t->len;
}
static struct str from(const struct parse *p, size_t start)
{
    return (struct str){p->t->ptr + start, p->at - start};
}

// Blanks of the grammar; true if there were any.
static bool blanks(struct parse *p)
{
    size_t start = p->at;
    while (more(p) && (peek(p, 0) == ' ' || peek(p, 0) == '\t' || peek(p, 0) == '\n' ||
                       peek(p, 0) == '\r' || peek(p, 0) == '\b'))
        p->at++;
    return p->at > start;
}

static bool word(struct parse *p, const char *w)
{
    size_t n = strlen(w);
    if (p->t->len - p->at < n || memcmp(p->t->ptr + p->at, w, n) != 0)
        return false;
    p->last = (struct str){p->t->ptr + p->at, n};
    p->at += n;
    return true;
}

static bool identifier(struct parse *p, struct str *ret)
{
    size_t start = p->at;
    if (!is_alpha(peek(p, 0)))
        return false;
    while (more(p) && (is_alpha(peek(p, 0)) || is_digit(peek(p, 0)) || peek(p, 0) == '_'))
        p->at++;
    *ret = from(p, start);
    p->last = *ret;
    return true;
}

// An identifier with at least one .identifier behind it.
static bool field_name(struct parse *p, struct str *ret)
{
    size_t start = p->at;
    struct str part;
    if (!identifier(p, &part))
        return false;
    size_t end = p->at;
    unsigned dots = 0;
    while (peek(p, 0) == '.') {
        p->at++;
        if (!identifier(p, &part))
            break;
        end = p->at;
        dots++;
    }
    if (!dots) {
        p->at = start;
        return false;
    }
    p->at = end;
    *ret = p->last = from(p, start);
    return true;
}

static bool hex_digit(char c, unsigned *ret)
{
    if (is_digit(c))
        *ret = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *ret = (unsigned)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
        *ret = (unsigned)(c - 'A') + 10;
    else
        return false;
    return true;
}

// The value of a quoted string. The closing quote is the first one without a backslash right before
// it.
static bool quoted(struct parse *p, struct str *ret)
{
    char quote = peek(p, 0);
    if (quote != '"' && quote != '\'')
        return false;
    size_t start = p->at, end = start + 1;
    while (end < p->t->len && !(p->t->ptr[end] == quote && p->t->ptr[end - 1] != '\\'))
        end++;
    if (end >= p->t->len)
        return fail(p, "close the quote", "this string has no closing quote") != NULL;
    char *out = take(p, end - start + 1);
    if (!out)
        return false;
    size_t n = 0;
    for (size_t i = start + 1; i < end; i++) {
        char c = p->t->ptr[i];
        if (c != '\\') {
            out[n++] = c;
            continue;
        }
        c = ++i < end ? p->t->ptr[i] : 0;
        static const char codes[] = "b\bf\fn\nr\rt\t\\\\//";
        const char *known = c ? strchr("bfnrt\\/", c) : NULL;
        unsigned hi, lo;
        if (known) {
            out[n++] = codes[(size_t)(strchr(codes, c) - codes) + 1];
        } else if (c == quote) {
            out[n++] = c;
        } else if (c == ' ') {
            out[n++] = '\\'; // Falco's: a backslash before a blank is a backslash
        } else if (c == 'x' && i + 2 < end && hex_digit(p->t->ptr[i + 1], &hi) &&
                   hex_digit(p->t->ptr[i + 2], &lo)) {
            if (hi == 0 && lo == 0) {
                p->at = i - 1;
                return fail(p, NULL, "a NUL byte can't be in a string") != NULL;
            }
            out[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            p->at = i - 1;
            return fail(p, "known are \\b \\f \\n \\r \\t \\\\ \\/ \\xHH and the quote itself",
                        "unsupported string escape sequence") != NULL;
        }
    }
    p->at = end + 1;
    p->last = (struct str){p->t->ptr + start, p->at - start};
    *ret = (struct str){out, n};
    return true;
}

static bool bare(struct parse *p, struct str *ret)
{
    size_t start = p->at;
    while (more(p) && !is_space(peek(p, 0)) && !strchr("()\"'=,", peek(p, 0)))
        p->at++;
    if (p->at == start)
        return false;
    *ret = p->last = from(p, start);
    return true;
}

static bool string_value(struct parse *p, struct literal *ret)
{
    ret->at = place_at(p, p->at);
    return quoted(p, &ret->text) || (!p->failed && bare(p, &ret->text));
}

static bool number(struct parse *p, struct str *ret)
{
    size_t start = p->at, i = start;
    const char *s = p->t->ptr;
    size_t len = p->t->len;
    unsigned h;
    if (i + 2 < len && s[i] == '0' && (s[i + 1] == 'x' || s[i + 1] == 'X') &&
        hex_digit(s[i + 2], &h)) {
        for (i += 2; i < len && hex_digit(s[i], &h);)
            i++;
    } else {
        if (i < len && (s[i] == '+' || s[i] == '-'))
            i++;
        if (i >= len || !is_digit(s[i]))
            return false;
        while (i < len && is_digit(s[i]))
            i++;
        if (i < len && s[i] == '.')
            i++;
        while (i < len && is_digit(s[i]))
            i++;
        if (i + 2 < len && (s[i] == 'e' || s[i] == 'E') && (s[i + 1] == '+' || s[i + 1] == '-') &&
            is_digit(s[i + 2]))
            for (i += 2; i < len && is_digit(s[i]);)
                i++;
    }
    p->at = i;
    *ret = p->last = from(p, start);
    return true;
}

static bool argument(struct parse *p, struct expr *e)
{
    if (peek(p, 0) != '[')
        return true;
    size_t open = p->at++;
    if (!quoted(p, &e->arg)) {
        if (p->failed)
            return false;
        size_t start = p->at;
        while (more(p) && !is_space(peek(p, 0)) && !strchr("[]\"'", peek(p, 0)))
            p->at++;
        e->arg = from(p, start);
        if (p->at == start)
            return fail(p, NULL,
                        "expected a valid field argument: a quoted string or a bare string") !=
                   NULL;
    }
    if (peek(p, 0) != ']')
        return fail(p, NULL, "expected a ']' token") != NULL;
    p->at++;
    p->last = from(p, open);
    e->has_arg = true;
    return true;
}

static struct expr *new_expr(struct parse *p, enum expr_type type)
{
    struct expr *e = take(p, sizeof(*e));
    if (e) {
        e->type = type;
        e->at = place_at(p, p->at);
    }
    return e;
}

static struct expr *field_or_transformer(struct parse *p, bool right);

static struct expr *transformer_argument(struct parse *p)
{
    struct str s;
    struct expr *e;
    blanks(p);
    size_t start = p->at;
    if (peek(p, 0) == '(') {
        if (!(e = new_expr(p, EXPR_LIST)))
            return NULL;
        struct expr *list[MAX_TERM_ARGS];
        if (++p->term_depth > MAX_TERM_DEPTH)
            return fail(p, NULL, "more than %d lists within each other", MAX_TERM_DEPTH);
        p->at++;
        blanks(p);
        while (peek(p, 0) != ')') {
            if (e->n && peek(p, 0) != ',')
                return fail(p, NULL, "expected a ',' or ')' token");
            if (e->n)
                p->at++;
            if (e->n == MAX_TERM_ARGS)
                return fail(p, NULL, "more than %d elements", MAX_TERM_ARGS);
            if (!(list[e->n] = transformer_argument(p)))
                return NULL;
            e->n++;
            blanks(p);
        }
        p->at++;
        p->term_depth--;
        if (!(e->args = take(p, MAX(e->n, (size_t)1) * sizeof(*e->args))))
            return NULL;
        memcpy(e->args, list, e->n * sizeof(*list));
        return e;
    }
    if ((e = field_or_transformer(p, false)))
        return e;
    if (p->failed)
        return NULL;
    p->at = start;
    if (quoted(p, &s) || (!p->failed && number(p, &s))) {
        if (!(e = new_expr(p, EXPR_TEXT)))
            return NULL;
        e->at = place_at(p, start);
        e->name = s;
        return e;
    }
    return fail(p, "texts must be quoted here",
                "expected a field, a transformer, a quoted string or a list");
}

// NULL without failing: neither a field nor a transformer is here.
static struct expr *field_or_transformer(struct parse *p, bool right)
{
    size_t start = p->at;
    struct str name;
    for (size_t i = 0; i < rule_transformers_n; i++) {
        const struct transformer_row *row = &rule_transformers[i];
        size_t n = strlen(row->name);
        if (p->t->len - p->at <= n || memcmp(p->t->ptr + p->at, row->name, n) != 0 ||
            p->t->ptr[p->at + n] != '(')
            continue;
        struct expr *list[MAX_TERM_ARGS];
        struct expr *e = new_expr(p, EXPR_TRANSFORMER);
        if (!e)
            return NULL;
        if (row->id == TR_VAL && !right)
            return fail(p, NULL, "'val' may only stand on the right of an operator");
        if (++p->term_depth > MAX_TERM_DEPTH)
            return fail(p, NULL, "more than %d transformers within each other", MAX_TERM_DEPTH);
        e->name = (struct str){p->t->ptr + p->at, n};
        p->at += n + 1;
        do {
            if (e->n == MAX_TERM_ARGS)
                return fail(p, NULL, "more than %d arguments", MAX_TERM_ARGS);
            if (!(list[e->n] = transformer_argument(p)))
                return NULL;
            e->n++;
            blanks(p);
        } while (peek(p, 0) == ',' && ++p->at);
        if (peek(p, 0) != ')')
            return fail(p, NULL, "expected a ')' token closing the transformer");
        p->at++;
        p->term_depth--;
        p->last = from(p, start);
        if (!(e->args = take(p, e->n * sizeof(*e->args))))
            return NULL;
        memcpy(e->args, list, e->n * sizeof(*list));
        return argument(p, e) ? e : NULL;
    }
    if (!field_name(p, &name)) {
        p->at = start;
        return NULL;
    }
    p->at = start;
    struct expr *e = new_expr(p, EXPR_FIELD);
    if (!e)
        return NULL;
    p->at = start + name.len;
    e->name = name;
    return argument(p, e) ? e : NULL;
}

// The right side as a field: val(…) or another transformer. NULL without failing: it is none.
static struct expr *right_expr(struct parse *p)
{
    size_t start = p->at;
    for (size_t i = 0; i < rule_transformers_n; i++) {
        size_t n = strlen(rule_transformers[i].name);
        if (p->t->len - start > n && memcmp(p->t->ptr + start, rule_transformers[i].name, n) == 0 &&
            p->t->ptr[start + n] == '(')
            return field_or_transformer(p, true);
    }
    return NULL;
}

static bool add_value(struct parse *p, struct check *c, size_t *cap, struct literal l)
{
    if (c->n == *cap) {
        size_t bigger = *cap ? *cap * 2 : 4;
        struct literal *v = take(p, bigger * sizeof(*v));
        if (!v)
            return false;
        if (c->n)
            memcpy(v, c->values, c->n * sizeof(*v));
        c->values = v;
        *cap = bigger;
    }
    c->values[c->n++] = l;
    return true;
}

static bool list_value(struct parse *p, struct check *c)
{
    struct literal l;
    size_t cap = 0;
    if (!word(p, "("))
        return fail(p, "a list stands in parentheses", "expected a '(' token") != NULL;
    blanks(p);
    if (word(p, ")"))
        return true;
    for (;;) {
        blanks(p);
        if (!string_value(p, &l))
            return fail(p, NULL, "expected a list item") != NULL;
        if (!add_value(p, c, &cap, l))
            return false;
        blanks(p);
        if (word(p, ")"))
            return true;
        if (!word(p, ","))
            return fail(p, "put a comma between items, or quote an item that holds blanks",
                        "expected a ',' or a ')' token in the list") != NULL;
    }
}

static bool one_value(struct parse *p, struct check *c, struct literal l)
{
    size_t cap = 0;
    return add_value(p, c, &cap, l);
}

// oneof, anyof or allof before a list: only where a list or a name follows; otherwise the word is a
// value.
static enum modifier modifier(struct parse *p)
{
    size_t start = p->at;
    for (int m = MOD_ONEOF; m <= MOD_ALLOF; m++) {
        struct str name;
        if (!word(p, modifier_names[m]) || !blanks(p)) {
            p->at = start;
            continue;
        }
        if (peek(p, 0) == '(')
            return (enum modifier)m;
        size_t here = p->at;
        bool follows = identifier(p, &name) && !str_eq(name, STR("and")) &&
                       !str_eq(name, STR("or")) && !str_eq(name, STR("not"));
        p->at = follows ? here : start;
        if (follows)
            return (enum modifier)m;
    }
    return MOD_NONE;
}

static bool right_side(struct parse *p, struct check *c)
{
    struct literal l;
    blanks(p);
    l.at = place_at(p, p->at);
    c->right = right_expr(p);
    if (c->right || p->failed)
        return !p->failed;
    switch (operator_shapes[c->op]) {
    case SHAPE_NUMBER:
        return number(p, &l.text) ? one_value(p, c, l)
                                  : fail(p, NULL, "expected a number or a transformer") != NULL;
    case SHAPE_STRING:
        c->mod = modifier(p);
        if (c->mod != MOD_NONE)
            return list_value(p, c);
        return string_value(p, &l)
                   ? one_value(p, c, l)
                   : fail(p, NULL, "expected a string value or a transformer") != NULL;
    case SHAPE_LIST:
        return list_value(p, c);
    default:
        return true;
    }
}

static const char *operator_hint(struct parse *p)
{
    const char *names[CMP_MAX];
    char near[32];
    size_t n = 0;
    for (size_t i = 0; i < rule_operators_n; i++)
        names[i] = rule_operators[i].name;
    while (n + 1 < sizeof(near) &&
           (is_alpha(peek(p, n)) || (peek(p, n) && strchr("<>=!~", peek(p, n))))) {
        near[n] = peek(p, n);
        n++;
    }
    near[n] = 0;
    return nearest_word(near, names, rule_operators_n);
}

static struct node *new_node(struct parse *p, enum node_type type)
{
    struct node *n = take(p, sizeof(*n));
    if (n) {
        n->type = type;
        n->at = place_at(p, p->at);
    }
    return n;
}

static struct node *check_on(struct parse *p, struct node *n, struct expr *left)
{
    struct check *c = take(p, sizeof(*c));
    if (!c)
        return NULL;
    c->left = left;
    blanks(p);
    for (size_t i = 0; i < rule_operators_n; i++) {
        size_t start = p->at;
        const char *name = rule_operators[i].name;
        if (!word(p, name))
            continue;
        // Falco wants a blank behind operators that are words and take a string.
        if (operator_shapes[i] == SHAPE_STRING && is_alpha(name[0]) && more(p) &&
            !is_space(peek(p, 0))) {
            p->at = start;
            continue;
        }
        if (i == CMP_EQ && peek(p, 0) == '=')
            p->at++; // `==` is the same
        c->op = i;
        c->op_at = place_at(p, start);
        n->check = c;
        return right_side(p, c) ? n : NULL;
    }
    const char *near = operator_hint(p);
    char hint[64];
    snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
    return fail(p, near ? hint : "see `bulkhead dump operators`",
                "expected a valid check operator after '" STR_FMT "'", STR_ARG(p->last));
}

static struct node *parse_or(struct parse *p);

static struct node *embedded(struct parse *p)
{
    if (++p->depth > MAX_DEPTH)
        return fail(p, NULL, "exceeded max depth limit of %d", MAX_DEPTH);
    struct node *n = parse_or(p);
    p->depth--;
    if (!n)
        return NULL;
    blanks(p);
    if (!word(p, ")"))
        return fail(p, NULL,
                    more(p) ? "unexpected token after '" STR_FMT "', expecting ')', 'or', 'and'"
                            : "expected a ')' token after '" STR_FMT "'",
                    STR_ARG(p->last));
    return n;
}

static struct node *parse_check(struct parse *p)
{
    blanks(p);
    if (word(p, "("))
        return embedded(p);
    struct node *n = new_node(p, NODE_CHECK);
    if (!n)
        return NULL;
    struct expr *left = field_or_transformer(p, false);
    if (p->failed)
        return NULL;
    if (left)
        return check_on(p, n, left);
    if (identifier(p, &n->name)) {
        n->type = NODE_MACRO;
        return n;
    }
    return fail(p, NULL, "expected a '(' token, a field check, or an identifier");
}

static struct node *parse_not(struct parse *p)
{
    bool negate = false;
    struct node *outer = NULL, *n = NULL;
    blanks(p);
    size_t first = p->at;
    for (;;) {
        size_t start = p->at;
        if (!word(p, "not"))
            break;
        if (peek(p, 0) == '(') {
            p->at++;
            negate = !negate;
            if (!(n = embedded(p)))
                return NULL;
            break;
        }
        if (!blanks(p)) {
            p->at = start; // an identifier that begins like `not`
            break;
        }
        negate = !negate;
    }
    size_t here = p->at;
    if (!n && !(n = parse_check(p)))
        return NULL;
    if (!negate)
        return n;
    p->at = p->at > here ? p->at : here;
    if (!(outer = new_node(p, NODE_NOT)) || !(outer->kids = take(p, sizeof(*outer->kids))))
        return NULL;
    outer->at = place_at(p, first);
    outer->kids[0] = n;
    outer->n = 1;
    return outer;
}

// A chain of `and` or of `or`; the next tighter rule makes the parts.
static struct node *chain(struct parse *p, const char *name, enum node_type type,
                          struct node *(*part)(struct parse *))
{
    struct node *first = part(p), *all = NULL;
    size_t cap = 1;
    blanks(p);
    while (first && word(p, name)) {
        struct node *next;
        if (blanks(p))
            next = part(p);
        else if (word(p, "("))
            next = embedded(p);
        else
            return fail(p, NULL, "expected a blank or '(' after '%s'", name);
        if (!next)
            return NULL;
        if (!all) {
            if (!(all = new_node(p, type)) ||
                !(all->kids = take(p, (cap = 4) * sizeof(*all->kids))))
                return NULL;
            all->at = first->at;
            all->kids[all->n++] = first;
        }
        if (all->n == cap) {
            struct node **kids = take(p, (cap *= 2) * sizeof(*kids));
            if (!kids)
                return NULL;
            memcpy(kids, all->kids, all->n * sizeof(*kids));
            all->kids = kids;
        }
        all->kids[all->n++] = next;
        blanks(p);
    }
    return first ? (all ? all : first) : NULL;
}

static struct node *parse_and(struct parse *p)
{
    return chain(p, "and", NODE_AND, parse_not);
}

static struct node *parse_or(struct parse *p)
{
    return chain(p, "or", NODE_OR, parse_and);
}

struct node *parse_condition(struct arena *a, const struct text *t, const struct report *r,
                             const char *code)
{
    // Names in the tree point into the text: a copy that lives as long as the tree.
    struct text kept = *t;
    struct parse p = {.arena = a, .t = &kept, .report = r, .code = code};
    kept.ptr = arena_cstr(a, text_view(t));
    kept.failed |= !kept.ptr;
    if (kept.failed)
        return fail(&p, NULL, "the condition is longer than %d bytes with its lists",
                    MAX_CONDITION_BYTES);
    struct node *n = parse_or(&p);
    if (!n)
        return NULL;
    blanks(&p);
    if (more(&p))
        return fail(&p, NULL, "unexpected token after '" STR_FMT "', expecting 'or', 'and'",
                    STR_ARG(p.last));
    return n;
}

struct expr *parse_field(struct arena *a, const struct text *t, const struct report *r, size_t at,
                         size_t *ret_end)
{
    struct parse p = {.arena = a, .t = t, .report = r, .at = at, .silent = true};
    struct expr *e = field_or_transformer(&p, false);
    *ret_end = p.at;
    return p.failed ? NULL : e;
}
