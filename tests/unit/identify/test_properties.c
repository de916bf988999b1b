// Random histories of processes and cgroups, told to identify and to a slow, obvious model that
// forgets nothing. With room enough both must agree on everything; with tables far too small
// identify may know less, but nothing wrong.
#include "feed.h"

#define SEC NSEC_PER_SEC
enum { STEPS = 6000, PIDS = 90, MAX_MODEL = 8000, MAX_GROUPS = 400, MAX_DEPTH = 40 };

struct mproc {
    struct who w;
    int parent; // index, -1: none
    unsigned depth;
    uint64_t exited, lineage;
    struct {
        uint64_t exec; // 0: none
        uint32_t mnt;
        char path[64];
    } image, before;
};
struct mgroup {
    uint32_t number, as;
    uint64_t id;
    int parent; // index, -1: the root
    bool oci, entered, sealed, gone, started;
    struct who init;
    uint32_t outside; // mount namespace of its maker
};
struct model {
    struct mproc procs[MAX_MODEL];
    struct mgroup groups[MAX_GROUPS];
    int n, groups_n;
    uint64_t now, random;
    bool small; // identify's tables are too small to know all
    struct feed f;
};

static uint64_t rnd(struct model *m, uint64_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static int some_live(struct model *m)
{
    for (int tries = 0; tries < 300; tries++) {
        int k = (int)rnd(m, (uint64_t)m->n);
        // Mostly recent ones, so that the living are found.
        if (rnd(m, 4) && m->n > 200)
            k = m->n - 1 - (int)rnd(m, 200);
        if (!m->procs[k].exited)
            return k;
    }
    for (int k = 0; k < m->n; k++)
        if (!m->procs[k].exited)
            return k;
    fail();
    return 0;
}

static struct mgroup *group(struct model *m, uint32_t number)
{
    for (int g = 0; g < m->groups_n; g++)
        if (m->groups[g].number == number)
            return &m->groups[g];
    return NULL;
}

static uint32_t counts_as(struct model *m, uint32_t number)
{
    struct mgroup *g = group(m, number);
    return g && g->as ? g->as : number;
}

static uint64_t begin_lineage(struct model *m, const struct mproc *p)
{
    uint64_t of[3] = {p->w.tgid, p->w.start, counts_as(m, p->w.container)};
    return hash64(of, sizeof(of)) >> 1; // JSON's readers have signed numbers
}

static uint64_t fork_lineage(struct model *m, const struct mproc *p)
{
    const struct mproc *parent = &m->procs[p->parent];
    uint32_t c = counts_as(m, p->w.container);
    const struct mgroup *g = group(m, c);
    if (c != counts_as(m, parent->w.container) || (c == 0 && parent->w.tgid <= 2) ||
        (g && g->started && g->init.tgid == parent->w.tgid && g->init.start == parent->w.start))
        return begin_lineage(m, p);
    return parent->lineage;
}

static void enter(struct model *m, uint32_t number)
{
    struct mgroup *g = group(m, number);
    if (!g || g->as)
        return;
    g->entered = true;
    if (!g->oci || g->sealed)
        return;
    g->sealed = true;
    for (int up = g->parent; up >= 0; up = m->groups[up].parent)
        if (m->groups[up].oci && !m->groups[up].sealed && !m->groups[up].entered)
            m->groups[up].oci = false;
    for (int k = 0; k < m->groups_n; k++)
        for (int up = m->groups[k].parent; up >= 0 && !m->groups[k].as && !m->groups[k].gone;
             up = m->groups[up].parent)
            if (m->groups[up].number == number)
                m->groups[k].as = number;
}

static struct mproc *add(struct model *m, struct who w, int parent)
{
    assert_true(m->n < MAX_MODEL);
    struct mproc *p = &m->procs[m->n++];
    *p = (struct mproc){.w = w, .parent = parent};
    if (parent >= 0) {
        p->depth = m->procs[parent].depth + 1;
        p->image = m->procs[parent].image;
    }
    return p;
}

// Is it still needed: alive, within its grace, or the ancestor of one that is?
static bool kept(const struct model *m, int index)
{
    const struct mproc *p = &m->procs[index];
    if (!p->exited || p->exited + 5 * SEC > m->now)
        return true;
    for (int k = index + 1; k < m->n; k++)
        if (m->procs[k].parent == index && kept(m, k))
            return true;
    return false;
}

static void check(struct model *m, int index, uint64_t exec)
{
    const struct mproc *p = &m->procs[index];
    const struct event *e = &m->f.event;
    assert_int_equal(e->container->number, counts_as(m, p->w.container));
    if (!e->process) {
        assert_true(m->small || !kept(m, index));
        return;
    }
    assert_int_equal(e->process->tgid, p->w.tgid);
    assert_int_equal(e->process->start, p->w.start);
    assert_int_equal(e->process->container, counts_as(m, p->w.container));
    if (!m->small)
        assert_int_equal(e->process->lineage, p->lineage);
    if (e->image) {
        bool now = p->image.exec == exec;
        assert_true(now || p->before.exec == exec);
        assert_true(str_eq(e->image->path, str_of(now ? p->image.path : p->before.path)));
        assert_int_equal(e->image->exec, exec);
    } else {
        assert_true(m->small || (p->image.exec != exec && p->before.exec != exec));
    }
    const struct process *up = e->process->parent;
    for (int k = p->parent; k >= 0; k = m->procs[k].parent, up = up->parent) {
        if (!up) {
            assert_true(m->small);
            return;
        }
        assert_int_equal(up->tgid, m->procs[k].w.tgid);
        assert_int_equal(up->start, m->procs[k].w.start);
    }
    assert_null(up);
}

static void do_fork(struct model *m)
{
    int parent = some_live(m);
    if (m->procs[parent].depth >= MAX_DEPTH)
        return;
    uint32_t tgid = 3 + (uint32_t)rnd(m, PIDS);
    for (int k = 0; k < m->n; k++)
        if (m->procs[k].w.tgid == tgid && !m->procs[k].exited) {
            if (k == parent || rnd(m, 3))
                return;
            m->procs[k].exited = m->now; // its exit's record is lost
        }
    struct who w = m->procs[parent].w;
    w.tgid = tgid;
    w.start = m->now;
    uint64_t exec = w.exec;
    const struct mgroup *g = m->groups_n ? &m->groups[rnd(m, (uint64_t)m->groups_n)] : NULL;
    if (g && !g->gone && rnd(m, 6) == 0) { // CLONE_INTO_CGROUP
        w.container = g->number;
        w.cgroup = g->id;
    }
    struct mproc *p = add(m, w, parent);
    feed_fork(&m->f, m->procs[parent].w, m->now, w);
    enter(m, w.container);
    check(m, parent, exec);
    p->lineage = fork_lineage(m, p);
}

static void do_exec(struct model *m)
{
    int k = some_live(m);
    struct mproc *p = &m->procs[k];
    p->before = p->image;
    p->image.exec = ++p->w.exec;
    p->image.mnt = p->w.container && rnd(m, 2) ? 200 + (uint32_t)rnd(m, 2) : HOST_MNT;
    snprintf(p->image.path, sizeof(p->image.path), "/bin/%d-%u", k, (unsigned)p->w.exec);
    struct mgroup *g = group(m, counts_as(m, p->w.container));
    if (g && !g->started && p->image.mnt != HOST_MNT && p->image.mnt != g->outside) {
        g->started = true;
        g->init = p->w;
    }
    feed_exec(&m->f, BH_EXEC, p->w, m->now,
              (struct exec_of){.path = p->image.path, .mnt = p->image.mnt});
    check(m, k, p->w.exec);
}

static void do_exit(struct model *m)
{
    int k = some_live(m);
    if (m->procs[k].w.tgid <= 2)
        return;
    m->procs[k].exited = m->now;
    feed_exit(&m->f, m->procs[k].w, m->now);
    check(m, k, m->procs[k].w.exec);
}

static void do_open(struct model *m)
{
    int k = rnd(m, 3) ? some_live(m) : (int)rnd(m, (uint64_t)m->n);
    struct who w = m->procs[k].w;
    if (m->procs[k].exited && m->procs[k].exited + 30 * SEC < m->now)
        return; // no record is as late as that
    if (m->procs[k].before.exec && rnd(m, 3) == 0)
        w.exec = m->procs[k].before.exec; // late
    feed_open(&m->f, w, m->now);
    check(m, k, w.exec);
}

static void do_make(struct model *m)
{
    if (m->groups_n == MAX_GROUPS)
        return;
    int up = m->groups_n && rnd(m, 2) ? (int)rnd(m, (uint64_t)m->groups_n) : -1;
    int by = some_live(m);
    if (up >= 0 && m->groups[up].gone)
        up = -1;
    struct mgroup *g = &m->groups[m->groups_n++];
    *g = (struct mgroup){.number = (uint32_t)m->groups_n,
                         .id = 1000 + (uint64_t)m->groups_n,
                         .parent = up,
                         .outside = m->procs[by].image.mnt};
    uint32_t parent = up >= 0 ? m->groups[up].number : 0;
    if (parent) { // made inside a container before the kernel knew it was one
        struct mgroup *in = group(m, counts_as(m, parent));
        if (in->sealed)
            g->as = in->number;
    }
    char path[64];
    snprintf(path, sizeof(path), "/g%u", g->number);
    feed_cgroup(&m->f, BH_CGROUP_MAKE, m->procs[by].w, m->now,
                (struct bh_cgroup){.id = g->id, .container = g->number, .parent_container = parent},
                path, "/bundle");
}

static void do_fact(struct model *m)
{
    if (!m->groups_n)
        return;
    struct mgroup *g = &m->groups[rnd(m, (uint64_t)m->groups_n)];
    if (g->gone || g->oci)
        return;
    feed_text(&m->f, BH_FACT, g->number, m->now,
              "{\"source\":\"bundle\",\"problem\":\"\",\"name\":\"n\"}");
    g->oci = true;
    if (g->entered)
        enter(m, g->number);
}

static void do_attach(struct model *m)
{
    if (!m->groups_n)
        return;
    struct mgroup *g = &m->groups[rnd(m, (uint64_t)m->groups_n)];
    int k = some_live(m);
    struct mproc *p = &m->procs[k];
    if (g->gone || p->w.tgid <= 2)
        return;
    uint32_t before = counts_as(m, p->w.container);
    bool moved = p->w.container != g->number;
    struct who w = p->w;
    p->w.container = w.container = g->number;
    p->w.cgroup = w.cgroup = g->id;
    feed_cgroup(&m->f, BH_CGROUP_ATTACH, w, m->now,
                (struct bh_cgroup){.id = g->id, .container = g->number}, "/x", "");
    if (!moved)
        return;
    // It counts as where it is when it comes in; a seal may follow from that.
    bool begins = counts_as(m, g->number) != before;
    enter(m, g->number);
    if (begins)
        p->lineage = begin_lineage(m, p);
}

static void do_remove(struct model *m)
{
    if (!m->groups_n)
        return;
    int g = (int)rnd(m, (uint64_t)m->groups_n);
    for (int k = 0; k < m->n; k++)
        if (!m->procs[k].exited && m->procs[k].w.container == m->groups[g].number)
            return;
    for (int k = 0; k < m->groups_n; k++)
        if (m->groups[k].parent == g && !m->groups[k].gone)
            return;
    if (m->groups[g].gone)
        return;
    m->groups[g].gone = true;
    feed_cgroup(&m->f, BH_CGROUP_REMOVE, m->procs[0].w, m->now,
                (struct bh_cgroup){.id = m->groups[g].id, .container = m->groups[g].number}, "/x",
                "");
    assert_true(noticed(&m->f, NOTICE_CONTAINER_GONE, m->groups[g].number));
}

static void history(uint64_t seed, bool small)
{
    static const struct {
        void (*f)(struct model *m);
        unsigned weight;
    } acts[] = {{do_fork, 30}, {do_exec, 16}, {do_exit, 24},  {do_open, 24},
                {do_make, 2},  {do_fact, 2},  {do_attach, 4}, {do_remove, 2}};
    struct model *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    *m = (struct model){.now = SEC, .random = seed, .small = small};
    feed_init(&m->f, small ? &(struct identify_limits){.max_processes = 24,
                                                       .max_per_container = 10,
                                                       .max_bytes = 64 << 10}
                           : NULL);
    // PID 1 comes from the scan.
    struct who one = {.tgid = 1, .start = 0, .exec = 1};
    struct mproc *p = add(m, one, -1);
    p->image.exec = 1;
    p->image.mnt = HOST_MNT;
    snprintf(p->image.path, sizeof(p->image.path), "/sbin/init");
    feed_exec(&m->f, BH_TASK, one, m->now, (struct exec_of){.path = p->image.path});
    feed_raw(&m->f, rec_of(BH_SCAN_DONE, (struct who){0}, m->now), NULL, 0, STR_NULL);
    p->lineage = begin_lineage(m, p);
    unsigned total = 0;
    for (size_t k = 0; k < ARRAY_SIZE(acts); k++)
        total += acts[k].weight;
    for (int step = 0; step < STEPS; step++) {
        uint64_t pick = rnd(m, total);
        size_t k = 0;
        for (; pick >= acts[k].weight; k++)
            pick -= acts[k].weight;
        m->now += 1 + rnd(m, 40 * NSEC_PER_MSEC);
        acts[k].f(m);
        struct identify_stats s;
        identify_stats(m->f.i, &s);
        assert_true(s.malformed == 0);
        if (small) {
            assert_true(s.processes <= 24);
            assert_true(s.bytes <= 64 << 10);
        }
    }
    feed_done(&m->f);
    free(m);
}

static void with_room_enough(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        history(seed * 0x9e3779b97f4a7c15ULL, false);
}

static void with_tables_too_small(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        history(seed * 0xd1342543de82ef95ULL, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(with_room_enough),
                                       cmocka_unit_test(with_tables_too_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
