// proc.*, thread.*, user.*, group.*: who did it, its parents, its session.
#include "detect/rule/internal.h"
#include "detect/rule/what.h"

static struct str exe_of(const struct image *i)
{
    const char *nul = i->args.len ? memchr(i->args.ptr, 0, i->args.len) : NULL;
    return (struct str){i->args.ptr ? i->args.ptr : "",
                        nul ? (size_t)(nul - i->args.ptr) : i->args.len};
}

static struct str nth_argument(const struct image *i, int64_t n)
{
    struct str rest = i->args;
    for (int64_t k = 0; rest.len; k++) {
        const char *nul = memchr(rest.ptr, 0, rest.len);
        size_t len = nul ? (size_t)(nul - rest.ptr) : rest.len;
        if (k == n + 1)
            return (struct str){rest.ptr, len};
        rest.ptr += len + (nul != NULL);
        rest.len -= len + (nul != NULL);
    }
    return (struct str){"", 0};
}

static uint64_t count_arguments(const struct image *i, bool bytes)
{
    uint64_t n = 0, total = 0;
    struct str rest = i->args;
    for (; rest.len; n++) {
        const char *nul = memchr(rest.ptr, 0, rest.len);
        size_t len = nul ? (size_t)(nul - rest.ptr) : rest.len;
        total += n ? len : 0;
        rest.ptr += len + (nul != NULL);
        rest.len -= len + (nul != NULL);
    }
    return bytes ? total : n ? n - 1 : 0;
}

static struct str joined(struct match *m, struct str first, const struct image *i)
{
    struct writer w = writer_begin(m);
    writer_str(&w, first);
    writer_char(&w, ' ');
    size_t before = w.at;
    image_args(&w, i);
    if (w.at == before)
        w.at--; // nothing followed: no blank either
    return writer_end(&w);
}

static bool is_shell(struct str name)
{
    static const char *const shells[] = {"bash", "csh",  "ksh", "sh",  "tcsh",
                                         "zsh",  "dash", "ash", "fish"};
    for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
        if (str_eq(name, str_of(shells[i])))
            return true;
    return false;
}

// What one image or process answers; p may be NULL for what only the image tells, and the other way
// round.
static bool of_process(struct match *m, int what, const struct process *p, const struct image *i,
                       int64_t index, struct value *ret)
{
    struct writer w;
    switch (what) {
    case PROC_PID:
        ret->i64 = p ? p->tgid : 0;
        return p != NULL;
    case PROC_START:
        ret->u64 = p ? p->start + (uint64_t)m->env->wall_minus_boot : 0;
        return p && p->start;
    case PROC_DURATION:
        ret->u64 = p && m->e->rec->time > p->start ? m->e->rec->time - p->start : 0;
        return p && p->start;
    case PROC_VPID:
        ret->i64 = p ? p->vpid : 0;
        return p && p->vpid;
    default:
        break;
    }
    if (!i)
        return false;
    switch (what) {
    case PROC_NAME:
        ret->str = i->comm;
        return i->comm.len > 0;
    case PROC_EXE:
        ret->str = exe_of(i);
        return true;
    case PROC_EXEPATH:
        ret->str = i->path;
        return i->path.len > 0;
    case PROC_ARGS:
        if (index >= 0) {
            ret->str = nth_argument(i, index);
            return true;
        }
        w = writer_begin(m);
        image_args(&w, i);
        ret->str = writer_end(&w);
        return true;
    case PROC_CMDLINE:
        ret->str = joined(m, i->comm, i);
        return true;
    default:
        return false;
    }
}

bool get_ancestor(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    int what = f->getter->what;
    if (what & PROC_PARENT) {
        const struct process *p = match_ancestor(m, 1);
        return of_process(m, what & ~PROC_PARENT, p, p ? p->image : NULL, -1, ret);
    }
    if (index < 0) { // printed without [N]: all of them
        struct value v;
        size_t n = 0;
        struct buf *all = &m->s->args;
        buf_reset(all);
        for (int64_t k = 1; k <= MAX_ANCESTORS && match_ancestor(m, k); k++) {
            if (!get_ancestor(m, f, k, &v))
                continue;
            buf_text(all, n++ ? " " : "");
            if (f->row->type == FIELD_I64)
                buf_printf(all, "%lld", (long long)v.i64);
            else
                buf_str(all, v.str);
        }
        struct writer w = writer_begin(m);
        writer_str(&w, buf_view(all));
        *ret = (struct value){.type = FIELD_STRING, .str = writer_end(&w)};
        return n > 0;
    }
    if (index == 0)
        return of_process(m, what, m->e->process, match_image(m), -1, ret);
    const struct process *p = match_ancestor(m, index);
    return of_process(m, what, p, p ? p->image : NULL, -1, ret);
}

