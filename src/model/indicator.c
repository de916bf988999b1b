// What a feed names, in its one form: written values read, printed, packed. Values are strangers'
// bytes: everything here is bounded and says why it refuses.
#include "model/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>

enum {
    MIN_NETWORK_BITS_4 = 8,  // a shorter prefix is no indicator but a part of the world
    MIN_NETWORK_BITS_6 = 16, // likewise: 2000::/3 is everything
    MAX_LABEL = 63,
};

const char *indicator_type_name(enum indicator_type t)
{
    static const char *const names[] = {
        [INDICATOR_ADDRESS] = "address", [INDICATOR_NETWORK] = "network",
        [INDICATOR_DOMAIN] = "domain",   [INDICATOR_SHA256] = "sha256",
        [INDICATOR_SHA1] = "sha1",       [INDICATOR_MD5] = "md5"};
    return t > 0 && t < INDICATOR_TYPE_MAX ? names[t] : "unknown";
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool starts_nocase(struct str s, const char *with)
{
    size_t n = strlen(with);
    if (s.len < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(s.ptr[i]) != with[i])
            return false;
    return true;
}

// How people write an indicator so that nobody clicks on it.
static const struct {
    const char *written, *meant;
} defanged[] = {
    {"[.]", "."},   {"(.)", "."}, {"{.}", "."},  {"[dot]", "."},   {"(dot)", "."},
    {"{dot}", "."}, {"\\.", "."}, {"[:]", ":"},  {"[://]", "://"}, {"[/]", "/"},
    {"[@]", "@"},   {"(@)", "@"}, {"[at]", "@"},
};

static size_t refang(struct str text, char out[MAX_INDICATOR_TEXT])
{
    size_t n = 0;
    while (text.len && is_space(text.ptr[0]))
        text = (struct str){text.ptr + 1, text.len - 1};
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    if (text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') &&
        text.ptr[text.len - 1] == text.ptr[0])
        text = (struct str){text.ptr + 1, text.len - 2};
    for (size_t at = 0; at < text.len;) {
        struct str rest = {text.ptr + at, text.len - at};
        size_t d = 0;
        while (d < ARRAY_SIZE(defanged) && !starts_nocase(rest, defanged[d].written))
            d++;
        const char *put = d < ARRAY_SIZE(defanged) ? defanged[d].meant : NULL;
        size_t len = put ? strlen(put) : 1;
        memcpy(out + n, put ? put : rest.ptr, len); // never more than was read
        n += len;
        at += put ? strlen(defanged[d].written) : 1;
    }
    return n;
}

// ── hashes ───────────────────────────────────────────────────────────────────────────────────

static bool parse_hash(struct str s, struct indicator *ret, char *store)
{
    static const struct {
        size_t len;
        enum indicator_type type;
    } hashes[] = {{32, INDICATOR_SHA256}, {20, INDICATOR_SHA1}, {16, INDICATOR_MD5}};
    for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
        if (s.len != 2 * hashes[i].len || hex_parse(s, store, hashes[i].len) < 0)
            continue;
        ret->type = hashes[i].type;
        ret->value = (struct str){store, hashes[i].len};
        return true;
    }
    return false;
}

// ── addresses and networks ───────────────────────────────────────────────────────────────────

enum address { NO_ADDRESS, IS_ADDRESS, AMBIGUOUS };

// Four numbers. One with a leading zero is octal to some readers and decimal to others: refused.
static enum address parse_v4(struct str s, uint8_t out[4])
{
    size_t at = 0;
    bool zeros = false;
    for (unsigned i = 0; i < 4; i++) {
        unsigned v = 0;
        size_t from = at;
        while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9' && at - from < 4)
            v = v * 10 + (unsigned)(s.ptr[at++] - '0');
        if (at == from || v > 255)
            return NO_ADDRESS;
        zeros = zeros || (at - from > 1 && s.ptr[from] == '0');
        out[i] = (uint8_t)v;
        if (i < 3 && (at >= s.len || s.ptr[at++] != '.'))
            return NO_ADDRESS;
    }
    return at != s.len ? NO_ADDRESS : zeros ? AMBIGUOUS : IS_ADDRESS;
}

