// Rules files: lists, macros, append and override, exceptions, what is told about mistakes, what
// the kernel is asked.
#include "world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> // needs those above

#define RULE(name, condition)                                                                      \
    "- rule: " name "\n  desc: d\n  condition: " condition "\n  output: o\n  priority: NOTICE\n"

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    world_init(w);
    world_exec(w, "/bin/busybox", "sh", (struct str){"sh\0-c\0id -u\0", 11});
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_done(*state);
    free(*state);
    return 0;
}

// Loads without an error and says which rules fire on the world's event.
static const char *fires(struct world *w, const char *yaml)
{
    struct buf text = {0};
    struct ruleset *r = rules_of(yaml, &text);
    if (!r)
        fail_msg("%s\n%s", yaml, text.ptr);
    world_match(w, r);
    ruleset_free(r);
    buf_done(&text);
    return w->fired;
}

static void says(const char *yaml, const char *wanted, bool error)
{
    struct buf text = {0};
    struct ruleset *r = rules_of(yaml, &text);
    if (!text.ptr || !strstr(text.ptr, wanted))
        fail_msg("%s\nshould say: %s\nsaid: %s", yaml, wanted, text.ptr ? text.ptr : "nothing");
    assert_true((r == NULL) == error);
    ruleset_free(r);
    buf_done(&text);
}

static void test_lists(void **state)
{
    struct world *w = *state;
    assert_string_equal(fires(w, "- list: a\n  items: [bash, sh]\n" RULE("r", "proc.name in (a)")),
                        "r,");
    assert_string_equal(fires(w, "- list: a\n  items: [sh]\n- list: b\n  items: [bash, a]\n" RULE(
                                     "r", "proc.name in (x, b, y)")),
                        "r,");
    // One level only: c names b, whose own item a stays the word "a".
    assert_string_equal(
        fires(w,
              "- list: a\n  items: [sh]\n- list: b\n  items: [a]\n- list: c\n  items: [b]\n" RULE(
                  "r", "proc.name in (c)") RULE("used", "proc.name in (a) and proc.name in (b)")),
        "used,");
    assert_string_equal(fires(w, "- list: none\n  items: []\n" RULE("r", "proc.name in (none, sh)")
                                     RULE("s", "proc.name in (sh, none)")
                                         RULE("t", "proc.name in (none)")),
                        "r,s,");
    assert_string_equal(
        fires(w, "- list: a\n  items: [\"id -u\", '\"x\"']\n" RULE("r", "proc.args[1] in (a)")),
        "r,");
    assert_string_equal(fires(w, "- list: a\n  items: [sh]\n" RULE("r", "proc.name in (aa, ab)")
                                     RULE("s", "proc.name = a")),
                        "s,");
    // The last state of a list counts, for rules above it too.
    assert_string_equal(fires(w, "- list: a\n  items: [x]\n" RULE(
                                     "r", "proc.name in (a)") "- list: a\n  items: [sh]\n"),
                        "r,");
    assert_string_equal(
        fires(w, "- list: a\n  items: [x]\n- list: a\n  append: true\n  items: [sh]\n" RULE(
                     "r", "proc.name in (a)")),
        "r,");
    assert_string_equal(
        fires(
            w,
            "- list: a\n  items: [x]\n- list: a\n  override: {items: append}\n  items: [sh]\n" RULE(
                "r", "proc.name in (a)")),
        "r,");
    assert_string_equal(fires(w, "- list: a\n  items: [sh]\n- list: a\n  override: {items: "
                                 "replace}\n  items: [x]\n" RULE("r", "proc.name in (a)")),
                        "");
    says("- list: a\n  append: true\n  items: [sh]\n", "not defined before", true);
    says("- list: a\n  items: {x: y}\n", "needs items", true);
    says("- list: a\n  items: [x]\n" RULE("r", "proc.name = b"), "LOAD_UNUSED_LIST", false);
}

