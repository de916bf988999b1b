// A set of keys with the windows that each was seen in. Folders and addresses are a tree: where
// one place has more than MAX_CHILDREN, all that lies below is one item ("…/**") with their counts
// together.
//
// What holds: what a set looks like depends on what was put in and not on the order (as long as its
// limit is not met, which is counted), so that merging is associative and commutative.
#include "detect/profile/internal.h"

#include <errno.h>

enum { FIRST_ITEMS = 16, ITEM_BYTES = sizeof(struct item) + 2 * sizeof(uint32_t) + 16 };

#define BELOW STR("/**")

void set_init(struct set *s, bool tree, uint32_t limit)
{
    *s = (struct set){.tree = tree, .limit = limit};
}

void set_done(struct set *s)
{
    for (uint32_t i = 0; i < s->used; i++)
        free(s->items[i].key);
    free(s->items);
    free(s->buckets);
    *s = (struct set){.tree = s->tree, .limit = s->limit};
}

static struct str key_of(const struct item *i)
{
    return (struct str){i->key, i->len};
}

static uint32_t *bucket(const struct set *s, struct str key)
{
    return &s->buckets[hash64(key.ptr, key.len) & (s->buckets_n - 1)];
}

static struct item *find(const struct set *s, struct str key)
{
    if (!s->buckets_n)
        return NULL;
    for (uint32_t at = *bucket(s, key); at; at = s->items[at - 1].next)
        if (str_eq(key_of(&s->items[at - 1]), key))
            return &s->items[at - 1];
    return NULL;
}

static void link_item(struct set *s, uint32_t index)
{
    uint32_t *b = bucket(s, key_of(&s->items[index]));
    s->items[index].next = *b;
    *b = index + 1;
}

// Room for one more.
static int grow(struct set *s)
{
    if (s->free || s->used < s->cap)
        return 0;
    uint32_t cap = s->cap ? s->cap * 2 : FIRST_ITEMS;
    struct item *items = reallocarray(s->items, cap, sizeof(*items));
    if (!items)
        return -ENOMEM;
    s->items = items;
    uint32_t *buckets = calloc(cap * 2, sizeof(*buckets));
    if (!buckets)
        return -ENOMEM;
    free(s->buckets);
    s->buckets = buckets;
    s->buckets_n = cap * 2;
    s->cap = cap;
    for (uint32_t i = 0; i < s->used; i++)
        if (items[i].key)
            link_item(s, i);
    return 0;
}

// A new item without counts; NULL: no room.
static struct item *make(struct set *s, struct str key, uint32_t parent, int *ret_error)
{
    *ret_error = s->live >= s->limit ? -ENOSPC : grow(s);
    char *copy = *ret_error ? NULL : str_dup(key);
    if (!copy) {
        *ret_error = *ret_error ? *ret_error : -ENOMEM;
        return NULL;
    }
    uint32_t index = s->free ? s->free - 1 : s->used;
    if (s->free)
        s->free = s->items[index].next;
    else
        s->used++;
    s->items[index] = (struct item){.key = copy, .len = (uint16_t)key.len, .parent = parent};
    link_item(s, index);
    s->live++;
    s->bytes += key.len + ITEM_BYTES;
    if (parent)
        s->items[parent - 1].children++;
    return &s->items[index];
}

static void drop(struct set *s, uint32_t index)
{
    struct item *i = &s->items[index];
    uint32_t *at = bucket(s, key_of(i));
    while (*at != index + 1)
        at = &s->items[*at - 1].next;
    *at = i->next;
    s->bytes -= i->len + ITEM_BYTES;
    s->live--;
    s->leaves -= i->leaf;
    free(i->key);
    *i = (struct item){.next = s->free};
    s->free = index + 1;
}

static void count(struct seen *to, const struct seen *n)
{
    if (n->windows == 0)
        return;
    if (to->windows == 0 || n->first < to->first)
        to->first = n->first;
    if (n->last > to->last)
        to->last = n->last;
    to->windows += n->windows;
}

static void told_too(struct item *to, const struct item *from)
{
    for (uint8_t i = 0; i < from->told_n; i++) {
        bool there = false;
        for (uint8_t k = 0; k < to->told_n; k++)
            there |= to->told[k] == from->told[i];
        if (!there && to->told_n < MAX_TOLD)
            to->told[to->told_n++] = from->told[i];
    }
}

static void mark_leaf(struct set *s, struct item *i)
{
    s->leaves += !i->leaf;
    i->leaf = true;
}

// All below is one from here on.
static void collapse(struct set *s, struct item *at)
{
    if (at->below)
        return;
    for (uint32_t n = 0; n < s->used; n++) {
        struct item *i = &s->items[n];
        if (!i->key || i->len <= at->len + 1u || i->key[at->len] != '/' ||
            memcmp(i->key, at->key, at->len) != 0)
            continue;
        count(&at->seen, &i->seen);
        told_too(at, i);
        drop(s, n);
    }
    at->below = true;
    at->children = 0;
    mark_leaf(s, at);
}

// The end of the part of key that begins at `from` (behind its slash).
static size_t part_end(struct str key, size_t from)
{
    const char *slash = from < key.len ? memchr(key.ptr + from, '/', key.len - from) : NULL;
    return slash ? (size_t)(slash - key.ptr) : key.len;
}

