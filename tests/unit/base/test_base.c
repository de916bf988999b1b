// base: what everything stands on. Strings with anything in them, buffers, arenas, units, JSON,
// ids.
#include "base/base.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>

#include <cmocka.h>

static const char *escaped(void (*escape)(struct buf *b, struct str s), struct str s, struct buf *b)
{
    buf_reset(b);
    escape(b, s);
    return b->ptr ? b->ptr : "";
}

static void escapes(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    assert_string_equal(escaped(escape_text, STR("a\x1b[1m\n\t\\\x7f\0z"), &b),
                        "a\\x1b[1m\\n\\t\\\\\\x7f\\x00z");
    assert_string_equal(
        escaped(escape_text, STR("\xe2\x80\xae\xff\xc3\xa9\xc2\x85\xe2\x80\xa8"), &b),
        "\\u{202e}\\xff\xc3\xa9\\x85\\u{2028}");
    assert_string_equal(escaped(escape_text, STR("\xc3"), &b), "\\xc3");
    assert_string_equal(escaped(escape_json, STR("\"\\\n\x01\x7f\0\xff\xc3\xa9"), &b),
                        "\\\"\\\\\\n\\u0001\\u007f\\u0000\xef\xbf\xbd\xc3\xa9");
    assert_string_equal(escaped(escape_csv, STR("=cmd|' /C calc'!A0"), &b),
                        "\"'=cmd|' /C calc'!A0\"");
    assert_string_equal(escaped(escape_csv, STR("a,\"b\""), &b), "\"a,\"\"b\"\"\"");
    assert_string_equal(escaped(escape_html, STR("<a href='x'>&\"\x1b"), &b),
                        "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&#xFFFD;");
}

// Whatever the bytes: no control, nothing invisible, valid UTF-8, and different inputs stay
// different.
static void escaped_text_is_harmless(void **state)
{
    (void)state;
    uint64_t seed = 5;
    _cleanup_buf_ struct buf b = {0};
    for (int n = 0; n < 20000; n++) {
        char bytes[12];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
            uint64_t r = seed >> 33;
            bytes[i] = (char)(r % 4 ? 0x80 | (r >> 8 & 0x7f) : r >> 8);
        }
        escaped(escape_text, (struct str){bytes, sizeof(bytes)}, &b);
        for (size_t i = 0; i < b.len; i++)
            assert_true((unsigned char)b.ptr[i] >= 0x20 && b.ptr[i] != 0x7f);
        struct buf again = {0};
        escape_json(&again,
                    buf_view(&b)); // replaces only what isn't UTF-8, and escapes the backslashes
        assert_null(strstr(again.ptr, "\xef\xbf\xbd"));
        buf_done(&again);
    }
}

static void strings(void **state)
{
    (void)state;
    assert_true(str_eq(str_basename(STR("/usr/bin/nc")), STR("nc")));
    assert_true(str_eq(str_basename(STR("nc")), STR("nc")));
    assert_int_equal(str_basename(STR("/usr/")).len, 0);
    assert_int_equal(str_basename(STR_NULL).len, 0);
    assert_true(str_contains(STR("a\0b"), STR("\0b")));
    assert_true(str_contains(STR("x"), STR_NULL));
    assert_false(str_contains(STR("ab"), STR("abc")));
    assert_true(str_cmp(STR("a"), STR("a\0")) < 0);
    assert_true(str_cmp(STR("b"), STR("a\xff")) > 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0); // bytes are unsigned
    assert_true(str_starts(STR("abc"), STR("ab")) && str_ends(STR("abc"), STR("bc")) &&
                !str_ends(STR("c"), STR("bc")));
    static const char *const words[] = {"memory", "shards", "lease"};
    assert_string_equal(nearest_word("memroy", words, 3), "memory");
    assert_string_equal(nearest_word("leas", words, 3), "lease");
    assert_null(nearest_word("xyzzy", words, 3));
    assert_null(nearest_word("", words, 3));
    char longer[300];
    memset(longer, 'm', sizeof(longer));
    longer[299] = 0;
    assert_null(nearest_word(longer, words, 3));
}

