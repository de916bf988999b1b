// One record as one line of JSON, everything in it: for `events --raw`, dumps and tests. Strangers'
// strings are escaped; a record that is too short for its kind shows its header only.
#include "model/internal.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <sys/socket.h>

static void span(struct json *j, const char *key, const struct bh_rec *rec, struct bh_span s)
{
    json_kstr(j, key, rec_str(rec, s));
}

static void call(struct json *j, uint8_t c)
{
    json_kcstr(j, "call", call_name(c));
}

static void creds(struct json *j, const char *key, const struct bh_creds *c)
{
    json_key(j, key);
    json_object(j);
    json_kbig(j, "uid", c->uid);
    json_kbig(j, "gid", c->gid);
    json_kbig(j, "euid", c->euid);
    json_kbig(j, "egid", c->egid);
    json_kbig(j, "suid", c->suid);
    json_kbig(j, "sgid", c->sgid);
    json_kbig(j, "fsuid", c->fsuid);
    json_kbig(j, "fsgid", c->fsgid);
    json_khex(j, "cap_effective", c->cap_effective);
    json_khex(j, "cap_permitted", c->cap_permitted);
    json_khex(j, "cap_inheritable", c->cap_inheritable);
    json_ki64(j, "loginuid", c->loginuid == UINT32_MAX ? -1 : (int64_t)c->loginuid);
    json_kbig(j, "userns", c->userns);
    json_object_end(j);
}

static void nses(struct json *j, const char *key, const struct bh_nses *n)
{
    json_key(j, key);
    json_object(j);
    json_kbig(j, "mnt", n->mnt);
    json_kbig(j, "pid", n->pid);
    json_kbig(j, "net", n->net);
    json_kbig(j, "ipc", n->ipc);
    json_kbig(j, "uts", n->uts);
    json_kbig(j, "cgroup", n->cgroup);
    json_kbig(j, "user", n->user);
    json_kbig(j, "time", n->time);
    json_object_end(j);
}

static void file(struct json *j, const char *key, const struct bh_file *f)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } flags[] = {{BH_FILE_MEMFD, "memfd"},       {BH_FILE_OVERLAY, "overlay"},
                 {BH_FILE_UPPER, "upper"},       {BH_FILE_LOWER, "lower"},
                 {BH_FILE_UNLINKED, "unlinked"}, {BH_FILE_TMPFS, "tmpfs"},
                 {BH_FILE_WRITABLE, "writable"}};
    json_key(j, key);
    json_object(j);
    json_kfile_id(j, f->dev, f->ino);
    json_khex(j, "ctime_ns", f->ctime);
    json_khex(j, "mtime_ns", f->mtime);
    json_kbig(j, "mode", f->mode);
    json_kbig(j, "uid", f->uid);
    json_kbig(j, "nlink", f->nlink);
    json_kbig(j, "mnt_id", f->mnt_id);
    json_key(j, "flags");
    json_array(j);
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (f->flags & flags[i].flag)
            json_cstr(j, flags[i].name);
    json_array_end(j);
    json_object_end(j);
}

static void address(struct json *j, const char *key, uint16_t family, const uint8_t bytes[16])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (family == AF_INET || family == AF_INET6)
        inet_ntop(family, bytes, text, sizeof(text));
    json_kcstr(j, key, text);
}

static void sock(struct json *j, const struct bh_sock *s)
{
    json_key(j, "socket");
    json_object(j);
    json_kbig(j, "family", s->family);
    json_kbig(j, "proto", s->proto);
    json_kbig(j, "type", s->type);
    json_kbig(j, "state", s->state);
    json_kbig(j, "role", s->role);
    address(j, "laddr", s->family, s->laddr);
    json_kbig(j, "lport", s->lport);
    address(j, "raddr", s->family, s->raddr);
    json_kbig(j, "rport", s->rport);
    json_khex(j, "cookie", s->cookie);
    json_kbig(j, "netns", s->netns);
    json_object_end(j);
}

// Arguments are NUL-separated: a list, one string each.
static void arguments(struct json *j, struct str args)
{
    json_key(j, "args");
    json_array(j);
    for (size_t at = 0; at < args.len;) {
        const char *end = memchr(args.ptr + at, 0, args.len - at);
        size_t len = end ? (size_t)(end - args.ptr) - at : args.len - at;
        json_str(j, (struct str){args.ptr + at, len});
        at += len + 1;
    }
    json_array_end(j);
}

