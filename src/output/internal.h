// What the outputs have in common.
#pragma once

#include "output/output.h"

extern const struct output_style output_plain;

// "HH:MM:SS.nnnnnnnnn" in local time (as Falco prints), or "YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000".
void put_time(struct buf *out, struct wall_ns t, bool iso);
// The finding's message, not escaped: its output, and for detectors that have no output template of
// their own the container fields that Falco suggests.
void put_message(struct buf *out, const struct finding *f);
// "TIME: PRIORITY MESSAGE", not escaped.
void put_line(struct buf *out, const struct finding *f, bool iso);
const char *severity_color(enum severity s);

// The fields that Falco suggests, of a finding whose detector didn't put them into its fields.
enum { SUGGESTED_N = 6 };
struct suggested {
    const char *key;  // "container.id"
    const char *name; // "container_id"
    struct str value; // STR_NULL: null
};
size_t suggested_fields(const struct finding *f, struct suggested ret[SUGGESTED_N]);

void text_finding(const struct output_style *s, const struct finding *f, struct buf *out);
void text_incident(const struct output_style *s, const struct incident *i, struct buf *out);
void falco_finding(const struct output_style *s, const struct finding *f, struct buf *out);
void falco_incident(const struct output_style *s, const struct incident *i, struct buf *out);
void native_finding(const struct output_style *s, const struct finding *f, struct buf *out);
void native_incident(const struct output_style *s, const struct incident *i, struct buf *out);
