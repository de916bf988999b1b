// dump's tables, which documentation is made from, and what is said where there is no agent.
#include "cli/internal.h"

#include <setjmp.h>

#include <cmocka.h>

static json_t *table(const char *name)
{
    _cleanup_buf_ struct buf out = {0};
    assert_true(dump_table(name, true, false, &out));
    json_error_t wrong;
    json_t *tree = json_loadb(out.ptr, out.len, 0, &wrong);
    if (!json_is_array(tree))
        fail_msg("%s: %s", name, wrong.text);
    return tree;
}

static void test_every_table_is_there_in_both_forms(void **state)
{
    json_t *tables = table("tables"), *t, *row;
    size_t i, k;
    assert_true(json_array_size(tables) >= 13);
    json_array_foreach (tables, i, t) {
        const char *name = json_string_value(json_object_get(t, "name"));
        _cleanup_buf_ struct buf text = {0};
        json_t *rows = table(name);
        assert_true(json_array_size(rows) > 0);
        size_t keys = json_object_size(json_array_get(rows, 0)), lines = 0;
        json_array_foreach (rows, k, row)
            assert_int_equal(json_object_size(row), keys); // a table, not a heap
        json_decref(rows);
        assert_true(dump_table(name, false, false, &text));
        for (size_t at = 0; at < text.len; at++)
            lines += text.ptr[at] == '\n';
        assert_int_equal(lines, k + 1);
    }
    json_decref(tables);
    _cleanup_buf_ struct buf out = {0};
    assert_false(dump_table("no-such-table", false, false, &out));
}

static void test_the_verbs_that_others_rely_on_are_there(void **state)
{
    static const char *const wanted[] = {
        "run",           "events",        "ps",        "doctor",   "status",
        "rules check",   "rules explain", "incidents", "incident", "why",
        "ledger verify", "ledger prove",  "record",    "replay",   "dump"};
    for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
        bool found = false;
        for (size_t i = 0; i < cli_verbs_n; i++)
            found = found || strcmp(cli_verbs[i].name, wanted[w]) == 0;
        if (!found)
            fail_msg("%s", wanted[w]);
    }
}

static int run(const char *a, const char *b, const char *c)
{
    char *words[] = {(char *)"bulkhead",
                     (char *)"--runtime-dir=/nonexistent",
                     (char *)"--state=/nonexistent",
                     (char *)a,
                     (char *)b,
                     (char *)c};
    int n = 3 + (a != NULL) + (b != NULL) + (c != NULL);
    return cli_main(n, words);
}

static void test_exit_codes(void **state)
{
    assert_int_equal(run("version", NULL, NULL), EXIT_WELL);
    assert_int_equal(run("no-such-verb", NULL, NULL), EXIT_USAGE);
    assert_int_equal(run("status", NULL, NULL), EXIT_CANNOT);
    assert_int_equal(run("events", NULL, NULL), EXIT_CANNOT);
    assert_int_equal(run("stop", NULL, NULL), EXIT_CANNOT);
    assert_int_equal(run("incident", "three", NULL), EXIT_USAGE);
    assert_int_equal(run("ledger", "verify", NULL), EXIT_CANNOT);
    assert_int_equal(run("ledger", "prove", "twelve"), EXIT_USAGE);
    assert_int_equal(run("rules", "check", "/nonexistent.yaml"), EXIT_FOUND);
    assert_int_equal(run("replay", "/nonexistent.bhcap", NULL), EXIT_CANNOT);
    assert_int_equal(run("run", "--format=no-such-format", NULL), EXIT_USAGE);
    assert_int_equal(run("run", "--dry-run", "-r/nonexistent.yaml"), EXIT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_table_is_there_in_both_forms),
        cmocka_unit_test(test_the_verbs_that_others_rely_on_are_there),
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
