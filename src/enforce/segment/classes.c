// Classes: what all lines together say of an address. Networks that lines name are prefixes of a
// tree; each prefix holds what its parent holds, and what begins or ends (an "except") with it. So
// the longest prefix of an address says in which networks it lies. The addresses of containers and
// of the machine are prefixes of full length.
#include "internal.h"

static const char *const metadata_addresses[] = {
    "169.254.169.254", // most clouds
    "169.254.170.2",   // Amazon ECS's credentials
    "100.100.100.200", // Alibaba
    "fd00:ec2::254",   // Amazon over IPv6
};

struct edge { // of a line's network: a peer's block begins here, or one of its excepts
    struct cidr cidr;
    seg_member key; // line and peer
    bool begins;
};
struct edges {
    struct edge *list;
    size_t n, cap;
    bool failed;
};

static void add_edge(struct edges *e, const struct cidr *cidr, seg_member key, bool begins)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 256;
        struct edge *grown = reallocarray(e->list, cap, sizeof(*grown));
        if (!grown) {
            e->failed = true;
            return;
        }
        e->list = grown;
        e->cap = cap;
    }
    e->list[e->n++] = (struct edge){*cidr, key, begins};
}

static int by_cidr(const struct cidr *a, const struct cidr *b)
{
    int c = memcmp(a->address, b->address, 16);
    return c ? c : (int)a->prefix - (int)b->prefix;
}

static int by_edge(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    int c = by_cidr(&x->cidr, &y->cidr);
    if (c)
        return c;
    if (x->begins != y->begins)
        return x->begins ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void edges_of_line(const struct seg_line *l, uint32_t line, struct edges *e)
{
    for (size_t i = 0; l->rule && i < l->rule->peers_n; i++) {
        const struct net_peer *p = &l->rule->peers[i];
        if (p->type != PEER_BLOCK)
            continue;
        add_edge(e, &p->block, MEMBER(line, i), true);
        for (size_t k = 0; k < p->except_n; k++)
            add_edge(e, &p->except[k], MEMBER(line, i), false);
    }
    if (l->deny && l->deny->type == NET_DENY_CIDR)
        add_edge(e, &l->deny->cidr, MEMBER(line, 0), true);
    for (size_t i = 0;
         l->deny && l->deny->type == NET_DENY_METADATA && i < ARRAY_SIZE(metadata_addresses); i++) {
        struct cidr c;
        if (cidr_parse(str_of(metadata_addresses[i]), &c) == 0)
            add_edge(e, &c, MEMBER(line, i), true);
    }
}

static void without(struct members *m, seg_member key)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->list[i] == key) {
            m->list[i] = m->list[--m->n];
            return;
        }
}

static struct seg_prefix *new_prefix(struct segment *s, const struct cidr *cidr)
{
    if (s->prefixes_n == s->prefixes_cap) {
        size_t cap = s->prefixes_cap ? 2 * s->prefixes_cap : 64;
        struct seg_prefix *grown =
            cap <= 2 * BH_NET_MAX_ADDRESSES ? reallocarray(s->prefixes, cap, sizeof(*grown)) : NULL;
        if (!grown)
            return NULL;
        s->prefixes = grown;
        s->prefixes_cap = cap;
    }
    struct seg_prefix *p = &s->prefixes[s->prefixes_n++];
    *p = (struct seg_prefix){.cidr = *cidr};
    return p;
}

// By bits alone: IPv4 lies in IPv6's tree, at ::ffff:0:0/96.
static bool lies_in(const struct cidr *inner, const struct cidr *outer)
{
    unsigned whole = outer->prefix / 8, rest = outer->prefix % 8;
    return outer->prefix < inner->prefix && memcmp(inner->address, outer->address, whole) == 0 &&
           (rest == 0 ||
            ((inner->address[whole] ^ outer->address[whole]) & (0xff00u >> rest) & 0xff) == 0);
}

