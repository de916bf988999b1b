// Arena: blocks that die together.
#include "base/base.h"

enum { BLOCK_BYTES = 32 * 1024 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

struct arena {
    struct block *first, *last;
    size_t total, limit;
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *a = calloc(1, sizeof(*a));
    if (a)
        a->limit = limit_bytes;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void arena_freep(struct arena **a)
{
    arena_free(*a);
}

void arena_reset(struct arena *a)
{
    if (!a->first)
        return;
    for (struct block *b = a->first->next, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->first->next = NULL;
    a->first->used = 0;
    a->last = a->first;
    a->total = a->first->size;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need;
    if (__builtin_add_overflow(size, (size_t)15, &need))
        return NULL;
    need &= ~(size_t)15;
    struct block *b = a->last;
    if (!b || b->size - b->used < need) {
        size_t bytes = MAX(need, (size_t)BLOCK_BYTES), with, total;
        if (__builtin_add_overflow(bytes, sizeof(*b), &with) ||
            __builtin_add_overflow(a->total, bytes, &total) || (a->limit && total > a->limit))
            return NULL;
        b = malloc(with);
        if (!b)
            return NULL;
        *b = (struct block){.size = bytes};
        a->total = total;
        if (a->last)
            a->last->next = b;
        else
            a->first = b;
        a->last = b;
    }
    void *p = b->bytes + b->used;
    b->used += need;
    return memset(p, 0, need);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (!copy)
        return STR_NULL;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (struct str){copy, s.len};
}

char *arena_cstr(struct arena *a, struct str s)
{
    return (char *)arena_str(a, s).ptr;
}
