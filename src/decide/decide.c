// Decisions: the step that an incident earns for each of its containers, bounded by what this
// version can carry out and by the rails, and taken back when a person dismisses it. Remembers what
// it last said, nothing else.
#include "decide/decide.h"

enum {
    MAX_STANDING = 8192, // (incident, container) pairs above RECORD
    SLOTS = 16384,       // twice as many, a power of two
};
static_assert(SLOTS >= 2 * MAX_STANDING && (SLOTS & (SLOTS - 1)) == 0, "open addressing");

struct standing {      // what was last decided
    uint64_t incident; // number, 0: free
    uint32_t container;
    enum step step;
    uint64_t until;
};

struct decide {
    struct standing table[SLOTS];
    size_t used, oldest; // oldest: where the search for a victim goes on
    unsigned available;
    uint64_t watch_ns;
};

struct decide *decide_new(void)
{
    struct decide *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    struct agent_config c;
    agent_config_defaults(&c);
    decide_configure(d, &c);
    decide_available(d, 1u << STEP_RECORD | 1u << STEP_ALERT | 1u << STEP_WATCH);
    return d;
}

void decide_free(struct decide *d)
{
    free(d);
}

void decide_configure(struct decide *d, const struct agent_config *c)
{
    d->watch_ns = c->watch_ns;
}

void decide_available(struct decide *d, unsigned steps)
{
    d->available = steps | 1u << STEP_RECORD;
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

static void say(const struct incident *i, size_t k, enum step step, uint64_t now, uint64_t until,
                struct str reason, decide_emit emit, void *ctx)
{
    struct decision d = {
        .incident = i->id,
        .incident_number = i->number,
        .step = step,
        .container = i->containers[k],
        .container_id = i->container_ids[k],
        .time = {now},
        .until = until,
        .severity = i->severity,
        .confidence = i->confidence,
        .reason = reason,
    };
    d.id = decision_id(&d, i->version);
    emit(ctx, &d);
}

static void reason_for(struct buf *b, const struct incident *i, uint32_t container,
                       enum step earned, enum step step, const struct ladder_row *row,
                       uint64_t watch_ns)
{
    buf_printf(b, "%s at confidence %.2f earns %s: %s", severity_name(i->severity), i->confidence,
               step_name(earned), row ? row->why : "too little to disturb anybody");
    if (step != earned && container == 0 && step == STEP_ALERT)
        buf_text(b, "; on the host an alert is all");
    else if (step != earned)
        buf_printf(b, "; no step above %s can be carried out here", step_name(step));
    if (step >= STEP_WATCH) {
        buf_text(b, "; for ");
        buf_duration(b, watch_ns);
    }
}

static void raise_one(struct decide *d, const struct incident *i, size_t k, uint64_t now,
                      decide_emit emit, void *ctx)
{
    uint32_t container = i->containers[k];
    const struct ladder_row *row = decide_row_for(i->severity, i->confidence);
    enum step earned = row ? row->step : STEP_RECORD, step = within_reach(d, earned, container);
    struct standing *s = find(d, i->number, container);
    enum step before = STEP_RECORD;
    if (s) // a step whose time is over has fallen back to the alert that it began as
        before = s->until && now >= s->until ? STEP_ALERT : s->step;
    if (step <= before)
        return;
    s = remember(d, i->number, container);
    s->step = step;
    s->until = step >= STEP_WATCH ? now + d->watch_ns : 0;
    _cleanup_buf_ struct buf reason = {0};
    reason_for(&reason, i, container, earned, step, row, d->watch_ns);
    say(i, k, step, now, s->until, buf_view(&reason), emit, ctx);
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
    say(i, k, STEP_RECORD, now, 0, buf_view(&reason), emit, ctx);
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
