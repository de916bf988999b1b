// fd.*, fs.path.*: what the call was about.
#include "detect/rule/internal.h"
#include "detect/rule/what.h"

#include <arpa/inet.h>
#include <sys/stat.h>

static const struct bh_open *open_of(const struct match *m)
{
    return m->e->rec->kind == BH_OPEN ? REC_AS(m->e->rec, bh_open) : NULL;
}

static bool failed(const struct match *m)
{
    int64_t v;
    return (m->e->rec->flags & BH_F_FAILED) || (match_result(m, &v) && v < 0);
}

static bool number(const struct match *m, int64_t *ret)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_net *n;
    switch (r->kind) {
    case BH_OPEN:
        *ret = failed(m) ? -1 : REC_AS(r, bh_open)->fd;
        // LSM and fentry see the file before its descriptor is given: which it is isn't known, that
        // it is one (fd.num >= 0, as Falco's rules ask of an open that worked) is.
        if (!failed(m) && *ret < 0)
            *ret = INT32_MAX;
        return true;
    case BH_MEMFD:
        *ret = failed(m) ? -1 : REC_AS(r, bh_memfd)->fd;
        return true;
    case BH_DUP_SOCKET:
        *ret = failed(m) ? -1 : REC_AS(r, bh_dup)->newfd;
        return true;
    case BH_ACCEPT:
        *ret = failed(m) ? -1 : REC_AS(r, bh_net)->fd;
        return true;
    case BH_CONNECT:
    case BH_UDP_SEND:
        n = REC_AS(r, bh_net);
        *ret = n->fd; // -1 here: it was not recorded, so there is no value
        return n->fd >= 0;
    default:
        return false;
    }
}

// Type's word and letter, Falco's.
static bool type_of(const struct match *m, struct str *word, struct str *letter)
{
    static const struct {
        uint32_t mode;
        const char *word, *letter;
    } modes[] = {{S_IFDIR, "directory", "d"},
                 {S_IFREG, "file", "f"},
                 {S_IFIFO, "pipe", "p"},
                 {S_IFSOCK, "unix", "u"}};
    const struct bh_sock *s = match_sock(m);
    const struct bh_open *o = open_of(m);
    *word = STR("<NA>");
    *letter = STR("o");
    if (s) {
        *word = s->family == AF_INET    ? STR("ipv4")
                : s->family == AF_INET6 ? STR("ipv6")
                : s->family == AF_UNIX  ? STR("unix")
                                        : STR("<NA>");
        *letter = s->family == AF_INET    ? STR("4")
                  : s->family == AF_INET6 ? STR("6")
                  : s->family == AF_UNIX  ? STR("u")
                                          : STR("X");
        return true;
    }
    if (m->e->rec->kind == BH_MEMFD) {
        *word = STR("memfd");
        *letter = STR("m");
        return true;
    }
    if (!o)
        return false;
    if (failed(m)) { // nothing was opened: guessed from the call, as Falco does
        *letter =
            o->call == BH_CALL_OPEN || o->call == BH_CALL_OPEN_BY_HANDLE_AT ? STR("o") : STR("f");
        return true;
    }
    if (o->file.flags & BH_FILE_MEMFD) {
        *word = STR("memfd");
        *letter = STR("m");
        return true;
    }
    *word = STR("file"); // devices too, as with Falco
    *letter = STR("f");
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if ((o->file.mode & S_IFMT) == modes[i].mode) {
            *word = str_of(modes[i].word);
            *letter = str_of(modes[i].letter);
        }
    }
    return true;
}

// A Unix socket's address; an abstract one is written as everybody does, with @ for its NUL.
static struct str unix_name(struct match *m)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_net *n = r->kind == BH_CONNECT ? REC_AS(r, bh_net) : NULL;
    struct str path = n ? rec_str(r, n->path) : STR("");
    if (!path.len || path.ptr[0])
        return path;
    struct writer w = writer_begin(m);
    writer_char(&w, '@');
    writer_str(&w, (struct str){path.ptr + 1, path.len - 1});
    return writer_end(&w);
}

