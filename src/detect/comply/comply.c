// The detector: a state a container, judged when something changed. A control that begins to fail
// is a finding; one that an exception covers is not, but stays to be seen.
#include "detect/comply/internal.h"

static void *whole_new(void)
{
    return calloc(1, sizeof(struct whole));
}

static void whole_free(void *whole)
{
    struct whole *w = whole;
    controls_free(w->controls);
    free(w);
}

static void *part_new(void *whole, unsigned shard, unsigned shards)
{
    struct part *p = calloc(1, sizeof(*p));
    if (p)
        p->whole = whole;
    return p;
}

static void part_free(void *part)
{
    states_free(part);
    free(part);
}

// The parts see that the generation is another one, and judge again.
static void configure(void *whole, const struct documents *docs, uint64_t generation)
{
    struct whole *w = whole;
    controls_free(w->controls);
    w->controls = controls_compile(docs, generation, NULL);
    w->judged = false;
}

static void interest(const struct documents *docs, struct interest *add_to)
{
    struct controls *c = docs->controls_n ? controls_compile(docs, 0, NULL) : NULL;
    if (c)
        controls_interest(c, add_to);
    controls_free(c);
}

// ── a finding ────────────────────────────────────────────────────────────────────────────────

void halves_facts(const struct compiled *c, const struct verdict *v, const struct subject *s,
                  struct str items[MAX_ITEMS], struct buf *out)
{
    const struct fact *facts[MAX_CITED];
    size_t n = 0;
    if (v->bundle == COMPLY_FAIL || v->bundle == COMPLY_UNKNOWN)
        n = expression_facts(c->bundle, facts, n);
    if (v->live == COMPLY_FAIL || v->live == COMPLY_UNKNOWN)
        n = expression_facts(c->live, facts, n);
    for (size_t i = 0; i < n; i++) {
        struct fact_value value;
        fact_get(facts[i], s, items, &value);
        buf_text(out, i ? ", " : "");
        buf_printf(out, "%s=", facts[i]->name);
        fact_value_text(&value, out);
    }
}

static void say(struct part *p, const struct detect_env *env, const struct event *e,
                const struct state *s, const struct subject *of, size_t index, detect_emit emit,
                void *ctx)
{
    const struct compiled *c = &p->whole->controls->list[index];
    const struct verdict *v = &s->verdicts[index];
    _cleanup_buf_ struct buf output = {0}, facts = {0};
    struct finding f;
    if (e)
        detect_finding(&f, "comply", env, e);
    else
        detect_container_finding(&f, "comply", env, of->container, s->time);
    halves_facts(c, v, of, p->items, &facts);
    buf_text(&output, "control ");
    buf_str(&output, c->control->name);
    buf_text(&output, " fails: ");
    buf_str(&output, buf_view(&facts));
    f.rule = c->control->title;
    f.severity = c->control->severity;
    f.confidence = 1;
    f.posture = true;
    f.output = buf_view(&output);
    f.tags = c->tags;
    f.tags_n = c->tags_n;
    detect_field(&f, "control.name", c->control->name);
    detect_field(&f, "control.bundle", str_of(comply_result_name(v->bundle)));
    detect_field(&f, "control.live", str_of(comply_result_name(v->live)));
    detect_field(&f, "control.facts", buf_view(&facts));
    detect_field(&f, "control.remediation", c->control->remediation);
    detect_field(&f, "container.id", f.container_id);
    detect_field(&f, "container.name", f.container_name);
    detect_field(&f, "container.image", f.image_name);
    f.id = finding_id(&f);
    emit(ctx, &f);
}

// Stands for an exception of a generation that is gone.
static const struct exception excepted_before;

// ── judging ──────────────────────────────────────────────────────────────────────────────────

// Another generation has other controls at other places; what was known of one goes with its name,
// so that a reload says nothing twice.
static bool room_for_verdicts(struct part *p, struct state *s)
{
    const struct controls *c = p->whole->controls;
    if (s->judged == c->generation && s->verdicts)
        return true;
    struct verdict *list = calloc(MAX(c->n, (size_t)1), sizeof(*list));
    if (!list)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        struct str name = c->list[i].control->name;
        uint64_t hash = hash64(name.ptr, name.len);
        for (size_t k = 0; k < s->verdicts_n; k++)
            if (s->verdicts[k].name == hash)
                list[i] = s->verdicts[k];
        list[i].name = hash;
        list[i].exception = list[i].exception ? &excepted_before : NULL;
    }
    free(s->verdicts);
    s->verdicts = list;
    s->verdicts_n = c->n;
    s->judged = c->generation;
    p->verdicts_n = c->n;
    return true;
}

