// evt.arg.NAME, evt.rawarg.NAME, evt.args: the parameters of calls, under Falco's names, as far as
// records have them.
#include "detect/rule/internal.h"

#include <errno.h>
#include <linux/limits.h>

// What a parameter is, and so how it is written.
enum arg {
    ARG_RES,
    ARG_FD,
    ARG_NAME,
    ARG_FLAGS,
    ARG_MODE,
    ARG_DEV,
    ARG_INO,
    ARG_EXE,
    ARG_ARGS,
    ARG_TID,
    ARG_PID,
    ARG_PTID,
    ARG_CWD,
    ARG_COMM,
    ARG_TTY,
    ARG_LOGINUID,
    ARG_CAP_I,
    ARG_CAP_P,
    ARG_CAP_E,
    ARG_UID,
    ARG_GID,
    ARG_EXEPATH,
    ARG_PGID,
    ARG_FILENAME,
    ARG_VPID,
    ARG_INO_CTIME,
    ARG_INO_MTIME,
    ARG_STATUS,
    ARG_RET,
    ARG_SIG,
    ARG_CORE,
    ARG_TUPLE,
    ARG_ADDR,
    ARG_OLDFD,
    ARG_NEWFD,
    ARG_NSTYPE,
    ARG_SOURCE,
    ARG_TARGET,
    ARG_FSTYPE,
    ARG_REQUEST,
    ARG_RUID,
    ARG_EUID,
    ARG_SUID,
    ARG_RGID,
    ARG_EGID,
    ARG_SGID,
};
enum { ANY_CALL = 0xff };
struct arg_row {
    uint16_t kind;
    uint8_t call; // ANY_CALL: every call of the kind
    const char *name;
    enum arg arg;
};
static const struct arg_row rows[] = {
    {BH_EXEC, ANY_CALL, "res", ARG_RES},
    {BH_EXEC, ANY_CALL, "exe", ARG_EXE},
    {BH_EXEC, ANY_CALL, "args", ARG_ARGS},
    {BH_EXEC, ANY_CALL, "tid", ARG_TID},
    {BH_EXEC, ANY_CALL, "pid", ARG_PID},
    {BH_EXEC, ANY_CALL, "ptid", ARG_PTID},
    {BH_EXEC, ANY_CALL, "cwd", ARG_CWD},
    {BH_EXEC, ANY_CALL, "comm", ARG_COMM},
    {BH_EXEC, ANY_CALL, "tty", ARG_TTY},
    {BH_EXEC, ANY_CALL, "loginuid", ARG_LOGINUID},
    {BH_EXEC, ANY_CALL, "flags", ARG_FLAGS},
    {BH_EXEC, ANY_CALL, "cap_inheritable", ARG_CAP_I},
    {BH_EXEC, ANY_CALL, "cap_permitted", ARG_CAP_P},
    {BH_EXEC, ANY_CALL, "cap_effective", ARG_CAP_E},
    {BH_EXEC, ANY_CALL, "exe_ino", ARG_INO},
    {BH_EXEC, ANY_CALL, "exe_ino_ctime", ARG_INO_CTIME},
    {BH_EXEC, ANY_CALL, "exe_ino_mtime", ARG_INO_MTIME},
    {BH_EXEC, ANY_CALL, "uid", ARG_UID},
    {BH_EXEC, ANY_CALL, "trusted_exepath", ARG_EXEPATH},
    {BH_EXEC, ANY_CALL, "pgid", ARG_PGID},
    {BH_EXEC, ANY_CALL, "gid", ARG_GID},
    {BH_EXEC, ANY_CALL, "filename", ARG_FILENAME},
    {BH_FORK, ANY_CALL, "res", ARG_RES},
    {BH_FORK, ANY_CALL, "exe", ARG_EXE},
    {BH_FORK, ANY_CALL, "args", ARG_ARGS},
    {BH_FORK, ANY_CALL, "tid", ARG_TID},
    {BH_FORK, ANY_CALL, "pid", ARG_PID},
    {BH_FORK, ANY_CALL, "ptid", ARG_PTID},
    {BH_FORK, ANY_CALL, "cwd", ARG_CWD},
    {BH_FORK, ANY_CALL, "comm", ARG_COMM},
    {BH_FORK, ANY_CALL, "flags", ARG_FLAGS},
    {BH_FORK, ANY_CALL, "uid", ARG_UID},
    {BH_FORK, ANY_CALL, "gid", ARG_GID},
    {BH_FORK, ANY_CALL, "vpid", ARG_VPID},
    {BH_EXIT, ANY_CALL, "status", ARG_STATUS},
    {BH_EXIT, ANY_CALL, "ret", ARG_RET},
    {BH_EXIT, ANY_CALL, "sig", ARG_SIG},
    {BH_EXIT, ANY_CALL, "core", ARG_CORE},
    {BH_OPEN, ANY_CALL, "fd", ARG_FD},
    {BH_OPEN, BH_CALL_OPEN_BY_HANDLE_AT, "flags", ARG_FLAGS},
    {BH_OPEN, BH_CALL_OPEN_BY_HANDLE_AT, "path", ARG_NAME},
    {BH_OPEN, ANY_CALL, "name", ARG_NAME},
    {BH_OPEN, ANY_CALL, "flags", ARG_FLAGS},
    {BH_OPEN, ANY_CALL, "mode", ARG_MODE},
    {BH_OPEN, ANY_CALL, "dev", ARG_DEV},
    {BH_OPEN, ANY_CALL, "ino", ARG_INO},
    {BH_MEMFD, ANY_CALL, "fd", ARG_FD},
    {BH_MEMFD, ANY_CALL, "name", ARG_NAME},
    {BH_MEMFD, ANY_CALL, "flags", ARG_FLAGS},
    {BH_CONNECT, ANY_CALL, "res", ARG_RES},
    {BH_CONNECT, ANY_CALL, "tuple", ARG_TUPLE},
    {BH_CONNECT, ANY_CALL, "fd", ARG_FD},
    {BH_CONNECT, ANY_CALL, "addr", ARG_ADDR},
    {BH_ACCEPT, ANY_CALL, "fd", ARG_FD},
    {BH_ACCEPT, ANY_CALL, "tuple", ARG_TUPLE},
    {BH_UDP_SEND, ANY_CALL, "res", ARG_RES},
    {BH_UDP_SEND, ANY_CALL, "fd", ARG_FD},
    {BH_UDP_SEND, ANY_CALL, "tuple", ARG_TUPLE},
    {BH_DUP_SOCKET, ANY_CALL, "res", ARG_RES},
    {BH_DUP_SOCKET, BH_CALL_FCNTL, "fd", ARG_OLDFD},
    {BH_DUP_SOCKET, ANY_CALL, "oldfd", ARG_OLDFD},
    {BH_DUP_SOCKET, BH_CALL_DUP2, "newfd", ARG_NEWFD},
    {BH_DUP_SOCKET, BH_CALL_DUP3, "newfd", ARG_NEWFD},
    {BH_PTRACE, ANY_CALL, "res", ARG_RES},
    {BH_PTRACE, BH_CALL_PTRACE, "request", ARG_REQUEST},
    {BH_PTRACE, ANY_CALL, "pid", ARG_PID},
    {BH_CRED, ANY_CALL, "res", ARG_RES},
    {BH_CRED, BH_CALL_SETUID, "uid", ARG_UID},
    {BH_CRED, BH_CALL_SETGID, "gid", ARG_GID},
    {BH_CRED, BH_CALL_SETREUID, "ruid", ARG_RUID},
    {BH_CRED, BH_CALL_SETREUID, "euid", ARG_EUID},
    {BH_CRED, BH_CALL_SETREGID, "rgid", ARG_RGID},
    {BH_CRED, BH_CALL_SETREGID, "egid", ARG_EGID},
    {BH_CRED, BH_CALL_SETRESUID, "ruid", ARG_RUID},
    {BH_CRED, BH_CALL_SETRESUID, "euid", ARG_EUID},
    {BH_CRED, BH_CALL_SETRESUID, "suid", ARG_SUID},
    {BH_CRED, BH_CALL_SETRESGID, "rgid", ARG_RGID},
    {BH_CRED, BH_CALL_SETRESGID, "egid", ARG_EGID},
    {BH_CRED, BH_CALL_SETRESGID, "sgid", ARG_SGID},
    {BH_CRED, BH_CALL_CAPSET, "cap_inheritable", ARG_CAP_I},
    {BH_CRED, BH_CALL_CAPSET, "cap_permitted", ARG_CAP_P},
    {BH_CRED, BH_CALL_CAPSET, "cap_effective", ARG_CAP_E},
    {BH_NAMESPACE, ANY_CALL, "res", ARG_RES},
    {BH_NAMESPACE, BH_CALL_SETNS, "nstype", ARG_NSTYPE},
    {BH_NAMESPACE, BH_CALL_UNSHARE, "flags", ARG_FLAGS},
    {BH_CGROUP_ATTACH, ANY_CALL, "path", ARG_TARGET},
    {BH_MOUNT, ANY_CALL, "res", ARG_RES},
    {BH_MOUNT, BH_CALL_UMOUNT2, "name", ARG_TARGET},
    {BH_MOUNT, BH_CALL_UMOUNT2, "flags", ARG_FLAGS},
    {BH_MOUNT, BH_CALL_CHROOT, "path", ARG_TARGET},
    {BH_MOUNT, BH_CALL_MOUNT, "dev", ARG_SOURCE},
    {BH_MOUNT, BH_CALL_MOUNT, "dir", ARG_TARGET},
    {BH_MOUNT, BH_CALL_MOUNT, "type", ARG_FSTYPE},
    {BH_MOUNT, BH_CALL_MOUNT, "flags", ARG_FLAGS},
};
// Parameters of Falco's events that no record has: they load and are null.
static const char *const others[] = {"data",
                                     "size",
                                     "pos",
                                     "dirfd",
                                     "mountfd",
                                     "resolve",
                                     "creat_flags",
                                     "fdlimit",
                                     "pgft_maj",
                                     "pgft_min",
                                     "vm_size",
                                     "vm_rss",
                                     "vm_swap",
                                     "cgroups",
                                     "env",
                                     "vpgid",
                                     "vtid",
                                     "pidns_init_start_ts",
                                     "domain",
                                     "type",
                                     "proto",
                                     "backlog",
                                     "queuepct",
                                     "queuelen",
                                     "queuemax",
                                     "fd1",
                                     "fd2",
                                     "source",
                                     "peer",
                                     "msgcontrol",
                                     "how",
                                     "path",
                                     "oldpath",
                                     "newpath",
                                     "olddirfd",
                                     "newdirfd",
                                     "olddir",
                                     "newdir",
                                     "target",
                                     "linkpath",
                                     "linkdirfd",
                                     "pathname",
                                     "addr",
                                     "cmd",
                                     "pid_fd",
                                     "target_fd",
                                     "img",
                                     "length",
                                     "uargs",
                                     "option",
                                     "arg2_str",
                                     "arg2_int",
                                     "entries",
                                     "sq_entries",
                                     "cq_entries",
                                     "sq_thread_cpu",
                                     "sq_thread_idle",
                                     "features",
                                     "to_submit",
                                     "min_complete",
                                     "opcode",
                                     "arg",
                                     "nr_args",
                                     "op",
                                     "prot",
                                     "offset",
                                     "fdout",
                                     "offout",
                                     "fdin",
                                     "offin",
                                     "len",
                                     "operation",
                                     "arg2",
                                     "arg3",
                                     "arg4",
                                     "arg5",
                                     "level",
                                     "optname",
                                     "val",
                                     "optlen",
                                     "initval",
                                     "mask",
                                     "maxevents",
                                     "timeout",
                                     "fds",
                                     "sigmask",
                                     "offset_in",
                                     "out_fd",
                                     "in_fd",
                                     "cur",
                                     "max",
                                     "resource",
                                     "who",
                                     "nativeID",
                                     "ID",
                                     "uid",
                                     "gid",
                                     "sig",
                                     "flags",
                                     "mode",
                                     "reaper_tid",
                                     "event_type",
                                     "error",
                                     "addrlen",
                                     "request",
                                     "special",
                                     "id",
                                     "quota_fmt",
                                     "quotafilepath",
                                     "dqb_bhardlimit",
                                     "euid",
                                     "rgid",
                                     "next",
                                     "key",
                                     "name",
                                     "value",
                                     "interest_mask",
                                     "clockid",
                                     "egid",
                                     "suid",
                                     "sgid",
                                     "ruid",
                                     "nfds",
                                     "events",
                                     "filename",
                                     "comm"};

