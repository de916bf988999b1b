// STIX patterns (STIX 2.1, part 9): which of them name one thing that is looked up here.
//
// Taken: comparisons of addresses, domains, URLs and file hashes by =, IN and ISSUBSET, joined by
// OR, in observations joined by OR. An AND is taken where it says no more than one of its sides:
// hashes of one file (the strongest), and a reference's type beside its value. Whatever else a
// pattern demands (an order, a time, a count, a second thing) would make the single value say what
// the feed did not: it is not taken, and the reason is counted.
#include "worker/feed.h"

#include <errno.h>
#include <strings.h>

enum { MAX_PATTERN_DEPTH = 16, MAX_PATTERN_PATH = 256 };

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,  // an object path or a keyword
    TOKEN_TEXT,  // 'string'
    TOKEN_OTHER, // a number, t'…', h'…', b'…'
    TOKEN_SIGN,  // [ ] ( ) , = != == < > <= >=
    TOKEN_BAD,
};
struct token {
    enum token_kind kind;
    struct str text;
};
struct scan {
    struct str bytes;
    size_t at;
    struct token now;
    struct arena *arena;
    struct indicator *list;
    size_t n, max, from; // from: the first of the AND that is being read
    unsigned depth;
    const char *why;   // one thing that was left out
    const char *fault; // the whole is not taken
    bool type_tests;   // of the AND that is being read: it held some
};

static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == ':' || c == '.' || c == '*';
}

// 'text' with \' and \\; s->at is at the quote.
static struct token text_token(struct scan *s)
{
    size_t from = ++s->at, n = 0;
    while (s->at < s->bytes.len && s->bytes.ptr[s->at] != '\'')
        s->at += 1 + (s->bytes.ptr[s->at] == '\\');
    if (s->at >= s->bytes.len)
        return (struct token){.kind = TOKEN_BAD};
    char *out = arena_alloc(s->arena, s->at - from + 1);
    if (!out)
        return (struct token){.kind = TOKEN_BAD};
    for (size_t i = from; i < s->at; i++) {
        i += s->bytes.ptr[i] == '\\';
        out[n++] = s->bytes.ptr[i];
    }
    s->at++;
    return (struct token){TOKEN_TEXT, {out, n}};
}

// A path goes on over quoted steps and indices: file:hashes.'SHA-256', x[0].y, x[*].y
static struct token word_token(struct scan *s)
{
    size_t from = s->at;
    while (s->at < s->bytes.len) {
        char c = s->bytes.ptr[s->at];
        if (c == '\'' && s->bytes.ptr[s->at - 1] == '.') {
            const char *end = memchr(s->bytes.ptr + s->at + 1, '\'', s->bytes.len - s->at - 1);
            if (!end)
                return (struct token){.kind = TOKEN_BAD};
            s->at = (size_t)(end + 1 - s->bytes.ptr);
        } else if (c == '[' && s->at > from && memchr(s->bytes.ptr + from, ':', s->at - from)) {
            const char *end = memchr(s->bytes.ptr + s->at, ']', s->bytes.len - s->at);
            if (!end)
                return (struct token){.kind = TOKEN_BAD};
            s->at = (size_t)(end + 1 - s->bytes.ptr);
        } else if (in_word(c)) {
            s->at++;
        } else {
            break;
        }
    }
    return (struct token){TOKEN_WORD, {s->bytes.ptr + from, s->at - from}};
}

static struct token read_token(struct scan *s)
{
    while (s->at < s->bytes.len && memchr(" \t\r\n\v\f", s->bytes.ptr[s->at], 6))
        s->at++;
    if (s->at >= s->bytes.len)
        return (struct token){.kind = TOKEN_END};
    char c = s->bytes.ptr[s->at], next = s->at + 1 < s->bytes.len ? s->bytes.ptr[s->at + 1] : 0;
    if (c == '\'')
        return text_token(s);
    if ((c == 't' || c == 'h' || c == 'b') && next == '\'') {
        s->at++;
        struct token t = text_token(s);
        t.kind = t.kind == TOKEN_TEXT ? TOKEN_OTHER : t.kind;
        return t;
    }
    if ((c >= '0' && c <= '9') || c == '-' || c == '+') {
        size_t from = s->at++;
        while (s->at < s->bytes.len &&
               ((s->bytes.ptr[s->at] >= '0' && s->bytes.ptr[s->at] <= '9') ||
                s->bytes.ptr[s->at] == '.'))
            s->at++;
        return (struct token){TOKEN_OTHER, {s->bytes.ptr + from, s->at - from}};
    }
    if (in_word(c))
        return word_token(s);
    if (memchr("[](),=<>!", c, 9)) {
        size_t n = 1 + ((c == '=' || c == '!' || c == '<' || c == '>') && next == '=');
        s->at += n;
        return (struct token){TOKEN_SIGN, {s->bytes.ptr + s->at - n, n}};
    }
    return (struct token){.kind = TOKEN_BAD};
}

