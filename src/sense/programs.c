// The programs: which kinds need which, attaching and detaching them as the interest changes.
#include "sense/internal.h"

#include <errno.h>
#include <linux/bpf.h>

enum attach_how {
    ATTACH_TRACE,  // as its section says
    ATTACH_CGROUP, // at the root of the v2 tree
    ATTACH_NEVER,  // run by another program or by us
};
struct program_row {
    const char *name, *attach;
    enum attach_how how;
    bool always;       // identity needs it whatever is asked for
    uint16_t kinds[8]; // or any of these
};
static const struct program_row rows[] = {
    {"process_exec", "tp_btf/sched_process_exec", ATTACH_TRACE, true, {BH_EXEC}},
    {"process_fork", "tp_btf/task_newtask", ATTACH_TRACE, true, {BH_FORK}},
    {"process_exit", "tp_btf/sched_process_exit", ATTACH_TRACE, true, {BH_EXIT}},
    {"process_scan", "iter/task", ATTACH_NEVER, false, {BH_TASK}},
    {"cgroup_make", "tp_btf/cgroup_mkdir", ATTACH_TRACE, true, {BH_CGROUP_MAKE}},
    {"cgroup_attach", "tp_btf/cgroup_attach_task", ATTACH_TRACE, true, {BH_CGROUP_ATTACH}},
    {"cgroup_remove", "tp_btf/cgroup_rmdir", ATTACH_TRACE, true, {BH_CGROUP_REMOVE}},
};

void programs_probe(struct optional_hooks *ret)
{
    *ret = (struct optional_hooks){0};
}

void programs_select(struct observe *o, const struct optional_hooks *hooks)
{
    struct bpf_program *p;
    bpf_object__for_each_program(p, o->obj)
    {
        bpf_program__set_autoattach(p, false);
    }
}

int programs_bind(struct sense *s, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bpf_program *p = bpf_object__find_program_by_name(s->skeleton->obj, rows[i].name);
        if (!p)
            return error_set(err, -ENOENT, "program %s is not in the object", rows[i].name);
        if (!bpf_program__autoload(p))
            continue;
        INVARIANT(s->attached_n < MAX_PROGRAMS);
        s->attached[s->attached_n++] = (struct attached){&rows[i], p, NULL};
    }
    return 0;
}

static bool needed(const struct program_row *row, const struct bh_kind_set *any)
{
    if (row->how == ATTACH_NEVER)
        return false;
    if (row->always)
        return true;
    for (size_t k = 0; k < ARRAY_SIZE(row->kinds) && row->kinds[k]; k++)
        if (kind_set_has(any, row->kinds[k]))
            return true;
    return false;
}

static int attach(struct sense *s, struct attached *a, struct error *err)
{
    struct bpf_link *link = a->row->how == ATTACH_CGROUP
                                ? bpf_program__attach_cgroup(a->program, host_cgroup2_fd(s->host))
                                : bpf_program__attach(a->program);
    if (!link)
        return error_set(err, -errno, "cannot attach %s (%s): %s", a->row->name, a->row->attach,
                         strerror(errno));
    a->link = link;
    return 0;
}

int programs_attach(struct sense *s, const struct bh_kind_set *any, struct error *err)
{
    // First what is new, then what goes: no kind that stays wanted has a moment without its
    // program.
    for (size_t i = 0; i < s->attached_n; i++) {
        struct attached *a = &s->attached[i];
        if (needed(a->row, any) && !a->link) {
            int r = attach(s, a, err);
            if (r < 0)
                return r;
        }
    }
    for (size_t i = 0; i < s->attached_n; i++) {
        struct attached *a = &s->attached[i];
        if (!needed(a->row, any) && a->link) {
            bpf_link__destroy(a->link);
            a->link = NULL;
        }
    }
    return 0;
}

void programs_detach(struct sense *s)
{
    for (size_t i = 0; i < s->attached_n; i++) {
        if (s->attached[i].link)
            bpf_link__destroy(s->attached[i].link);
        s->attached[i].link = NULL;
    }
}

void sense_programs(const struct sense *s, sense_program_cb cb, void *ctx)
{
    for (size_t i = 0; i < s->attached_n; i++) {
        const struct attached *a = &s->attached[i];
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof(info);
        if (bpf_obj_get_info_by_fd(bpf_program__fd(a->program), &info, &size) < 0)
            info.verified_insns = 0;
        cb(ctx, a->row->name, a->row->attach, a->link != NULL, info.verified_insns);
    }
}
