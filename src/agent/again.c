// Judged again: not yet known is unknown, never false. An event of a container whose facts are
// asked for is judged at once with what is known, and kept; when the facts are there (or it is
// known that there are none), the rules look at it once more, and those that had not fired on it
// may. A rule is known again by its name, so that a generation which comes between changes nothing
// but the rules.
//
// Bounds: so many events and bytes for each container and for all; what finds no room is counted,
// and so is what waited in vain. Pure: facts and ticks are inputs.
#include "agent/internal.h"

struct waiting {
    struct kept_event *event;
    uint64_t *fired; // hashes of the names of the rules that did
    size_t fired_n, bytes;
    bool bulk;
};

struct again {
    struct waiting list[MAX_AGAIN]; // oldest first
    size_t n, bytes;
    uint64_t fired[MAX_AGAIN_FIRED]; // of the event that is judged now
    size_t fired_n;
    struct again_stats stats;
};

struct again *again_new(void)
{
    return calloc(1, sizeof(struct again));
}

static void let_go(struct shard *s, struct waiting *w)
{
    s->again->bytes -= w->bytes;
    identify_let_go(s->identify, w->event);
    free(w->fired);
    *w = (struct waiting){0};
}

void again_free(struct shard *s)
{
    if (!s->again)
        return;
    for (size_t i = 0; i < s->again->n; i++)
        let_go(s, &s->again->list[i]);
    free(s->again);
}

static uint64_t name_of(const struct finding *f)
{
    return hash64(f->rule.ptr, f->rule.len);
}

static void note_fired(void *ctx, const struct finding *f)
{
    struct shard *s = ctx;
    struct again *a = s->again;
    if (a->fired_n < MAX_AGAIN_FIRED)
        a->fired[a->fired_n] = name_of(f);
    a->fired_n++;
    shard_finding(s, f);
}

// Is there room for `bytes` more of this container? Bulk may take half of a share: no flood of
// cheap events keeps out what decides.
static bool has_room(const struct again *a, uint32_t container, bool bulk, size_t bytes)
{
    size_t n = 0, theirs = 0, part = bulk ? 2 : 1;
    for (size_t i = 0; i < a->n; i++)
        if (kept_event_container(a->list[i].event) == container && (!bulk || a->list[i].bulk)) {
            n++;
            theirs += a->list[i].bytes;
        }
    return a->n < MAX_AGAIN && a->bytes + bytes <= MAX_AGAIN_BYTES &&
           n < MAX_AGAIN_PER_CONTAINER / part && theirs + bytes <= MAX_AGAIN_BYTES / 8 / part;
}

static bool keep(struct shard *s, const struct event *e)
{
    struct again *a = s->again;
    if (a->fired_n > MAX_AGAIN_FIRED)
        return false;
    const struct kind_row *kind = kind_row(e->rec->kind);
    struct waiting w = {.event = identify_keep(s->identify, e),
                        .fired_n = a->fired_n,
                        .bulk = !kind || kind->ring == BH_RING_BULK};
    size_t fired_bytes = a->fired_n * sizeof(*w.fired);
    if (!w.event)
        return false;
    w.bytes = kept_event_bytes(w.event) + fired_bytes;
    w.fired = malloc(MAX(fired_bytes, (size_t)1));
    if (!w.fired || !has_room(a, e->container->number, w.bulk, w.bytes)) {
        identify_let_go(s->identify, w.event);
        free(w.fired);
        return false;
    }
    memcpy(w.fired, a->fired, fired_bytes);
    a->bytes += w.bytes;
    a->list[a->n++] = w;
    return true;
}

void again_match(struct shard *s, const struct detect_env *env, const struct event *e)
{
    struct again *a = s->again;
    const struct ruleset *rules = s->line->generation->rules;
    a->fired_n = 0;
    bool wait = e->container->pending && ruleset_looks_at(rules, e->rec->kind);
    ruleset_match(rules, s->scratch, env, e, wait ? note_fired : shard_finding, s);
    if (wait && !keep(s, e))
        a->stats.refused++;
}

struct judging {
    struct shard *shard;
    const struct waiting *waiting;
};

static void fire_once(void *ctx, const struct finding *f)
{
    const struct judging *j = ctx;
    uint64_t name = name_of(f);
    for (size_t i = 0; i < j->waiting->fired_n; i++)
        if (j->waiting->fired[i] == name)
            return;
    shard_finding(j->shard, f);
}

void again_judge(struct shard *s, uint64_t now)
{
    struct again *a = s->again;
    const struct generation *g = s->line->generation;
    struct detect_env env = shard_env(s);
    size_t left = 0;
    for (size_t i = 0; i < a->n; i++) {
        struct waiting w = a->list[i];
        struct event e;
        bool known = identify_recall(s->identify, w.event, &e);
        if (known && e.container->pending && now <= kept_event_time(w.event) + AGAIN_NS) {
            a->list[left++] = w;
            continue;
        }
        if (known && !e.container->pending && g) {
            ruleset_match(g->rules, s->scratch, &env, &e, fire_once, &(struct judging){s, &w});
            a->stats.judged++;
        } else {
            a->stats.expired++;
        }
        let_go(s, &w);
    }
    a->n = left;
}

void again_stats(const struct again *a, struct again_stats *add_to)
{
    add_to->judged += a->stats.judged;
    add_to->refused += a->stats.refused;
    add_to->expired += a->stats.expired;
}
