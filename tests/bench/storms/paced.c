// paced PORT RATE SECONDS: asks an HTTP server on the loopback at a fixed rate over one kept-alive
// connection and prints "requests p50_us p99_us max_us". A request's time runs from when it was
// due, not from when it could be sent, so that a stall counts for everything that waited behind it.
#include "storm.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int c, char **v)
{
    if (c != 4)
        return 2;
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((unsigned short)strtoul(v[1], 0, 10)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    double rate = strtod(v[2], 0), secs = strtod(v[3], 0);
    long n = (long)(rate * secs);
    double *us = calloc((size_t)n, sizeof(*us));
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (!us || connect(s, (void *)&a, sizeof(a)) != 0) {
        perror("connect");
        return 1;
    }
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    static const char ask[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[8192];
    double begun = now() + 0.05;
    for (long i = 0; i < n; i++) {
        double due = begun + (double)i / rate;
        while (now() < due)
            ;
        if (write(s, ask, sizeof(ask) - 1) < 0 || read(s, answer, sizeof(answer)) <= 0)
            return 1;
        us[i] = (now() - due) * 1e6;
    }
    qsort(us, (size_t)n, sizeof(*us), cmp);
    printf("%ld %.1f %.1f %.1f\n", n, us[n / 2], us[n * 99 / 100], us[n - 1]);
    return 0;
}
