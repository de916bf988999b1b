// The programs: which kinds need which, attaching and detaching them as the interest changes.
#include "sense/internal.h"

#include "bpf/observe/call.bpf.h"

#include <errno.h>
#include <linux/bpf.h>

enum attach_how {
    ATTACH_TRACE,  // as its section says
    ATTACH_CGROUP, // at the root of the v2 tree
    ATTACH_CALLS,  // while a call is asked for
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
    {"net_connect", "tp_btf/inet_sock_set_state", ATTACH_TRACE, false, {BH_CONNECT}},
    {"udp_send4", "cgroup/sendmsg4", ATTACH_CGROUP, false, {BH_UDP_SEND}},
    {"udp_send6", "cgroup/sendmsg6", ATTACH_CGROUP, false, {BH_UDP_SEND}},
    {"udp_connect4", "cgroup/connect4", ATTACH_CGROUP, false, {BH_UDP_SEND}},
    {"udp_connect6", "cgroup/connect6", ATTACH_CGROUP, false, {BH_UDP_SEND}},
    {"open_lsm", "lsm/file_open", ATTACH_TRACE, false, {BH_OPEN}},
    {"open_fentry", "fentry/security_file_open", ATTACH_TRACE, false, {BH_OPEN}},
    {"call_exit", "tp_btf/sys_exit", ATTACH_CALLS, false, {0}},
    {"call_open", "behind call_exit", ATTACH_NEVER, false, {BH_OPEN}},
    {"call_memfd", "behind call_exit", ATTACH_NEVER, false, {BH_MEMFD}},
    {"call_dup", "behind call_exit", ATTACH_NEVER, false, {BH_DUP_SOCKET}},
    {"call_ptrace", "behind call_exit", ATTACH_NEVER, false, {BH_PTRACE}},
    {"call_accept", "behind call_exit", ATTACH_NEVER, false, {BH_ACCEPT}},
    {"call_connect", "behind call_exit", ATTACH_NEVER, false, {BH_CONNECT}},
    {"call_cred", "behind call_exit", ATTACH_NEVER, false, {BH_CRED, BH_NAMESPACE}},
    {"call_mount", "behind call_exit", ATTACH_NEVER, false, {BH_MOUNT}},
};
static_assert(ARRAY_SIZE(rows) <= MAX_PROGRAMS, "room for each program");

static const struct {
    uint32_t at;
    const char *program;
} jumps[] = {
    {CALL_PROGRAM_OPEN, "call_open"},     {CALL_PROGRAM_MEMFD, "call_memfd"},
    {CALL_PROGRAM_DUP, "call_dup"},       {CALL_PROGRAM_PTRACE, "call_ptrace"},
    {CALL_PROGRAM_ACCEPT, "call_accept"}, {CALL_PROGRAM_CRED, "call_cred"},
    {CALL_PROGRAM_MOUNT, "call_mount"},   {CALL_PROGRAM_CONNECT, "call_connect"},
};

// Loads the object with this one program, attaches it for a moment: some kernels take a program and
// refuse the link.
static bool loads(const char *name)
{
    struct observe *o = observe__open();
    struct bpf_program *p, *only = NULL;
    bool ok = false;
    if (!o)
        return false;
    bpf_object__for_each_program(p, o->obj)
    {
        bool it = strcmp(bpf_program__name(p), name) == 0;
        bpf_program__set_autoload(p, it);
        only = it ? p : only;
    }
    if (only && observe__load(o) == 0) {
        struct bpf_link *link = bpf_program__attach(only);
        ok = link != NULL;
        if (link)
            bpf_link__destroy(link);
    }
    observe__destroy(o);
    return ok;
}

// Is "bpf" in force among the kernel's security modules? Programs of lsm/ attach without, and then
// never run.
static bool lsm_in_force(const struct host *h)
{
    struct buf text = {0};
    _cleanup_close_ int dir = host_open_dir(h, STR("/sys/kernel/security"));
    bool found = false;
    if (dir >= 0 && host_read_file(dir, "lsm", 1024, &text) == 0 && text.ptr)
        for (const char *at = text.ptr; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
            found = found ||
                    (strncmp(at, "bpf", 3) == 0 && (at[3] == ',' || at[3] == 0 || at[3] == '\n'));
    buf_done(&text);
    return found;
}

void programs_probe(const struct host *h, struct optional_hooks *ret)
{
    *ret = (struct optional_hooks){0};
    // fentry first: it costs the same, and needs no security module in force.
    ret->fentry = loads("open_fentry");
    ret->lsm = !ret->fentry && lsm_in_force(h) && loads("open_lsm");
}

void programs_select(struct observe *o, const struct optional_hooks *hooks)
{
    struct bpf_program *p;
    bpf_object__for_each_program(p, o->obj)
    {
        bpf_program__set_autoattach(p, false);
    }
    bpf_program__set_autoload(o->progs.open_lsm, hooks->lsm);
    bpf_program__set_autoload(o->progs.open_fentry, hooks->fentry);
    bpf_program__set_autoload(o->progs.call_open, !hooks->lsm && !hooks->fentry);
}

const char *programs_refused(const struct observe *o)
{
    struct bpf_program *p;
    bpf_object__for_each_program(p, o->obj)
    {
        if (bpf_program__autoload(p) && bpf_program__fd(p) < 0)
            return bpf_program__name(p);
    }
    return "(or a map)";
}

static int fill_jumps(struct sense *s, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
        struct bpf_program *p =
            bpf_object__find_program_by_name(s->skeleton->obj, jumps[i].program);
        if (!p || !bpf_program__autoload(p))
            continue;
        int fd = bpf_program__fd(p);
        if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.call_jumps), &jumps[i].at, &fd,
                                BPF_ANY) < 0)
            return error_set(err, -errno, "cannot put %s behind sys_exit: %s", jumps[i].program,
                             strerror(errno));
    }
    return 0;
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
    return fill_jumps(s, err);
}

static bool needed(const struct sense *s, const struct program_row *row,
                   const struct bh_kind_set *any)
{
    if (row->how == ATTACH_NEVER)
        return false;
    if (row->how == ATTACH_CALLS)
        return s->sys_exit_reason[0] != 0;
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
        if (needed(s, a->row, any) && !a->link) {
            int r = attach(s, a, err);
            if (r < 0)
                return r;
        }
    }
    for (size_t i = 0; i < s->attached_n; i++) {
        struct attached *a = &s->attached[i];
        if (!needed(s, a->row, any) && a->link) {
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
