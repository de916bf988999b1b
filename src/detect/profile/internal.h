// detect/profile's own types: sets of what was seen, a workload's state, and the parts in the
// shards.
#pragma once

#include "detect/profile/profile.h"

// What a stranger can make many of, and how many are kept.
enum {
    MAX_CHILDREN = 32,     // distinct folders in one, before all below it is one
    MAX_ITEMS = 2048,      // of one dimension of one workload
    MAX_GIVEN = 16384,     // the same, with the folders that lead to them, of a document
    MAX_NOVEL = 256,       // the same, of what is new and not accepted
    MAX_UNREMEMBERED = 16, // novelties of one container and window that found no room there
    MAX_TOLD = 8,          // containers that a novelty was reported of
    MAX_WORKLOADS = 512,
    MAX_WORKLOAD_NAME = 256,
    MAX_SIGHTS = 2048,            // distinct things that one container does in a window
    MAX_TENANTS = 4096,           // containers of one shard
    MAX_SIGHT_BYTES = 8 << 20,    // of one shard
    MAX_PROFILE_BYTES = 24 << 20, // of all workloads' sets
    MAX_OPEN_INCIDENTS = 2048,
};

// ── keys (name.c) ────────────────────────────────────────────────────────────────────────────
struct key_text {
    char bytes[PROFILE_MAX_KEY];
    size_t len;
    enum profile_dimension dimension;
};
// What an event names; false: nothing that is learned.
bool key_of_event(const struct event *e, struct key_text *ret);

// ── sets (set.c): what was seen, each with the windows it was seen in ────────────────────────
struct seen {
    uint64_t windows;     // in how many
    uint64_t first, last; // when these began, wall ns
};
struct item {
    char *key;
    uint16_t len;
    bool leaf;         // was seen itself (else it only leads to what was)
    bool below;        // stands for everything below it
    uint32_t next;     // same bucket, or free: index + 1
    uint32_t parent;   // index + 1
    uint32_t children; // distinct ones
    struct seen seen;
    uint32_t told[MAX_TOLD]; // containers that were reported, of novelties
    uint8_t told_n;
};
struct set {
    struct item *items;
    uint32_t *buckets;
    uint32_t used, cap, buckets_n, free, live, leaves;
    uint32_t limit;
    bool tree; // folders collapse
    size_t bytes;
    uint64_t refused;
};
void set_init(struct set *s, bool tree, uint32_t limit);
void set_done(struct set *s);
// The item that covers the key: itself, or one that stands for all below. NULL: it was never seen.
struct item *set_cover(const struct set *s, struct str key);
// Counts n of the key: 1 it is new, 0 it was covered, -ENOSPC there is no room, -ENOMEM.
int set_add(struct set *s, struct str key, const struct seen *n);
// Everything of b into a. Merging is associative and commutative, also with what collapses.
int set_merge(struct set *a, const struct set *b);
// Indexes of the leaves in order of their keys; the caller frees them. NULL: none, or no memory.
uint32_t *set_sorted(const struct set *s, size_t *ret_n);
// Distinct windows that hold something seen in no other.
uint64_t set_singles(const struct set *s);

// ── how sure (bound.c) ───────────────────────────────────────────────────────────────────────
struct dimension_state {
    uint64_t windows; // that count: whole, without a loss, without an incident
    uint64_t news;    // windows that brought something new, and the beginning: from 1
    uint64_t clean;   // windows since the last of those
    bool ready;       // learning has ended
    uint64_t ready_at;
};
// With 95 % confidence, over all dimensions together, the chance that one more window brings
// something new is at most this.
double bound_upper(const struct dimension_state *d);
// The same as Good and Turing estimate it.
double bound_estimate(const struct dimension_state *d, const struct set *s);
void bound_merge(struct dimension_state *a, const struct dimension_state *b);

