// Credentials and namespaces that are other than they were, and no call did it: what code in the
// kernel leaves behind. Nothing here can write a task's credentials; so what is remembered of the
// task is rewritten instead, and the comparison meets the same difference from its other side.
#include "harness.h"

#include "sense/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static const uint16_t kinds[] = {BH_CRED,  BH_NAMESPACE,  BH_MOUNT,   BH_PTRACE,
                                 BH_MEMFD, BH_DUP_SOCKET, BH_CONNECT, 0};

// What bpf/observe/maps.bpf.h keeps of a task.
struct remembered {
    struct bh_creds creds;
    struct bh_nses nses;
    uint32_t exited, epoch;
};

struct who {
    uint16_t kind;
    uint32_t tgid;
};
static bool is(const struct bh_rec *rec, const void *arg)
{
    const struct who *w = arg;
    return rec->kind == w->kind && rec->tgid == w->tgid;
}

// ── acts, each by a child that was told to go on ──

static int run_true(void)
{
    char *argv[] = {"true", NULL}, *envp[] = {NULL};
    execve("/bin/true", argv, envp);
    return 1;
}
static int make_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 || waitpid(pid, NULL, 0) != pid;
}
static int just_end(void)
{
    return 0;
}
static int try_mount(void)
{
    return mount("x", "/no/such", "tmpfs", 0, NULL) == 0;
}
static int be_traced(void)
{
    return ptrace(PTRACE_TRACEME, 0, 0, 0) != 0;
}
static int make_memfd(void)
{
    return memfd_create("x", MFD_CLOEXEC) < 0;
}
static int dup_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 || dup2(fd, 0) != 0;
}
static int call_unix(void)
{
    struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/no/such"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 || connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) == 0;
}
static const struct {
    const char *name;
    int (*f)(void);
} acts[] = {{"exec", run_true},   {"fork", make_child},  {"exit", just_end},
            {"mount", try_mount}, {"ptrace", be_traced}, {"memfd_create", make_memfd},
            {"dup2", dup_socket}, {"connect", call_unix}};

struct told {
    int pipes[2];
    int (*f)(void);
};
static int when_told(void *arg)
{
    const struct told *t = arg;
    char c;
    if (read(t->pipes[0], &c, 1) != 1)
        return 100;
    return t->f();
}

// A child waits, `change` rewrites what is remembered of it, then it acts.
static pid_t act(struct live *l, int (*f)(void), void (*change)(struct remembered *),
                 struct remembered *ret)
{
    struct told t = {.f = f};
    assert_int_equal(pipe2(t.pipes, O_CLOEXEC), 0);
    pid_t pid = live_spawn(when_told, &t);
    _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(pidfd >= 0);
    int map = bpf_map__fd(l->sense->skeleton->maps.tasks);
    assert_int_equal(bpf_map__value_size(l->sense->skeleton->maps.tasks), sizeof(*ret));
    assert_int_equal(bpf_map_lookup_elem(map, &pidfd, ret), 0);
    if (change) {
        change(ret);
        assert_int_equal(bpf_map_update_elem(map, &pidfd, ret, BPF_EXIST), 0);
    }
    assert_int_equal(write(t.pipes[1], "x", 1), 1);
    assert_int_equal(live_reap(pid), 0);
    close(t.pipes[0]);
    close(t.pipes[1]);
    return pid;
}

static void was_nobody(struct remembered *r)
{
    r->creds.uid = r->creds.euid = r->creds.suid = r->creds.fsuid = 65534;
    r->creds.cap_effective = r->creds.cap_permitted = 0;
}
static void was_elsewhere(struct remembered *r)
{
    r->nses.mnt = 7;
    r->nses.net = 8;
}

static void test_credentials(void **state)
{
    struct live *l = live_open(1, 1 << 20, 10000, kinds);
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        struct remembered r;
        struct who w = {BH_CRED, (uint32_t)act(l, acts[i].f, was_nobody, &r)};
        const struct bh_rec *rec = live_wait(l, is, &w);
        if (!rec)
            fail_msg("%s: nothing was said", acts[i].name);
        const struct bh_cred_change *c = REC_AS(rec, bh_cred_change);
        assert_int_equal(c->call, BH_CALL_NONE);
        assert_int_equal(c->old.euid, 65534);
        assert_int_equal(c->now.euid, 0);
        assert_int_equal(c->old.cap_effective, 0);
        assert_int_not_equal(c->now.cap_effective, 0);
        assert_int_equal(rec->truth, BH_TRUTH_TASK_STATE);
        live_settle(l);
        assert_int_equal(live_count(l, is, &w), 1); // said once, then it is what it is
        live_clear(l);
    }
    live_close(l);
}

