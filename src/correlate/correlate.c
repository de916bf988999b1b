// Findings → incidents. A finding belongs to
//   its lineage's incident;
//   the incident of an ancestor inside a container that a finding was about (an escape leaves its
//   lineage); the incident whose lineage wrote a file that it is about, or that ran the same file
//   from outside any image; without a process of its own, the newest incident of its container;
// and to all of them at once if several hold: then they were one attack, and the oldest takes the
// others in. A file that is only read (a shared lower layer's /etc/shadow, the image's busybox)
// joins nothing: everybody reads it. A finding of posture (how a container is, not what happened in
// it) opens nothing: it is kept and stands in the stories of its container.
#include "correlate/internal.h"

#include <errno.h>

struct correlate {
    struct correlate_limits limits;
    struct growing **list; // in order of number
    size_t n, live;
    uint64_t last_number;
    struct links links;
    struct writes writes;
    struct postures postures;
};

struct correlate *correlate_new(const struct correlate_limits *l)
{
    struct correlate *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->limits = *l;
    if (!c->limits.max_incidents)
        c->limits.max_incidents = 1024;
    if (!c->limits.max_timeline)
        c->limits.max_timeline = 256;
    if (!c->limits.quiet_ns)
        c->limits.quiet_ns = 3600 * NSEC_PER_SEC;
    c->list = calloc(c->limits.max_incidents + 2 * MAX_CLOSED + 2, sizeof(struct growing *));
    if (!c->list) {
        free(c);
        return NULL;
    }
    links_init(&c->links);
    writes_init(&c->writes);
    return c;
}

void correlate_free(struct correlate *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        growing_free(c->list[i]);
    postures_done(&c->postures);
    free(c->list);
    free(c);
}

static size_t index_of(const struct correlate *c, uint64_t number)
{
    size_t low = 0, high = c->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->list[middle]->view.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n && c->list[low]->view.number == number ? low : SIZE_MAX;
}

static struct growing *by_number(const struct correlate *c, uint64_t number)
{
    size_t i = index_of(c, number);
    return i == SIZE_MAX ? NULL : c->list[i];
}

// ── ends ─────────────────────────────────────────────────────────────────────────────────────

// What closed keeps no links: a lineage that goes on later begins a new incident.
static void closed(struct correlate *c, struct growing *g)
{
    links_drop(&c->links, &g->links, &g->links_n);
    c->live--;
}

static void forget_closed(struct correlate *c)
{
    while (c->n - c->live > MAX_CLOSED) {
        size_t victim = SIZE_MAX;
        for (size_t i = 0; i < c->n; i++)
            if (!growing_live(c->list[i]) &&
                (victim == SIZE_MAX || c->list[i]->view.last.ns < c->list[victim]->view.last.ns))
                victim = i;
        links_drop(&c->links, &c->list[victim]->links, &c->list[victim]->links_n);
        growing_free(c->list[victim]);
        c->n--;
        memmove(&c->list[victim], &c->list[victim + 1], (c->n - victim) * sizeof(struct growing *));
    }
}

static void close_one(struct correlate *c, struct growing *g, correlate_emit emit, void *ctx)
{
    g->view.state = INCIDENT_CLOSED;
    g->view.version++;
    closed(c, g);
    emit(ctx, &g->view);
}

// Full: of the container that has the most open incidents, the one that has been quiet longest is
// closed. So a container that provokes alerts without end pushes out its own.
static struct growing *victim_of(const struct correlate *c)
{
    enum { COUNTS = 1024 };
    uint32_t counts[COUNTS] = {0}, most = 0;
    for (size_t i = 0; i < c->n; i++)
        if (growing_live(c->list[i])) {
            uint32_t n = ++counts[c->list[i]->containers[0] % COUNTS];
            most = MAX(most, n);
        }
    struct growing *victim = NULL;
    for (size_t i = 0; i < c->n; i++) {
        struct growing *g = c->list[i];
        if (growing_live(g) && counts[g->containers[0] % COUNTS] == most &&
            (!victim || g->view.last.ns < victim->view.last.ns))
            victim = g;
    }
    return victim;
}

static void make_room(struct correlate *c, correlate_emit emit, void *ctx)
{
    while (c->live >= c->limits.max_incidents)
        close_one(c, victim_of(c), emit, ctx);
}

