// The model's JSON, names, ids and copies: stable, complete, and valid whatever bytes a record
// holds.
#include "model/model.h"

#include <jansson.h>
#include <setjmp.h>

#include <cmocka.h>

static void names_and_severities(void **state)
{
    (void)state;
    for (int s = 0; s < SEVERITY_MAX; s++)
        assert_int_equal(severity_parse(str_of(severity_name((enum severity)s))), s);
    assert_int_equal(severity_parse(STR("INFO")), SEVERITY_INFORMATIONAL);
    assert_int_equal(severity_parse(STR("warning")), SEVERITY_WARNING);
    assert_int_equal(severity_parse(STR("warn")), SEVERITY_INVALID);
    assert_int_equal(severity_parse(STR("Error\0")), SEVERITY_INVALID);
    assert_int_equal(severity_parse(STR_NULL), SEVERITY_INVALID);
    assert_string_equal(effect_name(BH_EFFECT_WOULD), "would-refuse");
    assert_string_equal(object_name(BH_OBJECT_NOT_IN_IMAGE), "notInImage");
    // what a hostile capture may hold
    assert_string_equal(effect_name((enum bh_effect)200), "unknown");
    assert_string_equal(truth_name((enum bh_truth)255), "unknown");
    assert_string_equal(step_name(STEP_INVALID), "unknown");
    for (int k = 1; k < ENTRY_KIND_MAX; k++)
        assert_string_not_equal(entry_kind_name((enum entry_kind)k), "unknown");
}

static struct finding finding(void)
{
    static const struct str tags[] = {STR("a"), STR("b")};
    static const struct str items[] = {STR("x"), STR("y\0z")};
    struct finding f = {.detector = "rule",
                        .rule = STR("R"),
                        .severity = SEVERITY_ERROR,
                        .confidence = 0.9,
                        .time = {5},
                        .wall = {1764000000000000000ULL},
                        .generation = 2,
                        .container = 3,
                        .container_id = STR("abc"),
                        .tgid = 7,
                        .start = 8,
                        .exec = 9,
                        .lineage = 10,
                        .output = STR("out"),
                        .source = STR("syscall"),
                        .hostname = STR("n"),
                        .tags = tags,
                        .tags_n = 2,
                        .fields_n = 2,
                        .chain_n = 1,
                        .objects_n = 1,
                        .kind = BH_OPEN,
                        .truth = BH_TRUTH_RETURNED_FD,
                        .flags = BH_F_SHARED_TABLE,
                        .shard = 1,
                        .segment = 4,
                        .offset = 64};
    f.fields[0] = (struct finding_field){
        .key = STR("k"), .type = FIELD_STRINGS, .items = items, .items_n = 2};
    f.fields[1] =
        (struct finding_field){.key = STR("n"), .type = FIELD_I64, .number = (uint64_t)-3};
    f.chain[0] = (struct lineage_step){7, 8, STR("sh"), STR("/bin/sh")};
    f.objects[0] =
        (struct object_ref){.dev = 8 << 20, .ino = 12, .path = STR("/x"), .written = true};
    f.id = finding_id(&f);
    return f;
}

static void text_of(const struct finding *f, struct buf *b)
{
    buf_reset(b);
    struct json j = json_on(b);
    finding_json(&j, f);
}

static void a_finding_word_for_word(void **state)
{
    (void)state;
    struct finding f = finding();
    memset(&f.id, 0xab, sizeof(f.id));
    _cleanup_buf_ struct buf b = {0};
    text_of(&f, &b);
    assert_string_equal(
        b.ptr,
        "{\"id\":\"abababababababababababab\",\"detector\":\"rule\",\"rule\":\"R\",\"severity\":"
        "\"Error\",\"confidence\":0.9,"
        "\"time\":\"2025-11-24T16:00:00.000000000Z\",\"boot_ns\":5,\"generation\":2,"
        "\"container\":{\"number\":3,\"id\":\"abc\",\"name\":\"\",\"image\":\"\",\"workload\":\"\"}"
        ","
        "\"process\":{\"pid\":7,\"start_ns\":8,\"exec\":9,\"lineage\":\"000000000000000a\","
        "\"chain\":[{\"pid\":7,\"start_ns\":8,\"comm\":\"sh\",\"path\":\"/bin/sh\"}]},"
        "\"output\":\"out\",\"source\":\"syscall\",\"hostname\":\"n\",\"tags\":[\"a\",\"b\"],"
        "\"fields\":{\"k\":[\"x\",\"y\\u0000z\"],\"n\":-3},"
        "\"objects\":[{\"dev\":\"8:0\",\"ino\":\"12\",\"path\":\"/"
        "x\",\"written\":true,\"foreign\":false}],"
        "\"row\":null,\"effect\":null,"
        "\"evidence\":{\"kind\":\"open\",\"truth\":\"returned-fd\",\"flags\":[\"shared-table\"],"
        "\"lossy\":false,"
        "\"shard\":1,\"segment\":4,\"offset\":64}}");
}

