// The journal: entries on their way to the ledger. Appending and signing wait for a disk (a
// checkpoint is several fsyncs, 20 ms and more on a slow one), and the line must not: a thread of
// its own has the ledger.
#pragma once

#include "record/record.h"

enum { MAX_JOURNAL_BYTES = 16 << 20 };
struct journal;
struct journal_state {
    uint64_t size, checkpointed, waiting, lost;
    char problem[256]; // empty: all is well
};
// Takes the ledger over, also its closing. checkpoint_ns: at most so long between an entry and its
// signature.
int journal_start(struct ledger *l, uint64_t checkpoint_ns, struct journal **ret,
                  struct error *err);
// Copies. An entry waits while the disk refuses (full, read-only) and is tried again; past
// MAX_JOURNAL_BYTES it is lost and counted. Waits itself only where a working disk is that far
// behind.
void journal_add(struct journal *j, enum entry_kind kind, uint64_t wall_ns, struct str payload);
void journal_set_checkpoint(struct journal *j, uint64_t checkpoint_ns);
void journal_state(struct journal *j, struct journal_state *ret);
// Writes and signs what waits, ends the thread, closes the ledger. *ret: how it ended.
void journal_stop(struct journal *j, struct journal_state *ret);
