// Which findings are one incident, and which are not: the cases a person would draw, a slow
// reference over random histories, and the bounds.
#include "correlate/correlate.h"

#include <errno.h>
#include <setjmp.h>

#include <cmocka.h>

enum { MAX_HEARD = 4096 };
struct heard {
    size_t n;
    uint64_t last, last_version;
    enum incident_state last_state;
    char last_why[32];
    uint64_t merged[64][2]; // who, into
    size_t merged_n;
    size_t closed;
};

static void hear(void *ctx, const struct incident *i)
{
    struct heard *h = ctx;
    h->n++;
    h->last = i->number;
    h->last_version = i->version;
    h->last_state = i->state;
    snprintf(h->last_why, sizeof(h->last_why), "%s", i->joined_by);
    h->closed += i->state == INCIDENT_CLOSED;
    if (i->merged_into && h->merged_n < 64) {
        h->merged[h->merged_n][0] = i->number;
        h->merged[h->merged_n++][1] = i->merged_into;
    }
}

static struct finding finding(uint64_t lineage, uint32_t container, uint64_t time, const char *rule)
{
    struct finding f = {
        .detector = "rule",
        .rule = str_of(rule),
        .severity = SEVERITY_WARNING,
        .confidence = 0.9,
        .time = {time},
        .wall = {1700000000 * NSEC_PER_SEC + time},
        .container = container,
        .container_id = container == 1   ? STR("one")
                        : container == 2 ? STR("two")
                                         : STR("other"),
        .tgid = 100 + (uint32_t)lineage,
        .start = 50 + lineage,
        .lineage = lineage,
        .output = STR("what was seen"),
        .kind = BH_OPEN,
    };
    f.id = finding_id(&f);
    return f;
}

static void with_object(struct finding *f, uint64_t dev, uint64_t ino, const char *path,
                        bool written)
{
    f->objects[f->objects_n++] =
        (struct object_ref){.dev = dev, .ino = ino, .path = str_of(path), .written = written};
}

static struct correlate *make(size_t incidents, size_t timeline)
{
    struct correlate_limits l = {.max_incidents = incidents, .max_timeline = timeline};
    return correlate_new(&l);
}

static int count_one(void *ctx, const struct incident *i)
{
    size_t *live = ctx;
    *live += i->state == INCIDENT_OPEN || i->state == INCIDENT_CONFIRMED;
    return 0;
}

static size_t live(const struct correlate *c)
{
    size_t n = 0;
    correlate_each(c, count_one, &n);
    return n;
}

static void one_lineage_is_one_story(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Terminal shell in container"),
                   b = finding(7, 1, 30, "Reverse shell"),
                   late = finding(7, 1, 20, "Read sensitive file");
    static const struct str tags[] = {STR("T1059"), STR("shell")},
                            more[] = {STR("shell"), STR("network")};
    a.tags = tags;
    a.tags_n = 2;
    b.tags = more;
    b.tags_n = 2;
    b.severity = SEVERITY_CRITICAL;
    b.confidence = 0.5;
    b.container_name = STR("web");
    b.lossy = true;
    correlate_finding(c, &a, hear, &h);
    assert_string_equal(h.last_why, "first");
    correlate_finding(c, &b, hear, &h);
    assert_string_equal(h.last_why, "lineage");
    correlate_finding(c, &late, hear, &h);
    assert_int_equal(h.n, 3);
    const struct incident *i = correlate_incident(c, 1);
    assert_int_equal(i->version, 3);
    assert_true(id_eq(i->id, a.id));
    assert_int_equal(i->findings_total, 3);
    assert_int_equal(i->severity, SEVERITY_CRITICAL);
    assert_true(str_eq(i->title, STR("Reverse shell in web")));
    assert_true(i->confidence > 1 - 0.1 * 0.5 * 0.1 - 1e-9 &&
                i->confidence < 1 - 0.1 * 0.5 * 0.1 + 1e-9);
    assert_int_equal(i->timeline_n, 3);
    assert_true(str_eq(i->timeline[1].text, STR("Read sensitive file: what was seen"))); // by time
    assert_int_equal(i->tags_n, 3);
    assert_int_equal(i->first.ns, 10);
    assert_int_equal(i->last.ns, 30);
    assert_true(i->lossy);
    assert_int_equal(i->containers_n, 1);
    correlate_free(c);
}

