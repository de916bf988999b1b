// Decisions: the step that an incident earns for each of its containers, bounded by what a Response
// enforces, by the rails and by what can be carried out, and taken back when a person dismisses it.
// Remembers what it last said and did, nothing else.
#include "decide/internal.h"

enum {
    MAX_STANDING = 8192, // (incident, container) pairs above RECORD
    SLOTS = 16384,       // twice as many, a power of two
    ALL_STEPS = (1u << STEP_MAX) - 1,
};
static_assert(SLOTS >= 2 * MAX_STANDING && (SLOTS & (SLOTS - 1)) == 0, "open addressing");

struct standing {      // what was last decided
    uint64_t incident; // number, 0: free
    uint32_t container;
    enum step step, would;
    uint64_t until;
    bool taken_back; // by a person
};

struct decide {
    struct standing table[SLOTS];
    size_t used, oldest; // oldest: where the search for a victim goes on
    unsigned available;
    const struct documents *docs;
    struct agent_config defaults;
    decide_who who;
    void *who_ctx;
    uint64_t paused;
    struct rails rails;
};

struct decide *decide_new(void)
{
    struct decide *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    agent_config_defaults(&d->defaults);
    d->available = ALL_STEPS;
    return d;
}

void decide_free(struct decide *d)
{
    free(d);
}

void decide_configure(struct decide *d, const struct documents *docs)
{
    d->docs = docs;
}

void decide_ask(struct decide *d, decide_who who, void *ctx)
{
    d->who = who;
    d->who_ctx = ctx;
}

void decide_available(struct decide *d, unsigned steps)
{
    d->available = steps | 1u << STEP_RECORD;
}

void decide_pause(struct decide *d, uint64_t until)
{
    d->paused = until;
}

uint64_t decide_paused(const struct decide *d, uint64_t now)
{
    return d->paused > now ? d->paused : 0;
}

static const struct container *who(const struct decide *d, uint32_t container)
{
    return d->who && container ? d->who(d->who_ctx, container) : NULL;
}

static uint64_t watch_ns(const struct decide *d)
{
    return d->docs ? d->docs->agent.watch_ns : d->defaults.watch_ns;
}

// ── what was last decided ────────────────────────────────────────────────────────────────────

static size_t slot_of(uint64_t incident, uint32_t container)
{
    const uint64_t key[] = {incident, container};
    return hash64(key, sizeof(key)) & (SLOTS - 1);
}

static struct standing *find(struct decide *d, uint64_t incident, uint32_t container)
{
    for (size_t i = slot_of(incident, container); d->table[i].incident; i = (i + 1) & (SLOTS - 1))
        if (d->table[i].incident == incident && d->table[i].container == container)
            return &d->table[i];
    return NULL;
}

// Moves what follows into the gap where it may stand, so that no search ends early.
static void forget(struct decide *d, struct standing *s)
{
    size_t gap = (size_t)(s - d->table);
    for (size_t i = (gap + 1) & (SLOTS - 1); d->table[i].incident; i = (i + 1) & (SLOTS - 1)) {
        size_t home = slot_of(d->table[i].incident, d->table[i].container);
        if (((i - home) & (SLOTS - 1)) >= ((i - gap) & (SLOTS - 1))) {
            d->table[gap] = d->table[i];
            gap = i;
        }
    }
    d->table[gap] = (struct standing){0};
    d->used--;
}

// When the table is full something is forgotten: the worst that follows is a decision said twice.
static struct standing *remember(struct decide *d, uint64_t incident, uint32_t container)
{
    struct standing *s = find(d, incident, container);
    if (s)
        return s;
    while (d->used >= MAX_STANDING) {
        d->oldest = (d->oldest + 1) & (SLOTS - 1);
        if (d->table[d->oldest].incident)
            forget(d, &d->table[d->oldest]);
    }
    size_t i = slot_of(incident, container);
    while (d->table[i].incident)
        i = (i + 1) & (SLOTS - 1);
    d->table[i] = (struct standing){.incident = incident, .container = container};
    d->used++;
    return &d->table[i];
}

// ── what holds a step back ───────────────────────────────────────────────────────────────────