static void test_macros(void **state)
{
    struct world *w = *state;
    assert_string_equal(
        fires(w, "- macro: m\n  condition: proc.name = bash or proc.name = sh\n" RULE(
                     "r", "m and proc.pid = 31") RULE("s", "m and proc.pid = 30")),
        "s,");
    assert_string_equal(fires(w, "- macro: m\n  condition: proc.name = x\n" RULE(
                                     "r", "not m") "- macro: m\n  condition: proc.name = sh\n"),
                        "");
    assert_string_equal(fires(w, "- macro: m\n  condition: proc.name = x\n- macro: m\n  append: "
                                 "true\n  condition: or proc.name = sh\n" RULE("r", "m")),
                        "r,");
    assert_string_equal(
        fires(w, "- macro: m\n  condition: proc.name = x\n- macro: m\n  override: {condition: "
                 "append}\n  condition: or proc.name = sh\n" RULE("r", "m")),
        "r,");
    // A macro sees what was first defined before its own last change.
    says("- macro: a\n  condition: b\n- macro: b\n  condition: proc.name = x\n" RULE("r", "a"),
         "Undefined macro 'b'", true);
    assert_string_equal(fires(w, "- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: "
                                 "proc.name = sh\n- macro: a\n  condition: b\n" RULE("r", "a")),
                        "r,");
    says("- macro: a\n  condition: proc.name = x\n- macro: b\n  condition: a\n- macro: a\n  "
         "condition: b\n" RULE("r", "a"),
         "reference loop in macro", true);
    says("- macro: a\n  condition: a\n", "macro 'a'", true);
    says(RULE("r", "spawned_proces") "- macro: spawned_process\n  condition: proc.name = x\n",
         "did you mean 'spawned_process'?", true);
    says("- macro: m\n  condition: proc.name = x\n" RULE("r", "proc.name = b"), "LOAD_UNUSED_MACRO",
         false);
    says("- macro: 1m\n  condition: proc.name = x\n" RULE("r", "proc.name = b"),
         "LOAD_INVALID_MACRO_NAME", false);
    // A ladder of macros that would be 2^60 nodes written out is refused, not run out of memory
    // with.
    struct buf ladder = {0};
    buf_text(&ladder, "- macro: m0\n  condition: proc.name = x\n");
    for (int i = 1; i < 60; i++)
        buf_printf(
            &ladder,
            "- macro: m%d\n  condition: (m%d and proc.pid = %d) or (m%d and proc.pid = 2%d)\n", i,
            i - 1, i, i - 1, i);
    buf_text(&ladder, RULE("r", "m59"));
    says(ladder.ptr, "parts with its macros", true);
    buf_done(&ladder);
}

