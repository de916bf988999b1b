// guardian: a tiny process that undoes, when the core is gone or an undo's time has come, what must
// not outlive it. It holds an undo list that the core writes before it acts and clears after it has
// undone it itself.
#pragma once

#include "base/base.h"

enum undo_kind {
    UNDO_REMOVE_CGROUP = 1, // kill what is in it, remove it (scratch cgroups of the self-proof)
    UNDO_WRITE = 2,         // write `text` to the file again (a limit, cgroup.freeze)
    UNDO_UNLINK = 3,        // a socket or lock file of ours
    UNDO_CONTINUE = 4,      // SIGCONT to the process that the descriptor, a pidfd, is of
};
enum { MAX_UNDOS = 512, MAX_UNDO_TEXT = 64 };
struct undo_order {
    enum undo_kind kind;
    int fd;           // the folder that path is relative to, or a pidfd
    const char *path; // never "..", no link is followed; NULL of UNDO_CONTINUE
    const char *text; // of UNDO_WRITE
    uint64_t until;   // boot ns: undone then, also if the core lives; 0: only when it is gone
};
struct guardian;
int guardian_start(struct guardian **ret, struct error *err);
void guardian_stop(
    struct guardian *g); // the list is dropped, nothing is undone: for an orderly end
pid_t guardian_pid(const struct guardian *g); // 0: it died and no other could be started
// A guardian that died is followed by another that has the same list. 0: it lives; 1: another one
// was started; negative: none could be, and the next call tries again.
int guardian_revive(struct guardian *g, struct error *err);
// Synchronous: returns when the guardian has it; the descriptor is passed along. -EINVAL,
// -ENAMETOOLONG; -ENOSPC: MAX_UNDOS are on the list; -EPIPE: the guardian is gone.
int guardian_order(struct guardian *g, const struct undo_order *o, uint64_t *ret_ticket);
int guardian_add(struct guardian *g, enum undo_kind kind, int dirfd, const char *path,
                 uint64_t *ret_ticket);
// -ENOENT: it is undone already, its time was over.
int guardian_done(struct guardian *g, uint64_t ticket);
// The same act without a guardian, for whoever undoes its own. 0 also if it is undone already.
// Waits up to 4 s for a cgroup to be empty.
int guardian_undo_now(enum undo_kind kind, int dirfd, const char *path);
