// The step: a record in, an event with process, image and container out. Pure: time is what records
// say.
#include "identify/internal.h"

#include <errno.h>

struct identify *identify_new(const struct identify_limits *l)
{
    struct identify *i = calloc(1, sizeof(*i));
    if (!i)
        return NULL;
    i->limits = *l;
    struct identify_limits *m = &i->limits;
    if (!m->shards)
        m->shards = 1;
    if (!m->max_processes)
        m->max_processes = MAX_PROCESSES_DEFAULT;
    if (!m->max_per_container)
        m->max_per_container = MAX(m->max_processes / 4, (size_t)1);
    if (!m->max_containers)
        m->max_containers = BH_MAX_CONTAINERS;
    if (!m->max_bytes)
        m->max_bytes = MAX_BYTES_DEFAULT;
    i->images.limit = m->max_bytes - m->max_bytes / 4;
    i->facts.limit = m->max_bytes / 4;
    if (procs_init(i) < 0 || regs_init(i) < 0) {
        identify_free(i);
        return NULL;
    }
    return i;
}

void identify_free(struct identify *i)
{
    if (!i)
        return;
    if (i->reg_buckets)
        procs_done(i);
    else
        free(i->buckets);
    regs_done(i);
    pool_done(&i->images);
    pool_done(&i->facts);
    free(i);
}

// Takes what a record says of its process's container. A record older than the last move must not
// move it back.
static void follow(struct identify *i, struct proc *p, uint32_t raw, uint64_t time)
{
    if (p->raw == raw || time < p->moved)
        return;
    uint32_t before = p->pub.container;
    proc_move(i, p, raw, time);
    reg_entered(i, p->reg, p);
    if (p->pub.container != before)
        lineage_entry(p);
}

static struct proc *born(struct identify *i, uint32_t tgid, uint64_t start, uint32_t raw,
                         uint64_t time, const struct proc *keep)
{
    struct proc *p = proc_add(i, tgid, start, raw, keep);
    if (!p)
        return NULL;
    p->moved = p->asserted = time;
    p->scanned = !i->scan_done;
    return p;
}

static struct proc *on_fork(struct identify *i, const struct bh_rec *rec, struct proc *parent)
{
    const struct bh_fork *f = REC_AS(rec, bh_fork);
    struct proc *child = proc_find(i, f->child, f->child_start);
    if (child && child->pub.forked_ns)
        return child; // a copy of a record we had
    if (!child)
        child = born(i, f->child, f->child_start, f->child_container, rec->time, parent);
    if (!child) {
        reg_entered(i, reg_get(i, f->child_container, f->child_cgroup, rec->time), NULL);
        return NULL;
    }
    child->pub.vpid = f->vpid;
    child->pub.ppid = rec->tgid;
    child->pub.forked_ns = rec->time;
    if (parent && !child->pub.parent)
        proc_set_parent(i, child, parent);
    if (!child->pub.image && parent) {
        const struct image *m = img_pick(parent, f->child_exec);
        child->pub.image = m ? &img_ref(img_of(m))->pub : NULL;
        // clone() may have given it namespaces of its own.
        if (m && f->nses.mnt && memcmp(&m->nses, &f->nses, sizeof(f->nses)) != 0) {
            struct img *own = img_own(i, child);
            if (own)
                own->pub.nses = f->nses;
        }
    }
    reg_entered(i, child->reg, child);
    lineage_fork(i, child);
    return child;
}

static void link_parent(struct identify *i, struct proc *p, const struct bh_exec *x)
{
    p->pub.vpid = x->vpid;
    if (!p->pub.parent && x->ppid) { // its fork was lost, or was before us
        struct proc *parent =
            x->parent_start ? proc_find(i, x->ppid, x->parent_start) : proc_newest(i, x->ppid);
        p->pub.ppid = x->ppid;
        proc_set_parent(i, p, parent);
    }
}

static void set_image(struct identify *i, struct proc *p, struct img *m)
{
    img_unref(i, img_of(p->pub.previous));
    p->pub.previous = p->pub.image;
    p->pub.image = m ? &m->pub : NULL;
}

