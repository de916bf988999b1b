// The container registry. The kernel's side numbers cgroups as they are made; a cgroup that was
// made inside a sealed container has that container's number. What is here finds out what a
// numbered cgroup is: the host's own, a plain cgroup, or an OCI container, and keeps it for a while
// after it is gone, so that late records resolve.
//
// What a bundle says is not enough to be a container: podman and containerd make parent folders
// from inside the bundle too. So a container is a cgroup whose facts say so *and* that a process
// has entered: then it is sealed. A cgroup below it that got a number before the seal reached the
// kernel counts as it from then on.
//
// Bounds: max_containers, host aside. The rule is "gone first, then empty": the container that went
// first, else the oldest placeholder or plain cgroup without a process; where there is none, the
// new one is not kept (`nowhere`).
#include "identify/internal.h"

#include <errno.h>

static void reg_clear(struct reg *r, uint32_t number)
{
    memset(r, 0, sizeof(*r));
    r->pub.number = number;
    r->pub.type = CONTAINER_CGROUP;
    r->pub.facts = &facts_none;
    TAILQ_INIT(&r->live);
    TAILQ_INIT(&r->exited);
}

int regs_init(struct identify *i)
{
    uint32_t n = 64;
    while (n < i->limits.max_containers && n < 1u << 20)
        n <<= 1;
    i->reg_buckets = calloc(n, sizeof(struct reg *));
    i->regs = calloc(i->limits.max_containers, sizeof(*i->regs));
    if (!i->reg_buckets || !i->regs)
        return -ENOMEM;
    i->reg_mask = n - 1;
    TAILQ_INIT(&i->live_regs);
    TAILQ_INIT(&i->gone_regs);
    reg_clear(&i->host, 0);
    i->host.pub.type = CONTAINER_HOST;
    i->host.pub.id = STR("host");
    i->host.pub.cgroup_path = STR("/");
    reg_clear(&i->nowhere, UINT32_MAX);
    return 0;
}

static void reg_free_blocks(struct identify *i, struct reg *r)
{
    pool_free(&i->facts, r->facts, r->facts_class);
    pool_free(&i->facts, r->text, r->text_class);
    r->facts = NULL;
    r->text = NULL;
}

void regs_done(struct identify *i)
{
    for (size_t k = 0; k < i->regs_used; k++)
        reg_free_blocks(i, &i->regs[k]);
    free(i->regs);
    free(i->reg_buckets);
}

struct reg *reg_find(const struct identify *i, uint32_t number)
{
    if (number == 0)
        return (struct reg *)(uintptr_t)&i->host;
    for (struct reg *r = i->reg_buckets[number & i->reg_mask]; r; r = r->chain)
        if (r->pub.number == number)
            return r;
    return NULL;
}

struct reg *reg_counts_as(const struct identify *i, struct reg *r)
{
    struct reg *as = r->as ? reg_find(i, r->as) : NULL;
    return as ? as : r;
}

void tell(struct identify *i, uint32_t of, enum notice_kind kind, const struct reg *r,
          uint64_t cgroup, struct str text)
{
    if (!i->notice || !owns(i, of))
        return;
    struct notice n = {.kind = kind, .container = &r->pub, .text = text, .cgroup = cgroup};
    i->notice(i->notice_ctx, &n);
}

static void reg_forget(struct identify *i, struct reg *r)
{
    procs_drop(i, r);
    TAILQ_REMOVE(r->pub.gone ? &i->gone_regs : &i->live_regs, r, order);
    struct reg **at = &i->reg_buckets[r->pub.number & i->reg_mask];
    while (*at != r)
        at = &(*at)->chain;
    *at = r->chain;
    reg_free_blocks(i, r);
    reg_clear(r, 0);
    r->chain = i->free_regs;
    i->free_regs = r;
    i->stats.containers--;
}

static struct reg *victim(struct identify *i)
{
    struct reg *r;
    TAILQ_FOREACH (r, &i->gone_regs, order)
        if (!i->acting || i->acting->reg != r)
            return r;
    TAILQ_FOREACH (r, &i->live_regs, order)
        if (r->procs == 0 && (r->placeholder || r->pub.type == CONTAINER_CGROUP))
            return r;
    return NULL;
}