bool arg_known(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_eq(name, str_of(rows[i].name)))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (str_eq(name, str_of(others[i])))
            return true;
    return false;
}

struct bh_kind_set arg_kinds(struct str name)
{
    struct bh_kind_set s = {{0, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_eq(name, str_of(rows[i].name)))
            kind_set_add(&s, rows[i].kind);
    if ((s.word[0] | s.word[1]) == 0) // no kind at all has it; no bits would mean every kind
        s.word[0] = 1ULL << BH_KIND_NONE;
    return s;
}

const char *arg_nearest(struct str name)
{
    const char *names[ARRAY_SIZE(rows) + ARRAY_SIZE(others)];
    char text[64];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        names[n++] = rows[i].name;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        names[n++] = others[i];
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(name));
    return nearest_word(text, names, n);
}

static uint8_t call_of(const struct bh_rec *r)
{
    struct str name = event_type_name(r);
    for (size_t i = 0; i < model_calls_n; i++)
        if (str_eq(name, str_of(model_calls[i].name)))
            return model_calls[i].call;
    return BH_CALL_NONE;
}

// The n-th parameter of this event, or the one of this name.
static const struct arg_row *find(const struct match *m, const struct str *name, int64_t index)
{
    const struct bh_rec *r = m->e->rec;
    uint8_t call = call_of(r);
    int64_t at = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool hidden =
            call == BH_CALL_OPEN_BY_HANDLE_AT && rows[i].call == ANY_CALL &&
            (rows[i].arg == ARG_NAME || rows[i].arg == ARG_FLAGS || rows[i].arg == ARG_MODE);
        hidden |= call == BH_CALL_FCNTL && rows[i].call == ANY_CALL && rows[i].arg == ARG_OLDFD;
        if (rows[i].kind != r->kind || (rows[i].call != ANY_CALL && rows[i].call != call) || hidden)
            continue;
        if (name ? str_eq(*name, str_of(rows[i].name)) : at == index)
            return &rows[i];
        at++;
    }
    return NULL;
}

