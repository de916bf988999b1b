// flood SECONDS: makes as many cheap security events as it can, to drown a watcher: one process
// drops and raises a capability (each call changes the credentials, none needs a privilege),
// another opens and closes a file. Prints how many calls each made.
#include <err.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void stop(int sig)
{
    (void)sig;
    over = 1;
}

static void credentials(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2], less[2];
    if (syscall(SYS_capget, &head, have) != 0)
        err(1, "capget");
    less[0] = have[0];
    less[1] = have[1];
    less[0].effective = 0;
    have[0].effective = have[0].permitted;
    if (have[0].permitted == 0)
        errx(1, "no capability to play with");
    unsigned long n = 0;
    for (; !over; n += 2)
        if (syscall(SYS_capset, &head, less) != 0 || syscall(SYS_capset, &head, have) != 0)
            err(1, "capset");
    printf("%lu changes of credentials\n", n);
}

static void opens(void)
{
    unsigned long n = 0;
    for (; !over; n++) {
        int fd = open("/etc/group", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            err(1, "/etc/group");
        close(fd);
    }
    printf("%lu opens\n", n);
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = stop};
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    sigaction(SIGALRM, &sa, NULL);
    if (fork() == 0) {
        alarm(seconds);
        opens();
        return 0;
    }
    alarm(seconds);
    credentials();
    fflush(stdout);
    while (wait(NULL) > 0)
        ;
    return 0;
}
