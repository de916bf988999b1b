// guardian: what is on its list is undone when the core is gone, however it went, and left alone
// when the core says so.
#include "guardian/guardian.h"
#include "host/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { ROUNDS = 150, WAIT_MS = 5000 };

struct fixture {
    char dir[64];
    int dirfd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bh-guardian-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    // A core that is killed leaves its guardian to us, so that its end can be waited for.
    return f->dirfd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -1 : 0;
}

static size_t files(struct fixture *f)
{
    DIR *d = opendir(f->dir);
    size_t n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close(f->dirfd);
    int r = rmdir(f->dir); // fails if a test left something
    free(f);
    return r;
}

static void make(struct fixture *f, const char *name)
{
    int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static void reap_all(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    assert_int_equal(errno, ECHILD);
}

// What a core does: tell the guardian, act, sometimes undo it itself. Until it is killed.
static void core(struct fixture *f, int ready)
{
    struct guardian *g;
    if (guardian_start(&g, NULL) < 0 || write(ready, "r", 1) != 1)
        _exit(1);
    for (unsigned i = 0;; i++) {
        char name[32];
        uint64_t ticket;
        snprintf(name, sizeof(name), "hold-%u", i);
        if (guardian_add(g, UNDO_UNLINK, f->dirfd, name, &ticket) < 0)
            pause(); // full
        make(f, name);
        if (i % 3) {
            unlinkat(f->dirfd, name, 0);
            guardian_done(g, ticket);
        }
    }
}

static void test_kill_9_at_any_moment_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 1, acted = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int ready[2];
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid_t pid = fork();
        if (pid == 0)
            core(f, ready[1]);
        close(ready[1]);
        char c;
        assert_int_equal(read(ready[0], &c, 1), 1);
        close(ready[0]);
        usleep((useconds_t)(rand_r(&seed) % 1500));
        acted += files(f) > 0;
        assert_int_equal(kill(pid, SIGKILL), 0);
        reap_all(); // the core and its guardian
        assert_int_equal(files(f), 0);
    }
    assert_true(acted > 0); // there was something to undo
}

static void test_stop_undoes_nothing(void **state)
{
    struct fixture *f = *state;
    struct guardian *g;
    uint64_t ticket;
    assert_int_equal(guardian_start(&g, NULL), 0);
    assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, "kept", &ticket), 0);
    make(f, "kept");
    guardian_stop(g);
    assert_int_equal(files(f), 1);
    unlinkat(f->dirfd, "kept", 0);
}

static void test_hostile_paths_and_limits_are_refused(void **state)
{
    struct fixture *f = *state;
    struct guardian *g;
    uint64_t ticket, tickets[MAX_UNDOS];
    assert_int_equal(guardian_start(&g, NULL), 0);
    static const char *const bad[] = {"", "/etc/passwd", "..", "a/../../b", "a/..", "."};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, bad[i], &ticket), -EINVAL);
    assert_int_equal(guardian_add(g, 99, f->dirfd, "a", &ticket), -EINVAL);
    assert_int_equal(guardian_add(g, UNDO_UNLINK, -1, "a", &ticket), -EBADF);
    assert_int_equal(guardian_add(g, UNDO_WRITE, f->dirfd, "a", &ticket), -EINVAL); // no text
    char longest[300];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, longest, &ticket), -ENAMETOOLONG);
    for (size_t i = 0; i < MAX_UNDOS; i++)
        assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, "a", &tickets[i]), 0);
    assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, "a", &ticket), -ENOSPC);
    assert_int_equal(guardian_done(g, tickets[7]), 0);
    assert_int_equal(guardian_done(g, tickets[7]), -ENOENT);
    assert_int_equal(guardian_add(g, UNDO_UNLINK, f->dirfd, "a", &ticket), 0);
    guardian_stop(g);
}

// A link below the folder is not a way out of it.
static void test_links_are_not_followed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdirat(f->dirfd, "real", 0700), 0);
    make(f, "real/victim");
    assert_int_equal(symlinkat("real", f->dirfd, "link"), 0);
    assert_int_equal(guardian_undo_now(UNDO_UNLINK, f->dirfd, "link/victim"), -ELOOP);
    assert_int_equal(faccessat(f->dirfd, "real/victim", F_OK, 0), 0);
    assert_int_equal(guardian_undo_now(UNDO_UNLINK, f->dirfd, "real/victim"), 0);
    assert_int_equal(guardian_undo_now(UNDO_UNLINK, f->dirfd, "real/victim"),
                     0); // undone is undone
    unlinkat(f->dirfd, "link", 0);
    unlinkat(f->dirfd, "real", AT_REMOVEDIR);
}

