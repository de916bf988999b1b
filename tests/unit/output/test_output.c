// What people and programs read: Falco's line and object exactly, and nothing that a stranger named
// does anything.
#include "output/output.h"

#include <jansson.h>
#include <setjmp.h>
#include <time.h>

#include <cmocka.h>

static const struct str tags[] = {STR("T1059"), STR("container"), STR("T1059")};

static struct finding finding(void)
{
    struct finding f = {
        .detector = "rule",
        .rule = STR("Terminal shell in container"),
        .severity = SEVERITY_NOTICE,
        .confidence = 0.9,
        .time = {5000},
        .wall = {1764000000123456789ULL}, // 2025-11-24T16:00:00.123456789Z
        .container = 3,
        .container_id = STR("abc123"),
        .tgid = 77,
        .output = STR("A shell (proc=sh tty=34816 ppid=<NA>) container_id=abc123"),
        .source = STR("syscall"),
        .hostname = STR("node-1"),
        .tags = tags,
        .tags_n = 3,
        .fields_n = 6,
        .kind = BH_EXEC,
    };
    f.fields[0] =
        (struct finding_field){.key = STR("proc.name"), .type = FIELD_STRING, .text = STR("sh")};
    f.fields[1] = (struct finding_field){
        .key = STR("proc.tty"), .type = FIELD_I64, .text = STR("34816"), .number = 34816};
    f.fields[2] = (struct finding_field){.key = STR("proc.ppid"), .type = FIELD_I64, .null = true};
    f.fields[3] = (struct finding_field){
        .key = STR("container.id"), .type = FIELD_STRING, .text = STR("abc123")};
    f.fields[4] = (struct finding_field){
        .key = STR("user.loginuid"), .type = FIELD_I64, .number = (uint64_t)-1};
    static const struct str names[] = {STR("sh"), STR("runc")};
    f.fields[5] = (struct finding_field){.key = STR("proc.aname"),
                                         .type = FIELD_STRINGS,
                                         .text = STR("(sh,runc)"),
                                         .items = names,
                                         .items_n = 2};
    f.id = finding_id(&f);
    return f;
}

static const char *render(const char *name, const struct output_style *s, const struct finding *f,
                          struct buf *b)
{
    buf_reset(b);
    const struct output_row *row = output_by_name(name);
    if (s)
        row->finding_styled(s, f, b);
    else
        row->finding(f, b);
    return b->ptr;
}

static void utc(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
}

static void a_line_as_falco_writes_it(void **state)
{
    (void)state;
    utc();
    _cleanup_buf_ struct buf b = {0};
    struct finding f = finding();
    assert_string_equal(
        render("text", NULL, &f, &b),
        "16:00:00.123456789: Notice A shell (proc=sh tty=34816 ppid=<NA>) container_id=abc123\n");
    const struct output_style iso = {.iso_time = true}, color = {.color = true};
    assert_string_equal(
        render("text", &iso, &f, &b),
        "2025-11-24T16:00:00.123456789+0000: Notice A shell (proc=sh tty=34816 ppid=<NA>) "
        "container_id=abc123\n");
    assert_non_null(strstr(render("text", &color, &f, &b), ": \x1b[36mNotice\x1b[0m A shell"));
    setenv("TZ", "XYZ-2", 1); // Falco prints local time
    tzset();
    assert_true(str_starts(str_of(render("text", NULL, &f, &b)), STR("18:00:00.123456789: ")));
    utc();
}