static bool leader(struct match *m, uint32_t pid, int what, struct value *ret)
{
    const struct process *p = NULL;
    if (m->e->process && m->e->process->tgid == pid)
        p = m->e->process;
    else if (m->env->identify && pid)
        p = identify_process(m->env->identify, pid);
    if (!p || !of_process(m, what, p, p->image, -1, ret))
        ret->str = STR("");
    return true;
}

static int64_t login_shell(const struct match *m)
{
    int64_t found = -1;
    const struct image *own = match_image(m);
    for (int64_t n = 0; n <= MAX_ANCESTORS; n++) {
        const struct process *p = match_ancestor(m, n);
        const struct image *i = n == 0 ? own : p ? p->image : NULL;
        if (!p || !i || !is_shell(i->comm)) {
            if (n == 0)
                continue; // what a shell started counts from the shell
            break;
        }
        found = p->tgid;
    }
    return found;
}

static bool of_executable(const struct match *m, int what, const struct image *i, struct value *ret)
{
    const struct bh_file *x = &i->exe;
    bool known = x->ino != 0;
    switch (what) {
    case PROC_EXE_WRITABLE:
        ret->b = x->flags & BH_FILE_WRITABLE;
        return known;
    case PROC_EXE_UPPER:
        ret->b = (x->flags & BH_FILE_OVERLAY) && (x->flags & BH_FILE_UPPER);
        return known;
    case PROC_EXE_LOWER:
        ret->b = (x->flags & BH_FILE_OVERLAY) && (x->flags & BH_FILE_LOWER);
        return known;
    case PROC_EXE_MEMFD:
        ret->b = x->flags & BH_FILE_MEMFD;
        return known;
    case PROC_EXE_UNLINKED:
        ret->b = x->flags & BH_FILE_UNLINKED;
        return known;
    case PROC_EXE_INO:
        ret->i64 = (int64_t)x->ino;
        return known;
    case PROC_EXE_CTIME:
        ret->u64 = x->ctime;
        return known;
    case PROC_EXE_MTIME:
        ret->u64 = x->mtime;
        return known;
    default: {
        uint64_t start =
            m->e->process ? m->e->process->start + (uint64_t)m->env->wall_minus_boot : 0;
        ret->u64 = start > x->ctime ? start - x->ctime : 0;
        return known && start;
    }
    }
}

static bool of_namespaces(const struct match *m, int what, struct value *ret)
{
    bool known;
    struct bh_nses n = match_nses(m, &known);
    const struct container *c = m->e->container;
    switch (what) {
    case PROC_HOST_MNT:
        ret->b = c && n.mnt == c->host_mnt_ns;
        return known && n.mnt && c && c->host_mnt_ns;
    case PROC_IS_RUNTIME: { // a container that shares the host's mount namespace can't be told from
                            // its runtime
        const struct image *i = match_image(m);
        bool tells = i && i->exec_mnt_ns && c && c->host_mnt_ns && !c->host_mnt;
        ret->b = tells && i->exec_mnt_ns == c->host_mnt_ns;
        return tells;
    }
    case PROC_NS_USER:
        ret->u64 = n.user;
        return known && n.user;
    case PROC_NS_MNT:
        ret->u64 = n.mnt;
        return known && n.mnt;
    case PROC_NS_PID:
        ret->u64 = n.pid;
        return known && n.pid;
    default:
        ret->u64 = n.net;
        return known && n.net;
    }
}

