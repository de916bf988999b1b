// The recorder: what is taken comes back, what is kept is sealed with its coverage and found as
// evidence, what is not kept leaves no file, the oldest files go first, and a full disk loses
// nothing.
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <sys/stat.h>

enum { CHUNK = 16384, RECORDS_A_CHUNK = CHUNK / 80 }; // a tick record is 80 bytes

static struct recorder *open_with(struct scratch *s, uint64_t store_bytes,
                                  const struct record_io *io)
{
    struct recorder_options o = {
        .dirfd = s->fd,
        .shard = 1,
        .chunk_bytes = CHUNK,
        .memory_bytes = 8 * CHUNK,
        .store_bytes = store_bytes,
        .info = {.host = STR("h"),
                 .boot = STR("boot-1"),
                 .wall_minus_boot = 1,
                 .shards = 2,
                 .abi = BH_ABI_VERSION},
        .io = io,
    };
    struct recorder *r;
    struct error err = {0};
    if (recorder_open(&o, &r, &err) < 0)
        fail_msg("%s", err.message);
    return r;
}

// One record at `time`.
static const struct bh_rec *take(struct recorder *r, uint64_t time, uint64_t *segment,
                                 uint64_t *offset)
{
    _cleanup_buf_ struct buf b = {0};
    struct bh_tick tick = {.wall = time};
    const struct bh_rec *ret;
    rec_make(&b, BH_TICK, time, 3, &tick, sizeof(tick));
    assert_int_equal(recorder_take(r, (void *)b.ptr, &ret, segment, offset), 0);
    assert_memory_equal(ret, b.ptr, b.len);
    assert_ptr_not_equal(ret, b.ptr);
    return ret;
}

struct seen {
    unsigned n;
    struct sealed_segment last;
    char coverage[8192];
};
static void on_sealed(void *ctx, const struct sealed_segment *s)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->last = *s;
    snprintf(seen->coverage, sizeof(seen->coverage), STR_FMT, STR_ARG(s->coverage));
}

static unsigned seal(struct recorder *r, uint64_t now, uint64_t age, struct seen *seen)
{
    struct error err = {0};
    seen->n = 0;
    if (recorder_seal(r, now, age, on_sealed, seen, &err) < 0)
        fail_msg("%s", err.message);
    return seen->n;
}

