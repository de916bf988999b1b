// What the line says goes to: the ledger, memory, streams, standard output, readers over the API,
// the reconciler.
#include "agent/core.h"

#include <errno.h>

#define RECORDER_AGE_NS (5 * NSEC_PER_SEC) // what is kept is sealed when it is so old

static struct wall_ns wall_of(const struct core *c, uint64_t boot)
{
    return (struct wall_ns){boot + (uint64_t)line_wall_minus_boot(c->line)};
}

void core_entry(struct core *c, enum entry_kind kind, struct str payload)
{
    // Before the first input the line knows no time.
    uint64_t now = line_now(c->line);
    journal_add(c->journal, kind, now ? wall_of(c, now).ns : host_wall_now().ns, payload);
}

static void to_ledger(struct core *c, enum entry_kind kind)
{
    core_entry(c, kind, buf_view(&c->text));
}

static void on_finding(void *ctx, const struct finding *f)
{
    struct core *c = ctx;
    uint64_t segment;
    if (pump_segment_at(c->pump, f->shard, f->offset, &segment))
        recorder_keep(c->recorders[f->shard], segment);
    if (c->streams)
        streams_finding(c->streams, f);
    memory_finding(c->memory, f);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    finding_json(&j, f);
    to_ledger(c, f->kind == BH_LOSS || f->kind == BH_STORM ? ENTRY_LOSS : ENTRY_FINDING);
    for (size_t i = 0; i < MAX_FINDING_STREAMS; i++)
        if (c->finding_streams[i])
            control_line(c->control, c->finding_streams[i], buf_view(&c->text));
    if (c->o.quiet)
        return;
    const struct output_style style = {.iso_time = c->config.json_iso_time, .color = c->o.color};
    buf_reset(&c->text);
    c->output->finding_styled(&style, f, &c->text);
    lines_out_add(&c->out, buf_view(&c->text));
    lines_out_flush(&c->out);
}

static void on_incident(void *ctx, const struct incident *i)
{
    struct core *c = ctx;
    if (c->streams)
        streams_incident(c->streams, i);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    incident_json(&j, i);
    to_ledger(c, ENTRY_INCIDENT);
}

static void on_decision(void *ctx, const struct decision *d)
{
    struct core *c = ctx;
    if (c->streams)
        streams_decision(c->streams, d);
    memory_decision(c->memory, d, wall_of(c, d->time.ns));
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    decision_json(&j, d);
    to_ledger(c, ENTRY_DECISION);
}

static void on_outcome(void *ctx, const struct outcome *o)
{
    struct core *c = ctx;
    memory_outcome(c->memory, o, line_now(c->line), wall_of(c, line_now(c->line)));
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    outcome_json(&j, o);
    to_ledger(c, ENTRY_OUTCOME);
    core_input_text(c, BH_OUTCOME, 0, 0, buf_view(&c->text));
}

static void on_row(void *ctx, const struct row *r, enum row_change change, uint64_t time)
{
    struct core *c = ctx;
    if (c->streams)
        streams_row(c->streams, r, change, time);
    memory_row(c->memory, r, change, time, wall_of(c, time));
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    row_json(&j, r, change, time);
    to_ledger(c, ENTRY_ROW);
    reconcile_row(c->reconcile, r, change, on_outcome, c);
}

static void on_network(void *ctx, const struct segment_tables *t)
{
    struct core *c = ctx;
    reconcile_network(c->reconcile, t, on_outcome, c);
}

static void on_generation(void *ctx, const struct generation *g)
{
    struct core *c = ctx;
    char id[ID_TEXT_MAX];
    c->config = g->documents->agent;
    c->generation = g->number;
    journal_set_checkpoint(c->journal, c->config.checkpoint_ns);
    memset(&c->base_interest, 0, sizeof(c->base_interest));
    interest_base(&c->base_interest);
    generation_interest(g, &c->base_interest);
    intel_configure(c->intel, g->documents, host_boot_now().ns);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_ku64(&j, "generation", g->number);
    json_kcstr(&j, "id", id_text(g->id, id));
    json_ku64(&j, "rules", ruleset_rules(g->rules));
    json_ku64(&j, "policies", g->documents->policies_n);
    json_object_end(&j);
    to_ledger(c, ENTRY_GENERATION);
}

static void on_notice(void *ctx, unsigned shard, enum notice_kind kind, uint32_t number,
                      uint64_t cgroup, struct str text)
{
    struct core *c = ctx;
    const struct container *container = identify_container(line_identify(c->line, shard), number);
    switch (kind) {
    case NOTICE_WANT_FACTS:
        if (container)
            facts_want(c->facts, line_now(c->line), container);
        break;
    case NOTICE_SEAL:
        sense_seal(c->sense, cgroup, number);
        break;
    case NOTICE_CONTAINER_GONE:
        sense_forget(c->sense, container ? container->cgroup : 0, number);
        break;
    case NOTICE_EVICTED:
        core_input_text(c, BH_EVICT, number, 0, text);
        break;
    case NOTICE_PLAIN:
        if (container)
            sense_plain(c->sense, container->cgroup, number);
        break;
    case NOTICE_CONTAINER_KNOWN:
    case NOTICE_CONTAINER_STARTED:
        core_read_addresses(c, container);
        break;
    }
}

