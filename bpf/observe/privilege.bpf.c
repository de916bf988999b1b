/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Privilege: credentials and namespaces that changed, mounts, tracing of others.
 *
 * call_cred    behind call_exit for the set-id calls, capset, unshare and setns: the task's own
 * state compared with what it was. A call that changes nothing is not sent. call_mount   behind
 * call_exit for the mount calls; failed ones too. Paths are the caller's text, except chroot's (the
 * task's new root) and what a descriptor names. call_ptrace  behind call_exit: attaching, and
 * writing to another's memory or registers; not each step of a debugger.
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/exit.bpf.h"
#include "bpf/observe/seen.bpf.h"
#include "bpf/observe/task.bpf.h"
#include "bpf/observe/walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(call_cred, struct pt_regs *regs, long ret)
{
    if (ret < 0)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    __u64 flags = c.id == BH_CALL_UNSHARE ? arch_argument(regs, c.compat, 0)
                  : c.id == BH_CALL_SETNS ? arch_argument(regs, c.compat, 1)
                                          : 0;
    struct scratch *s = scratch_claim();
    if (!s)
        return 0;
    seen_compare(s, task, flags, c.id);
    scratch_release(s);
    return 0;
}

#define MOUNT_TEXT        1800 /* bytes of each of two paths of one record, and a type's name */
#define TREE_CLONE        1    /* OPEN_TREE_CLONE: else open_tree only opens */
#define COMPAT_OLD_UMOUNT 22   /* i386: umount without flags */

static __always_inline void walked(struct scratch *s, __u32 span_at, __u64 dentry, __u64 mnt,
                                   struct task_struct *task, bool from_root)
{
    walk_path(s, dentry, mnt, from_root ? 0 : (__u64)BPF_CORE_READ(task, fs));
    record_bytes(s, span_at, (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)],
                 BH_PATH_MAX - s->walk.at, FROM_KERNEL);
}

/* A path of the caller's, or where that is empty the file behind its descriptor. */
static __always_inline void text_or_file(struct scratch *s, __u32 span_at, __u64 text, long fd,
                                         struct task_struct *task)
{
    __u32 before = s->len;
    bool shared = false;
    record_text(s, span_at, text, MOUNT_TEXT, FROM_USER);
    if (s->len != before)
        return;
    struct file *file = file_of(task, fd, &shared);
    if (!file)
        return;
    s->flags |= shared ? BH_F_SHARED_TABLE : 0;
    walked(s, span_at, (__u64)BPF_CORE_READ(file, f_path.dentry),
           (__u64)BPF_CORE_READ(file, f_path.mnt), task, false);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_mount, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (!wanted(&a, BH_MOUNT, false))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    __u64 arg0 = arch_argument(regs, c.compat, 0), arg1 = arch_argument(regs, c.compat, 1),
          arg2 = arch_argument(regs, c.compat, 2), arg3 = arch_argument(regs, c.compat, 3),
          arg4 = arch_argument(regs, c.compat, 4);
    if (c.id == BH_CALL_OPEN_TREE && !(arg2 & TREE_CLONE))
        return 0;
    if (!(s = scratch_claim()))
        return 0;
    seen_unexplained(s, task);
    struct bh_mount *m = record_begin(s, BH_MOUNT, BH_TRUTH_CALLER_MEMORY, sizeof(*m));
    const __u32 source = SPAN_AT(bh_mount, source), target = SPAN_AT(bh_mount, target),
                fstype = SPAN_AT(bh_mount, fstype);
    record_actor(s, &a, task);
    m->result = (__s32)ret;
    m->call = (__u8)c.id;
    if (ret < 0)
        s->rec.flags |= BH_F_FAILED;
    if (c.compat)
        s->rec.flags |= BH_F_COMPAT;
    switch (c.id) {
    case BH_CALL_MOUNT:
        m->flags = arg3;
        record_text(s, source, arg0, MOUNT_TEXT, FROM_USER);
        record_text(s, target, arg1, MOUNT_TEXT, FROM_USER);
        record_text(s, fstype, arg2, 64, FROM_USER);
        break;
    case BH_CALL_UMOUNT2:
        m->flags = c.compat && c.number == COMPAT_OLD_UMOUNT ? 0 : arg1;
        record_text(s, target, arg0, MOUNT_TEXT, FROM_USER);
        break;
    case BH_CALL_MOVE_MOUNT:
        m->flags = arg4;
        text_or_file(s, source, arg1, (__s32)arg0, task);
        text_or_file(s, target, arg3, (__s32)arg2, task);
        break;
    case BH_CALL_OPEN_TREE:
        m->flags = arg2;
        text_or_file(s, source, arg1, (__s32)arg0, task);
        break;
    case BH_CALL_FSMOUNT:
        m->flags = arg2;
        if (ret >= 0) {
            bool shared = false;
            struct file *file = file_of(task, (__s32)arg0, &shared);
            struct fs_context *fc = file ? BPF_CORE_READ(file, private_data) : 0;
            if (fc)
                record_text(s, fstype, (__u64)BPF_CORE_READ(fc, fs_type, name), 64, FROM_KERNEL);
            s->flags |= shared ? BH_F_SHARED_TABLE : 0;
        }
        break;
    case BH_CALL_PIVOT_ROOT: /* target: the new root; source: where the old one went */
        record_text(s, source, arg1, MOUNT_TEXT, FROM_USER);
        record_text(s, target, arg0, MOUNT_TEXT, FROM_USER);
        break;
    case BH_CALL_CHROOT:
        if (ret == 0) {
            struct fs_struct *fs = BPF_CORE_READ(task, fs);
            s->rec.truth = BH_TRUTH_TASK_STATE;
            walked(s, target, (__u64)BPF_CORE_READ(fs, root.dentry),
                   (__u64)BPF_CORE_READ(fs, root.mnt), task, true);
        } else {
            record_text(s, target, arg0, MOUNT_TEXT, FROM_USER);
        }
        break;
    }
    record_send(s, BH_RING_CRITICAL);
    scratch_release(s);
    return 0;
}

