/* One thread connects, accepts, sends 1 byte, receives it and closes both ends (loopback). */
#include "storm.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
static int ls;
static struct sockaddr_in a;
static void step(void)
{
    struct linger l = {1, 0};
    char b = 'x';
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (c < 0 || connect(c, (void *)&a, sizeof a)) {
        perror("connect");
        exit(1);
    }
    int s = accept(ls, 0, 0);
    if (s < 0) {
        perror("accept");
        exit(1);
    }
    if (send(c, &b, 1, 0) != 1 || recv(s, &b, 1, 0) != 1)
        exit(1);
    setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof l); /* RST: no TIME_WAIT pile-up */
    close(c);
    close(s);
}
int main(int c, char **v)
{
    socklen_t n = sizeof a;
    ls = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(ls, (void *)&a, sizeof a) || listen(ls, 64) || getsockname(ls, (void *)&a, &n))
        return 1;
    return storm(c, v, 50, step);
}
