// Taking records: both rings of a shard in one order, and a loss record for each gap.
#include "sense/internal.h"

#include <errno.h>
#include <sys/epoll.h>

int sense_fd(struct sense *s, unsigned shard)
{
    return shard < s->shards ? s->shard[shard].epoll : -EINVAL;
}

bool sense_park(struct sense *s)
{
    for (unsigned i = 0; i < s->shards; i++)
        __atomic_store_n(&s->settings->parked[i], 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < s->shards; i++)
        for (unsigned ring = 0; ring < 2; ring++)
            if (ring_waiting(&s->shard[i].rings[ring])) {
                for (unsigned k = 0; k < s->shards; k++)
                    __atomic_store_n(&s->settings->parked[k], 0, __ATOMIC_SEQ_CST);
                return false;
            }
    return true;
}

static int take_loss(struct sense *s, unsigned shard, unsigned ring, const struct gap *g,
                     sense_take take, void *ctx)
{
    struct {
        struct bh_rec rec;
        struct bh_loss loss;
    } r = {
        .rec = {.kind = BH_LOSS,
                .version = BH_ABI_VERSION,
                .shard = (uint8_t)shard,
                .size = sizeof(r),
                .cpu = (uint16_t)g->cpu,
                .ring = BH_RING_NONE,
                .truth = BH_TRUTH_AGENT,
                .time = g->before ? g->before : g->noticed},
        .loss = {.ring = ring,
                 .cpu = g->cpu,
                 .first = g->first,
                 .last = g->last,
                 .after = g->after,
                 .before = g->before},
    };
    static_assert(sizeof(r) == sizeof(struct bh_rec) + sizeof(struct bh_loss), "no padding");
    s->shard[shard].lost += g->last - g->first + 1;
    return take(ctx, &r.rec);
}

// A ring is almost in order (a record's time is read before its place in the ring), so insertion is
// short.
static void sort_by_time(struct batched *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct batched x = a[i];
        size_t j = i;
        while (j > 0 && a[j - 1].time > x.time) {
            a[j] = a[j - 1];
            j--;
        }
        a[j] = x;
    }
}

// Both rings into one by time; equal times: bulk first.
static size_t merge(const struct batched *bulk, size_t bulk_n, const struct batched *critical,
                    size_t critical_n, struct batched *out)
{
    size_t b = 0, c = 0, n = 0;
    while (b < bulk_n || c < critical_n) {
        bool from_bulk = c == critical_n || (b < bulk_n && bulk[b].time <= critical[c].time);
        out[n++] = from_bulk ? bulk[b++] : critical[c++];
    }
    return n;
}

static void check_tail(struct sense *s, unsigned shard, uint64_t now)
{
    struct shard *h = &s->shard[shard];
    if (now - h->tail_checked < TAIL_CHECK_NS)
        return;
    h->tail_checked = now;
    for (unsigned ring = 0; ring < 2; ring++) {
        uint32_t at = shard * 2 + ring;
        if (bpf_map_lookup_elem(bpf_map__fd(s->skeleton->maps.sequences), &at, h->counters) == 0)
            ring_tail(&h->rings[ring], h->counters, s->cpus, now);
    }
}

int sense_drain(struct sense *s, unsigned shard, unsigned max, sense_take take, void *ctx)
{
    if (shard >= s->shards)
        return -EINVAL;
    struct shard *h = &s->shard[shard];
    struct batched *critical = h->batch, *bulk = critical + MAX_BATCH, *out = bulk + MAX_BATCH;
    size_t most = MIN((size_t)max, (size_t)MAX_BATCH) / 2 + 1;
    if (max < 2)
        most = max;
    uint64_t now = host_boot_now().ns;
    bool critical_more, bulk_more;
    int taken = 0, r = 0;
    struct gap g;

    // Bulk first: whatever caused a bulk record is on the critical ring by then, and so comes
    // before it.
    size_t bulk_n = ring_collect(&h->rings[BH_RING_BULK], bulk, most, &bulk_more);
    size_t critical_n = ring_collect(&h->rings[BH_RING_CRITICAL], critical, most, &critical_more);
    // Where there is more on a ring, nothing of the other one is taken that is later than what was
    // collected here: a bulk record never comes before the exec that it belongs to.
    uint64_t bulk_last = bulk_n ? bulk[bulk_n - 1].time : 0;
    if (critical_more && critical_n)
        bulk_n =
            ring_put_back(&h->rings[BH_RING_BULK], bulk, bulk_n, critical[critical_n - 1].time);
    if (bulk_more && bulk_last)
        critical_n = ring_put_back(&h->rings[BH_RING_CRITICAL], critical, critical_n,
                                   MAX(bulk_last, now - MAX_ORDER_WAIT_NS));
    sort_by_time(bulk, bulk_n);
    sort_by_time(critical, critical_n);
    size_t n = merge(bulk, bulk_n, critical, critical_n, out);
    for (size_t i = 0; i < n; i++) {
        const struct bh_rec *rec = out[i].rec;
        struct ring *ring = &h->rings[rec->ring & 1];
        if (rec->cpu >= s->cpus) {
            h->malformed++;
            continue;
        }
        if (ring_follow(ring, rec, now, &g) && r >= 0)
            r = take_loss(s, shard, rec->ring & 1, &g, take, ctx);
        h->records[rec->ring & 1]++;
        h->bytes[rec->ring & 1] += rec->size;
        if (r >= 0) {
            r = take(ctx, rec);
            taken++;
        }
    }
    ring_consume(&h->rings[BH_RING_BULK]);
    ring_consume(&h->rings[BH_RING_CRITICAL]);
    if (n == 0 && !bulk_more && !critical_more)
        check_tail(s, shard, now);
    for (unsigned ring = 0; ring < 2 && r >= 0; ring++)
        while (r >= 0 && ring_gap_due(&h->rings[ring], now, &g))
            r = take_loss(s, shard, ring, &g, take, ctx);
    return r < 0 ? r : taken;
}