static struct reg *reg_new(struct identify *i, uint32_t number)
{
    struct reg *r;
    if (!i->free_regs && i->regs_used == i->limits.max_containers) {
        if (!(r = victim(i)))
            return NULL;
        _cleanup_buf_ struct buf b = {0};
        buf_printf(&b,
                   "{\"table\":\"containers\",\"container\":%u,\"evicted\":1,\"rule\":\"gone "
                   "first, then empty\"}",
                   r->pub.number);
        tell(i, r->pub.number, NOTICE_EVICTED, r, r->pub.cgroup, buf_view(&b));
        i->stats.evicted_containers++;
        reg_forget(i, r);
    }
    if (i->free_regs) {
        r = i->free_regs;
        i->free_regs = r->chain;
    } else {
        r = &i->regs[i->regs_used++];
    }
    reg_clear(r, number);
    r->losses_before = i->losses;
    r->pub.host_mnt_ns = i->host_nses.mnt;
    struct reg **bucket = &i->reg_buckets[number & i->reg_mask];
    r->chain = *bucket;
    *bucket = r;
    TAILQ_INSERT_TAIL(&i->live_regs, r, order);
    i->stats.containers++;
    return r;
}

struct reg *reg_get(struct identify *i, uint32_t number, uint64_t cgroup, uint64_t time)
{
    struct reg *r = number == UINT32_MAX ? NULL : reg_find(i, number);
    if (r)
        return r;
    r = number == UINT32_MAX ? NULL : reg_new(i, number);
    if (!r) {
        i->stats.overflowed++;
        return &i->nowhere;
    }
    // Something has this number, so it is not the host; what it is isn't known.
    r->placeholder = true;
    r->pub.cgroup = cgroup;
    return r;
}

static struct str put(char **at, struct str s)
{
    struct str copy = {*at, s.len};
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    (*at)[s.len] = '\0';
    *at += s.len + 1;
    return copy;
}

// The strings that records bring: a new block, as one of them may lie in the old one.
static void set_text(struct identify *i, struct reg *r, struct str path, struct str cwd,
                     struct str maker)
{
    uint8_t class;
    char *text = pool_alloc(&i->facts, path.len + cwd.len + maker.len + 3, &class), *at = text;
    if (!text) // no room: the number and cgroup id are still right
        return;
    const char *id = r->pub.id.ptr;
    bool of_path = !r->text || (id >= r->text && id < r->text + pool_class_bytes(r->text_class));
    r->pub.cgroup_path = put(&at, path);
    r->cwd = put(&at, cwd);
    r->maker = put(&at, maker);
    r->pub.bundle = r->cwd;
    if (of_path)
        r->pub.id = id_of_cgroup(r->pub.cgroup_path);
    pool_free(&i->facts, r->text, r->text_class);
    r->text = text;
    r->text_class = class;
}

static void want_facts(struct identify *i, struct reg *r)
{
    r->asked++;
    tell(i, r->pub.number, NOTICE_WANT_FACTS, r, r->pub.cgroup, STR_NULL);
}

// q turns out to lie inside r: it counts as r, for the kernel too.
static void joins(struct identify *i, struct reg *q, struct reg *r)
{
    struct proc *p;
    q->as = r->pub.number;
    TAILQ_FOREACH (p, &q->live, in_reg)
        p->pub.container = r->pub.number;
    TAILQ_FOREACH (p, &q->exited, in_reg)
        p->pub.container = r->pub.number;
    tell(i, q->pub.number, NOTICE_SEAL, r, q->pub.cgroup, STR_NULL);
}

static struct reg *parent_of(const struct identify *i, const struct reg *r)
{
    return r->parent ? reg_find(i, r->parent) : NULL;
}

static bool lies_in(const struct identify *i, const struct reg *q, const struct reg *r)
{
    q = parent_of(i, q);
    for (int n = 0; q && n < MAX_ANCESTRY; n++, q = parent_of(i, q))
        if (q == r)
            return true;
    return false;
}

