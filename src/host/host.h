// host: every path outside ourselves, relative to dirfds (--host-root), clocks, and what this
// kernel can do, found by trying.
#pragma once

#include "base/base.h"

struct host; // opened once, immutable after

// root: "/" or where the host's root is mounted. The caller owns *ret. -ENOENT where root isn't a
// folder.
int host_open(const char *root, struct host **ret, struct error *err);
void host_close(struct host *h);
void host_closep(struct host **h);

int host_root_fd(const struct host *h);
int host_proc_fd(const struct host *h);
int host_cgroup2_fd(const struct host *h);           // -1: no cgroup v2 tree is mounted
const char *host_cgroup2_path(const struct host *h); // "/sys/fs/cgroup/unified"; NULL: none
bool host_cgroup_hybrid(const struct host *h);       // v1 controllers beside the v2 tree
// v1 hierarchies of the controllers that acting on a container may need.
enum host_controller { HOST_FREEZER, HOST_CPU, HOST_PIDS, HOST_CONTROLLER_MAX };
const char *host_controller_name(enum host_controller c);          // "freezer"
int host_cgroup1_fd(const struct host *h, enum host_controller c); // -1: not mounted as v1
const char *
host_id(const struct host *h); // 32 hex digits: machine-id hashed, so that it isn't given away
const char *host_boot_id(const struct host *h); // 32 hex digits
const char *host_name(const struct host *h);
const char *host_kernel(const struct host *h); // release

// Opens path (absolute, as the host sees it) for reading below the host root; only a regular file,
// never a link in the last component, never waits (FIFO). Fails with -ELOOP, -ENXIO, -EFBIG (>
// max_bytes; 0: any size).
int host_open_file(const struct host *h, struct str path, uint64_t max_bytes);
int host_open_dir(const struct host *h, struct str path);
// Whole file into b, at most max bytes (-EFBIG). name is one of ours or of the kernel's (no link is
// followed in its last component).
int host_read_file(int dirfd, const char *name, size_t max, struct buf *b);

// The addresses in the network namespace of a process, IPv4 as ::ffff:a.b.c.d; at most max, the
// rest is left out. How many, or negative errno.
int host_addresses(const struct host *h, uint32_t pid, uint32_t *ret_netns,
                   uint8_t (*addresses)[16], size_t max);

struct boot_ns host_boot_now(void);
struct wall_ns host_wall_now(void);

// What this kernel can do. Each is found by trying, once; `why` says what refused. (CAP_BPF_LOAD
// isn't called CAP_BPF because <linux/capability.h> has a macro of that name.)
enum cap_id {
    CAP_ROOT_INIT_NS, // root in the initial user and pid namespace
    CAP_BTF,
    CAP_BPF_LOAD,
    CAP_TRACING /* tp_btf */,
    CAP_RINGBUF,
    CAP_FENTRY,
    CAP_LSM,
    CAP_ITER_TASK,
    CAP_SEND_SIGNAL,
    CAP_CGROUP2,
    CAP_CGROUP_SOCK /* cgroup/connect4 */,
    CAP_FREEZE,
    CAP_BPFFS,
    CAP_TASK_STORAGE,
    CAP_BPF_LOOP,
    CAP_ID_MAX
};
struct cap {
    const char *name;
    bool ok, needed; // needed: the agent can't run without it
    int error;       // negative errno of what was tried
    char why[160];   // what was tried, and what the lack of it means
};
struct host_caps {
    struct cap caps[CAP_ID_MAX];
};
void host_probe(const struct host *h, struct host_caps *ret);
// NULL if the agent can run here, else one sentence saying why not (in caps' memory).
const char *host_caps_refusal(const struct host_caps *caps, char *sentence, size_t size);