static void test_rules(void **state)
{
    struct world *w = *state;
    assert_string_equal(fires(w, RULE("r", "proc.name = x") RULE("s", "proc.name = sh")
                                     RULE("r", "proc.name = sh")),
                        "r,s,"); // keeps its place
    assert_string_equal(fires(w, RULE("r", "proc.name = sh") "- rule: r\n  enabled: false\n"), "");
    assert_string_equal(
        fires(w,
              RULE("r",
                   "proc.name = sh") "- rule: r\n  override: {enabled: replace}\n  enabled: no\n"),
        "");
    assert_string_equal(
        fires(w,
              RULE("r",
                   "proc.name = sh") "- rule: r\n  append: true\n  condition: and proc.pid = 31\n"),
        "");
    assert_string_equal(
        fires(w, RULE("r", "proc.name = x") "- rule: r\n  override: {condition: append}\n  "
                                            "condition: or proc.pid = 30\n"),
        "r,");
    assert_string_equal(
        fires(w, RULE("r", "proc.name = x") "- rule: r\n  override: {condition: replace}\n  "
                                            "condition: proc.pid = 30\n"),
        "r,");
    fires(w, RULE("r", "proc.name = sh") "- rule: r\n  override: {output: append, priority: "
                                         "replace, tags: append}\n  output: and %proc.pid\n  "
                                         "priority: error\n  tags: [b, a, b]\n");
    assert_int_equal(w->last.severity, SEVERITY_ERROR);
    says("- rule: r\n  append: true\n  condition: and x\n", "not defined before", true);
    says(RULE("r",
              "proc.name = sh") "- rule: r\n  override: {priority: append}\n  priority: error\n",
         "can only be replaced", true);
    says(RULE("r", "proc.name = sh") "- rule: r\n  override: {name: append}\n",
         "cannot be overridden", true);
    says(RULE("r", "proc.name = sh") "- rule: r\n  override: {output: replace}\n", "not defined",
         true);
    says(
        RULE("r",
             "proc.name = sh") "- rule: r\n  override: {output: replace}\n  output: x\n  desc: y\n",
        "Unexpected key 'desc'", true);
    says(RULE("r", "proc.name = sh") "- rule: r\n  append: true\n  override: {output: replace}\n  "
                                     "output: x\n",
         "cannot be used together", true);
    says("- rule: r\n  desc: d\n  condition: proc.name = sh\n  output: o\n",
         "no mapping for key 'priority'", true);
    says(RULE("r", "proc.name = sh") "  extra: 1\n", "Unknown key 'extra'", false);
    says("- foo: bar\n", "LOAD_UNKNOWN_ITEM", false);
    says("rule: x\n", "not yaml array", true);
    says("- rule: [\n", "BH101", true);
    says(RULE("r", "evt.dir = < and proc.name = sh"), "LOAD_DEPRECATED_ITEM", false);
    says(RULE("r", "evt.type = bpf"), "can never fire", false);
    says(RULE("r", "proc.name = sh"), "LOAD_NO_EVTTYPE", false);
    says(RULE("r", "proc.env contains x") RULE("s", "proc.name = sh"), "rule 'r' is not loaded",
         false);
    says(RULE("r", "proc.name = proc.pname"), "misused as a const", false);
    says("- required_engine_version: 0.99.0\n", "Rules require engine version", true);
    says("- required_engine_version: 99\n", "Rules require engine version", true);
    says("- required_plugin_versions:\n  - {name: json, version: 0.1.0}\n",
         "Plugin requirement not satisfied", true);
    assert_string_equal(
        fires(w, "- required_engine_version: 0.40.0\n- required_engine_version: 11\n- "
                 "required_plugin_versions:\n  - {name: container, version: 0.2.0}\n---\n" RULE(
                     "r", "proc.name = sh")),
        "r,");
    // skip-if-unknown-filter: the rule goes, the file stays; another rule with the same macro is an
    // error still.
    says("- macro: m\n  condition: new.field = 1\n" RULE("s",
                                                         "m") "  skip-if-unknown-filter: true\n",
         "LOAD_UNKNOWN_FILTER", false);
    says("- macro: m\n  condition: new.field = 1\n" RULE(
             "s", "m") "  skip-if-unknown-filter: true\n" RULE("t", "m"),
         "error: unknown field 'new.field'", true);
    says(RULE("r", "proc.name = sh") "  source: k8s_audit\n", "LOAD_UNKNOWN_SOURCE", false);
    says(RULE("r", "proc.name = sh") "  confidence: 2\n", "not a number from 0 to 1", true);
}

