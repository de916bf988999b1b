// The tests' folders and files.
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

void scratch_make(struct scratch *s)
{
    // In memory where that is possible: an fsync takes milliseconds on a disk, and these tests make
    // thousands.
    snprintf(s->path, sizeof(s->path), "%s/bulkhead-record-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(s->path));
    s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(s->fd >= 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return at->level == 0 ? 0 : remove(path);
}

void scratch_empty(struct scratch *s)
{
    assert_int_equal(nftw(s->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void scratch_remove(struct scratch *s)
{
    scratch_empty(s);
    close(s->fd);
    assert_int_equal(rmdir(s->path), 0);
}

void scratch_read(int dirfd, const char *path, struct buf *b)
{
    char chunk[65536];
    ssize_t n;
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(b, chunk, (size_t)n);
    assert_int_equal(n, 0);
    close(fd);
}

void scratch_write(int dirfd, const char *path, struct str content)
{
    int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(write(fd, content.ptr, content.len), content.len);
    close(fd);
}

// nftw takes no context.
static _Thread_local struct {
    void (*f)(void *ctx, const char *path);
    void *ctx;
    size_t skip;
} each;

static int each_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (type == FTW_F)
        each.f(each.ctx, path + each.skip);
    return 0;
}

void scratch_each(struct scratch *s, void (*f)(void *ctx, const char *path), void *ctx)
{
    each.f = f;
    each.ctx = ctx;
    each.skip = strlen(s->path) + 1;
    assert_int_equal(nftw(s->path, each_one, 16, FTW_PHYS), 0);
}

static void copy_one(void *ctx, const char *path)
{
    struct scratch **pair = ctx;
    _cleanup_buf_ struct buf b = {0};
    char folder[256];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        assert_true(mkdirat(pair[1]->fd, folder, 0700) == 0 || errno == EEXIST);
    }
    scratch_read(pair[0]->fd, path, &b);
    scratch_write(pair[1]->fd, path, buf_view(&b));
}

void scratch_copy(struct scratch *from, struct scratch *to)
{
    struct scratch *pair[2] = {from, to};
    scratch_each(from, copy_one, pair);
}