bool decide_may_act(const struct decide *d, uint32_t container, struct buf *why)
{
    const struct container *c = who(d, container);
    char where[512];
    if (container == 0) {
        buf_text(why, "it is the host");
        return false;
    }
    if (!c || c->pending) {
        buf_text(why, "who it is is not known yet");
        return false;
    }
    if (c->type != CONTAINER_OCI) {
        buf_text(why, "it is a part of the host, no container");
        return false;
    }
    enum tri protected = d->docs ? response_protects(d->docs->responses, d->docs->responses_n, c,
                                                     where, sizeof(where))
                                 : NO;
    if (protected == NO)
        return true;
    buf_printf(why,
               protected == YES ? "it is protected by %s"
                                : "a fact that could protect it by %s is not known yet",
               where);
    return false;
}

// Why a step above WATCH isn't done. False: it may be.
static bool held_back(const struct decide *d, const struct incident *i, uint32_t container,
                      const struct earned *e, uint64_t now, struct buf *why)
{
    const struct standing *s = NULL;
    const char *limit = NULL;
    if (e->unknown)
        buf_text(why, "which Response speaks for it is not known yet");
    else if (!e->by)
        buf_text(why, "no Response speaks for it");
    else if (e->by->mode != MODE_ENFORCE) {
        buf_text(why, "Response ");
        buf_str(why, e->by->name);
        buf_text(why, " is in audit");
    } else if (!decide_may_act(d, container, why))
        return true;
    else if (decide_paused(d, now))
        buf_text(why, "responses are paused");
    else if ((s = find((struct decide *)d, i->number, container)) && s->taken_back &&
             i->state != INCIDENT_CONFIRMED)
        buf_text(why, "a person took it back");
    else if ((limit = rails_hold(&d->rails, e->by, rails_workload(who(d, container)), now)) !=
             NULL) {
        buf_printf(why, "%s in ", limit);
        buf_duration(why, e->by->window_ns);
        buf_text(why, " are enough");
    } else
        return false;
    return true;
}

// ── deciding ─────────────────────────────────────────────────────────────────────────────────

// The highest available step that isn't above what was earned. The host is never slowed, cut off or
// watched closer: its processes are the node's own.
static enum step within_reach(const struct decide *d, enum step earned, uint32_t container)
{
    enum step step = container == 0 ? MIN(earned, STEP_ALERT) : earned;
    while (step > STEP_RECORD && !(d->available & 1u << step))
        step--;
    return step;
}

static struct id decision_id(const struct decision *d, uint64_t version)
{
    _cleanup_buf_ struct buf b = {0};
    const uint64_t numbers[] = {d->container, d->step, d->time.ns, version};
    buf_add(&b, d->incident.bytes, sizeof(d->incident.bytes));
    buf_add(&b, numbers, sizeof(numbers));
    return id_of(b.ptr, b.len);
}

static void say(const struct incident *i, const struct decision *what, decide_emit emit, void *ctx)
{
    struct decision d = *what;
    d.incident = i->id;
    d.incident_number = i->number;
    d.severity = i->severity;
    d.confidence = i->confidence;
    d.id = decision_id(&d, i->version);
    emit(ctx, &d);
}

static uint64_t lasts(const struct decide *d, const struct earned *e, enum step step)
{
    if (step < STEP_WATCH)
        return 0;
    if (step == STEP_WATCH || !e->by)
        return watch_ns(d);
    return e->rule && e->rule->expiry_ns ? e->rule->expiry_ns : e->by->expiry_ns[step];
}

static void say_where(struct buf *b, const struct earned *e)
{
    if (!e->by)
        return;
    buf_str(b, e->by->file);
    buf_printf(b, ":%u", e->rule ? e->rule->line : e->by->line);
}

static void reason_for(struct buf *b, const struct incident *i, uint32_t container,
                       const struct earned *e, enum step step, struct str held, uint64_t lasts_ns)
{
    buf_printf(b, "%s at confidence %.2f earns %s", severity_name(i->severity), i->confidence,
               step_name(e->step));
    if (e->rule) {
        buf_text(b, " by Response ");
        buf_str(b, e->by->name);
    } else
        buf_printf(b, ": %s", e->row ? e->row->why : "too little to disturb anybody");
    if (step != e->step && container == 0 && step == STEP_ALERT)
        buf_text(b, "; on the host an alert is all");
    else if (held.len) {
        buf_printf(b, "; would %s, but ", step_name(e->step));
        buf_str(b, held);
    } else if (step != e->step)
        buf_printf(b, "; no step above %s can be carried out here", step_name(step));
    if (step >= STEP_WATCH) {
        buf_printf(b, "; %s for ", step_name(step));
        buf_duration(b, lasts_ns);
    }
}

