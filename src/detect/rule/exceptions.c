// Exceptions: written into the condition's text as Falco does it, before lists are pasted and it is
// parsed.
#include "detect/rule/load.h"

static struct exception_def *find(struct rule_def *r, struct str name)
{
    for (struct exception_def *e = r->exceptions; e; e = e->next)
        if (str_eq(e->name, name))
            return e;
    return NULL;
}

static bool bad(struct loader *l, const struct yaml *y, uint16_t file, const char *format,
                struct str s)
{
    load_error(l, yaml_place(y, file), "LOAD_ERR_YAML_VALIDATE", NULL, format, STR_ARG(s));
    return false;
}

// "startswith oneof" → the operator's index and its modifier; -1: no operator.
static int operator_of(struct str comp, enum modifier *mod)
{
    *mod = MOD_NONE;
    for (size_t i = 0; i < rule_operators_n; i++) {
        struct str name = str_of(rule_operators[i].name);
        if (str_eq(comp, name) || (str_eq(name, STR("=")) && str_eq(comp, STR("=="))))
            return (int)i;
        if (!str_starts(comp, name) || comp.len == name.len || comp.ptr[name.len] != ' ')
            continue;
        struct str rest = {comp.ptr + name.len, comp.len - name.len};
        while (rest.len && rest.ptr[0] == ' ')
            rest = (struct str){rest.ptr + 1, rest.len - 1};
        for (int m = MOD_ONEOF; m <= MOD_ALLOF; m++) {
            if (str_eq(rest, str_of(modifier_names[m])) && operator_shapes[i] == SHAPE_STRING) {
                *mod = (enum modifier)m;
                return (int)i;
            }
        }
    }
    return -1;
}

