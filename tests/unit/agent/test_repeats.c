// The same finding again is counted, said once, and its count is said at the end.
#include "agent/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct said {
    unsigned n;
    char last[512];
};

static void say(void *ctx, const struct finding *f)
{
    struct said *s = ctx;
    s->n++;
    snprintf(s->last, sizeof(s->last), STR_FMT, STR_ARG(f->output));
}

static struct finding shell(uint32_t tgid, uint64_t time, const char *path)
{
    struct finding f = {.detector = "rule",
                        .rule = STR("Shell"),
                        .time = {time},
                        .tgid = tgid,
                        .start = 7,
                        .output = STR("a shell ran"),
                        .fields_n = 2};
    f.fields[0] =
        (struct finding_field){.key = STR("fd.name"), .type = FIELD_STRING, .text = str_of(path)};
    f.fields[1] = (struct finding_field){
        .key = STR("evt.time"), .type = FIELD_TIME, .text = STR("x"), .number = time};
    return f;
}

static void test_thousand_times(void **state)
{
    struct repeats *r = repeats_new();
    struct said said = {0};
    unsigned passed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        struct finding f = shell(5, 1000 + i * NSEC_PER_MSEC, "/etc/shadow");
        passed += repeats_pass(r, &f);
    }
    assert_int_equal(passed, 1);
    assert_int_equal(repeats_held(r), 999);
    repeats_tick(r, 5 * NSEC_PER_SEC, say, &said);
    assert_int_equal(said.n, 0); // its time isn't over
    repeats_tick(r, 1000 + REPEAT_NS + NSEC_PER_SEC, say, &said);
    assert_int_equal(said.n, 1);
    assert_non_null(strstr(said.last, "a shell ran | repeated 999 more times in 999ms"));
    struct finding again = shell(5, 60 * NSEC_PER_SEC, "/etc/shadow");
    assert_true(repeats_pass(r, &again)); // later it is news again
    repeats_free(r);
}

static void test_what_differs_is_said(void **state)
{
    struct repeats *r = repeats_new();
    struct finding a = shell(5, 1, "/a"), b = shell(5, 2, "/b"), c = shell(6, 3, "/a");
    assert_true(repeats_pass(r, &a));
    assert_true(repeats_pass(r, &b));
    assert_true(repeats_pass(r, &c));
    repeats_free(r);
}

static void test_full_table_says_rather_than_forgets(void **state)
{
    struct repeats *r = repeats_new();
    unsigned passed = 0;
    for (uint32_t i = 0; i < 3 * MAX_REPEATS; i++) {
        struct finding f = shell(i + 1, i + 1, "/a");
        passed += repeats_pass(r, &f);
    }
    assert_int_equal(passed, 3 * MAX_REPEATS);
    struct said said = {0};
    repeats_tick(r, 100 * NSEC_PER_SEC, say, &said);
    assert_int_equal(said.n, 0);
    struct finding f = shell(9999999, 200 * NSEC_PER_SEC, "/a");
    assert_true(repeats_pass(r, &f)); // and there is room again
    assert_false(repeats_pass(r, &f));
    repeats_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousand_times),
        cmocka_unit_test(test_what_differs_is_said),
        cmocka_unit_test(test_full_table_says_rather_than_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