static unsigned files_in(struct scratch *s)
{
    unsigned n = 0;
    DIR *d = opendir(s->path);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void what_is_kept_is_sealed_and_found(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    struct seen seen = {0};
    struct bh_kind_set kinds = {{1ULL << BH_EXEC | 1ULL << BH_OPEN, 0}};
    uint64_t segment, offset, cited_segment = 0, cited_offset = 0;
    recorder_coverage(r, 3, &kinds, 2, 0);
    for (uint64_t t = 1; t <= 3 * RECORDS_A_CHUNK; t++) {
        take(r, 1000 + t, &segment, &offset);
        if (t == RECORDS_A_CHUNK + 7) {
            cited_segment = segment;
            cited_offset = offset;
            recorder_keep(r, segment);
            recorder_keep(r, segment); // twice is once
        }
    }
    recorder_coverage(r, 3, &kinds, 2, 11);
    assert_int_equal(seal(r, 99999, 0, &seen), 1);
    assert_int_equal(seen.last.segment, cited_segment);
    assert_int_equal(seen.last.shard, 1);
    assert_int_equal(seen.last.records, RECORDS_A_CHUNK);
    assert_int_equal(seen.last.first, 1000 + RECORDS_A_CHUNK + 1);
    assert_int_equal(seen.last.last, 1000 + 2 * RECORDS_A_CHUNK);
    assert_int_equal(files_in(s), 1); // the others were never claimed
    // the file's hash is what goes into the ledger
    _cleanup_buf_ struct buf file = {0}, rec = {0};
    uint8_t hash[32];
    scratch_read(s->fd, seen.last.name, &file);
    crypto_hash_sha256(hash, (uint8_t *)file.ptr, file.len);
    assert_memory_equal(hash, seen.last.sha256, 32);
    assert_int_equal(file.len, seen.last.bytes);
    // coverage: what was watched of container 3 in this time
    json_t *cover = json_loads(seen.coverage, 0, NULL), *row;
    row = json_array_get(json_object_get(cover, "containers"), 0);
    assert_int_equal(json_integer_value(json_object_get(row, "container")), 3);
    assert_int_equal(json_integer_value(json_object_get(row, "level")), 2);
    assert_int_equal(json_integer_value(json_object_get(row, "lost")), 11);
    assert_int_equal(json_integer_value(json_object_get(row, "from")), seen.last.first);
    assert_int_equal(json_integer_value(json_object_get(row, "to")), seen.last.last);
    assert_string_equal(json_string_value(json_object_get(row, "kinds")) + 16, "0000000000010002");
    assert_true(json_is_true(json_object_get(cover, "complete")));
    json_decref(cover);
    // by citation, and by position and time
    assert_int_equal(store_find(s->fd, 1, cited_segment, cited_offset, &rec, NULL), 0);
    assert_int_equal(((struct bh_rec *)rec.ptr)->time, 1000 + RECORDS_A_CHUNK + 7);
    buf_reset(&rec);
    assert_int_equal(store_find_position(s->fd, 1, RECORDS_A_CHUNK + 7,
                                         (struct boot_ns){1000 + RECORDS_A_CHUNK + 7},
                                         STR("boot-1"), &rec, NULL),
                     0);
    assert_int_equal(((struct bh_rec *)rec.ptr)->time, 1000 + RECORDS_A_CHUNK + 7);
    assert_int_equal(store_find_position(s->fd, 1, RECORDS_A_CHUNK + 7,
                                         (struct boot_ns){1000 + RECORDS_A_CHUNK + 7},
                                         STR("boot-2"), &rec, NULL),
                     -ENOENT);
    assert_int_equal(store_find(s->fd, 1, cited_segment, cited_offset + 8, &rec, NULL), -ENOENT);
    assert_int_equal(store_find(s->fd, 1, cited_segment + 1, 0, &rec, NULL), -ENOENT);
    assert_int_equal(store_find(s->fd, 0, cited_segment, cited_offset, &rec, NULL), -ENOENT);
    // a damaged file is said to be, never read as if it were whole
    file.ptr[file.len / 2] ^= 1;
    scratch_write(s->fd, seen.last.name, buf_view(&file));
    assert_int_equal(store_find(s->fd, 1, cited_segment, cited_offset, &rec, NULL), -EBADMSG);
    recorder_close(r);
}

static void memory_answers_until_it_is_overwritten(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    uint64_t first, offset, segment, other;
    take(r, 5, &first, &offset);
    take(r, 6, &segment, &other);
    assert_int_equal(recorder_find(r, first, offset)->time, 5);
    assert_int_equal(recorder_find(r, segment, other)->time, 6);
    assert_null(recorder_find(r, segment, other + 8));
    for (unsigned i = 0; i < 9 * RECORDS_A_CHUNK; i++)
        take(r, 7 + i, &segment, &other);
    assert_null(recorder_find(r, first, offset));
    recorder_keep(r, first); // too late: nothing happens
    struct seen seen = {0};
    assert_int_equal(seal(r, UINT64_MAX, 0, &seen), 0);
    recorder_close(r);
}

static void what_waits_for_its_file_is_not_overwritten(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    struct seen seen = {0};
    uint64_t kept, offset, segment, other;
    take(r, 5, &kept, &offset);
    recorder_keep(r, kept);
    for (unsigned i = 0; i < 40 * RECORDS_A_CHUNK; i++)
        take(r, 6 + i, &segment, &other);
    assert_int_equal(recorder_find(r, kept, offset)->time, 5);
    assert_int_equal(seal(r, UINT64_MAX, 0, &seen), 1);
    assert_int_equal(seen.last.segment, kept);
    recorder_close(r);
}

static void an_open_chunk_is_sealed_when_it_is_old(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    struct seen seen = {0};
    uint64_t kept, segment, offset;
    take(r, 1000, &kept, &offset);
    recorder_keep(r, kept);
    assert_int_equal(seal(r, 1500, 1000, &seen), 0);
    assert_int_equal(seal(r, 2000, 1000, &seen), 1);
    assert_int_equal(seal(r, 9000, 1000, &seen), 0); // once
    take(r, 3000, &segment, &offset);
    assert_int_not_equal(segment, kept); // a sealed file doesn't grow
    recorder_close(r);
    // and the numbers go on after a restart
    r = open_with(s, 0, NULL);
    take(r, 4000, &segment, &offset);
    assert_true(segment > kept);
    recorder_close(r);
}

static void the_oldest_files_go_first(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 4 * (CHUNK + 8192), NULL);
    struct seen seen = {0};
    uint64_t segment, offset;
    scratch_write(s->fd, "1-000000000900.bhseg.tmp", STR("killed while writing"));
    scratch_write(s->fd, "0-000000000001.bhseg", STR("another shard's"));
    recorder_close(r);
    r = open_with(s, 4 * (CHUNK + 8192), NULL);
    assert_int_equal(files_in(s), 1);
    uint64_t last = 0;
    for (unsigned i = 0; i < 20 * RECORDS_A_CHUNK; i++) {
        take(r, 10 + i, &segment, &offset);
        recorder_keep(r, segment);
        if (segment != last)
            seal(r, 10 + i, 1 << 30, &seen);
        last = segment;
    }
    assert_in_range(files_in(s), 4, 6);
    _cleanup_buf_ struct buf rec = {0};
    assert_int_equal(store_find(s->fd, 1, 1, 0, &rec, NULL), -ENOENT);
    assert_int_equal(store_find(s->fd, 1, last - 1, 0, &rec, NULL), 0);
    recorder_close(r);
}

