// What the worker gives up before it reads a stranger's first byte: descriptors, mounts, network,
// capabilities, its user, new processes, and every system call that reading and answering doesn't
// need. Built by the process itself after fork (no exec: there is nothing to find in its root), so
// its memory is the parent's copy; it is not dumpable.
#include "worker/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { NOBODY = 65534, SOCKET_FD = 3, MAX_CAPABILITY = 63 };

static int fail(struct error *err, const char *what)
{
    int e = errno ? errno : EIO;
    return error_set(err, -e, "%s: %s", what, strerror(e));
}

static int only_the_socket(int *socket, struct error *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Without a /dev/null (a bare root), an end of a pipe that nobody reads does as well.
    int none[2];
    if (null < 0 && pipe2(none, O_CLOEXEC) == 0)
        null = none[0];
    if (null < 0)
        return fail(err, "no descriptor for standard input and output");
    // The socket may itself lie on 0 to 3: first up, out of the way.
    int up = fcntl(*socket, F_DUPFD_CLOEXEC, SOCKET_FD + 1);
    if (up < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(up, SOCKET_FD) < 0)
        return fail(err, "dup2");
    *socket = SOCKET_FD;
    if (syscall(SYS_close_range, SOCKET_FD + 1, ~0u, 0) < 0)
        return fail(err, "close_range");
    return 0;
}

static int default_signals(struct error *err)
{
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL); // the ones that can't be set don't matter
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? fail(err, "sigprocmask") : 0;
}

static int empty_root(struct error *err)
{
    static const char *const places[] = {"/tmp", "/run", "/dev", "/proc", "/sys"};
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
        return fail(err, "unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
        return fail(err, "making mounts private"); // EINVAL: a chroot whose root is no mount; its
                                                   // mounts are below
    const char *place = NULL;
    for (size_t k = 0; k < ARRAY_SIZE(places) && !place; k++) {
        // Private before anything is mounted there, or it would show outside. EINVAL: no mount
        // point of its own.
        if (mount(NULL, places[k], NULL, MS_REC | MS_PRIVATE, NULL) < 0 && errno != EINVAL)
            continue;
        if (mount("none", places[k], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "size=4k,nr_inodes=2,mode=0555") == 0)
            place = places[k];
    }
    if (!place)
        return fail(err, "mounting an empty root");
    if (chdir(place) < 0)
        return fail(err, "chdir");
    if (syscall(SYS_pivot_root, ".", ".") == 0) {
        if (umount2(".", MNT_DETACH) < 0)
            return fail(err, "leaving the old root");
    } else if (chroot(".") <
               0) { // in a chroot, pivot_root isn't allowed; no descriptor leads back out
        return fail(err, "chroot");
    }
    if (chdir("/") < 0)
        return fail(err, "chdir");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return fail(err, "making the empty root read-only");
    return 0;
}

static int limits(uint64_t memory, struct error *err)
{
    const struct {
        __rlimit_resource_t what;
        rlim_t value;
    } all[] = {{RLIMIT_NOFILE, 16}, {RLIMIT_NPROC, 0},    {RLIMIT_FSIZE, 0},     {RLIMIT_CORE, 0},
               {RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_SIGPENDING, 8}};
    for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
        struct rlimit r = {all[k].value, all[k].value};
        if (setrlimit(all[k].what, &r) < 0)
            return fail(err, "setrlimit");
    }
    struct rlimit as = {memory, memory};
    if (memory && setrlimit(RLIMIT_AS, &as) < 0)
        return fail(err, "setrlimit");
    return 0;
}

// Address space now, and what it may grow by. 0: not known here.
static uint64_t memory_limit(void)
{
    char text[128] = "";
    _cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    const char *space = n > 0 ? memchr(text, ' ', (size_t)n) : NULL;
    uint64_t pages;
    if (!space || parse_u64((struct str){text, (size_t)(space - text)}, &pages) < 0)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) + WORKER_MEMORY_BYTES;
}

// Memory that is shared with the parent (the rings' pages, above all) is not the worker's to touch.
// What is private is a copy; secrets belong in memory that a fork wipes (MADV_WIPEONFORK).
static int forget_shared(struct error *err)
{
    _cleanup_buf_ struct buf maps = {0};
    _cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char chunk[4096];
    ssize_t n = -1;
    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
        buf_add(&maps, chunk, (size_t)n);
    if (n < 0 || maps.failed || !maps.ptr)
        return fail(err, "reading /proc/self/maps");
    for (char *line = maps.ptr, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *end;
        uintptr_t from = strtoull(line, &end, 16),
                  to = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
        bool shared = strnlen(end, 5) == 5 && end[4] == 's'; // " rw-s"
        if (shared && to > from && munmap((void *)from, to - from) < 0)
            return fail(err, "munmap");
    }
    return 0;
}

static int no_privileges(pid_t parent, struct error *err)
{
    for (int c = 0; c <= MAX_CAPABILITY; c++)
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 &&
            errno != EINVAL) // EINVAL: this kernel has no such one
            return fail(err, "dropping the capability bounding set");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return fail(err, "clearing ambient capabilities");
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return fail(err, "becoming nobody");
    cap_t none = cap_init();
    if (!none)
        return fail(err, "cap_init");
    int set = cap_set_proc(none);
    cap_free(none);
    if (set < 0)
        return fail(err, "dropping capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return fail(err, "prctl");
    // After the change of user, which clears it.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return fail(err, "prctl");
    if (getppid() != parent)
        _exit(0);
    return 0;
}

static int filter(struct error *err)
{
    static const int allowed[] = {
        SCMP_SYS(read),         SCMP_SYS(pread64),
        SCMP_SYS(fstat),        SCMP_SYS(recvmsg),
        SCMP_SYS(sendmsg),      SCMP_SYS(close),
        SCMP_SYS(munmap),       SCMP_SYS(brk),
        SCMP_SYS(madvise),      SCMP_SYS(mremap),
        SCMP_SYS(futex),        SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom),    SCMP_SYS(restart_syscall),
        SCMP_SYS(exit),         SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn),
#ifdef __SANITIZE_ADDRESS__
        SCMP_SYS(sched_yield),  SCMP_SYS(sigaltstack),
        SCMP_SYS(getpid),       SCMP_SYS(gettid),
#endif
    };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f) {
        errno = ENOMEM;
        return fail(err, "seccomp");
    }
    int e = 0;
    for (size_t k = 0; k < ARRAY_SIZE(allowed) && e >= 0; k++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed[k], 0);
    // glibc's fstat is newfstatat with an empty path; the root is empty, so the path can't matter.
    if (e >= 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 0);
    // Memory, but neither a file's nor any that can be executed.
    if (e >= 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (e >= 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    // Its own limit of cpu time, set anew for each request.
    if (e >= 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
                             SCMP_A1(SCMP_CMP_EQ, RLIMIT_CPU));
    if (e >= 0)
        e = seccomp_load(f);
    seccomp_release(f);
    if (e < 0) {
        errno = -e;
        return fail(err, "seccomp");
    }
    return 0;
}

int sandbox_enter(int *socket, pid_t parent, struct error *err)
{
    uint64_t memory = memory_limit();
    int e = forget_shared(err);
    if (e >= 0)
        e = only_the_socket(socket, err);
    if (e >= 0)
        e = default_signals(err);
    if (e >= 0)
        e = empty_root(err);
    if (e >= 0)
        e = limits(memory, err);
    if (e >= 0)
        e = no_privileges(parent, err);
    if (e >= 0)
        e = filter(err);
    return e;
}
