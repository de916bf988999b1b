// From an event to the key of what it names: programs with who started them, folders in general
// form, peers, ports.
//
// What is volatile in a folder's name becomes *, by a rule that looks at the name alone, so that
// every machine and every run says the same.
#include "detect/profile/internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

enum { HEX_WORD = 8, RANDOM_WORD = 6, FIRST_HIGH_PORT = 32768 };
#define PATH_ONLY 010000000 // O_PATH

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
    return is_digit(c) || is_upper(c) || is_lower(c) || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Numbers; hexadecimal hashes; words in which letters and digits, or small and capital letters,
// take turns as no language has them.
static bool is_volatile(struct str word)
{
    size_t digits = 0, hex = 0, turns = 0, humps = 0;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i], before = i ? word.ptr[i - 1] : c;
        digits += is_digit(c);
        hex += is_hex(c);
        turns += is_digit(c) != is_digit(before);
        humps += is_upper(c) && is_lower(before);
    }
    if (digits == word.len)
        return true;
    if (word.len >= HEX_WORD && hex == word.len && digits)
        return true;
    return word.len >= RANDOM_WORD && (turns >= 2 || humps >= 3);
}

// 550e8400-e29b-41d4-a716-446655440000: how long the one that s begins with is, or 0.
static size_t uuid(struct str s)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const size_t len = sizeof(shape) - 1;
    if (s.len < len || (s.len > len && is_word(s.ptr[len])))
        return 0;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'x' ? !is_hex(s.ptr[i]) : s.ptr[i] != '-')
            return 0;
    return len;
}

static bool is_temporary(struct str component)
{
    static const char *const words[] = {"tmp", "temp", "Tmp", "Temp", "TMP", "TEMP"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_starts(component, str_of(words[i])) && component.len > strlen(words[i]) &&
            !is_word(component.ptr[strlen(words[i])]))
            return true;
    return false;
}

size_t key_general(struct str c, char *out, size_t size)
{
    bool temporary = is_temporary(c);
    size_t n = 0, star = SIZE_MAX; // star: behind the last *, if only one separator followed
    for (size_t i = 0; i < c.len && n < size;) {
        size_t end = i, whole = uuid((struct str){c.ptr + i, c.len - i});
        while (end < c.len && is_word(c.ptr[end]))
            end++;
        if (whole) {
            end = i + whole;
        } else if (end == i) {
            if (c.ptr[i] != '*') {
                out[n++] = c.ptr[i++];
                continue;
            }
            end = i + 1;
        } else if (!is_volatile((struct str){c.ptr + i, end - i}) && !(temporary && i > 0)) {
            while (i < end && n < size)
                out[n++] = c.ptr[i++];
            continue;
        }
        // 2026-11-24, a UUID: one *, not five.
        if (star != SIZE_MAX && n - star <= 1)
            n = star;
        else
            out[n++] = '*';
        star = n;
        i = end;
    }
    return n;
}

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
    if (path.len <= MAX_PROGRAM) {
        add(k, path);
        return;
    }
    char hash[20];
    int n =
        snprintf(hash, sizeof(hash), "~%016llx", (unsigned long long)hash64(path.ptr, path.len));
    add(k, (struct str){path.ptr, MAX_PROGRAM - (size_t)n});
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
    char general[MAX_AS];
    if (as.len && !str_eq(as, str_basename(path)))
        add(k, (struct str){general, key_general(as, general, sizeof(general))});
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
    k->dimension = PROFILE_FILES;
    add(k, writes ? STR("w") : STR("r"));
    unsigned depth = 1;
    for (size_t i = 1; i < path.len;) {
        const char *slash = memchr(path.ptr + i, '/', path.len - i);
        if (!slash)
            break; // the file's own name
        struct str part = {path.ptr + i, (size_t)(slash - path.ptr) - i};
        // Too deep or too long: what is below the last folder that fits is one thing.
        if (++depth > MAX_DEPTH || k->len + 1 + part.len + 3 > sizeof(k->bytes)) {
            add(k, STR("/**"));
            break;
        }
        k->bytes[k->len++] = '/';
        k->len += key_general(part, k->bytes + k->len, sizeof(k->bytes) - k->len);
        i += part.len + 1;
    }
    return true;
}

static void add_port(struct key_text *k, uint16_t port)
{
    if (port >= FIRST_HIGH_PORT)
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
