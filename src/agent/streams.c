// Output streams and captures.
#include "agent/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

enum stream { STREAM_FINDINGS, STREAM_INCIDENTS, STREAM_DECISIONS, STREAM_ROWS, STREAM_MAX };
static const char *const stream_names[] = {"findings.jsonl", "incidents.jsonl", "decisions.jsonl",
                                           "rows.jsonl"};

struct streams {
    struct lines_out out[STREAM_MAX];
    struct buf line;
};

int streams_open(const char *dir, struct streams **ret, struct error *err)
{
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return error_set(err, -errno, "cannot make the streams folder %s: %s", dir,
                         strerror(errno));
    struct streams *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = at < 0 ? -errno : 0;
    for (int i = 0; i < STREAM_MAX; i++) {
        s->out[i] = (struct lines_out){.fd = -1, .waits = true};
        if (r == 0) {
            s->out[i].fd =
                openat(at, stream_names[i], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
            r = s->out[i].fd < 0 ? -errno : 0;
        }
    }
    if (at >= 0)
        close(at);
    if (r < 0) {
        streams_closep(&s);
        return error_set(err, r, "cannot write streams below %s: %s", dir, strerror(-r));
    }
    *ret = s;
    return 0;
}

int streams_close(struct streams *s, struct error *err)
{
    int r = 0;
    if (!s)
        return 0;
    for (int i = 0; i < STREAM_MAX; i++) {
        if (s->out[i].fd < 0)
            continue;
        lines_out_done(&s->out[i]);
        if (s->out[i].error < 0)
            r = error_set(err, s->out[i].error, "cannot write %s: %s", stream_names[i],
                          strerror(-s->out[i].error));
        close(s->out[i].fd);
    }
    buf_done(&s->line);
    free(s);
    return r;
}

void streams_closep(struct streams **s)
{
    streams_close(*s, NULL);
}

static void put(struct streams *s, enum stream which)
{
    buf_char(&s->line, '\n');
    if (!s->line.failed)
        lines_out_add(&s->out[which], buf_view(&s->line));
}

void streams_finding(struct streams *s, const struct finding *f)
{
    buf_reset(&s->line);
    struct json j = json_on(&s->line);
    finding_json(&j, f);
    put(s, STREAM_FINDINGS);
}

void streams_incident(struct streams *s, const struct incident *i)
{
    buf_reset(&s->line);
    struct json j = json_on(&s->line);
    incident_json(&j, i);
    put(s, STREAM_INCIDENTS);
}

void streams_decision(struct streams *s, const struct decision *d)
{
    buf_reset(&s->line);
    struct json j = json_on(&s->line);
    decision_json(&j, d);
    put(s, STREAM_DECISIONS);
}

void streams_row(struct streams *s, const struct row *r, enum row_change change, uint64_t time)
{
    buf_reset(&s->line);
    struct json j = json_on(&s->line);
    row_json(&j, r, change, time);
    put(s, STREAM_ROWS);
}

void streams_flush(struct streams *s)
{
    for (int i = 0; i < STREAM_MAX; i++)
        lines_out_flush(&s->out[i]);
}

void lines_out_add(struct lines_out *o, struct str line)
{
    if (!o->waits && o->pending.len + line.len > MAX_PENDING_BYTES)
        lines_out_flush(o);
    if (o->error < 0 || (!o->waits && o->pending.len + line.len > MAX_PENDING_BYTES)) {
        o->dropped++;
        return;
    }
    buf_str(&o->pending, line);
    if (o->pending.failed) {
        o->dropped++;
        buf_reset(&o->pending);
    }
    if (o->waits && o->pending.len > 1 << 16)
        lines_out_flush(o);
}

// A pipe that polls writable takes PIPE_BUF (4,096) bytes without waiting; so does a terminal;
// files always do.
void lines_out_flush(struct lines_out *o)
{
    size_t done = 0;
    while (done < o->pending.len && o->error == 0) {
        struct pollfd p = {.fd = o->fd, .events = POLLOUT};
        if (!o->waits && (poll(&p, 1, 0) != 1 || !(p.revents & (POLLOUT | POLLERR))))
            break;
        size_t n = o->waits ? o->pending.len - done : MIN(o->pending.len - done, (size_t)4096);
        ssize_t w = write(o->fd, o->pending.ptr + done, n);
        if (w < 0 && (errno == EINTR || (errno == EAGAIN && o->waits)))
            continue;
        if (w < 0 && errno == EAGAIN)
            break;
        if (w < 0)
            o->error = -errno;
        else
            done += (size_t)w;
    }
    if (o->error < 0)
        done = o->pending.len;
    if (done && done < o->pending.len)
        memmove(o->pending.ptr, o->pending.ptr + done, o->pending.len - done);
    o->pending.len -= done;
}

void lines_out_done(struct lines_out *o)
{
    struct timespec nap = {0, 10 * 1000 * 1000};
    lines_out_flush(o);
    for (int i = 0; i < 100 && o->pending.len && o->error == 0; i++) {
        nanosleep(&nap, NULL);
        lines_out_flush(o);
    }
    buf_done(&o->pending);
}

struct capture {
    int fd, error;
    EVP_MD_CTX *hash;
    struct buf pending;
    uint64_t records;
};

static void capture_write(struct capture *c)
{
    size_t done = 0;
    EVP_DigestUpdate(c->hash, c->pending.ptr, c->pending.len);
    while (done < c->pending.len && c->error == 0) {
        ssize_t w = write(c->fd, c->pending.ptr + done, c->pending.len - done);
        if (w < 0 && errno != EINTR)
            c->error = -errno;
        else if (w > 0)
            done += (size_t)w;
    }
    buf_reset(&c->pending);
}

int capture_open(const char *path, const struct segment_info *info, struct capture **ret,
                 struct error *err)
{
    struct capture *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(err, -ENOMEM, "out of memory");
    // Only a file: whoever reads a pipe slowly would hold up the line.
    struct stat st;
    int r = 0;
    c->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (c->fd < 0 || fstat(c->fd, &st) < 0)
        r = errno == ENXIO ? -EMEDIUMTYPE : -errno; // ENXIO: a FIFO that nobody reads
    else if (!S_ISREG(st.st_mode))
        r = -EMEDIUMTYPE;
    else if (ftruncate(c->fd, 0) < 0)
        r = -errno;
    c->hash = EVP_MD_CTX_new();
    if (r == 0 && (!c->hash || EVP_DigestInit_ex(c->hash, EVP_sha256(), NULL) != 1))
        r = -ENOMEM;
    if (r < 0) {
        if (c->fd >= 0)
            close(c->fd);
        EVP_MD_CTX_free(c->hash);
        free(c);
        return error_set(err, r, "cannot write the capture %s: %s", path,
                         r == -EMEDIUMTYPE ? "it is not a regular file" : strerror(-r));
    }
    segment_head(&c->pending, info);
    capture_write(c);
    *ret = c;
    return 0;
}

void capture_add(struct capture *c, const void *records, size_t bytes)
{
    for (size_t at = 0; at + sizeof(struct bh_rec) <= bytes;
         at += ((const struct bh_rec *)((const char *)records + at))->size)
        c->records++;
    buf_add(&c->pending, records, bytes);
    if (c->pending.len > 1 << 18)
        capture_write(c);
}

uint64_t capture_records(const struct capture *c)
{
    return c->records;
}

int capture_close(struct capture *c, struct error *err)
{
    uint8_t sha256[32];
    capture_write(c);
    EVP_DigestFinal_ex(c->hash, sha256, NULL);
    segment_foot(&c->pending, c->records, sha256, STR("{}"));
    EVP_DigestInit_ex(c->hash, EVP_sha256(), NULL);
    capture_write(c);
    if (c->error == 0 && fsync(c->fd) < 0 && errno != EINVAL)
        c->error = -errno;
    int r = c->error;
    close(c->fd);
    EVP_MD_CTX_free(c->hash);
    buf_done(&c->pending);
    free(c);
    return r < 0 ? error_set(err, r, "the capture is not complete: %s", strerror(-r)) : 0;
}
