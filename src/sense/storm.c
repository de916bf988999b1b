// What budgets held back, by container and kind. The kernel's counters only grow; what is reported
// is their difference, so that nothing counted while we read is missed.
#include "sense/internal.h"

#include <errno.h>

// A key that stood still for so long is let go of, in the kernel too.
#define STORM_IDLE_NS (60 * NSEC_PER_SEC)

static struct storm_seen *seen_find(struct sense *s, const struct bh_storm_key *key)
{
    for (size_t i = 0; i < s->storms_n; i++)
        if (memcmp(&s->storms[i].key, key, sizeof(*key)) == 0)
            return &s->storms[i];
    if (s->storms_n == MAX_STORM_KEYS)
        return NULL;
    s->storms[s->storms_n] = (struct storm_seen){.key = *key};
    return &s->storms[s->storms_n++];
}

// All cpus together. first: in this window, where a cpu saw one; else what came behind the last
// report.
static struct bh_storm_value sum(const struct bh_storm_value *by_cpu, unsigned cpus,
                                 uint64_t window)
{
    struct bh_storm_value all = {0};
    for (unsigned i = 0; i < cpus; i++) {
        const struct bh_storm_value *v = &by_cpu[i];
        all.count += v->count;
        all.last = MAX(all.last, v->last);
        if (v->window == window && v->first && (!all.first || v->first < all.first))
            all.first = v->first;
    }
    return all;
}

static int report(struct sense *s, const struct bh_storm_key *key, uint64_t count, uint64_t first,
                  uint64_t last, uint64_t now, sense_take take, void *ctx)
{
    struct {
        struct bh_rec rec;
        struct bh_storm storm;
    } r = {
        .rec = {.kind = BH_STORM,
                .version = BH_ABI_VERSION,
                .size = sizeof(r),
                .ring = BH_RING_NONE,
                .truth = BH_TRUTH_AGENT,
                .time = now,
                .container = key->container == UINT32_MAX ? 0 : key->container},
        .storm = {.container = key->container,
                  .kind = key->kind,
                  .count = count,
                  .first = first,
                  .last = last,
                  .cause = key->cause,
                  .ring = key->ring},
    };
    static_assert(sizeof(r) == sizeof(struct bh_rec) + sizeof(struct bh_storm), "no padding");
    r.rec.shard = (uint8_t)(r.rec.container % s->shards);
    s->held_back += count;
    return take(ctx, &r.rec);
}

int sense_storms(struct sense *s, uint64_t now, sense_take take, void *ctx)
{
    int fd = bpf_map__fd(s->skeleton->maps.storms), r = 0, reported = 0;
    uint64_t window = s->settings->window;
    struct bh_storm_key at, next, *previous = NULL;
    _cleanup_free_ struct bh_storm_value *values = calloc(s->cpus, sizeof(*values));
    if (!values)
        return -ENOMEM;
    __atomic_store_n(&s->settings->window, window + 1, __ATOMIC_RELEASE);
    // The map holds a bounded number of keys; what is added while we look is found the next time.
    for (size_t i = 0;
         i < MAX_STORM_KEYS && r >= 0 && bpf_map_get_next_key(fd, previous, &next) == 0; i++) {
        at = next;
        previous = &at;
        struct storm_seen *seen = seen_find(s, &at);
        if (!seen || bpf_map_lookup_elem(fd, &at, values) < 0)
            continue;
        struct bh_storm_value all = sum(values, s->cpus, window);
        if (all.count == seen->count)
            continue;
        uint64_t first = all.first ? all.first : seen->last;
        uint64_t count = all.count - seen->count;
        seen->count = all.count;
        seen->last = all.last;
        r = report(s, &at, count, first, all.last, now, take, ctx);
        reported++;
    }
    for (size_t i = s->storms_n; i-- > 0;) {
        if (now - s->storms[i].last < STORM_IDLE_NS || now < s->storms[i].last)
            continue;
        bpf_map_delete_elem(fd, &s->storms[i].key);
        s->storms[i] = s->storms[--s->storms_n];
    }
    return r < 0 ? r : reported;
}
