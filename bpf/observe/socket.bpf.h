/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A socket's ends, as the kernel's own object has them. */
#pragma once

#include "bpf/observe/maps.bpf.h"

#define PROTO_TCP 6

/* An IPv4 address written as IPv6 (::ffff:a.b.c.d) is told as IPv4, so that no rule on addresses is
 * passed by the way it was written. */
static __always_inline void socket_unmap(struct bh_sock *to)
{
    const __u64 *r = (const __u64 *)to->raddr, *l = (const __u64 *)to->laddr;
    if (to->family != FAMILY_INET6 || r[0] != 0 ||
        ((const __u32 *)to->raddr)[2] != bpf_htonl(0xffff))
        return;
    __u32 remote = ((const __u32 *)to->raddr)[3], local = ((const __u32 *)to->laddr)[3];
    bool local_mapped = l[0] == 0 && ((const __u32 *)to->laddr)[2] == bpf_htonl(0xffff);
    __builtin_memset(to->raddr, 0, sizeof(to->raddr));
    __builtin_memset(to->laddr, 0, sizeof(to->laddr));
    *(__u32 *)to->raddr = remote;
    if (local_mapped)
        *(__u32 *)to->laddr = local;
    to->family = FAMILY_INET;
}

static __always_inline void read_socket(struct bh_sock *to, struct sock *sk, __u8 role)
{
    to->family = BPF_CORE_READ(sk, __sk_common.skc_family);
    to->state = BPF_CORE_READ(sk, __sk_common.skc_state);
    to->type = (__u8)BPF_CORE_READ(sk, sk_type);
    to->proto = (__u8)BPF_CORE_READ(sk, sk_protocol);
    to->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
    to->cookie = (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
    to->role = role;
    if (to->family != FAMILY_INET && to->family != FAMILY_INET6)
        return;
    to->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
    to->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (to->family == FAMILY_INET) {
        *(__u32 *)to->laddr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
        *(__u32 *)to->raddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
    } else {
        bpf_core_read(to->laddr, sizeof(to->laddr), &sk->__sk_common.skc_v6_rcv_saddr);
        bpf_core_read(to->raddr, sizeof(to->raddr), &sk->__sk_common.skc_v6_daddr);
        socket_unmap(to);
    }
}
