// decide: incidents → decisions. severity × confidence → step; the ladder; what a Response says
// otherwise; rails. Pure.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "model/model.h"

struct decide;
struct decide *decide_new(void);
void decide_free(struct decide *d);
// The documents must stay until the next call.
void decide_configure(struct decide *d, const struct documents *docs);
// Who a container is, for the selectors of Responses; NULL: not known. Without it nobody is.
typedef const struct container *(*decide_who)(void *ctx, uint32_t container);
void decide_ask(struct decide *d, decide_who who, void *ctx);
// Which steps can be carried out here, a bit for each (1u << STEP_…): all unless said otherwise.
// What an incident earns beyond them becomes the highest one that is there, and the reason says so.
void decide_available(struct decide *d, unsigned steps);
typedef void (*decide_emit)(void *ctx, const struct decision *d);
// A decision is emitted when an incident's step for a container rises; a dismissed incident takes
// its steps back (a decision with step RECORD), and so does a closed one with what is still in
// force. A step whose time is over is decided again when its incident goes on. On the host
// (container 0) an alert is all. Low confidence (< 0.5) never does more than watch closer. What is
// above that is done where a Response with mode enforce says so and no rail holds it back;
// otherwise the container is watched closer, and the decision says what would be done (would).
// Called again with the same incident once more is known of a container, it is decided anew.
void decide_incident(struct decide *d, const struct incident *i, uint64_t now, decide_emit emit,
                     void *ctx);
// A person took back what was done to the container: what its incidents of now earn is no longer
// done to it, unless they are confirmed.
void decide_taken_back(struct decide *d, uint32_t container);
// Nothing above watch is done until then (boot ns; UINT64_MAX: until it is resumed; 0: resumed).
void decide_pause(struct decide *d, uint64_t until);
uint64_t decide_paused(const struct decide *d, uint64_t now); // until when; 0: it is not
// May anybody act on that container? False: *why says why not (a protected one, the host, no
// container, not known yet).
bool decide_may_act(const struct decide *d, uint32_t container, struct buf *why);
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