static void test_exceptions(void **state)
{
    struct world *w = *state;
#define WITH(exceptions) RULE("r", "proc.name = sh or proc.name = x") "  exceptions:\n" exceptions
    assert_string_equal(
        fires(
            w,
            WITH("  - {name: e, fields: [proc.name, proc.tty], values: [[sh, 1], [sh, 34816]]}\n")),
        "");
    assert_string_equal(
        fires(w, WITH("  - {name: e, fields: [proc.name, proc.tty], values: [[sh, 1]]}\n")), "r,");
    assert_string_equal(fires(w, WITH("  - {name: e, fields: [proc.name, proc.exepath], comps: [=, "
                                      "endswith], values: [[sh, box]]}\n")),
                        "");
    assert_string_equal(fires(w, WITH("  - {name: e, fields: proc.name, values: [bash, sh]}\n")),
                        "");
    assert_string_equal(
        fires(w, WITH("  - {name: e, fields: proc.exepath, comps: pmatch, values: [/bin]}\n")), "");
    assert_string_equal(fires(w, WITH("  - {name: e, fields: proc.exepath, comps: startswith "
                                      "anyof, values: [/sbin, /bin]}\n")),
                        "");
    assert_string_equal(fires(w, WITH("  - {name: e, fields: [proc.name, proc.pname], comps: [in, "
                                      "=], values: [[[sh, ash], nginx]]}\n")),
                        "");
    assert_string_equal(
        fires(w, "- list: l\n  items: [sh]\n" WITH(
                     "  - {name: e, fields: [proc.name], comps: [in], values: [[l]]}\n")),
        "");
    assert_string_equal(
        fires(w, WITH("  - {name: e, fields: [\"proc.args[1]\"], values: [[id -u]]}\n")), "");
    assert_string_equal(
        fires(w, WITH("  - {name: e, fields: [proc.name]}\n") "- rule: r\n  append: true\n  "
                                                              "exceptions:\n  - {name: e, values: "
                                                              "[[sh]]}\n"),
        "");
    assert_string_equal(
        fires(w, WITH("  - {name: e, fields: proc.name}\n") "- rule: r\n  override: {exceptions: "
                                                            "append}\n  exceptions:\n  - {name: f, "
                                                            "fields: proc.name, values: [sh]}\n"),
        "");
    assert_string_equal(
        fires(w,
              WITH("  - {name: e, fields: proc.name, values: [sh]}\n") "- rule: r\n  override: "
                                                                       "{exceptions: replace}\n  "
                                                                       "exceptions:\n  - {name: e, "
                                                                       "fields: proc.name, values: "
                                                                       "[x]}\n"),
        "r,");
    says(WITH("  - {name: e, fields: [proc.name], comps: [=, =], values: [[sh]]}\n"), "same shape",
         true);
    says(WITH("  - {name: e, fields: proc.name, comps: '=', values: [sh]}\n"),
         "can't be compared with a list", true);
    says(WITH("  - {name: e, fields: [proc.nme], values: [[sh]]}\n"), "did you mean 'proc.name'?",
         true);
    says(WITH("  - {name: e, fields: [proc.name, proc.tty], values: [[sh]]}\n"),
         "must fit its fields", true);
    says(WITH("  - {name: e, fields: [proc.name], comps: [similar], values: [[sh]]}\n"),
         "is no operator", true);
    says(WITH("  - {name: e, fields: proc.name}\n  - {name: e, fields: proc.name}\n"),
         "LOAD_EXCEPTION_NAME_NOT_UNIQUE", false);
    says(WITH("  - {name: e, fields: proc.name}\n") "- rule: r\n  append: true\n  exceptions:\n  - "
                                                    "{name: e}\n",
         "LOAD_APPEND_NO_VALUES", false);
}

