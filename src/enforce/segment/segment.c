// What segment holds: policies as numbered lines, containers, addresses.
#include "internal.h"

#include <errno.h>

struct segment *segment_new(void)
{
    struct segment *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->next_line = s->first_line = s->next_id = 1;
    s->dirty = true;
    return s;
}

static void drop_policies(struct segment *s)
{
    for (size_t i = 0; i < s->prefixes_n; i++)
        members_done(&s->prefixes[i].lines);
    s->prefixes_n = s->lines_n = 0;
    for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++) {
        free(s->default_line[d]);
        s->default_line[d] = NULL;
    }
    intern_done(&s->classes);
    intern_done(&s->sets);
}

static void drop_container(struct seg_container *c)
{
    free(c->addresses);
    free(c->says);
    members_done(&c->lines);
}

void segment_free(struct segment *s)
{
    if (!s)
        return;
    drop_policies(s);
    for (size_t i = 0; i < s->containers_n; i++)
        drop_container(&s->containers[i]);
    free(s->containers);
    free(s->prefixes);
    free(s->lines);
    free(s->host);
    free(s->tables.addresses);
    free(s->tables.subjects);
    free(s->tables.lines);
    free(s->tables.rows);
    free(s);
}

// ── lists ────────────────────────────────────────────────────────────────────────────────────

void members_add(struct members *m, seg_member member)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 8;
        seg_member *grown = reallocarray(m->list, cap, sizeof(*grown));
        if (!grown) {
            m->failed = true;
            return;
        }
        m->list = grown;
        m->cap = cap;
    }
    m->list[m->n++] = member;
}

static int by_member(const void *a, const void *b)
{
    seg_member x = *(const seg_member *)a, y = *(const seg_member *)b;
    return x < y ? -1 : x > y;
}

void members_sort(struct members *m)
{
    size_t n = 0;
    if (m->n == 0)
        return;
    qsort(m->list, m->n, sizeof(*m->list), by_member);
    for (size_t i = 0; i < m->n; i++)
        if (n == 0 || m->list[n - 1] != m->list[i])
            m->list[n++] = m->list[i];
    m->n = n;
}

void members_done(struct members *m)
{
    free(m->list);
    *m = (struct members){0};
}

static uint64_t list_hash(uint32_t tag, const seg_member *list, size_t n)
{
    return hash64(&tag, sizeof(tag)) ^ (n ? hash64(list, n * sizeof(*list)) : 0);
}

uint32_t intern_id(struct segment *s, struct intern *t, uint32_t tag, const seg_member *list,
                   size_t n, struct interned **ret)
{
    struct interned **bucket = &t->bucket[list_hash(tag, list, n) % INTERN_BUCKETS];
    struct interned *i = *bucket;
    while (i && !(i->tag == tag && i->n == n &&
                  (n == 0 || memcmp(i->list, list, n * sizeof(*list)) == 0)))
        i = i->next;
    if (!i) {
        i = t->n < MAX_SEGMENT_CLASSES ? calloc(1, sizeof(*i)) : NULL;
        seg_member *copy = i ? malloc(n * sizeof(*copy) + 1) : NULL;
        if (!copy) {
            free(i);
            s->failed = true;
            return 0;
        }
        if (n)
            memcpy(copy, list, n * sizeof(*copy));
        *i = (struct interned){
            .id = s->next_id++, .tag = tag, .list = copy, .n = n, .next = *bucket};
        *bucket = i;
        t->n++;
    }
    i->used = true;
    if (ret)
        *ret = i;
    return i->id;
}

void intern_begin(struct intern *t)
{
    for (size_t b = 0; b < INTERN_BUCKETS; b++)
        for (struct interned *i = t->bucket[b]; i; i = i->next)
            i->used = false;
}

void intern_sweep(struct intern *t)
{
    for (size_t b = 0; b < INTERN_BUCKETS; b++)
        for (struct interned **at = &t->bucket[b], *i; (i = *at);) {
            if (i->used) {
                at = &i->next;
                continue;
            }
            *at = i->next;
            free(i->list);
            free(i);
            t->n--;
        }
}

void intern_done(struct intern *t)
{
    intern_begin(t);
    intern_sweep(t);
}

// ── policies ─────────────────────────────────────────────────────────────────────────────────

static uint32_t add_line(struct segment *s, const struct seg_line *line)
{
    if (s->lines_n == s->lines_cap) {
        size_t cap = s->lines_cap ? 2 * s->lines_cap : 64;
        struct seg_line *grown =
            cap <= MAX_SEGMENT_LINES ? reallocarray(s->lines, cap, sizeof(*grown)) : NULL;
        if (!grown) {
            s->failed = true;
            return 0;
        }
        s->lines = grown;
        s->lines_cap = cap;
    }
    s->lines[s->lines_n++] = *line;
    return s->next_line++;
}

const struct seg_line *seg_line(const struct segment *s, uint32_t line)
{
    return line >= s->first_line && line - s->first_line < s->lines_n
               ? &s->lines[line - s->first_line]
               : NULL;
}

