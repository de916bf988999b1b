// What lies where in a ledger's folder, and the bytes of an entry (docs/formats/ledger.md).
//   checkpoint            latest signed tree head, C2SP tlog-checkpoint
//   tile/<L>/<N>[.p/<W>]  hashes, C2SP tlog-tiles; partial ones only for the latest checkpoint
//   tile/entries/<N>…     entries
//   keys/<n>              how the n-th key came into force, with the last checkpoint of the key
//   before key, key.next         the signing key; key.next only while one takes over from the other
//   tail                  entries that no checkpoint covers yet
#pragma once

#include "record/io.h"
#include "record/ledger/note.h"

enum {
    MAX_ENTRY = 65535, // C2SP bundles: uint16 lengths
    ENTRY_HEAD = 12,   // version, kind, flags, 0, wall_ns
    MAX_PART = MAX_ENTRY - ENTRY_HEAD,
    MAX_PARTS = 64, // of one payload
    MAX_PAYLOAD = MAX_PART * MAX_PARTS,
    ENTRY_VERSION = 1,
    ENTRY_MORE = 1,      // the payload goes on in the next entry
    ENTRY_CONTINUES = 2, // it began in an entry before
    MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY),
    MAX_KEYS = 1 << 24,
};

struct entry_view {
    enum entry_kind kind;
    uint8_t flags;
    uint64_t wall_ns;
    struct str payload;
};
void entry_make(struct buf *b, enum entry_kind kind, uint8_t flags, uint64_t wall_ns,
                struct str payload);
int entry_parse(struct str bytes, struct entry_view *ret); // 0 or -EBADMSG
// The whole payload of an ENTRY_KEY.
void key_payload(struct buf *b, uint64_t number, const struct vkey *key);
void drop_payload(struct buf *b, uint64_t before);
int drop_parse(struct str payload, uint64_t *ret_before);

// bundle: a uint16 big-endian length, the entry, and so on.
void bundle_add(struct buf *b, struct str entry);
int bundle_next(struct str *rest, struct str *ret); // 1: an entry, 0: end, -EBADMSG

// "<prefix>/x001/x234/067.p/5"; width 0 or TILE_WIDTH: full.
void layout_path(char out[MAX_RECORD_PATH], const char *prefix, uint64_t n, unsigned width);
#define PATH_ENTRIES "tile/entries"
#define PATH_KEYS    "keys"
void layout_tile_path(char out[MAX_RECORD_PATH], unsigned level, uint64_t n, unsigned width);
// How wide tile n of a level is in a tree of this size: 0 to TILE_WIDTH.
unsigned layout_width(uint64_t size, unsigned level, uint64_t n);
// Reads tile n, as wide as a tree of this size has it. 0, -ENOENT, -EUCLEAN (wrong length) or what
// reading said.
int layout_tile(int dirfd, uint64_t size, unsigned level, uint64_t n, struct hash tile[TILE_WIDTH]);
int layout_bundle(int dirfd, uint64_t size, uint64_t n, struct buf *b);
int layout_checkpoint(int dirfd, struct buf *note);

// keys/<n>
struct certificate {
    uint64_t number;
    struct vkey key;
    uint64_t index;   // of the ENTRY_KEY that names it; none for number 0
    struct buf entry; // that entry's bytes
    struct buf note;  // the checkpoint by the key before that covers it, and nothing after it
};
void certificate_done(struct certificate *c);
void certificate_text(struct buf *b, const struct certificate *c);
// 0, -ENOENT, -EUCLEAN (it isn't one)
int certificate_read(int dirfd, uint64_t number, struct certificate *ret);
// Does the key before vouch for it: note, size, entry? *ret: that checkpoint's tree.
int certificate_check(const struct certificate *c, const struct vkey *before,
                      struct tree_head *ret);

// tail: frames of entries from `first` on. Each says its index's and entry's hash, so that old
// bytes behind a new beginning are not taken for entries.
void tail_head(struct buf *b, uint64_t first);
void tail_frame(struct buf *b, uint64_t index, struct str entry);
enum { MAX_TAIL = 64 << 20 };
// Calls f for each whole entry, in order. 0: clean end; *ret_good: bytes up to there. 1: the end is
// cut. -EBADMSG: what follows there is damaged. Else what f answered.
int tail_walk(struct str tail, int (*f)(void *ctx, uint64_t index, struct str entry), void *ctx,
              size_t *ret_good);