static void seal_if_due(struct identify *i, struct reg *r)
{
    if (r->sealed || r->as || !r->entered || r->pub.type != CONTAINER_OCI)
        return;
    r->sealed = true;
    tell(i, r->pub.number, NOTICE_SEAL, r, r->pub.cgroup, STR_NULL);
    // Above it: folders that looked like the container because they were made from its bundle.
    struct reg *a = parent_of(i, r), *q;
    for (int n = 0; a && n < MAX_ANCESTRY; n++, a = parent_of(i, a))
        if (a->pub.type == CONTAINER_OCI && !a->sealed && !a->entered) {
            a->pub.type = CONTAINER_CGROUP;
            tell(i, a->pub.number, NOTICE_PLAIN, a, a->pub.cgroup, STR_NULL);
        }
    TAILQ_FOREACH (q, &i->live_regs, order)
        if (q != r && !q->as && lies_in(i, q, r))
            joins(i, q, r);
}

// What a process runs, by name.
static struct str program(const struct image *m)
{
    struct str name = str_basename(m->path);
    return m->exe.flags & BH_FILE_MEMFD || name.len == 0 ? m->comm : name;
}

void reg_made(struct identify *i, const struct bh_rec *rec, const struct bh_cgroup *c)
{
    if (c->container == 0 || c->inherited)
        return;
    struct reg *r = reg_get(i, c->container, c->id, rec->time);
    if (r == &i->nowhere || !r->placeholder || r->pub.gone)
        return; // no room; or it is known, and the ring's word is as new as the scan's
    r->placeholder = false;
    r->pub.cgroup = c->id;
    r->pub.level = rec->level;
    r->parent = c->parent_container;
    struct str maker_name = STR_NULL;
    if (rec->kind == BH_CGROUP_MAKE) {
        r->pub.created = rec->time;
        const struct proc *maker = proc_find(i, rec->tgid, rec->start);
        const struct image *m = maker ? img_pick(maker, rec->exec) : NULL;
        if (m && m->nses.mnt) {
            r->pub.host_mnt_ns = m->nses.mnt;
            r->pub.maker_nses = m->nses;
            r->pub.maker_userns = m->creds.userns;
        }
        if (m) {
            r->maker_dev = m->exe.dev;
            r->maker_ino = m->exe.ino;
            maker_name = program(m);
        }
    }
    struct str cwd = rec_str(rec, c->cwd);
    set_text(i, r, rec_str(rec, c->path), cwd, maker_name);
    struct reg *parent = parent_of(i, r), *in = parent ? reg_counts_as(i, parent) : NULL;
    if (in && in->sealed) {
        joins(i, r, in);
        return;
    }
    if (cwd.len || rec->kind == BH_CGROUP_SCAN)
        want_facts(i, r);
}

void reg_removed(struct identify *i, const struct bh_rec *rec, const struct bh_cgroup *c)
{
    if (c->container == 0 || c->inherited)
        return;
    struct reg *r = reg_find(i, c->container);
    if (!r && !i->scan_done) // the scan may yet name it: it must stay gone then
        r = reg_get(i, c->container, c->id, rec->time);
    if (!r || r == &i->nowhere || r->pub.gone || (r->pub.cgroup && r->pub.cgroup != c->id))
        return;
    struct proc *p;
    while ((p = TAILQ_FIRST(&r->live))) // a cgroup that could be removed had no process left
        proc_exit(i, p, rec->time);
    TAILQ_REMOVE(&i->live_regs, r, order);
    r->pub.gone = rec->time ? rec->time : 1;
    TAILQ_INSERT_TAIL(&i->gone_regs, r, order);
    tell(i, r->pub.number, NOTICE_CONTAINER_GONE, r, r->pub.cgroup, STR_NULL);
}

void reg_entered(struct identify *i, struct reg *r, struct proc *p)
{
    if (r == &i->host || r == &i->nowhere || r->as)
        return;
    bool first = !r->entered;
    r->entered = true;
    seal_if_due(i, r);
    // Where systemd makes the cgroup for the runtime, its maker's cwd says nothing; the cwd of the
    // process that comes in first is the runtime's, so the bundle.
    const struct image *m = p ? p->pub.image : NULL;
    if (first && m && m->cwd.len > 1 && r->pub.type == CONTAINER_CGROUP && !r->pub.gone &&
        (r->no_bundle || r->pub.bundle.len == 0 || str_eq(r->pub.bundle, STR("/"))) &&
        r->asked < MAX_FACT_TRIES && !str_eq(m->cwd, r->pub.bundle)) {
        set_text(i, r, r->pub.cgroup_path, m->cwd, program(m));
        want_facts(i, r);
    }
}

