// The worker's process: what it gave up, what it answers, and that a crash or a hang costs one
// request.
#include "worker/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int setup(void **state)
{
    struct error err = {0};
    if (geteuid() != 0)
        return 0; // each test skips itself
    struct worker *w = NULL;
    if (worker_start(&w, &err) < 0) {
        print_error("%s\n", err.message);
        return -1;
    }
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    worker_stop(*state);
    return 0;
}

#define NEEDS_ROOT(state)                                                                          \
    if (!*(state))                                                                                 \
    skip()

static int file_with(const char *text, size_t len)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    return fd;
}

// Waits for a reply, at most 8 s.
static json_t *reply(struct worker *w, uint64_t want_tag)
{
    uint64_t end = now_ms() + 8000, tag;
    struct str text;
    for (;;) {
        struct error err = {0};
        int n = worker_take(w, &tag, &text, &err);
        if (n == 1)
            break;
        assert_true(now_ms() < end);
        struct pollfd p = {.fd = worker_fd(w), .events = POLLIN};
        poll(&p, 1, (int)(end - now_ms()));
    }
    assert_int_equal(tag, want_tag);
    json_t *j = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(j);
    return j;
}

static const char *text_of(json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(null)";
}

static void proc_text(pid_t pid, const char *name, struct buf *b)
{
    char path[64], chunk[4096];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(b, chunk, (size_t)n);
    close(fd);
}

static void count_entries(pid_t pid, const char *name, int *ret)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    DIR *d = opendir(path);
    assert_non_null(d);
    *ret = 0;
    for (struct dirent *e; (e = readdir(d));)
        *ret += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
}

static void the_process_has_nothing(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    // Shared memory of ours, as the rings' pages are, must not be the worker's.
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    struct worker *second = NULL;
    struct error err = {0};
    assert_int_equal(worker_start(&second, &err), 0);
    pid_t pids[] = {worker_pid(w), worker_pid(second)};
    for (size_t k = 0; k < ARRAY_SIZE(pids); k++) {
        struct buf b = {0};
        proc_text(pids[k], "status", &b);
        static const char *const wanted[] = {"\nCapInh:\t0000000000000000\n",
                                             "\nCapPrm:\t0000000000000000\n",
                                             "\nCapEff:\t0000000000000000\n",
                                             "\nCapBnd:\t0000000000000000\n",
                                             "\nCapAmb:\t0000000000000000\n",
                                             "\nNoNewPrivs:\t1\n",
                                             "\nSeccomp:\t2\n",
                                             "\nUid:\t65534\t65534\t65534\t65534\n",
                                             "\nGid:\t65534\t65534\t65534\t65534\n",
                                             "\nGroups:\t \n"};
        for (size_t s = 0; s < ARRAY_SIZE(wanted); s++)
            if (!strstr(b.ptr, wanted[s]))
                fail_msg("status lacks %s", wanted[s] + 1);
        buf_reset(&b);
        proc_text(pids[k], "maps", &b);
        assert_null(strstr(b.ptr, "rw-s"));
        buf_reset(&b);
        proc_text(pids[k], "net/dev", &b); // of its own network namespace: only a loopback, if any
        assert_null(strstr(b.ptr, "eth"));
        buf_done(&b);
        int n;
        count_entries(pids[k], "root", &n);
        assert_int_equal(n, 0);
        count_entries(pids[k], "cwd", &n);
        assert_int_equal(n, 0);
        count_entries(pids[k], "fd", &n);
        assert_int_equal(n, 4); // three of nothing, and the socket
    }
    worker_stop(second);
    munmap(shared, 4096);
}

static void a_bundle_becomes_facts(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    static const char bundle[] =
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"web\"}";
    int fd = file_with(bundle, sizeof(bundle) - 1);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 7,
                                   STR("{\"container\":3,\"id\":\"c1\",\"bundle\":\"/b/shop\"}"),
                                   fd),
                     0);
    close(fd);
    json_t *j = reply(w, 7);
    assert_string_equal(text_of(j, "problem"), "");
    assert_string_equal(text_of(j, "source"), "bundle");
    assert_string_equal(text_of(j, "rootfs"), "/b/shop/rootfs");
    assert_string_equal(text_of(j, "workload"), "shop");
    assert_string_equal(text_of(j, "name"), "c1");
    assert_int_equal(json_integer_value(json_object_get(j, "container")), 3);
    json_decref(j);
}

static void what_is_no_file_is_refused(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    int pipes[2], sockets[2];
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        large = memfd_create("large", MFD_CLOEXEC);
    assert_int_equal(ftruncate(large, MAX_BUNDLE_BYTES + 1), 0);
    const struct {
        int fd;
        const char *problem;
    } cases[] = {{pipes[0], "not a regular file"},
                 {sockets[0], "not a regular file"},
                 {folder, "not a regular file"},
                 {large, "the file is larger than 4 MiB"}};
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        assert_int_equal(worker_submit(w, WORKER_BUNDLE, k, STR("{\"container\":9}"), cases[k].fd),
                         0);
        json_t *j = reply(w, k);
        assert_string_equal(text_of(j, "problem"), cases[k].problem);
        assert_int_equal(json_integer_value(json_object_get(j, "container")), 9);
        json_decref(j);
    }
    int all[] = {pipes[0], pipes[1], sockets[0], sockets[1], folder, large};
    for (size_t k = 0; k < ARRAY_SIZE(all); k++)
        close(all[k]);
}

