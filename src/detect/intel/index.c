// An immutable index over packed indicators: a hash for what is looked up whole (addresses, names,
// hashes of files), a path-compressed prefix tree for networks. It holds no copy of a value:
// entries point into the packed bytes. About 20 bytes an indicator beside those.
#include "detect/intel/internal.h"

enum { ADDRESS_BITS = 128, MAX_LABELS = 127 };

struct entry {
    uint32_t offset; // in its part's bytes
    uint32_t part;
    uint32_t next; // of the same bucket or node; 0: none, else number + 1
};
struct node {
    uint8_t prefix[16]; // IPv4 in the first four bytes
    uint32_t child[2];  // 0: none, else number + 1
    uint32_t entry;
    uint8_t bits;
};
struct index {
    const struct packed *parts;
    size_t parts_n;
    uint8_t key[16];
    struct entry *entries;
    uint32_t entries_n;
    uint32_t *buckets; // a power of two of them
    uint32_t mask;
    struct node *nodes;
    uint32_t nodes_n, nodes_cap;
    uint32_t root[2]; // IPv4, IPv6
    uint64_t counts[INDICATOR_TYPE_MAX];
};

// One that was checked when it came in.
static struct indicator at(const struct index *x, const struct entry *e)
{
    struct indicator i = {0};
    size_t offset = e->offset;
    int r = indicator_unpack(x->parts[e->part].bytes, &offset, &i);
    INVARIANT(r == 1);
    return i;
}

static uint32_t bucket(const struct index *x, enum indicator_type type, struct str value)
{
    uint8_t bytes[1 + MAX_INDICATOR_VALUE];
    size_t n = MIN(value.len, (size_t)MAX_INDICATOR_VALUE);
    bytes[0] = (uint8_t)type;
    memcpy(bytes + 1, value.ptr, n);
    return (uint32_t)hash_keyed(x->key, bytes, n + 1) & x->mask;
}

// ── the prefix tree ──────────────────────────────────────────────────────────────────────────

static unsigned bit(const uint8_t *address, unsigned n)
{
    return address[n / 8] >> (7 - n % 8) & 1;
}

// How many leading bits are equal, at most max.
static unsigned common(const uint8_t *a, const uint8_t *b, unsigned max)
{
    unsigned n = 0;
    while (n + 8 <= max && a[n / 8] == b[n / 8])
        n += 8;
    while (n < max && bit(a, n) == bit(b, n))
        n++;
    return n;
}

static uint32_t node_new(struct index *x, const uint8_t prefix[16], unsigned bits)
{
    INVARIANT(x->nodes_n < x->nodes_cap);
    struct node *n = &x->nodes[x->nodes_n++];
    *n = (struct node){.bits = (uint8_t)bits};
    memcpy(n->prefix, prefix, sizeof(n->prefix));
    return x->nodes_n;
}

static void node_entry(struct index *x, uint32_t node, uint32_t entry)
{
    x->entries[entry - 1].next = x->nodes[node - 1].entry;
    x->nodes[node - 1].entry = entry;
}

static void insert(struct index *x, const struct indicator *i, uint32_t entry)
{
    uint8_t prefix[16] = {0};
    memcpy(prefix, i->value.ptr, i->value.len);
    uint32_t *link = &x->root[i->value.len == 16];
    while (*link) {
        struct node *n = &x->nodes[*link - 1];
        unsigned same = common(prefix, n->prefix, MIN(i->bits, n->bits));
        if (same == n->bits && n->bits == i->bits) {
            node_entry(x, *link, entry);
            return;
        }
        if (same == n->bits) {
            link = &n->child[bit(prefix, same)];
            continue;
        }
        // They part here: a node between.
        uint32_t between = node_new(x, prefix, same), below = *link;
        x->nodes[between - 1].child[bit(n->prefix, same)] = below;
        *link = between;
        if (same == i->bits) {
            node_entry(x, between, entry);
            return;
        }
        link = &x->nodes[between - 1].child[bit(prefix, same)];
    }
    *link = node_new(x, prefix, i->bits);
    node_entry(x, *link, entry);
}

// ── building ─────────────────────────────────────────────────────────────────────────────────

static bool count(struct index *x)
{
    uint64_t n = 0, networks = 0;
    for (size_t p = 0; p < x->parts_n; p++) {
        struct indicator i;
        int r;
        for (size_t offset = 0; (r = indicator_unpack(x->parts[p].bytes, &offset, &i)) == 1; n++) {
            networks += i.type == INDICATOR_NETWORK;
            x->counts[i.type]++;
        }
        if (r < 0)
            return false;
    }
    uint32_t buckets = 16;
    while (buckets < n)
        buckets *= 2;
    x->mask = buckets - 1;
    x->nodes_cap = (uint32_t)networks * 2;
    x->entries = calloc(n + 1, sizeof(*x->entries));
    x->buckets = calloc(buckets, sizeof(*x->buckets));
    x->nodes = calloc((size_t)x->nodes_cap + 1, sizeof(*x->nodes));
    return x->entries && x->buckets && x->nodes;
}

