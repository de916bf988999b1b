// The recorder's parts: chunks in memory, what was watched, the files that are kept.
#pragma once

#include "record/io.h"

enum {
    DEFAULT_CHUNK_BYTES = 256 << 10,
    DEFAULT_MEMORY_BYTES = 4 << 20,
    MIN_CHUNKS = 4,
    MAX_CHUNKS = 4096,
    MAX_COVERED = 2 * BH_MAX_CONTAINERS, // intervals of coverage remembered
    MAX_SEGMENT_BYTES = 256 << 20,       // of one file
    MAX_SEGMENT_FILES = 1 << 20,         // of one shard
};

// What was watched of a container, from when to when (boot ns; to 0: still).
struct covered {
    uint32_t container;
    uint8_t level;
    bool named; // since the last seal
    struct bh_kind_set kinds;
    uint64_t lost, from, to;
};
struct coverage {
    struct covered *rows; // MAX_COVERED
    size_t n;
    uint64_t overflowed; // changes that did not fit: the file says that its list is not complete
};
void coverage_set(struct coverage *c, uint32_t container, const struct bh_kind_set *kinds,
                  uint8_t level, uint64_t lost, uint64_t now);
// Containers that were not named since the last time are gone.
void coverage_turn(struct coverage *c, uint64_t now);
// Forgets what ended before `oldest`.
void coverage_forget(struct coverage *c, uint64_t oldest);
void coverage_json(struct json *j, const struct coverage *c, uint64_t first, uint64_t last);

struct kept_file {
    uint64_t segment, bytes;
};
struct kept {
    struct kept_file *files; // by segment
    size_t n, room;
    uint64_t bytes;
};
// Finds this shard's files; removes unfinished ones. *ret_next: a number that no file has or had.
int kept_scan(struct kept *k, int dirfd, unsigned shard, uint64_t *ret_next);
int kept_add(struct kept *k, uint64_t segment, uint64_t bytes);
// Drops the oldest until the rest fits. The newest always stays.
int kept_retain(struct kept *k, int dirfd, unsigned shard, uint64_t max_bytes);

void segment_file_name(char out[64], unsigned shard, uint64_t segment);
bool segment_file_parse(const char *name, unsigned *ret_shard, uint64_t *ret_segment);