static void buffers(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(buf_view(&b).len, 0);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(b.len, strlen(b.ptr));
    assert_true(str_ends(buf_view(&b), STR("998,999,")));
    buf_reset(&b);
    buf_u64(&b, 0);
    buf_char(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    assert_string_equal(b.ptr, "0 18446744073709551615");
    buf_add(&b, "x", SIZE_MAX - 5); // refused, and so is all that follows
    assert_true(b.failed);
    buf_text(&b, "more");
    assert_string_equal(b.ptr, "0 18446744073709551615");
    buf_reset(&b);
    assert_false(b.failed);
}

static void arenas(void **state)
{
    (void)state;
    struct arena *a = arena_new(100 * 1024);
    char *p = arena_alloc(a, 10);
    assert_int_equal((uintptr_t)p % 16, 0);
    memset(p, 'x', 10);
    assert_null(arena_alloc(a, 200 * 1024));
    assert_null(arena_alloc(a, SIZE_MAX));
    struct str s = arena_str(a, STR("a\0b"));
    assert_true(str_eq(s, STR("a\0b")) && s.ptr[3] == 0);
    arena_reset(a);
    p = arena_alloc(a, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(p[i], 0);
    size_t got = 0;
    while (arena_alloc(a, 1000))
        got++;
    assert_true(got > 50 && got < 105); // up to the limit, not beyond
    arena_free(a);
}

static void units(void **state)
{
    (void)state;
    uint64_t v;
    const struct {
        struct str text;
        int result;
        uint64_t ns;
    } durations[] = {
        {STR("10s"), 0, 10 * NSEC_PER_SEC},
        {STR("1h30m"), 0, 5400 * NSEC_PER_SEC},
        {STR("250ms"), 0, 250000000},
        {STR("2d"), 0, 172800 * NSEC_PER_SEC},
        {STR("7us"), 0, 7000},
        {STR("7ns"), 0, 7},
        {STR("0s"), 0, 0},
        {STR("10"), -EINVAL, 0},
        {STR(""), -EINVAL, 0},
        {STR("s"), -EINVAL, 0},
        {STR("-1s"), -EINVAL, 0},
        {STR("1s "), -EINVAL, 0},
        {STR("1S"), -EINVAL, 0},
        {STR("300000d"), -ERANGE, 0},
        {STR("99999999999999999999s"), -ERANGE, 0},
        {STR("1s\0"), -EINVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        assert_int_equal(parse_duration(durations[i].text, &v), durations[i].result);
        if (durations[i].result == 0)
            assert_int_equal(v, durations[i].ns);
    }
    assert_int_equal(parse_size(STR("64MiB"), &v), 0);
    assert_int_equal(v, 64 << 20);
    assert_int_equal(parse_size(STR("1GB"), &v), 0);
    assert_int_equal(v, 1000000000);
    assert_int_equal(parse_size(STR("4096"), &v), 0);
    assert_int_equal(v, 4096);
    assert_int_equal(parse_size(STR("1MiB2"), &v), -EINVAL);
    assert_int_equal(parse_size(STR("99999999999GiB"), &v), -ERANGE);
    assert_int_equal(parse_u64(STR("18446744073709551615"), &v), 0);
    assert_int_equal(parse_u64(STR("18446744073709551616"), &v), -ERANGE);
    assert_int_equal(parse_u64(STR("0x1"), &v), -EINVAL);
}

static void durations_read_back(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int i = 0; i < 5000; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t ns = seed >> (i % 60), back;
        _cleanup_buf_ struct buf b = {0};
        buf_duration(&b, ns);
        assert_int_equal(parse_duration(buf_view(&b), &back), 0);
        assert_true(back == ns);
    }
    _cleanup_buf_ struct buf b = {0};
    buf_duration(&b, 5400 * NSEC_PER_SEC);
    assert_string_equal(b.ptr, "1h30m");
}

static void json(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    struct json j = json_on(&b);
    json_object(&j);
    json_ku64(&j, "a", UINT64_MAX);
    json_ki64(&j, "b", INT64_MIN);
    json_key(&j, "c");
    json_array(&j);
    json_bool(&j, true);
    json_null(&j);
    json_object(&j);
    json_object_end(&j);
    json_array(&j);
    json_array_end(&j);
    json_str(&j, STR("x\n"));
    json_array_end(&j);
    json_kdouble(&j, "d", 0.1);
    json_kdouble(&j, "e", NAN);
    json_kcstr(&j, "f", NULL);
    json_key_str(&j, STR("g\""));
    json_raw(&j, STR("[1]"));
    json_object_end(&j);
    assert_string_equal(
        b.ptr,
        "{\"a\":18446744073709551615,\"b\":-9223372036854775808,\"c\":[true,null,{},[],\"x\\n\"],"
        "\"d\":0.1,\"e\":null,\"f\":null,\"g\\\"\":[1]}");
    double values[] = {0, 1, -1.5, 1e300, 1.0 / 3, 0.999, 5e-324};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        buf_reset(&b);
        j = json_on(&b);
        json_double(&j, values[i]);
        assert_true(strtod(b.ptr, NULL) == values[i]);
    }
}

static void times(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    buf_wall_iso(&b, (struct wall_ns){1764000000000000007ULL});
    assert_string_equal(b.ptr, "2025-11-24T16:00:00.000000007Z");
    buf_reset(&b);
    buf_wall_iso(&b, (struct wall_ns){0});
    assert_string_equal(b.ptr, "1970-01-01T00:00:00.000000000Z");
}

static void ids(void **state)
{
    (void)state;
    char text[ID_TEXT_MAX];
    struct id a = id_of("abc", 3), back;
    // BLAKE2b-128 of "abc", first twelve bytes
    assert_string_equal(id_text(a, text), "cf4ab791c62b8d2b2109c902");
    assert_int_equal(id_parse(str_of(text), &back), 0);
    assert_true(id_eq(a, back) && !id_is_zero(a));
    assert_int_equal(id_parse(STR("cf4ab791"), &back), -EINVAL);
    assert_int_equal(id_parse(STR("zz4ab791c62b8d2b2109c902"), &back), -EINVAL);
    uint8_t key[16] = {0}, other[16] = {1};
    assert_true(hash_keyed(key, "a", 1) != hash_keyed(other, "a", 1));
    assert_true(hash64("a", 1) == hash64("a", 1) && hash64("a", 1) != hash64("b", 1));
}

static void errors(void **state)
{
    (void)state;
    struct error e = {0};
    assert_int_equal(error_set(&e, -ENOENT, "no %s", "file"), -ENOENT);
    assert_int_equal(error_wrap(&e, "cannot load %d", 3), -ENOENT);
    assert_string_equal(e.message, "cannot load 3: no file");
    assert_int_equal(error_set(NULL, -EIO, "x"), -EIO);
    char longer[600];
    memset(longer, 'y', sizeof(longer));
    longer[599] = 0;
    error_wrap(&e, "%s", longer);
    assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes),
        cmocka_unit_test(escaped_text_is_harmless),
        cmocka_unit_test(strings),
        cmocka_unit_test(buffers),
        cmocka_unit_test(arenas),
        cmocka_unit_test(units),
        cmocka_unit_test(durations_read_back),
        cmocka_unit_test(json),
        cmocka_unit_test(times),
        cmocka_unit_test(ids),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
