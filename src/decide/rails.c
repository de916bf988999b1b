// Limits: at most so many acts in a time, on the node and on one workload, so that a wrong rule or
// an attacker who wants it cannot stop everything that runs here.
#include "decide/internal.h"

uint64_t rails_workload(const struct container *c)
{
    struct str name = c->facts->workload.len ? c->facts->workload : c->id;
    return hash64(name.ptr, name.len);
}

const char *rails_hold(const struct rails *r, const struct response *by, uint64_t workload,
                       uint64_t now)
{
    uint64_t node = 0, own = 0, kept = MIN(r->n, (uint64_t)MAX_RECENT_ACTS);
    for (uint64_t k = 1; k <= kept; k++) {
        uint64_t at = (r->n - k) % MAX_RECENT_ACTS;
        if (r->acts[at].time + by->window_ns <= now)
            continue;
        node++;
        own += r->acts[at].workload == workload;
    }
    if (node >= by->acts)
        return "so many acts on this node";
    return own >= by->acts_workload ? "so many acts on one workload" : NULL;
}

void rails_note(struct rails *r, uint64_t workload, uint64_t now)
{
    uint64_t at = r->n++ % MAX_RECENT_ACTS;
    r->acts[at].time = now;
    r->acts[at].workload = workload;
}
