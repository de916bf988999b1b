/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a task was when last seen: its credentials and namespaces in task storage, so that a change
 * is a record and a call that changes nothing is not. A new task starts with its own; those that
 * were there before us get theirs in the scan, and until then nothing is said of them. A change
 * that no call explains is found where the task is looked at next: at exec, fork, exit, mount,
 * ptrace, memfd_create, a socket onto a standard stream, a connection to a Unix socket. Never
 * inside a call, where the kernel lends a task another's credentials for a while (overlay,
 * io_uring). The login uid is kept but never compared: it is written through /proc, by no call of
 * its own.
 */
#pragma once

#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/task.bpf.h"

#define MODE_SETUID 04000
#define MODE_SETGID 02000
#define CLONE_NAMESPACES                                                                           \
    0x7e020080ULL /* CLONE_NEW…: NS, CGROUP, UTS, IPC, USER, PID, NET, and TIME */

static __always_inline bool creds_differ(const struct bh_creds *a, const struct bh_creds *b)
{
    return a->uid != b->uid || a->gid != b->gid || a->euid != b->euid || a->egid != b->egid ||
           a->suid != b->suid || a->sgid != b->sgid || a->fsuid != b->fsuid ||
           a->fsgid != b->fsgid || a->cap_effective != b->cap_effective ||
           a->cap_permitted != b->cap_permitted || a->cap_inheritable != b->cap_inheritable ||
           a->userns != b->userns;
}

static __always_inline bool nses_differ(const struct bh_nses *a, const struct bh_nses *b)
{
    return a->mnt != b->mnt || a->pid != b->pid || a->net != b->net || a->ipc != b->ipc ||
           a->uts != b->uts || a->cgroup != b->cgroup || a->user != b->user || a->time != b->time;
}

/* Are changes of credentials or namespaces asked for at all? */
static __always_inline bool seen_needed(void)
{
    struct bh_settings *set = settings_get();
    return set && (set->any_kinds.word[0] & (BH_KIND_BIT(BH_CRED) | BH_KIND_BIT(BH_NAMESPACE)));
}

/* Is what was remembered still good? Not from a time when not every call that changes something was
 * looked at: then a change would seem to have no call. userns 0: only a process's end was marked.
 */
static __always_inline bool seen_valid(const struct seen *seen)
{
    struct bh_settings *set = settings_get();
    return seen && set && seen->creds.userns && seen->epoch == set->seen_epoch;
}

static __always_inline void seen_remember(struct seen *seen, struct task_struct *task)
{
    struct bh_settings *set = settings_get();
    seen->epoch = set ? set->seen_epoch : 0;
    read_creds(&seen->creds, task);
    read_nses(&seen->nses, task);
}

static __always_inline void cred_send(struct scratch *s, const struct actor *a,
                                      struct task_struct *task, const struct bh_creds *old,
                                      const struct bh_creds *now, __u8 call)
{
    struct bh_cred_change *c = record_begin(s, BH_CRED, BH_TRUTH_TASK_STATE, sizeof(*c));
    record_actor(s, a, task);
    c->old = *old;
    c->now = *now;
    c->call = call;
    record_send(s, BH_RING_CRITICAL);
}

static __always_inline void namespace_send(struct scratch *s, const struct actor *a,
                                           struct task_struct *task, const struct bh_nses *old,
                                           const struct bh_nses *now, __u64 flags, __u8 call)
{
    struct bh_ns_change *c = record_begin(s, BH_NAMESPACE, BH_TRUTH_TASK_STATE, sizeof(*c));
    record_actor(s, a, task);
    c->old = *old;
    c->now = *now;
    c->flags = flags;
    c->call = call;
    record_send(s, BH_RING_CRITICAL);
}

/* All but the time namespace: an exec enters the one that an unshare chose. */
static __always_inline bool nses_differ_at_exec(const struct bh_nses *a, const struct bh_nses *b)
{
    return a->mnt != b->mnt || a->pid != b->pid || a->net != b->net || a->ipc != b->ipc ||
           a->uts != b->uts || a->cgroup != b->cgroup || a->user != b->user;
}

/* Compares `task` (the current one) with what it was, sends what changed and is wanted, remembers.
 */
static __noinline int seen_compare(struct scratch *s, struct task_struct *task, __u64 flags,
                                   __u32 call)
{
    struct seen *seen = bpf_task_storage_get(&tasks, task, 0, 0);
    struct actor a;
    if (!seen_valid(seen)) {
        seen = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (seen)
            seen_remember(seen, task);
        return 0;
    }
    struct bh_creds *creds = &s->now.creds;
    read_creds(creds, task);
    if (creds_differ(&seen->creds, creds)) {
        if (wanted(&a, BH_CRED, false))
            cred_send(s, &a, task, &seen->creds, creds, (__u8)call);
        seen->creds = *creds;
    }
    struct bh_nses *nses = &s->now.nses;
    read_nses(nses, task);
    if (nses_differ(&seen->nses, nses)) {
        if (wanted(&a, BH_NAMESPACE, false))
            namespace_send(s, &a, task, &seen->nses, nses, flags, (__u8)call);
        seen->nses = *nses;
    }
    return 0;
}

/* Before a record of something else that the task did: what changed since, no call explains. */
static __always_inline void seen_unexplained(struct scratch *s, struct task_struct *task)
{
    if (seen_needed())
        seen_compare(s, task, 0, BH_CALL_NONE);
}

/* An exec may change euid and egid of a set-id file, and capabilities; it never changes real ids or
 * namespaces. */
static __always_inline void seen_at_exec(struct scratch *s, const struct actor *a,
                                         struct task_struct *task, struct linux_binprm *bprm)
{
    if (!seen_needed())
        return;
    struct seen *seen = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!seen)
        return;
    struct bh_creds *now = &s->now.creds;
    read_creds(now, task);
    struct bh_creds *old = &seen->creds;
    struct actor mine;
    bool known = seen_valid(seen);
    if (known) {
        __u32 mode = BPF_CORE_READ(bprm, file, f_inode, i_mode);
        bool unexplained = now->uid != old->uid || now->gid != old->gid ||
                           now->userns != old->userns ||
                           (now->euid != old->euid && !(mode & MODE_SETUID)) ||
                           (now->egid != old->egid && !(mode & MODE_SETGID));
        if (unexplained && wanted(&mine, BH_CRED, false))
            cred_send(s, &mine, task, old, now, BH_CALL_NONE);
    }
    seen->creds = *now;
    struct bh_nses *nses = &s->now.nses;
    read_nses(nses, task);
    if (known && nses_differ_at_exec(&seen->nses, nses) && wanted(&mine, BH_NAMESPACE, false))
        namespace_send(s, &mine, task, &seen->nses, nses, 0, BH_CALL_NONE);
    seen->nses = *nses;
    struct bh_settings *set = settings_get();
    seen->epoch = set ? set->seen_epoch : 0;
}

/* A new task begins with what it has. */
static __always_inline void seen_at_clone(struct task_struct *child)
{
    if (!seen_needed())
        return;
    struct seen *of = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (of)
        seen_remember(of, child);
}

static __always_inline void seen_at_scan(struct task_struct *task)
{
    if (!seen_needed())
        return;
    struct seen *seen = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (seen && !seen_valid(seen))
        seen_remember(seen, task);
}
