// Network policies as tables against a slow, obvious reading of what Kubernetes says of them:
// random policies, pods and connections.
#include "enforce/enforce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>

enum { PODS = 6, OUTSIDE = 6, KEYS = 2, VALUES = 3, MAX = 4, NAMESPACES = 2, WORLDS = 400 };

// ── the model: a world that is written as YAML and read by hand ──────────────────────────────

enum op { IN, NOT_IN, EXISTS, NOT_EXISTS };
struct want {
    int key;
    enum op op;
    unsigned values; // bits
};
struct sel {
    bool given;
    struct want wants[MAX];
    int n;
};
struct peer {
    struct sel pods, namespaces;
    int block; // of blocks; -1: none
    int except[2];
};
struct port {
    uint8_t protocol;
    int from, to; // 0: all
};
struct rule {
    struct peer peers[MAX];
    int peers_n;
    struct port ports[MAX];
    int ports_n;
};
struct pol {
    bool enforce, types[2];
    int ns;
    struct sel pods;
    struct rule rules[2][MAX];
    int rules_n[2];
};
struct pod {
    int ns, labels[KEYS]; // -1: has it not
};
struct world {
    struct pol policies[MAX];
    int policies_n;
    struct pod pods[PODS];
    int ns_labels[NAMESPACES][KEYS];
    int denied; // of blocks, by a Policy; -1: none
    bool denies;
};
static const char *const blocks[] = {"0.0.0.0/0",   "10.0.0.0/8",   "10.0.0.0/24", "10.0.0.0/30",
                                     "10.1.0.0/16", "10.1.0.4/31",  "10.0.0.2/32", "::/0",
                                     "fd00::/16",   "fd00::1:0/112"};
static const char *const outside[OUTSIDE] = {"10.1.0.4",   "10.1.0.9",  "192.168.7.7",
                                             "10.0.0.200", "fd00::1:5", "2001:db8::1"};
static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

static uint64_t state;
static unsigned roll(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % n;
}

static void roll_sel(struct sel *s, bool given)
{
    s->given = given;
    s->n = (int)roll(3);
    for (int i = 0; i < s->n; i++)
        s->wants[i] = (struct want){(int)roll(KEYS), (enum op)roll(4), 1 + roll(7)};
}

static struct cidr block_of(int i)
{
    struct cidr c;
    assert_int_equal(cidr_parse(str_of(blocks[i]), &c), 0);
    return c;
}

static bool within(int inner, int outer)
{
    struct cidr a = block_of(inner), b = block_of(outer);
    return a.prefix > b.prefix && cidr_has(&b, a.address);
}

static void roll_peer(struct peer *p)
{
    p->block = p->except[0] = p->except[1] = -1;
    unsigned kind = roll(4);
    roll_sel(&p->pods, kind == 0 || kind == 2);
    roll_sel(&p->namespaces, kind == 1 || kind == 2);
    if (kind != 3)
        return;
    p->block = (int)roll(ARRAY_SIZE(blocks));
    for (int k = 0; k < 2; k++) {
        int e = (int)roll(ARRAY_SIZE(blocks));
        if (within(e, p->block))
            p->except[k] = e;
    }
}

static void roll_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    for (int i = 0; i < PODS; i++) {
        w->pods[i].ns = (int)roll(NAMESPACES);
        for (int k = 0; k < KEYS; k++)
            w->pods[i].labels[k] = (int)roll(VALUES + 1) - 1;
    }
    for (int i = 0; i < NAMESPACES; i++)
        for (int k = 0; k < KEYS; k++)
            w->ns_labels[i][k] = (int)roll(VALUES + 1) - 1;
    w->denies = roll(4) == 0;
    w->denied = (int)roll(ARRAY_SIZE(blocks));
    w->policies_n = (int)roll(MAX + 1);
    for (int i = 0; i < w->policies_n; i++) {
        struct pol *p = &w->policies[i];
        p->enforce = roll(3) > 0;
        p->ns = (int)roll(NAMESPACES);
        roll_sel(&p->pods, true);
        unsigned types = 1 + roll(3);
        for (int d = 0; d < 2; d++) {
            p->types[d] = types >> d & 1;
            p->rules_n[d] = (int)roll(MAX);
            for (int k = 0; k < p->rules_n[d]; k++) {
                struct rule *r = &p->rules[d][k];
                r->peers_n = (int)roll(MAX);
                for (int n = 0; n < r->peers_n; n++)
                    roll_peer(&r->peers[n]);
                r->ports_n = (int)roll(MAX);
                for (int n = 0; n < r->ports_n; n++) {
                    int from = (int)roll(12), to = from ? from + (int)roll(9) : 0;
                    r->ports[n] = (struct port){protocols[roll(3)], from, to};
                }
            }
        }
    }
}

