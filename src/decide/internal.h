// decide's own files only.
#pragma once

#include "decide/decide.h"

// Confidences are made by multiplying: 1 − (1 − 0.9) must still be 0.9.
#define CONFIDENCE_TOLERANCE 1e-9
#define CONFIDENCE_LOW       0.5

// ── response.c: what an incident earns for one container ─────────────────────────────────────
struct earned {
    enum step step;
    const struct response *by;        // whose selector fits; NULL: none
    const struct response_rule *rule; // NULL: the ladder
    const struct ladder_row *row;     // NULL: a rule, or nothing
    bool unknown; // whether a Response means the container depends on a fact that is not known yet
};
struct earned response_earned(const struct documents *docs, const struct incident *i,
                              const struct container *c);

// ── rails.c: at most so many acts in a time ──────────────────────────────────────────────────
enum { MAX_RECENT_ACTS = 1024 };
struct rails {
    struct {
        uint64_t time, workload; // a hash
    } acts[MAX_RECENT_ACTS];
    uint64_t n; // ever
};
uint64_t rails_workload(const struct container *c);
// NULL: it may; else which limit is reached.
const char *rails_hold(const struct rails *r, const struct response *by, uint64_t workload,
                       uint64_t now);
void rails_note(struct rails *r, uint64_t workload, uint64_t now);
