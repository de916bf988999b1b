// Undoing one thing. Runs in the guardian under its system-call filter, so nothing here allocates
// or calls what does.
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

enum { MAX_DEPTH = 4, EMPTY_POLLS = 400, EMPTY_POLL_NS = 5000000, LIST_BYTES = 4096 };

int undo_check(const struct undo_order *o)
{
    const char *path = o->path;
    if (o->kind == UNDO_CONTINUE)
        return path && path[0] ? -EINVAL : 0;
    if (o->kind < UNDO_REMOVE_CGROUP || o->kind > UNDO_CONTINUE || !path || path[0] == 0 ||
        path[0] == '/')
        return -EINVAL;
    if (o->kind == UNDO_WRITE && (!o->text || !o->text[0] || strlen(o->text) >= MAX_UNDO_TEXT))
        return -EINVAL;
    if (strlen(path) >= MAX_UNDO_PATH)
        return -ENAMETOOLONG;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strcmp(p, "..") == 0 || strncmp(p, "../", 3) == 0 || strcmp(p, ".") == 0)
            return -EINVAL;
    }
    return 0;
}

static int open_beneath(int dirfd, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

static int write_file(int dirfd, const char *name, const char *text)
{
    _cleanup_close_ int fd = open_beneath(dirfd, name, O_WRONLY);
    if (fd < 0)
        return fd;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static void pause_ns(long ns)
{
    struct timespec t = {.tv_nsec = ns};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

// Without cgroup.kill (Linux before 5.14): each process by its number, read again until none is
// there.
static void kill_listed(int dir)
{
    _cleanup_close_ int fd = open_beneath(dir, "cgroup.procs", O_RDONLY);
    if (fd < 0)
        return;
    char text[LIST_BYTES];
    ssize_t n = read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return;
    text[n] = 0;
    for (char *p = text; *p;) {
        char *end;
        long pid = strtol(p, &end, 10);
        if (end == p || *end != '\n') // the last one may have been cut; it comes again
            break;
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
        p = end + 1;
    }
}

static bool is_empty(int dir)
{
    _cleanup_close_ int fd = open_beneath(dir, "cgroup.events", O_RDONLY);
    char text[256];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return errno == ENOENT || errno == ENODEV;
    text[n] = 0;
    return strstr(text, "populated 0") != NULL;
}

static int remove_children(int dir, unsigned depth);

static int remove_one(int parent, const char *name, unsigned depth)
{
    _cleanup_close_ int dir = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    bool by_kernel = write_file(dir, "cgroup.kill", "1") == 0;
    if (!by_kernel) // a frozen process only dies when it is thawed
        write_file(dir, "cgroup.freeze", "0");
    int r = remove_children(dir, depth + 1);
    if (r < 0)
        return r;
    for (int i = 0; i < EMPTY_POLLS && !is_empty(dir); i++) {
        if (!by_kernel)
            kill_listed(dir);
        pause_ns(EMPTY_POLL_NS);
    }
    // The last process may still be on its way out when "populated" already says 0.
    for (int i = 0; i < EMPTY_POLLS; i++) {
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return -errno;
        pause_ns(EMPTY_POLL_NS);
    }
    return -EBUSY;
}

static int remove_children(int dir, unsigned depth)
{
    if (depth > MAX_DEPTH)
        return -ELOOP;
    _Alignas(struct dirent64) char list[LIST_BYTES];
    _cleanup_close_ int fd = open_beneath(dir, ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    for (;;) {
        ssize_t n = getdents64(fd, list, sizeof(list));
        if (n <= 0)
            return n < 0 ? -errno : 0;
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *d = (const struct dirent64 *)(list + at);
            at += d->d_reclen;
            if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
                continue;
            int r = remove_one(dir, d->d_name, depth);
            if (r < 0)
                return r;
        }
    }
}

// The folder that holds path's last component, and that component.
static int open_parent(int dirfd, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    *ret_name = slash ? slash + 1 : path;
    if (!slash)
        return open_beneath(dirfd, ".", O_RDONLY | O_DIRECTORY);
    char parent[MAX_UNDO_PATH];
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = 0;
    return open_beneath(dirfd, parent, O_RDONLY | O_DIRECTORY);
}

int undo_now(const struct undo_order *o)
{
    int r = undo_check(o);
    if (r < 0)
        return r;
    if (o->kind == UNDO_CONTINUE)
        return syscall(SYS_pidfd_send_signal, o->fd, SIGCONT, NULL, 0) < 0 && errno != ESRCH
                   ? -errno
                   : 0;
    const char *name;
    _cleanup_close_ int parent = open_parent(o->fd, o->path, &name);
    if (parent < 0)
        return parent == -ENOENT ? 0 : parent;
    if (o->kind == UNDO_REMOVE_CGROUP)
        return remove_one(parent, name, 0);
    if (o->kind == UNDO_UNLINK)
        return unlinkat(parent, name, 0) < 0 && errno != ENOENT ? -errno : 0;
    r = write_file(parent, name, o->text);
    return r == -ENOENT || r == -ENODEV ? 0 : r; // the cgroup is gone, and what was done to it
}

int guardian_undo_now(enum undo_kind kind, int dirfd, const char *path)
{
    struct undo_order o = {.kind = kind, .fd = dirfd, .path = path};
    return undo_now(&o);
}
