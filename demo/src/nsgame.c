// nsgame: takes a user namespace and a mount namespace of its own and mounts over a folder there.
// No privilege is needed: what several escapes begin with.
#define _GNU_SOURCE
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>

int main(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        err(1, "unshare");
    // A bind mount, because it needs no id that is mapped.
    if (mount("/tmp", "/home", NULL, MS_BIND, NULL) != 0)
        err(1, "mount");
    puts("mounted");
    return 0;
}
