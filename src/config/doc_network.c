// Kubernetes' documents as they are: NetworkPolicy (networking.k8s.io/v1), Namespace for its
// labels, and lists of both. What Kubernetes refuses is an error here too; what it leaves to its
// defaults has them: policyTypes is Ingress, and Egress where there is a rule for it.
// Source: kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/ and
// pkg/apis/networking/{v1/defaults.go,validation/validation.go}.
#include "config/internal.h"

#include <netinet/in.h>

enum {
    MAX_NETWORK_POLICIES = 4096,
    MAX_NAMESPACES = 4096,
    MAX_RULES = 1024,      // of one policy and direction
    MAX_PEERS = 1024,      // of one rule; ports and excepts too
    MAX_REQUIREMENTS = 64, // of one selector
    MAX_VALUES = 256,      // of one requirement
    MAX_LABEL_TEXT = 512,
    MAX_LIST_DEPTH = 4, // lists of lists
};
#define NETWORKING "networking.k8s.io/v1"
#define MODE_KEY   "bulkhead.io/mode"

const char *const label_operators[] = {"In", "NotIn", "Exists", "DoesNotExist", NULL};

bool label_selector_match(const struct label_selector *s, const struct label *labels, size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct label_requirement *q = &s->list[i];
        const struct label *found = NULL;
        for (size_t k = 0; k < n && !found; k++)
            found = str_eq(labels[k].key, q->key) ? &labels[k] : NULL;
        bool in = false;
        for (size_t v = 0; found && v < q->values_n; v++)
            in |= str_eq(q->values[v], found->value);
        bool ok = q->operator== LABEL_IN       ? in
                  : q->operator== LABEL_NOT_IN ? !in
                  : q->operator== LABEL_EXISTS ? found != NULL
                                               : found == NULL;
        if (!ok)
            return false;
    }
    return true;
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────

// Every key of the map must be one of names; *ret gets the values in their order (NULL: not there,
// or null).
static void members(struct reading *r, const struct yaml *map, const char *const *names, size_t n,
                    const struct yaml **ret)
{
    for (size_t k = 0; k < n; k++)
        ret[k] = NULL;
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;
        while (k < n && !str_eq(map->keys[i]->scalar, str_of(names[k])))
            k++;
        if (k < n) {
            ret[k] = map->items[i]->null ? NULL : map->items[i];
            continue;
        }
        char word[65], hint[256] = "";
        snprintf(word, sizeof(word), STR_FMT, STR_ARG(value_shown(map->keys[i]->scalar)));
        read_error(r, map->keys[i], "BH205",
                   hint_nearest(hint, sizeof(hint), word, names, n, "there are: "),
                   "unknown key '%s'", word);
    }
}

static bool is(struct reading *r, const struct yaml *y, enum yaml_type type, const char *what)
{
    const struct key k = {.name = what};
    return y && value_want_type(r, &k, y, type);
}

// A list of at most max items; NULL without an error where it isn't there.
static void *list_of(struct reading *r, const struct yaml *y, const char *what, size_t max,
                     size_t size, size_t *ret_n)
{
    *ret_n = 0;
    if (!y || !is(r, y, YAML_LIST, what))
        return NULL;
    if (y->n > max) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %zu items", what, max);
        return NULL;
    }
    void *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * size);
    if (!list)
        read_error(r, y, "BH004", NULL, "out of memory");
    *ret_n = list ? y->n : 0;
    return list;
}

// A label's key or value. A value may be empty.
static bool label_text(struct reading *r, const struct yaml *y, const char *what, bool empty,
                       struct str *ret)
{
    if (y->type != YAML_SCALAR || (y->null && !y->quoted)) {
        read_error(r, y, "BH207", "quote it if it looks like something else", "%s must be a string",
                   what);
        return false;
    }
    if (y->scalar.len > MAX_LABEL_TEXT || (!empty && y->scalar.len == 0)) {
        read_error(r, y, "BH208", NULL, "%s must have %d to %d bytes", what, !empty,
                   MAX_LABEL_TEXT);
        return false;
    }
    *ret = arena_str(r->arena, y->scalar);
    return ret->ptr != NULL;
}

