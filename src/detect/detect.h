// detect: identified events → findings. One sub-folder a detector; this header is what they share.
// Rules are compiled and matched first; every other detector is a row of struct detector in
// agent/detectors.c.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "identify/identify.h"
#include "model/model.h"

// A detector calls this for each finding; it is good during the call only.
typedef void (*detect_emit)(void *ctx, const struct finding *f);

// Where and when: constants of one call.
struct detect_env {
    const struct identify *identify;
    int64_t wall_minus_boot;
    uint64_t generation;
    struct str hostname;
    uint32_t shard;
};

// One detector, pure (DESIGN 6): what it says depends on its inputs only, and not on how many
// shards there are. It has one whole, which is what works across containers (a workload's profile,
// the indicators), and a part in each shard, which is what belongs to single containers. While
// shards move, on threads of their own, a part may read the whole and write only itself; at the
// epoch's end one thread calls epoch(), which may read and write all of it: there parts hand over
// what the next epoch shall know. Anything that a container can make grow is bounded and counted.
// Any function but the first four may be NULL.
struct detector {
    const char *name; // finding.detector
    const char *text; // one line of documentation
    void *(*whole_new)(void);
    void (*whole_free)(void *whole);
    void *(*part_new)(void *whole, unsigned shard, unsigned shards);
    void (*part_free)(void *part);
    // A new generation is in force; docs stay until the next call. No shard moves.
    void (*configure)(void *whole, const struct documents *docs, uint64_t generation);
    // What these documents need of the kernel.
    void (*interest)(const struct documents *docs, struct interest *add_to);
    // A broadcast input that is no event (BH_TICK, BH_OPERATOR, BH_FEED, …), before the shards
    // move.
    void (*input)(void *whole, const struct bh_rec *rec);
    // An event of one of the shard's containers, or of the host.
    void (*event)(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                  void *ctx);
    // A container of the shard got (new) facts, or is gone (container->gone is set).
    void (*container)(void *part, const struct detect_env *env, const struct container *c,
                      detect_emit emit, void *ctx);
    // The epoch's end. parts: one a shard, in order. now: boot ns, of the latest input.
    void (*epoch)(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                  uint64_t now, detect_emit emit, void *ctx);
    // What became of the epoch's findings, the detectors' own among them: incidents begun, grown,
    // closed, in order.
    void (*incident)(void *whole, const struct incident *i);
    // Behind the epoch's end, when its incidents are known: what is remembered may be settled.
    void (*settle)(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                   uint64_t now);
    // Memory in use, for the budget; entries evicted or refused so far.
    void (*stats)(const void *whole, const void *const *parts, size_t parts_n, uint64_t *ret_bytes,
                  uint64_t *ret_refused);
};

// What every finding says of its event: time, place, container, process, chain. The rest (rule,
// severity, confidence, output, fields, tags, objects) is the detector's; finding_id() comes last.
void detect_finding(struct finding *f, const char *detector, const struct detect_env *env,
                    const struct event *e);
// The same for what no single event says (a window, a sample, a fact): the container's.
void detect_container_finding(struct finding *f, const char *detector, const struct detect_env *env,
                              const struct container *c, uint64_t time);
// Adds a field; beyond MAX_FINDING_FIELDS nothing. text must stay until the finding was emitted.
void detect_field(struct finding *f, const char *key, struct str text);
void detect_field_u64(struct finding *f, const char *key, uint64_t number);
