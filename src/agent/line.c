// The line's half that works across containers: generations, correlate, decide, desired state. Runs
// at the end of each epoch, on one thread, when no shard moves.
#include "agent/detectors.h"

#include <errno.h>
#include <jansson.h>

// Process and cgroup life is every shard's: any of them knows all containers.
static const struct container *who(void *ctx, uint32_t container)
{
    const struct line *l = ctx;
    return identify_container(l->shards[0].identify, container);
}

struct line *line_new(const struct line_options *o)
{
    struct line *l = calloc(1, sizeof(*l));
    if (!l)
        return NULL;
    struct correlate_limits limits = {0};
    l->shards_n = o->shards ? o->shards : 1;
    l->sinks = o->sinks;
    l->wall_minus_boot = o->wall_minus_boot;
    l->shards = calloc(l->shards_n, sizeof(*l->shards));
    l->hostname_arena = arena_new(0);
    l->arena = arena_new(64 << 20);
    l->correlate = correlate_new(&limits);
    l->decide = decide_new();
    l->desired = desired_new();
    bool ok = l->shards && l->hostname_arena && l->arena && l->correlate && l->decide && l->desired;
    for (unsigned i = 0; ok && i < l->shards_n; i++)
        ok = shard_init(&l->shards[i], l, i) == 0;
    ok = ok && detectors_start(l, o->detectors) == 0;
    if (!ok) {
        line_free(l);
        return NULL;
    }
    decide_ask(l->decide, who, l);
    l->hostname = arena_str(l->hostname_arena, o->hostname);
    return l;
}

void line_free(struct line *l)
{
    if (!l)
        return;
    detectors_end(l);
    for (unsigned i = 0; l->shards && i < l->shards_n; i++)
        shard_done(&l->shards[i]);
    free(l->shards);
    correlate_free(l->correlate);
    decide_free(l->decide);
    desired_free(l->desired);
    generation_free(l->generation);
    arena_free(l->hostname_arena);
    arena_free(l->arena);
    buf_done(&l->inputs);
    free(l);
}

bool line_is_broadcast(uint16_t kind)
{
    return kind >= BH_KIND_USER || kind == BH_TASK || kind == BH_CGROUP_SCAN ||
           kind == BH_RESOURCE || kind == BH_STORM;
}

static void emit_row(void *ctx, const struct row *r, enum row_change change)
{
    struct line *l = ctx;
    if (l->sinks.row)
        l->sinks.row(l->sinks.ctx, r, change, l->now);
}

static void emit_decision(void *ctx, const struct decision *d)
{
    struct line *l = ctx;
    if (l->sinks.decision)
        l->sinks.decision(l->sinks.ctx, d);
    desired_decision(l->desired, d, l->generation ? l->generation->number : 0, l->now, emit_row, l);
}

static void emit_incident(void *ctx, const struct incident *i)
{
    struct line *l = ctx;
    if (l->sinks.incident)
        l->sinks.incident(l->sinks.ctx, i);
    detectors_incident(l, i);
    decide_incident(l->decide, i, l->now, emit_decision, l);
}

static int take_generation(struct line *l, const struct bh_rec *rec)
{
    struct sources sources = {0};
    if (sources_unpack(rec_text(rec), &sources, NULL) < 0)
        return -EINVAL;
    struct diag_list diags = {0};
    struct generation *g = generation_build(&sources, REC_AS(rec, bh_text)->what, &diags);
    sources_done(&sources);
    diag_list_done(&diags);
    if (!g)
        return -EINVAL;
    struct generation *old = l->generation;
    l->generation = g;
    decide_configure(l->decide, g->documents);
    generation_free(old);
    detectors_configure(l);
    desired_policies(l->desired, g->documents, g->number, l->now, emit_row, l);
    if (l->sinks.generation)
        l->sinks.generation(l->sinks.ctx, g);
    return 0;
}

