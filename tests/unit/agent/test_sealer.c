// Segments are written by a thread of their own: what is cut comes back durable, or waits again.
#include "agent/sealer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHUNK = 64 << 10 };

struct bench {
    char top[64];
    int dirfd;
    struct recorder *recorder;
    struct sealer *sealer;
};

static void open_all(struct bench *b)
{
    struct error err = {0};
    snprintf(b->top, sizeof(b->top), "/tmp/bulkhead-sealer-XXXXXX");
    assert_non_null(mkdtemp(b->top));
    b->dirfd = open(b->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct recorder_options o = {.dirfd = b->dirfd,
                                 .chunk_bytes = CHUNK,
                                 .memory_bytes = 16 * CHUNK,
                                 .store_bytes = 64 << 20,
                                 .info = {.host = STR("h"),
                                          .boot = STR("b"),
                                          .shards = 1,
                                          .abi = BH_ABI_VERSION,
                                          .extra = STR("{}")}};
    assert_int_equal(recorder_open(&o, &b->recorder, &err), 0);
    assert_int_equal(sealer_start(&b->sealer, &err), 0);
}

static void close_all(struct bench *b)
{
    sealer_stop(b->sealer);
    recorder_close(b->recorder);
    close(b->dirfd);
    rmdir(b->top);
}

// Records until `chunks` chunks are full; the first of each is kept.
static void fill(struct bench *b, unsigned chunks, uint64_t *time)
{
    uint64_t last = 0;
    for (unsigned full = 0; full <= chunks;) {
        struct bh_tick t = {1};
        struct buf rec = {0};
        rec_make(&rec, BH_TICK, ++*time, 0, &t, sizeof(t));
        const struct bh_rec *kept;
        uint64_t segment, offset;
        assert_int_equal(
            recorder_take(b->recorder, (const void *)rec.ptr, &kept, &segment, &offset), 0);
        buf_done(&rec);
        if (segment != last) {
            full++;
            last = segment;
            if (full <= chunks)
                recorder_keep(b->recorder, segment);
        }
    }
}

static unsigned cut_all(struct bench *b, uint64_t now, int dirfd)
{
    unsigned n = 0;
    struct segment_cut cut;
    recorder_turn(b->recorder);
    while (sealer_has_room(b->sealer) && recorder_cut(b->recorder, now, NSEC_PER_SEC, &cut) == 1) {
        sealer_give(b->sealer, dirfd, &cut);
        n++;
    }
    recorder_forget(b->recorder);
    return n;
}

static void test_what_is_cut_comes_back_durable(void **state)
{
    struct bench b;
    uint64_t time = 0;
    struct segment_cut cut;
    struct error err = {0};
    int result;
    open_all(&b);
    fill(&b, 3, &time);
    assert_int_equal(cut_all(&b, time, recorder_dirfd(b.recorder)), 3);
    assert_int_equal(cut_all(&b, time, recorder_dirfd(b.recorder)), 0); // they are on their way
    uint64_t before = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(sealer_take(b.sealer, true, &cut, &result, &err));
        assert_int_equal(result, 0);
        assert_true(cut.sealed.segment > before); // in order
        before = cut.sealed.segment;
        struct stat st;
        assert_int_equal(fstatat(b.dirfd, cut.sealed.name, &st, 0), 0);
        assert_int_equal(st.st_size, cut.sealed.bytes);
        struct buf found = {0};
        assert_int_equal(store_find(b.dirfd, 0, cut.sealed.segment, 0, &found, &err), 0);
        buf_done(&found);
        unlinkat(b.dirfd, cut.sealed.name, 0);
        assert_int_equal(recorder_done(b.recorder, &cut, result, &err), 0);
    }
    assert_false(sealer_take(b.sealer, true, &cut, &result, &err));
    assert_int_equal(cut_all(&b, time, recorder_dirfd(b.recorder)), 0);
    close_all(&b);
}

static void test_what_could_not_be_written_waits_again(void **state)
{
    struct bench b;
    uint64_t time = 0;
    struct segment_cut cut;
    struct error err = {0};
    int result;
    open_all(&b);
    fill(&b, 2, &time);
    int nowhere = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(cut_all(&b, time, nowhere), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(sealer_take(b.sealer, true, &cut, &result, &err));
        assert_true(result < 0);
        assert_int_not_equal(err.message[0], 0);
        assert_int_equal(recorder_done(b.recorder, &cut, result, &err), 0);
    }
    assert_int_equal(cut_all(&b, time, recorder_dirfd(b.recorder)), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(sealer_take(b.sealer, true, &cut, &result, &err));
        assert_int_equal(result, 0);
        unlinkat(b.dirfd, cut.sealed.name, 0);
        assert_int_equal(recorder_done(b.recorder, &cut, result, &err), 0);
    }
    close(nowhere);
    close_all(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_cut_comes_back_durable),
        cmocka_unit_test(test_what_could_not_be_written_waits_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
