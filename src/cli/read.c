// Reading the agent's replies: Jansson's trees by dotted path. What isn't there, or is of another
// type, reads as empty: a newer agent may say less or more.
#include "cli/internal.h"

#include <math.h>

json_t *tree_load(struct str text)
{
    json_error_t wrong;
    const char *bytes = text.ptr ? text.ptr : "";
    json_t *tree = json_loadb(bytes, text.len, JSON_ALLOW_NUL, &wrong);
    // Jansson's integers have a sign. A number that they don't hold loses its last digits rather
    // than the whole line.
    return tree ? tree
                : json_loadb(bytes, text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &wrong);
}

const json_t *tree_at(const json_t *tree, const char *path)
{
    while (tree && *path) {
        char key[64];
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof(key), "%.*s", (int)n, path);
        tree = json_object_get(tree, key);
        path += n;
        path += *path == '.';
    }
    return tree;
}

struct str tree_str(const json_t *tree, const char *path)
{
    const json_t *v = tree_at(tree, path);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

struct str tree_text(const json_t *tree, const char *path, struct arena *a)
{
    const json_t *v = tree_at(tree, path);
    char text[64] = "-";
    if (json_is_string(v))
        return tree_str(tree, path);
    if (json_is_integer(v))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) {
        double d = json_real_value(v);
        snprintf(text, sizeof(text), floor(d) == d ? "%.0f" : "%.4g", d);
    } else if (json_is_boolean(v))
        snprintf(text, sizeof(text), "%s", json_is_true(v) ? "yes" : "no");
    return arena_str(a, str_of(text));
}

uint64_t tree_u64(const json_t *tree, const char *path)
{
    const json_t *v = tree_at(tree, path);
    if (json_is_real(v) && json_real_value(v) > 0 && json_real_value(v) < 0x1p64)
        return (uint64_t)json_real_value(v);
    return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

double tree_double(const json_t *tree, const char *path)
{
    const json_t *v = tree_at(tree, path);
    return json_is_number(v) ? json_number_value(v) : 0;
}

bool tree_bool(const json_t *tree, const char *path)
{
    return json_is_true(tree_at(tree, path));
}
