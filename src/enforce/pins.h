// Pins: what lets rows outlive the agent. One set per agent's run, a folder of its own below the
// pin folder, so that a new run's set is complete before the old one is removed. enforce's own
// files only.
#pragma once

#include "enforce/enforce.h"

enum { MAX_PIN_SETS = 8 };
struct pin_set {
    char path[256];
    int rows_fd, cgroups_fd; // -1: not pinned
    bool link;
};
void pin_set_done(struct pin_set *s); // closes; what is pinned stays
// Makes a set's folder and pins both maps; the link comes last, by pins_link(). "" in s->path:
// nothing was left behind.
int pins_make(const char *pin_dir, int rows_fd, int cgroups_fd, struct pin_set *s);
int pins_link(const struct pin_set *s, int link_fd);
// Sets that are there, but for `except`. How many (at most max), or negative errno.
int pins_find(const char *pin_dir, const char *except, struct pin_set *sets, size_t max);
// Removes a set; without other holders its program is detached by that.
int pins_remove(const char *path);
void pins_remove_dir(const char *pin_dir); // if nothing is in it
