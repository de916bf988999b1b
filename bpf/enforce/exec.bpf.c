/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Rows that refuse an exec. One body, two attach points; the loader takes the first that this
 * kernel allows:
 *
 * exec_check  lsm/bprm_check_security: refuses with EPERM before anything of the caller is gone.
 * Called for a script and again for its interpreter, so both are judged. exec_kill
 * tp_btf/sched_process_exec: SIGKILL before the new image's first instruction. It sees the file
 * that runs in the end: of a script its interpreter, and the name that was asked for.
 *
 * What holds: nothing outside a container is ever matched (container 0, or a cgroup that isn't
 * known, ends the program at its first look-up); a row past its lease is not there; what can't be
 * told (is this file of the image?) is neither passed nor refused by the row that asks. Without
 * rows neither program is attached.
 *
 * Costs: an exec outside of containers 1.8 us (one look-up, cold), inside 6.5 us, with a verdict 9
 * us, of about 1 ms that an exec takes; 20,000 instructions to verify (6.18).
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/task.bpf.h"
#include "bpf/observe/walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MAX_EXEC_ROWS 16384
#define ANY_CONTAINER 0xffffffffu
#define REFUSE        -1 /* EPERM */
#define SIGNAL_KILL   9

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, MAX_EXEC_ROWS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bh_exec_key);
    __type(value, struct bh_exec_row);
} exec_rows SEC(".maps");

/* The record is built in a scratch; both names lie in it, padded with zeroes as rows have them. */
#define PATH_AT                                                                                    \
    (sizeof(struct bh_rec) + sizeof(struct bh_verdict)) /* where record_bytes puts the path */
#define ASKED_AT 8192                                   /* behind the longest verdict */
BH_ASSERT(PATH_AT % 8 == 0);
BH_ASSERT(PATH_AT + BH_PATH_MAX + 8 <= ASKED_AT && ASKED_AT + BH_ROW_PATH_MAX <= BH_REC_MAX);

struct judgement {
    struct bh_exec_row *best;
    __u64 now;
    __u32 best_own; /* the best one is the container's own */
    __u32 best_object;
    __u32 is_runtime;
};

struct hashing {
    struct scratch *s;
    __u64 hash;
    __u32 at;
};

static long hash_step(__u32 i, struct hashing *h)
{
    h->hash = BH_FNV_STEP(h->hash, h->s->bytes[(h->at + i) & (BH_REC_MAX - 1)]);
    return 0;
}

static __always_inline __u64 hash_at(struct scratch *s, __u32 at, __u32 length)
{
    struct hashing h = {.s = s, .hash = BH_FNV_START, .at = at};
    bpf_loop(length, hash_step, &h, 0);
    return h.hash;
}

/* Without a branch: the verifier would follow each. */
static __noinline int same_at(struct scratch *s, __u32 at, struct bh_exec_row *row)
{
    const __u64 *mine = (const void *)&s->bytes[at & (BH_REC_MAX - 1)],
                *rows = (const void *)row->path;
    __u64 differ = 0;
    for (__u32 i = 0; i < BH_ROW_PATH_MAX / 8; i++)
        differ |= mine[i] ^ rows[i];
    return differ == 0;
}

/* Does a row that fits go before the best so far? Priority, then the container's own, then DENY. */
static __always_inline void consider(struct judgement *j, struct bh_exec_row *row, __u32 own,
                                     __u32 object)
{
    if (row->until && row->until <= j->now)
        return;
    if (j->is_runtime && row->flags & BH_ROW_SPARE_RUNTIME)
        return;
    struct bh_exec_row *best = j->best;
    if (best) {
        if (row->priority != best->priority) {
            if (row->priority < best->priority)
                return;
        } else if (own != j->best_own) {
            if (!own)
                return;
        } else if (row->action <= best->action) {
            return;
        }
    }
    j->best = row;
    j->best_own = own;
    j->best_object = object;
}

static __always_inline void look_path(struct judgement *j, struct scratch *s, __u32 container,
                                      __u32 own, __u32 at, __u32 length, __u64 hash)
{
    struct bh_exec_key key = {
        .container = container, .object = BH_OBJECT_PATH, .a = hash, .b = length};
    struct bh_exec_row *row = bpf_map_lookup_elem(&exec_rows, &key);
    if (row && same_at(s, at, row))
        consider(j, row, own, BH_OBJECT_PATH);
}

static __always_inline void look_file(struct judgement *j, const struct bh_file *file,
                                      __u32 container, __u32 own)
{
    struct bh_exec_key key = {
        .container = container, .object = BH_OBJECT_INODE, .a = file->dev, .b = file->ino};
    struct bh_exec_row *row = bpf_map_lookup_elem(&exec_rows, &key);
    if (row && row->ctime == file->ctime)
        consider(j, row, own, BH_OBJECT_INODE);
    key.a = key.b = 0;
    key.object = BH_OBJECT_NOT_IN_IMAGE;
    row = bpf_map_lookup_elem(&exec_rows, &key);
    /* Written on an overlay's upper layer, or (any file system) later than the container was made;
     * a memfd always is. */
    if (row &&
        (file->flags & (BH_FILE_UPPER | BH_FILE_MEMFD) || (row->ctime && file->ctime > row->ctime)))
        consider(j, row, own, BH_OBJECT_NOT_IN_IMAGE);
    if (file->flags & (BH_FILE_MEMFD | BH_FILE_UNLINKED)) {
        key.object = BH_OBJECT_MEMFD;
        row = bpf_map_lookup_elem(&exec_rows, &key);
        if (row)
            consider(j, row, own, BH_OBJECT_MEMFD);
    }
    key.object = BH_OBJECT_ANY;
    row = bpf_map_lookup_elem(&exec_rows, &key);
    if (row)
        consider(j, row, own, BH_OBJECT_ANY);
}

