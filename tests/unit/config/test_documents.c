// Documents: what a user writes, what is said about slips, and that all of them are said at once.
#include "config/config.h"

#include <setjmp.h>

#include <cmocka.h>

#define POLICY_HEAD "apiVersion: bulkhead.io/v1\nkind: Policy\nmetadata:\n  name: p\nspec:\n"
#define AGENT_HEAD  "apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata:\n  name: a\nspec:\n"

static struct documents *parse_n(struct diag_list *diags, const char *const *texts, size_t n)
{
    struct source list[4];
    static const char *const names[] = {"/etc/bulkhead/a.yaml", "b.yaml", "c.yaml", "d.yaml"};
    for (size_t i = 0; i < n; i++)
        list[i] = (struct source){SOURCE_DOCUMENTS, str_of(names[i]), str_of(texts[i])};
    struct sources s = {list, n, NULL};
    return documents_parse(&s, diags);
}

static struct documents *parse(struct diag_list *diags, const char *text)
{
    return parse_n(diags, &text, 1);
}

// One error, at this place, and its hint holds these words (NULL: none).
static void expect_error(const char *text, const char *code, unsigned line, unsigned column,
                         const char *hint)
{
    struct diag_list diags = {0};
    assert_null(parse(&diags, text));
    if (diags.n != 1 || strcmp(diags.list[0].code, code) != 0 || diags.list[0].line != line ||
        diags.list[0].column != column ||
        (hint && !(diags.list[0].hint && strstr(diags.list[0].hint, hint)))) {
        _cleanup_buf_ struct buf b = {0};
        diag_text(&diags, &b);
        fail_msg("wanted %s at %u:%u with '%s', got:\n%s", code, line, column, hint ? hint : "",
                 b.ptr ? b.ptr : "nothing");
    }
    diag_list_done(&diags);
}

static void everything_of_an_agent(void **state)
{
    (void)state;
    struct diag_list diags = {0};
    struct documents *d = parse(
        &diags, AGENT_HEAD
        "  memory: 128MiB\n  shards: 2\n  rings: {critical: 1MiB, bulk: 8MiB}\n"
        "  budgets:\n    critical: 100\n    bulk: 200\n  lease: 5m\n  sampleInterval: 30s\n"
        "  tickInterval: 500ms\n  checkpointInterval: 2s\n  segments: {size: 1MiB, total: 64MiB}\n"
        "  watchFor: 1h30m\n  minPriority: info\n  ruleMatching: first\n"
        "  rules: [rules.d, /opt/r.yaml]\n  policies: [../p]\n  output: {time: iso8601}\n");
    assert_non_null(d);
    const struct agent_config *c = &d->agent;
    assert_int_equal(c->memory_bytes, 128 << 20);
    assert_int_equal(c->shards, 2);
    assert_int_equal(c->ring_critical_bytes, 1 << 20);
    assert_int_equal(c->ring_bulk_bytes, 8 << 20);
    assert_int_equal(c->budget_critical, 100);
    assert_int_equal(c->budget_bulk, 200);
    assert_int_equal(c->lease_ns, 300 * NSEC_PER_SEC);
    assert_int_equal(c->sample_ns, 30 * NSEC_PER_SEC);
    assert_int_equal(c->tick_ns, 500 * NSEC_PER_MSEC);
    assert_int_equal(c->checkpoint_ns, 2 * NSEC_PER_SEC);
    assert_int_equal(c->segment_bytes, 1 << 20);
    assert_int_equal(c->segments_bytes, 64 << 20);
    assert_int_equal(c->watch_ns, 5400 * NSEC_PER_SEC);
    assert_int_equal(c->min_severity, SEVERITY_INFORMATIONAL);
    assert_true(c->rule_matching_first && c->json_iso_time);
    assert_int_equal(c->rules_n, 2);
    assert_true(str_eq(c->rules[0], STR("/etc/bulkhead/rules.d"))); // beside the file
    assert_true(str_eq(c->rules[1], STR("/opt/r.yaml")));
    assert_true(str_eq(c->policies[0], STR("/etc/bulkhead/../p")));
    documents_free(d);
}