// ── as YAML ──────────────────────────────────────────────────────────────────────────────────

static void put_sel(struct buf *b, const struct sel *s)
{
    static const char *const ops[] = {"In", "NotIn", "Exists", "DoesNotExist"};
    buf_text(b, "{matchExpressions: [");
    for (int i = 0; i < s->n; i++) {
        const struct want *q = &s->wants[i];
        buf_printf(b, "%s{key: k%d, operator: %s", i ? ", " : "", q->key, ops[q->op]);
        bool first = true;
        for (int v = 0; v < VALUES && q->op <= NOT_IN; v++)
            if (q->values >> v & 1) {
                buf_printf(b, "%sv%d", first ? ", values: [" : ", ", v);
                first = false;
            }
        buf_text(b, first ? "}" : "]}");
    }
    buf_text(b, "]}");
}

static void put_peer(struct buf *b, const struct peer *p)
{
    if (p->block >= 0) {
        buf_printf(b, "{ipBlock: {cidr: '%s', except: [", blocks[p->block]);
        for (int k = 0; k < 2; k++)
            if (p->except[k] >= 0)
                buf_printf(b, "'%s',", blocks[p->except[k]]);
        buf_text(b, "]}}");
        return;
    }
    buf_char(b, '{');
    if (p->pods.given) {
        buf_text(b, "podSelector: ");
        put_sel(b, &p->pods);
        buf_text(b, p->namespaces.given ? ", " : "");
    }
    if (p->namespaces.given) {
        buf_text(b, "namespaceSelector: ");
        put_sel(b, &p->namespaces);
    }
    buf_char(b, '}');
}

static void put_rule(struct buf *b, const struct rule *r, int direction)
{
    static const char *const names[] = {"TCP", "UDP", "SCTP"};
    buf_printf(b, "{%s: [", direction ? "to" : "from");
    for (int i = 0; i < r->peers_n; i++) {
        buf_text(b, i ? ", " : "");
        put_peer(b, &r->peers[i]);
    }
    buf_text(b, "], ports: [");
    for (int i = 0; i < r->ports_n; i++) {
        const struct port *p = &r->ports[i];
        const char *name = names[p->protocol == IPPROTO_TCP   ? 0
                                 : p->protocol == IPPROTO_UDP ? 1
                                                              : 2];
        buf_printf(b, "%s{protocol: %s", i ? ", " : "", name);
        if (p->from)
            buf_printf(b, ", port: %d, endPort: %d", p->from, p->to);
        buf_char(b, '}');
    }
    buf_text(b, "]}");
}

static void put_world(struct buf *b, const struct world *w)
{
    for (int i = 0; i < PODS; i++)
        buf_printf(b, "# pod %d: n%d k0 v%d k1 v%d\n", i, w->pods[i].ns, w->pods[i].labels[0],
                   w->pods[i].labels[1]);
    for (int i = 0; i < NAMESPACES; i++) {
        buf_printf(b, "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: n%d\n  labels: {",
                   i);
        for (int k = 0; k < KEYS; k++)
            if (w->ns_labels[i][k] >= 0)
                buf_printf(b, "k%d: v%d, ", k, w->ns_labels[i][k]);
        buf_text(b, "}\n");
    }
    if (w->denies)
        buf_printf(b,
                   "---\napiVersion: bulkhead.io/v1\nkind: Policy\nmetadata: {name: never}\n"
                   "spec: {mode: enforce, network: {deny: [{cidr: '%s'}]}}\n",
                   blocks[w->denied]);
    for (int i = 0; i < w->policies_n; i++) {
        const struct pol *p = &w->policies[i];
        buf_printf(b,
                   "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: "
                   "p%d, namespace: n%d, annotations: {bulkhead.io/mode: %s}}\nspec:\n  "
                   "podSelector: ",
                   i, p->ns, p->enforce ? "enforce" : "audit");
        put_sel(b, &p->pods);
        buf_printf(b, "\n  policyTypes: [%s%s]\n", p->types[0] ? "Ingress, " : "",
                   p->types[1] ? "Egress" : "");
        for (int d = 0; d < 2; d++) {
            buf_printf(b, "  %s: [", d ? "egress" : "ingress");
            for (int k = 0; k < p->rules_n[d]; k++) {
                buf_text(b, k ? ", " : "");
                put_rule(b, &p->rules[d][k], d);
            }
            buf_text(b, "]\n");
        }
    }
}

// ── read by hand ─────────────────────────────────────────────────────────────────────────────

