// The kernel's side of exec rows: the program of the best tier this kernel has, its rows' map,
// attaching it. enforce's own files only.
#pragma once

#include "enforce/enforce.h"

struct enforce_bpf;
struct bpf_link;
struct kernel {
    struct enforce_bpf *skel;
    struct bpf_link *link; // NULL: detached
    const char *tier;      // "lsm", "signal"
    enum bh_effect effect;
    int rows_fd, cgroups_fd; // of skel
};
int kernel_open(struct kernel *k, const struct reconcile_options *o, struct error *err);
void kernel_close(struct kernel *k); // a pinned link stays attached
int kernel_attach(struct kernel *k);
void kernel_detach(struct kernel *k);

// A row as the map has it. -EINVAL: no such object, or container 0; -ENAMETOOLONG: no path of that
// length fits.
int kernel_key(const struct row *r, struct bh_exec_key *ret);
void kernel_value(const struct row *r, uint64_t until, uint64_t ctime, struct bh_exec_row *ret);
// Writes and reads back: 0, -EIO when it reads otherwise, or the map's error.
int kernel_put(const struct kernel *k, const struct bh_exec_key *key,
               const struct bh_exec_row *row);
int kernel_take_out(const struct kernel *k, const struct bh_exec_key *key);
