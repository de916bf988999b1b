// guardian: a tiny process that undoes, when the core is gone, what must not outlive it. It holds
// an undo list that the core writes before it acts and clears after it has undone it itself.
#pragma once

#include "base/base.h"

enum undo_kind {
    UNDO_REMOVE_CGROUP = 1, // kill what is in it, remove it (scratch cgroups of the self-proof)
    UNDO_THAW = 2,          // write 0 to its cgroup.freeze
    UNDO_UNLINK = 3,        // a socket or lock file of ours
};
struct guardian;
int guardian_start(struct guardian **ret, struct error *err);
void guardian_stop(
    struct guardian *g); // the list is dropped, nothing is undone: for an orderly end
pid_t guardian_pid(const struct guardian *g); // 0: it died and no other could be started
// A guardian that died is followed by another that has the same list. 0: it lives; 1: another one
// was started; negative: none could be, and the next call tries again.
int guardian_revive(struct guardian *g, struct error *err);
// Synchronous: returns when the guardian has it. dirfd is passed along and path is relative to it
// (never "..", no link is followed). -EINVAL, -ENAMETOOLONG; -ENOSPC: 64 are on the list; -EPIPE:
// the guardian is gone.
int guardian_add(struct guardian *g, enum undo_kind kind, int dirfd, const char *path,
                 uint64_t *ret_ticket);
int guardian_done(struct guardian *g, uint64_t ticket);
// The same act without a guardian, for whoever undoes its own. 0 also if it is undone already.
// Waits up to 4 s for a cgroup to be empty.
int guardian_undo_now(enum undo_kind kind, int dirfd, const char *path);
