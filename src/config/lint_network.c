// Network policies that are valid and hardly meant: what contradicts itself, refuses everything,
// can't be resolved or is never asked. Warnings; the policy is in force as it stands.
#include "config/internal.h"

#include <netinet/in.h>

static void warn(struct diag_list *diags, const struct network_policy *p, unsigned line,
                 const char *code, const char *hint, const char *text)
{
    diag_add(diags, DIAG_WARNING, p->file.ptr, line ? line : p->line, 1, code, hint,
             "NetworkPolicy '" STR_FMT "': %s", STR_ARG(p->name), text);
}

static bool has_value(const struct label_requirement *q, struct str value)
{
    for (size_t i = 0; i < q->values_n; i++)
        if (str_eq(q->values[i], value))
            return true;
    return false;
}

// Can a and b (of the same key) never hold together?
static bool clash(const struct label_requirement *a, const struct label_requirement *b)
{
    bool common = false, rest = false;
    if (a->operator== LABEL_NOT_EXISTS)
        return b->operator== LABEL_IN || b->operator== LABEL_EXISTS;
    if (a->operator!= LABEL_IN)
        return false;
    for (size_t i = 0; i < a->values_n; i++) {
        common |= has_value(b, a->values[i]);
        rest |= !has_value(b, a->values[i]);
    }
    return (b->operator== LABEL_IN && !common) || (b->operator== LABEL_NOT_IN && !rest);
}

static bool contradicts(const struct label_selector *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->n; k++)
            if (i != k && str_eq(s->list[i].key, s->list[k].key) && clash(&s->list[i], &s->list[k]))
                return true;
    return false;
}

static bool rule_allows_dns(const struct net_rule *r)
{
    if (r->ports_n == 0)
        return true;
    for (size_t i = 0; i < r->ports_n; i++) {
        const struct net_port *p = &r->ports[i];
        if (p->protocol == IPPROTO_UDP && !p->name.len &&
            (p->port == 0 || (p->port <= 53 && p->end >= 53)))
            return true;
    }
    return false;
}

static void lint_rule(const struct network_policy *p, const struct net_rule *r,
                      struct diag_list *diags)
{
    for (size_t i = 0; i < r->peers_n; i++)
        if (contradicts(&r->peers[i].pods) || contradicts(&r->peers[i].namespaces))
            warn(diags, p, r->line, "BH302", "no label can satisfy all of its requirements",
                 "a selector here contradicts itself and matches nothing");
    for (size_t i = 0; i < r->ports_n; i++)
        if (r->ports[i].name.len)
            warn(diags, p, r->line, "BH305",
                 "containers say what a name means by the annotation bulkhead.io/port.NAME: NUMBER",
                 "a port by name matches only containers that say what it means");
}

static void lint_policy(const struct network_policy *p, struct diag_list *diags)
{
    static const char *const nothing[] = {"refuses everything that comes in",
                                          "refuses everything that goes out, DNS too"};
    if (contradicts(&p->pods))
        warn(diags, p, 0, "BH302", "no label can satisfy all of its requirements",
             "its podSelector contradicts itself and selects nothing");
    if (p->pods.n == 0 && p->mode == MODE_ENFORCE)
        warn(diags, p, 0, "BH301", "an empty podSelector is every pod of the namespace",
             "selects every container of its namespace");
    for (unsigned d = 0; d < BH_NET_DIRECTIONS; d++) {
        bool dns = false;
        if (!p->types[d] && p->rules_n[d])
            warn(diags, p, p->rules[d][0].line, "BH303",
                 d ? "add Egress to policyTypes" : "add Ingress to policyTypes",
                 "has rules for a direction that policyTypes leaves out; they mean nothing");
        for (size_t i = 0; i < p->rules_n[d]; i++) {
            lint_rule(p, &p->rules[d][i], diags);
            dns |= rule_allows_dns(&p->rules[d][i]);
        }
        if (p->types[d] && p->rules_n[d] == 0)
            warn(diags, p, 0, "BH304", "meant so? Else add a rule", nothing[d]);
        else if (p->types[d] && d == BH_NET_EGRESS && !dns)
            warn(diags, p, p->rules[d][0].line, "BH306",
                 "add a rule with ports: [{protocol: UDP, port: 53}] if names shall be resolved",
                 "lets nothing go out to port 53: no name can be resolved");
    }
}

static void lint_deny(const struct policy *p, struct diag_list *diags)
{
    for (size_t i = 0; i < p->net_deny_n; i++)
        for (size_t k = 0; k < i; k++)
            if (p->net_deny[k].type == NET_DENY_ANY ||
                (p->net_deny[i].type == p->net_deny[k].type &&
                 (p->net_deny[i].type != NET_DENY_CIDR ||
                  (p->net_deny[k].cidr.prefix <= p->net_deny[i].cidr.prefix &&
                   cidr_has(&p->net_deny[k].cidr, p->net_deny[i].cidr.address))))) {
                diag_add(diags, DIAG_WARNING, p->file.ptr, p->net_deny[i].line, 1, "BH307",
                         "leave one of the two out", "line %u denies this already",
                         p->net_deny[k].line);
                k = i;
            }
}

void network_lint(const struct documents *d, struct diag_list *diags)
{
    for (size_t i = 0; i < d->network_n; i++)
        lint_policy(&d->network[i], diags);
    for (size_t i = 0; i < d->policies_n; i++)
        lint_deny(&d->policies[i], diags);
}
