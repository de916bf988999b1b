// Checking requests against the table, and the frames between the two processes: what a stranger,
// or an API process that a stranger took over, may send.
#include "control/internal.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

static int find(const char *method, const char *path, const struct request_row **row,
                struct request_values *v, struct buf *e)
{
    *row = NULL;
    return request_find(str_of(method), str_of(path), row, v, e);
}

static void test_each_row_is_found_by_its_path(void **state)
{
    for (size_t i = 0; i < control_requests_n; i++) {
        const struct request_row *row = &control_requests[i], *got;
        struct request_values v;
        _cleanup_buf_ struct buf e = {0}, path = {0};
        for (const char *p = row->path; *p; p++)
            if (*p == '{') {
                buf_text(&path, "17");
                p = strchr(p, '}');
            } else
                buf_char(&path, *p);
        assert_int_equal(find(row->method, path.ptr, &got, &v, &e), 0);
        assert_ptr_equal(got, row);
    }
}

static void test_a_path_gives_its_parameters(void **state)
{
    const struct request_row *row;
    struct request_values v;
    _cleanup_buf_ struct buf e = {0};
    assert_int_equal(find("POST", "/v1/incidents/42/dismiss", &row, &v, &e), 0);
    assert_string_equal(row->name, "respond");
    assert_true(str_eq(v.value[0], STR("42")));
    assert_true(str_eq(v.value[1], STR("dismiss")));
    assert_int_equal(request_check(row, &v, &e), 0);
}

static void test_what_is_refused_says_why(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *says;
    } cases[] = {
        {"GET", "/v1/incident", 404, "did you mean /v1/incidents?"},
        {"GET", "/v1/status/", 404, "there is no request"},
        {"GET", "/v1/status/x", 404, "there is no request"},
        {"GET", "", 404, "there is no request"},
        {"GET", "/", 404, "there is no request"},
        {"GET", "v1/status", 404, "there is no request"},
        {"GET", "/v1//", 404, "there is no request"},
        {"GET", "/v1/incidents//", 404, "there is no request"},
        {"POST", "/v1/status", 405, "use GET"},
        {"GET", "/v1/stop", 405, "use POST"},
        {"GET", "/v1/incidents/x", 400, "type: u64"},
        {"GET", "/v1/incidents/-1", 400, "type: u64"},
        {"GET", "/v1/incidents/99999999999999999999", 400, "type: u64"},
        {"POST", "/v1/incidents/1/forgive", 400, "one of: confirm|dismiss|close|reopen"},
        {"POST", "/v1/incidents/1/confirm|dismiss", 400, "one of:"},
        {"GET", "/v1/why", 400, "needs what"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct request_row *row;
        struct request_values v;
        _cleanup_buf_ struct buf e = {0};
        int status = find(cases[i].method, cases[i].path, &row, &v, &e);
        if (status == 0)
            status = request_check(row, &v, &e);
        if (status != cases[i].status || !e.ptr || !strstr(e.ptr, cases[i].says))
            fail_msg("%s %s: %d %s", cases[i].method, cases[i].path, status, e.ptr ? e.ptr : "");
    }
}

static void test_query_parameters(void **state)
{
    const struct request_row *row;
    struct request_values v;
    _cleanup_buf_ struct buf e = {0};
    assert_int_equal(find("GET", "/v1/events", &row, &v, &e), 0);
    assert_int_equal(request_put(row, STR("filtre"), STR("x"), &v, &e), 400);
    assert_non_null(strstr(e.ptr, "did you mean filter?"));
    assert_int_equal(request_put(row, STR("filter"), STR("evt.type=execve"), &v, &e), 0);
    assert_int_equal(request_check(row, &v, &e), 0);
    assert_int_equal(request_put(row, STR("filter"), STR("again"), &v, &e), 400);
    assert_non_null(strstr(e.ptr, "twice"));

    // What stands in the path can't be given again behind it.
    assert_int_equal(find("GET", "/v1/incidents/3", &row, &v, &e), 0);
    assert_int_equal(request_put(row, STR("number"), STR("4"), &v, &e), 400);
    assert_true(str_eq(v.value[0], STR("3")));
}

static void test_a_parameter_is_bounded(void **state)
{
    const struct request_row *row;
    struct request_values v;
    _cleanup_buf_ struct buf e = {0}, long_one = {0};
    assert_int_equal(find("GET", "/v1/why", &row, &v, &e), 0);
    for (size_t i = 0; i < MAX_CONTROL_PARAM; i++)
        buf_char(&long_one, 'x');
    v.value[0] = buf_view(&long_one);
    assert_int_equal(request_check(row, &v, &e), 0);
    buf_char(&long_one, 'x');
    v.value[0] = buf_view(&long_one);
    assert_int_equal(request_check(row, &v, &e), 400);
    assert_non_null(strstr(e.ptr, "too-large"));
}

static void test_values_survive_the_wire(void **state)
{
    const struct request_row *row;
    struct request_values v, back;
    _cleanup_buf_ struct buf e = {0}, packed = {0};
    assert_int_equal(find("POST", "/v1/incidents/7/close", &row, &v, &e), 0);
    values_pack(row, &v, &packed);
    assert_int_equal(values_unpack(row, buf_view(&packed), &back), 0);
    assert_true(str_eq(back.value[0], STR("7")));
    assert_true(str_eq(back.value[1], STR("close")));

    // Cut anywhere but between two values, or with a value too many, it is refused.
    size_t first = 8 + 1;
    for (size_t n = 1; n < packed.len; n++)
        assert_int_equal(values_unpack(row, (struct str){packed.ptr, n}, &back),
                         n == first ? 0 : -EBADMSG);
    buf_add(&packed, packed.ptr, first);
    assert_int_equal(values_unpack(row, buf_view(&packed), &back), -EBADMSG);
    const uint32_t beyond[2] = {MAX_CONTROL_PARAMS, 0}, endless[2] = {0, UINT32_MAX};
    assert_int_equal(values_unpack(row, (struct str){(const char *)beyond, 8}, &back), -EBADMSG);
    assert_int_equal(values_unpack(row, (struct str){(const char *)endless, 8}, &back), -EBADMSG);
}

static void test_an_error_is_json_whatever_was_asked(void **state)
{
    const struct request_row *row;
    struct request_values v;
    _cleanup_buf_ struct buf e = {0};
    assert_int_equal(find("GET", "/v1/\"\n\x1b[31m\xff", &row, &v, &e), 404);
    assert_null(strpbrk(e.ptr, "\n\x1b\xff"));
    assert_non_null(strstr(e.ptr, "\\\"\\n\\u001b[31m"));
}

static void test_parameters_are_escaped_for_urls(void **state)
{
    _cleanup_buf_ struct buf path = {0};
    buf_text(&path, "/v1/events");
    control_add_param(&path, "filter", STR("a=b & c?\xc3\xa4~"));
    control_add_param(&path, "x", STR("1"));
    assert_string_equal(path.ptr, "/v1/events?filter=a%3Db%20%26%20c%3F%C3%A4~&x=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_found_by_its_path),
        cmocka_unit_test(test_a_path_gives_its_parameters),
        cmocka_unit_test(test_what_is_refused_says_why),
        cmocka_unit_test(test_query_parameters),
        cmocka_unit_test(test_a_parameter_is_bounded),
        cmocka_unit_test(test_values_survive_the_wire),
        cmocka_unit_test(test_an_error_is_json_whatever_was_asked),
        cmocka_unit_test(test_parameters_are_escaped_for_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