static void the_same_rule_again_adds_no_confidence(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    for (uint64_t t = 0; t < 50; t++) {
        struct finding f = finding(7, 1, t, "Noise");
        f.confidence = 0.3;
        correlate_finding(c, &f, hear, &h);
    }
    double got = correlate_incident(c, 1)->confidence;
    assert_true(got > 0.3 - 1e-9 && got < 0.3 + 1e-9);
    correlate_free(c);
}

static void two_lineages_are_two_stories(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Terminal shell in container"),
                   b = finding(8, 2, 20, "Terminal shell in container");
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &b, hear, &h);
    assert_int_equal(live(c), 2);
    correlate_free(c);
}

// Both run from one plain root file system: the same busybox, the same /etc/shadow, read by both.
static void what_everybody_opens_joins_nobody(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Read sensitive file"),
                   b = finding(8, 2, 20, "Read sensitive file");
    with_object(&a, 1, 500, "/etc/shadow", false);
    with_object(&b, 1, 500, "/etc/shadow", false);
    struct finding x = finding(7, 1, 30, "Shell"), y = finding(8, 2, 40, "Shell");
    x.kind = y.kind = BH_EXEC;
    with_object(&x, 1, 501, "/bin/busybox", false);
    with_object(&y, 1, 501, "/bin/busybox", false);
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &b, hear, &h);
    correlate_finding(c, &x, hear, &h);
    correlate_finding(c, &y, hear, &h);
    assert_int_equal(live(c), 2);
    // Devices are written by all.
    struct finding p = finding(7, 1, 50, "Odd write"), q = finding(8, 2, 60, "Odd write");
    with_object(&p, 5, 9, "/dev/null", true);
    with_object(&q, 5, 9, "/dev/null", true);
    correlate_finding(c, &p, hear, &h);
    correlate_finding(c, &q, hear, &h);
    assert_int_equal(live(c), 2);
    correlate_free(c);
}

// exec, fork and a shared file in a second container: one attack.
static void a_dropped_file_run_in_another_container(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Shell"),
                   drop = finding(7, 1, 20, "Write below binary folder"),
                   run = finding(8, 2, 30, "Drop and execute");
    with_object(&drop, 9, 77, "/shared/tool", true);
    run.kind = BH_EXEC;
    with_object(&run, 9, 77, "/data/tool", false); // another mount point, the same file
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &drop, hear, &h);
    correlate_finding(c, &run, hear, &h);
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "shared file");
    const struct incident *i = correlate_incident(c, 1);
    assert_int_equal(i->containers_n, 2);
    assert_string_equal(i->timeline[2].joined_by, "shared file");
    // and what that lineage does next belongs to it too
    struct finding next = finding(8, 2, 40, "Reverse shell");
    correlate_finding(c, &next, hear, &h);
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "lineage");
    correlate_free(c);
}

static void a_write_that_was_no_finding(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct correlate_write w = {.lineage = 7,
                                .dev = 9,
                                .ino = 77,
                                .container = 1,
                                .time = {5},
                                .path = STR("/shared/tool")};
    correlate_note_write(c, &w);
    struct finding a = finding(7, 1, 10, "Shell"), run = finding(8, 2, 30, "Drop and execute");
    with_object(&run, 9, 77, "/data/tool", false);
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &run, hear, &h);
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "shared file");
    correlate_free(c);
}

