// The host as it was found at start: its root, proc, cgroup v2 tree, names and ids. Immutable once
// opened.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sodium.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>

enum { MAX_MOUNTINFO = 8 << 20, MAX_ID_FILE = 4096 };

// mountinfo writes space, tab, newline and backslash as \ooo.
static void unescape_octal(char *s)
{
    char *to = s;
    for (const char *from = s; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

// One line of proc(5) mountinfo: id parent dev root mount-point options [optional…] - fstype source
// super-options
static bool mountinfo_line(char *line, char **ret_root, char **ret_point, char **ret_fstype,
                           char **ret_options)
{
    char *field[6] = {NULL}, *word;
    for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
        field[i] = strsep(&line, " ");
        if (!field[i])
            return false;
    }
    while ((word = strsep(&line, " ")) && strcmp(word, "-") != 0)
        ;
    char *fstype = word ? strsep(&line, " ") : NULL;
    strsep(&line, " "); // source
    if (!fstype || !line)
        return false;
    unescape_octal(field[3]);
    unescape_octal(field[4]);
    *ret_root = field[3], *ret_point = field[4], *ret_fstype = fstype, *ret_options = line;
    return true;
}

static int open_cgroup2(const struct host *h, const char *point)
{
    int fd = open_in_root(h->root_fd, point, O_RDONLY | O_DIRECTORY);
    struct statfs fs;
    if (fd >= 0 && (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)) {
        close(fd); // something else was mounted over it
        return -ENOENT;
    }
    return fd;
}

const char *host_controller_name(enum host_controller c)
{
    static const char *const names[] = {
        [HOST_FREEZER] = "freezer", [HOST_CPU] = "cpu", [HOST_PIDS] = "pids"};
    return names[c];
}

static void open_cgroup1(struct host *h, const char *point, char *options)
{
    for (char *word; (word = strsep(&options, ","));)
        for (unsigned c = 0; c < HOST_CONTROLLER_MAX; c++)
            if (h->cgroup1_fd[c] < 0 && strcmp(word, host_controller_name(c)) == 0) {
                int fd = open_in_root(h->root_fd, point, O_RDONLY | O_DIRECTORY);
                struct statfs fs;
                if (fd >= 0 && (fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP_SUPER_MAGIC))
                    close_fdp(&fd);
                h->cgroup1_fd[c] = fd < 0 ? -1 : fd;
            }
}

static int find_cgroups(struct host *h, bool own_root, struct error *err)
{
    // With another root the mounts are those of the host's first process; else those that we see
    // ourselves.
    _cleanup_buf_ struct buf text = {0};
    const char *which = own_root ? "self/mountinfo" : "1/mountinfo";
    int r = host_read_file(h->proc_fd, which, MAX_MOUNTINFO, &text);
    if (r < 0)
        return error_set(err, r, "cannot read /proc/%s: %s", which, strerror(-r));
    char *rest = text.ptr;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *root, *point, *fstype, *options;
        if (!mountinfo_line(line, &root, &point, &fstype, &options))
            continue;
        if (strcmp(fstype, "cgroup") == 0) {
            h->hybrid = true;
            if (strcmp(root, "/") == 0)
                open_cgroup1(h, point, options);
        }
        if (strcmp(fstype, "cgroup2") != 0 || strcmp(root, "/") != 0 || h->cgroup2_fd >= 0)
            continue;
        int fd = open_cgroup2(h, point);
        if (fd < 0)
            continue;
        h->cgroup2_fd = fd;
        h->cgroup2_path = strdup(point);
        if (!h->cgroup2_path)
            return error_set(err, -ENOMEM, "no memory");
    }
    h->hybrid = h->hybrid && h->cgroup2_fd >= 0;
    return 0;
}

// The first line of a small file, without its end; "" if it can't be read.
static void first_line(const struct host *h, const char *path, char *out, size_t size)
{
    out[0] = 0;
    _cleanup_close_ int fd = host_open_file(h, str_of(path), MAX_ID_FILE);
    if (fd < 0)
        return;
    ssize_t n = read(fd, out, size - 1);
    out[n < 0 ? 0 : n] = 0;
    out[strcspn(out, "\r\n")] = 0;
}

