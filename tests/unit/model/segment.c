// The segment codec: what is written is read back, a cut file up to its last whole record, a newer
// writer's unknown kinds are stepped over, and a changed byte is noticed.
#include "model/model.h"

#include <errno.h>
#include <setjmp.h>
#include <sodium.h>

#include <cmocka.h>

static const struct segment_info info = {
    .host = {"host-1", 6},
    .boot = {"boot \"x\"", 8},
    .wall_minus_boot = 1764000000000000000ULL,
    .shards = 2,
    .abi = BH_ABI_VERSION,
    .extra = {"{\"coverage\":[]}", 15},
};

// A segment with n tick records; cut: where its records begin and each ends.
static void make(struct buf *out, unsigned n, bool foot, size_t *ends)
{
    _cleanup_buf_ struct buf rec = {0};
    segment_head(out, &info);
    ends[0] = out->len;
    for (unsigned i = 0; i < n; i++) {
        struct bh_tick tick = {.wall = i};
        rec_make(&rec, BH_TICK, 1000 + i, 7, &tick, sizeof(tick));
        buf_str(out, buf_view(&rec));
        ends[i + 1] = out->len;
    }
    if (foot) {
        uint8_t hash[32];
        crypto_hash_sha256(hash, (const uint8_t *)out->ptr, out->len);
        segment_foot(out, n, hash, STR("{\"containers\":[]}"));
    }
    assert_false(out->failed);
}

// Reads all; returns what the last segment_next said, and how many records came.
static int read_all(const struct buf *b, struct segment_reader *r, unsigned *ret_n)
{
    _cleanup_(arena_freep) struct arena *arena = arena_new(0);
    const struct bh_rec *rec;
    int e = segment_open(r, b->ptr, b->len, arena, NULL);
    *ret_n = 0;
    if (e < 0)
        return e;
    while ((e = segment_next(r, &rec)) == 1)
        assert_int_equal(rec->time, 1000 + (*ret_n)++);
    return e;
}

static void reads_back(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    _cleanup_(arena_freep) struct arena *arena = arena_new(0);
    size_t ends[4];
    make(&b, 3, true, ends);
    struct segment_reader r;
    const struct bh_rec *rec;
    assert_int_equal(segment_open(&r, b.ptr, b.len, arena, NULL), 0);
    assert_true(str_eq(r.info.host, info.host));
    assert_true(str_eq(r.info.boot, info.boot));
    assert_true(str_eq(r.info.extra, info.extra));
    assert_int_equal(r.info.wall_minus_boot, info.wall_minus_boot);
    assert_int_equal(r.info.shards, 2);
    assert_true(r.closed && r.hash_ok);
    assert_true(str_eq(r.coverage, STR("{\"containers\":[]}")));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(segment_next(&r, &rec), 1);
        assert_int_equal(rec->kind, BH_TICK);
        assert_int_equal(rec->container, 7);
        assert_int_equal(REC_AS(rec, bh_tick)->wall, i);
    }
    assert_int_equal(segment_next(&r, &rec), 0);
    assert_int_equal(r.records, 3);
}

static void head_names_the_writers_tables(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    segment_head(&b, &info);
    assert_true(str_contains(buf_view(&b), STR("\"name\":\"exec\"")));
    assert_true(str_contains(buf_view(&b), STR("\"name\":\"openat2\"")));
    assert_true(str_contains(buf_view(&b), STR("{\"name\":\"proc.name\",\"type\":\"string\"}")));
    assert_int_equal(b.len % 8, 0);
}

static void cut_anywhere_reads_whole_records(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    size_t ends[6];
    make(&b, 5, true, ends);
    size_t full = b.len;
    for (size_t len = 0; len < full; len++) {
        // a copy of exactly that size, so that the sanitizer sees a read too far
        struct buf cut = {0};
        buf_add(&cut, b.ptr, len);
        unsigned n, whole = 0;
        struct segment_reader r;
        int e = read_all(&cut, &r, &n);
        if (len < ends[0]) {
            assert_int_equal(e, -EBADMSG);
        } else {
            while (whole < 5 && ends[whole + 1] <= len)
                whole++;
            assert_int_equal(n, whole);
            assert_false(r.closed);
            // what is left of a foot is no record: said, after all that is whole was given
            assert_true(e == 0 || len > ends[5]);
        }
        buf_done(&cut);
    }
}