void correlate_tick(struct correlate *c, uint64_t now, correlate_emit emit, void *ctx)
{
    forget_closed(c);
    for (size_t i = 0; i < c->n; i++) {
        struct growing *g = c->list[i];
        // What a person confirmed stays until a person closes it.
        if (g->view.state == INCIDENT_OPEN && now > g->view.last.ns &&
            now - g->view.last.ns >= c->limits.quiet_ns)
            close_one(c, g, emit, ctx);
    }
}

// ── which incidents a finding belongs to ─────────────────────────────────────────────────────

enum { MAX_MATCHES = 8 };
struct matches {
    struct growing *list[MAX_MATCHES]; // distinct
    const char *why[MAX_MATCHES];
    size_t n;
};

static void match(struct matches *m, struct growing *g, const char *why)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i] == g)
            return;
    if (m->n < MAX_MATCHES) {
        m->list[m->n] = g;
        m->why[m->n++] = why;
    }
}

// A finding without a lineage stands for itself: its process, or what watches.
static uint64_t lineage_of(const struct finding *f)
{
    if (f->lineage)
        return f->lineage;
    uint64_t key[4] = {f->container, f->tgid, f->start, 0};
    if (!f->tgid && f->container == 0)
        key[3] = hash64(f->rule.ptr, f->rule.len);
    return hash64(key, sizeof(key)) | 1;
}

// Devices and the kernel's own trees are open to all: what writes to them links nobody. /dev/shm
// holds real files.
static bool shared_by_all(struct str path)
{
    return (str_starts(path, STR("/dev/")) && !str_starts(path, STR("/dev/shm/"))) ||
           str_starts(path, STR("/proc/")) || str_starts(path, STR("/sys/"));
}

static void match_links(const struct correlate *c, struct matches *m, enum link_space space,
                        uint64_t a, uint64_t b, const char *why)
{
    const struct link *k;
    for (uint32_t from = 0; (k = links_next(&c->links, space, a, b, &from));) {
        struct growing *g = by_number(c, k->incident);
        if (g && growing_live(g))
            match(m, g, why);
    }
}

static bool recent(const struct correlate *c, const struct writer *w, uint64_t time)
{
    return w->lineage && w->first <= time &&
           (w->last >= time || time - w->last < c->limits.quiet_ns);
}

static void match_objects(const struct correlate *c, struct matches *m, const struct finding *f)
{
    for (size_t i = 0; i < f->objects_n; i++) {
        const struct object_ref *o = &f->objects[i];
        if (!o->ino || shared_by_all(o->path))
            continue;
        bool ran = f->kind == BH_EXEC && o->foreign;
        const struct link *k;
        for (uint32_t from = 0; (k = links_next(&c->links, LINK_OBJECT, o->dev, o->ino, &from));) {
            struct growing *g = by_number(c, k->incident);
            if (g && growing_live(g) &&
                ((k->flags & LINK_WRITTEN) || (ran && (k->flags & LINK_RAN))))
                match(m, g, "shared file");
        }
        const struct written *w = writes_find(&c->writes, o->dev, o->ino);
        for (size_t n = 0; w && n < MAX_WRITERS; n++)
            if (recent(c, &w->writers[n], f->time.ns))
                match_links(c, m, LINK_LINEAGE, w->writers[n].lineage, 0, "shared file");
    }
}

// The other way round: this lineage enters an incident only now, but wrote before what others'
// findings were about.
static void match_earlier_writes(const struct correlate *c, struct matches *m, uint64_t lineage)
{
    for (size_t i = 0; i < MAX_LINKS; i++) {
        const struct link *k = &c->links.pool[i];
        if (!k->incident || k->space != LINK_OBJECT)
            continue;
        const struct written *w = writes_find(&c->writes, k->a, k->b);
        for (size_t n = 0; w && n < MAX_WRITERS; n++)
            if (w->writers[n].lineage == lineage && recent(c, &w->writers[n], k->time)) {
                struct growing *g = by_number(c, k->incident);
                if (g && growing_live(g))
                    match(m, g, "shared file");
            }
    }
}

static void match_container(const struct correlate *c, struct matches *m, uint32_t container)
{
    for (size_t i = c->n; i-- > 0;) {
        struct growing *g = c->list[i];
        for (size_t k = 0; growing_live(g) && k < g->view.containers_n; k++)
            if (g->containers[k] == container) {
                match(m, g, "container");
                return;
            }
    }
}

// A dismissed incident goes on taking what it was dismissed for, so that it isn't alerted about
// again.
static struct growing *dismissed_for(const struct correlate *c, uint64_t lineage, struct str rule)
{
    const struct link *k;
    for (uint32_t from = 0; (k = links_next(&c->links, LINK_LINEAGE, lineage, 0, &from));) {
        struct growing *g = by_number(c, k->incident);
        if (g && g->view.state == INCIDENT_DISMISSED && growing_knows_rule(g, rule))
            return g;
    }
    return NULL;
}