int line_broadcast(struct line *l, const struct bh_rec *rec)
{
    if (rec_check(rec, rec->size) < 0) {
        l->refused++;
        return -EINVAL;
    }
    if (rec->kind == BH_TICK)
        l->wall_minus_boot = (int64_t)(REC_AS(rec, bh_tick)->wall - rec->time);
    l->now = MAX(l->now, rec->time);
    // Shards hold no reference to the generation between epochs, so it may change here, before they
    // move.
    int r = rec->kind == BH_GENERATION ? take_generation(l, rec) : 0;
    for (unsigned i = 0; i < l->shards_n; i++)
        shard_take(&l->shards[i], rec);
    if (rec->kind >= BH_KIND_USER)
        detectors_input(l, rec);
    if (rec->kind == BH_TICK || rec->kind == BH_OPERATOR || rec->kind == BH_OUTCOME ||
        rec->kind == BH_ADDRESSES)
        buf_add(&l->inputs, rec, rec->size);
    if (r < 0)
        l->refused++;
    return r;
}

int line_shard_take(struct line *l, unsigned shard, const struct bh_rec *rec)
{
    if (shard >= l->shards_n)
        return -EINVAL;
    return shard_take(&l->shards[shard], rec);
}

bool line_shard_has_news(const struct line *l, unsigned shard)
{
    return l->shards[shard].notices_n > 0 || l->shards[shard].findings_n > 0;
}

