/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a task and a file are: credentials, namespaces, cgroup, ids, facts of an inode. */
#pragma once

#include "bpf/observe/maps.bpf.h"

/* `task` as for record_actor: plain loads, except the capabilities, whose type differs by release.
 */
static __always_inline void read_creds(struct bh_creds *to, struct task_struct *task)
{
    const struct cred *cred = task->cred;
    __u64 caps[3] = {};
    __builtin_memset(to, 0, sizeof(*to));
    bpf_probe_read_kernel(caps, sizeof(caps),
                          __builtin_preserve_access_index(&cred->cap_inheritable));
    to->uid = cred->uid.val;
    to->gid = cred->gid.val;
    to->suid = cred->suid.val;
    to->sgid = cred->sgid.val;
    to->euid = cred->euid.val;
    to->egid = cred->egid.val;
    to->fsuid = cred->fsuid.val;
    to->fsgid = cred->fsgid.val;
    to->cap_inheritable = caps[0];
    to->cap_permitted = caps[1];
    to->cap_effective = caps[2];
    to->userns = cred->user_ns->ns.inum;
    struct task_struct___audit *audit = (void *)task;
    to->loginuid =
        bpf_core_field_exists(audit->loginuid) ? BPF_CORE_READ(audit, loginuid.val) : 0xffffffff;
}

/* Only what decides over writing: for opens, which are many. */
static __always_inline void read_writer(struct bh_creds *to, struct task_struct *task)
{
    const struct cred *cred = task->cred;
    to->fsuid = cred->fsuid.val;
    to->fsgid = cred->fsgid.val;
    bpf_probe_read_kernel(&to->cap_effective, sizeof(to->cap_effective),
                          __builtin_preserve_access_index(&cred->cap_effective));
}

static __always_inline void read_nses(struct bh_nses *to, struct task_struct *task)
{
    struct nsproxy *ns = task->nsproxy;
    __builtin_memset(to, 0, sizeof(*to));
    to->user = task->cred->user_ns->ns.inum;
    if (!ns)
        return; /* the task is ending */
    to->mnt = ns->mnt_ns->ns.inum;
    to->pid = ns->pid_ns_for_children->ns.inum;
    to->net = ns->net_ns->ns.inum;
    to->ipc = ns->ipc_ns->ns.inum;
    to->uts = ns->uts_ns->ns.inum;
    to->cgroup = ns->cgroup_ns->ns.inum;
    if (bpf_core_field_exists(ns->time_ns))
        to->time = ns->time_ns->ns.inum;
}

