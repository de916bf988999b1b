// The core's side of the guardian: starting it and telling it, in turn and waiting for each answer,
// what to undo. It keeps the list too: a guardian that was killed is followed by one that has it.
// Owned by the core's thread.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct kept {
    uint64_t ticket; // 0: free
    uint64_t theirs; // the guardian's own number for it
    enum undo_kind kind;
    int fd;
    uint64_t until;
    char path[MAX_UNDO_PATH], text[MAX_UNDO_TEXT];
};
struct guardian {
    int socket;
    pid_t pid;
    uint64_t last; // ticket given
    struct kept list[MAX_UNDOS];
};

enum { ANSWER_MS = 5000 };

static int answer(int socket, struct guardian_reply *ret)
{
    struct pollfd p = {.fd = socket, .events = POLLIN};
    int n;
    while ((n = poll(&p, 1, ANSWER_MS)) < 0 && errno == EINTR)
        ;
    if (n <= 0)
        return n == 0 ? -ETIMEDOUT : -errno;
    ssize_t got;
    while ((got = recv(socket, ret, sizeof(*ret), 0)) < 0 && errno == EINTR)
        ;
    return got == sizeof(*ret) ? ret->result : -EPIPE;
}

static int start(struct guardian *g, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, -errno, "cannot start the guardian: %s", strerror(errno));
    pid_t core = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        guardian_main(pair[1], core);
    }
    int r = pid < 0 ? -errno : 0;
    close(pair[1]);
    struct guardian_reply ready;
    if (r == 0)
        r = answer(pair[0], &ready);
    if (r < 0) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(pair[0]);
        return error_set(err, r, "cannot start the guardian: %s", strerror(-r));
    }
    g->socket = pair[0];
    g->pid = pid;
    return 0;
}

int guardian_start(struct guardian **ret, struct error *err)
{
    struct guardian *g = calloc(1, sizeof(*g));
    if (!g)
        return error_set(err, -ENOMEM, "no memory");
    g->socket = -1;
    int r = start(g, err);
    if (r < 0) {
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

static void forget(struct kept *k)
{
    if (k->ticket)
        close(k->fd);
    *k = (struct kept){0};
}

void guardian_stop(struct guardian *g)
{
    if (!g)
        return;
    struct guardian_request q = {.op = GUARDIAN_STOP};
    bool told = g->pid > 0 && send(g->socket, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q);
    if (g->pid > 0) {
        if (!told) // it is gone, or cannot be talked to: closing would make it undo
            kill(g->pid, SIGKILL);
        while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (g->socket >= 0)
        close(g->socket);
    for (size_t i = 0; i < MAX_UNDOS; i++)
        forget(&g->list[i]);
    free(g);
}

pid_t guardian_pid(const struct guardian *g)
{
    return g->pid;
}

static int ask(struct guardian *g, const struct guardian_request *q, int dirfd,
               struct guardian_reply *ret)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {(void *)q, sizeof(*q)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    if (dirfd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &dirfd, sizeof(dirfd));
    }
    if (g->pid <= 0)
        return -EPIPE;
    ssize_t n;
    while ((n = sendmsg(g->socket, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : answer(g->socket, ret);
}

static int tell(struct guardian *g, struct kept *k)
{
    struct guardian_request q = {.op = GUARDIAN_ADD, .kind = k->kind, .until = k->until};
    memcpy(q.path, k->path, sizeof(q.path));
    memcpy(q.text, k->text, sizeof(q.text));
    struct guardian_reply a = {0};
    int r = ask(g, &q, k->fd, &a);
    k->theirs = r == 0 ? a.ticket : 0;
    return r;
}

int guardian_order(struct guardian *g, const struct undo_order *o, uint64_t *ret_ticket)
{
    int r = o->fd < 0 ? -EBADF : undo_check(o);
    if (r < 0)
        return r;
    struct kept *k = NULL;
    for (size_t i = 0; i < MAX_UNDOS && !k; i++)
        if (g->list[i].ticket == 0)
            k = &g->list[i];
    if (!k)
        return -ENOSPC;
    *k = (struct kept){.kind = o->kind, .fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3), .until = o->until};
    if (k->fd < 0)
        return -errno;
    k->ticket = ++g->last;
    if (o->path)
        memcpy(k->path, o->path, strlen(o->path));
    if (o->text)
        memcpy(k->text, o->text, strlen(o->text));
    r = tell(g, k);
    if (r < 0)
        forget(k);
    else
        *ret_ticket = k->ticket;
    return r;
}

int guardian_add(struct guardian *g, enum undo_kind kind, int dirfd, const char *path,
                 uint64_t *ret_ticket)
{
    struct undo_order o = {.kind = kind, .fd = dirfd, .path = path};
    return guardian_order(g, &o, ret_ticket);
}

int guardian_done(struct guardian *g, uint64_t ticket)
{
    for (size_t i = 0; ticket && i < MAX_UNDOS; i++) {
        struct kept *k = &g->list[i];
        if (k->ticket != ticket)
            continue;
        struct guardian_request q = {.op = GUARDIAN_DONE, .ticket = k->theirs};
        struct guardian_reply a = {0};
        forget(k);
        return ask(g, &q, -1, &a);
    }
    return -ENOENT;
}

int guardian_revive(struct guardian *g, struct error *err)
{
    int status;
    if (g->pid > 0 && waitpid(g->pid, &status, WNOHANG) == 0)
        return 0; // it lives
    if (g->socket >= 0)
        close(g->socket);
    g->socket = -1;
    g->pid = 0;
    int r = start(g, err);
    for (size_t i = 0; r == 0 && i < MAX_UNDOS; i++)
        if (g->list[i].ticket) {
            r = tell(g, &g->list[i]);
            if (r < 0)
                error_set(err, r, "the new guardian does not take the undo list: %s", strerror(-r));
        }
    return r < 0 ? r : 1;
}
