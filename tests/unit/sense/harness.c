// See harness.h.
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#define WAIT_NS (5 * NSEC_PER_SEC)

struct live *live_open(unsigned shards, uint64_t ring_bytes, uint64_t budget, const uint16_t *kinds)
{
    struct live *l = calloc(1, sizeof(*l));
    struct error err = {0};
    assert_non_null(l);
    l->shards = shards;
    struct sense_options o = {.shards = shards,
                              .ring_critical_bytes = ring_bytes,
                              .ring_bulk_bytes = ring_bytes,
                              .budget_critical = budget,
                              .budget_bulk = budget};
    interest_base(&o.interest);
    for (size_t i = 0; kinds && kinds[i]; i++) {
        kind_set_add(&o.interest.host, kinds[i]);
        kind_set_add(&o.interest.containers, kinds[i]);
    }
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    assert_int_equal(host_open("/", &l->host, &err), 0);
    o.host = l->host;
    int r = sense_open(&o, &l->sense, &err);
    if (r == -EPERM || r == -ENOSYS) {
        print_message("skipped: this kernel doesn't take BPF programs from us: %s\n", err.message);
        skip();
    }
    if (r < 0)
        fail_msg("sense_open: %s", err.message);
    return l;
}

void live_clear(struct live *l)
{
    for (size_t i = 0; i < l->got.n; i++)
        free((void *)l->got.recs[i]);
    l->got.n = 0;
}

void live_close(struct live *l)
{
    live_clear(l);
    free(l->got.recs);
    sense_close(l->sense);
    host_close(l->host);
    free(l);
}

int live_take(void *ctx, const struct bh_rec *rec)
{
    struct live *l = ctx;
    assert_int_equal(rec_check(rec, rec->size), 0);
    if (l->got.n == l->got.cap) {
        l->got.cap = l->got.cap ? 2 * l->got.cap : 1024;
        l->got.recs = realloc(l->got.recs, l->got.cap * sizeof(*l->got.recs));
        assert_non_null(l->got.recs);
    }
    struct bh_rec *copy = malloc(rec->size);
    assert_non_null(copy);
    memcpy(copy, rec, rec->size);
    l->got.recs[l->got.n++] = copy;
    return 0;
}

static int drain_all(struct live *l)
{
    int total = 0;
    for (unsigned shard = 0; shard < l->shards; shard++) {
        int r = sense_drain(l->sense, shard, 4096, live_take, l);
        assert_true(r >= 0);
        total += r;
    }
    return total;
}

const struct bh_rec *live_wait(struct live *l, live_match match, const void *arg)
{
    uint64_t end = host_boot_now().ns + WAIT_NS;
    size_t seen = 0;
    for (;;) {
        int r = drain_all(l);
        for (; seen < l->got.n; seen++)
            if (match(l->got.recs[seen], arg))
                return l->got.recs[seen];
        if (host_boot_now().ns > end)
            return NULL;
        if (r == 0) {
            struct pollfd p = {.fd = sense_fd(l->sense, 0), .events = POLLIN};
            if (sense_park(l->sense))
                poll(&p, 1, 10);
        }
    }
}

size_t live_count(const struct live *l, live_match match, const void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < l->got.n; i++)
        n += match(l->got.recs[i], arg);
    return n;
}

void live_settle(struct live *l)
{
    // A gap is reported once it is old enough and the tail once it stood still: a few looks, some
    // time apart.
    for (int quiet = 0; quiet < 4; quiet++) {
        while (drain_all(l) > 0)
            ;
        struct pollfd none = {.fd = -1};
        poll(&none, 1, 110);
    }
}

pid_t live_spawn(int (*f)(void *arg), void *arg)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(f(arg));
    return pid;
}

int live_reap(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

void live_write(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}
