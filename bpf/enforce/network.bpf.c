/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Rows on the network. All programs are attached once, at the root of the v2 tree, beside whatever
 * others are there (all must allow), and only while some row on the network is wanted.
 *
 * net_connect4, 6  cgroup/connect:  what a container begins is judged here, in its own context, and
 *                  refused with EPERM: TCP, and datagram sockets that get a peer.
 * net_send4, 6     cgroup/sendmsg:  datagrams to an address.
 * net_socket       cgroup/sock_create: remembers of a container whose facts are not known yet that
 *                  it is in a network namespace of its own.
 * net_ingress, net_egress  cgroup_skb: what arrives is judged where it arrives, by who sent it;
 * what was established before and is forbidden now is cut; raw sockets; other protocols.
 *
 * What holds: a task outside of containers passes after one look-up. Loopback and a container's own
 * namespace (its pod) are never judged. Answers to what was allowed pass: a TCP socket remembers
 * which end began (a listening one hands it to what it accepts), a datagram socket whom it talks
 * to. What a socket remembers carries the version of the rows, so a change of them is felt with the
 * next packet. Packet sockets (AF_PACKET) pass none of these hooks: docs/formats/network.md.
 *
 * Where one can't attach, the row's outcome says so and nothing is called enforced.
 *
 * Costs: connect 0.3 us in a container that no row governs, 1 us in a governed one; a packet of an
 * established connection two look-ups and a socket's storage.
 */
#include "bpf/observe/emit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PASS   1
#define REFUSE 0
/* What judge() says. */
#define ALLOWED 0
#define WOULD   1
#define REFUSED 2
#define HELD    3 /* lost for now: TCP sends it again in a second */
#define LOSE    2 /* egress: as if a queue had been full, which is no error to who sends */

#define TYPE_STREAM  1
#define TYPE_RAW     3
#define PROTO_ICMPV6 58
#define PROTO_UDP    17
#define PROTO_TCP    6
#define PROTO_SCTP   132
#define PROTO_MPTCP  262 /* as a socket says it; its packets are TCP */
#define TCP_SYN_SENT 2
#define TCP_LISTEN   10
#define TCP_NEW_SYN  12

#define TELL_NS        10000000000ULL  /* the same refusal is a record at most so often */
#define QUIET_NS       180000000000ULL /* an exchange of datagrams ends after so long */
#define FRESH_NS       10000000000ULL  /* an agent that is silent for longer holds nothing */
#define MAX_TALKS      32768
#define MAX_LEARNED    4096
#define MAX_EXTENSIONS 6 /* IPv6 headers before the transport's */

const volatile __u32 host_netns; /* inode number of the host's network namespace */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct bh_net_settings);
} net_settings SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, BH_NET_MAX_ADDRESSES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bh_net_address_key);
    __type(value, struct bh_net_address);
} net_addresses SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BH_MAX_CONTAINERS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct bh_net_container);
} net_containers SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, BH_NET_MAX_LINES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bh_net_line_key);
    __type(value, struct bh_net_line);
} net_lines SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BH_NET_MAX_ROWS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bh_net_row_key);
    __type(value, __u64);
} net_rows SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BH_MAX_CONTAINERS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, struct bh_net_isolated);
} net_isolated SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, BH_NET_MAX_ALLOWED);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bh_net_allow_key);
    __type(value, __u32);
} net_isolated_allow SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, BH_NET_MAX_FLOWS);
    __type(key, struct bh_flow_key);
    __type(value, struct bh_flow);
} net_flows SEC(".maps");

/* Addresses that a container was seen to send from before anybody read them: the container. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, MAX_LEARNED);
    __uint(key_size, 16);
    __type(value, __u32);
} net_learned SEC(".maps");
/* Containers without known facts that made a socket outside of the host's namespace. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, BH_MAX_CONTAINERS);
    __type(key, __u32);
    __type(value, __u32);
} net_pending SEC(".maps");

/* What a TCP socket remembers. version 0: only who began. */
struct memo {
    __u32 version;
    __u8 began; /* 1: it did, 2: the other end */
    __u8 verdict;
    __u16 pad;
};
#define BEGAN_HERE  1
#define BEGAN_THERE 2
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct memo);
} net_sockets SEC(".maps");