static void a_job_that_is_none_is_refused(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    int fd = file_with("{}", 2);
    assert_int_equal(worker_submit(w, (enum worker_job)99, 1, STR("{}"), fd), -EINVAL);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 1, STR("{}"), -1), -EBADF);
    struct worker_stats s;
    worker_stats(w, &s);
    assert_int_equal(s.refused, 2);
    close(fd);
}

static void a_full_queue_says_so(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    int fd = file_with("{}", 2), n = 0;
    kill(worker_pid(w), SIGSTOP);
    while (n < 1000 && worker_submit(w, WORKER_BUNDLE, (uint64_t)n, STR("{}"), fd) == 0)
        n++;
    assert_in_range(n, 1, 999);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 0, STR("{}"), fd), -EAGAIN);
    kill(worker_pid(w), SIGCONT);
    for (int k = 0; k < n; k++) {
        json_t *j = reply(w, (uint64_t)k); // in order, all of them
        assert_string_equal(text_of(j, "problem"), "none");
        json_decref(j);
    }
    close(fd);
}

static void a_crash_costs_one_request(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    static const char good[] = "{\"ociVersion\":\"1.0.2\"}";
    int fd = file_with(good, sizeof(good) - 1);
    pid_t first = worker_pid(w);
    kill(first, SIGSTOP); // so that the requests are surely in hand
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 1, STR("{\"container\":1,\"id\":\"a\"}"), fd),
                     0);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 2, STR("{\"container\":2,\"id\":\"b\"}"), fd),
                     0);
    kill(first, SIGSEGV);
    kill(first, SIGCONT);
    json_t *j = reply(w, 1);
    assert_string_equal(text_of(j, "problem"), "the worker crashed on it");
    assert_string_equal(text_of(j, "source"), "bundle");
    assert_string_equal(text_of(j, "id"), "a");
    assert_int_equal(json_integer_value(json_object_get(j, "container")), 1);
    json_decref(j);
    j = reply(w, 2);
    assert_string_equal(text_of(j, "problem"), "");
    json_decref(j);
    assert_int_not_equal(worker_pid(w), first);
    struct worker_stats s;
    worker_stats(w, &s);
    assert_int_equal(s.crashes, 1);
    close(fd);
}

static void a_hang_costs_one_request(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    int fd = file_with("{}", 2);
    uint64_t began = now_ms();
    kill(worker_pid(w), SIGSTOP);
    assert_int_equal(worker_submit(w, WORKER_RUNTIME_STATE, 1, STR("{\"container\":1}"), fd), 0);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 2, STR("{}"), fd), 0);
    json_t *j = reply(w, 1);
    assert_string_equal(text_of(j, "problem"), "the worker took longer than its deadline");
    assert_string_equal(text_of(j, "source"), "runtime state");
    assert_true(now_ms() - began >= 1900);
    json_decref(j);
    j = reply(w, 2);
    assert_string_equal(text_of(j, "problem"), "none");
    json_decref(j);
    struct worker_stats s;
    worker_stats(w, &s);
    assert_int_equal(s.timeouts, 1);
    close(fd);
}

static void dying_again_and_again_is_not_a_loop(void **state)
{
    NEEDS_ROOT(state);
    struct worker *w = *state;
    uint64_t tag, began = now_ms();
    struct str text;
    struct error err = {0};
    unsigned starts = 0;
    pid_t last = 0;
    // For a second and a half, whatever process is there is killed at once.
    while (now_ms() - began < 1500) {
        pid_t pid = worker_pid(w);
        if (pid > 0 && pid != last) {
            starts++;
            last = pid;
            kill(pid, SIGSEGV);
        }
        assert_int_not_equal(worker_take(w, &tag, &text, &err), 1);
        struct pollfd p = {.fd = worker_fd(w), .events = POLLIN};
        poll(&p, 1, 100);
    }
    assert_in_range(starts, 3, 8); // 0, 100, 200, 400, 800 ms …
    int fd = file_with("{}", 2);
    assert_int_equal(worker_submit(w, WORKER_BUNDLE, 5, STR("{}"), fd), 0);
    json_t *j = reply(w, 5);
    assert_string_equal(text_of(j, "problem"), "none");
    json_decref(j);
    close(fd);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_process_has_nothing),    CASE(a_bundle_becomes_facts),
        CASE(what_is_no_file_is_refused), CASE(a_job_that_is_none_is_refused),
        CASE(a_full_queue_says_so),       CASE(a_crash_costs_one_request),
        CASE(a_hang_costs_one_request),   CASE(dying_again_and_again_is_not_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
