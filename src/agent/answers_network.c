// net flows and net try: what the kernel counted, and what it would say.
#include "agent/answers.h"
#include "agent/net_try.h"

#include <arpa/inet.h>

enum { MAX_FLOWS_TOLD = 4096 };

struct telling {
    struct core *core;
    struct json *json;
    size_t n;
};

static void put_container(const struct core *c, struct json *j, const char *key, uint32_t number)
{
    const struct container *k =
        number ? identify_container(line_identify(c->line, 0), number) : NULL;
    json_key(j, key);
    if (!k) {
        json_null(j);
        return;
    }
    json_object(j);
    json_ku64(j, "number", number);
    json_kstr(j, "id", k->id);
    json_kstr(j, "name", k->facts->name);
    json_kstr(j, "workload", k->facts->workload);
    json_object_end(j);
}

static int tell(void *ctx, const struct bh_flow_key *key, const struct bh_flow *flow)
{
    struct telling *t = ctx;
    struct json *j = t->json;
    char address[INET6_ADDRSTRLEN] = "";
    bool v4 = address_is_v4(key->address);
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? key->address + 12 : key->address, address,
              sizeof(address));
    json_object(j);
    put_container(t->core, j, "container", key->container);
    json_kcstr(
        j, "direction",
        object_name(key->direction == BH_NET_INGRESS ? BH_OBJECT_INGRESS : BH_OBJECT_EGRESS));
    put_container(t->core, j, "peer", flow->peer);
    json_kcstr(j, "address", address);
    json_ku64(j, "protocol", key->protocol);
    json_ku64(j, "port", key->port);
    json_ku64(j, "allowed", flow->allowed);
    json_ku64(j, "refused", flow->refused);
    json_ku64(j, "would_refuse", flow->would);
    json_ku64(j, "row", flow->row);
    answer_time(j, t->core, "first", flow->first);
    answer_time(j, t->core, "last", flow->last);
    json_object_end(j);
    return ++t->n == MAX_FLOWS_TOLD;
}

void answer_flows(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    struct telling t = {c, &j, 0};
    json_object(&j);
    json_kbool(&j, "counted", reconcile_counts_flows(c->reconcile));
    json_key(&j, "flows");
    json_array(&j);
    int more = reconcile_flows(c->reconcile, tell, &t);
    json_array_end(&j);
    json_kbool(&j, "more", more > 0);
    json_object_end(&j);
    answer_reply(c, r->client);
}

static bool end_of(struct core *c, const struct control_request *r, struct str text,
                   struct segment_end *ret)
{
    bool ambiguous = false;
    if (net_address_parse(text, ret->address))
        return true;
    ret->container = identify_container_by_text(line_identify(c->line, 0), text, &ambiguous);
    if (ret->container && ret->container->number)
        return true;
    answer_problem(c, r->client, ambiguous ? 409 : 404, ambiguous ? "ambiguous" : "unknown",
                   ambiguous ? STR("more than one container begins so")
                             : STR("no container is known by that name, and it is no address"),
                   "`bulkhead ps` lists what is known");
    return false;
}

void answer_net_try(struct core *c, const struct control_request *r)
{
    struct segment_end from = {0}, to = {0};
    uint8_t protocol;
    uint16_t port;
    if (net_port_parse(control_param(r, "port"), &protocol, &port) < 0) {
        answer_problem(c, r->client, 400, "port", STR("a port is a number, or NUMBER/udp"), NULL);
        return;
    }
    if (!end_of(c, r, control_param(r, "from"), &from) ||
        !end_of(c, r, control_param(r, "to"), &to))
        return;
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    net_try_json(line_segment(c->line), &from, &to, protocol, port, &j);
    answer_reply(c, r->client);
}