static void an_object_as_falco_writes_it(void **state)
{
    (void)state;
    utc();
    _cleanup_buf_ struct buf b = {0};
    struct finding f = finding();
    assert_string_equal(
        render("json", NULL, &f, &b),
        "{\"hostname\":\"node-1\","
        "\"output\":\"16:00:00.123456789: Notice A shell (proc=sh tty=34816 ppid=<NA>) "
        "container_id=abc123\","
        "\"output_fields\":{\"container.id\":\"abc123\",\"evt.time\":1764000000123456789,\"proc."
        "aname\":[\"sh\",\"runc\"],"
        "\"proc.name\":\"sh\",\"proc.ppid\":null,\"proc.tty\":34816,\"user.loginuid\":-1},"
        "\"priority\":\"Notice\",\"rule\":\"Terminal shell in container\",\"source\":\"syscall\","
        "\"tags\":[\"T1059\",\"container\"],\"time\":\"2025-11-24T16:00:00.123456789Z\"}\n");
    const struct output_style iso = {.iso_time = true};
    render("json", &iso, &f, &b);
    assert_non_null(strstr(b.ptr, "\"evt.time.iso8601\":1764000000123456789"));
    assert_null(strstr(b.ptr, "\"evt.time\"")); // one of the two, as in Falco
    assert_non_null(strstr(b.ptr, "\"output\":\"2025-11-24T16:00:00.123456789+0000: Notice"));
    // also where the rule brought the time itself
    f.fields[f.fields_n++] =
        (struct finding_field){.key = STR("evt.time"), .type = FIELD_TIME, .number = 7};
    assert_null(strstr(render("json", &iso, &f, &b), "\"evt.time\""));
    assert_null(strstr(render("json", NULL, &f, &b), "\"evt.time\":7,"));
    f.severity = SEVERITY_INFORMATIONAL;
    assert_non_null(strstr(render("json", NULL, &f, &b), "\"priority\":\"Informational\""));
}

static void other_detectors_get_the_suggested_fields(void **state)
{
    (void)state;
    utc();
    _cleanup_buf_ struct buf b = {0};
    struct finding f = finding();
    f.detector = "policy";
    f.output = STR("refused");
    f.fields_n = 0;
    f.image_name = STR("reg:5000/team/web:1.2@sha256:00");
    assert_string_equal(
        render("text", NULL, &f, &b),
        "16:00:00.123456789: Notice refused container_id=abc123 container_name=<NA> "
        "container_image_repository=reg:5000/team/web container_image_tag=1.2 k8s_pod_name=<NA> "
        "k8s_ns_name=<NA>\n");
    render("json", NULL, &f, &b);
    assert_non_null(strstr(
        b.ptr, "\"output_fields\":{\"container.id\":\"abc123\",\"container.image.repository\":"
               "\"reg:5000/team/web\",\"container.image.tag\":\"1.2\",\"container.name\":null,"
               "\"evt.time\":1764000000123456789,\"k8s.ns.name\":null,\"k8s.pod.name\":null}"));
    f.image_name = STR("reg:5000/web");
    assert_non_null(strstr(render("text", NULL, &f, &b),
                           "container_image_repository=reg:5000/web container_image_tag=<NA>"));
}

static void our_own_object(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    struct finding f = finding();
    f.objects[0] = (struct object_ref){
        .dev = 8 << 20 | 1, .ino = UINT64_MAX, .path = STR("/x"), .written = true};
    f.objects_n = 1;
    f.lineage = UINT64_MAX;
    json_error_t e;
    json_t *j = json_loads(render("native", NULL, &f, &b), 0, &e);
    assert_non_null(j); // also with the largest numbers
    json_t *x = json_object_get(j, "finding");
    assert_string_equal(json_string_value(json_object_get(x, "detector")), "rule");
    json_t *o = json_array_get(json_object_get(x, "objects"), 0);
    assert_string_equal(json_string_value(json_object_get(o, "dev")), "8:1");
    assert_string_equal(json_string_value(json_object_get(o, "ino")), "18446744073709551615");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(x, "process"), "lineage")),
        "ffffffffffffffff");
    json_decref(j);
}

// ── hostile names ────────────────────────────────────────────────────────────────────────────

static const struct str hostile[] = {
    STR("\x1b[2J\x1b]0;owned\a"),         // clears the screen, sets the title
    STR("one\n12:00:00.0: Critical two"), // a forged line
    STR("\r\x7f\b\b\b"),
    STR("\xe2\x80\xae"
        "gnp.exe"), // right-to-left override
    STR("a\xe2\x80\x8b"
        "b\xef\xbb\xbf"), // zero width
    STR("\xff\xfe\x80"),  // no UTF-8
    STR("nul\0behind"),
    STR("\xc2\x9b"
        "31m"), // C1 CSI
    STR("\",\"priority\":\"Debug\",\"x\":\"\\"),
    STR("\xed\xa0\x80\xf4\x90\x80\x80"), // surrogate, beyond Unicode
};

