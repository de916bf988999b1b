// segment's own types.
#pragma once

#include "enforce/segment/segment.h"

// A line of a policy.
struct seg_line {
    const struct network_policy *policy;
    const struct policy *deny_policy;
    const struct net_rule *rule; // NULL: the default line, or a line that denies
    const struct net_deny *deny;
    uint8_t direction;
};
// A member of a class: a line, and the port that a name in it means there (0: its numbers).
typedef uint64_t seg_member;
#define MEMBER(line, port)  ((seg_member)(line) << 16 | (port))
#define MEMBER_LINE(member) ((uint32_t)((member) >> 16))
#define MEMBER_PORT(member) ((uint16_t)(member))

struct members {
    seg_member *list;
    size_t n, cap;
    bool failed;
};
void members_add(struct members *m, seg_member member);
void members_sort(struct members *m); // and once each
void members_done(struct members *m);

struct seg_container {
    const struct container *container;
    uint32_t number, netns;
    uint8_t (*addresses)[16];
    size_t addresses_n;
    struct segment_says *says;
    size_t says_n;
    struct members lines; // that its labels are in, as a peer
};

// Lists of numbers, each with a number of its own that stays while the policies do.
struct interned {
    uint32_t id, tag;
    seg_member *list;
    size_t n;
    bool used;
    struct interned *next;
};
enum { INTERN_BUCKETS = 4096 };
struct intern {
    struct interned *bucket[INTERN_BUCKETS];
    size_t n;
};
// 0: no memory, or MAX_SEGMENT_CLASSES are there.
uint32_t intern_id(struct segment *s, struct intern *t, uint32_t tag, const seg_member *list,
                   size_t n, struct interned **ret);
void intern_begin(struct intern *t); // nothing is used
void intern_sweep(struct intern *t); // what wasn't used since goes
void intern_done(struct intern *t);

struct seg_prefix { // a network that some line names, and the lines that hold all of it
    struct cidr cidr;
    struct members lines;
};

struct segment {
    const struct policy *policies;
    size_t policies_n;
    const struct network_policy *network;
    size_t network_n;
    const struct namespace_labels *namespaces;
    size_t namespaces_n;
    uint64_t epoch;
    uint32_t first_line, next_line; // lines[line - first_line]
    struct seg_line *lines;
    size_t lines_n, lines_cap;
    uint32_t *default_line[2];   // by policy
    struct seg_prefix *prefixes; // sorted by address, then length
    size_t prefixes_n, prefixes_cap;
    uint32_t host_netns;
    uint8_t (*host)[16];
    size_t host_n;
    struct seg_container *containers; // sorted by number
    size_t containers_n, containers_cap;
    uint32_t next_id; // of classes and sets
    struct intern classes, sets;
    struct segment_tables tables;
    size_t addresses_cap, subjects_cap, lines_out_cap, rows_cap;
    bool dirty, failed;
};
const struct seg_line *seg_line(const struct segment *s, uint32_t line);
struct seg_container *seg_find(const struct segment *s, uint32_t number);
// select.c
void select_says(struct segment *s, struct seg_container *c);
void select_lines(struct segment *s, struct seg_container *c);
uint16_t named_port(const struct container *c, struct str name);
// classes.c
bool prefixes_make(struct segment *s);
const struct seg_prefix *prefix_longest(const struct segment *s, const uint8_t address[16],
                                        unsigned most);
bool addresses_make(struct segment *s);
uint32_t class_of_container(struct segment *s, const struct seg_container *c);
