/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Files: open, and memfd_create, whose file has no name in any tree.
 *
 * open_lsm, open_fentry  lsm/file_open, fentry/security_file_open: the kernel's object before
 * anyone could swap it, its path by bpf_d_path; the call and the caller's text by the task's
 * registers. One of them is loaded where the kernel takes it, and call_open isn't.
 *
 * call_open  behind call_exit: the file behind the returned descriptor, its path walked. Another
 * thread that shares the table can put another file there between the open and us: flagged.
 *
 * call_memfd  behind call_exit.
 *
 * Failed opens are not sent. An overlay's inner open of the lower or upper file is the kernel's,
 * not the task's: skipped. So is the open for an exec: that has its own kind.
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/exit.bpf.h"
#include "bpf/observe/seen.bpf.h"
#include "bpf/observe/task.bpf.h"
#include "bpf/observe/walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define OPEN_FLAGS_OF_CALL 01700 /* O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC: the file forgets them */
#define OPEN_FLAGS_CREAT   01101 /* what creat means: O_CREAT, O_TRUNC, O_WRONLY */
#define MEMFD_PREFIX       6     /* "memfd:" */
#define MAX_NAME_COMPARED  255

/* The parts of an open that don't depend on where we are. */
static __always_inline struct bh_open *open_begin(struct scratch *s, const struct actor *a,
                                                  struct task_struct *task, struct file *file,
                                                  __u8 truth)
{
    struct bh_open *o = record_begin(s, BH_OPEN, truth, sizeof(*o));
    struct bh_creds creds = {};
    record_actor(s, a, task);
    o->flags = BPF_CORE_READ(file, f_flags);
    o->created = BPF_CORE_READ(file, f_mode) & FILE_MODE_CREATED ? 1 : 0;
    read_writer(&creds, task);
    read_file(&o->file, (__u64)BPF_CORE_READ(file, f_inode),
              (__u64)BPF_CORE_READ(file, f_path.dentry), (__u64)BPF_CORE_READ(file, f_path.mnt),
              &creds);
    return o;
}

struct name_compare {
    struct scratch *s;
    __u32 asked_end; /* behind the caller's text */
    __u32 differs;
};

static long compare_byte(__u32 i, struct name_compare *c)
{
    __u8 is = c->s->walk.text[(BH_PATH_MAX - 1 - i) & (BH_PATH_MAX - 1)];
    __u8 asked = c->s->bytes[(c->asked_end - 1 - i) & (BH_REC_MAX - 1)];
    if (is == asked)
        return 0;
    c->differs = 1;
    return 1;
}

/* Does the caller's text end in the file's own name? (A symbolic link's doesn't either: so it says
 * only that the name confirms nothing.) */
static __always_inline bool name_fits(struct scratch *s, const struct bh_open *o, __u32 name_length)
{
    struct name_compare c = {s, (__u32)o->asked.off + o->asked.len, 0};
    if (!name_length || name_length > MAX_NAME_COMPARED || o->asked.len < name_length)
        return false;
    bpf_loop(name_length, compare_byte, &c, 0);
    if (c.differs)
        return false;
    return o->asked.len == name_length ||
           s->bytes[(c.asked_end - 1 - name_length) & (BH_REC_MAX - 1)] == '/';
}

static __always_inline void open_asked(struct scratch *s, struct bh_open *o, const struct call *c,
                                       const struct pt_regs *regs)
{
    __u64 text = 0, flags = 0, mode = 0;
    if (c->id == BH_CALL_OPEN) {
        text = arch_argument(regs, c->compat, 0);
        flags = arch_argument(regs, c->compat, 1);
        mode = arch_argument(regs, c->compat, 2);
    } else if (c->id == BH_CALL_CREAT) {
        text = arch_argument(regs, c->compat, 0);
        flags = OPEN_FLAGS_CREAT;
        mode = arch_argument(regs, c->compat, 1);
    } else if (c->id == BH_CALL_OPENAT) {
        text = arch_argument(regs, c->compat, 1);
        flags = arch_argument(regs, c->compat, 2);
        mode = arch_argument(regs, c->compat, 3);
    } else if (c->id == BH_CALL_OPENAT2) {
        __u64 how[2] = {};
        text = arch_argument(regs, c->compat, 1);
        bpf_probe_read_user(how, sizeof(how), (void *)arch_argument(regs, c->compat, 2));
        flags = how[0];
        mode = how[1];
    } else if (c->id == BH_CALL_OPEN_BY_HANDLE_AT) {
        flags = arch_argument(regs, c->compat, 2);
    }
    o->flags |= (__u32)flags & OPEN_FLAGS_OF_CALL;
    if (flags & 0100) /* O_CREAT */
        o->mode = (__u32)mode & 07777;
    record_text(s, SPAN_AT(bh_open, asked), text, BH_PATH_MAX - 1, FROM_USER);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_open, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (ret < 0 || !wanted(&a, BH_OPEN, false) || !(s = scratch_claim()))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    bool shared = false;
    struct file *file = file_of(task, ret, &shared);
    struct bh_open *o = open_begin(s, &a, task, file, BH_TRUTH_RETURNED_FD);
    o->fd = (__s32)ret;
    o->call = (__u8)c.id;
    s->flags |= (shared ? BH_F_SHARED_TABLE : 0) | (c.compat ? BH_F_COMPAT : 0);
    open_asked(s, o, &c, regs);
    if (file) {
        struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
        walk_path(s, (__u64)dentry, (__u64)BPF_CORE_READ(file, f_path.mnt),
                  a.container ? 0 : (__u64)BPF_CORE_READ(task, fs));
        if (shared && !name_fits(s, o, BPF_CORE_READ(dentry, d_name.len)))
            s->flags |= BH_F_MISMATCH;
        record_bytes(s, SPAN_AT(bh_open, path),
                     (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)], BH_PATH_MAX - s->walk.at,
                     FROM_KERNEL);
    } else {
        s->flags |= BH_F_MISMATCH; /* closed by another thread already */
    }
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}

