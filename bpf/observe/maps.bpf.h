/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps, one definition for every program file (weak, so that linking the objects keeps one of
 * each). Types of what is shared with user space: bpf/abi/abi.h.
 */
#pragma once

#include "bpf/observe/kernel.bpf.h"

#define MAX_WALK   2112 /* path components and mounts of one walk: PATH_MAX / 2 and mounts on top */
#define MAX_STORMS 2048
#define MAX_NESTED 3 /* builders that can meet on one cpu: a task, what interrupts it, one more */

/* The walk's state lies here and not on the stack: there the verifier follows each value of the
 * offset and gives up (KERNEL: "1000001 insns"). */
struct walk {
    __u64 dentry, mnt, mnt_root; /* mnt: struct mount */
    __u64 root_dentry, root_mnt;
    __u32 at;    /* where the path begins in text; it grows towards 0 */
    __u32 flags; /* BH_F_TRUNCATED */
    struct {
        __u64 parent;
        __u32 hash, len;
        __u64 name;
    } link;
    __u8 text[BH_PATH_MAX + 256];
};

/* What a task was when last seen, so that only a change is a record. */
struct seen {
    struct bh_creds creds;
    struct bh_nses nses;
    __u32 exited; /* on a group's leader: its end was sent */
    __u32 epoch;  /* settings.seen_epoch when it was remembered */
};

/* Where a record is built. One is claimed for the time of a program; a program that interrupts
 * takes the next. */
struct scratch {
    __u32 busy;
    __u32 len;   /* bytes of the record so far */
    __u32 flags; /* BH_F_… found while building */
    __u32 slot;
    struct walk walk;
    struct seen now; /* beside the record: the stack has no room for it on 6.1 */
    union {
        struct bh_rec rec;
        __u8 bytes[BH_REC_MAX + BH_PATH_MAX +
                   64]; /* the tail lets the verifier see that no copy passes the end */
    };
};
BH_ASSERT(sizeof(struct scratch) <= 32768); /* a per-CPU value's limit: PCPU_MIN_UNIT_SIZE */

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, MAX_NESTED);
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps") __weak;

struct ring_template {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2 * BH_MAX_SHARDS); /* shard · 2 + ring */
    __type(key, __u32);
    __array(values, struct ring_template);
} rings SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2 * BH_MAX_SHARDS);
    __type(key, __u32);
    __type(value, __u64);
} sequences SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct bh_settings);
} settings SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BH_MAX_CGROUPS);
    __type(key, __u64);
    __type(value, struct bh_cgroup_entry);
} cgroups SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BH_MAX_CONTAINERS);
    __type(key, __u32);
    __type(value, struct bh_container_entry);
} containers SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, MAX_STORMS);
    __type(key, struct bh_storm_key);
    __type(value, struct bh_storm_value);
} storms SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct seen);
} tasks SEC(".maps") __weak;
