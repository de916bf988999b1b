// desired state: which rows there are after any history of policies, containers, decisions and
// operators' words; that emitted changes add up to them; that numbers survive a restart; and that a
// slow, obvious reference agrees.
#include "enforce/enforce.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MAX_SEEN = 4096, CONTAINERS = 6, POLICIES = 4, INCIDENTS = 3, STEPS = 4000 };

// What the emitted changes add up to.
struct seen {
    uint64_t number;
    struct id id;
    uint32_t container;
    enum row_kind kind;
    enum row_mode mode;
    int32_t priority;
    enum bh_object object;
    char path[64], owner[64];
    uint8_t level;
    uint64_t until, ctime;
    bool spare_runtime;
};
struct view {
    struct seen rows[MAX_SEEN];
    size_t n;
    size_t added, changed, removed, expired;
    uint64_t digest; // of the whole stream
};

static void text_copy(char *to, size_t size, struct str s)
{
    snprintf(to, size, STR_FMT, STR_ARG(s));
}

static void on_change(void *ctx, const struct row *r, enum row_change change)
{
    struct view *v = ctx;
    uint64_t word[6] = {v->digest, r->number, change, r->mode, r->until, r->since};
    v->digest = hash64(word, sizeof(word));
    size_t i = 0;
    while (i < v->n && v->rows[i].number != r->number)
        i++;
    if (change == ROW_ADDED) {
        assert_int_equal(i, v->n); // nothing is added twice
        assert_true(v->n < MAX_SEEN);
        v->n++;
        v->added++;
    } else {
        assert_true(i < v->n); // only what is there changes or goes
    }
    if (change == ROW_REMOVED || change == ROW_EXPIRED) {
        v->removed += change == ROW_REMOVED;
        v->expired += change == ROW_EXPIRED;
        v->rows[i] = v->rows[--v->n];
        return;
    }
    v->changed += change == ROW_CHANGED;
    assert_true(r->container != 0); // never the host
    struct seen *s = &v->rows[i];
    *s = (struct seen){.number = r->number,
                       .id = r->id,
                       .container = r->container,
                       .kind = r->kind,
                       .mode = r->mode,
                       .priority = r->priority,
                       .object = r->object,
                       .level = r->level,
                       .until = r->until,
                       .ctime = r->ctime,
                       .spare_runtime = r->spare_runtime};
    text_copy(s->path, sizeof(s->path), r->path);
    text_copy(s->owner, sizeof(s->owner), r->owner_name);
}

static struct facts facts_none = {.source = ""};

static struct container oci(uint32_t number, const char *id, const struct facts *f)
{
    return (struct container){.number = number,
                              .type = CONTAINER_OCI,
                              .id = str_of(id),
                              .cgroup_path = str_of("/some/where"),
                              .created = 1000 + number,
                              .facts = f};
}

static struct policy deny_one(const char *name, enum bh_object object, struct exec_deny *deny,
                              const char *path)
{
    *deny = (struct exec_deny){.object = object, .path = str_of(path), .line = 7};
    return (struct policy){.name = str_of(name),
                           .file = str_of("p.yaml"),
                           .mode = MODE_ENFORCE,
                           .deny = deny,
                           .deny_n = 1,
                           .reason = str_of("why not")};
}

static const struct seen *only(const struct view *v)
{
    assert_int_equal(v->n, 1);
    return &v->rows[0];
}

static void test_a_selector_that_cannot_be_told_yet_gives_no_row(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct exec_deny deny;
    struct policy p = deny_one("p", BH_OBJECT_PATH, &deny, "/bin/nc");
    p.selector.image = STR("nginx*");
    const struct documents docs = {.policies = &p, .policies_n = 1};
    desired_policies(d, &docs, 1, 10, on_change, &v);
    struct container c = oci(5, "abc", &facts_none);
    desired_container(d, &c, 11, on_change, &v);
    assert_int_equal(v.n, 0); // image unknown: neither yes nor no
    struct facts nginx = {.version = 1, .source = "bundle", .image = STR("nginx:1")};
    c.facts = &nginx;
    desired_container(d, &c, 12, on_change, &v);
    assert_int_equal(only(&v)->container, 5);
    assert_string_equal(only(&v)->path, "/bin/nc");
    assert_true(only(&v)->spare_runtime);
    const struct row *r = desired_row(d, only(&v)->number);
    assert_true(str_eq(r->where, STR("p.yaml:7")));
    assert_true(str_eq(r->container_id, STR("abc")));
    struct facts redis = {.version = 2, .source = "bundle", .image = STR("redis:7")};
    c.facts = &redis;
    desired_container(d, &c, 13, on_change, &v);
    assert_int_equal(v.n, 0);
    desired_free(d);
}

