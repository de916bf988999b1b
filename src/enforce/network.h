// The kernel's side of rows on the network: bpf/enforce/network.bpf.c loaded and attached while a
// row wants it, its maps written from segment's tables. enforce's own files only.
#pragma once

#include "enforce/enforce.h"
#include "enforce/segment/segment.h"

struct network_bpf;
struct bpf_link;
enum { NETWORK_LINKS = 7, NETWORK_BUCKETS = 1024 };

struct net_row { // a row that is wanted
    struct net_row *next;
    struct row *row;
    int told; // the last thing said of it, an enum net_told
    int error;
};
struct written_address {
    struct bh_net_address_key key;
    struct bh_net_address value;
};
struct written_subject {
    uint32_t number;
    struct bh_net_container value;
};
struct written { // what the maps hold, sorted as segment's tables are
    struct written_address *addresses;
    struct written_subject *subjects;
    struct segment_line *lines;
    struct segment_row *rows;
    size_t addresses_n, subjects_n, lines_n, rows_n;
};
struct network {
    const struct reconcile_options *o;
    struct network_bpf *skel; // NULL: not loaded
    struct bpf_link *links[NETWORK_LINKS];
    bool attached, raw_sockets;
    struct net_row *bucket[NETWORK_BUCKETS];
    size_t rows_n, isolated_n;
    struct bh_net_settings settings;
    uint64_t epoch;
    struct written written;
    int problem; // of the last write: negative errno
    char text[160];
    bool proven[BH_NET_DIRECTIONS], proven_isolate;
};

void network_init(struct network *n, const struct reconcile_options *o);
void network_done(struct network *n); // detaches
// Loads and attaches, if it isn't yet.
int network_attach(struct network *n, struct error *err);
void network_detach_if_idle(struct network *n);
void network_row(struct network *n, const struct row *row, enum row_change change,
                 reconcile_emit emit, void *ctx);
// Writes the tables: what is new first, then what is changed, in one stroke for a new epoch, then
// what is gone goes. Then tells of rows.
void network_write(struct network *n, const struct segment_tables *t, reconcile_emit emit,
                   void *ctx);
void network_tick(struct network *n, uint64_t now, reconcile_emit emit, void *ctx);
// One container's isolation, written and read back.
int network_isolate(struct network *n, const struct row *row);
int network_release(struct network *n, uint32_t container);
int network_flows(const struct network *n, reconcile_flow f, void *ctx);
