// Files of the record: written so that a crash leaves the old or the new, read whole and bounded.
// Everything that changes the disk goes through struct record_io, so that tests can stop after each
// step.
#pragma once

#include "record/record.h"

enum { MAX_RECORD_PATH = 96 };

int io_write(const struct record_io *io, int fd, const void *bytes, size_t len);
int io_fsync(const struct record_io *io, int fd);
// The folder that holds `path`, itself: a new name in it is durable afterwards.
int io_fsync_folder(const struct record_io *io, int dirfd, const char *path);
// Makes the folders on the way to `path`, durably.
int io_make_folders(const struct record_io *io, int dirfd, const char *path);
// Creates or overwrites in place, with content and name durable when it returns. For names that
// nothing refers to yet: a crash in between leaves garbage under that name.
int io_put(const struct record_io *io, int dirfd, const char *path, struct str content,
           mode_t mode);
// The new content under the name or the old one, never a mixture. *ret_renamed (may be NULL):
// readers see the new one, even if a later step failed.
int io_replace(const struct record_io *io, int dirfd, const char *path, struct str content,
               mode_t mode, bool *ret_renamed);
// Overwrites a secret with zeros, then unlinks it. 0 if it isn't there.
int io_erase(const struct record_io *io, int dirfd, const char *path);
// Appends the file to b. -EFBIG beyond max; -EUCLEAN for what is no regular file.
int io_read(int dirfd, const char *path, size_t max, struct buf *b);
// "record cannot write ledger/checkpoint: No space left on device"; returns code.
int io_error(struct error *err, int code, const char *verb, const char *path);