static void judge_all(struct part *p, const struct detect_env *env, const struct event *e,
                      const struct container *c, struct state *s, detect_emit emit, void *ctx)
{
    const struct controls *controls = p->whole->controls;
    struct subject of = {.container = c, .live = &s->live};
    s->dirty = false;
    if (!controls || c->type != CONTAINER_OCI || !room_for_verdicts(p, s))
        return;
    for (size_t i = 0; i < controls->n; i++) {
        struct verdict *was = &s->verdicts[i];
        struct verdict now = judge(&controls->list[i], &of, p->items);
        if (now.all == COMPLY_FAIL)
            now.exception = controls_exception(controls, controls->list[i].control->name, c,
                                               s->time + (uint64_t)env->wall_minus_boot);
        bool failed = was->since && was->all == COMPLY_FAIL && !was->exception;
        now.name = was->name;
        now.since = was->since && was->all == now.all ? was->since : s->time;
        *was = now;
        if (now.all == COMPLY_FAIL && !now.exception && !failed)
            say(p, env, e, s, &of, i, emit, ctx);
    }
}

static void event(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                  void *ctx)
{
    struct part *p = part;
    const struct container *c = e->container;
    if (c->number == 0 || c->number == UINT32_MAX || (c->type != CONTAINER_OCI && !c->pending))
        return;
    // A state begins with the bundle's facts, or with the first program of its own.
    bool begins = e->rec->kind == BH_EXEC && e->rec->time == c->first_exec;
    struct state *s = begins ? state_get(p, c->number) : state_find(p, c->number);
    if (!s)
        return;
    struct around a = around_of(env, c);
    bool changed = live_event(&s->live, &a, e);
    if (c->lossy && !s->live.lossy)
        changed = s->live.lossy = true;
    if (!changed)
        return;
    s->time = MAX(s->time, e->rec->time);
    judge_all(p, env, e, c, s, emit, ctx);
}

struct begun {
    const struct detect_env *env;
    const struct container *container;
    struct live *live;
};

static int take_process(void *ctx, const struct process *process)
{
    struct begun *b = ctx;
    if (process->container == b->container->number) {
        struct around a = around_of(b->env, b->container);
        live_process(b->live, &a, b->container, process);
    }
    return 0;
}

static void container(void *part, const struct detect_env *env, const struct container *c,
                      detect_emit emit, void *ctx)
{
    struct part *p = part;
    if (c->gone) {
        state_drop(p, c->number);
        return;
    }
    bool fresh = !state_find(p, c->number);
    struct state *s = c->type == CONTAINER_OCI ? state_get(p, c->number) : NULL;
    if (!s)
        return;
    if (fresh && c->first_exec) { // it ran before it was known: what runs now is looked at
        struct begun b = {env, c, &s->live};
        identify_processes(env->identify, take_process, &b);
    }
    s->time = MAX(s->time, MAX(c->known, c->first_exec));
    judge_all(p, env, NULL, c, s, emit, ctx);
}

static bool exception_ended(const struct state *s, const struct controls *c, uint64_t now,
                            const struct detect_env *env)
{
    for (size_t i = 0; c && s->verdicts && s->judged == c->generation && i < c->n; i++)
        if (s->verdicts[i].exception &&
            s->verdicts[i].exception->until <= now + (uint64_t)env->wall_minus_boot)
            return true;
    return false;
}

// A loss that became known, an exception that ended, another generation: seen at ticks.
static void epoch(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                  uint64_t now, detect_emit emit, void *ctx)
{
    struct whole *w = whole;
    bool again = !w->judged && w->controls;
    if (!again && now < w->looked + NSEC_PER_SEC)
        return;
    w->judged = true;
    w->looked = now;
    for (size_t i = 0; i < parts_n; i++) {
        struct part *p = parts[i];
        for (size_t b = 0; b < STATE_BUCKETS; b++)
            for (struct state *s = p->buckets[b]; s; s = s->next) {
                const struct container *c = identify_container(env->identify, s->number);
                if (!c || c->gone)
                    continue;
                bool lost = c->lossy && !s->live.lossy;
                s->live.lossy |= c->lossy;
                if (!again && !lost && !exception_ended(s, w->controls, now, env))
                    continue;
                s->time = MAX(s->time, now);
                judge_all(p, env, NULL, c, s, emit, ctx);
            }
    }
}

static void stats(const void *whole, const void *const *parts, size_t parts_n, uint64_t *ret_bytes,
                  uint64_t *ret_refused)
{
    *ret_bytes = *ret_refused = 0;
    for (size_t i = 0; i < parts_n; i++) {
        *ret_bytes += states_bytes(parts[i]);
        *ret_refused += ((const struct part *)parts[i])->refused;
    }
}

const struct detector comply_detector = {
    .name = "comply",
    .text = "controls of compliance standards over facts of bundles and running containers",
    .whole_new = whole_new,
    .whole_free = whole_free,
    .part_new = part_new,
    .part_free = part_free,
    .configure = configure,
    .interest = interest,
    .event = event,
    .container = container,
    .epoch = epoch,
    .stats = stats,
};
