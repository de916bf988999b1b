// What getters share: the parts of a record, and who did it.
#include "detect/rule/internal.h"

const struct image *match_image(const struct match *m)
{
    if (m->e->image)
        return m->e->image;
    return m->e->process ? m->e->process->image : NULL;
}

struct bh_creds match_creds(const struct match *m, bool *ret_known)
{
    const struct bh_rec *r = m->e->rec;
    const struct image *i = match_image(m);
    *ret_known = true;
    if (r->kind == BH_CRED && REC_AS(r, bh_cred_change))
        return REC_AS(r, bh_cred_change)->now;
    if ((r->kind == BH_EXEC || r->kind == BH_TASK) && REC_AS(r, bh_exec))
        return REC_AS(r, bh_exec)->creds;
    *ret_known = i != NULL;
    return i ? i->creds : (struct bh_creds){0};
}

struct bh_nses match_nses(const struct match *m, bool *ret_known)
{
    const struct bh_rec *r = m->e->rec;
    const struct image *i = match_image(m);
    *ret_known = true;
    if (r->kind == BH_NAMESPACE && REC_AS(r, bh_ns_change))
        return REC_AS(r, bh_ns_change)->now;
    if ((r->kind == BH_EXEC || r->kind == BH_TASK) && REC_AS(r, bh_exec))
        return REC_AS(r, bh_exec)->nses;
    *ret_known = i != NULL;
    return i ? i->nses : (struct bh_nses){0};
}

const struct bh_sock *match_sock(const struct match *m)
{
    const struct bh_rec *r = m->e->rec;
    switch (r->kind) {
    case BH_CONNECT:
    case BH_ACCEPT:
    case BH_UDP_SEND:
        return REC_AS(r, bh_net) ? &REC_AS(r, bh_net)->sock : NULL;
    case BH_DUP_SOCKET:
        return REC_AS(r, bh_dup) ? &REC_AS(r, bh_dup)->sock : NULL;
    default:
        return NULL;
    }
}

const struct bh_file *match_file(const struct match *m)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_open *o = r->kind == BH_OPEN ? REC_AS(r, bh_open) : NULL;
    return o && !(r->flags & BH_F_FAILED) ? &o->file : NULL;
}

bool match_result(const struct match *m, int64_t *ret)
{
    const struct bh_rec *r = m->e->rec;
    *ret = 0;
    switch (r->kind) {
    case BH_EXEC:
    case BH_CRED:
    case BH_NAMESPACE:
        return true;
    case BH_FORK:
        *ret = REC_AS(r, bh_fork) ? REC_AS(r, bh_fork)->child : 0;
        return true;
    case BH_OPEN:
        // LSM and fentry see the file before it has a descriptor: no result, and no failure.
        *ret = REC_AS(r, bh_open) ? REC_AS(r, bh_open)->fd : 0;
        if (r->truth == BH_TRUTH_KERNEL_OBJECT && *ret == -1)
            *ret = 0;
        return true;
    case BH_MEMFD:
        *ret = REC_AS(r, bh_memfd) ? REC_AS(r, bh_memfd)->fd : 0;
        return true;
    case BH_DUP_SOCKET:
        *ret = REC_AS(r, bh_dup) ? REC_AS(r, bh_dup)->newfd : 0;
        return true;
    case BH_ACCEPT:
        *ret = REC_AS(r, bh_net) ? (REC_AS(r, bh_net)->result < 0 ? REC_AS(r, bh_net)->result
                                                                  : REC_AS(r, bh_net)->fd)
                                 : 0;
        return true;
    case BH_CONNECT:
    case BH_UDP_SEND:
        *ret = REC_AS(r, bh_net) ? REC_AS(r, bh_net)->result : 0;
        return true;
    case BH_MOUNT:
        *ret = REC_AS(r, bh_mount) ? REC_AS(r, bh_mount)->result : 0;
        return true;
    case BH_PTRACE:
        *ret = REC_AS(r, bh_ptrace) ? REC_AS(r, bh_ptrace)->result : 0;
        return true;
    default:
        return false;
    }
}