// Where a mistake is, also inside folded blocks, quotes and appended text.
static void test_places(void **state)
{
    says("- macro: m\n  condition: >\n    proc.name = sh\n\n      and proc.nme = x\n    and fd.nam "
         "= y\n" RULE("r", "m"),
         "rules.yaml:5:11: error: unknown field 'proc.nme'", true);
    says("- macro: m\n  condition: >\n    proc.name = sh\n\n      and proc.nme = x\n    and fd.nam "
         "= y\n" RULE("r", "m"),
         "rules.yaml:6:9: error: unknown field 'fd.nam'", true);
    says("- macro: m\n  condition: |\n    proc.name = sh and\n    prc.name = x\n" RULE("r", "m"),
         "rules.yaml:4:5:", true);
    says("- macro: m\n  condition: \"proc.name = \\\"sh\\\" and\n    prc.name = x\"\n" RULE("r",
                                                                                            "m"),
         "rules.yaml:3:5:", true);
    says("- macro: m\n  condition: 'proc.name = ''sh'' and prc.name = x'\n" RULE("r", "m"),
         "rules.yaml:2:38:", true);
    says("- macro: m\n  condition: proc.name = \"ö\" and prc.name = x\n" RULE("r", "m"),
         "rules.yaml:2:34:", true);
    says(RULE("r", "proc.name = sh") "- rule: r\n  append: true\n  condition: and prc.name = x\n",
         "rules.yaml:8:18:", true);
    // A list's wrong item is shown where the list is used.
    says("- list: l\n  items: [1, x]\n" RULE("r", "proc.pid in (l)"),
         "rules.yaml:5:27: error: 'x' is not a valid number", true);
    // Everything at once, in the file's order, the line shown.
    says(RULE("r", "proc.nme = a or fd.nme = b") RULE("s", "evt.type = opn"),
         "rules.yaml:3:14: error: unknown field 'proc.nme'", true);
    says(RULE("r", "proc.nme = a or fd.nme = b") RULE("s", "evt.type = opn"),
         "rules.yaml:3:30: error: unknown field 'fd.nme'", true);
    says(RULE("r", "proc.nme = a or fd.nme = b") RULE("s", "evt.type = opn"),
         "rules.yaml:8:25: error: unknown event type opn", true);
    says(RULE("r", "proc.nme = a"), "    condition: proc.nme = a\n", true);
}

static void test_outputs_and_findings(void **state)
{
    struct world *w = *state;
    struct ruleset *r =
        rules_of("- rule: Shell\n  desc: d\n  condition: proc.name = sh\n  priority: info\n  tags: "
                 "[z, a]\n  confidence: 0.5\n"
                 "  output: \" a %proc.name. b=%proc.namex %6proc.name|%2proc.cmdline|%fd.name "
                 "%proc.aname[1] %toupper(proc.name) %proc.env %evt.arg.filename! \"\n",
                 NULL);
    assert_non_null(r);
    assert_int_equal(world_match(w, r), 1);
    char text[512];
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(w->last.output));
    assert_string_equal(text, "a sh. b=shx sh    |sh|<NA> nginx SH <NA> /bin/busybox! "
                              "container_id=0123456789ab container_name=shop"
                              " container_image_repository=registry:5000/example/shop "
                              "container_image_tag=1.2 k8s_pod_name=shop-1 k8s_ns_name=sales");
    static const char *const keys[] = {"evt.time",         "proc.name",     "proc.cmdline",
                                       "fd.name",          "proc.aname[1]", "proc.env",
                                       "evt.arg.filename", "container.id"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!str_eq(w->last.fields[i].key, str_of(keys[i])))
            fail_msg("field %zu is " STR_FMT ", not %s", i, STR_ARG(w->last.fields[i].key),
                     keys[i]);
    assert_int_equal(w->last.fields[0].number, w->last.wall.ns);
    assert_true(w->last.fields[3].null);
    assert_int_equal(w->last.severity, SEVERITY_INFORMATIONAL);
    assert_true(w->last.confidence == 0.5);
    assert_int_equal(w->last.tags_n, 2);
    assert_true(str_eq(w->last.tags[0], STR("a")));
    assert_int_equal(w->last.chain_n, 3);
    assert_true(str_eq(w->last.chain[2].comm, STR("init")));
    assert_int_equal(w->last.objects_n, 1);
    assert_int_equal(w->last.objects[0].ino, 77);
    assert_int_equal(w->last.container, 7);
    assert_int_equal(w->last.lineage, 9);
    assert_false(id_is_zero(w->last.id));
    assert_false(w->last.lossy);
    w->box.lossy = true;
    world_match(w, r);
    assert_true(w->last.lossy);
    ruleset_free(r);
    says("- rule: r\n  desc: d\n  condition: proc.name = sh\n  priority: info\n  output: a "
         "%nope.x\n",
         "unknown field 'nope.x'", true);
    says("- rule: r\n  desc: d\n  condition: proc.name = sh\n  priority: info\n  output: 100%\n",
         "no field follows this %", true);
    says("- rule: r\n  desc: d\n  condition: proc.name = sh\n  priority: info\n  output: a "
         "%fd.net\n",
         "only be compared", true);
    says("- rule: r\n  desc: d\n  condition: proc.name = sh\n  priority: info\n  output: a "
         "%container.info\n",
         "LOAD_DEPRECATED_ITEM", false);
}

