// worker: the sandboxed process that parses strangers' bytes. It gets descriptors, never paths; it
// has no capability, a seccomp filter, an empty root. A crash costs one fact: it is started again
// and the request that killed it is answered with a problem.
#pragma once

#include "base/base.h"
#include "model/model.h"

struct worker;
enum worker_job {
    WORKER_BUNDLE = 1 /* OCI config.json */,
    WORKER_RUNTIME_STATE = 2 /* runc state.json, crun status */,
    WORKER_FEED = 3 /* a list of indicators: parts, then a summary */,
    WORKER_FILE_HASH = 4 /* an executed file's hashes */,
};
enum {
    MAX_BUNDLE_BYTES = 4 << 20,
    MAX_WORKER_REPLY = 256 << 10,
    MAX_FEED_BYTES = 32 << 20,
    MAX_FEED_INDICATORS = 250000, // of one file
    MAX_HASHED_BYTES = 64 << 20,
};

// Starts the process. The parent keeps a socket pair.
int worker_start(struct worker **ret, struct error *err);
// The same under another name (of at most 15 bytes), where there are several.
int worker_start_as(const char *name, struct worker **ret, struct error *err);
void worker_stop(struct worker *w);
int worker_fd(const struct worker *w); // poll for POLLIN
pid_t worker_pid(const struct worker *w);
// Sends a request; fd is duplicated and stays the caller's. tag comes back with the reply. -EAGAIN:
// queue full. args: a small JSON object that the reply is merged with (container number, id, bundle
// path, …).
int worker_submit(struct worker *w, enum worker_job job, uint64_t tag, struct str args, int fd);
// One reply, if there is: 1 and *ret_text (JSON, good until the next call), 0: none. A worker that
// died is started again here, and what it had taken is answered with {"problem":"…"}. tick: also
// call when time passed, to end requests that take longer than deadline_ms (default 2000). 2: a
// part of an answer (WORKER_FEED: packed indicators), more follows for the same tag.
int worker_take(struct worker *w, uint64_t *ret_tag, struct str *ret_text, struct error *err);
struct worker_stats {
    uint64_t requests, replies, crashes, timeouts, refused;
};
void worker_stats(const struct worker *w, struct worker_stats *ret);

// The parsers themselves (also fuzz targets). Bytes → facts JSON appended to out; a problem is a
// fact too.
void worker_parse_bundle(struct str bytes, struct str args, struct buf *out);
void worker_parse_state(struct str bytes, struct str args, struct buf *out);
// A feed's file → packed indicators, handed on in parts of at most MAX_WORKER_REPLY bytes, then a
// summary in JSON appended to out (docs/formats/feed.md). args: format, columns, confidence, until.
// part returns false to end it.
typedef bool (*worker_part)(void *ctx, struct str bytes);
void worker_parse_feed(struct str bytes, struct str args, worker_part part, void *ctx,
                       struct buf *out);
// A STIX pattern's indicators into *ret, at most max. How many, or -EINVAL with what is not
// supported or wrong in *ret_why (a constant). Values lie in *arena. Parts of it that say nothing
// that is used here are left out, with one of them in *ret_why.
int worker_parse_pattern(struct str pattern, struct arena *arena, struct indicator *ret, size_t max,
                         const char **ret_why);
