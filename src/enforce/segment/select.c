// Which policies select a container, and which lines it is a peer of.
#include "internal.h"

// A container's namespace: what its runtime or bundle says, else "default".
static struct str namespace_of(const struct container *c)
{
    for (size_t i = 0; i < c->facts->labels_n; i++)
        if (str_eq(c->facts->labels[i].key, STR(SEGMENT_NAMESPACE_KEY)))
            return c->facts->labels[i].value;
    return STR(SEGMENT_DEFAULT_NAMESPACE);
}

// A namespace's labels: its document's, what the container says of it, and its own name.
static bool namespace_matches(const struct segment *s, const struct label_selector *selector,
                              const struct container *c)
{
    struct label labels[MAX_SEGMENT_ADDRESSES * 4];
    size_t n = 0;
    struct str ns = namespace_of(c), prefix = STR(SEGMENT_NAMESPACE_LABEL);
    labels[n++] = (struct label){STR(SEGMENT_METADATA_NAME), ns};
    for (size_t i = 0; i < s->namespaces_n; i++)
        for (size_t k = 0; str_eq(s->namespaces[i].name, ns) && k < s->namespaces[i].labels_n; k++)
            if (n < ARRAY_SIZE(labels))
                labels[n++] = s->namespaces[i].labels[k];
    for (size_t i = 0; i < c->facts->labels_n && n < ARRAY_SIZE(labels); i++) {
        struct label l = c->facts->labels[i];
        if (!str_starts(l.key, prefix))
            continue;
        l.key = (struct str){l.key.ptr + prefix.len, l.key.len - prefix.len};
        labels[n++] = l;
    }
    return label_selector_match(selector, labels, n);
}

// Does the runtime, or what a bundle says, know this container? What isn't known is no pod.
static bool is_pod(const struct container *c)
{
    return c->type == CONTAINER_OCI && c->facts->version > 0 && c->facts->problem.len == 0;
}

static bool selects(const struct network_policy *p, const struct container *c)
{
    // NetworkPolicy says nothing of pods on the host's network: their addresses are the machine's.
    return is_pod(c) && c->facts->host_net != YES && str_eq(p->ns, namespace_of(c)) &&
           label_selector_match(&p->pods, c->facts->labels, c->facts->labels_n);
}

static void add_says(struct segment *s, struct seg_container *c, const struct segment_says *says)
{
    size_t n = c->says_n;
    if (n >= MAX_SEGMENT_SAYS) {
        s->failed = true;
        return;
    }
    if ((n & (n - 1)) == 0) {
        struct segment_says *grown = reallocarray(c->says, n ? 2 * n : 1, sizeof(*grown));
        if (!grown) {
            s->failed = true;
            return;
        }
        c->says = grown;
    }
    c->says[c->says_n++] = *says;
}

void select_says(struct segment *s, struct seg_container *c)
{
    const struct container *k = c->container;
    c->says_n = 0;
    for (size_t i = 0; i < s->network_n; i++) {
        const struct network_policy *p = &s->network[i];
        if (!selects(p, k))
            continue;
        for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++)
            if (p->types[d])
                add_says(s, c,
                         &(struct segment_says){.line = s->default_line[d][i],
                                                .policy = p,
                                                .direction = (enum bh_net_direction)d});
    }
    for (size_t i = 0; i < s->lines_n; i++) {
        const struct seg_line *l = &s->lines[i];
        bool may = l->deny && (k->type == CONTAINER_OCI || l->deny_policy->selector.name.len) &&
                   selector_match(&l->deny_policy->selector, k) == YES;
        if (may)
            add_says(s, c,
                     &(struct segment_says){.line = s->first_line + (uint32_t)i,
                                            .deny_policy = l->deny_policy,
                                            .deny = l->deny,
                                            .direction = BH_NET_EGRESS});
    }
}

static bool peer_matches(const struct segment *s, const struct network_policy *p,
                         const struct net_peer *peer, const struct container *c)
{
    if (peer->type != PEER_PODS)
        return false;
    if (peer->any_namespace ? !namespace_matches(s, &peer->namespaces, c)
                            : !str_eq(p->ns, namespace_of(c)))
        return false;
    return label_selector_match(&peer->pods, c->facts->labels, c->facts->labels_n);
}

// What a container says that a port's name means. 0: nothing.
uint16_t named_port(const struct container *c, struct str name)
{
    struct str prefix = STR(SEGMENT_PORT_LABEL);
    for (size_t i = 0; i < c->facts->labels_n; i++) {
        const struct label *l = &c->facts->labels[i];
        uint64_t v;
        if (str_starts(l->key, prefix) &&
            str_eq((struct str){l->key.ptr + prefix.len, l->key.len - prefix.len}, name) &&
            parse_u64(l->value, &v) == 0 && v <= UINT16_MAX)
            return (uint16_t)v;
    }
    return 0;
}

void select_lines(struct segment *s, struct seg_container *c)
{
    const struct container *k = c->container;
    c->lines.n = 0;
    if (!is_pod(k) || k->facts->host_net == YES)
        return;
    for (size_t i = 0; i < s->lines_n; i++) {
        const struct seg_line *l = &s->lines[i];
        bool in = false, everybody = l->rule && l->rule->peers_n == 0;
        for (size_t n = 0; l->rule && n < l->rule->peers_n && !in; n++)
            in = peer_matches(s, l->policy, &l->rule->peers[n], k);
        if (in)
            members_add(&c->lines, MEMBER(s->first_line + i, 0));
        // Going out, a port's name means what the receiver says; coming in, the container's own.
        for (size_t n = 0;
             l->rule && (in || everybody) && l->direction == BH_NET_EGRESS && n < l->rule->ports_n;
             n++) {
            const struct net_port *port = &l->rule->ports[n];
            uint16_t number = port->name.len ? named_port(k, port->name) : 0;
            if (number)
                members_add(&c->lines, MEMBER(s->first_line + i, number));
        }
    }
    members_sort(&c->lines);
    s->failed |= c->lines.failed;
}

void segment_says_text(const struct segment_says *says, struct buf *out)
{
    bool in = says->direction == BH_NET_INGRESS;
    if (says->policy) {
        size_t n = says->policy->rules_n[says->direction];
        if (n == 0)
            buf_printf(out, "%s nobody", in ? "from" : "to");
        else
            buf_printf(out, "%s whom %zu rule%s allow%s", in ? "from" : "to", n, n == 1 ? "" : "s",
                       n == 1 ? "s" : "");
        return;
    }
    static const char *const words[NET_DENY_MAX] = {[NET_DENY_HOST] = "the host",
                                                    [NET_DENY_METADATA] = "metadata addresses",
                                                    [NET_DENY_ANY] = "anybody"};
    buf_text(out, "not to ");
    if (says->deny->type == NET_DENY_CIDR)
        cidr_print(&says->deny->cidr, out);
    else
        buf_text(out, words[says->deny->type]);
}