static void test_the_host_and_its_services_are_left_alone(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct exec_deny deny[2];
    struct policy p[2] = {deny_one("all", BH_OBJECT_ANY, &deny[0], ""),
                          deny_one("named", BH_OBJECT_ANY, &deny[1], "")};
    p[1].selector.name = STR("cron*");
    const struct documents docs = {.policies = p, .policies_n = 2};
    desired_policies(d, &docs, 1, 1, on_change, &v);
    struct container host = {
        .number = 0, .type = CONTAINER_HOST, .id = STR("host"), .facts = &facts_none};
    struct container service = {
        .number = 3, .type = CONTAINER_CGROUP, .id = STR("ssh.service"), .facts = &facts_none};
    struct container meant = {
        .number = 4, .type = CONTAINER_CGROUP, .id = STR("cron.service"), .facts = &facts_none};
    desired_container(d, &host, 2, on_change, &v);
    desired_container(d, &service, 2, on_change, &v);
    assert_int_equal(v.n, 0);
    desired_container(d, &meant, 2, on_change, &v);
    assert_int_equal(only(&v)->container, 4);
    assert_false(only(&v)->spare_runtime); // a plain cgroup has no runtime
    desired_free(d);
}

static void test_numbers_survive_a_restart(void **state)
{
    struct exec_deny deny[3];
    struct policy p[3] = {deny_one("a", BH_OBJECT_PATH, &deny[0], "/bin/a"),
                          deny_one("b", BH_OBJECT_MEMFD, &deny[1], ""),
                          deny_one("c", BH_OBJECT_NOT_IN_IMAGE, &deny[2], "")};
    const struct documents docs = {.policies = p, .policies_n = 3};
    struct facts known = {.version = 1, .source = "bundle", .name = STR("x")};
    static struct view before, after;
    before = after = (struct view){0};
    struct desired *d = desired_new();
    desired_policies(d, &docs, 1, 1, on_change, &before);
    struct container one = oci(1, "one", &known), two = oci(2, "two", &known);
    desired_container(d, &one, 2, on_change, &before);
    desired_container(d, &two, 3, on_change, &before);
    desired_free(d);
    // Another run: other container numbers, containers first, in another order.
    d = desired_new();
    one.number = 77, two.number = 76;
    desired_container(d, &two, 9, on_change, &after);
    desired_container(d, &one, 9, on_change, &after);
    desired_policies(d, &docs, 1, 9, on_change, &after);
    assert_int_equal(before.n, 6);
    assert_int_equal(after.n, 6);
    for (size_t i = 0; i < before.n; i++) {
        const struct row *r = desired_row(d, before.rows[i].number);
        assert_non_null(r);
        assert_true(id_eq(r->id, before.rows[i].id));
        assert_int_equal(r->container, before.rows[i].container == 1 ? 77 : 76);
        assert_true(r->number < 1ULL << 41); // a person can type it
    }
    desired_free(d);
}

static void test_a_new_generation_changes_in_place_and_adds_before_it_removes(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct exec_deny deny[2];
    struct policy p = deny_one("p", BH_OBJECT_PATH, &deny[0], "/bin/a");
    struct documents docs = {.policies = &p, .policies_n = 1};
    struct container c = oci(5, "abc", &facts_none);
    desired_container(d, &c, 1, on_change, &v);
    desired_policies(d, &docs, 1, 2, on_change, &v);
    uint64_t number = only(&v)->number;
    p.mode = MODE_AUDIT;
    desired_policies(d, &docs, 2, 3, on_change, &v);
    assert_int_equal(v.changed, 1);
    assert_int_equal(only(&v)->number, number);
    assert_int_equal(only(&v)->mode, MODE_AUDIT);
    assert_int_equal(desired_row(d, number)->generation, 2);
    assert_int_equal(desired_row(d, number)->since, 2); // since when it is wanted at all
    struct policy q = deny_one("q", BH_OBJECT_PATH, &deny[1], "/bin/a");
    docs.policies = &q;
    uint64_t digest = v.digest;
    desired_policies(d, &docs, 3, 4, on_change, &v);
    assert_int_not_equal(v.digest, digest);
    assert_string_equal(only(&v)->owner, "q");
    assert_int_equal(v.removed, 1);
    digest = v.digest;
    desired_policies(d, &docs, 4, 5, on_change, &v);
    assert_int_equal(v.digest, digest); // nothing new, nothing said
    desired_container_gone(d, 5, 6, on_change, &v);
    assert_int_equal(v.n, 0);
    desired_free(d);
}