static void join(struct buf *b, const struct str *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_text(b, i ? "," : "");
        buf_str(b, list[i]);
    }
}

static void raise_one(struct decide *d, const struct incident *i, size_t k, uint64_t now,
                      decide_emit emit, void *ctx)
{
    uint32_t container = i->containers[k];
    struct earned e = response_earned(d->docs, i, who(d, container));
    enum step step = within_reach(d, e.step, container);
    _cleanup_buf_ struct buf held = {0}, reason = {0}, where = {0}, allow = {0};
    if (step > STEP_WATCH && held_back(d, i, container, &e, now, &held))
        step = within_reach(d, STEP_WATCH, container);
    enum step would = held.len ? e.step : STEP_RECORD;
    struct standing *s = find(d, i->number, container);
    enum step before = STEP_RECORD, would_before = STEP_RECORD;
    if (s) { // a step whose time is over has fallen back to the alert that it began as
        bool over = s->until && now >= s->until;
        before = over ? STEP_ALERT : s->step;
        would_before = over ? STEP_RECORD : s->would;
    }
    if (step < before || (step == before && would <= would_before))
        return;
    uint64_t lasts_ns = lasts(d, &e, step);
    s = remember(d, i->number, container);
    s->step = step;
    s->would = would;
    s->until = lasts_ns ? now + lasts_ns : 0;
    if (step > STEP_WATCH)
        rails_note(&d->rails, rails_workload(who(d, container)), now);
    reason_for(&reason, i, container, &e, step, buf_view(&held), lasts_ns);
    if (e.rule || would || step > STEP_WATCH)
        say_where(&where, &e);
    struct decision what = {.step = step,
                            .would = would,
                            .container = container,
                            .container_id = i->container_ids[k],
                            .time = {now},
                            .until = s->until,
                            .reason = buf_view(&reason),
                            .where = buf_view(&where)};
    if (step == STEP_THROTTLE) {
        what.cpu_pct = e.by->cpu_pct;
        what.pids_max = e.by->pids_max;
    }
    if (step == STEP_ISOLATE) {
        join(&allow, e.by->allow, e.by->allow_n);
        what.allow = buf_view(&allow);
    }
    say(i, &what, emit, ctx);
}

static void take_back(struct decide *d, const struct incident *i, size_t k, uint64_t now,
                      decide_emit emit, void *ctx)
{
    struct standing *s = find(d, i->number, i->containers[k]);
    if (!s)
        return;
    bool over = s->until && now >= s->until;
    enum step was = s->step;
    forget(d, s);
    if (was < STEP_WATCH || over) {
        // Nothing of it stands in the kernel. A dismissal is said all the same: it answers the
        // alert.
        if (i->state != INCIDENT_DISMISSED)
            return;
    }
    _cleanup_buf_ struct buf reason = {0};
    if (i->state == INCIDENT_DISMISSED)
        buf_printf(&reason, "dismissed: %s is taken back", step_name(was));
    else if (i->merged_into)
        buf_printf(&reason, "goes on as incident %llu: %s is taken back here",
                   (unsigned long long)i->merged_into, step_name(was));
    else
        buf_printf(&reason, "closed: %s is taken back", step_name(was));
    struct decision what = {.step = STEP_RECORD,
                            .container = i->containers[k],
                            .container_id = i->container_ids[k],
                            .time = {now},
                            .reason = buf_view(&reason)};
    say(i, &what, emit, ctx);
}

void decide_taken_back(struct decide *d, uint32_t container)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (d->table[i].incident && d->table[i].container == container) {
            d->table[i].taken_back = true;
            d->table[i].step = MIN(d->table[i].step, STEP_WATCH);
        }
}

void decide_incident(struct decide *d, const struct incident *i, uint64_t now, decide_emit emit,
                     void *ctx)
{
    bool live = i->state == INCIDENT_OPEN || i->state == INCIDENT_CONFIRMED;
    for (size_t k = 0; k < i->containers_n; k++)
        if (live)
            raise_one(d, i, k, now, emit, ctx);
        else
            take_back(d, i, k, now, emit, ctx);
}
