// What is asked about feeds: their state, and which of them names a value.
#include "agent/answers.h"
#include "detect/intel/intel.h"

static void put_types(struct core *c, struct json *j)
{
    const void *whole = line_detector(c->line, &intel_detector);
    json_key(j, "types");
    json_object(j);
    for (int t = 1; whole && t < INDICATOR_TYPE_MAX; t++)
        json_ku64(j, indicator_type_name((enum indicator_type)t),
                  intel_count(whole, (enum indicator_type)t));
    json_object_end(j);
}

void answer_intel(struct core *c, const struct control_request *r)
{
    const void *whole = line_detector(c->line, &intel_detector);
    struct worker_stats worker = {0};
    uint64_t bytes = 0, refused = 0;
    worker_stats(intel_worker(c->intel), &worker);
    if (whole)
        intel_detector.stats(whole, NULL, 0, &bytes, &refused);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    put_types(c, &j);
    json_ku64(&j, "memory_bytes", bytes);
    json_ku64(&j, "refused_inputs", refused);
    json_ku64(&j, "worker_crashes", worker.crashes);
    json_ku64(&j, "worker_timeouts", worker.timeouts);
    json_key(&j, "feeds");
    json_array(&j);
    intel_json(c->intel, host_boot_now().ns, line_wall_minus_boot(c->line), &j);
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

static void put_wall(struct json *j, const char *key, uint64_t wall)
{
    _cleanup_buf_ struct buf t = {0};
    json_key(j, key);
    if (!wall) {
        json_null(j);
        return;
    }
    buf_wall_iso(&t, (struct wall_ns){wall});
    json_str(j, buf_view(&t));
}

static void put_hit(struct json *j, const struct intel_hit *h)
{
    _cleanup_buf_ struct buf text = {0};
    indicator_text(&h->indicator, &text);
    json_object(j);
    json_kstr(j, "indicator", buf_view(&text));
    json_kcstr(j, "type", indicator_type_name(h->indicator.type));
    json_kstr(j, "feed", h->unit->name);
    json_kdouble(j, "confidence", h->indicator.confidence / 100.0);
    json_kcstr(j, "severity", severity_name(h->unit->severity));
    json_kcstr(j, "action", feed_action_name(h->unit->action));
    json_kstr(j, "label", h->indicator.label);
    json_kbool(j, "from_url", h->indicator.flags & BH_INDICATOR_URL);
    put_wall(j, "valid_from", h->indicator.valid_from);
    put_wall(j, "valid_until", h->indicator.valid_until);
    json_kbool(j, "in_time", h->in_time);
    json_object_end(j);
}

void answer_intel_lookup(struct core *c, const struct control_request *r)
{
    const void *whole = line_detector(c->line, &intel_detector);
    struct indicator what;
    char store[MAX_INDICATOR_VALUE + 1];
    const char *why = indicator_parse(control_param(r, "value"), &what, store);
    if (why || !whole) {
        char message[96];
        int n = snprintf(message, sizeof(message), "this is nothing that a feed could name: %s",
                         why ? why : "no feeds");
        answer_problem(c, r->client, 400, "value", (struct str){message, (size_t)n},
                       "an address, ADDRESS/BITS, a domain, an URL, or a file's SHA-256, SHA-1 or "
                       "MD5");
        return;
    }
    struct intel_answer *a = calloc(1, sizeof(*a));
    _cleanup_buf_ struct buf text = {0};
    if (!a)
        return answer_problem(c, r->client, 500, "memory", STR("out of memory"), NULL);
    intel_look(whole, &what, host_wall_now().ns, a);
    indicator_text(&what, &text);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kstr(&j, "value", buf_view(&text));
    json_kcstr(&j, "type", indicator_type_name(what.type));
    json_kbool(&j, "known", a->n > 0 && !a->never && a->confidence > 0);
    json_kbool(&j, "never", a->never);
    json_kdouble(&j, "confidence", a->confidence);
    json_key(&j, "indicators");
    json_array(&j);
    for (size_t i = 0; i < a->n; i++)
        put_hit(&j, &a->hits[i]);
    json_array_end(&j);
    json_object_end(&j);
    free(a);
    answer_reply(c, r->client);
}
