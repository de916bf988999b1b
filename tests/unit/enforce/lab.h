// What tests of the kernel's side need: two containers that are plain scratch cgroups, the maps
// that a sensor would share, a program to execute, verdicts read from the ring.
#pragma once

#include "enforce/enforce.h"

struct ring_buffer;
enum { LAB_A = 7, LAB_B = 8 }; // container numbers
enum lab_result { LAB_RAN, LAB_STOPPED, LAB_BROKE };

struct lab_maps { // a sensor's
    int cgroups, containers, settings, rings, sequences, storms, ring;
    struct ring_buffer *reader;
};
struct lab {
    struct host *host;
    struct host_caps caps;
    char cgroup[2][64]; // of A and B, below the v2 tree
    uint64_t cgroup_id[2];
    char dir[64], program[160], bpffs[96], pins[128];
    struct lab_maps maps;
    struct bh_verdict verdict; // the latest
    char verdict_path[256];
    uint32_t verdict_container;
    unsigned verdicts;
};
// 0; 1 with a sentence on standard output where this machine doesn't allow it.
int lab_open(struct lab *l);
// 0 when nothing was left behind.
int lab_close(struct lab *l);
int lab_maps_open(struct lab *l, struct lab_maps *m, uint32_t number_a, uint32_t number_b);
void lab_maps_close(struct lab_maps *m);
void lab_options(struct lab *l, const struct lab_maps *m, bool pin, uint64_t lease_ns,
                 struct reconcile_options *ret);
// A child in cgroup 0 (A), 1 (B) or -1 (where we are) executes the program: by its path, from a
// memfd, or by a child of its own (depth 1).
enum lab_result lab_exec(struct lab *l, int cgroup);
enum lab_result lab_exec_memfd(struct lab *l, int cgroup);
enum lab_result lab_exec_nested(struct lab *l, int cgroup);
int lab_copy(const char *from, const char *to); // a program
void lab_verdicts(struct lab *l);               // reads what is in the ring