/* The same of each peer of a datagram socket. */
struct talk_key {
    __u64 cookie;
    __u8 address[16];
    __u16 port;
    __u8 protocol;
    __u8 pad[5];
};
struct talk_memo {
    __u64 last;
    struct memo memo;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, MAX_TALKS);
    __type(key, struct talk_key);
    __type(value, struct talk_memo);
} net_talks SEC(".maps");

/* One end of an exchange, as seen from a container. */
struct talk {
    __u64 cgroup, cookie;
    __u64 row; /* what judge() found */
    __u32 container, peer;
    __u16 rport, lport;
    __u8 protocol, family, direction, reason;
    __u8 remote[16], local[16];
};

static __always_inline struct bh_net_settings *net_settings_get(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&net_settings, &zero);
}

static __always_inline void map_v4(__u8 *to, __u32 v4)
{
    __u32 *w = (__u32 *)to;
    w[0] = w[1] = 0;
    w[2] = bpf_htonl(0xffff);
    w[3] = v4;
}

static __always_inline bool is_v4(const __u8 *address)
{
    const __u32 *w = (const __u32 *)address;
    return !w[0] && !w[1] && w[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_loopback(const __u8 *address)
{
    const __u32 *w = (const __u32 *)address;
    if (is_v4(address))
        return address[12] == 127;
    return !w[0] && !w[1] && !w[2] && w[3] == bpf_htonl(1);
}

static __always_inline bool same_address(const __u8 *a, const __u8 *b)
{
    const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;
    return x[0] == y[0] && x[1] == y[1];
}

/* Is there a line of this set for the class, or for any? */
static __noinline __u32 line_of(__u32 set, __u32 class, __u32 protocol, __u32 port)
{
    struct bh_net_line_key key = {.prefix = BH_NET_LINE_PORT,
                                  .set = set,
                                  .class = class,
                                  .protocol = (__u8)protocol,
                                  .port = {(__u8)(port >> 8), (__u8)port}};
    struct bh_net_line *l = class ? bpf_map_lookup_elem(&net_lines, &key) : 0;
    if (!l) {
        key.class = 0;
        l = bpf_map_lookup_elem(&net_lines, &key);
    }
    return l ? l->line : 0;
}

static __always_inline void name_row(struct talk *t, __u32 line, __u8 reason)
{
    struct bh_net_row_key key = {.container = t->container, .line = line};
    __u64 *row = bpf_map_lookup_elem(&net_rows, &key);
    t->row = row ? *row : 0;
    t->reason = reason;
}

/* Isolated: only what is listed, in either direction, whoever began. */
static __noinline int judge_isolated(struct talk *t)
{
    struct bh_net_isolated *i = bpf_map_lookup_elem(&net_isolated, &t->container);
    if (!i || (i->until && i->until <= bpf_ktime_get_boot_ns()))
        return ALLOWED;
    struct bh_net_allow_key key = {.prefix = 160, .container = t->container};
    __builtin_memcpy(key.address, t->remote, 16);
    if (bpf_map_lookup_elem(&net_isolated_allow, &key))
        return ALLOWED;
    t->row = i->row;
    t->reason = BH_NET_ISOLATED;
    return i->action == BH_ACTION_DENY ? REFUSED : WOULD;
}

/* Its facts are not known: nothing selects it and nothing is known not to. While the agent is about
 * to find out, packets get lost; where a policy says so, nothing may be begun at all. */
static __noinline int judge_pending(struct talk *t, __u32 flags)
{
    struct bh_container_entry *c = bpf_map_lookup_elem(&containers, &t->container);
    if (!c || c->state == BH_CONTAINER_PLAIN || !bpf_map_lookup_elem(&net_pending, &t->container))
        return ALLOWED;
    name_row(t, 0, BH_NET_PENDING);
    if (flags & BH_NET_F_PENDING_DENY)
        return REFUSED;
    struct bh_settings *set = settings_get();
    if (flags & BH_NET_F_PENDING_HOLD && set && bpf_ktime_get_boot_ns() - set->heartbeat < FRESH_NS)
        return HELD;
    return flags & BH_NET_F_PENDING_WOULD ? WOULD : ALLOWED;
}

/* What the rows say of an exchange that began (or begins) in t->direction. */
static __noinline int judge(struct talk *t)
{
    struct bh_net_settings *set = net_settings_get();
    t->row = 0;
    if (!set || is_loopback(t->remote) || (set->until && set->until <= bpf_ktime_get_boot_ns()))
        return ALLOWED;
    struct bh_net_container *c = bpf_map_lookup_elem(&net_containers, &t->container);
    if (!c)
        return set->flags ? judge_pending(t, set->flags) : ALLOWED;
    __u32 slot = set->slot & 1;
    const struct bh_net_subject *s = &c->slot[slot];
    struct bh_net_address_key key = {.prefix = 128};
    __builtin_memcpy(key.address, t->remote, 16);
    struct bh_net_address *a = bpf_map_lookup_elem(&net_addresses, &key);
    __u32 class = a ? a->class[slot] : 0, learned = 0;
    if (a && a->netns && a->netns == c->netns)
        return ALLOWED;
    if (a)
        t->peer = a->container;
    if (!a || !a->netns) {
        __u32 *other = bpf_map_lookup_elem(&net_learned, t->remote);
        if (other) {
            struct bh_net_container *o = bpf_map_lookup_elem(&net_containers, other);
            if (o && o->netns && o->netns == c->netns)
                return ALLOWED;
            t->peer = *other;
            learned = o ? o->slot[slot].class : 0;
        }
    }
    if (!(s->flags & BH_NET_S_GOVERNED))
        return ALLOWED;
    __u32 in = t->direction == BH_NET_INGRESS, port = in ? t->lport : t->rport,
          from_host = in && a && a->flags & BH_NET_A_HOST;
    for (__u32 view = 0; view < BH_NET_VIEWS; view++) {
        if (view == BH_NET_AUDITED && !(s->flags & BH_NET_S_AUDITED))
            break;
        const struct bh_net_half *h = &s->half[in ? BH_NET_INGRESS : BH_NET_EGRESS][view];
        __u32 line = 0;
        if (h->deny && (line = line_of(h->deny, class, t->protocol, port))) {
            name_row(t, line, BH_NET_DENIED);
            return view == BH_NET_ENFORCED ? REFUSED : WOULD;
        }
        /* What comes from the machine itself is always let in: NetworkPolicy says so. */
        if (h->allow && !from_host && !line_of(h->allow, class, t->protocol, port) &&
            !(learned && line_of(h->allow, learned, t->protocol, port))) {
            name_row(t, h->line, BH_NET_NO_LINE);
            return view == BH_NET_ENFORCED ? REFUSED : WOULD;
        }
    }
    return ALLOWED;
}

/* Counts it; true: it is time for a record. */
static __noinline int flow_note(struct talk *t, __u32 verdict)
{
    struct bh_flow_key key = {.container = t->container,
                              .direction = t->direction,
                              .protocol = t->protocol,
                              .port = t->direction == BH_NET_INGRESS ? t->lport : t->rport};
    __builtin_memcpy(key.address, t->remote, 16);
    __u64 now = bpf_ktime_get_boot_ns();
    struct bh_flow *f = bpf_map_lookup_elem(&net_flows, &key);
    if (!f) {
        struct bh_flow fresh = {.first = now};
        bpf_map_update_elem(&net_flows, &key, &fresh, BPF_NOEXIST);
        f = bpf_map_lookup_elem(&net_flows, &key);
        if (!f)
            return verdict != ALLOWED;
    }
    __sync_fetch_and_add(verdict == ALLOWED ? &f->allowed
                         : verdict == WOULD ? &f->would
                                            : &f->refused,
                         1);
    f->last = now;
    f->peer = t->peer;
    if (verdict == ALLOWED)
        return 0;
    bool another = f->row != t->row;
    f->row = t->row;
    if (f->told && now - f->told < TELL_NS && !another) {
        __sync_fetch_and_add(&f->held, 1);
        return 0;
    }
    f->told = now;
    return 1;
}

static __always_inline void verdict_fill(struct bh_verdict_net *v, const struct talk *t,
                                         __u32 verdict)
{
    v->row = t->row;
    v->action = verdict == REFUSED ? BH_ACTION_DENY : BH_ACTION_AUDIT;
    v->effect = verdict == REFUSED ? BH_EFFECT_REFUSED : BH_EFFECT_WOULD;
    v->object = t->direction == BH_NET_INGRESS ? BH_OBJECT_INGRESS : BH_OBJECT_EGRESS;
    v->reason = t->reason;
    v->peer = t->peer;
    v->sock.proto = t->protocol;
    v->sock.role = t->direction == BH_NET_INGRESS ? BH_ROLE_SERVER : BH_ROLE_CLIENT;
    v->sock.lport = t->lport;
    v->sock.rport = t->rport;
    v->sock.cookie = t->cookie;
    if (is_v4(t->remote)) {
        v->sock.family = FAMILY_INET;
        __builtin_memcpy(v->sock.raddr, t->remote + 12, 4);
        __builtin_memcpy(v->sock.laddr, t->local + 12, 4);
    } else {
        v->sock.family = FAMILY_INET6;
        __builtin_memcpy(v->sock.raddr, t->remote, 16);
        __builtin_memcpy(v->sock.laddr, t->local, 16);
    }
}

/* task: a constant. Packets have none: 6.1 lets their programs ask for no task. */
static __always_inline void tell(struct talk *t, __u32 verdict, bool task)
{
    struct scratch *s = scratch_claim();
    if (!s) {
        storm_count(t->container, BH_VERDICT_NET, BH_STORM_MISSED, BH_RING_CRITICAL);
        return;
    }
    struct bh_verdict_net *v = record_begin(s, BH_VERDICT_NET, BH_TRUTH_SOCKET, sizeof(*v));
    verdict_fill(v, t, verdict);
    struct bh_container_entry *c = bpf_map_lookup_elem(&containers, &t->container);
    struct actor a = {.cgroup = t->cgroup, .container = t->container, .level = c ? c->level : 0};
    if (task) {
        record_actor(s, &a, bpf_get_current_task_btf());
    } else {
        s->rec.time = bpf_ktime_get_boot_ns();
        s->rec.cgroup = a.cgroup;
        s->rec.container = a.container;
        s->rec.level = (__u8)a.level;
    }
    record_send(s, BH_RING_CRITICAL);
    scratch_release(s);
}

static __always_inline __u32 container_of_cgroup(__u64 cgroup)
{
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &cgroup);
    return g ? g->container : 0;
}

/* ── what a container begins ── */

#define plain(read)                                                                                \
    ({                                                                                             \
        __u32 value_ = (read);                                                                     \
        barrier_var(value_);                                                                       \
        value_;                                                                                    \
    })

/* v6, send: constants. A connect of TCP is counted here; datagrams are where their packets go. */
static __always_inline int begins(struct bpf_sock_addr *ctx, bool v6, bool send)
{
    struct talk t = {.cgroup = bpf_get_current_cgroup_id(), .direction = BH_NET_EGRESS};
    t.container = container_of_cgroup(t.cgroup);
    if (!t.container)
        return PASS;
    __u32 protocol = ctx->protocol;
    t.protocol = protocol == PROTO_MPTCP ? PROTO_TCP : (__u8)protocol;
    t.rport = bpf_ntohs((__u16)ctx->user_port);
    if (v6) {
        _Pragma("unroll") for (int i = 0; i < 4; i++)((__u32 *)t.remote)[i] =
            plain(ctx->user_ip6[i]);
    } else {
        map_v4(t.remote, ctx->user_ip4);
    }
    /* An address of all zeroes is this machine: the kernel makes it loopback. */
    const __u32 *w = (const __u32 *)t.remote;
    if (is_loopback(t.remote) || (!w[3] && !w[0] && !w[1] && (!w[2] || is_v4(t.remote))))
        return PASS;
    t.cookie = bpf_get_socket_cookie(ctx);
    map_v4(t.local, 0);
    struct bpf_sock *sk = ctx->sk;
    if (sk)
        t.lport = (__u16)sk->src_port;
    int verdict = judge_isolated(&t);
    if (verdict == ALLOWED) {
        if (send) { /* an answer to what was let in? */
            struct talk_key key = {.cookie = t.cookie, .port = t.rport, .protocol = t.protocol};
            __builtin_memcpy(key.address, t.remote, 16);
            struct talk_memo *m = bpf_map_lookup_elem(&net_talks, &key);
            if (m && m->memo.began == BEGAN_THERE && bpf_ktime_get_boot_ns() - m->last < QUIET_NS)
                return PASS;
        }
        verdict = judge(&t);
    }
    if (verdict == HELD || (verdict == ALLOWED && t.protocol != PROTO_TCP))
        return PASS;
    if (flow_note(&t, (__u32)verdict))
        tell(&t, (__u32)verdict, true);
    return verdict == REFUSED ? REFUSE : PASS;
}

SEC("cgroup/connect4")
int net_connect4(struct bpf_sock_addr *ctx)
{
    return begins(ctx, false, false);
}

SEC("cgroup/connect6")
int net_connect6(struct bpf_sock_addr *ctx)
{
    return begins(ctx, true, false);
}

SEC("cgroup/sendmsg4")
int net_send4(struct bpf_sock_addr *ctx)
{
    return begins(ctx, false, true);
}

SEC("cgroup/sendmsg6")
int net_send6(struct bpf_sock_addr *ctx)
{
    return begins(ctx, true, true);
}

SEC("cgroup/sock_create")
int net_socket(struct bpf_sock *ctx)
{
    struct bh_net_settings *set = net_settings_get();
    if (!set || !set->flags)
        return PASS;
    __u32 container = container_of_cgroup(bpf_get_current_cgroup_id());
    if (!container || bpf_map_lookup_elem(&net_containers, &container))
        return PASS;
    struct task_struct *task = bpf_get_current_task_btf();
    __u32 netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
    if (netns && netns != host_netns)
        bpf_map_update_elem(&net_pending, &container, &netns, BPF_ANY);
    return PASS;
}

/* ── packets ── */

struct packet {
    __u32 transport; /* where its header begins; 0: not there */
    __u32 protocol;
};

static __always_inline bool read_v4(struct __sk_buff *skb, __u8 *from, __u8 *to, struct packet *p)
{
    struct {
        __u8 head, tos;
        __u16 length, id, fragment;
        __u8 ttl, protocol;
        __u16 sum;
        __u32 from, to;
    } h;
    if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)))
        return false;
    map_v4(from, h.from);
    map_v4(to, h.to);
    p->protocol = h.protocol;
    p->transport = h.fragment & bpf_htons(0x1fff) ? 0 : (h.head & 15) * 4u;
    return true;
}

