// identify: records → events with process and container. The process table, the container registry,
// lineages. Pure: no clock, file or socket. One per shard; every shard sees all process and cgroup
// records, and owns the containers whose number falls to it.
#pragma once

#include "base/base.h"
#include "model/model.h"

struct identify;
struct identify_limits {
    unsigned shard, shards;
    size_t max_processes;     // whole table; 0: default 65536
    size_t max_per_container; // share; 0: default max_processes / 4
    size_t max_containers;    // default BH_MAX_CONTAINERS
    size_t max_bytes;         // of strings; 0: default 16 MiB
};
struct identify *identify_new(const struct identify_limits *l);
void identify_free(struct identify *i);

// What the caller must do or know after a step. Pointers are good until the next step.
enum notice_kind {
    NOTICE_WANT_FACTS, // container: new; read bundle/config.json (or find the runtime's state) and
                       // send a BH_FACT
    NOTICE_CONTAINER_KNOWN,   // its facts have a new version
    NOTICE_CONTAINER_STARTED, // its own first program runs now
    NOTICE_CONTAINER_GONE,
    NOTICE_SEAL,    // sense_seal it
    NOTICE_PLAIN,   // no container of its own after all: a plain cgroup
    NOTICE_EVICTED, // a table was full: a BH_EVICT is to be recorded (text says what)
};
struct notice {
    enum notice_kind kind;
    const struct container *container;
    struct str text;
    uint64_t cgroup; // SEAL: the cgroup to seal: the container's own, or one below it that was made
                     // before it was sealed
};
typedef void (*identify_notice)(void *ctx, const struct notice *n);

// Takes any input record; fills *ret_event (process, image, container) for kernel-side kinds.
// Notices are only given for containers this shard owns. Returns 1 if *ret_event is an event that
// detectors should see (owned by this shard, not an attach or a scan record), 0 if it was taken in
// silently, negative errno if it was malformed.
int identify_step(struct identify *i, const struct bh_rec *rec, struct event *ret_event,
                  identify_notice notice, void *ctx);

// An event kept past its step, to be judged again when more is known of its container: its record,
// process, ancestors and images as they were. All must be let go before identify_free.
struct kept_event;
struct kept_event *identify_keep(struct identify *i, const struct event *e); // NULL: no memory
size_t kept_event_bytes(const struct kept_event *k); // that it keeps in use, at most
uint32_t kept_event_container(const struct kept_event *k);
uint64_t kept_event_time(const struct kept_event *k);
// Fills *ret with it, beside its container as it is known now. False: that one is no longer known.
// Good until the next step.
bool identify_recall(const struct identify *i, const struct kept_event *k, struct event *ret);
void identify_let_go(struct identify *i, struct kept_event *k);

// Look-ups: for rules (ancestors), ps, why. NULL: unknown.
const struct process *identify_process(const struct identify *i, uint32_t tgid);
const struct container *identify_container(const struct identify *i, uint32_t number);
const struct container *identify_container_by_text(const struct identify *i, struct str id_or_name,
                                                   bool *ret_ambiguous);
typedef int (*identify_each_container)(void *ctx, const struct container *c);
typedef int (*identify_each_process)(void *ctx, const struct process *p);
int identify_containers(const struct identify *i, identify_each_container f, void *ctx);
int identify_processes(const struct identify *i, identify_each_process f, void *ctx);
// The host's own namespaces, as PID 1 has them. False: not known (all 0).
bool identify_host(const struct identify *i, struct bh_nses *ret, uint32_t *ret_userns);
struct identify_stats {
    uint64_t processes, images, containers, bytes, evicted_processes, evicted_containers,
        unknown_processes, malformed;
    uint64_t images_refused; // no room: the process has no image
    uint64_t lost_exits;     // ends seen only because the number was given again
    uint64_t late_records;   // records that belong to the image before the last exec
    uint64_t facts_refused;  // BH_FACT records that said nothing usable
    uint64_t overflowed;     // records of containers that found no room in the table
};
void identify_stats(const struct identify *i, struct identify_stats *ret);

// The text of a BH_FACT is JSON that the worker (or whoever found something out) makes and read by
// identify itself. (docs/formats/facts.md:
// {"container":7,"source":"bundle","name":…,"labels":{…},…})
