// Durations, sizes, numbers and wall times as text.
#include "base/base.h"

#include <errno.h>
#include <time.h>

int parse_u64(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.len == 0)
        return -EINVAL;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return -ERANGE;
    }
    *ret = v;
    return 0;
}

static const struct unit {
    const char *name;
    uint64_t factor;
} durations[] = {{"d", 86400 * NSEC_PER_SEC},
                 {"h", 3600 * NSEC_PER_SEC},
                 {"m", 60 * NSEC_PER_SEC},
                 {"s", NSEC_PER_SEC},
                 {"ms", NSEC_PER_MSEC},
                 {"us", 1000},
                 {"ns", 1}},
  sizes[] = {{"", 1},          {"B", 1},           {"kB", 1000},     {"KB", 1000},
             {"MB", 1000000},  {"GB", 1000000000}, {"KiB", 1 << 10}, {"MiB", 1 << 20},
             {"GiB", 1 << 30}, {"k", 1 << 10},     {"K", 1 << 10},   {"M", 1 << 20},
             {"G", 1 << 30}};

// One "NUMBER UNIT" at *at; adds to *sum.
static int parse_part(struct str s, size_t *at, const struct unit *units, size_t n, uint64_t *sum)
{
    size_t from = *at, i = from;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
        i++;
    uint64_t v;
    int r = parse_u64((struct str){s.ptr + from, i - from}, &v);
    if (r < 0)
        return r;
    size_t unit = i;
    while (i < s.len && ((s.ptr[i] | 32) >= 'a' && (s.ptr[i] | 32) <= 'z'))
        i++;
    for (size_t u = 0; u < n; u++)
        if (str_eq(str_of(units[u].name), (struct str){s.ptr + unit, i - unit})) {
            if (__builtin_mul_overflow(v, units[u].factor, &v) ||
                __builtin_add_overflow(*sum, v, sum))
                return -ERANGE;
            *at = i;
            return 0;
        }
    return -EINVAL;
}

int parse_duration(struct str s, uint64_t *ret_ns)
{
    uint64_t sum = 0;
    size_t at = 0;
    if (s.len == 0)
        return -EINVAL;
    while (at < s.len) {
        int r = parse_part(s, &at, durations, ARRAY_SIZE(durations), &sum);
        if (r < 0)
            return r;
    }
    *ret_ns = sum;
    return 0;
}

int parse_size(struct str s, uint64_t *ret_bytes)
{
    uint64_t sum = 0;
    size_t at = 0;
    int r = parse_part(s, &at, sizes, ARRAY_SIZE(sizes), &sum);
    if (r < 0)
        return r;
    if (at != s.len)
        return -EINVAL;
    *ret_bytes = sum;
    return 0;
}

void buf_duration(struct buf *b, uint64_t ns)
{
    if (ns == 0) {
        buf_text(b, "0s");
        return;
    }
    for (size_t u = 0; u < ARRAY_SIZE(durations); u++)
        if (ns >= durations[u].factor) {
            buf_u64(b, ns / durations[u].factor);
            buf_text(b, durations[u].name);
            ns %= durations[u].factor;
        }
}

void buf_wall_iso(struct buf *b, struct wall_ns t)
{
    time_t secs = (time_t)(t.ns / NSEC_PER_SEC);
    struct tm tm;
    if (!gmtime_r(&secs, &tm)) {
        buf_text(b, "0000-00-00T00:00:00.000000000Z");
        return;
    }
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(t.ns % NSEC_PER_SEC));
}
