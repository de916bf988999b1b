// The lines of a profile: read with their place where something is wrong, printed so that they read
// back. Bytes that a terminal would not show stand as \\xHH, a backslash as two.
#include "config/internal.h"

#include <arpa/inet.h>

enum { MAX_LINES = 4096 };

struct line_reading {
    struct reading *r;
    char key[PROFILE_MAX_KEY];
    size_t len;
};

static void add(struct line_reading *l, struct str s)
{
    INVARIANT(l->len + s.len <= sizeof(l->key));
    memcpy(l->key + l->len, s.ptr, s.len);
    l->len += s.len;
}

// ── bytes as text ────────────────────────────────────────────────────────────────────────────

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(((0xf00u >> n) & 0xf0u) | c);
    return n;
}

// One escape behind a backslash at s[*at]; what it stands for, how many bytes. 0: no such escape.
static size_t unescape_one(struct str s, size_t *at, char out[4])
{
    const char *p = s.ptr + *at;
    size_t left = s.len - *at;
    if (left == 0)
        return 0;
    static const char from[] = "\\nt", to[] = "\\\n\t";
    const char *named = *p ? strchr(from, *p) : NULL;
    if (named) {
        *at += 1;
        out[0] = to[named - from];
        return 1;
    }
    if (*p == 'x' && left >= 3 && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
        *at += 3;
        out[0] = (char)(hex(p[1]) << 4 | hex(p[2]));
        return 1;
    }
    uint32_t c = 0;
    size_t i = 2;
    if (*p != 'u' || left < 4 || p[1] != '{')
        return 0;
    for (; i < left && i < 8 && hex(p[i]) >= 0; i++)
        c = c << 4 | (uint32_t)hex(p[i]);
    if (i == 2 || i >= left || p[i] != '}' || c == 0 || c > 0x10ffff)
        return 0;
    *at += i + 1;
    return put_utf8(c, out);
}

bool profile_unescape(struct str s, char *out, size_t size, size_t *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len;) {
        char one[4];
        size_t len = 1;
        if (s.ptr[i] != '\\')
            one[0] = s.ptr[i++];
        else if (i++, (len = unescape_one(s, &i, one)) == 0)
            return false;
        if (n + len > size)
            return false;
        memcpy(out + n, one, len);
        n += len;
    }
    *ret = n;
    return true;
}

static bool read_bytes(struct reading *r, const char *name, const struct yaml *y, size_t max,
                       struct str *ret)
{
    const struct key k = {.name = name};
    struct str s;
    char bytes[1024];
    size_t n = 0;
    if (!value_read_text(r, &k, y, sizeof(bytes), &s))
        return false;
    if (!profile_unescape(s, bytes, sizeof(bytes), &n) || memchr(bytes, 0, n)) {
        read_error(r, y, "BH208", "write \\\\ for a backslash, \\xHH for any other byte",
                   "'%s' has a backslash that means nothing", name);
        return false;
    }
    if (n > max) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %zu bytes", name, max);
        return false;
    }
    *ret = arena_str(r->arena, (struct str){bytes, n});
    return ret->ptr != NULL;
}

static void print_bytes(struct buf *out, struct str s)
{
    _cleanup_buf_ struct buf text = {0};
    escape_text(&text, s);
    print_text(out, buf_view(&text));
}

// Is one of few words; else says which there are.
static bool one_of(struct line_reading *l, const struct yaml *y, const char *const *words, size_t n,
                   size_t *ret)
{
    for (*ret = 0; *ret < n; ++*ret)
        if (str_eq(y->scalar, str_of(words[*ret])))
            return true;
    char hint[256] = "", word[65];
    snprintf(word, sizeof(word), STR_FMT, STR_ARG(value_shown(y->scalar)));
    read_error(l->r, y, "BH205", hint_nearest(hint, sizeof(hint), word, words, n, "there are: "),
               "unknown key '%s'", word);
    return false;
}

// ── programs ─────────────────────────────────────────────────────────────────────────────────

static bool read_program(struct line_reading *l, const struct yaml *y)
{
    static const char *const names[] = {"path", "as", "by"};
    static const size_t most[] = {PROFILE_MAX_PROGRAM, PROFILE_MAX_AS, PROFILE_MAX_PROGRAM};
    struct str part[3] = {{"", 0}, {"", 0}, {"", 0}};
    if (y->type != YAML_MAP) {
        read_error(l->r, y, "BH207", "for example: - {path: /usr/sbin/nginx}",
                   "a line of 'programs' wants a map");
        return false;
    }
    for (size_t i = 0, k; i < y->n; i++)
        if (!one_of(l, y->keys[i], names, ARRAY_SIZE(names), &k) ||
            !read_bytes(l->r, names[k], y->items[i], most[k], &part[k]))
            return false;
    if (part[0].len == 0) {
        read_error(l->r, y, "BH206", "the executable's path, as the kernel walks it",
                   "the key 'path' is missing");
        return false;
    }
    char as[PROFILE_MAX_AS];
    add(l, part[0]);
    add(l, (struct str){"", 1});
    add(l, (struct str){as, profile_general(part[1], as, sizeof(as))});
    add(l, (struct str){"", 1});
    add(l, part[2]);
    return true;
}

