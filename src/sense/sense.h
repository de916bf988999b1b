// sense: BPF programs loaded and attached, rings drained in order, losses made exact, the scan at
// start, the resource sampler. A capture file is one more source of the same records
// (model's segment reader; src/agent/replay.c). Owned by agent/'s core thread, but
// sense_drain(shard) may run on that shard's thread.
#pragma once

#include "base/base.h"
#include "host/host.h"
#include "model/model.h"

struct sense;
struct sense_options {
    const struct host *host;
    unsigned shards;
    uint64_t ring_critical_bytes, ring_bulk_bytes; // powers of two, pages
    uint64_t budget_critical, budget_bulk;         // records/s reserved per container
    struct interest interest;
};
// Loads and attaches all programs that the interest asks for. Records begin to flow at once;
// nothing is lost between attaching and the first drain as long as the rings hold it.
int sense_open(const struct sense_options *o, struct sense **ret, struct error *err);
void sense_close(struct sense *s); // detaches everything
// Changes what the kernel sends; attaches and detaches sys_exit as needed. Takes effect before it
// returns.
int sense_set_interest(struct sense *s, const struct interest *i, struct error *err);
const char *
sense_sys_exit_reason(const struct sense *s); // kinds that keep it attached, "" if it isn't

// A descriptor to wait on for one shard. It becomes readable only after sense_park().
int sense_fd(struct sense *s, unsigned shard);
// Before sleeping on the descriptors. True: the next record makes its shard's readable. False:
// records are there, drain first. Whoever doesn't sleep looks again by himself, after a moment: a
// wake-up costs the task that makes the record more than the record does.
bool sense_park(struct sense *s);
// Takes up to max records of the shard's two rings, bulk before critical, merged by time, with
// BH_LOSS records where a sequence has a gap; calls take() for each. The pointer is good during the
// call. Returns how many, or negative errno (take()'s own negative result stops and is returned).
typedef int (*sense_take)(void *ctx, const struct bh_rec *rec);
int sense_drain(struct sense *s, unsigned shard, unsigned max, sense_take take, void *ctx);
// What budgets held back since the last call, as BH_STORM records, to the owning shard's take().
int sense_storms(struct sense *s, uint64_t now, sense_take take, void *ctx);
// The scan: BH_CGROUP_SCAN for each cgroup (parents first), then BH_TASK for each process (parents
// first where possible). Run after sense_open; what the rings carry meanwhile is newer (start and
// exec tell).
int sense_scan(struct sense *s, sense_take take, void *ctx, struct error *err);
// Reads a container's usage: cgroup files (v2, or v1 in a hybrid), network of `pid`'s namespace.
// Unreadable: ~0.
int sense_sample(struct sense *s, uint32_t container, struct str cgroup_path, uint32_t pid,
                 struct bh_resource *ret);

// Shared maps, for enforce/: "cgroups", "containers", "settings", "rings". -ENOENT.
int sense_map_fd(const struct sense *s, const char *name);
// Marks a cgroup as a container of its own (what is made below it stays it), or a container's level
// and kinds.
int sense_seal(struct sense *s, uint64_t cgroup, uint32_t container);
// Says that a cgroup is a plain one: from now on only the host's kinds are sent of it. Until one of
// the two is said of a new cgroup, both the host's and the containers' kinds are.
int sense_plain(struct sense *s, uint64_t cgroup, uint32_t container);
// A container is watched at `level`, with these kinds beyond the common ones (NULL: none). Attaches
// what they need.
int sense_watch(struct sense *s, uint32_t container, uint8_t level, const struct bh_kind_set *kinds,
                struct error *err);
int sense_forget(struct sense *s, uint64_t cgroup, uint32_t container); // after it is gone
int sense_heartbeat(struct sense *s, uint64_t now);

struct sense_stats {
    uint64_t records[2], bytes[2], lost, held_back, missed /* recursion */;
    uint64_t map_bytes; // memory of all maps
};
void sense_stats(const struct sense *s, struct sense_stats *ret);
// Each loaded program: name, attach point, whether attached, verified instructions, run count. For
// doctor and dump.
typedef void (*sense_program_cb)(void *ctx, const char *name, const char *attach, bool attached,
                                 uint32_t instructions);
void sense_programs(const struct sense *s, sense_program_cb cb, void *ctx);