static void exec(struct json *j, const struct bh_rec *rec)
{
    const struct bh_exec *e = REC_AS(rec, bh_exec);
    if (!e)
        return;
    call(j, e->call);
    span(j, "path", rec, e->path);
    arguments(j, rec_str(rec, e->args));
    json_kbig(j, "args_total", e->args_total);
    span(j, "cwd", rec, e->cwd);
    span(j, "comm", rec, e->comm);
    span(j, "name", rec, e->name);
    span(j, "interp", rec, e->interp);
    json_kbig(j, "ppid", e->ppid);
    json_kbig(j, "vpid", e->vpid);
    json_khex(j, "parent_start", e->parent_start);
    json_khex(j, "parent_exec", e->parent_exec);
    json_kbig(j, "sid", e->sid);
    json_kbig(j, "pgid", e->pgid);
    json_kbig(j, "tty", e->tty);
    json_khex(j, "old_exec", e->old_exec);
    creds(j, "creds", &e->creds);
    nses(j, "namespaces", &e->nses);
    file(j, "exe", &e->exe);
    json_key(j, "stdio");
    json_array(j);
    for (size_t i = 0; i < ARRAY_SIZE(e->stdio); i++)
        json_str(j, str_of(stdio_name(e->stdio[i]) ? stdio_name(e->stdio[i]) : ""));
    json_array_end(j);
    struct bh_sock stream;
    if (exec_socket(rec, &stream))
        sock(j, &stream);
}

static void fork_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_fork *f = REC_AS(rec, bh_fork);
    if (!f)
        return;
    json_kbig(j, "child", f->child);
    json_kbig(j, "vpid", f->vpid);
    json_khex(j, "child_start", f->child_start);
    json_khex(j, "child_exec", f->child_exec);
    json_khex(j, "child_cgroup", f->child_cgroup);
    json_kbig(j, "child_container", f->child_container);
    json_khex(j, "clone_flags", f->flags);
    nses(j, "namespaces", &f->nses);
}

static void exit_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_exit *e = REC_AS(rec, bh_exit);
    if (!e)
        return;
    json_kbig(j, "code", e->code);
    json_khex(j, "utime_ns", e->utime);
    json_khex(j, "stime_ns", e->stime);
}

static void memfd(struct json *j, const struct bh_rec *rec)
{
    const struct bh_memfd *m = REC_AS(rec, bh_memfd);
    if (!m)
        return;
    json_ki64(j, "fd", m->fd);
    json_kbig(j, "memfd_flags", m->flags);
    span(j, "name", rec, m->name);
}

static void dup_socket(struct json *j, const struct bh_rec *rec)
{
    const struct bh_dup *d = REC_AS(rec, bh_dup);
    if (!d)
        return;
    call(j, d->call);
    json_ki64(j, "oldfd", d->oldfd);
    json_ki64(j, "newfd", d->newfd);
    sock(j, &d->sock);
}

static void ptrace_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_ptrace *p = REC_AS(rec, bh_ptrace);
    if (!p)
        return;
    call(j, p->call);
    json_khex(j, "request", p->request);
    json_kbig(j, "target", p->target);
    json_kbig(j, "target_container", p->target_container);
    json_khex(j, "target_start", p->target_start);
    json_ki64(j, "result", p->result);
}

static void open_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_open *o = REC_AS(rec, bh_open);
    if (!o)
        return;
    call(j, o->call);
    json_ki64(j, "fd", o->fd);
    json_kbig(j, "open_flags", o->flags);
    json_kbig(j, "mode", o->mode);
    json_kbool(j, "created", o->created);
    span(j, "path", rec, o->path);
    span(j, "asked", rec, o->asked);
    file(j, "file", &o->file);
}

static void net(struct json *j, const struct bh_rec *rec)
{
    const struct bh_net *n = REC_AS(rec, bh_net);
    if (!n)
        return;
    call(j, n->call);
    json_ki64(j, "fd", n->fd);
    json_ki64(j, "result", n->result);
    if (n->path.len)
        span(j, "path", rec, n->path);
    sock(j, &n->sock);
}

static void cred(struct json *j, const struct bh_rec *rec)
{
    const struct bh_cred_change *c = REC_AS(rec, bh_cred_change);
    if (!c)
        return;
    call(j, c->call);
    creds(j, "old", &c->old);
    creds(j, "now", &c->now);
}

static void namespace_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_ns_change *n = REC_AS(rec, bh_ns_change);
    if (!n)
        return;
    call(j, n->call);
    json_khex(j, "clone_flags", n->flags);
    nses(j, "old", &n->old);
    nses(j, "now", &n->now);
}

static void mount_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_mount *m = REC_AS(rec, bh_mount);
    if (!m)
        return;
    call(j, m->call);
    span(j, "source", rec, m->source);
    span(j, "target", rec, m->target);
    span(j, "fstype", rec, m->fstype);
    json_khex(j, "mount_flags", m->flags);
    json_ki64(j, "result", m->result);
}

