// The reconciler's insides, shared by reconcile.c and prove.c. enforce's own files only.
#pragma once

#include "adopt.h"
#include "enforce/act/act.h"
#include "internal.h"
#include "kernel.h"
#include "network.h"
#include "pins.h"

enum { RECONCILE_BUCKETS = 4096, VERIFY_PER_TICK = 1024, SWEEP_PER_TICK = 4096 };

enum told { TOLD_NOTHING, TOLD_IN_FORCE, TOLD_ENFORCED, TOLD_SHADOWED, TOLD_FAILED, TOLD_LOST };

// A row that is wanted, and what the kernel has of it.
struct entry {
    TAILQ_ENTRY(entry) next;
    struct entry *next_number, *next_slot;
    struct row *row;
    uint64_t until, ctime; // as written; the lease's end, wall time
    enum told told;        // what was said of it last
};
TAILQ_HEAD(entry_list, entry);

struct reconcile {
    struct reconcile_options o;
    char *pin_dir;
    struct host_caps caps;
    struct kernel kernel;
    struct pin_set pins; // ours; path "" while nothing is pinned
    int pin_error;
    struct adoption old;
    struct entry_list entries; // the one looked at longest ago first
    struct entry *by_number[RECONCILE_BUCKETS], *by_slot[RECONCILE_BUCKETS];
    size_t entries_n, exec_n;
    struct bh_exec_key sweep; // where the last tick's sweep ended
    bool sweep_on;
    bool proven[BH_OBJECT_MAX], acts_proven[ROW_KIND_MAX];
    struct acts *acts;
    struct error said; // by the last act, of the row that is told about now
    struct network network;
};
// Attaches the program, and pins it with the maps where there is a place for that.
int reconcile_attach(struct reconcile *r);
// Detaches it if no row needs it.
void reconcile_detach_if_idle(struct reconcile *r);
// Remembers what a proof says of an exec row's object.
void reconcile_believe(struct reconcile *r, const struct proof *p);
int reconcile_set_level(struct reconcile *r, uint32_t container, uint8_t level);
