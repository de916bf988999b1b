// Events kept past their step, to be judged again when more is known of their container. What was
// true at the time stays: the record is copied, and so are the process and its ancestors; their
// images are shared (one that others refer to is never changed, see img_own). What is known of the
// container is the container's of the day when it is recalled.
#include "identify/internal.h"

struct kept_event {
    struct event event; // container is NULL: it is looked up
    uint32_t container;
    size_t bytes, chain_n;
    struct process *chain; // the acting one first; behind this struct
    struct bh_rec *rec;    // behind the chain
};

static const struct image *ref(const struct image *m)
{
    return m ? &img_ref(img_of(m))->pub : NULL;
}

struct kept_event *identify_keep(struct identify *i, const struct event *e)
{
    size_t n = 0;
    for (const struct process *p = e->process; p && n <= MAX_ANCESTRY; p = p->parent)
        n++;
    size_t bytes = sizeof(struct kept_event) + n * sizeof(struct process) + e->rec->size;
    struct kept_event *k = malloc(bytes);
    if (!k)
        return NULL;
    *k = (struct kept_event){.event = *e, .container = e->container->number, .chain_n = n};
    k->chain = (struct process *)(k + 1);
    k->rec = (struct bh_rec *)(k->chain + n);
    memcpy(k->rec, e->rec, e->rec->size);
    const struct process *p = e->process;
    for (size_t c = 0; c < n; c++, p = p->parent) {
        k->chain[c] = *p;
        k->chain[c].image = ref(p->image);
        k->chain[c].previous = NULL;
        k->chain[c].parent = c + 1 < n ? &k->chain[c + 1] : NULL;
    }
    k->event.rec = k->rec;
    k->event.process = n ? k->chain : NULL;
    k->event.image = ref(e->image);
    k->event.container = NULL;
    // Its ancestors' images are their container's, and bounded there; each took an exec.
    k->bytes = bytes + (e->image ? pool_class_bytes(img_of(e->image)->class) : 0);
    return k;
}

size_t kept_event_bytes(const struct kept_event *k)
{
    return k->bytes;
}

uint32_t kept_event_container(const struct kept_event *k)
{
    return k->container;
}

uint64_t kept_event_time(const struct kept_event *k)
{
    return k->rec->time;
}

bool identify_recall(const struct identify *i, const struct kept_event *k, struct event *ret)
{
    *ret = k->event;
    ret->container = identify_container(i, k->container);
    return ret->container != NULL;
}

void identify_let_go(struct identify *i, struct kept_event *k)
{
    if (!k)
        return;
    for (size_t c = 0; c < k->chain_n; c++)
        img_unref(i, img_of(k->chain[c].image));
    img_unref(i, img_of(k->event.image));
    free(k);
}
