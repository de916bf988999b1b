// YAML text → trees with positions, within limits, with every error placed.
#include "config/config.h"

#include <setjmp.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct diag_list diags;
    bool ok;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->arena = arena_new(0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    diag_list_done(&f->diags);
    free(f);
    return 0;
}

static struct yaml *parse(struct fixture *f, const char *text)
{
    return yaml_parse(f->arena, "x.yaml", str_of(text), &f->diags, &f->ok);
}

static void expect_diag(struct fixture *f, size_t i, const char *code, unsigned line,
                        unsigned column)
{
    assert_true(i < f->diags.n);
    assert_string_equal(f->diags.list[i].code, code);
    assert_int_equal(f->diags.list[i].line, line);
    assert_int_equal(f->diags.list[i].column, column);
}

static void tree_and_positions(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "- rule: é ü\n  tags: [a, 'b']\n- ~\n-\n- \"\"\n- null\n- 'null'\n");
    assert_true(f->ok);
    assert_int_equal(y->type, YAML_LIST);
    assert_int_equal(y->n, 6);
    struct yaml *tags = yaml_get(y->items[0], "tags");
    assert_int_equal(tags->line, 2);
    assert_int_equal(tags->column, 9);
    assert_true(str_eq(tags->items[1]->scalar, STR("b")));
    assert_true(tags->items[1]->quoted && !tags->items[0]->quoted);
    assert_int_equal(tags->items[1]->column, 13);
    assert_true(str_eq(yaml_get(y->items[0], "rule")->scalar, STR("é ü")));
    assert_null(yaml_get(y->items[0], "other"));
    assert_null(yaml_get(tags, "rule"));
    bool nulls[] = {false, true, true, false, true, false};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(y->items[i]->null, nulls[i]);
}

static void block_scalars_say_where_their_text_is(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "a: >\n  one\n  two\nb: |- # why\n  x\n  y\n");
    struct yaml *a = yaml_get(y, "a"), *b = yaml_get(y, "b");
    assert_true(a->block && a->folded && b->block && !b->folded);
    assert_int_equal(a->text_line, 2);
    assert_int_equal(b->text_line, 5);
    assert_true(str_eq(a->scalar, STR("one two\n")));
    assert_true(str_eq(b->scalar, STR("x\ny")));
}

static void documents_of_one_file(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "\xef\xbb\xbf"
                              "a: 1\n---\nb: 2\n---\n");
    assert_true(f->ok);
    assert_int_equal(yaml_get(y, "a")->line, 1);
    assert_int_equal(yaml_get(y->next, "b")->line, 3);
    assert_true(y->next->next->null);
    assert_null(y->next->next->next);
}

static void nothing_in_it(void **state)
{
    struct fixture *f = *state;
    assert_null(parse(f, ""));
    assert_true(f->ok);
    assert_null(parse(f, "# only a comment\n"));
    assert_true(f->ok);
}

static void syntax_errors_are_placed(void **state)
{
    struct fixture *f = *state;
    parse(f, "a: 1\nb: [1, 2\nc: 3\n");
    assert_false(f->ok);
    assert_string_equal(f->diags.list[0].code, "BH101");
    assert_int_equal(f->diags.list[0].line, 3);
    assert_string_equal(f->diags.list[0].snippet, "c: 3");
    parse(f, "a:\n\t- x\n");
    expect_diag(f, 1, "BH101", 2, 1);
    assert_non_null(strstr(f->diags.list[1].hint, "tabs"));
}

static void bytes_that_are_no_text(void **state)
{
    struct fixture *f = *state;
    parse(f, "a: 1\nb: x\xff\n");
    expect_diag(f, 0, "BH102", 2, 5);
    yaml_parse(f->arena, "x.yaml", STR("a: \0b\n"), &f->diags, &f->ok);
    expect_diag(f, 1, "BH102", 1, 4);
    yaml_parse(f->arena, "x.yaml",
               STR("\xff\xfe"
                   "a\0"),
               &f->diags, &f->ok);
    assert_non_null(strstr(f->diags.list[2].hint, "UTF-16"));
    parse(f, "a: \xed\xa0\x80\n"); // a surrogate
    expect_diag(f, 3, "BH102", 1, 4);
    assert_false(f->ok);
}

static void keys_twice(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "a: 1\nb: 2\na: 3\n");
    assert_true(f->ok); // a warning: Falco reads such files
    expect_diag(f, 0, "BH104", 3, 1);
    assert_int_equal(f->diags.list[0].severity, DIAG_WARNING);
    assert_non_null(strstr(f->diags.list[0].hint, "line 1"));
    assert_true(str_eq(yaml_get(y, "a")->scalar, STR("1")));
}

