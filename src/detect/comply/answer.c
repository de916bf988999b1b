// What is known, as JSON (docs/formats/control.md): the controls, and of each container each
// control's result with its two halves, the facts that it rests on, and the exception that covers
// it.
#include "detect/comply/internal.h"

struct answering {
    struct json *j;
    const struct detect_env *env;
    struct comply_answer *sum;
};

static void put_controls(struct json *j, const struct controls *controls)
{
    json_key(j, "controls");
    json_array(j);
    for (size_t i = 0; controls && i < controls->n; i++) {
        const struct control *c = controls->list[i].control;
        json_object(j);
        json_kstr(j, "name", c->name);
        json_kstr(j, "title", c->title);
        json_kcstr(j, "severity", severity_name(c->severity));
        json_kstr(j, "when", c->when.text);
        json_kstr(j, "bundle", c->bundle.text);
        json_kstr(j, "live", c->live.text);
        json_kstr(j, "description", c->description);
        json_kstr(j, "remediation", c->remediation);
        json_kstr(j, "file", c->file);
        json_ku64(j, "line", c->line);
        json_key(j, "references");
        json_array(j);
        for (size_t r = 0; r < c->references_n; r++) {
            json_object(j);
            json_kstr(j, "standard", c->references[r].standard);
            json_kstr(j, "id", c->references[r].id);
            json_object_end(j);
        }
        json_array_end(j);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_wall(struct json *j, const char *key, uint64_t wall)
{
    _cleanup_buf_ struct buf t = {0};
    buf_wall_iso(&t, (struct wall_ns){wall});
    json_kstr(j, key, buf_view(&t));
}

static void put_fact(struct json *j, const struct fact *f, const struct fact_value *v)
{
    static const char *const sources[] = {"bundle", "live", "event"};
    _cleanup_buf_ struct buf text = {0};
    json_object(j);
    json_kcstr(j, "name", f->name);
    json_kcstr(j, "source", sources[f->source]);
    json_key(j, "value");
    if (!v->known)
        json_null(j);
    else if (f->type == FIELD_BOOL)
        json_bool(j, v->b);
    else if (f->type == FIELD_U64)
        json_u64(j, v->n);
    else if (f->type == FIELD_STRING)
        json_str(j, v->s);
    else {
        json_array(j);
        for (size_t i = 0; i < v->items_n; i++)
            json_str(j, v->items[i]);
        json_array_end(j);
    }
    fact_value_text(v, &text);
    json_kstr(j, "text", buf_view(&text));
    json_kbool(j, "partial", v->partial);
    json_object_end(j);
}

static void count(struct comply_answer *sum, const struct verdict *v)
{
    sum->excepted += v->all == COMPLY_FAIL && v->exception;
    sum->fail += v->all == COMPLY_FAIL && !v->exception;
    sum->pass += v->all == COMPLY_PASS;
    sum->unknown += v->all == COMPLY_UNKNOWN;
    sum->not_applicable += v->all == COMPLY_NOT_APPLICABLE;
}

static void put_result(const struct answering *a, const struct compiled *c, const struct verdict *v,
                       const struct subject *of, struct str items[MAX_ITEMS])
{
    struct json *j = a->j;
    const struct fact *facts[MAX_CITED];
    size_t n = expression_facts(c->applies, facts, 0);
    n = expression_facts(c->bundle, facts, n);
    n = of->live ? expression_facts(c->live, facts, n) : n;
    json_object(j);
    json_kstr(j, "control", c->control->name);
    json_kcstr(j, "result", comply_result_name(v->all));
    json_kcstr(j, "bundle", comply_result_name(v->bundle));
    json_kcstr(j, "live", comply_result_name(v->live));
    // Both halves are known and say different things: it is not what it was asked to be.
    json_kbool(j, "disagree",
               (v->bundle == COMPLY_PASS && v->live == COMPLY_FAIL) ||
                   (v->bundle == COMPLY_FAIL && v->live == COMPLY_PASS));
    put_wall(j, "since", v->since + (uint64_t)a->env->wall_minus_boot);
    json_key(j, "facts");
    json_array(j);
    for (size_t i = 0; i < n; i++) {
        struct fact_value value;
        fact_get(facts[i], of, items, &value);
        put_fact(j, facts[i], &value);
    }
    json_array_end(j);
    json_key(j, "exception");
    if (v->exception) {
        json_object(j);
        json_kstr(j, "name", v->exception->name);
        json_kstr(j, "reason", v->exception->reason);
        put_wall(j, "until", v->exception->until);
        json_object_end(j);
    } else
        json_null(j);
    json_object_end(j);
    count(a->sum, v);
}

static void put_container(const struct answering *a, const struct controls *controls,
                          const struct container *c, const struct state *s, bool offline,
                          struct str items[MAX_ITEMS])
{
    struct json *j = a->j;
    struct subject of = {.container = c, .live = offline ? NULL : &s->live};
    const struct facts *f = c->facts;
    json_object(j);
    json_ku64(j, "number", c->number);
    json_kstr(j, "id", c->id);
    json_kstr(j, "name", f->name);
    json_kstr(j, "image", f->image);
    json_kstr(j, "workload", f->workload);
    json_kstr(j, "bundle", c->bundle);
    json_kstr(j, "problem", f->problem);
    json_kbool(j, "watched_from_start", s->live.from_start);
    json_kbool(j, "lossy", s->live.lossy);
    json_key(j, "results");
    json_array(j);
    for (size_t i = 0; i < controls->n; i++) {
        struct verdict v =
            s->verdicts && s->judged == controls->generation ? s->verdicts[i] : (struct verdict){0};
        if (offline) {
            const struct exception *e = v.exception;
            v = judge(&controls->list[i], &of, items);
            v.exception = e;
            v.since = s->time;
        }
        put_result(a, &controls->list[i], &v, &of, items);
    }
    json_array_end(j);
    json_object_end(j);
    a->sum->containers++;
}

static int by_number(const void *a, const void *b)
{
    const struct state *x = *(const struct state *const *)a, *y = *(const struct state *const *)b;
    return x->number < y->number ? -1 : x->number > y->number;
}

void comply_json(struct json *j, const void *whole, const void *const *parts, size_t parts_n,
                 const struct detect_env *env, uint32_t container, bool offline,
                 struct comply_answer *ret)
{
    const struct controls *controls = ((const struct whole *)whole)->controls;
    struct answering a = {.j = j, .env = env, .sum = ret};
    const struct state **list = NULL;
    struct str *items = calloc(MAX_ITEMS, sizeof(*items));
    size_t n = 0, all = 0;
    *ret = (struct comply_answer){.controls = controls ? controls->n : 0};
    for (size_t i = 0; i < parts_n; i++)
        all += ((const struct part *)parts[i])->states_n;
    list = calloc(all + 1, sizeof(*list));
    if (!items || !list)
        j->out->failed = true;
    for (size_t i = 0; list && i < parts_n; i++)
        for (size_t b = 0; b < STATE_BUCKETS; b++)
            for (const struct state *s = ((const struct part *)parts[i])->buckets[b]; s;
                 s = s->next)
                if (container == UINT32_MAX || s->number == container)
                    list[n++] = s;
    if (list)
        qsort(list, n, sizeof(*list), by_number);
    put_controls(j, controls);
    json_key(j, "containers");
    json_array(j);
    for (size_t i = 0; items && controls && i < n; i++) {
        const struct container *c = identify_container(env->identify, list[i]->number);
        if (c && c->type == CONTAINER_OCI && !c->gone)
            put_container(&a, controls, c, list[i], offline, items);
    }
    json_array_end(j);
    json_key(j, "summary");
    json_object(j);
    json_ku64(j, "controls", ret->controls);
    json_ku64(j, "containers", ret->containers);
    json_ku64(j, "fail", ret->fail);
    json_ku64(j, "unknown", ret->unknown);
    json_ku64(j, "pass", ret->pass);
    json_ku64(j, "not_applicable", ret->not_applicable);
    json_ku64(j, "excepted", ret->excepted);
    json_object_end(j);
    free(items);
    free(list);
}
