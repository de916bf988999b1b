// The line: step(state, input) → outputs. No clock, file, socket or random number in here; whatever
// comes from outside comes as a record, and a capture is the sequence of those records. Live runs,
// replay, golden tests and recovery are this same code.
//
// An epoch is the unit: broadcast inputs (facts, ticks, generations, words, outcomes, the scan),
// then each shard's own records, then line_epoch(), which merges what the shards found and runs
// what works across containers. line_shard_take() of different shards may run on different threads
// between line_broadcast() and line_epoch().
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "correlate/correlate.h"
#include "decide/decide.h"
#include "detect/detect.h"
#include "detect/rule/rule.h"
#include "enforce/enforce.h"
#include "identify/identify.h"
#include "model/model.h"

struct line;

// An immutable snapshot: documents and rules of one generation.
struct generation {
    uint64_t number;
    struct id id;
    struct documents *documents;
    struct ruleset *rules;
};
// NULL with diagnostics where a document or a rule is wrong. The caller owns it.
struct generation *generation_build(const struct sources *s, uint64_t number,
                                    struct diag_list *diags);
void generation_free(struct generation *g);
// What its rules and all detectors need of the kernel, added to *to.
void generation_interest(const struct generation *g, struct interest *to);

// Detectors beside the rules; ends with NULL.
extern const struct detector *const agent_detectors[];

// Where outputs go. Each pointer is good during the call only. Any member may be NULL.
struct line_sinks {
    void *ctx;
    void (*finding)(void *ctx, const struct finding *f);
    void (*incident)(void *ctx, const struct incident *i);
    void (*decision)(void *ctx, const struct decision *d);
    void (*row)(void *ctx, const struct row *r, enum row_change change, uint64_t time);
    // Once an epoch, behind its rows: what they and all addresses come to.
    void (*network)(void *ctx, const struct segment_tables *t);
    void (*generation)(void *ctx, const struct generation *g);
    // What the core must do for identify: facts wanted, a cgroup to seal, a table that was full.
    void (*notice)(void *ctx, unsigned shard, enum notice_kind kind, uint32_t container,
                   uint64_t cgroup, struct str text);
    // An event that detectors saw, before the epoch ends, on the shard's thread (taps; not part of
    // the pure output).
    void (*event)(void *ctx, unsigned shard, const struct event *e, const struct detect_env *env,
                  struct rule_scratch *scratch);
};
// What a person asks for ends by itself at the latest then.
#define MAX_ACT_NS (30 * 24 * 3600 * NSEC_PER_SEC)
struct line_options {
    unsigned shards;
    int64_t wall_minus_boot;
    struct str hostname;
    struct line_sinks sinks;
    const struct detector *const *detectors; // agent_detectors; NULL: rules alone
};
struct line *line_new(const struct line_options *o);
void line_free(struct line *l);

// An input for every shard and for what works across containers. A BH_GENERATION must be an epoch's
// first input. 0 or -EINVAL (malformed, or a generation that does not compile: the last good one
// stays).
int line_broadcast(struct line *l, const struct bh_rec *rec);
// A record of one shard, in order. The record must stay until line_epoch().
int line_shard_take(struct line *l, unsigned shard, const struct bh_rec *rec);
void line_epoch(struct line *l);
// Has the shard something that the epoch's end hands on (a container whose facts are wanted, a
// finding)? Then it should come soon. On the shard's thread.
bool line_shard_has_news(const struct line *l, unsigned shard);
bool line_is_broadcast(uint16_t kind); // is it line_broadcast's (true) or line_shard_take's?

// What is remembered, for answers. Only between epochs.
unsigned line_shards(const struct line *l);
const struct identify *line_identify(const struct line *l, unsigned shard);
const struct correlate *line_correlate(const struct line *l);
const struct desired *line_desired(const struct line *l);
const struct segment *line_segment(const struct line *l);
const struct decide *line_decide(const struct line *l);
const struct generation *line_generation(const struct line *l);
// What that detector remembers across containers; NULL: it does not run.
const void *line_detector(const struct line *l, const struct detector *d);
// What it remembers of single containers: a part a shard.
const void *const *line_detector_parts(const struct line *l, const struct detector *d);
struct detect_env line_env(const struct line *l, unsigned shard);
uint64_t line_now(const struct line *l);
int64_t line_wall_minus_boot(const struct line *l);
struct line_stats {
    uint64_t events, records, findings, findings_lost, repeats, malformed, refused_inputs;
    // Events whose container's facts came late: judged again; not, as no room was left or the facts
    // never came.
    uint64_t judged_again, not_judged_again;
};
void line_stats(const struct line *l, struct line_stats *ret);
