// The sandboxed process: takes one request at a time, reads its descriptor, parses, answers.
#include "worker/internal.h"

#include <errno.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

enum { TRIM_ABOVE = 256 << 10 };

static const struct job_row {
    enum worker_job job;
    const char *source;
    void (*parse)(struct str bytes, struct str args, struct buf *out);
} jobs[] = {
    {WORKER_BUNDLE, "bundle", worker_parse_bundle},
    {WORKER_RUNTIME_STATE, "runtime state", worker_parse_state},
};

static int send_reply(int fd, uint64_t seq, int error, struct str text)
{
    struct reply_head h = {.seq = seq, .len = (uint32_t)text.len, .error = error};
    struct iovec v[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)text.ptr, text.len}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = text.len ? 2 : 1};
    ssize_t n;
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

static void answer_problem(struct str args, const char *source, const char *problem,
                           struct buf *out)
{
    json_t *reply = reply_new(args, source);
    reply_problem(reply, problem);
    reply_write(reply, out);
    json_decref(reply);
}

// Whole file into b. NULL, or why not.
static const char *read_all(int fd, struct buf *b)
{
    struct stat st;
    if (fd < 0)
        return "no file came with the request";
    if (fstat(fd, &st) < 0)
        return "the file can't be looked at";
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if (st.st_size > MAX_BUNDLE_BYTES)
        return "the file is larger than 4 MiB";
    char chunk[16384];
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, chunk, sizeof(chunk), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return "the file can't be read";
        if (n == 0)
            return b->failed ? "out of memory" : NULL;
        at += n;
        if (at > MAX_BUNDLE_BYTES) // it grew
            return "the file is larger than 4 MiB";
        buf_add(b, chunk, (size_t)n);
    }
}

static void limit_cpu(void)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
        return;
    struct rlimit r = {(rlim_t)used.tv_sec + 1 + WORKER_CPU_SECONDS, RLIM_INFINITY};
    setrlimit(RLIMIT_CPU,
              &r); // past it SIGXCPU ends this process; the parent's deadline stands beside it
}

static void serve(int fd, const struct request_head *h, struct str args, int file)
{
    struct buf bytes = {0}, out = {0};
    const struct job_row *job = NULL;
    for (size_t k = 0; k < ARRAY_SIZE(jobs); k++)
        if (jobs[k].job == h->job)
            job = &jobs[k];
    limit_cpu();
    const char *problem = job ? read_all(file, &bytes) : "the worker knows no such job";
    if (problem)
        answer_problem(args, job ? job->source : "bundle", problem, &out);
    else
        job->parse(buf_view(&bytes), args, &out);
    if (out.failed || out.len == 0 || out.len > MAX_WORKER_REPLY)
        buf_reset(&out); // an empty reply: the parent says that nothing came
    if (send_reply(fd, h->seq, 0, buf_view(&out)) < 0)
        _exit(1);
    bool large = bytes.cap > TRIM_ABOVE;
    buf_done(&bytes);
    buf_done(&out);
    if (large)
        malloc_trim(0);
}

void child_run(int socket, pid_t parent)
{
    struct error err = {0};
    prctl(PR_SET_NAME, "bulkhead-worker", 0, 0, 0);
    json_object_seed(
        0); // from the kernel's randomness, while that can be asked: keys are strangers' choice
    int fd = socket, e = sandbox_enter(&fd, parent, &err);
    if (send_reply(fd, 0, e, str_of(e < 0 ? err.message : "")) < 0 || e < 0)
        _exit(1);
    for (;;) {
        char text[sizeof(struct request_head) + MAX_WORKER_ARGS];
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec v = {text, sizeof(text)};
        struct msghdr m = {.msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(0);
        int file = -1;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(&file, CMSG_DATA(c), sizeof(file));
        struct request_head h;
        if ((size_t)n < sizeof(h) || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
            _exit(1);
        memcpy(&h, text, sizeof(h));
        if (h.args_len != (size_t)n - sizeof(h))
            _exit(1);
        serve(fd, &h, (struct str){text + sizeof(h), h.args_len}, file);
        if (file >= 0)
            close(file);
    }
}