static void an_id_is_of_what_it_names(void **state)
{
    (void)state;
    struct finding a = finding(), b = finding();
    assert_true(id_eq(a.id, b.id));
    b.output = STR("other words"); // not a part of it
    assert_true(id_eq(finding_id(&b), a.id));
    struct finding changed[] = {a, a, a, a, a, a};
    changed[0].rule = STR("S");
    changed[1].container = 4;
    changed[2].start = 9;
    changed[3].time.ns = 6;
    changed[4].offset = 65;
    changed[5].detector = "policy";
    for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
        assert_false(id_eq(finding_id(&changed[i]), a.id));
    // fields don't run into each other
    a.detector = "ru";
    a.rule = STR("leR");
    b.detector = "rul";
    b.rule = STR("eR");
    assert_false(id_eq(finding_id(&a), finding_id(&b)));
}

static void a_copy_is_whole_and_its_own(void **state)
{
    (void)state;
    struct finding f = finding();
    char *words = strdup("changing"), *item = strdup("item");
    struct str items[] = {str_of(item)};
    f.rule = f.hostname = f.workload = f.objects[0].path = f.chain[0].comm = str_of(words);
    f.fields[0].items = items;
    f.fields[0].items_n = 1;
    struct arena *a = arena_new(0);
    struct finding *c = finding_copy(a, &f);
    _cleanup_buf_ struct buf before = {0}, after = {0};
    text_of(&f, &before);
    memset(words, '#', strlen(words));
    memset(item, '#', strlen(item));
    items[0] = STR("gone");
    free(words);
    free(item);
    text_of(c, &after);
    assert_string_equal(before.ptr, after.ptr);
    arena_free(a);
    struct arena *small = arena_new(1);
    assert_null(finding_copy(small, &f));
    arena_free(small);
}

static void rows_decisions_outcomes(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    struct json j = json_on(&b);
    struct row r = {.number = 1,
                    .kind = ROW_EXEC,
                    .mode = MODE_ENFORCE,
                    .owner = OWNER_POLICY,
                    .owner_name = STR("p"),
                    .where = STR("p.yaml:3"),
                    .reason = STR("why"),
                    .priority = 5,
                    .container = ROW_ANY_CONTAINER,
                    .object = BH_OBJECT_PATH,
                    .path = STR("/bin/\n"),
                    .since = 9,
                    .generation = 2};
    row_json(&j, &r, ROW_ADDED, 10);
    assert_string_equal(b.ptr, "{\"number\":1,\"id\":\"000000000000000000000000\",\"change\":"
                               "\"added\",\"boot_ns\":10,\"kind\":\"exec\","
                               "\"mode\":\"enforce\",\"owner\":{\"type\":\"policy\",\"name\":\"p\","
                               "\"where\":\"p.yaml:3\"},\"reason\":\"why\","
                               "\"priority\":5,\"container\":null,\"object\":{\"type\":\"path\","
                               "\"path\":\"/bin/\\n\"},\"level\":null,"
                               "\"since_boot_ns\":9,\"until_boot_ns\":null,\"generation\":2}");
    buf_reset(&b);
    j = json_on(&b);
    struct decision d = {.incident_number = 4,
                         .step = STEP_WATCH,
                         .container = 3,
                         .container_id = STR("c"),
                         .time = {7},
                         .until = 8,
                         .severity = SEVERITY_ERROR,
                         .confidence = 0.5,
                         .reason = STR("r")};
    decision_json(&j, &d);
    assert_string_equal(
        b.ptr, "{\"id\":\"000000000000000000000000\",\"incident\":\"000000000000000000000000\","
               "\"incident_number\":4,\"step\":\"watch\",\"would\":null,"
               "\"container\":{\"number\":3,\"id\":\"c\"},"
               "\"boot_ns\":7,\"until_boot_ns\":8,\"severity\":\"Error\",\"confidence\":0.5,"
               "\"reason\":\"r\",\"where\":\"\"}");
    buf_reset(&b);
    j = json_on(&b);
    struct outcome o = {.row = 1,
                        .state = OUTCOME_LOST,
                        .tier = "map",
                        .effect = BH_EFFECT_REFUSED,
                        .error = -2,
                        .message = STR("m")};
    outcome_json(&j, &o);
    assert_string_equal(
        b.ptr,
        "{\"row\":1,\"row_id\":\"000000000000000000000000\",\"state\":\"lost\",\"tier\":\"map\","
        "\"effect\":\"refused\",\"enforced\":false,\"error\":-2,\"message\":\"m\"}");
}