static void find_ids(struct host *h)
{
    char text[128], machine[128];
    first_line(h, "/proc/sys/kernel/random/boot_id", text, sizeof(text));
    size_t n = 0;
    for (const char *c = text; *c && n < 32; c++)
        if (*c != '-')
            h->boot_id[n++] = *c;
    h->boot_id[n] = 0;

    first_line(h, "/etc/machine-id", machine, sizeof(machine));
    if (strlen(machine) != 32) // "uninitialized", or none: an id of this boot is the best there is
        memcpy(machine, h->boot_id, sizeof(h->boot_id));
    // Keyed, so that the id can't be compared with what other programs derive from the machine-id
    // (machine-id(5)).
    static const uint8_t key[] = "bulkhead.io host id";
    static_assert(sizeof(key) >= crypto_generichash_KEYBYTES_MIN, "key");
    uint8_t hash[16];
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)machine, strlen(machine), key,
                       sizeof(key));
    hex_of(hash, sizeof(hash), h->id);

    struct utsname u;
    if (uname(&u) == 0) {
        snprintf(h->name, sizeof(h->name), "%s", u.nodename);
        snprintf(h->kernel, sizeof(h->kernel), "%s", u.release);
    }
}

int host_open(const char *root, struct host **ret, struct error *err)
{
    _cleanup_(host_closep) struct host *h = calloc(1, sizeof(*h));
    if (!h)
        return error_set(err, -ENOMEM, "no memory");
    h->root_fd = h->proc_fd = h->cgroup2_fd = -1;
    for (size_t c = 0; c < HOST_CONTROLLER_MAX; c++)
        h->cgroup1_fd[c] = -1;
    h->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->root_fd < 0)
        return error_set(err, errno == ENOTDIR ? -ENOENT : -errno,
                         "the host's root %s isn't a folder that can be opened: %s", root,
                         strerror(errno));
    h->proc_fd = open_in_root(h->root_fd, "proc", O_RDONLY | O_DIRECTORY);
    struct statfs fs;
    if (h->proc_fd < 0 || fstatfs(h->proc_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return error_set(err, -ENOENT, "no proc file system is mounted at %s/proc",
                         strcmp(root, "/") == 0 ? "" : root);
    int r = find_cgroups(h, strcmp(root, "/") == 0, err);
    if (r < 0)
        return r;
    find_ids(h);
    *ret = TAKE_PTR(h);
    return 0;
}

void host_close(struct host *h)
{
    if (!h)
        return;
    for (size_t c = 0; c < HOST_CONTROLLER_MAX; c++)
        close_fdp(&h->cgroup1_fd[c]);
    close_fdp(&h->cgroup2_fd);
    close_fdp(&h->proc_fd);
    close_fdp(&h->root_fd);
    free(h->cgroup2_path);
    free(h);
}

void host_closep(struct host **h)
{
    host_close(*h);
}

int host_root_fd(const struct host *h)
{
    return h->root_fd;
}

int host_proc_fd(const struct host *h)
{
    return h->proc_fd;
}

int host_cgroup2_fd(const struct host *h)
{
    return h->cgroup2_fd;
}

int host_cgroup1_fd(const struct host *h, enum host_controller c)
{
    return c < HOST_CONTROLLER_MAX ? h->cgroup1_fd[c] : -1;
}

const char *host_cgroup2_path(const struct host *h)
{
    return h->cgroup2_path;
}

bool host_cgroup_hybrid(const struct host *h)
{
    return h->hybrid;
}

const char *host_id(const struct host *h)
{
    return h->id;
}

const char *host_boot_id(const struct host *h)
{
    return h->boot_id;
}

const char *host_name(const struct host *h)
{
    return h->name;
}

const char *host_kernel(const struct host *h)
{
    return h->kernel;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

struct boot_ns host_boot_now(void)
{
    return (struct boot_ns){clock_ns(CLOCK_BOOTTIME)};
}

struct wall_ns host_wall_now(void)
{
    return (struct wall_ns){clock_ns(CLOCK_REALTIME)};
}