static struct str trimmed(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static bool takes_list(struct str comp)
{
    enum modifier mod;
    int op = operator_of(comp, &mod);
    return op >= 0 && (mod != MOD_NONE || operator_shapes[op] == SHAPE_LIST);
}

static bool one_field(struct loader *l, struct exception_def *e, const struct yaml *y,
                      uint16_t file)
{
    char why[256], hint[192];
    const char *near;
    struct field_ref f;
    if (y->type != YAML_SCALAR || e->fields_n == MAX_EXCEPTION_FIELDS)
        return bad(l, y, file, "an exception's fields are up to 32 names%.*s", STR_NULL);
    struct str name = y->scalar, arg = STR_NULL;
    const char *open = name.len ? memchr(name.ptr, '[', name.len) : NULL;
    if (open && str_ends(name, STR("]"))) {
        arg = (struct str){open + 1, (size_t)(name.ptr + name.len - 1 - open - 1)};
        name.len = (size_t)(open - name.ptr);
    }
    enum field_problem p = field_resolve(name, arg, open != NULL, &f, why, sizeof(why), &near);
    if (p == FIELD_UNKNOWN || p == FIELD_ARGUMENT) {
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
        load_error(l, yaml_place(y, file), "LOAD_ERR_VALIDATE", near ? hint : NULL,
                   "exception '" STR_FMT "': %s", STR_ARG(e->name), why);
        return false;
    }
    e->field_places[e->fields_n] = yaml_place(y, file);
    e->fields[e->fields_n] = arena_str(l->arena, y->scalar);
    e->comps[e->fields_n++] = e->scalar ? STR("in") : STR("=");
    return true;
}

static bool fields_and_comps(struct loader *l, struct exception_def *e, const struct yaml *item,
                             uint16_t file)
{
    const struct yaml *fields = yaml_get(item, "fields"), *comps = yaml_get(item, "comps");
    bool ok = true;
    if (!fields || fields->type == YAML_MAP)
        return bad(l, item, file,
                   "exception '" STR_FMT "' has no fields: a name or a list of names", e->name);
    e->scalar = fields->type == YAML_SCALAR;
    if (e->scalar)
        ok = one_field(l, e, fields, file);
    for (size_t i = 0; !e->scalar && i < fields->n; i++)
        ok &= one_field(l, e, fields->items[i], file);
    if (!ok || !comps)
        return ok;
    if ((comps->type == YAML_SCALAR) != e->scalar || (!e->scalar && comps->n != e->fields_n))
        return bad(l, comps, file,
                   "exception '" STR_FMT "': fields and comps must have the same shape and length",
                   e->name);
    for (size_t i = 0; i < e->fields_n; i++) {
        const struct yaml *c = e->scalar ? comps : comps->items[i];
        enum modifier mod;
        struct str comp = c->type == YAML_SCALAR ? trimmed(c->scalar) : STR_NULL;
        if (operator_of(comp, &mod) < 0)
            return bad(l, c, file, "'" STR_FMT "' is no operator", comp);
        if (e->scalar && !takes_list(comp))
            return bad(l, c, file,
                       "'" STR_FMT "' can't be compared with a list: for one field use in, pmatch, "
                       "intersects or a modifier",
                       comp);
        e->comps[i] = arena_str(l->arena, comp);
    }
    return true;
}

static bool add_values(struct loader *l, struct exception_def *e, const struct yaml *values,
                       uint16_t file)
{
    if (values->type != YAML_LIST)
        return bad(l, values, file, "the values of exception '" STR_FMT "' must be a list",
                   e->name);
    size_t n = e->values_n + values->n;
    struct yaml **all = arena_alloc(l->arena, MAX(n, (size_t)1) * sizeof(*all));
    uint16_t *files = arena_alloc(l->arena, MAX(n, (size_t)1) * sizeof(*files));
    if (!all || !files) {
        l->out_of_memory = true;
        return false;
    }
    for (size_t i = 0; i < e->values_n; i++) {
        all[i] = e->values[i];
        files[i] = e->value_files[i];
    }
    for (size_t i = 0; i < values->n; i++) {
        struct yaml *row = values->items[i];
        if (e->scalar ? row->type != YAML_SCALAR : row->type != YAML_LIST || row->n != e->fields_n)
            return bad(l, row, file,
                       "exception '" STR_FMT "': each entry of values must fit its fields",
                       e->name);
        for (size_t k = 0; k < (e->scalar ? 0 : row->n); k++)
            if (row->items[k]->type == YAML_MAP)
                return bad(l, row->items[k], file,
                           "exception '" STR_FMT "': a value is a text or a list of texts",
                           e->name);
        all[e->values_n + i] = row;
        files[e->values_n + i] = file;
    }
    e->values = all;
    e->value_files = files;
    e->values_n = n;
    return true;
}

static bool one(struct loader *l, struct rule_def *r, uint16_t file, const struct yaml *item,
                bool append)
{
    const struct yaml *name = yaml_get(item, "name"), *values = yaml_get(item, "values");
    if (!name || name->type != YAML_SCALAR || name->scalar.len == 0)
        return bad(l, item, file, "an exception needs a name%.*s", STR_NULL);
    struct exception_def *e = find(r, name->scalar);
    if (values && values->null)
        values = NULL;
    if (e && append) {
        if (!values) {
            load_warning(l, yaml_place(item, file), "LOAD_APPEND_NO_VALUES", NULL,
                         "exception '" STR_FMT "' is appended without values",
                         STR_ARG(name->scalar));
            return true;
        }
        if (yaml_get(item, "fields") || yaml_get(item, "comps"))
            return bad(l, item, file,
                       "only values can be appended to the existing exception '" STR_FMT "'",
                       name->scalar);
        return add_values(l, e, values, file);
    }
    if (e)
        load_warning(l, yaml_place(item, file), "LOAD_EXCEPTION_NAME_NOT_UNIQUE", NULL,
                     "two exceptions are named '" STR_FMT "'", STR_ARG(name->scalar));
    if (append && !values)
        return bad(l, item, file, "a new exception ('" STR_FMT "') needs fields and values",
                   name->scalar);
    e = arena_alloc(l->arena, sizeof(*e));
    if (!e) {
        l->out_of_memory = true;
        return false;
    }
    e->name = arena_str(l->arena, name->scalar);
    e->at = yaml_place(item, file);
    if (!fields_and_comps(l, e, item, file) || (values && !add_values(l, e, values, file)))
        return false;
    struct exception_def **end = &r->exceptions;
    while (*end)
        end = &(*end)->next;
    *end = e;
    return true;
}

bool exceptions_load(struct loader *l, struct rule_def *r, uint16_t file, const struct yaml *list,
                     bool append, bool replace)
{
    bool ok = true;
    if (replace)
        r->exceptions = NULL;
    if (list->null)
        return true;
    if (list->type != YAML_LIST)
        return bad(l, list, file, "exceptions must be a list%.*s", STR_NULL);
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->type != YAML_MAP)
            ok = bad(l, list->items[i], file, "an exception is a map%.*s", STR_NULL);
        else
            ok &= one(l, r, file, list->items[i], append);
    }
    return ok;
}