static bool asks(const struct ruleset *r, bool host, uint16_t kind)
{
    struct interest i = {0};
    ruleset_interest(r, &i);
    return kind_set_has(host ? &i.host : &i.containers, kind);
}

static void test_interest(void **state)
{
    struct ruleset *r =
        rules_of(RULE("r", "evt.type in (open, openat) and container.id != host"), NULL);
    assert_true(asks(r, false, BH_OPEN) && !asks(r, true, BH_OPEN) && !asks(r, false, BH_EXEC));
    ruleset_free(r);
    r = rules_of(
        RULE("r", "evt.type in (execve, connect) and container.id = host and proc.name = x"), NULL);
    assert_true(asks(r, true, BH_EXEC) && asks(r, true, BH_CONNECT) && !asks(r, false, BH_EXEC) &&
                !asks(r, true, BH_OPEN));
    ruleset_free(r);
    // What a field asks for counts too: no event but an open has one.
    r = rules_of(RULE("r", "evt.is_open_write = true"), NULL);
    assert_true(asks(r, true, BH_OPEN) && asks(r, false, BH_OPEN) && !asks(r, false, BH_EXEC));
    ruleset_free(r);
    r = rules_of(RULE("r", "container.image.repository = x and evt.type = execve"), NULL);
    assert_true(!asks(r, true, BH_EXEC) && asks(r, false, BH_EXEC));
    ruleset_free(r);
    r = rules_of(RULE("r", "evt.num = 0") RULE("s", "proc.name = x"), NULL);
    assert_true(asks(r, true, BH_FORK) && !asks(r, true, BH_STORM) &&
                !asks(r, false, BH_RESOURCE)); // our own kinds only by name
    ruleset_free(r);
    r = rules_of(RULE("r", "evt.type in (storm, loss)"), NULL);
    assert_true(asks(r, true, BH_STORM) && asks(r, false, BH_LOSS) && !asks(r, true, BH_EXEC));
    ruleset_free(r);
    r = rules_of(RULE("r", "evt.num = 0"), NULL);
    assert_false(asks(r, true, BH_EXEC) || asks(r, false, BH_EXEC));
    ruleset_free(r);
}

static void test_first_match_and_floor(void **state)
{
    struct world *w = *state;
    struct source one = {SOURCE_RULES, STR("r.yaml"),
                         str_of(RULE("any", "proc.name = sh")
                                    RULE("typed", "evt.type = execve and proc.name = sh")
                                        RULE("later", "evt.type = execve"))};
    struct sources s = {.list = &one, .n = 1};
    struct diag_list d = {0};
    struct ruleset *r = ruleset_compile(
        &s, &(struct rule_options){.min_severity = SEVERITY_DEBUG, .first_match = true}, &d);
    world_match(w, r);
    assert_string_equal(w->fired,
                        "typed,"); // rules with event types come first, then only one fires
    ruleset_free(r);
    r = ruleset_compile(&s, &(struct rule_options){.min_severity = SEVERITY_DEBUG}, &d);
    world_match(w, r);
    assert_string_equal(w->fired, "any,typed,later,");
    ruleset_free(r);
    r = ruleset_compile(&s, &(struct rule_options){.min_severity = SEVERITY_WARNING}, &d);
    assert_int_equal(ruleset_rules(r), 0); // NOTICE is below the floor
    ruleset_free(r);
    diag_list_done(&d);
}

