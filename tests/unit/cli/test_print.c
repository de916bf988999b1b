// What people see: tables that line up, replies as text, and no byte of a stranger's that a
// terminal would act on.
#include "cli/internal.h"

#include <setjmp.h>

#include <cmocka.h>

#define HOSTILE "\\u001b]0;x\\u0007\\n\\u202eevil\\u0000\\r"

static void render(api_render f, const struct invocation *in, const char *json, struct buf *out)
{
    json_t *tree = tree_load(str_of(json));
    assert_non_null(tree);
    f(in, tree, out);
    json_decref(tree);
    assert_false(out->failed);
}

static void expect_harmless(const struct buf *out)
{
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->ptr[i];
        if ((c < 0x20 && c != '\n') || c == 0x7f)
            fail_msg("byte %02x at %zu of: %s", c, i, out->ptr);
    }
    assert_null(memmem(out->ptr, out->len, "\xe2\x80\xae", 3)); // U+202E turns the line round
}

static void test_columns_line_up(void **state)
{
    static const char *const head[] = {"A", "LONGER", "C"};
    _cleanup_table_ struct table t = {0};
    _cleanup_buf_ struct buf out = {0};
    table_head(&t, head, 3);
    table_row(&t, (struct str[]){STR("x"), STR("\xc3\xa4\xc3\xb6"), STR("end")});
    table_row(&t, (struct str[]){STR("four"), STR_NULL, STR("a\nb")});
    table_print(&t, &out, "", false);
    assert_string_equal(out.ptr, "A     LONGER  C\n"
                                 "x     \xc3\xa4\xc3\xb6      end\n"
                                 "four  -       a\\nb\n");
}

static void test_ps(void **state)
{
    static const char reply[] =
        "{\"containers\":[{\"number\":0,\"type\":\"host\",\"id\":\"host\",\"name\":\"host\","
        "\"level\":0,\"processes\":"
        "[{\"pid\":1,\"vpid\":1,\"ppid\":0,\"name\":\"init\",\"args\":\"/sbin/init\"}]},"
        "{\"number\":7,\"type\":\"oci\",\"id\":\"0123456789abcdef\",\"name\":\"" HOSTILE
        "\",\"image\":\"web:1\",\"level\":2,"
        "\"problem\":\"no "
        "bundle\",\"processes\":[{\"pid\":4711,\"vpid\":1,\"ppid\":4700,\"name\":\"sh\",\"args\":"
        "\"sh -c " HOSTILE "\",\"started\":\"2026-11-24T12:00:00.123456789Z\"}]}]}";
    _cleanup_buf_ struct buf out = {0};
    struct invocation in = {0};
    render(render_ps, &in, reply, &out);
    expect_harmless(&out);
    assert_null(strstr(out.ptr, "/sbin/init")); // the host is not shown unasked
    assert_non_null(strstr(out.ptr, "0123456789ab  "));
    assert_non_null(strstr(out.ptr, "4711"));
    assert_non_null(strstr(out.ptr, "2026-11-24T12:00:00.123Z"));
    assert_non_null(strstr(out.ptr, "note: 0123456789abcdef: no bundle\n"));
    const char *argument[] = {"host"};
    in.arguments = argument;
    in.arguments_n = 1;
    buf_reset(&out);
    render(render_ps, &in, reply, &out);
    assert_non_null(strstr(out.ptr, "/sbin/init"));
    assert_null(strstr(out.ptr, "4711"));
}

static void test_incidents_and_one_of_them(void **state)
{
    static const char list[] =
        "{\"incidents\":[{\"number\":3,\"state\":\"open\",\"severity\":\"Critical\",\"confidence\":"
        "0.99,\"findings\":4,"
        "\"title\":\"" HOSTILE "\",\"last\":\"2026-11-24T12:00:00.123456789Z\",\"containers\":[{"
        "\"number\":1,\"id\":\"0123456789abcdef\"},"
        "{\"number\":2,\"id\":\"b\"}]}]}";
    static const char one[] = "{\"incident\":{\"number\":3,\"state\":\"open\",\"severity\":"
                              "\"Critical\",\"confidence\":0.99},"
                              "\"story\":\"first line\\nsecond " HOSTILE
                              "\",\"decisions\":[{\"step\":\"watch\",\"container\":{\"id\":\"c1\"},"
                              "\"reason\":\"why " HOSTILE "\"}]}";
    _cleanup_buf_ struct buf out = {0};
    const struct invocation in = {0};
    render(render_incidents, &in, list, &out);
    expect_harmless(&out);
    assert_non_null(strstr(out.ptr, "0123456789ab,b"));
    assert_non_null(strstr(out.ptr, "0.99"));
    buf_reset(&out);
    render(render_incident, &in, one, &out);
    expect_harmless(&out);
    assert_non_null(
        strstr(out.ptr, "Incident 3 (open, Critical, confidence 0.99)\nfirst line\nsecond "));
    assert_null(strstr(out.ptr, "why ")); // the story says what was done: nothing says it again
}

static void test_colours_only_where_they_were_allowed(void **state)
{
    static const char finding[] =
        "{\"time\":\"t\",\"severity\":\"Critical\",\"output\":\"" HOSTILE "\"}";
    _cleanup_buf_ struct buf plain = {0}, colored = {0};
    const struct invocation in = {0}, with = {.color = true};
    render(render_finding, &in, finding, &plain);
    expect_harmless(&plain);
    render(render_finding, &with, finding, &colored);
    assert_non_null(strstr(colored.ptr, "\033[31mCritical\033[0m"));
    assert_null(strstr(colored.ptr, "\033]")); // the stranger's own
}