static void test_undo_lasts_until_the_policy_says_something_else(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct exec_deny deny;
    struct policy p = deny_one("p", BH_OBJECT_MEMFD, &deny, "");
    const struct documents docs = {.policies = &p, .policies_n = 1};
    struct container c = oci(5, "abc", &facts_none);
    desired_container(d, &c, 1, on_change, &v);
    desired_policies(d, &docs, 1, 2, on_change, &v);
    uint64_t number = only(&v)->number;
    assert_int_equal(desired_undo(d, number + 1, 3, on_change, &v), -ENOENT);
    assert_int_equal(desired_undo(d, number, 3, on_change, &v), 0);
    assert_int_equal(v.n, 0);
    assert_int_equal(desired_undo(d, number, 3, on_change, &v), -ENOENT);
    assert_non_null(desired_row(d, number)); // a verdict that is still on its way resolves
    desired_container(d, &c, 4, on_change, &v);
    desired_policies(d, &docs, 2, 5, on_change, &v);
    assert_int_equal(v.n, 0); // a reload doesn't bring it back
    p.mode = MODE_AUDIT;
    desired_policies(d, &docs, 3, 6, on_change, &v);
    assert_int_equal(only(&v)->number, number);
    desired_free(d);
}

static struct decision decided(uint64_t incident, uint32_t container, enum step step,
                               uint64_t until)
{
    return (struct decision){.incident = id_of(&incident, sizeof(incident)),
                             .incident_number = incident,
                             .step = step,
                             .container = container,
                             .container_id = STR("abc"),
                             .until = until,
                             .reason = STR("it looks bad")};
}

static void test_decisions_watch_closer_for_a_while(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct decision watch = decided(1, 5, STEP_WATCH, 100), alert = decided(1, 5, STEP_ALERT, 0),
                    host = decided(2, 0, STEP_KILL, 0);
    desired_decision(d, &host, 1, 10, on_change, &v);
    assert_int_equal(v.n, 0);
    desired_decision(d, &watch, 1, 10, on_change, &v);
    assert_int_equal(only(&v)->kind, ROW_LEVEL);
    assert_int_equal(only(&v)->level, 1);
    assert_int_equal(only(&v)->until, 100);
    watch.until = 200;
    desired_decision(d, &watch, 1, 20, on_change, &v);
    assert_int_equal(v.changed, 1);
    assert_int_equal(only(&v)->until, 200);
    desired_tick(d, 199, on_change, &v);
    assert_int_equal(v.n, 1);
    desired_tick(d, 200, on_change, &v);
    assert_int_equal(v.n, 0);
    assert_int_equal(v.expired, 1);
    watch.until = 400;
    desired_decision(d, &watch, 1, 300, on_change, &v);
    desired_decision(d, &alert, 1, 301, on_change, &v); // taken back
    assert_int_equal(v.n, 0);
    desired_decision(d, &watch, 1, 302, on_change, &v);
    assert_int_equal(desired_undo(d, only(&v)->number, 303, on_change, &v), 0);
    assert_int_equal(v.n, 0);
    desired_free(d);
}

struct shadows {
    const char *decides; // owner of the row that isn't shadowed
    size_t n, shadowed;
};

static int count_shadows(void *ctx, const struct row_state *s)
{
    struct shadows *c = ctx;
    c->n++;
    c->shadowed += s->shadowed;
    if (!s->shadowed)
        assert_true(str_eq(s->row->owner_name, str_of(c->decides)));
    return 0;
}