static struct str name_of(struct match *m)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_sock *s = match_sock(m);
    const struct bh_open *o = open_of(m);
    struct writer w;
    if (s && s->family == AF_UNIX)
        return unix_name(m);
    if (s) {
        w = writer_begin(m);
        sock_name(&w, s, r->kind);
        return writer_end(&w);
    }
    if (o) {
        struct str path = rec_str(r, o->path);
        return path.len && !failed(m)     ? path
               : rec_str(r, o->asked).len ? absolute_path(m, rec_str(r, o->asked))
                                          : STR("");
    }
    if (r->kind == BH_MEMFD) {
        w = writer_begin(m);
        writer_str(&w, STR("memfd:"));
        writer_str(&w, rec_str(r, REC_AS(r, bh_memfd)->name));
        return writer_end(&w);
    }
    return STR("");
}

static void set_address(const struct bh_sock *s, const uint8_t *bytes, struct address *ret)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool v6 = s->family == AF_INET6, is_mapped = v6 && memcmp(bytes, mapped, sizeof(mapped)) == 0;
    ret->len = v6 && !is_mapped ? 16 : 4;
    memcpy(ret->bytes, bytes + (is_mapped ? 12 : 0), ret->len);
}

static bool of_socket(const struct match *m, int what, int64_t index, struct value *ret)
{
    const struct bh_sock *s = match_sock(m);
    if (!s)
        return false;
    bool inet = s->family == AF_INET || s->family == AF_INET6, local;
    int role = sock_role(s, m->e->rec->kind);
    switch (what) {
    case FD_SOCKFAMILY:
        ret->str = inet ? STR("ip") : STR("unix");
        return inet || s->family == AF_UNIX;
    case FD_IS_SERVER:
        ret->b = role == BH_ROLE_SERVER;
        return inet && role != BH_ROLE_UNKNOWN;
    case FD_CONNECTED: {
        enum { ESTABLISHED = 1, CLOSE_WAIT = 8 };
        ret->b = m->e->rec->kind == BH_ACCEPT ||
                 (m->e->rec->kind == BH_CONNECT && s->family == AF_UNIX && !failed(m)) ||
                 (s->proto == IPPROTO_TCP && (s->state == ESTABLISHED || s->state == CLOSE_WAIT));
        return true;
    }
    case FD_NETNS:
        ret->u64 = s->netns;
        return s->netns != 0;
    default:
        break;
    }
    if (!inet)
        return false;
    switch (what) {
    case FD_IP:
    case FD_PORT:
        local = index <= 0;
        break;
    case FD_CIP:
    case FD_CPORT:
        local = role == BH_ROLE_CLIENT;
        break;
    case FD_SIP:
    case FD_SPORT:
        local = role == BH_ROLE_SERVER;
        break;
    default:
        local = what == FD_LIP || what == FD_LPORT;
        break;
    }
    if ((what == FD_CIP || what == FD_CPORT || what == FD_SIP || what == FD_SPORT) &&
        role == BH_ROLE_UNKNOWN)
        return false;
    if (what >= FD_PORT && what <= FD_RPORT)
        ret->u64 = local ? s->lport : s->rport;
    else
        set_address(s, local ? s->laddr : s->raddr, &ret->ip);
    return true;
}

