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
    size_t max_bytes;
    // One of them: whole, with parts before the answer, or from the descriptor itself.
    void (*parse)(struct str bytes, struct str args, struct buf *out);
    void (*parse_parts)(struct str bytes, struct str args, worker_part part, void *ctx,
                        struct buf *out);
    void (*hash)(struct hashes *h, int fd, struct str args, struct buf *out);
} jobs[] = {
    {WORKER_BUNDLE, "bundle", MAX_BUNDLE_BYTES, worker_parse_bundle, NULL, NULL},
    {WORKER_RUNTIME_STATE, "runtime state", MAX_BUNDLE_BYTES, worker_parse_state, NULL, NULL},
    {WORKER_FEED, "feed", MAX_FEED_BYTES, NULL, worker_parse_feed, NULL},
    {WORKER_FILE_HASH, "file hash", MAX_HASHED_BYTES, NULL, NULL, hashes_of_file},
};

static int send_reply(int fd, uint64_t seq, int error, bool more, struct str text)
{
    struct reply_head h = {.seq = seq, .len = (uint32_t)text.len, .error = error, .more = more};
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

struct sending {
    int fd;
    uint64_t seq;
};

static bool send_part(void *ctx, struct str bytes)
{
    const struct sending *s = ctx;
    if (send_reply(s->fd, s->seq, 0, true, bytes) < 0)
        _exit(1);
    return true;
}

// Whole file into b. NULL, or why not.
static const char *read_all(int fd, size_t max, struct buf *b)
{
    struct stat st;
    if (fd < 0)
        return "no file came with the request";
    if (fstat(fd, &st) < 0)
        return "the file can't be looked at";
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    const char *large = max == MAX_BUNDLE_BYTES ? "the file is larger than 4 MiB"
                                                : "the file is larger than 32 MiB";
    if (st.st_size > (off_t)max)
        return large;
    // At once, as growing needs old and new together; one more shows a file that grew.
    if (st.st_size > TRIM_ABOVE && (b->ptr = malloc((size_t)st.st_size + 2)))
        b->cap = (size_t)st.st_size + 2;
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
        if (at > (off_t)max) // it grew
            return large;
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

static void serve(int fd, struct hashes *hashes, const struct request_head *h, struct str args,
                  int file)
{
    struct buf bytes = {0}, out = {0};
    const struct job_row *job = NULL;
    for (size_t k = 0; k < ARRAY_SIZE(jobs); k++)
        if (jobs[k].job == h->job)
            job = &jobs[k];
    limit_cpu();
    struct sending to = {fd, h->seq};
    const char *problem = !job        ? "the worker knows no such job"
                          : job->hash ? NULL
                                      : read_all(file, job->max_bytes, &bytes);
    if (problem)
        answer_problem(args, job ? job->source : "bundle", problem, &out);
    else if (job->hash)
        job->hash(hashes, file, args, &out);
    else if (job->parse_parts)
        job->parse_parts(buf_view(&bytes), args, send_part, &to, &out);
    else
        job->parse(buf_view(&bytes), args, &out);
    if (out.failed || out.len == 0 || out.len > MAX_WORKER_REPLY)
        buf_reset(&out); // an empty reply: the parent says that nothing came
    if (send_reply(fd, h->seq, 0, false, buf_view(&out)) < 0)
        _exit(1);
    bool large = bytes.cap > TRIM_ABOVE;
    buf_done(&bytes);
    buf_done(&out);
    if (large)
        malloc_trim(0);
}

void child_run(const char *name, int socket, pid_t parent)
{
    struct error err = {0};
    prctl(PR_SET_NAME, name, 0, 0, 0);
    json_object_seed(
        0); // from the kernel's randomness, while that can be asked: keys are strangers' choice
    struct hashes *hashes = hashes_new();
    int fd = socket, e = sandbox_enter(&fd, parent, &err);
    if (send_reply(fd, 0, e, false, str_of(e < 0 ? err.message : "")) < 0 || e < 0)
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
        serve(fd, hashes, &h, (struct str){text + sizeof(h), h.args_len}, file);
        if (file >= 0)
            close(file);
    }
}