static struct proc *on_exec(struct identify *i, const struct bh_rec *rec, struct proc *p)
{
    const struct bh_exec *x = REC_AS(rec, bh_exec);
    bool fresh = !p;
    if (fresh)
        p = born(i, rec->tgid, rec->start, rec->container, rec->time, NULL);
    if (!p)
        return NULL;
    if (p->pub.image && p->pub.image->exec >= rec->exec && p->pub.image->time)
        return p; // a copy of a record we had
    set_image(i, p, img_new(i, p->reg, rec, x, p));
    p->asserted = rec->time;
    link_parent(i, p, x);
    if (fresh) {
        lineage_fork(i, p);
        reg_entered(i, p->reg, p);
    }
    reg_exec(i, reg_counts_as(i, p->reg), p, rec, x);
    return p;
}

// A process that the scan found. What the rings said of it meanwhile is newer.
static struct proc *on_task(struct identify *i, const struct bh_rec *rec, struct proc *p)
{
    const struct bh_exec *x = REC_AS(rec, bh_exec);
    if (rec->tgid == 1 && x->nses.mnt) {
        i->host_nses = x->nses;
        i->host_userns = x->creds.userns;
    }
    bool fresh = !p;
    if (fresh) {
        const struct proc *newer = proc_newest(i, rec->tgid);
        if (newer && newer->pub.start > rec->start)
            return NULL; // its number is another's by now
        p = born(i, rec->tgid, rec->start, rec->container, rec->time, NULL);
        if (!p)
            return NULL;
    }
    if (p->pub.exited_ns)
        return p;
    if (!p->pub.image || p->pub.image->exec < rec->exec)
        set_image(i, p, img_new(i, p->reg, rec, x, p));
    link_parent(i, p, x);
    if (fresh)
        lineage_fork(i, p);
    reg_entered(i, p->reg, p);
    reg_task(i, reg_counts_as(i, p->reg), p, rec, x);
    return p;
}

static struct proc *on_end(struct identify *i, const struct bh_rec *rec, struct proc *p)
{
    if (!p && !i->scan_done) // the scan may yet name it: it must stay ended then
        p = born(i, rec->tgid, rec->start, rec->container, rec->time, NULL);
    if (p)
        proc_exit(i, p, rec->time);
    return p;
}

// Credentials and namespaces belong to threads; what counts as the process's are those of its first
// thread. In libc's setuid() all threads change.
static void on_change(struct identify *i, const struct bh_rec *rec, struct proc *p)
{
    if (!p || rec->tid != rec->tgid || rec->time < p->asserted || !p->pub.image ||
        p->pub.image->exec != rec->exec)
        return;
    struct img *m = img_own(i, p);
    if (!m)
        return;
    p->asserted = rec->time;
    if (rec->kind == BH_CRED)
        m->pub.creds = REC_AS(rec, bh_cred_change)->now;
    else
        m->pub.nses = REC_AS(rec, bh_ns_change)->now;
}

// The container that it leaves, if it leaves one: detectors are told, in that container's name.
// What is moved out of its cgroup is out of reach of all that is kept by cgroup.
static struct reg *on_attach(struct identify *i, const struct bh_rec *rec, struct proc *p)
{
    const struct bh_cgroup *c = REC_AS(rec, bh_cgroup);
    struct reg *from = p ? reg_counts_as(i, p->reg) : NULL;
    if (!p)
        reg_entered(i, reg_get(i, c->container, c->id, rec->time), NULL);
    if (p && rec->time >= p->moved) {
        follow(i, p, c->container, rec->time);
        p->moved = rec->time;
    }
    bool left = from && from != &i->host && from != &i->nowhere &&
                from->pub.number != p->pub.container && owns(i, from->pub.number);
    return left ? from : NULL;
}

static void on_coverage(struct identify *i)
{
    struct reg *r;
    i->losses_cleared = i->losses;
    i->host.storm = i->nowhere.storm = false;
    TAILQ_FOREACH (r, &i->live_regs, order)
        r->storm = false;
    TAILQ_FOREACH (r, &i->gone_regs, order)
        r->storm = false;
}