static void read_expression(struct reading *r, const struct yaml *y, struct label_requirement *q)
{
    static const char *const names[] = {"key", "operator", "values"};
    const struct yaml *m[3];
    const char *const all = "one of: In, NotIn, Exists, DoesNotExist";
    if (!is(r, y, YAML_MAP, "matchExpressions"))
        return;
    members(r, y, names, ARRAY_SIZE(names), m);
    if (!m[0] || !m[1]) {
        read_error(r, y, "BH206", "for example: {key: app, operator: In, values: [web]}",
                   "an expression needs a key and an operator");
        return;
    }
    label_text(r, m[0], "a label's key", false, &q->key);
    size_t op = 0;
    while (label_operators[op] &&
           !(m[1]->type == YAML_SCALAR && str_eq(m[1]->scalar, str_of(label_operators[op]))))
        op++;
    if (!label_operators[op]) {
        read_error(r, m[1], "BH208", all, "unknown operator");
        return;
    }
    q->operator=(enum label_operator) op;
    q->values = list_of(r, m[2], "values", MAX_VALUES, sizeof(*q->values), &q->values_n);
    for (size_t i = 0; i < q->values_n; i++)
        label_text(r, m[2]->items[i], "a label's value", true, &q->values[i]);
    bool wants = op == LABEL_IN || op == LABEL_NOT_IN;
    if (wants != (q->values_n > 0))
        read_error(r, m[2] ? m[2] : y, "BH208", NULL,
                   wants ? "%s needs values" : "%s takes no values", label_operators[op]);
}

static void read_selector(struct reading *r, const struct yaml *y, const char *what,
                          struct label_selector *ret)
{
    static const char *const names[] = {"matchLabels", "matchExpressions"};
    const struct yaml *m[2];
    if (!is(r, y, YAML_MAP, what))
        return;
    members(r, y, names, ARRAY_SIZE(names), m);
    if (m[0] && !is(r, m[0], YAML_MAP, "matchLabels"))
        m[0] = NULL;
    if (m[1] && !is(r, m[1], YAML_LIST, "matchExpressions"))
        m[1] = NULL;
    size_t labels = m[0] ? m[0]->n : 0, expressions = m[1] ? m[1]->n : 0;
    if (labels + expressions > MAX_REQUIREMENTS) {
        read_error(r, y, "BH214", NULL, "a selector with more than %d requirements",
                   MAX_REQUIREMENTS);
        return;
    }
    ret->list = arena_alloc(r->arena, (labels + expressions + 1) * sizeof(*ret->list));
    if (!ret->list)
        return;
    for (size_t i = 0; i < labels; i++) {
        struct label_requirement *q = &ret->list[ret->n];
        *q = (struct label_requirement){.operator= LABEL_IN, .values_n = 1};
        q->values = arena_alloc(r->arena, sizeof(*q->values));
        if (q->values && label_text(r, m[0]->keys[i], "a label's key", false, &q->key) &&
            label_text(r, m[0]->items[i], "a label's value", true, q->values))
            ret->n++;
    }
    for (size_t i = 0; i < expressions; i++)
        read_expression(r, m[1]->items[i], &ret->list[ret->n++]);
}

static void read_block(struct reading *r, const struct yaml *y, struct net_peer *p)
{
    static const char *const names[] = {"cidr", "except"};
    const char *const example = "for example: cidr: 10.0.0.0/8";
    const struct yaml *m[2];
    if (!is(r, y, YAML_MAP, "ipBlock"))
        return;
    members(r, y, names, ARRAY_SIZE(names), m);
    p->type = PEER_BLOCK;
    if (!m[0] || m[0]->type != YAML_SCALAR || !memchr(m[0]->scalar.ptr, '/', m[0]->scalar.len) ||
        cidr_parse(m[0]->scalar, &p->block) < 0) {
        read_error(r, m[0] ? m[0] : y, "BH208", example, "'cidr' wants a network");
        return;
    }
    p->except = list_of(r, m[1], "except", MAX_PEERS, sizeof(*p->except), &p->except_n);
    for (size_t i = 0; i < p->except_n; i++) {
        const struct yaml *e = m[1]->items[i];
        if (e->type != YAML_SCALAR || cidr_parse(e->scalar, &p->except[i]) < 0)
            read_error(r, e, "BH208", example, "'except' wants networks");
        else if (p->except[i].prefix <= p->block.prefix ||
                 !cidr_has(&p->block, p->except[i].address))
            read_error(r, e, "BH208", "every 'except' must be a smaller part of 'cidr'",
                       "this network does not lie within 'cidr'");
    }
}

