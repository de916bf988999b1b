// host's own files only.
#pragma once

#include "host/host.h"

#include <linux/openat2.h>

struct host {
    int root_fd, proc_fd, cgroup2_fd;
    int cgroup1_fd[HOST_CONTROLLER_MAX];
    char *cgroup2_path;
    bool hybrid;
    char id[33], boot_id[33];
    char name[65], kernel[65];
};

enum { MAX_HOST_PATH = 4095 };
// openat2 below dirfd as if it were the root; never through a magic link. Retries while renames
// race with ".." (EAGAIN).
int open_in_root(int dirfd, const char *path, uint64_t flags);

// The kernel features behind BPF, each tried; caps[CAP_ROOT_INIT_NS] must be filled in already.
void probe_bpf(const struct host *h, struct host_caps *caps);
void cap_set(struct cap *c, int error, const char *format, ...) _printf_(3, 4);
