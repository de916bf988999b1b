// Where a container lies: its cgroup in the v2 tree, and in v1 hierarchies by what its processes
// say. Paths come from records and from /proc; each is checked against what it must be before it is
// believed.
#include "enforce/act/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MAX_PIDS = 16, MAX_DEPTH = 4, MAX_CGROUP_FILE = 16384 };

static int open_below(int dirfd, const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    return fd < 0 ? -errno : (int)fd;
}

// The path in a line of /proc/PID/cgroup, "4:memory:/a" or "0::/a", of this controller ("": v2).
static struct str path_in(struct str text, const char *controller)
{
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct str line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        text = end ? (struct str){end + 1, text.len - line.len - 1} : STR_NULL;
        const char *first = memchr(line.ptr, ':', line.len);
        const char *second =
            first ? memchr(first + 1, ':', line.len - (size_t)(first + 1 - line.ptr)) : NULL;
        if (!second)
            continue;
        struct str names = {first + 1, (size_t)(second - first - 1)},
                   path = {second + 1, line.len - (size_t)(second + 1 - line.ptr)};
        if (!controller[0] && !names.len)
            return path;
        while (controller[0] && names.len) {
            const char *comma = memchr(names.ptr, ',', names.len);
            size_t n = comma ? (size_t)(comma - names.ptr) : names.len;
            if (str_eq((struct str){names.ptr, n}, str_of(controller)))
                return path;
            names = comma ? (struct str){comma + 1, names.len - n - 1} : STR_NULL;
        }
    }
    return STR_NULL;
}

static bool is_within(struct str path, struct str top)
{
    return str_starts(path, top) && (path.len == top.len || path.ptr[top.len] == '/');
}

// Do we run there, or below it?
static bool is_own(const struct acts *s, const char *controller, struct str path)
{
    struct str own = path_in(str_of(s->own), controller);
    return own.len && is_within(own, path);
}

int open_place(const struct acts *s, const struct row *row, struct error *err)
{
    int tree = host_cgroup2_fd(s->host);
    _cleanup_free_ char *path = str_dup(row->cgroup_path);
    struct stat st;
    if (!path)
        return error_set(err, -ENOMEM, "no memory");
    if (tree < 0)
        return error_set(err, -EOPNOTSUPP, "no cgroup v2 tree is mounted");
    if (row->container == 0 || row->container == ROW_ANY_CONTAINER || !row->cgroup ||
        row->cgroup_path.len < 2 || path[0] != '/')
        return error_set(err, -EPERM, "it is no container with a cgroup of its own");
    if (is_own(s, "", row->cgroup_path))
        return error_set(err, -EPERM, "the agent itself runs in it");
    int fd = open_below(tree, path + 1);
    if (fd < 0)
        return error_set(err, fd, "its cgroup cannot be opened: %s", strerror(-fd));
    if (fstat(fd, &st) < 0 || st.st_ino != row->cgroup) { // kernfs: the inode number is the id
        close(fd);
        return error_set(err, -ENOENT, "another cgroup is where its own was");
    }
    return fd;
}

// ── processes ────────────────────────────────────────────────────────────────────────────────

static size_t pids_in(int dirfd, uint32_t *pids, size_t max)
{
    _cleanup_close_ int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    char text[4096];
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    size_t n = 0;
    text[MAX(got, (ssize_t)0)] = 0;
    for (char *p = text, *end; n < max && *p; p = end + 1) {
        unsigned long pid = strtoul(p, &end, 10);
        if (end == p || *end != '\n')
            break;
        if (pid > 1)
            pids[n++] = (uint32_t)pid;
    }
    return n;
}

static size_t pids_below(int dirfd, unsigned depth, uint32_t *pids, size_t max)
{
    size_t n = pids_in(dirfd, pids, max);
    int list = depth < MAX_DEPTH ? openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = list < 0 ? NULL : fdopendir(list);
    if (!d) {
        if (list >= 0)
            close(list);
        return n;
    }
    for (struct dirent *e; n < max && (e = readdir(d));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        _cleanup_close_ int child = open_below(dirfd, e->d_name);
        if (child >= 0)
            n += pids_below(child, depth + 1, pids + n, max - n);
    }
    closedir(d);
    return n;
}

static int cgroups_of(const struct host *host, uint32_t pid, struct buf *out)
{
    char name[32];
    snprintf(name, sizeof(name), "%u/cgroup", pid);
    buf_reset(out);
    return host_read_file(host_proc_fd(host), name, MAX_CGROUP_FILE, out);
}

// The part of a process's v1 path that is the container's own: down to the folder that is called as
// its v2 cgroup is.
static struct str own_part(struct str path, const char *v2)
{
    struct str name = str_basename(str_of(v2));
    for (size_t at = 0; at < path.len;) {
        size_t begin = at + 1, n = 0;
        while (begin + n < path.len && path.ptr[begin + n] != '/')
            n++;
        if (n && str_eq((struct str){path.ptr + begin, n}, name))
            return (struct str){path.ptr, begin + n};
        at = begin + n;
    }
    return STR_NULL;
}

int open_place_v1(const struct acts *s, const struct act *a, enum host_controller controller,
                  struct error *err)
{
    const char *name = host_controller_name(controller);
    int tree = host_cgroup1_fd(s->host, controller);
    uint32_t pids[MAX_PIDS];
    if (tree < 0)
        return error_set(err, -EOPNOTSUPP, "no %s controller is there, neither v2 nor v1", name);
    _cleanup_buf_ struct buf text = {0};
    size_t n = pids_below(a->fd, 0, pids, MAX_PIDS);
    for (size_t i = 0; i < n; i++) {
        // One reading says both: a process that is still in the container, and where else it is.
        if (cgroups_of(s->host, pids[i], &text) < 0 ||
            !is_within(path_in(buf_view(&text), ""), str_of(a->path)))
            continue;
        struct str path = own_part(path_in(buf_view(&text), name), a->path);
        _cleanup_free_ char *copy = path.len > 1 ? str_dup(path) : NULL;
        if (!copy)
            return error_set(err, -EXDEV, "it has no %s cgroup of its own", name);
        if (is_own(s, name, path))
            return error_set(err, -EPERM, "the agent itself runs in its %s cgroup", name);
        int fd = open_below(tree, copy + 1);
        return fd < 0
                   ? error_set(err, fd, "its %s cgroup cannot be opened: %s", name, strerror(-fd))
                   : fd;
    }
    return error_set(err, -ENOENT, "no process is in it");
}

int kill_each(int dirfd)
{
    uint32_t pids[MAX_PIDS];
    size_t n = pids_below(dirfd, 0, pids, MAX_PIDS);
    for (size_t i = 0; i < n; i++) {
        uint32_t still[MAX_PIDS];
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pids[i], 0);
        size_t left = pidfd < 0 ? 0 : pids_below(dirfd, 0, still, MAX_PIDS);
        for (size_t k = 0; k < left; k++) // the descriptor is of who was listed
            if (still[k] == pids[i])
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
    return (int)n;
}
