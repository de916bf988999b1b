// The listening socket: 0600 in a folder that only its owner can write, bound under a temporary
// name and renamed into place, so that there is no instant in which it has other permissions or
// only half exists. A socket that is there already is replaced only if nobody answers on it.
#include "control/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { LISTEN_BACKLOG = 1024 };

static int split(const char *path, char folder[4096], const char **ret_name, struct error *err)
{
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= 4096 || strlen(*ret_name) == 0 || strlen(*ret_name) > 64)
        return error_set(err, -ENAMETOOLONG, "%s: not a usable path for a socket", path);
    snprintf(folder, 4096, "%.*s", (int)(n ? n : 1), n ? path : slash ? "/" : ".");
    return 0;
}

static int open_folder(const char *folder, struct error *err)
{
    int fd = open(folder, O_DIRECTORY | O_CLOEXEC | O_RDONLY);
    return fd < 0 ? error_set(err, -errno, "cannot open the folder %s: %s", folder, strerror(errno))
                  : fd;
}

// /proc/self/fd/N/NAME reaches a socket whatever the length of its folder's path; sun_path holds
// 107 bytes.
static int address_of(int dirfd, const char *name, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
    return n < 0 || (size_t)n >= sizeof(ret->sun_path) ? -ENAMETOOLONG : 0;
}

int listen_address(const char *path, int *ret_dirfd, char out[64], struct error *err)
{
    char folder[4096];
    const char *name;
    int r = split(path, folder, &name, err);
    if (r < 0)
        return r;
    _cleanup_close_ int dirfd = open_folder(folder, err);
    if (dirfd < 0)
        return dirfd;
    int n = snprintf(out, 64, "/proc/self/fd/%d/%s", dirfd, name);
    if (n < 0 || n >= 64)
        return error_set(err, -ENAMETOOLONG, "%s: the socket's name is too long", path);
    *ret_dirfd = TAKE_FD(dirfd);
    return 0;
}

// Makes the folder 0700 if it isn't there. One that is there keeps its mode, but nobody else may be
// able to write it.
static int make_folder(const char *folder, struct error *err)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return error_set(err, -errno, "cannot make the folder %s: %s", folder, strerror(errno));
    _cleanup_close_ int fd = open_folder(folder, err);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "cannot look at %s: %s", folder, strerror(errno));
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
        return error_set(
            err, -EACCES,
            "%s can be written by others; give the socket a folder of its own (mode 0700)", folder);
    return TAKE_FD(fd);
}

// Nothing there, or a socket on which nobody answers: 0.
static int check_free(int dirfd, const char *name, const char *path, struct error *err)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? 0
                   : error_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, -EEXIST, "%s is there and is not a socket; remove it", path);
    struct sockaddr_un to;
    int r = address_of(dirfd, name, &to);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r < 0 || fd < 0)
        return error_set(err, r < 0 ? r : -errno, "cannot try %s", path);
    // EAGAIN: its backlog is full, so somebody listens.
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EAGAIN ||
        errno == EINPROGRESS)
        return error_set(err, -EADDRINUSE,
                         "another agent answers on %s; stop it first, or use another --runtime-dir",
                         path);
    if (errno == ECONNREFUSED || errno == ENOENT)
        return 0;
    return error_set(err, -errno, "cannot try %s: %s", path, strerror(errno));
}

static int bind_listen(int dirfd, const char *name, struct error *err)
{
    char temporary[108];
    struct sockaddr_un at;
    snprintf(temporary, sizeof(temporary), ".%s.%d", name, (int)getpid());
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r = address_of(dirfd, temporary, &at);
    if (fd < 0 || r < 0)
        return error_set(err, r < 0 ? r : -errno, "cannot make a socket");
    // Linux gives the file the socket inode's mode (net/unix/af_unix.c, unix_bind_bsd), less the
    // umask: 0600 from the first instant, without touching the umask, which other threads share.
    if (fchmod(fd, 0600) < 0)
        return error_set(err, -errno, "cannot restrict the socket: %s", strerror(errno));
    (void)unlinkat(dirfd, temporary, 0);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        return error_set(err, -errno, "cannot bind the socket: %s", strerror(errno));
    if (fchmodat(dirfd, temporary, 0600, 0) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
        renameat(dirfd, temporary, dirfd, name) < 0) {
        r = error_set(err, -errno, "cannot put the socket in place: %s", strerror(errno));
        (void)unlinkat(dirfd, temporary, 0);
        return r;
    }
    return TAKE_FD(fd);
}

int listen_open(const char *path, struct listener *ret, struct error *err)
{
    char folder[4096];
    const char *name;
    int r = split(path, folder, &name, err);
    if (r < 0)
        return r;
    _cleanup_close_ int dirfd = make_folder(folder, err);
    if (dirfd < 0)
        return dirfd;
    r = check_free(dirfd, name, path, err);
    if (r < 0)
        return r;
    _cleanup_close_ int fd = bind_listen(dirfd, name, err);
    if (fd < 0)
        return error_wrap(err, "%s", path);
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, -errno, "%s went away: %s", path, strerror(errno));
    *ret = (struct listener){.ino = st.st_ino};
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    ret->fd = TAKE_FD(fd);
    ret->dirfd = TAKE_FD(dirfd);
    return 0;
}

void listen_done(struct listener *l)
{
    struct stat st;
    if (l->dirfd >= 0 && fstatat(l->dirfd, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISSOCK(st.st_mode) && st.st_ino == l->ino)
        (void)unlinkat(l->dirfd, l->name, 0);
    close_fdp(&l->fd);
    close_fdp(&l->dirfd);
    l->fd = l->dirfd = -1;
}
