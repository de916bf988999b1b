// sense's own: what its files share.
#pragma once

#include "sense/sense.h"

#include "bpf/observe/call.bpf.h"

#include "bpf/observe.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

// Rings' descriptors and programs are few and known; these bound what grows with the load.
enum {
    MAX_BATCH = 2048,       // records looked at in one drain
    MAX_PENDING_GAPS = 512, // gaps of one ring that may still be filled by a late record
    MAX_PROGRAMS = 48,
    MAX_STORM_KEYS = 4096,
    MAX_SCAN_BYTES = 256 << 20,
    MAX_SCAN_CGROUPS = BH_MAX_CGROUPS,
    MAX_CGROUP_DEPTH = 64,
};
// A record's sequence number is taken before its place in the ring: what was interrupted in between
// comes late. A gap is reported when nothing filled it for so long.
#define GAP_GRACE_NS (20 * NSEC_PER_MSEC)
// How often an empty ring's sequence is compared with the kernel's, to find losses behind the last
// record.
#define TAIL_CHECK_NS (100 * NSEC_PER_MSEC)
// A backlog of bulk records may keep back younger critical ones, so that they come in order, but no
// longer than this.
#define MAX_ORDER_WAIT_NS (5 * NSEC_PER_MSEC)

// A burst is at most this share of a ring's reserved half, counted in records of a usual size.
enum { BURST_SHARES = 8, BURST_RECORD_BYTES = 256 };

struct gap {
    uint64_t first, last, after, before, noticed;
    uint32_t cpu;
};
// One cpu's sequence on one ring.
struct lane {
    uint64_t next;      // expected
    uint64_t last_time; // of the record before
    uint64_t unseen;    // the kernel's counter when the ring was last found empty
};
struct ring {
    int fd;
    volatile uint64_t *consumer;       // ours, the kernel reads it
    const volatile uint64_t *producer; // the kernel's
    const uint8_t *data;               // twice, back to back, so that no record wraps
    uint64_t size, read; // read: how far we looked; consumer follows when a batch is done
    struct lane *lanes;  // by cpu
    struct gap gaps[MAX_PENDING_GAPS];
    size_t gaps_n;
};
// A record of the batch, and where in its ring it begins.
struct batched {
    const struct bh_rec *rec;
    uint64_t time, at;
};
struct shard {
    struct ring rings[2];
    int epoll;
    uint64_t tail_checked;
    struct batched *batch; // MAX_BATCH of each ring, and both merged
    uint64_t *counters;    // by cpu: room for what the kernel's sequences say
    uint64_t records[2], bytes[2], lost, malformed;
};

struct program_row;
struct attached {
    const struct program_row *row;
    struct bpf_program *program;
    struct bpf_link *link; // NULL: not attached
};

struct storm_seen { // what was reported of a key so far
    struct bh_storm_key key;
    uint64_t count, last;
    uint64_t idle_since;
};

struct sense {
    const struct host *host;
    struct observe *skeleton;
    struct bh_settings *settings; // mapped: the kernel reads what we write
    size_t settings_bytes;
    unsigned shards, cpus;
    struct shard shard[BH_MAX_SHARDS];
    struct attached attached[MAX_PROGRAMS];
    size_t attached_n;
    struct interest interest;
    struct bh_kind_set watched; // kinds of single containers, all of them together
    bool open_by_kernel_hook;
    char sys_exit_reason[256];
    struct storm_seen *storms;
    size_t storms_n;
    uint64_t held_back;
};

// programs.c
struct optional_hooks {
    bool lsm, fentry; // of security_file_open
};
void programs_probe(const struct host *h, struct optional_hooks *ret); // by loading each alone
void programs_select(struct observe *o, const struct optional_hooks *hooks);
const char *
programs_refused(const struct observe *o); // after a load that failed: the first that isn't there
int programs_bind(struct sense *s, struct error *err);
// Attaches what the kinds of `any` need, detaches what they don't.
int programs_attach(struct sense *s, const struct bh_kind_set *any, struct error *err);
void programs_detach(struct sense *s);
void programs_calls(struct sense *s,
                    const struct bh_kind_set *any); // which system calls sys_exit looks at

// sense.c
struct container_change { // NULL: as it is
    uint64_t cgroup;      // for an entry that has to be made
    const uint32_t *state, *level;
    const struct bh_kind_set *kinds;
};
int container_entry_set(struct sense *s, uint32_t container, const struct container_change *change);

// stats.c
uint64_t symbol_address(const struct host *h,
                        const char *name); // of the kernel's data; 0: not told

// ring.c
int ring_map(struct ring *r, int fd, uint64_t size, unsigned cpus, struct error *err);
void ring_unmap(struct ring *r);
// Collects up to max finished records from r->read on; returns how many. *more: others lie behind
// them.
bool ring_waiting(const struct ring *r); // something is there that was not looked at
size_t ring_collect(struct ring *r, struct batched *to, size_t max, bool *more);
// Puts back what is younger than `time`, for the next batch; returns how many stay.
size_t ring_put_back(struct ring *r, const struct batched *batch, size_t n, uint64_t time);
void ring_consume(struct ring *r); // gives the kernel what was read
// Follows the sequence; a gap goes on the list. Returns a gap that must be reported now since the
// list is full.
bool ring_follow(struct ring *r, const struct bh_rec *rec, uint64_t now, struct gap *ret);
bool ring_gap_due(struct ring *r, uint64_t now, struct gap *ret);
void ring_tail(struct ring *r, const uint64_t *counters, unsigned cpus, uint64_t now);

// scan.c
int scan_baseline(struct sense *s,
                  struct error *err); // lets the kernel remember what each task is now
