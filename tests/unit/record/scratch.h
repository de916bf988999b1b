// A folder for one test, below the system's temporary one, removed afterwards; and files read and
// written whole.
#pragma once

#include "record/record.h"

#include <setjmp.h>

#include <cmocka.h>

struct scratch {
    int fd;
    char path[64];
};
void scratch_make(struct scratch *s);
void scratch_remove(struct scratch *s);
void scratch_empty(struct scratch *s);
void scratch_read(int dirfd, const char *path, struct buf *b);
void scratch_write(int dirfd, const char *path, struct str content);
// Calls f for each regular file below, with its path from the folder.
void scratch_each(struct scratch *s, void (*f)(void *ctx, const char *path), void *ctx);
void scratch_copy(struct scratch *from, struct scratch *to);
