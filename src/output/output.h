// output: findings and incidents as others read them. A file an output, a row in the table.
#pragma once

#include "base/base.h"
#include "model/model.h"

struct output_row {
    const char *name; // --format
    const char *text;
    void (*finding)(const struct finding *f, struct buf *out); // one line, with newline
    void (*incident)(const struct incident *i, struct buf *out);
};
extern const struct output_row outputs[]; // text, json (Falco's keys)
extern const size_t outputs_n;
const struct output_row *output_by_name(const char *name);
// The story of an incident for a person: title, timeline, what was done, what to do next.
void output_incident_story(const struct incident *i, struct buf *out);
