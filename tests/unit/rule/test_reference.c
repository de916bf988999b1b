// Random rules over random events against a slow, obvious reading of the language. The reference
// knows what it put into the event and compares C strings and numbers; it shares nothing with the
// compiler: no lists, no macros, no graph, no code. What a rule asks of the kernel is checked too:
// where the reference fires, the kind must have been asked for.
#include "world.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> // needs those above

enum { ROUNDS = 1500, RULES = 6, MACROS = 5, EVENTS = 25, MAX_PARTS = 4096 };

static uint64_t state = 20261124;
static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % n;
}

// ── what the reference knows of an event ─────────────────────────────────────────────────────

enum key {
    TYPE,
    NAME,
    EXEPATH,
    PNAME,
    CONTAINER,
    IMAGE,
    FDNAME,
    TTY,
    UID,
    FDNUM,
    SPORT,
    WRITE,
    PRIVILEGED,
    STARTED,
    KEYS
};
static const struct {
    const char *name;
    enum { TEXT, NUMBER, TRUTH } type;
} keys[KEYS] = {{"evt.type", TEXT},
                {"proc.name", TEXT},
                {"proc.exepath", TEXT},
                {"proc.pname", TEXT},
                {"container.id", TEXT},
                {"container.image.repository", TEXT},
                {"fd.name", TEXT},
                {"proc.tty", NUMBER},
                {"user.uid", NUMBER},
                {"fd.num", NUMBER},
                {"fd.sport", NUMBER},
                {"evt.is_open_write", TRUTH},
                {"container.privileged", TRUTH},
                {"container.started", TRUTH}};
struct known {
    bool null[KEYS];
    const char *text[KEYS];
    long long number[KEYS];
    const char *ancestors[2]; // parent, grandparent
    int ancestors_n;
};

static const char *const names[] = {"sh", "bash", "nginx", "busybox", "s", "SH"};
static const char *const paths[] = {"/bin/sh",     "/bin/busybox", "/tmp/x",       "/bin",
                                    "/etc/shadow", "/etc/Shadow",  "/etc/shadow/x"};
static const char *const types[] = {"execve", "openat", "open", "connect",
                                    "setuid", "clone",  "bpf"};
static const char *const texts[] = {"sh",
                                    "bash",
                                    "/bin",
                                    "/",
                                    "s",
                                    "",
                                    "host",
                                    "x",
                                    "shop",
                                    "/etc/*",
                                    "b*",
                                    "?h",
                                    "10.0.0.1:40000->192.0.2.9:443",
                                    "shadow",
                                    "0123456789ab",
                                    "nginx"};

// ── conditions ───────────────────────────────────────────────────────────────────────────────

enum shape { AND, OR, NOT, CHECK, MACRO };
static const char *const operators[] = {"=",
                                        "!=",
                                        "in",
                                        "contains",
                                        "startswith",
                                        "endswith",
                                        "pmatch",
                                        "glob",
                                        "exists",
                                        "icontains",
                                        "intersects",
                                        "<",
                                        "<=",
                                        ">",
                                        ">=",
                                        "==",
                                        "startswith anyof",
                                        "!= allof",
                                        "contains oneof"};
struct part {
    enum shape shape;
    struct part *kids[4];
    int n, op, key; // key KEYS: any ancestor's name
    const char *values[12];
    long long numbers[12];
    int values_n, macro;
};
static struct part parts[MAX_PARTS];
static int parts_n;

static struct part *condition(int depth, int macros)
{
    assert_true(parts_n < MAX_PARTS);
    struct part *p = &parts[parts_n++];
    *p = (struct part){.shape = depth <= 0 ? CHECK : (enum shape)pick(4)};
    if (macros > 0 && pick(4) == 0) {
        p->shape = MACRO;
        p->macro = (int)pick((unsigned)macros);
        return p;
    }
    if (p->shape != CHECK) {
        p->n = p->shape == NOT ? 1 : 2 + (int)pick(2);
        for (int i = 0; i < p->n; i++)
            p->kids[i] = condition(depth - 1, macros);
        return p;
    }
    p->key = (int)pick(KEYS + 1);
    int type = p->key == KEYS ? TEXT : (int)keys[p->key].type;
    static const int text_ops[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18},
                     number_ops[] = {0, 1, 2, 8, 10, 11, 12, 13, 14, 15}, truth_ops[] = {0, 1, 8};
    p->op = type == TEXT     ? text_ops[pick(15)]
            : type == NUMBER ? number_ops[pick(10)]
                             : truth_ops[pick(3)];
    if (p->key == TYPE) { // words of this field must be event types
        static const int type_ops[] = {0, 1, 2, 8};
        p->op = type_ops[pick(4)];
    }
    bool list = p->op == 2 || p->op == 6 || p->op == 10 || p->op >= 16;
    p->values_n = p->op == 8 ? 0 : list ? (int)pick(pick(4) == 0 ? 12 : 4) : 1;
    for (int i = 0; i < p->values_n; i++) {
        static const long long numbers[] = {-1, 0, 1, 3, 443, 1000, 34816};
        p->numbers[i] = numbers[pick(7)];
        if (p->numbers[i] < 0 && p->key != FDNUM)
            p->numbers[i] = 2;
        p->values[i] = p->key == TYPE ? types[pick(7)]
                       : pick(3) == 0 ? paths[pick(7)]
                       : pick(2)      ? names[pick(6)]
                                      : texts[pick(16)];
    }
    return p;
}

