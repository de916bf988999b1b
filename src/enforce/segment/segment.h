// segment: network policies, containers and addresses → the tables by which the kernel judges
// connections. Pure: the same inputs give the same tables, with the same numbers.
//
// Vocabulary: a line is one rule of a policy, or its word on what no rule allows (the default line
// of a direction). A class is what all lines together say of an address: two addresses in the same
// lines are in one class. A set is the lines that speak for a container in one direction.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "model/model.h"

enum {
    MAX_SEGMENT_ADDRESSES = 64, // of one network namespace
    MAX_SEGMENT_SAYS = 512,     // rows of one container
    MAX_SEGMENT_CLASSES = 16384,
    MAX_SEGMENT_LINES = 262144, // of all policies
};
#define SEGMENT_NAMESPACE_KEY     "io.kubernetes.pod.namespace"
#define SEGMENT_NAMESPACE_LABEL   "bulkhead.io/namespace-label." // prefix of a namespace's labels
#define SEGMENT_PORT_LABEL        "bulkhead.io/port."            // prefix of a port's name
#define SEGMENT_METADATA_NAME     "kubernetes.io/metadata.name"
#define SEGMENT_DEFAULT_NAMESPACE "default"

struct segment;
struct segment *segment_new(void);
void segment_free(struct segment *s);
// A new generation; docs stay until the next call. Lines get new numbers.
void segment_policies(struct segment *s, const struct documents *docs);
// A container with (new) facts: it stays as it is until the next call for its number.
void segment_container(struct segment *s, const struct container *c);
void segment_gone(struct segment *s, uint32_t number);
// The text of a BH_ADDRESSES record: {"container":7,"netns":4026532000,"addresses":["10.0.0.2"]}.
// Container 0: the host. False: it says nothing usable.
bool segment_addresses(struct segment *s, struct str text);

// What a policy says of one container: a row of the desired state.
struct segment_says {
    uint32_t line; // what verdicts name
    const struct network_policy *policy;
    const struct policy *deny_policy; // one of the two
    const struct net_deny *deny;
    enum bh_net_direction direction;
    uint64_t row; // desired's number, 0: not in force (undone, or no room)
};
size_t segment_says(struct segment *s, uint32_t container, struct segment_says **ret);
// The row that desired gave it; 0: it is not in force.
void segment_row(struct segment *s, uint32_t container, uint32_t line, uint64_t row);
// "in from 2 rules", "to 10.0.0.0/8": what a row says, as text.
void segment_says_text(const struct segment_says *says, struct buf *out);

// ── tables ───────────────────────────────────────────────────────────────────────────────────
struct segment_address {
    struct bh_net_address_key key;
    uint32_t class, netns, container, flags;
};
struct segment_subject {
    uint32_t number, netns;
    struct bh_net_subject subject;
};
struct segment_line {
    struct bh_net_line_key key;
    uint32_t line;
};
struct segment_row {
    struct bh_net_row_key key;
    uint64_t row;
};
struct segment_tables { // each sorted by key (of memcmp), no key twice
    uint64_t epoch;     // of the policies: another one goes to the other slot
    uint32_t flags;     // BH_NET_F_…
    struct segment_address *addresses;
    struct segment_subject *subjects;
    struct segment_line *lines;
    struct segment_row *rows;
    size_t addresses_n, subjects_n, lines_n, rows_n;
    bool too_large; // something found no room: the tables are not whole and must not be used
    const char *what;
};
// NULL: nothing changed since the last call. Good until the next call.
const struct segment_tables *segment_compile(struct segment *s);
const struct segment_tables *segment_tables(const struct segment *s); // the last ones

// ── asking ───────────────────────────────────────────────────────────────────────────────────
struct segment_end { // a container, or an address that is none's
    const struct container *container;
    uint8_t address[16];
};
struct segment_verdict {
    enum bh_effect effect;    // NONE: allowed
    enum bh_net_direction at; // who refuses: the sender going out, the receiver coming in
    enum bh_net_reason reason;
    uint64_t row;              // 0: none
    uint32_t line, allowed[2]; // allowed: the lines that let it out, in; 0: nothing governs it
};
// What the tables say, found as the kernel finds it.
void segment_try(const struct segment *s, const struct segment_end *from,
                 const struct segment_end *to, uint8_t protocol, uint16_t port,
                 struct segment_verdict *ret);
// "policies.d/x.yaml:12" of a line, and its policy's name. False: no such line.
bool segment_line_where(const struct segment *s, uint32_t line, struct str *ret_policy,
                        struct buf *where);