// Missing records that a gap shows (first to last, so one more than the difference) or a storm
// explains. What a broken capture says counts for so much at most.
static void account(struct identify *i, uint64_t count, int sign)
{
    const int64_t most = INT64_MAX / 4;
    int64_t n = (int64_t)MIN(count, (uint64_t)most) + (sign > 0 ? 1 : 0);
    i->unexplained = MAX(-most, MIN(most, i->unexplained + sign * n));
}

// Inputs that aren't of a process. True: taken.
static bool take_input(struct identify *i, const struct bh_rec *rec)
{
    switch (rec->kind) {
    case BH_FACT:
        reg_take_fact(i, rec, rec_text(rec));
        return true;
    case BH_TICK:
        regs_tell_evictions(i);
        // Each held-back or refused record leaves a gap, and its storm says whose it was; storms
        // come before the tick. What no storm explains could have been anybody's.
        if (i->unexplained > 0) {
            i->losses++;
            i->unexplained = 0;
        }
        return true;
    case BH_SCAN_DONE:
        lineage_scan_done(i);
        i->scan_done = true;
        return true;
    case BH_COVERAGE:
        on_coverage(i);
        return true;
    case BH_CGROUP_MAKE:
    case BH_CGROUP_SCAN:
        reg_made(i, rec, REC_AS(rec, bh_cgroup));
        return false;
    case BH_CGROUP_REMOVE:
        reg_removed(i, rec, REC_AS(rec, bh_cgroup));
        return false;
    case BH_LOSS:
        account(i, REC_AS(rec, bh_loss)->last - REC_AS(rec, bh_loss)->first, 1);
        return false;
    case BH_STORM:
        account(i, REC_AS(rec, bh_storm)->count, -1);
        return false;
    default:
        return rec->kind >= BH_KIND_USER;
    }
}

// Does this kind's header speak of a process? (A storm's and a loss's don't; a scanned cgroup has
// no maker.)
static bool has_process(uint16_t kind)
{
    return kind != BH_LOSS && kind != BH_STORM && kind != BH_RESOURCE && kind != BH_CGROUP_SCAN;
}

static struct reg *container_of(struct identify *i, const struct bh_rec *rec)
{
    uint32_t number = rec->kind == BH_STORM ? REC_AS(rec, bh_storm)->container : rec->container;
    return reg_get(i, number, rec->kind == BH_STORM ? 0 : rec->cgroup, rec->time);
}

static bool for_detectors(const struct identify *i, const struct bh_rec *rec)
{
    switch (rec->kind) {
    case BH_TASK:
    case BH_CGROUP_SCAN:
    case BH_CGROUP_ATTACH:
        return false;
    case BH_LOSS: // these are made for one shard, whose they are
    case BH_STORM:
        return !(rec->flags & BH_F_COPY);
    default:
        return !(rec->flags & BH_F_COPY) && owns(i, rec->container);
    }
}

int identify_step(struct identify *i, const struct bh_rec *rec, struct event *ret_event,
                  identify_notice notice, void *ctx)
{
    if (rec_check(rec, rec->size) < 0) {
        i->stats.malformed++;
        return -EBADMSG;
    }
    i->notice = notice;
    i->notice_ctx = ctx;
    i->acting = NULL;
    i->nowhere.pub.number = UINT32_MAX;
    if (rec->time > i->now)
        i->now = rec->time;
    procs_reap(i);
    regs_reap(i);
    if (take_input(i, rec))
        return 0;

    struct proc *p = has_process(rec->kind) ? proc_find(i, rec->tgid, rec->start) : NULL;
    struct reg *left = NULL;
    i->acting = p;
    if (p && rec->kind != BH_CGROUP_ATTACH)
        follow(i, p, rec->container, rec->time);
    switch (rec->kind) {
    case BH_EXEC:
        p = on_exec(i, rec, p);
        break;
    case BH_TASK:
        p = on_task(i, rec, p);
        break;
    case BH_FORK:
        on_fork(i, rec, p);
        break;
    case BH_EXIT:
        p = on_end(i, rec, p);
        break;
    case BH_CRED:
    case BH_NAMESPACE:
        on_change(i, rec, p);
        break;
    case BH_CGROUP_ATTACH:
        left = on_attach(i, rec, p);
        break;
    default:
        break;
    }

    // The process's container where the record is of its time, else the record's own.
    struct reg *raw = left ? left
                      : p && p->raw == rec->container && has_process(rec->kind)
                          ? p->reg
                          : container_of(i, rec);
    if (raw == &i->nowhere) // it stands for many
        raw->pub.number = rec->kind == BH_STORM ? REC_AS(rec, bh_storm)->container : rec->container;
    struct reg *r = reg_counts_as(i, raw);
    if (rec->kind == BH_STORM)
        r->storm = true;
    reg_refresh(i, r);
    const struct image *m = p ? img_pick(p, rec->exec) : NULL;
    if (p) {
        p->seen = true;
        i->stats.late_records += m && m == p->pub.previous;
    } else if (has_process(rec->kind)) {
        i->stats.unknown_processes++;
        reg_entered(i, raw, NULL);
    }
    bool hand_on = left || for_detectors(i, rec);
    if (hand_on)
        i->events++;
    *ret_event = (struct event){.rec = rec,
                                .process = p ? &p->pub : NULL,
                                .image = m,
                                .container = &r->pub,
                                .number = i->events};
    return hand_on ? 1 : 0;
}

