// A map's keys by their table: read, printed, described.
#include "config/internal.h"

enum { MAX_KEYS = 32 };

static size_t count(const struct key *keys)
{
    size_t n = 0;
    while (keys[n].name)
        n++;
    INVARIANT(n <= MAX_KEYS);
    return n;
}

static void unknown(struct reading *r, const struct key *keys, size_t n, const struct yaml *key)
{
    const char *names[MAX_KEYS];
    char hint[512] = "", word[65];
    for (size_t i = 0; i < n; i++)
        names[i] = keys[i].name;
    snprintf(word, sizeof(word), STR_FMT, (int)MIN(key->scalar.len, sizeof(word) - 1),
             key->scalar.ptr);
    const char *said = hint_nearest(hint, sizeof(hint), word, names, n, "there are: ");
    if (strcmp(word, "<<") == 0)
        said = "merge keys are not read: write the keys out, or use an alias for the whole value";
    read_error(r, key, "BH205", said, "unknown key '%s'", word);
}

void config_keys_read(struct reading *r, const struct key *keys, const struct yaml *map, void *at)
{
    size_t n = count(keys);
    bool seen[MAX_KEYS] = {0};
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;
        while (k < n && !str_eq(map->keys[i]->scalar, str_of(keys[k].name)))
            k++;
        if (k == n) {
            unknown(r, keys, n, map->keys[i]);
            continue;
        }
        seen[k] = true;
        keys[k].type->read(r, &keys[k], map->items[i], (char *)at + keys[k].offset);
    }
    for (size_t k = 0; k < n; k++)
        if (keys[k].required && !seen[k])
            read_error(r, map, "BH206", keys[k].text, "the key '%s' is missing", keys[k].name);
}

void keys_print(const struct key *keys, const void *at, unsigned indent, struct buf *out)
{
    for (size_t k = 0; keys[k].name; k++) {
        const void *value = (const char *)at + keys[k].offset;
        // Text that isn't given is not there; everything else has a value.
        bool text = keys[k].type == &value_text || keys[k].type == &value_glob ||
                    keys[k].type == &value_prose || keys[k].type == &value_expression ||
                    keys[k].type == &value_path;
        if (text && ((const struct str *)value)->len == 0)
            continue;
        _cleanup_buf_ struct buf said = {0};
        keys[k].type->print(&keys[k], value, indent + 2, &said);
        if (said.len == 0) // a list or group with nothing in it that may be left out
            continue;
        print_indent(out, indent);
        buf_printf(out, "%s: ", keys[k].name);
        buf_str(out, buf_view(&said));
    }
}

void keys_schema(const struct key *keys, const void *defaults, struct json *j)
{
    json_kbool(j, "additionalProperties", false);
    bool needed = false;
    for (size_t k = 0; keys[k].name; k++)
        needed |= keys[k].required;
    if (needed) {
        json_key(j, "required");
        json_array(j);
        for (size_t k = 0; keys[k].name; k++)
            if (keys[k].required)
                json_cstr(j, keys[k].name);
        json_array_end(j);
    }
    json_key(j, "properties");
    json_object(j);
    for (size_t k = 0; keys[k].name; k++) {
        json_key(j, keys[k].name);
        json_object(j);
        json_kcstr(j, "description", keys[k].text);
        keys[k].type->schema(&keys[k], defaults ? (const char *)defaults + keys[k].offset : NULL,
                             j);
        json_object_end(j);
    }
    json_object_end(j);
}