// ── as numbers ───────────────────────────────────────────────────────────────────────────────

static bool number(const struct match *m, enum arg a, int64_t *ret)
{
    const struct bh_rec *r = m->e->rec;
    const struct image *i = match_image(m);
    const struct process *p = m->e->process;
    const struct bh_exec *x = r->kind == BH_EXEC ? REC_AS(r, bh_exec) : NULL;
    const struct bh_open *o = r->kind == BH_OPEN ? REC_AS(r, bh_open) : NULL;
    const struct bh_dup *d = r->kind == BH_DUP_SOCKET ? REC_AS(r, bh_dup) : NULL;
    const struct bh_fork *f = r->kind == BH_FORK ? REC_AS(r, bh_fork) : NULL;
    const struct bh_mount *mount = r->kind == BH_MOUNT ? REC_AS(r, bh_mount) : NULL;
    const struct bh_memfd *memfd = r->kind == BH_MEMFD ? REC_AS(r, bh_memfd) : NULL;
    const struct bh_exit *gone = r->kind == BH_EXIT ? REC_AS(r, bh_exit) : NULL;
    const struct bh_ptrace *trace = r->kind == BH_PTRACE ? REC_AS(r, bh_ptrace) : NULL;
    const struct bh_ns_change *ns = r->kind == BH_NAMESPACE ? REC_AS(r, bh_ns_change) : NULL;
    const struct bh_net *net =
        r->kind == BH_CONNECT || r->kind == BH_ACCEPT || r->kind == BH_UDP_SEND ? REC_AS(r, bh_net)
                                                                                : NULL;
    bool known;
    struct bh_creds c = match_creds(m, &known);
    switch (a) {
    case ARG_RES:
        return match_result(m, ret);
    case ARG_FD:
        *ret = o ? o->fd : memfd ? memfd->fd : net ? net->fd : -1;
        return !(net && r->kind != BH_ACCEPT &&
                 net->fd < 0); // a socket's number that wasn't recorded
    case ARG_OLDFD:
        *ret = d ? d->oldfd : 0;
        return d != NULL;
    case ARG_NEWFD:
        *ret = d ? d->newfd : 0;
        return d != NULL;
    case ARG_FLAGS:
        *ret = o       ? o->flags
               : f     ? (int64_t)f->flags
               : mount ? (int64_t)mount->flags
               : memfd ? memfd->flags
               : ns    ? (int64_t)ns->flags
               : x     ? x->exe.flags
                       : 0;
        return true;
    case ARG_NSTYPE:
        *ret = ns ? (int64_t)ns->flags : 0;
        return ns != NULL;
    case ARG_MODE:
        *ret = o ? o->mode : 0;
        return o != NULL;
    case ARG_DEV:
        *ret = o ? (int64_t)o->file.dev : 0;
        return o != NULL;
    case ARG_INO:
        *ret = o ? (int64_t)o->file.ino : x ? (int64_t)x->exe.ino : 0;
        return o || x;
    case ARG_INO_CTIME:
        *ret = x ? (int64_t)x->exe.ctime : 0;
        return x != NULL;
    case ARG_INO_MTIME:
        *ret = x ? (int64_t)x->exe.mtime : 0;
        return x != NULL;
    case ARG_TID:
        *ret = r->tid;
        return true;
    case ARG_PID:
        *ret = trace ? trace->target : r->tgid;
        return true;
    case ARG_PTID:
        *ret = x ? x->ppid : p ? p->ppid : 0;
        return x || p;
    case ARG_VPID:
        *ret = p ? p->vpid : 0;
        return p != NULL;
    case ARG_TTY:
        *ret = x ? x->tty : i ? i->tty : 0;
        return x || i;
    case ARG_PGID:
        *ret = x ? x->pgid : i ? i->pgid : 0;
        return x || i;
    case ARG_STATUS:
        *ret = gone ? gone->code : 0;
        return gone != NULL;
    case ARG_RET:
        *ret = gone ? gone->code >> 8 & 0xff : 0;
        return gone != NULL;
    case ARG_SIG:
        *ret = gone ? gone->code & 0x7f : 0;
        return gone != NULL;
    case ARG_CORE:
        *ret = gone ? gone->code >> 7 & 1 : 0;
        return gone != NULL;
    case ARG_REQUEST:
        *ret = trace ? (int64_t)trace->request : 0;
        return trace != NULL;
    case ARG_LOGINUID:
        *ret = (int32_t)c.loginuid;
        return known;
    case ARG_CAP_I:
        *ret = (int64_t)c.cap_inheritable;
        return known;
    case ARG_CAP_P:
        *ret = (int64_t)c.cap_permitted;
        return known;
    case ARG_CAP_E:
        *ret = (int64_t)c.cap_effective;
        return known;
    case ARG_UID:
    case ARG_EUID:
        *ret = c.euid;
        return known;
    case ARG_GID:
    case ARG_EGID:
        *ret = c.egid;
        return known;
    case ARG_RUID:
        *ret = c.uid;
        return known;
    case ARG_SUID:
        *ret = c.suid;
        return known;
    case ARG_RGID:
        *ret = c.gid;
        return known;
    case ARG_SGID:
        *ret = c.sgid;
        return known;
    default:
        return false;
    }
}

