// PID 1 of vmrun's virtual machine: loads the modules of /lib/order, puts the host's root
// (virtiofs, read-only) under a throw-away overlay, mounts what a host has, runs /argv and reports
// its exit status. In C and static because under emulation each exec of a dynamic program costs 0.1
// s, and a shell script that does the same took 2 s of a 5 s boot.
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_PORT 0xe9 // isa-debugcon: what is written there lands in a file of the host

static void say_status(const char *text)
{
    if (ioperm(STATUS_PORT, 1, 1) == 0)
        for (; *text; text++)
            outb((unsigned char)*text, STATUS_PORT);
}

static void off(void)
{
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}

static void die(const char *what)
{
    fprintf(stderr, "vmrun-init: %s: %m\n", what);
    say_status("broken\n");
    off();
}

static void mkdirs(const char *path)
{
    char part[PATH_MAX];
    for (size_t i = 1; i < sizeof(part) && path[i - 1]; i++)
        if (path[i] == '/' || !path[i]) {
            memcpy(part, path, i);
            part[i] = 0;
            mkdir(part, 0755);
        }
}

static void on(const char *type, const char *source, const char *at, unsigned long flags,
               const char *data)
{
    mkdirs(at);
    if (mount(source, at, type, flags, data) != 0)
        fprintf(stderr, "vmrun-init: mount of %s on %s: %m\n", source, at);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        fprintf(stderr, "vmrun-init: %s to %s: %m\n", text, path);
    close(fd);
}

static char *line_of(const char *path) // the first line of a small file of the initramfs
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    if (!f || getline(&line, &size, f) < 1)
        die(path);
    line[strcspn(line, "\n")] = 0;
    fclose(f);
    return line;
}

static void load_modules(void)
{
    FILE *f = fopen("/lib/order", "re");
    char name[256], path[300];
    while (f && fscanf(f, "%255s", name) == 1) {
        snprintf(path, sizeof(path), "/lib/%s", name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)
            die(path);
        close(fd);
    }
}

static int
open_port(const char *name) // a virtio-serial port by the name it has outside; it may come up late
{
    for (int tries = 0; tries < 500; tries++, usleep(10000)) {
        glob_t found;
        if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &found) == 0)
            for (size_t i = 0; i < found.gl_pathc; i++) {
                char path[PATH_MAX], at[64] = "", port[64];
                int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
                if (read(fd, at, sizeof(at) - 1) > 0 && strncmp(at, name, strlen(name)) == 0 &&
                    sscanf(found.gl_pathv[i], "/sys/class/virtio-ports/%63[^/]", port) == 1) {
                    snprintf(path, sizeof(path), "/dev/%s", port);
                    int out = open(path, O_WRONLY | O_CLOEXEC);
                    if (out >= 0)
                        return out;
                }
                close(fd);
            }
        globfree(&found);
    }
    die(name);
    return -1;
}

int main(void)
{
    on("devtmpfs", "dev", "/dev", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    dup2(console, 0), dup2(console, 1), dup2(console, 2);
    on("proc", "proc", "/proc", 0, NULL);
    on("sysfs", "sys", "/sys", 0, NULL);
    load_modules();
    char *share = line_of("/share"), *cwd = line_of("/cwd"), *modules = line_of("/modules"),
         at[PATH_MAX];
    static char argv_text[1 << 17];
    int fd = open("/argv", O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, argv_text, sizeof(argv_text) - 1);
    close(fd);

    on("virtiofs", "host", "/host", MS_RDONLY, NULL);
    on("tmpfs", "upper", "/upper", 0, "mode=755");
    mkdirs("/upper/u"), mkdirs("/upper/w"), mkdirs("/root");
    if (mount("root", "/root", "overlay", 0, "lowerdir=/host,upperdir=/upper/u,workdir=/upper/w") !=
        0)
        die("overlay of the host's root");
    on("tmpfs", "tmp", "/root/tmp", 0, "mode=1777");
    on("tmpfs", "run", "/root/run", 0, "mode=755");
    // The kernel's own modules, so that modprobe and autoloading work.
    snprintf(at, sizeof(at), "/host%s", modules);
    char target[PATH_MAX];
    snprintf(target, sizeof(target), "/root/lib/modules/%s", strrchr(modules, '/') + 1);
    on(NULL, at, target, MS_BIND, NULL);
    for (int i = 0; i < 3; i++) {
        const char *from[] = {"/proc", "/sys", "/dev"};
        snprintf(at, sizeof(at), "/root%s", from[i]);
        if (mount(from[i], at, NULL, MS_MOVE, NULL) != 0)
            die(at);
    }
    if (chdir("/root") != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 ||
        chdir("/") != 0)
        die("change of root");
    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL); // as systemd does; podman wants it

    on("devpts", "devpts", "/dev/pts", 0, "mode=620,ptmxmode=666");
    on("tmpfs", "shm", "/dev/shm", 0, "mode=1777");
    on("mqueue", "mqueue", "/dev/mqueue", 0, NULL);
    on("cgroup2", "cgroup2", "/sys/fs/cgroup", 0, NULL);
    put("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids +io +cpuset");
    on("bpf", "bpf", "/sys/fs/bpf", 0, "mode=700");
    on("tracefs", "tracefs", "/sys/kernel/tracing", 0, NULL);
    on("securityfs", "securityfs", "/sys/kernel/security", 0, NULL);
    on("virtiofs", "share", share, 0, NULL);

    sethostname("vm", 2);
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &lo);
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 16, 1 << 16});

    int out = open_port("stdout"), errors = open_port("stderr");
    pid_t child = fork();
    if (child == 0) {
        char *argv[4096];
        int n = 0;
        for (char *p = argv_text; p < argv_text + size && n < 4095; p += strlen(p) + 1)
            argv[n++] = p;
        argv[n] = NULL;
        char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME=/root",
                       "TERM=dumb",
                       "LANG=C.UTF-8",
                       "VMRUN=1",
                       NULL};
        environ = env;
        setsid();
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        dup2(null, 0), dup2(out, 1), dup2(errors, 2);
        if (chdir(cwd) != 0)
            warn("%s", cwd);
        execvp(argv[0], argv);
        warn("%s", argv[0]);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status = 0;
    for (pid_t p; (p = wait(&status)) != child;)
        if (p < 0 && errno != EINTR)
            break;
    char text[16];
    snprintf(text, sizeof(text), "%d\n",
             WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    sync(); // what was written through mmap, before the host hears that all is done
    say_status(text);
    off();
}
