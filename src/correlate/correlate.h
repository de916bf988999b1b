// correlate: findings → incidents. A finding joins the incident of its lineage, of an ancestor that
// a finding was about, or of who wrote (or, from outside any image, ran) the file that it is about;
// else it begins one. Where several of these hold, the oldest incident takes in the others, which
// are closed with merged_into set. Pure.
#pragma once

#include "base/base.h"
#include "model/model.h"

struct correlate;
struct correlate_limits {
    size_t max_incidents; // default 1024 open; the oldest quiet one is closed first
    size_t max_timeline;  // entries kept per incident, default 256
    uint64_t quiet_ns;    // an incident with nothing new for so long is closed, default 1 h
};
struct correlate *correlate_new(const struct correlate_limits *l);
void correlate_free(struct correlate *c);
typedef void (*correlate_emit)(void *ctx, const struct incident *i); // good until the next call
void correlate_finding(struct correlate *c, const struct finding *f, correlate_emit emit,
                       void *ctx);
// A file was opened for writing (by whomever; need not be a finding): kept, bounded, so that a
// finding elsewhere on the same file can be joined to the lineage that wrote it.
struct correlate_write {
    uint64_t lineage, dev, ino;
    uint32_t container;
    struct boot_ns time;
    struct str path;
};
void correlate_note_write(struct correlate *c, const struct correlate_write *w);
void correlate_tick(struct correlate *c, uint64_t now, correlate_emit emit, void *ctx);
// A person's word: "confirm", "dismiss", "close", "reopen". -ENOENT, -EINVAL.
int correlate_word(struct correlate *c, uint64_t number, struct str word, correlate_emit emit,
                   void *ctx, struct error *err);
const struct incident *correlate_incident(const struct correlate *c, uint64_t number);
int correlate_each(const struct correlate *c, int (*f)(void *ctx, const struct incident *i),
                   void *ctx);
