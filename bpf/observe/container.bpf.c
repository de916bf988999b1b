/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Cgroups of the v2 tree: made, joined, removed; and the numbers that containers get.
 *
 * cgroup_make    tp_btf/cgroup_mkdir: gives the new cgroup its container's number in the kernel,
 * before anything can run in it, and sends the maker's working folder (for OCI runtimes: the
 * bundle). cgroup_attach  tp_btf/cgroup_attach_task: crun clones straight into its cgroup and has
 * none of these. cgroup_remove  tp_btf/cgroup_rmdir: lets go of the entries, so that
 * make-and-remove floods fill no map. A v1 hierarchy beside it is not looked at (hierarchy_id 0 is
 * the v2 tree's). Rare: cost is no matter.
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/task.bpf.h"
#include "bpf/observe/walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The number given last. User space adds to it too, in the scan. */
__u32 last_container;

static __always_inline __u64 cgroup_id(struct cgroup *c)
{
    return c ? BPF_CORE_READ(c, kn, id) : 0;
}

/* A cgroup that belongs to its parent's container: the parent is known to be one, or its maker is
 * inside it. */
static __always_inline bool inherits(__u64 parent, __u32 *number)
{
    struct bh_cgroup_entry *p = bpf_map_lookup_elem(&cgroups, &parent);
    if (!p || !p->container)
        return false;
    __u64 mine = bpf_get_current_cgroup_id();
    struct bh_cgroup_entry *me = bpf_map_lookup_elem(&cgroups, &mine);
    *number = p->container;
    return p->sealed || (me && me->container == p->container);
}

static __always_inline struct bh_cgroup *describe(struct scratch *s, __u16 kind, struct cgroup *c,
                                                  const char *path)
{
    struct bh_cgroup *g = record_begin(s, kind, BH_TRUTH_KERNEL_OBJECT, sizeof(*g));
    g->id = cgroup_id(c);
    g->parent = cgroup_id(BPF_CORE_READ(c, self.parent, cgroup));
    g->level = (__u32)BPF_CORE_READ(c, level);
    struct bh_cgroup_entry *own = bpf_map_lookup_elem(&cgroups, &g->id);
    struct bh_cgroup_entry *up = bpf_map_lookup_elem(&cgroups, &g->parent);
    g->container = own ? own->container : 0;
    g->parent_container = up ? up->container : 0;
    g->inherited = g->container && g->container == g->parent_container;
    record_text(s, SPAN_AT(bh_cgroup, path), (__u64)path, BH_PATH_MAX - 1, FROM_KERNEL);
    return g;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_make, struct cgroup *c, const char *path)
{
    if (c->root->hierarchy_id != 0)
        return 0;
    __u64 id = cgroup_id(c), parent = cgroup_id(BPF_CORE_READ(c, self.parent, cgroup));
    struct bh_cgroup_entry entry = {};
    if (inherits(parent, &entry.container)) {
        entry.sealed = 1;
    } else {
        entry.container = __sync_fetch_and_add(&last_container, 1) + 1;
        struct bh_container_entry own = {.cgroup = id};
        bpf_map_update_elem(&containers, &entry.container, &own, BPF_ANY);
    }
    bpf_map_update_elem(&cgroups, &id, &entry, BPF_ANY);

    struct actor a;
    struct scratch *s;
    if (!wanted(&a, BH_CGROUP_MAKE, true) || !(s = scratch_claim()))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    describe(s, BH_CGROUP_MAKE, c, path);
    record_actor(s, &a, task);
    struct fs_struct *fs = BPF_CORE_READ(task, fs);
    if (fs) {
        walk_path(s, (__u64)BPF_CORE_READ(fs, pwd.dentry), (__u64)BPF_CORE_READ(fs, pwd.mnt),
                  (__u64)fs);
        record_bytes(s, SPAN_AT(bh_cgroup, cwd),
                     (__u64)&s->walk.text[s->walk.at & (BH_PATH_MAX - 1)], BH_PATH_MAX - s->walk.at,
                     FROM_KERNEL);
    }
    record_broadcast(s);
    scratch_release(s);
    return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(cgroup_attach, struct cgroup *c, const char *path, struct task_struct *task,
             bool whole_group)
{
    struct actor a;
    struct scratch *s;
    if (c->root->hierarchy_id != 0 || !wanted_of(&a, cgroup_id(c), BH_CGROUP_ATTACH, true) ||
        !(s = scratch_claim()))
        return 0;
    describe(s, BH_CGROUP_ATTACH, c, path);
    record_actor(s, &a, task);
    record_broadcast(s);
    scratch_release(s);
    return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_remove, struct cgroup *c, const char *path)
{
    struct actor a;
    struct scratch *s;
    if (c->root->hierarchy_id != 0)
        return 0;
    __u64 id = cgroup_id(c);
    if (wanted(&a, BH_CGROUP_REMOVE, true) && (s = scratch_claim())) {
        describe(s, BH_CGROUP_REMOVE, c, path);
        record_actor(s, &a, bpf_get_current_task_btf());
        record_broadcast(s);
        scratch_release(s);
    }
    struct bh_cgroup_entry *own = bpf_map_lookup_elem(&cgroups, &id);
    if (!own)
        return 0;
    __u32 number = own->container;
    struct bh_container_entry *container = bpf_map_lookup_elem(&containers, &number);
    if (container && container->cgroup == id)
        bpf_map_delete_elem(&containers, &number);
    bpf_map_delete_elem(&cgroups, &id);
    return 0;
}
