// detect/profile: what each workload does when it is well, learned window by window, and what is
// new to it once enough was seen. docs/formats/profile.md says how and why.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "detect/detect.h"

extern const struct detector profile_detector;

// What is remembered, for answers: `whole` as line_detector() gives it. Only between epochs.
struct profile;
// An object {"workloads":[…],…} of all; or of one, with everything that it does (-ENOENT: no such
// workload; -EEXIST: more than one is called so).
void profile_list_json(const struct profile *p, struct json *j);
int profile_show_json(const struct profile *p, struct str workload, struct json *j);
