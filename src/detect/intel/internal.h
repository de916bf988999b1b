// intel's own: the index, and the units it is made of.
#pragma once

#include "detect/intel/intel.h"

enum { MAX_UNIT_TAGS = 16 };

// Packed indicators of one unit; they stay as long as an index over them does.
struct packed {
    struct str bytes;
    uint32_t count;
};

struct index;
// parts: one a unit, in order. NULL without memory. key: of the hash, so that no feed can choose
// values that collide.
struct index *index_build(const struct packed *parts, size_t n, const uint8_t key[16]);
void index_free(struct index *x);
size_t index_bytes(const struct index *x);
uint64_t index_count(const struct index *x, enum indicator_type type);
// Calls take for each indicator that covers an address, a name or a hash, in no stated order. An
// address: itself and networks around it; a domain: itself and those above that say so; a network:
// itself and those around it.
typedef void (*index_take)(void *ctx, size_t unit, const struct indicator *i);
void index_find(const struct index *x, const struct indicator *what, index_take take, void *ctx);

// ── units.c: what BH_FEED records made of the feeds ──────────────────────────────────────────

struct held { // a feed's load was not taken: said once, at the epoch's end
    struct str name, text;
    uint64_t time;
};
struct units;
struct units *units_new(void);
void units_free(struct units *u);
// Takes a BH_FEED record; malformed and unasked ones change nothing but a counter.
void units_take(struct units *u, const struct bh_rec *rec);
// What may never be an indicator: what every machine has, and the documents' lists.
void units_never(struct units *u, const struct documents *docs);
bool units_is_never(const struct units *u, const struct indicator *what);
const struct index *units_index(const struct units *u); // NULL: no feed yet
const struct intel_unit *units_at(const struct units *u, size_t n);
const struct held *units_held(const struct units *u, size_t *ret_n);
void units_said(struct units *u);
size_t units_bytes(const struct units *u);
uint64_t units_refused(const struct units *u);

// never.c
extern const char *const intel_never[]; // NULL-terminated
bool never_special(const struct indicator *i);