// One prefix a place in the tree, with the keys (line and peer) that hold there. IPv4's root holds
// nothing of what is above it: ::/0 is every address of IPv6.
static bool grow_tree(struct segment *s, const struct edges *e)
{
    size_t stack[130], depth = 0; // prefixes that hold the current one
    for (size_t i = 0; i < e->n;) {
        const struct cidr *cidr = &e->list[i].cidr;
        while (depth && !lies_in(cidr, &s->prefixes[stack[depth - 1]].cidr))
            depth--;
        bool root = cidr->prefix == 96 && address_is_v4(cidr->address);
        struct seg_prefix *p = new_prefix(s, cidr);
        if (!p)
            return false;
        const struct members *above = depth && !root ? &s->prefixes[stack[depth - 1]].lines : NULL;
        for (size_t k = 0; above && k < above->n; k++)
            members_add(&p->lines, above->list[k]);
        for (; i < e->n && by_cidr(&e->list[i].cidr, &p->cidr) == 0; i++) {
            if (e->list[i].key == 0) // a root: no line's
                continue;
            if (e->list[i].begins)
                members_add(&p->lines, e->list[i].key);
            else
                without(&p->lines, e->list[i].key);
        }
        if (p->lines.failed)
            return false;
        stack[depth++] = s->prefixes_n - 1;
    }
    return true;
}

bool prefixes_make(struct segment *s)
{
    static const struct cidr roots[2] = {{{0}, 0},
                                         {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}};
    struct edges e = {0};
    add_edge(&e, &roots[0], 0, true);
    add_edge(&e, &roots[1], 0, true);
    for (size_t i = 0; i < s->lines_n; i++)
        edges_of_line(&s->lines[i], s->first_line + (uint32_t)i, &e);
    bool ok = !e.failed;
    if (ok) {
        qsort(e.list, e.n, sizeof(*e.list), by_edge);
        ok = grow_tree(s, &e);
    }
    free(e.list);
    for (size_t i = 0; ok && i < s->prefixes_n; i++) { // peers don't matter any more
        struct members *m = &s->prefixes[i].lines;
        for (size_t k = 0; k < m->n; k++)
            m->list[k] = MEMBER(MEMBER_LINE(m->list[k]), 0);
        members_sort(m);
    }
    return ok;
}

const struct seg_prefix *prefix_longest(const struct segment *s, const uint8_t address[16],
                                        unsigned most)
{
    struct cidr want = {.prefix = (uint8_t)most};
    memcpy(want.address, address, 16);
    bool v4 = address_is_v4(address);
    for (int length = (int)most; length >= (v4 ? 96 : 0); length--) {
        want.prefix = (uint8_t)length;
        if (length < 128)
            want.address[length / 8] &= (uint8_t) ~(0xffu >> length % 8);
        size_t low = 0, high = s->prefixes_n;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (by_cidr(&s->prefixes[middle].cidr, &want) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < s->prefixes_n && by_cidr(&s->prefixes[low].cidr, &want) == 0)
            return &s->prefixes[low];
    }
    return NULL;
}

// ── the table of addresses ───────────────────────────────────────────────────────────────────

struct owned { // an address in somebody's namespace
    uint8_t address[16];
    uint32_t container, netns;
    bool host;
};

static int by_owned(const void *a, const void *b)
{
    const struct owned *x = a, *y = b;
    int c = memcmp(x->address, y->address, 16);
    if (c)
        return c;
    return x->container < y->container ? -1 : x->container > y->container;
}

static int by_address(const void *address, const void *owned)
{
    return memcmp(address, ((const struct owned *)owned)->address, 16);
}

static bool put_address(struct segment *s, const struct segment_address *a)
{
    struct segment_tables *t = &s->tables;
    if (t->addresses_n == s->addresses_cap) {
        size_t cap = s->addresses_cap ? 2 * s->addresses_cap : 128;
        struct segment_address *grown = reallocarray(t->addresses, cap, sizeof(*grown));
        if (!grown)
            return false;
        t->addresses = grown;
        s->addresses_cap = cap;
    }
    t->addresses[t->addresses_n++] = *a;
    return t->addresses_n <= BH_NET_MAX_ADDRESSES;
}

