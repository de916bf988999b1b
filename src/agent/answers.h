// What the files that answer the API's requests share. A part's answers live in answers_X.c and
// have their rows in the table at the end of answers.c.
#pragma once

#include "agent/core.h"

// An answer is built in c->text (buf_reset first) and sent with answer_reply.
void answer_reply(struct core *c, uint64_t client);
void answer_problem(struct core *c, uint64_t client, int status, const char *code,
                    struct str message, const char *hint);
// A row with what came of it.
void answer_row(struct json *j, const struct row_state *s);
// answers_respond.c
void answer_act(struct core *c, const struct control_request *r);
void answer_responses(struct core *c, const struct control_request *r);
// answers_comply.c
void answer_comply(struct core *c, const struct control_request *r);
// A boot time as wall time, or null where it is 0.
void answer_time(struct json *j, const struct core *c, const char *key, uint64_t boot);

// answers_network.c
void answer_flows(struct core *c, const struct control_request *r);
void answer_net_try(struct core *c, const struct control_request *r);

// answers_profile.c
void answer_profiles(struct core *c, const struct control_request *r);
void answer_profile(struct core *c, const struct control_request *r);
void answer_profile_diff(struct core *c, const struct control_request *r);
void answer_profile_export(struct core *c, const struct control_request *r);
// answers_intel.c
void answer_intel(struct core *c, const struct control_request *r);
void answer_intel_lookup(struct core *c, const struct control_request *r);