/* Still the runtime: its parent runs outside of this container, in the same mount namespace. */
static __always_inline __u32 still_runtime(struct task_struct *task, __u32 container)
{
    struct task_struct *parent = BPF_CORE_READ(task, real_parent);
    __u64 cgroup = task_cgroup(parent);
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &cgroup);
    if (g && g->container == container)
        return 0;
    __u32 mine = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
    return mine && mine == BPF_CORE_READ(parent, nsproxy, mnt_ns, ns.inum);
}

/* What the rows say of `file`, about to be or just executed by the current task; a verdict goes to
 * the ring. */
static __always_inline int judge(struct file *file, const char *asked, __u8 effect)
{
    struct actor a = {.cgroup = bpf_get_current_cgroup_id()};
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &a.cgroup);
    if (!g || !g->container)
        return 0;
    a.container = g->container;
    bool sealed = g->sealed;
    struct scratch *s = scratch_claim();
    if (!s) {
        storm_count(a.container, BH_VERDICT, BH_STORM_MISSED, BH_RING_CRITICAL);
        return 0;
    }
    struct task_struct *task = bpf_get_current_task_btf();
    struct bh_verdict *v = record_begin(s, BH_VERDICT, BH_TRUTH_KERNEL_OBJECT, sizeof(*v));
    __u64 dentry = (__u64)BPF_CORE_READ(file, f_path.dentry),
          mnt = (__u64)BPF_CORE_READ(file, f_path.mnt);
    read_file(&v->file, (__u64)BPF_CORE_READ(file, f_inode), dentry, mnt, 0);
    walk_path(s, dentry, mnt, 0);
    __builtin_memset(s->bytes + PATH_AT, 0, BH_ROW_PATH_MAX);
    __builtin_memset(s->bytes + ASKED_AT, 0, BH_ROW_PATH_MAX);
    record_bytes(s, SPAN_AT(bh_verdict, path), (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)],
                 BH_PATH_MAX - s->walk.at, FROM_KERNEL);
    __u32 length = s->flags & BH_F_TRUNCATED ? 0 : s->len - PATH_AT, asked_length = 0;
    __u64 hash = 0, asked_hash = 0;
    if (length > BH_ROW_PATH_MAX)
        length = 0; /* no row can name it */
    if (length)
        hash = hash_at(s, PATH_AT, length);
    long n = bpf_probe_read_kernel_str(s->bytes + ASKED_AT, BH_ROW_PATH_MAX, asked);
    if (n > 1 && n < BH_ROW_PATH_MAX && s->bytes[ASKED_AT] == '/') {
        asked_length = (__u32)n - 1;
        asked_hash = hash_at(s, ASKED_AT, asked_length);
    }

    struct judgement j = {.now = bpf_ktime_get_boot_ns(),
                          .is_runtime = still_runtime(task, a.container)};
    for (__u32 own = 1; own < 2; own--) {
        __u32 container = own ? a.container : ANY_CONTAINER;
        if (!own && !sealed)
            break;
        if (length)
            look_path(&j, s, container, own, PATH_AT, length, hash);
        if (asked_length)
            look_path(&j, s, container, own, ASKED_AT, asked_length, asked_hash);
        look_file(&j, &v->file, container, own);
    }
    int deny = 0;
    if (j.best) {
        struct bh_container_entry *c = bpf_map_lookup_elem(&containers, &a.container);
        a.level = c ? c->level : 0;
        deny = j.best->action == BH_ACTION_DENY;
        v->row = j.best->row;
        v->action = (__u8)j.best->action;
        v->effect = deny ? effect : BH_EFFECT_WOULD;
        v->object = (__u8)j.best_object;
        record_actor(s, &a, task);
        if (!(j.best->flags & BH_ROW_SILENT))
            record_send(s, BH_RING_CRITICAL);
    }
    scratch_release(s);
    return deny;
}

SEC("lsm/bprm_check_security")
int BPF_PROG(exec_check, struct linux_binprm *bprm, int ret)
{
    if (ret)
        return ret;
    return judge(BPF_CORE_READ(bprm, file), BPF_CORE_READ(bprm, filename), BH_EFFECT_REFUSED)
               ? REFUSE
               : 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(exec_kill, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    if (judge(BPF_CORE_READ(task, mm, exe_file), BPF_CORE_READ(bprm, filename),
              BH_EFFECT_KILLED_BEFORE))
        bpf_send_signal(SIGNAL_KILL);
    return 0;
}
