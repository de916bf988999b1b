// Feeds: which files there are, when they change, the worker that reads them, whether what it read
// may come into force, and the BH_FEED inputs that say so to the line. What is not taken is said,
// and what was in force stays.
#pragma once

#include "agent/pump.h"
#include "host/host.h"
#include "worker/worker.h"

enum {
    MAX_FEED_FILES = 512,    // of all feeds
    MAX_FOLDER_FILES = 4096, // looked at in one folder
};
#define FEED_OPEN_NS (5 * NSEC_PER_SEC) // a file whose writer doesn't close it is read after this
#define FEED_GONE_NS (1 * NSEC_PER_SEC) // a file that was taken away may come back so long

struct intel_source;
int intel_new(struct intel_source **ret, struct error *err); // starts its worker
void intel_free(struct intel_source *s);
void intel_set_pump(struct intel_source *s, struct pump *pump);
int intel_fd(const struct intel_source *s); // poll for POLLIN, then intel_take
const struct worker *intel_worker(const struct intel_source *s);
// The feeds of a new generation; docs are not kept.
void intel_configure(struct intel_source *s, const struct documents *docs, uint64_t now);
// Looks at what changed, takes the worker's answers; also call at each tick.
void intel_take(struct intel_source *s, uint64_t now);
// One object a file of a feed, into an array. now: boot ns.
void intel_json(const struct intel_source *s, uint64_t now, int64_t wall_minus_boot,
                struct json *j);
struct intel_counts {
    uint64_t files, in_force, held, indicators;
};
void intel_counts(const struct intel_source *s, struct intel_counts *ret);

// ── intel_gate.c: may a load replace the last one? ───────────────────────────────────────────
struct feed_counts {
    uint64_t lines, indicators, errors, broad;
};
enum { GATE_TEXT = 192 };
// last: of the load in force; NULL: none is. True, or why not in words.
bool intel_gate(const struct feed_counts *last, const struct feed_counts *now, char why[GATE_TEXT]);

// ── intel_watch.c: which files are being written, and when to look again ─────────────────────
struct feed_watch;
struct feed_watch *feed_watch_new(void);
void feed_watch_free(struct feed_watch *w);
int feed_watch_fd(const struct feed_watch *w);
void feed_watch_clear(struct feed_watch *w); // its descriptor stays
void feed_watch_folder(struct feed_watch *w, const char *path);
void feed_watch_take(struct feed_watch *w, uint64_t now);
// Is somebody writing that file right now, and has not closed it?
bool feed_watch_busy(const struct feed_watch *w, const char *path, uint64_t now);