// ── workloads (workload.c) ───────────────────────────────────────────────────────────────────
struct workload {
    char *name, *image, *text;     // text: name, or name@image
    const struct profile_doc *doc; // NULL: the defaults
    uint64_t window_ns;
    uint64_t window;             // when the current one began, wall ns; 0: none yet
    uint64_t first, last;        // when the first and last one that counts began
    uint64_t lossy, quarantined; // windows that do not count
    uint64_t seen_at;            // boot ns of its last container's last moment
    struct dimension_state dims[PROFILE_DIMENSIONS];
    // given: by the document, in place of what is known
    struct set known[PROFILE_DIMENSIONS], novel[PROFILE_DIMENSIONS], given[PROFILE_DIMENSIONS];
    uint64_t version; // grows with each change
    unsigned containers;
    bool over; // its window is, in the settling that goes on
};
struct incident_ref {
    uint64_t number;
    uint32_t *containers;
    size_t containers_n;
    bool ended;
};
struct tenant;
struct profile {
    struct workload *workloads[MAX_WORKLOADS];
    size_t workloads_n;
    const struct documents *docs;
    uint8_t key[16];
    bool keyed;
    struct incident_ref *open; // incidents that keep windows from being learned
    size_t open_n;
    uint64_t looked; // boot ns: when containers were last looked at
    uint64_t evicted, refused, unnamed;
};
struct workload *workload_named(struct profile *p, struct str name, struct str image, uint64_t now);
struct workload *workload_get(struct profile *p, const struct container *c, uint64_t now);
void workload_free(struct workload *w);
// The document that says most of its selector and fits; NULL: none.
const struct profile_doc *workload_document(const struct documents *docs, const struct workload *w);
void workload_configure(struct profile *p, struct workload *w);
bool workload_own_document(const struct workload *w); // one that names it alone
bool workload_given(const struct workload *w, enum profile_dimension d);
struct set *workload_allowed(struct workload *w, enum profile_dimension d); // given or known
bool workload_watches(const struct workload *w, enum profile_dimension d);
const struct profile_doc *workload_settings(const struct workload *w);

// ── parts (part.c) ───────────────────────────────────────────────────────────────────────────
// What a container was seen doing in the current window: each thing once.
struct sight {
    struct sight *chain, **back; // same bucket
    struct sight *next;          // of the container, oldest first
    uint64_t hash;
    struct tenant *tenant;
    uint16_t len;
    uint8_t dimension, class;
    struct bh_rec rec; // of the first time: what a finding says of it
    uint64_t segment, offset;
    struct object_ref object; // without its path
    char key[];
};
struct tenant { // a container
    struct tenant *chain, *next;
    uint32_t number;
    struct workload *workload; // NULL: not known yet
    struct sight *first, **last;
    struct sight *fresh; // not judged yet, NULL: all are
    size_t sights;
    unsigned unremembered;
    bool placed; // its facts were looked at
    bool began;  // it did something: before that its windows are not the workload's
    bool gone, lossy, quarantined, full;
};
enum { TENANT_BUCKETS = 1024, SIGHT_BUCKETS = 16384, SIGHT_CLASSES = 24 };
struct part {
    const struct profile *whole;
    const struct identify *identify; // the shard's
    uint8_t key[16];
    bool keyed;
    struct tenant *by_number[TENANT_BUCKETS];
    struct tenant *tenants; // in order of number
    size_t tenants_n, bytes;
    struct sight *buckets[SIGHT_BUCKETS];
    struct sight *free[SIGHT_CLASSES];
    struct chunk *chunks;
    uint64_t refused;
    bool news; // for the epoch's end: something fresh, or a container's facts
};
void part_event(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                void *ctx);
void part_container(void *part, const struct detect_env *env, const struct container *c,
                    detect_emit emit, void *ctx);
void *part_new(void *whole, unsigned shard, unsigned shards);
void part_free(void *part);
void part_forget(struct part *p, struct tenant *t); // its sights
void part_remove(struct part *p, struct tenant *t);

// ── what outlives the agent (state.c) ────────────────────────────────────────────────────────
void state_take(struct profile *p, struct str text, uint64_t now);

// ── findings (find.c) ────────────────────────────────────────────────────────────────────────
struct novelty {
    const struct workload *workload;
    const struct sight *sight;
    const struct container *container;
    const struct identify *identify;
};
void find_novelty(const struct novelty *n, const struct detect_env *env, detect_emit emit,
                  void *ctx);
// How a key is shown.
void key_show(enum profile_dimension d, struct str key, struct buf *out);
