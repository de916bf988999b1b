// Who wrote which file: an attack that drops a file in one container and has it run in another
// shows as a write that need be no finding. Bounded; a container that writes a great deal pushes
// out its own entries, not another's.
#include "correlate/internal.h"

void writes_init(struct writes *w)
{
    memset(w, 0, sizeof(*w));
    for (uint32_t i = 0; i < MAX_WRITES; i++)
        w->pool[i].next = i + 1 < MAX_WRITES ? i + 2 : 0;
    w->free = 1;
}

static uint32_t *bucket(struct writes *w, uint64_t dev, uint64_t ino)
{
    const uint64_t key[] = {dev, ino};
    return &w->buckets[hash64(key, sizeof(key)) % MAX_WRITES];
}

static struct share *share_of(struct writes *w, uint32_t container)
{
    return &w->shares[container % ARRAY_SIZE(w->shares)];
}

const struct written *writes_find(const struct writes *w, uint64_t dev, uint64_t ino)
{
    for (uint32_t at = *bucket((struct writes *)w, dev, ino); at; at = w->pool[at - 1].next)
        if (w->pool[at - 1].dev == dev && w->pool[at - 1].ino == ino)
            return &w->pool[at - 1];
    return NULL;
}

static void evict_oldest(struct writes *w, struct share *s)
{
    uint32_t at = s->oldest;
    struct written *x = &w->pool[at - 1];
    uint32_t *p = bucket(w, x->dev, x->ino);
    while (*p != at)
        p = &w->pool[*p - 1].next;
    *p = x->next;
    s->oldest = x->newer;
    if (x->newer)
        w->pool[x->newer - 1].older = 0;
    else
        s->newest = 0;
    if (--s->n == 0)
        w->sharing--;
    *x = (struct written){.next = w->free};
    w->free = at;
    w->used--;
    w->evicted++;
}

// Room for one more of this share: its own oldest goes if it has its part already, else the largest
// share's.
static void make_room(struct writes *w, struct share *s)
{
    if (w->free)
        return;
    uint32_t sharing = w->sharing + (s->n == 0);
    struct share *victim = s;
    if (s->n == 0 || s->n < MAX_WRITES / sharing)
        for (size_t i = 0; i < ARRAY_SIZE(w->shares); i++)
            if (w->shares[i].n > victim->n)
                victim = &w->shares[i];
    evict_oldest(w, victim);
}

static struct written *add(struct writes *w, const struct correlate_write *what)
{
    struct share *s = share_of(w, what->container);
    make_room(w, s);
    uint32_t at = w->free, *b = bucket(w, what->dev, what->ino);
    struct written *x = &w->pool[at - 1];
    w->free = x->next;
    *x = (struct written){.dev = what->dev,
                          .ino = what->ino,
                          .container = what->container,
                          .next = *b,
                          .older = s->newest};
    *b = at;
    if (s->newest)
        w->pool[s->newest - 1].newer = at;
    else
        s->oldest = at;
    s->newest = at;
    if (s->n++ == 0)
        w->sharing++;
    w->used++;
    return x;
}

void writes_note(struct writes *w, const struct correlate_write *what)
{
    struct written *x = (struct written *)writes_find(w, what->dev, what->ino);
    if (!x)
        x = add(w, what);
    struct writer *oldest = &x->writers[0];
    for (size_t i = 0; i < MAX_WRITERS; i++) {
        struct writer *p = &x->writers[i];
        if (p->lineage == what->lineage || !p->lineage) {
            if (!p->lineage)
                *p = (struct writer){what->lineage, what->time.ns, what->time.ns};
            p->first = MIN(p->first, what->time.ns);
            p->last = MAX(p->last, what->time.ns);
            return;
        }
        if (p->last < oldest->last)
            oldest = p;
    }
    *oldest = (struct writer){what->lineage, what->time.ns, what->time.ns};
}