static void cgroup_(struct json *j, const struct bh_rec *rec)
{
    const struct bh_cgroup *c = REC_AS(rec, bh_cgroup);
    if (!c)
        return;
    json_khex(j, "id", c->id);
    json_khex(j, "parent", c->parent);
    json_kbig(j, "of_container", c->container);
    json_kbig(j, "parent_container", c->parent_container);
    json_kbig(j, "depth", c->level);
    json_kbool(j, "inherited", c->inherited);
    span(j, "path", rec, c->path);
    span(j, "cwd", rec, c->cwd);
}

static void resource(struct json *j, const struct bh_rec *rec)
{
    const struct bh_resource *r = REC_AS(rec, bh_resource);
    if (!r)
        return;
    const struct {
        const char *key;
        uint64_t value;
    } values[] = {{"cpu_ns", r->cpu_ns},
                  {"memory_bytes", r->memory_bytes},
                  {"memory_limit_bytes", r->memory_limit_bytes},
                  {"io_read_bytes", r->io_read_bytes},
                  {"io_write_bytes", r->io_write_bytes},
                  {"pids", r->pids},
                  {"pids_limit", r->pids_limit},
                  {"net_rx_bytes", r->net_rx_bytes},
                  {"net_tx_bytes", r->net_tx_bytes},
                  {"net_rx_packets", r->net_rx_packets},
                  {"net_tx_packets", r->net_tx_packets}};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        json_key(j, values[i].key);
        if (values[i].value == UINT64_MAX) // not readable here
            json_null(j);
        else
            json_big(j, values[i].value);
    }
}

static void verdict(struct json *j, const struct bh_rec *rec)
{
    const struct bh_verdict *v = REC_AS(rec, bh_verdict);
    if (!v)
        return;
    json_kbig(j, "row", v->row);
    json_kcstr(j, "action", action_name((enum bh_action)v->action));
    json_kcstr(j, "effect", effect_name((enum bh_effect)v->effect));
    json_kcstr(j, "object", object_name((enum bh_object)v->object));
    span(j, "path", rec, v->path);
    file(j, "file", &v->file);
}

static void verdict_net(struct json *j, const struct bh_rec *rec)
{
    const struct bh_verdict_net *v = REC_AS(rec, bh_verdict_net);
    if (!v)
        return;
    json_kbig(j, "row", v->row);
    json_kcstr(j, "action", action_name((enum bh_action)v->action));
    json_kcstr(j, "effect", effect_name((enum bh_effect)v->effect));
    json_kcstr(j, "object", object_name((enum bh_object)v->object));
    json_kcstr(j, "reason", net_reason_name((enum bh_net_reason)v->reason));
    json_kbig(j, "peer", v->peer);
    json_kbig(j, "held", v->held);
    sock(j, &v->sock);
}

static void loss(struct json *j, const struct bh_rec *rec)
{
    const struct bh_loss *l = REC_AS(rec, bh_loss);
    if (!l)
        return;
    json_kcstr(j, "of_ring", ring_name((enum bh_ring)l->ring));
    json_kbig(j, "of_cpu", l->cpu);
    json_kbig(j, "first", l->first);
    json_kbig(j, "last", l->last);
    json_kbig(j, "after", l->after);
    json_kbig(j, "before", l->before);
}

static void storm(struct json *j, const struct bh_rec *rec)
{
    const struct bh_storm *s = REC_AS(rec, bh_storm);
    if (!s)
        return;
    const struct kind_row *kind = s->kind < BH_KIND_MAX ? kind_row((uint16_t)s->kind) : NULL;
    json_kbig(j, "of_container", s->container);
    json_kcstr(j, "of_kind", kind ? kind->name : NULL);
    json_kcstr(j, "of_ring", ring_name((enum bh_ring)s->ring));
    json_kcstr(j, "cause", storm_cause_name((enum bh_storm_cause)s->cause));
    json_kbig(j, "count", s->count);
    json_kbig(j, "first", s->first);
    json_kbig(j, "last", s->last);
}

static void tick(struct json *j, const struct bh_rec *rec)
{
    const struct bh_tick *t = REC_AS(rec, bh_tick);
    if (t)
        json_kwall(j, "wall", (struct wall_ns){t->wall});
}

// The text of the line's other inputs is JSON. It stands here as JSON on one line if it is, as a
// string if not.
static void text(struct json *j, const struct bh_rec *rec)
{
    const struct bh_text *t = REC_AS(rec, bh_text);
    struct str s = rec_text(rec);
    if (!t)
        return;
    json_kbig(j, "what", t->what);
    json_key(j, "text");
    json_t *value = s.len ? json_loadb(s.ptr, s.len, JSON_ALLOW_NUL, NULL) : NULL;
    char *compact = value ? json_dumps(value, JSON_COMPACT) : NULL;
    if (compact)
        json_raw(j, str_of(compact));
    else
        json_str(j, s);
    free(compact);
    json_decref(value);
}

