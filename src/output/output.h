// output: findings and incidents as others read them. A file an output, a row in the table.
#pragma once

#include "base/base.h"
#include "model/model.h"

// How the caller wants it. All zero: local time of day, no colours.
struct output_style {
    bool iso_time; // times in UTC as ISO 8601, as Falco's time_format_iso_8601 has it
    bool color;    // the caller knows whether this is a terminal, and about NO_COLOR
};

struct output_row {
    const char *name; // --format
    const char *text;
    void (*finding)(const struct finding *f, struct buf *out); // one line, with newline
    void (*incident)(const struct incident *i, struct buf *out);
    void (*finding_styled)(const struct output_style *s, const struct finding *f, struct buf *out);
    void (*incident_styled)(const struct output_style *s, const struct incident *i,
                            struct buf *out);
};
extern const struct output_row
    outputs[]; // text, json (Falco's keys), native (ours: docs/formats/finding.md)
extern const size_t outputs_n;
const struct output_row *output_by_name(const char *name);
// The story of an incident for a person: title, who, when, timeline, what was done, what to do
// next. Several lines.
void output_incident_story(const struct incident *i, struct buf *out);
// The same with what was decided about it (of this incident only, in order).
void output_story(const struct output_style *s, const struct incident *i,
                  const struct decision *const *decisions, size_t decisions_n, struct buf *out);
