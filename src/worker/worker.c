// The parent's side: a queue, one request in the process at a time, deadlines, and a new process
// where one died.
//
// One at a time, so that a crash is one request's for sure: that one is answered with a problem and
// never tried again, the others wait in the queue and lose nothing. A process that dies again and
// again is started again ever later (50 ms doubled up to 10 s), until one answers.
#include "worker/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

enum { SOCKET_BYTES = MAX_WORKER_REPLY + (64 << 10), MAX_FAILED_STARTS = 5 };

struct request {
    uint64_t tag;
    enum worker_job job;
    char *args;
    size_t args_len;
    int fd;
};

struct worker {
    const char *name;
    pid_t pid; // 0: none runs
    int socket, epoll, timer;
    struct request queue[MAX_WORKER_QUEUE]; // a ring; the first one may be in the process
    unsigned head, count;
    bool sent;       // the first one is
    unsigned parts;  // of its answer, so far
    uint64_t seq;    // of what was sent last
    uint64_t due;    // ms: its deadline, or when the process may be started again
    unsigned deaths; // in a row
    unsigned failed_starts;
    struct worker_stats stats;
    struct buf reply, in;
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// Wakes who polls us at `due`; 0: no more.
static void set_due(struct worker *w, uint64_t due)
{
    struct itimerspec t = {
        .it_value = {.tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000}};
    w->due = due;
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

// The process is gone or is to go; reaps it.
static void end_process(struct worker *w)
{
    if (w->socket >= 0)
        close(w->socket); // also leaves the epoll set
    w->socket = -1;
    if (w->pid > 0) {
        kill(w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    w->pid = 0;
    w->sent = false;
}

static int receive(struct worker *w, struct reply_head *ret)
{
    struct iovec v[2] = {{ret, sizeof(*ret)}, {w->in.ptr, w->in.cap}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    ssize_t n = recvmsg(w->socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
    if (n == 0)
        return -EPIPE;
    // The process is what a stranger's bytes may have taken over: nothing it says is believed
    // unchecked.
    if ((size_t)n < sizeof(*ret) || (m.msg_flags & MSG_TRUNC) ||
        ret->len != (size_t)n - sizeof(*ret))
        return -EPROTO;
    w->in.len = ret->len;
    return 0;
}

static int await_ready(struct worker *w, struct error *err)
{
    uint64_t end = now_ms() + WORKER_START_MS;
    struct reply_head h = {0};
    int e;
    while ((e = receive(w, &h)) == -EAGAIN) {
        uint64_t now = now_ms();
        struct pollfd p = {.fd = w->socket, .events = POLLIN};
        if (now >= end)
            return error_set(err, -ETIMEDOUT, "the worker's sandbox was not there in time");
        poll(&p, 1, (int)(end - now));
    }
    if (e < 0)
        return error_set(err, e, "the worker's process died while it was starting");
    if (h.error < 0)
        return error_set(err, h.error, "the worker's sandbox: %.*s", (int)w->in.len, w->in.ptr);
    return 0;
}

static int start_process(struct worker *w, struct error *err)
{
    int pair[2], size = SOCKET_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, -errno, "socketpair: %s", strerror(errno));
    // A whole reply is one message; past the system's limit for those without privilege.
    for (int k = 0; k < 2; k++)
        if (setsockopt(pair[k], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
            setsockopt(pair[k], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        int e = errno;
        close(pair[0]);
        close(pair[1]);
        return error_set(err, -e, "fork: %s", strerror(e));
    }
    if (pid == 0)
        child_run(w->name, pair[1], parent);
    close(pair[1]);
    w->pid = pid;
    w->socket = pair[0];
    int e = await_ready(w, err);
    struct epoll_event ev = {.events = EPOLLIN};
    if (e == 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->socket, &ev) < 0)
        e = error_set(err, -errno, "epoll_ctl: %s", strerror(errno));
    if (e < 0)
        end_process(w);
    return e;
}

int worker_start(struct worker **ret, struct error *err)
{
    return worker_start_as("bulkhead-worker", ret, err);
}

int worker_start_as(const char *name, struct worker **ret, struct error *err)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        return error_set(err, -ENOMEM, "out of memory");
    w->name = name;
    w->socket = -1;
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->in.ptr = malloc(MAX_WORKER_REPLY);
    w->in.cap = w->in.ptr ? MAX_WORKER_REPLY : 0;
    struct epoll_event ev = {.events = EPOLLIN};
    int e = 0;
    if (!w->in.ptr)
        e = error_set(err, -ENOMEM, "out of memory");
    else if (w->timer < 0 || w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->timer, &ev) < 0)
        e = error_set(err, -errno, "the worker's descriptors: %s", strerror(errno));
    if (e == 0)
        e = start_process(w, err);
    if (e < 0) {
        worker_stop(w);
        return e;
    }
    *ret = w;
    return 0;
}

static void drop_first(struct worker *w)
{
    struct request *r = &w->queue[w->head];
    close_fdp(&r->fd);
    free(r->args);
    *r = (struct request){.fd = -1};
    w->head = (w->head + 1) % MAX_WORKER_QUEUE;
    w->count--;
    w->sent = false;
}

void worker_stop(struct worker *w)
{
    if (!w)
        return;
    end_process(w);
    while (w->count)
        drop_first(w);
    close_fdp(&w->timer);
    close_fdp(&w->epoll);
    buf_done(&w->reply);
    free(w->in.ptr);
    free(w);
}

int worker_fd(const struct worker *w)
{
    return w->epoll;
}

pid_t worker_pid(const struct worker *w)
{
    return w->pid;
}

void worker_stats(const struct worker *w, struct worker_stats *ret)
{
    *ret = w->stats;
}

static const struct {
    const char *source;
    uint64_t deadline_ms;
} jobs[] = {
    [WORKER_BUNDLE] = {"bundle", WORKER_DEADLINE_MS},
    [WORKER_RUNTIME_STATE] = {"runtime state", WORKER_DEADLINE_MS},
    [WORKER_FEED] = {"feed", WORKER_LONG_DEADLINE_MS},
    [WORKER_FILE_HASH] = {"file hash", WORKER_LONG_DEADLINE_MS},
};

static uint64_t deadline_of(enum worker_job job)
{
    return jobs[job].deadline_ms;
}

// The first in the queue goes to the process. -EPIPE: it is dead.
static int send_first(struct worker *w)
{
    struct request *r = &w->queue[w->head];
    struct request_head h = {.seq = ++w->seq, .job = r->job, .args_len = (uint32_t)r->args_len};
    struct iovec v[2] = {{&h, sizeof(h)}, {r->args, r->args_len}};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr m = {.msg_iov = v,
                       .msg_iovlen = 2,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &r->fd, sizeof(int));
    ssize_t n;
    do
        n = sendmsg(w->socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -EPIPE;
    w->sent = true;
    w->parts = 0;
    set_due(w, now_ms() + deadline_of(r->job));
    return 0;
}

// The request's own words with a problem instead of an answer.
static void answer_problem(struct worker *w, const struct request *r, const char *problem)
{
    json_t *reply = reply_new((struct str){r->args, r->args_len}, jobs[r->job].source);
    reply_problem(reply, problem);
    buf_reset(&w->reply);
    reply_write(reply, &w->reply);
    json_decref(reply);
}

static void on_death(struct worker *w)
{
    uint64_t wait = WORKER_BACKOFF_FIRST_MS;
    end_process(w);
    for (unsigned k = 0; k < w->deaths && wait < WORKER_BACKOFF_MAX_MS; k++)
        wait *= 2;
    w->deaths++;
    // The first death is followed at once: it may have been one bad file.
    set_due(w, now_ms() + (w->deaths == 1 ? 0 : MIN(wait, (uint64_t)WORKER_BACKOFF_MAX_MS)));
}

// Starts a process if it is time; without one, requests wait, but not for ever.
static int revive(struct worker *w, struct error *err)
{
    if (w->pid > 0 || now_ms() < w->due)
        return 0;
    int e = start_process(w, err);
    if (e < 0) {
        w->failed_starts++;
        on_death(w);
        return e;
    }
    w->failed_starts = 0;
    set_due(w, 0);
    return 0;
}

int worker_submit(struct worker *w, enum worker_job job, uint64_t tag, struct str args, int fd)
{
    if (job < WORKER_BUNDLE || (size_t)job >= ARRAY_SIZE(jobs)) {
        w->stats.refused++;
        return -EINVAL;
    }
    if (args.len > MAX_WORKER_ARGS || fd < 0) {
        w->stats.refused++;
        return args.len > MAX_WORKER_ARGS ? -E2BIG : -EBADF;
    }
    if (w->count == MAX_WORKER_QUEUE) {
        w->stats.refused++;
        return -EAGAIN;
    }
    struct request r = {.tag = tag, .job = job, .args_len = args.len};
    r.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (r.fd < 0)
        return -errno;
    r.args = str_dup(args);
    if (!r.args) {
        close(r.fd);
        return -ENOMEM;
    }
    w->queue[(w->head + w->count++) % MAX_WORKER_QUEUE] = r;
    w->stats.requests++;
    if (w->pid > 0 && !w->sent && w->count == 1 && send_first(w) < 0)
        set_due(w, now_ms()); // worker_take finds it dead
    return 0;
}

// The first request ends without an answer of the process's.
static int end_first(struct worker *w, const char *problem, uint64_t *ret_tag, struct str *ret_text)
{
    const struct request *r = &w->queue[w->head];
    *ret_tag = r->tag;
    answer_problem(w, r, problem);
    drop_first(w);
    *ret_text = buf_view(&w->reply);
    w->stats.replies++;
    return 1;
}

static int part(struct worker *w, uint64_t *ret_tag, struct str *ret_text)
{
    *ret_tag = w->queue[w->head].tag;
    buf_reset(&w->reply);
    buf_add(&w->reply, w->in.ptr, w->in.len);
    *ret_text = buf_view(&w->reply);
    w->parts++;
    return 2;
}

static int answered(struct worker *w, uint64_t *ret_tag, struct str *ret_text)
{
    if (w->in.len == 0)
        return end_first(w, "the worker found no answer", ret_tag, ret_text);
    *ret_tag = w->queue[w->head].tag;
    buf_reset(&w->reply);
    buf_add(&w->reply, w->in.ptr, w->in.len);
    drop_first(w);
    *ret_text = buf_view(&w->reply);
    w->stats.replies++;
    return 1;
}

int worker_take(struct worker *w, uint64_t *ret_tag, struct str *ret_text, struct error *err)
{
    uint64_t expired;
    if (read(w->timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
        return error_set(err, -errno, "the worker's timer: %s", strerror(errno));
    int e = revive(w, err);
    if (w->pid == 0) {
        if (w->count && w->failed_starts >= MAX_FAILED_STARTS)
            return end_first(w, "the worker can't be started", ret_tag, ret_text);
        return e;
    }
    if (w->count && !w->sent)
        send_first(w); // where it fails, receiving does too
    struct reply_head h = {0};
    e = receive(w, &h);
    if (e == -EAGAIN) {
        if (!w->sent || now_ms() < w->due)
            return 0;
        w->stats.timeouts++;
        on_death(w);
        return end_first(w, "the worker took longer than its deadline", ret_tag, ret_text);
    }
    if (e == 0 && w->sent && h.seq == w->seq && h.more && w->parts < MAX_WORKER_PARTS)
        return part(w, ret_tag, ret_text);
    if (e == 0 && w->sent && h.seq == w->seq && !h.more) {
        w->deaths = 0;
        set_due(w, 0);
        int n = answered(w, ret_tag, ret_text);
        if (w->count)
            send_first(w);
        return n;
    }
    // Dead, or it says what was not asked.
    bool had = w->sent;
    w->stats.crashes++;
    on_death(w);
    return had ? end_first(w, "the worker crashed on it", ret_tag, ret_text) : 0;
}
