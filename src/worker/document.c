// Strangers' JSON within limits, and the reply that is made from it. runc reads bundles with Go's
// decoder, which is more lenient than Jansson (bad UTF-8, halves of surrogate pairs, huge numbers,
// anything behind the document): what runc runs must not become unreadable here by such a trick, so
// those are made harmless first.
#include "worker/internal.h"

#include <strings.h>

// Length of the valid UTF-8 sequence at s, 0: invalid.
static size_t utf8_len(const unsigned char *s, size_t left)
{
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t k = 1; k < n; k++)
        if ((s[k] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return n;
}

static bool in_number(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// A number that is too long or has an exponent becomes 0 and blanks.
static size_t tame_number(char *s, size_t left)
{
    size_t n = 0;
    bool exponent = false;
    for (; n < left && in_number(s[n]); n++)
        exponent |= s[n] == 'e' || s[n] == 'E';
    if (n > MAX_NUMBER_DIGITS || exponent) {
        memset(s, ' ', n);
        s[0] = '0';
    }
    return n;
}

static int hex4(const char *s, size_t left)
{
    int v = 0;
    if (left < 4)
        return -1;
    for (int k = 0; k < 4; k++) {
        char c = s[k];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

// At a backslash: how long the escape is. Half a surrogate pair becomes a question mark.
static size_t tame_escape(char *s, size_t left)
{
    int first = left >= 6 && s[1] == 'u' ? hex4(s + 2, left - 2) : -1;
    if (first < 0xd800 || first > 0xdfff)
        return 2;
    int second = left >= 12 && s[6] == '\\' && s[7] == 'u' ? hex4(s + 8, left - 8) : -1;
    if (first < 0xdc00 && second >= 0xdc00 && second <= 0xdfff)
        return 12;
    s[2] = s[3] = '0';
    s[4] = '3';
    s[5] = 'f';
    return 6;
}

// Makes harmless what can be, in place; NULL, or which limit was met.
static const char *tame(char *s, size_t len)
{
    size_t depth = 0, values = 1;
    bool string = false;
    for (size_t k = 0; k < len;) {
        if (string) {
            if (s[k] == '\\') {
                k += tame_escape(s + k, len - k);
                continue;
            }
            string = s[k] != '"';
            size_t n = utf8_len((const unsigned char *)s + k, len - k);
            if (n == 0)
                s[k] = '?';
            k += n ? n : 1;
            continue;
        }
        switch (s[k]) {
        case '"':
            string = true;
            break;
        case '{':
        case '[':
            if (++depth > MAX_JSON_DEPTH)
                return "nested more than 64 deep";
            values++;
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        case ',':
        case ':':
            values++;
            break;
        default:
            if ((s[k] >= '0' && s[k] <= '9') || s[k] == '-') {
                k += tame_number(s + k, len - k);
                continue;
            }
            break;
        }
        if (values > MAX_JSON_VALUES)
            return "more than 65536 values";
        k++;
    }
    return NULL;
}

json_t *document_load(struct str bytes, const char **ret_problem)
{
    *ret_problem = NULL;
    if (bytes.len > MAX_BUNDLE_BYTES) {
        *ret_problem = "larger than 4 MiB";
        return NULL;
    }
    _cleanup_free_ char *copy = str_dup(bytes);
    if (!copy) {
        *ret_problem = "out of memory";
        return NULL;
    }
    *ret_problem = tame(copy, bytes.len);
    if (*ret_problem)
        return NULL;
    json_error_t error;
    json_t *root = json_loadb(copy, bytes.len, JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, &error);
    if (!root)
        *ret_problem = json_error_code(&error) == json_error_out_of_memory ? "out of memory"
                                                                           : "not valid JSON";
    else if (!json_is_object(root))
        *ret_problem = "not a JSON object";
    if (*ret_problem) {
        json_decref(root);
        return NULL;
    }
    return root;
}

json_t *member(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key), *other;
    const char *k;
    if (v || !json_is_object(object))
        return v;
    json_object_foreach ((json_t *)(uintptr_t)object, k, other)
        if (strcasecmp(k, key) == 0)
            return other;
    return NULL;
}

const char *member_str(const json_t *object, const char *key)
{
    const json_t *v = member(object, key);
    return json_is_string(v) && json_string_length(v) ? json_string_value(v) : NULL;
}

json_t *reply_new(struct str args, const char *source)
{
    json_t *reply = args.len ? json_loadb(args.ptr, args.len, JSON_ALLOW_NUL, NULL) : NULL;
    if (!json_is_object(reply)) {
        json_decref(reply);
        reply = (json_object)();
    }
    json_object_set_new(reply, "source", json_string(source));
    json_object_set_new(reply, "problem", json_string(""));
    return reply;
}

void reply_set(json_t *reply, const char *key, json_t *value)
{
    const json_t *is = json_object_get(reply, key);
    if (is && !(json_is_string(is) && json_string_length(is) == 0))
        json_decref(value);
    else
        json_object_set_new(reply, key, value);
}

// At most MAX_STRANGER_STRING bytes of it, never half a character.
static size_t cut(const char *s)
{
    size_t n = strnlen(s, MAX_STRANGER_STRING + 1);
    if (n <= MAX_STRANGER_STRING)
        return n;
    for (n = MAX_STRANGER_STRING; n > 0 && (s[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

json_t *string_cut(const char *s)
{
    return json_stringn(s, cut(s));
}

void reply_str(json_t *reply, const char *key, const char *value)
{
    if (value && value[0])
        reply_set(reply, key, string_cut(value));
}

void reply_problem(json_t *reply, const char *problem)
{
    json_object_set_new(reply, "problem", json_string(problem));
}

static int to_buf(const char *bytes, size_t len, void *out)
{
    buf_add(out, bytes, len);
    return ((struct buf *)out)->failed ? -1 : 0;
}

void reply_write(json_t *reply, struct buf *out)
{
    size_t before = out->len;
    json_dump_callback(reply, to_buf, out, JSON_COMPACT);
    if (out->failed || out->len - before <= MAX_WORKER_REPLY)
        return;
    out->len = before;
    json_object_set_new(reply, "labels", (json_object)());
    json_object_set_new(reply, "mounts", (json_array)());
    json_object_del(reply, "posture");
    reply_problem(reply, "labels and mounts were left out: together they are larger than 256 KiB");
    json_dump_callback(reply, to_buf, out, JSON_COMPACT);
}

json_t *absolute(const char *bundle, const char *path)
{
    if (path[0] == '/' || !bundle)
        return string_cut(path);
    _cleanup_buf_ struct buf b = {0};
    buf_add(&b, bundle, cut(bundle));
    buf_char(&b, '/');
    buf_add(&b, path, cut(path));
    return b.failed ? (json_null)() : json_stringn(b.ptr, b.len);
}