static void test_rows_say_what_came_of_them(void **state)
{
    static const char reply[] =
        "{\"rows\":[{\"row\":{\"number\":1,\"kind\":\"exec\",\"mode\":\"enforce\",\"container\":{"
        "\"number\":2,\"id\":\"abc\"},"
        "\"object\":{\"type\":\"path\",\"path\":\"" HOSTILE
        "\"},\"level\":null,\"priority\":5,\"owner\":{\"type\":\"policy\",\"name\":\"p\","
        "\"where\":\"p.yaml:7\"},\"reason\":\"r\"},\"outcome\":{\"state\":\"in-force\",\"tier\":"
        "\"lsm\",\"effect\":\"refused\",\"enforced\":true},"
        "\"shadowed\":false},"
        "{\"row\":{\"number\":2,\"kind\":\"level\",\"mode\":\"enforce\",\"container\":null,"
        "\"level\":2},\"outcome\":null,\"shadowed\":false},"
        "{\"row\":{\"number\":3,\"kind\":\"exec\"},\"outcome\":{\"state\":\"in-force\","
        "\"enforced\":true},\"shadowed\":true}]}";
    _cleanup_buf_ struct buf out = {0};
    const struct invocation in = {0};
    render(render_rows, &in, reply, &out);
    expect_harmless(&out);
    assert_non_null(strstr(out.ptr, "in-force, enforced, refused by lsm"));
    assert_non_null(strstr(out.ptr, "policy p (p.yaml:7)"));
    assert_non_null(strstr(out.ptr, "any"));
    assert_non_null(strstr(out.ptr, "level 2"));
    assert_non_null(strstr(out.ptr, "pending"));
    const char *third = strstr(out.ptr, "\n3 ");
    assert_non_null(third);
    assert_non_null(strstr(third, "shadowed"));
    assert_null(strstr(third, "enforced")); // what another row overrules is not enforced
}

static void test_why_says_what_was_not_watched(void **state)
{
    static const char nothing[] =
        "{\"what\":\"/x" HOSTILE "\",\"kind\":\"path\",\"answers\":[],\"in_force\":[],\"not_"
        "watched\":[\"accept\",\"memfd\"]}";
    static const char something[] =
        "{\"what\":\"web\",\"kind\":\"container\",\"answers\":[{\"time\":\"2026-11-24T12:00:00."
        "123456789Z\",\"text\":\"exec refused " HOSTILE
        "\",\"finding\":\"f00\",\"row\":9,\"incident\":null,\"where\":\"p.yaml:7\"}],\"in_force\":["
        "],\"not_watched\":[]}";
    _cleanup_buf_ struct buf out = {0};
    const struct invocation in = {0};
    render(render_why, &in, nothing, &out);
    expect_harmless(&out);
    assert_non_null(strstr(out.ptr, "nothing was done to it"));
    assert_non_null(strstr(out.ptr, "Not watched: accept, memfd\n"));
    buf_reset(&out);
    render(render_why, &in, something, &out);
    expect_harmless(&out);
    assert_non_null(strstr(out.ptr, "    because of p.yaml:7\n    row 9\n    finding f00\n"));
    assert_null(strstr(out.ptr, "Not watched"));
}

static void test_an_event_with_a_number_beyond_a_sign(void **state)
{
    static const char event[] =
        "{\"evt.datetime\":\"now\",\"container.name\":null,\"evt.type\":\"execve\",\"proc.name\":"
        "\"" HOSTILE "\","
        "\"proc.pid\":1234567,\"proc.lineage\":18446744073709551615,\"proc.cmdline\":\"sh -c x\"}";
    _cleanup_buf_ struct buf out = {0};
    const struct invocation in = {0};
    render(render_event, &in, event, &out);
    expect_harmless(&out);
    assert_non_null(strstr(out.ptr, "now - execve "));
    assert_non_null(strstr(out.ptr, "(1234567) [sh -c x]\n"));
}

static void test_replies_of_other_shapes_are_survived(void **state)
{
    static const char *const odd[] = {
        "{}",
        "{\"containers\":7,\"incidents\":{},\"rows\":[1,null,[]],\"answers\":\"x\",\"in_force\":{},"
        "\"not_watched\":[1]}",
        "{\"containers\":[null,{\"processes\":3}],\"incidents\":[[]],\"incident\":3,\"story\":[],"
        "\"problems\":[1],\"ledger\":0}",
    };
    static const api_render renders[] = {render_ps,       render_status,  render_incidents,
                                         render_incident, render_why,     render_rows,
                                         render_event,    render_finding, render_doctor};
    const struct invocation in = {0};
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        for (size_t r = 0; r < ARRAY_SIZE(renders); r++) {
            _cleanup_buf_ struct buf out = {0};
            render(renders[r], &in, odd[i], &out);
            expect_harmless(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_line_up),
        cmocka_unit_test(test_ps),
        cmocka_unit_test(test_incidents_and_one_of_them),
        cmocka_unit_test(test_colours_only_where_they_were_allowed),
        cmocka_unit_test(test_rows_say_what_came_of_them),
        cmocka_unit_test(test_why_says_what_was_not_watched),
        cmocka_unit_test(test_an_event_with_a_number_beyond_a_sign),
        cmocka_unit_test(test_replies_of_other_shapes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