/* ── tracing ── */

#define TRACE_ME        0
#define TRACE_POKETEXT  4
#define TRACE_POKEDATA  5
#define TRACE_POKEUSER  6
#define TRACE_SETREGS   13
#define TRACE_ATTACH    16
#define TRACE_SETREGSET 0x4205
#define TRACE_SEIZE     0x4206
#define XARRAY_SHIFT    6 /* XA_CHUNK_SHIFT */
#define XARRAY_LEVELS   6

static __always_inline bool request_counts(__u64 request)
{
    return request == TRACE_ME || request == TRACE_ATTACH || request == TRACE_SEIZE ||
           request == TRACE_POKETEXT || request == TRACE_POKEDATA || request == TRACE_POKEUSER ||
           request == TRACE_SETREGS || request == TRACE_SETREGSET;
}

/* The task that `task` calls `number`: its pid namespace's own table (an xarray:
 * include/linux/xarray.h), since no helper finds one on every kernel. */
static __always_inline struct task_struct *task_numbered(struct task_struct *task, __u32 number)
{
    struct pid *own = BPF_CORE_READ(task, thread_pid);
    __u32 level = BPF_CORE_READ(own, level);
    struct pid_namespace *ns = 0;
    if (level > 32)
        return 0;
    bpf_probe_read_kernel(&ns, sizeof(ns),
                          (char *)own + bpf_core_field_offset(struct pid, numbers) +
                              level * bpf_core_type_size(struct upid) +
                              bpf_core_field_offset(struct upid, ns));
    if (!ns)
        return 0;
    __u64 entry = (__u64)BPF_CORE_READ(ns, idr.idr_rt.xa_head);
    for (int i = 0; i < XARRAY_LEVELS; i++) {
        if ((entry & 3) != 2 || entry <= 4096) /* not a node */
            break;
        struct xa_node *node = (void *)(entry - 2);
        __u8 shift = BPF_CORE_READ(node, shift);
        if (i == 0 && (__u64)number >> (shift & 63) >> XARRAY_SHIFT)
            return 0;
        __u32 slot = (number >> (shift & 31)) & 63;
        bpf_probe_read_kernel(&entry, sizeof(entry),
                              (char *)node + bpf_core_field_offset(struct xa_node, slots) +
                                  slot * 8);
    }
    if (!entry || entry & 3)
        return 0;
    struct pid *found = (void *)entry;
    struct hlist_node *link = BPF_CORE_READ(found, tasks[0].first);
    return link ? (void *)((char *)link - bpf_core_field_offset(struct task_struct, pid_links)) : 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_ptrace, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (!wanted(&a, BH_PTRACE, false))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    __u64 request = 0, number;
    if (c.id == BH_CALL_PTRACE) {
        request = arch_argument(regs, c.compat, 0);
        number = arch_argument(regs, c.compat, 1);
        if (!request_counts(request))
            return 0;
    } else {
        number = arch_argument(regs, c.compat, 0);
    }
    if (!(s = scratch_claim()))
        return 0;
    seen_unexplained(s, task);
    struct bh_ptrace *p = record_begin(s, BH_PTRACE, BH_TRUTH_CALLER_MEMORY, sizeof(*p));
    record_actor(s, &a, task);
    p->request = request;
    p->result = (__s32)ret;
    p->call = (__u8)c.id;
    s->rec.truth = BH_TRUTH_TASK_STATE; /* numbers in registers, looked up in the kernel's table */
    if (ret < 0)
        s->rec.flags |= BH_F_FAILED;
    if (c.compat)
        s->rec.flags |= BH_F_COMPAT;
    struct task_struct *target =
        c.id == BH_CALL_PTRACE && request == TRACE_ME ? task : task_numbered(task, (__u32)number);
    if (target) {
        __u64 group = task_cgroup(target);
        struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &group);
        p->target = (__u32)BPF_CORE_READ(target, tgid);
        p->target_start = BPF_CORE_READ(target, group_leader, start_boottime);
        p->target_container = g ? g->container : 0;
    }
    record_send(s, BH_RING_CRITICAL);
    scratch_release(s);
    return 0;
}