static bool sel_holds(const struct sel *s, const int labels[KEYS])
{
    for (int i = 0; i < s->n; i++) {
        const struct want *q = &s->wants[i];
        int has = labels[q->key];
        bool in = has >= 0 && q->values >> has & 1;
        if ((q->op == IN && !in) || (q->op == NOT_IN && in) || (q->op == EXISTS && has < 0) ||
            (q->op == NOT_EXISTS && has >= 0))
            return false;
    }
    return true;
}

struct end { // pod >= 0, or an address outside
    int pod;
    uint8_t address[16];
};

static bool peer_holds(const struct world *w, const struct pol *p, const struct peer *peer,
                       const struct end *e)
{
    if (peer->block >= 0) {
        struct cidr c = block_of(peer->block);
        if (!cidr_has(&c, e->address))
            return false;
        for (int k = 0; k < 2; k++)
            if (peer->except[k] >= 0) {
                struct cidr x = block_of(peer->except[k]);
                if (cidr_has(&x, e->address))
                    return false;
            }
        return true;
    }
    if (e->pod < 0)
        return false;
    const struct pod *pod = &w->pods[e->pod];
    bool ns = peer->namespaces.given ? sel_holds(&peer->namespaces, w->ns_labels[pod->ns])
                                     : pod->ns == p->ns;
    return ns && (!peer->pods.given || sel_holds(&peer->pods, pod->labels));
}

static bool rule_holds(const struct world *w, const struct pol *p, const struct rule *r,
                       const struct end *e, uint8_t protocol, int port)
{
    bool who = r->peers_n == 0, what = r->ports_n == 0;
    for (int i = 0; i < r->peers_n; i++)
        who |= peer_holds(w, p, &r->peers[i], e);
    for (int i = 0; i < r->ports_n; i++)
        what |= r->ports[i].protocol == protocol &&
                (r->ports[i].from == 0 || (r->ports[i].from <= port && port <= r->ports[i].to));
    return who && what;
}

// What all policies, or only the enforced ones, say of one direction.
static bool refused(const struct world *w, int pod, int direction, const struct end *other,
                    uint8_t protocol, int port, bool audited)
{
    bool governed = false, allowed = false;
    if (pod < 0)
        return false;
    if (direction == BH_NET_EGRESS && w->denies) {
        struct cidr c = block_of(w->denied);
        if (cidr_has(&c, other->address))
            return true;
    }
    for (int i = 0; i < w->policies_n; i++) {
        const struct pol *p = &w->policies[i];
        if (!p->types[direction] || (!audited && !p->enforce) || p->ns != w->pods[pod].ns ||
            !sel_holds(&p->pods, w->pods[pod].labels))
            continue;
        governed = true;
        for (int k = 0; k < p->rules_n[direction]; k++)
            allowed |= rule_holds(w, p, &p->rules[direction][k], other, protocol, port);
    }
    return governed && !allowed;
}

static enum bh_effect by_hand(const struct world *w, const struct end *from, const struct end *to,
                              uint8_t protocol, int port)
{
    for (int audited = 0; audited < 2; audited++)
        if (refused(w, from->pod, BH_NET_EGRESS, to, protocol, port, audited) ||
            refused(w, to->pod, BH_NET_INGRESS, from, protocol, port, audited))
            return audited ? BH_EFFECT_WOULD : BH_EFFECT_REFUSED;
    return BH_EFFECT_NONE;
}

// ── the test ─────────────────────────────────────────────────────────────────────────────────

static void no_row(void *ctx, const struct row *r, enum row_change change)
{
    if (ctx)
        (*(size_t *)ctx)++;
}

struct containers {
    struct container list[PODS];
    struct facts facts[PODS];
    struct label labels[PODS][KEYS + 1];
    char ids[PODS][16];
};
static const struct str label_keys[KEYS] = {{"k0", 2}, {"k1", 2}},
                        label_values[VALUES] = {{"v0", 2}, {"v1", 2}, {"v2", 2}},
                        ns_names[NAMESPACES] = {{"n0", 2}, {"n1", 2}};

static void make_container(struct containers *c, const struct world *w, int i)
{
    size_t n = 0;
    c->labels[i][n++] = (struct label){STR(SEGMENT_NAMESPACE_KEY), ns_names[w->pods[i].ns]};
    for (int k = 0; k < KEYS; k++)
        if (w->pods[i].labels[k] >= 0)
            c->labels[i][n++] = (struct label){label_keys[k], label_values[w->pods[i].labels[k]]};
    snprintf(c->ids[i], sizeof(c->ids[i]), "pod%d", i);
    c->facts[i] = (struct facts){
        .version = 1, .source = "bundle", .labels = c->labels[i], .labels_n = n, .host_net = NO};
    c->list[i] = (struct container){.number = (uint32_t)i + 1,
                                    .type = CONTAINER_OCI,
                                    .id = str_of(c->ids[i]),
                                    .facts = &c->facts[i]};
}

