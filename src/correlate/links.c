// Links: lineages, processes and files that incidents have in them, found by key. One pool for all,
// with a share an incident, so that one that touches everything takes no memory from the others.
#include "correlate/internal.h"

void links_init(struct links *l)
{
    memset(l->buckets, 0, sizeof(l->buckets));
    for (uint32_t i = 0; i < MAX_LINKS; i++)
        l->pool[i] = (struct link){.next = i + 1 < MAX_LINKS ? i + 2 : 0};
    l->free = 1;
    l->refused = 0;
}

static uint32_t *bucket(struct links *l, enum link_space space, uint64_t a, uint64_t b)
{
    const uint64_t key[] = {space, a, b};
    return &l->buckets[hash64(key, sizeof(key)) % MAX_LINKS];
}

const struct link *links_next(const struct links *l, enum link_space space, uint64_t a, uint64_t b,
                              uint32_t *from)
{
    uint32_t at = *from ? l->pool[*from - 1].next : *bucket((struct links *)l, space, a, b);
    for (; at; at = l->pool[at - 1].next) {
        const struct link *k = &l->pool[at - 1];
        if (k->space == space && k->a == a && k->b == b) {
            *from = at;
            return k;
        }
    }
    return NULL;
}

void links_add(struct links *l, uint32_t *head, size_t *count, const struct link *what)
{
    uint32_t *b = bucket(l, what->space, what->a, what->b);
    for (uint32_t at = *b; at; at = l->pool[at - 1].next) {
        struct link *k = &l->pool[at - 1];
        if (k->space == what->space && k->a == what->a && k->b == what->b &&
            k->incident == what->incident) {
            k->time = what->time;
            k->flags |= what->flags;
            return;
        }
    }
    if (!l->free || *count >= MAX_INCIDENT_LINKS) {
        l->refused++;
        return;
    }
    uint32_t at = l->free;
    l->free = l->pool[at - 1].next;
    l->pool[at - 1] = *what;
    l->pool[at - 1].next = *b;
    l->pool[at - 1].sibling = *head;
    *b = at;
    *head = at;
    (*count)++;
}

static void drop_one(struct links *l, uint32_t at)
{
    struct link *k = &l->pool[at - 1];
    uint32_t *p = bucket(l, k->space, k->a, k->b);
    while (*p != at)
        p = &l->pool[*p - 1].next;
    *p = k->next;
    *k = (struct link){.next = l->free};
    l->free = at;
}

void links_drop(struct links *l, uint32_t *head, size_t *count)
{
    for (uint32_t at = *head, next; at; at = next) {
        next = l->pool[at - 1].sibling;
        drop_one(l, at);
    }
    *head = 0;
    *count = 0;
}

void links_move(struct links *l, uint32_t *from, size_t *from_count, uint32_t *to, size_t *to_count,
                uint64_t incident)
{
    for (uint32_t at = *from, next; at; at = next) {
        next = l->pool[at - 1].sibling;
        struct link k = l->pool[at - 1];
        drop_one(l, at);
        k.incident = incident;
        links_add(l, to, to_count, &k);
    }
    *from = 0;
    *from_count = 0;
}