static void print_program(struct str key, struct buf *out)
{
    static const char *const names[] = {"path", "as", "by"};
    buf_char(out, '{');
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct str part = {key.ptr, strnlen(key.ptr, key.len)};
        key.ptr += MIN(part.len + 1, key.len);
        key.len -= MIN(part.len + 1, key.len);
        if (part.len == 0)
            continue;
        buf_printf(out, "%s%s: ", i ? ", " : "", names[i]);
        print_bytes(out, part);
    }
    buf_text(out, "}\n");
}

// ── files ────────────────────────────────────────────────────────────────────────────────────

static bool read_file(struct line_reading *l, const struct yaml *y)
{
    static const char *const names[] = {"read", "write"};
    size_t k;
    struct str path;
    if (y->type != YAML_MAP || y->n != 1) {
        read_error(l->r, y, "BH207", "for example: - write: /var/cache/**",
                   "a line of 'files' holds exactly one of read, write");
        return false;
    }
    if (!one_of(l, y->keys[0], names, ARRAY_SIZE(names), &k) ||
        !read_bytes(l->r, names[k], y->items[0], MAX_TEXT, &path))
        return false;
    if (path.ptr[0] != '/') {
        read_error(l->r, y->items[0], "BH208", "/** behind it stands for all that lies below",
                   "the folder must be an absolute path");
        return false;
    }
    l->len = profile_folder_key(path, k == 1, l->key);
    return true;
}

static void print_file(struct str key, struct buf *out)
{
    buf_text(out, key.ptr[0] == 'w' ? "write: " : "read: ");
    print_bytes(out, key.len > 1 ? (struct str){key.ptr + 1, key.len - 1} : STR("/"));
    buf_char(out, '\n');
}

// ── peers and listens ────────────────────────────────────────────────────────────────────────

struct words {
    struct str list[16];
    size_t n;
};

static struct words split(struct str s, char by)
{
    struct words w = {0};
    while (s.len && w.n < ARRAY_SIZE(w.list)) {
        const char *end = memchr(s.ptr, by, s.len);
        size_t len = end ? (size_t)(end - s.ptr) : s.len;
        if (len)
            w.list[w.n++] = (struct str){s.ptr, len};
        s.ptr += MIN(len + 1, s.len);
        s.len -= MIN(len + 1, s.len);
    }
    return w;
}

static bool is_protocol(struct str s)
{
    return str_eq(s, STR("tcp")) || str_eq(s, STR("udp")) || str_eq(s, STR("other"));
}

static bool is_port(struct str s)
{
    uint64_t v;
    return str_eq(s, STR("high")) || (parse_u64(s, &v) == 0 && v < PROFILE_HIGH_PORT);
}

// 10.0.0.0/24 → /v4/10/0/0/**. NULL, or what is wrong.
static const char *add_address(struct line_reading *l, struct str s)
{
    const char *slash = memchr(s.ptr, '/', s.len);
    char text[INET6_ADDRSTRLEN + 1], part[8];
    size_t len = slash ? (size_t)(slash - s.ptr) : s.len;
    uint8_t bytes[16];
    uint64_t prefix;
    if (len >= sizeof(text))
        return "is no address";
    snprintf(text, sizeof(text), "%.*s", (int)len, s.ptr);
    bool v6 = inet_pton(AF_INET, text, bytes) != 1;
    if (v6 && inet_pton(AF_INET6, text, bytes) != 1)
        return "is no address";
    unsigned step = v6 ? 16 : 8, all = v6 ? 128 : 32;
    prefix = all;
    if (slash && (parse_u64((struct str){slash + 1, s.len - len - 1}, &prefix) < 0 ||
                  prefix > all || prefix % step))
        return v6 ? "has a prefix that is no multiple of 16"
                  : "has a prefix that is none of 0, 8, 16, 24, 32";
    for (unsigned i = (unsigned)prefix / 8; i < all / 8; i++)
        if (bytes[i])
            return "has bits behind its prefix";
    add(l, v6 ? STR("/v6") : STR("/v4"));
    for (unsigned i = 0; i < prefix / 8; i += step / 8) {
        int n = v6 ? snprintf(part, sizeof(part), "/%x", bytes[i] << 8 | bytes[i + 1])
                   : snprintf(part, sizeof(part), "/%u", bytes[i]);
        add(l, (struct str){part, (size_t)n});
    }
    if (prefix < all)
        add(l, STR("/**"));
    return NULL;
}