// ── look-ups ─────────────────────────────────────────────────────────────────────────────────

const struct process *identify_process(const struct identify *i, uint32_t tgid)
{
    const struct proc *p = proc_newest(i, tgid);
    return p ? &p->pub : NULL;
}

static struct reg *shown(const struct identify *i, struct reg *r)
{
    struct identify *mine = (struct identify *)(uintptr_t)i;
    reg_refresh(mine, r);
    return r;
}

const struct container *identify_container(const struct identify *i, uint32_t number)
{
    struct reg *r = reg_find(i, number);
    return r ? &shown(i, reg_counts_as(i, r))->pub : NULL;
}

const struct container *identify_container_by_text(const struct identify *i, struct str text,
                                                   bool *ret_ambiguous)
{
    enum { MIN_PREFIX = 3 };
    const struct reg_list *lists[] = {&i->live_regs, &i->gone_regs};
    struct reg *prefix = NULL, *r;
    bool ambiguous = false;
    *ret_ambiguous = false;
    if (str_eq(text, i->host.pub.id))
        return &shown(i, (struct reg *)(uintptr_t)&i->host)->pub;
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) // what is there comes before what is gone
        TAILQ_FOREACH (r, lists[l], order) {
            if (r->as || text.len == 0)
                continue;
            if (str_eq(r->pub.id, text) || str_eq(r->pub.facts->name, text))
                return &shown(i, r)->pub;
            if (text.len >= MIN_PREFIX && str_starts(r->pub.id, text)) {
                ambiguous |= prefix != NULL;
                prefix = prefix ? prefix : r;
            }
        }
    *ret_ambiguous = ambiguous;
    return prefix && !ambiguous ? &shown(i, prefix)->pub : NULL;
}

int identify_containers(const struct identify *i, identify_each_container f, void *ctx)
{
    const struct reg_list *lists[] = {&i->live_regs, &i->gone_regs};
    struct reg *r;
    int err = f(ctx, &shown(i, (struct reg *)(uintptr_t)&i->host)->pub);
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
        TAILQ_FOREACH (r, lists[l], order) {
            if (err < 0)
                return err;
            if (!r->as)
                err = f(ctx, &shown(i, r)->pub);
        }
    return err;
}

int identify_processes(const struct identify *i, identify_each_process f, void *ctx)
{
    for (uint32_t b = 0; b <= i->bucket_mask; b++)
        for (struct proc *p = i->buckets[b]; p; p = p->chain) {
            int err = f(ctx, &p->pub);
            if (err < 0)
                return err;
        }
    return 0;
}

bool identify_host(const struct identify *i, struct bh_nses *ret, uint32_t *ret_userns)
{
    *ret = i->host_nses;
    *ret_userns = i->host_userns;
    return i->host_nses.mnt;
}

void identify_stats(const struct identify *i, struct identify_stats *ret)
{
    *ret = i->stats;
    ret->bytes = i->images.in_use + i->images.cached + i->facts.in_use + i->facts.cached;
}