static enum address parse_v6(struct str s, uint8_t out[16])
{
    char text[INET6_ADDRSTRLEN];
    if (s.len == 0 || s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
        return NO_ADDRESS;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    return inet_pton(AF_INET6, text, out) == 1 ? IS_ADDRESS : NO_ADDRESS;
}

static enum address parse_address(struct str s, struct indicator *ret, char *store)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint8_t v6[16];
    enum address a = parse_v4(s, (uint8_t *)store);
    ret->type = INDICATOR_ADDRESS;
    ret->value = (struct str){store, 4};
    if (a != NO_ADDRESS)
        return a;
    if (parse_v6(s, v6) != IS_ADDRESS)
        return NO_ADDRESS;
    bool is4 = memcmp(v6, mapped, sizeof(mapped)) == 0;
    ret->value.len = is4 ? 4 : 16;
    memcpy(store, is4 ? v6 + 12 : v6, ret->value.len);
    return IS_ADDRESS;
}

// ADDRESS/BITS. "" where it is one, NULL where it is none, else why it is refused.
static const char *parse_network(struct str s, struct indicator *ret, char *store)
{
    const char *slash = memchr(s.ptr, '/', s.len);
    uint64_t bits;
    if (!slash)
        return NULL;
    struct str address = {s.ptr, (size_t)(slash - s.ptr)},
               number = {slash + 1, s.len - address.len - 1};
    if (number.len == 0 || number.len > 3 || parse_u64(number, &bits) < 0)
        return NULL;
    enum address a = parse_address(address, ret, store);
    if (a != IS_ADDRESS)
        return a == AMBIGUOUS ? "ambiguous-address" : NULL;
    size_t len = ret->value.len;
    bool was6 = memchr(address.ptr, ':', address.len) != NULL;
    if (was6 && len == 4) { // ::ffff:198.51.100.0/120
        if (bits < 96)
            return bits > 128 ? NULL : "too-broad";
        bits -= 96;
    }
    if (bits > len * 8)
        return NULL;
    if (bits < (len == 4 ? MIN_NETWORK_BITS_4 : MIN_NETWORK_BITS_6))
        return "too-broad";
    if (bits == len * 8)
        return "";
    ret->type = INDICATOR_NETWORK;
    ret->bits = (uint8_t)bits;
    for (size_t i = 0; i < len; i++) {
        unsigned keep = bits >= (i + 1) * 8 ? 8 : bits > i * 8 ? (unsigned)(bits - i * 8) : 0;
        store[i] = (char)((uint8_t)store[i] & (uint8_t)(0xff00u >> keep));
    }
    return "";
}

// ── names ────────────────────────────────────────────────────────────────────────────────────

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool to_ascii(struct str s, char *store, size_t *ret_len)
{
    char text[4 * MAX_INDICATOR_VALUE + 1], *ascii = NULL;
    if (s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    bool ok = idn2_to_ascii_8z(text, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) == IDN2_OK &&
              strlen(ascii) <= MAX_INDICATOR_VALUE;
    if (ok) {
        *ret_len = strlen(ascii);
        memcpy(store, ascii, *ret_len);
    }
    idn2_free(ascii);
    return ok;
}

// Letters, digits, - and _ in labels of up to 63; the last one holds more than digits.
static const char *check_name(const char *name, size_t len)
{
    size_t label = 0, labels = 0;
    bool digits = true;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || name[i] == '.') {
            if (label == 0 || label > MAX_LABEL)
                return "not-an-indicator";
            labels++;
            if (i < len) {
                label = 0;
                digits = true;
            }
            continue;
        }
        char c = name[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return "not-an-indicator";
        digits = digits && digit;
        label++;
    }
    if (digits)
        return "not-an-indicator";
    return labels < 2 ? "local-name" : NULL;
}

