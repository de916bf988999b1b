// Copies of containers, by number.
#include "known.h"

#include <errno.h>

static size_t place(const struct known_list *l, uint32_t number)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (l->list[middle]->container.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct known *known_find(const struct known_list *l, uint32_t number)
{
    size_t at = place(l, number);
    return at < l->n && l->list[at]->container.number == number ? l->list[at] : NULL;
}

struct str known_subject(const struct container *c)
{
    return c->id.len ? c->id : c->cgroup_path;
}

static void free_known(struct known *k)
{
    if (!k)
        return;
    arena_free(k->arena);
    free(k);
}

static bool copy_labels(struct known *k, const struct facts *f)
{
    k->facts.labels = NULL;
    k->facts.labels_n = 0;
    if (!f->labels_n)
        return true;
    struct label *labels = arena_alloc(k->arena, f->labels_n * sizeof(*labels));
    if (!labels)
        return false;
    for (size_t i = 0; i < f->labels_n; i++) {
        labels[i].key = arena_str(k->arena, f->labels[i].key);
        labels[i].value = arena_str(k->arena, f->labels[i].value);
    }
    k->facts.labels = labels;
    k->facts.labels_n = f->labels_n;
    return true;
}

static struct known *copy(const struct container *c)
{
    static const struct facts none = {.source = ""};
    struct known *k = calloc(1, sizeof(*k));
    if (!k || !(k->arena = arena_new(0))) {
        free(k);
        return NULL;
    }
    const struct facts *f = c->facts ? c->facts : &none;
    k->container = *c;
    k->facts = *f;
    k->facts.mounts = NULL; // no selector asks for them
    k->facts.mounts_n = 0;
    k->container.facts = &k->facts;
    struct str *strings[] = {
        &k->container.cgroup_path, &k->container.id,   &k->container.bundle, &k->facts.name,
        &k->facts.image,           &k->facts.workload, &k->facts.runtime,    &k->facts.rootfs,
        &k->facts.hostname,        &k->facts.problem};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        size_t len = strings[i]->len;
        *strings[i] = arena_str(k->arena, *strings[i]);
        if (len && !strings[i]->ptr) {
            free_known(k);
            return NULL;
        }
    }
    if (!copy_labels(k, f)) {
        free_known(k);
        return NULL;
    }
    return k;
}

struct known *known_put(struct known_list *l, const struct container *c)
{
    size_t at = place(l, c->number);
    bool there = at < l->n && l->list[at]->container.number == c->number;
    if (!there && l->n >= BH_MAX_CONTAINERS)
        return NULL;
    struct known *k = copy(c);
    if (!k)
        return NULL;
    if (there) {
        free_known(l->list[at]);
        l->list[at] = k;
        return k;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        struct known **list = reallocarray(l->list, cap, sizeof(struct known *));
        if (!list) {
            free_known(k);
            return NULL;
        }
        l->list = list;
        l->cap = cap;
    }
    memmove(l->list + at + 1, l->list + at, (l->n - at) * sizeof(*l->list));
    l->list[at] = k;
    l->n++;
    return k;
}

void known_remove(struct known_list *l, uint32_t number)
{
    size_t at = place(l, number);
    if (at >= l->n || l->list[at]->container.number != number)
        return;
    free_known(l->list[at]);
    l->n--;
    memmove(l->list + at, l->list + at + 1, (l->n - at) * sizeof(*l->list));
}

void known_done(struct known_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free_known(l->list[i]);
    free(l->list);
    *l = (struct known_list){0};
}
