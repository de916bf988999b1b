// What a flood does: to whoever makes it, and to everyone else; and that every number of a sequence
// is accounted for.
#include "harness.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { SMALL_RING = 64 * 1024, FEW = 200 };

static const uint16_t kinds[] = {BH_CRED, BH_OPEN, 0};

struct group {
    char path[4096], procs[4200];
    uint64_t id;
    uint32_t number;
};

static void group_make(struct live *l, struct group *g, const char *name)
{
    struct stat st;
    struct bh_cgroup_entry e;
    snprintf(g->path, sizeof(g->path), "%s/bh-flood-%s-%d", host_cgroup2_path(l->host), name,
             getpid());
    snprintf(g->procs, sizeof(g->procs), "%s/cgroup.procs", g->path);
    assert_int_equal(mkdir(g->path, 0755), 0);
    assert_int_equal(stat(g->path, &st), 0);
    g->id = st.st_ino;
    assert_int_equal(bpf_map_lookup_elem(sense_map_fd(l->sense, "cgroups"), &g->id, &e), 0);
    g->number = e.container;
    assert_int_equal(sense_seal(l->sense, g->id, g->number), 0);
}

static void enter(const struct group *g)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "%d", getpid()), fd = open(g->procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)n) != n)
        _exit(90);
    close(fd);
}

// Credentials that really change, as fast as the cpu can.
static int flip(void *arg)
{
    enter(arg);
    for (unsigned i = 0;; i++)
        if (syscall(SYS_setresuid, -1, (i & 1) ? 0 : 77, -1) != 0)
            return 1;
}

struct victim {
    const struct group *group;
    unsigned acts;
    useconds_t pause;
};
static int change_few(void *arg)
{
    const struct victim *v = arg;
    enter(v->group);
    for (unsigned i = 0; i < v->acts; i++) {
        if (syscall(SYS_setresgid, -1, (i & 1) ? 0 : 1000 + i, -1) != 0)
            return 1;
        usleep(v->pause);
    }
    return 0;
}

struct of {
    uint16_t kind;
    uint32_t container;
};
static bool of_container(const struct bh_rec *rec, const void *arg)
{
    const struct of *o = arg;
    return rec->kind == o->kind && rec->container == o->container && !(rec->flags & BH_F_COPY);
}

static uint64_t lost_of(const struct live *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->got.n; i++)
        if (l->got.recs[i]->kind == BH_LOSS) {
            const struct bh_loss *loss = REC_AS(l->got.recs[i], bh_loss);
            assert_true(loss->first <= loss->last);
            n += loss->last - loss->first + 1;
        }
    return n;
}
static uint64_t stormed(const struct live *l, uint32_t container)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->got.n; i++)
        if (l->got.recs[i]->kind == BH_STORM) {
            const struct bh_storm *storm = REC_AS(l->got.recs[i], bh_storm);
            assert_true(storm->first <= storm->last);
            if (container == UINT32_MAX || storm->container == container)
                n += storm->count;
        }
    return n;
}

// Others on this machine act too, so some number is always on its way: until what is missing is
// what was counted.
static void expect_balance(struct live *l)
{
    uint64_t end = host_boot_now().ns + 20 * NSEC_PER_SEC;
    do {
        assert_true(sense_storms(l->sense, host_boot_now().ns, live_take, l) >= 0);
        live_settle(l);
    } while (lost_of(l) != stormed(l, UINT32_MAX) && host_boot_now().ns < end);
    assert_int_equal(lost_of(l), stormed(l, UINT32_MAX));
}

static void test_flood(void **state)
{
    struct live *l = live_open(1, SMALL_RING, 2000, kinds);
    struct group loud, quiet;
    group_make(l, &loud, "loud");
    group_make(l, &quiet, "quiet");
    pid_t flooder = live_spawn(flip, &loud);
    assert_non_null(live_wait(l, of_container, &(struct of){BH_CRED, loud.number}));

    // The ring is drained slowly, so that the flood always finds it full.
    struct victim v = {&quiet, FEW, 2000};
    pid_t victim = live_spawn(change_few, &v);
    int status = 0;
    while (waitpid(victim, &status, WNOHANG) == 0) {
        assert_true(sense_drain(l->sense, 0, 64, live_take, l) >= 0);
        usleep(2000);
    }
    assert_int_equal(status, 0);
    kill(flooder, SIGKILL);
    live_reap(flooder);
    expect_balance(
        l); // every number that is missing was counted for a container, and the other way round

    size_t mine = live_count(l, of_container, &(struct of){BH_CRED, quiet.number});
    uint64_t held = stormed(l, loud.number);
    print_message("flood: %llu held back, %zu of %u of the other container's arrived\n",
                  (unsigned long long)held, mine, FEW);
    assert_true(held > 10000);
    assert_int_equal(mine, FEW); // nothing of another's is lost
    assert_int_equal(stormed(l, quiet.number), 0);
    struct sense_stats stats;
    sense_stats(l->sense, &stats);
    assert_int_equal(stats.lost, lost_of(l));
    assert_int_equal(stats.held_back, stormed(l, UINT32_MAX));
    assert_int_equal(stats.missed, 0);

    assert_int_equal(rmdir(loud.path), 0);
    assert_int_equal(rmdir(quiet.path), 0);
    live_close(l);
}

