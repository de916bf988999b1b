/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types that our programs read, with the few members that they read. Every access is
 * relocated by CO-RE against the running kernel's BTF, so order and offsets here mean nothing;
 * names and types do. A name behind three underscores is a flavour: the same kernel type as another
 * release has it, asked for by bpf_core_field_exists. No generated vmlinux.h: what we depend on
 * should be readable on one page.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/abi/abi.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    int counter;
} atomic_t;
typedef struct {
    long long counter;
} atomic64_t;
typedef struct {
    __u32 val;
} kuid_t;
typedef struct {
    __u32 val;
} kgid_t;

struct list_head {
    struct list_head *next;
};
struct hlist_node {
    struct hlist_node *next;
};
struct hlist_head {
    struct hlist_node *first;
};

/* ── files ── */
struct qstr {
    union {
        struct {
            __u32 hash;
            __u32 len;
        };
        __u64 hash_len;
    };
    const unsigned char *name;
};
struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
};
struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
};
struct timespec64 {
    long long tv_sec;
    long tv_nsec;
};
struct inode {
    unsigned short i_mode;
    kuid_t i_uid;
    kgid_t i_gid;
    struct super_block *i_sb;
    unsigned long i_ino;
    unsigned int i_nlink;
};
struct inode___till_6_5 {
    struct timespec64 i_ctime;
};
struct inode___6_6 {
    struct timespec64 __i_ctime;
};
struct inode___6_11 {
    long long i_ctime_sec, i_mtime_sec;
    __u32 i_ctime_nsec, i_mtime_nsec;
};
struct inode___mtime_till_6_6 {
    struct timespec64 i_mtime;
};
struct inode___mtime_6_7 {
    struct timespec64 __i_mtime;
};
struct vfsmount {
    struct dentry *mnt_root;
};
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    int mnt_id;
};
struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};
struct file {
    unsigned int f_mode;
    void *private_data;
    struct inode *f_inode;
    unsigned int f_flags;
    struct path f_path;
};
struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};
struct files_struct {
    atomic_t count;
    struct fdtable *fdt;
};
struct fs_struct {
    struct path root, pwd;
};
struct file_system_type {
    const char *name;
};
struct fs_context {
    struct file_system_type *fs_type;
};

/* ── namespaces ── */
struct ns_common {
    unsigned int inum;
};
struct mnt_namespace {
    struct ns_common ns;
};
struct uts_namespace {
    struct ns_common ns;
};
struct ipc_namespace {
    struct ns_common ns;
};
struct cgroup_namespace {
    struct ns_common ns;
};
struct time_namespace {
    struct ns_common ns;
};
struct user_namespace {
    struct ns_common ns;
};
struct net {
    struct ns_common ns;
};
struct xarray {
    void *xa_head;
};
struct xa_node {
    unsigned char shift;
    void *slots[64];
};
struct idr {
    struct xarray idr_rt;
};
struct pid_namespace {
    struct idr idr;
    unsigned int level;
    struct ns_common ns;
};
struct nsproxy {
    struct uts_namespace *uts_ns;
    struct ipc_namespace *ipc_ns;
    struct mnt_namespace *mnt_ns;
    struct pid_namespace *pid_ns_for_children;
    struct net *net_ns;
    struct time_namespace *time_ns;
    struct cgroup_namespace *cgroup_ns;
};

