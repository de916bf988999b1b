// enforce's own files only.
#pragma once

#include "enforce/enforce.h"

// What two rows may contend for: the kernel has one place for it, and the winner is what is written
// there.
struct slot {
    enum row_kind kind;
    uint32_t container;
    enum bh_object object;
    uint64_t dev, ino;
    struct str path;
};
struct slot slot_of(const struct row *r);
uint64_t slot_hash(const struct slot *s);
bool slot_eq(const struct slot *a, const struct slot *b);
// Which of two rows decides. Exec: priority, then the container's own over every container's, then
// enforce over audit (the same in bpf/enforce/exec.bpf.c); level: the closer watch; throttle: the
// tighter limit; of equals, and of other acts on a container, the one that lasts longer. Never
// equal: numbers differ.
bool row_precedes(const struct row *a, const struct row *b);

// A heap copy of a row with its strings, in one block; free() it. NULL without memory.
struct row *row_copy(const struct row *r);
// Does the kernel do the same for both (how long aside)? And does `why` say the same of both?
bool row_same_verdict(const struct row *a, const struct row *b);
bool row_same(const struct row *a, const struct row *b);
