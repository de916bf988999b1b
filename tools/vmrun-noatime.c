// Preloaded into virtiofsd where vmrun is not run by root. Overlayfs in the VM opens the lower
// layer's files with O_NOATIME, virtiofsd hands the flag on, and the kernel refuses it to whoever
// does not own the file: without this no file of the machine's root could be opened.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_plainly(int dirfd, const char *path, int flags, va_list arguments)
{
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    return (int)syscall(SYS_openat, dirfd, path, flags & ~O_NOATIME, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_plainly(dirfd, path, flags, arguments);
    va_end(arguments);
    return fd;
}

int openat64(int dirfd, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int fd = open_plainly(dirfd, path, flags | O_LARGEFILE, arguments);
    va_end(arguments);
    return fd;
}

// What a fortified build calls instead.
int __openat64_2(int dirfd, const char *path, int flags)
{
    return (int)syscall(SYS_openat, dirfd, path, (flags | O_LARGEFILE) & ~O_NOATIME, 0);
}