static struct finding hostile_finding(struct str h)
{
    // Keys come from rules, whose arguments hold no NUL (and Jansson reads none in a key).
    struct str key = memchr(h.ptr, 0, h.len) ? STR("key") : h;
    struct finding f = finding();
    f.rule = f.output = f.container_id = f.container_name = f.image_name = f.workload = f.source =
        f.hostname = h;
    static struct str tag;
    tag = h;
    f.tags = &tag;
    f.tags_n = 1;
    f.fields[0].text = h;
    f.fields[1] = (struct finding_field){.key = key, .type = FIELD_STRING, .text = h};
    f.fields[5].items = &tag;
    f.fields[5].items_n = 1;
    f.chain[0] = (struct lineage_step){.comm = h, .path = h};
    f.chain_n = 1;
    f.objects[0].path = h;
    f.objects_n = 1;
    return f;
}

static void assert_harmless_text(const struct buf *b, size_t lines)
{
    size_t seen = 0;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->ptr[i];
        seen += c == '\n';
        assert_true(c == '\n' || (c >= 0x20 && c != 0x7f));
    }
    assert_int_equal(seen, lines);
    assert_null(strstr(b->ptr, "\xe2\x80\xae"));
    assert_null(strstr(b->ptr, "\xe2\x80\x8b"));
    assert_null(strstr(b->ptr, "\xef\xbb\xbf"));
    assert_null(strstr(b->ptr, "\xc2\x9b"));
}

static void assert_harmless_json(const struct buf *b)
{
    for (size_t i = 0; i + 1 < b->len; i++)
        assert_true((unsigned char)b->ptr[i] >= 0x20 && b->ptr[i] != 0x7f);
    assert_int_equal(b->ptr[b->len - 1], '\n');
    json_error_t e;
    json_t *j = json_loadb(b->ptr, b->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                           &e); // also checks UTF-8
    if (!j)
        fail_msg("%s: %s", e.text, b->ptr);
    json_decref(j);
}

static void findings_with_hostile_names(void **state)
{
    (void)state;
    _cleanup_buf_ struct buf b = {0};
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++)
        for (int other = 0; other < 2; other++) {
            struct finding f = hostile_finding(hostile[i]);
            if (other)
                f.detector = "policy";
            render("text", NULL, &f, &b);
            assert_harmless_text(&b, 1);
            render("json", NULL, &f, &b);
            assert_harmless_json(&b);
            render("native", NULL, &f, &b);
            assert_harmless_json(&b);
        }
}

static struct incident incident(struct str h, struct timeline_entry *t, struct str *id,
                                uint32_t *number)
{
    *id = h;
    *number = 3;
    t[0] = (struct timeline_entry){.wall = {1764000000000000000ULL},
                                   .time = {1000000},
                                   .text = h,
                                   .container = 3,
                                   .tgid = 5,
                                   .severity = SEVERITY_WARNING,
                                   .joined_by = "first",
                                   .chain = h};
    t[1] = (struct timeline_entry){.wall = {1764000000000000000ULL},
                                   .time = {3500000},
                                   .text = h,
                                   .container = 3,
                                   .tgid = 6,
                                   .severity = SEVERITY_CRITICAL,
                                   .joined_by = "lineage",
                                   .chain = h};
    return (struct incident){.number = 4,
                             .version = 2,
                             .severity = SEVERITY_CRITICAL,
                             .confidence = 0.99,
                             .title = h,
                             .first = {1000000},
                             .last = {3500000},
                             .first_wall = {1764000000000000000ULL},
                             .last_wall = {1764000000002500000ULL},
                             .containers = number,
                             .container_ids = id,
                             .containers_n = 1,
                             .timeline = t,
                             .timeline_n = 2,
                             .findings_total = 2,
                             .tags = id,
                             .tags_n = 1,
                             .joined_by = "lineage"};
}