static bool of_file(struct match *m, int what, struct value *ret)
{
    const struct bh_file *x = match_file(m);
    struct str word, letter, name;
    switch (what) {
    case FD_DIRECTORY:
    case FD_FILENAME:
        if (!open_of(m) || !type_of(m, &word, &letter))
            return false;
        name = name_of(m);
        bool directory = str_eq(word, STR("directory"));
        if (what == FD_DIRECTORY && directory) {
            ret->str = name;
            return true;
        }
        struct str base = str_basename(name);
        if (what == FD_FILENAME) {
            ret->str = base.len ? base : name;
            return !directory && (str_eq(letter, STR("f")) || str_eq(letter, STR("o")));
        }
        size_t len = name.len - base.len;
        ret->str = (struct str){name.ptr, len > 1 ? len - 1 : len};
        return name.len > 0;
    case FD_DEV:
        ret->i64 = x ? (int64_t)x->dev : 0;
        return x != NULL;
    case FD_DEV_MAJOR:
        ret->i64 = x ? (int64_t)(x->dev >> 20) : 0;
        return x != NULL;
    case FD_DEV_MINOR:
        ret->i64 = x ? (int64_t)(x->dev & 0xfffff) : 0;
        return x != NULL;
    case FD_INO:
        ret->i64 = x ? (int64_t)x->ino : 0;
        return x != NULL;
    case FD_UPPER:
        ret->b = x && (x->flags & BH_FILE_OVERLAY) && (x->flags & BH_FILE_UPPER);
        return x != NULL;
    default:
        ret->b = x && (x->flags & BH_FILE_OVERLAY) && (x->flags & BH_FILE_LOWER);
        return x != NULL;
    }
}

bool get_fd(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct bh_sock *s = match_sock(m);
    struct str word, letter;
    if (!type_of(m, &word, &letter))
        return false;
    switch (f->getter->what) {
    case FD_NUM:
        return number(m, &ret->i64);
    case FD_TYPE:
        ret->str = word;
        return true;
    case FD_TYPECHAR:
        ret->str = letter;
        return true;
    case FD_NAME:
        ret->str = name_of(m);
        return true;
    case FD_NAMERAW:
        ret->str = open_of(m) ? rec_str(m->e->rec, open_of(m)->asked) : name_of(m);
        return !open_of(m) || ret->str.len > 0;
    case FD_L4PROTO:
        ret->str = !s || (s->family != AF_INET && s->family != AF_INET6)    ? STR("<NA>")
                   : s->proto == IPPROTO_TCP                                ? STR("tcp")
                   : s->proto == IPPROTO_UDP                                ? STR("udp")
                   : s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6 ? STR("icmp")
                   : s->proto == IPPROTO_RAW                                ? STR("raw")
                                                                            : STR("<NA>");
        return true;
    case FD_NAME_CHANGED:
        ret->b = m->e->rec->kind == BH_UDP_SEND;
        return true;
    case FD_DIRECTORY:
    case FD_FILENAME:
    case FD_DEV:
    case FD_DEV_MAJOR:
    case FD_DEV_MINOR:
    case FD_INO:
    case FD_UPPER:
    case FD_LOWER:
        return of_file(m, f->getter->what, ret);
    default:
        return of_socket(m, f->getter->what, index, ret);
    }
}

bool get_path(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_open *o = open_of(m);
    const struct bh_mount *mount = r->kind == BH_MOUNT ? REC_AS(r, bh_mount) : NULL;
    int what = f->getter->what;
    if ((!o && !mount) || failed(m))
        return false;
    if (o) {
        ret->str = what == PATH_NAME ? name_of(m) : rec_str(r, o->asked);
        return (what == PATH_NAME || what == PATH_NAMERAW) && ret->str.len > 0;
    }
    bool two = mount->call == BH_CALL_MOUNT || mount->call == BH_CALL_MOVE_MOUNT ||
               mount->call == BH_CALL_NONE;
    bool name = what == PATH_NAME || what == PATH_NAMERAW;
    if (name == two)
        return false; // one path, or source and target
    ret->str = what == PATH_SOURCE || what == PATH_SOURCERAW ? rec_str(r, mount->source)
                                                             : rec_str(r, mount->target);
    if (ret->str.len == 0)
        return false;
    if (ret->str.ptr[0] != '/' && (what == PATH_NAME || what == PATH_TARGET))
        ret->str = absolute_path(m, ret->str);
    return true;
}
