// The guardian's side: a process of its own that lives as long as the core, and a moment longer. It
// holds no file of the core's but the folders and processes on its list, has no capability but
// those that undoing takes, and may only call what undoing calls.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

struct undo {
    bool used;
    enum undo_kind kind;
    int fd;
    uint64_t ticket, until;
    char path[MAX_UNDO_PATH], text[MAX_UNDO_TEXT];
};
struct undo_list {
    struct undo undos[MAX_UNDOS];
    uint64_t last; // ticket given
};

static struct undo_order order_of(const struct undo *u)
{
    return (struct undo_order){
        .kind = u->kind, .fd = u->fd, .path = u->path, .text = u->text, .until = u->until};
}

static void keep_alive(void)
{
    struct rlimit files; // each undo holds a descriptor
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = MIN(files.rlim_max, (rlim_t)MAX_UNDOS + 64);
        setrlimit(RLIMIT_NOFILE, &files);
    }
    // The core says when to stop; what a terminal or a service manager sends to the group must not
    // be quicker.
    static const int ignored[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
                                  SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2};
    setsid();
    sigset_t none;
    sigemptyset(&none);
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, 0);
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "-1000", 5) < 0)
        return; // may only be lowered with CAP_SYS_RESOURCE: then memory pressure may end it, and
                // the core sees that
}

// Everything but the socket and the core's pidfd; 0 to 2 become /dev/null, so that nobody waits for
// our end of a pipe.
static int drop_files(int *socket, int *pidfd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -errno;
    // High first: either may lie below 5.
    int s = fcntl(*socket, F_DUPFD, 16), p = *pidfd < 0 ? -1 : fcntl(*pidfd, F_DUPFD, 16);
    if (s < 0 || (p < 0 && *pidfd >= 0))
        return -errno;
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return -errno;
    if (dup3(s, 3, O_CLOEXEC) < 0 || (p >= 0 && dup3(p, 4, O_CLOEXEC) < 0))
        return -errno;
    *socket = 3;
    *pidfd = p < 0 ? -1 : 4;
    return syscall(SYS_close_range, p < 0 ? 4u : 5u, ~0u, 0u) < 0 ? -errno : 0;
}