static __always_inline bool read_v6(struct __sk_buff *skb, __u8 *from, __u8 *to, struct packet *p)
{
    struct {
        __u32 flow;
        __u16 length;
        __u8 next, hops;
    } h;
    if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)) || bpf_skb_load_bytes(skb, 8, from, 16) ||
        bpf_skb_load_bytes(skb, 24, to, 16))
        return false;
    p->protocol = h.next;
    p->transport = 40;
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        __u8 next[4];
        __u32 kind = p->protocol;
        if (kind != 0 && kind != 43 && kind != 44 && kind != 51 && kind != 60)
            break;
        if (bpf_skb_load_bytes(skb, p->transport, next, sizeof(next)))
            return false;
        p->protocol = next[0];
        if (kind == 44) {
            if (((__u32)next[2] << 8 | next[3]) & 0xfff8) {
                p->transport = 0;
                break;
            }
            p->transport += 8;
        } else {
            p->transport += kind == 51 ? (next[1] + 2u) * 4 : (next[1] + 1u) * 8;
        }
    }
    return true;
}

/* The far end as the packet has it; false: it is no IP packet. */
static __always_inline bool read_packet(struct __sk_buff *skb, struct talk *t, bool ingress)
{
    struct packet p = {};
    __u8 first = 0;
    __u8 *from = ingress ? t->remote : t->local, *to = ingress ? t->local : t->remote;
    if (bpf_skb_load_bytes(skb, 0, &first, 1))
        return false;
    if (first >> 4 == 4 ? !read_v4(skb, from, to, &p) : !read_v6(skb, from, to, &p))
        return false;
    t->protocol = (__u8)p.protocol;
    __u16 ports[2];
    if ((p.protocol == PROTO_TCP || p.protocol == PROTO_UDP || p.protocol == PROTO_SCTP) &&
        p.transport && !bpf_skb_load_bytes(skb, p.transport, ports, sizeof(ports))) {
        t->rport = bpf_ntohs(ports[ingress ? 0 : 1]);
        t->lport = bpf_ntohs(ports[ingress ? 1 : 0]);
    }
    return true;
}