bool get_rawarg(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct arg_row *row = find(m, &f->arg, index);
    return row && number(m, row->arg, &ret->i64);
}

// ── as text ──────────────────────────────────────────────────────────────────────────────────

static void or_na(struct writer *w, struct str s)
{
    writer_str(w, s.len ? s : STR("<NA>"));
}

static struct str text_of(const struct match *m, enum arg a)
{
    const struct bh_rec *r = m->e->rec;
    const struct image *i = match_image(m);
    const struct bh_cgroup *cgroup = r->kind == BH_CGROUP_ATTACH ? REC_AS(r, bh_cgroup) : NULL;
    const struct bh_mount *mount = r->kind == BH_MOUNT ? REC_AS(r, bh_mount) : NULL;
    const struct bh_exec *x = r->kind == BH_EXEC ? REC_AS(r, bh_exec) : NULL;
    const struct bh_open *o = r->kind == BH_OPEN ? REC_AS(r, bh_open) : NULL;
    const struct bh_memfd *memfd = r->kind == BH_MEMFD ? REC_AS(r, bh_memfd) : NULL;
    const char *nul;
    switch (a) {
    case ARG_NAME:
        return o       ? (o->asked.len ? rec_str(r, o->asked) : rec_str(r, o->path))
               : memfd ? rec_str(r, memfd->name)
                       : STR_NULL;
    case ARG_EXE:
        nul = i && i->args.len ? memchr(i->args.ptr, 0, i->args.len) : NULL;
        return i ? (struct str){i->args.ptr, nul ? (size_t)(nul - i->args.ptr) : i->args.len}
                 : STR_NULL;
    case ARG_CWD:
        return i ? i->cwd : STR_NULL;
    case ARG_COMM:
        return i ? i->comm : STR_NULL;
    case ARG_EXEPATH:
        return x ? rec_str(r, x->path) : i ? i->path : STR_NULL;
    case ARG_FILENAME:
        return x ? rec_str(r, x->name) : i ? i->name : STR_NULL;
    case ARG_SOURCE:
        return mount ? rec_str(r, mount->source) : STR_NULL;
    case ARG_TARGET:
        return mount ? rec_str(r, mount->target) : cgroup ? rec_str(r, cgroup->path) : STR_NULL;
    case ARG_FSTYPE:
        return mount ? rec_str(r, mount->fstype) : STR_NULL;
    default:
        return STR_NULL;
    }
}

