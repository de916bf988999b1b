// The detectors that run beside the rules, how the line starts, feeds and ends them, and what they
// need of the kernel. Adding one is a row here and a folder in src/detect/.
#include "agent/detectors.h"
#include "detect/comply/comply.h"
#include "detect/intel/intel.h"
#include "detect/profile/profile.h"

#include <errno.h>

const struct detector *const agent_detectors[] = {
    &profile_detector,
    &comply_detector,
    &intel_detector,
    NULL,
};

void generation_interest(const struct generation *g, struct interest *to)
{
    ruleset_interest(g->rules, to);
    for (const struct detector *const *d = agent_detectors; *d; d++)
        if ((*d)->interest)
            (*d)->interest(g->documents, to);
}

int detectors_start(struct line *l, const struct detector *const *table)
{
    size_t n = 0;
    while (table && table[n])
        n++;
    if (n == 0)
        return 0;
    l->running = calloc(n, sizeof(*l->running));
    if (!l->running)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct running *r = &l->running[i];
        r->detector = table[i];
        r->whole = table[i]->whole_new();
        if (!r->whole)
            return -ENOMEM;
        l->running_n = i + 1;
        for (unsigned s = 0; s < l->shards_n; s++)
            if (!(r->parts[s] = table[i]->part_new(r->whole, s, l->shards_n)))
                return -ENOMEM;
    }
    return 0;
}

struct detect_env line_env(const struct line *l, unsigned shard)
{
    return shard_env(&l->shards[shard]);
}

void detectors_end(struct line *l)
{
    for (size_t i = 0; i < l->running_n; i++) {
        struct running *r = &l->running[i];
        for (unsigned s = 0; s < l->shards_n; s++)
            if (r->parts[s])
                r->detector->part_free(r->parts[s]);
        r->detector->whole_free(r->whole);
    }
    free(l->running);
}

void detectors_configure(struct line *l)
{
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->configure)
            l->running[i].detector->configure(l->running[i].whole, l->generation->documents,
                                              l->generation->number);
}

void detectors_input(struct line *l, const struct bh_rec *rec)
{
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->input)
            l->running[i].detector->input(l->running[i].whole, rec);
}

void detectors_event(struct shard *s, const struct detect_env *env, const struct event *e)
{
    const struct line *l = s->line;
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->event)
            l->running[i].detector->event(l->running[i].parts[s->number], env, e, shard_finding, s);
}

void detectors_container(struct shard *s, const struct container *c)
{
    const struct line *l = s->line;
    struct detect_env env = shard_env(s);
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->container)
            l->running[i].detector->container(l->running[i].parts[s->number], &env, c,
                                              shard_finding, s);
}

// What a detector finds across containers counts as shard 0's.
void detectors_epoch(struct line *l)
{
    struct detect_env env = shard_env(&l->shards[0]);
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->epoch)
            l->running[i].detector->epoch(l->running[i].whole, l->running[i].parts, l->shards_n,
                                          &env, l->now, shard_finding, &l->shards[0]);
}

void detectors_incident(struct line *l, const struct incident *i)
{
    for (size_t n = 0; n < l->running_n; n++)
        if (l->running[n].detector->incident)
            l->running[n].detector->incident(l->running[n].whole, i);
}

void detectors_settle(struct line *l)
{
    struct detect_env env = shard_env(&l->shards[0]);
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector->settle)
            l->running[i].detector->settle(l->running[i].whole, l->running[i].parts, l->shards_n,
                                           &env, l->now);
}

const void *const *line_detector_parts(const struct line *l, const struct detector *d)
{
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector == d)
            return (const void *const *)l->running[i].parts;
    return NULL;
}

const void *line_detector(const struct line *l, const struct detector *d)
{
    for (size_t i = 0; i < l->running_n; i++)
        if (l->running[i].detector == d)
            return l->running[i].whole;
    return NULL;
}
