// The containers that the desired state knows: as much of each as a selector asks for.
#pragma once

#include "enforce/enforce.h"

struct known {
    struct container container; // strings and facts are its own
    struct facts facts;
    struct arena *arena;
};
struct known_list { // sorted by number
    struct known **list;
    size_t n, cap;
};
struct known *known_find(const struct known_list *l, uint32_t number);
// Copies c over what was known of it, or adds it. NULL: without memory, or BH_MAX_CONTAINERS are
// known.
struct known *known_put(struct known_list *l, const struct container *c);
void known_remove(struct known_list *l, uint32_t number);
void known_done(struct known_list *l);
// The words by which a row names the container: its id, or where it has none its cgroup's path.
struct str known_subject(const struct container *c);
