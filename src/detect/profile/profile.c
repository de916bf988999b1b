// The whole: workloads across shards. At an epoch's end it judges what containers did for the first
// time in their window; when a workload's window is over it learns from it, unless an incident says
// that something was wrong.
//
// What holds: containers are taken in order of their number and what they did in the order in which
// they did it, so the number of shards changes nothing.
#include "detect/profile/internal.h"

static void *whole_new(void)
{
    return calloc(1, sizeof(struct profile));
}

static void whole_free(void *whole)
{
    struct profile *p = whole;
    for (size_t i = 0; i < p->workloads_n; i++)
        workload_free(p->workloads[i]);
    for (size_t i = 0; i < p->open_n; i++)
        free(p->open[i].containers);
    free(p->open);
    free(p);
}

static void configure(void *whole, const struct documents *docs, uint64_t generation)
{
    struct profile *p = whole;
    p->docs = docs;
    for (size_t i = 0; i < p->workloads_n; i++)
        workload_configure(p, p->workloads[i]);
}

static void interest(const struct documents *docs, struct interest *to)
{
    static const uint16_t kinds[] = {BH_EXEC, BH_OPEN, BH_CONNECT, BH_ACCEPT, BH_UDP_SEND};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        kind_set_add(&to->containers, kinds[i]);
}

// The parts' tables hold names that strangers choose: their key is made of the time at which the
// agent began, which they cannot know to the nanosecond.
static void input(void *whole, const struct bh_rec *rec)
{
    struct profile *p = whole;
    if (rec->kind == BH_PROFILE)
        state_take(p, rec_text(rec), rec->time);
    if (p->keyed || rec->kind != BH_TICK)
        return;
    struct id id = id_of(rec, rec->size);
    memcpy(p->key, id.bytes, MIN(sizeof(p->key), sizeof(id.bytes)));
    p->keyed = true;
}

// ── containers in order of number ────────────────────────────────────────────────────────────

struct resident {
    struct tenant *tenant;
    struct part *part;
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct resident *)a)->tenant->number,
             y = ((const struct resident *)b)->tenant->number;
    return x < y ? -1 : x > y;
}

static struct resident *residents(struct profile *p, void *const *parts, size_t parts_n,
                                  size_t *ret_n)
{
    size_t n = 0, at = 0;
    for (size_t i = 0; i < parts_n; i++)
        n += ((const struct part *)parts[i])->tenants_n;
    struct resident *list = n ? malloc(n * sizeof(*list)) : NULL;
    for (size_t i = 0; list && i < parts_n; i++)
        for (struct tenant *t = ((struct part *)parts[i])->tenants; t; t = t->next)
            list[at++] = (struct resident){t, parts[i]};
    if (list)
        qsort(list, n, sizeof(*list), by_number);
    else if (n)
        p->refused++;
    *ret_n = at;
    return list;
}

// ── who is who ───────────────────────────────────────────────────────────────────────────────

static void place(struct profile *p, const struct resident *r, const struct container *c,
                  uint64_t now)
{
    struct tenant *t = r->tenant;
    struct workload *w = c && c->type == CONTAINER_OCI ? workload_get(p, c, now) : t->workload;
    t->placed = w || !c || !c->pending;
    if (w == t->workload)
        return;
    if (t->workload)
        t->workload->containers--;
    t->workload = w;
    if (w)
        w->containers++;
}

static void judge(const struct resident *r, const struct container *c, const struct detect_env *env,
                  detect_emit emit, void *ctx)
{
    struct tenant *t = r->tenant;
    struct workload *w = t->workload;
    for (struct sight *s = t->fresh; s; s = s->next) {
        const enum profile_dimension d = s->dimension;
        const struct str key = {s->key, s->len};
        if (!workload_watches(w, d) || set_cover(workload_allowed(w, d), key))
            continue;
        struct item *i = set_cover(&w->novel[d], key);
        bool told = false;
        if (!i && set_add(&w->novel[d], key, &(struct seen){0, 0, 0}) >= 0)
            i = set_cover(&w->novel[d], key);
        for (uint8_t k = 0; i && k < i->told_n; k++)
            told |= i->told[k] == t->number;
        if (told || (i && i->told_n == MAX_TOLD))
            continue;
        if (i)
            i->told[i->told_n++] = t->number;
        else if (t->unremembered++ >= MAX_UNREMEMBERED)
            continue;
        const struct novelty n = {w, s, c, r->part->identify};
        find_novelty(&n, env, emit, ctx);
    }
    t->fresh = NULL;
}

