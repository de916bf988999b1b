// Lists of paths, label sets, the lines of spec.exec.deny, and groups of keys.
#include "config/internal.h"

enum {
    MAX_LIST = 1024, // paths, lines of a policy
    MAX_LABELS = 64,
    MAX_LABEL = 512,
};

static bool want_list(struct reading *r, const struct key *k, const struct yaml *y)
{
    if (!value_want_type(r, k, y, YAML_LIST))
        return false;
    if (y->n > MAX_LIST) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %d items", k->name, MAX_LIST);
        return false;
    }
    if (k->required && y->n == 0) {
        read_error(r, y, "BH206", NULL, "'%s' is empty", k->name);
        return false;
    }
    return true;
}

static size_t *count_at(const struct key *k, void *at)
{
    return (size_t *)((char *)at - k->offset + k->count_offset);
}

static size_t count_in(const struct key *k, const void *at)
{
    return *(const size_t *)((const char *)at - k->offset + k->count_offset);
}

// Paths in a file are relative to that file, wherever the agent runs.
struct str path_beside(struct reading *r, struct str path)
{
    const char *slash = strrchr(r->file, '/');
    if (path.ptr[0] == '/' || !slash)
        return path;
    _cleanup_buf_ struct buf b = {0};
    buf_add(&b, r->file, (size_t)(slash + 1 - r->file));
    buf_str(&b, path);
    return b.failed ? STR_NULL : arena_str(r->arena, buf_view(&b));
}

static void paths_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!want_list(r, k, y))
        return;
    struct str *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++) {
        struct str s;
        if (!value_read_text(r, k, y->items[i], MAX_TEXT, &s))
            continue;
        list[n] = path_beside(r, s);
        if (!list[n++].ptr) {
            read_error(r, y, "BH004", NULL, "out of memory");
            return;
        }
    }
    *(struct str **)at = list;
    *count_at(k, at) = n;
}

static void paths_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    struct str *const list = *(struct str *const *)at;
    size_t n = count_in(k, at);
    buf_text(out, n ? "\n" : "[]\n");
    for (size_t i = 0; i < n; i++) {
        print_indent(out, indent);
        buf_text(out, "- ");
        print_text(out, list[i]);
        buf_char(out, '\n');
    }
}

static void paths_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", MAX_LIST);
    json_key(j, "items");
    json_raw(j, STR("{\"type\":\"string\",\"minLength\":1}"));
}

const struct value_type value_paths = {paths_read, paths_print, paths_schema};

// A list of words, as they are.
static void words_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!want_list(r, k, y))
        return;
    struct str *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++)
        n += value_read_text(r, k, y->items[i], MAX_TEXT, &list[n]);
    *(struct str **)at = list;
    *count_at(k, at) = n;
}

const struct value_type value_words = {words_read, paths_print, paths_schema};

static void path_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    struct str s;
    if (!value_read_text(r, k, y, MAX_TEXT, &s))
        return;
    s = path_beside(r, s);
    if (s.ptr)
        *(struct str *)at = s;
    else
        read_error(r, y, "BH004", NULL, "out of memory");
}

static void path_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    print_text(out, *(const struct str *)at);
    buf_char(out, '\n');
}

static void path_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "string");
    json_ku64(j, "minLength", 1);
}

const struct value_type value_path = {path_read, path_print, path_schema};

static void labels_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_type(r, k, y, YAML_MAP))
        return;
    if (y->n > MAX_LABELS) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %d labels", k->name, MAX_LABELS);
        return;
    }
    struct label *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++) {
        const struct key key = {.name = "a label's key"}, value = {.name = "a label's value"};
        struct label l;
        if (value_read_text(r, &key, y->keys[i], MAX_LABEL, &l.key) &&
            value_read_text(r, &value, y->items[i], MAX_LABEL, &l.value))
            list[n++] = l;
    }
    *(struct label **)at = list;
    *count_at(k, at) = n;
}

static void labels_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const struct label *list = *(struct label *const *)at;
    size_t n = count_in(k, at);
    buf_text(out, n ? "\n" : "{}\n");
    for (size_t i = 0; i < n; i++) {
        print_indent(out, indent);
        print_text(out, list[i].key);
        buf_text(out, ": ");
        print_text(out, list[i].value);
        buf_char(out, '\n');
    }
}

static void labels_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "object");
    json_ku64(j, "maxProperties", MAX_LABELS);
    json_key(j, "additionalProperties");
    json_raw(j, STR("{\"type\":\"string\",\"minLength\":1}"));
}

const struct value_type value_labels = {labels_read, labels_print, labels_schema};

// ── spec.exec.deny ───────────────────────────────────────────────────────────────────────────

static const struct denial {
    const char *name;
    enum bh_object object;
} denials[] = {
    {"path", BH_OBJECT_PATH},
    {"notInImage", BH_OBJECT_NOT_IN_IMAGE},
    {"memfd", BH_OBJECT_MEMFD},
    {"any", BH_OBJECT_ANY},
};