static void everything_of_a_policy(void **state)
{
    (void)state;
    struct diag_list diags = {0};
    struct documents *d =
        parse(&diags, POLICY_HEAD
              "  selector:\n    name: 'web-*'\n    image: \"*nginx*\"\n    workload: shop\n"
              "    labels: {app: web, 'a.b/c': '1'}\n  mode: enforce\n  priority: 7\n"
              "  reason: no tools\n  exec:\n    deny:\n    - path: /usr/bin/nc\n"
              "    - notInImage: true\n    - {memfd: true}\n    - any: true\n");
    assert_non_null(d);
    assert_int_equal(d->policies_n, 1);
    const struct policy *p = d->policies;
    assert_true(str_eq(p->name, STR("p")) && str_eq(p->file, STR("/etc/bulkhead/a.yaml")));
    assert_int_equal(p->mode, MODE_ENFORCE);
    assert_int_equal(p->priority, 7);
    assert_true(str_eq(p->reason, STR("no tools")));
    assert_true(str_eq(p->selector.image, STR("*nginx*")));
    assert_int_equal(p->selector.labels_n, 2);
    assert_true(str_eq(p->selector.labels[1].key, STR("a.b/c")));
    assert_int_equal(p->deny_n, 4);
    enum bh_object objects[] = {BH_OBJECT_PATH, BH_OBJECT_NOT_IN_IMAGE, BH_OBJECT_MEMFD,
                                BH_OBJECT_ANY};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(p->deny[i].object, objects[i]);
        assert_int_equal(p->deny[i].line, 16 + i);
    }
    assert_true(str_eq(p->deny[0].path, STR("/usr/bin/nc")));
    documents_free(d);
}

static void a_policy_only_watches_unless_it_says_otherwise(void **state)
{
    (void)state;
    struct diag_list diags = {0};
    struct documents *d = parse(&diags, POLICY_HEAD "  exec: {deny: [{any: true}]}\n");
    assert_int_equal(d->policies[0].mode, MODE_AUDIT);
    documents_free(d);
}

static void nothing_given_is_the_defaults(void **state)
{
    (void)state;
    struct diag_list diags = {0};
    struct agent_config c;
    agent_config_defaults(&c);
    assert_int_equal(c.memory_bytes, 256 << 20);
    assert_int_equal(c.lease_ns, 900 * NSEC_PER_SEC);
    struct documents *d = parse(&diags, "# nothing\n---\n~\n");
    assert_non_null(d);
    assert_memory_equal(&d->agent, &c, sizeof(c));
    documents_free(d);
    d = parse(&diags, AGENT_HEAD "  {}\n");
    assert_non_null(d);
    assert_memory_equal(&d->agent, &c, sizeof(c));
    documents_free(d);
}

