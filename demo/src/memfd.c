// memfd PROGRAM ARG0 [ARG…]: runs a copy of PROGRAM from memory: no file of that name is ever
// written or opened for execution. What an attacker does to leave nothing on disk.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct stat st;
    if (argc < 3)
        errx(2, "usage: memfd PROGRAM ARG0 [ARG...]");
    int from = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) != 0)
        err(1, "%s", argv[1]);
    int to = memfd_create("update", MFD_CLOEXEC);
    if (to < 0)
        err(1, "memfd_create");
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n <= 0)
            err(1, "sendfile");
        left -= n;
    }
    char *env[] = {NULL};
    fexecve(to, argv + 2, env);
    err(1, "fexecve");
}