// The writer is found out last: two incidents become the older one.
static void two_open_incidents_become_one(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct correlate_write w = {.lineage = 7,
                                .dev = 9,
                                .ino = 77,
                                .container = 1,
                                .time = {5},
                                .path = STR("/shared/tool")};
    correlate_note_write(c, &w);
    struct finding run = finding(8, 2, 30, "Drop and execute"), late = finding(7, 1, 40, "Shell");
    with_object(&run, 9, 77, "/data/tool", false);
    correlate_finding(c, &run, hear, &h);
    correlate_finding(c, &late, hear, &h); // its lineage wrote what incident 1 ran
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "shared file");
    // two that both exist already, joined by a third finding
    struct finding m = finding(20, 3, 50, "A"), n = finding(21, 4, 60, "B"),
                   link = finding(21, 4, 80, "C");
    m.severity = SEVERITY_ERROR;
    with_object(&link, 9, 99, "/shared/x", false);
    correlate_finding(c, &m, hear, &h);
    correlate_finding(c, &n, hear, &h);
    assert_int_equal(live(c), 3);
    w = (struct correlate_write){
        .lineage = 20, .dev = 9, .ino = 99, .container = 3, .time = {70}, .path = STR("/shared/x")};
    correlate_note_write(c, &w);
    correlate_finding(c, &link, hear, &h);
    assert_int_equal(live(c), 2);
    assert_int_equal(h.merged_n, 1);
    assert_int_equal(h.merged[0][0], 3);
    assert_int_equal(h.merged[0][1], 2);
    const struct incident *old = correlate_incident(c, 2), *new = correlate_incident(c, 3);
    assert_int_equal(new->state, INCIDENT_CLOSED);
    assert_string_equal(new->joined_by, "shared file");
    assert_int_equal(old->findings_total, 3);
    assert_int_equal(old->timeline_n, 3);
    assert_int_equal(old->severity, SEVERITY_ERROR);
    assert_true(str_eq(old->title, STR("A in other")));
    // nobody speaks to the one that is gone
    struct error err;
    assert_int_equal(correlate_word(c, 3, STR("reopen"), hear, &h, &err), -EINVAL);
    assert_non_null(strstr(err.message, "part of incident 2"));
    correlate_free(c);
}

static void written_only_later_joins_nothing(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding read = finding(8, 2, 30, "Read"), shell = finding(7, 1, 50, "Shell");
    with_object(&read, 9, 77, "/shared/x", false);
    correlate_finding(c, &read, hear, &h);
    struct correlate_write w = {
        .lineage = 7, .dev = 9, .ino = 77, .container = 1, .time = {40}, .path = STR("/shared/x")};
    correlate_note_write(c, &w);
    correlate_finding(c, &shell, hear, &h);
    assert_int_equal(live(c), 2);
    correlate_free(c);
}

static void the_same_foreign_binary_run_twice(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Drop and execute"),
                   b = finding(8, 2, 20, "Drop and execute");
    a.kind = b.kind = BH_EXEC;
    with_object(&a, 9, 77, "/shared/tool", false);
    with_object(&b, 9, 77, "/shared/tool", false);
    a.objects[0].foreign = b.objects[0].foreign = true;
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &b, hear, &h);
    assert_int_equal(live(c), 1);
    correlate_free(c);
}

static void an_escape_leaves_its_lineage_but_not_its_story(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Namespace change"),
                   out = finding(9, 0, 20, "Write below etc");
    out.chain_n = 2;
    out.chain[0] = (struct lineage_step){.tgid = out.tgid, .start = out.start};
    out.chain[1] = (struct lineage_step){.tgid = a.tgid, .start = a.start};
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &out, hear, &h);
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "ancestor");
    // An ancestor on the host is everybody's: the runtime, sshd.
    struct finding host = finding(10, 0, 30, "Odd"), child = finding(11, 2, 40, "Shell");
    child.chain_n = 2;
    child.chain[1] = (struct lineage_step){.tgid = host.tgid, .start = host.start};
    correlate_finding(c, &host, hear, &h);
    correlate_finding(c, &child, hear, &h);
    assert_int_equal(live(c), 3);
    correlate_free(c);
}

static void a_storm_belongs_to_its_containers_newest_story(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct finding a = finding(7, 1, 10, "Shell"), storm = finding(0, 1, 20, "Events held back");
    storm.tgid = 0;
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &storm, hear, &h);
    assert_int_equal(live(c), 1);
    assert_string_equal(h.last_why, "container");
    struct finding other = storm;
    other.container = 2;
    correlate_finding(c, &other, hear, &h);
    assert_int_equal(live(c), 2);
    correlate_free(c);
}

