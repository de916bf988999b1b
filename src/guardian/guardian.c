// The core's side of the guardian: starting it and telling it, in turn and waiting for each answer,
// what to undo. Owned by the core's thread.
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct guardian {
    int socket;
    pid_t pid;
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

int guardian_start(struct guardian **ret, struct error *err)
{
    struct guardian *g = calloc(1, sizeof(*g));
    int pair[2];
    if (!g)
        return error_set(err, -ENOMEM, "no memory");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        free(g);
        return error_set(err, -errno, "cannot start the guardian: %s", strerror(errno));
    }
    pid_t core = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        guardian_main(pair[1], core);
    }
    int r = pid < 0 ? -errno : 0;
    close(pair[1]);
    *g = (struct guardian){.socket = pair[0], .pid = pid};
    struct guardian_reply ready;
    if (r == 0)
        r = answer(g->socket, &ready);
    if (r < 0) {
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(g->socket);
        free(g);
        return error_set(err, r, "cannot start the guardian: %s", strerror(-r));
    }
    *ret = g;
    return 0;
}

void guardian_stop(struct guardian *g)
{
    if (!g)
        return;
    struct guardian_request q = {.op = GUARDIAN_STOP};
    bool told = send(g->socket, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q);
    if (!told) // it is gone, or cannot be talked to: closing would make it undo
        kill(g->pid, SIGKILL);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(g->socket);
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
    ssize_t n;
    while ((n = sendmsg(g->socket, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : answer(g->socket, ret);
}

int guardian_add(struct guardian *g, enum undo_kind kind, int dirfd, const char *path,
                 uint64_t *ret_ticket)
{
    int r = dirfd < 0 ? -EBADF : undo_check(kind, path);
    if (r < 0)
        return r;
    struct guardian_request q = {.op = GUARDIAN_ADD, .kind = kind};
    memcpy(q.path, path, strlen(path));
    struct guardian_reply a = {0};
    r = ask(g, &q, dirfd, &a);
    if (r == 0)
        *ret_ticket = a.ticket;
    return r;
}

int guardian_done(struct guardian *g, uint64_t ticket)
{
    struct guardian_request q = {.op = GUARDIAN_DONE, .ticket = ticket};
    struct guardian_reply a = {0};
    return ask(g, &q, -1, &a);
}
