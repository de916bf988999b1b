// Lists of maps, each read into a struct by its own table of keys; lists of networks; numbers
// between 0 and 1.
#include "config/internal.h"

#include <arpa/inet.h>

enum { MAX_ITEMS = 1024 };

static size_t *count_at(const struct key *k, void *at)
{
    return (size_t *)((char *)at - k->offset + k->count_offset);
}

static void items_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_type(r, k, y, YAML_LIST))
        return;
    size_t most = k->max ? k->max : MAX_ITEMS;
    if (y->n > most) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %zu items", k->name, most);
        return;
    }
    char *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * k->item_size);
    if (!list) {
        read_error(r, y, "BH004", NULL, "out of memory");
        return;
    }
    for (size_t i = 0; i < y->n; i++) {
        char *item = list + i * k->item_size;
        if (k->item_defaults)
            memcpy(item, k->item_defaults, k->item_size);
        else
            memset(item, 0, k->item_size);
        if (!value_want_type(r, k, y->items[i], YAML_MAP))
            continue;
        if (k->line_offset)
            *(unsigned *)(item + k->line_offset) = y->items[i]->line;
        config_keys_read(r, k->keys, y->items[i], item);
    }
    *(char **)at = list;
    *count_at(k, at) = y->n;
}

static void items_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const char *list = *(char *const *)at;
    size_t n = *(const size_t *)((const char *)at - k->offset + k->count_offset);
    buf_text(out, n ? "\n" : "[]\n");
    for (size_t i = 0; i < n; i++) {
        _cleanup_buf_ struct buf one = {0};
        keys_print(k->keys, list + i * k->item_size, indent + 2, &one);
        print_indent(out, indent);
        buf_text(out, one.len ? "- " : "- {}\n");
        if (one.len > indent + 2) // the first key stands behind the dash
            buf_str(out, (struct str){one.ptr + indent + 2, one.len - indent - 2});
        out->failed |= one.failed;
    }
}

static void items_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", k->max ? k->max : MAX_ITEMS);
    json_key(j, "items");
    json_object(j);
    json_kcstr(j, "type", "object");
    keys_schema(k->keys, k->item_defaults, j);
    json_object_end(j);
}

const struct value_type value_items = {items_read, items_print, items_schema};

// ── fractions ────────────────────────────────────────────────────────────────────────────────

static void fraction_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_scalar(r, k, y, "0.9"))
        return;
    char text[32], *end;
    size_t len = y->scalar.len;
    if (len < sizeof(text))
        memcpy(text, y->scalar.ptr, len);
    text[MIN(len, sizeof(text) - 1)] = 0;
    // Digits and one point only: strtod alone would take "nan", "0x1p-1" and a locale's comma.
    bool plain = len && len < sizeof(text) && strspn(text, "0123456789.") == len;
    double v = plain ? strtod(text, &end) : -1;
    if (!plain || *end) {
        read_error(r, y, "BH208", "for example: 0.9", "'" STR_FMT "' is no number",
                   STR_ARG(value_shown(y->scalar)));
        return;
    }
    if (!(v >= 0 && v <= 1)) {
        read_error(r, y, "BH209", "from 0 to 1", "'%s' is out of its range", k->name);
        return;
    }
    *(double *)at = v;
}

static void fraction_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    char text[32];
    for (int digits = 1; digits <= 17; digits++) { // the shortest that reads the same
        snprintf(text, sizeof(text), "%.*f", digits, *(const double *)at);
        if (strtod(text, NULL) == *(const double *)at)
            break;
    }
    buf_text(out, text);
    buf_char(out, '\n');
}

static void fraction_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "number");
    json_ku64(j, "minimum", 0);
    json_ku64(j, "maximum", 1);
    if (defaults) {
        json_key(j, "default");
        json_double(j, *(const double *)defaults);
    }
}

const struct value_type value_fraction = {fraction_read, fraction_print, fraction_schema};

// ── networks ─────────────────────────────────────────────────────────────────────────────────

const char *network_fault(struct str s)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    const char *slash = memchr(s.ptr, '/', s.len);
    size_t len = slash ? (size_t)(slash - s.ptr) : s.len;
    uint64_t bits = 0;
    if (len >= sizeof(text))
        return "is no address";
    memcpy(text, s.ptr, len);
    text[len] = 0;
    bool v4 = inet_pton(AF_INET, text, bytes) == 1;
    if (!v4 && inet_pton(AF_INET6, text, bytes) != 1)
        return "is no address";
    if (!slash)
        return NULL;
    unsigned most = v4 ? 32 : 128;
    if (parse_u64((struct str){slash + 1, s.len - len - 1}, &bits) < 0 || bits > most)
        return v4 ? "has no prefix from 0 to 32" : "has no prefix from 0 to 128";
    for (unsigned i = (unsigned)bits; i < most; i++)
        if (bytes[i / 8] & 0x80 >> i % 8)
            return "has bits set behind its prefix";
    return NULL;
}

static void networks_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_type(r, k, y, YAML_LIST))
        return;
    if (y->n > (k->max ? k->max : MAX_ITEMS)) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %zu items", k->name,
                   (size_t)(k->max ? k->max : MAX_ITEMS));
        return;
    }
    struct str *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++) {
        struct str s;
        if (!value_read_text(r, k, y->items[i], MAX_TEXT, &s))
            continue;
        const char *fault = network_fault(s);
        if (fault)
            read_error(r, y->items[i], "BH208", "for example: 10.0.0.0/8, or 2001:db8::1",
                       "'" STR_FMT "' %s", STR_ARG(value_shown(s)), fault);
        else
            list[n++] = s;
    }
    *(struct str **)at = list;
    *count_at(k, at) = n;
}

static void networks_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    value_paths.print(k, at, indent, out); // a list of texts, as paths are
}

static void networks_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", k->max ? k->max : MAX_ITEMS);
    json_key(j, "items");
    json_raw(j, STR("{\"type\":\"string\",\"pattern\":\"^[0-9a-fA-F:.]+(/[0-9]+)?$\"}"));
}

const struct value_type value_networks = {networks_read, networks_print, networks_schema};
