// acts VERB ARGS: what the tests' containers do that no tool of theirs does. Static, so that it
// runs in a container without libraries.
//   attach PID            takes hold of another process and lets it go
//   attach-child          the same to a child of its own
//   become-root           from a user without privilege that kept the right to change users
//   drop-root             the other way
//   connect-unix PATH     connects to a Unix socket, whether or not there is one
//   listen-unix PATH      listens there, for ever
//   serve PORT PROGRAM…   as inetd does: PROGRAM with a connection as its standard streams, once
//   wait-for FILE         waits until FILE is there, then forks, and ends with its child
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int hold(pid_t pid)
{
    if (ptrace(PTRACE_ATTACH, pid, 0, 0) != 0)
        err(1, "attach to %d", pid);
    if (waitpid(pid, NULL, __WALL) != pid || ptrace(PTRACE_DETACH, pid, 0, 0) != 0)
        err(1, "detach");
    return 0;
}

static int attach(char **args)
{
    return hold((pid_t)strtol(args[0], NULL, 10));
}

static int attach_child(char **args)
{
    (void)args;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    hold(pid);
    kill(pid, SIGKILL);
    return waitpid(pid, NULL, 0) != pid;
}

static int become_root(char **args)
{
    (void)args;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresuid(1000, 1000, 1000) != 0 ||
        syscall(SYS_capget, &head, caps) != 0)
        err(1, "drop");
    caps[0].effective = caps[0].permitted;
    if (syscall(SYS_capset, &head, caps) != 0 || setresuid(0, 0, 0) != 0)
        err(1, "raise");
    return 0;
}

static int drop_root(char **args)
{
    (void)args;
    return setresuid(1000, 1000, 1000) != 0;
}

static struct sockaddr_un unix_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    return at;
}

static int connect_unix(char **args)
{
    struct sockaddr_un at = unix_at(args[0]);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(s, (struct sockaddr *)&at, sizeof(at)) != 0)
        printf("not there\n");
    return 0;
}

static int listen_unix(char **args)
{
    struct sockaddr_un at = unix_at(args[0]);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(s, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(s, 8) != 0)
        err(1, "%s", args[0]);
    for (;;)
        pause();
}

static int serve(char **args)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)strtoul(args[0], NULL, 10))};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener, 1) != 0)
        err(1, "listen");
    int s = accept(listener, NULL, NULL);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(s, fd) < 0)
            err(1, "dup2");
    close(s);
    execvp(args[1], args + 1);
    return 1;
}

static int wait_for(char **args)
{
    while (access(args[0], F_OK) != 0)
        usleep(5000);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, NULL, 0) != pid;
}

static const struct {
    const char *name;
    int (*f)(char **args);
    int args;
} verbs[] = {
    {"attach", attach, 1},       {"attach-child", attach_child, 0}, {"become-root", become_root, 0},
    {"drop-root", drop_root, 0}, {"connect-unix", connect_unix, 1}, {"listen-unix", listen_unix, 1},
    {"serve", serve, 2},         {"wait-for", wait_for, 1}};

int main(int argc, char **argv)
{
    alarm(60);
    for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0 && argc >= 2 + verbs[i].args)
            return verbs[i].f(argv + 2);
    errx(2, "usage: acts VERB ARGS, see the source");
}
