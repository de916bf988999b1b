// One kernel ring: mapped, read without copying, and its sequences followed so that every loss is
// an exact interval. Layout: kernel/bpf/ringbuf.c (a consumer page, a producer page, the data
// twice).
#include "sense/internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>

int ring_map(struct ring *r, int fd, uint64_t size, unsigned cpus, struct error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    r->fd = fd;
    r->size = size;
    r->lanes = calloc(cpus, sizeof(*r->lanes));
    if (!r->lanes)
        return error_set(err, -ENOMEM, "no memory for %u sequences", cpus);
    for (unsigned i = 0; i < cpus; i++)
        r->lanes[i].next = 1;
    void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED)
        return error_set(err, -errno, "cannot map a ring: %s", strerror(errno));
    r->consumer = consumer;
    void *producer = mmap(NULL, page + 2 * size, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (producer == MAP_FAILED)
        return error_set(err, -errno, "cannot map a ring's data: %s", strerror(errno));
    r->producer = producer;
    r->data = (const uint8_t *)producer + page;
    r->read = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
    return 0;
}

void ring_unmap(struct ring *r)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (r->consumer)
        munmap((void *)r->consumer, page);
    if (r->producer)
        munmap((void *)r->producer, page + 2 * r->size);
    free(r->lanes);
    if (r->fd > 0)
        close(r->fd);
    *r = (struct ring){.fd = -1};
}

size_t ring_collect(struct ring *r, struct batched *to, size_t max, bool *more)
{
    uint64_t end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
    size_t n = 0;
    *more = false;
    while (r->read < end) {
        const uint8_t *at = r->data + (r->read & (r->size - 1));
        uint32_t head = __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
        if (head & BPF_RINGBUF_BUSY_BIT)
            break; // its writer isn't done; what lies behind waits, so that order stays
        if (n == max) {
            *more = true;
            break;
        }
        uint64_t begins = r->read;
        uint32_t length = head & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        r->read += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
        if (head & BPF_RINGBUF_DISCARD_BIT)
            continue;
        const struct bh_rec *rec = (const struct bh_rec *)(at + BPF_RINGBUF_HDR_SZ);
        if (rec_check(rec, length) < 0)
            continue; // its sequence number stays a gap, so it isn't silent
        to[n++] = (struct batched){rec, rec->time, begins};
    }
    return n;
}

bool ring_waiting(const struct ring *r)
{
    return __atomic_load_n(r->producer, __ATOMIC_SEQ_CST) != r->read;
}

size_t ring_put_back(struct ring *r, const struct batched *batch, size_t n, uint64_t time)
{
    for (size_t i = 0; i < n; i++)
        if (batch[i].time > time) {
            r->read = batch[i].at;
            return i;
        }
    return n;
}

void ring_consume(struct ring *r)
{
    __atomic_store_n(r->consumer, r->read, __ATOMIC_RELEASE);
}

static void gap_drop(struct ring *r, size_t i)
{
    memmove(&r->gaps[i], &r->gaps[i + 1], (r->gaps_n - i - 1) * sizeof(r->gaps[0]));
    r->gaps_n--;
}

// Puts a gap on the list. True: the list was full, *ret is the one that had to go.
static bool gap_add(struct ring *r, struct gap g, struct gap *ret)
{
    bool full = r->gaps_n == MAX_PENDING_GAPS;
    if (full) {
        *ret = r->gaps[0];
        gap_drop(r, 0);
    }
    r->gaps[r->gaps_n++] = g;
    return full;
}

// A record that comes late takes its number out of the gap that it left.
static bool gap_fill(struct ring *r, const struct bh_rec *rec, struct gap *ret)
{
    for (size_t i = r->gaps_n; i-- > 0;) {
        struct gap *g = &r->gaps[i];
        if (g->cpu != rec->cpu || rec->seq < g->first || rec->seq > g->last)
            continue;
        if (g->first == g->last) {
            gap_drop(r, i);
        } else if (rec->seq == g->first) {
            g->first++;
            g->after = rec->time;
        } else if (rec->seq == g->last) {
            g->last--;
        } else {
            struct gap behind = *g;
            behind.first = rec->seq + 1;
            behind.after = rec->time;
            g->last = rec->seq - 1;
            return gap_add(r, behind, ret);
        }
        return false;
    }
    return false; // its gap was reported already: said to be lost, and came after all
}

bool ring_follow(struct ring *r, const struct bh_rec *rec, uint64_t now, struct gap *ret)
{
    struct lane *lane = &r->lanes[rec->cpu];
    if (rec->seq < lane->next)
        return gap_fill(r, rec, ret);
    bool full = false;
    if (rec->seq > lane->next)
        full = gap_add(
            r, (struct gap){lane->next, rec->seq - 1, lane->last_time, rec->time, now, rec->cpu},
            ret);
    lane->next = rec->seq + 1;
    lane->last_time = rec->time;
    return full;
}

bool ring_gap_due(struct ring *r, uint64_t now, struct gap *ret)
{
    if (r->gaps_n == 0 || now - r->gaps[0].noticed < GAP_GRACE_NS)
        return false;
    *ret = r->gaps[0];
    gap_drop(r, 0);
    return true;
}

// The ring is empty: numbers that the kernel gave and that never came are a gap with nothing behind
// it. The counter must have stood still since the last look, else its record may be on the way.
void ring_tail(struct ring *r, const uint64_t *counters, unsigned cpus, uint64_t now)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        struct lane *lane = &r->lanes[cpu];
        struct gap oldest;
        if (counters[cpu] >= lane->next && counters[cpu] == lane->unseen &&
            r->gaps_n < MAX_PENDING_GAPS) {
            gap_add(r, (struct gap){lane->next, counters[cpu], lane->last_time, 0, now, cpu},
                    &oldest);
            lane->next = counters[cpu] + 1;
        }
        lane->unseen = counters[cpu];
    }
}