// The number as /proc/PID/stat and Falco have it; the kernel's own has the major number from bit 20
// on.
static uint64_t user_device(uint32_t dev)
{
    uint32_t major = dev >> 20, minor = dev & 0xfffff;
    return major ? (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12 : dev;
}

// Did the executable come with the image? Where there is no overlay, what was last changed before
// the container was made counts as such. False: unknown.
static bool in_image(const struct match *m, const struct image *i, bool *ret)
{
    const struct container *c = m->e->container;
    if (i->exe.flags & BH_FILE_MEMFD) {
        *ret = false;
        return true;
    }
    if ((i->exe.flags & BH_FILE_OVERLAY) && (i->exe.flags & (BH_FILE_UPPER | BH_FILE_LOWER))) {
        *ret = !(i->exe.flags & BH_FILE_UPPER);
        return true;
    }
    if (!i->exe.ino || !i->exe.ctime || !c || !c->created)
        return false;
    *ret = i->exe.ctime < c->created + (uint64_t)m->env->wall_minus_boot;
    return true;
}

bool get_process(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct image *i = match_image(m);
    const struct process *p = m->e->process;
    const struct bh_rec *r = m->e->rec;
    struct writer w;
    int what = f->getter->what;
    switch (what) {
    case PROC_NAME:
        if (!of_process(m, what, p, i, index, ret))
            ret->str = STR("<NA>");
        return true;
    case PROC_PID:
        ret->i64 = r->tgid;
        return r->tgid != 0;
    case PROC_TID:
        ret->i64 = r->tid;
        return r->tid != 0;
    case PROC_IS_MAIN:
        ret->b = r->tid == r->tgid;
        return r->tid != 0;
    case PROC_PPID:
        ret->i64 = p && p->parent ? p->parent->tgid : p ? p->ppid : 0;
        return p && (p->parent || p->ppid);
    case PROC_LINEAGE:
        ret->u64 = p ? p->lineage : 0;
        return p != NULL;
    case PROC_LOGINSHELLID:
        ret->i64 = login_shell(m);
        return p != NULL;
    case PROC_IS_INIT:
        ret->b = p && p->vpid == 1;
        return p && p->vpid;
    case PROC_EXE:
    case PROC_EXEPATH:
    case PROC_ARGS:
    case PROC_CMDLINE:
    case PROC_VPID:
    case PROC_DURATION:
    case PROC_START:
        return of_process(m, what, p, i, index, ret);
    case PROC_HOST_MNT:
    case PROC_IS_RUNTIME:
    case PROC_NS_USER:
    case PROC_NS_MNT:
    case PROC_NS_PID:
    case PROC_NS_NET:
        return of_namespaces(m, what, ret);
    default:
        break;
    }
    if (!i)
        return false;
    switch (what) {
    case PROC_CMDNARGS:
        ret->u64 = count_arguments(i, false);
        return true;
    case PROC_CMDLENARGS:
        ret->u64 = count_arguments(i, true);
        return true;
    case PROC_EXELINE:
        w = writer_begin(m);
        writer_str(&w, exe_of(i));
        writer_char(&w, ' ');
        image_args(&w, i);
        ret->str = writer_end(&w);
        return true;
    case PROC_CWD:
        w = writer_begin(m);
        writer_str(&w, i->cwd);
        if (i->cwd.len && !str_ends(i->cwd, STR("/")))
            writer_char(&w, '/');
        ret->str = writer_end(&w);
        return i->cwd.len > 0;
    case PROC_TTY:
        ret->u64 = user_device(i->tty);
        return true;
    case PROC_STDIN_TYPE:
    case PROC_STDOUT_TYPE:
    case PROC_STDERR_TYPE: {
        const char *name = stdio_name(i->stdio[what - PROC_STDIN_TYPE]);
        ret->str = name ? str_of(name) : STR_NULL;
        return name != NULL;
    }
    case PROC_STDIO_CONNECTION:
        w = writer_begin(m);
        sock_name(&w, &i->socket, BH_EXEC);
        ret->str = writer_end(&w);
        return i->socket.family != 0;
    case PROC_IN_IMAGE:
        return in_image(m, i, &ret->b);
    case PROC_SID:
        ret->i64 = i->sid;
        return i->sid != 0;
    case PROC_SNAME:
        return leader(m, i->sid, PROC_NAME, ret);
    case PROC_SID_EXE:
        return leader(m, i->sid, PROC_EXE, ret);
    case PROC_SID_EXEPATH:
        return leader(m, i->sid, PROC_EXEPATH, ret);
    case PROC_PGID:
        ret->i64 = i->pgid;
        return i->pgid != 0;
    case PROC_PGID_NAME:
        return leader(m, i->pgid, PROC_NAME, ret);
    case PROC_PGID_EXE:
        return leader(m, i->pgid, PROC_EXE, ret);
    case PROC_PGID_EXEPATH:
        return leader(m, i->pgid, PROC_EXEPATH, ret);
    case PROC_IS_SID_LEADER:
        ret->b = i->sid == r->tgid;
        return i->sid != 0;
    case PROC_IS_PGID_LEADER:
        ret->b = i->pgid == r->tgid;
        return i->pgid != 0;
    default:
        return of_executable(m, what, i, ret);
    }
}

// Accounts have no names here but root: the databases of containers are strangers' files.
static struct str account(int64_t id)
{
    return id == 0 ? STR("root") : STR("<NA>");
}

bool get_user(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    bool known;
    struct bh_creds c = match_creds(m, &known);
    struct writer w;
    switch (f->getter->what) {
    case USER_UID:
        ret->u64 = c.euid;
        return known;
    case USER_NAME:
        ret->str = known ? account(c.euid) : STR("<NA>");
        return true;
    case USER_LOGINUID:
        ret->i64 = (int32_t)c.loginuid;
        return known;
    case USER_LOGINNAME:
        ret->str = known ? account((int32_t)c.loginuid) : STR("<NA>");
        return true;
    case GROUP_GID:
        ret->u64 = c.egid;
        return known;
    case GROUP_NAME:
        ret->str = known ? account(c.egid) : STR("<NA>");
        return true;
    default:
        w = writer_begin(m);
        capability_names(&w, f->getter->what == CAP_P   ? c.cap_permitted
                             : f->getter->what == CAP_I ? c.cap_inheritable
                                                        : c.cap_effective);
        ret->str = writer_end(&w);
        return known;
    }
}