static void wrong_line(struct line_reading *l, const struct yaml *y, const char *example)
{
    char hint[128];
    snprintf(hint, sizeof(hint), "for example: %s", example);
    read_error(l->r, y, "BH208", hint, "'" STR_FMT "' cannot be read",
               STR_ARG(value_shown(y->scalar)));
}

// A port without leading zeros: one thing has one key.
static void add_port(struct line_reading *l, struct str s)
{
    while (s.len > 1 && s.ptr[0] == '0')
        s.ptr++, s.len--;
    add(l, STR("/"));
    add(l, s);
}

// "tcp 10.0.0.7 port 443": any port only with any address, any protocol only with both: what is
// known is a tree.
static bool read_peer(struct line_reading *l, const struct yaml *map)
{
    static const char *const names[] = {"out", "in"};
    static const char example[] = "out: tcp 10.0.0.0/24 port 443";
    const struct key k = {.name = "peers"};
    size_t direction;
    if (map->type != YAML_MAP || map->n != 1) {
        read_error(l->r, map, "BH207", "for example: - out: tcp 10.0.0.0/24 port 443",
                   "a line of 'peers' holds exactly one of out, in");
        return false;
    }
    const struct yaml *y = map->items[0];
    struct str text;
    if (!one_of(l, map->keys[0], names, ARRAY_SIZE(names), &direction) ||
        !value_read_text(l->r, &k, y, 128, &text))
        return false;
    struct words w = split(text, ' ');
    bool any_port = w.n == 4 && str_eq(w.list[3], STR("any")),
         any_address = w.n == 4 && str_eq(w.list[1], STR("any")),
         any_protocol = w.n == 4 && str_eq(w.list[0], STR("any"));
    if (w.n != 4 || !str_eq(w.list[2], STR("port")) || !(any_protocol || is_protocol(w.list[0])) ||
        !(any_port || is_port(w.list[3]))) {
        wrong_line(l, y, example);
        return false;
    }
    if ((any_port && !any_address) || (any_protocol && !any_port)) {
        read_error(l->r, y, "BH212", "write one line a port, or any for what stands before it too",
                   "%s only goes with any address%s", any_protocol ? "any protocol" : "any port",
                   any_protocol ? " and any port" : "");
        return false;
    }
    add(l, str_of(names[direction]));
    if (!any_protocol) {
        add(l, STR("/"));
        add(l, w.list[0]);
    }
    if (!any_port)
        add_port(l, w.list[3]);
    const char *fault = any_address ? NULL : add_address(l, w.list[1]);
    if (any_address)
        add(l, STR("/**"));
    if (fault)
        read_error(l->r, y, "BH208", "for example: out: tcp 10.0.0.0/24 port 443",
                   "'" STR_FMT "' %s", STR_ARG(value_shown(w.list[1])), fault);
    return !fault;
}

// v4/10/0/0/7, v4/10/**
static void print_address(const struct str *part, size_t n, struct buf *out)
{
    char text[INET6_ADDRSTRLEN] = "";
    uint8_t bytes[16] = {0};
    bool v6 = str_eq(part[0], STR("v6")), below = str_eq(part[n - 1], STR("**"));
    unsigned at = 0;
    for (size_t i = 1; i < n - below && at < sizeof(bytes); i++) {
        char word[8];
        snprintf(word, sizeof(word), "%.*s", (int)MIN(part[i].len, sizeof(word) - 1), part[i].ptr);
        unsigned long v = strtoul(word, NULL, v6 ? 16 : 10);
        if (v6)
            bytes[at++] = (uint8_t)(v >> 8);
        bytes[at++] = (uint8_t)v;
    }
    buf_text(out, inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text)) ? text : "");
    if (below)
        buf_printf(out, "/%u", at * 8);
}

void profile_peer_text(struct str key, struct buf *out)
{
    struct words w = split(key, '/');
    struct str any = STR("any"), below = STR("**");
    bool port = w.n > 2 && !str_eq(w.list[2], below),
         address = w.n > 3 && !str_eq(w.list[3], below);
    buf_str(out, w.n > 1 && !str_eq(w.list[1], below) ? w.list[1] : any);
    buf_char(out, ' ');
    if (address)
        print_address(w.list + 3, w.n - 3, out);
    else
        buf_str(out, any);
    buf_text(out, " port ");
    buf_str(out, port ? w.list[2] : any);
}

static void print_peer(struct str key, struct buf *out)
{
    _cleanup_buf_ struct buf text = {0};
    buf_text(out, key.ptr[0] == 'o' ? "out: " : "in: ");
    profile_peer_text(key, &text);
    print_text(out, buf_view(&text));
    buf_char(out, '\n');
}