static void write_path(struct match *m, struct writer *w, struct str path)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_open *o = r->kind == BH_OPEN ? REC_AS(r, bh_open) : NULL;
    if (path.len == 0 || path.ptr[0] == '/' || r->kind == BH_MEMFD) {
        or_na(w, path);
        return;
    }
    // A relative path was resolved by the kernel where the call worked; else it is joined here.
    struct str walked = o && !(r->flags & BH_F_FAILED) ? rec_str(r, o->path) : STR_NULL;
    if (!walked.len) {
        walked = absolute_path(m, path);
        *w = writer_begin(m); // the joined path lies where w began
    }
    writer_str(w, walked);
}

static void write_fd(struct match *m, struct writer *w, int64_t fd)
{
    const struct bh_sock *s = match_sock(m);
    const struct bh_open *o = m->e->rec->kind == BH_OPEN ? REC_AS(m->e->rec, bh_open) : NULL;
    if (fd < 0) {
        const char *name = fd >= -4095 ? strerrorname_np((int)-fd) : NULL;
        if (fd == -100)
            writer_str(w, STR("AT_FDCWD"));
        else if (name)
            writer_str(w, str_of(name));
        else
            writer_format(w, "%lld", (long long)fd);
        return;
    }
    if (s && (s->family == 2 || s->family == 10)) {
        writer_format(w, "<%c%s>", s->family == 2 ? '4' : '6',
                      s->proto == 6    ? "t"
                      : s->proto == 17 ? "u"
                                       : "");
        sock_name(w, s, m->e->rec->kind);
    } else if (o) {
        writer_format(w, "<%c>", (o->file.mode & 0170000) == 0040000 ? 'd' : 'f');
        writer_str(w, rec_str(m->e->rec, o->path));
    } else {
        writer_format(w, "%lld", (long long)fd);
    }
}

