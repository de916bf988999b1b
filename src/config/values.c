// What the types of values have in common: what is said when a value has the wrong shape.
#include "config/internal.h"

void read_error(struct reading *r, const struct yaml *at, const char *code, const char *hint,
                const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    diag_add(r->diags, DIAG_ERROR, r->file, at->line, at->column, code, hint, "%s", message);
}

static const char *type_name(const struct yaml *y)
{
    return y->type == YAML_LIST  ? "a list"
           : y->type == YAML_MAP ? "a map"
           : y->null             ? "nothing"
                                 : "a word";
}

bool value_want_scalar(struct reading *r, const struct key *k, const struct yaml *y,
                       const char *example)
{
    if (y->type == YAML_SCALAR && !y->null)
        return true;
    char hint[128];
    snprintf(hint, sizeof(hint), "for example: %s: %s", k->name, example);
    read_error(r, y, "BH207", hint, "'%s' wants one value, not %s", k->name, type_name(y));
    return false;
}

bool value_want_type(struct reading *r, const struct key *k, const struct yaml *y,
                     enum yaml_type type)
{
    if (y->type == type)
        return true;
    read_error(r, y, "BH207", NULL, "'%s' wants %s, not %s", k->name,
               type == YAML_LIST ? "a list" : "a map", type_name(y));
    return false;
}

struct str value_shown(struct str s)
{
    return (struct str){s.ptr, MIN(s.len, (size_t)64)};
}

void print_indent(struct buf *out, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        buf_char(out, ' ');
}

// JSON's strings are YAML's double-quoted scalars.
void print_text(struct buf *out, struct str s)
{
    struct json j = json_on(out);
    json_str(&j, s);
}
