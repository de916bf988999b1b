/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A path from a dentry and its mounts, what bpf_d_path does where a program may not call it: as the
 * acting task's root sees it, or up to the root of its mount namespace (files that a container
 * opens and runs: chroot would let it choose their names). Up to BH_PATH_MAX bytes and MAX_WALK
 * components, over mounts and binds, without locks: a rename of a parent meanwhile shows in the
 * kernel's rename_lock, is walked again once, and is flagged if it goes on. Kernels whose symbol
 * table has no data (CONFIG_KALLSYMS_ALL=n) hide that lock; there it can't be seen. Needs bpf_loop
 * (5.17).
 */
#pragma once

#include "bpf/observe/maps.bpf.h"

/* The address comes from the loader: a __ksym of no type can't be linked from several objects
 * (libbpf 1.1). */
static __always_inline __u32 walk_renames(void)
{
    __u32 zero = 0, sequence = 0;
    struct bh_settings *set = bpf_map_lookup_elem(&settings, &zero);
    if (set && set->rename_lock)
        bpf_probe_read_kernel(&sequence, sizeof(sequence), (void *)set->rename_lock);
    return sequence;
}

struct walk_step {
    struct walk *w;
};

static long walk_up(__u32 i, struct walk_step *step)
{
    struct walk *w = step->w;
    struct dentry *dentry = (void *)w->dentry;

    if (w->dentry == w->root_dentry && w->mnt == w->root_mnt)
        return 1;
    if (w->dentry == w->mnt_root) {
        struct mount *mnt = (void *)w->mnt;
        __u64 parent = (__u64)BPF_CORE_READ(mnt, mnt_parent);
        if (parent == w->mnt || !parent)
            return 1; /* the namespace's root, or a mount that hangs nowhere */
        w->dentry = (__u64)BPF_CORE_READ(mnt, mnt_mountpoint);
        w->mnt = parent;
        struct mount *up = (void *)parent;
        w->mnt_root = (__u64)BPF_CORE_READ(up, mnt.mnt_root);
        return 0;
    }
    /* d_parent and d_name lie side by side in every release: one read instead of three. */
    if (bpf_probe_read_kernel(&w->link, sizeof(w->link),
                              __builtin_preserve_access_index(&dentry->d_parent)))
        return 1;
    __u32 length = w->link.len;
    bool is_root = w->link.parent == w->dentry;
    if (length > 255) {
        length = 255;
        w->flags |= BH_F_TRUNCATED;
    }
    __u32 at = w->at;
    if (at < length + 1 || at > BH_PATH_MAX) {
        w->flags |= BH_F_TRUNCATED;
        return 1;
    }
    at = (at - length) & (BH_PATH_MAX - 1);
    bpf_probe_read_kernel(&w->text[at], length & 255, (void *)w->link.name);
    if (is_root) { /* belongs to no tree that has paths: "memfd:x", "pipe:" */
        w->at = at;
        return 1;
    }
    at = (at - 1) & (BH_PATH_MAX - 1);
    w->text[at] = '/';
    w->at = at;
    w->dentry = w->link.parent;
    return 0;
}

/* Walks once; the path is w->text[w->at .. BH_PATH_MAX). */
static __always_inline void walk_once(struct walk *w, __u64 dentry, __u64 vfsmount)
{
    struct walk_step step = {w};
    struct mount *mnt = (void *)(vfsmount - bpf_core_field_offset(struct mount, mnt));
    w->dentry = dentry;
    w->mnt = (__u64)mnt;
    w->mnt_root = (__u64)BPF_CORE_READ(mnt, mnt.mnt_root);
    w->at = BH_PATH_MAX;
    w->flags = 0;
    if (bpf_loop(MAX_WALK, walk_up, &step, 0) == MAX_WALK)
        w->flags |= BH_F_TRUNCATED;
    if (w->at == BH_PATH_MAX) { /* the root itself */
        w->text[BH_PATH_MAX - 1] = '/';
        w->at = BH_PATH_MAX - 1;
    }
}

/* `dentry` and `vfsmount`: of a struct path. fs 0: as the namespace's root sees it. */
static __noinline int walk_path(struct scratch *s, __u64 dentry, __u64 vfsmount, __u64 fs)
{
    struct walk *w = &s->walk;
    w->root_dentry = w->root_mnt = 0;
    if (fs) {
        struct fs_struct *of = (void *)fs;
        __u64 root = (__u64)BPF_CORE_READ(of, root.mnt);
        w->root_dentry = (__u64)BPF_CORE_READ(of, root.dentry);
        w->root_mnt = root - bpf_core_field_offset(struct mount, mnt);
    }
    if (!dentry || !vfsmount) {
        w->at = BH_PATH_MAX;
        return 0;
    }
    __u32 renames = walk_renames();
    walk_once(w, dentry, vfsmount);
    if (renames & 1 || renames != walk_renames()) {
        renames = walk_renames();
        walk_once(w, dentry, vfsmount);
        if (renames & 1 || renames != walk_renames())
            s->flags |= BH_F_RENAMED;
    }
    s->flags |= w->flags;
    return 0;
}
