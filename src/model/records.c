// Records: is one well formed, and making those that user space makes.
#include "model/model.h"

#include <errno.h>

// What each kind's fixed part is and where its spans lie.
#define SPAN(type, member) (uint16_t)(sizeof(struct bh_rec) + offsetof(struct type, member))
static const struct shape {
    uint16_t kind, fixed;
    uint16_t spans[7]; // offsets from the record's start; 0: no more
} shapes[] = {
    {BH_EXEC,
     sizeof(struct bh_exec),
     {SPAN(bh_exec, path), SPAN(bh_exec, args), SPAN(bh_exec, cwd), SPAN(bh_exec, comm),
      SPAN(bh_exec, name), SPAN(bh_exec, interp), SPAN(bh_exec, socket)}},
    {BH_TASK,
     sizeof(struct bh_exec),
     {SPAN(bh_exec, path), SPAN(bh_exec, args), SPAN(bh_exec, cwd), SPAN(bh_exec, comm),
      SPAN(bh_exec, name), SPAN(bh_exec, interp), SPAN(bh_exec, socket)}},
    {BH_FORK, sizeof(struct bh_fork), {0}},
    {BH_EXIT, sizeof(struct bh_exit), {0}},
    {BH_MEMFD, sizeof(struct bh_memfd), {SPAN(bh_memfd, name)}},
    {BH_DUP_SOCKET, sizeof(struct bh_dup), {0}},
    {BH_PTRACE, sizeof(struct bh_ptrace), {0}},
    {BH_OPEN, sizeof(struct bh_open), {SPAN(bh_open, path), SPAN(bh_open, asked)}},
    {BH_CONNECT, sizeof(struct bh_net), {SPAN(bh_net, path)}},
    {BH_ACCEPT, sizeof(struct bh_net), {SPAN(bh_net, path)}},
    {BH_UDP_SEND, sizeof(struct bh_net), {SPAN(bh_net, path)}},
    {BH_CRED, sizeof(struct bh_cred_change), {0}},
    {BH_NAMESPACE, sizeof(struct bh_ns_change), {0}},
    {BH_MOUNT,
     sizeof(struct bh_mount),
     {SPAN(bh_mount, source), SPAN(bh_mount, target), SPAN(bh_mount, fstype)}},
    {BH_CGROUP_MAKE, sizeof(struct bh_cgroup), {SPAN(bh_cgroup, path), SPAN(bh_cgroup, cwd)}},
    {BH_CGROUP_ATTACH, sizeof(struct bh_cgroup), {SPAN(bh_cgroup, path), SPAN(bh_cgroup, cwd)}},
    {BH_CGROUP_REMOVE, sizeof(struct bh_cgroup), {SPAN(bh_cgroup, path), SPAN(bh_cgroup, cwd)}},
    {BH_CGROUP_SCAN, sizeof(struct bh_cgroup), {SPAN(bh_cgroup, path), SPAN(bh_cgroup, cwd)}},
    {BH_RESOURCE, sizeof(struct bh_resource), {0}},
    {BH_VERDICT, sizeof(struct bh_verdict), {SPAN(bh_verdict, path)}},
    {BH_VERDICT_NET, sizeof(struct bh_verdict_net), {0}},
    {BH_LOSS, sizeof(struct bh_loss), {0}},
    {BH_STORM, sizeof(struct bh_storm), {0}},
    {BH_TICK, sizeof(struct bh_tick), {0}},
    {BH_FILE_HASH, sizeof(struct bh_file_hash), {0}},
    {BH_EPOCH, 0, {0}},
    {BH_SCAN_DONE, 0, {0}},
};

static bool is_text(uint16_t kind)
{
    return kind == BH_FACT || kind == BH_GENERATION || kind == BH_OPERATOR || kind == BH_OUTCOME ||
           kind == BH_EVICT || kind == BH_COVERAGE || kind == BH_ADDRESSES || kind == BH_PROFILE;
}

int rec_check_head(const struct bh_rec *rec, size_t avail)
{
    if (avail < sizeof(*rec) || rec->size < sizeof(*rec) || rec->size > avail || rec->size % 8 ||
        rec->version != BH_ABI_VERSION || rec->ring >= BH_RING_MAX || rec->truth >= BH_TRUTH_MAX)
        return -EBADMSG;
    return 0;
}