static void find_matches(const struct correlate *c, struct matches *m, const struct finding *f,
                         uint64_t lineage)
{
    match_links(c, m, LINK_LINEAGE, lineage, 0, "lineage");
    bool known = m->n > 0;
    for (size_t i = 1; i < f->chain_n; i++)
        match_links(c, m, LINK_ACTOR, f->chain[i].tgid, f->chain[i].start, "ancestor");
    match_objects(c, m, f);
    if (!known)
        match_earlier_writes(c, m, lineage);
    if (m->n == 0 && !f->tgid && f->container != 0)
        match_container(c, m, f->container);
}

// ── growth ───────────────────────────────────────────────────────────────────────────────────

static void link_finding(struct correlate *c, struct growing *g, const struct finding *f,
                         uint64_t lineage)
{
    struct link k = {
        .space = LINK_LINEAGE, .a = lineage, .incident = g->view.number, .time = f->time.ns};
    links_add(&c->links, &g->links, &g->links_n, &k);
    // Outside containers ancestors are shared by all (the runtime, sshd, init): they say nothing.
    if (f->tgid && f->container != 0) {
        k = (struct link){.space = LINK_ACTOR,
                          .a = f->tgid,
                          .b = f->start,
                          .incident = g->view.number,
                          .time = f->time.ns};
        links_add(&c->links, &g->links, &g->links_n, &k);
    }
    for (size_t i = 0; i < f->objects_n; i++) {
        const struct object_ref *o = &f->objects[i];
        if (!o->ino || shared_by_all(o->path))
            continue;
        k = (struct link){.space = LINK_OBJECT,
                          .a = o->dev,
                          .b = o->ino,
                          .incident = g->view.number,
                          .time = f->time.ns};
        k.flags =
            (o->written ? LINK_WRITTEN : 0u) | (f->kind == BH_EXEC && o->foreign ? LINK_RAN : 0u);
        links_add(&c->links, &g->links, &g->links_n, &k);
    }
}

static struct growing *begin(struct correlate *c, const struct finding *f, correlate_emit emit,
                             void *ctx)
{
    make_room(c, emit, ctx);
    struct growing *g = growing_new(f, c->last_number + 1);
    if (!g)
        return NULL;
    c->last_number++;
    c->list[c->n++] = g;
    c->live++;
    return g;
}

static bool only_lineage(const struct matches *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->why[i], "lineage") != 0)
            return false;
    return true;
}

// Under pressure each incident has its share of all entries; a long story loses its middle then.
static size_t timeline_limit(const struct correlate *c)
{
    size_t entries = 0;
    for (size_t i = 0; i < c->n; i++)
        entries += c->list[i]->view.timeline_n;
    if (entries < MAX_TIMELINE_ENTRIES)
        return c->limits.max_timeline;
    return MIN(c->limits.max_timeline, MAX((size_t)MIN_TIMELINE, MAX_TIMELINE_ENTRIES / c->n));
}

static void add_finding(struct correlate *c, struct growing *g, const struct finding *f,
                        const char *why)
{
    growing_add(g, f, why, timeline_limit(c));
}

// How the incident's containers are belongs to its story.
static void add_postures(struct correlate *c, struct growing *g)
{
    for (size_t i = 0; i < g->view.containers_n; i++) {
        if (g->postured[i])
            continue;
        g->postured[i] = true;
        for (size_t k = 0; k < c->postures.n; k++)
            if (c->postures.list[k].finding->container == g->containers[i])
                growing_add_posture(g, c->postures.list[k].finding, timeline_limit(c));
    }
}

// Opens nothing: it is kept for incidents to come, and added to those that are there.
static void posture(struct correlate *c, const struct finding *f, correlate_emit emit, void *ctx)
{
    postures_keep(&c->postures, f);
    for (size_t i = 0; i < c->n; i++) {
        struct growing *g = c->list[i];
        bool about = false;
        for (size_t k = 0; growing_live(g) && k < g->view.containers_n; k++)
            about |= g->containers[k] == f->container;
        if (!about || !growing_add_posture(g, f, timeline_limit(c)))
            continue;
        emit(ctx, &g->view);
    }
}