// Is this exec the container's own, not the runtime's on the way in? runc execs itself again inside
// the container's cgroup (a sealed copy of its binary), but before it makes the container's mount
// namespace.
static bool own_program(const struct identify *i, const struct reg *r, const struct bh_exec *x)
{
    uint32_t outside = r->pub.host_mnt_ns ? r->pub.host_mnt_ns : i->host_nses.mnt;
    if (outside && x->nses.mnt && !r->host_mnt)
        return x->nses.mnt != outside && x->nses.mnt != i->host_nses.mnt;
    // It shares the mount namespace: then what tells is that another file runs than the runtime's.
    return !(x->exe.flags & BH_FILE_MEMFD) &&
           !(x->exe.dev == r->maker_dev && x->exe.ino == r->maker_ino);
}

// What facts left open, because a namespace is joined by a path, its inode number settles.
static void settle(struct identify *i, struct reg *r, bool say)
{
    if (!r->facts || !r->nses.mnt || !i->host_nses.mnt)
        return;
    const struct {
        enum tri *to;
        uint32_t own, host;
    } all[] = {{&r->facts->host_pid, r->nses.pid, i->host_nses.pid},
               {&r->facts->host_net, r->nses.net, i->host_nses.net},
               {&r->facts->host_ipc, r->nses.ipc, i->host_nses.ipc}};
    bool changed = false;
    for (size_t k = 0; k < ARRAY_SIZE(all); k++)
        if (*all[k].to == UNKNOWN && all[k].own && all[k].host) {
            *all[k].to = all[k].own == all[k].host ? YES : NO;
            changed = true;
        }
    if (changed && say) {
        r->facts->version++;
        tell(i, r->pub.number, NOTICE_CONTAINER_KNOWN, r, r->pub.cgroup, STR_NULL);
    }
}

void reg_exec(struct identify *i, struct reg *r, struct proc *p, const struct bh_rec *rec,
              const struct bh_exec *x)
{
    if (r == &i->host || r == &i->nowhere || r->pub.first_exec || !own_program(i, r, x))
        return;
    r->pub.first_exec = rec->time ? rec->time : 1;
    r->init_tgid = p->pub.tgid;
    r->init_start = p->pub.start;
    r->nses = x->nses;
    settle(i, r, true);
    tell(i, p->raw, NOTICE_CONTAINER_STARTED, r, r->pub.cgroup, STR_NULL);
}

// A process that was there before us: the earliest one with the container's own mount namespace
// stands for its first.
void reg_task(struct identify *i, struct reg *r, struct proc *p, const struct bh_rec *rec,
              const struct bh_exec *x)
{
    if (r == &i->host || r == &i->nowhere)
        return;
    if (!r->pub.created || r->pub.created > rec->start)
        r->pub.created = rec->start;
    // A runtime that waits to start the container's program is not that program.
    if (str_starts(rec_str(rec, x->comm), STR("runc:[")) || !own_program(i, r, x))
        return;
    if (!r->pub.first_exec ||
        (r->init_start && rec->start < r->init_start && r->pub.first_exec == r->init_start)) {
        r->pub.first_exec = rec->start ? rec->start : 1;
        r->init_tgid = p->pub.tgid;
        r->init_start = p->pub.start;
        r->nses = x->nses;
        settle(i, r, true);
    }
}

void regs_reap(struct identify *i)
{
    struct reg *r = TAILQ_FIRST(&i->gone_regs);
    if (r && r->pub.gone + CONTAINER_GRACE_NS <= i->now)
        reg_forget(i, r);
}

static void tell_evictions(struct identify *i, struct reg *r)
{
    if (r->evicted == r->evicted_told)
        return;
    _cleanup_buf_ struct buf b = {0};
    buf_printf(&b,
               "{\"table\":\"processes\",\"container\":%u,\"evicted\":%llu,\"rule\":\"ended first, "
               "then second chance\"}",
               r->pub.number, (unsigned long long)(r->evicted - r->evicted_told));
    r->evicted_told = r->evicted;
    r->evict_time = i->now;
    if (!b.failed)
        tell(i, r->pub.number, NOTICE_EVICTED, r, r->pub.cgroup, buf_view(&b));
}

