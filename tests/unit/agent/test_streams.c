// Lines to slow readers are dropped whole and counted, never cut; captures read back what was put
// in.
#include "agent/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_slow_reader(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct lines_out out = {.fd = ends[1]};
    char line[1024];
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (int i = 0; i < 8192; i++) // 8 MiB: more than the pipe and what may wait
        lines_out_add(&out, (struct str){line, sizeof(line)});
    assert_true(out.dropped > 0);
    uint64_t kept = 8192 - out.dropped, seen = 0, bytes = 0;
    static char got[1 << 16];
    while (bytes < kept * sizeof(line)) {
        ssize_t n = read(ends[0], got, sizeof(got));
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            seen += got[i] == '\n';
        bytes += (uint64_t)n;
        lines_out_flush(&out);
    }
    assert_int_equal(seen, kept);
    lines_out_done(&out);
    close(ends[0]);
    close(ends[1]);
}

static void test_reader_gone(void **state)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    struct lines_out out = {.fd = ends[1]};
    lines_out_add(&out, STR("one\n"));
    lines_out_flush(&out);
    assert_int_equal(out.error, -EPIPE);
    lines_out_add(&out, STR("two\n"));
    assert_int_equal(out.dropped, 1);
    lines_out_done(&out);
    close(ends[1]);
}

static void test_capture(void **state)
{
    char path[] = "/tmp/bulkhead-capture-XXXXXX";
    int fd = mkstemp(path);
    struct segment_info info = {.host = STR("h"),
                                .boot = STR("b"),
                                .wall_minus_boot = 5,
                                .shards = 2,
                                .abi = BH_ABI_VERSION,
                                .extra = STR("{}")};
    struct capture *c = NULL;
    struct error err = {0};
    assert_int_equal(capture_open(path, &info, &c, &err), 0);
    _cleanup_buf_ struct buf rec = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        struct bh_tick tick = {i};
        rec_make(&rec, BH_TICK, i, 0, &tick, sizeof(tick));
        capture_add(c, rec.ptr, rec.len);
    }
    assert_int_equal(capture_records(c), 1000);
    assert_int_equal(capture_close(c, &err), 0);

    _cleanup_buf_ struct buf bytes = {0};
    char part[4096];
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(&bytes, part, (size_t)n);
    struct arena *arena = arena_new(0);
    struct segment_reader reader = {0};
    assert_int_equal(segment_open(&reader, bytes.ptr, bytes.len, arena, &err), 0);
    assert_int_equal(reader.info.shards, 2);
    const struct bh_rec *r;
    uint64_t i = 0;
    while (segment_next(&reader, &r) == 1)
        assert_int_equal(REC_AS(r, bh_tick)->wall, i++);
    assert_int_equal(i, 1000);
    assert_true(reader.closed && reader.hash_ok);
    arena_free(arena);
    close(fd);
    unlink(path);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