static void test_one_row_decides_and_the_others_are_shadowed(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct exec_deny deny[3];
    struct policy p[3] = {deny_one("audit", BH_OBJECT_PATH, &deny[0], "/bin/a"),
                          deny_one("enforce", BH_OBJECT_PATH, &deny[1], "/bin/a"),
                          deny_one("exception", BH_OBJECT_PATH, &deny[2], "/bin/a")};
    p[0].mode = MODE_AUDIT;
    struct documents docs = {.policies = p, .policies_n = 2};
    struct container c = oci(5, "abc", &facts_none);
    desired_container(d, &c, 1, on_change, &v);
    desired_policies(d, &docs, 1, 2, on_change, &v);
    struct shadows s = {.decides = "enforce"};
    desired_each(d, count_shadows, &s);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.shadowed, 1);
    p[2].mode = MODE_AUDIT;
    p[2].priority = 10;
    docs.policies_n = 3;
    desired_policies(d, &docs, 2, 3, on_change, &v);
    s = (struct shadows){.decides = "exception"};
    desired_each(d, count_shadows, &s);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.shadowed, 2);
    desired_free(d);
}

static int expect_outcome(void *ctx, const struct row_state *s)
{
    assert_non_null(s->outcome);
    assert_int_equal(s->outcome->state, OUTCOME_FAILED);
    assert_true(str_eq(s->outcome->message, str_of(ctx)));
    return 0;
}

static void test_outcomes_are_kept_with_their_rows(void **state)
{
    struct desired *d = desired_new();
    static struct view v;
    v = (struct view){0};
    struct decision watch = decided(1, 5, STEP_WATCH, 0);
    desired_decision(d, &watch, 1, 10, on_change, &v);
    char message[] = "no such container";
    struct outcome o = {.row = only(&v)->number,
                        .state = OUTCOME_FAILED,
                        .tier = "map",
                        .message = str_of(message)};
    desired_outcome(d, &o);
    memset(message, 'x', sizeof(message) - 1); // the caller's bytes are the caller's
    desired_each(d, expect_outcome, "no such container");
    o.row++;
    desired_outcome(d, &o); // of no row: ignored
    desired_free(d);
}

// ── against a slow reference ─────────────────────────────────────────────────────────────────

struct model {
    struct policy policies[POLICIES];
    struct exec_deny denies[POLICIES][3];
    size_t policies_n;
    bool there[CONTAINERS + 1];
    struct container containers[CONTAINERS + 1];
    struct facts facts[CONTAINERS + 1];
    struct {
        bool on;
        bool act; // and a row of the step's own
        uint64_t until;
    } levels[INCIDENTS + 1][CONTAINERS + 1];
};

static const char *const paths[] = {"/bin/a", "/bin/b", "/usr/bin/c"};
static const char *const images[] = {"nginx", "redis", "nginx:2"};
static const char *const ids[] = {"", "c1", "c2", "c3", "c4", "c5", "c6"};
static const char *const policy_names[] = {"p0", "p1", "p2", "p3"};

static struct policy random_policy(struct model *m, size_t i, unsigned *seed)
{
    struct policy p = {
        .name = str_of(policy_names[i]), .file = STR("f.yaml"), .line = 1, .deny = m->denies[i]};
    p.mode = rand_r(seed) % 2 ? MODE_ENFORCE : MODE_AUDIT;
    p.priority = rand_r(seed) % 3;
    if (rand_r(seed) % 2)
        p.selector.image = str_of(rand_r(seed) % 2 ? "nginx*" : "redis");
    p.deny_n = (size_t)(1 + rand_r(seed) % 3);
    for (size_t k = 0; k < p.deny_n; k++) {
        m->denies[i][k].object =
            (enum bh_object[]){BH_OBJECT_PATH, BH_OBJECT_MEMFD, BH_OBJECT_NOT_IN_IMAGE,
                               BH_OBJECT_ANY}[rand_r(seed) % 4];
        m->denies[i][k].path =
            m->denies[i][k].object == BH_OBJECT_PATH ? str_of(paths[rand_r(seed) % 3]) : STR_NULL;
        m->denies[i][k].line = (unsigned)(k + 1);
    }
    return p;
}