static bool read_listen(struct line_reading *l, const struct yaml *y)
{
    const struct key k = {.name = "listens"};
    struct str text;
    if (!value_read_text(l->r, &k, y, 64, &text))
        return false;
    struct words w = split(text, ' ');
    bool any = w.n == 3 && str_eq(w.list[2], STR("any"));
    if (w.n != 3 || !is_protocol(w.list[0]) || !str_eq(w.list[1], STR("port")) ||
        !(any || is_port(w.list[2]))) {
        wrong_line(l, y, "tcp port 80; tcp port high; udp port any");
        return false;
    }
    add(l, w.list[0]);
    if (any)
        add(l, STR("/**"));
    else
        add_port(l, w.list[2]);
    return true;
}

void profile_listen_text(struct str key, struct buf *out)
{
    struct words w = split(key, '/');
    buf_str(out, w.n ? w.list[0] : STR("any"));
    buf_text(out, " port ");
    buf_str(out, w.n > 1 && !str_eq(w.list[1], STR("**")) ? w.list[1] : STR("any"));
}

static void print_listen(struct str key, struct buf *out)
{
    _cleanup_buf_ struct buf text = {0};
    profile_listen_text(key, &text);
    print_text(out, buf_view(&text));
    buf_char(out, '\n');
}

// ── lists of lines ───────────────────────────────────────────────────────────────────────────

static const struct {
    bool (*read)(struct line_reading *l, const struct yaml *y);
    void (*print)(struct str key, struct buf *out);
    const char *schema; // of one line
} kinds[] = {
    [PROFILE_PROGRAMS] =
        {read_program, print_program,
         "{\"type\":\"object\",\"required\":[\"path\"],\"additionalProperties\":false,"
         "\"properties\":{\"path\":{\"type\":\"string\",\"minLength\":1},\"as\":{\"type\":"
         "\"string\",\"minLength\":1},\"by\":{\"type\":\"string\",\"minLength\":1}}}"},
    [PROFILE_FILES] =
        {read_file, print_file,
         "{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":1,"
         "\"additionalProperties\":false,\"properties\":{\"read\":{\"type\":\"string\","
         "\"pattern\":\"^/\"},\"write\":{\"type\":\"string\",\"pattern\":\"^/\"}}}"},
    [PROFILE_PEERS] =
        {read_peer, print_peer,
         "{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":1,"
         "\"additionalProperties\":false,\"properties\":{\"out\":{\"type\":\"string\"},"
         "\"in\":{\"type\":\"string\"}}}"},
    [PROFILE_LISTENS] = {read_listen, print_listen, "{\"type\":\"string\"}"},
};
static_assert(ARRAY_SIZE(kinds) == PROFILE_DIMENSIONS, "each has its lines");

void profile_line_print(enum profile_dimension d, struct str key, struct buf *out)
{
    kinds[d].print(key, out);
}

static enum profile_dimension dimension_of(const struct key *k)
{
    return (enum profile_dimension)k->min;
}

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct profile_line *)a)->key, ((const struct profile_line *)b)->key);
}

static void lines_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    struct profile_list *list = at;
    if (!value_want_type(r, k, y, YAML_LIST))
        return;
    if (y->n > MAX_LINES) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %d lines", k->name, MAX_LINES);
        return;
    }
    struct profile_line *lines = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*lines));
    size_t n = 0, kept = 0;
    for (size_t i = 0; lines && i < y->n; i++) {
        struct line_reading l = {.r = r};
        if (!kinds[dimension_of(k)].read(&l, y->items[i]))
            continue;
        lines[n].line = y->items[i]->line;
        lines[n].key = arena_str(r->arena, (struct str){l.key, l.len});
        n += lines[n].key.ptr != NULL;
    }
    // In order and each once, so that what is printed is the same whoever wrote it.
    if (n)
        qsort(lines, n, sizeof(*lines), by_key);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(lines[i].key, lines[kept - 1].key))
            lines[kept++] = lines[i];
    *list = (struct profile_list){true, lines, kept};
}

static void lines_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const struct profile_list *list = at;
    if (!list->given)
        return;
    buf_text(out, list->n ? "\n" : "[]\n");
    for (size_t i = 0; i < list->n; i++) {
        print_indent(out, indent);
        buf_text(out, "- ");
        kinds[dimension_of(k)].print(list->lines[i].key, out);
    }
}

static void lines_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", MAX_LINES);
    json_key(j, "items");
    json_raw(j, str_of(kinds[dimension_of(k)].schema));
}

const struct value_type value_profile_lines = {lines_read, lines_print, lines_schema};
