// Is the bound on what is still to come right as often as it says? Workloads of many kinds, each
// watched at every window of its life: the share in which the bound was ever too low.
#include "detect/profile/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { WORKLOADS = 4000, THINGS = 40, WINDOWS = 1440 };

static uint64_t state = 0x853c49e6748fea9bULL;

static double chance(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

// A workload: in each window it does each of its things with the thing's own chance. Often and
// seldom ones, a long tail, all equal: what decides is how much is seldom.
static void chances(unsigned kind, double p[THINGS])
{
    for (int i = 0; i < THINGS; i++)
        switch (kind % 4) {
        case 0:
            p[i] = pow(10, -4 * chance());
            break;
        case 1:
            p[i] = 1.0 / (1 + i) / (1 + i);
            break;
        case 2:
            p[i] = 0.002;
            break;
        default:
            p[i] = i < 5 ? 0.5 : 0.0005 * chance();
        }
}

static double missing(const double p[THINGS], uint64_t seen)
{
    double none = 1;
    for (int i = 0; i < THINGS; i++)
        if (!(seen & 1ULL << i))
            none *= 1 - p[i];
    return 1 - none;
}

static void never_too_low_more_often_than_it_says(void **unused)
{
    unsigned wrong = 0, useful = 0;
    for (unsigned w = 0; w < WORKLOADS; w++) {
        double p[THINGS];
        struct dimension_state d = {.news = 1};
        uint64_t seen = 0;
        bool ever = false;
        chances(w, p);
        for (int t = 0; t < WINDOWS; t++) {
            uint64_t before = seen;
            for (int i = 0; i < THINGS; i++)
                seen |= chance() < p[i] ? 1ULL << i : 0;
            d.windows++;
            d.clean++;
            if (seen != before) {
                d.news++;
                d.clean = 0;
            }
            ever |= missing(p, seen) > bound_upper(&d);
        }
        wrong += ever;
        useful += bound_upper(&d) < 0.05;
    }
    // 0.05 over four dimensions: 0.0125 each, and three standard deviations of so many trials.
    double allowed = 0.0125 + 3 * sqrt(0.0125 * 0.9875 / WORKLOADS);
    print_message("too low in %u of %u; below 5 %% at the end in %u\n", wrong, WORKLOADS, useful);
    assert_true((double)wrong / WORKLOADS <= allowed);
    assert_true(useful > WORKLOADS / 4); // a bound of 1 is never wrong either
}

static void values(void **unused)
{
    struct dimension_state d = {.news = 1};
    assert_true(bound_upper(&d) == 1);
    d.clean = 1440;
    d.news = 5;
    // 1 − (0.0125 / 30)^(1/1440)
    assert_true(fabs(bound_upper(&d) - 0.0053902) < 1e-6);
    double last = 1;
    for (d.clean = 1; d.clean < 100000; d.clean *= 3) {
        assert_true(bound_upper(&d) < last);
        last = bound_upper(&d);
    }
}

// What two know together: it does not matter who asks whom, and no merge says more than it may.
static void merging(void **unused)
{
    for (int i = 0; i < 1000; i++) {
        struct dimension_state s[3], left, right, swapped;
        for (int k = 0; k < 3; k++)
            s[k] = (struct dimension_state){.windows = (uint64_t)(1000 * chance()),
                                            .news = 1 + (uint64_t)(20 * chance()),
                                            .clean = (uint64_t)(500 * chance()),
                                            .ready = chance() < 0.5,
                                            .ready_at = (uint64_t)(100 * chance())};
        left = s[0], bound_merge(&left, &s[1]);
        swapped = s[1], bound_merge(&swapped, &s[0]);
        assert_memory_equal(&left, &swapped, sizeof(left));
        double lower = fmin(bound_upper(&s[0]), bound_upper(&s[1]));
        assert_true(bound_upper(&left) >= lower);
        bound_merge(&left, &s[2]);
        right = s[1], bound_merge(&right, &s[2]);
        struct dimension_state all = s[0];
        bound_merge(&all, &right);
        assert_memory_equal(&left, &all, sizeof(left));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(never_too_low_more_often_than_it_says),
                                       cmocka_unit_test(values), cmocka_unit_test(merging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
