// The tables: subjects with their sets, and each set's lines by class, protocol and port.
#include "internal.h"

enum { SET_ALLOW = 0, SET_DENY = 1 }; // and the direction

struct inverse { // line → classes that it is a member of
    struct {
        seg_member member;
        uint32_t class;
    } * list;
    size_t n;
};

static int by_inverse(const void *a, const void *b)
{
    seg_member x = *(const seg_member *)a, y = *(const seg_member *)b; // the first member
    return x < y ? -1 : x > y;
}

static bool invert(const struct segment *s, struct inverse *inv)
{
    size_t n = 0;
    for (size_t b = 0; b < INTERN_BUCKETS; b++)
        for (const struct interned *i = s->classes.bucket[b]; i; i = i->next)
            n += i->used ? i->n : 0;
    inv->list = calloc(n + 1, sizeof(*inv->list));
    if (!inv->list)
        return false;
    for (size_t b = 0; b < INTERN_BUCKETS; b++)
        for (const struct interned *i = s->classes.bucket[b]; i; i = i->next)
            for (size_t k = 0; i->used && k < i->n; k++) {
                inv->list[inv->n].member = i->list[k];
                inv->list[inv->n++].class = i->id;
            }
    qsort(inv->list, inv->n, sizeof(*inv->list), by_inverse);
    return true;
}

