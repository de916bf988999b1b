// Findings of posture: how a container is, not what happened in it. They open no incident; they are
// kept, and added to the incidents of their container, those that are there and those that begin
// later.
#include "correlate/internal.h"

static void drop(struct postures *p, size_t i)
{
    arena_free(p->list[i].arena);
    p->list[i] = p->list[--p->n];
    p->list[p->n] = (struct posture_entry){0};
}

void postures_done(struct postures *p)
{
    while (p->n)
        drop(p, p->n - 1);
}

// The oldest, of that container or of all.
static size_t oldest(const struct postures *p, bool all, uint32_t container)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < p->n; i++)
        if ((all || p->list[i].finding->container == container) &&
            (found == SIZE_MAX || p->list[i].order < p->list[found].order))
            found = i;
    return found;
}

void postures_keep(struct postures *p, const struct finding *f)
{
    enum { ARENA_BYTES = 64 << 10 };
    size_t of_container = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct finding *is = p->list[i].finding;
        if (is->container != f->container)
            continue;
        if (str_eq(is->rule, f->rule)) {
            drop(p, i);
            break;
        }
        of_container++;
    }
    if (of_container >= MAX_CONTAINER_POSTURES || p->n == MAX_POSTURES) {
        drop(p, oldest(p, of_container < MAX_CONTAINER_POSTURES, f->container));
        p->evicted++;
    }
    struct arena *a = arena_new(ARENA_BYTES);
    struct finding *copy = a ? finding_copy(a, f) : NULL;
    if (!copy) {
        arena_free(a);
        p->evicted++;
        return;
    }
    p->list[p->n++] = (struct posture_entry){copy, a, ++p->order};
}
