// intel: what feeds name, found in what containers do. The indicators of all feeds come into the
// line as BH_FEED records and stand in one immutable index, rebuilt when a feed's load is complete;
// a container's connections, datagrams, questions for names and executed files are looked up in it.
// What is on a never list is no indicator, whichever feed names it.
#pragma once

#include "detect/detect.h"

extern const struct detector intel_detector;

enum {
    MAX_INTEL_UNITS = 512,         // files of all feeds
    MAX_INTEL_INDICATORS = 300000, // of all feeds
    MAX_INTEL_HITS = 32,           // that one look-up tells of
};

// A file of a feed, as its last complete load has it.
struct intel_unit {
    uint64_t id, load;
    struct str name; // "feeds.d/drop.txt"
    enum severity severity;
    enum feed_action action;
    enum row_mode mode;
    bool inbound;
    const struct str *tags;
    size_t tags_n;
    uint32_t count; // indicators
};
struct intel_hit {
    const struct intel_unit *unit;
    struct indicator indicator;
    bool in_time; // its time has come and is not over
};
struct intel_answer {
    struct intel_hit hits[MAX_INTEL_HITS];
    size_t n;
    bool never;        // on a never list: no indicator
    double confidence; // of those in time: 1 − ∏(1 − c) over files of feeds; 0: none
};
// For answers; between epochs. whole: the detector's.
void intel_look(const void *whole, const struct indicator *what, uint64_t wall_ns,
                struct intel_answer *ret);
// Type 0: none was committed yet.
uint64_t intel_count(const void *whole, enum indicator_type type);