static size_t lines_of(const struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->ptr[i] == '\n';
    return n;
}

static void incidents_with_hostile_names(void **state)
{
    (void)state;
    struct timeline_entry t[2];
    struct str id;
    uint32_t number;
    _cleanup_buf_ struct buf b = {0};
    struct incident plain = incident(STR("abc"), t, &id, &number);
    struct decision said = {.step = STEP_WATCH, .container = 3, .time = {4000000}};
    const struct decision *decisions[] = {&said};
    const struct output_style none = {0};
    said.reason = STR("why");
    output_story(&none, &plain, decisions, 1, &b);
    size_t lines = lines_of(&b);
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        struct incident x = incident(hostile[i], t, &id, &number);
        said.reason = hostile[i];
        buf_reset(&b);
        output_story(&none, &x, decisions, 1, &b);
        assert_harmless_text(
            &b, lines - 1); // no command is offered for a name that a shell would read otherwise
        assert_null(strstr(b.ptr, "bulkhead why"));
        for (size_t o = 0; o < outputs_n; o++) {
            buf_reset(&b);
            outputs[o].incident(&x, &b);
            if (strcmp(outputs[o].name, "text") == 0)
                assert_harmless_text(&b, 1);
            else
                assert_harmless_json(&b);
        }
    }
}

static void a_story(void **state)
{
    (void)state;
    struct timeline_entry t[2];
    struct str id;
    uint32_t number;
    _cleanup_buf_ struct buf b = {0};
    struct incident i = incident(STR("abc123"), t, &id, &number);
    i.title = STR("Reverse shell in web");
    t[0].text = STR("Terminal shell: sh");
    t[1].text = STR("Reverse shell: nc");
    t[0].chain = STR("sh ← runc");
    t[1].chain = STR("nc ← sh");
    struct decision said = {.step = STEP_WATCH,
                            .container = 3,
                            .time = {4000000},
                            .reason = STR("Critical earns freeze")};
    const struct decision *decisions[] = {&said};
    const struct output_style none = {0};
    output_story(&none, &i, decisions, 1, &b);
    assert_string_equal(
        b.ptr,
        "Reverse shell in web\n"
        "  where  abc123\n"
        "  when   2025-11-24T16:00:00.000000000Z, over 2.500 ms\n"
        "  what   2 findings, Critical, confidence 0.99; abc123\n"
        "\n"
        "What happened\n"
        "        +0.000 ms  Warning       Terminal shell: sh\n"
        "                   process 5: sh ← runc\n"
        "        +2.500 ms  Critical      Reverse shell: nc\n"
        "                   process 6: nc ← sh; belongs by lineage\n"
        "\n"
        "What was done\n"
        "        +3.000 ms  watch         abc123: Critical earns freeze\n"
        "\n"
        "What to do next\n"
        "  bulkhead why abc123    what stands against it in the kernel, and why\n"
        "  bulkhead incident 4 --confirm    it is an attack: keep it open until you close it\n"
        "  bulkhead incident 4 --dismiss    it is none: take back what was done\n"
        "  bulkhead ledger verify         that the record of it is whole\n");
    buf_reset(&b);
    i.lossy = true;
    i.findings_total = 9;
    output_incident_story(&i, &b);
    assert_non_null(strstr(b.ptr, "events were lost"));
    assert_non_null(strstr(b.ptr, "7 more that are not kept here"));
    assert_null(strstr(b.ptr, "What was done"));
}

static void names(void **state)
{
    (void)state;
    assert_null(output_by_name("xml"));
    assert_string_equal(output_by_name("json")->name, "json");
    for (size_t i = 0; i < outputs_n; i++)
        assert_true(outputs[i].text[0] && outputs[i].finding && outputs[i].incident);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_as_falco_writes_it),
        cmocka_unit_test(an_object_as_falco_writes_it),
        cmocka_unit_test(other_detectors_get_the_suggested_fields),
        cmocka_unit_test(our_own_object),
        cmocka_unit_test(findings_with_hostile_names),
        cmocka_unit_test(incidents_with_hostile_names),
        cmocka_unit_test(a_story),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