void reg_evicted(struct identify *i, struct reg *r)
{
    bool first = r->evicted++ == 0;
    if (first || i->now >= r->evict_time + EVICT_NOTICE_NS)
        tell_evictions(i, r);
}

void regs_tell_evictions(struct identify *i)
{
    struct reg *r;
    tell_evictions(i, &i->host);
    tell_evictions(i, &i->nowhere);
    TAILQ_FOREACH (r, &i->live_regs, order)
        tell_evictions(i, r);
    TAILQ_FOREACH (r, &i->gone_regs, order)
        tell_evictions(i, r);
}

void reg_refresh(struct identify *i, struct reg *r)
{
    r->pub.pending = r->asked > r->answered && r->entered;
    r->pub.lossy = r->storm || i->losses > MAX(r->losses_before, i->losses_cleared);
}

// Every process of it has a mount and a pid namespace that isn't the host's: so a container that
// ran before us, whose runtime keeps its state where nobody told us.
static bool lives_apart(const struct identify *i, const struct reg *r)
{
    const struct proc *p;
    TAILQ_FOREACH (p, &r->live, in_reg) {
        const struct image *m = p->pub.image;
        if (!m || !m->nses.mnt || m->nses.mnt == i->host_nses.mnt || !m->nses.pid ||
            m->nses.pid == i->host_nses.pid)
            return false;
    }
    return i->host_nses.mnt && i->host_nses.pid && !TAILQ_EMPTY(&r->live);
}

// No bundle was found where its maker stood.
static void no_container(struct identify *i, struct reg *r)
{
    r->no_bundle = true;
    if (r->entered && !r->pub.gone && !r->as && r->asked < MAX_FACT_TRIES &&
        !TAILQ_EMPTY(&r->live)) {
        r->entered = false; // its first process may know better
        reg_entered(i, r, TAILQ_FIRST(&r->live));
    }
    if (r->answered < r->asked || r->as)
        return;
    if (!r->facts && !r->pub.gone && lives_apart(i, r)) {
        r->pub.facts = &facts_apart;
        r->pub.type = CONTAINER_OCI;
        tell(i, r->pub.number, NOTICE_CONTAINER_KNOWN, r, r->pub.cgroup, STR_NULL);
        seal_if_due(i, r);
    } else
        tell(i, r->pub.number, NOTICE_PLAIN, r, r->pub.cgroup, STR_NULL);
}

void reg_take_fact(struct identify *i, const struct bh_rec *rec, struct str text)
{
    const struct bh_text *t = REC_AS(rec, bh_text);
    uint32_t number = t->what ? t->what : rec->container;
    struct reg *r = number ? reg_find(i, number) : NULL;
    struct fact_extra extra = {0};
    struct facts *f = NULL;
    uint8_t class = 0, rank = 0;
    int e = r ? facts_read(i, r, text, &f, &class, &rank, &extra) : -ENOENT;
    if (r)
        r->answered = r->asked;
    if (e < 0)
        i->stats.facts_refused++;
    if (e < 0 && e != -ENOMEM)
        return;
    if (extra.plain) {
        no_container(i, r);
        return;
    }
    if (e == 0) {
        pool_free(&i->facts, r->facts, r->facts_class);
        r->facts = f;
        r->facts_class = class;
        r->rank = rank;
        r->pub.facts = f;
    } else if (!r->facts) { // what is known, is that it is a container
        r->pub.facts = &facts_no_room;
    }
    r->no_bundle = false;
    r->host_mnt = extra.host_mnt == YES;
    r->pub.host_mnt = r->host_mnt;
    settle(i, r, false); // it is told below
    r->pub.type = CONTAINER_OCI;
    if (e == 0) {
        r->pub.id = extra.id.len ? extra.id : id_of_cgroup(r->pub.cgroup_path);
        r->pub.bundle = r->cwd.len ? r->cwd : extra.bundle;
    }
    if (!r->pub.known)
        r->pub.known = rec->time ? rec->time : 1;
    tell(i, number, NOTICE_CONTAINER_KNOWN, r, r->pub.cgroup, STR_NULL);
    seal_if_due(i, r);
}