static void slips_are_named_and_placed(void **state)
{
    (void)state;
    const struct {
        const char *text, *code;
        unsigned line, column;
        const char *hint;
    } cases[] = {
        {AGENT_HEAD "  memroy: 1GiB\n", "BH205", 6, 3, "did you mean 'memory'?"},
        {AGENT_HEAD "  xyzzy: 1\n", "BH205", 6, 3, "there are: memory, shards"},
        {AGENT_HEAD "  memory: lots\n", "BH208", 6, 11, "64MiB"},
        {AGENT_HEAD "  memory: 1TB2\n", "BH208", 6, 11, "GiB"},
        {AGENT_HEAD "  memory: 1MiB\n", "BH209", 6, 11, "from 64MiB to 64GiB"},
        {AGENT_HEAD "  memory: 99999999999999999999GiB\n", "BH209", 6, 11, "from"},
        {AGENT_HEAD "  memory:\n", "BH207", 6, 10, "memory: 64MiB"},
        {AGENT_HEAD "  memory: [1]\n", "BH207", 6, 11, NULL},
        {AGENT_HEAD "  shards: 9\n", "BH209", 6, 11, "from 0 to 8"},
        {AGENT_HEAD "  shards: '2'\n", "BH207", 6, 11, "without quotes"},
        {AGENT_HEAD "  shards: -1\n", "BH208", 6, 11, NULL},
        {AGENT_HEAD "  lease: 10\n", "BH208", 6, 10, "units are"},
        {AGENT_HEAD "  rings: {critical: 3MiB}\n", "BH209", 6, 21, "2MiB and 4MiB"},
        {AGENT_HEAD "  rings: 4MiB\n", "BH207", 6, 10, NULL},
        {AGENT_HEAD "  rings: {bulk: 256MiB}\n", "BH212", 6, 3, "memory"},
        {AGENT_HEAD "  segments: {size: 8MiB, total: 16MiB}\n", "BH212", 6, 3, NULL},
        {AGENT_HEAD "  minPriority: Warnung\n", "BH208", 6, 16, "did you mean 'Warning'?"},
        {AGENT_HEAD "  ruleMatching: last\n", "BH208", 6, 17, "one of: all, first"},
        {AGENT_HEAD "  rules: rules.d\n", "BH207", 6, 10, NULL},
        {AGENT_HEAD "  rules: ['']\n", "BH208", 6, 11, NULL},
        {AGENT_HEAD "  tickInterval: 1s\n  tickInterval: 2s\n", "BH104", 7, 3, "line 6"},
        {POLICY_HEAD "  mode: enforced\n  exec: {deny: [{any: true}]}\n", "BH208", 6, 9,
         "did you mean 'enforce'?"},
        {POLICY_HEAD "  mode: audit\n", "BH206", 6, 3, NULL},
        {POLICY_HEAD "  exec: {}\n", "BH206", 6, 9, NULL},
        {POLICY_HEAD "  exec: {deny: []}\n", "BH206", 6, 16, NULL},
        {POLICY_HEAD "  exec: {deny: [{path: bin/x}]}\n", "BH208", 6, 24, NULL},
        {POLICY_HEAD "  exec: {deny: [{path: /bin/../x}]}\n", "BH208", 6, 24, NULL},
        {POLICY_HEAD "  exec: {deny: [{path: /bin/}]}\n", "BH208", 6, 24, NULL},
        {POLICY_HEAD "  exec: {deny: [{pth: /bin/x}]}\n", "BH205", 6, 18, "did you mean 'path'?"},
        {POLICY_HEAD "  exec: {deny: [{memfd: false}]}\n", "BH208", 6, 25, NULL},
        {POLICY_HEAD "  exec: {deny: [{memfd: true, any: true}]}\n", "BH207", 6, 17, NULL},
        {POLICY_HEAD "  exec: {deny: [/bin/x]}\n", "BH207", 6, 17, "- path:"},
        {POLICY_HEAD "  selector: {name: 'a[b'}\n  exec: {deny: [{any: true}]}\n", "BH208", 6, 20,
         "\\["},
        {POLICY_HEAD "  selector: {lables: {}}\n  exec: {deny: [{any: true}]}\n", "BH205", 6, 14,
         "'labels'"},
        {POLICY_HEAD "  reason: \"a\\0b\"\n  exec: {deny: [{any: true}]}\n", "BH208", 6, 11, NULL},
        {POLICY_HEAD "  priority: 1000001\n  exec: {deny: [{any: true}]}\n", "BH209", 6, 13,
         "1000000"},
        {"- rule: x\n", "BH213", 1, 1, "--rules"},
        {"just text\n", "BH201", 1, 1, "apiVersion"},
        {"apiVersion: bulkhead.io/v2\nkind: Agent\nmetadata: {name: a}\nspec: {}\n", "BH202", 1, 13,
         "bulkhead.io/v1"},
        {"apiVersion: bulkhead.io/v1\nkind: Polcy\nmetadata: {name: a}\nspec: {}\n", "BH203", 2, 7,
         "'Policy'"},
        {"apiVersion: bulkhead.io/v1\nkind: Retention\nmetadata: {name: a}\nspec: {}\n", "BH204", 2,
         7, "Agent, Policy"},
        {"apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {}\nspec: {}\n", "BH206", 3, 11, NULL},
        {"apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {name: A_b}\nspec: {}\n", "BH208", 3,
         18, "lower-case"},
        {"apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {name: a}\nspec:\n", "BH207", 4, 6,
         NULL},
        {"apiVersion: bulkhead.io/v1\nkind: Agent\nmetadata: {name: a}\n", "BH206", 1, 1, NULL},
        {"apiVersion: bulkhead.io/v1\nknd: Agent\nkind: Agent\nmetadata: {name: a}\nspec: {}\n",
         "BH205", 2, 1, "'kind'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_error(cases[i].text, cases[i].code, cases[i].line, cases[i].column, cases[i].hint);
}

static void all_errors_at_once(void **state)
{
    (void)state;
    static const char *const texts[] = {
        AGENT_HEAD "  memroy: 1\n  lease: x\n---\n" POLICY_HEAD
                   "  exec: {deny: [{path: x}, {pat: /y}, {any: no}]}\n",
        "kind: [\n", // a broken file hides nothing of the others
        POLICY_HEAD "  mode: off\n  exec: {deny: [{any: true}]}\n",
    };
    struct diag_list diags = {0};
    assert_null(parse_n(&diags, texts, 3));
    static const char *const codes[] = {"BH205", "BH208", "BH208", "BH205",
                                        "BH208", "BH101", "BH210", "BH208"};
    assert_int_equal(diags.n, ARRAY_SIZE(codes));
    for (size_t i = 0; i < diags.n; i++) {
        assert_string_equal(diags.list[i].code, codes[i]);
        assert_true(diags.list[i].snippet || i == 5); // the text ends where the bracket should
    }
    assert_string_equal(diags.list[6].file, "c.yaml");
    diag_list_done(&diags);
}

static void what_must_be_single(void **state)
{
    (void)state;
    static const char *const policy = POLICY_HEAD "  exec: {deny: [{any: true}]}\n";
    static const char *const agent = AGENT_HEAD "  {}\n";
    const char *const twice[] = {policy, policy, agent, agent};
    struct diag_list diags = {0};
    assert_null(parse_n(&diags, twice, 4));
    assert_int_equal(diags.n, 2);
    assert_string_equal(diags.list[0].code, "BH210");
    assert_non_null(strstr(diags.list[0].hint, "/etc/bulkhead/a.yaml:1"));
    assert_string_equal(diags.list[1].code, "BH211");
    assert_non_null(strstr(diags.list[1].hint, "c.yaml:1"));
    diag_list_done(&diags);
}

// A feed that would block, a profile that would enforce.
static void what_nothing_carries_out_is_refused(void **state)
{
    static const char head[] =
        "apiVersion: bulkhead.io/v1\nkind: Feed\nmetadata: {name: f}\nspec:\n"
        "  path: /lists/f.txt\n";
    static const char *const specs[] = {"  action: block\n", "  action: block\n  mode: enforce\n",
                                        "  mode: enforce\n"};
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        char text[256];
        struct diag_list diags = {0};
        snprintf(text, sizeof(text), "%s%s", head, specs[i]);
        assert_null(parse(&diags, text));
        assert_int_equal(diags.n, 1);
        assert_string_equal(diags.list[0].code, "BH212");
        diag_list_done(&diags);
    }
    expect_error("apiVersion: bulkhead.io/v1\nkind: Profile\nmetadata: {name: p}\nspec:\n"
                 "  mode: enforce\n",
                 "BH212", 5, 3, "mode: watch");
    struct diag_list diags = {0};
    struct documents *d = parse(&diags, head);
    assert_non_null(d);
    assert_int_equal(d->feeds_n, 1);
    documents_free(d);
    diag_list_done(&diags);
}

static void rules_are_not_documents(void **state)
{
    (void)state;
    struct source list[] = {{SOURCE_RULES, STR("r.yaml"), STR("- rule: [broken\n")}};
    struct sources s = {list, 1, NULL};
    struct diag_list diags = {0};
    struct documents *d = documents_parse(&s, &diags); // not ours to read
    assert_non_null(d);
    documents_free(d);
}

// A number generator of our own, so that a failure can be repeated.
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return *seed >> 33;
}