// Does the row that the reference wants exist in the view, with the same words?
static bool in_view(const struct view *v, uint32_t container, const struct policy *p,
                    const struct exec_deny *deny)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct seen *s = &v->rows[i];
        if (s->kind == ROW_EXEC && s->container == container && s->object == deny->object &&
            str_eq(str_of(s->path), deny->path) && str_eq(str_of(s->owner), p->name)) {
            assert_int_equal(s->mode, p->mode);
            assert_int_equal(s->priority, p->priority);
            assert_int_equal(s->ctime,
                             deny->object == BH_OBJECT_NOT_IN_IMAGE ? 1000 + container : 0);
            return true;
        }
    }
    return false;
}

static bool said_before(const struct policy *p, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (p->deny[i].object == p->deny[k].object && str_eq(p->deny[i].path, p->deny[k].path))
            return true;
    return false;
}

static size_t reference(const struct model *m, const struct view *v)
{
    size_t wanted = 0;
    for (uint32_t c = 1; c <= CONTAINERS; c++) {
        for (size_t i = 0; m->there[c] && i < m->policies_n; i++) {
            const struct policy *p = &m->policies[i];
            if (selector_match(&p->selector, &m->containers[c]) != YES)
                continue;
            for (size_t k = 0; k < p->deny_n; k++) {
                if (said_before(p, k))
                    continue;
                wanted++;
                assert_true(in_view(v, c, p, &p->deny[k]));
            }
        }
        for (size_t i = 1; i <= INCIDENTS; i++)
            wanted += m->levels[i][c].on + (m->levels[i][c].on && m->levels[i][c].act);
    }
    return wanted;
}

struct live {
    const struct view *view;
    size_t n;
};

static int check_each(void *ctx, const struct row_state *s)
{
    struct live *l = ctx;
    l->n++;
    // Shadowed means exactly: some other live row for the same thing goes before it.
    bool shadowed = false;
    for (size_t i = 0; i < l->view->n; i++) {
        const struct seen *o = &l->view->rows[i];
        if (o->number == s->row->number || o->kind != s->row->kind ||
            o->container != s->row->container)
            continue;
        if (o->kind == ROW_LEVEL || row_kind_acts(o->kind)) {
            uint64_t mine = s->row->until ? s->row->until : UINT64_MAX,
                     its = o->until ? o->until : UINT64_MAX;
            shadowed |= its > mine || (its == mine && o->number < s->row->number);
        } else if (o->object == s->row->object && str_eq(str_of(o->path), s->row->path)) {
            bool later = o->priority != s->row->priority ? o->priority > s->row->priority
                         : o->mode != s->row->mode       ? o->mode == MODE_ENFORCE
                                                         : o->number < s->row->number;
            shadowed |= later;
        }
    }
    assert_int_equal(s->shadowed, shadowed);
    return 0;
}

static void one_step(struct desired *d, struct model *m, struct view *v, uint64_t now,
                     unsigned *seed)
{
    uint32_t c = (uint32_t)(1 + rand_r(seed) % CONTAINERS);
    size_t incident = (size_t)(1 + rand_r(seed) % INCIDENTS);
    switch (rand_r(seed) % 6) {
    case 0: {
        m->policies_n = (size_t)(rand_r(seed) % (POLICIES + 1));
        for (size_t i = 0; i < m->policies_n; i++)
            if (rand_r(seed) % 2 || !m->policies[i].deny)
                m->policies[i] = random_policy(m, i, seed);
        const struct documents docs = {.policies = m->policies, .policies_n = m->policies_n};
        desired_policies(d, &docs, now, now, on_change, v);
        break;
    }
    case 1:
    case 2:
        m->facts[c] = (struct facts){.version = (uint32_t)(rand_r(seed) % 2), .source = "bundle"};
        if (m->facts[c].version)
            m->facts[c].image = str_of(images[rand_r(seed) % 3]);
        m->containers[c] = oci(c, ids[c], &m->facts[c]);
        m->there[c] = true;
        desired_container(d, &m->containers[c], now, on_change, v);
        break;
    case 3:
        m->there[c] = false;
        for (size_t i = 1; i <= INCIDENTS; i++)
            m->levels[i][c].on = false;
        desired_container_gone(d, c, now, on_change, v);
        break;
    case 4: {
        struct decision dec = decided(incident, c, (enum step)(rand_r(seed) % STEP_MAX), 0);
        dec.container_id = str_of(ids[c]);
        dec.until = rand_r(seed) % 2 ? now + (uint64_t)(rand_r(seed) % 50) : 0;
        m->levels[incident][c].on = dec.step >= STEP_WATCH && (!dec.until || dec.until > now);
        m->levels[incident][c].act = dec.step > STEP_WATCH;
        m->levels[incident][c].until = dec.until;
        desired_decision(d, &dec, 1, now, on_change, v);
        break;
    }
    default:
        for (size_t i = 1; i <= INCIDENTS; i++)
            for (uint32_t k = 1; k <= CONTAINERS; k++)
                if (m->levels[i][k].until && m->levels[i][k].until <= now)
                    m->levels[i][k].on = false;
        desired_tick(d, now, on_change, v);
    }
}