static void on_event(void *ctx, unsigned shard, const struct event *e, const struct detect_env *env,
                     struct rule_scratch *scratch)
{
    tap_event(ctx, shard, e, env, scratch);
}

struct line_sinks core_sinks(struct core *c)
{
    return (struct line_sinks){.ctx = c,
                               .finding = on_finding,
                               .incident = on_incident,
                               .decision = on_decision,
                               .row = on_row,
                               .network = on_network,
                               .generation = on_generation,
                               .notice = on_notice,
                               .event = on_event};
}

static void on_sealed(void *ctx, const struct sealed_segment *s)
{
    struct core *c = ctx;
    char hash[65];
    hex_of(s->sha256, sizeof(s->sha256), hash);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kcstr(&j, "name", s->name);
    json_ku64(&j, "shard", s->shard);
    json_ku64(&j, "segment", s->segment);
    json_kcstr(&j, "sha256", hash);
    json_ku64(&j, "bytes", s->bytes);
    json_ku64(&j, "records", s->records);
    json_ku64(&j, "first", s->first);
    json_ku64(&j, "last", s->last);
    json_key(&j, "coverage");
    json_raw(&j, s->coverage.len ? s->coverage : STR("{}"));
    json_object_end(&j);
    to_ledger(c, ENTRY_SEGMENT);
}

struct cover_of {
    struct core *core;
    unsigned shard;
};

static int cover(void *ctx, const struct container *container)
{
    struct core *c = ((struct cover_of *)ctx)->core;
    unsigned shard = container->number % c->shards;
    if (shard != ((struct cover_of *)ctx)->shard)
        return 0; // every shard knows all containers; each speaks of its own
    struct bh_kind_set kinds = container->number == 0 || container->type != CONTAINER_OCI
                                   ? c->base_interest.host
                                   : c->base_interest.containers;
    if (container->level > 0)
        kinds = (struct bh_kind_set){{~0ULL, ~0ULL}};
    uint64_t lost = 0;
    for (size_t i = 0; i < c->held_back_n; i++)
        if (c->held_back[i].container == container->number)
            lost = c->held_back[i].count;
    recorder_coverage(c->recorders[shard], container->number, &kinds, container->level, lost);
    return 0;
}

static void seal_problem(struct core *c, const struct error *err)
{
    if (c->segment_failures++ == 0)
        fprintf(stderr, "bulkhead: a segment could not be written: %s\n", err->message);
    snprintf(c->segment_problem, sizeof(c->segment_problem), "segments can't be written: %.200s",
             err->message);
}

static void take_sealed(struct core *c, bool wait)
{
    struct segment_cut cut;
    struct error err = {0}, late = {0};
    for (int result; sealer_take(c->sealer, wait, &cut, &result, &err); err.code = 0) {
        struct recorder *r = c->recorders[cut.sealed.shard];
        if (result == 0) {
            c->segment_problem[0] = 0;
            on_sealed(c, &cut.sealed);
        } else
            seal_problem(c, &err);
        if (recorder_done(r, &cut, result, &late) < 0)
            seal_problem(c, &late);
    }
}

void core_seal(struct core *c)
{
    take_sealed(c, false);
    for (unsigned i = 0; i < c->shards; i++) {
        struct cover_of of = {c, i};
        struct segment_cut cut;
        identify_containers(line_identify(c->line, i), cover, &of);
        recorder_turn(c->recorders[i]);
        int n = 0;
        while (sealer_has_room(c->sealer) &&
               (n = recorder_cut(c->recorders[i], host_boot_now().ns, RECORDER_AGE_NS, &cut)) == 1)
            sealer_give(c->sealer, recorder_dirfd(c->recorders[i]), &cut);
        if (n < 0) {
            struct error err = {0};
            error_set(&err, n, "no memory to seal a segment");
            seal_problem(c, &err);
        }
        recorder_forget(c->recorders[i]);
    }
}

void core_seal_all(struct core *c)
{
    take_sealed(c, true);
    for (unsigned i = 0; i < c->shards; i++) {
        struct error err = {0};
        struct cover_of of = {c, i};
        identify_containers(line_identify(c->line, i), cover, &of);
        if (recorder_seal(c->recorders[i], host_boot_now().ns, 0, on_sealed, c, &err) < 0)
            seal_problem(c, &err);
    }
}