static void write_part(struct buf *b, const struct part *p)
{
    switch (p->shape) {
    case AND:
    case OR:
        buf_char(b, '(');
        for (int i = 0; i < p->n; i++) {
            buf_text(b, i == 0 ? "" : p->shape == AND ? " and " : " or ");
            write_part(b, p->kids[i]);
        }
        buf_char(b, ')');
        return;
    case NOT:
        buf_text(b, pick(2) ? "not " : "not (");
        if (b->ptr[b->len - 1] == '(') {
            write_part(b, p->kids[0]);
            buf_char(b, ')');
        } else {
            write_part(b, p->kids[0]);
        }
        return;
    case MACRO:
        buf_printf(b, "m%d", p->macro);
        return;
    case CHECK:
        break;
    }
    bool list = p->op == 2 || p->op == 6 || p->op == 10 || p->op >= 16;
    buf_printf(b, "%s %s", p->key == KEYS ? "proc.aname" : keys[p->key].name, operators[p->op]);
    buf_text(b, p->op == 8 ? "" : list ? " (" : " ");
    for (int i = 0; i < p->values_n; i++) {
        int type = p->key == KEYS ? TEXT : (int)keys[p->key].type;
        buf_text(b, i ? ", " : "");
        if (type == NUMBER)
            buf_printf(b, "%lld", p->numbers[i]);
        else if (type == TRUTH)
            buf_text(b, p->numbers[i] > 2 ? "true" : "false");
        else
            buf_printf(b, "\"%s\"", p->values[i]);
    }
    buf_text(b, list && p->op != 8 ? ")" : "");
}

// ── the reference ────────────────────────────────────────────────────────────────────────────

static bool prefix_of_path(const char *prefix, const char *path)
{
    // Component by component, empty ones dropped; each may be a pattern.
    char one[64], other[64];
    for (;;) {
        while (*prefix == '/')
            prefix++;
        while (*path == '/')
            path++;
        if (!*prefix)
            return true;
        if (!*path)
            return false;
        size_t n = strcspn(prefix, "/"), m = strcspn(path, "/");
        snprintf(one, sizeof(one), "%.*s", (int)n, prefix);
        snprintf(other, sizeof(other), "%.*s", (int)m, path);
        if (fnmatch(one, other, 0) != 0)
            return false;
        prefix += n;
        path += m;
    }
}

static bool text_fits(const char *op, const char *v, const char *r)
{
    size_t vn = strlen(v), rn = strlen(r);
    if (strcmp(op, "=") == 0 || strcmp(op, "==") == 0 || strcmp(op, "in") == 0 ||
        strcmp(op, "intersects") == 0)
        return strcmp(v, r) == 0;
    if (strncmp(op, "!=", 2) == 0)
        return strcmp(v, r) != 0;
    if (strncmp(op, "contains", 8) == 0)
        return strstr(v, r) != NULL;
    if (strcmp(op, "icontains") == 0)
        return strcasestr(v, r) != NULL;
    if (strncmp(op, "startswith", 10) == 0)
        return strncmp(v, r, rn) == 0;
    if (strcmp(op, "endswith") == 0)
        return vn >= rn && strcmp(v + vn - rn, r) == 0;
    if (strcmp(op, "glob") == 0)
        return fnmatch(r, v, 0) == 0;
    return prefix_of_path(r, v);
}

static bool number_fits(const char *op, long long v, long long r)
{
    if (strcmp(op, "!=") == 0)
        return v != r;
    if (strcmp(op, "<") == 0)
        return v < r;
    if (strcmp(op, "<=") == 0)
        return v <= r;
    if (strcmp(op, ">") == 0)
        return v > r;
    if (strcmp(op, ">=") == 0)
        return v >= r;
    return v == r;
}

