// Sequences into exact losses, without a kernel: late records, the end of a stream, a full list.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sense/internal.h"

struct fixture {
    struct ring ring;
    struct lane lanes[2];
};
static void begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->ring.lanes = f->lanes;
    f->lanes[0].next = f->lanes[1].next = 1;
}
static bool see(struct fixture *f, uint16_t cpu, uint64_t seq, struct gap *g)
{
    struct bh_rec rec = {.cpu = cpu, .seq = seq, .time = 1000 + seq};
    return ring_follow(&f->ring, &rec, seq, g);
}

static void test_in_order_nothing_is_missing(void **state)
{
    struct fixture f;
    struct gap g;
    begin(&f);
    for (uint64_t i = 1; i < 100; i++) {
        assert_false(see(&f, 0, i, &g));
        assert_false(see(&f, 1, i, &g)); // each cpu counts for itself
    }
    assert_false(ring_gap_due(&f.ring, UINT64_MAX, &g));
}

static void test_gap_has_both_ends(void **state)
{
    struct fixture f;
    struct gap g;
    begin(&f);
    see(&f, 0, 1, &g);
    see(&f, 0, 5, &g);
    assert_false(ring_gap_due(&f.ring, 5 + GAP_GRACE_NS - 1, &g)); // it may still be filled
    assert_true(ring_gap_due(&f.ring, 5 + GAP_GRACE_NS, &g));
    assert_int_equal(g.first, 2);
    assert_int_equal(g.last, 4);
    assert_int_equal(g.after, 1001);
    assert_int_equal(g.before, 1005);
    assert_false(ring_gap_due(&f.ring, UINT64_MAX, &g)); // said once
}

static void test_late_record_splits_its_gap(void **state)
{
    struct fixture f;
    struct gap g;
    begin(&f);
    see(&f, 0, 10, &g); // 1 to 9 are missing
    see(&f, 0, 5, &g);
    see(&f, 0, 1, &g);
    see(&f, 0, 9, &g);
    uint64_t missing = 0;
    while (ring_gap_due(&f.ring, UINT64_MAX, &g)) {
        assert_true(g.first <= g.last);
        assert_true(g.last < 5 || g.first > 5);
        missing += g.last - g.first + 1;
    }
    assert_int_equal(missing, 6); // 2, 3, 4, 6, 7, 8
}

static void test_two_that_changed_places(void **state)
{
    struct fixture f;
    struct gap g;
    begin(&f);
    see(&f, 1, 2, &g); // an interrupt's record took the place first
    see(&f, 1, 1, &g);
    see(&f, 1, 3, &g);
    assert_false(ring_gap_due(&f.ring, UINT64_MAX, &g));
}

static void test_end_of_a_stream(void **state)
{
    struct fixture f;
    struct gap g;
    uint64_t counters[2] = {7, 0};
    begin(&f);
    see(&f, 0, 1, &g);
    ring_tail(&f.ring, counters, 2, 100);
    assert_false(ring_gap_due(&f.ring, UINT64_MAX, &g)); // may be on its way
    ring_tail(&f.ring, counters, 2, 200);
    assert_true(ring_gap_due(&f.ring, UINT64_MAX, &g));
    assert_int_equal(g.first, 2);
    assert_int_equal(g.last, 7);
    assert_int_equal(g.before, 0); // nothing came behind it
    see(&f, 0, 8, &g);
    assert_false(ring_gap_due(&f.ring, UINT64_MAX, &g));
}

static void test_full_list_loses_no_loss(void **state)
{
    struct fixture f;
    struct gap g;
    uint64_t said = 0;
    begin(&f);
    for (uint64_t i = 1; i <= 2 * MAX_PENDING_GAPS; i++)
        said += see(&f, 0, 2 * i, &g); // every odd number is missing
    while (ring_gap_due(&f.ring, UINT64_MAX, &g))
        said++;
    assert_int_equal(said, 2 * MAX_PENDING_GAPS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_nothing_is_missing),
        cmocka_unit_test(test_gap_has_both_ends),
        cmocka_unit_test(test_late_record_splits_its_gap),
        cmocka_unit_test(test_two_that_changed_places),
        cmocka_unit_test(test_end_of_a_stream),
        cmocka_unit_test(test_full_list_loses_no_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
