// What leaves the line, as files of JSON lines and on standard output; and captures of what goes
// in. Shared by live runs and replay: the same bytes come out of both.
#pragma once

#include "agent/line.h"
#include "output/output.h"

// findings.jsonl, incidents.jsonl, decisions.jsonl, rows.jsonl in a folder.
struct streams;
int streams_open(const char *dir, struct streams **ret, struct error *err);
int streams_close(struct streams *s,
                  struct error *err); // flushes; says if anything could not be written
void streams_closep(struct streams **s);
void streams_finding(struct streams *s, const struct finding *f);
void streams_incident(struct streams *s, const struct incident *i);
void streams_decision(struct streams *s, const struct decision *d);
void streams_row(struct streams *s, const struct row *r, enum row_change change, uint64_t time);
void streams_flush(struct streams *s);

// Lines to a descriptor that may be slow: never waits, drops whole lines past MAX_PENDING_BYTES and
// counts them.
enum { MAX_PENDING_BYTES = 4 << 20 };
struct lines_out {
    int fd;
    struct buf pending;
    uint64_t dropped;
    bool waits; // replay: no line is dropped, writing waits
    int error;  // negative errno of a write that can't work any more
};
void lines_out_add(struct lines_out *o, struct str line);
void lines_out_flush(struct lines_out *o);
void lines_out_done(struct lines_out *o); // waits up to a second for a slow reader

// A capture file: a segment with every input of a run.
struct capture;
int capture_open(const char *path, const struct segment_info *info, struct capture **ret,
                 struct error *err);
void capture_add(struct capture *c, const void *records, size_t bytes);
int capture_close(struct capture *c, struct error *err); // writes the foot, makes it durable
uint64_t capture_records(const struct capture *c);