static bool check_text(const struct part *p, const char *v)
{
    const char *op = operators[p->op];
    int hits = 0;
    if (strcmp(op, "exists") == 0)
        return true;
    for (int i = 0; i < p->values_n; i++)
        hits += text_fits(op, v, p->values[i]);
    if (strstr(op, "allof"))
        return p->values_n > 0 && hits == p->values_n;
    if (strstr(op, "oneof"))
        return hits == 1;
    return hits > 0;
}

static struct part *macros[MACROS];

static bool truth(const struct part *p, const struct known *k)
{
    switch (p->shape) {
    case AND:
        for (int i = 0; i < p->n; i++)
            if (!truth(p->kids[i], k))
                return false;
        return true;
    case OR:
        for (int i = 0; i < p->n; i++)
            if (truth(p->kids[i], k))
                return true;
        return false;
    case NOT:
        return !truth(p->kids[0], k);
    case MACRO:
        return truth(macros[p->macro], k);
    case CHECK:
        break;
    }
    if (p->key == KEYS) {
        for (int i = 0; i < k->ancestors_n; i++)
            if (check_text(p, k->ancestors[i]))
                return true;
        return false;
    }
    if (k->null[p->key])
        return false;
    if (keys[p->key].type == TEXT)
        return check_text(p, k->text[p->key]);
    if (p->op == 8)
        return true;
    for (int i = 0; i < p->values_n; i++)
        if (number_fits(operators[p->op], k->number[p->key],
                        keys[p->key].type == TRUTH ? p->numbers[i] > 2 : p->numbers[i]))
            return true;
    return false;
}

// ── events ───────────────────────────────────────────────────────────────────────────────────

static void text_is(struct known *k, enum key key, const char *text)
{
    k->null[key] = false;
    k->text[key] = text;
}
static void number_is(struct known *k, enum key key, long long v)
{
    k->null[key] = false;
    k->number[key] = v;
}

static void random_event(struct world *w, struct known *k)
{
    bool host = pick(3) == 0, known = pick(3) != 0;
    for (int i = 0; i < KEYS; i++)
        k->null[i] = true;
    world_on_host(w, host);
    w->box.facts = known ? &w->facts : &w->no_facts;
    w->facts.privileged = (enum tri)pick(3);
    w->box.first_exec = pick(3) == 0 ? 0 : 100 * NSEC_PER_SEC;
    w->process.parent = pick(4) == 0 ? NULL : &w->parent;
    const char *pname = names[pick(6)], *name = names[pick(6)], *path = paths[pick(7)];
    w->parent_image.comm = str_of(pname);
    w->image.comm = str_of(name);
    w->image.path = str_of(path);
    w->image.tty = pick(2) ? 0 : 34816;
    w->image.creds.euid = pick(2) ? 0 : 1000;
    text_is(k, NAME, name);
    text_is(k, EXEPATH, path);
    number_is(k, TTY, w->image.tty);
    number_is(k, UID, w->image.creds.euid);
    k->ancestors_n = 0;
    if (w->process.parent) {
        text_is(k, PNAME, pname);
        k->ancestors[k->ancestors_n++] = pname;
        k->ancestors[k->ancestors_n++] = "init";
    }
    text_is(k, CONTAINER, host ? "host" : "0123456789ab");
    if (!host) {
        number_is(k, STARTED, w->box.first_exec != 0);
        if (known) {
            w->facts.image = STR("shop:1");
            text_is(k, IMAGE, "shop");
            if (w->facts.privileged != UNKNOWN)
                number_is(k, PRIVILEGED, w->facts.privileged == YES);
        }
    }
    switch (pick(5)) {
    case 0:
        world_exec(w, path, name, (struct str){"a\0", 2});
        text_is(k, TYPE, "execve");
        break;
    case 1: {
        const char *opened = paths[pick(7)];
        bool works = pick(3) != 0, writes = pick(2);
        world_open(w, opened, opened, writes ? O_WRONLY : O_RDONLY, works ? 3 : -2);
        text_is(k, TYPE, "openat");
        text_is(k, FDNAME, opened);
        number_is(k, FDNUM, works ? 3 : -1);
        number_is(k, WRITE, writes);
        break;
    }
    case 2:
        world_net(w, BH_CONNECT, BH_CALL_CONNECT, "10.0.0.1", 40000, "192.0.2.9", 443);
        text_is(k, TYPE, "connect");
        text_is(k, FDNAME, "10.0.0.1:40000->192.0.2.9:443");
        number_is(k, SPORT, 443);
        break;
    case 3: {
        struct bh_cred_change c = {.old = w->image.creds,
                                   .now = w->image.creds,
                                   .call = pick(2) ? BH_CALL_SETUID : BH_CALL_NONE};
        world_fixed(w, BH_CRED, &c, sizeof(c));
        text_is(k, TYPE, c.call ? "setuid" : "cred");
        break;
    }
    default: {
        struct bh_fork f = {.child = 31};
        world_fixed(w, BH_FORK, &f, sizeof(f));
        text_is(k, TYPE, "clone");
        break;
    }
    }
}

