// The process table, keyed by (tgid, start). Ended processes stay for a grace period, for late
// records, and after it while a descendant is known, so that ancestry reaches past an exit.
//
// Bounds. A container holds at most max_per_container processes, all together max_processes. Who is
// over its share lets go of its own; with the whole table full, the container that holds most does.
// The rule is "ended first, then second chance": the ended process that ended first and has no
// known descendant, else the oldest ended one, else the oldest living one without an event since
// the evictor last looked. A container's first process is let go last.
#include "identify/internal.h"

#include <errno.h>

int procs_init(struct identify *i)
{
    uint32_t n = 256;
    while (n < i->limits.max_processes && n < 1u << 24)
        n <<= 1;
    i->buckets = calloc(n, sizeof(*i->buckets));
    if (!i->buckets)
        return -ENOMEM;
    i->bucket_mask = n - 1;
    TAILQ_INIT(&i->grace);
    return 0;
}

void procs_done(struct identify *i)
{
    for (struct proc_chunk *c = i->chunks, *next; c; c = next) {
        next = c->next;
        for (size_t k = 0; k < PROC_CHUNK; k++)
            if (c->procs[k].reg) {
                img_unref(i, img_of(c->procs[k].pub.image));
                img_unref(i, img_of(c->procs[k].pub.previous));
            }
        free(c);
    }
    free(i->buckets);
}

static struct proc **bucket(const struct identify *i, uint32_t tgid)
{
    uint32_t h = tgid * 0x9e3779b1u;
    return &i->buckets[(h ^ h >> 15) & i->bucket_mask];
}

struct proc *proc_find(const struct identify *i, uint32_t tgid, uint64_t start)
{
    for (struct proc *p = *bucket(i, tgid); p; p = p->chain)
        if (p->pub.tgid == tgid && p->pub.start == start)
            return p;
    return NULL;
}

struct proc *proc_newest(const struct identify *i, uint32_t tgid)
{
    struct proc *newest = NULL;
    for (struct proc *p = *bucket(i, tgid); p; p = p->chain)
        if (p->pub.tgid == tgid && (!newest || p->pub.start > newest->pub.start))
            newest = p;
    return newest;
}

static struct proc *take_free(struct identify *i)
{
    if (!i->free_procs) {
        struct proc_chunk *c = calloc(1, sizeof(*c));
        if (!c)
            return NULL;
        c->next = i->chunks;
        i->chunks = c;
        for (size_t k = 0; k < PROC_CHUNK; k++) {
            c->procs[k].chain = i->free_procs;
            i->free_procs = &c->procs[k];
        }
    }
    struct proc *p = i->free_procs;
    i->free_procs = p->chain;
    return p;
}

static struct proc_list *list_of(struct reg *r, const struct proc *p)
{
    return p->pub.exited_ns ? &r->exited : &r->live;
}

static void unlink_parent(struct proc *p)
{
    if (p->pub.parent)
        LIST_REMOVE(p, sibling);
    p->pub.parent = NULL;
}

// Takes it out of everything. Its children are left without a parent: unknown, not someone else.
static void proc_free(struct identify *i, struct proc *p)
{
    struct proc **at = bucket(i, p->pub.tgid), *child;
    while (*at && *at != p)
        at = &(*at)->chain;
    INVARIANT(*at == p);
    if (*at)
        *at = p->chain;
    unlink_parent(p);
    while ((child = LIST_FIRST(&p->children)))
        unlink_parent(child);
    TAILQ_REMOVE(list_of(p->reg, p), p, in_reg);
    p->reg->procs--;
    if (p->grace)
        TAILQ_REMOVE(&i->grace, p, in_grace);
    img_unref(i, img_of(p->pub.image));
    img_unref(i, img_of(p->pub.previous));
    memset(p, 0, sizeof(*p));
    p->chain = i->free_procs;
    i->free_procs = p;
    i->stats.processes--;
}

static bool is_init(const struct proc *p)
{
    return p->reg->init_tgid == p->pub.tgid && p->reg->init_start == p->pub.start;
}

static struct proc *victim(const struct identify *i, struct reg *r, const struct proc *keep)
{
    struct proc *p, *oldest = NULL, *init = NULL;
    int looks = 0;
    TAILQ_FOREACH (p, &r->exited, in_reg) {
        if (p == keep || p == i->acting)
            continue;
        if (!oldest)
            oldest = p;
        if (LIST_EMPTY(&p->children))
            return p;
        if (++looks >= EVICT_LOOKS)
            break;
    }
    if (oldest)
        return oldest;
    // Second chance: what had an event since goes to the end of the line.
    for (looks = 0; looks < EVICT_LOOKS && (p = TAILQ_FIRST(&r->live)); looks++) {
        TAILQ_REMOVE(&r->live, p, in_reg);
        TAILQ_INSERT_TAIL(&r->live, p, in_reg);
        if (p == keep || p == i->acting)
            continue;
        if (is_init(p)) {
            init = p;
            continue;
        }
        if (!p->seen)
            return p;
        p->seen = false;
    }
    TAILQ_FOREACH (p, &r->live, in_reg) {
        if (p != keep && p != i->acting && !is_init(p))
            return p;
        if (++looks >= 3 * EVICT_LOOKS)
            break;
    }
    return init;
}

