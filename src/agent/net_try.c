// net try: would this connection be let through, and which row decides. The same question of a
// running agent's tables and, without one, of documents alone.
#include "agent/net_try.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

int net_port_parse(struct str text, uint8_t *ret_protocol, uint16_t *ret_port)
{
    static const struct {
        const char *name;
        uint8_t protocol;
    } protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct str number = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    uint64_t port;
    if (parse_u64(number, &port) < 0 || port == 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    *ret_protocol = IPPROTO_TCP;
    if (!slash)
        return 0;
    struct str name = {slash + 1, text.len - number.len - 1};
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (str_eq(name, str_of(protocols[i].name))) {
            *ret_protocol = protocols[i].protocol;
            return 0;
        }
    return -EINVAL;
}

bool net_address_parse(struct str text, uint8_t ret[16])
{
    struct cidr c;
    if (!text.len || memchr(text.ptr, '/', text.len) || cidr_parse(text, &c) < 0)
        return false;
    memcpy(ret, c.address, 16);
    return true;
}

static void put_line(const struct segment *s, uint32_t line, struct json *j)
{
    _cleanup_buf_ struct buf where = {0};
    struct str policy;
    if (!segment_line_where(s, line, &policy, &where))
        return;
    json_kstr(j, "policy", policy);
    json_kstr(j, "where", buf_view(&where));
}

void net_try_json(const struct segment *s, const struct segment_end *from,
                  const struct segment_end *to, uint8_t protocol, uint16_t port, struct json *j)
{
    static const char *const directions[2] = {"egress", "ingress"};
    struct segment_verdict v;
    segment_try(s, from, to, protocol, port, &v);
    json_object(j);
    json_kcstr(j, "verdict", v.effect == BH_EFFECT_NONE ? "allowed" : effect_name(v.effect));
    if (v.effect != BH_EFFECT_NONE) {
        json_kcstr(j, "at", directions[v.at == BH_NET_EGRESS ? 0 : 1]);
        json_kcstr(j, "reason", net_reason_name(v.reason));
        json_ku64(j, "row", v.row);
        put_line(s, v.line, j);
    }
    json_key(j, "allowed_by");
    json_array(j);
    for (unsigned i = 0; i < 2; i++) {
        if (!v.allowed[i])
            continue;
        json_object(j);
        json_kcstr(j, "at", directions[i]);
        put_line(s, v.allowed[i], j);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

// ── without an agent ─────────────────────────────────────────────────────────────────────────

enum { MAX_TRY_LABELS = 32 };

// One end as a person writes it: an address, or NAMESPACE/KEY=VALUE,KEY=VALUE.
struct imagined {
    struct container container;
    struct facts facts;
    struct label labels[MAX_TRY_LABELS + 1];
    struct segment_end end;
};

static bool imagine(struct str text, uint32_t number, struct imagined *ret)
{
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    if (net_address_parse(text, ret->end.address))
        return true;
    size_t n = 0;
    struct str rest =
        slash ? (struct str){slash + 1, text.len - (size_t)(slash + 1 - text.ptr)} : text;
    ret->labels[n++] = (struct label){STR(SEGMENT_NAMESPACE_KEY),
                                      slash ? (struct str){text.ptr, (size_t)(slash - text.ptr)}
                                            : STR(SEGMENT_DEFAULT_NAMESPACE)};
    while (rest.len) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        struct str one = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len};
        const char *equals = memchr(one.ptr, '=', one.len);
        if (!equals || n > MAX_TRY_LABELS)
            return false;
        ret->labels[n++] = (struct label){{one.ptr, (size_t)(equals - one.ptr)},
                                          {equals + 1, one.len - (size_t)(equals + 1 - one.ptr)}};
        rest = comma ? (struct str){comma + 1, rest.len - one.len - 1} : STR_NULL;
    }
    ret->facts = (struct facts){
        .version = 1, .source = "bundle", .host_net = NO, .labels = ret->labels, .labels_n = n};
    ret->container = (struct container){
        .number = number, .type = CONTAINER_OCI, .id = text, .facts = &ret->facts};
    ret->end.container = &ret->container;
    return true;
}

static void nothing(void *ctx, const struct row *r, enum row_change change)
{
    // rows are counted by nobody here: only the tables are asked
}

int agent_net_try(const char *const *policies, size_t policies_n, const char *from, const char *to,
                  const char *port, struct json *j, struct diag_list *diags, struct error *err)
{
    struct imagined *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
    struct sources sources = {0};
    struct documents *docs = NULL;
    struct desired *d = desired_new();
    uint8_t protocol;
    uint16_t number;
    int r = a && b && d ? 0 : error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < policies_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, policies[i], diags);
    if (r == 0 && net_port_parse(str_of(port), &protocol, &number) < 0)
        r = error_set(err, -EINVAL, "a port is a number, or NUMBER/udp: not %s", port);
    if (r == 0 && (!imagine(str_of(from), 1, a) || !imagine(str_of(to), 2, b)))
        r = error_set(err, -EINVAL,
                      "an end is an address or NAMESPACE/KEY=VALUE,… where there is no agent");
    docs = r == 0 && !diags->errors ? documents_parse(&sources, diags) : NULL;
    if (r == 0 && !docs)
        r = error_set(err, -EINVAL, "the documents have errors");
    if (r == 0) {
        desired_policies(d, docs, 1, 0, nothing, NULL);
        if (a->end.container)
            desired_container(d, &a->container, 0, nothing, NULL);
        if (b->end.container)
            desired_container(d, &b->container, 0, nothing, NULL);
        const struct segment_tables *t = desired_tables(d);
        if (!t || t->too_large)
            r = error_set(err, -E2BIG, "these documents are too large for the kernel's tables");
        else
            net_try_json(desired_segment(d), &a->end, &b->end, protocol, number, j);
    }
    desired_free(d);
    documents_free(docs);
    sources_done(&sources);
    free(a);
    free(b);
    return r;
}
