// Merkle trees as RFC 6962 section 2.1 hashes them, cut into tiles as C2SP tlog-tiles does: 256
// hashes a tile.
#pragma once

#include "base/base.h"

enum {
    HASH_BYTES = 32,
    TILE_WIDTH = 256,
    TILE_BYTES = TILE_WIDTH * HASH_BYTES,
    TILE_LEVELS = 8, // 256^8 entries
    MAX_PROOF = 64,  // hashes in an inclusion path
};
struct hash {
    uint8_t bytes[HASH_BYTES];
};
static inline bool hash_eq(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_BYTES) == 0;
}
struct hash hash_leaf(struct str entry); // SHA-256(0x00 ‖ entry)
struct hash hash_node(const struct hash *left,
                      const struct hash *right); // SHA-256(0x01 ‖ left ‖ right)

// A tree's right edge: what is needed to add leaves and to name its root. 66 KiB.
struct tree {
    uint64_t size;
    struct hash peak[64]; // [b]: of the perfect subtree of 2^b leaves, where size has bit b
    struct hash tile[TILE_LEVELS]
                    [TILE_WIDTH]; // the rightmost tile of each level, as far as it is filled
};
// Called for each tile that becomes full. Nonzero: tree_add returns it (the leaf is added all the
// same).
typedef int tree_full_fn(void *ctx, unsigned level, uint64_t n, const struct hash tile[TILE_WIDTH]);
int tree_add(struct tree *t, const struct hash *leaf, tree_full_fn *full, void *ctx);
struct hash tree_root(const struct tree *t);
static inline unsigned tree_width(uint64_t size,
                                  unsigned level) // of the rightmost tile, 0 if it has none
{
    return (unsigned)(size >> (8 * level)) & (TILE_WIDTH - 1);
}
// From size and tiles, as loaded from disk: sets the peaks.
void tree_peaks(struct tree *t);

// Inclusion: path from the leaf's sibling upwards. node(): hash of the perfect subtree of 2^height
// leaves whose first leaf is index·2^height. 0, or what node() answered.
typedef int node_fn(void *ctx, unsigned height, uint64_t index, struct hash *ret);
int merkle_path(uint64_t index, uint64_t size, node_fn *node, void *ctx,
                struct hash path[MAX_PROOF], size_t *ret_n);
// RFC 9162 section 2.1.3.2. 0 or -EBADMSG.
int merkle_check(const struct hash *leaf, uint64_t index, uint64_t size, const struct hash *path,
                 size_t n, const struct hash *root);
// Root of 2^height hashes.
struct hash merkle_perfect(const struct hash *hashes, unsigned height);
