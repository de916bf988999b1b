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
// The workload as a Profile document with everything that it does; the same as long as it does the
// same. Loaded and exported again it is the same.
int profile_export(const struct profile *p, struct str workload, struct buf *out);
// An object with what is new ("new") and what was not seen for a period ("unseen"), as lines of
// such a document. now: boot ns.
int profile_diff_json(const struct profile *p, struct str workload, uint64_t now_wall,
                      struct json *j);

// ── what outlives the agent: one text a workload, given back as a BH_PROFILE record ──────────
enum { MAX_PROFILE_TEXT = 8 << 20 };
size_t profile_workloads(const struct profile *p);
// What the workload is called on disk; its version changes whenever its text does.
struct id profile_workload(const struct profile *p, size_t i, uint64_t *ret_version);
void profile_state(const struct profile *p, size_t i, struct buf *out);