static size_t inverse_at(const struct inverse *inv, seg_member member)
{
    size_t low = 0, high = inv->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (inv->list[middle].member < member)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// ── lines ────────────────────────────────────────────────────────────────────────────────────

static void put_line(struct segment *s, uint32_t set, uint32_t class, uint32_t line,
                     uint32_t prefix, uint8_t protocol, uint32_t port)
{
    struct segment_tables *t = &s->tables;
    if (t->lines_n == s->lines_out_cap) {
        size_t cap = s->lines_out_cap ? 2 * s->lines_out_cap : 256;
        struct segment_line *grown =
            cap <= 4 * BH_NET_MAX_LINES ? reallocarray(t->lines, cap, sizeof(*grown)) : NULL;
        if (!grown) {
            t->too_large = true;
            t->what = "lines of policies";
            return;
        }
        t->lines = grown;
        s->lines_out_cap = cap;
    }
    t->lines[t->lines_n++] =
        (struct segment_line){.key = {.prefix = prefix,
                                      .set = set,
                                      .class = class,
                                      .protocol = protocol,
                                      .port = {(uint8_t)(port >> 8), (uint8_t)port}},
                              .line = line};
}

// A range of ports as prefixes: at most 30.
static void put_range(struct segment *s, uint32_t set, uint32_t class, uint32_t line,
                      uint8_t protocol, uint32_t port, uint32_t end)
{
    while (port <= end) {
        uint32_t bits = 0;
        while (bits < 16 && port % (2u << bits) == 0 && port + (2u << bits) - 1 <= end)
            bits++;
        put_line(s, set, class, line, BH_NET_LINE_PORT - bits, protocol, port);
        port += 1u << bits;
    }
}

static void put_ports(struct segment *s, uint32_t set, uint32_t class, uint32_t line,
                      const struct net_rule *rule, const struct container *subject)
{
    if (rule->ports_n == 0)
        put_line(s, set, class, line, BH_NET_LINE_ANY, 0, 0);
    for (size_t i = 0; i < rule->ports_n; i++) {
        const struct net_port *p = &rule->ports[i];
        if (p->name.len) {
            uint16_t port = subject ? named_port(subject, p->name) : 0;
            if (port)
                put_range(s, set, class, line, p->protocol, port, port);
        } else if (p->port == 0)
            put_line(s, set, class, line, BH_NET_LINE_PROTOCOL, p->protocol, 0);
        else
            put_range(s, set, class, line, p->protocol, p->port, p->end);
    }
}

// A line of this set: for everybody, or for each class that it holds.
static void put_set_line(struct segment *s, const struct inverse *inv, uint32_t set, uint32_t line,
                         const struct container *subject)
{
    const struct seg_line *l = seg_line(s, line);
    if (l->deny) {
        if (l->deny->type == NET_DENY_ANY)
            put_line(s, set, 0, line, BH_NET_LINE_ANY, 0, 0);
        for (size_t i = inverse_at(inv, MEMBER(line, 0));
             i < inv->n && MEMBER_LINE(inv->list[i].member) == line; i++)
            put_line(s, set, inv->list[i].class, line, BH_NET_LINE_ANY, 0, 0);
        return;
    }
    if (l->rule->peers_n == 0)
        put_ports(s, set, 0, line, l->rule, subject);
    for (size_t i = inverse_at(inv, MEMBER(line, 0));
         i < inv->n && MEMBER_LINE(inv->list[i].member) == line; i++) {
        uint16_t named = MEMBER_PORT(inv->list[i].member);
        if (!named && l->rule->peers_n) {
            put_ports(s, set, inv->list[i].class, line, l->rule, subject);
            continue;
        }
        for (size_t k = 0; named && k < l->rule->ports_n; k++) // a name that means this there
            if (l->rule->ports[k].name.len)
                put_range(s, set, inv->list[i].class, line, l->rule->ports[k].protocol, named,
                          named);
    }
}

static int by_line(const void *a, const void *b)
{
    const struct segment_line *x = a, *y = b;
    int c = memcmp(&x->key, &y->key, sizeof(x->key));
    return c ? c : x->line < y->line ? -1 : x->line > y->line;
}

// ── subjects ─────────────────────────────────────────────────────────────────────────────────

static bool has_named_port(const struct network_policy *p)
{
    for (size_t i = 0; i < p->rules_n[BH_NET_INGRESS]; i++)
        for (size_t k = 0; k < p->rules[BH_NET_INGRESS][i].ports_n; k++)
            if (p->rules[BH_NET_INGRESS][i].ports[k].name.len)
                return true;
    return false;
}

// The set of what c's rows in this view say in this direction; 0: nothing. Where a port has a name
// the set is the container's own, as it says what the name means.
static uint32_t set_of(struct segment *s, const struct seg_container *c, unsigned direction,
                       enum bh_net_view view, unsigned kind, uint32_t *ret_first, bool *ret_audited)
{
    struct members m = {0};
    bool own = false, named = false;
    *ret_first = 0;
    for (size_t i = 0; i < c->says_n; i++) {
        const struct segment_says *says = &c->says[i];
        enum row_mode mode = says->policy ? says->policy->mode : says->deny_policy->mode;
        if (!says->row || says->direction != direction ||
            (says->deny != NULL) != (kind == SET_DENY))
            continue;
        *ret_audited |= mode == MODE_AUDIT;
        if (mode == MODE_AUDIT && view == BH_NET_ENFORCED)
            continue;
        members_add(&m, MEMBER(says->line, 0));
        // Named when nothing allowed it: the first that speaks in this view and not in the other.
        bool news = (view == BH_NET_AUDITED) == (mode == MODE_AUDIT);
        if (!*ret_first || (news && !named)) {
            *ret_first = says->line;
            named = news;
        }
        own |= says->policy && direction == BH_NET_INGRESS && has_named_port(says->policy);
    }
    if (own)
        members_add(&m, MEMBER(UINT32_MAX, 0) + c->number); // makes it this container's
    members_sort(&m);
    uint32_t id = 0;
    if (m.n && !m.failed)
        id = intern_id(s, &s->sets, direction << 1 | kind, m.list, m.n, NULL);
    s->failed |= m.failed;
    members_done(&m);
    return id;
}

static void make_subject(struct segment *s, const struct seg_container *c,
                         struct segment_subject *to)
{
    bool audited = false;
    *to = (struct segment_subject){.number = c->number, .netns = c->netns};
    to->subject.class = class_of_container(s, c);
    for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++)
        for (unsigned v = 0; v < BH_NET_VIEWS; v++) {
            struct bh_net_half *h = &to->subject.half[d][v];
            uint32_t first;
            h->deny = set_of(s, c, d, (enum bh_net_view)v, SET_DENY, &first, &audited);
            h->allow = set_of(s, c, d, (enum bh_net_view)v, SET_ALLOW, &h->line, &audited);
            if (h->deny || h->allow)
                to->subject.flags |= BH_NET_S_GOVERNED;
        }
    if (audited)
        to->subject.flags |= BH_NET_S_AUDITED;
}

static bool put_rows(struct segment *s, const struct seg_container *c)
{
    struct segment_tables *t = &s->tables;
    for (size_t i = 0; i < c->says_n; i++) {
        if (!c->says[i].row)
            continue;
        if (t->rows_n == s->rows_cap) {
            size_t cap = s->rows_cap ? 2 * s->rows_cap : 128;
            struct segment_row *grown =
                cap <= 2 * BH_NET_MAX_ROWS ? reallocarray(t->rows, cap, sizeof(*grown)) : NULL;
            if (!grown)
                return false;
            t->rows = grown;
            s->rows_cap = cap;
        }
        t->rows[t->rows_n++] =
            (struct segment_row){.key = {c->number, c->says[i].line}, .row = c->says[i].row};
    }
    return t->rows_n <= BH_NET_MAX_ROWS;
}

