// identify's own types: processes and containers as the tables hold them, the pools their strings
// live in, and what the files of this folder say to each other. Nothing here is seen outside.
#pragma once

#include "identify/identify.h"

#include <sys/queue.h>

// What a stranger can make many of, and how many are kept.
enum {
    MAX_PROCESSES_DEFAULT = 65536,
    MAX_BYTES_DEFAULT = 16 << 20,
    MAX_ANCESTRY = 64,  // generations of a chain before it is cut …
    KEEP_ANCESTRY = 32, // … to this many
    MAX_LABELS = 256,   // of one container
    MAX_MOUNT_FACTS = 256,
    MAX_SECRET_FACTS = 64,
    MAX_FACT_STRING = 4096,    // bytes of one string of a fact
    MAX_FACT_BYTES = 64 << 10, // of one container's facts; past it labels and mounts are left out
    MAX_FACT_TEXT = 1 << 20,   // of the JSON that brings them
    MAX_FACT_TRIES = 2,        // how often facts are asked for
    MAX_CUT_ARGS = 128, // bytes of arguments kept of an image where a container is over its share
    EVICT_LOOKS = 64,   // processes looked at to find one to let go
    EVICT_ROUNDS = 64,  // processes let go at most to make room for one image
    PROC_CHUNK = 512,   // processes allocated at a time
    REAP_BATCH = 8,     // reaped at most in one step
};
#define PROCESS_GRACE_NS                                                                           \
    (5 * NSEC_PER_SEC) // how long an ended process stays known for late records
#define CONTAINER_GRACE_NS (60 * NSEC_PER_SEC) // the same of a container
#define EVICT_NOTICE_NS    NSEC_PER_SEC // evictions are told at most so often for each container

// ── pool: blocks by size class with free lists over malloc ───────────────────────────────────
// A freed block waits in its class's list, so that a steady flow of execs allocates nothing. in_use
// counts whole blocks, so the limit is what memory really goes.
enum { POOL_STEP = 128, POOL_SMALL = 16, POOL_CLASSES = POOL_SMALL + 10 };
struct pool {
    void *free[POOL_CLASSES];
    size_t in_use, cached, limit;
};
void pool_done(struct pool *p);
// At least size bytes, not zeroed; NULL past the limit or without memory. *ret_class goes to
// pool_free.
void *pool_alloc(struct pool *p, size_t size, uint8_t *ret_class);
void pool_free(struct pool *p, void *block, uint8_t class);
size_t pool_class_bytes(uint8_t class);

// ── images ───────────────────────────────────────────────────────────────────────────────────
// One block each: the struct, then its strings. Shared by fork; copied when one sharer's
// credentials change.
struct img {
    struct image pub; // first: an image is an img
    uint32_t refs;
    uint32_t charged; // container number whose share it counts against
    uint32_t used;    // bytes of the block that are in use
    uint8_t class;
};

// ── processes ────────────────────────────────────────────────────────────────────────────────
struct reg;
struct proc {
    struct process pub; // first: a process is a proc
    struct proc *chain; // same bucket
    struct reg *reg;    // container by its own number (pub.container is the one it counts as)
    TAILQ_ENTRY(proc) in_reg;
    TAILQ_ENTRY(proc) in_grace;
    LIST_HEAD(proc_children, proc) children;
    LIST_ENTRY(proc) sibling;
    uint64_t moved;    // time of the record that last said which container
    uint64_t asserted; // time of the record that last changed credentials or namespaces
    uint32_t raw;      // container number that records carry
    uint16_t depth;    // ancestors kept, at most
    bool seen;         // an event since the evictor last looked
    bool grace;        // on the grace queue
    bool scanned;      // known from the scan; its lineage is settled at its end
};
TAILQ_HEAD(proc_list, proc);

// ── containers ───────────────────────────────────────────────────────────────────────────────
struct reg {
    struct container pub; // first: a container is a reg
    struct reg *chain;
    TAILQ_ENTRY(reg) order; // all, oldest first; or, when gone, in the order of going
    struct proc_list live, exited;
    uint32_t procs;
    uint32_t as;     // number of the container this cgroup belongs to after all; 0: itself
    uint32_t parent; // parent cgroup's container number
    size_t image_bytes;
    uint32_t init_tgid; // its first process: the one that ran its first program
    uint64_t init_start;
    uint64_t maker_dev, maker_ino; // the runtime's executable
    struct facts *facts;           // a block of the pool; NULL: pub.facts is the empty ones
    char *text;                    // a block of the pool: path, cwd, maker
    struct str cwd, maker;         // its maker's folder and program's name
    struct bh_nses nses;           // of its first program; mnt 0: not yet known
    uint64_t evicted, evicted_told, evict_time;
    uint64_t losses_before; // losses when it was made: none of them touched it
    uint8_t text_class, facts_class, asked, answered, rank;
    bool placeholder, sealed, entered, storm, host_mnt, no_bundle;
};
TAILQ_HEAD(reg_list, reg);

struct proc_chunk {
    struct proc_chunk *next;
    struct proc procs[PROC_CHUNK];
};

