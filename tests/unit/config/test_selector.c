// Selectors: globs as fnmatch has them, on any bytes; what is not known yet is unknown, not false.
#include "config/config.h"

#include <fnmatch.h>
#include <setjmp.h>

#include <cmocka.h>

bool glob_match(struct str glob, struct str s); // config/internal.h

static void globs(void **state)
{
    (void)state;
    assert_true(glob_match(STR("*"), STR("a/b\n\0c")));
    assert_true(glob_match(STR("*/nginx:*"), STR("reg.example/x/nginx:1")));
    assert_true(glob_match(STR("a?c"), STR("a/c")));
    assert_true(glob_match(STR("[!a-c]x"), STR("dx")));
    assert_false(glob_match(STR("[!a-c]x"), STR("bx")));
    assert_true(glob_match(STR("\\*"), STR("*")));
    assert_false(glob_match(STR("\\*"), STR("a")));
    assert_true(glob_match(STR("a[b"), STR("a[b")));
    assert_true(glob_match(STR("[]x]"), STR("]")));
    assert_false(glob_match(STR("a"), STR("a\0b")));
    assert_true(glob_match(STR(""), STR("")));
    assert_false(glob_match(STR(""), STR("a")));
}

static void globs_agree_with_fnmatch(void **state)
{
    (void)state;
    static const char letters[] = "ab*?[]!-\\/.";
    uint64_t seed = 7;
    unsigned matched = 0;
    for (int i = 0; i < 200000; i++) {
        char pattern[9], text[7];
        size_t n = 0, m = 0;
        for (size_t k = (seed = seed * 6364136223846793005ULL + 1) >> 60; k && n < 8; k--)
            pattern[n++] =
                letters[((seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) >> 33) %
                        11];
        for (size_t k = (seed = seed * 6364136223846793005ULL + 1) >> 61; k && m < 6; k--)
            text[m++] =
                "ab/.]"[((seed = seed * 6364136223846793005ULL + 1442695040888963407ULL) >> 33) %
                        5];
        pattern[n] = text[m] = 0;
        // Left out: a backslash at the end, and brackets that glibc and POSIX leave open ([.x.],
        // [=x=], [:x:]).
        if ((n && pattern[n - 1] == '\\') || strstr(pattern, "[.") || strchr(pattern, '['))
            if (strchr(pattern, '\\') || strchr(pattern, '-') || strstr(pattern, "[.") ||
                strstr(pattern, "[!."))
                continue;
        bool want = fnmatch(pattern, text, 0) == 0;
        matched += want;
        if (glob_match(str_of(pattern), str_of(text)) != want)
            fail_msg("'%s' on '%s': fnmatch says %d", pattern, text, want);
    }
    assert_true(matched > 1000);
}

static void a_hostile_name_costs_little(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'a', sizeof(text));
    // fnmatch takes ages for this one
    assert_false(
        glob_match(STR("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"), (struct str){text, sizeof(text)}));
}

static struct label labels[] = {{STR("app"), STR("web")}, {STR("tier"), STR("front")}};
static const struct facts known = {.version = 1,
                                   .name = STR("web-1"),
                                   .image = STR("x/nginx:1"),
                                   .workload = STR("web"),
                                   .labels = labels,
                                   .labels_n = 2};
static const struct facts none = {.version = 0};
static const struct facts broken = {.version = 1, .problem = STR("config.json is no JSON")};

static enum tri match(struct selector s, enum container_type type, const struct facts *f)
{
    struct container c = {.number = 1, .type = type, .id = STR("abc123"), .facts = f};
    return selector_match(&s, &c);
}

static void nothing_given_is_every_container_but_no_host(void **state)
{
    (void)state;
    assert_int_equal(match((struct selector){0}, CONTAINER_OCI, &known), YES);
    assert_int_equal(match((struct selector){0}, CONTAINER_OCI, &none), YES);
    assert_int_equal(match((struct selector){0}, CONTAINER_HOST, &known), NO);
    assert_int_equal(match((struct selector){.name = STR("*")}, CONTAINER_HOST, &known), NO);
}

static void plain_cgroups_are_meant_by_name_only(void **state)
{
    (void)state;
    assert_int_equal(match((struct selector){0}, CONTAINER_CGROUP, &none), NO);
    assert_int_equal(match((struct selector){.name = STR("abc*")}, CONTAINER_CGROUP, &none), YES);
    assert_int_equal(
        match((struct selector){.name = STR("abc*"), .image = STR("*")}, CONTAINER_CGROUP, &none),
        NO);
}

static void facts_known(void **state)
{
    (void)state;
    assert_int_equal(match((struct selector){.name = STR("web-*")}, CONTAINER_OCI, &known), YES);
    assert_int_equal(match((struct selector){.name = STR("abc*")}, CONTAINER_OCI, &known), YES);
    assert_int_equal(match((struct selector){.name = STR("db-*")}, CONTAINER_OCI, &known), NO);
    assert_int_equal(match((struct selector){.image = STR("*/nginx:*"), .workload = STR("web")},
                           CONTAINER_OCI, &known),
                     YES);
    assert_int_equal(match((struct selector){.image = STR("*/nginx:*"), .workload = STR("w")},
                           CONTAINER_OCI, &known),
                     NO);
    assert_int_equal(
        match((struct selector){.labels = labels, .labels_n = 2}, CONTAINER_OCI, &known), YES);
    struct label other[] = {{STR("app"), STR("web")}, {STR("tier"), STR("back")}};
    assert_int_equal(
        match((struct selector){.labels = other, .labels_n = 2}, CONTAINER_OCI, &known), NO);
}

static void not_known_yet_is_unknown(void **state)
{
    (void)state;
    const struct facts *late[] = {&none, &broken};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(match((struct selector){.name = STR("abc*")}, CONTAINER_OCI, late[i]),
                         YES); // the id is known
        assert_int_equal(match((struct selector){.name = STR("web-*")}, CONTAINER_OCI, late[i]),
                         UNKNOWN);
        assert_int_equal(match((struct selector){.image = STR("*")}, CONTAINER_OCI, late[i]),
                         UNKNOWN);
        assert_int_equal(
            match((struct selector){.labels = labels, .labels_n = 1}, CONTAINER_OCI, late[i]),
            UNKNOWN);
    }
    // facts are there but say no image
    struct facts bare = {.version = 1, .name = STR("x")};
    assert_int_equal(match((struct selector){.image = STR("*")}, CONTAINER_OCI, &bare), NO);
    // one NO decides whatever else is unknown
    struct facts half = {.version = 0, .name = STR("db")};
    assert_int_equal(
        match((struct selector){.name = STR("web-*"), .image = STR("*")}, CONTAINER_OCI, &half),
        NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs),
        cmocka_unit_test(globs_agree_with_fnmatch),
        cmocka_unit_test(a_hostile_name_costs_little),
        cmocka_unit_test(nothing_given_is_every_container_but_no_host),
        cmocka_unit_test(plain_cgroups_are_meant_by_name_only),
        cmocka_unit_test(facts_known),
        cmocka_unit_test(not_known_yet_is_unknown),
    };
    return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