/* Does something listen on the local port? Then the other end began. */
static __always_inline bool listens(struct __sk_buff *skb, const struct talk *t)
{
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock *sk;
    if (is_v4(t->local)) {
        tuple.ipv4.daddr = ((const __u32 *)t->local)[3];
        tuple.ipv4.dport = bpf_htons(t->lport);
        sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    } else {
        __builtin_memcpy(tuple.ipv6.daddr, t->local, 16);
        tuple.ipv6.dport = bpf_htons(t->lport);
        sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
    }
    if (!sk)
        return false;
    bool listening = sk->state == TCP_LISTEN;
    bpf_sk_release(sk);
    return listening;
}

/* Where this container sends from, for those to whom it is new. */
static __always_inline void learn(const struct talk *t)
{
    struct bh_net_address_key key = {.prefix = 128};
    __builtin_memcpy(key.address, t->local, 16);
    struct bh_net_address *a = bpf_map_lookup_elem(&net_addresses, &key);
    if (a && (a->netns || a->flags & BH_NET_A_HOST))
        return;
    __u32 *known = bpf_map_lookup_elem(&net_learned, t->local);
    if (!known || *known != t->container)
        bpf_map_update_elem(&net_learned, t->local, &t->container, BPF_ANY);
}

static __always_inline int say(struct talk *t, int verdict, bool count)
{
    if (verdict == HELD)
        return LOSE;
    if ((count || verdict != ALLOWED) && flow_note(t, (__u32)verdict))
        tell(t, (__u32)verdict, false);
    return verdict == REFUSED ? REFUSE : PASS;
}

