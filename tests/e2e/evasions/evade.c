// evade HOW [ARG...]: acts in ways that are meant to pass unseen, each as an attacker would, each
// with what the container's default capabilities allow unless it says otherwise. Prints "got N" for
// the N bytes that it could read.
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRET "/etc/shadow"
enum { SWAPS = 20000, MAX_ARGUMENTS = 2000, LONG_ARGUMENT = 6000, SLEEP_US = 100000 };

static int show(int fd)
{
    char text[64];
    if (fd < 0)
        err(1, "open");
    printf("got %zd\n", read(fd, text, sizeof(text)));
    return 0;
}

static void copy(const char *from, int to)
{
    char block[65536];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;)
        if (write(to, block, (size_t)n) != n)
            err(1, "write");
    close(fd);
}

static int by_openat2(char **a)
{
    (void)a;
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    int etc = open("/etc", O_PATH | O_DIRECTORY);
    return show((int)syscall(SYS_openat2, etc, "/shadow", &how, sizeof(how)));
}

static int by_directory(char **a)
{
    (void)a;
    return show(openat(open("/etc", O_PATH | O_DIRECTORY), "shadow", O_RDONLY));
}

static int by_path_descriptor(char **a)
{
    char again[40];
    (void)a;
    snprintf(again, sizeof(again), "/proc/self/fd/%d", open(SECRET, O_PATH));
    return show(open(again, O_RDONLY));
}

static int by_chroot(char **a)
{
    if (chroot(a[0]) < 0)
        err(1, "chroot");
    return show(open(a[1], O_RDONLY));
}

static int by_chroot_exec(char **a)
{
    if (chroot(a[0]) < 0)
        err(1, "chroot");
    execv(a[1], a + 1);
    err(1, "exec");
}

static int by_child_of_a_child(char **a)
{
    (void)a;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            usleep(SLEEP_US); // until its parent is gone
            _exit(show(open(SECRET, O_RDONLY)));
        }
        _exit(0);
    }
    wait(NULL);
    usleep(3 * SLEEP_US);
    return 0;
}

static void *run_cat(void *unused)
{
    (void)unused;
    execl("/bin/cat", "cat", SECRET, NULL);
    return NULL;
}

static int by_thread(char **a)
{
    pthread_t t;
    (void)a;
    pthread_create(&t, NULL, run_cat, NULL);
    for (;;) // until the other thread's exec ends this one
        pause();
    return 0;
}

static volatile char swapped[] = "/etc/passwd";
static volatile int over;

static void *swap(void *unused)
{
    static const char *const names[] = {"shadow", "passwd"};
    (void)unused;
    for (unsigned i = 0; !over; i++) {
        for (size_t k = 0; k < 6; k++)
            swapped[5 + k] = names[i & 1][k];
        sched_yield();
    }
    return NULL;
}

// The path's text is changed while the kernel and whoever watches read it.
static int by_race(char **a)
{
    pthread_t t;
    (void)a;
    pthread_create(&t, NULL, swap, NULL);
    for (int i = 0, hits = 0; i < SWAPS && hits < 3; i++) {
        struct stat st;
        int fd = open((const char *)swapped, O_RDONLY);
        hits += fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0600;
        if (fd >= 0)
            close(fd);
    }
    over = 1;
    pthread_join(t, NULL);
    return 0;
}

static int by_name(char **a)
{
    prctl(PR_SET_NAME, a[0]);
    return show(open(SECRET, O_RDONLY));
}

static int read_it(char **a)
{
    return show(open(a[0], O_RDONLY));
}

static int by_memfd(char **a)
{
    int fd = memfd_create(a[0], MFD_CLOEXEC);
    copy(a[1], fd);
    fexecve(fd, a + 1, (char *[]){NULL});
    err(1, "fexecve");
}

static int by_memfd_in_proc(char **a)
{
    char path[40];
    int fd = memfd_create("x", 0);
    copy(a[0], fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    close(fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", again);
    execv(path, a);
    err(1, "exec");
}

// A file that never had a name, executed by its descriptor.
static int by_nameless_file(char **a)
{
    char path[40];
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0755);
    copy(a[0], fd);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    close(fd);
    syscall(SYS_execveat, again, "", a, (char *[]){NULL}, AT_EMPTY_PATH);
    err(1, "execveat");
}

// A program of the image, written over in place.
static int by_overwriting(char **a)
{
    int fd = open(a[1], O_WRONLY | O_TRUNC);
    copy(a[0], fd);
    close(fd);
    execv(a[1], a + 1);
    err(1, "exec");
}

static int by_long_argument(char **a)
{
    static char text[LONG_ARGUMENT];
    (void)a;
    memset(text, 'A', sizeof(text) - 1);
    execl("/bin/cat", "cat", text, SECRET, NULL);
    err(1, "exec");
}

static int by_many_arguments(char **a)
{
    static char *list[MAX_ARGUMENTS + 3] = {"cat"};
    (void)a;
    for (int i = 1; i <= MAX_ARGUMENTS; i++)
        list[i] = "";
    list[MAX_ARGUMENTS + 1] = SECRET;
    execv("/bin/cat", list);
    err(1, "exec");
}

// a[0]: another cgroup's folder.
static int by_leaving(char **a)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/cgroup.procs", a[0]);
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, "0", 1) != 1)
        err(1, "%s", path);
    return 0;
}

static const struct {
    const char *how;
    int (*act)(char **a);
} ways[] = {
    {"read", read_it},
    {"openat2", by_openat2},
    {"directory", by_directory},
    {"path-descriptor", by_path_descriptor},
    {"chroot", by_chroot},
    {"chroot-exec", by_chroot_exec},
    {"child-of-a-child", by_child_of_a_child},
    {"thread", by_thread},
    {"race", by_race},
    {"name", by_name},
    {"memfd", by_memfd},
    {"memfd-in-proc", by_memfd_in_proc},
    {"nameless-file", by_nameless_file},
    {"overwriting", by_overwriting},
    {"long-argument", by_long_argument},
    {"many-arguments", by_many_arguments},
    {"leaving", by_leaving},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(ways[i].how, argv[1]) == 0)
            return ways[i].act(argv + 2) < 0;
    errx(2, "evade HOW [ARG...]");
}
