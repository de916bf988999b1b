// Makes records as the kernel's side would and feeds them to identify.
#pragma once

#include "identify/identify.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HOST_MNT = 100, NOTICES_MAX = 64 };

struct feed {
    struct identify *i;
    struct event event; // of the last step
    int result;
    struct {
        enum notice_kind kind;
        uint32_t container;
        uint64_t cgroup;
        char text[160];
    } notices[NOTICES_MAX]; // of the last step
    unsigned n;
};

// Who does something: a record's header.
struct who {
    uint32_t tgid;
    uint64_t start, exec;
    uint32_t container;
    uint64_t cgroup;
};

void feed_init(struct feed *f, const struct identify_limits *l);
void feed_done(struct feed *f);
// Was there such a notice in the last step? container ~0: any.
bool noticed(const struct feed *f, enum notice_kind kind, uint32_t container);

struct bh_rec rec_of(uint16_t kind, struct who w, uint64_t time);
void feed_raw(struct feed *f, struct bh_rec head, const void *fixed, size_t size, struct str tail);
struct exec_of {
    const char *path, *cwd, *comm;
    struct str args;
    uint32_t mnt, ppid, vpid;
    uint64_t parent_start, ino;
    uint32_t file_flags;
    struct bh_nses nses; // mnt is the one above
};
void feed_exec(struct feed *f, uint16_t kind, struct who w, uint64_t time, struct exec_of x);
void feed_fork(struct feed *f, struct who parent, uint64_t time, struct who child);
void feed_exit(struct feed *f, struct who w, uint64_t time);
void feed_open(struct feed *f, struct who w, uint64_t time);
void feed_cgroup(struct feed *f, uint16_t kind, struct who w, uint64_t time, struct bh_cgroup c,
                 const char *path, const char *cwd);
void feed_text(struct feed *f, uint16_t kind, uint32_t container, uint64_t time, const char *text);
