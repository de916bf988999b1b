// Taking over what an earlier agent left in force. enforce's own files only.
#pragma once

#include "kernel.h"
#include "pins.h"

// A row that was found in force and that no row of ours has claimed yet.
struct adopted {
    struct bh_exec_key key;
    struct bh_exec_row row;
};
struct adoption {
    struct old_set *sets;
    size_t sets_n;
    struct adopted *rows;
    size_t rows_n, rows_cap;
    int cgroups_fd; // of the sensor that runs now
    const struct host *host;
};
// Reads the sets that are pinned below pin_dir. Nothing of them changes yet.
int adopt_open(struct adoption *a, const struct host *host, const char *pin_dir, int cgroups_fd,
               struct error *err);
void adopt_done(struct adoption *a);
// Writes what can be written by now: an old row goes under its container's new number as soon as
// the sensor has given one to a cgroup of it. How many rows still wait.
size_t adopt_step(struct adoption *a, const struct kernel *k, uint64_t now);
// Removes the old sets, their programs with them. For when none waits and ours is attached.
void adopt_retire(struct adoption *a);
// The key is claimed by a row of ours.
void adopt_claim(struct adoption *a, const struct bh_exec_key *key);
bool adopt_has(const struct adoption *a, const struct bh_exec_key *key);
// Takes rows out of the kernel: those that are past their lease (now), or all (UINT64_MAX).
void adopt_expire(struct adoption *a, const struct kernel *k, uint64_t now);