static void write_pid(struct match *m, struct writer *w, int64_t pid)
{
    const struct process *p = m->e->process && m->e->process->tgid == pid ? m->e->process : NULL;
    if (!p && m->env->identify && pid > 0)
        p = identify_process(m->env->identify, (uint32_t)pid);
    if (p && p->image && p->image->comm.len)
        writer_str(w, p->image->comm);
    else
        writer_format(w, "%lld", (long long)pid);
}

static void write_account(struct writer *w, int64_t id)
{
    if (id == 0xffffffff || id == -1)
        writer_str(w, STR("<NONE>"));
    else
        writer_str(w, id == 0 ? STR("root") : STR("<NA>"));
}

static void write_flags(struct match *m, struct writer *w, int64_t v)
{
    const struct bh_rec *r = m->e->rec;
    size_t before = w->at, start = w->start;
    w->start = w->at; // the names are joined among themselves
    switch (r->kind) {
    case BH_OPEN:
        flags_open(w, (uint32_t)v, REC_AS(r, bh_open)->created == 1, &REC_AS(r, bh_open)->file);
        break;
    case BH_EXEC:
        flags_exe(w, &REC_AS(r, bh_exec)->exe);
        break;
    case BH_MEMFD:
        flags_memfd(w, (uint64_t)v);
        break;
    case BH_MOUNT:
        if (call_of(r) == BH_CALL_UMOUNT2)
            flags_umount(w, (uint64_t)v);
        else
            flags_mount(w, (uint64_t)v);
        break;
    default:
        flags_clone(w, (uint64_t)v);
        break;
    }
    w->start = start;
    if (w->at == before)
        writer_format(w, "%lld", (long long)v);
}