static void keys_must_be_words(void **state)
{
    struct fixture *f = *state;
    parse(f, "? [a, b]\n: 1\n");
    assert_false(f->ok);
    expect_diag(f, 0, "BH107", 1, 3);
}

static void anchors_and_aliases(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n");
    assert_true(f->ok);
    assert_int_equal(yaml_get(y, "b")->n, 2);
    assert_true(str_eq(yaml_get(y, "d")->scalar, STR("3")));
    parse(f, "a: *none\n");
    expect_diag(f, 0, "BH106", 1, 4);
    parse(f, "a: &x [*x]\n");
    expect_diag(f, 1, "BH106", 1, 8);
    parse(f, "a: &x 1\n---\nb: *x\n"); // anchors end with their document
    expect_diag(f, 2, "BH106", 3, 4);
}

static void billion_laughs(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf b = {0};
    buf_text(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&b, "%s*a%d", k ? ", " : "", i - 1);
        buf_text(&b, "]\n");
    }
    yaml_parse(f->arena, "x.yaml", buf_view(&b), &f->diags, &f->ok);
    assert_false(f->ok);
    assert_string_equal(f->diags.list[0].code, "BH105");
    assert_int_equal(f->diags.list[0].line, 6); // 10⁵·… more than a million nodes
}

static void depth(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf b = {0};
    for (int i = 0; i < MAX_YAML_DEPTH - 1; i++)
        buf_char(&b, '[');
    for (int i = 0; i < MAX_YAML_DEPTH - 1; i++)
        buf_char(&b, ']');
    assert_non_null(yaml_parse(f->arena, "x.yaml", buf_view(&b), &f->diags, &f->ok));
    assert_true(f->ok);
    buf_reset(&b);
    for (int i = 0; i < 100000; i++)
        buf_char(&b, '[');
    yaml_parse(f->arena, "x.yaml", buf_view(&b), &f->diags, &f->ok);
    assert_false(f->ok);
    expect_diag(f, 0, "BH103", 1, MAX_YAML_DEPTH + 1);
    // and by aliases: each stands one level deeper than its anchor
    buf_reset(&b);
    buf_text(&b, "- &a0 x\n");
    for (int i = 1; i < MAX_YAML_DEPTH + 2; i++)
        buf_printf(&b, "- &a%d [*a%d]\n", i, i - 1);
    yaml_parse(f->arena, "x.yaml", buf_view(&b), &f->diags, &f->ok);
    assert_false(f->ok);
    assert_string_equal(f->diags.list[1].code, "BH103");
}

static void too_many_anchors_and_bytes(void **state)
{
    struct fixture *f = *state;
    _cleanup_buf_ struct buf b = {0};
    for (int i = 0; i < 2000; i++)
        buf_printf(&b, "- &a%d x\n", i);
    yaml_parse(f->arena, "x.yaml", buf_view(&b), &f->diags, &f->ok);
    expect_diag(f, 0, "BH105", 1025, 3);
    char *big = calloc(1, MAX_YAML_BYTES + 1);
    memset(big, 'x', MAX_YAML_BYTES + 1);
    assert_null(
        yaml_parse(f->arena, "x.yaml", (struct str){big, MAX_YAML_BYTES + 1}, &f->diags, &f->ok));
    free(big);
    assert_string_equal(f->diags.list[1].code, "BH003");
    assert_false(f->ok);
}

static void foreign_tags_are_said(void **state)
{
    struct fixture *f = *state;
    struct yaml *y = parse(f, "a: !!str null\nb: !secret x\n");
    assert_true(f->ok);
    assert_false(yaml_get(y, "a")->null);
    expect_diag(f, 0, "BH108", 2, 4);
}

static void no_memory(void **state)
{
    struct fixture *f = *state;
    struct arena *small = arena_new(40 * 1024);
    _cleanup_buf_ struct buf b = {0};
    for (int i = 0; i < 10000; i++)
        buf_text(&b, "- x\n");
    yaml_parse(small, "x.yaml", buf_view(&b), &f->diags, &f->ok);
    arena_free(small);
    assert_false(f->ok);
    assert_string_equal(f->diags.list[0].code, "BH004");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tree_and_positions, setup, teardown),
        cmocka_unit_test_setup_teardown(block_scalars_say_where_their_text_is, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_of_one_file, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(syntax_errors_are_placed, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_must_be_words, setup, teardown),
        cmocka_unit_test_setup_teardown(anchors_and_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(billion_laughs, setup, teardown),
        cmocka_unit_test_setup_teardown(depth, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_anchors_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_tags_are_said, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
