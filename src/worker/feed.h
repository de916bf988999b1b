// What the readers of feeds share: a list being read, its indicators going out in parts, and what
// was left out and why.
#pragma once

#include "worker/internal.h"

enum {
    MAX_SKIP_REASONS = 24,
    MAX_SKIP_SAMPLES = 8,
    MAX_SAMPLE_TEXT = 80,
    MAX_COLUMNS = 64, // of a CSV
    MAX_FEED_LINE = 16384,
    MAX_STIX_OBJECT = 1 << 20, // bytes of one object of a bundle
    MAX_PATTERN = 65536,
    MAX_PATTERN_INDICATORS = 1024,
};

struct feed_skip {
    const char *reason; // a constant
    uint64_t count;
};
struct feed_sample {
    uint64_t line;
    const char *reason;
    char text[MAX_SAMPLE_TEXT];
    size_t len;
};
struct feed_reading {
    worker_part part;
    void *ctx;
    struct buf out;     // the part being filled
    const char *format; // as read, "plain"
    json_t *args;
    uint8_t confidence; // of what has none of its own
    uint64_t until;     // likewise, wall ns; 0: no end
    uint64_t lines;     // lines, rows or objects that should hold an indicator
    uint64_t line;      // where we are, from 1
    uint64_t indicators, types[INDICATOR_TYPE_MAX], urls, errors, broad;
    struct feed_skip skipped[MAX_SKIP_REASONS];
    size_t skipped_n;
    struct feed_sample samples[MAX_SKIP_SAMPLES];
    size_t samples_n;
    const char *problem; // ends it
};

// Takes an indicator: fills in what it lacks. False: the reading ends (problem is set).
bool feed_add(struct feed_reading *f, struct indicator *i);
// Parses and takes one value.
bool feed_value(struct feed_reading *f, struct str text, struct indicator *like);
void feed_skip(struct feed_reading *f, const char *reason, struct str text);
// Is it a slip (and not a thing that is just not used here)?
bool feed_is_error(const char *reason);

// The next line at *at, without its end; false at the end.
bool feed_line(struct str bytes, size_t *at, struct str *ret);
struct str feed_trim(struct str s);
bool feed_is_comment(struct str line);
// "2026-09-01 10:00:00", with T, fractions and Z, a day alone, or seconds since 1970.
bool feed_when(struct str s, uint64_t *ret_wall_ns);

// One reader a format.
void feed_read_plain(struct feed_reading *f, struct str bytes);
void feed_read_cidr(struct feed_reading *f, struct str bytes);
void feed_read_csv(struct feed_reading *f, struct str bytes);
void feed_read_stix(struct feed_reading *f, struct str bytes);
