// RFC 6962 hashing, the right edge of a growing tree, inclusion paths.
#include "record/ledger/merkle.h"

#include <errno.h>
#include <sodium.h>

struct hash hash_leaf(struct str entry)
{
    static const uint8_t prefix = 0x00;
    crypto_hash_sha256_state s;
    struct hash h;
    crypto_hash_sha256_init(&s);
    crypto_hash_sha256_update(&s, &prefix, 1);
    crypto_hash_sha256_update(&s, (const uint8_t *)entry.ptr, entry.len);
    crypto_hash_sha256_final(&s, h.bytes);
    return h;
}

struct hash hash_node(const struct hash *left, const struct hash *right)
{
    uint8_t bytes[1 + 2 * HASH_BYTES] = {0x01};
    struct hash h;
    memcpy(bytes + 1, left->bytes, HASH_BYTES);
    memcpy(bytes + 1 + HASH_BYTES, right->bytes, HASH_BYTES);
    crypto_hash_sha256(h.bytes, bytes, sizeof(bytes));
    return h;
}

int tree_add(struct tree *t, const struct hash *leaf, tree_full_fn *full, void *ctx)
{
    struct hash h = *leaf;
    int r = 0;
    // As in adding one to a binary number: each carry joins two subtrees. Every eighth carry fills
    // a place in a tile.
    for (unsigned b = 0;; b++) {
        unsigned level = b / 8;
        if (b % 8 == 0 && level < TILE_LEVELS) {
            unsigned at = tree_width(t->size, level);
            t->tile[level][at] = h;
            if (at == TILE_WIDTH - 1 && full && r == 0)
                r = full(ctx, level, t->size >> (8 * (level + 1)), t->tile[level]);
        }
        if (!(t->size >> b & 1)) {
            t->peak[b] = h;
            break;
        }
        h = hash_node(&t->peak[b], &h);
    }
    t->size++;
    return r;
}

struct hash tree_root(const struct tree *t)
{
    struct hash root = {{0}};
    bool any = false;
    for (unsigned b = 0; b < 64; b++) {
        if (!(t->size >> b & 1))
            continue;
        root = any ? hash_node(&t->peak[b], &root) : t->peak[b];
        any = true;
    }
    if (!any)
        crypto_hash_sha256(root.bytes, NULL, 0);
    return root;
}

struct hash merkle_perfect(const struct hash *hashes, unsigned height)
{
    if (height == 0)
        return hashes[0];
    struct hash left = merkle_perfect(hashes, height - 1),
                right = merkle_perfect(hashes + (1u << (height - 1)), height - 1);
    return hash_node(&left, &right);
}

void tree_peaks(struct tree *t)
{
    for (unsigned b = 0; b < 64; b++) {
        if (!(t->size >> b & 1))
            continue;
        unsigned k = b % 8, width = tree_width(t->size, b / 8);
        t->peak[b] = merkle_perfect(&t->tile[b / 8][(width >> (k + 1)) << (k + 1)], k);
    }
}

// Largest power of two below n, as its exponent; n ≥ 2.
static unsigned split(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n - 1);
}

// MTH of leaves [first, first + n). first is a multiple of the power of two at or above n's split.
static int range(uint64_t first, uint64_t n, node_fn *node, void *ctx, struct hash *ret)
{
    if ((n & (n - 1)) == 0) {
        unsigned height = (unsigned)__builtin_ctzll(n);
        return node(ctx, height, first >> height, ret);
    }
    unsigned k = split(n);
    struct hash left, right;
    int r = node(ctx, k, first >> k, &left);
    if (r == 0)
        r = range(first + (1ULL << k), n - (1ULL << k), node, ctx, &right);
    if (r == 0)
        *ret = hash_node(&left, &right);
    return r;
}

int merkle_path(uint64_t index, uint64_t size, node_fn *node, void *ctx,
                struct hash path[MAX_PROOF], size_t *ret_n)
{
    uint64_t first = 0, n = size;
    size_t steps = 0;
    if (index >= size)
        return -EINVAL;
    // From the root down; the path is the siblings in the other order.
    while (n > 1) {
        uint64_t k = 1ULL << split(n);
        bool left = index - first < k;
        int r = left ? range(first + k, n - k, node, ctx, &path[steps])
                     : range(first, k, node, ctx, &path[steps]);
        if (r < 0)
            return r;
        steps++;
        first = left ? first : first + k;
        n = left ? k : n - k;
    }
    for (size_t i = 0; i < steps / 2; i++) {
        struct hash h = path[i];
        path[i] = path[steps - 1 - i];
        path[steps - 1 - i] = h;
    }
    *ret_n = steps;
    return 0;
}

int merkle_check(const struct hash *leaf, uint64_t index, uint64_t size, const struct hash *path,
                 size_t n, const struct hash *root)
{
    if (index >= size)
        return -EBADMSG;
    uint64_t fn = index, sn = size - 1;
    struct hash h = *leaf;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return -EBADMSG;
        if ((fn & 1) || fn == sn) {
            h = hash_node(&path[i], &h);
            while (!(fn & 1) && fn) {
                fn >>= 1;
                sn >>= 1;
            }
        } else
            h = hash_node(&h, &path[i]);
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && hash_eq(&h, root) ? 0 : -EBADMSG;
}