static __always_inline bool is_open(__u32 call)
{
    return call == BH_CALL_OPEN || call == BH_CALL_OPENAT || call == BH_CALL_OPENAT2 ||
           call == BH_CALL_CREAT || call == BH_CALL_OPEN_BY_HANDLE_AT;
}

/* Is the task's root another than its mount namespace's? Then bpf_d_path gives names that chroot
 * chose. The namespace's root lies on the one mount that has no parent; a runtime that moved it
 * there instead of pivoting counts as other too, which only costs the walk. */
static __always_inline bool root_is_other(struct task_struct *task)
{
    struct fs_struct *fs = task->fs;
    if (!fs)
        return false;
    struct vfsmount *at = fs->root.mnt;
    if (!at || fs->root.dentry != at->mnt_root)
        return true;
    struct mount *mnt = (void *)((__u64)at - bpf_core_field_offset(struct mount, mnt));
    struct mount *parent = BPF_CORE_READ(mnt, mnt_parent);
    return parent != mnt && parent != BPF_CORE_READ(parent, mnt_parent);
}

#define DELETED     " (deleted)"
#define DELETED_LEN 10

static __always_inline int open_object(struct file *file)
{
    struct actor a;
    struct scratch *s;
    if (file->f_mode & (FILE_MODE_BACKING | FILE_MODE_NOACCOUNT) || file->f_flags & FILE_FLAG_EXEC)
        return 0;
    if (!wanted(&a, BH_OPEN, false) || !(s = scratch_claim()))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct bh_open *o = open_begin(s, &a, task, file, BH_TRUTH_KERNEL_OBJECT);
    o->fd = -1;
    bool by_walk = a.container && root_is_other(task);
    long n = by_walk ? 0 : bpf_d_path(&file->f_path, (char *)s->walk.text, BH_PATH_MAX);
    if (by_walk) {
        walk_path(s, (__u64)BPF_CORE_READ(file, f_path.dentry),
                  (__u64)BPF_CORE_READ(file, f_path.mnt), 0);
        record_bytes(s, SPAN_AT(bh_open, path),
                     (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)], BH_PATH_MAX - s->walk.at,
                     FROM_KERNEL);
    } else if (n > 1 && n <= BH_PATH_MAX) {
        __u32 length = (__u32)n - 1;
        /* bpf_d_path says so behind the name; we say it by a flag. */
        if (o->file.flags & BH_FILE_UNLINKED && length > DELETED_LEN)
            length -= DELETED_LEN;
        record_bytes(s, SPAN_AT(bh_open, path), (__u64)s->walk.text, length, FROM_KERNEL);
    } else {
        s->flags |= BH_F_TRUNCATED;
    }
    /* An open without a call for it (io_uring, the kernel's own) has no text and names no call. */
    const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
    struct call c = call_running(task, regs);
    if (is_open(c.id)) {
        o->call = (__u8)c.id;
        s->flags |= c.compat ? BH_F_COMPAT : 0;
        open_asked(s, o, &c, regs);
    }
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}

SEC("fentry/security_file_open")
int BPF_PROG(open_fentry, struct file *file)
{
    return open_object(file);
}

SEC("lsm/file_open")
int BPF_PROG(open_lsm, struct file *file)
{
    return open_object(file);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_memfd, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (ret < 0 || !wanted(&a, BH_MEMFD, false) || !(s = scratch_claim()))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    bool shared = false;
    struct file *file = file_of(task, ret, &shared);
    seen_unexplained(s, task);
    struct bh_memfd *m = record_begin(s, BH_MEMFD, BH_TRUTH_RETURNED_FD, sizeof(*m));
    record_actor(s, &a, task);
    m->fd = (__s32)ret;
    m->flags = (__u32)arch_argument(regs, c.compat, 1);
    s->flags |= (shared ? BH_F_SHARED_TABLE : 0) | (c.compat ? BH_F_COMPAT : 0) |
                (file ? 0 : BH_F_MISMATCH);
    __u64 name = file ? (__u64)BPF_CORE_READ(file, f_path.dentry, d_name.name) : 0;
    if (name)
        record_text(s, SPAN_AT(bh_memfd, name), name + MEMFD_PREFIX, 256, FROM_KERNEL);
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}
