/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From an act to a record on a ring: who acts and is it wanted, a claimed scratch, strings behind
 * the fixed part, the budget, the sequence, the ring.
 *
 * What holds: the kind filter comes before anything is built. A record's sequence number is taken
 * before the budget and the reserve, so whatever is not sent is an exact gap. While a ring is under
 * an eighth full everyone may write; past that a container needs a token of its own reserve, so no
 * flood of one fills what another needs or makes it wait long.
 */
#pragma once

#include "bpf/observe/maps.bpf.h"

/* A ring's first part is for everyone; it is also how long a flood can make others wait. */
#define BUDGET_FREE_SHARE 8
#define BUDGET_STEP_NS    1000000ULL     /* refill at most so often */
#define BUDGET_SPAN_NS    10000000000ULL /* and for at most so long, so that nothing overflows */
#define CONTAINER_OTHERS  0xffffffffu    /* storms of those for whom the map had no room */

struct actor {
    __u64 cgroup;
    __u32 container;
    __u32 level;
};

static __always_inline struct bh_settings *settings_get(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline bool kinds_have(const struct bh_kind_set *set, __u32 kind)
{
    return set->word[BH_KIND_WORD(kind) & 1] & BH_KIND_BIT(kind);
}

/* Whether `kind` by a task of `cgroup` is wanted; fills who that is. `kind` is a constant. */
static __always_inline bool wanted_of(struct actor *a, __u64 cgroup, __u32 kind, bool life)
{
    struct bh_settings *set = settings_get();
    if (!set)
        return false;
    a->cgroup = cgroup;
    a->container = a->level = 0;
    /* Life records of the agent itself stay: its children would have no parent. */
    if (!life && (bpf_get_current_pid_tgid() >> 32) == set->self)
        return false;
    struct bh_cgroup_entry *g = bpf_map_lookup_elem(&cgroups, &cgroup);
    if (!g || !g->container)
        return kinds_have(&set->host_kinds, kind);
    a->container = g->container;
    struct bh_container_entry *c = bpf_map_lookup_elem(&containers, &a->container);
    if (!c)
        return kinds_have(&set->host_kinds, kind) || kinds_have(&set->container_kinds, kind);
    a->level = c->level;
    if (kinds_have(&c->kinds, kind))
        return true;
    if (c->state != BH_CONTAINER_PLAIN && kinds_have(&set->container_kinds, kind))
        return true;
    return c->state != BH_CONTAINER_SEALED && kinds_have(&set->host_kinds, kind);
}

static __always_inline bool wanted(struct actor *a, __u32 kind, bool life)
{
    return wanted_of(a, bpf_get_current_cgroup_id(), kind, life);
}

static __noinline int storm_count(__u32 container, __u32 kind, __u32 cause, __u32 ring);

/* NULL: every one is in use. That is counted, as of no kind, since nothing else would say so. */
static __always_inline struct scratch *scratch_claim(void)
{
    for (__u32 i = 0; i < MAX_NESTED; i++) {
        __u32 slot = i;
        struct scratch *s = bpf_map_lookup_elem(&scratches, &slot);
        if (s && __sync_lock_test_and_set(&s->busy, 1) == 0)
            return s;
    }
    storm_count(0, BH_KIND_NONE, BH_STORM_MISSED, BH_RING_NONE);
    return 0;
}

static __always_inline void scratch_release(struct scratch *s)
{
    __sync_lock_test_and_set(&s->busy, 0);
}

/* A claimed scratch with a header and `fixed` zero bytes behind it; NULL: every one is in use. */
static __always_inline void *record_begin(struct scratch *s, __u16 kind, __u8 truth, __u32 fixed)
{
    __builtin_memset(s->bytes, 0, sizeof(struct bh_rec) + fixed);
    s->len = sizeof(struct bh_rec) + fixed;
    s->flags = 0;
    s->rec.kind = kind;
    s->rec.version = BH_ABI_VERSION;
    s->rec.truth = truth;
    return s->bytes + sizeof(struct bh_rec);
}

/* The header's words on who acts. `task` is a pointer that the verifier knows as a task's, so these
 * are plain loads (about 100 instructions less each than a read by helper). */
static __always_inline void record_actor(struct scratch *s, const struct actor *a,
                                         struct task_struct *task)
{
    struct bh_rec *r = &s->rec;
    r->time = bpf_ktime_get_boot_ns();
    r->cgroup = a->cgroup;
    r->container = a->container;
    r->level = (__u8)a->level;
    r->start = task->group_leader->start_boottime;
    r->exec = task->self_exec_id;
    r->tgid = (__u32)task->tgid;
    r->tid = (__u32)task->pid;
}

/* Room for a string of up to `max` bytes; how much there is. */
static __always_inline __u32 record_room(const struct scratch *s, __u32 max)
{
    __u32 left = s->len < BH_REC_MAX ? BH_REC_MAX - s->len : 0;
    return left < max ? left : max;
}

static __always_inline void record_span(struct scratch *s, struct bh_span *span, __u32 length)
{
    if (!length)
        return;
    span->off = (__u16)s->len;
    span->len = (__u16)length;
    s->len += length;
}

enum record_source { FROM_KERNEL, FROM_USER };

/* Appends a NUL-terminated string, without its NUL. max: a constant up to BH_PATH_MAX. */
static __noinline int record_text(struct scratch *s, __u32 span_at, __u64 from, __u32 max,
                                  __u32 source)
{
    __u32 room = record_room(s, max < BH_PATH_MAX ? max + 1 : BH_PATH_MAX);
    __u8 *to = &s->bytes[s->len & (BH_REC_MAX - 1)];
    struct bh_span *span = (void *)&s->bytes[span_at & 1023];
    if (!from || room < 2) {
        s->flags |= from ? BH_F_TRUNCATED : 0;
        return 0;
    }
    room &= 2 * BH_PATH_MAX - 1;
    if (room > BH_PATH_MAX)
        room = BH_PATH_MAX;
    long n = source == FROM_USER ? bpf_probe_read_user_str(to, room, (void *)from)
                                 : bpf_probe_read_kernel_str(to, room, (void *)from);
    if (n <= 1)
        return n < 0 ? (int)n : 0;
    if (n == room)
        s->flags |= BH_F_TRUNCATED;
    record_span(s, span, (__u32)n - 1);
    return 0;
}

/* Appends bytes. */
static __noinline int record_bytes(struct scratch *s, __u32 span_at, __u64 from, __u32 length,
                                   __u32 source)
{
    __u32 room = record_room(s, BH_PATH_MAX);
    __u8 *to = &s->bytes[s->len & (BH_REC_MAX - 1)];
    struct bh_span *span = (void *)&s->bytes[span_at & 1023];
    if (length > room) {
        length = room;
        s->flags |= BH_F_TRUNCATED;
    }
    length &= 2 * BH_PATH_MAX - 1;
    if (!from || !length || length > BH_PATH_MAX)
        return 0;
    long failed = source == FROM_USER ? bpf_probe_read_user(to, length, (void *)from)
                                      : bpf_probe_read_kernel(to, length, (void *)from);
    if (failed) {
        s->flags |= BH_F_TRUNCATED;
        return (int)failed;
    }
    record_span(s, span, length);
    return 0;
}

#define SPAN_AT(type, member) (sizeof(struct bh_rec) + __builtin_offsetof(struct type, member))

static __noinline int storm_count(__u32 container, __u32 kind, __u32 cause, __u32 ring)
{
    struct bh_settings *set = settings_get();
    struct bh_storm_key key = {container, kind, cause, ring};
    struct bh_storm_value *v = bpf_map_lookup_elem(&storms, &key);
    __u64 now = bpf_ktime_get_boot_ns();
    if (!v) {
        struct bh_storm_value none = {};
        bpf_map_update_elem(&storms, &key, &none, BPF_NOEXIST);
        v = bpf_map_lookup_elem(&storms, &key);
        if (!v) {
            key.container = CONTAINER_OTHERS;
            bpf_map_update_elem(&storms, &key, &none, BPF_NOEXIST);
            v = bpf_map_lookup_elem(&storms, &key);
        }
        if (!v)
            return 0;
    }
    if (set && (v->window != set->window || !v->first)) {
        v->window = set->window;
        v->first = now;
    }
    v->last = now;
    __sync_fetch_and_add(&v->count, 1);
    return 0;
}

/* May this container write past the part that is for everyone? Its reserve refills by time; two
 * cpus may refill at once, then the one that moves `filled` adds. */
static __noinline int budget_take(__u32 container, __u32 ring)
{
    struct bh_settings *set = settings_get();
    struct bh_container_entry *c = bpf_map_lookup_elem(&containers, &container);
    if (!set || !c)
        return 0;
    ring &= 1;
    __u64 now = bpf_ktime_get_boot_ns(), filled = c->filled[ring], reserve = set->reserve[ring];
    __s64 elapsed = (__s64)(now - filled);
    if (elapsed > (__s64)BUDGET_STEP_NS && reserve) {
        bool long_ago = elapsed > (__s64)BUDGET_SPAN_NS;
        __u64 add = (long_ago ? BUDGET_SPAN_NS : (__u64)elapsed) * reserve / 1000000000ULL;
        __u64 until = long_ago ? now : filled + add * 1000000000ULL / reserve;
        if (add && __sync_val_compare_and_swap(&c->filled[ring], filled, until) == filled) {
            __s64 have = (__s64)c->tokens[ring], most = (__s64)set->burst[ring];
            if (have < 0)
                have = 0;
            if (have + (__s64)add > most)
                add = have < most ? (__u64)(most - have) : 0;
            __sync_fetch_and_add(&c->tokens[ring], add);
        }
    }
    if ((__s64)c->tokens[ring] <= 0)
        return 0;
    if ((__s64)__sync_fetch_and_add(&c->tokens[ring], (__u64)-1) <= 0) {
        __sync_fetch_and_add(&c->tokens[ring], 1);
        return 0;
    }
    return 1;
}

/* What `record_offer` keeps between the shards that get the same record. */
enum offer { OFFER_ASK = 0, OFFER_HAS_TOKEN = 1, OFFER_NO_TOKEN = 2 };

/* Wakes a ring's reader without a record. */
static __always_inline void wake(void *ring)
{
    void *nothing = bpf_ringbuf_reserve(ring, sizeof(__u64), 0);
    if (nothing)
        bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* One shard's ring gets the record of r->size bytes at r. */
static __always_inline __u32 record_offer(struct bh_rec *r, __u32 size, struct bh_settings *set,
                                          __u32 shard, __u32 ring, __u32 token)
{
    __u32 at = shard * 2 + ring;
    __u64 *sequence = bpf_map_lookup_elem(&sequences, &at);
    void *to = bpf_map_lookup_elem(&rings, &at);
    if (!sequence || !to)
        return token;
    r->shard = (__u8)shard;
    r->ring = (__u8)ring;
    r->cpu = (__u16)bpf_get_smp_processor_id();
    r->seq = __sync_fetch_and_add(sequence, 1) + 1;
    if (bpf_ringbuf_query(to, BPF_RB_AVAIL_DATA) > set->ring_bytes[ring & 1] / BUDGET_FREE_SHARE) {
        if (token == OFFER_ASK)
            token = budget_take(r->container, ring) ? OFFER_HAS_TOKEN : OFFER_NO_TOKEN;
        if (token == OFFER_NO_TOKEN) {
            storm_count(r->container, r->kind, BH_STORM_BUDGET, ring);
            return token;
        }
    }
    /* A wake-up is an interrupt, dearer than the record: only a reader that sleeps gets one. It may
     * have gone to sleep while the record was written; its looking for records and our looking for
     * it are ordered by the record's commit, a full barrier. */
    __u32 *parked = &set->parked[shard & (BH_MAX_SHARDS - 1)];
    bool wakes = *parked && __sync_lock_test_and_set(parked, 0);
    if (bpf_ringbuf_output(to, r, size, wakes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP))
        storm_count(r->container, r->kind, BH_STORM_RING_FULL, ring);
    else if (!wakes && *(volatile __u32 *)parked && __sync_lock_test_and_set(parked, 0))
        wake(to);
    return token;
}

static __always_inline __u32 shard_of(const struct bh_settings *set, __u32 container)
{
    __u32 shards = set->shards;
    if (shards <= 1)
        return 0;
    return (container % shards) & (BH_MAX_SHARDS - 1);
}

/* Zeroes what lies between the record's last byte and the next multiple of 8; sets size and flags.
 */
static __always_inline __u32 record_pad(struct scratch *s, __u32 size)
{
    __u64 *tail = (__u64 *)&s->bytes[size & (BH_REC_MAX - 1) & ~7u];
    if (size & 7)
        *tail &= (1ULL << (size & 7) * 8) - 1;
    size = (size + 7) & ~7u;
    s->rec.size = size;
    s->rec.flags |= s->flags;
    return size;
}

/* Ends the record: pads it and hands it to its container's shard. */
static __noinline int record_send(struct scratch *s, __u32 ring)
{
    struct bh_settings *set = settings_get();
    struct bh_rec *r = &s->rec;
    __u32 size = s->len;
    if (!set || size > BH_REC_MAX)
        return 0;
    size = record_pad(s, size);
    record_offer(r, size, set, shard_of(set, r->container), ring, OFFER_ASK);
    return 0;
}

struct broadcast {
    struct scratch *s;
    __u32 size, flags, owner, token;
};

static long broadcast_one(__u32 shard, struct broadcast *b)
{
    struct bh_settings *set = settings_get();
    struct bh_rec *r = &b->s->rec;
    if (!set || shard >= set->shards || shard >= BH_MAX_SHARDS)
        return 1;
    r->flags = b->flags | (shard == b->owner ? 0 : BH_F_COPY);
    __u32 size = b->size;
    if (size <= BH_REC_MAX)
        b->token = record_offer(r, size, set, shard, BH_RING_CRITICAL, b->token);
    return 0;
}

/* The same for the kinds that every shard gets (process and cgroup life). One token pays for all
 * copies. */
static __noinline int record_broadcast(struct scratch *s)
{
    struct bh_settings *set = settings_get();
    struct broadcast b = {.s = s, .size = s->len};
    if (!set || b.size > BH_REC_MAX)
        return 0;
    b.size = record_pad(s, b.size);
    b.flags = s->rec.flags;
    b.owner = shard_of(set, s->rec.container);
    bpf_loop(BH_MAX_SHARDS, broadcast_one, &b, 0);
    return 0;
}