struct identify {
    struct identify_limits limits;
    struct identify_stats stats;
    struct pool images, facts;
    // processes
    struct proc **buckets;
    uint32_t bucket_mask;
    struct proc *free_procs; // by chain
    struct proc_chunk *chunks;
    struct proc_list grace;
    // containers
    struct reg *regs; // max_containers of them
    struct reg *free_regs;
    struct reg **reg_buckets;
    uint32_t reg_mask;
    struct reg_list live_regs, gone_regs;
    struct reg host;
    struct reg nowhere;       // stands in where the table is full
    struct bh_nses host_nses; // of PID 1
    uint32_t host_userns;
    uint64_t now; // latest record time
    uint64_t losses, losses_cleared, events;
    int64_t unexplained; // records missing that no storm has accounted for yet
    size_t regs_used;    // of regs, from the front
    bool scan_done;
    // of the step that is running
    const struct proc *acting; // never let go
    identify_notice notice;
    void *notice_ctx;
};

static inline struct proc *proc_of(const struct process *p)
{
    return (struct proc *)(uintptr_t)p;
}
static inline struct img *img_of(const struct image *m)
{
    return (struct img *)(uintptr_t)m;
}
static inline bool owns(const struct identify *i, uint32_t container)
{
    return container % i->limits.shards == i->limits.shard;
}

// images.c
struct img *img_new(struct identify *i, struct reg *r, const struct bh_rec *rec,
                    const struct bh_exec *x, const struct proc *keep);
struct img *img_ref(struct img *m);
void img_unref(struct identify *i, struct img *m);
// The process's own copy of its image, to be changed; NULL: no image or no memory.
struct img *img_own(struct identify *i, struct proc *p);
// Which of its images did what a record of this exec number says.
const struct image *img_pick(const struct proc *p, uint64_t exec);

// processes.c
int procs_init(struct identify *i);
void procs_done(struct identify *i);
struct proc *proc_find(const struct identify *i, uint32_t tgid, uint64_t start);
struct proc *proc_newest(const struct identify *i, uint32_t tgid);
// Room is made by evicting; keep is never evicted. NULL: no memory.
struct proc *proc_add(struct identify *i, uint32_t tgid, uint64_t start, uint32_t raw,
                      const struct proc *keep);
void proc_set_parent(struct identify *i, struct proc *p, struct proc *parent); // it has none yet
void proc_move(struct identify *i, struct proc *p, uint32_t raw, uint64_t time);
void proc_exit(struct identify *i, struct proc *p, uint64_t time);
void procs_reap(struct identify *i);
void procs_drop(struct identify *i, struct reg *r); // all of a container that is being forgotten
// Lets one of the container's processes go; false: there is none but keep.
bool proc_evict(struct identify *i, struct reg *r, const struct proc *keep);

// containers.c
int regs_init(struct identify *i);
void regs_done(struct identify *i);
struct reg *reg_find(const struct identify *i, uint32_t number);
// The container of a number: known, or a placeholder made now, or `nowhere` where the table is
// full.
struct reg *reg_get(struct identify *i, uint32_t number, uint64_t cgroup, uint64_t time);
struct reg *reg_counts_as(const struct identify *i, struct reg *r);
void reg_made(struct identify *i, const struct bh_rec *rec, const struct bh_cgroup *c);
void reg_removed(struct identify *i, const struct bh_rec *rec, const struct bh_cgroup *c);
void reg_entered(struct identify *i, struct reg *r, struct proc *p); // p NULL: someone unknown
void reg_exec(struct identify *i, struct reg *r, struct proc *p, const struct bh_rec *rec,
              const struct bh_exec *x);
void reg_task(struct identify *i, struct reg *r, struct proc *p, const struct bh_rec *rec,
              const struct bh_exec *x);
void regs_reap(struct identify *i);
void reg_evicted(struct identify *i, struct reg *r); // one of its processes was
void regs_tell_evictions(struct identify *i);
void reg_refresh(struct identify *i, struct reg *r); // what is computed on sight: lossy
void reg_take_fact(struct identify *i, const struct bh_rec *rec, struct str text);
// Tells the caller, if this shard owns the container number `of`.
void tell(struct identify *i, uint32_t of, enum notice_kind kind, const struct reg *r,
          uint64_t cgroup, struct str text);

// facts.c
struct fact_extra { // what a fact says beside struct facts
    struct str id, bundle;
    enum tri host_mnt;
    bool plain; // no bundle, or another cgroup's: nothing else is set then
};
// Reads JSON, merges it with what is known (by rank of source), packs it. Strings of *ret_extra lie
// in the packed block, so they live as long as *ret. -EBADMSG: not a fact. -ESTALE: says less than
// what is known. -ENOMEM: a container, but there is no room for what is said of it.
int facts_read(struct identify *i, const struct reg *r, struct str text, struct facts **ret,
               uint8_t *ret_class, uint8_t *ret_rank, struct fact_extra *ret_extra);
extern const struct facts facts_none, facts_no_room, facts_apart;
// Container id from a cgroup's path: its last component without what runtimes put around it.
struct str id_of_cgroup(struct str path);
// Does this cgroup's path fit what the bundle says (linux.cgroupsPath)?
bool cgroup_fits(struct str path, struct str cgroups_path);

// lineage.c
uint64_t lineage_new(const struct proc *p);
void lineage_fork(struct identify *i, struct proc *child);
void lineage_entry(struct proc *p); // it came into its container
void lineage_scan_done(struct identify *i);