static __always_inline __u64 task_cgroup(struct task_struct *task)
{
    return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* A struct pid's number in its own (deepest) namespace. */
static __always_inline __u32 pid_own_number(struct pid *pid)
{
    __u32 level = BPF_CORE_READ(pid, level);
    struct upid own = {};
    if (level > 32) /* MAX_PID_NS_LEVEL */
        return 0;
    bpf_core_read(&own.nr, sizeof(own.nr), &pid->numbers[0].nr);
    if (level)
        bpf_probe_read_kernel(&own.nr, sizeof(own.nr),
                              (char *)pid + bpf_core_field_offset(struct pid, numbers) +
                                  level * bpf_core_type_size(struct upid) +
                                  bpf_core_field_offset(struct upid, nr));
    return (__u32)own.nr;
}

static __always_inline __u32 task_own_number(struct task_struct *task)
{
    return pid_own_number(BPF_CORE_READ(task, group_leader, thread_pid));
}

static __always_inline __u64 ns_of(struct timespec64 t)
{
    return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

#define INODE_CTIME_QUERIED                                                                        \
    (1u << 31) /* fs.h, 6.13: I_CTIME_QUERIED, a mark beside the nanoseconds */

static __always_inline void read_times(struct bh_file *to, struct inode *inode)
{
    struct inode___6_11 *newest = (void *)inode;
    struct timespec64 c = {}, m = {};
    if (bpf_core_field_exists(newest->i_ctime_sec)) {
        c.tv_sec = BPF_CORE_READ(newest, i_ctime_sec);
        c.tv_nsec = BPF_CORE_READ(newest, i_ctime_nsec) & ~INODE_CTIME_QUERIED;
        m.tv_sec = BPF_CORE_READ(newest, i_mtime_sec);
        m.tv_nsec = BPF_CORE_READ(newest, i_mtime_nsec);
    } else {
        struct inode___6_6 *c66 = (void *)inode;
        struct inode___till_6_5 *c65 = (void *)inode;
        struct inode___mtime_6_7 *m67 = (void *)inode;
        struct inode___mtime_till_6_6 *m66 = (void *)inode;
        if (bpf_core_field_exists(c66->__i_ctime))
            c = BPF_CORE_READ(c66, __i_ctime);
        else if (bpf_core_field_exists(c65->i_ctime))
            c = BPF_CORE_READ(c65, i_ctime);
        if (bpf_core_field_exists(m67->__i_mtime))
            m = BPF_CORE_READ(m67, __i_mtime);
        else if (bpf_core_field_exists(m66->i_mtime))
            m = BPF_CORE_READ(m66, i_mtime);
    }
    to->ctime = ns_of(c);
    to->mtime = ns_of(m);
}

/* Facts of an inode reached over `dentry` and `vfsmount`. creds: of the acting task, for WRITABLE.
 */
static __noinline int read_file(struct bh_file *to, __u64 inode_at, __u64 dentry_at, __u64 vfsmount,
                                const struct bh_creds *creds)
{
    struct inode *inode = (void *)inode_at;
    struct dentry *dentry = (void *)dentry_at;
    if (!to || !inode)
        return 0;
    struct super_block *sb = BPF_CORE_READ(inode, i_sb);
    unsigned long magic = BPF_CORE_READ(sb, s_magic);
    __u32 flags = 0, mode = BPF_CORE_READ(inode, i_mode);
    to->dev = BPF_CORE_READ(sb, s_dev);
    to->ino = BPF_CORE_READ(inode, i_ino);
    to->mode = mode;
    to->uid = BPF_CORE_READ(inode, i_uid.val);
    to->nlink = BPF_CORE_READ(inode, i_nlink);
    read_times(to, inode);
    if (vfsmount) {
        struct mount *mnt = (void *)(vfsmount - bpf_core_field_offset(struct mount, mnt));
        to->mnt_id = (__u64)BPF_CORE_READ(mnt, mnt_id);
    }
    if (!to->nlink)
        flags |= BH_FILE_UNLINKED;
    if (magic == MAGIC_TMPFS)
        flags |= BH_FILE_TMPFS;
    if (magic == MAGIC_TMPFS || magic == MAGIC_HUGETLBFS) {
        /* No one can give a file of a tree such a dentry: it is its own parent. */
        char name[8] = {};
        if (dentry && BPF_CORE_READ(dentry, d_parent) == dentry) {
            bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
            if (*(__u32 *)name == 0x666d656d /* "memf" */ && name[4] == 'd' && name[5] == ':')
                flags |= BH_FILE_MEMFD;
        }
    }
    if (magic == MAGIC_OVERLAY) {
        /* struct ovl_inode is in a module's BTF, there only once it is loaded; its upper dentry
         * lies directly behind its struct inode since 4.19. */
        __u64 upper = 0;
        bpf_probe_read_kernel(&upper, sizeof(upper),
                              (char *)inode + bpf_core_type_size(struct inode));
        flags |= BH_FILE_OVERLAY | (upper ? BH_FILE_UPPER : BH_FILE_LOWER);
    }
    if (creds && (creds->cap_effective & (1ULL << 1) /* CAP_DAC_OVERRIDE */ ||
                  (creds->fsuid == to->uid                           ? mode & 0200
                   : creds->fsgid == BPF_CORE_READ(inode, i_gid.val) ? mode & 0020
                                                                     : mode & 0002)))
        flags |= BH_FILE_WRITABLE;
    to->flags = flags;
    return 0;
}