/* ── tasks ── */
struct cred {
    kuid_t uid, suid, euid, fsuid;
    kgid_t gid, sgid, egid, fsgid;
    struct {
        __u64 bits;
    } cap_inheritable, cap_effective; /* one or two words, by release; read as bytes */
    struct user_namespace *user_ns;
};
struct upid {
    int nr;
    struct pid_namespace *ns;
};
struct pid {
    unsigned int level;
    struct hlist_head tasks[4];
    struct upid numbers[1];
};
struct tty_driver {
    int major, minor_start;
};
struct tty_struct {
    struct tty_driver *driver;
    int index;
};
struct signal_struct {
    atomic_t live;
    int group_exit_code;
    unsigned int flags;
    struct pid *pids[4];
    struct tty_struct *tty;
    __u64 utime, stime;
};
struct mm_struct {
    unsigned long arg_start, arg_end;
    struct file *exe_file;
};
struct kernfs_node {
    __u64 id;
};
struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
};
struct cgroup_root {
    int hierarchy_id;
};
struct cgroup {
    struct cgroup_subsys_state self;
    int level;
    struct kernfs_node *kn;
    struct cgroup_root *root;
};
struct css_set {
    struct cgroup *dfl_cgrp;
};
struct thread_info {
    unsigned long flags;
};
struct thread_info___status { /* x86 */
    __u32 status;
};
struct task_struct {
    struct thread_info thread_info;
    unsigned int flags;
    struct mm_struct *mm;
    int exit_code;
    int pid, tgid;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct hlist_node pid_links[4];
    __u64 utime, stime;
    __u64 start_boottime;
    const struct cred *cred;
    char comm[16];
    struct fs_struct *fs;
    struct files_struct *files;
    struct nsproxy *nsproxy;
    struct signal_struct *signal;
    __u64 self_exec_id;
    struct css_set *cgroups;
};
struct task_struct___audit {
    kuid_t loginuid;
};
struct linux_binprm {
    struct file *file;
    const char *filename, *interp;
};
struct linux_binprm___fdpath {
    const char *fdpath;
};

/* ── sockets ── */
struct in6_addr {
    union {
        __u8 u6_addr8[16];
    } in6_u;
};
typedef struct {
    struct net *net;
} possible_net_t;
struct sock_common {
    union {
        struct {
            __be32 skc_daddr, skc_rcv_saddr;
        };
    };
    union {
        struct {
            __be16 skc_dport;
            __u16 skc_num;
        };
    };
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
    atomic64_t skc_cookie;
};
struct sock {
    struct sock_common __sk_common;
    __u16 sk_type, sk_protocol;
};
struct socket {
    struct sock *sk;
};
struct sockaddr_un {
    unsigned short sun_family;
    char sun_path[108];
};
struct unix_address {
    int len; /* of name, with sun_family */
    struct sockaddr_un name[0];
};
struct unix_sock {
    struct unix_address *addr;
    struct sock *peer;
};

/* ── iterators ── */
struct seq_file;
struct bpf_iter_meta {
    struct seq_file *seq;
};
struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
    unsigned long r10, r9, r8, dx, si, di, bx, cx, bp, orig_ax, ax;
};
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
    unsigned long regs[31];
    __u64 orig_x0;
    int syscallno;
};
#else
#error "unknown architecture: see bpf/arch/"
#endif

#pragma clang attribute pop

/* Kernel constants that BTF doesn't hold. */
enum {
    PIDTYPE_PGID_ = 2, /* include/linux/pid_types.h, behind PID and TGID */
    PIDTYPE_SID_ = 3,
    TASK_SIGNAL_GROUP_EXIT = 0x4, /* include/linux/sched/signal.h */
    TASK_PF_KTHREAD = 0x00200000,
    FILE_MODE_CREATED = 0x100000,     /* fs.h: FMODE_CREATED */
    FILE_MODE_NOACCOUNT = 0x20000000, /* FMODE_NOACCOUNT: an overlay's inner file, till 6.4 */
    FILE_MODE_BACKING = 0x2000000,    /* FMODE_BACKING: the same since 6.5 */
    FILE_FLAG_EXEC = 0x20,            /* fcntl.h: __FMODE_EXEC */
    STAT_FMT = 0170000,
    STAT_SOCK = 0140000,
    STAT_FIFO = 0010000,
    STAT_DIR = 0040000,
    MAGIC_OVERLAY = 0x794c7630,
    MAGIC_TMPFS = 0x01021994,
};
#define MAGIC_HUGETLBFS 0x958458f6UL
#define FAMILY_UNIX     1
#define FAMILY_INET     2
#define FAMILY_INET6    10
#define STATE_SYN_SENT  2