static void read_peer(struct reading *r, const struct yaml *y, struct net_peer *p)
{
    static const char *const names[] = {"podSelector", "namespaceSelector", "ipBlock"};
    const struct yaml *m[3];
    if (!is(r, y, YAML_MAP, "from and to"))
        return;
    members(r, y, names, ARRAY_SIZE(names), m);
    if (m[2] && (m[0] || m[1])) {
        read_error(r, m[2], "BH212", "make two list items of it",
                   "ipBlock stands alone: not with podSelector or namespaceSelector");
        return;
    }
    if (!m[0] && !m[1] && !m[2]) {
        read_error(r, y, "BH206", "leave 'from' or 'to' out to mean everybody",
                   "a peer needs podSelector, namespaceSelector or ipBlock");
        return;
    }
    if (m[0])
        read_selector(r, m[0], names[0], &p->pods);
    if (m[1])
        read_selector(r, m[1], names[1], &p->namespaces);
    p->any_namespace = m[1] != NULL;
    if (m[2])
        read_block(r, m[2], p);
}

static bool read_number(struct reading *r, const struct yaml *y, const char *what, uint16_t *ret)
{
    uint64_t v;
    if (y->type != YAML_SCALAR || y->quoted || parse_u64(y->scalar, &v) < 0 || v == 0 ||
        v > UINT16_MAX) {
        read_error(r, y, "BH209", NULL, "'%s' must be from 1 to 65535", what);
        return false;
    }
    *ret = (uint16_t)v;
    return true;
}

static bool is_port_name(const struct yaml *y)
{
    bool letter = false;
    if (y->type != YAML_SCALAR || y->scalar.len == 0 || y->scalar.len > 15)
        return false;
    for (size_t i = 0; i < y->scalar.len; i++) {
        char c = y->scalar.ptr[i];
        bool low = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        letter |= low;
        if (!low && !digit && !(c == '-' && i > 0 && i + 1 < y->scalar.len))
            return false;
    }
    return letter;
}

static void read_port(struct reading *r, const struct yaml *y, struct net_port *p)
{
    static const char *const names[] = {"protocol", "port", "endPort"};
    static const struct {
        const char *name;
        uint8_t protocol;
    } protocols[] = {{"TCP", IPPROTO_TCP}, {"UDP", IPPROTO_UDP}, {"SCTP", IPPROTO_SCTP}};
    const struct yaml *m[3];
    *p = (struct net_port){.protocol = IPPROTO_TCP};
    if (!is(r, y, YAML_MAP, "ports"))
        return;
    members(r, y, names, ARRAY_SIZE(names), m);
    bool found = !m[0];
    for (size_t i = 0; m[0] && i < ARRAY_SIZE(protocols); i++)
        if (m[0]->type == YAML_SCALAR && str_eq(m[0]->scalar, str_of(protocols[i].name))) {
            p->protocol = protocols[i].protocol;
            found = true;
        }
    if (!found)
        read_error(r, m[0], "BH208", "one of: TCP, UDP, SCTP", "unknown protocol");
    uint64_t number;
    if (m[1] && is_port_name(m[1]) && parse_u64(m[1]->scalar, &number) < 0)
        p->name = arena_str(r->arena, m[1]->scalar);
    else if (m[1] && read_number(r, m[1], "port", &p->port))
        p->end = p->port;
    if (!m[2] || !read_number(r, m[2], "endPort", &p->end))
        return;
    if (!m[1] || p->name.len)
        read_error(r, m[2], "BH212", NULL, "endPort needs a port that is a number");
    else if (p->end < p->port)
        read_error(r, m[2], "BH209", NULL, "endPort is less than port");
}

