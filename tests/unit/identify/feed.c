// Makes the records that identity is fed with in these tests.
#include "feed.h"

static void on_notice(void *ctx, const struct notice *n)
{
    struct feed *f = ctx;
    assert_non_null(n->container);
    assert_true(f->n < NOTICES_MAX);
    f->notices[f->n].kind = n->kind;
    f->notices[f->n].container = n->container->number;
    f->notices[f->n].cgroup = n->cgroup;
    snprintf(f->notices[f->n].text, sizeof(f->notices[f->n].text), STR_FMT, STR_ARG(n->text));
    f->n++;
}

void feed_init(struct feed *f, const struct identify_limits *l)
{
    static const struct identify_limits none;
    *f = (struct feed){.i = identify_new(l ? l : &none)};
    assert_non_null(f->i);
}

void feed_done(struct feed *f)
{
    identify_free(f->i);
}

bool noticed(const struct feed *f, enum notice_kind kind, uint32_t container)
{
    for (unsigned k = 0; k < f->n; k++)
        if (f->notices[k].kind == kind &&
            (container == UINT32_MAX || f->notices[k].container == container))
            return true;
    return false;
}

struct bh_rec rec_of(uint16_t kind, struct who w, uint64_t time)
{
    const struct kind_row *k = kind_row(kind);
    return (struct bh_rec){.kind = kind,
                           .version = BH_ABI_VERSION,
                           .ring = (uint8_t)k->ring,
                           .truth = (uint8_t)k->truth,
                           .time = time,
                           .cgroup = w.cgroup,
                           .start = w.start,
                           .exec = w.exec,
                           .container = w.container,
                           .tgid = w.tgid,
                           .tid = w.tgid};
}

void feed_raw(struct feed *f, struct bh_rec head, const void *fixed, size_t size, struct str tail)
{
    static _Alignas(8) char bytes[BH_REC_MAX + 4096];
    size_t total = (sizeof(head) + size + tail.len + 7) & ~(size_t)7;
    assert_true(total <= sizeof(bytes));
    memset(bytes, 0, total);
    head.size = (uint32_t)total;
    memcpy(bytes, &head, sizeof(head));
    if (size)
        memcpy(bytes + sizeof(head), fixed, size);
    if (tail.len)
        memcpy(bytes + sizeof(head) + size, tail.ptr, tail.len);
    f->n = 0;
    f->result = identify_step(f->i, (const struct bh_rec *)bytes, &f->event, on_notice, f);
}

static struct bh_span put(struct buf *b, size_t base, struct str s)
{
    struct bh_span span = {(uint16_t)(base + b->len), (uint16_t)s.len};
    buf_str(b, s);
    return s.len ? span : (struct bh_span){0};
}

void feed_exec(struct feed *f, uint16_t kind, struct who w, uint64_t time, struct exec_of x)
{
    _cleanup_buf_ struct buf b = {0};
    size_t base = sizeof(struct bh_rec) + sizeof(struct bh_exec);
    struct bh_exec e = {.ppid = x.ppid,
                        .vpid = x.vpid,
                        .parent_start = x.parent_start,
                        .nses = x.nses,
                        .exe = {.dev = 1, .ino = x.ino, .flags = x.file_flags}};
    e.nses.mnt = x.mnt ? x.mnt : HOST_MNT;
    e.path = put(&b, base, str_of(x.path ? x.path : "/bin/x"));
    e.comm = put(&b, base, str_of(x.comm ? x.comm : "x"));
    e.cwd = put(&b, base, str_of(x.cwd ? x.cwd : "/"));
    e.args = put(&b, base, x.args);
    feed_raw(f, rec_of(kind, w, time), &e, sizeof(e), buf_view(&b));
}

void feed_fork(struct feed *f, struct who parent, uint64_t time, struct who child)
{
    struct bh_fork k = {.child = child.tgid,
                        .vpid = child.tgid,
                        .child_start = child.start,
                        .child_exec = child.exec,
                        .child_cgroup = child.cgroup,
                        .child_container = child.container};
    feed_raw(f, rec_of(BH_FORK, parent, time), &k, sizeof(k), STR_NULL);
}

void feed_exit(struct feed *f, struct who w, uint64_t time)
{
    struct bh_exit x = {0};
    feed_raw(f, rec_of(BH_EXIT, w, time), &x, sizeof(x), STR_NULL);
}

void feed_open(struct feed *f, struct who w, uint64_t time)
{
    struct bh_open o = {0};
    feed_raw(f, rec_of(BH_OPEN, w, time), &o, sizeof(o), STR_NULL);
}

void feed_cgroup(struct feed *f, uint16_t kind, struct who w, uint64_t time, struct bh_cgroup c,
                 const char *path, const char *cwd)
{
    _cleanup_buf_ struct buf b = {0};
    size_t base = sizeof(struct bh_rec) + sizeof(c);
    c.path = put(&b, base, str_of(path));
    c.cwd = put(&b, base, str_of(cwd));
    feed_raw(f, rec_of(kind, w, time), &c, sizeof(c), buf_view(&b));
}

void feed_text(struct feed *f, uint16_t kind, uint32_t container, uint64_t time, const char *text)
{
    struct bh_text t = {.len = (uint32_t)strlen(text), .what = kind == BH_FACT ? container : 0};
    feed_raw(f, rec_of(kind, (struct who){.container = container}, time), &t, sizeof(t),
             str_of(text));
}
