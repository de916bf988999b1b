// What correlate's own files share: an incident while it grows, what links findings to it, and who
// wrote which file.
#pragma once

#include "correlate/correlate.h"

enum {
    MAX_RULES = 64, // distinct rules whose confidence counts
    MAX_INCIDENT_CONTAINERS = 64,
    MAX_INCIDENT_TAGS = 64,
    MAX_TIMELINE_TEXT = 512,      // bytes of an entry
    MAX_TIMELINE_ENTRIES = 32768, // of all incidents; then each has its share, but at least:
    MIN_TIMELINE = 16,
    MAX_CHAIN_TEXT = 192,
    MAX_TITLE = 256,
    MAX_CLOSED = 256,  // kept for who asks; the oldest are forgotten first
    MAX_LINKS = 16384, // of all incidents
    MAX_INCIDENT_LINKS = 512,
    MAX_WRITES = 8192, // files remembered as written
    MAX_WRITERS = 4,   // lineages of a file
    MAX_POSTURES = 1024,
    MAX_CONTAINER_POSTURES = 24, // of one container; its oldest goes then
};

// ── links: what makes a finding belong to an incident ────────────────────────────────────────
enum link_space {
    LINK_LINEAGE, // a: lineage
    LINK_ACTOR,   // a: tgid, b: start; a process that a finding is about
    LINK_OBJECT,  // a: dev, b: ino; a file that a finding is about
};
enum { LINK_WRITTEN = 1, LINK_RAN = 2 /* executed, and no part of an image */ };
struct link {
    uint64_t a, b;
    uint64_t incident; // number
    uint64_t time;     // of the last finding that made it
    enum link_space space;
    uint32_t flags;
    uint32_t next, sibling; // index + 1; of the bucket, of the incident
};
struct links {
    struct link pool[MAX_LINKS];
    uint32_t buckets[MAX_LINKS]; // index + 1
    uint32_t free;               // index + 1
    uint64_t refused;
};
void links_init(struct links *l);
// Finds the next link of that key behind *from (0: the first); NULL: no more.
const struct link *links_next(const struct links *l, enum link_space space, uint64_t a, uint64_t b,
                              uint32_t *from);
// Adds, or refreshes time and flags of the one that is there. *head, *count: of the incident.
void links_add(struct links *l, uint32_t *head, size_t *count, const struct link *what);
void links_drop(struct links *l, uint32_t *head, size_t *count); // all of an incident
void links_move(struct links *l, uint32_t *from, size_t *from_count, uint32_t *to, size_t *to_count,
                uint64_t incident);

// ── writes ───────────────────────────────────────────────────────────────────────────────────
struct writer {
    uint64_t lineage, first, last;
};
struct written {
    uint64_t dev, ino;
    struct writer writers[MAX_WRITERS];
    uint32_t container;    // whose share it counts for
    uint32_t next;         // bucket; index + 1
    uint32_t older, newer; // of the container's share
};
struct share {
    uint32_t oldest, newest; // index + 1
    uint32_t n;
};
struct writes {
    struct written pool[MAX_WRITES];
    uint32_t buckets[MAX_WRITES];
    struct share shares[1024]; // by container number; two that meet share one
    uint32_t used, free, sharing;
    uint64_t evicted;
};
void writes_init(struct writes *w);
void writes_note(struct writes *w, const struct correlate_write *what);
const struct written *writes_find(const struct writes *w, uint64_t dev, uint64_t ino);

// ── posture ──────────────────────────────────────────────────────────────────────────────────
// Findings of how a container is, kept until it has an incident that they add to.
struct posture_entry {
    struct finding *finding; // a copy, with its arena
    struct arena *arena;
    uint64_t order; // when it was kept
};
struct postures {
    struct posture_entry list[MAX_POSTURES];
    size_t n;
    uint64_t order, evicted;
};
void postures_done(struct postures *p);
// The newest of that container and rule is kept; where its share is used up, its oldest goes.
void postures_keep(struct postures *p, const struct finding *f);

// ── an incident while it grows ───────────────────────────────────────────────────────────────
struct growing {
    struct incident view; // its pointers point into what follows
    struct seen_rule {
        char *name;
        size_t len;
        double confidence; // the highest
    } rules[MAX_RULES];
    struct str rule_names[MAX_RULES];
    size_t rules_n;
    uint32_t containers[MAX_INCIDENT_CONTAINERS];
    struct str container_ids[MAX_INCIDENT_CONTAINERS];
    struct str tags[MAX_INCIDENT_TAGS];
    struct timeline_entry *timeline;
    size_t timeline_cap;
    char title[MAX_TITLE];
    double title_confidence;
    uint32_t links; // head
    size_t links_n;
    bool postured[MAX_INCIDENT_CONTAINERS]; // beside containers: what was kept of it was added
};
struct growing *growing_new(const struct finding *first, uint64_t number);
void growing_free(struct growing *g);
bool growing_knows_rule(const struct growing *g, struct str rule);
void growing_add(struct growing *g, const struct finding *f, const char *joined_by,
                 size_t max_timeline);
// A finding of posture: it stands in the story, and changes neither severity nor confidence nor
// title nor when the incident was last heard of. False: it stands there already.
bool growing_add_posture(struct growing *g, const struct finding *f, size_t max_timeline);
// Takes everything of `from` but its links; `from` is empty and closed then.
void growing_absorb(struct growing *g, struct growing *from, const char *joined_by,
                    size_t max_timeline);
bool growing_live(const struct growing *g); // open or confirmed
