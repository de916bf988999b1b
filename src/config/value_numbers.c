// Sizes, durations and counts: read with their unit and range, printed in the shortest exact form.
#include "config/internal.h"

#include <errno.h>

static void put_size(struct buf *out, uint64_t v)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    unsigned u = 0;
    while (u + 1 < ARRAY_SIZE(units) && v && v % 1024 == 0) {
        v /= 1024;
        u++;
    }
    buf_u64(out, v);
    buf_text(out, units[u]);
}

static void put_plain(struct buf *out, uint64_t v)
{
    buf_u64(out, v);
}

struct number {
    const char *what, *example;
    int (*parse)(struct str s, uint64_t *ret);
    void (*put)(struct buf *out, uint64_t v);
};
static const struct number sizes = {"a size", "64MiB", parse_size, put_size};
static const struct number durations = {"a duration", "10s", parse_duration, buf_duration};
static const struct number counts = {"a number", "4", parse_u64, put_plain};

static bool read_number(struct reading *r, const struct key *k, const struct yaml *y,
                        const struct number *n, uint64_t *ret)
{
    uint64_t v;
    if (!value_want_scalar(r, k, y, n->example))
        return false;
    if (n == &counts && y->quoted) {
        read_error(r, y, "BH207", "write it without quotes", "'%s' wants a number, not text",
                   k->name);
        return false;
    }
    char hint[128];
    int parsed = n->parse(y->scalar, &v);
    if (parsed == -EINVAL) {
        snprintf(hint, sizeof(hint), "for example: %s%s", n->example,
                 n == &durations ? "; units are ns us ms s m h d"
                 : n == &sizes   ? "; units are KiB MiB GiB kB MB GB"
                                 : "");
        read_error(r, y, "BH208", hint, "'" STR_FMT "' is not %s", STR_ARG(value_shown(y->scalar)),
                   n->what);
        return false;
    }
    _cleanup_buf_ struct buf range = {0};
    buf_text(&range, "from ");
    n->put(&range, k->min);
    buf_text(&range, " to ");
    n->put(&range, k->max);
    if (parsed < 0 || v < k->min || v > k->max) {
        read_error(r, y, "BH209", range.ptr, "'%s' is out of its range", k->name);
        return false;
    }
    if (k->power_of_two && (v & (v - 1))) {
        uint64_t below = k->min;
        while (below * 2 < v)
            below *= 2;
        _cleanup_buf_ struct buf b = {0};
        buf_text(&b, "the nearest are ");
        n->put(&b, below);
        buf_text(&b, " and ");
        n->put(&b, below * 2);
        read_error(r, y, "BH209", b.ptr, "'%s' must be a power of two", k->name);
        return false;
    }
    *ret = v;
    return true;
}

static void size_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    read_number(r, k, y, &sizes, at);
}

static void duration_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    read_number(r, k, y, &durations, at);
}

static void u64_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    read_number(r, k, y, &counts, at);
}

static void unsigned_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    uint64_t v;
    if (read_number(r, k, y, &counts, &v))
        *(unsigned *)at = (unsigned)v;
}

static void i32_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    uint64_t v;
    if (read_number(r, k, y, &counts, &v))
        *(int32_t *)at = (int32_t)v;
}

static void line_of(struct buf *out, void (*put)(struct buf *, uint64_t), uint64_t v)
{
    put(out, v);
    buf_char(out, '\n');
}

static void size_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    line_of(out, put_size, *(const uint64_t *)at);
}

static void duration_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    line_of(out, buf_duration, *(const uint64_t *)at);
}

static void u64_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    line_of(out, put_plain, *(const uint64_t *)at);
}

static void unsigned_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    line_of(out, put_plain, *(const unsigned *)at);
}

static void i32_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    line_of(out, put_plain, (uint64_t) * (const int32_t *)at);
}

static void range_schema(const struct key *k, struct json *j)
{
    json_kcstr(j, "type", "integer");
    json_ku64(j, "minimum", k->min);
    json_ku64(j, "maximum", k->max);
}

// A unit's text cannot be compared in a schema: the range is said in words, the form by a pattern.
static void unit_schema(const struct key *k, const struct number *n, const char *pattern,
                        const uint64_t *defaults, struct json *j)
{
    _cleanup_buf_ struct buf b = {0};
    json_key(j, "type");
    json_raw(j, n == &sizes ? STR("[\"string\",\"integer\"]") : STR("\"string\""));
    json_kcstr(j, "pattern", pattern);
    n->put(&b, k->min);
    buf_text(&b, " to ");
    n->put(&b, k->max);
    if (k->power_of_two)
        buf_text(&b, ", a power of two");
    json_kstr(j, "$comment", buf_view(&b));
    if (defaults) {
        buf_reset(&b);
        n->put(&b, *defaults);
        json_kstr(j, "default", buf_view(&b));
    }
}

static void size_schema(const struct key *k, const void *defaults, struct json *j)
{
    unit_schema(k, &sizes, "^[0-9]+([kKMG]|[kKMG]B|[KMG]iB|B)?$", defaults, j);
}

static void duration_schema(const struct key *k, const void *defaults, struct json *j)
{
    unit_schema(k, &durations, "^([0-9]+(d|h|m|s|ms|us|ns))+$", defaults, j);
}

static void u64_schema(const struct key *k, const void *defaults, struct json *j)
{
    range_schema(k, j);
    if (defaults)
        json_ku64(j, "default", *(const uint64_t *)defaults);
}

static void unsigned_schema(const struct key *k, const void *defaults, struct json *j)
{
    range_schema(k, j);
    if (defaults)
        json_ku64(j, "default", *(const unsigned *)defaults);
}

static void i32_schema(const struct key *k, const void *defaults, struct json *j)
{
    range_schema(k, j);
    if (defaults)
        json_ki64(j, "default", *(const int32_t *)defaults);
}

const struct value_type value_size = {size_read, size_print, size_schema};
const struct value_type value_duration = {duration_read, duration_print, duration_schema};
const struct value_type value_u64 = {u64_read, u64_print, u64_schema};
const struct value_type value_unsigned = {unsigned_read, unsigned_print, unsigned_schema};
const struct value_type value_i32 = {i32_read, i32_print, i32_schema};
