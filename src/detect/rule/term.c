// Terms: fields, and what transformers make of them. Names, arguments and types are checked here,
// once.
#include "detect/rule/internal.h"

#include <errno.h>

const struct transformer_row rule_transformers[] = {
    {"tolower", TR_TOLOWER, 1, 1, "ASCII letters to lower case"},
    {"toupper", TR_TOUPPER, 1, 1, "ASCII letters to upper case"},
    {"b64", TR_B64, 1, 1, "decodes base64; null if it isn't"},
    {"basename", TR_BASENAME, 1, 1, "what follows the last slash"},
    {"len", TR_LEN, 1, 1, "length in bytes"},
    {"join", TR_JOIN, 2, 2, "join(separator, (a, b, …)): the elements with the separator between"},
    {"concat", TR_CONCAT, 2, MAX_TERM_ARGS, "all arguments, one after the other"},
    {"getopt", TR_GETOPT, 2, 2,
     "short options of a list of arguments; parsed, but no field here is a list"},
    {"val", TR_VAL, 1, 1, "on the right of an operator: another field's value"},
};
const size_t rule_transformers_n = ARRAY_SIZE(rule_transformers);

static const char *const type_names[FIELD_TYPE_MAX] = {
    "STRING", "I64", "U64", "BOOL", "IP", "NET", "PORT", "TIME", "DURATION", "STRINGS"};
const char *field_type_label(enum field_type t)
{
    return t < FIELD_TYPE_MAX ? type_names[t] : "";
}

static int compare_getter(const void *key, const void *row)
{
    return str_cmp(*(const struct str *)key, str_of(((const struct getter *)row)->name));
}

static const struct getter *getter_of(struct str name)
{
    return bsearch(&name, rule_getters, rule_getters_n, sizeof(rule_getters[0]), compare_getter);
}

// A field whose argument is written behind a dot: evt.arg.path. The longest name wins.
static const struct getter *dotted(struct str name, struct str *ret_arg)
{
    for (size_t i = name.len; i-- > 0;) {
        const struct getter *g;
        if (name.ptr[i] == '.' && (g = getter_of((struct str){name.ptr, i})) &&
            (g->flags & GET_DOTTED)) {
            *ret_arg = (struct str){name.ptr + i + 1, name.len - i - 1};
            return g;
        }
    }
    return NULL;
}

static enum field_problem argument_wrong(char *why, size_t size, const char *format, struct str a,
                                         struct str b)
{
    snprintf(why, size, format, (int)a.len, a.ptr ? a.ptr : "", (int)b.len, b.ptr ? b.ptr : "");
    return FIELD_ARGUMENT;
}

enum field_problem field_resolve(struct str name, struct str arg, bool has_arg,
                                 struct field_ref *ret, char *why, size_t why_size,
                                 const char **ret_hint)
{
    struct str dot = STR_NULL;
    bool by_dot = false;
    *ret_hint = NULL;
    const struct getter *g = getter_of(name);
    if (!g && (g = dotted(name, &dot)))
        by_dot = true;
    if (!g) {
        for (size_t i = 0; i < rule_unsupported_fields_n; i++) {
            if (!str_eq(name, str_of(rule_unsupported_fields[i])))
                continue;
            snprintf(why, why_size,
                     "'" STR_FMT "' is a field of Falco's that Bulkhead's records can't answer",
                     STR_ARG(name));
            return FIELD_UNSUPPORTED;
        }
        const char *names[512];
        size_t n = 0;
        char cname[128];
        for (size_t i = 0; i < model_fields_n && n < ARRAY_SIZE(names); i++)
            names[n++] = model_fields[i].name;
        snprintf(cname, sizeof(cname), STR_FMT, STR_ARG(name));
        *ret_hint = nearest_word(cname, names, n);
        snprintf(why, why_size, "unknown field '" STR_FMT "'", STR_ARG(name));
        return FIELD_UNKNOWN;
    }
    *ret = (struct field_ref){.row = field_by_name(str_of(g->name)), .getter = g};
    ret->kinds = ret->row->kinds;
    bool event_argument = g->get == get_arg || g->get == get_rawarg;
    if (by_dot && has_arg)
        return argument_wrong(why, why_size, "field '" STR_FMT "' takes one argument%.*s", name,
                              STR_NULL);
    if (by_dot) {
        arg = dot;
        has_arg = true;
        if (event_argument && !arg_known(arg)) {
            *ret_hint = arg_nearest(arg);
            return argument_wrong(why, why_size, "unknown event argument '" STR_FMT "'%.*s", arg,
                                  STR_NULL);
        }
        if (event_argument)
            ret->kinds = arg_kinds(arg);
    }
    if (!has_arg && ret->row->argument == 2)
        return argument_wrong(why, why_size, "field '" STR_FMT "' needs an argument%.*s", name,
                              STR_NULL);
    if (has_arg && ret->row->argument == 0)
        return argument_wrong(why, why_size, "field '" STR_FMT "' takes no argument%.*s", name,
                              STR_NULL);
    ret->arg = arg;
    ret->has_arg = has_arg;
    ret->index = -1;
    if (has_arg && !by_dot && (event_argument || (g->flags & GET_NUMBER))) {
        uint64_t v;
        if (g->get == get_rawarg || parse_u64(arg, &v) != 0 || v > 100000)
            return argument_wrong(why, why_size,
                                  "'" STR_FMT "' is no valid argument of field '" STR_FMT "'", arg,
                                  name);
        ret->index = (int64_t)v;
    }
    if (has_arg && (g->flags & GET_KEY)) {
        uint64_t v;
        ret->index = parse_u64(arg, &v) == 0 && v <= 100000 ? (int64_t)v : -1;
    }
    return FIELD_OK;
}

