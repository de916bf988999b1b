// What is asked about compliance: every control of every container, or of one.
#include "agent/answers.h"
#include "detect/comply/comply.h"

void answer_comply(struct core *c, const struct control_request *r)
{
    const void *const *parts = line_detector_parts(c->line, &comply_detector);
    const void *whole = line_detector(c->line, &comply_detector);
    struct str asked = control_param(r, "container");
    struct detect_env env = line_env(c->line, 0);
    uint32_t number = UINT32_MAX;
    bool ambiguous = false;
    if (asked.len) {
        const struct container *one = identify_container_by_text(env.identify, asked, &ambiguous);
        if (!one || one->number == 0) {
            answer_problem(c, r->client, ambiguous ? 409 : 404, ambiguous ? "ambiguous" : "unknown",
                           ambiguous ? STR("more than one container begins so")
                                     : STR("no container is known by that name"),
                           ambiguous ? "give more of its id" : "`bulkhead ps` lists what is known");
            return;
        }
        number = one->number;
    }
    struct comply_answer sum;
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    _cleanup_buf_ struct buf now = {0};
    buf_wall_iso(&now,
                 (struct wall_ns){line_now(c->line) + (uint64_t)line_wall_minus_boot(c->line)});
    json_object(&j);
    json_kcstr(&j, "version", BULKHEAD_VERSION);
    json_kstr(&j, "time", buf_view(&now));
    json_kstr(&j, "hostname", env.hostname);
    json_ku64(&j, "generation", env.generation);
    comply_json(&j, whole, parts, line_shards(c->line), &env, number, false, &sum);
    json_object_end(&j);
    answer_reply(c, r->client);
}