static void give_address(struct desired *d, int pod, uint32_t netns, const char *address)
{
    char text[256];
    snprintf(text, sizeof(text), "{\"container\":%d,\"netns\":%u,\"addresses\":[\"%s\"]}", pod + 1,
             netns, address);
    desired_addresses(d, str_of(text));
}

static struct end end_of(int i)
{
    char text[64];
    struct cidr c;
    struct end e = {.pod = i < PODS ? i : -1};
    snprintf(text, sizeof(text), "10.0.0.%d", i + 1);
    assert_int_equal(cidr_parse(str_of(i < PODS ? text : outside[i - PODS]), &c), 0);
    memcpy(e.address, c.address, 16);
    return e;
}

static void compare(const struct world *w, struct desired *d, const struct containers *c,
                    const char *text)
{
    for (int i = 0; i < PODS + OUTSIDE; i++)
        for (int k = 0; k < PODS + OUTSIDE; k++) {
            if (i == k || (i >= PODS && k >= PODS))
                continue;
            struct end from = end_of(i), to = end_of(k);
            struct segment_end a = {i < PODS ? &c->list[i] : NULL, {0}},
                               b = {k < PODS ? &c->list[k] : NULL, {0}};
            memcpy(a.address, from.address, 16);
            memcpy(b.address, to.address, 16);
            uint8_t protocol = protocols[roll(3)];
            int port = 1 + (int)roll(22);
            struct segment_verdict v;
            segment_try(desired_segment(d), &a, &b, protocol, (uint16_t)port, &v);
            enum bh_effect should = by_hand(w, &from, &to, protocol, port);
            if (v.effect != should) {
                print_error(
                    "%d → %d protocol %u port %d: %s, should be %s; row %llu line %u at %d\n", i, k,
                    protocol, port, effect_name(v.effect), effect_name(should),
                    (unsigned long long)v.row, v.line, v.at);
                fputs(text, stderr);
                fail();
            }
            if (should != BH_EFFECT_NONE)
                assert_true(v.row != 0 && v.line != 0);
        }
}

static struct documents *parse(struct str text, struct sources *s, struct source *one)
{
    struct diag_list diags = {0};
    *one = (struct source){SOURCE_DOCUMENTS, STR("world.yaml"), text};
    *s = (struct sources){.list = one, .n = 1};
    struct documents *docs = documents_parse(s, &diags);
    if (!docs) {
        _cleanup_buf_ struct buf b = {0};
        diag_text(&diags, &b);
        fail_msg("%s\n" STR_FMT, b.ptr, STR_ARG(text));
    }
    diag_list_done(&diags);
    return docs;
}

static void random_policies_say_what_a_reader_would(void **test)
{
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct world w;
        _cleanup_buf_ struct buf text = {0}, printed = {0};
        struct sources s;
        struct source one;
        state = seed;
        roll_world(&w);
        put_world(&text, &w);
        struct documents *docs = parse(buf_view(&text), &s, &one);
        // Printed and read again they say the same.
        documents_print(docs, &printed);
        struct documents *again = parse(buf_view(&printed), &s, &one);
        bool other = seed % 2 == 0;
        struct desired *d = desired_new();
        struct containers c = {0};
        size_t rows = 0;
        // Policies first, or containers first.
        if (other)
            desired_policies(d, again, 1, 1, no_row, &rows);
        for (int i = 0; i < PODS; i++) {
            char address[32];
            make_container(&c, &w, i);
            desired_container(d, &c.list[i], 1, no_row, &rows);
            snprintf(address, sizeof(address), "10.0.0.%d", i + 1);
            give_address(d, i, 100 + (uint32_t)i, address);
        }
        if (!other)
            desired_policies(d, docs, 1, 1, no_row, &rows);
        assert_non_null(desired_tables(d));
        assert_null(desired_tables(d)); // nothing changed since
        compare(&w, d, &c, text.ptr);
        // A pod that is gone takes nothing of the others with it.
        desired_container_gone(d, 3, 2, no_row, &rows);
        assert_non_null(desired_tables(d));
        desired_container(d, &c.list[2], 3, no_row, &rows);
        give_address(d, 2, 102, "10.0.0.3");
        assert_non_null(desired_tables(d));
        compare(&w, d, &c, text.ptr);
        desired_free(d);
        documents_free(docs);
        documents_free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_policies_say_what_a_reader_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