const struct process *match_ancestor(const struct match *m, int64_t n)
{
    const struct process *p = m->e->process;
    for (int64_t i = 0; p && i < n; i++)
        p = i < MAX_ANCESTORS ? p->parent : NULL;
    return p;
}

void image_args(struct writer *w, const struct image *i)
{
    const char *nul = i->args.len ? memchr(i->args.ptr, 0, i->args.len) : NULL;
    if (!nul)
        return;
    size_t at = (size_t)(nul - i->args.ptr) + 1, end = i->args.len;
    if (end > at && i->args.ptr[end - 1] == 0)
        end--; // the last terminator separates nothing
    for (; at < end; at++)
        writer_char(w, i->args.ptr[at] ? i->args.ptr[at] : ' ');
}

uint64_t match_wall(const struct match *m)
{
    return m->e->rec->time + (uint64_t)m->env->wall_minus_boot;
}

int sock_role(const struct bh_sock *s, uint16_t kind)
{
    if (s->role != BH_ROLE_UNKNOWN)
        return s->role;
    // Who connects or sends first is the client; who accepts is the server.
    return kind == BH_CONNECT || kind == BH_UDP_SEND ? BH_ROLE_CLIENT
           : kind == BH_ACCEPT                       ? BH_ROLE_SERVER
                                                     : BH_ROLE_UNKNOWN;
}

void write_address(struct writer *w, const uint8_t *b, bool v6)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (v6 && memcmp(b, mapped, sizeof(mapped)) == 0) {
        b += 12;
        v6 = false;
    }
    if (!v6) {
        writer_format(w, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return;
    }
    // RFC 5952: the longest run of two or more zero groups becomes "::".
    int best = -1, best_n = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && b[2 * (i + n)] == 0 && b[2 * (i + n) + 1] == 0)
            n++;
        if (n > best_n) {
            best = i;
            best_n = n;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            writer_str(w, STR("::"));
            i += best_n - 1;
            continue;
        }
        writer_format(w, "%s%x",
                      i && i != best + best_n ? ":"
                      : best < 0 && i         ? ":"
                                              : "",
                      (unsigned)(b[2 * i] << 8 | b[2 * i + 1]));
    }
}

void sock_name(struct writer *w, const struct bh_sock *s, uint16_t kind)
{
    enum { INET = 2, INET6 = 10 };
    if (s->family != INET && s->family != INET6)
        return;
    bool v6 = s->family == INET6, swap = sock_role(s, kind) == BH_ROLE_SERVER;
    write_address(w, swap ? s->raddr : s->laddr, v6);
    writer_format(w, ":%u->", swap ? s->rport : s->lport);
    write_address(w, swap ? s->laddr : s->raddr, v6);
    writer_format(w, ":%u", swap ? s->lport : s->rport);
}

struct str absolute_path(struct match *m, struct str path)
{
    const struct image *i = match_image(m);
    struct writer w = writer_begin(m);
    struct str parts[2] = {path.len && path.ptr[0] == '/' ? STR_NULL : i ? i->cwd : STR_NULL, path};
    for (size_t p = 0; p < ARRAY_SIZE(parts); p++) {
        for (size_t at = 0; at < parts[p].len;) {
            while (at < parts[p].len && parts[p].ptr[at] == '/')
                at++;
            size_t start = at;
            while (at < parts[p].len && parts[p].ptr[at] != '/')
                at++;
            struct str part = {parts[p].ptr + start, at - start};
            if (part.len == 0 || str_eq(part, STR(".")))
                continue;
            if (str_eq(part, STR(".."))) {
                while (w.at > w.start && m->s->bytes[--w.at] != '/')
                    ;
                continue;
            }
            writer_char(&w, '/');
            writer_str(&w, part);
        }
    }
    if (w.at == w.start)
        writer_char(&w, '/');
    return writer_end(&w);
}