static void drop_capabilities(void)
{
    static const cap_value_t kept[] = {CAP_KILL, CAP_DAC_OVERRIDE};
    for (cap_value_t c = 0; c <= cap_max_bits(); c++)
        if (c != CAP_KILL && c != CAP_DAC_OVERRIDE)
            cap_drop_bound(c);
    cap_reset_ambient();
    cap_t caps = cap_init();
    if (caps) {
        cap_set_flag(caps, CAP_PERMITTED, (int)ARRAY_SIZE(kept), kept, CAP_SET);
        cap_set_flag(caps, CAP_EFFECTIVE, (int)ARRAY_SIZE(kept), kept, CAP_SET);
        cap_set_proc(caps);
        cap_free(caps);
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void drop_calls(void)
{
    static const int allowed[] = {
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(close),
        SCMP_SYS(openat2),
        SCMP_SYS(unlinkat),
        SCMP_SYS(getdents64),
        SCMP_SYS(kill),
        SCMP_SYS(pidfd_send_signal),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(recvmsg),
        SCMP_SYS(sendmsg),
        SCMP_SYS(sendto),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(exit_group),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        // What an allocator (a sanitizer's too) needs to give back what it has; none of it reaches
        // out.
        SCMP_SYS(munmap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
    };
    // A call that isn't allowed fails; the guardian does not die of it, for what it has to undo is
    // worth more.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return;
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (r == 0)
        seccomp_load(filter);
    seccomp_release(filter);
}

static struct undo *find(struct undo_list *l, uint64_t ticket)
{
    for (size_t i = 0; i < MAX_UNDOS; i++)
        if (l->undos[i].used && l->undos[i].ticket == ticket)
            return &l->undos[i];
    return NULL;
}

static int add(struct undo_list *l, const struct guardian_request *q, int *fd, uint64_t *ret_ticket)
{
    struct undo_order o = {.kind = q->kind, .fd = *fd, .path = q->path, .text = q->text};
    int r = *fd < 0 ? -EBADF : undo_check(&o);
    if (r < 0)
        return r;
    for (size_t i = 0; i < MAX_UNDOS; i++) {
        struct undo *u = &l->undos[i];
        if (u->used)
            continue;
        *u = (struct undo){.used = true,
                           .kind = q->kind,
                           .fd = TAKE_FD(*fd),
                           .ticket = ++l->last,
                           .until = q->until};
        memcpy(u->path, q->path, sizeof(u->path));
        memcpy(u->text, q->text, sizeof(u->text));
        *ret_ticket = u->ticket;
        return 0;
    }
    return -ENOSPC;
}

static int done(struct undo_list *l, uint64_t ticket)
{
    struct undo *u = find(l, ticket);
    if (!u)
        return -ENOENT;
    close(u->fd);
    u->used = false;
    return 0;
}

// One request, if there is one. 1: taken, 0: none, -EPIPE: the core is gone, -ECANCELED: it told us
// to stop.
static int take(struct undo_list *l, int socket)
{
    struct guardian_request q = {0};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {&q, sizeof(q)};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
    if (n == 0)
        return -EPIPE;
    _cleanup_close_ int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    q.path[sizeof(q.path) - 1] = 0;
    q.text[sizeof(q.text) - 1] = 0;
    struct guardian_reply a = {.result = -EINVAL};
    if (n == sizeof(q) && q.op == GUARDIAN_ADD)
        a.result = add(l, &q, &fd, &a.ticket);
    else if (n == sizeof(q) && q.op == GUARDIAN_DONE)
        a.result = done(l, q.ticket);
    else if (n == sizeof(q) && q.op == GUARDIAN_STOP)
        return -ECANCELED;
    return send(socket, &a, sizeof(a), MSG_NOSIGNAL) < 0 ? -EPIPE : 1;
}

static void undo_one(struct undo *u)
{
    struct undo_order o = order_of(u);
    undo_now(&o);
    close(u->fd);
    u->used = false;
}

static void undo_all(struct undo_list *l)
{
    // The latest first, as one would by hand.
    for (;;) {
        struct undo *latest = NULL;
        for (size_t i = 0; i < MAX_UNDOS; i++)
            if (l->undos[i].used && (!latest || l->undos[i].ticket > latest->ticket))
                latest = &l->undos[i];
        if (!latest)
            return;
        undo_one(latest);
    }
}

// Undoes what is due, whatever the core does. How long until the next one is, in ms; -1: none.
static int undo_due(struct undo_list *l)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    uint64_t now = (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec, next = 0;
    for (size_t i = 0; i < MAX_UNDOS; i++) {
        struct undo *u = &l->undos[i];
        if (!u->used || !u->until)
            continue;
        if (u->until <= now)
            undo_one(u);
        else if (!next || u->until < next)
            next = u->until;
    }
    return next ? (int)MIN((next - now) / NSEC_PER_MSEC + 1, (uint64_t)INT_MAX) : -1;
}

void guardian_main(int socket, pid_t core)
{
    struct undo_list list = {0};
    prctl(PR_SET_NAME, "bh-guardian");
    keep_alive();
    // The socket's end tells that the core is gone unless another of its children still holds it;
    // this always does.
    int pidfd = (int)syscall(SYS_pidfd_open, core, 0);
    if (getppid() != core || drop_files(&socket, &pidfd) < 0)
        _exit(1);
    drop_capabilities();
    drop_calls();
    struct guardian_reply ready = {0};
    if (send(socket, &ready, sizeof(ready), MSG_NOSIGNAL) < 0)
        _exit(1);
    int r = 0;
    while (r >= 0) {
        struct pollfd p[2] = {{.fd = socket, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        if (poll(p, 2, undo_due(&list)) < 0)
            continue;
        while ((r = take(&list, socket)) > 0)
            ;
        if (r == 0 && p[1].revents)
            r = -EPIPE;
    }
    if (r != -ECANCELED)
        undo_all(&list);
    _exit(0);
}
