// One shard of the line: identify and detect for the containers whose number falls to it.
#include "agent/detectors.h"

#include <errno.h>
#include <fcntl.h>

enum { MAX_EPOCH_FINDINGS = 16384, MAX_EPOCH_WRITES = 4096 };

int shard_init(struct shard *s, struct line *l, unsigned number)
{
    struct identify_limits limits = {.shard = number, .shards = l->shards_n};
    *s = (struct shard){.line = l, .number = number};
    s->identify = identify_new(&limits);
    s->scratch = rule_scratch_new();
    s->arena = arena_new(64 << 20);
    s->repeats = repeats_new();
    s->again = again_new();
    return s->identify && s->scratch && s->arena && s->repeats && s->again ? 0 : -ENOMEM;
}

void shard_done(struct shard *s)
{
    again_free(s);
    identify_free(s->identify);
    rule_scratch_free(s->scratch);
    arena_free(s->arena);
    repeats_free(s->repeats);
    free(s->notices);
    free(s->findings);
    free(s->writes);
}

static void *grow(void *list, size_t n, size_t *cap, size_t item)
{
    if (n < *cap)
        return list;
    size_t more = *cap ? *cap * 2 : 64;
    void *grown = reallocarray(list, more, item);
    if (grown)
        *cap = more;
    return grown;
}

static void keep_notice(void *ctx, const struct notice *n)
{
    struct shard *s = ctx;
    void *grown = grow(s->notices, s->notices_n, &s->notices_cap, sizeof(*s->notices));
    if (!grown)
        return;
    s->notices = grown;
    s->notices[s->notices_n++] = (struct kept_notice){
        n->kind, n->container ? n->container->number : 0, n->cgroup, arena_str(s->arena, n->text)};
}

static void keep_finding_always(void *ctx, const struct finding *f)
{
    struct shard *s = ctx;
    void *grown = s->findings_n < MAX_EPOCH_FINDINGS
                      ? grow(s->findings, s->findings_n, &s->findings_cap, sizeof(*s->findings))
                      : NULL;
    struct finding *copy = grown ? finding_copy(s->arena, f) : NULL;
    if (grown)
        s->findings = grown;
    if (!copy) {
        s->findings_lost++;
        return;
    }
    copy->shard = s->number;
    s->findings[s->findings_n] = (struct kept_finding){copy, s->findings_n};
    s->findings_n++;
}

void shard_finding(void *ctx, const struct finding *f)
{
    struct shard *s = ctx;
    if (repeats_pass(s->repeats, f))
        keep_finding_always(s, f);
}

static void keep_write(struct shard *s, const struct event *e)
{
    const struct bh_open *o = REC_AS(e->rec, bh_open);
    if (!o || !e->process || (o->flags & O_ACCMODE) == O_RDONLY ||
        s->writes_n >= MAX_EPOCH_WRITES || (o->file.mode & S_IFMT) != S_IFREG)
        return;
    void *grown = grow(s->writes, s->writes_n, &s->writes_cap, sizeof(*s->writes));
    if (!grown)
        return;
    s->writes = grown;
    s->writes[s->writes_n++] = (struct kept_write){
        e->process->lineage, o->file.dev,          o->file.ino,
        e->rec->time,        e->container->number, arena_str(s->arena, rec_str(e->rec, o->path))};
}

struct detect_env shard_env(const struct shard *s)
{
    const struct line *l = s->line;
    return (struct detect_env){.identify = s->identify,
                               .wall_minus_boot = l->wall_minus_boot,
                               .generation = l->generation ? l->generation->number : 0,
                               .hostname = l->hostname,
                               .shard = s->number};
}

int shard_take(struct shard *s, const struct bh_rec *rec)
{
    struct line *l = s->line;
    // Broadcast inputs are no evidence; positions count what came from this shard's rings.
    if (!line_is_broadcast(rec->kind))
        s->records++;
    struct event e = {0};
    int r = identify_step(s->identify, rec, &e, keep_notice, s);
    if (r < 0) {
        s->malformed++;
        return r;
    }
    if (rec->kind == BH_TICK)
        repeats_tick(s->repeats, rec->time, keep_finding_always, s);
    if (rec->kind == BH_TICK || rec->kind == BH_FACT)
        again_judge(s, rec->time);
    if (r == 0)
        return 0;
    e.number = ++s->events;
    e.at.segment = s->number;
    e.at.offset = s->records; // position in the shard's stream: what evidence cites
    struct detect_env env = shard_env(s);
    if (rec->kind == BH_OPEN)
        keep_write(s, &e);
    if (rec->kind == BH_VERDICT) {
        struct finding f;
        if (verdict_finding(&env, &e, &f))
            keep_finding_always(s, &f);
    }
    if (rec->kind == BH_VERDICT_NET) {
        struct finding f;
        if (verdict_net_finding(&env, &e, s->arena, &f))
            keep_finding_always(s, &f);
    }
    if (l->generation)
        again_match(s, &env, &e);
    detectors_event(s, &env, &e);
    if (l->sinks.event)
        l->sinks.event(l->sinks.ctx, s->number, &e, &env, s->scratch);
    return 0;
}

void shard_epoch_done(struct shard *s)
{
    s->notices_n = s->findings_n = s->writes_n = 0;
    arena_reset(s->arena);
}