static void test_it_holds_and_may_little(void **state)
{
    struct guardian *g;
    int extra = open("/dev/null", O_RDONLY); // inheritable, as a careless library might leave one
    assert_int_equal(guardian_start(&g, NULL), 0);
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)guardian_pid(g));
    size_t n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    assert_true(n <= 5); // null three times, the socket, the core's pidfd
    snprintf(path, sizeof(path), "/proc/%d/status", (int)guardian_pid(g));
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(host_read_file(AT_FDCWD, path, 1 << 16, &b), 0);
    assert_non_null(strstr(b.ptr, "Name:\tbh-guardian"));
    assert_non_null(strstr(b.ptr, "Seccomp:\t2"));
    assert_non_null(strstr(b.ptr, "NoNewPrivs:\t1"));
    if (geteuid() == 0)
        assert_non_null(strstr(b.ptr, "CapEff:\t0000000000000022")); // kill, dac_override
    // A polite signal isn't meant for it.
    static const int polite[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < ARRAY_SIZE(polite); i++)
        kill(guardian_pid(g), polite[i]);
    uint64_t ticket;
    assert_int_equal(guardian_add(g, UNDO_UNLINK, ((struct fixture *)*state)->dirfd, "a", &ticket),
                     0);
    guardian_stop(g);
    close(extra);
}

static void test_a_dead_guardian_is_noticed(void **state)
{
    struct guardian *g;
    uint64_t ticket;
    assert_int_equal(guardian_start(&g, NULL), 0);
    kill(guardian_pid(g), SIGKILL);
    int r = guardian_add(g, UNDO_UNLINK, ((struct fixture *)*state)->dirfd, "a", &ticket);
    assert_true(r == -EPIPE || r == -ECONNRESET);
    guardian_stop(g); // and returns
}

// The guardian is killed, another takes the list over, then the core is killed: all is undone.
static void test_a_dead_guardian_is_followed_by_another(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct guardian *g;
        uint64_t held, over;
        if (guardian_start(&g, NULL) < 0 ||
            guardian_add(g, UNDO_UNLINK, f->dirfd, "over", &over) < 0 ||
            guardian_add(g, UNDO_UNLINK, f->dirfd, "held", &held) < 0 || guardian_done(g, over) < 0)
            _exit(1);
        make(f, "held");
        pid_t first = guardian_pid(g);
        siginfo_t info;
        if (guardian_revive(g, NULL) != 0 || guardian_pid(g) != first)
            _exit(1);
        kill(first, SIGKILL);
        waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT);
        if (guardian_revive(g, NULL) != 1 || guardian_pid(g) == first ||
            guardian_add(g, UNDO_UNLINK, f->dirfd, "over", &over) < 0 ||
            guardian_done(g, over) < 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    char c;
    ssize_t got = read(ready[0], &c, 1);
    close(ready[0]);
    kill(pid, SIGKILL);
    reap_all();
    size_t left = files(f);
    unlinkat(f->dirfd, "held", 0);
    assert_int_equal(got, 1);
    assert_int_equal(left, 0);
}

// The core dies while a scratch cgroup holds a frozen process and a child cgroup: all of it goes.
static void test_cgroups_go_with_all_that_is_in_them(void **state)
{
    struct host *host = NULL;
    char name[64], below[80], frozen[96], procs[96];
    snprintf(name, sizeof(name), "bh-test-guardian-%d", (int)getpid());
    snprintf(below, sizeof(below), "%s/child", name);
    snprintf(frozen, sizeof(frozen), "%s/cgroup.freeze", name);
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", below);
    if (host_open("/", &host, NULL) < 0 || host_cgroup2_fd(host) < 0 ||
        mkdirat(host_cgroup2_fd(host), name, 0755) < 0) {
        host_close(host);
        print_message("no cgroup can be made here\n");
        skip();
    }
    int tree = host_cgroup2_fd(host), ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct guardian *g;
        uint64_t ticket;
        if (guardian_start(&g, NULL) < 0 ||
            guardian_add(g, UNDO_REMOVE_CGROUP, tree, name, &ticket) < 0 ||
            mkdirat(tree, below, 0755) < 0)
            _exit(1);
        pid_t inmate = fork();
        if (inmate == 0)
            for (;;)
                pause();
        char text[16];
        int n = snprintf(text, sizeof(text), "%d", (int)inmate);
        int p = openat(tree, procs, O_WRONLY | O_CLOEXEC),
            z = openat(tree, frozen, O_WRONLY | O_CLOEXEC);
        if (write(p, text, (size_t)n) != n || write(z, "1", 1) != 1 || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    char c;
    ssize_t got = read(ready[0], &c, 1);
    close(ready[0]);
    kill(pid, SIGKILL);
    int left = 0;
    for (int i = 0; i < WAIT_MS && (left = faccessat(tree, name, F_OK, 0)) == 0; i++)
        usleep(1000);
    guardian_undo_now(UNDO_REMOVE_CGROUP, tree, name); // if the test fails nothing stays either
    reap_all();
    host_close(host);
    assert_int_equal(got, 1);
    assert_int_equal(left, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill_9_at_any_moment_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_undoes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_paths_and_limits_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_holds_and_may_little, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_dead_guardian_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_dead_guardian_is_followed_by_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_cgroups_go_with_all_that_is_in_them, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
