// What the API process gives up before it looks at its first client: descriptors, user, group,
// capabilities, new privileges, and every system call that serving does not take. It needs no file
// system: its sockets are handed to it.
#include "control/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { NOBODY = 65534, MAX_ACCOUNT_BYTES = 64 << 10, FIRST_FREE_FD = 5 };

struct account sandbox_account(void)
{
    static const char *const names[] = {"bulkhead", "nobody"};
    _cleanup_free_ char *memory = malloc(MAX_ACCOUNT_BYTES);
    for (size_t i = 0; memory && i < ARRAY_SIZE(names); i++) {
        struct passwd entry, *found;
        if (getpwnam_r(names[i], &entry, memory, MAX_ACCOUNT_BYTES, &found) == 0 && found &&
            entry.pw_uid != 0)
            return (struct account){entry.pw_uid, entry.pw_gid};
    }
    return (struct account){NOBODY, NOBODY};
}

static void default_signals(void)
{
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    // The core says when it is over (by closing its end): a Ctrl-C or a service stop reaches the
    // whole group, and the last lines of a stream are still to be sent then.
    static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int sandbox_descriptors(int *pair, int *listener)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    // Out of the way first: either may be one of those that are written over below.
    int p = fcntl(*pair, F_DUPFD_CLOEXEC, 64), l = fcntl(*listener, F_DUPFD_CLOEXEC, 64);
    if (null < 0 || p < 0 || l < 0)
        return -errno;
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup3(p, 3, O_CLOEXEC) < 0 ||
        dup3(l, 4, O_CLOEXEC) < 0)
        return -errno;
    if (syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 0) < 0) {
        if (errno != ENOSYS) // before Linux 5.9
            return -errno;
        for (int fd = FIRST_FREE_FD; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
            (void)close(fd);
    }
    *pair = 3;
    *listener = 4;
    const struct rlimit files = {4 * MAX_CONTROL_CLIENTS, 4 * MAX_CONTROL_CLIENTS},
                        nothing = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &nothing) < 0)
        return -errno;
    default_signals();
    return 0;
}

int sandbox_identity(struct account a, struct error *err)
{
    if (geteuid() == 0) {
        for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
            if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
                return error_set(err, -errno, "cannot drop capability %d: %s", c, strerror(errno));
        if (setgroups(0, NULL) < 0 || setresgid(a.gid, a.gid, a.gid) < 0 ||
            setresuid(a.uid, a.uid, a.uid) < 0)
            return error_set(err, -errno, "cannot become user %u: %s", (unsigned)a.uid,
                             strerror(errno));
    }
    cap_t none = cap_init();
    int r = none ? cap_set_proc(none) : -1;
    int saved = errno;
    cap_free(none);
    if (r < 0)
        return error_set(err, -saved, "cannot drop capabilities: %s", strerror(saved));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_set(err, -errno, "cannot give up new privileges: %s", strerror(errno));
    return 0;
}

int sandbox_calls(struct error *err)
{
    static const int allowed[] = {
        // sockets that are there already; no socket(), bind(), connect()
        SCMP_SYS(accept),
        SCMP_SYS(accept4),
        SCMP_SYS(recvfrom),
        SCMP_SYS(recvmsg),
        SCMP_SYS(sendto),
        SCMP_SYS(sendmsg),
        SCMP_SYS(recv),
        SCMP_SYS(send),
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(readv),
        SCMP_SYS(shutdown),
        SCMP_SYS(close),
        SCMP_SYS(getsockopt),
        SCMP_SYS(setsockopt),
        SCMP_SYS(getsockname),
        SCMP_SYS(getpeername),
        SCMP_SYS(fcntl),
        SCMP_SYS(fcntl64),
        // waiting, time
        SCMP_SYS(epoll_wait),
        SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_ctl),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(nanosleep),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(time),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigreturn),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(sigaltstack),
        // memory, threads' locks
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
        SCMP_SYS(getrandom),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
    };
    // Memory, but none that can be executed.
    static const int memory[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return error_set(err, -ENOMEM, "cannot make a system call filter");
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; i < ARRAY_SIZE(memory) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, memory[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    // What a foreign architecture's system call would do is not what the list says.
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r < 0 ? error_set(err, r, "cannot load the system call filter: %s", strerror(-r)) : 0;
}