static void step(struct scan *s)
{
    s->now = read_token(s);
    if (s->now.kind == TOKEN_BAD && !s->fault)
        s->fault = "pattern-syntax";
}

static bool is_sign(const struct scan *s, const char *sign)
{
    return s->now.kind == TOKEN_SIGN && str_eq(s->now.text, str_of(sign));
}

static bool is_keyword(const struct scan *s, const char *word)
{
    return s->now.kind == TOKEN_WORD && str_eq(s->now.text, str_of(word));
}

static void want_sign(struct scan *s, const char *sign)
{
    if (!is_sign(s, sign) && !s->fault)
        s->fault = "pattern-syntax";
    step(s);
}

static void left_out(struct scan *s, const char *why)
{
    s->why = s->why ? s->why : why;
}

// ── comparisons ──────────────────────────────────────────────────────────────────────────────

// What a path names: the types of indicators that its value may be. 0: nothing that is used here.
static unsigned path_types(struct str path)
{
    static const struct {
        const char *path;
        unsigned types;
    } paths[] = {
        {"ipv4-addr:value", 1u << INDICATOR_ADDRESS | 1u << INDICATOR_NETWORK},
        {"ipv6-addr:value", 1u << INDICATOR_ADDRESS | 1u << INDICATOR_NETWORK},
        {"domain-name:value", 1u << INDICATOR_DOMAIN},
        {"url:value", 1u << INDICATOR_ADDRESS | 1u << INDICATOR_DOMAIN},
        {"network-traffic:dst_ref.value",
         1u << INDICATOR_ADDRESS | 1u << INDICATOR_NETWORK | 1u << INDICATOR_DOMAIN},
        {"network-traffic:src_ref.value",
         1u << INDICATOR_ADDRESS | 1u << INDICATOR_NETWORK | 1u << INDICATOR_DOMAIN},
        {"file:hashes.MD5", 1u << INDICATOR_MD5},
        {"file:hashes.SHA-1", 1u << INDICATOR_SHA1},
        {"file:hashes.SHA1", 1u << INDICATOR_SHA1},
        {"file:hashes.SHA-256", 1u << INDICATOR_SHA256},
        {"file:hashes.SHA256", 1u << INDICATOR_SHA256},
    };
    char plain[MAX_PATTERN_PATH];
    size_t n = 0;
    for (size_t i = 0; i < path.len && n < sizeof(plain); i++)
        if (path.ptr[i] != '\'')
            plain[n++] = path.ptr[i];
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        if (n == strlen(paths[i].path) && strncasecmp(plain, paths[i].path, n) == 0)
            return paths[i].types;
    return 0;
}

static void take_text(struct scan *s, unsigned types)
{
    char store[MAX_INDICATOR_VALUE + 1];
    struct indicator i;
    const char *why = indicator_parse(s->now.text, &i, store);
    if (why || !(types & 1u << i.type)) {
        left_out(s, why ? why : "pattern-value");
        return;
    }
    if (s->n == s->max) {
        left_out(s, "pattern-long");
        return;
    }
    i.value = arena_str(s->arena, i.value);
    if (!i.value.ptr)
        s->fault = "pattern-long";
    else
        s->list[s->n++] = i;
}

// A constant, or for IN a list of them. types 0: read over.
static void constants(struct scan *s, bool set, unsigned types)
{
    if (set)
        want_sign(s, "(");
    for (bool more = true; more && !s->fault;) {
        if (s->now.kind == TOKEN_TEXT && types)
            take_text(s, types);
        else if (s->now.kind == TOKEN_OTHER || is_keyword(s, "true") || is_keyword(s, "false") ||
                 s->now.kind == TOKEN_TEXT)
            types ? left_out(s, "pattern-value") : (void)0;
        else
            s->fault = "pattern-syntax";
        step(s);
        more = set && is_sign(s, ",");
        if (more)
            step(s);
    }
    if (set)
        want_sign(s, ")");
}