static void read_rules(struct reading *r, const struct yaml *y, unsigned direction,
                       struct network_policy *p)
{
    static const char *const lists[] = {"ingress", "egress"};
    const char *const names[] = {"ports", direction == BH_NET_INGRESS ? "from" : "to"};
    struct net_rule *rules =
        list_of(r, y, lists[direction], MAX_RULES, sizeof(*rules), &p->rules_n[direction]);
    p->rules[direction] = rules;
    for (size_t i = 0; i < p->rules_n[direction]; i++) {
        const struct yaml *m[2], *item = y->items[i];
        struct net_rule *rule = &rules[i];
        rule->line = item->line;
        if (!is(r, item, YAML_MAP, lists[direction]))
            continue;
        members(r, item, names, ARRAY_SIZE(names), m);
        rule->ports = list_of(r, m[0], "ports", MAX_PEERS, sizeof(*rule->ports), &rule->ports_n);
        for (size_t k = 0; k < rule->ports_n; k++)
            read_port(r, m[0]->items[k], &rule->ports[k]);
        rule->peers = list_of(r, m[1], names[1], MAX_PEERS, sizeof(*rule->peers), &rule->peers_n);
        for (size_t k = 0; k < rule->peers_n; k++)
            read_peer(r, m[1]->items[k], &rule->peers[k]);
    }
}

static void read_types(struct reading *r, const struct yaml *y, struct network_policy *p)
{
    static const char *const words[] = {"Ingress", "Egress"};
    if (!y || (y->type == YAML_LIST && y->n == 0)) {
        p->types[BH_NET_INGRESS] = true;
        p->types[BH_NET_EGRESS] = p->rules_n[BH_NET_EGRESS] > 0;
        return;
    }
    if (!is(r, y, YAML_LIST, "policyTypes"))
        return;
    for (size_t i = 0; i < y->n; i++) {
        const struct yaml *t = y->items[i];
        bool found = false;
        for (size_t k = 0; k < ARRAY_SIZE(words); k++)
            if (t->type == YAML_SCALAR && str_eq(t->scalar, str_of(words[k])))
                p->types[k] = found = true;
        if (!found)
            read_error(r, t, "BH208", "one of: Ingress, Egress", "unknown policy type");
    }
}

static void read_mode(struct reading *r, const struct yaml *metadata, struct network_policy *p)
{
    const struct yaml *annotations = yaml_get(metadata, "annotations"),
                      *mode = yaml_get(annotations, MODE_KEY);
    if (!mode)
        return;
    if (mode->type == YAML_SCALAR && str_eq(mode->scalar, STR("enforce")))
        p->mode = MODE_ENFORCE;
    else if (mode->type != YAML_SCALAR || !str_eq(mode->scalar, STR("audit")))
        read_error(r, mode, "BH208", "one of: audit, enforce", "'" MODE_KEY "' cannot be this");
}

static struct str name_of(struct reading *r, const struct yaml *y, const struct yaml *metadata,
                          const char *key, const char *otherwise)
{
    const struct yaml *v = yaml_get(metadata, key);
    struct str name = STR_NULL;
    if (v && v->type == YAML_SCALAR && v->scalar.len > 0 && v->scalar.len <= 253)
        return arena_str(r->arena, v->scalar);
    if (v || !otherwise)
        read_error(r,
                   v          ? v
                   : metadata ? metadata
                              : y,
                   "BH206", "metadata: {name: NAME}", "metadata needs a plain '%s'", key);
    else
        name = arena_str(r->arena, str_of(otherwise));
    return name;
}

// Room for one more: capacities are the powers of two.
static void *grow(void *list, size_t n, size_t size)
{
    return n & (n - 1) ? list : reallocarray(list, n ? 2 * n : 1, size);
}

