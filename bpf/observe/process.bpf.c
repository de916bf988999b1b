/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Processes: exec, fork, exit, and the iterator that lists those that were there before us.
 *
 * process_exec  tp_btf/sched_process_exec: the new image, in its own context; nothing of it has
 * run. process_fork  tp_btf/task_newtask: like sched_process_fork, but it says the clone flags; the
 * child exists and hasn't run, also where it was cloned straight into another cgroup. process_exit
 * tp_btf/sched_process_exit: the last thread of a group. process_scan  iter/task: run by the agent
 * at its start, and again when credentials become interesting. Where these can't attach there is no
 * agent: the host probe says so.
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/exit.bpf.h"
#include "bpf/observe/seen.bpf.h"
#include "bpf/observe/socket.bpf.h"
#include "bpf/observe/task.bpf.h"
#include "bpf/observe/walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_NAME_BYTES                                                                             \
    1536 /* of the caller's name and of an interpreter: what a record has room for beside paths */

/* Everything of a task that its exec record and its scan record say alike. */
static __always_inline void describe(struct scratch *s, struct bh_exec *e, struct task_struct *task)
{
    struct task_struct *parent = BPF_CORE_READ(task, real_parent);
    struct signal_struct *signal = BPF_CORE_READ(task, signal);
    e->ppid = (__u32)BPF_CORE_READ(parent, tgid);
    e->parent_start = BPF_CORE_READ(parent, group_leader, start_boottime);
    e->parent_exec = BPF_CORE_READ(parent, self_exec_id);
    e->vpid = task_own_number(task);
    e->sid = (__u32)BPF_CORE_READ(signal, pids[PIDTYPE_SID_], numbers[0].nr);
    e->pgid = (__u32)BPF_CORE_READ(signal, pids[PIDTYPE_PGID_], numbers[0].nr);
    struct tty_struct *tty = BPF_CORE_READ(signal, tty);
    if (tty)
        e->tty = (__u32)(BPF_CORE_READ(tty, driver, major) << 20 |
                         (BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index)));
    read_creds(&e->creds, task);
    read_nses(&e->nses, task);
}

static __always_inline __u8 stdio_of(__u32 mode, __u16 family)
{
    switch (mode & STAT_FMT) {
    case STAT_SOCK:
        return family == FAMILY_INET    ? BH_STDIO_IPV4
               : family == FAMILY_INET6 ? BH_STDIO_IPV6
               : family == FAMILY_UNIX  ? BH_STDIO_UNIX
                                        : BH_STDIO_OTHER;
    case STAT_FIFO:
        return BH_STDIO_PIPE;
    case STAT_DIR:
        return BH_STDIO_DIRECTORY;
    case 0: /* an anonymous inode: eventfd, epoll, … */
        return BH_STDIO_OTHER;
    default:
        return BH_STDIO_FILE;
    }
}

/* What the standard streams are, and behind the fixed part both ends of the first that is a network
 * socket. Before any string: it must lie on 8 bytes. An exec has a descriptor table of its own by
 * now, without what was to be closed at the exec. */
static __noinline int describe_stdio(struct scratch *s, struct task_struct *task)
{
    struct bh_exec *e = (void *)(s->bytes + sizeof(struct bh_rec));
    struct bh_sock *k = (void *)(s->bytes + sizeof(struct bh_rec) + sizeof(struct bh_exec));
    struct files_struct *files = BPF_CORE_READ(task, files);
    struct file *open[3] = {};
    if (!files || bpf_probe_read_kernel(open, sizeof(open), BPF_CORE_READ(files, fdt, fd)))
        return 0;
    _Pragma("unroll") for (int fd = 0; fd < 3; fd++)
    {
        struct file *file = open[fd];
        struct sock *sk = 0;
        __u16 family = 0;
        if (!file) {
            e->stdio[fd] = BH_STDIO_CLOSED;
            continue;
        }
        if (fd && file == open[fd - 1]) {
            e->stdio[fd] = e->stdio[fd - 1];
            continue;
        }
        if (is_socket(file)) {
            struct socket *socket = BPF_CORE_READ(file, private_data);
            sk = BPF_CORE_READ(socket, sk);
            family = BPF_CORE_READ(sk, __sk_common.skc_family);
        }
        if ((family == FAMILY_INET || family == FAMILY_INET6) && !e->socket.len) {
            __builtin_memset(k, 0, sizeof(*k));
            read_socket(k, sk, BH_ROLE_UNKNOWN);
            family = k->family;
            record_span(s, &e->socket, sizeof(*k));
        }
        e->stdio[fd] = stdio_of(BPF_CORE_READ(file, f_inode, i_mode), family);
    }
    return 0;
}