// A program under any name, or whoever asks for it: only documents say so.
static struct item *cover_program(const struct set *s, struct str key)
{
    struct item *i = find(s, key);
    size_t path = strnlen(key.ptr, key.len),
           as = path < key.len ? path + 1 + strnlen(key.ptr + path + 1, key.len - path - 1) : path;
    if (i || as >= key.len)
        return i;
    char any[PROFILE_MAX_KEY];
    size_t by = key.len - as - 1;
    if (path + 3 + by > sizeof(any))
        return NULL;
    memcpy(any, key.ptr, path + 1);
    memcpy(any + path + 1, "*", 2);
    memcpy(any + path + 3, key.ptr + as + 1, by);
    const struct str looser[] = {{key.ptr, as + 1}, {any, path + 3 + by}, {any, path + 3}};
    for (size_t n = 0; n < ARRAY_SIZE(looser) && !i; n++)
        i = find(s, looser[n]);
    return i;
}

struct item *set_cover(const struct set *s, struct str key)
{
    if (!s->tree)
        return cover_program(s, key);
    bool all = str_ends(key, BELOW);
    key.len -= all ? BELOW.len : 0;
    for (size_t end = part_end(key, 0);; end = part_end(key, end + 1)) {
        struct item *i = find(s, (struct str){key.ptr, end});
        if (!i || i->below)
            return i;
        if (end == key.len)
            return i->leaf && !all ? i : NULL;
    }
}

static int add_in_tree(struct set *s, struct str key, struct item **ret)
{
    bool all = str_ends(key, BELOW);
    key.len -= all ? BELOW.len : 0;
    struct item *i = NULL;
    int error = 0;
    for (size_t end = part_end(key, 0);; end = part_end(key, end + 1)) {
        struct str prefix = {key.ptr, end};
        uint32_t parent = i ? (uint32_t)(i - s->items) + 1 : 0;
        struct item *there = find(s, prefix);
        if (!there && i && i->children >= MAX_CHILDREN) {
            collapse(s, i);
            break;
        }
        if (!there && !(there = make(s, prefix, parent, &error)))
            return error;
        i = there;
        if (i->below || end == key.len)
            break;
    }
    if (all)
        collapse(s, i);
    mark_leaf(s, i);
    *ret = i;
    return 0;
}

// Nodes that lead to nothing: what was made before the limit was met.
static void prune(struct set *s)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t n = 0; n < s->used; n++) {
            struct item *i = &s->items[n];
            if (!i->key || i->leaf || i->children)
                continue;
            if (i->parent)
                s->items[i->parent - 1].children--;
            drop(s, n);
            again = true;
        }
    }
}

int set_add(struct set *s, struct str key, const struct seen *n)
{
    struct item *i = set_cover(s, key);
    int error = 0;
    if (i) {
        count(&i->seen, n);
        return 0;
    }
    if (s->tree)
        error = add_in_tree(s, key, &i);
    else if ((i = make(s, key, 0, &error)))
        mark_leaf(s, i);
    if (error) {
        s->refused++;
        if (s->tree)
            prune(s);
        return error;
    }
    count(&i->seen, n);
    return 1;
}

int set_merge(struct set *a, const struct set *b)
{
    int worst = 0;
    for (uint32_t n = 0; n < b->used; n++) {
        const struct item *i = &b->items[n];
        if (!i->key || !i->leaf)
            continue;
        char key[PROFILE_MAX_KEY + 4];
        memcpy(key, i->key, i->len);
        memcpy(key + i->len, BELOW.ptr, BELOW.len);
        struct str k = {key, i->len + (i->below ? BELOW.len : 0)};
        int r = set_add(a, k, &i->seen);
        worst = r < 0 ? r : worst;
        struct item *to = r < 0 ? NULL : set_cover(a, k);
        if (to)
            told_too(to, i);
    }
    a->refused += b->refused;
    return worst;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct set *s = ctx;
    return str_cmp(key_of(&s->items[*(const uint32_t *)a]),
                   key_of(&s->items[*(const uint32_t *)b]));
}

uint32_t *set_sorted(const struct set *s, size_t *ret_n)
{
    uint32_t *list = s->leaves ? malloc(s->leaves * sizeof(*list)) : NULL;
    size_t n = 0;
    for (uint32_t i = 0; list && i < s->used; i++)
        if (s->items[i].key && s->items[i].leaf)
            list[n++] = i;
    if (list)
        qsort_r(list, n, sizeof(*list), by_key, (void *)(uintptr_t)s);
    *ret_n = n;
    return list;
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t set_singles(const struct set *s)
{
    uint64_t *list = s->leaves ? malloc(s->leaves * sizeof(*list)) : NULL, n = 0, distinct = 0;
    for (uint32_t i = 0; list && i < s->used; i++)
        if (s->items[i].key && s->items[i].leaf && s->items[i].seen.windows == 1)
            list[n++] = s->items[i].seen.first;
    if (list)
        qsort(list, n, sizeof(*list), by_time);
    for (uint64_t i = 0; i < n; i++)
        distinct += i == 0 || list[i] != list[i - 1];
    free(list);
    return distinct;
}