size_t unit_field(struct unit *u, const struct field_ref *f)
{
    for (size_t i = 0; i < u->fields_n; i++)
        if (u->fields[i].row == f->row && u->fields[i].has_arg == f->has_arg &&
            str_eq(u->fields[i].arg, f->arg))
            return i;
    if (u->fields_n == u->fields_cap) {
        size_t cap = u->fields_cap ? u->fields_cap * 2 : 64;
        struct field_ref *grown = realloc(u->fields, cap * sizeof(*grown));
        if (!grown) {
            u->failed = true;
            return 0;
        }
        u->fields = grown;
        u->fields_cap = cap;
    }
    u->fields[u->fields_n] = *f;
    u->fields[u->fields_n].arg = arena_str(u->arena, f->arg);
    return u->fields_n++;
}

static const struct term *wrong(struct compile *c, const struct expr *e, const char *format, ...)
    _printf_(3, 4);
static const struct term *wrong(struct compile *c, const struct expr *e, const char *format, ...)
{
    char message[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    c->bad |= BAD_ERROR;
    report_at(c->report, DIAG_ERROR, e->at, "LOAD_ERR_COMPILE_CONDITION", NULL, "%s", message);
    return NULL;
}

static const struct term *field_term(struct compile *c, const struct expr *e)
{
    struct field_ref f;
    char why[256], hint[192];
    const char *near;
    enum field_problem problem =
        field_resolve(e->name, e->arg, e->has_arg, &f, why, sizeof(why), &near);
    if (near)
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
    switch (problem) {
    case FIELD_OK:
        break;
    case FIELD_UNSUPPORTED:
        c->bad |= BAD_UNSUPPORTED; // told once for each rule that it stops
        if (!c->unsupported)
            c->unsupported = e;
        return NULL;
    case FIELD_UNKNOWN:
        c->bad |= BAD_UNKNOWN | (c->unknown == DIAG_ERROR ? BAD_ERROR : 0);
        report_at(c->report, c->unknown, e->at,
                  c->unknown == DIAG_ERROR ? "LOAD_ERR_COMPILE_CONDITION" : "LOAD_UNKNOWN_FILTER",
                  near ? hint : "see `bulkhead dump fields`", "%s", why);
        return NULL;
    case FIELD_ARGUMENT:
        c->bad |= BAD_ERROR;
        report_at(c->report, DIAG_ERROR, e->at, "LOAD_ERR_COMPILE_CONDITION", near ? hint : NULL,
                  "%s", why);
        return NULL;
    }
    struct term *t = arena_alloc(c->unit->arena, sizeof(*t));
    if (!t) {
        c->unit->failed = true;
        return NULL;
    }
    t->type = EXPR_FIELD;
    t->value = f.row->type;
    t->field = unit_field(c->unit, &f);
    t->cost = f.getter->cost;
    t->flags = f.getter->flags;
    if (f.has_arg)
        t->flags &= ~(unsigned)(GET_ANCESTORS);
    return t;
}

static bool takes(enum transformer tr, size_t i, const struct term *arg)
{
    if (tr == TR_JOIN && i == 1)
        return arg->type == EXPR_LIST;
    return arg->type != EXPR_LIST && arg->value == FIELD_STRING;
}

static const struct term *transformer_term(struct compile *c, const struct expr *e, unsigned depth)
{
    const struct transformer_row *row = NULL;
    for (size_t i = 0; i < rule_transformers_n; i++)
        if (str_eq(str_of(rule_transformers[i].name), e->name))
            row = &rule_transformers[i];
    if (!row)
        return wrong(c, e, "no such transformer");
    if (row->id == TR_VAL) {
        if (e->n != 1 || e->args[0]->type != EXPR_FIELD)
            return wrong(c, e, "'val' takes one field");
        return term_compile(c, e->args[0], true, depth + 1);
    }
    if (e->n < row->min_args || e->n > row->max_args)
        return wrong(c, e, "'%s' takes %zu%s argument%s, not %zu", row->name, row->min_args,
                     row->max_args > row->min_args ? " or more" : "", row->min_args == 1 ? "" : "s",
                     e->n);
    if (row->id == TR_GETOPT)
        return wrong(c, e, "'getopt' takes a field that is a list, and no field is one");
    if (e->has_arg)
        return wrong(c, e, "'%s' takes no argument in brackets", row->name);
    struct term *t = arena_alloc(c->unit->arena, sizeof(*t));
    if (!t || !(t->args = arena_alloc(c->unit->arena, e->n * sizeof(*t->args)))) {
        c->unit->failed = true;
        return NULL;
    }
    t->type = EXPR_TRANSFORMER;
    t->tr = row->id;
    t->value = row->id == TR_LEN ? FIELD_U64 : FIELD_STRING;
    t->cost = 2;
    bool ok = true;
    for (size_t i = 0; i < e->n; i++) {
        const struct term *arg = term_compile(c, e->args[i], false, depth + 1);
        if (!arg) {
            ok = false;
            continue;
        }
        if (!takes(row->id, i, arg)) {
            wrong(c, e->args[i], "'%s' can't take %s as its argument %zu", row->name,
                  arg->type == EXPR_LIST ? "a list" : field_type_label(arg->value), i + 1);
            ok = false;
        } else if (arg->flags & GET_NO_TERM && (arg->flags & (GET_ANCESTORS | GET_BOTH_ENDS))) {
            wrong(c, e->args[i], "a field with several values can't stand inside a transformer");
            ok = false;
        }
        t->args[t->n++] = (struct term *)arg;
        t->cost += arg->cost;
    }
    return ok ? t : NULL;
}

const struct term *term_compile(struct compile *c, const struct expr *e, bool right, unsigned depth)
{
    if (depth > MAX_TERM_DEPTH)
        return wrong(c, e, "more than %d transformers within each other", MAX_TERM_DEPTH);
    if (e->type == EXPR_FIELD) {
        const struct term *t = field_term(c, e);
        if (t && right && (t->flags & GET_NO_TERM))
            return wrong(c, e, "field '" STR_FMT "' can't stand on the right of an operator",
                         STR_ARG(e->name));
        return t;
    }
    if (e->type == EXPR_TRANSFORMER)
        return transformer_term(c, e, depth);
    struct term *t = arena_alloc(c->unit->arena, sizeof(*t));
    if (!t || (e->n && !(t->args = arena_alloc(c->unit->arena, e->n * sizeof(*t->args))))) {
        c->unit->failed = true;
        return NULL;
    }
    t->type = e->type;
    t->value = FIELD_STRING;
    t->text = arena_str(c->unit->arena, e->name);
    for (size_t i = 0; i < e->n; i++) {
        const struct term *arg = term_compile(c, e->args[i], false, depth + 1);
        if (!arg)
            return NULL;
        if (arg->type == EXPR_LIST || arg->value != FIELD_STRING)
            return wrong(c, e->args[i], "only texts can be joined");
        t->args[t->n++] = (struct term *)arg;
        t->cost += arg->cost;
    }
    return t;
}