static void comparison(struct scan *s)
{
    struct str path = s->now.text;
    if (s->now.kind != TOKEN_WORD || !memchr(path.ptr, ':', path.len)) {
        if (is_keyword(s, "NOT") || is_keyword(s, "EXISTS"))
            s->fault = is_keyword(s, "NOT") ? "pattern-not" : "pattern-exists";
        else
            s->fault = "pattern-syntax";
        return;
    }
    step(s);
    if (is_keyword(s, "NOT")) {
        s->fault = "pattern-not";
        return;
    }
    bool equal = is_sign(s, "=") || is_sign(s, "=="), in = is_keyword(s, "IN"),
         subset = is_keyword(s, "ISSUBSET");
    bool other = is_sign(s, "!=") || is_sign(s, "<") || is_sign(s, ">") || is_sign(s, "<=") ||
                 is_sign(s, ">=") || is_keyword(s, "LIKE") || is_keyword(s, "MATCHES") ||
                 is_keyword(s, "ISSUPERSET");
    if (!equal && !in && !subset && !other) {
        s->fault = "pattern-syntax";
        return;
    }
    step(s);
    if (equal && str_ends(path, STR("_ref.type"))) {
        s->type_tests = true;
        constants(s, false, 0);
        return;
    }
    unsigned types = path_types(path);
    size_t before = s->n;
    const char *why = s->why;
    constants(s, in, other ? 0 : types);
    if (s->n == before && s->why == why)
        left_out(s, other && types ? "pattern-operator" : "pattern-object");
}

static bool is_hash(enum indicator_type t)
{
    return t == INDICATOR_SHA256 || t == INDICATOR_SHA1 || t == INDICATOR_MD5;
}

// What an AND of `sides` left from `from` on: kept where it says no more than one of its sides.
static void and_done(struct scan *s, size_t from, unsigned sides, bool left)
{
    size_t n = s->n - from, best = from;
    bool hashes = n > 0;
    for (size_t i = from; i < s->n; i++) {
        hashes = hashes && is_hash(s->list[i].type);
        if (s->list[i].type < s->list[best].type) // SHA-256 is the first of the hashes
            best = i;
    }
    if (sides == 1)
        return;
    if (!left && n == sides && hashes) {
        s->list[from] = s->list[best];
        s->n = from + 1;
        return;
    }
    if (n)
        left_out(s, "pattern-and");
    s->n = from;
}

static void expression(struct scan *s);

// Sides joined by AND.
static void conjunction(struct scan *s)
{
    size_t from = s->n;
    unsigned sides = 0;
    bool left = false; // a side that was left out, or is more than a comparison
    for (bool more = true; more && !s->fault;) {
        const char *why = s->why;
        size_t before = s->n;
        s->why = NULL;
        s->type_tests = false;
        bool nested = is_sign(s, "(");
        if (nested) {
            if (++s->depth > MAX_PATTERN_DEPTH) {
                s->fault = "pattern-long";
                return;
            }
            step(s);
            expression(s);
            want_sign(s, ")");
            s->depth--;
            s->type_tests = false;
        } else {
            comparison(s);
        }
        left = left || s->why || s->n > before + 1;
        sides += !s->type_tests;
        s->why = why ? why : s->why;
        more = is_keyword(s, "AND");
        if (more)
            step(s);
    }
    if (!s->fault)
        and_done(s, from, sides ? sides : 1, left);
}

static void expression(struct scan *s)
{
    for (bool more = true; more && !s->fault;) {
        conjunction(s);
        more = is_keyword(s, "OR");
        if (more)
            step(s);
    }
}

// ── observations ─────────────────────────────────────────────────────────────────────────────

static void observations(struct scan *s)
{
    unsigned open = 0;
    for (bool more = true; more && !s->fault;) {
        while (is_sign(s, "(") && open < MAX_PATTERN_DEPTH) {
            open++;
            step(s);
        }
        want_sign(s, "[");
        if (!s->fault)
            expression(s);
        if (!s->fault)
            want_sign(s, "]");
        while (is_sign(s, ")") && open) {
            open--;
            step(s);
        }
        more = is_keyword(s, "OR");
        if (more)
            step(s);
    }
    if (s->fault)
        return;
    if (is_keyword(s, "AND"))
        s->fault = "pattern-and";
    else if (is_keyword(s, "FOLLOWEDBY"))
        s->fault = "pattern-followedby";
    else if (is_keyword(s, "WITHIN") || is_keyword(s, "REPEATS") || is_keyword(s, "START"))
        s->fault = "pattern-qualifier";
    else if (s->now.kind != TOKEN_END || open)
        s->fault = "pattern-syntax";
}

int worker_parse_pattern(struct str pattern, struct arena *arena, struct indicator *ret, size_t max,
                         const char **ret_why)
{
    struct scan s = {.bytes = pattern, .arena = arena, .list = ret, .max = max};
    *ret_why = NULL;
    if (pattern.len > MAX_PATTERN || pattern.len == 0) {
        *ret_why = pattern.len ? "pattern-long" : "pattern-syntax";
        return -EINVAL;
    }
    step(&s);
    if (!s.fault)
        observations(&s);
    *ret_why = s.fault ? s.fault : s.why;
    return s.fault ? -EINVAL : (int)s.n;
}