static __always_inline void describe_paths(struct scratch *s, struct bh_exec *e,
                                           struct task_struct *task)
{
    struct fs_struct *fs = BPF_CORE_READ(task, fs);
    struct file *exe = BPF_CORE_READ(task, mm, exe_file);
    record_text(s, SPAN_AT(bh_exec, comm), (__u64)&task->comm, 16, FROM_KERNEL);
    if (exe) {
        __u64 dentry = (__u64)BPF_CORE_READ(exe, f_path.dentry),
              mnt = (__u64)BPF_CORE_READ(exe, f_path.mnt);
        read_file(&e->exe, (__u64)BPF_CORE_READ(exe, f_inode), dentry, mnt, &e->creds);
        walk_path(s, dentry, mnt, s->rec.container ? 0 : (__u64)fs);
        record_bytes(s, SPAN_AT(bh_exec, path),
                     (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)], BH_PATH_MAX - s->walk.at,
                     FROM_KERNEL);
    }
    if (fs) {
        walk_path(s, (__u64)BPF_CORE_READ(fs, pwd.dentry), (__u64)BPF_CORE_READ(fs, pwd.mnt),
                  (__u64)fs);
        record_bytes(s, SPAN_AT(bh_exec, cwd), (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)],
                     BH_PATH_MAX - s->walk.at, FROM_KERNEL);
    }
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    struct actor a;
    if (!wanted(&a, BH_EXEC, true))
        return 0;
    struct scratch *s = scratch_claim();
    if (!s)
        return 0;
    seen_at_exec(s, &a, task, bprm);
    struct bh_exec *e = record_begin(s, BH_EXEC, BH_TRUTH_KERNEL_OBJECT, sizeof(*e));
    record_actor(s, &a, task);
    e->old_exec = s->rec.exec - 1;
    describe_stdio(s, task);
    describe(s, e, task);
    struct linux_binprm___fdpath *by_fd = (void *)bprm;
    e->call = BH_CALL_EXECVE;
    if (bpf_core_field_exists(by_fd->fdpath) && BPF_CORE_READ(by_fd, fdpath))
        e->call = BH_CALL_EXECVEAT;
    describe_paths(s, e, task);

    __u64 start = BPF_CORE_READ(task, mm, arg_start), end = BPF_CORE_READ(task, mm, arg_end);
    if (end > start) {
        __u64 total = end - start;
        e->args_total = total > 0xffffffff ? 0xffffffff : (__u32)total;
        record_bytes(s, SPAN_AT(bh_exec, args), start,
                     total > BH_ARGS_MAX ? BH_ARGS_MAX + 1 : (__u32)total, FROM_USER);
    }
    const char *name = BPF_CORE_READ(bprm, filename), *interp = BPF_CORE_READ(bprm, interp);
    record_text(s, SPAN_AT(bh_exec, name), (__u64)name, MAX_NAME_BYTES, FROM_KERNEL);
    if (interp != name)
        record_text(s, SPAN_AT(bh_exec, interp), (__u64)interp, MAX_NAME_BYTES, FROM_KERNEL);
    record_broadcast(s);
    scratch_release(s);
    return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(process_fork, struct task_struct *child, __u64 clone_flags)
{
    struct actor a;
    struct task_struct *parent = bpf_get_current_task_btf();
    if (child->pid != child->tgid) {
        seen_at_clone(child);
        return 0;
    }
    seen_at_clone(child);
    if (!wanted(&a, BH_FORK, true))
        return 0;
    struct scratch *s = scratch_claim();
    if (!s)
        return 0;
    seen_unexplained(s, parent);
    struct bh_fork *f = record_begin(s, BH_FORK, BH_TRUTH_KERNEL_OBJECT, sizeof(*f));
    record_actor(s, &a, parent);
    f->child = (__u32)child->tgid;
    f->vpid = task_own_number(child);
    f->child_start = child->start_boottime;
    f->child_exec = child->self_exec_id;
    f->child_cgroup = task_cgroup(child);
    f->flags = clone_flags;
    read_nses(&f->nses, child);
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &f->child_cgroup);
    f->child_container = g ? g->container : 0;
    struct bh_nses *now = &s->now.nses;
    *now = f->nses;
    record_broadcast(s);
    if (clone_flags & CLONE_NAMESPACES) {
        struct seen *of = bpf_task_storage_get(&tasks, parent, 0, 0);
        struct actor of_child;
        if (seen_valid(of) && nses_differ(&of->nses, now) &&
            wanted_of(&of_child, task_cgroup(child), BH_NAMESPACE, false))
            namespace_send(s, &of_child, child, &of->nses, now, clone_flags, BH_CALL_CLONE);
    }
    scratch_release(s);
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
    struct actor a;
    if (task->signal->live.counter != 0 || !wanted(&a, BH_EXIT, true))
        return 0;
    /* Two last threads that end together both see 0. */
    struct seen *seen =
        bpf_task_storage_get(&tasks, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (seen && __sync_lock_test_and_set(&seen->exited, 1))
        return 0;
    struct scratch *s = scratch_claim();
    if (!s)
        return 0;
    seen_unexplained(s, task);
    struct bh_exit *e = record_begin(s, BH_EXIT, BH_TRUTH_KERNEL_OBJECT, sizeof(*e));
    record_actor(s, &a, task);
    struct signal_struct *signal = task->signal;
    struct task_struct *leader = task->group_leader;
    e->code = (__u32)(signal->flags & TASK_SIGNAL_GROUP_EXIT ? signal->group_exit_code
                                                             : leader->exit_code);
    e->utime = signal->utime + task->utime;
    e->stime = signal->stime + task->stime;
    if (leader->pid != task->pid) { /* still there as a zombie, not yet in the group's sums */
        e->utime += leader->utime;
        e->stime += leader->stime;
    }
    record_broadcast(s);
    scratch_release(s);
    return 0;
}

SEC("iter/task")
int process_scan(struct bpf_iter__task *ctx)
{
    struct task_struct *task = ctx->task;
    struct seq_file *seq = ctx->meta->seq;
    if (!task)
        return 0;
    seen_at_scan(task);
    if (task->pid != task->tgid || task->signal->live.counter == 0)
        return 0;
    struct scratch *s = scratch_claim();
    if (!s)
        return 0;
    struct bh_exec *e = record_begin(s, BH_TASK, BH_TRUTH_SCAN, sizeof(*e));
    struct actor a = {.cgroup = task_cgroup(task)};
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &a.cgroup);
    a.container = g ? g->container : 0;
    record_actor(s, &a, task);
    s->rec.ring = BH_RING_NONE;
    describe_stdio(s, task);
    describe(s, e, task);
    describe_paths(s, e, task);
    __u32 size = s->len;
    if (size <= BH_REC_MAX) {
        size = record_pad(s, size);
        if (size <= BH_REC_MAX)
            bpf_seq_write(seq, s->bytes, size);
    }
    scratch_release(s);
    return 0;
}
