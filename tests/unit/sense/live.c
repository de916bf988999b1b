// Processes and cgroups as the running kernel tells them.
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct who {
    uint16_t kind;
    uint32_t tgid;
};
static bool is(const struct bh_rec *rec, const void *arg)
{
    const struct who *w = arg;
    return rec->kind == w->kind && rec->tgid == w->tgid && !(rec->flags & BH_F_COPY);
}
struct child {
    uint32_t pid;
};
static bool forked(const struct bh_rec *rec, const void *arg)
{
    return rec->kind == BH_FORK && REC_AS(rec, bh_fork)->child == ((const struct child *)arg)->pid;
}
static void expect_text(struct str have, const char *want)
{
    if (!str_eq(have, str_of(want)))
        fail_msg("\"" STR_FMT "\" is not \"%s\"", STR_ARG(have), want);
}

static int run_true(void *arg)
{
    if (chdir("/usr/bin") < 0)
        return 99;
    execl("/bin/true", "true", "a b", "", "last", NULL);
    return 98;
}

static void test_process_life(void **state)
{
    struct live *l = live_open(1, 1 << 20, 1000, NULL);
    pid_t pid = live_spawn(run_true, NULL);
    assert_int_equal(live_reap(pid), 0);
    struct who w = {BH_EXIT, (uint32_t)pid};
    assert_non_null(live_wait(l, is, &w));

    struct child c = {(uint32_t)pid};
    const struct bh_rec *f = live_wait(l, forked, &c);
    assert_non_null(f);
    assert_int_equal(f->tgid, getpid());
    const struct bh_fork *fork = REC_AS(f, bh_fork);

    w.kind = BH_EXEC;
    const struct bh_rec *x = live_wait(l, is, &w);
    assert_non_null(x);
    const struct bh_exec *e = REC_AS(x, bh_exec);
    assert_int_equal(x->start, fork->child_start);
    assert_int_equal(e->ppid, getpid());
    assert_int_equal(e->parent_start, f->start);
    assert_int_equal(e->old_exec, fork->child_exec);
    assert_int_equal(x->exec, fork->child_exec + 1);
    assert_int_equal(e->call, BH_CALL_EXECVE);
    char real[4096];
    assert_non_null(realpath("/bin/true", real));
    expect_text(rec_str(x, e->path), real);
    expect_text(rec_str(x, e->name), "/bin/true");
    expect_text(rec_str(x, e->cwd), "/usr/bin");
    expect_text(rec_str(x, e->comm), "true");
    assert_true(str_eq(rec_str(x, e->args), STR("true\0a b\0\0last\0")));
    struct stat st;
    assert_int_equal(stat("/bin/true", &st), 0);
    assert_int_equal(e->exe.ino, st.st_ino);
    assert_int_equal(e->exe.mode, st.st_mode);
    assert_int_equal(e->exe.ctime,
                     (uint64_t)st.st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec);
    assert_int_equal(e->exe.mtime,
                     (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec);
    assert_int_equal(stat("/proc/self/ns/mnt", &st), 0);
    assert_int_equal(e->nses.mnt, st.st_ino);
    assert_int_equal(stat("/proc/self/ns/user", &st), 0);
    assert_int_equal(e->nses.user, st.st_ino);
    assert_int_equal(e->creds.userns, st.st_ino);
    assert_int_equal(e->creds.euid, 0);
    assert_int_equal(e->sid, getsid(0));
    assert_int_equal(e->pgid, getpgrp());
    assert_true(f->time <= x->time);
    live_close(l);
}

static int exit_7(void *arg)
{
    return 7;
}
static int die(void *arg)
{
    raise(SIGKILL);
    return 0;
}

static void test_exit_codes(void **state)
{
    struct live *l = live_open(1, 1 << 20, 1000, NULL);
    struct who w = {BH_EXIT, (uint32_t)live_spawn(exit_7, NULL)};
    int status = live_reap((pid_t)w.tgid);
    const struct bh_rec *rec = live_wait(l, is, &w);
    assert_non_null(rec);
    assert_int_equal(REC_AS(rec, bh_exit)->code, status);
    w.tgid = (uint32_t)live_spawn(die, NULL);
    status = live_reap((pid_t)w.tgid);
    rec = live_wait(l, is, &w);
    assert_non_null(rec);
    assert_int_equal(REC_AS(rec, bh_exit)->code, status);
    assert_true(WIFSIGNALED(status));
    live_close(l);
}

// ── cgroups ──────────────────────────────────────────────────────────────────────────────────

struct group {
    uint16_t kind;
    const char *path;
};
static bool of_group(const struct bh_rec *rec, const void *arg)
{
    const struct group *g = arg;
    return rec->kind == g->kind &&
           str_eq(rec_str(rec, REC_AS(rec, bh_cgroup)->path), str_of(g->path));
}

static int enter_and_make(void *arg)
{
    char *const *paths = arg; // own cgroup's procs, folder to make there
    char text[16];
    snprintf(text, sizeof(text), "%d", getpid());
    int fd = open(paths[0], O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || mkdir(paths[1], 0755) < 0)
        return 1;
    return rmdir(paths[1]) < 0;
}

static void test_cgroup_life(void **state)
{
    struct live *l = live_open(1, 1 << 20, 1000, NULL);
    char name[64], nested[80], path[4096], procs[4200], inner[4200];
    snprintf(name, sizeof(name), "/bh-sense-%d", getpid());
    snprintf(nested, sizeof(nested), "%s/inner", name);
    snprintf(path, sizeof(path), "%s%s", host_cgroup2_path(l->host), name);
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
    snprintf(inner, sizeof(inner), "%s/inner", path);
    assert_int_equal(chdir("/tmp"), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    const struct bh_rec *made = live_wait(l, of_group, &(struct group){BH_CGROUP_MAKE, name});
    assert_non_null(made);
    const struct bh_cgroup *g = REC_AS(made, bh_cgroup);
    assert_int_equal(g->id, st.st_ino);
    assert_int_not_equal(g->container, 0);
    assert_int_equal(g->parent_container, 0);
    assert_int_equal(g->inherited, 0);
    assert_int_equal(g->level, 1);
    assert_int_equal(made->tgid, getpid());
    expect_text(rec_str(made, g->cwd), "/tmp");

    // What a process inside makes below its own cgroup stays the same container.
    uint32_t number = g->container;
    char *paths[2] = {procs, inner};
    pid_t pid = live_spawn(enter_and_make, paths);
    assert_int_equal(live_reap(pid), 0);
    const struct bh_rec *below = live_wait(l, of_group, &(struct group){BH_CGROUP_MAKE, nested});
    assert_non_null(below);
    assert_int_equal(REC_AS(below, bh_cgroup)->container, number);
    assert_int_equal(REC_AS(below, bh_cgroup)->inherited, 1);
    assert_int_equal(below->container, number);
    const struct bh_rec *joined = live_wait(l, of_group, &(struct group){BH_CGROUP_ATTACH, name});
    assert_non_null(joined);
    assert_int_equal(joined->tgid, pid);
    assert_int_equal(joined->container, number);

    // From outside: a container of its own, until the one above is sealed.
    assert_int_equal(mkdir(inner, 0755), 0);
    live_clear(l);
    assert_int_equal(rmdir(inner), 0);
    assert_non_null(live_wait(l, of_group, &(struct group){BH_CGROUP_REMOVE, nested}));
    live_clear(l);
    assert_int_equal(sense_seal(l->sense, st.st_ino, number), 0);
    assert_int_equal(mkdir(inner, 0755), 0);
    below = live_wait(l, of_group, &(struct group){BH_CGROUP_MAKE, nested});
    assert_non_null(below);
    assert_int_equal(REC_AS(below, bh_cgroup)->container, number);
    assert_int_equal(rmdir(inner), 0);

    assert_int_equal(rmdir(path), 0);
    assert_non_null(live_wait(l, of_group, &(struct group){BH_CGROUP_REMOVE, name}));
    assert_int_equal(sense_seal(l->sense, st.st_ino, number),
                     -ENOENT); // gone, and doesn't come back
    live_close(l);
}

// ── the scan ─────────────────────────────────────────────────────────────────────────────────

static int wait_for_end(void *arg)
{
    char c;
    close(((int *)arg)[1]);
    return read(((int *)arg)[0], &c, 1) < 0;
}

static void test_scan(void **state)
{
    char name[64], path[4096];
    struct error err = {0};
    struct live *l = live_open(1, 1 << 20, 1000, NULL);
    live_close(l); // only to skip where it can't be
    struct host *h;
    assert_int_equal(host_open("/", &h, &err), 0);
    snprintf(name, sizeof(name), "/bh-scan-%d", getpid());
    snprintf(path, sizeof(path), "%s%s", host_cgroup2_path(h), name);
    assert_int_equal(mkdir(path, 0755), 0);
    int pipes[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t pid = live_spawn(wait_for_end, pipes);

    l = live_open(1, 1 << 20, 1000, NULL);
    assert_int_equal(sense_scan(l->sense, live_take, l, &err), 0);
    const struct bh_rec *group = live_wait(l, of_group, &(struct group){BH_CGROUP_SCAN, name});
    assert_non_null(group);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(REC_AS(group, bh_cgroup)->id, st.st_ino);
    assert_int_not_equal(REC_AS(group, bh_cgroup)->container, 0);
    const struct bh_rec *task = live_wait(l, is, &(struct who){BH_TASK, (uint32_t)pid});
    assert_non_null(task);
    const struct bh_exec *e = REC_AS(task, bh_exec);
    assert_int_equal(e->ppid, getpid());
    char exe[4096] = {0};
    assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    expect_text(rec_str(task, e->path), exe);
    assert_true(rec_str(task, e->args).len > 0);
    const struct bh_rec *me = live_wait(l, is, &(struct who){BH_TASK, (uint32_t)getpid()});
    assert_non_null(me);
    assert_int_equal(e->parent_start, me->start);
    size_t at_me = 0, at_child = 0;
    for (size_t i = 0; i < l->got.n; i++) {
        at_me = l->got.recs[i] == me ? i : at_me;
        at_child = l->got.recs[i] == task ? i : at_child;
    }
    assert_true(at_me < at_child); // parents first
    close(pipes[1]);
    close(pipes[0]);
    live_reap(pid);
    assert_int_equal(rmdir(path), 0);
    live_close(l);
    host_close(h);
}

static int wait_for(struct live *l, int ms)
{
    struct pollfd p = {.fd = sense_fd(l->sense, 0), .events = POLLIN};
    return poll(&p, 1, ms);
}

static void park(struct live *l)
{
    while (!sense_park(l->sense)) // what this machine does meanwhile comes too
        assert_true(sense_drain(l->sense, 0, 4096, live_take, l) >= 0);
}

// Whoever sleeps is woken by the next record; whoever doesn't say that he sleeps isn't, and finds
// out that there is something when he wants to.
static void test_only_a_sleeper_is_woken(void **state)
{
    struct live *l = live_open(1, 1 << 20, 1000, NULL);
    for (int i = 0; i < 20; i++) {
        park(l);
        pid_t pid = live_spawn(run_true, NULL);
        assert_int_equal(wait_for(l, 5000), 1);
        assert_int_equal(live_reap(pid), 0);
        struct who w = {BH_EXIT, (uint32_t)pid};
        for (int n = 0; n < 5000 && live_count(l, is, &w) == 0; n++) { // without a further wake-up
            assert_true(sense_drain(l->sense, 0, 4096, live_take, l) >= 0);
            usleep(1000);
        }
        assert_int_equal(live_count(l, is, &w), 1);
        while (wait_for(l, 0) > 0) // what woke us and was read is forgotten
            assert_true(sense_drain(l->sense, 0, 4096, live_take, l) >= 0);
        pid = live_spawn(run_true, NULL);
        assert_int_equal(live_reap(pid), 0);
        assert_int_equal(wait_for(l, 0), 0);
        assert_false(sense_park(l->sense));
        live_clear(l);
    }
    live_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_life),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_cgroup_life),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_only_a_sleeper_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
