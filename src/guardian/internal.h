// guardian's own files only.
#pragma once

#include "guardian/guardian.h"

enum { MAX_UNDO_PATH = 256 };

// What goes over the socket, core to guardian and back. Both are of one binary, so this is no wire
// format.
enum guardian_op { GUARDIAN_ADD = 1, GUARDIAN_DONE = 2, GUARDIAN_STOP = 3 };
struct guardian_request {
    uint32_t op, kind;
    uint64_t ticket, until;
    char path[MAX_UNDO_PATH], text[MAX_UNDO_TEXT];
};
struct guardian_reply {
    int32_t result; // negative errno
    uint64_t ticket;
};

// The guardian's own life, in its process: never returns. core: pid of the process it watches.
void guardian_main(int socket, pid_t core) __attribute__((noreturn));
// May this be undone: a path that is relative, without "..", short enough; a text where there has
// to be one? 0 or -EINVAL, -ENAMETOOLONG.
int undo_check(const struct undo_order *o);
int undo_now(const struct undo_order *o);
