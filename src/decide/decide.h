// decide: incidents → decisions. severity × confidence → step; the ladder; rails. Pure.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "model/model.h"

struct decide;
struct decide *decide_new(void);
void decide_free(struct decide *d);
void decide_configure(struct decide *d, const struct agent_config *c);
// Which steps can be carried out here, a bit for each (1u << STEP_…): RECORD, ALERT and WATCH
// unless said otherwise. What an incident earns beyond them becomes the highest one that is there,
// and the reason says so.
void decide_available(struct decide *d, unsigned steps);
typedef void (*decide_emit)(void *ctx, const struct decision *d);
// A decision is emitted when an incident's step for a container rises; a dismissed incident takes
// its steps back (a decision with step RECORD), and so does a closed one with what is still in
// force. A step whose time is over is decided again when its incident goes on. On the host
// (container 0) an alert is all. Low confidence (< 0.5) never does more than watch closer.
void decide_incident(struct decide *d, const struct incident *i, uint64_t now, decide_emit emit,
                     void *ctx);
enum step decide_step_for(enum severity s, double confidence); // the table, also for docs
// The table, for `dump ladder` and docs/formats/decision.md.
struct ladder_row {
    enum severity severity; // this and higher
    double confidence;      // this and more
    enum step step;
    const char *why;
};
const struct ladder_row *decide_row_for(enum severity s, double confidence); // NULL: only recorded
extern const struct ladder_row decide_ladder[];
extern const size_t decide_ladder_n;
