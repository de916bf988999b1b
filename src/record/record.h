// record: the ledger (a transparency log), the segment store, retention.
#pragma once

#include "base/base.h"
#include "model/model.h"

// All writing goes through these, so that tests can stop after the k-th one. NULL members: the
// system's.
struct record_io {
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    int (*fsync)(int fd);
    int (*rename)(int olddir, const char *old, int newdir, const char *name);
};

// ── ledger: RFC 6962 hashing, C2SP tiles, signed checkpoints, a chain of keys ────────────────
struct ledger;
struct ledger_options {
    const char *origin; // "bulkhead.io/ledger/<host id>"
    const struct record_io *io;
    uint64_t key_entries; // a key signs at most so many, then its successor takes over; 0: 65536
};
// Opens or creates it below dirfd (which must stay open); a new key takes over. -EBUSY: another
// process has it. A torn tail beyond the last checkpoint is repaired (what is whole is kept), and
// said in *ret_repaired. -EUCLEAN: what a checkpoint covers is broken.
int ledger_open(int dirfd, const struct ledger_options *o, struct ledger **ret,
                struct buf *ret_repaired, struct error *err);
void ledger_close(struct ledger *l);
// Appends; durable only with the next checkpoint. *ret_index from 0. A payload over 65,523 bytes
// takes several entries (-EMSGSIZE over 4 MiB). Makes a checkpoint itself when too much is pending.
// On an error nothing is appended.
int ledger_append(struct ledger *l, enum entry_kind kind, uint64_t wall_ns, struct str payload,
                  uint64_t *ret_index, struct error *err);
// Signs the tree as it is, durably: entries and tiles first, then the checkpoint.
int ledger_checkpoint(struct ledger *l, struct error *err);
// Retention: gives up the payloads before this index (rounded down to whole bundles of 256); hashes
// stay. Says so in the log first. *ret_before: what is gone from here on down.
int ledger_drop(struct ledger *l, uint64_t before, uint64_t *ret_before, struct error *err);
uint64_t ledger_size(const struct ledger *l);
uint64_t ledger_checkpointed(const struct ledger *l);
bool ledger_dirty(const struct ledger *l);
const char *
ledger_first_key(const struct ledger *l); // C2SP vkey of the first key: what a verifier keeps

struct ledger_report {
    bool ok;
    uint64_t entries, checkpoints, keys;
    uint64_t bad_index; // first bad entry, UINT64_MAX: none
    char problem[512];  // one sentence; empty if ok
    char origin[256], first_key[256], root[65], time[40];
};
// Reads only. first_key NULL: the one in the folder (says so). Checks every entry, tile, checkpoint
// and key.
int ledger_verify(int dirfd, const char *first_key, struct ledger_report *ret, struct error *err);
// A self-contained proof (JSON) that entry `index` is in the log: entry, inclusion path,
// checkpoint.
int ledger_prove(int dirfd, uint64_t index, struct buf *out, struct error *err);
// Checks such a proof. 0, -EBADMSG.
int ledger_check_proof(struct str proof, const char *first_key, struct error *err);
// Entries from..: payloads as they were appended (index: the first of a payload's entries), as far
// as the checkpoint goes. f returns nonzero to stop. The hashes are not checked: ledger_verify
// does.
struct ledger_entry {
    uint64_t index, wall_ns;
    enum entry_kind kind;
    struct str payload;
    bool dropped; // retention took the payload; the hash stays
};
int ledger_read(int dirfd, uint64_t from, uint64_t n,
                int (*f)(void *ctx, const struct ledger_entry *e), void *ctx, struct error *err);

// ── recorder and store ───────────────────────────────────────────────────────────────────────
// One per shard: records are copied here once; events point into it. Chunks that hold something
// worth keeping are sealed into segment files; the rest is overwritten and was never claimed.
struct recorder;
struct recorder_options {
    int dirfd; // segments/
    unsigned shard;
    uint64_t chunk_bytes;  // default 256 KiB
    uint64_t memory_bytes; // default 4 MiB
    uint64_t store_bytes;  // files kept in all, oldest dropped first
    struct segment_info info;
    const struct record_io *io;
};
int recorder_open(const struct recorder_options *o, struct recorder **ret, struct error *err);
void recorder_close(struct recorder *r);
// Copies; *ret is the copy, good until half of memory_bytes more have been recorded. segment and
// offset (bytes behind the segment's first record) name it for evidence. No memory is allocated and
// no file touched. -EMSGSIZE: larger than a chunk, -EBADMSG: malformed; not recorded then, and no
// output is set.
int recorder_take(struct recorder *r, const struct bh_rec *rec, const struct bh_rec **ret,
                  uint64_t *ret_segment, uint64_t *ret_offset);
void recorder_keep(struct recorder *r, uint64_t segment); // something cites it
// The record that a citation names, while it is in memory. NULL: not any more.
const struct bh_rec *recorder_find(struct recorder *r, uint64_t segment, uint64_t offset);
// What is watched of a container from here on. Before each seal, for every container that there is:
// those not named are gone. lost: records of it held back or lost in this time.
void recorder_coverage(struct recorder *r, uint32_t container, const struct bh_kind_set *kinds,
                       uint8_t level, uint64_t lost);
// Seals what is kept and full or older than age_ns (0: all that is kept); calls sealed() for each
// file that is now durable. On an error the rest stays in memory and is tried again the next time.
struct sealed_segment {
    uint64_t segment;
    unsigned shard;
    char name[64];
    uint8_t sha256[32];
    uint64_t bytes, records, first, last;
    struct str coverage;
};
int recorder_seal(struct recorder *r, uint64_t now, uint64_t age_ns,
                  void (*sealed)(void *ctx, const struct sealed_segment *s), void *ctx,
                  struct error *err);
// The same in three steps, for whoever must not wait for a disk: cut on the recorder's thread,
// write on any, done on the recorder's again.
struct segment_cut {
    struct sealed_segment sealed; // coverage points into the cut
    struct buf bytes, coverage;
};
// Cuts the next one that is due. 1: *ret is its, to be ended by recorder_done(); 0: none is due;
// -ENOMEM.
int recorder_cut(struct recorder *r, uint64_t now, uint64_t age_ns, struct segment_cut *ret);
// Hashes it and makes its file durable. dirfd, io: the recorder's.
int segment_cut_write(struct segment_cut *cut, const struct record_io *io, int dirfd,
                      struct error *err);
// What became of a cut: 0, it is durable; else it waits again. Frees the cut. Drops the oldest
// files. Returns an error of the store's own.
int recorder_done(struct recorder *r, struct segment_cut *cut, int result, struct error *err);
int recorder_dirfd(const struct recorder *r);
// Around a round of cuts: coverage moves on; what no chunk in memory needs of it is forgotten.
void recorder_turn(struct recorder *r);
void recorder_forget(struct recorder *r);
// Finds the record an evidence citation names in the sealed files. 0 and appended to *ret, -ENOENT,
// -EBADMSG (damaged).
int store_find(int dirfd, unsigned shard, uint64_t segment, uint64_t offset, struct buf *ret,
               struct error *err);
// The same by its position among all records that this shard's recorder took in its run (from 1)
// and its time, where a citation has only these. boot: the boot id, empty for any.
int store_find_position(int dirfd, unsigned shard, uint64_t position, struct boot_ns time,
                        struct str boot, struct buf *ret, struct error *err);
