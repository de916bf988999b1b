// Epochs of a live run.
#include "agent/pump.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

enum {
    DRAIN_RECORDS = 256,   // per call: bulk before critical, so the window of their merge
    EPOCH_RECORDS = 1024,  // per shard: what was found is said at the end of an epoch
    EPOCH_BYTES = 2 << 20, // per shard; the recorder's memory must hold an epoch
    SEGMENTS_REMEMBERED = 64,
};

struct pump_shard {
    struct pump *pump;
    unsigned number;
    struct recorder *recorder;
    struct buf captured;
    size_t bytes, records; // of this epoch
    uint64_t position;     // records since the start, as the line counts them
    int result;
    struct {
        uint64_t segment, first;
    } segments[SEGMENTS_REMEMBERED];
    uint64_t segments_n;
    pthread_t thread;
    bool threaded;
    sem_t go, done;
};

struct pump {
    struct pump_options o;
    unsigned shards_n;
    struct pump_shard *shards;
    struct buf inputs, epoch_mark;
    bool ending;
};

static int take(void *ctx, const struct bh_rec *rec)
{
    struct pump_shard *s = ctx;
    const struct bh_rec *kept = rec;
    uint64_t segment = 0, offset;
    s->position++;
    if (s->recorder && recorder_take(s->recorder, rec, &kept, &segment, &offset) == 0 &&
        (s->segments_n == 0 ||
         s->segments[(s->segments_n - 1) % SEGMENTS_REMEMBERED].segment != segment)) {
        s->segments[s->segments_n % SEGMENTS_REMEMBERED].segment = segment;
        s->segments[s->segments_n % SEGMENTS_REMEMBERED].first = s->position;
        s->segments_n++;
    }
    if (s->pump->o.capture)
        buf_add(&s->captured, rec, rec->size);
    s->bytes += rec->size;
    s->records++;
    line_shard_take(s->pump->o.line, s->number, kept); // a malformed one is counted there
    return 0;
}

static void run_shard(struct pump_shard *s)
{
    s->bytes = s->records = 0;
    s->result = 0;
    while (s->records < EPOCH_RECORDS && s->bytes < EPOCH_BYTES) {
        int n = sense_drain(s->pump->o.sense, s->number, DRAIN_RECORDS, take, s);
        if (n < 0)
            s->result = n;
        // A busy ring must not hold up what was found in it: a container's facts are wanted before
        // its first instruction.
        if (n <= 0 || line_shard_has_news(s->pump->o.line, s->number))
            break;
    }
}

static void *shard_main(void *arg)
{
    struct pump_shard *s = arg;
    for (;;) {
        while (sem_wait(&s->go) < 0 && errno == EINTR)
            ;
        if (s->pump->ending)
            return NULL;
        run_shard(s);
        sem_post(&s->done);
    }
}

int pump_new(const struct pump_options *o, struct pump **ret, struct error *err)
{
    struct pump *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(err, -ENOMEM, "out of memory");
    p->o = *o;
    p->shards_n = line_shards(o->line);
    p->shards = calloc(p->shards_n, sizeof(*p->shards));
    if (!p->shards) {
        free(p);
        return error_set(err, -ENOMEM, "out of memory");
    }
    rec_make(&p->epoch_mark, BH_EPOCH, 0, 0, NULL, 0);
    for (unsigned i = 0; i < p->shards_n; i++) {
        struct pump_shard *s = &p->shards[i];
        s->pump = p;
        s->number = i;
        s->recorder = o->recorders ? o->recorders[i] : NULL;
        if (p->shards_n == 1)
            continue;
        sem_init(&s->go, 0, 0);
        sem_init(&s->done, 0, 0);
        int r = pthread_create(&s->thread, NULL, shard_main, s);
        if (r != 0) {
            pump_free(p);
            return error_set(err, -r, "cannot start a shard's thread: %s", strerror(r));
        }
        s->threaded = true;
    }
    *ret = p;
    return 0;
}

void pump_free(struct pump *p)
{
    if (!p)
        return;
    p->ending = true;
    for (unsigned i = 0; i < p->shards_n; i++) {
        struct pump_shard *s = &p->shards[i];
        if (s->threaded) {
            sem_post(&s->go);
            pthread_join(s->thread, NULL);
            sem_destroy(&s->go);
            sem_destroy(&s->done);
        }
        buf_done(&s->captured);
    }
    free(p->shards);
    buf_done(&p->inputs);
    buf_done(&p->epoch_mark);
    free(p);
}

void pump_input(struct pump *p, const struct bh_rec *rec)
{
    buf_add(&p->inputs, rec, rec->size);
}

bool pump_has_inputs(const struct pump *p)
{
    return p->inputs.len > 0;
}

int pump_epoch(struct pump *p)
{
    int total = 0, result = 0;
    // Taking an input may bring forth the next one (a row's outcome): that belongs to the next
    // epoch.
    struct buf inputs = p->inputs;
    p->inputs = (struct buf){0};
    for (size_t at = 0; at + sizeof(struct bh_rec) <= inputs.len; total++) {
        const struct bh_rec *rec = (const void *)(inputs.ptr + at);
        at += rec->size;
        line_broadcast(p->o.line, rec);
    }
    if (p->shards_n == 1)
        run_shard(&p->shards[0]);
    else {
        for (unsigned i = 0; i < p->shards_n; i++)
            sem_post(&p->shards[i].go);
        for (unsigned i = 0; i < p->shards_n; i++)
            while (sem_wait(&p->shards[i].done) < 0 && errno == EINTR)
                ;
    }
    if (p->o.capture)
        capture_add(p->o.capture, inputs.ptr, inputs.len);
    buf_done(&inputs);
    for (unsigned i = 0; i < p->shards_n; i++) {
        struct pump_shard *s = &p->shards[i];
        total += (int)s->records;
        if (s->result < 0)
            result = s->result;
        if (p->o.capture)
            capture_add(p->o.capture, s->captured.ptr, s->captured.len);
        buf_reset(&s->captured);
    }
    if (total == 0)
        return result;
    if (p->o.capture)
        capture_add(p->o.capture, p->epoch_mark.ptr, p->epoch_mark.len);
    line_epoch(p->o.line);
    return result < 0 ? result : total;
}

bool pump_segment_at(const struct pump *p, unsigned shard, uint64_t position, uint64_t *ret_segment)
{
    const struct pump_shard *s = &p->shards[shard];
    uint64_t oldest = s->segments_n > SEGMENTS_REMEMBERED ? s->segments_n - SEGMENTS_REMEMBERED : 0;
    for (uint64_t i = s->segments_n; i > oldest; i--)
        if (s->segments[(i - 1) % SEGMENTS_REMEMBERED].first <= position) {
            *ret_segment = s->segments[(i - 1) % SEGMENTS_REMEMBERED].segment;
            return true;
        }
    return false;
}
