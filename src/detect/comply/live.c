// What events say of a running container. Only its own programs count: the runtime on its way in
// (it sits in the container's cgroup, but its program was started in the host's mount namespace)
// mounts, joins namespaces and has every capability, and is no part of the container.
#include "detect/comply/internal.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct around around_of(const struct detect_env *env, const struct container *c)
{
    struct around a = {.made = c->created ? c->created + (uint64_t)env->wall_minus_boot : 0};
    if (env->identify && identify_host(env->identify, &a.nses, &a.userns))
        return a;
    // PID 1 may be closed to us (a sandbox); who makes containers' cgroups is on the host's side
    // too.
    a.nses = c->maker_nses;
    a.userns = c->maker_userns;
    return a;
}

static bool texts_add(struct live_texts *t, struct str s)
{
    s.len = MIN(s.len, (size_t)MAX_LIVE_TEXT);
    t->total++;
    for (uint32_t i = 0; i < t->n; i++)
        if (str_eq((struct str){t->text[i], t->len[i]}, s)) {
            t->total--; // each once
            return false;
        }
    if (t->n == MAX_LIVE_TEXTS)
        return true;
    if (s.len)
        memcpy(t->text[t->n], s.ptr, s.len);
    t->len[t->n++] = (uint8_t)s.len;
    return true;
}

static bool own_image(const struct container *c, const struct image *i)
{
    if (!i || !i->exec_mnt_ns)
        return false;
    return c->host_mnt || !c->host_mnt_ns || i->exec_mnt_ns != c->host_mnt_ns;
}

// ── what a program is ────────────────────────────────────────────────────────────────────────

// A namespace of a program: NO once one with its own was seen, YES for good where it is the host's.
static bool take_namespace(enum tri *to, uint32_t own, uint32_t host)
{
    enum tri was = *to;
    if (own && host)
        *to = own == host || was == YES ? YES : NO;
    return *to != was;
}

static bool take_namespaces(struct live *l, const struct around *a, const struct bh_nses *n)
{
    bool changed = take_namespace(&l->host_pid, n->pid, a->nses.pid);
    changed |= take_namespace(&l->host_net, n->net, a->nses.net);
    changed |= take_namespace(&l->host_ipc, n->ipc, a->nses.ipc);
    changed |= take_namespace(&l->host_uts, n->uts, a->nses.uts);
    changed |= take_namespace(&l->host_mnt, n->mnt, a->nses.mnt);
    return changed;
}

static bool take_creds(struct live *l, const struct around *a, const struct bh_creds *c,
                       const struct image *i)
{
    bool changed = false;
    // A capability counts where it counts for the host: in another user namespace it does not.
    bool of_host = !c->userns || !a->userns || c->userns == a->userns;
    uint64_t caps = of_host ? l->caps | c->cap_effective | c->cap_permitted : l->caps;
    bool root = l->root || c->uid == 0 || c->euid == 0 || c->suid == 0 || c->fsuid == 0;
    if (caps != l->caps || root != l->root) {
        changed = true;
        texts_add(&l->gained, i ? i->path : STR_NULL);
    }
    l->caps = caps;
    l->root = root;
    return changed;
}

// In its image: in a lower layer of its overlay; on a plain folder, unchanged since the container
// was made.
static enum tri in_image(const struct bh_file *f, uint64_t made_wall)
{
    if (f->flags & (BH_FILE_MEMFD | BH_FILE_UNLINKED | BH_FILE_TMPFS))
        return NO;
    if ((f->flags & BH_FILE_OVERLAY) && (f->flags & (BH_FILE_UPPER | BH_FILE_LOWER)))
        return f->flags & BH_FILE_UPPER ? NO : YES;
    if (!f->ino || !f->ctime || !made_wall)
        return UNKNOWN;
    return f->ctime < made_wall ? YES : NO;
}

static bool is_setid(const struct bh_file *f)
{
    return S_ISREG(f->mode) && (f->mode & (S_ISUID | S_ISGID));
}

static bool take_setid(struct live *l, struct str path)
{
    bool changed = !l->setuid_made;
    l->setuid_made = true;
    return texts_add(&l->setuids, path) || changed;
}

static bool take_program(struct live *l, const struct around *a, const struct image *i)
{
    enum tri in = in_image(&i->exe, a->made);
    enum tri was = l->foreign;
    bool first = !l->started, changed = false;
    l->started = true;
    if (in == NO) {
        l->foreign = YES;
        changed = texts_add(&l->programs, i->path);
        if (is_setid(&i->exe))
            changed |= take_setid(l, i->path);
    } else if (l->foreign != YES) {
        // NO needs every program to be known to be in the image.
        l->foreign = in == YES && (first || was == NO) ? NO : UNKNOWN;
    }
    return changed || first || l->foreign != was;
}

// NAME=value and --name=value among the arguments (`env DB_PASSWORD=… app`); the name is kept.
static bool take_arguments(struct live *l, struct str args)
{
    bool changed = false;
    for (size_t at = 0, n = 0; at < args.len; at += n + 1, n = 0) {
        while (at + n < args.len && args.ptr[at + n])
            n++;
        const char *word = args.ptr + at, *eq = n ? memchr(word, '=', n) : NULL;
        if (!eq)
            continue;
        struct str name = {word, (size_t)(eq - word)};
        while (name.len && name.ptr[0] == '-')
            name = (struct str){name.ptr + 1, name.len - 1};
        bool plain = name.len > 0 && name.len <= MAX_LIVE_TEXT;
        for (size_t k = 0; plain && k < name.len; k++)
            plain = strchr("_-.", name.ptr[k]) || (name.ptr[k] >= '0' && name.ptr[k] <= '9') ||
                    (name.ptr[k] >= 'A' && name.ptr[k] <= 'Z') ||
                    (name.ptr[k] >= 'a' && name.ptr[k] <= 'z');
        if (plain && secret_reason(name, (struct str){eq + 1, n - (size_t)(eq + 1 - word)}))
            changed |= texts_add(&l->secrets, name);
    }
    return changed;
}

