/* alertlat ALERT_FILE N: N times, starts /bin/busybox cat /etc/shadow (output to /dev/null) and
 * busy-watches (100 us naps) ALERT_FILE, which the agent appends alert lines to, until it has
 * grown; prints per try the ms from just before the fork to the seen line. 2 s limit a try.
 * busybox is static: its start is short. */
#include "storm.h"
#include <sys/stat.h>
static off_t size(const char *p)
{
    struct stat s;
    return stat(p, &s) ? 0 : s.st_size;
}
int main(int c, char **v)
{
    int n = c > 2 ? atoi(v[2]) : 30;
    for (int i = 0; i < n; i++) {
        struct timespec gap = {0, 20000000 + (i * 37 % 100) * 1000000L}, nap = {0, 100000};
        nanosleep(&gap, 0);
        off_t s0 = size(v[1]);
        double t0 = now(), ms;
        pid_t p = fork();
        if (p == 0) {
            int d = open("/dev/null", O_WRONLY);
            dup2(d, 1);
            dup2(d, 2);
            char *a[] = {"cat", "/etc/shadow", 0}, *e[] = {0};
            execve("/bin/busybox", a, e);
            _exit(127);
        }
        while (size(v[1]) == s0 && now() - t0 < 2)
            nanosleep(&nap, 0);
        ms = (now() - t0) * 1e3;
        waitpid(p, 0, 0);
        printf("%.2f\n", ms);
        fflush(stdout);
    }
}
