// A disk that fails: struct record_io that stops, tears or refuses the k-th write, fsync or rename,
// and can then lose all that no fsync had made durable, as a power cut does.
#pragma once

#include "scratch.h"

enum power_mode {
    POWER_STOP,    // the k-th step and all after it fail: the process was killed
    POWER_TEAR,    // the same, but the k-th write wrote half
    POWER_CUT,     // killed, and what was not fsynced is gone: contents, new names, renames
    POWER_CONTENT, // killed, and contents that were not fsynced are gone, while the renames are
                   // there
    POWER_ONCE,    // only the k-th step fails (ENOSPC), then there is room again
    POWER_MODES
};
extern const struct record_io power_io;
void power_start(enum power_mode mode, uint64_t k, const char *folder); // k from 1; 0: never
uint64_t power_steps(void);
bool power_failed(void);
void power_end(void); // loses what the mode says is lost