static void every_flipped_byte_is_noticed(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    size_t ends[3];
    make(&b, 2, true, ends);
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] ^= 0x20;
        unsigned n;
        struct segment_reader r;
        _cleanup_(arena_freep) struct arena *arena = arena_new(0);
        struct error err = {0};
        const struct bh_rec *rec;
        int e = segment_open(&r, b.ptr, b.len, arena, &err);
        for (n = 0; e >= 0 && (e = segment_next(&r, &rec)) == 1; n++)
            ;
        if (e >= 0 && r.closed && r.hash_ok)
            fail_msg("byte %zu of %zu flipped and not noticed", i, b.len);
        b.ptr[i] ^= 0x20;
    }
}

static void unknown_kinds_are_stepped_over(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    size_t ends[4];
    make(&b, 3, false, ends);
    struct bh_rec *middle = (struct bh_rec *)(b.ptr + ends[1]);
    middle->kind = BH_KIND_MAX + 40;
    struct segment_reader r;
    const struct bh_rec *rec;
    _cleanup_(arena_freep) struct arena *arena = arena_new(0);
    assert_int_equal(segment_open(&r, b.ptr, b.len, arena, NULL), 0);
    assert_int_equal(segment_next(&r, &rec), 1);
    assert_int_equal(segment_next(&r, &rec), 1);
    assert_int_equal(rec->time, 1002);
    assert_int_equal(segment_next(&r, &rec), 0);
    assert_int_equal(r.records, 2);
    assert_int_equal(r.skipped, 1);
}

static void newer_versions_say_so(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    size_t ends[2];
    unsigned n;
    struct segment_reader r;
    make(&b, 1, false, ends);
    b.ptr[8] = SEGMENT_VERSION + 1;
    assert_int_equal(read_all(&b, &r, &n), -EPROTONOSUPPORT);
    _cleanup_buf_ struct buf newer = {0};
    struct segment_info i = info;
    i.abi = BH_ABI_VERSION + 1;
    segment_head(&newer, &i);
    assert_int_equal(read_all(&newer, &r, &n), -EPROTONOSUPPORT);
}

static void broken_records_stop_there(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
    } breaks[] = {{offsetof(struct bh_rec, size), 0},
                  {offsetof(struct bh_rec, size), 73},
                  {offsetof(struct bh_rec, version), 9},
                  {offsetof(struct bh_rec, ring), 200},
                  {offsetof(struct bh_rec, truth), 200}};
    for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
        _cleanup_buf_ struct buf b = {0};
        size_t ends[4];
        make(&b, 3, true, ends);
        b.ptr[ends[1] + breaks[i].offset] = (char)breaks[i].value;
        unsigned n;
        struct segment_reader r;
        assert_int_equal(read_all(&b, &r, &n), -EBADMSG);
        assert_int_equal(n, 1);
        assert_int_equal(r.at, ends[1]);
    }
}

static void a_span_outside_its_record_is_refused(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    struct bh_memfd m = {.name = {.off = 4000, .len = 10}};
    rec_make(&b, BH_MEMFD, 1, 0, &m, sizeof(m));
    assert_int_equal(rec_check((void *)b.ptr, b.len), -EBADMSG);
    assert_int_equal(rec_check_head((void *)b.ptr, b.len), 0);
    m.name = (struct bh_span){.off = 8, .len = 4}; // into the header
    rec_make(&b, BH_MEMFD, 1, 0, &m, sizeof(m));
    assert_int_equal(rec_check((void *)b.ptr, b.len), -EBADMSG);
    m.name = (struct bh_span){0};
    rec_make(&b, BH_MEMFD, 1, 0, &m, sizeof(m));
    assert_int_equal(rec_check((void *)b.ptr, b.len), 0);
    assert_int_equal(rec_check((void *)b.ptr, b.len - 8), -EBADMSG);
}

static void a_text_longer_than_its_record_is_refused(void **state)
{
    _cleanup_buf_ struct buf b = {0};
    rec_make_text(&b, BH_FACT, 1, 3, 3, STR("{\"name\":\"web\"}"));
    assert_int_equal(rec_check((void *)b.ptr, b.len), 0);
    assert_true(str_eq(rec_text((void *)b.ptr), STR("{\"name\":\"web\"}")));
    ((struct bh_text *)(b.ptr + sizeof(struct bh_rec)))->len = 4000;
    assert_int_equal(rec_check((void *)b.ptr, b.len), -EBADMSG);
    assert_true(str_eq(rec_text((void *)b.ptr), STR_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back),
        cmocka_unit_test(head_names_the_writers_tables),
        cmocka_unit_test(cut_anywhere_reads_whole_records),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(unknown_kinds_are_stepped_over),
        cmocka_unit_test(newer_versions_say_so),
        cmocka_unit_test(broken_records_stop_there),
        cmocka_unit_test(a_span_outside_its_record_is_refused),
        cmocka_unit_test(a_text_longer_than_its_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
