// Opening and reading what lies outside ourselves: never a link in the last component, never a FIFO
// or a device that would make us wait, never out of the root, never more bytes than asked for.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_OPEN_TRIES = 16, READ_CHUNK = 16384 };

int open_in_root(int dirfd, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    for (int i = 0; i < MAX_OPEN_TRIES; i++) {
        long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}

// A terminated copy of a stranger's path; a NUL within it can't name anything.
static int path_copy(struct str path, char **ret)
{
    if (path.len == 0 || path.len > MAX_HOST_PATH || memchr(path.ptr, 0, path.len))
        return path.len > MAX_HOST_PATH ? -ENAMETOOLONG : -EINVAL;
    *ret = str_dup(path);
    return *ret ? 0 : -ENOMEM;
}

int host_open_file(const struct host *h, struct str path, uint64_t max_bytes)
{
    _cleanup_free_ char *name = NULL;
    int r = path_copy(path, &name);
    if (r < 0)
        return r;
    // First by O_PATH, which neither waits for a FIFO nor wakes a device; only a regular file is
    // then opened for reading.
    _cleanup_close_ int at = open_in_root(h->root_fd, name, O_PATH | O_NOFOLLOW);
    if (at < 0)
        return at;
    struct stat st;
    if (fstat(at, &st) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return -ELOOP;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -ENXIO;
    if (max_bytes && (uint64_t)st.st_size > max_bytes)
        return -EFBIG;
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
    int fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int host_open_dir(const struct host *h, struct str path)
{
    _cleanup_free_ char *name = NULL;
    int r = path_copy(path, &name);
    if (r < 0)
        return r;
    return open_in_root(h->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

int host_read_file(int dirfd, const char *name, size_t max, struct buf *b)
{
    _cleanup_close_ int fd =
        openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    size_t total = 0;
    char chunk[READ_CHUNK];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return b->failed ? -ENOMEM : 0;
        if ((size_t)n > max - total)
            return -EFBIG;
        total += (size_t)n;
        buf_add(b, chunk, (size_t)n);
    }
}
