// The recorder: a ring of chunks in memory. Taking a record is one copy; what is worth keeping is
// cut from the ring into files. One recorder a shard, used by that shard's thread.
#include "record/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>

struct chunk {
    uint64_t number; // 0: never used
    size_t used;
    uint64_t records, first, last;
    uint64_t position; // of its first record among all that were taken
    bool kept, sealed, full;
    bool cut; // its bytes are on their way to a file
};

struct recorder {
    int dirfd;
    unsigned shard;
    size_t chunk_bytes;
    uint64_t store_bytes;
    const struct record_io *io;
    struct segment_info info;
    struct buf host, boot, extra; // info's strings

    uint8_t *memory;
    struct chunk *chunks;
    size_t chunks_n, at;
    size_t waiting; // kept and not sealed yet
    uint64_t next, taken, latest;
    uint64_t lost_kept; // chunks that were worth keeping and were overwritten before they could be
                        // sealed
    struct coverage coverage;
    struct kept kept;
};

static void recorder_closep(struct recorder **r)
{
    recorder_close(*r);
}

int recorder_open(const struct recorder_options *o, struct recorder **ret, struct error *err)
{
    if (sodium_init() < 0)
        return error_set(err, -EIO, "cannot start libsodium");
    uint64_t chunk = o->chunk_bytes ? o->chunk_bytes : DEFAULT_CHUNK_BYTES;
    uint64_t memory = o->memory_bytes ? o->memory_bytes : DEFAULT_MEMORY_BYTES;
    if (chunk < BH_REC_MAX || chunk > MAX_SEGMENT_BYTES / 2 || chunk % 8)
        return error_set(err, -EINVAL,
                         "a segment of %llu bytes: from %d bytes to %d MiB, a multiple of 8",
                         (unsigned long long)chunk, BH_REC_MAX, MAX_SEGMENT_BYTES >> 21);
    _cleanup_(recorder_closep) struct recorder *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, -ENOMEM, "no memory for the recorder");
    r->chunks_n = (size_t)MIN(MAX(memory / chunk, (uint64_t)MIN_CHUNKS), (uint64_t)MAX_CHUNKS);
    r->chunk_bytes = (size_t)chunk;
    r->shard = o->shard;
    r->store_bytes = o->store_bytes;
    r->io = o->io;
    r->dirfd = openat(o->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dirfd < 0)
        return error_set(err, -errno, "cannot open the segments' folder: %s", strerror(errno));
    r->memory = aligned_alloc(64, (r->chunks_n * r->chunk_bytes + 63) & ~(size_t)63);
    r->chunks = calloc(r->chunks_n, sizeof(*r->chunks));
    r->coverage.rows = calloc(MAX_COVERED, sizeof(*r->coverage.rows));
    buf_str(&r->host, o->info.host);
    buf_str(&r->boot, o->info.boot);
    buf_str(&r->extra, o->info.extra);
    if (!r->memory || !r->chunks || !r->coverage.rows || r->host.failed || r->boot.failed ||
        r->extra.failed)
        return error_set(err, -ENOMEM, "no memory for the recorder: %zu chunks of %zu bytes",
                         r->chunks_n, r->chunk_bytes);
    r->info = o->info;
    r->info.host = buf_view(&r->host);
    r->info.boot = buf_view(&r->boot);
    r->info.extra = buf_view(&r->extra);
    int e = kept_scan(&r->kept, r->dirfd, r->shard, &r->next);
    if (e < 0)
        return error_set(err, e, "cannot read the segments' folder: %s", strerror(-e));
    r->chunks[0].full = true; // the first record begins a chunk
    *ret = TAKE_PTR(r);
    return 0;
}

void recorder_close(struct recorder *r)
{
    if (!r)
        return;
    if (r->dirfd >= 0)
        close(r->dirfd);
    buf_done(&r->host);
    buf_done(&r->boot);
    buf_done(&r->extra);
    free(r->memory);
    free(r->chunks);
    free(r->coverage.rows);
    free(r->kept.files);
    free(r);
}