static void test_namespaces(void **state)
{
    struct live *l = live_open(1, 1 << 20, 10000, kinds);
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        struct remembered r;
        struct who w = {BH_NAMESPACE, (uint32_t)act(l, acts[i].f, was_elsewhere, &r)};
        const struct bh_rec *rec = live_wait(l, is, &w);
        if (!rec)
            fail_msg("%s: nothing was said", acts[i].name);
        const struct bh_ns_change *c = REC_AS(rec, bh_ns_change);
        assert_int_equal(c->call, BH_CALL_NONE);
        assert_int_equal(c->old.mnt, 7);
        assert_int_not_equal(c->now.mnt, 7);
        assert_int_equal(c->old.uts, c->now.uts);
        live_clear(l);
    }
    live_close(l);
}

static int drop_then_run(void)
{
    return syscall(SYS_setresuid, 1234, 1234, 1234) != 0 || run_true();
}
static int leave_then_run(void)
{
    return unshare(CLONE_NEWUTS | CLONE_NEWTIME) != 0 || run_true();
}

// What calls explain is told once, with the call, and nothing else is told at all.
static void test_nothing_without_a_change(void **state)
{
    struct live *l = live_open(1, 1 << 20, 10000, kinds);
    struct remembered r;
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        struct who cred = {BH_CRED, (uint32_t)act(l, acts[i].f, NULL, &r)},
                   ns = {BH_NAMESPACE, cred.tgid}, end = {BH_EXIT, cred.tgid};
        assert_non_null(live_wait(l, is, &end));
        if (live_count(l, is, &cred) || live_count(l, is, &ns))
            fail_msg("%s: a change was told, and there was none", acts[i].name);
        live_clear(l);
    }
    struct who cred = {BH_CRED, (uint32_t)act(l, drop_then_run, NULL, &r)},
               end = {BH_EXIT, cred.tgid};
    assert_non_null(live_wait(l, is, &end));
    assert_int_equal(live_count(l, is, &cred), 1);
    assert_int_equal(REC_AS(live_wait(l, is, &cred), bh_cred_change)->call, BH_CALL_SETRESUID);
    struct who ns = {BH_NAMESPACE, (uint32_t)act(l, leave_then_run, NULL, &r)};
    end.tgid = ns.tgid;
    assert_non_null(live_wait(l, is, &end));
    for (size_t i = 0; i < l->got.n; i++)
        if (is(l->got.recs[i], &ns))
            assert_int_equal(REC_AS(l->got.recs[i], bh_ns_change)->call, BH_CALL_UNSHARE);
    live_close(l);
}

// What was remembered before every call was looked at explains nothing, so it accuses nobody.
static void was_nobody_before_us(struct remembered *r)
{
    was_nobody(r);
    r->epoch--;
}
static void test_older_memory_is_not_compared(void **state)
{
    struct live *l = live_open(1, 1 << 20, 10000, kinds);
    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        struct remembered r;
        struct who cred = {BH_CRED, (uint32_t)act(l, acts[i].f, was_nobody_before_us, &r)},
                   end = {BH_EXIT, cred.tgid};
        assert_non_null(live_wait(l, is, &end));
        assert_int_equal(live_count(l, is, &cred), 0);
        live_clear(l);
    }
    live_close(l);
}

// Not asked for, then asked for again: what happened between was by calls that nobody saw.
static int drop_quietly(void *arg)
{
    const struct told *t = arg;
    char c;
    if (read(t->pipes[0], &c, 1) != 1 || syscall(SYS_setresuid, 1234, 1234, 1234) != 0)
        return 1;
    return kill(getpid(), SIGSTOP) != 0 || run_true();
}
static void test_a_pause_accuses_nobody(void **state)
{
    struct told t = {0};
    int status;
    assert_int_equal(pipe2(t.pipes, O_CLOEXEC), 0);
    pid_t pid = live_spawn(drop_quietly, &t); // before: a child would keep the links open
    struct live *l = live_open(1, 1 << 20, 10000, kinds);
    struct error err = {0};
    struct interest with = l->sense->interest, without = {0};
    interest_base(&without);
    assert_int_equal(sense_set_interest(l->sense, &without, &err), 0);
    assert_int_equal(write(t.pipes[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(sense_set_interest(l->sense, &with, &err), 0);
    kill(pid, SIGCONT);
    assert_int_equal(live_reap(pid), 0);
    struct who cred = {BH_CRED, (uint32_t)pid}, end = {BH_EXIT, (uint32_t)pid};
    assert_non_null(live_wait(l, is, &end));
    assert_int_equal(live_count(l, is, &cred), 0);
    close(t.pipes[0]);
    close(t.pipes[1]);
    live_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_nothing_without_a_change),
        cmocka_unit_test(test_older_memory_is_not_compared),
        cmocka_unit_test(test_a_pause_accuses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
