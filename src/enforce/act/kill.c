// Killing: cgroup.kill (Linux 5.14), which no fork escapes; before that, each process by a
// descriptor of its own, again until none is there. While the row stands nothing may live in the
// container: what enters it later dies at the next look.
#include "enforce/act/internal.h"

#include <errno.h>
#include <fcntl.h>

static int put(struct acts *s, struct act *a, const struct row *row, struct error *err)
{
    a->tier = "cgroup2";
    _cleanup_close_ int fd = openat(a->fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    int r = 0;
    if (fd >= 0 && write(fd, "1", 1) != 1)
        r = errno == ENODEV ? 0 : -errno;
    if (r < 0)
        return error_set(err, r, "cgroup.kill cannot be written: %s", strerror(-r));
    for (unsigned ms = 0; ms < KILL_WAIT_MS; ms += 20) {
        if (fd < 0)
            kill_each(a->fd);
        r = wait_event(a->fd, "populated 0", 20);
        if (r != -ETIMEDOUT)
            break;
    }
    if (r == -ETIMEDOUT)
        return error_set(err, -EINPROGRESS, "some processes have not ended yet");
    return r == -ENOENT ? 0 : r; // its runtime has taken the empty cgroup away
}

static bool holds(const struct act *a)
{
    int r = wait_event(a->fd, "populated 0", 0);
    return r == 0 || r == -ENOENT;
}

const struct action action_kill = {ROW_KILL, put, holds};