static const char *parse_name(struct str s, struct indicator *ret, char *store)
{
    if (s.len >= 2 && s.ptr[0] == '*' && s.ptr[1] == '.') {
        s = (struct str){s.ptr + 2, s.len - 2};
        ret->flags |= BH_INDICATOR_BELOW;
    } else if (s.len >= 1 && s.ptr[0] == '.') {
        s = (struct str){s.ptr + 1, s.len - 1};
        ret->flags |= BH_INDICATOR_BELOW;
    }
    if (s.len && s.ptr[s.len - 1] == '.')
        s.len--;
    if (s.len == 0)
        return "not-an-indicator";
    size_t len = s.len;
    if (!is_ascii(s)) {
        if (!to_ascii(s, store, &len))
            return "not-an-indicator";
    } else if (len > MAX_INDICATOR_VALUE) {
        return "too-long";
    } else {
        memcpy(store, s.ptr, len);
    }
    for (size_t i = 0; i < len; i++)
        store[i] = lower(store[i]);
    ret->type = INDICATOR_DOMAIN;
    ret->value = (struct str){store, len};
    return check_name(store, len);
}

// ── one written value ────────────────────────────────────────────────────────────────────────

// An URL's host: what stands between :// (or the beginning) and the first of / ? #, without the
// user before an @.
static struct str host_of(struct str s, bool *ret_url)
{
    const char *scheme = s.len >= 3 ? memmem(s.ptr, s.len, "://", 3) : NULL;
    size_t end = 0;
    *ret_url = scheme != NULL;
    if (scheme)
        s = (struct str){scheme + 3, s.len - (size_t)(scheme + 3 - s.ptr)};
    while (end < s.len && s.ptr[end] != '/' && s.ptr[end] != '?' && s.ptr[end] != '#')
        end++;
    *ret_url = *ret_url || end < s.len;
    s.len = end;
    const char *user = s.len && *ret_url ? memrchr(s.ptr, '@', s.len) : NULL;
    if (user)
        s = (struct str){user + 1, s.len - (size_t)(user + 1 - s.ptr)};
    return s;
}

// Without its port: "[2001:db8::1]:443", "198.51.100.7:443", "example.org:443".
static struct str without_port(struct str s)
{
    uint64_t port;
    if (s.len && s.ptr[0] == '[') {
        const char *end = memchr(s.ptr, ']', s.len);
        return end ? (struct str){s.ptr + 1, (size_t)(end - s.ptr) - 1} : s;
    }
    const char *colon = s.len ? memchr(s.ptr, ':', s.len) : NULL;
    size_t before = colon ? (size_t)(colon - s.ptr) : 0, after = colon ? s.len - before - 1 : 0;
    if (!colon || memchr(colon + 1, ':', after)) // none, or an IPv6 address
        return s;
    bool number = after && after <= 5 && parse_u64((struct str){colon + 1, after}, &port) == 0 &&
                  port <= 65535;
    return number ? (struct str){s.ptr, before} : s;
}

const char *indicator_parse(struct str text, struct indicator *ret,
                            char store[MAX_INDICATOR_VALUE + 1])
{
    char clean[MAX_INDICATOR_TEXT];
    *ret = (struct indicator){0};
    if (text.len > MAX_INDICATOR_TEXT)
        return "too-long";
    struct str s = {clean, refang(text, clean)};
    if (s.len == 0)
        return "empty";
    if (parse_hash(s, ret, store))
        return NULL;
    const char *network = parse_network(s, ret, store);
    if (network)
        return network[0] ? network : NULL;
    bool url;
    struct str host = without_port(host_of(s, &url));
    *ret = (struct indicator){.flags = url ? BH_INDICATOR_URL : 0};
    enum address a = parse_address(host, ret, store);
    if (a != NO_ADDRESS)
        return a == AMBIGUOUS ? "ambiguous-address" : NULL;
    return parse_name(host, ret, store);
}

