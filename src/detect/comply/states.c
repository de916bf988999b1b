// One state a container, by its number: found, made, dropped. States come from blocks that are
// kept, so that a container's first event allocates nothing once there were as many before.
#include "detect/comply/internal.h"

enum { BLOCK = 32 };

struct block {
    struct block *next;
    struct state list[BLOCK];
};

static struct state **bucket(struct part *p, uint32_t number)
{
    return &p->buckets[number & (STATE_BUCKETS - 1)];
}

struct state *state_find(const struct part *p, uint32_t number)
{
    struct state *s = p->buckets[number & (STATE_BUCKETS - 1)];
    while (s && s->number != number)
        s = s->next;
    return s;
}

static bool add_block(struct part *p)
{
    struct block *b = calloc(1, sizeof(*b));
    if (!b)
        return false;
    b->next = p->blocks;
    p->blocks = b;
    for (size_t i = 0; i < BLOCK; i++) {
        b->list[i].next = p->free;
        p->free = &b->list[i];
    }
    return true;
}

struct state *state_get(struct part *p, uint32_t number)
{
    struct state *s = state_find(p, number);
    if (s)
        return s;
    if (p->states_n == MAX_STATES || (!p->free && !add_block(p))) {
        p->refused++;
        return NULL;
    }
    s = p->free;
    p->free = s->next;
    *s = (struct state){.number = number, .next = *bucket(p, number), .dirty = true};
    *bucket(p, number) = s;
    p->states_n++;
    return s;
}

void state_drop(struct part *p, uint32_t number)
{
    struct state **at = bucket(p, number), *s;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    if (!(s = *at))
        return;
    *at = s->next;
    free(s->verdicts);
    *s = (struct state){.next = p->free};
    p->free = s;
    p->states_n--;
}

void states_free(struct part *p)
{
    for (size_t i = 0; i < STATE_BUCKETS; i++)
        for (struct state *s = p->buckets[i]; s; s = s->next)
            free(s->verdicts);
    for (struct block *b = p->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

size_t states_bytes(const struct part *p)
{
    size_t n = 0;
    for (const struct block *b = p->blocks; b; b = b->next)
        n += sizeof(*b);
    return n + p->states_n * p->verdicts_n * sizeof(struct verdict);
}