static void add_all(struct members *to, const struct members *from)
{
    for (size_t i = 0; from && i < from->n; i++)
        members_add(to, from->list[i]);
}

// Lines that deny the host: its addresses are in them.
static void add_host_lines(const struct segment *s, struct members *to)
{
    for (size_t i = 0; i < s->lines_n; i++)
        if (s->lines[i].deny && s->lines[i].deny->type == NET_DENY_HOST)
            members_add(to, MEMBER(s->first_line + i, 0));
}

static uint32_t intern_class(struct segment *s, struct members *m)
{
    members_sort(m);
    return m->failed ? 0 : intern_id(s, &s->classes, 0, m->list, m->n, NULL);
}

// list[0…n) are the same address. Claimed by several namespaces it is nobody's: only networks
// count.
static bool address_of(struct segment *s, const struct owned *list, size_t n)
{
    struct segment_address a = {.key = {.prefix = 128}};
    struct members lines = {0};
    memcpy(a.key.address, list[0].address, 16);
    bool one = true, host = false;
    for (size_t i = 0; i < n; i++) {
        one &= list[i].netns == list[0].netns;
        host |= list[i].host;
    }
    const struct seg_prefix *p = prefix_longest(s, a.key.address, 128);
    add_all(&lines, p ? &p->lines : NULL);
    for (size_t i = 0; one && !host && i < n; i++) {
        const struct seg_container *c = seg_find(s, list[i].container);
        add_all(&lines, c ? &c->lines : NULL);
        a.netns = list[i].netns;
        a.container = a.container ? a.container : list[i].container;
    }
    if (host) {
        add_host_lines(s, &lines);
        a.flags = BH_NET_A_HOST;
    }
    a.class = intern_class(s, &lines);
    members_done(&lines);
    return a.class && put_address(s, &a);
}

bool addresses_make(struct segment *s)
{
    size_t n = 0, most = s->host_n;
    for (size_t i = 0; i < s->containers_n; i++)
        most += s->containers[i].addresses_n;
    struct owned *all = calloc(most + 1, sizeof(*all));
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < s->host_n; i++) {
        all[n] = (struct owned){.netns = s->host_netns, .host = true};
        memcpy(all[n++].address, s->host[i], 16);
    }
    for (size_t i = 0; ok && i < s->containers_n; i++) {
        const struct seg_container *c = &s->containers[i];
        for (size_t k = 0; c->netns != s->host_netns && k < c->addresses_n; k++) {
            all[n] = (struct owned){.netns = c->netns, .container = c->number};
            memcpy(all[n++].address, c->addresses[k], 16);
        }
    }
    if (ok)
        qsort(all, n, sizeof(*all), by_owned);
    for (size_t i = 0; ok && i < s->prefixes_n; i++) {
        struct segment_address a = {.key = {.prefix = s->prefixes[i].cidr.prefix}};
        memcpy(a.key.address, s->prefixes[i].cidr.address, 16);
        a.class =
            intern_id(s, &s->classes, 0, s->prefixes[i].lines.list, s->prefixes[i].lines.n, NULL);
        // A prefix of full length that is somebody's address is said below.
        bool owned =
            a.key.prefix == 128 && n && bsearch(a.key.address, all, n, sizeof(*all), by_address);
        ok = a.class && (owned || put_address(s, &a));
    }
    for (size_t i = 0, k; ok && i < n; i = k) {
        for (k = i + 1; k < n && memcmp(all[k].address, all[i].address, 16) == 0; k++)
            ;
        ok = address_of(s, &all[i], k - i);
    }
    free(all);
    return ok;
}

uint32_t class_of_container(struct segment *s, const struct seg_container *c)
{
    struct members lines = {0};
    for (size_t i = 0; i < s->containers_n; i++) // its pod: who shares its namespace
        if (&s->containers[i] == c || (c->netns && s->containers[i].netns == c->netns))
            add_all(&lines, &s->containers[i].lines);
    uint32_t class = intern_class(s, &lines);
    members_done(&lines);
    return class;
}
