// Durable files: in place for what nothing refers to yet, temporary name and rename for what is
// replaced.
#include "record/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int io_write(const struct record_io *io, int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = io && io->write ? io->write(fd, at, len) : write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int io_fsync(const struct record_io *io, int fd)
{
    int r = io && io->fsync ? io->fsync(fd) : fsync(fd);
    return r < 0 ? -errno : 0;
}

static int folder_of(const char *path, char folder[MAX_RECORD_PATH])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (strlen(path) >= MAX_RECORD_PATH)
        return -ENAMETOOLONG;
    memcpy(folder, path, len);
    folder[len] = 0;
    return 0;
}

static int fsync_at(const struct record_io *io, int dirfd, const char *folder)
{
    _cleanup_close_ int fd =
        openat(dirfd, folder[0] ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : io_fsync(io, fd);
}

int io_fsync_folder(const struct record_io *io, int dirfd, const char *path)
{
    char folder[MAX_RECORD_PATH];
    int r = folder_of(path, folder);
    return r < 0 ? r : fsync_at(io, dirfd, folder);
}

int io_make_folders(const struct record_io *io, int dirfd, const char *path)
{
    char folder[MAX_RECORD_PATH];
    int r = folder_of(path, folder);
    if (r < 0 || !folder[0] || faccessat(dirfd, folder, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return r;
    r = io_make_folders(io, dirfd, folder);
    if (r < 0)
        return r;
    if (mkdirat(dirfd, folder, 0750) < 0)
        return errno == EEXIST ? 0 : -errno;
    return io_fsync_folder(io, dirfd, folder);
}

static int put(const struct record_io *io, int dirfd, const char *path, struct str content,
               mode_t mode)
{
    _cleanup_close_ int fd =
        openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    int r = io_write(io, fd, content.ptr, content.len);
    return r < 0 ? r : io_fsync(io, fd);
}

int io_put(const struct record_io *io, int dirfd, const char *path, struct str content, mode_t mode)
{
    int r = io_make_folders(io, dirfd, path);
    if (r == 0)
        r = put(io, dirfd, path, content, mode);
    return r < 0 ? r : io_fsync_folder(io, dirfd, path);
}

int io_replace(const struct record_io *io, int dirfd, const char *path, struct str content,
               mode_t mode, bool *ret_renamed)
{
    char temporary[MAX_RECORD_PATH + 8];
    bool unused = false;
    ret_renamed = ret_renamed ? ret_renamed : &unused;
    *ret_renamed = false;
    int r = io_make_folders(io, dirfd, path);
    if (r < 0)
        return r;
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    r = put(io, dirfd, temporary, content, mode);
    if (r < 0) {
        unlinkat(dirfd, temporary, 0); // a full disk gets its space back
        return r;
    }
    r = io && io->rename ? io->rename(dirfd, temporary, dirfd, path)
                         : renameat(dirfd, temporary, dirfd, path);
    if (r < 0)
        return -errno;
    *ret_renamed = true;
    return io_fsync_folder(io, dirfd, path);
}

int io_erase(const struct record_io *io, int dirfd, const char *path)
{
    static const char zeros[4096];
    struct stat st;
    {
        _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            return errno == ENOENT ? 0 : -errno;
        if (fstat(fd, &st) < 0)
            return -errno;
        for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(zeros)) {
            int r = io_write(io, fd, zeros, MIN((size_t)(st.st_size - at), sizeof(zeros)));
            if (r < 0)
                return r;
        }
        int r = io_fsync(io, fd);
        if (r < 0)
            return r;
    }
    if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
        return -errno;
    return io_fsync_folder(io, dirfd, path);
}

int io_read(int dirfd, const char *path, size_t max, struct buf *b)
{
    struct stat st;
    char chunk[16384];
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ELOOP ? -EUCLEAN : -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EUCLEAN;
    for (size_t total = 0;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return b->failed ? -ENOMEM : 0;
        total += (size_t)n;
        if (total > max)
            return -EFBIG;
        buf_add(b, chunk, (size_t)n);
    }
}

int io_error(struct error *err, int code, const char *verb, const char *path)
{
    return error_set(err, code, "cannot %s %s: %s", verb, path, strerror(-code));
}
