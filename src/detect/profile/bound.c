// How sure one can be that a workload was seen doing all that it does.
//
// The missing mass is the chance u that the next window brings something that no window before it
// had. Good and Turing (Good 1953) estimate it by the share of windows that hold something seen in
// no other. What learning waits for is an upper bound. McAllester and Schapire (2000) bound the
// missing mass by the estimate and 4.6 √(ln(3/δ)/n), Berend and Kontorovich (2013) and McDiarmid's
// inequality by the estimate and 2.5 √(ln(2/δ)/n): after a whole day of 1,440 windows that still is
// 0.12, however quiet the day was. So the bound here is the one of a run without a failure:
//
// What is known stays the same between one window that brings something new and the next. While
// it does, each window is new with chance u, so r of them in a row are not with chance (1−u)^r, and
// "the chance is above b(r)" is wrong with probability at most δ for b(r) = 1 − δ^(1/r), at every r
// at once (b falls, so the first r at which it would be wrong decides). Over all stretches, the
// k-th takes δ/(k(k+1)) of δ, whose sum is δ. So with confidence 1−δ, at every time at once:
//
//     u ≤ 1 − (δ / (k(k+1)))^(1/r)
//
// with k the windows that brought something new (the beginning counted as one) and r the windows
// since. It asks only that windows to come are not more likely to be new than those behind; the
// natural period is there so that a whole period lies behind. δ is 0.05, shared by the dimensions.
//
// Merging adds k and takes the larger r: what two replicas know together has no more missing mass
// than what the one with the longer run knows, and with m profiles merged k is at least m−1 more
// than that one's, and the sum over k of δ/((k+m−1)(k+m)) is δ/m: m of them are δ again.
#include "detect/profile/internal.h"

#include <math.h>

#define DELTA (0.05 / PROFILE_DIMENSIONS)

double bound_upper(const struct dimension_state *d)
{
    double k = (double)MAX(d->news, (uint64_t)1);
    if (d->clean == 0)
        return 1;
    return -expm1(log(DELTA / (k * (k + 1))) / (double)d->clean);
}

double bound_estimate(const struct dimension_state *d, const struct set *s)
{
    if (d->windows == 0)
        return 1;
    double share = (double)set_singles(s) / (double)d->windows;
    return MIN(share, 1.0);
}

void bound_merge(struct dimension_state *a, const struct dimension_state *b)
{
    a->windows += b->windows;
    a->news += b->news;
    a->clean = MAX(a->clean, b->clean);
    a->ready = a->ready && b->ready;
    a->ready_at = MAX(a->ready_at, b->ready_at);
}