static void one_round(struct world *w)
{
    struct part *rules[RULES];
    _cleanup_buf_ struct buf yaml = {0}, said = {0};
    parts_n = 0;
    for (int i = 0; i < MACROS; i++) {
        macros[i] = condition(2, i);
        buf_printf(&yaml, "- macro: m%d\n  condition: '", i);
        write_part(&yaml, macros[i]);
        buf_text(&yaml, "'\n");
    }
    for (int i = 0; i < RULES; i++) {
        rules[i] = condition(3, MACROS);
        buf_printf(&yaml, "- rule: r%d\n  desc: d\n  output: o\n  priority: INFO\n  condition: '",
                   i);
        write_part(&yaml, rules[i]);
        buf_text(&yaml, "'\n");
    }
    struct ruleset *r = rules_of(yaml.ptr, &said);
    if (!r)
        fail_msg("%s\n%s", yaml.ptr, said.ptr);
    struct interest asked = {0};
    ruleset_interest(r, &asked);
    for (int e = 0; e < EVENTS; e++) {
        struct known k = {0};
        char expected[256] = "";
        random_event(w, &k);
        for (int i = 0; i < RULES; i++)
            if (truth(rules[i], &k))
                snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "r%d,",
                         i);
        world_match(w, r);
        if (strcmp(expected, w->fired) != 0)
            fail_msg("%s\nevent %s of %s by %s: expected '%s', fired '%s'", yaml.ptr, k.text[TYPE],
                     k.text[CONTAINER], k.text[NAME], expected, w->fired);
        const struct bh_kind_set *set =
            w->event.container == &w->host ? &asked.host : &asked.containers;
        if (expected[0] && !kind_set_has(set, w->event.rec->kind))
            fail_msg("%s\nfires on %s, which it does not ask for", yaml.ptr, k.text[TYPE]);
    }
    ruleset_free(r);
}

static void test_rules_agree_with_the_reference(void **unused)
{
    struct world w;
    world_init(&w);
    for (int i = 0; i < ROUNDS; i++)
        one_round(&w);
    world_done(&w);
}

// print → parse → print is a fixed point, and both mean the same.
static void test_explained_condition_means_the_same(void **unused)
{
    struct world w;
    world_init(&w);
    for (int round = 0; round < 300; round++) {
        _cleanup_buf_ struct buf yaml = {0}, first = {0}, second = {0};
        struct error err = {0};
        parts_n = 0;
        struct part *p = condition(3, 0);
        buf_text(&yaml, "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: '");
        write_part(&yaml, p);
        buf_text(&yaml, "'\n");
        struct ruleset *r = rules_of(yaml.ptr, NULL);
        assert_non_null(r);
        assert_int_equal(ruleset_explain(r, STR("r"), false, &first, &err), 0);
        ruleset_free(r);
        char *resolved = strstr(first.ptr, "\nresolved: ") + strlen("\nresolved: ");
        *strchr(resolved, '\n') = 0;
        buf_reset(&yaml);
        buf_text(&yaml, "- rule: r\n  desc: d\n  output: o\n  priority: INFO\n  condition: '");
        buf_text(&yaml, resolved);
        buf_text(&yaml, "'\n");
        r = rules_of(yaml.ptr, NULL);
        if (!r)
            fail_msg("does not parse again: %s", yaml.ptr);
        assert_int_equal(ruleset_explain(r, STR("r"), false, &second, &err), 0);
        char *again = strstr(second.ptr, "\nresolved: ") + strlen("\nresolved: ");
        *strchr(again, '\n') = 0;
        assert_string_equal(resolved, again);
        for (int e = 0; e < 10; e++) {
            struct known k = {0};
            random_event(&w, &k);
            if ((world_match(&w, r) == 1) != truth(p, &k))
                fail_msg("means something else: %s", yaml.ptr);
        }
        ruleset_free(r);
    }
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_agree_with_the_reference),
        cmocka_unit_test(test_explained_condition_means_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