int rec_check(const struct bh_rec *rec, size_t avail)
{
    if (rec_check_head(rec, avail) < 0)
        return -EBADMSG;
    if (is_text(rec->kind)) {
        const struct bh_text *t = REC_AS(rec, bh_text);
        return t && t->len <= rec->size - sizeof(*rec) - sizeof(*t) ? 0 : -EBADMSG;
    }
    if (rec->kind == BH_FEED) {
        const struct bh_feed *f = REC_AS(rec, bh_feed);
        return f && f->what > 0 && f->what < BH_FEED_WHAT_MAX &&
                       f->len <= rec->size - sizeof(*rec) - sizeof(*f)
                   ? 0
                   : -EBADMSG;
    }
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (shapes[i].kind != rec->kind)
            continue;
        if (rec->size < sizeof(*rec) + shapes[i].fixed)
            return -EBADMSG;
        for (size_t s = 0; s < ARRAY_SIZE(shapes[i].spans) && shapes[i].spans[s]; s++) {
            struct bh_span span;
            memcpy(&span, (const char *)rec + shapes[i].spans[s], sizeof(span));
            if (span.len && (span.off < sizeof(*rec) + shapes[i].fixed ||
                             (uint32_t)span.off + span.len > rec->size))
                return -EBADMSG;
        }
        return 0;
    }
    return -EBADMSG; // a kind this version doesn't know
}

bool exec_socket(const struct bh_rec *rec, struct bh_sock *ret)
{
    const struct bh_exec *e =
        rec->kind == BH_EXEC || rec->kind == BH_TASK ? REC_AS(rec, bh_exec) : NULL;
    struct str s = e ? rec_str(rec, e->socket) : STR_NULL;
    if (s.len != sizeof(*ret))
        return false;
    memcpy(ret, s.ptr, sizeof(*ret));
    return true;
}

struct str rec_text(const struct bh_rec *rec)
{
    const struct bh_text *t = is_text(rec->kind) ? REC_AS(rec, bh_text) : NULL;
    if (!t || t->len > rec->size - sizeof(*rec) - sizeof(*t))
        return STR_NULL;
    return (struct str){(const char *)(t + 1), t->len};
}

static void make(struct buf *b, uint16_t kind, uint64_t time, uint32_t container, const void *fixed,
                 size_t size, struct str text)
{
    static const char zeros[8];
    size_t total = sizeof(struct bh_rec) + size + text.len, padded = (total + 7) & ~(size_t)7;
    buf_reset(b);
    if (padded > UINT32_MAX) {
        b->failed = true;
        return;
    }
    struct bh_rec head = {.kind = kind,
                          .version = BH_ABI_VERSION,
                          .size = (uint32_t)padded,
                          .ring = BH_RING_NONE,
                          .truth = BH_TRUTH_AGENT,
                          .time = time,
                          .container = container};
    buf_add(b, &head, sizeof(head));
    buf_add(b, fixed, size);
    buf_str(b, text);
    buf_add(b, zeros, padded - total);
}

void rec_make_text(struct buf *b, uint16_t kind, uint64_t time, uint32_t container, uint32_t what,
                   struct str text)
{
    struct bh_text t = {(uint32_t)text.len, what};
    INVARIANT(is_text(kind) && text.len <= UINT32_MAX - 1024);
    make(b, kind, time, container, &t, sizeof(t), text);
}

void rec_make(struct buf *b, uint16_t kind, uint64_t time, uint32_t container, const void *fixed,
              size_t size)
{
    make(b, kind, time, container, fixed, size, STR_NULL);
}

struct str feed_bytes(const struct bh_rec *rec)
{
    const struct bh_feed *f = rec->kind == BH_FEED ? REC_AS(rec, bh_feed) : NULL;
    if (!f || f->len > rec->size - sizeof(*rec) - sizeof(*f))
        return STR_NULL;
    return (struct str){(const char *)(f + 1), f->len};
}

void feed_make(struct buf *b, uint64_t time, const struct bh_feed *fixed, struct str bytes)
{
    struct bh_feed f = *fixed;
    f.len = (uint32_t)bytes.len;
    make(b, BH_FEED, time, 0, &f, sizeof(f), bytes);
}
