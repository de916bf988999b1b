/* Shared timing frame of the storm programs: runs step() in batches for SECS
 * seconds on one CPU-bound thread, prints "ops secs ops_per_s". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static inline int storm(int argc, char **argv, long batch, void (*step)(void))
{
    double secs = argc > 1 ? atof(argv[1]) : 5, t0 = now(), t;
    long n = 0;
    do {
        for (long i = 0; i < batch; i++)
            step();
        n += batch;
        t = now() - t0;
    } while (t < secs);
    printf("%ld %.3f %.1f\n", n, t, n / t);
    return 0;
}