static void quiet_ones_close_and_a_later_finding_begins_anew(void **state)
{
    (void)state;
    struct correlate_limits l = {.quiet_ns = 100};
    struct correlate *c = correlate_new(&l);
    struct heard h = {0};
    struct finding a = finding(7, 1, 1000, "Shell"), b = finding(8, 1, 1050, "Shell"),
                   again = finding(7, 1, 1200, "Shell");
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &b, hear, &h);
    assert_int_equal(correlate_word(c, 2, STR("confirm"), hear, &h, NULL), 0);
    correlate_tick(c, 1099, hear, &h);
    assert_int_equal(h.closed, 0);
    correlate_tick(c, 1100, hear, &h);
    assert_int_equal(h.closed, 1);
    assert_int_equal(correlate_incident(c, 1)->state, INCIDENT_CLOSED);
    correlate_tick(c, 5000, hear, &h); // what a person confirmed stays
    assert_int_equal(correlate_incident(c, 2)->state, INCIDENT_CONFIRMED);
    correlate_finding(c, &again, hear, &h);
    assert_int_equal(h.last, 3);
    assert_string_equal(h.last_why, "first");
    correlate_free(c);
}

static void a_persons_words(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct error err;
    struct finding a = finding(7, 1, 10, "Shell"), same = finding(7, 1, 20, "Shell"),
                   other = finding(7, 1, 30, "Reverse shell");
    assert_int_equal(correlate_word(c, 1, STR("confirm"), hear, &h, &err), -ENOENT);
    correlate_finding(c, &a, hear, &h);
    assert_int_equal(correlate_word(c, 1, STR("bless"), hear, &h, &err), -EINVAL);
    assert_int_equal(correlate_word(c, 1, STR("reopen"), hear, &h, &err), -EINVAL);
    assert_non_null(strstr(err.message, "open"));
    assert_int_equal(correlate_word(c, 1, STR("dismiss"), hear, &h, &err), 0);
    assert_int_equal(h.last_state, INCIDENT_DISMISSED);
    assert_int_equal(live(c), 0);
    correlate_finding(c, &same, hear, &h); // dismissed for this: still is
    assert_int_equal(h.last, 1);
    assert_int_equal(h.last_state, INCIDENT_DISMISSED);
    correlate_finding(c, &other, hear, &h); // but not for that
    assert_int_equal(h.last, 2);
    assert_int_equal(h.last_state, INCIDENT_OPEN);
    assert_int_equal(correlate_word(c, 1, STR("reopen"), hear, &h, &err), 0);
    assert_int_equal(correlate_word(c, 1, STR("confirm"), hear, &h, &err), 0);
    assert_int_equal(correlate_word(c, 1, STR("close"), hear, &h, &err), 0);
    assert_int_equal(correlate_word(c, 1, STR("close"), hear, &h, &err), -EINVAL);
    correlate_free(c);
}

static void everything_is_bounded(void **state)
{
    (void)state;
    struct correlate *c = make(64, 10);
    struct heard h = {0};
    struct finding quiet = finding(1, 9, 1, "Quiet but first");
    correlate_finding(c, &quiet, hear, &h);
    for (uint64_t n = 2; n < 5000; n++) {
        struct finding f = finding(n, 1, n, "Flood");
        for (uint64_t k = 0; k < MAX_OBJECTS; k++)
            with_object(&f, 1, n * 10 + k, "/tmp/x", true);
        correlate_finding(c, &f, hear, &h);
        struct correlate_write w = {
            .lineage = n, .dev = 2, .ino = n, .container = 1, .time = {n}, .path = STR("/tmp/y")};
        for (uint64_t k = 0; k < 20; k++) {
            w.ino = n * 100 + k;
            correlate_note_write(c, &w);
        }
        assert_true(live(c) <= 64);
    }
    // The container that floods pushed out its own: the other one's incident is still there.
    assert_int_equal(correlate_incident(c, 1)->state, INCIDENT_OPEN);
    for (uint64_t n = 0; n < 1000; n++) {
        char rule[16], tag[16];
        snprintf(rule, sizeof(rule), "rule %u", (unsigned)n);
        snprintf(tag, sizeof(tag), "tag%u", (unsigned)n);
        struct finding f = finding(1, 9 + (uint32_t)n, 6000 + n, rule);
        struct str t = str_of(tag);
        f.tags = &t;
        f.tags_n = 1;
        correlate_finding(c, &f, hear, &h);
    }
    const struct incident *i = correlate_incident(c, 1);
    assert_int_equal(i->timeline_n, 10);
    assert_int_equal(i->findings_total, 1001);
    assert_int_equal(i->timeline[0].time.ns, 1);    // how it began
    assert_int_equal(i->timeline[9].time.ns, 6999); // and what goes on
    assert_true(i->containers_n <= 64 && i->tags_n <= 64);
    correlate_free(c);
}

