// schema/*.json say what the parser reads: they are made from its tables. Where one is not current:
// UPDATE=1 build/tests/unit/config/test_config_schema
#include "config/config.h"

#include <ctype.h>
#include <jansson.h>
#include <setjmp.h>

#include <cmocka.h>

static void path_of(const char *kind, char *out, size_t size)
{
    snprintf(out, size, "%s/schema/%s.json", SOURCE_ROOT, kind);
    char *name = strrchr(out, '/') + 1;
    *name = (char)tolower(*name);
}

static void each_kind_has_its_current_schema(void **state)
{
    (void)state;
    for (size_t i = 0; config_kinds[i]; i++) {
        _cleanup_buf_ struct buf b = {0};
        char path[512];
        json_error_t e;
        path_of(config_kinds[i], path, sizeof(path));
        config_schema(&b, config_kinds[i]);
        json_t *made = json_loadb(b.ptr, b.len, JSON_REJECT_DUPLICATES, &e);
        if (!made)
            fail_msg("%s: %s", config_kinds[i], e.text);
        if (getenv("UPDATE"))
            assert_int_equal(json_dump_file(made, path, JSON_INDENT(2)), 0);
        json_t *kept = json_load_file(path, 0, &e);
        if (!json_equal(made, kept))
            fail_msg("%s is not current: UPDATE=1 %s", path,
                     "build/tests/unit/config/test_config_schema");
        json_decref(made);
        json_decref(kept);
    }
}

// Each key of the schema is one that the parser knows, with a value of its default's form.
static void what_it_says_is_read(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0}, text = {0};
    config_schema(&b, "Agent");
    json_t *schema = json_loadb(b.ptr, b.len, 0, NULL);
    json_t *spec = json_object_get(json_object_get(schema, "properties"), "spec");
    const char *key;
    json_t *of;
    size_t defaults = 0;
    buf_text(&text, "apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {name: a}\nspec:\n");
    json_object_foreach (json_object_get(spec, "properties"), key, of) {
        const json_t *value = json_object_get(of, "default");
        assert_true(json_string_length(json_object_get(of, "description")) > 0);
        if (json_is_string(value))
            buf_printf(&text, "  %s: %s\n", key, json_string_value(value));
        else if (json_is_integer(value))
            buf_printf(&text, "  %s: %lld\n", key, (long long)json_integer_value(value));
        defaults += value != NULL;
    }
    json_decref(schema);
    assert_true(defaults >= 9);
    struct source source = {SOURCE_CONFIG, STR("a.yaml"), buf_view(&text)};
    struct sources s = {&source, 1, NULL};
    struct diag_list diags = {0};
    struct documents *d = documents_parse(&s, &diags);
    assert_non_null(d);
    struct agent_config c;
    agent_config_defaults(&c);
    assert_memory_equal(&d->agent, &c, sizeof(c));
    documents_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_current_schema),
        cmocka_unit_test(what_it_says_is_read),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
