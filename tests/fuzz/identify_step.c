// Whatever records come, in whatever order: no event names what isn't there, and every bound holds.
// The input is records back to back; their numbers are made small, so that they meet.
#include "identify/identify.h"

enum { SMALL = 15, MAX_PROCESSES = 12, MAX_CONTAINERS = 6, MAX_BYTES = 16 << 10 };

static volatile uint64_t sink;

static void touch(struct str s)
{
    for (size_t k = 0; k < s.len; k++)
        sink += (uint8_t)s.ptr[k];
}

static void touch_container(const struct container *c)
{
    touch(c->id);
    touch(c->cgroup_path);
    touch(c->bundle);
    touch(c->facts->name);
    touch(c->facts->runtime);
    touch(c->facts->problem);
    for (size_t k = 0; k < c->facts->labels_n; k++)
        touch(c->facts->labels[k].value);
    for (size_t k = 0; k < c->facts->mounts_n; k++)
        touch(c->facts->mounts[k].destination);
}

static void on_notice(void *ctx, const struct notice *n)
{
    touch_container(n->container);
    touch(n->text);
}

static void touch_event(const struct event *e)
{
    if (!e->container)
        abort();
    touch_container(e->container);
    if (e->image) {
        touch(e->image->path);
        touch(e->image->args);
    }
    unsigned depth = 0;
    for (const struct process *p = e->process; p; p = p->parent) {
        if (p->image)
            touch(p->image->comm);
        if (++depth > MAX_PROCESSES) // more than there can be: a circle
            abort();
    }
}

static int count(void *ctx, const struct process *p)
{
    ++*(size_t *)ctx;
    return 0;
}

static void meet(struct bh_rec *r)
{
    static const uint16_t kinds[] = {
        BH_EXEC,        BH_FORK,      BH_EXIT,        BH_TASK,          BH_OPEN,
        BH_CRED,        BH_NAMESPACE, BH_CGROUP_MAKE, BH_CGROUP_ATTACH, BH_CGROUP_REMOVE,
        BH_CGROUP_SCAN, BH_STORM,     BH_LOSS,        BH_FACT,          BH_TICK,
        BH_SCAN_DONE,   BH_COVERAGE,  BH_RESOURCE};
    if (!kind_row(r->kind))
        r->kind = kinds[r->kind % ARRAY_SIZE(kinds)];
    r->version = BH_ABI_VERSION;
    r->ring %= BH_RING_MAX;
    r->truth %= BH_TRUTH_MAX;
    r->tgid &= SMALL;
    r->start &= SMALL;
    r->exec &= 3;
    r->container &= SMALL;
    r->cgroup &= SMALL;
    r->time &= (1ull << 38) - 1; // some four minutes
    struct bh_fork *f = (struct bh_fork *)(r + 1);
    struct bh_cgroup *c = (struct bh_cgroup *)(r + 1);
    if (r->kind == BH_FORK && r->size >= sizeof(*r) + sizeof(*f)) {
        f->child &= SMALL;
        f->child_start &= SMALL;
        f->child_exec &= 3;
        f->child_container &= SMALL;
    }
    if (r->kind >= BH_CGROUP_MAKE && r->kind <= BH_CGROUP_SCAN &&
        r->size >= sizeof(*r) + sizeof(*c)) {
        c->id &= SMALL;
        c->container &= SMALL;
        c->parent_container &= SMALL;
        c->inherited &= 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct identify *i = identify_new(&(struct identify_limits){.max_processes = MAX_PROCESSES,
                                                                .max_per_container = 5,
                                                                .max_containers = MAX_CONTAINERS,
                                                                .max_bytes = MAX_BYTES});
    if (!i)
        return 0;
    static _Alignas(8) uint8_t rec[BH_REC_MAX];
    for (size_t at = 0; len - at >= sizeof(struct bh_rec);) {
        struct bh_rec *r = (struct bh_rec *)rec;
        memcpy(r, bytes + at, sizeof(*r));
        size_t size = MAX((size_t)(r->size % 1024) & ~(size_t)7, sizeof(*r));
        size = MIN(size, (len - at) & ~(size_t)7);
        memcpy(rec, bytes + at, size);
        r->size = (uint32_t)size;
        meet(r);
        struct event e = {0};
        if (identify_step(i, r, &e, on_notice, NULL) == 1)
            touch_event(&e);
        at += size;
        size_t n = 0;
        struct identify_stats s;
        identify_processes(i, count, &n);
        identify_stats(i, &s);
        if (n != s.processes || n > MAX_PROCESSES || s.containers > MAX_CONTAINERS ||
            s.bytes > MAX_BYTES)
            abort();
    }
    identify_free(i);
    return 0;
}
