// Moves epochs: broadcast inputs, then every shard's rings (one thread a shard when there are
// several), then the line's end of epoch; and gives each input to the recorder and, when one is
// written, the capture.
#pragma once

#include "agent/line.h"
#include "agent/streams.h"
#include "record/record.h"
#include "sense/sense.h"

struct pump;
struct pump_options {
    struct line *line;
    struct sense *sense;
    struct recorder *const *recorders; // one a shard; NULL: nothing is recorded
    struct capture *capture;           // NULL: none
};
int pump_new(const struct pump_options *o, struct pump **ret, struct error *err);
void pump_free(struct pump *p); // ends the threads

// A broadcast input for the next epoch; copied.
void pump_input(struct pump *p, const struct bh_rec *rec);
bool pump_has_inputs(const struct pump *p);
// One epoch. Returns how many records it took (0: nothing was there), or negative errno of a ring
// that broke.
int pump_epoch(struct pump *p);
// The recorder's segment that holds a shard's record at this position (finding.offset). False: no
// longer known.
bool pump_segment_at(const struct pump *p, unsigned shard, uint64_t position,
                     uint64_t *ret_segment);