static void write_error(struct writer *w, int64_t v)
{
    const char *name = v < 0 && v >= -4095 ? strerrorname_np((int)-v) : NULL;
    if (name)
        writer_str(w, str_of(name));
    else
        writer_format(w, "%lld", (long long)v);
}

// The resolved text where there is one, else the plain one. w is fresh.
static bool write_arg(struct match *m, struct writer *w, enum arg a)
{
    const struct bh_sock *s = match_sock(m);
    const struct image *i = match_image(m);
    int64_t v = 0;
    size_t start;
    switch (a) {
    case ARG_NAME:
    case ARG_TARGET:
    case ARG_FILENAME:
        write_path(m, w, text_of(m, a));
        return true;
    case ARG_EXE:
    case ARG_CWD:
    case ARG_COMM:
    case ARG_EXEPATH:
    case ARG_SOURCE:
    case ARG_FSTYPE:
        or_na(w, text_of(m, a));
        return true;
    case ARG_ARGS:
        start = w->at;
        if (i)
            image_args(w, i);
        for (size_t k = start; k < w->at; k++)
            if (m->s->bytes[k] == ' ')
                m->s->bytes[k] = '.'; // Falco prints the buffer of arguments, NULs as dots
        if (w->at == start)
            writer_str(w, STR("NULL"));
        return true;
    case ARG_TUPLE:
        start = w->at;
        if (s)
            sock_name(w, s, m->e->rec->kind);
        if (w->at == start)
            writer_str(w, STR("NULL"));
        return true;
    case ARG_ADDR:
        if (!s || (s->family != 2 && s->family != 10))
            return false;
        write_address(w, s->raddr, s->family == 10);
        writer_format(w, ":%u", s->rport);
        return true;
    default:
        break;
    }
    if (!number(m, a, &v))
        return false;
    switch (a) {
    case ARG_RES:
        if (m->e->rec->kind == BH_FORK && v > 0)
            write_pid(m, w, v);
        else if (m->e->rec->kind == BH_DUP_SOCKET)
            write_fd(m, w, v);
        else
            write_error(w, v);
        break;
    case ARG_FD:
    case ARG_OLDFD:
    case ARG_NEWFD:
        write_fd(m, w, v);
        break;
    case ARG_TID:
    case ARG_PID:
    case ARG_PTID:
        write_pid(m, w, v);
        break;
    case ARG_FLAGS:
        write_flags(m, w, v);
        break;
    case ARG_NSTYPE:
        write_flags(m, w, v);
        break;
    case ARG_MODE:
        writer_format(w, "0%llo", (unsigned long long)v);
        break;
    case ARG_UID:
    case ARG_GID:
    case ARG_RUID:
    case ARG_EUID:
    case ARG_SUID:
    case ARG_RGID:
    case ARG_EGID:
    case ARG_SGID:
    case ARG_LOGINUID:
        write_account(w, v);
        break;
    case ARG_REQUEST:
        if (ptrace_request_name((uint64_t)v))
            writer_str(w, str_of(ptrace_request_name((uint64_t)v)));
        else
            writer_format(w, "%lld", (long long)v);
        break;
    default:
        writer_format(w, "%lld", (long long)v);
        break;
    }
    return true;
}

bool get_arg(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct arg_row *row = find(m, f->index >= 0 ? NULL : &f->arg, index);
    if (!row)
        return false;
    struct writer w = writer_begin(m);
    if (!write_arg(m, &w, row->arg))
        return false;
    ret->str = writer_end(&w);
    return true;
}

bool get_args(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    struct buf *all = &m->s->args;
    buf_reset(all);
    for (int64_t i = 0;; i++) {
        const struct arg_row *row = find(m, NULL, i);
        if (!row)
            break;
        struct writer w = writer_begin(m);
        bool ok = write_arg(m, &w, row->arg);
        struct str text = writer_end(&w);
        if (ok) {
            buf_printf(all, "%s%s=", all->len ? " " : "", row->name);
            buf_str(all, text);
        }
    }
    struct writer w = writer_begin(m);
    writer_str(&w, buf_view(all));
    ret->str = writer_end(&w);
    return true;
}