void indicator_text(const struct indicator *i, struct buf *out)
{
    char text[MAX(INET6_ADDRSTRLEN, 65)] = "";
    switch (i->type) {
    case INDICATOR_ADDRESS:
    case INDICATOR_NETWORK:
        if (inet_ntop(i->value.len == 4 ? AF_INET : AF_INET6, i->value.ptr, text, sizeof(text)))
            buf_text(out, text);
        if (i->type == INDICATOR_NETWORK)
            buf_printf(out, "/%u", i->bits);
        return;
    case INDICATOR_DOMAIN:
        buf_text(out, i->flags & BH_INDICATOR_BELOW ? "*." : "");
        buf_str(out, i->value);
        return;
    case INDICATOR_SHA256:
    case INDICATOR_SHA1:
    case INDICATOR_MD5:
        hex_of(i->value.ptr, MIN(i->value.len, (size_t)32), text);
        buf_text(out, text);
        return;
    case INDICATOR_TYPE_MAX:
        break;
    }
}

// ── packed ───────────────────────────────────────────────────────────────────────────────────

void indicator_pack(const struct indicator *i, struct buf *out)
{
    static const char zeros[8];
    size_t label = MIN(i->label.len, (size_t)MAX_INDICATOR_LABEL);
    size_t size = sizeof(struct bh_indicator) + i->value.len + label, padded = (size + 7) & ~7UL;
    INVARIANT(i->value.len <= MAX_INDICATOR_VALUE);
    struct bh_indicator p = {.type = (uint8_t)i->type,
                             .bits = i->bits,
                             .confidence = i->confidence,
                             .flags = i->flags,
                             .value_len = (uint8_t)i->value.len,
                             .label_len = (uint8_t)label,
                             .size = (uint16_t)padded,
                             .valid_from = i->valid_from,
                             .valid_until = i->valid_until};
    buf_add(out, &p, sizeof(p));
    buf_str(out, i->value);
    buf_add(out, i->label.ptr, label);
    buf_add(out, zeros, padded - size);
}

static bool well_formed(const struct bh_indicator *p, const char *value)
{
    static const uint8_t lengths[] = {
        [INDICATOR_SHA256] = 32, [INDICATOR_SHA1] = 20, [INDICATOR_MD5] = 16};
    switch (p->type) {
    case INDICATOR_ADDRESS:
        return p->value_len == 4 || p->value_len == 16;
    case INDICATOR_NETWORK:
        return (p->value_len == 4 && p->bits >= MIN_NETWORK_BITS_4 && p->bits < 32) ||
               (p->value_len == 16 && p->bits >= MIN_NETWORK_BITS_6 && p->bits < 128);
    case INDICATOR_DOMAIN:
        return p->value_len <= MAX_INDICATOR_VALUE && check_name(value, p->value_len) == NULL;
    case INDICATOR_SHA256:
    case INDICATOR_SHA1:
    case INDICATOR_MD5:
        return p->value_len == lengths[p->type];
    default:
        return false;
    }
}

int indicator_unpack(struct str bytes, size_t *at, struct indicator *ret)
{
    struct bh_indicator p;
    if (*at == bytes.len)
        return 0;
    if (*at > bytes.len || bytes.len - *at < sizeof(p))
        return -EBADMSG;
    memcpy(&p, bytes.ptr + *at, sizeof(p));
    size_t least = sizeof(p) + p.value_len + p.label_len;
    const char *value = bytes.ptr + *at + sizeof(p);
    if (p.size != ((least + 7) & ~7UL) || p.size > bytes.len - *at || p.confidence > 100 ||
        p.label_len > MAX_INDICATOR_LABEL || !well_formed(&p, value))
        return -EBADMSG;
    *ret = (struct indicator){.type = (enum indicator_type)p.type,
                              .bits = p.bits,
                              .confidence = p.confidence,
                              .flags = p.flags,
                              .value = {value, p.value_len},
                              .label = {value + p.value_len, p.label_len},
                              .valid_from = p.valid_from,
                              .valid_until = p.valid_until};
    *at += p.size;
    return 1;
}