static void a_container_that_writes_much_pushes_out_its_own(void **state)
{
    (void)state;
    struct correlate *c = make(0, 0);
    struct heard h = {0};
    struct correlate_write w = {.lineage = 7,
                                .dev = 9,
                                .ino = 77,
                                .container = 1,
                                .time = {5},
                                .path = STR("/shared/tool")};
    correlate_note_write(c, &w);
    for (uint64_t n = 0; n < 100000; n++) {
        w = (struct correlate_write){
            .lineage = 50, .dev = 3, .ino = n + 1, .container = 2, .time = {6}, .path = STR("/f")};
        correlate_note_write(c, &w);
    }
    struct finding a = finding(7, 1, 10, "Shell"), run = finding(8, 3, 30, "Drop and execute");
    with_object(&run, 9, 77, "/data/tool", false);
    correlate_finding(c, &a, hear, &h);
    correlate_finding(c, &run, hear, &h);
    assert_int_equal(live(c), 1);
    correlate_free(c);
}

// ── a slow reference ─────────────────────────────────────────────────────────────────────────

enum { STEPS = 60 };
struct history {
    struct finding f[STEPS];
    size_t label[STEPS]; // index of the incident's first finding
    size_t n;
    struct correlate_write w[STEPS];
    size_t w_n;
};

static bool wrote(const struct history *x, uint64_t lineage, const struct object_ref *o,
                  uint64_t time)
{
    for (size_t i = 0; i < x->w_n; i++)
        if (x->w[i].lineage == lineage && x->w[i].dev == o->dev && x->w[i].ino == o->ino &&
            x->w[i].time.ns <= time)
            return true;
    return false;
}

// Do finding n and the earlier finding k belong together, by the rule as it is written down?
static bool together(const struct history *x, size_t n, size_t k, bool lineage_known)
{
    const struct finding *f = &x->f[n], *g = &x->f[k];
    if (f->lineage == g->lineage)
        return true;
    for (size_t i = 1; i < f->chain_n; i++)
        if (g->container && f->chain[i].tgid == g->tgid && f->chain[i].start == g->start)
            return true;
    for (size_t i = 0; i < f->objects_n; i++) {
        if (wrote(x, g->lineage, &f->objects[i], f->time.ns))
            return true;
        for (size_t m = 0; m < g->objects_n; m++)
            if (f->objects[i].ino == g->objects[m].ino && g->objects[m].written)
                return true;
    }
    for (size_t m = 0; !lineage_known && m < g->objects_n; m++)
        if (wrote(x, f->lineage, &g->objects[m], g->time.ns))
            return true;
    return false;
}

static void reference(struct history *x)
{
    size_t n = x->n++, oldest = n;
    bool known = false;
    for (size_t k = 0; k < n; k++)
        known |= x->f[k].lineage == x->f[n].lineage;
    bool joins[STEPS] = {0};
    for (size_t k = 0; k < n; k++)
        if (together(x, n, k, known)) {
            joins[x->label[k]] = true;
            oldest = MIN(oldest, x->label[k]);
        }
    for (size_t k = 0; k < n; k++)
        if (joins[x->label[k]])
            x->label[k] = oldest;
    x->label[n] = oldest;
}

struct labels {
    struct history *x;
    size_t seen;
};

// Each live incident must hold exactly the findings of one label.
static int compare(void *ctx, const struct incident *i)
{
    struct labels *l = ctx;
    if (i->merged_into)
        return 0;
    size_t label = SIZE_MAX, members = 0;
    for (size_t t = 0; t < i->timeline_n; t++)
        for (size_t k = 0; k < l->x->n; k++)
            if (id_eq(l->x->f[k].id, i->timeline[t].finding)) {
                if (label == SIZE_MAX)
                    label = l->x->label[k];
                assert_int_equal(l->x->label[k], label);
                l->seen++;
            }
    for (size_t k = 0; k < l->x->n; k++)
        members += l->x->label[k] == label;
    assert_int_equal(members, i->timeline_n);
    assert_true(id_eq(i->id, l->x->f[label].id));
    return 0;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return *seed >> 33;
}

