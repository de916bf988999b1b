// host: what is opened and what is refused below a root, the ids, and that every capability is
// tried and explained.
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
    struct host *host;
    char dir[64];
    int dirfd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {0};
    if (!f || host_open("/", &f->host, &err) < 0)
        return -1;
    snprintf(f->dir, sizeof(f->dir), "/tmp/bh-host-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return f->dirfd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    static const char *const made[] = {"file", "link", "out", "fifo", "big"};
    for (size_t i = 0; i < ARRAY_SIZE(made); i++)
        unlinkat(f->dirfd, made[i], 0);
    close(f->dirfd);
    int r = rmdir(f->dir);
    host_close(f->host);
    free(f);
    return r;
}

static int open_below(struct fixture *f, const char *name, uint64_t max)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return host_open_file(f->host, str_of(path), max);
}

static void write_file(struct fixture *f, const char *name, size_t bytes)
{
    _cleanup_close_ int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(write(fd, "x", 1), 1);
}

static void test_only_regular_files_are_opened(void **state)
{
    struct fixture *f = *state;
    write_file(f, "file", 3);
    assert_int_equal(symlinkat("file", f->dirfd, "link"), 0);
    assert_int_equal(mkfifoat(f->dirfd, "fifo", 0600), 0);
    int fd = open_below(f, "file", 3);
    assert_true(fd >= 0);
    char text[8];
    assert_int_equal(read(fd, text, sizeof(text)), 3);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_int_equal(open_below(f, "link", 0), -ELOOP);
    assert_int_equal(open_below(f, "fifo", 0), -ENXIO); // and doesn't wait for a writer
    assert_int_equal(open_below(f, "none", 0), -ENOENT);
    assert_int_equal(open_below(f, "", 0), -EISDIR);
    assert_int_equal(host_open_file(f->host, STR("/dev/null"), 0), -ENXIO);
    assert_int_equal(host_open_file(f->host, STR(""), 0), -EINVAL);
    assert_int_equal(host_open_file(f->host, STR("/etc\0/passwd"), 0), -EINVAL);
    char longest[5000];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(host_open_file(f->host, (struct str){longest, sizeof(longest)}, 0),
                     -ENAMETOOLONG);
}

static void test_size_is_bounded(void **state)
{
    struct fixture *f = *state;
    write_file(f, "big", 100);
    assert_int_equal(open_below(f, "big", 99), -EFBIG);
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(host_read_file(f->dirfd, "big", 99, &b), -EFBIG);
    buf_reset(&b);
    assert_int_equal(host_read_file(f->dirfd, "big", 100, &b), 0);
    assert_int_equal(b.len, 100);
}

// "..", and links that point out, stay within the root that was given.
static void test_root_is_not_left(void **state)
{
    struct fixture *f = *state;
    struct host *none = NULL;
    struct error err = {0};
    assert_int_equal(host_open("/tmp/bh-no-such-root", &none, &err), -ENOENT);
    assert_non_null(strstr(err.message, "/tmp/bh-no-such-root"));
    assert_int_equal(host_open(f->dir, &none, &err), -ENOENT); // no proc in it
    assert_non_null(strstr(err.message, "proc"));
    assert_null(none);
    int fd = host_open_dir(f->host, STR("/../../proc/self")); // a link isn't a folder
    assert_int_equal(fd, -ENOTDIR);
    fd = host_open_dir(f->host, STR("/../.."));
    assert_true(fd >= 0);
    struct stat a, b;
    assert_int_equal(fstat(fd, &a), 0);
    assert_int_equal(stat("/", &b), 0);
    assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    close(fd);
    // A magic link leads anywhere; it is refused also in the middle.
    assert_int_equal(host_open_file(f->host, STR("/proc/self/root/etc/passwd"), 0), -ELOOP);
}

static void test_ids(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(strlen(host_id(f->host)), 32);
    assert_int_equal(strlen(host_boot_id(f->host)), 32);
    _cleanup_buf_ struct buf b = {0};
    if (host_read_file(AT_FDCWD, "/etc/machine-id", 4096, &b) == 0)
        assert_null(strstr(b.ptr, host_id(f->host))); // not given away
    struct host *again = NULL;
    assert_int_equal(host_open("/", &again, NULL), 0);
    assert_string_equal(host_id(again), host_id(f->host));
    host_close(again);
    uint64_t t = host_boot_now().ns;
    assert_true(host_boot_now().ns >= t && t > 0);
}

static void test_cgroup2_tree_is_one(void **state)
{
    struct fixture *f = *state;
    int fd = host_cgroup2_fd(f->host);
    if (fd < 0)
        skip();
    struct statfs fs;
    assert_int_equal(fstatfs(fd, &fs), 0);
    assert_int_equal(fs.f_type, CGROUP2_SUPER_MAGIC);
    struct stat a, b;
    assert_int_equal(stat(host_cgroup2_path(f->host), &a), 0);
    assert_int_equal(fstat(fd, &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
}

static void test_every_capability_is_explained(void **state)
{
    struct fixture *f = *state;
    struct host_caps caps;
    host_probe(f->host, &caps);
    for (size_t i = 0; i < CAP_ID_MAX; i++) {
        assert_non_null(caps.caps[i].name);
        assert_true(caps.caps[i].why[0] != 0);
        assert_int_equal(caps.caps[i].ok, caps.caps[i].error == 0);
    }
    char sentence[256];
    const char *refusal = host_caps_refusal(&caps, sentence, sizeof(sentence));
    bool all = true;
    for (size_t i = 0; i < CAP_ID_MAX; i++)
        all = all && (caps.caps[i].ok || !caps.caps[i].needed);
    assert_int_equal(refusal == NULL, all);
    // Without a needed one there is a sentence that names it.
    caps.caps[CAP_BTF].ok = false;
    caps.caps[CAP_ROOT_INIT_NS].ok = true;
    refusal = host_caps_refusal(&caps, sentence, sizeof(sentence));
    assert_non_null(refusal);
    assert_non_null(strstr(refusal, "btf"));
    // An unprivileged process is told that it isn't root.
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        struct host_caps mine;
        host_probe(f->host, &mine);
        _exit(!mine.caps[CAP_ROOT_INIT_NS].ok && mine.caps[CAP_ROOT_INIT_NS].error == -EPERM ? 0
                                                                                             : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_regular_files_are_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_size_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_root_is_not_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cgroup2_tree_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_capability_is_explained, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
