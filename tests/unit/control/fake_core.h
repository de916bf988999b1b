// A core for the tests of the API: a thread that takes requests and answers them, in a folder of
// its own.
#pragma once

#include "control/control.h"

#include <pthread.h>
#include <stdatomic.h>

#include <setjmp.h>

#include <cmocka.h>

enum { FAKE_LINES = 20000, FAKE_LINE_BYTES = 200 };

struct fake {
    char folder[64], path[96];
    struct control *control;
    pthread_t thread;
    pid_t api; // the API process
    int wake;  // eventfd: stop
    _Atomic uint64_t taken, left, streams, refused_lines;
    _Atomic int broke; // what control_take said at the end
    _Atomic bool stopped;
};

// /v1/status → {"ok":true}; /v1/ps → a reply of 4 MiB; /v1/rows → one that is too large; /v1/why →
// what and who asked; /v1/incidents/N/WORD → both; /v1/reload → no answer; /v1/stop → an answer,
// and the core ends right behind it; /v1/events?filter=bad → 400, =count → FAKE_LINES numbered
// lines as fast as they can be sent, else nothing.
void fake_start(struct fake *f, unsigned head_ms);
void fake_stop(struct fake *f);

struct reply {
    int status;
    size_t lines;
    bool begun;
    struct buf text;   // the last line, or the whole reply
    size_t stop_after; // leave the stream after so many lines; 0: never
};
void reply_done(struct reply *r);
// Asks over the socket. r->status is what control_call returned.
void ask(const struct fake *f, const char *method, const char *path, struct reply *r);
// A raw connection; and all that comes back on it until its end or `ms` passed, as text.
int raw_connect(const struct fake *f);
void raw_read(int fd, struct buf *out, int ms);
// Waits until *what reaches n; fails the test after 5 s.
void wait_for(_Atomic uint64_t *what, uint64_t n);
