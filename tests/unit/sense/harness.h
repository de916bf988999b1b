// What the live tests of sense share: an opened sense, records collected, a condition waited for
// with a deadline.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sense/sense.h"

struct collected {
    const struct bh_rec **recs;
    size_t n, cap;
};
struct live {
    struct host *host;
    struct sense *sense;
    unsigned shards;
    struct collected got;
};

// Opens sense for these kinds (0 ends the list) of host and containers alike. Skips the test where
// the kernel doesn't let us, with the reason.
struct live *live_open(unsigned shards, uint64_t ring_bytes, uint64_t budget,
                       const uint16_t *kinds);
void live_close(struct live *l);
int live_take(void *ctx, const struct bh_rec *rec); // ctx: struct live
void live_clear(struct live *l);

typedef bool (*live_match)(const struct bh_rec *rec, const void *arg);
// Drains until a record matches or the deadline passes (5 s): the record, or NULL.
const struct bh_rec *live_wait(struct live *l, live_match match, const void *arg);
size_t live_count(const struct live *l, live_match match, const void *arg);
void live_settle(struct live *l); // drains until the rings stay empty

// A child that runs f(arg) and ends with its result; returns its pid.
pid_t live_spawn(int (*f)(void *arg), void *arg);
int live_reap(pid_t pid); // wait status
void live_write(const char *path, const char *text);