static __always_inline int tcp_packet(struct __sk_buff *skb, struct bpf_sock *sk, struct talk *t,
                                      bool ingress, __u32 version)
{
    __u32 state = sk->state;
    if (state == TCP_LISTEN || state == TCP_NEW_SYN) {
        if (!ingress) /* the answer to what was let in */
            return PASS;
        struct memo *m = bpf_sk_storage_get(&net_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (m) /* for what it accepts */
            m->began = BEGAN_THERE;
        return say(t, judge(t), true);
    }
    struct memo *m = bpf_sk_storage_get(&net_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (m && m->version == version)
        return m->verdict == REFUSED ? REFUSE : PASS;
    __u8 began = m ? m->began : 0;
    if (state == TCP_SYN_SENT) {
        began = BEGAN_HERE;
        learn(t);
    }
    if (!began)
        began = listens(skb, t) ? BEGAN_THERE : BEGAN_HERE;
    t->direction = began == BEGAN_THERE ? BH_NET_INGRESS : BH_NET_EGRESS;
    int verdict = judge(t);
    if (m)
        m->began = began;
    if (m && verdict != HELD) {
        m->verdict = (__u8)verdict;
        m->version = version;
    }
    return say(t, verdict, false);
}

/* Datagrams and the rest: who spoke first. */
static __always_inline int other_packet(struct __sk_buff *skb, struct talk *t, bool ingress,
                                        __u32 version)
{
    struct talk_key key = {.cookie = t->cookie, .port = t->rport, .protocol = t->protocol};
    __builtin_memcpy(key.address, t->remote, 16);
    __u64 now = bpf_ktime_get_boot_ns();
    struct talk_memo *m = bpf_map_lookup_elem(&net_talks, &key);
    __u8 began = 0;
    if (m && now - m->last < QUIET_NS) {
        m->last = now;
        if (m->memo.version == version)
            return m->memo.verdict == REFUSED ? REFUSE : PASS;
        began = m->memo.began;
    }
    bool fresh = !began;
    if (fresh) {
        began = ingress ? BEGAN_THERE : BEGAN_HERE;
        if (!ingress)
            learn(t);
    }
    t->direction = began == BEGAN_THERE ? BH_NET_INGRESS : BH_NET_EGRESS;
    int verdict = judge(t);
    /* What was refused is not remembered as begun: the answer to it would pass. */
    struct talk_memo memo = {
        .last = now, .memo = {.version = version, .began = began, .verdict = (__u8)verdict}};
    if (verdict == HELD)
        return LOSE;
    if (verdict != REFUSED)
        bpf_map_update_elem(&net_talks, &key, &memo, BPF_ANY);
    else if (m)
        bpf_map_delete_elem(&net_talks, &key);
    return say(t, verdict, fresh);
}

/* A raw socket says itself where its packets come from: not from somebody else. */
static __always_inline bool pretends(const struct talk *t)
{
    struct bh_net_address_key key = {.prefix = 128};
    __builtin_memcpy(key.address, t->local, 16);
    struct bh_net_address *a = bpf_map_lookup_elem(&net_addresses, &key);
    struct bh_net_container *c = bpf_map_lookup_elem(&net_containers, &t->container);
    return a && a->netns && c && c->netns && a->netns != c->netns;
}

static __always_inline int packet(struct __sk_buff *skb, bool ingress)
{
    struct bh_net_settings *set = net_settings_get();
    struct talk t = {.cgroup = bpf_skb_cgroup_id(skb),
                     .direction = ingress ? BH_NET_INGRESS : BH_NET_EGRESS};
    if (!set || !t.cgroup)
        return PASS;
    t.container = container_of_cgroup(t.cgroup);
    if (!t.container)
        return PASS;
    struct bpf_sock *sk = skb->sk;
    if (!sk || !(sk = bpf_sk_fullsock(sk)) || !read_packet(skb, &t, ingress) ||
        is_loopback(t.remote) || same_address(t.remote, t.local))
        return PASS;
    __u32 type = sk->type;
    t.cookie = bpf_get_socket_cookie(skb);
    int isolated = judge_isolated(&t);
    if (isolated != ALLOWED)
        return say(&t, isolated, false);
    if (type == TYPE_STREAM && t.protocol == PROTO_TCP)
        return tcp_packet(skb, sk, &t, ingress, set->version);
    if (type == TYPE_RAW && !ingress && pretends(&t)) {
        t.reason = BH_NET_DENIED;
        return say(&t, REFUSED, false);
    }
    return other_packet(skb, &t, ingress, set->version);
}

SEC("cgroup_skb/ingress")
int net_ingress(struct __sk_buff *skb)
{
    return packet(skb, true) & 1; /* LOSE is 0 here */
}

SEC("cgroup_skb/egress")
int net_egress(struct __sk_buff *skb)
{
    return packet(skb, false) & 3;
}
