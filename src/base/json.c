// Append-only JSON writer.
#include "base/base.h"

#include <math.h>

static void value(struct json *j)
{
    uint64_t bit = 1ULL << (j->depth & 63);
    if (j->comma & bit)
        buf_char(j->out, ',');
    j->comma |= bit;
}

static void open_with(struct json *j, char c)
{
    value(j);
    buf_char(j->out, c);
    j->depth++;
    INVARIANT(j->depth < 64);
    j->comma &= ~(1ULL << (j->depth & 63));
}

static void close_with(struct json *j, char c)
{
    INVARIANT(j->depth > 0);
    j->depth--;
    buf_char(j->out, c);
}

void json_object(struct json *j)
{
    open_with(j, '{');
}

void json_object_end(struct json *j)
{
    close_with(j, '}');
}

void json_array(struct json *j)
{
    open_with(j, '[');
}

void json_array_end(struct json *j)
{
    close_with(j, ']');
}

static void after_key(struct json *j)
{
    buf_text(j->out, "\":");
    j->comma &= ~(1ULL << (j->depth & 63)); // the value that follows takes no comma
}

void json_key(struct json *j, const char *key)
{
    value(j);
    buf_char(j->out, '"');
    buf_text(j->out, key);
    after_key(j);
}

void json_key_str(struct json *j, struct str key)
{
    value(j);
    buf_char(j->out, '"');
    escape_json(j->out, key);
    after_key(j);
}

void json_str(struct json *j, struct str s)
{
    value(j);
    buf_char(j->out, '"');
    escape_json(j->out, s);
    buf_char(j->out, '"');
}

void json_cstr(struct json *j, const char *s)
{
    if (s)
        json_str(j, str_of(s));
    else
        json_null(j);
}

void json_u64(struct json *j, uint64_t v)
{
    value(j);
    buf_u64(j->out, v);
}

void json_i64(struct json *j, int64_t v)
{
    value(j);
    if (v < 0)
        buf_char(j->out, '-');
    buf_u64(j->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_bool(struct json *j, bool v)
{
    value(j);
    buf_text(j->out, v ? "true" : "false");
}

void json_null(struct json *j)
{
    value(j);
    buf_text(j->out, "null");
}

void json_double(struct json *j, double v)
{
    if (!isfinite(v)) {
        json_null(j);
        return;
    }
    value(j);
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_text(j->out, text);
}

void json_raw(struct json *j, struct str raw)
{
    value(j);
    buf_str(j->out, raw);
}

void json_kstr(struct json *j, const char *key, struct str v)
{
    json_key(j, key);
    json_str(j, v);
}

void json_kcstr(struct json *j, const char *key, const char *v)
{
    json_key(j, key);
    json_cstr(j, v);
}

void json_ku64(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_u64(j, v);
}

void json_ki64(struct json *j, const char *key, int64_t v)
{
    json_key(j, key);
    json_i64(j, v);
}

void json_kbool(struct json *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_kdouble(struct json *j, const char *key, double v)
{
    json_key(j, key);
    json_double(j, v);
}