static uint64_t history(unsigned seed, bool check)
{
    static struct view v;
    static struct model m;
    v = (struct view){0};
    m = (struct model){0};
    struct desired *d = desired_new();
    for (uint64_t now = 1; now <= STEPS; now++) {
        one_step(d, &m, &v, now, &seed);
        if (!check)
            continue;
        assert_int_equal(reference(&m, &v), v.n);
        struct live l = {.view = &v};
        desired_each(d, check_each, &l);
        assert_int_equal(l.n, v.n);
    }
    assert_int_equal(desired_refused(d), 0);
    assert_true(!check || (v.added > 100 && v.changed > 50 && v.removed > 100 && v.expired > 10));
    desired_free(d);
    return v.digest;
}

static void test_any_history_agrees_with_the_reference(void **state)
{
    for (unsigned seed = 1; seed <= 5; seed++)
        history(seed, true);
}

static void test_the_same_history_says_the_same(void **state)
{
    assert_true(history(7, false) == history(7, false));
    assert_true(history(7, false) != history(8, false));
}

static void ignore_change(void *ctx, const struct row *r, enum row_change change) {}

static void test_the_table_is_bounded(void **state)
{
    struct desired *d = desired_new();
    size_t n = 0;
    static char names[MAX_DESIRED_ROWS / 4 + 100][12];
    struct exec_deny deny[5];
    for (size_t i = 0; i < 5; i++)
        deny[i] = (struct exec_deny){.object = BH_OBJECT_PATH, .path = str_of(paths[i % 3])};
    deny[3].object = BH_OBJECT_MEMFD, deny[3].path = STR_NULL;
    deny[4].object = BH_OBJECT_ANY, deny[4].path = STR_NULL;
    struct policy p = {.name = STR("p"), .file = STR("f"), .deny = deny, .deny_n = 5};
    const struct documents docs = {.policies = &p, .policies_n = 1};
    static struct view v;
    v = (struct view){0};
    desired_policies(d, &docs, 1, 1, on_change, &v);
    for (; n < ARRAY_SIZE(names); n++) {
        snprintf(names[n], sizeof(names[n]), "n%zu", n);
        struct container c = oci((uint32_t)n + 1, names[n], &facts_none);
        desired_container(d, &c, 2, ignore_change, NULL);
        if (desired_refused(d))
            break;
    }
    assert_true(n > 1000 &&
                n < ARRAY_SIZE(names)); // it took many, and then said that there was no room
    desired_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_selector_that_cannot_be_told_yet_gives_no_row),
        cmocka_unit_test(test_the_host_and_its_services_are_left_alone),
        cmocka_unit_test(test_numbers_survive_a_restart),
        cmocka_unit_test(test_a_new_generation_changes_in_place_and_adds_before_it_removes),
        cmocka_unit_test(test_undo_lasts_until_the_policy_says_something_else),
        cmocka_unit_test(test_decisions_watch_closer_for_a_while),
        cmocka_unit_test(test_one_row_decides_and_the_others_are_shadowed),
        cmocka_unit_test(test_outcomes_are_kept_with_their_rows),
        cmocka_unit_test(test_any_history_agrees_with_the_reference),
        cmocka_unit_test(test_the_same_history_says_the_same),
        cmocka_unit_test(test_the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