void correlate_finding(struct correlate *c, const struct finding *f, correlate_emit emit, void *ctx)
{
    if (f->posture) {
        posture(c, f, emit, ctx);
        return;
    }
    struct matches m = {0};
    uint64_t lineage = lineage_of(f);
    forget_closed(c);
    find_matches(c, &m, f, lineage);
    struct growing *g = only_lineage(&m) ? dismissed_for(c, lineage, f->rule) : NULL;
    if (g) {
        add_finding(c, g, f, "lineage");
        emit(ctx, &g->view);
        return;
    }
    const char *why = "first";
    size_t oldest = 0;
    for (size_t i = 1; i < m.n; i++)
        if (m.list[i]->view.number < m.list[oldest]->view.number)
            oldest = i;
    if (m.n == 0)
        g = begin(c, f, emit, ctx);
    else {
        g = m.list[oldest];
        why = m.why[oldest];
    }
    if (!g)
        return;
    for (size_t i = 0; i < m.n; i++) {
        if (i == oldest)
            continue;
        // What is told of the merge is the link that isn't the lineage's own.
        const char *link = strcmp(m.why[i], "lineage") != 0 ? m.why[i] : why;
        growing_absorb(g, m.list[i], link, timeline_limit(c));
        links_move(&c->links, &m.list[i]->links, &m.list[i]->links_n, &g->links, &g->links_n,
                   g->view.number);
        closed(c, m.list[i]);
        if (strcmp(why, "lineage") == 0)
            why = link;
    }
    add_finding(c, g, f, why);
    add_postures(c, g);
    link_finding(c, g, f, lineage);
    // The survivor first: what it now asks for stands before what the others asked for goes.
    emit(ctx, &g->view);
    for (size_t i = 0; i < m.n; i++)
        if (i != oldest)
            emit(ctx, &m.list[i]->view);
}

void correlate_note_write(struct correlate *c, const struct correlate_write *w)
{
    if (w->lineage && w->ino && !shared_by_all(w->path))
        writes_note(&c->writes, w);
}

// ── a person's word ──────────────────────────────────────────────────────────────────────────

static const struct word {
    const char *name;
    unsigned from; // states in which it can be said
    enum incident_state to;
} words[] = {
    {"confirm", 1u << INCIDENT_OPEN, INCIDENT_CONFIRMED},
    {"dismiss", 1u << INCIDENT_OPEN | 1u << INCIDENT_CONFIRMED | 1u << INCIDENT_CLOSED,
     INCIDENT_DISMISSED},
    {"close", 1u << INCIDENT_OPEN | 1u << INCIDENT_CONFIRMED | 1u << INCIDENT_DISMISSED,
     INCIDENT_CLOSED},
    {"reopen", 1u << INCIDENT_DISMISSED | 1u << INCIDENT_CLOSED, INCIDENT_OPEN},
};

int correlate_word(struct correlate *c, uint64_t number, struct str word, correlate_emit emit,
                   void *ctx, struct error *err)
{
    unsigned long long n = number;
    const struct word *w = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_eq(word, str_of(words[i].name)))
            w = &words[i];
    if (!w)
        return error_set(err, -EINVAL, "unknown word: say confirm, dismiss, close or reopen");
    forget_closed(c);
    struct growing *g = by_number(c, number);
    if (!g)
        return error_set(err, -ENOENT, "there is no incident %llu, or it is too old", n);
    if (g->view.merged_into)
        return error_set(err, -EINVAL,
                         "incident %llu is a part of incident %llu: speak about that one", n,
                         (unsigned long long)g->view.merged_into);
    if (!(w->from & 1u << g->view.state))
        return error_set(err, -EINVAL, "incident %llu is %s: '%s' changes nothing", n,
                         incident_state_name(g->view.state), w->name);
    bool was_live = growing_live(g);
    g->view.state = w->to;
    g->view.version++;
    // A dismissed one keeps its links: what it was dismissed for still belongs to it. A closed one
    // that is opened again begins with none: its lineages may have a newer incident by now.
    if (w->to == INCIDENT_CLOSED)
        links_drop(&c->links, &g->links, &g->links_n);
    c->live += growing_live(g);
    c->live -= was_live;
    emit(ctx, &g->view);
    return 0;
}

const struct incident *correlate_incident(const struct correlate *c, uint64_t number)
{
    const struct growing *g = by_number(c, number);
    return g ? &g->view : NULL;
}

int correlate_each(const struct correlate *c, int (*f)(void *ctx, const struct incident *i),
                   void *ctx)
{
    for (size_t i = 0; i < c->n; i++) {
        int r = f(ctx, &c->list[i]->view);
        if (r)
            return r;
    }
    return 0;
}