static void what_cannot_be_recorded_says_so(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    uint64_t segment, offset;
    const struct bh_rec *ret;
    _cleanup_buf_ struct buf big = {0}, text = {0};
    while (text.len < CHUNK)
        buf_text(&text, "0123456789");
    rec_make_text(&big, BH_GENERATION, 1, 0, 1, buf_view(&text));
    assert_int_equal(recorder_take(r, (void *)big.ptr, &ret, &segment, &offset), -EMSGSIZE);
    take(r, 2, &segment, &offset);
    struct bh_rec bad = {.kind = BH_TICK, .size = sizeof(bad), .version = BH_ABI_VERSION};
    assert_int_equal(recorder_take(r, &bad, &ret, &segment, &offset), -EBADMSG);
    take(r, 3, &segment, &offset);
    recorder_keep(r, segment);
    struct seen seen = {0};
    assert_int_equal(seal(r, 9, 0, &seen), 1);
    // positions count what was offered: the fourth
    _cleanup_buf_ struct buf rec = {0};
    assert_int_equal(store_find_position(s->fd, 1, 4, (struct boot_ns){3}, STR_NULL, &rec, NULL),
                     0);
    recorder_close(r);
}

static void coverage_tells_changes_and_ends(void **state)
{
    struct scratch *s = *state;
    struct recorder *r = open_with(s, 0, NULL);
    struct seen seen = {0};
    struct bh_kind_set few = {{2, 0}}, many = {{6, 1}};
    uint64_t segment, offset;
    take(r, 100, &segment, &offset);
    recorder_coverage(r, 1, &few, 0, 0);
    recorder_coverage(r, 2, &few, 0, 0);
    assert_int_equal(seal(r, 0, 1 << 20, &seen), 0);
    take(r, 200, &segment, &offset);
    recorder_coverage(r, 1, &many, 1, 0); // 2 is gone
    assert_int_equal(seal(r, 0, 1 << 20, &seen), 0);
    take(r, 300, &segment, &offset);
    recorder_coverage(r, 1, &many, 1, 0);
    recorder_keep(r, segment);
    assert_int_equal(seal(r, 0, 0, &seen), 1);
    assert_non_null(
        strstr(seen.coverage,
               "{\"container\":1,\"kinds\":\"00000000000000000000000000000002\",\"level\":0,"
               "\"lost\":0,\"from\":100,\"to\":200}"));
    assert_non_null(
        strstr(seen.coverage,
               "{\"container\":1,\"kinds\":\"00000000000000010000000000000006\",\"level\":1,"
               "\"lost\":0,\"from\":200,\"to\":300}"));
    assert_non_null(
        strstr(seen.coverage,
               "{\"container\":2,\"kinds\":\"00000000000000000000000000000002\",\"level\":0,"
               "\"lost\":0,\"from\":100,\"to\":200}"));
    recorder_close(r);
}

static bool full;
static ssize_t full_write(int fd, const void *bytes, size_t len)
{
    if (full) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, bytes, len);
}

static void a_full_disk_loses_nothing(void **state)
{
    struct scratch *s = *state;
    static const struct record_io io = {.write = full_write};
    struct recorder *r = open_with(s, 0, &io);
    struct seen seen = {0};
    struct error err = {0};
    uint64_t segment, offset;
    take(r, 5, &segment, &offset);
    recorder_keep(r, segment);
    full = true;
    assert_int_equal(recorder_seal(r, 9, 0, on_sealed, &seen, &err), -ENOSPC);
    assert_non_null(strstr(err.message, "No space left"));
    assert_int_equal(seen.n, 0);
    assert_int_equal(files_in(s), 0);
    full = false;
    assert_int_equal(seal(r, 9, 0, &seen), 1);
    _cleanup_buf_ struct buf rec = {0};
    assert_int_equal(store_find(s->fd, 1, segment, offset, &rec, NULL), 0);
    recorder_close(r);
}

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    scratch_make(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_kept_is_sealed_and_found),
        TEST(memory_answers_until_it_is_overwritten),
        TEST(what_waits_for_its_file_is_not_overwritten),
        TEST(an_open_chunk_is_sealed_when_it_is_old),
        TEST(the_oldest_files_go_first),
        TEST(what_cannot_be_recorded_says_so),
        TEST(coverage_tells_changes_and_ends),
        TEST(a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