// A policy's default line of a direction, directly before its rules' lines.
static void number_lines(struct segment *s)
{
    s->first_line = s->next_line;
    for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++) {
        s->default_line[d] = calloc(s->network_n + 1, sizeof(*s->default_line[d]));
        s->failed |= !s->default_line[d];
    }
    for (size_t i = 0; i < s->network_n && !s->failed; i++) {
        const struct network_policy *p = &s->network[i];
        for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++) {
            if (!p->types[d])
                continue;
            s->default_line[d][i] =
                add_line(s, &(struct seg_line){.policy = p, .direction = (uint8_t)d});
            for (size_t k = 0; k < p->rules_n[d]; k++)
                add_line(s, &(struct seg_line){
                                .policy = p, .direction = (uint8_t)d, .rule = &p->rules[d][k]});
        }
    }
    for (size_t i = 0; i < s->policies_n && !s->failed; i++)
        for (size_t k = 0; k < s->policies[i].net_deny_n; k++)
            add_line(s, &(struct seg_line){.deny_policy = &s->policies[i],
                                           .direction = BH_NET_EGRESS,
                                           .deny = &s->policies[i].net_deny[k]});
}

void segment_policies(struct segment *s, const struct documents *docs)
{
    drop_policies(s);
    s->policies = docs->policies;
    s->policies_n = docs->policies_n;
    s->network = docs->network;
    s->network_n = docs->network_n;
    s->namespaces = docs->namespaces;
    s->namespaces_n = docs->namespaces_n;
    s->epoch++;
    s->failed = false;
    number_lines(s);
    s->failed |= !prefixes_make(s);
    for (size_t i = 0; i < s->containers_n && !s->failed; i++) {
        select_says(s, &s->containers[i]);
        select_lines(s, &s->containers[i]);
    }
    s->dirty = true;
}

// ── containers ───────────────────────────────────────────────────────────────────────────────

static size_t place(const struct segment *s, uint32_t number)
{
    size_t low = 0, high = s->containers_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->containers[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct seg_container *seg_find(const struct segment *s, uint32_t number)
{
    size_t at = place(s, number);
    return at < s->containers_n && s->containers[at].number == number ? &s->containers[at] : NULL;
}

static struct seg_container *add(struct segment *s, uint32_t number)
{
    if (s->containers_n >= BH_MAX_CONTAINERS)
        return NULL;
    if (s->containers_n == s->containers_cap) {
        size_t cap = s->containers_cap ? 2 * s->containers_cap : 64;
        struct seg_container *grown = reallocarray(s->containers, cap, sizeof(*grown));
        if (!grown)
            return NULL;
        s->containers = grown;
        s->containers_cap = cap;
    }
    size_t at = place(s, number);
    memmove(&s->containers[at + 1], &s->containers[at],
            (s->containers_n - at) * sizeof(*s->containers));
    s->containers[at] = (struct seg_container){.number = number};
    s->containers_n++;
    return &s->containers[at];
}

void segment_container(struct segment *s, const struct container *container)
{
    struct seg_container *c = seg_find(s, container->number);
    if (container->number == 0 || (!c && !(c = add(s, container->number)))) {
        s->failed |= container->number != 0;
        return;
    }
    c->container = container;
    select_says(s, c);
    select_lines(s, c);
    s->dirty = true;
}

void segment_gone(struct segment *s, uint32_t number)
{
    struct seg_container *c = seg_find(s, number);
    if (!c)
        return;
    drop_container(c);
    size_t at = (size_t)(c - s->containers);
    memmove(c, c + 1, (--s->containers_n - at) * sizeof(*c));
    s->dirty = true;
}

size_t segment_says(struct segment *s, uint32_t container, struct segment_says **ret)
{
    struct seg_container *c = seg_find(s, container);
    *ret = c ? c->says : NULL;
    return c ? c->says_n : 0;
}

void segment_row(struct segment *s, uint32_t container, uint32_t line, uint64_t row)
{
    struct seg_container *c = seg_find(s, container);
    for (size_t i = 0; c && i < c->says_n; i++)
        if (c->says[i].line == line && c->says[i].row != row) {
            c->says[i].row = row;
            s->dirty = true;
        }
}

// ── addresses ────────────────────────────────────────────────────────────────────────────────

static bool is_link_local(const uint8_t a[16])
{
    return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || (address_is_v4(a) && a[12] == 127) ||
           (a[15] == 1 && memcmp(a, (uint8_t[15]){0}, 15) == 0);
}

bool segment_addresses(struct segment *s, struct str text)
{
    json_auto_t *j = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_ALLOW_NUL, NULL);
    const json_t *list = json_object_get(j, "addresses"), *v;
    json_int_t number = json_integer_value(json_object_get(j, "container")),
               netns = json_integer_value(json_object_get(j, "netns"));
    if (!json_is_array(list) || number < 0 || number > UINT32_MAX || netns <= 0 ||
        netns > UINT32_MAX)
        return false;
    struct seg_container *c = number ? seg_find(s, (uint32_t)number) : NULL;
    if (number && !c) // gone meanwhile
        return true;
    uint8_t(*addresses)[16] = calloc(MAX_SEGMENT_ADDRESSES, 16);
    size_t n = 0, i;
    json_array_foreach ((json_t *)(uintptr_t)list, i, v) {
        struct cidr a;
        if (addresses && n < MAX_SEGMENT_ADDRESSES && json_is_string(v) &&
            cidr_parse((struct str){json_string_value(v), json_string_length(v)}, &a) == 0 &&
            a.prefix == 128 && !is_link_local(a.address))
            memcpy(addresses[n++], a.address, 16);
    }
    uint8_t(**to)[16] = c ? &c->addresses : &s->host;
    size_t *to_n = c ? &c->addresses_n : &s->host_n;
    uint32_t *to_netns = c ? &c->netns : &s->host_netns;
    bool same = *to_netns == (uint32_t)netns && *to_n == n &&
                (n == 0 || (addresses && memcmp(*to, addresses, n * 16) == 0));
    s->dirty |= !same;
    free(*to);
    *to = addresses;
    *to_n = n;
    *to_netns = (uint32_t)netns;
    return true;
}