static int open_many(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return 1;
        close(fd);
    }
    return 0;
}
static bool of_task(const struct bh_rec *rec, const void *arg)
{
    return rec->kind == BH_OPEN && rec->tgid == *(const uint32_t *)arg;
}

// A ring that nobody reads: what arrives and what is missing make up what happened, exactly, also
// behind the last one.
static void test_loss_is_exact(void **state)
{
    struct live *l = live_open(1, SMALL_RING, 10, kinds);
    int opens = 5000;
    uint32_t pid = (uint32_t)live_spawn(open_many, &opens);
    assert_int_equal(live_reap((pid_t)pid), 0);
    expect_balance(
        l); // every number that is missing was counted for a container, and the other way round
    size_t arrived = live_count(l, of_task, &pid);
    assert_true(arrived > 0 && arrived < (size_t)opens);
    uint64_t of_bulk = 0;
    for (size_t i = 0; i < l->got.n; i++)
        if (l->got.recs[i]->kind == BH_STORM && REC_AS(l->got.recs[i], bh_storm)->kind == BH_OPEN)
            of_bulk += REC_AS(l->got.recs[i], bh_storm)->count;
    assert_true(arrived + of_bulk >= (uint64_t)opens); // others on this machine open too
    print_message("loss: %zu arrived, %llu held back, %llu missing\n", arrived,
                  (unsigned long long)stormed(l, UINT32_MAX), (unsigned long long)lost_of(l));
    live_close(l);
}

// Life goes to every shard, all else to its container's; a copy says so.
static void test_shards(void **state)
{
    struct live *l = live_open(3, 1 << 20, 10000, kinds);
    struct group g[3];
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "s%d", i);
        group_make(l, &g[i], name);
    }
    for (int i = 0; i < 3; i++) {
        struct victim v = {&g[i], 3, 0};
        assert_int_equal(live_reap(live_spawn(change_few, &v)), 0);
        assert_non_null(live_wait(l, of_container, &(struct of){BH_EXIT, g[i].number}));
    }
    live_settle(l);
    for (int i = 0; i < 3; i++) {
        size_t changes = 0, exits = 0, own_exits = 0;
        for (size_t k = 0; k < l->got.n; k++) {
            const struct bh_rec *rec = l->got.recs[k];
            if (rec->container != g[i].number)
                continue;
            if (rec->kind == BH_CRED) {
                assert_int_equal(rec->shard, g[i].number % 3);
                changes++;
            }
            if (rec->kind == BH_EXIT) {
                exits++;
                own_exits += !(rec->flags & BH_F_COPY);
                assert_int_equal(!(rec->flags & BH_F_COPY), rec->shard == g[i].number % 3);
            }
        }
        assert_int_equal(changes, 3);
        assert_int_equal(exits, 3);
        assert_int_equal(own_exits, 1);
        assert_int_equal(rmdir(g[i].path), 0);
    }
    assert_int_equal(lost_of(l), 0);
    live_close(l);
}

// What is asked for of plain cgroups isn't what is asked for of containers; a level adds kinds to
// one.
static void test_states(void **state)
{
    struct live *l = live_open(1, 1 << 20, 10000, NULL);
    struct error err;
    struct interest i = {0};
    struct group a, b;
    interest_base(&i);
    kind_set_add(&i.containers, BH_OPEN);
    assert_int_equal(sense_set_interest(l->sense, &i, &err), 0);
    group_make(l, &a, "a");
    group_make(l, &b, "b");
    assert_int_equal(sense_plain(l->sense, b.id, b.number), 0);
    struct victim va = {&a, 2, 0}, vb = {&b, 2, 0};
    assert_int_equal(live_reap(live_spawn(change_few, &va)), 0);
    assert_int_equal(live_reap(live_spawn(change_few, &vb)), 0);
    live_settle(l);
    assert_int_equal(live_count(l, of_container, &(struct of){BH_CRED, a.number}), 0);

    struct bh_kind_set more = {{0}};
    kind_set_add(&more, BH_CRED);
    assert_int_equal(sense_watch(l->sense, b.number, 2, &more, &err), 0);
    assert_int_equal(live_reap(live_spawn(change_few, &va)), 0);
    assert_int_equal(live_reap(live_spawn(change_few, &vb)), 0);
    const struct bh_rec *rec = live_wait(l, of_container, &(struct of){BH_CRED, b.number});
    assert_non_null(rec);
    assert_int_equal(rec->level, 2);
    live_settle(l);
    assert_int_equal(live_count(l, of_container, &(struct of){BH_CRED, a.number}), 0);
    assert_int_equal(rmdir(a.path), 0);
    assert_int_equal(rmdir(b.path), 0);
    live_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_loss_is_exact),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