static void agrees_with_the_rule_as_written(void **state)
{
    (void)state;
    size_t merges = 0;
    for (uint64_t run = 1; run <= 300; run++) {
        struct correlate *c = make(0, 0);
        struct history x = {0};
        struct heard h = {0};
        uint64_t seed = run;
        for (size_t s = 0; s < STEPS; s++) {
            uint64_t time = 100 + s * 10, lineage = 1 + next_random(&seed) % 12;
            uint32_t container = (uint32_t)(lineage % 4); // 0: the host
            if (next_random(&seed) % 4 == 0) {
                struct correlate_write w = {.lineage = lineage,
                                            .container = container,
                                            .dev = 1,
                                            .ino = 1 + next_random(&seed) % 25,
                                            .time = {time},
                                            .path = STR("/v/f")};
                correlate_note_write(c, &w);
                x.w[x.w_n++] = w;
                continue;
            }
            struct finding f = finding(lineage, container, time, "R");
            f.tgid = (uint32_t)(lineage * 10 + next_random(&seed) % 3);
            if (next_random(&seed) % 2)
                with_object(&f, 1, 1 + next_random(&seed) % 25, "/v/f",
                            next_random(&seed) % 5 == 0);
            if (next_random(&seed) % 12 == 0) {
                uint64_t parent = 1 + next_random(&seed) % 12;
                f.chain_n = 2;
                f.chain[1] = (struct lineage_step){
                    .tgid = (uint32_t)(parent * 10 + next_random(&seed) % 3), .start = 50 + parent};
            }
            f.id = finding_id(&f);
            x.f[x.n] = f;
            reference(&x);
            correlate_finding(c, &f, hear, &h);
        }
        struct labels l = {&x, 0};
        correlate_each(c, compare, &l);
        assert_int_equal(l.seen, x.n);
        merges += h.merged_n;
        correlate_free(c);
    }
    assert_true(merges > 100); // the histories do exercise it
}

static void the_same_inputs_give_the_same_words(void **state)
{
    (void)state;
    struct buf out[2] = {{0}};
    for (int turn = 0; turn < 2; turn++) {
        struct correlate *c = make(16, 8);
        struct heard h = {0};
        uint64_t seed = 99;
        for (uint64_t t = 1; t < 2000; t++) {
            struct finding f =
                finding(1 + next_random(&seed) % 40, (uint32_t)(next_random(&seed) % 5), t, "R");
            with_object(&f, 1, 1 + next_random(&seed) % 60, "/v/f", next_random(&seed) % 9 == 0);
            f.id = finding_id(&f);
            correlate_finding(c, &f, hear, &h);
            struct json j = json_on(&out[turn]);
            if (correlate_incident(c, h.last))
                incident_json(&j, correlate_incident(c, h.last));
        }
        correlate_free(c);
    }
    assert_true(out[0].len > 100000 && str_eq(buf_view(&out[0]), buf_view(&out[1])));
    buf_done(&out[0]);
    buf_done(&out[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lineage_is_one_story),
        cmocka_unit_test(the_same_rule_again_adds_no_confidence),
        cmocka_unit_test(two_lineages_are_two_stories),
        cmocka_unit_test(what_everybody_opens_joins_nobody),
        cmocka_unit_test(a_dropped_file_run_in_another_container),
        cmocka_unit_test(a_write_that_was_no_finding),
        cmocka_unit_test(two_open_incidents_become_one),
        cmocka_unit_test(written_only_later_joins_nothing),
        cmocka_unit_test(the_same_foreign_binary_run_twice),
        cmocka_unit_test(an_escape_leaves_its_lineage_but_not_its_story),
        cmocka_unit_test(a_storm_belongs_to_its_containers_newest_story),
        cmocka_unit_test(quiet_ones_close_and_a_later_finding_begins_anew),
        cmocka_unit_test(a_persons_words),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(a_container_that_writes_much_pushes_out_its_own),
        cmocka_unit_test(agrees_with_the_rule_as_written),
        cmocka_unit_test(the_same_inputs_give_the_same_words),
    };
    return cmocka_run_group_tests_name("correlate", tests, NULL, NULL);
}
