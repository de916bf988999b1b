// A file of a cgroup: what it said before, what we wrote, and how it comes back.
#include "enforce/act/internal.h"
#include "guardian/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

int read_setting(int dirfd, const char *file, char out[MAX_SETTING])
{
    _cleanup_close_ int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, out, MAX_SETTING);
    if (n < 0)
        return -errno;
    if (n == MAX_SETTING)
        return -E2BIG;
    out[n] = 0;
    out[strcspn(out, "\n")] = 0;
    return 0;
}

bool has_setting(int dirfd, const char *file)
{
    return faccessat(dirfd, file, W_OK, AT_EACCESS) == 0;
}

static int write_setting(int dirfd, const char *file, const char *text)
{
    _cleanup_close_ int fd = openat(dirfd, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

// The guardian has the new order before it forgets the old one.
static int order(struct acts *s, struct setting *t, uint64_t until)
{
    uint64_t old = t->ticket, due = until ? until + UNDO_GRACE_NS : 0;
    if (!s->guardian || (old && until == t->until))
        return 0;
    struct undo_order o = {
        .kind = UNDO_WRITE, .fd = t->fd, .path = t->file, .text = t->before, .until = due};
    int r = guardian_order(s->guardian, &o, &t->ticket);
    if (r < 0)
        return r;
    if (old)
        guardian_done(s->guardian, old);
    t->until = until;
    return 0;
}

int setting_put(struct acts *s, struct setting *t, int fd, const char *file, const char *text,
                uint64_t until, struct error *err)
{
    bool first = t->fd < 0;
    if (first) {
        *t = (struct setting){.fd = -1};
        snprintf(t->file, sizeof(t->file), "%s", file);
        int r = read_setting(fd, file, t->before);
        if (r < 0)
            return error_set(err, r, "%s cannot be read: %s", file, strerror(-r));
        t->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (t->fd < 0)
            return error_set(err, -errno, "no descriptor is left");
    }
    int r = order(s, t, until);
    if (r < 0) {
        if (first)
            close_fdp(&t->fd);
        return error_set(err, r, "nothing was done, for the guardian could not be told: %s",
                         r == -EPIPE || r == -ECONNRESET ? "it is gone" : strerror(-r));
    }
    snprintf(t->wanted, sizeof(t->wanted), "%s", text);
    r = setting_holds(t) ? 0 : write_setting(t->fd, t->file, text);
    if (r < 0) {
        setting_lift(s, t);
        return error_set(err, r == -ENODEV ? -ENOENT : r, "%s cannot be %s: %s", file, text,
                         strerror(-r));
    }
    return 0;
}

bool setting_holds(const struct setting *t)
{
    char now[MAX_SETTING];
    return t->fd >= 0 && read_setting(t->fd, t->file, now) == 0 && strcmp(now, t->wanted) == 0;
}

int setting_lift(struct acts *s, struct setting *t)
{
    if (t->fd < 0)
        return 0;
    // What somebody else has set in the meantime is theirs.
    char now[MAX_SETTING];
    int r = read_setting(t->fd, t->file, now);
    if (r == 0 && strcmp(now, t->before) != 0 && strcmp(now, t->wanted) == 0)
        r = write_setting(t->fd, t->file, t->before);
    if (r == -ENOENT || r == -ENODEV)
        r = 0;
    if (r < 0)
        return r; // the guardian keeps it on its list, and it is tried again
    if (t->ticket)
        guardian_done(s->guardian, t->ticket);
    close_fdp(&t->fd);
    t->ticket = 0;
    return 0;
}

static uint64_t now_ms(void)
{
    return host_boot_now().ns / NSEC_PER_MSEC;
}

int wait_event(int dirfd, const char *line, unsigned ms)
{
    _cleanup_close_ int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (uint64_t end = now_ms() + ms;;) {
        char text[256];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        if (n < 0)
            return errno == ENODEV ? -ENOENT : -errno;
        text[n] = 0;
        if (strstr(text, line))
            return 0;
        uint64_t now = now_ms();
        if (now >= end)
            return -ETIMEDOUT;
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        poll(&p, 1, (int)(end - now));
    }
}