static int by_address_key(const void *a, const void *b)
{
    const struct segment_address *x = a, *y = b;
    return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int by_row_key(const void *a, const void *b)
{
    const struct segment_row *x = a, *y = b;
    return memcmp(&x->key, &y->key, sizeof(x->key));
}

static bool make_subjects(struct segment *s)
{
    struct segment_tables *t = &s->tables;
    if (s->containers_n > s->subjects_cap) {
        struct segment_subject *grown =
            reallocarray(t->subjects, s->containers_cap, sizeof(*grown));
        if (!grown)
            return false;
        t->subjects = grown;
        s->subjects_cap = s->containers_cap;
    }
    for (size_t i = 0; i < s->containers_n; i++) {
        // Facts that can't be read stay unknown for good.
        const struct facts *f = s->containers[i].container->facts;
        if (t->flags & BH_NET_F_PENDING_DENY && (f->version == 0 || f->problem.len))
            continue;
        make_subject(s, &s->containers[i], &t->subjects[t->subjects_n++]);
        if (!put_rows(s, &s->containers[i]))
            return false;
    }
    return true;
}

static void make_lines(struct segment *s)
{
    struct segment_tables *t = &s->tables;
    struct inverse inv = {0};
    if (!invert(s, &inv)) {
        s->failed = true;
        return;
    }
    for (size_t b = 0; b < INTERN_BUCKETS; b++)
        for (const struct interned *i = s->sets.bucket[b]; i; i = i->next) {
            const struct seg_container *own = NULL;
            for (size_t k = 0; i->used && k < i->n && !t->too_large; k++)
                if (i->list[k] >= MEMBER(UINT32_MAX, 0))
                    own = seg_find(s, (uint32_t)(i->list[k] - MEMBER(UINT32_MAX, 0)));
            for (size_t k = 0; i->used && k < i->n && !t->too_large; k++) {
                uint32_t line = MEMBER_LINE(i->list[k]);
                const struct seg_line *l =
                    i->list[k] < MEMBER(UINT32_MAX, 0) ? seg_line(s, line) : NULL;
                if (l && l->deny)
                    put_set_line(s, &inv, i->id, line, NULL);
                for (size_t r = 0; l && l->policy && r < l->policy->rules_n[l->direction]; r++)
                    put_set_line(s, &inv, i->id, line + 1 + (uint32_t)r,
                                 own ? own->container : NULL);
            }
        }
    free(inv.list);
    if (t->lines_n)
        qsort(t->lines, t->lines_n, sizeof(*t->lines), by_line);
    size_t n = 0;
    for (size_t i = 0; i < t->lines_n; i++)
        if (n == 0 || memcmp(&t->lines[n - 1].key, &t->lines[i].key, sizeof(t->lines[i].key)) != 0)
            t->lines[n++] = t->lines[i];
    t->lines_n = n;
}

// A container whose facts are not known yet waits where some policy is enforced, since that may
// turn out to select it; it may not talk at all if some policy says so.
static uint32_t pending_flags(const struct segment *s)
{
    uint32_t flags = 0;
    for (size_t i = 0; i < s->network_n; i++)
        if (s->network[i].mode == MODE_ENFORCE)
            flags |= BH_NET_F_PENDING_HOLD;
    for (size_t i = 0; i < s->policies_n; i++) {
        if (s->policies[i].net_deny_n && s->policies[i].mode == MODE_ENFORCE)
            flags |= BH_NET_F_PENDING_HOLD;
        if (s->policies[i].net_pending)
            flags |= s->policies[i].mode == MODE_ENFORCE ? BH_NET_F_PENDING_DENY
                                                         : BH_NET_F_PENDING_WOULD;
    }
    return flags;
}

const struct segment_tables *segment_compile(struct segment *s)
{
    struct segment_tables *t = &s->tables;
    if (!s->dirty)
        return NULL;
    s->dirty = false;
    t->addresses_n = t->subjects_n = t->lines_n = t->rows_n = 0;
    t->too_large = false;
    t->what = NULL;
    t->epoch = s->epoch;
    t->flags = pending_flags(s);
    intern_begin(&s->classes);
    intern_begin(&s->sets);
    bool ok = addresses_make(s) && make_subjects(s);
    if (ok)
        make_lines(s);
    intern_sweep(&s->classes);
    intern_sweep(&s->sets);
    if (t->addresses_n)
        qsort(t->addresses, t->addresses_n, sizeof(*t->addresses), by_address_key);
    if (t->rows_n)
        qsort(t->rows, t->rows_n, sizeof(*t->rows), by_row_key);
    if (t->lines_n > BH_NET_MAX_LINES || !ok || s->failed) {
        t->what = t->what                         ? t->what
                  : t->lines_n > BH_NET_MAX_LINES ? "lines of policies"
                                                  : "addresses, classes or rows";
        t->too_large = true;
    }
    return t;
}

const struct segment_tables *segment_tables(const struct segment *s)
{
    return &s->tables;
}