static void random_text(uint64_t *seed, struct buf *b)
{
    static const char *const parts[] = {"a",   "*",   "?", "é", "\\\"", " ",   ": ",  "#",
                                        "\\n", "\\e", "'", "%", "-",    "[a]", "\\\\"};
    buf_char(b, '"');
    for (size_t n = 1 + next_random(seed) % 8; n; n--)
        buf_text(b, parts[next_random(seed) % ARRAY_SIZE(parts)]);
    buf_char(b, '"');
}

static void print_is_a_fixed_point(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t s = seed;
        _cleanup_buf_ struct buf text = {0}, once = {0}, twice = {0};
        buf_text(&text, AGENT_HEAD);
        buf_printf(&text, "  memory: %uMiB\n  lease: %us\n  minPriority: %s\n  rules: [",
                   64 + (unsigned)(next_random(&s) % 1000), 60 + (unsigned)(next_random(&s) % 3600),
                   severity_name((enum severity)(next_random(&s) % SEVERITY_MAX)));
        random_text(&s, &text);
        buf_printf(&text, "]\n  rings: {critical: %uKiB}\n", 64u << next_random(&s) % 5);
        for (unsigned p = 0; p < next_random(&s) % 4; p++) {
            buf_printf(
                &text,
                "---\napiVersion: bulkhead.io/v1\nkind: Policy\nmetadata: {name: p%u}\nspec:\n", p);
            buf_printf(&text, "  mode: %s\n  priority: %u\n  reason: ",
                       next_random(&s) % 2 ? "audit" : "enforce",
                       (unsigned)(next_random(&s) % 100));
            random_text(&s, &text);
            if (next_random(&s) % 2) {
                buf_text(&text, "\n  selector:\n    labels:\n      ");
                random_text(&s, &text);
                buf_text(&text, ": ");
                random_text(&s, &text);
                buf_text(&text, "\n    name: ");
                random_text(&s, &text);
            }
            buf_text(&text, "\n  exec: {deny: [{memfd: true}, {path: /usr/bin/x}]}\n");
        }
        struct diag_list diags = {0};
        struct documents *a = parse(&diags, text.ptr);
        if (!a) {
            _cleanup_buf_ struct buf said = {0};
            diag_text(&diags, &said);
            fail_msg("seed %u: %s\n%s", (unsigned)seed, said.ptr, text.ptr);
        }
        documents_print(a, &once);
        struct documents *b = parse(&diags, once.ptr);
        assert_non_null(b);
        documents_print(b, &twice);
        assert_string_equal(once.ptr, twice.ptr);
        assert_int_equal(a->agent.memory_bytes, b->agent.memory_bytes);
        assert_int_equal(a->policies_n, b->policies_n);
        for (size_t i = 0; i < a->policies_n; i++) {
            assert_true(str_eq(a->policies[i].reason, b->policies[i].reason));
            assert_true(str_eq(a->policies[i].selector.name, b->policies[i].selector.name));
        }
        documents_free(a);
        documents_free(b);
    }
}