static void put_scalar(struct text *t, struct str s, struct place at)
{
    bool quote = s.len && s.ptr[0] != '"' && s.ptr[0] != '\'' && memchr(s.ptr, ' ', s.len);
    text_put(t, quote ? STR("\"") : STR_NULL, at);
    text_put(t, s, at);
    text_put(t, quote ? STR("\"") : STR_NULL, at);
}

static void put_value(struct text *t, const struct yaml *y, uint16_t file, struct str comp)
{
    struct place at = yaml_place(y, file);
    bool wrap = y->type == YAML_LIST || (takes_list(comp) && !str_starts(y->scalar, STR("(")));
    text_put(t, wrap ? STR("(") : STR_NULL, at);
    if (y->type == YAML_SCALAR)
        put_scalar(t, y->scalar, at);
    for (size_t i = 0; y->type == YAML_LIST && i < y->n; i++) {
        text_put(t, i ? STR(", ") : STR_NULL, at);
        if (y->items[i]->type == YAML_SCALAR)
            put_scalar(t, y->items[i]->scalar, yaml_place(y->items[i], file));
    }
    text_put(t, wrap ? STR(")") : STR_NULL, at);
}

static void put_row(struct text *t, const struct exception_def *e, size_t row)
{
    const struct yaml *y = e->values[row];
    text_put(t, row ? STR(" or (") : STR("("), e->at);
    for (size_t k = 0; k < e->fields_n; k++) {
        text_put(t, k ? STR(" and ") : STR(" "), e->at);
        text_put(t, e->fields[k], e->field_places[k]);
        text_put(t, STR(" "), e->at);
        text_put(t, e->comps[k], e->at);
        text_put(t, STR(" "), e->at);
        put_value(t, y->items[k], e->value_files[row], e->comps[k]);
    }
    text_put(t, STR(")"), e->at);
}

void exceptions_apply(struct loader *l, const struct rule_def *r, struct text *condition)
{
    bool any = false;
    for (const struct exception_def *e = r->exceptions; e; e = e->next)
        any |= e->values_n > 0;
    if (!any) {
        text_copy(condition, &r->condition);
        return;
    }
    struct place at = r->condition.len ? r->condition.at[0] : r->at;
    text_put(condition, STR("("), at);
    text_copy(condition, &r->condition);
    text_put(condition, STR(")"), at);
    for (const struct exception_def *e = r->exceptions; e; e = e->next) {
        if (!e->values_n)
            continue;
        text_put(condition, STR(" and not ("), e->at);
        if (e->scalar) {
            text_put(condition, e->fields[0], e->field_places[0]);
            text_put(condition, STR(" "), e->at);
            text_put(condition, e->comps[0], e->at);
            text_put(condition, STR(" ("), e->at);
            for (size_t i = 0; i < e->values_n; i++) {
                text_put(condition, i ? STR(", ") : STR_NULL, e->at);
                put_scalar(condition, e->values[i]->scalar,
                           yaml_place(e->values[i], e->value_files[i]));
            }
            text_put(condition, STR(")"), e->at);
        } else {
            for (size_t i = 0; i < e->values_n; i++)
                put_row(condition, e, i);
        }
        text_put(condition, STR(")"), e->at);
    }
}
