/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps of network rows. Every address is 16 bytes; IPv4 is ::ffff:a.b.c.d, so that one trie
 * holds both.
 *
 * How a verdict is found: the other end's address belongs to one class (all addresses that every
 * line of every policy treats alike); the container has, for each direction, a set of lines; the
 * trie of lines is asked for (set, class) and (set, any class) with protocol and port. So each
 * verdict is a few look-ups, however many lines there are, and replicas share their set.
 *
 * A new generation writes what it says into the other slot and then turns `slot` in the settings:
 * no packet meets half of it.
 */
#pragma once

#ifndef BH_ABI_VERSION
#error "include bpf/abi/abi.h"
#endif

#define BH_NET_MAX_ADDRESSES 16384
#define BH_NET_MAX_LINES     131072
#define BH_NET_MAX_ROWS      32768
#define BH_NET_MAX_FLOWS     16384
#define BH_NET_MAX_ALLOWED   4096 /* networks that stay open to isolated containers, all in all */
#define BH_NET_SLOTS         2

enum bh_net_direction { BH_NET_INGRESS = 0, BH_NET_EGRESS = 1, BH_NET_DIRECTIONS = 2 };
/* What is in force, and what would be if every audited policy were enforced. */
enum bh_net_view { BH_NET_ENFORCED = 0, BH_NET_AUDITED = 1, BH_NET_VIEWS = 2 };

struct bh_net_settings { /* net_settings: ARRAY of one */
    bh_u64 until;        /* boot ns; past it nothing is refused. 0: no end */
    bh_u32 slot;
    bh_u32
        version;  /* grows with each change: what sockets remember of an older one is judged anew */
    bh_u32 flags; /* BH_NET_F_… */
    bh_u32 pad;
};
#define BH_NET_F_PENDING_DENY  (1u << 0) /* containers whose facts aren't known: loopback only */
#define BH_NET_F_PENDING_WOULD (1u << 1)
#define BH_NET_F_PENDING_HOLD  (1u << 2) /* their packets wait till it is known who they are */

/* net_addresses: LPM_TRIE */
struct bh_net_address_key {
    bh_u32 prefix;
    bh_u8 address[16];
};
struct bh_net_address {
    bh_u32 class[BH_NET_SLOTS];
    bh_u32 netns;     /* inode number of the one namespace that has it; 0: a network, or several */
    bh_u32 container; /* the first one there, 0: the host or nobody known */
    bh_u32 flags;     /* BH_NET_A_… */
};
#define BH_NET_A_HOST (1u << 0) /* of this machine */

/* net_containers: HASH, container number → */
struct bh_net_half { /* one direction, one view */
    bh_u32 deny;     /* set of lines that deny; 0: none */
    bh_u32 allow;    /* set of lines that allow; 0: nothing governs it, all is allowed */
    bh_u32 line;     /* the line to name when nothing allowed it */
};
struct bh_net_subject {
    struct bh_net_half half[BH_NET_DIRECTIONS][BH_NET_VIEWS];
    bh_u32 class; /* what its addresses are when they are not known yet */
    bh_u32 flags; /* BH_NET_S_… */
};
#define BH_NET_S_GOVERNED (1u << 0) /* some half says something */
#define BH_NET_S_AUDITED  (1u << 1) /* the views differ */
struct bh_net_container {
    struct bh_net_subject slot[BH_NET_SLOTS];
    bh_u32 netns; /* 0: not known */
    bh_u32 pad;
};

/* net_lines: LPM_TRIE. Class 0: any address. Protocol and port are left out from behind: a prefix
 * of 64 bits is any protocol, of 72 any port, of less than 88 a range of ports. */
struct bh_net_line_key {
    bh_u32 prefix;
    bh_u32 set, class;
    bh_u8 protocol;
    bh_u8 port[2]; /* big end first */
    bh_u8 zero;
};
#define BH_NET_LINE_ANY      64
#define BH_NET_LINE_PROTOCOL 72
#define BH_NET_LINE_PORT     88
struct bh_net_line {
    bh_u32 line;
};

/* net_rows: HASH. Which row a container's line is. */
struct bh_net_row_key {
    bh_u32 container, line;
};

/* net_isolated: HASH, container → */
struct bh_net_isolated {
    bh_u64 row, until;
    bh_u32 action; /* enum bh_action */
    bh_u32 pad;
};
/* net_isolated_allow: LPM_TRIE */
struct bh_net_allow_key {
    bh_u32 prefix; /* 32 and the network's */
    bh_u32 container;
    bh_u8 address[16];
};

/* net_flows: LRU_HASH */
struct bh_flow_key {
    bh_u32 container;
    bh_u8 direction; /* enum bh_net_direction */
    bh_u8 protocol;
    bh_u16 port;       /* the service's: its own coming in, the peer's going out */
    bh_u8 address[16]; /* the other end's */
};
struct bh_flow {
    bh_u64 allowed, refused, would; /* beginnings of connections and of exchanges of datagrams */
    bh_u64 first, last;             /* boot ns */
    bh_u64 told, held;              /* when a record was sent last; not sent since */
    bh_u64 row;                     /* that refused (or would have) last; 0: none */
    bh_u32 peer, pad;
};

BH_ASSERT(sizeof(struct bh_net_line_key) == 16);
BH_ASSERT(sizeof(struct bh_net_address) == 20);
BH_ASSERT(sizeof(struct bh_net_container) == 2 * (4 * 12 + 8) + 8);
BH_ASSERT(sizeof(struct bh_flow_key) == 24);
BH_ASSERT(sizeof(struct bh_flow) == 72);