static void take_policy(struct documents *d, struct reading *r, const struct yaml *y)
{
    static const char *const names[] = {"podSelector", "policyTypes", "ingress", "egress"};
    const struct yaml *m[4], *metadata = yaml_get(y, "metadata"), *spec = yaml_get(y, "spec");
    struct network_policy p = {.file = arena_str(r->arena, str_of(r->file)),
                               .line = y->line,
                               .name = name_of(r, y, metadata, "name", NULL),
                               .ns = name_of(r, y, metadata, "namespace", "default")};
    read_mode(r, metadata, &p);
    if (!spec || spec->type != YAML_MAP) {
        read_error(r, y, "BH206",
                   "a policy for every pod of its namespace: spec: {podSelector: {}}",
                   "the key 'spec' is missing");
        return;
    }
    members(r, spec, names, ARRAY_SIZE(names), m);
    if (m[0])
        read_selector(r, m[0], names[0], &p.pods);
    read_rules(r, m[2], BH_NET_INGRESS, &p);
    read_rules(r, m[3], BH_NET_EGRESS, &p);
    read_types(r, m[1], &p);
    for (size_t i = 0; i < d->network_n; i++)
        if (str_eq(d->network[i].name, p.name) && str_eq(d->network[i].ns, p.ns)) {
            char hint[320];
            snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", d->network[i].file.ptr,
                     d->network[i].line);
            read_error(r, y, "BH210", hint,
                       "a second NetworkPolicy with the name '" STR_FMT "' in '" STR_FMT "'",
                       STR_ARG(p.name), STR_ARG(p.ns));
            return;
        }
    struct network_policy *grown =
        d->network_n < MAX_NETWORK_POLICIES ? grow(d->network, d->network_n, sizeof(*grown)) : NULL;
    if (!grown) {
        read_error(r, y, "BH003", NULL, "more than %d network policies", MAX_NETWORK_POLICIES);
        return;
    }
    d->network = grown;
    d->network[d->network_n++] = p;
}

static void take_namespace(struct documents *d, struct reading *r, const struct yaml *y)
{
    const struct yaml *metadata = yaml_get(y, "metadata"), *labels = yaml_get(metadata, "labels");
    struct namespace_labels n = {.name = name_of(r, y, metadata, "name", NULL)};
    if (labels && is(r, labels, YAML_MAP, "labels")) {
        n.labels = arena_alloc(r->arena, MAX(labels->n, (size_t)1) * sizeof(*n.labels));
        for (size_t i = 0; n.labels && i < labels->n && i < MAX_VALUES; i++)
            if (label_text(r, labels->keys[i], "a label's key", false, &n.labels[n.labels_n].key) &&
                label_text(r, labels->items[i], "a label's value", true,
                           &n.labels[n.labels_n].value))
                n.labels_n++;
    }
    struct namespace_labels *grown = d->namespaces_n < MAX_NAMESPACES
                                         ? grow(d->namespaces, d->namespaces_n, sizeof(*grown))
                                         : NULL;
    if (!grown) {
        read_error(r, y, "BH003", NULL, "more than %d namespaces", MAX_NAMESPACES);
        return;
    }
    d->namespaces = grown;
    d->namespaces[d->namespaces_n++] = n;
}

static bool take(struct documents *d, struct reading *r, const struct yaml *y, unsigned depth)
{
    const struct yaml *version = yaml_get(y, "apiVersion"), *kind = yaml_get(y, "kind"),
                      *items = yaml_get(y, "items");
    if (!version || !kind || version->type != YAML_SCALAR || kind->type != YAML_SCALAR)
        return false;
    bool core = str_eq(version->scalar, STR("v1")),
         networking = str_eq(version->scalar, STR(NETWORKING));
    if (networking && str_eq(kind->scalar, STR("NetworkPolicy")))
        take_policy(d, r, y);
    else if (core && str_eq(kind->scalar, STR("Namespace")))
        take_namespace(d, r, y);
    else if ((core && str_eq(kind->scalar, STR("List"))) ||
             (networking && str_eq(kind->scalar, STR("NetworkPolicyList")))) {
        for (size_t i = 0; items && items->type == YAML_LIST && i < items->n; i++)
            if (depth == MAX_LIST_DEPTH || !take(d, r, items->items[i], depth + 1))
                read_error(r, items->items[i], "BH203", "NetworkPolicy and Namespace are read",
                           "this item of a list is not read");
    } else
        return false;
    return true;
}

bool network_take(struct documents *d, struct reading *r, const struct yaml *y)
{
    return y->type == YAML_MAP && take(d, r, y, 0);
}

// ── printing ─────────────────────────────────────────────────────────────────────────────────

