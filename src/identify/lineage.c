// Lineages: what one entry into a container did. A process has its parent's lineage, unless
//  - its parent is in another container or on the host: an entry (the container's first process, an
//  exec into it), or
//  - its parent is the container's first process: what PID 1 starts (a request's worker, a shell's
//  command) is judged
//    by itself, else everything that a container ever does would be one story;
//  - on the host: its parent is PID 1, kthreadd, or unknown.
// Then it begins a new one, whose id is a hash of (tgid, start, container): unique for a boot,
// equal in a replay. A process that is moved into a container begins a new one there.
//
// Known limits. An attack inside PID 1 itself falls into one lineage a command; correlate/ joins
// those by what they share. What a service does on another's request (cron, a database's worker) is
// the service's lineage, not the asker's. Where a fork's record was lost, the child begins anew,
// and so does what it forks: two lineages where there was one, never one where there were two. A
// chain longer than MAX_ANCESTRY keeps its lineage, as that is inherited and not looked up. A
// lineage outlives every process in it, as it is only a number.
#include "identify/internal.h"

enum { KTHREADD = 2 };

uint64_t lineage_new(const struct proc *p)
{
    uint64_t of[3] = {p->pub.tgid, p->pub.start, p->pub.container};
    uint64_t id = hash64(of, sizeof(of)) >> 1; // readers of JSON have signed numbers
    return id ? id : 1;
}

static bool begins(const struct identify *i, const struct proc *p)
{
    const struct process *parent = p->pub.parent;
    if (!parent || !parent->lineage || parent->container != p->pub.container)
        return true;
    if (p->pub.container == 0)
        return parent->tgid == 1 || parent->tgid == KTHREADD;
    const struct reg *r = reg_find(i, p->pub.container);
    return r && r->init_tgid == parent->tgid && r->init_start == parent->start;
}

void lineage_fork(struct identify *i, struct proc *child)
{
    child->pub.lineage = begins(i, child) ? lineage_new(child) : child->pub.parent->lineage;
}

void lineage_entry(struct proc *p)
{
    p->pub.lineage = lineage_new(p);
}

static int by_start(const void *a, const void *b)
{
    const struct proc *x = *(struct proc *const *)a, *y = *(struct proc *const *)b;
    if (x->pub.start != y->pub.start)
        return x->pub.start < y->pub.start ? -1 : 1;
    return x->pub.tgid < y->pub.tgid ? -1 : x->pub.tgid > y->pub.tgid;
}

static size_t collect(struct reg *r, struct proc **all, size_t n)
{
    struct proc *p;
    TAILQ_FOREACH (p, &r->live, in_reg)
        if (p->scanned)
            all[n++] = p;
    TAILQ_FOREACH (p, &r->exited, in_reg)
        if (p->scanned)
            all[n++] = p;
    return n;
}

// The scan may name a child before its parent and a container's process before its first one. Now
// that all are known, parents are linked and lineages settled, oldest first.
void lineage_scan_done(struct identify *i)
{
    _cleanup_free_ struct proc **all = calloc(i->stats.processes + 1, sizeof(*all));
    if (!all)
        return; // the lineages that the scan's order gave stay
    size_t n = collect(&i->host, all, 0);
    struct reg *r;
    n = collect(&i->nowhere, all, n);
    TAILQ_FOREACH (r, &i->live_regs, order)
        n = collect(r, all, n);
    TAILQ_FOREACH (r, &i->gone_regs, order)
        n = collect(r, all, n);
    qsort(all, n, sizeof(*all), by_start);
    for (size_t k = 0; k < n; k++) {
        struct proc *p = all[k], *parent;
        if (!p->pub.parent && p->pub.ppid && (parent = proc_newest(i, p->pub.ppid)))
            proc_set_parent(i, p, parent);
        lineage_fork(i, p);
        p->scanned = false;
    }
}