// Frees a process that was only kept as an ancestor, and then perhaps its parent, and so on.
static void collect(struct identify *i, struct proc *p, const struct proc *keep)
{
    while (p && p != keep && p != i->acting && p->pub.exited_ns && !p->grace &&
           LIST_EMPTY(&p->children)) {
        struct proc *parent = p->pub.parent ? proc_of(p->pub.parent) : NULL;
        proc_free(i, p);
        p = parent;
    }
}

bool proc_evict(struct identify *i, struct reg *r, const struct proc *keep)
{
    struct proc *p = victim(i, r, keep);
    if (!p)
        return false;
    struct proc *parent = p->pub.parent ? proc_of(p->pub.parent) : NULL;
    proc_free(i, p);
    collect(i, parent, keep);
    i->stats.evicted_processes++;
    reg_evicted(i, r);
    return true;
}

static struct reg *heaviest(struct identify *i)
{
    struct reg *most = i->host.procs >= i->nowhere.procs ? &i->host : &i->nowhere, *r;
    TAILQ_FOREACH (r, &i->live_regs, order)
        if (r->procs > most->procs)
            most = r;
    TAILQ_FOREACH (r, &i->gone_regs, order)
        if (r->procs > most->procs)
            most = r;
    return most;
}

struct proc *proc_add(struct identify *i, uint32_t tgid, uint64_t start, uint32_t raw,
                      const struct proc *keep)
{
    struct reg *r = reg_get(i, raw, 0, i->now);
    if (r->procs >= i->limits.max_per_container)
        proc_evict(i, r, keep);
    if (i->stats.processes >= i->limits.max_processes)
        proc_evict(i, heaviest(i), keep);
    if (i->stats.processes >= i->limits.max_processes)
        return NULL;
    struct proc *same = proc_newest(i, tgid);
    if (same && !same->pub.exited_ns && same->pub.start < start) {
        // The number is another's now, so that one has ended; the record that said so was lost.
        i->stats.lost_exits++;
        proc_exit(i, same, start);
    }
    struct proc *p = take_free(i);
    if (!p)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->pub.tgid = tgid;
    p->pub.start = start;
    p->pub.container = r == &i->nowhere ? raw : reg_counts_as(i, r)->pub.number;
    p->raw = raw;
    p->reg = r;
    LIST_INIT(&p->children);
    struct proc **b = bucket(i, tgid);
    p->chain = *b;
    *b = p;
    TAILQ_INSERT_TAIL(&r->live, p, in_reg);
    r->procs++;
    i->stats.processes++;
    return p;
}

// A chain is cut where it has grown long: an endless chain of parents that end (a worm of forks) is
// bounded, and the walk that cuts it happens once in MAX_ANCESTRY − KEEP_ANCESTRY generations.
static void bound_depth(struct identify *i, struct proc *p)
{
    if (p->depth < MAX_ANCESTRY)
        return;
    struct proc *at = p;
    for (int k = 0; k < KEEP_ANCESTRY && at->pub.parent; k++)
        at = proc_of(at->pub.parent);
    struct proc *above = at->pub.parent ? proc_of(at->pub.parent) : NULL;
    unlink_parent(at);
    p->depth = KEEP_ANCESTRY;
    collect(i, above, p);
}

void proc_set_parent(struct identify *i, struct proc *p, struct proc *parent)
{
    INVARIANT(!p->pub.parent);
    // A parent began before its child: so there are no circles, whatever records say.
    if (!parent || parent == p || parent->pub.start > p->pub.start)
        return;
    if (!LIST_EMPTY(&p->children)) // only then (equal starts) could it be its own ancestor
        for (const struct process *a = &parent->pub; a; a = a->parent)
            if (a == &p->pub)
                return;
    p->pub.parent = &parent->pub;
    LIST_INSERT_HEAD(&parent->children, p, sibling);
    p->depth = (uint16_t)(parent->depth + 1);
    bound_depth(i, p);
}

void proc_move(struct identify *i, struct proc *p, uint32_t raw, uint64_t time)
{
    struct reg *r = reg_get(i, raw, 0, time);
    p->moved = time;
    p->raw = raw;
    if (r != p->reg) {
        TAILQ_REMOVE(list_of(p->reg, p), p, in_reg);
        p->reg->procs--;
        if (r->procs >= i->limits.max_per_container)
            proc_evict(i, r, p);
        p->reg = r;
        TAILQ_INSERT_TAIL(list_of(r, p), p, in_reg);
        r->procs++;
    }
    p->pub.container = r == &i->nowhere ? raw : reg_counts_as(i, r)->pub.number;
}

void proc_exit(struct identify *i, struct proc *p, uint64_t time)
{
    if (p->pub.exited_ns)
        return;
    TAILQ_REMOVE(&p->reg->live, p, in_reg);
    p->pub.exited_ns = time ? time : 1;
    TAILQ_INSERT_TAIL(&p->reg->exited, p, in_reg);
    p->grace = true;
    TAILQ_INSERT_TAIL(&i->grace, p, in_grace);
}

void procs_reap(struct identify *i)
{
    struct proc *p;
    for (int n = 0; n < REAP_BATCH && (p = TAILQ_FIRST(&i->grace)); n++) {
        if (p->pub.exited_ns + PROCESS_GRACE_NS > i->now)
            return;
        TAILQ_REMOVE(&i->grace, p, in_grace);
        p->grace = false;
        collect(i, p, NULL); // with it may go those that were only kept as its ancestors
    }
}

void procs_drop(struct identify *i, struct reg *r)
{
    struct proc *p;
    while ((p = TAILQ_FIRST(&r->exited)) || (p = TAILQ_FIRST(&r->live)))
        proc_free(i, p);
}