static void epoch(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                  uint64_t now, detect_emit emit, void *ctx)
{
    struct profile *p = whole;
    size_t n = 0;
    bool news = false;
    for (size_t i = 0; i < parts_n; i++) {
        news |= ((struct part *)parts[i])->news;
        ((struct part *)parts[i])->news = false;
    }
    struct resident *list = news ? residents(p, parts, parts_n, &n) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct tenant *t = list[i].tenant;
        if (t->placed && !t->fresh)
            continue;
        const struct container *c = identify_container(list[i].part->identify, t->number);
        if (!t->placed)
            place(p, &list[i], c, now);
        if (t->workload && c)
            judge(&list[i], c, env, emit, ctx);
    }
    free(list);
}

// ── incidents: what keeps a window from being learned ────────────────────────────────────────

static void incident(void *whole, const struct incident *i)
{
    struct profile *p = whole;
    size_t at = 0;
    p->looked = 0; // settle() looks at it in any case
    while (at < p->open_n && p->open[at].number != i->number)
        at++;
    bool live = i->state == INCIDENT_OPEN || i->state == INCIDENT_CONFIRMED;
    if (at < p->open_n) {
        // Those that were in it until now had an incident in this window.
        p->open[at].ended = !live;
    } else if (live && i->severity <= SEVERITY_WARNING) {
        struct incident_ref *grown = p->open_n < MAX_OPEN_INCIDENTS
                                         ? reallocarray(p->open, p->open_n + 1, sizeof(*p->open))
                                         : NULL;
        if (!grown) {
            p->refused++;
            return;
        }
        p->open = grown;
        p->open[p->open_n++] = (struct incident_ref){.number = i->number};
    }
    if (at == p->open_n || !live)
        return;
    struct incident_ref *r = &p->open[at];
    uint32_t *containers = reallocarray(r->containers, i->containers_n + 1, sizeof(*containers));
    if (!containers) {
        p->refused++;
        return;
    }
    memcpy(containers, i->containers, i->containers_n * sizeof(*containers));
    r->containers = containers;
    r->containers_n = i->containers_n;
}

static void quarantine(struct profile *p, const struct resident *list, size_t n)
{
    for (size_t i = 0; i < p->open_n; i++)
        for (size_t k = 0; k < p->open[i].containers_n; k++) {
            struct tenant wanted = {.number = p->open[i].containers[k]};
            struct resident key = {.tenant = &wanted};
            struct resident *r = n ? bsearch(&key, list, n, sizeof(*list), by_number) : NULL;
            if (r)
                r->tenant->quarantined = true;
        }
    for (size_t i = 0; i < p->open_n;) {
        if (!p->open[i].ended) {
            i++;
            continue;
        }
        free(p->open[i].containers);
        p->open[i] = p->open[--p->open_n];
    }
}

// ── windows ──────────────────────────────────────────────────────────────────────────────────

struct window {
    struct profile *profile;
    struct workload *workload;
    bool counts;                    // whole, without a loss, without an incident
    bool new[PROFILE_DIMENSIONS];   // something was seen for the first time
    bool novel[PROFILE_DIMENSIONS]; // something is not known, and learning has ended
};

static void learn(struct window *win, const struct sight *s, bool room)
{
    struct workload *w = win->workload;
    const enum profile_dimension d = s->dimension;
    const struct str key = {s->key, s->len};
    struct item *i = set_cover(workload_allowed(w, d), key);
    const struct seen once = {1, w->window, w->window};
    if (!i && !workload_watches(w, d)) {
        int r = room ? set_add(&w->known[d], key, &once) : -1;
        win->new[d] = true;
        win->profile->refused += r < 0;
        return;
    }
    if (!i) {
        win->novel[d] = true;
        i = set_cover(&w->novel[d], key);
    }
    if (!i || i->seen.last >= w->window) // counted for another container already
        return;
    i->seen.first = i->seen.windows ? i->seen.first : w->window;
    i->seen.last = w->window;
    i->seen.windows++;
}

static void settle_dimension(struct window *win, enum profile_dimension d)
{
    struct workload *w = win->workload;
    struct dimension_state *s = &w->dims[d];
    const struct profile_doc *settings = workload_settings(w);
    bool watches = workload_watches(w, d);
    if (win->new[d]) {
        s->news++;
        s->clean = 0;
    }
    if (win->counts) {
        s->windows++;
        s->clean += !win->new[d] && !win->novel[d];
    }
    if (watches || settings->mode == PROFILE_LEARN || !w->first ||
        w->last - w->first + w->window_ns < settings->period_ns ||
        s->windows * w->window_ns < settings->period_ns || bound_upper(s) > settings->bound)
        return;
    s->ready = true;
    s->ready_at = w->window;
}

