// Asking the tables as the kernel does (bpf/enforce/network.bpf.c), without a kernel.
#include "internal.h"

static bool key_covers(const struct bh_net_line_key *key, uint32_t set, uint32_t class,
                       uint8_t protocol, uint16_t port)
{
    if (key->set != set || key->class != class)
        return false;
    if (key->prefix == BH_NET_LINE_ANY)
        return true;
    if (key->protocol != protocol)
        return false;
    unsigned free_bits = BH_NET_LINE_PORT - key->prefix;
    uint32_t from = (uint32_t)key->port[0] << 8 | key->port[1];
    return key->prefix == BH_NET_LINE_PROTOCOL || from >> free_bits == (uint32_t)port >> free_bits;
}

// The line of the longest prefix; 0: none.
static uint32_t find_line(const struct segment *s, uint32_t set, uint32_t class, uint8_t protocol,
                          uint16_t port)
{
    uint32_t line = 0, longest = 0;
    for (size_t i = 0; i < s->tables.lines_n; i++) {
        const struct segment_line *l = &s->tables.lines[i];
        if (key_covers(&l->key, set, class, protocol, port) && l->key.prefix > longest) {
            longest = l->key.prefix;
            line = l->line;
        }
    }
    return line;
}

static uint32_t line_of(const struct segment *s, uint32_t set, uint32_t class, uint8_t protocol,
                        uint16_t port)
{
    uint32_t line = class ? find_line(s, set, class, protocol, port) : 0;
    return line ? line : find_line(s, set, 0, protocol, port);
}

static const struct segment_subject *subject_of(const struct segment *s, uint32_t number)
{
    for (size_t i = 0; i < s->tables.subjects_n; i++)
        if (s->tables.subjects[i].number == number)
            return &s->tables.subjects[i];
    return NULL;
}

static const struct segment_address *address_of(const struct segment *s, const uint8_t a[16])
{
    const struct segment_address *best = NULL;
    for (size_t i = 0; i < s->tables.addresses_n; i++) {
        const struct segment_address *x = &s->tables.addresses[i];
        struct cidr c = {.prefix = (uint8_t)x->key.prefix};
        memcpy(c.address, x->key.address, 16);
        if (cidr_has(&c, a) && (!best || x->key.prefix >= best->key.prefix))
            best = x;
    }
    return best;
}

static uint64_t row_of(const struct segment *s, uint32_t container, uint32_t line)
{
    for (size_t i = 0; i < s->tables.rows_n; i++)
        if (s->tables.rows[i].key.container == container && s->tables.rows[i].key.line == line)
            return s->tables.rows[i].row;
    return 0;
}

struct asked {
    uint32_t class, container;
    bool host;
    uint32_t netns;
};

// The other end: by its address, or for a container without one by what it is.
static struct asked ask_end(const struct segment *s, const struct segment_end *e)
{
    struct asked a = {0};
    if (e->container) {
        const struct segment_subject *o = subject_of(s, e->container->number);
        const struct seg_container *c = seg_find(s, e->container->number);
        const struct segment_address *at =
            c && c->addresses_n ? address_of(s, c->addresses[0]) : NULL;
        a.class = at ? at->class : o ? o->subject.class : 0;
        a.netns = o ? o->netns : 0;
        a.container = e->container->number;
        return a;
    }
    const struct segment_address *at = address_of(s, e->address);
    if (at) {
        a = (struct asked){at->class, at->container, at->flags & BH_NET_A_HOST ? true : false,
                           at->netns};
    }
    return a;
}

// True: the verdict is made.
static bool ask(const struct segment *s, uint32_t container, const struct asked *other,
                enum bh_net_direction direction, uint8_t protocol, uint16_t port,
                struct segment_verdict *ret)
{
    const struct segment_subject *c = subject_of(s, container);
    if (!c || (c->netns && c->netns == other->netns))
        return false;
    for (unsigned v = 0; v < BH_NET_VIEWS; v++) {
        const struct bh_net_half *h = &c->subject.half[direction][v];
        uint32_t line = h->deny ? line_of(s, h->deny, other->class, protocol, port) : 0;
        enum bh_net_reason reason = BH_NET_DENIED;
        if (!line && h->allow && !(direction == BH_NET_INGRESS && other->host)) {
            uint32_t allowed = line_of(s, h->allow, other->class, protocol, port);
            if (v == BH_NET_ENFORCED || !ret->allowed[direction])
                ret->allowed[direction == BH_NET_EGRESS ? 0 : 1] = allowed;
            line = allowed ? 0 : h->line;
            reason = BH_NET_NO_LINE;
        }
        if (!line)
            continue;
        ret->effect = v == BH_NET_ENFORCED ? BH_EFFECT_REFUSED : BH_EFFECT_WOULD;
        ret->at = direction;
        ret->reason = reason;
        ret->line = line;
        ret->row = row_of(s, container, line);
        return true;
    }
    return false;
}

void segment_try(const struct segment *s, const struct segment_end *from,
                 const struct segment_end *to, uint8_t protocol, uint16_t port,
                 struct segment_verdict *ret)
{
    struct segment_verdict audit = {0};
    struct asked of_from = ask_end(s, from), of_to = ask_end(s, to);
    *ret = (struct segment_verdict){0};
    if (of_from.container &&
        ask(s, of_from.container, &of_to, BH_NET_EGRESS, protocol, port, ret)) {
        if (ret->effect == BH_EFFECT_REFUSED)
            return;
        audit = *ret;
        ret->effect = BH_EFFECT_NONE;
    }
    if (of_to.container && ask(s, of_to.container, &of_from, BH_NET_INGRESS, protocol, port, ret) &&
        ret->effect == BH_EFFECT_REFUSED)
        return;
    if (audit.effect)
        *ret = audit;
}

bool segment_line_where(const struct segment *s, uint32_t line, struct str *ret_policy,
                        struct buf *where)
{
    const struct seg_line *l = seg_line(s, line);
    if (!l)
        return false;
    struct str file = l->policy ? l->policy->file : l->deny_policy->file;
    unsigned at = l->rule ? l->rule->line : l->deny ? l->deny->line : l->policy->line;
    *ret_policy = l->policy ? l->policy->name : l->deny_policy->name;
    buf_str(where, file);
    buf_printf(where, ":%u", at);
    return true;
}
