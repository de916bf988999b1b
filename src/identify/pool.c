// Blocks by size class with free lists over malloc: strings of images and containers. Classes are
// steps of 128 bytes up to 2 KiB, then powers of two, so that at most a third of a block is idle.
#include "identify/internal.h"

#include <errno.h>

size_t pool_class_bytes(uint8_t class)
{
    if (class < POOL_SMALL)
        return (size_t)(class + 1) * POOL_STEP;
    return (size_t)POOL_STEP * POOL_SMALL << (class - POOL_SMALL + 1);
}

static int class_of(size_t size, uint8_t *ret)
{
    if (size == 0)
        size = 1;
    if (size <= (size_t)POOL_STEP * POOL_SMALL) {
        *ret = (uint8_t)((size - 1) / POOL_STEP);
        return 0;
    }
    for (unsigned c = POOL_SMALL; c < POOL_CLASSES; c++)
        if (size <= pool_class_bytes((uint8_t)c)) {
            *ret = (uint8_t)c;
            return 0;
        }
    return -E2BIG;
}

// Gives cached blocks back to the system: another class needs the room.
static void drop_cached(struct pool *p)
{
    for (size_t c = 0; c < POOL_CLASSES; c++)
        for (void *b = p->free[c], *next; b; b = next) {
            memcpy(&next, b, sizeof(next));
            free(b);
            p->free[c] = NULL;
        }
    p->cached = 0;
}

void *pool_alloc(struct pool *p, size_t size, uint8_t *ret_class)
{
    uint8_t class;
    if (class_of(size, &class) < 0)
        return NULL;
    size_t bytes = pool_class_bytes(class);
    if (p->in_use + bytes > p->limit)
        return NULL;
    void *b = p->free[class];
    if (b) {
        memcpy(&p->free[class], b, sizeof(void *));
        p->cached -= bytes;
    } else {
        if (p->in_use + p->cached + bytes > p->limit)
            drop_cached(p);
        b = malloc(bytes);
        if (!b)
            return NULL;
    }
    p->in_use += bytes;
    *ret_class = class;
    return b;
}

void pool_free(struct pool *p, void *block, uint8_t class)
{
    if (!block)
        return;
    size_t bytes = pool_class_bytes(class);
    p->in_use -= bytes;
    memcpy(block, &p->free[class], sizeof(void *));
    p->free[class] = block;
    p->cached += bytes;
}

void pool_done(struct pool *p)
{
    drop_cached(p);
}