static void test_explain(void **state)
{
    struct ruleset *r =
        rules_of("- list: l\n  items: [sh, bash]\n- macro: m\n  condition: proc.name in (l)\n" RULE(
                     "Shell", "evt.type = execve and m and container.id != host"),
                 NULL);
    struct buf out = {0};
    struct error err = {0};
    assert_int_equal(ruleset_explain(r, STR("Shell"), false, &out, &err), 0);
    static const char *const parts[] = {
        "at: rules.yaml:5:3",
        "condition: evt.type = execve and m and",
        "resolved: evt.type = execve and proc.name in (sh, bash) and container.id != host",
        "event types: execve\n",
        "of host for: nothing",
        "of containers for: exec",
        "proc.name: constant of the exec",
        "code for exec of containers:",
        "match"};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!strstr(out.ptr, parts[i]))
            fail_msg("no '%s' in:\n%s", parts[i], out.ptr);
    assert_int_equal(ruleset_explain(r, STR("Shel"), false, &out, &err), -2);
    assert_non_null(strstr(err.message, "did you mean 'Shell'"));
    ruleset_free(r);
    buf_done(&out);
}

static void test_what_is_in_the_image(void **state)
{
    struct world *w = *state;
    assert_string_equal(field(w, "proc.is_exe_in_image"), "true"); // lower layer
    w->image.exe.flags = BH_FILE_OVERLAY | BH_FILE_UPPER;
    assert_string_equal(field(w, "proc.is_exe_in_image"), "false");
    w->image.exe.flags = BH_FILE_MEMFD;
    assert_string_equal(field(w, "proc.is_exe_in_image"), "false");
    w->image.exe.flags = 0; // a plain folder: what counts is when it changed last
    assert_string_equal(field(w, "proc.is_exe_in_image"), "<NA>");
    uint64_t made = w->box.created + (uint64_t)w->env.wall_minus_boot;
    w->image.exe.ctime = made - 1;
    assert_string_equal(field(w, "proc.is_exe_in_image"), "true");
    w->image.exe.ctime = made + 1;
    assert_string_equal(field(w, "proc.is_exe_in_image"), "false");
    assert_string_equal(field(w, "proc.is_runtime"), "false");
    w->image.exec_mnt_ns = 1; // the host's: a runtime on its way in
    assert_string_equal(field(w, "proc.is_runtime"), "true");
    w->box.host_mnt = true;
    assert_string_equal(field(w, "proc.is_runtime"), "<NA>");
    w->image.tty = 136 << 20 | 3; // the kernel's pts/3
    assert_string_equal(field(w, "proc.tty"), "34819");
}

static void test_every_field_answers_or_is_null(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < model_fields_n; i++) {
        assert_true(i == 0 || strcmp(model_fields[i - 1].name, model_fields[i].name) < 0);
        assert_ptr_equal(field_by_name(str_of(model_fields[i].name)), &model_fields[i]);
        if (model_fields[i].argument < 2)
            field(w, model_fields[i].name);
    }
    struct buf out = {0};
    struct json j = json_on(&out);
    rule_event_json(w->scratch, &w->env, &w->event, &j);
    assert_non_null(strstr(out.ptr, "\"proc.cmdline\":\"sh -c id -u\""));
    assert_null(strstr(out.ptr, "\"fd.name\""));
    buf_reset(&out);
    rule_event_text(w->scratch, &w->env, &w->event, &out);
    assert_non_null(
        strstr(out.ptr, "execve shop sh(30) /bin/busybox args=-c id -u cwd=/srv/ parent=nginx"));
    buf_done(&out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_lists),
        T(test_macros),
        T(test_rules),
        T(test_exceptions),
        T(test_places),
        T(test_outputs_and_findings),
        T(test_interest),
        T(test_first_match_and_floor),
        T(test_explain),
        T(test_what_is_in_the_image),
        T(test_every_field_answers_or_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
