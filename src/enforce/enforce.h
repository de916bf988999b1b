// enforce: desired kernel state. The pure half (desired_*) turns policies and decisions into rows;
// the other half (reconcile_*) writes them to the kernel's maps, reads them back, renews leases,
// and says what came of it. Nothing else in the project writes to the rows' maps
// (tools/check-layers).
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "enforce/segment/segment.h"
#include "host/host.h"
#include "model/model.h"

// ── desired state: pure ──────────────────────────────────────────────────────────────────────
// A row exists once per owner, container and object; its number and id are made from these, so that
// the same policies and containers have the same rows after a restart. Policies concern OCI
// containers; a plain cgroup (a service of the host, say) only where their selector has a name, and
// never as "not in the image"; the host never.
enum { MAX_DESIRED_ROWS = 16384 };
struct desired;
struct desired *desired_new(void);
void desired_free(struct desired *d);
typedef void (*desired_emit)(void *ctx, const struct row *r, enum row_change change);
// A new generation: rows of policies that are gone are removed, of new ones added for each known
// container.
void desired_policies(struct desired *d, const struct documents *docs, uint64_t generation,
                      uint64_t now, desired_emit emit, void *ctx);
// A container got (new) facts, or is gone. The container is copied as far as it is needed.
void desired_container(struct desired *d, const struct container *c, uint64_t now,
                       desired_emit emit, void *ctx);
void desired_container_gone(struct desired *d, uint32_t number, uint64_t now, desired_emit emit,
                            void *ctx);
void desired_decision(struct desired *d, const struct decision *dec, uint64_t generation,
                      uint64_t now, desired_emit emit, void *ctx);
// A person's word: one more row of a kind that acts on a container; and the end of all rows of that
// kind (ROW_KIND_INVALID: of every kind that acts), whoever wanted them. How many there were.
struct act_word {
    enum row_kind kind;
    uint32_t container, uid;
    uint64_t until;
    struct str reason, allow;
    uint32_t cpu_pct, pids_max;
};
void desired_act(struct desired *d, const struct act_word *w, uint64_t generation, uint64_t now,
                 desired_emit emit, void *ctx);
size_t desired_lift(struct desired *d, uint32_t container, enum row_kind kind, uint64_t now,
                    desired_emit emit, void *ctx);
void desired_tick(struct desired *d, uint64_t now, desired_emit emit, void *ctx); // expiry
void desired_outcome(struct desired *d, const struct outcome *o);
// A person's word: "undo" of row number. -ENOENT.
int desired_undo(struct desired *d, uint64_t number, uint64_t now, desired_emit emit, void *ctx);
// The text of a BH_ADDRESSES record.
void desired_addresses(struct desired *d, struct str text);
// What the kernel shall judge connections by, when that is other than at the last call; else NULL.
const struct segment_tables *desired_tables(struct desired *d);
const struct segment *desired_segment(const struct desired *d);
struct row_state {
    const struct row *row;
    const struct outcome *outcome; // NULL: nothing came back yet
    bool shadowed;                 // a row of higher priority says otherwise
};
int desired_each(const struct desired *d, int (*f)(void *ctx, const struct row_state *s),
                 void *ctx);
const struct row *desired_row(const struct desired *d, uint64_t number); // also one that was undone
uint64_t desired_refused(const struct desired *d); // rows, containers that there was no room for

// ── reconciler ───────────────────────────────────────────────────────────────────────────────
struct reconcile;
struct guardian;
struct proof {
    const char *row_kind, *tier;
    enum bh_effect effect;
    bool proven;
    char text[200];
};
struct reconcile_options {
    const struct host *host;
    const struct host_caps *caps;
    // Of sense, by sense_map_fd(); 0 or less: the reconciler makes maps of its own (where there is
    // no sensor).
    int containers_map, settings_map, cgroups_map, rings_map, sequences_map, storms_map;
    const char *pin_dir;       // in a bpffs: rows and links outlive us till their lease ends; NULL:
                               // nothing is pinned
    uint64_t lease_ns;         // 0: rows end only by themselves
    struct guardian *guardian; // removes the self-proof's cgroup if we are gone; NULL: nobody does
    // How a container's level is set (sense_watch: it also attaches what the kinds need). NULL:
    // only the map is written.
    int (*set_level)(void *ctx, uint32_t container, uint8_t level, const struct bh_kind_set *kinds);
    void *set_level_ctx;
    // What a self-proof saw on this kernel a moment ago, by a reconciler without a sensor (whose
    // events it would be).
    const struct proof *proofs;
    size_t proofs_n;
};
// Loads bpf/enforce's programs (LSM where it loads, else the signal tier), adopts what an earlier
// agent left pinned.
int reconcile_open(const struct reconcile_options *o, struct reconcile **ret, struct error *err);
// release: remove rows, links and pins. Else enforcing rows stay until their lease ends, if they
// are pinned.
void reconcile_close(struct reconcile *r, bool release);
typedef void (*reconcile_emit)(void *ctx, const struct outcome *o);
// Makes the kernel agree with one row's change, reads back, and reports. Attaches programs with the
// first row that needs them and detaches them with the last.
void reconcile_row(struct reconcile *r, const struct row *row, enum row_change change,
                   reconcile_emit emit, void *ctx);
// Writes what network rows say together, and tells of each of them.
void reconcile_network(struct reconcile *r, const struct segment_tables *t, reconcile_emit emit,
                       void *ctx);
// Who talked with whom, as the kernel counted it. Nothing where no network row is wanted.
typedef int (*reconcile_flow)(void *ctx, const struct bh_flow_key *key, const struct bh_flow *flow);
int reconcile_flows(const struct reconcile *r, reconcile_flow f, void *ctx);
bool reconcile_counts_flows(const struct reconcile *r);
// Renews leases, reads back (1,024 rows a tick, in turn), removes what no row of ours wants, takes
// over what an earlier agent left: each of its rows under its container's new number, once sense's
// scan has given it one.
void reconcile_tick(struct reconcile *r, uint64_t now, reconcile_emit emit, void *ctx);
// The tier that exec rows have here: "lsm" or "signal", and the effect.
const char *reconcile_exec_tier(const struct reconcile *r, enum bh_effect *ret_effect);
// The first desired state is complete: what was taken over and no row of ours has claimed is
// removed. Without this call such rows end with their lease.
void reconcile_complete(struct reconcile *r);
// Self-proof: makes a scratch cgroup, tries what each row kind forbids, removes it. One result a
// kind. How many, or negative errno. Outcomes say `enforced` of what was proven here, from the next
// tick on.
enum { MAX_PROOFS = 8 };
int reconcile_prove(struct reconcile *r, struct proof *ret, size_t max, struct error *err);
// Removes pins and links that an agent left. Returns how many, for uninstall, stop --release and
// tests.
int reconcile_release_pins(const char *pin_dir, struct error *err);
// What is pinned there, for doctor.
int reconcile_list_pins(const char *pin_dir, struct buf *out);
