// What this kernel can do, found by trying. Here what isn't BPF: who we are, the cgroup v2 tree,
// the freezer, bpffs.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#undef CAP_BPF // the kernel's macro; ours is host.h's

// Inode numbers of the initial namespaces (include/linux/proc_ns.h in kernel sources): fixed since
// Linux 3.8.
enum { PROC_USER_INIT_INO = 0xEFFFFFFD, PROC_PID_INIT_INO = 0xEFFFFFFC };
enum { FREEZE_POLLS = 200, FREEZE_POLL_US = 1000 };

static const struct {
    enum cap_id id;
    const char *name;
    bool needed;
} names[] = {
    {CAP_ROOT_INIT_NS, "root-in-initial-namespaces", true},
    {CAP_BTF, "btf", true},
    {CAP_BPF_LOAD, "bpf", true},
    {CAP_TRACING, "tp_btf", true},
    {CAP_RINGBUF, "ringbuf", true},
    {CAP_FENTRY, "fentry", false},
    {CAP_LSM, "lsm", false},
    {CAP_ITER_TASK, "iter/task", true},
    {CAP_SEND_SIGNAL, "send_signal", false},
    {CAP_CGROUP2, "cgroup2", true},
    {CAP_CGROUP_SOCK, "cgroup/connect4", false},
    {CAP_FREEZE, "cgroup.freeze", false},
    {CAP_BPFFS, "bpffs", false},
    {CAP_TASK_STORAGE, "task-storage", false},
    {CAP_BPF_LOOP, "bpf_loop", false},
};
static_assert(ARRAY_SIZE(names) == CAP_ID_MAX, "a name for each");

void cap_set(struct cap *c, int error, const char *format, ...)
{
    c->ok = error == 0;
    c->error = error;
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof(c->why), format, args);
    va_end(args);
}

static bool has_capability(unsigned which)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}};
    if (syscall(SYS_capget, &head, sets) < 0)
        return false;
    return sets[which / 32].effective & (1u << (which % 32));
}

static void probe_root(struct cap *c)
{
    struct stat user, pid;
    if (geteuid() != 0)
        return cap_set(c, -EPERM, "the agent runs as user %u, not as root", geteuid());
    if (stat("/proc/self/ns/user", &user) < 0 || stat("/proc/self/ns/pid", &pid) < 0)
        return cap_set(c, -errno, "cannot read /proc/self/ns: %s", strerror(errno));
    if (user.st_ino != PROC_USER_INIT_INO)
        return cap_set(c, -EPERM, "this is root of a user namespace, not of the machine");
    if (pid.st_ino != PROC_PID_INIT_INO)
        return cap_set(c, -EPERM,
                       "this is a pid namespace of its own: the machine's processes can't be told");
    if (!has_capability(CAP_SYS_ADMIN))
        return cap_set(c, -EPERM, "root without CAP_SYS_ADMIN");
    cap_set(c, 0, "root in the initial user and pid namespace");
}

static bool frozen(int cgroup)
{
    _cleanup_buf_ struct buf b = {0};
    return host_read_file(cgroup, "cgroup.events", 4096, &b) == 0 &&
           str_contains(buf_view(&b), STR("frozen 1"));
}

// An empty scratch cgroup is frozen, which says so at once if it works.
static int try_freeze(int tree, const char *name)
{
    _cleanup_close_ int dir = openat(tree, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    _cleanup_close_ int fd = openat(dir, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) != 1)
        return -errno;
    for (int i = 0; i < FREEZE_POLLS; i++, usleep(FREEZE_POLL_US))
        if (frozen(dir))
            return 0;
    return -ETIMEDOUT;
}

static void probe_cgroup(const struct host *h, struct host_caps *caps)
{
    if (h->cgroup2_fd < 0) {
        cap_set(&caps->caps[CAP_CGROUP2], -ENOENT,
                "no cgroup v2 tree is mounted: containers can't be told apart");
        cap_set(&caps->caps[CAP_FREEZE], -ENOENT, "no cgroup v2 tree is mounted");
        return;
    }
    cap_set(&caps->caps[CAP_CGROUP2], 0, "%s%s", h->cgroup2_path,
            h->hybrid ? ", v1 controllers beside" : "");
    char name[64];
    snprintf(name, sizeof(name), "bulkhead-probe-%d", (int)getpid());
    int r = mkdirat(h->cgroup2_fd, name, 0755) < 0 ? -errno : 0;
    if (r == 0) {
        r = try_freeze(h->cgroup2_fd, name);
        unlinkat(h->cgroup2_fd, name, AT_REMOVEDIR);
    }
    cap_set(&caps->caps[CAP_FREEZE], r, "a scratch cgroup %s%s",
            r ? "could not be frozen: " : "was frozen and removed", r ? strerror(-r) : "");
}

static void probe_bpffs(const struct host *h, struct cap *c)
{
    struct statfs fs = {0};
    _cleanup_close_ int fd = open_in_root(h->root_fd, "sys/fs/bpf", O_PATH | O_DIRECTORY);
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != BPF_FS_MAGIC)
        return cap_set(c, -ENOENT,
                       "no bpffs at /sys/fs/bpf: denying rows end with the agent (mount -t bpf bpf "
                       "/sys/fs/bpf)");
    cap_set(c, 0, "/sys/fs/bpf");
}

void host_probe(const struct host *h, struct host_caps *ret)
{
    *ret = (struct host_caps){0};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ret->caps[names[i].id].name = names[i].name;
        ret->caps[names[i].id].needed = names[i].needed;
    }
    probe_root(&ret->caps[CAP_ROOT_INIT_NS]);
    probe_cgroup(h, ret);
    probe_bpffs(h, &ret->caps[CAP_BPFFS]);
    probe_bpf(h, ret);
}

const char *host_caps_refusal(const struct host_caps *caps, char *sentence, size_t size)
{
    for (size_t i = 0; i < CAP_ID_MAX; i++) {
        const struct cap *c = &caps->caps[i];
        if (!c->needed || c->ok)
            continue;
        snprintf(sentence, size, "The agent can't run here: %s (%s).", c->why, c->name);
        return sentence;
    }
    return NULL;
}
