// profile: what is known of workloads.
#include "agent/answers.h"

#include "detect/profile/profile.h"

#include <errno.h>

static const struct profile *profiles(struct core *c)
{
    return line_detector(c->line, &profile_detector);
}

void answer_profiles(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    profile_list_json(profiles(c), &j);
    answer_reply(c, r->client);
}

static void unknown(struct core *c, const struct control_request *r, int result)
{
    if (result == -ENOMEM)
        answer_problem(c, r->client, 500, "memory", STR("out of memory"), NULL);
    else if (result == -EEXIST)
        answer_problem(c, r->client, 409, "ambiguous", STR("more than one workload is called so"),
                       "give its image too: name@image");
    else
        answer_problem(c, r->client, 404, "no-workload", STR("no workload of that name is known"),
                       "`bulkhead profile list` lists them");
}

void answer_profile(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    int result = profile_show_json(profiles(c), control_param(r, "workload"), &j);
    if (result < 0)
        unknown(c, r, result);
    else
        answer_reply(c, r->client);
}

void answer_profile_diff(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    uint64_t wall = line_now(c->line) + (uint64_t)line_wall_minus_boot(c->line);
    int result = profile_diff_json(profiles(c), control_param(r, "workload"), wall, &j);
    if (result < 0)
        unknown(c, r, result);
    else
        answer_reply(c, r->client);
}

void answer_profile_export(struct core *c, const struct control_request *r)
{
    _cleanup_buf_ struct buf document = {0};
    int result = profile_export(profiles(c), control_param(r, "workload"), &document);
    if (result < 0) {
        unknown(c, r, result);
        return;
    }
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kstr(&j, "document", buf_view(&document));
    json_object_end(&j);
    c->text.failed |= document.failed;
    answer_reply(c, r->client);
}