void live_process(struct live *l, const struct around *a, const struct container *c,
                  const struct process *p)
{
    if (p->exited_ns || !own_image(c, p->image))
        return;
    take_program(l, a, p->image);
    take_creds(l, a, &p->image->creds, p->image);
    take_namespaces(l, a, &p->image->nses);
    take_arguments(l, p->image->args);
}

// ── what a program does ──────────────────────────────────────────────────────────────────────

// "/", and the ways to write it: "//", "/.", "/../".
static bool is_root(struct str path)
{
    bool root = path.len > 0 && path.ptr[0] == '/';
    for (size_t i = 0; root && i < path.len; i++)
        root = path.ptr[i] == '/' || path.ptr[i] == '.';
    return root;
}

static bool take_mount(struct live *l, const struct bh_rec *rec)
{
    const struct bh_mount *m = REC_AS(rec, bh_mount);
    if (!m || m->result < 0 || (rec->flags & BH_F_FAILED) || m->call == BH_CALL_UMOUNT2 ||
        m->call == BH_CALL_PIVOT_ROOT || m->call == BH_CALL_OPEN_TREE || m->call == BH_CALL_CHROOT)
        return false;
    struct str target = rec_str(rec, m->target), source = rec_str(rec, m->source);
    // How mounts spread is not a mount.
    if (m->call == BH_CALL_MOUNT &&
        (m->flags & (MS_PRIVATE | MS_SLAVE | MS_SHARED | MS_UNBINDABLE)))
        return false;
    if (m->call == BH_CALL_MOUNT && (m->flags & MS_REMOUNT)) {
        bool opened = is_root(target) && !(m->flags & MS_RDONLY) && !l->root_writable;
        l->root_writable |= opened;
        return opened;
    }
    if (source.len)
        texts_add(&l->mount_sources, source);
    texts_add(&l->mount_targets, target.len ? target : STR("(not told)"));
    return true;
}

static bool take_open(struct live *l, const struct around *a, const struct bh_rec *rec)
{
    const struct bh_open *o = REC_AS(rec, bh_open);
    if (!o || (rec->flags & BH_F_FAILED))
        return false;
    bool changed = false, write = (o->flags & O_ACCMODE) != O_RDONLY;
    if (is_setid(&o->file) && (o->created || in_image(&o->file, a->made) == NO))
        changed = take_setid(l, rec_str(rec, o->path));
    // What was written to an overlay's upper layer was written to the root.
    if (write && !l->root_writable && S_ISREG(o->file.mode) && (o->file.flags & BH_FILE_OVERLAY) &&
        (o->file.flags & BH_FILE_UPPER)) {
        l->root_writable = true;
        changed = true;
    }
    return changed;
}

bool live_sample(struct live *l, const struct bh_resource *r)
{
    struct live was = {.memory_sampled = l->memory_sampled,
                       .pids_sampled = l->pids_sampled,
                       .memory_now = l->memory_now,
                       .pids_now = l->pids_now};
    if (!r || !l->started)
        return false;
    if (r->memory_bytes != UINT64_MAX) { // readable: a limit of ~0 is none
        l->memory_now = r->memory_limit_bytes;
        if (!l->memory_sampled)
            l->memory_first = l->memory_now;
        l->memory_sampled = true;
    }
    if (r->pids != UINT64_MAX) {
        l->pids_now = r->pids_limit;
        if (!l->pids_sampled)
            l->pids_first = l->pids_now;
        l->pids_sampled = true;
    }
    return was.memory_sampled != l->memory_sampled || was.pids_sampled != l->pids_sampled ||
           was.memory_now != l->memory_now || was.pids_now != l->pids_now;
}

bool live_event(struct live *l, const struct around *a, const struct event *e)
{
    const struct bh_rec *rec = e->rec;
    const struct container *c = e->container;
    if (rec->kind == BH_RESOURCE)
        return live_sample(l, REC_AS(rec, bh_resource));
    if (!c->first_exec || rec->time < c->first_exec)
        return false;
    bool changed = false;
    if (rec->kind == BH_EXEC && rec->time == c->first_exec && !l->started)
        changed = l->from_start = true;
    if (!e->image || !own_image(c, e->image))
        return changed;
    switch (rec->kind) {
    case BH_EXEC:
        changed |= take_program(l, a, e->image);
        changed |= take_creds(l, a, &e->image->creds, e->image);
        changed |= take_namespaces(l, a, &e->image->nses);
        changed |= take_arguments(l, e->image->args);
        break;
    case BH_CRED:
        changed |= take_creds(l, a, &REC_AS(rec, bh_cred_change)->now, e->image);
        break;
    case BH_NAMESPACE:
        changed |= take_namespaces(l, a, &REC_AS(rec, bh_ns_change)->now);
        break;
    case BH_MOUNT:
        changed |= take_mount(l, rec);
        break;
    case BH_OPEN:
        changed |= take_open(l, a, rec);
        break;
    default:
        break;
    }
    return changed;
}
