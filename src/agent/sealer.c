// A ring of cuts and the thread that writes them.
#include "agent/sealer.h"

#include <errno.h>
#include <pthread.h>

struct job {
    struct segment_cut cut;
    int dirfd, result;
    struct error err;
};

struct sealer {
    pthread_t thread;
    pthread_mutex_t lock; // what follows
    pthread_cond_t come, gone;
    struct job jobs[MAX_SEALING];
    uint64_t given, written, taken; // jobs, ever: [taken, written) are done, [written, given) wait
    bool stopping;
};

static void *sealer_main(void *arg)
{
    struct sealer *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->stopping && s->written == s->given)
            pthread_cond_wait(&s->come, &s->lock);
        if (s->written == s->given)
            break;
        struct job *job = &s->jobs[s->written % MAX_SEALING]; // nobody else's until it is written
        pthread_mutex_unlock(&s->lock);
        job->result = segment_cut_write(&job->cut, NULL, job->dirfd, &job->err);
        pthread_mutex_lock(&s->lock);
        s->written++;
        pthread_cond_signal(&s->gone);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int sealer_start(struct sealer **ret, struct error *err)
{
    struct sealer *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->come, NULL);
    pthread_cond_init(&s->gone, NULL);
    int r = pthread_create(&s->thread, NULL, sealer_main, s);
    if (r != 0) {
        free(s);
        return error_set(err, -r, "cannot start the segments' thread: %s", strerror(r));
    }
    *ret = s;
    return 0;
}

bool sealer_has_room(struct sealer *s)
{
    pthread_mutex_lock(&s->lock);
    bool room = s->given - s->taken < MAX_SEALING;
    pthread_mutex_unlock(&s->lock);
    return room;
}

void sealer_give(struct sealer *s, int dirfd, struct segment_cut *cut)
{
    pthread_mutex_lock(&s->lock);
    s->jobs[s->given % MAX_SEALING] = (struct job){.cut = *cut, .dirfd = dirfd};
    s->given++;
    pthread_cond_signal(&s->come);
    pthread_mutex_unlock(&s->lock);
    *cut = (struct segment_cut){0};
}

bool sealer_take(struct sealer *s, bool wait, struct segment_cut *ret, int *ret_result,
                 struct error *err)
{
    pthread_mutex_lock(&s->lock);
    while (wait && s->taken == s->written && s->written != s->given)
        pthread_cond_wait(&s->gone, &s->lock);
    bool there = s->taken < s->written;
    if (there) {
        struct job *job = &s->jobs[s->taken++ % MAX_SEALING];
        *ret = job->cut;
        *ret_result = job->result;
        *err = job->err;
    }
    pthread_mutex_unlock(&s->lock);
    return there;
}

void sealer_stop(struct sealer *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->come);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->come);
    pthread_cond_destroy(&s->gone);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