// Any bytes that pass rec_check (and headers of any kind that don't) give one line of valid JSON.
static void records_of_any_bytes(void **state)
{
    (void)state;
    uint64_t seed = 17;
    _Alignas(8) char bytes[1024];
    size_t checked = 0;
    _cleanup_buf_ struct buf b = {0};
    for (size_t k = 0; k < model_kinds_n; k++)
        for (int n = 0; n < 300; n++) {
            for (size_t i = 0; i < sizeof(bytes); i++) {
                seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
                bytes[i] =
                    (char)(n % 3 && i >= sizeof(struct bh_rec) && seed >> 60 ? 0 : seed >> 40);
            }
            struct bh_rec *rec = (struct bh_rec *)bytes;
            rec->kind = model_kinds[k].kind;
            rec->version = BH_ABI_VERSION;
            rec->size = n % 7 ? sizeof(bytes) : sizeof(*rec);
            rec->ring = (uint8_t)(rec->ring % BH_RING_MAX);
            rec->truth = (uint8_t)(rec->truth % BH_TRUTH_MAX);
            if (rec_check(rec, sizeof(bytes)) < 0 && n % 7)
                continue;
            checked++;
            buf_reset(&b);
            struct json j = json_on(&b);
            rec_json(&j, rec);
            assert_null(memchr(b.ptr, '\n', b.len));
            json_error_t e;
            json_t *value = json_loadb(b.ptr, b.len, JSON_ALLOW_NUL, &e);
            if (!value)
                fail_msg("%s in %s", e.text, b.ptr);
            assert_string_equal(json_string_value(json_object_get(value, "kind")),
                                model_kinds[k].name);
            json_decref(value);
        }
    assert_true(checked > model_kinds_n * 50);
}

static void texts_stand_as_json_on_one_line(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf rec = {0}, b = {0};
    rec_make_text(&rec, BH_FACT, 5, 3, 3, STR("{\"a\": [1,\n 2]}"));
    struct json j = json_on(&b);
    rec_json(&j, (const struct bh_rec *)rec.ptr);
    assert_non_null(strstr(b.ptr, "\"text\":{\"a\":[1,2]}"));
    rec_make_text(&rec, BH_FACT, 5, 3, 3, STR("no json\n"));
    buf_reset(&b);
    j = json_on(&b);
    rec_json(&j, (const struct bh_rec *)rec.ptr);
    assert_non_null(strstr(b.ptr, "\"text\":\"no json\\n\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_severities),
        cmocka_unit_test(a_finding_word_for_word),
        cmocka_unit_test(an_id_is_of_what_it_names),
        cmocka_unit_test(a_copy_is_whole_and_its_own),
        cmocka_unit_test(rows_decisions_outcomes),
        cmocka_unit_test(records_of_any_bytes),
        cmocka_unit_test(texts_stand_as_json_on_one_line),
    };
    return cmocka_run_group_tests_name("model json", tests, NULL, NULL);
}
