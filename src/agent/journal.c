// A queue and the thread that empties it into the ledger.
#include "agent/journal.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct queued {
    uint64_t wall_ns;
    uint32_t kind, len; // len bytes follow, padded to 8
};

struct journal {
    struct ledger *ledger; // the thread's
    pthread_t thread;
    pthread_mutex_t lock; // what follows
    pthread_cond_t come, gone;
    struct buf queue;
    uint64_t checkpoint_ns, lost;
    bool stopping, refusing;
    uint64_t size, checkpointed;
    char problem[256];
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

// What a disk says that may work again later; anything else is about the entry.
static bool may_work_later(int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EIO || code == -EROFS || code == -ENOMEM;
}

// Appends what is there; returns how many bytes of it are done with.
static size_t append(struct journal *j, const struct buf *batch, struct error *err,
                     uint64_t *ret_lost)
{
    size_t at = 0;
    while (at + sizeof(struct queued) <= batch->len) {
        const struct queued *q = (const void *)(batch->ptr + at);
        struct str payload = {(const char *)(q + 1), q->len};
        uint64_t index;
        int r =
            ledger_append(j->ledger, (enum entry_kind)q->kind, q->wall_ns, payload, &index, err);
        if (r < 0 && may_work_later(r))
            return at;
        *ret_lost += r < 0;
        at += sizeof(*q) + ((q->len + 7u) & ~7u);
    }
    return batch->len;
}

static void put_back(struct journal *j, struct buf *batch, size_t done)
{
    struct buf rest = {0};
    buf_add(&rest, batch->ptr + done, batch->len - done);
    buf_str(&rest, buf_view(&j->queue));
    buf_done(&j->queue);
    j->queue = rest;
    buf_done(batch);
}

static void turn(struct journal *j, uint64_t *last_checkpoint)
{
    struct buf batch = j->queue;
    bool stopping = j->stopping;
    uint64_t checkpoint_ns = j->checkpoint_ns, lost = 0;
    j->queue = (struct buf){0};
    pthread_mutex_unlock(&j->lock);

    struct error err = {0};
    size_t done = append(j, &batch, &err, &lost);
    bool refused = done < batch.len;
    uint64_t now = now_ns();
    if (ledger_dirty(j->ledger) &&
        (stopping || refused || now - *last_checkpoint >= checkpoint_ns)) {
        *last_checkpoint = now;
        refused = ledger_checkpoint(j->ledger, &err) < 0 || refused;
    }

    pthread_mutex_lock(&j->lock);
    if (done < batch.len)
        put_back(j, &batch, done);
    buf_done(&batch);
    if (refused && !j->refusing)
        fprintf(
            stderr,
            "bulkhead: the ledger can't be written: %s; findings are still shown, entries wait\n",
            err.message);
    if (!refused && j->refusing)
        fprintf(stderr, "bulkhead: the ledger can be written again\n");
    j->refusing = refused;
    j->lost += lost;
    j->size = ledger_size(j->ledger);
    j->checkpointed = ledger_checkpointed(j->ledger);
    j->problem[0] = 0;
    if (refused)
        snprintf(j->problem, sizeof(j->problem), "the ledger can't be written: %.200s",
                 err.message);
    pthread_cond_broadcast(&j->gone);
}

static void *journal_main(void *arg)
{
    struct journal *j = arg;
    uint64_t last_checkpoint = 0;
    pthread_mutex_lock(&j->lock);
    for (;;) {
        bool dirty = ledger_dirty(j->ledger);
        while (!j->stopping && (j->refusing || (!dirty && j->queue.len == 0))) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 1; // a refusing disk is asked again each second
            if (pthread_cond_timedwait(&j->come, &j->lock, &until) == ETIMEDOUT && j->refusing)
                break;
        }
        bool last = j->stopping;
        turn(j, &last_checkpoint);
        if (last)
            break;
        // Entries gather while a checkpoint is not due: one signature for all of them.
        uint64_t wait = j->checkpoint_ns;
        if (!j->stopping && ledger_dirty(j->ledger) && !j->refusing) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            uint64_t ns = (uint64_t)until.tv_nsec + MIN(wait, NSEC_PER_SEC);
            until.tv_sec += (time_t)(ns / NSEC_PER_SEC);
            until.tv_nsec = (long)(ns % NSEC_PER_SEC);
            pthread_cond_timedwait(&j->come, &j->lock, &until);
        }
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

int journal_start(struct ledger *l, uint64_t checkpoint_ns, struct journal **ret, struct error *err)
{
    struct journal *j = calloc(1, sizeof(*j));
    if (!j)
        return error_set(err, -ENOMEM, "out of memory");
    j->ledger = l;
    j->checkpoint_ns = checkpoint_ns;
    j->size = ledger_size(l);
    j->checkpointed = ledger_checkpointed(l);
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->come, NULL);
    pthread_cond_init(&j->gone, NULL);
    int r = pthread_create(&j->thread, NULL, journal_main, j);
    if (r != 0) {
        free(j);
        return error_set(err, -r, "cannot start the ledger's thread: %s", strerror(r));
    }
    *ret = j;
    return 0;
}

void journal_add(struct journal *j, enum entry_kind kind, uint64_t wall_ns, struct str payload)
{
    static const char zeros[8];
    pthread_mutex_lock(&j->lock);
    while (j->queue.len + payload.len > MAX_JOURNAL_BYTES && !j->refusing)
        pthread_cond_wait(&j->gone, &j->lock);
    if (j->queue.len + payload.len > MAX_JOURNAL_BYTES || payload.len > UINT32_MAX / 2)
        j->lost++;
    else {
        struct queued q = {wall_ns, (uint32_t)kind, (uint32_t)payload.len};
        buf_add(&j->queue, &q, sizeof(q));
        buf_str(&j->queue, payload);
        buf_add(&j->queue, zeros, (8 - payload.len % 8) % 8);
    }
    pthread_cond_signal(&j->come);
    pthread_mutex_unlock(&j->lock);
}

void journal_set_checkpoint(struct journal *j, uint64_t checkpoint_ns)
{
    pthread_mutex_lock(&j->lock);
    j->checkpoint_ns = checkpoint_ns;
    pthread_mutex_unlock(&j->lock);
}

static void state_locked(const struct journal *j, struct journal_state *ret)
{
    *ret = (struct journal_state){
        .size = j->size, .checkpointed = j->checkpointed, .lost = j->lost, .waiting = j->queue.len};
    snprintf(ret->problem, sizeof(ret->problem), "%s", j->problem);
}

void journal_state(struct journal *j, struct journal_state *ret)
{
    pthread_mutex_lock(&j->lock);
    state_locked(j, ret);
    pthread_mutex_unlock(&j->lock);
}

void journal_stop(struct journal *j, struct journal_state *ret)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = true;
    pthread_cond_signal(&j->come);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    for (size_t at = 0; at + sizeof(struct queued) <= j->queue.len; j->lost++)
        at += sizeof(struct queued) +
              ((((const struct queued *)(const void *)(j->queue.ptr + at))->len + 7u) & ~7u);
    state_locked(j, ret);
    ledger_close(j->ledger);
    buf_done(&j->queue);
    pthread_cond_destroy(&j->come);
    pthread_cond_destroy(&j->gone);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
