// The part of a shard: what each of its containers was seen doing in the current window. An event
// costs its key and one look-up; only the first of its kind in a window is kept, with what a
// finding would say of it. Blocks come from a pool that keeps what was freed.
#include "detect/profile/internal.h"

enum { CHUNK_BYTES = 32 << 10, CLASS_BYTES = 64 };

struct chunk {
    struct chunk *next;
    size_t used;
    _Alignas(16) char bytes[CHUNK_BYTES];
};

void *part_new(void *whole, unsigned shard, unsigned shards)
{
    struct part *p = calloc(1, sizeof(*p));
    if (p)
        p->whole = whole;
    return p;
}

// ── sights ───────────────────────────────────────────────────────────────────────────────────

static struct sight *take_block(struct part *p, size_t size)
{
    uint8_t class = (uint8_t)((size + CLASS_BYTES - 1) / CLASS_BYTES);
    INVARIANT(class < SIGHT_CLASSES);
    struct sight *s = p->free[class];
    size = (size_t) class * CLASS_BYTES;
    if (s) {
        p->free[class] = s->chain;
    } else {
        if (!p->chunks || p->chunks->used + size > CHUNK_BYTES) {
            struct chunk *c = p->bytes < MAX_SIGHT_BYTES ? malloc(sizeof(*c)) : NULL;
            if (!c)
                return NULL;
            c->next = p->chunks;
            c->used = 0;
            p->chunks = c;
            p->bytes += sizeof(*c);
        }
        s = (void *)(p->chunks->bytes + p->chunks->used);
        p->chunks->used += size;
    }
    memset(s, 0, sizeof(*s));
    s->class = class;
    return s;
}

static void add_sight(struct part *p, struct tenant *t, const struct key_text *k, uint64_t hash,
                      const struct event *e)
{
    struct sight *s = t->sights < MAX_SIGHTS ? take_block(p, sizeof(*s) + k->len) : NULL;
    if (!s) {
        t->full = true;
        p->refused++;
        return;
    }
    s->hash = hash;
    s->tenant = t;
    s->dimension = (uint8_t)k->dimension;
    s->len = (uint16_t)k->len;
    memcpy(s->key, k->bytes, k->len);
    s->rec = *e->rec;
    s->segment = e->at.segment;
    s->offset = e->at.offset;
    const struct bh_exec *x = e->rec->kind == BH_EXEC ? REC_AS(e->rec, bh_exec) : NULL;
    const struct bh_open *o = e->rec->kind == BH_OPEN ? REC_AS(e->rec, bh_open) : NULL;
    const struct bh_file *f = x ? &x->exe : o ? &o->file : NULL;
    if (f) {
        bool upper = (f->flags & BH_FILE_OVERLAY) && (f->flags & BH_FILE_UPPER);
        s->object =
            (struct object_ref){.dev = f->dev,
                                .ino = f->ino,
                                .written = o && k->bytes[0] == 'w',
                                .foreign = upper || f->flags & (BH_FILE_MEMFD | BH_FILE_UNLINKED)};
    }
    struct sight **b = &p->buckets[hash % SIGHT_BUCKETS];
    s->chain = *b;
    s->back = b;
    if (*b)
        (*b)->back = &s->chain;
    *b = s;
    *t->last = s;
    t->last = &s->next;
    t->fresh = t->fresh ? t->fresh : s;
    t->sights++;
    t->began = true;
    p->news = true;
}

void part_forget(struct part *p, struct tenant *t)
{
    for (struct sight *s = t->first, *next; s; s = next) {
        next = s->next;
        *s->back = s->chain;
        if (s->chain)
            s->chain->back = s->back;
        s->chain = p->free[s->class];
        p->free[s->class] = s;
    }
    t->first = t->fresh = NULL;
    t->last = &t->first;
    t->sights = 0;
}

// ── containers ───────────────────────────────────────────────────────────────────────────────

static struct tenant **place(struct part *p, uint32_t number)
{
    struct tenant **at = &p->by_number[number % TENANT_BUCKETS];
    while (*at && (*at)->number != number)
        at = &(*at)->chain;
    return at;
}

static struct tenant *tenant_get(struct part *p, uint32_t number)
{
    struct tenant **at = place(p, number), *t = *at;
    if (t)
        return t;
    t = p->tenants_n < MAX_TENANTS ? calloc(1, sizeof(*t)) : NULL;
    if (!t) {
        p->refused++;
        return NULL;
    }
    t->number = number;
    t->last = &t->first;
    *at = t;
    struct tenant **in_order = &p->tenants;
    while (*in_order && (*in_order)->number < number)
        in_order = &(*in_order)->next;
    t->next = *in_order;
    *in_order = t;
    p->tenants_n++;
    return t;
}

void part_remove(struct part *p, struct tenant *t)
{
    part_forget(p, t);
    struct tenant **at = place(p, t->number);
    *at = t->chain;
    for (at = &p->tenants; *at != t;)
        at = &(*at)->next;
    *at = t->next;
    p->tenants_n--;
    free(t);
}

void part_free(void *part)
{
    struct part *p = part;
    while (p->tenants)
        part_remove(p, p->tenants);
    while (p->chunks) {
        struct chunk *c = p->chunks;
        p->chunks = c->next;
        free(c);
    }
    free(p);
}

// ── what comes ───────────────────────────────────────────────────────────────────────────────

// Records are missing: these windows say nothing about what did not happen.
static void take_loss(struct part *p, const struct event *e)
{
    const struct bh_storm *s = e->rec->kind == BH_STORM ? REC_AS(e->rec, bh_storm) : NULL;
    if (s) {
        struct tenant *t = *place(p, s->container);
        if (t)
            t->lossy = true;
        return;
    }
    for (struct tenant *t = p->tenants; t; t = t->next)
        t->lossy = true;
}

void part_event(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                void *ctx)
{
    struct part *p = part;
    const struct container *c = e->container;
    struct key_text k;
    p->identify = env->identify;
    if (e->rec->kind == BH_LOSS || e->rec->kind == BH_STORM) {
        take_loss(p, e);
        return;
    }
    // The host and plain cgroups are no workloads; what may yet turn out to be a container is kept.
    if (!c->number || (c->type != CONTAINER_OCI && !c->pending) || !key_of_event(e, &k))
        return;
    if (!p->keyed) {
        memcpy(p->key, p->whole->key, sizeof(p->key));
        p->keyed = true;
    }
    uint64_t hash = hash_keyed(p->key, k.bytes, k.len) ^ (c->number * 0x9e3779b97f4a7c15ULL);
    for (const struct sight *s = p->buckets[hash % SIGHT_BUCKETS]; s; s = s->chain)
        if (s->hash == hash && s->tenant->number == c->number && s->dimension == k.dimension &&
            s->len == k.len && memcmp(s->key, k.bytes, k.len) == 0)
            return;
    struct tenant *t = tenant_get(p, c->number);
    if (t)
        add_sight(p, t, &k, hash, e);
}

void part_container(void *part, const struct detect_env *env, const struct container *c,
                    detect_emit emit, void *ctx)
{
    struct part *p = part;
    p->identify = env->identify;
    struct tenant *t = c->gone                    ? *place(p, c->number)
                       : c->type == CONTAINER_OCI ? tenant_get(p, c->number)
                                                  : NULL;
    if (!t)
        return;
    t->gone = c->gone != 0;
    t->placed = false; // its facts are news: the whole looks again at the epoch's end
    p->news = true;
}