struct index *index_build(const struct packed *parts, size_t n, const uint8_t key[16])
{
    struct index *x = calloc(1, sizeof(*x));
    if (!x)
        return NULL;
    x->parts = parts;
    x->parts_n = n;
    memcpy(x->key, key, sizeof(x->key));
    if (!count(x)) {
        index_free(x);
        return NULL;
    }
    for (size_t p = 0; p < n; p++) {
        struct indicator i;
        for (size_t offset = 0, before = 0; indicator_unpack(parts[p].bytes, &offset, &i) == 1;
             before = offset) {
            x->entries[x->entries_n++] = (struct entry){(uint32_t)before, (uint32_t)p, 0};
            if (i.type == INDICATOR_NETWORK) {
                insert(x, &i, x->entries_n);
                continue;
            }
            uint32_t b = bucket(x, i.type, i.value);
            x->entries[x->entries_n - 1].next = x->buckets[b];
            x->buckets[b] = x->entries_n;
        }
    }
    return x;
}

void index_free(struct index *x)
{
    if (!x)
        return;
    free(x->entries);
    free(x->buckets);
    free(x->nodes);
    free(x);
}

size_t index_bytes(const struct index *x)
{
    return sizeof(*x) + (size_t)x->entries_n * sizeof(*x->entries) +
           ((size_t)x->mask + 1) * sizeof(*x->buckets) + (size_t)x->nodes_cap * sizeof(*x->nodes);
}

uint64_t index_count(const struct index *x, enum indicator_type type)
{
    return type > 0 && type < INDICATOR_TYPE_MAX ? x->counts[type] : 0;
}

// ── finding ──────────────────────────────────────────────────────────────────────────────────

static void find_whole(const struct index *x, enum indicator_type type, struct str value,
                       bool below, index_take take, void *ctx)
{
    for (uint32_t e = x->buckets[bucket(x, type, value)]; e; e = x->entries[e - 1].next) {
        struct indicator i = at(x, &x->entries[e - 1]);
        if (i.type == type && str_eq(i.value, value) && (!below || (i.flags & BH_INDICATOR_BELOW)))
            take(ctx, x->entries[e - 1].part, &i);
    }
}

static void find_networks(const struct index *x, struct str address, unsigned bits, index_take take,
                          void *ctx)
{
    uint8_t bytes[16] = {0};
    memcpy(bytes, address.ptr, address.len);
    for (uint32_t at_node = x->root[address.len == 16]; at_node;) {
        const struct node *n = &x->nodes[at_node - 1];
        if (n->bits > bits || common(bytes, n->prefix, n->bits) < n->bits)
            return;
        for (uint32_t e = n->entry; e; e = x->entries[e - 1].next) {
            struct indicator i = at(x, &x->entries[e - 1]);
            take(ctx, x->entries[e - 1].part, &i);
        }
        at_node = n->bits < bits ? n->child[bit(bytes, n->bits)] : 0;
    }
}

// The name itself, then what lies above it, a label less each time.
static void find_name(const struct index *x, struct str name, bool below, index_take take,
                      void *ctx)
{
    find_whole(x, INDICATOR_DOMAIN, name, below, take, ctx);
    for (int labels = 0; labels < MAX_LABELS; labels++) {
        const char *dot = memchr(name.ptr, '.', name.len);
        if (!dot)
            return;
        name = (struct str){dot + 1, name.len - (size_t)(dot + 1 - name.ptr)};
        find_whole(x, INDICATOR_DOMAIN, name, true, take, ctx);
    }
}

void index_find(const struct index *x, const struct indicator *what, index_take take, void *ctx)
{
    if (!x || !what->value.len)
        return;
    switch (what->type) {
    case INDICATOR_ADDRESS:
        find_whole(x, INDICATOR_ADDRESS, what->value, false, take, ctx);
        find_networks(x, what->value, (unsigned)what->value.len * 8, take, ctx);
        return;
    case INDICATOR_NETWORK:
        find_networks(x, what->value, what->bits, take, ctx);
        return;
    case INDICATOR_DOMAIN:
        find_name(x, what->value, (what->flags & BH_INDICATOR_BELOW) != 0, take, ctx);
        return;
    case INDICATOR_SHA256:
    case INDICATOR_SHA1:
    case INDICATOR_MD5:
        find_whole(x, what->type, what->value, false, take, ctx);
        return;
    case INDICATOR_TYPE_MAX:
        return;
    }
}
