// agent/'s own types: the shard of the line.
#pragma once

#include "agent/line.h"

// A notice kept until the epoch ends, when nothing moves and identify can be asked again.
struct kept_notice {
    enum notice_kind kind;
    uint32_t container;
    uint64_t cgroup;
    struct str text;
};
struct kept_finding {
    struct finding *finding;
    uint64_t order; // within the shard and epoch
};
struct kept_write { // a file opened for writing: what correlate may join by
    uint64_t lineage, dev, ino, time;
    uint32_t container;
    struct str path;
};
struct shard {
    struct line *line;
    unsigned number;
    struct identify *identify;
    struct rule_scratch *scratch;
    struct arena *arena; // of one epoch
    struct kept_notice *notices;
    size_t notices_n, notices_cap;
    struct kept_finding *findings;
    size_t findings_n, findings_cap;
    struct kept_write *writes;
    size_t writes_n, writes_cap;
    struct repeats *repeats;
    struct again *again;
    uint64_t events, records, malformed, findings_lost;
};

struct running { // a detector at work
    const struct detector *detector;
    void *whole;
    void *parts[BH_MAX_SHARDS];
};

struct line {
    unsigned shards_n;
    struct shard *shards;
    struct line_sinks sinks;
    struct arena *hostname_arena;
    struct str hostname;
    int64_t wall_minus_boot;
    uint64_t now;
    struct generation *generation;
    struct correlate *correlate;
    struct decide *decide;
    struct desired *desired;
    struct running *running;
    size_t running_n;
    // broadcast inputs for what works across containers, kept until the epoch's end
    struct buf inputs;
    struct arena *arena; // of one epoch
    uint64_t findings, refused;
};

int shard_init(struct shard *s, struct line *l, unsigned number);
void shard_done(struct shard *s);
int shard_take(struct shard *s, const struct bh_rec *rec);
void shard_epoch_done(struct shard *s);
struct detect_env shard_env(const struct shard *s);
void shard_finding(void *ctx, const struct finding *f); // a detect_emit; ctx: the shard
// A met row is a finding; made from the verdict's event, its row's words are filled in at the
// epoch's end.
bool verdict_finding(const struct detect_env *env, const struct event *e, struct finding *ret);

void verdict_name(struct line *l, struct finding *f); // at the epoch's end
// The same of a row on the network.
bool verdict_net_finding(const struct detect_env *env, const struct event *e, struct arena *a,
                         struct finding *ret);
void verdict_net_name(struct line *l, struct finding *f);

// Judged again: events of containers whose facts are asked for wait until those are there
// (again.c).
enum {
    MAX_AGAIN = 2048,              // events that wait, per shard
    MAX_AGAIN_PER_CONTAINER = 256, // … and of one container
    MAX_AGAIN_BYTES = 4 << 20,     // they keep in use, per shard; of one container an eighth
    MAX_AGAIN_FIRED = 64,          // rules that fired on one of them
};
#define AGAIN_NS (10 * NSEC_PER_SEC) // how long one waits
struct again *again_new(void);
void again_free(struct shard *s); // before identify_free
// Runs the rules of the generation in force on an event, and keeps it if its container's facts are
// awaited.
void again_match(struct shard *s, const struct detect_env *env, const struct event *e);
// After a fact or a tick: judges what need not wait any longer.
void again_judge(struct shard *s, uint64_t now);
struct again_stats {
    uint64_t judged, refused, expired; // refused: no room was left
};
void again_stats(const struct again *a, struct again_stats *add_to);

// Repeats: the same finding of the same process again within REPEAT_NS is counted, and said once at
// its end.
enum { MAX_REPEATS = 4096 };
#define REPEAT_NS (10 * NSEC_PER_SEC)
struct repeats *repeats_new(void);
void repeats_free(struct repeats *r);
// True: emit it. False: it was counted.
bool repeats_pass(struct repeats *r, const struct finding *f);
// Calls emit for each finding that was held back and whose time is over (f->output says how often).
void repeats_tick(struct repeats *r, uint64_t now, detect_emit emit, void *ctx);
uint64_t repeats_held(const struct repeats *r);