// The next chunk to write into. What waits for its file is stepped over, as long as half of the
// ring is left.
static struct chunk *begin(struct recorder *r, uint64_t time)
{
    size_t at = r->at;
    for (size_t i = 0; i < r->chunks_n; i++) {
        at = (at + 1) % r->chunks_n;
        struct chunk *c = &r->chunks[at];
        if (!c->kept || c->sealed || r->waiting > r->chunks_n / 2)
            break;
    }
    r->at = at;
    struct chunk *c = &r->chunks[at];
    if (c->kept && !c->sealed) {
        r->lost_kept += !c->cut; // its bytes are elsewhere by then
        r->waiting--;
    }
    *c = (struct chunk){.number = r->next++, .first = time, .last = time, .position = r->taken};
    return c;
}

int recorder_take(struct recorder *r, const struct bh_rec *rec, const struct bh_rec **ret,
                  uint64_t *ret_segment, uint64_t *ret_offset)
{
    struct chunk *c = &r->chunks[r->at];
    r->taken++;
    if (rec->size > r->chunk_bytes || rec_check(rec, rec->size) < 0) {
        c->full = true; // positions in a chunk have no gap
        return rec->size > r->chunk_bytes ? -EMSGSIZE : -EBADMSG;
    }
    if (c->full || r->chunk_bytes - c->used < rec->size) {
        c->full = true;
        c = begin(r, rec->time);
    }
    uint8_t *to = r->memory + r->at * r->chunk_bytes + c->used;
    memcpy(to, rec, rec->size);
    *ret = (const struct bh_rec *)to;
    *ret_segment = c->number;
    *ret_offset = c->used;
    c->used += rec->size;
    c->records++;
    c->first = MIN(c->first, rec->time);
    c->last = MAX(c->last, rec->time);
    r->latest = MAX(r->latest, rec->time);
    return 0;
}

static struct chunk *find(struct recorder *r, uint64_t segment)
{
    for (size_t i = 0; i < r->chunks_n; i++)
        if (r->chunks[i].number == segment && segment)
            return &r->chunks[i];
    return NULL;
}

void recorder_keep(struct recorder *r, uint64_t segment)
{
    struct chunk *c = find(r, segment);
    if (!c || c->kept)
        return;
    c->kept = true;
    r->waiting++;
}

const struct bh_rec *recorder_find(struct recorder *r, uint64_t segment, uint64_t offset)
{
    const struct chunk *c = find(r, segment);
    if (!c)
        return NULL;
    const uint8_t *bytes = r->memory + (size_t)(c - r->chunks) * r->chunk_bytes;
    for (size_t at = 0; at < c->used && at <= offset;
         at += ((const struct bh_rec *)(bytes + at))->size)
        if (at == offset)
            return (const struct bh_rec *)(bytes + at);
    return NULL;
}

void recorder_coverage(struct recorder *r, uint32_t container, const struct bh_kind_set *kinds,
                       uint8_t level, uint64_t lost)
{
    coverage_set(&r->coverage, container, kinds, level, lost, r->latest);
}

static void cut_done(struct segment_cut *cut)
{
    buf_done(&cut->bytes);
    buf_done(&cut->coverage);
    *cut = (struct segment_cut){0};
}

static int cut_chunk(struct recorder *r, struct chunk *c, struct segment_cut *cut)
{
    *cut = (struct segment_cut){.sealed = {.segment = c->number,
                                           .shard = r->shard,
                                           .records = c->records,
                                           .first = c->first,
                                           .last = c->last}};
    segment_file_name(cut->sealed.name, r->shard, c->number);
    struct json j = json_on(&cut->coverage);
    json_object(&j);
    json_ku64(&j, "shard", r->shard);
    json_ku64(&j, "segment", c->number);
    json_ku64(&j, "position", c->position);
    json_ku64(&j, "first", c->first);
    json_ku64(&j, "last", c->last);
    json_ku64(&j, "lost_kept", r->lost_kept);
    coverage_json(&j, &r->coverage, c->first, c->last);
    json_object_end(&j);
    segment_head(&cut->bytes, &r->info);
    buf_add(&cut->bytes, r->memory + (size_t)(c - r->chunks) * r->chunk_bytes, c->used);
    if (!cut->bytes.failed && !cut->coverage.failed)
        return 0;
    cut_done(cut);
    return -ENOMEM;
}

