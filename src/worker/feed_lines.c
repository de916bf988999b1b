// Lists of a value a line: plain, CIDR, hosts files, sha256sum's, objects of JSON a line.
#include "worker/feed.h"

#include <arpa/inet.h>

// The first word of the line, without a comment behind it.
static struct str word(struct str *line)
{
    size_t n = 0;
    while (n < line->len && line->ptr[n] != ' ' && line->ptr[n] != '\t' && line->ptr[n] != ';')
        n++;
    struct str w = {line->ptr, n};
    *line = n < line->len && line->ptr[n] != ';'
                ? feed_trim((struct str){line->ptr + n, line->len - n})
                : STR_NULL;
    if (feed_is_comment(*line))
        *line = STR_NULL;
    return w;
}

static bool is_sink(struct str w)
{
    return str_eq(w, STR("127.0.0.1")) || str_eq(w, STR("0.0.0.0")) || str_eq(w, STR("::1")) ||
           str_eq(w, STR("::"));
}

static bool only_addresses(struct feed_reading *f, struct str text)
{
    struct indicator i;
    char store[MAX_INDICATOR_VALUE + 1];
    const char *why = indicator_parse(text, &i, store);
    if (!why && i.type != INDICATOR_ADDRESS && i.type != INDICATOR_NETWORK) {
        feed_skip(f, "not-an-indicator", text);
        return true;
    }
    return feed_value(f, text, NULL);
}

// "198.51.100.6-198.51.100.9": as the fewest networks that hold exactly these.
static bool range(struct feed_reading *f, struct str text, const char *dash)
{
    char store[2][MAX_INDICATOR_VALUE + 1];
    struct indicator end[2];
    struct str part[2] = {{text.ptr, (size_t)(dash - text.ptr)},
                          {dash + 1, text.len - (size_t)(dash + 1 - text.ptr)}};
    uint32_t v[2];
    for (int i = 0; i < 2; i++) {
        if (indicator_parse(part[i], &end[i], store[i]) || end[i].type != INDICATOR_ADDRESS ||
            end[i].value.len != 4) {
            feed_skip(f, "range", text);
            return true;
        }
        memcpy(&v[i], store[i], sizeof(v[i]));
        v[i] = ntohl(v[i]);
    }
    if (v[0] > v[1]) {
        feed_skip(f, "range", text);
        return true;
    }
    if (v[1] - v[0] >= 1u << 24) {
        feed_skip(f, "too-broad", text);
        return true;
    }
    for (uint64_t at = v[0]; at <= v[1];) {
        uint8_t bits = 32;
        while (bits > 8 && (at & ((1ULL << (33 - bits)) - 1)) == 0 &&
               at + (1ULL << (33 - bits)) - 1 <= v[1])
            bits--;
        uint32_t network = htonl((uint32_t)at);
        struct indicator i = {.type = bits == 32 ? INDICATOR_ADDRESS : INDICATOR_NETWORK,
                              .bits = bits == 32 ? 0 : bits,
                              .confidence = f->confidence,
                              .value = {(const char *)&network, sizeof(network)}};
        if (!feed_add(f, &i))
            return false;
        at += 1ULL << (32 - bits);
    }
    return true;
}

// {"cidr":"…"}: what lists of objects call their values.
static bool object_line(struct feed_reading *f, struct str line)
{
    static const char *const keys[] = {"cidr", "ip",    "ip_address", "domain", "url", "indicator",
                                       "ioc",  "value", "sha256",     "sha1",   "md5"};
    json_t *o = json_loadb(line.ptr, line.len, 0, NULL);
    bool going = true, found = false;
    if (!o)
        feed_skip(f, "not-json", line);
    // A list of networks' numbers names owners, and their domains are no indicators.
    bool owners = json_object_get(o, "asn") != NULL;
    for (size_t k = 0; o && !owners && going && k < ARRAY_SIZE(keys); k++) {
        const json_t *v = json_object_get(o, keys[k]);
        if (!json_is_string(v))
            continue;
        found = true;
        going = feed_value(f, (struct str){json_string_value(v), json_string_length(v)}, NULL);
    }
    if (o && !found)
        feed_skip(f, "type-not-used", line);
    json_decref(o);
    return going;
}

static bool plain_line(struct feed_reading *f, struct str line)
{
    if (line.ptr[0] == '{')
        return object_line(f, line);
    if (line.ptr[0] == '\\') // sha256sum's mark of a file name with an escape in it
        line = (struct str){line.ptr + 1, line.len - 1};
    struct str first = word(&line);
    const char *dash = first.len ? memchr(first.ptr, '-', first.len) : NULL;
    if (dash && dash != first.ptr && memchr("0123456789", first.ptr[0], 10) &&
        memchr(first.ptr, '.', (size_t)(dash - first.ptr)) && dash + 1 < first.ptr + first.len &&
        memchr("0123456789", dash[1], 10)) {
        struct indicator i;
        char store[MAX_INDICATOR_VALUE + 1];
        if (indicator_parse(first, &i, store)) // not a name such as 1.2-3.example
            return range(f, first, dash);
    }
    if (!is_sink(first) || !line.len)
        return feed_value(f, first, NULL);
    // A hosts file: the names behind the address.
    while (line.len) {
        struct str name = word(&line);
        if (!is_sink(name) && !feed_value(f, name, NULL))
            return false;
    }
    return true;
}

static bool cidr_line(struct feed_reading *f, struct str line)
{
    return only_addresses(f, word(&line));
}

static void lines(struct feed_reading *f, struct str bytes,
                  bool (*take)(struct feed_reading *f, struct str line))
{
    struct str line;
    for (size_t at = 0; feed_line(bytes, &at, &line);) {
        f->line++;
        line = feed_trim(line);
        if (!line.len || feed_is_comment(line))
            continue;
        f->lines++;
        if (line.len > MAX_FEED_LINE)
            feed_skip(f, "too-long", line);
        else if (!take(f, line))
            return;
    }
}

void feed_read_plain(struct feed_reading *f, struct str bytes)
{
    lines(f, bytes, plain_line);
}

void feed_read_cidr(struct feed_reading *f, struct str bytes)
{
    lines(f, bytes, cidr_line);
}