static void feed(struct json *j, const struct bh_rec *rec)
{
    static const char *const whats[] = {[BH_FEED_BEGIN] = "begin",
                                        [BH_FEED_PART] = "part",
                                        [BH_FEED_COMMIT] = "commit",
                                        [BH_FEED_HELD] = "held",
                                        [BH_FEED_GONE] = "gone"};
    const struct bh_feed *f = REC_AS(rec, bh_feed);
    if (!f)
        return;
    struct str bytes = feed_bytes(rec);
    json_khex(j, "unit", f->unit);
    json_kbig(j, "load", f->load);
    json_kcstr(j, "what", f->what < BH_FEED_WHAT_MAX ? whats[f->what] : NULL);
    json_kbig(j, "part", f->part);
    json_kbig(j, "count", f->count);
    if (f->what != BH_FEED_PART) {
        json_kstr(j, "text", bytes);
        return;
    }
    json_key(j, "indicators");
    json_array(j);
    struct indicator i;
    for (size_t at = 0; indicator_unpack(bytes, &at, &i) == 1;) {
        _cleanup_buf_ struct buf text = {0};
        indicator_text(&i, &text);
        json_str(j, buf_view(&text));
    }
    json_array_end(j);
}

static void file_hash(struct json *j, const struct bh_rec *rec)
{
    const struct bh_file_hash *h = REC_AS(rec, bh_file_hash);
    char hex[65];
    if (!h)
        return;
    json_khex(j, "dev", h->dev);
    json_kbig(j, "ino", h->ino);
    json_kbig(j, "ctime", h->ctime);
    json_kbig(j, "bytes", h->bytes);
    json_ki64(j, "error", h->error);
    hex_of(h->sha256, sizeof(h->sha256), hex);
    json_kcstr(j, "sha256", hex);
    hex_of(h->sha1, sizeof(h->sha1), hex);
    json_kcstr(j, "sha1", hex);
    hex_of(h->md5, sizeof(h->md5), hex);
    json_kcstr(j, "md5", hex);
}

static const struct {
    uint16_t kind;
    void (*write)(struct json *j, const struct bh_rec *rec);
} writers[] = {
    {BH_EXEC, exec},
    {BH_TASK, exec},
    {BH_FORK, fork_},
    {BH_EXIT, exit_},
    {BH_MEMFD, memfd},
    {BH_DUP_SOCKET, dup_socket},
    {BH_PTRACE, ptrace_},
    {BH_OPEN, open_},
    {BH_CONNECT, net},
    {BH_ACCEPT, net},
    {BH_UDP_SEND, net},
    {BH_CRED, cred},
    {BH_NAMESPACE, namespace_},
    {BH_MOUNT, mount_},
    {BH_CGROUP_MAKE, cgroup_},
    {BH_CGROUP_ATTACH, cgroup_},
    {BH_CGROUP_REMOVE, cgroup_},
    {BH_CGROUP_SCAN, cgroup_},
    {BH_RESOURCE, resource},
    {BH_VERDICT, verdict},
    {BH_VERDICT_NET, verdict_net},
    {BH_LOSS, loss},
    {BH_STORM, storm},
    {BH_TICK, tick},
    {BH_FACT, text},
    {BH_GENERATION, text},
    {BH_OPERATOR, text},
    {BH_OUTCOME, text},
    {BH_EVICT, text},
    {BH_COVERAGE, text},
    {BH_ADDRESSES, text},
    {BH_PROFILE, text},
    {BH_FEED, feed},
    {BH_FILE_HASH, file_hash},
};

void rec_json(struct json *j, const struct bh_rec *rec)
{
    const struct kind_row *kind = kind_row(rec->kind);
    json_object(j);
    json_kcstr(j, "kind", kind ? kind->name : NULL);
    json_kbig(j, "kind_number", rec->kind);
    json_kbig(j, "boot_ns", rec->time);
    json_kbig(j, "shard", rec->shard);
    json_kcstr(j, "ring", ring_name((enum bh_ring)rec->ring));
    json_kbig(j, "cpu", rec->cpu);
    json_kbig(j, "seq", rec->seq);
    json_kcstr(j, "truth", truth_name((enum bh_truth)rec->truth));
    json_kflags(j, "flags", rec->flags);
    json_kbig(j, "container", rec->container);
    json_khex(j, "cgroup", rec->cgroup);
    json_kbig(j, "pid", rec->tgid);
    json_kbig(j, "tid", rec->tid);
    json_kbig(j, "start", rec->start);
    json_khex(j, "exec", rec->exec);
    json_kbig(j, "level", rec->level);
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
        if (writers[i].kind == rec->kind)
            writers[i].write(j, rec);
    json_object_end(j);
}