static struct str member(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static enum row_kind kind_named(struct str name)
{
    for (int k = 0; k < ROW_KIND_MAX; k++)
        if (row_kind_acts((enum row_kind)k) &&
            str_eq(name, str_of(row_kind_name((enum row_kind)k))))
            return (enum row_kind)k;
    return ROW_KIND_INVALID;
}

// {"what":"act","word":"freeze","container":3,"for_ns":…,"reason":…,"uid":0,…}
static bool take_act(struct line *l, const json_t *word, uint64_t time)
{
    uint64_t for_ns = number(word, "for_ns");
    struct act_word w = {.kind = kind_named(member(word, "word")),
                         .container = (uint32_t)number(word, "container"),
                         .uid = (uint32_t)number(word, "uid"),
                         .until = time + for_ns,
                         .reason = member(word, "reason"),
                         .allow = member(word, "allow"),
                         .cpu_pct = (uint32_t)number(word, "cpu_pct"),
                         .pids_max = (uint32_t)number(word, "pids_max")};
    _cleanup_buf_ struct buf why = {0};
    if (w.kind == ROW_KIND_INVALID || for_ns == 0 || for_ns > MAX_ACT_NS ||
        !decide_may_act(l->decide, w.container, &why))
        return false;
    desired_act(l->desired, &w, l->generation ? l->generation->number : 0, l->now, emit_row, l);
    return true;
}

static bool take_row_undo(struct line *l, uint64_t number)
{
    const struct row *row = desired_row(l->desired, number);
    if (row && row->owner == OWNER_INCIDENT && row_kind_acts(row->kind))
        decide_taken_back(l->decide, row->container);
    return desired_undo(l->desired, number, l->now, emit_row, l) == 0;
}

// {"what":"lift","word":"freeze" or "all","container":3}
static bool take_lift(struct line *l, const json_t *word)
{
    uint32_t container = (uint32_t)number(word, "container");
    struct str name = member(word, "word");
    enum row_kind kind = kind_named(name);
    if (kind == ROW_KIND_INVALID && !str_eq(name, STR("all")))
        return false;
    decide_taken_back(l->decide, container);
    desired_lift(l->desired, container, kind, l->now, emit_row, l);
    return true;
}

// {"what":"incident","number":3,"word":"confirm"}, {"what":"row","number":7,"word":"undo"}, acts,
// and {"what":"pause","for_ns":…} ({"what":"resume"}).
static void take_operator(struct line *l, const struct bh_rec *rec)
{
    struct str text = rec_text(rec);
    json_t *word = json_loadb(text.ptr, text.len, 0, NULL);
    struct str what = member(word, "what");
    bool taken = true;
    if (str_eq(what, STR("incident")))
        correlate_word(l->correlate, number(word, "number"), member(word, "word"), emit_incident, l,
                       NULL);
    else if (str_eq(what, STR("row")))
        taken = take_row_undo(l, number(word, "number"));
    else if (str_eq(what, STR("act")))
        taken = take_act(l, word, rec->time);
    else if (str_eq(what, STR("lift")))
        taken = take_lift(l, word);
    else if (str_eq(what, STR("pause")))
        decide_pause(l->decide, number(word, "for_ns") && number(word, "for_ns") <= MAX_ACT_NS
                                    ? rec->time + number(word, "for_ns")
                                    : UINT64_MAX);
    else if (str_eq(what, STR("resume")))
        decide_pause(l->decide, 0);
    else
        taken = false;
    l->refused += !taken;
    json_decref(word);
}

static void take_outcome(struct line *l, const struct bh_rec *rec)
{
    struct str text = rec_text(rec);
    json_t *j = json_loadb(text.ptr, text.len, 0, NULL);
    struct outcome o = {.row = number(j, "row"),
                        .state = OUTCOME_FAILED,
                        .enforced = json_is_true(json_object_get(j, "enforced")),
                        .error = (int)json_integer_value(json_object_get(j, "error")),
                        .message = member(j, "message")};
    id_parse(member(j, "row_id"), &o.row_id);
    for (int s = 0; s < OUTCOME_STATE_MAX; s++)
        if (str_eq(member(j, "state"), str_of(outcome_state_name((enum outcome_state)s))))
            o.state = (enum outcome_state)s;
    for (int e = 0; e < BH_EFFECT_MAX; e++)
        if (str_eq(member(j, "effect"), str_of(effect_name((enum bh_effect)e))))
            o.effect = (enum bh_effect)e;
    static const char *const tiers[] = {"lsm",    "signal",  "map",
                                        "cgroup", "cgroup2", "cgroup1"}; // outlives the parsed text
    for (size_t t = 0; t < ARRAY_SIZE(tiers); t++)
        if (str_eq(member(j, "tier"), str_of(tiers[t])))
            o.tier = tiers[t];
    if (!o.tier)
        o.tier = "none";
    desired_outcome(l->desired, &o);
    json_decref(j);
}

static void take_inputs(struct line *l)
{
    for (size_t at = 0; at + sizeof(struct bh_rec) <= l->inputs.len;) {
        const struct bh_rec *rec = (const void *)(l->inputs.ptr + at);
        at += rec->size;
        if (rec->kind == BH_OPERATOR)
            take_operator(l, rec);
        else if (rec->kind == BH_OUTCOME)
            take_outcome(l, rec);
        else if (rec->kind == BH_ADDRESSES)
            desired_addresses(l->desired, rec_text(rec));
        else {
            correlate_tick(l->correlate, rec->time, emit_incident, l);
            desired_tick(l->desired, rec->time, emit_row, l);
        }
    }
    buf_reset(&l->inputs);
}

struct again {
    struct line *line;
    uint32_t container;
};

static int decide_one_again(void *ctx, const struct incident *i)
{
    struct again *a = ctx;
    struct line *l = a->line;
    for (size_t k = 0; k < i->containers_n; k++)
        if (i->containers[k] == a->container) {
            decide_incident(l->decide, i, l->now, emit_decision, l);
            break;
        }
    return 0;
}

// More is known of a container: what its incidents earn may be another Response's to say now.
static void decide_again(struct line *l, uint32_t container)
{
    struct again a = {l, container};
    correlate_each(l->correlate, decide_one_again, &a);
}

// Containers first: a row must be there before the container's first instruction.
static void take_notices(struct line *l)
{
    for (unsigned i = 0; i < l->shards_n; i++) {
        struct shard *s = &l->shards[i];
        for (size_t n = 0; n < s->notices_n; n++) {
            const struct kept_notice *k = &s->notices[n];
            const struct container *c = identify_container(s->identify, k->container);
            if (c && (k->kind == NOTICE_CONTAINER_KNOWN || k->kind == NOTICE_CONTAINER_GONE))
                detectors_container(s, c);
            if (k->kind == NOTICE_CONTAINER_KNOWN && c) {
                desired_container(l->desired, c, l->now, emit_row, l);
                decide_again(l, k->container);
            } else if (k->kind == NOTICE_CONTAINER_GONE)
                desired_container_gone(l->desired, k->container, l->now, emit_row, l);
            if (l->sinks.notice)
                l->sinks.notice(l->sinks.ctx, i, k->kind, k->container, k->cgroup, k->text);
        }
    }
}

static void take_writes(struct line *l)
{
    for (unsigned i = 0; i < l->shards_n; i++)
        for (size_t n = 0; n < l->shards[i].writes_n; n++) {
            const struct kept_write *w = &l->shards[i].writes[n];
            struct correlate_write note = {.lineage = w->lineage,
                                           .container = w->container,
                                           .dev = w->dev,
                                           .ino = w->ino,
                                           .time = {w->time},
                                           .path = w->path};
            correlate_note_write(l->correlate, &note);
        }
}

// One order of all shards' findings: time, then shard, then the order they were made in.
struct merged {
    struct finding *finding;
    unsigned shard;
    uint64_t order;
};

static int by_time(const void *a, const void *b)
{
    const struct merged *x = a, *y = b;
    if (x->finding->time.ns != y->finding->time.ns)
        return x->finding->time.ns < y->finding->time.ns ? -1 : 1;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void take_findings(struct line *l)
{
    size_t n = 0, at = 0;
    for (unsigned i = 0; i < l->shards_n; i++)
        n += l->shards[i].findings_n;
    if (n == 0)
        return;
    struct merged *all = arena_alloc(l->arena, n * sizeof(*all));
    if (!all) {
        l->refused += n;
        return;
    }
    for (unsigned i = 0; i < l->shards_n; i++)
        for (size_t k = 0; k < l->shards[i].findings_n; k++)
            all[at++] = (struct merged){l->shards[i].findings[k].finding, i,
                                        l->shards[i].findings[k].order};
    qsort(all, n, sizeof(*all), by_time);
    for (size_t k = 0; k < n; k++) {
        struct finding *f = all[k].finding;
        l->now = MAX(l->now, f->time.ns);
        f->hostname = l->hostname;
        if (f->kind == BH_VERDICT && f->row && !f->rule.len)
            verdict_name(l, f);
        if (f->kind == BH_VERDICT_NET && !f->rule.len)
            verdict_net_name(l, f);
        l->findings++;
        if (l->sinks.finding)
            l->sinks.finding(l->sinks.ctx, f);
        correlate_finding(l->correlate, f, emit_incident, l);
    }
}

void line_epoch(struct line *l)
{
    take_notices(l);
    take_inputs(l);
    take_writes(l);
    detectors_epoch(l);
    take_findings(l);
    detectors_settle(l);
    const struct segment_tables *tables = desired_tables(l->desired);
    if (tables && l->sinks.network)
        l->sinks.network(l->sinks.ctx, tables);
    for (unsigned i = 0; i < l->shards_n; i++)
        shard_epoch_done(&l->shards[i]);
    arena_reset(l->arena);
}

unsigned line_shards(const struct line *l)
{
    return l->shards_n;
}

const struct identify *line_identify(const struct line *l, unsigned shard)
{
    return l->shards[shard].identify;
}

const struct correlate *line_correlate(const struct line *l)
{
    return l->correlate;
}

const struct desired *line_desired(const struct line *l)
{
    return l->desired;
}

const struct segment *line_segment(const struct line *l)
{
    return desired_segment(l->desired);
}

const struct decide *line_decide(const struct line *l)
{
    return l->decide;
}

const struct generation *line_generation(const struct line *l)
{
    return l->generation;
}

uint64_t line_now(const struct line *l)
{
    return l->now;
}

int64_t line_wall_minus_boot(const struct line *l)
{
    return l->wall_minus_boot;
}

void line_stats(const struct line *l, struct line_stats *ret)
{
    *ret = (struct line_stats){.findings = l->findings, .refused_inputs = l->refused};
    struct again_stats again = {0};
    for (unsigned i = 0; i < l->shards_n; i++) {
        again_stats(l->shards[i].again, &again);
        ret->events += l->shards[i].events;
        ret->records += l->shards[i].records;
        ret->malformed += l->shards[i].malformed;
        ret->findings_lost += l->shards[i].findings_lost;
        ret->repeats += repeats_held(l->shards[i].repeats);
    }
    ret->judged_again = again.judged;
    ret->not_judged_again = again.refused + again.expired;
}