static void commit(struct profile *p, struct workload *w, const struct resident *list, size_t n)
{
    struct window win = {.profile = p, .workload = w, .counts = true};
    bool any = false, lossy = false, quarantined = false;
    size_t bytes = 0;
    for (size_t i = 0; i < p->workloads_n; i++)
        for (size_t d = 0; d < PROFILE_DIMENSIONS; d++)
            bytes += p->workloads[i]->known[d].bytes + p->workloads[i]->novel[d].bytes;
    for (size_t i = 0; i < n; i++) {
        const struct tenant *t = list[i].tenant;
        if (t->workload != w || !t->began)
            continue;
        any = true;
        lossy |= t->lossy || t->full;
        quarantined |= t->quarantined;
        for (const struct sight *s = t->quarantined ? NULL : t->first; s; s = s->next)
            learn(&win, s, bytes < MAX_PROFILE_BYTES);
    }
    if (!any)
        return;
    win.counts = !lossy && !quarantined;
    w->lossy += lossy;
    w->quarantined += quarantined;
    if (win.counts) {
        w->first = w->first ? w->first : w->window;
        w->last = w->window;
    }
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++)
        settle_dimension(&win, d);
    w->version++;
}

static void settle(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                   uint64_t now)
{
    struct profile *p = whole;
    const uint64_t wall = now + (uint64_t)env->wall_minus_boot;
    bool due = now - p->looked >= NSEC_PER_SEC;
    for (size_t i = 0; i < p->workloads_n && !due; i++)
        due = wall >= p->workloads[i]->window + p->workloads[i]->window_ns;
    if (!due)
        return;
    p->looked = now;
    size_t n = 0;
    struct resident *list = residents(p, parts, parts_n, &n);
    quarantine(p, list, n);
    for (size_t i = 0; i < n; i++) {
        const struct container *c =
            identify_container(list[i].part->identify, list[i].tenant->number);
        list[i].tenant->lossy |= c && c->lossy;
        list[i].tenant->gone |=
            !c || (!list[i].tenant->workload && c->type != CONTAINER_OCI && !c->pending);
    }
    for (size_t i = 0; i < p->workloads_n; i++) {
        struct workload *w = p->workloads[i];
        const uint64_t begin = wall - wall % w->window_ns;
        w->seen_at = w->containers ? now : w->seen_at;
        if (w->window == 0 || begin + w->window_ns < w->window) { // the clock was set back
            w->window = begin;
            continue;
        }
        w->over = wall >= w->window + w->window_ns;
        if (!w->over)
            continue;
        commit(p, w, list, n);
        w->window = begin;
    }
    for (size_t i = 0; i < n; i++) {
        struct tenant *t = list[i].tenant;
        if (t->workload && t->workload->over) {
            part_forget(list[i].part, t);
            t->lossy = t->quarantined = t->full = false;
            t->unremembered = 0;
        }
        if (t->gone && (!t->workload || t->workload->over)) {
            if (t->workload)
                t->workload->containers--;
            part_remove(list[i].part, t);
        }
    }
    for (size_t i = 0; i < p->workloads_n; i++)
        p->workloads[i]->over = false;
    free(list);
}

static void stats(const void *whole, const void *const *parts, size_t parts_n, uint64_t *ret_bytes,
                  uint64_t *ret_refused)
{
    const struct profile *p = whole;
    *ret_bytes = sizeof(*p);
    *ret_refused = p->refused + p->evicted + p->unnamed;
    for (size_t i = 0; i < p->workloads_n; i++) {
        *ret_bytes += sizeof(struct workload);
        for (size_t d = 0; d < PROFILE_DIMENSIONS; d++)
            *ret_bytes += p->workloads[i]->known[d].bytes + p->workloads[i]->novel[d].bytes;
    }
    for (size_t i = 0; i < parts_n; i++) {
        const struct part *part = parts[i];
        *ret_bytes += sizeof(*part) + part->bytes + part->tenants_n * sizeof(struct tenant);
        *ret_refused += part->refused;
    }
}

const struct detector profile_detector = {
    .name = "profile",
    .text = "what a workload never did while it was learned: programs, folders, peers, ports",
    .whole_new = whole_new,
    .whole_free = whole_free,
    .part_new = part_new,
    .part_free = part_free,
    .configure = configure,
    .interest = interest,
    .input = input,
    .event = part_event,
    .container = part_container,
    .epoch = epoch,
    .incident = incident,
    .settle = settle,
    .stats = stats,
};