static void print_selector(const struct label_selector *s, unsigned indent, struct buf *out)
{
    buf_text(out, s->n ? "\n" : "{}\n");
    if (s->n) {
        print_indent(out, indent);
        buf_text(out, "matchExpressions:\n");
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct label_requirement *q = &s->list[i];
        print_indent(out, indent);
        buf_text(out, "- {key: ");
        print_text(out, q->key);
        buf_printf(out, ", operator: %s", label_operators[q->operator]);
        for (size_t v = 0; v < q->values_n; v++) {
            buf_text(out, v ? ", " : ", values: [");
            print_text(out, q->values[v]);
        }
        buf_text(out, q->values_n ? "]}\n" : "}\n");
    }
}

static void print_peer(const struct net_peer *p, struct buf *out)
{
    if (p->type == PEER_BLOCK) {
        buf_text(out, "    - ipBlock:\n        cidr: ");
        cidr_print(&p->block, out);
        for (size_t i = 0; i < p->except_n; i++) {
            buf_text(out, i ? "\n        - " : "\n        except:\n        - ");
            cidr_print(&p->except[i], out);
        }
        buf_char(out, '\n');
        return;
    }
    buf_text(out, "    - podSelector: ");
    print_selector(&p->pods, 8, out);
    if (p->any_namespace) {
        buf_text(out, "      namespaceSelector: ");
        print_selector(&p->namespaces, 8, out);
    }
}

static void print_port(const struct net_port *p, struct buf *out)
{
    buf_printf(out, "    - {protocol: %s",
               p->protocol == IPPROTO_UDP    ? "UDP"
               : p->protocol == IPPROTO_SCTP ? "SCTP"
                                             : "TCP");
    if (p->name.len) {
        buf_text(out, ", port: ");
        buf_str(out, p->name);
    } else if (p->port)
        buf_printf(out, ", port: %u", p->port);
    if (p->end != p->port)
        buf_printf(out, ", endPort: %u", p->end);
    buf_text(out, "}\n");
}

static void print_rules(const struct network_policy *p, unsigned direction, struct buf *out)
{
    buf_printf(out, "  %s:%s\n", direction == BH_NET_INGRESS ? "ingress" : "egress",
               p->rules_n[direction] ? "" : " []");
    for (size_t i = 0; i < p->rules_n[direction]; i++) {
        const struct net_rule *rule = &p->rules[direction][i];
        buf_printf(out, "  - ports:%s\n", rule->ports_n ? "" : " []");
        for (size_t k = 0; k < rule->ports_n; k++)
            print_port(&rule->ports[k], out);
        buf_printf(out, "    %s:%s\n", direction == BH_NET_INGRESS ? "from" : "to",
                   rule->peers_n ? "" : " []");
        for (size_t k = 0; k < rule->peers_n; k++)
            print_peer(&rule->peers[k], out);
    }
}

void network_print(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->namespaces_n; i++) {
        const struct namespace_labels *n = &d->namespaces[i];
        buf_text(out, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: ");
        print_text(out, n->name);
        buf_printf(out, "\n  labels:%s\n", n->labels_n ? "" : " {}");
        for (size_t k = 0; k < n->labels_n; k++) {
            buf_text(out, "    ");
            print_text(out, n->labels[k].key);
            buf_text(out, ": ");
            print_text(out, n->labels[k].value);
            buf_char(out, '\n');
        }
    }
    for (size_t i = 0; i < d->network_n; i++) {
        const struct network_policy *p = &d->network[i];
        buf_text(out, "---\napiVersion: " NETWORKING "\nkind: NetworkPolicy\nmetadata:\n  name: ");
        print_text(out, p->name);
        buf_text(out, "\n  namespace: ");
        print_text(out, p->ns);
        buf_printf(out, "\n  annotations: {" MODE_KEY ": %s}\nspec:\n  podSelector: ",
                   p->mode == MODE_ENFORCE ? "enforce" : "audit");
        print_selector(&p->pods, 4, out);
        buf_printf(out, "  policyTypes: [%s%s%s]\n", p->types[BH_NET_INGRESS] ? "Ingress" : "",
                   p->types[BH_NET_INGRESS] && p->types[BH_NET_EGRESS] ? ", " : "",
                   p->types[BH_NET_EGRESS] ? "Egress" : "");
        print_rules(p, BH_NET_INGRESS, out);
        print_rules(p, BH_NET_EGRESS, out);
    }
}