// The kernel compares the path that it walked: absolute, and without anything that it would never
// say.
static const char *path_fault(struct str p)
{
    if (p.ptr[0] != '/')
        return "must be absolute";
    if (p.len > 1 && p.ptr[p.len - 1] == '/')
        return "must not end in /: it names a file";
    if (p.len == 1)
        return "names the root folder, which is no program";
    for (size_t i = 0; i < p.len; i++) {
        struct str rest = {p.ptr + i, p.len - i};
        if (str_starts(rest, STR("//")) || str_starts(rest, STR("/./")) ||
            str_starts(rest, STR("/../")) || str_eq(rest, STR("/.")) || str_eq(rest, STR("/..")))
            return "must be the file's plain path, without //, /./ and /../";
    }
    return NULL;
}

static bool denial_value(struct reading *r, const struct denial *d, const struct yaml *v,
                         struct exec_deny *ret)
{
    const struct key k = {.name = d->name};
    if (d->object != BH_OBJECT_PATH) {
        if (v->type == YAML_SCALAR && !v->quoted && str_eq(v->scalar, STR("true")))
            return true;
        read_error(r, v, "BH208", "leave the line out to allow it", "'%s' can only be true",
                   d->name);
        return false;
    }
    if (!value_read_text(r, &k, v, BH_ROW_PATH_MAX - 1, &ret->path))
        return false;
    const char *fault = path_fault(ret->path);
    if (fault)
        read_error(r, v, "BH208", NULL, "the path %s", fault);
    return !fault;
}

static bool denial_read(struct reading *r, const struct yaml *y, struct exec_deny *ret)
{
    const char *names[ARRAY_SIZE(denials)];
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
        names[i] = denials[i].name;
    if (y->type != YAML_MAP || y->n != 1) {
        read_error(r, y, "BH207", "for example: - path: /usr/bin/nc",
                   "a line of 'deny' holds exactly one of path, notInImage, memfd, any");
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
        if (str_eq(y->keys[0]->scalar, str_of(names[i]))) {
            *ret = (struct exec_deny){.object = denials[i].object, .line = y->keys[0]->line};
            return denial_value(r, &denials[i], y->items[0], ret);
        }
    char hint[256] = "", word[65];
    snprintf(word, sizeof(word), STR_FMT, STR_ARG(value_shown(y->keys[0]->scalar)));
    read_error(r, y->keys[0], "BH205",
               hint_nearest(hint, sizeof(hint), word, names, ARRAY_SIZE(names), "there are: "),
               "unknown key '%s'", word);
    return false;
}

static void deny_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!want_list(r, k, y))
        return;
    struct exec_deny *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++)
        n += denial_read(r, y->items[i], &list[n]);
    *(struct exec_deny **)at = list;
    *count_at(k, at) = n;
}

static void deny_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const struct exec_deny *list = *(struct exec_deny *const *)at;
    size_t n = count_in(k, at);
    if (n)
        buf_char(out, '\n');
    for (size_t i = 0; i < n; i++) {
        print_indent(out, indent);
        buf_printf(out, "- %s: ", object_name(list[i].object));
        if (list[i].object == BH_OBJECT_PATH)
            print_text(out, list[i].path);
        else
            buf_text(out, "true");
        buf_char(out, '\n');
    }
}

static void deny_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "minItems", 1);
    json_ku64(j, "maxItems", MAX_LIST);
    json_key(j, "items");
    json_object(j);
    json_key(j, "oneOf");
    json_array(j);
    for (size_t i = 0; i < ARRAY_SIZE(denials); i++) {
        json_object(j);
        json_kcstr(j, "type", "object");
        json_kbool(j, "additionalProperties", false);
        json_key(j, "required");
        json_array(j);
        json_cstr(j, denials[i].name);
        json_array_end(j);
        json_key(j, "properties");
        json_object(j);
        json_key(j, denials[i].name);
        json_raw(j, denials[i].object == BH_OBJECT_PATH
                        ? STR("{\"type\":\"string\",\"pattern\":\"^/\",\"maxLength\":255}")
                        : STR("{\"const\":true}"));
        json_object_end(j);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

const struct value_type value_deny = {deny_read, deny_print, deny_schema};

// ── groups ───────────────────────────────────────────────────────────────────────────────────

static void group_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (value_want_type(r, k, y, YAML_MAP))
        config_keys_read(r, k->keys, y, at);
}

static void group_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    _cleanup_buf_ struct buf inside = {0};
    keys_print(k->keys, at, indent, &inside);
    if (inside.len)
        buf_char(out, '\n');
    buf_str(out, buf_view(&inside));
}

static void group_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "object");
    keys_schema(k->keys, defaults, j);
}

const struct value_type value_group = {group_read, group_print, group_schema};