static void documents_outlive_their_sources(void **state)
{
    (void)state;
    char *text = strdup(POLICY_HEAD "  reason: why\n  exec: {deny: [{path: /bin/x}]}\n"),
         *name = strdup("p.yaml");
    struct source list[] = {{SOURCE_DOCUMENTS, str_of(name), str_of(text)}};
    struct sources s = {list, 1, NULL};
    struct diag_list diags = {0};
    struct documents *d = documents_parse(&s, &diags);
    memset(text, '#', strlen(text));
    memset(name, '#', strlen(name));
    free(text);
    free(name);
    assert_true(str_eq(d->policies[0].reason, STR("why")));
    assert_true(str_eq(d->policies[0].file, STR("p.yaml")));
    assert_true(str_eq(d->policies[0].deny[0].path, STR("/bin/x")));
    documents_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_of_an_agent),
        cmocka_unit_test(everything_of_a_policy),
        cmocka_unit_test(a_policy_only_watches_unless_it_says_otherwise),
        cmocka_unit_test(nothing_given_is_the_defaults),
        cmocka_unit_test(slips_are_named_and_placed),
        cmocka_unit_test(all_errors_at_once),
        cmocka_unit_test(what_must_be_single),
        cmocka_unit_test(what_nothing_carries_out_is_refused),
        cmocka_unit_test(rules_are_not_documents),
        cmocka_unit_test(print_is_a_fixed_point),
        cmocka_unit_test(documents_outlive_their_sources),
    };
    return cmocka_run_group_tests_name("documents", tests, NULL, NULL);
}