int segment_cut_write(struct segment_cut *cut, const struct record_io *io, int dirfd,
                      struct error *err)
{
    struct sealed_segment *s = &cut->sealed;
    size_t records_end = cut->bytes.len;
    uint8_t hash[32];
    crypto_hash_sha256(hash, (const uint8_t *)cut->bytes.ptr, cut->bytes.len);
    segment_foot(&cut->bytes, s->records, hash, buf_view(&cut->coverage));
    if (cut->bytes.failed)
        return error_set(err, -ENOMEM, "no memory to seal a segment");
    crypto_hash_sha256(s->sha256, (const uint8_t *)cut->bytes.ptr, cut->bytes.len);
    s->bytes = cut->bytes.len;
    s->coverage = buf_view(&cut->coverage);
    int e = io_replace(io, dirfd, s->name, buf_view(&cut->bytes), 0640, NULL);
    cut->bytes.len = e < 0 ? records_end : cut->bytes.len; // it may be written again
    return e < 0 ? io_error(err, e, "write the segment", s->name) : 0;
}

// The waiting chunk with the lowest number.
static struct chunk *next_waiting(struct recorder *r, uint64_t now, uint64_t age_ns)
{
    struct chunk *best = NULL;
    for (size_t i = 0; i < r->chunks_n; i++) {
        struct chunk *c = &r->chunks[i];
        if (c->kept && !c->sealed && !c->cut && c->used &&
            (c->full || age_ns == 0 || (now > c->first && now - c->first >= age_ns)) &&
            (!best || c->number < best->number))
            best = c;
    }
    return best;
}

int recorder_cut(struct recorder *r, uint64_t now, uint64_t age_ns, struct segment_cut *ret)
{
    struct chunk *c = next_waiting(r, now, age_ns);
    if (!c)
        return 0;
    c->full = true; // what comes from here on goes to another
    int e = cut_chunk(r, c, ret);
    if (e < 0)
        return e;
    c->cut = true;
    return 1;
}

int recorder_done(struct recorder *r, struct segment_cut *cut, int result, struct error *err)
{
    struct chunk *c = find(r, cut->sealed.segment);
    int e = 0;
    if (result == 0) {
        e = kept_add(&r->kept, cut->sealed.segment, cut->sealed.bytes);
        if (e < 0)
            error_set(err, e, "too many segment files, or no memory for their list");
        if (r->store_bytes && r->kept.n) {
            int k = kept_retain(&r->kept, r->dirfd, r->shard, r->store_bytes);
            if (k < 0 && e == 0)
                e = error_set(err, k, "cannot drop the oldest segment: %s", strerror(-k));
        }
    }
    if (c && c->cut) {
        c->cut = false;
        if (result == 0) {
            c->sealed = true;
            r->waiting--;
        }
    }
    cut_done(cut);
    return e;
}

int recorder_dirfd(const struct recorder *r)
{
    return r->dirfd;
}

void recorder_turn(struct recorder *r)
{
    coverage_turn(&r->coverage, r->latest);
}

void recorder_forget(struct recorder *r)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < r->chunks_n; i++)
        if (r->chunks[i].number)
            oldest = MIN(oldest, r->chunks[i].first);
    coverage_forget(&r->coverage, oldest);
}

int recorder_seal(struct recorder *r, uint64_t now, uint64_t age_ns,
                  void (*sealed)(void *ctx, const struct sealed_segment *s), void *ctx,
                  struct error *err)
{
    int e = 0;
    recorder_turn(r);
    for (struct segment_cut cut; e == 0;) {
        int n = recorder_cut(r, now, age_ns, &cut);
        if (n < 0)
            e = error_set(err, n, "no memory to seal a segment");
        if (n <= 0)
            break;
        e = segment_cut_write(&cut, r->io, r->dirfd, err);
        int written = e;
        struct error late = {0};
        if (written == 0 && sealed)
            sealed(ctx, &cut.sealed);
        int d = recorder_done(r, &cut, written, &late);
        if (d < 0 && e == 0) {
            e = d;
            error_set(err, d, "%s", late.message);
        }
    }
    recorder_forget(r);
    return e;
}
