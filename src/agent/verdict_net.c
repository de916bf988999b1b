// A met row on the network as a finding: who was refused (or would have been), to whom, and by
// which row.
#include "agent/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct str peer_text(const struct detect_env *env, const struct bh_verdict_net *v, char *out,
                            size_t size)
{
    char address[INET6_ADDRSTRLEN] = "?";
    inet_ntop(v->sock.family, v->sock.raddr, address, sizeof(address));
    const struct container *peer = v->peer ? identify_container(env->identify, v->peer) : NULL;
    struct str name = !peer ? STR_NULL : peer->facts->name.len ? peer->facts->name : peer->id;
    snprintf(out, size, "%s%s" STR_FMT "%s", address, name.len ? " (" : "", STR_ARG(name),
             name.len ? ")" : "");
    return str_of(out);
}

static const char *protocol_name(uint8_t protocol, char out[8])
{
    switch (protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_SCTP:
        return "sctp";
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return "icmp";
    default:
        snprintf(out, 8, "ip%u", protocol);
        return out;
    }
}

bool verdict_net_finding(const struct detect_env *env, const struct event *e, struct arena *a,
                         struct finding *f)
{
    const struct bh_verdict_net *v = REC_AS(e->rec, bh_verdict_net);
    if (!v)
        return false;
    char peer[512], number[8], address[INET6_ADDRSTRLEN] = "";
    bool in = v->object == BH_OBJECT_INGRESS;
    detect_finding(f, "network", env, e);
    f->severity = v->effect == BH_EFFECT_REFUSED ? SEVERITY_WARNING : SEVERITY_NOTICE;
    f->confidence = 0.9;
    f->row = v->row;
    f->effect = v->effect;
    peer_text(env, v, peer, sizeof(peer));
    inet_ntop(v->sock.family, v->sock.raddr, address, sizeof(address));
    char text[768];
    snprintf(text, sizeof(text), "%s %s %s port %u", in ? "from" : "to", peer,
             protocol_name(v->sock.proto, number), in ? v->sock.lport : v->sock.rport);
    detect_field(f, "container.id", f->container_id);
    detect_field(f, "container.name", f->container_name);
    detect_field(f, "proc.name", e->image ? e->image->comm : STR_NULL);
    detect_field(f, "verdict.effect", str_of(effect_name((enum bh_effect)v->effect)));
    detect_field(f, "verdict.object", str_of(object_name((enum bh_object)v->object)));
    detect_field(f, "verdict.reason", str_of(net_reason_name((enum bh_net_reason)v->reason)));
    detect_field_u64(f, "verdict.row", v->row);
    detect_field(f, "network.peer", arena_str(a, str_of(peer)));
    detect_field(f, "fd.rip", arena_str(a, str_of(address)));
    detect_field_u64(f, "fd.rport", v->sock.rport);
    detect_field_u64(f, "fd.lport", v->sock.lport);
    detect_field(f, "fd.l4proto", arena_str(a, str_of(protocol_name(v->sock.proto, number))));
    detect_field(f, "network.text", arena_str(a, str_of(text)));
    detect_field_u64(f, "proc.pid", e->rec->tgid);
    return true;
}

static struct str field(const struct finding *f, const char *key)
{
    for (size_t i = 0; i < f->fields_n; i++)
        if (str_eq(f->fields[i].key, str_of(key)))
            return f->fields[i].text;
    return STR_NULL;
}

void verdict_net_name(struct line *l, struct finding *f)
{
    static const struct str tags[] = {{"policy", 6}, {"network", 7}};
    const struct row *row = f->row ? desired_row(l->desired, f->row) : NULL;
    _cleanup_buf_ struct buf text = {0};
    buf_printf(&text, "%s: ", effect_name((enum bh_effect)f->effect));
    buf_str(&text, field(f, "network.text"));
    buf_text(&text, " (");
    buf_str(&text, field(f, "verdict.reason"));
    buf_text(&text, ", ");
    buf_str(&text, field(f, "verdict.object"));
    if (row) {
        buf_printf(&text, ") by %s ", row_owner_name(row->owner));
        buf_str(&text, row->owner_name);
        buf_text(&text, " at ");
        buf_str(&text, row->where);
        if (row->reason.len) {
            buf_text(&text, ": ");
            buf_str(&text, row->reason);
        }
    } else
        buf_char(&text, ')');
    detect_field(f, "policy.name", row ? arena_str(l->arena, row->owner_name) : STR_NULL);
    detect_field(f, "policy.where", row ? arena_str(l->arena, row->where) : STR_NULL);
    f->rule = row ? arena_str(l->arena, row->owner_name) : STR("network");
    f->output = arena_str(l->arena, buf_view(&text));
    f->tags = tags;
    f->tags_n = ARRAY_SIZE(tags);
    f->id = finding_id(f);
}
