// From an event to the key of what it names: programs with who started them, folders in general
// form, peers, ports.
#include "detect/profile/internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#define PATH_ONLY 010000000 // O_PATH

// ── keys ─────────────────────────────────────────────────────────────────────────────────────

static void add(struct key_text *k, struct str s)
{
    size_t n = MIN(s.len, sizeof(k->bytes) - k->len);
    memcpy(k->bytes + k->len, s.ptr, n);
    k->len += n;
}

static void add_number(struct key_text *k, unsigned v)
{
    char text[16];
    int n = snprintf(text, sizeof(text), "/%u", v);
    add(k, (struct str){text, (size_t)n});
}

// A path that no row and no line of a document could hold is cut, and told from others by its hash.
static void add_program(struct key_text *k, struct str path)
{
    if (path.len <= PROFILE_MAX_PROGRAM) {
        add(k, path);
        return;
    }
    char hash[20];
    int n =
        snprintf(hash, sizeof(hash), "~%016llx", (unsigned long long)hash64(path.ptr, path.len));
    add(k, (struct str){path.ptr, PROFILE_MAX_PROGRAM - (size_t)n});
    add(k, (struct str){hash, (size_t)n});
}

// Was this image started in the host's mount namespace, inside a container that has its own? Then
// it is still the container's runtime.
static bool is_runtime(const struct container *c, const struct image *i)
{
    return i && !c->host_mnt && c->host_mnt_ns && i->exec_mnt_ns == c->host_mnt_ns;
}

static bool program(const struct event *e, struct key_text *k)
{
    const struct bh_exec *x = REC_AS(e->rec, bh_exec);
    struct str path = x ? rec_str(e->rec, x->path) : STR_NULL;
    const struct image *before = e->process ? e->process->previous : NULL;
    if (path.len == 0)
        return false;
    k->dimension = PROFILE_PROGRAMS;
    add_program(k, path);
    add(k, (struct str){"", 1});
    // One file is many programs (busybox), or runs scripts: the name that was asked for, as the
    // kernel has it, tells which.
    struct str as = rec_str(e->rec, x->name);
    if (str_starts(as, STR("/proc/"))) { // busybox's shell runs itself: its argument says as what
        struct str args = rec_str(e->rec, x->args);
        as = (struct str){args.ptr, args.len ? strnlen(args.ptr, args.len) : 0};
    }
    as = str_basename(as);
    char general[PROFILE_MAX_AS];
    if (as.len && !str_eq(as, str_basename(path)))
        add(k, (struct str){general, profile_general(as, general, sizeof(general))});
    add(k, (struct str){"", 1});
    if (is_runtime(e->container, before))
        add(k, STR("runtime"));
    else if (before && before->path.len)
        add_program(k, before->path);
    else
        add(k, STR("unknown"));
    return true;
}

static bool file(const struct event *e, struct key_text *k)
{
    const struct bh_open *o = REC_AS(e->rec, bh_open);
    struct str path = o ? rec_str(e->rec, o->path) : STR_NULL;
    if (path.len == 0 || path.ptr[0] != '/' || o->flags & PATH_ONLY)
        return false;
    bool writes =
        (o->flags & O_ACCMODE) != O_RDONLY || o->flags & (O_TRUNC | O_CREAT) || o->created;
    const char *slash = memrchr(path.ptr, '/', path.len);
    k->dimension = PROFILE_FILES;
    k->len =
        profile_folder_key((struct str){path.ptr, (size_t)(slash - path.ptr)}, writes, k->bytes);
    return true;
}

static void add_port(struct key_text *k, uint16_t port)
{
    if (port >= PROFILE_HIGH_PORT)
        add(k, STR("/high"));
    else
        add_number(k, port);
}

static bool peer(const struct event *e, struct key_text *k)
{
    const struct bh_net *n = REC_AS(e->rec, bh_net);
    if (!n || (n->sock.family != AF_INET && n->sock.family != AF_INET6))
        return false;
    const struct bh_sock *s = &n->sock;
    bool in = e->rec->kind == BH_ACCEPT;
    k->dimension = PROFILE_PEERS;
    add(k, in ? STR("in") : STR("out"));
    add(k, s->proto == IPPROTO_TCP   ? STR("/tcp")
           : s->proto == IPPROTO_UDP ? STR("/udp")
                                     : STR("/other"));
    add_port(k, in ? s->lport : s->rport);
    if (s->family == AF_INET) {
        add(k, STR("/v4"));
        for (int i = 0; i < 4; i++)
            add_number(k, s->raddr[i]);
        return true;
    }
    add(k, STR("/v6"));
    for (int i = 0; i < 16; i += 2) {
        char text[8];
        int t = snprintf(text, sizeof(text), "/%x", s->raddr[i] << 8 | s->raddr[i + 1]);
        add(k, (struct str){text, (size_t)t});
    }
    return true;
}

bool key_of_event(const struct event *e, struct key_text *k)
{
    k->len = 0;
    if (is_runtime(e->container, e->image))
        return false;
    switch (e->rec->kind) {
    case BH_EXEC:
        return program(e, k);
    case BH_OPEN:
        return file(e, k);
    case BH_CONNECT:
    case BH_ACCEPT:
    case BH_UDP_SEND:
        return peer(e, k);
    default:
        return false;
    }
}
