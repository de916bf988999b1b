/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Sockets: TCP connect and accept, datagrams, a socket that becomes descriptor 0, 1 or 2.
 *
 * net_connect    tp_btf/inet_sock_set_state to SYN_SENT: in the caller's context, from the socket
 * itself; no descriptor is looked up, so none can be swapped. The local port is 0 unless it was
 * bound: the kernel chooses it after this. Runs at each change of state of each TCP socket: two
 * compares then. call_connect   behind call_exit: connecting to a Unix socket, tried or done. Done,
 * its address is the peer's own, as whoever listens there bound it; else it is the caller's text. A
 * TCP socket leaves after five reads. 32-bit programs that connect by socketcall are not seen.
 * udp_send4, 6   cgroup/sendmsg at the v2 root: each datagram sent to an address.
 * udp_connect4,6 cgroup/connect there: a connected datagram socket is told once, when its peer is
 * set; what it sends later goes to that peer. These four always allow. call_accept    behind
 * call_exit: the accepted socket behind the returned descriptor. call_dup       behind call_exit:
 * dup, dup2, dup3, fcntl.
 */
#include "bpf/observe/emit.bpf.h"
#include "bpf/observe/exit.bpf.h"
#include "bpf/observe/seen.bpf.h"
#include "bpf/observe/socket.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TYPE_DGRAM          2
#define FCNTL_DUPFD         0
#define FCNTL_DUPFD_CLOEXEC 1030
#define SOCKETCALL_COMPAT   102 /* x86 and arm, 32-bit: which one is its first argument */
#define SOCKETCALL_ACCEPT   5
#define SOCKETCALL_ACCEPT4  18

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(net_connect, struct sock *sk, int old_state, int new_state)
{
    struct actor a;
    struct scratch *s;
    if (new_state != STATE_SYN_SENT || sk->sk_protocol != PROTO_TCP ||
        !wanted(&a, BH_CONNECT, false) || !(s = scratch_claim()))
        return 0;
    struct bh_net *n = record_begin(s, BH_CONNECT, BH_TRUTH_SOCKET, sizeof(*n));
    record_actor(s, &a, bpf_get_current_task_btf());
    __u64 cookie = bpf_get_socket_cookie(sk);
    read_socket(&n->sock, sk, BH_ROLE_CLIENT);
    n->sock.cookie = cookie;
    n->sock.state = STATE_SYN_SENT;
    n->fd = -1;
    n->call = BH_CALL_CONNECT;
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_accept, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (ret < 0 || !wanted(&a, BH_ACCEPT, false))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    if (c.compat && c.number == SOCKETCALL_COMPAT) {
        __u64 which = arch_argument(regs, true, 0);
        if (which != SOCKETCALL_ACCEPT && which != SOCKETCALL_ACCEPT4)
            return 0;
        c.id = which == SOCKETCALL_ACCEPT ? BH_CALL_ACCEPT : BH_CALL_ACCEPT4;
    }
    bool shared = false;
    struct file *file = file_of(task, ret, &shared);
    struct sock *sk = 0;
    if (is_socket(file)) {
        struct socket *socket = BPF_CORE_READ(file, private_data);
        sk = BPF_CORE_READ(socket, sk);
        __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
        if (family != FAMILY_INET && family != FAMILY_INET6)
            return 0;
    } else if (!shared) {
        return 0;
    }
    if (!(s = scratch_claim()))
        return 0;
    struct bh_net *n = record_begin(s, BH_ACCEPT, BH_TRUTH_RETURNED_FD, sizeof(*n));
    record_actor(s, &a, task);
    if (sk)
        read_socket(&n->sock, sk, BH_ROLE_SERVER);
    n->fd = (__s32)ret;
    n->call = (__u8)c.id;
    s->flags |=
        (shared ? BH_F_SHARED_TABLE : 0) | (c.compat ? BH_F_COMPAT : 0) | (sk ? 0 : BH_F_MISMATCH);
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(call_dup, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (ret < 0 || ret > 2 || !wanted(&a, BH_DUP_SOCKET, false))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    if (c.id == BH_CALL_FCNTL) {
        __u64 command = arch_argument(regs, c.compat, 1);
        if (command != FCNTL_DUPFD && command != FCNTL_DUPFD_CLOEXEC)
            return 0;
    }
    bool shared = false;
    struct file *file = file_of(task, ret, &shared);
    if (!is_socket(file) || !(s = scratch_claim()))
        return 0;
    seen_unexplained(s, task);
    struct bh_dup *d = record_begin(s, BH_DUP_SOCKET, BH_TRUTH_RETURNED_FD, sizeof(*d));
    record_actor(s, &a, task);
    struct socket *socket = BPF_CORE_READ(file, private_data);
    struct sock *sk = BPF_CORE_READ(socket, sk);
    read_socket(&d->sock, sk, BH_ROLE_UNKNOWN);
    d->oldfd = (__s32)arch_argument(regs, c.compat, 0);
    d->newfd = (__s32)ret;
    d->call = (__u8)c.id;
    s->flags |= (shared ? BH_F_SHARED_TABLE : 0) | (c.compat ? BH_F_COMPAT : 0);
    record_send(s, BH_RING_CRITICAL);
    scratch_release(s);
    return 0;
}

#define UNIX_PATH_MAX 108

SEC("tp_btf/sys_exit")
int BPF_PROG(call_connect, struct pt_regs *regs, long ret)
{
    struct actor a;
    struct scratch *s;
    if (!wanted(&a, BH_CONNECT, false))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct call c = call_of(task, regs);
    bool shared = false;
    long fd = (__s32)arch_argument(regs, c.compat, 0);
    struct file *file = file_of(task, fd, &shared);
    if (!is_socket(file))
        return 0;
    struct socket *socket = BPF_CORE_READ(file, private_data);
    struct sock *sk = BPF_CORE_READ(socket, sk);
    if (BPF_CORE_READ(sk, __sk_common.skc_family) != FAMILY_UNIX || !(s = scratch_claim()))
        return 0;
    seen_unexplained(s, task);
    struct bh_net *n = record_begin(s, BH_CONNECT, BH_TRUTH_CALLER_MEMORY, sizeof(*n));
    record_actor(s, &a, task);
    read_socket(&n->sock, sk, BH_ROLE_CLIENT);
    n->fd = (__s32)fd;
    n->result = (__s32)ret;
    n->call = (__u8)c.id;
    s->flags |= (shared ? BH_F_SHARED_TABLE : 0) | (c.compat ? BH_F_COMPAT : 0) |
                (ret < 0 ? BH_F_FAILED : 0);
    struct sock *peer = ret == 0 ? BPF_CORE_READ((struct unix_sock *)sk, peer) : 0;
    struct unix_address *bound = peer ? BPF_CORE_READ((struct unix_sock *)peer, addr) : 0;
    __u64 text = 0, from = FROM_KERNEL;
    __s32 length = 0;
    char first = 1;
    if (bound) {
        text = (__u64)bound + bpf_core_field_offset(struct unix_address, name) +
               bpf_core_field_offset(struct sockaddr_un, sun_path);
        length = BPF_CORE_READ(bound, len) - 2;
        s->rec.truth = BH_TRUTH_SOCKET;
        bpf_probe_read_kernel(&first, 1, (void *)text);
    } else {
        text = arch_argument(regs, c.compat, 1) + 2;
        length = (__s32)arch_argument(regs, c.compat, 2) - 2;
        from = FROM_USER;
        bpf_probe_read_user(&first, 1, (void *)text);
    }
    if (length > UNIX_PATH_MAX)
        length = UNIX_PATH_MAX;
    if (length > 0 && !first) /* an abstract name: any bytes, as long as it says */
        record_bytes(s, SPAN_AT(bh_net, path), text, (__u32)length, from);
    else if (length > 0) {
        __u32 flags = s->flags; /* it may end without a NUL: it isn't cut then */
        record_text(s, SPAN_AT(bh_net, path), text, (__u32)length, from);
        s->flags = flags;
    }
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 0;
}

/* ── datagrams: programs of cgroups may be preempted; a scratch is claimed for as long as it takes
 * ── */

/* Keeps the compiler from computing the address first: the verifier takes these reads at constant
 * offsets only. */
#define plain(read)                                                                                \
    ({                                                                                             \
        __u32 value_ = (read);                                                                     \
        barrier_var(value_);                                                                       \
        value_;                                                                                    \
    })

/* v6: a constant, since a program may only read its own family of the context. */
static __always_inline int datagram(struct bpf_sock_addr *ctx, __u8 call, bool v6)
{
    struct actor a;
    struct scratch *s;
    if (ctx->type != TYPE_DGRAM || !wanted(&a, BH_UDP_SEND, false) || !(s = scratch_claim()))
        return 1;
    struct bh_net *n = record_begin(s, BH_UDP_SEND, BH_TRUTH_SOCKET, sizeof(*n));
    struct task_struct *task = bpf_get_current_task_btf();
    record_actor(s, &a, task);
    struct bh_sock *k = &n->sock;
    k->family = v6 ? FAMILY_INET6 : FAMILY_INET;
    k->type = TYPE_DGRAM;
    k->proto = (__u8)ctx->protocol;
    k->rport = bpf_ntohs((__u16)ctx->user_port);
    k->role = BH_ROLE_CLIENT;
    k->cookie = bpf_get_socket_cookie(ctx);
    k->netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
    struct bpf_sock *sk = ctx->sk;
    if (sk)
        k->lport = (__u16)sk->src_port;
    if (!v6) {
        *(__u32 *)k->raddr = ctx->user_ip4;
        if (sk)
            *(__u32 *)k->laddr = plain(sk->src_ip4);
    } else {
        _Pragma("unroll") for (int i = 0; i < 4; i++)((__u32 *)k->raddr)[i] =
            plain(ctx->user_ip6[i]);
        if (sk)
            _Pragma("unroll") for (int i = 0; i < 4; i++)((__u32 *)k->laddr)[i] =
                plain(sk->src_ip6[i]);
        socket_unmap(k);
    }
    n->fd = -1;
    n->call = call;
    record_send(s, BH_RING_BULK);
    scratch_release(s);
    return 1;
}

SEC("cgroup/sendmsg4")
int udp_send4(struct bpf_sock_addr *ctx)
{
    return datagram(ctx, BH_CALL_SENDTO, false);
}

SEC("cgroup/sendmsg6")
int udp_send6(struct bpf_sock_addr *ctx)
{
    return datagram(ctx, BH_CALL_SENDTO, true);
}

SEC("cgroup/connect4")
int udp_connect4(struct bpf_sock_addr *ctx)
{
    return datagram(ctx, BH_CALL_CONNECT, false);
}

SEC("cgroup/connect6")
int udp_connect6(struct bpf_sock_addr *ctx)
{
    return datagram(ctx, BH_CALL_CONNECT, true);
}
