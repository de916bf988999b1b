// The policies that come with the agent: they parse without a word, and refuse nothing as they are.
#include "enforce/enforce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void on_row(void *ctx, const struct row *r, enum row_change change)
{
    unsigned *rows = ctx;
    assert_int_equal(change, ROW_ADDED);
    assert_int_equal(r->mode, MODE_AUDIT);
    assert_true(r->reason.len > 0);
    (*rows)++;
}

static void test_default_policies_watch(void **state)
{
    struct sources sources = {0};
    struct diag_list diags = {0};
    unsigned rows = 0;
    assert_int_equal(sources_read(&sources, SOURCE_DOCUMENTS, POLICIES_DIR, &diags), 0);
    struct documents *docs = documents_parse(&sources, &diags);
    assert_int_equal(diags.n, 0);
    assert_non_null(docs);
    assert_true(docs->policies_n > 0);
    struct desired *d = desired_new();
    struct facts known = {.version = 1, .source = "bundle", .name = STR("web")};
    struct container c = {
        .number = 1, .type = CONTAINER_OCI, .id = STR("web"), .created = 5, .facts = &known};
    desired_policies(d, docs, 1, 10, on_row, &rows);
    documents_free(docs);
    sources_done(&sources);
    diag_list_done(&diags);
    desired_container(d, &c, 11, on_row, &rows); // the documents may be gone by now
    assert_true(rows > 0);
    desired_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_default_policies_watch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
