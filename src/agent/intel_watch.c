// inotify over the folders that hold feeds. A file is read when its writer closed it, or moved it
// into place; while it is open for writing and changes, it is left alone for up to FEED_OPEN_NS.
#include "agent/intel.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { MAX_WATCHED = 1024, MAX_WRITTEN = 256 };

struct folder {
    int wd;
    char *path;
};
struct written {
    char *path;
    uint64_t until;
};
struct feed_watch {
    int epoll, inotify;
    struct folder folders[MAX_WATCHED];
    size_t folders_n;
    struct written written[MAX_WRITTEN];
    size_t written_n;
};

static void open_inotify(struct feed_watch *w)
{
    w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN};
    if (w->inotify >= 0)
        epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->inotify, &ev);
}

struct feed_watch *feed_watch_new(void)
{
    struct feed_watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    open_inotify(w);
    return w;
}

void feed_watch_clear(struct feed_watch *w)
{
    close_fdp(&w->inotify); // leaves the epoll set by itself
    open_inotify(w);
    for (size_t i = 0; i < w->folders_n; i++)
        free(w->folders[i].path);
    w->folders_n = 0;
}

void feed_watch_free(struct feed_watch *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->folders_n; i++)
        free(w->folders[i].path);
    for (size_t i = 0; i < w->written_n; i++)
        free(w->written[i].path);
    close_fdp(&w->inotify);
    close_fdp(&w->epoll);
    free(w);
}

int feed_watch_fd(const struct feed_watch *w)
{
    return w->epoll;
}

// Where it can't be watched (not there yet, no memory, too many), the look at each tick stands in.
void feed_watch_folder(struct feed_watch *w, const char *path)
{
    for (size_t i = 0; i < w->folders_n; i++)
        if (strcmp(w->folders[i].path, path) == 0)
            return;
    int wd = w->folders_n < MAX_WATCHED
                 ? inotify_add_watch(w->inotify, path,
                                     IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                         IN_CREATE | IN_MODIFY | IN_ONLYDIR)
                 : -1;
    char *copy = wd >= 0 ? strdup(path) : NULL;
    if (copy)
        w->folders[w->folders_n++] = (struct folder){wd, copy};
}

static struct written *find(struct feed_watch *w, const char *path)
{
    for (size_t i = 0; i < w->written_n; i++)
        if (strcmp(w->written[i].path, path) == 0)
            return &w->written[i];
    return NULL;
}

static void forget(struct feed_watch *w, struct written *x)
{
    free(x->path);
    *x = w->written[--w->written_n];
}

static void note(struct feed_watch *w, const char *path, bool writing, uint64_t now)
{
    struct written *x = find(w, path);
    if (!writing && x)
        forget(w, x);
    if (!writing)
        return;
    if (!x && w->written_n < MAX_WRITTEN) {
        char *copy = strdup(path);
        if (!copy)
            return;
        x = &w->written[w->written_n++];
        x->path = copy;
    }
    if (x)
        x->until = now + FEED_OPEN_NS;
}

static void take(struct feed_watch *w, const struct inotify_event *e, uint64_t now)
{
    char path[PATH_MAX + NAME_MAX + 2];
    for (size_t i = 0; e->len && i < w->folders_n; i++) {
        if (w->folders[i].wd != e->wd)
            continue;
        snprintf(path, sizeof(path), "%s/%s", w->folders[i].path, e->name);
        // A link that is made is never closed: it is there at once.
        struct stat st;
        bool made = (e->mask & IN_CREATE) && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
                    st.st_nlink == 1;
        note(w, path, (e->mask & IN_MODIFY) || made, now);
    }
}

void feed_watch_take(struct feed_watch *w, uint64_t now)
{
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;
    while (w->inotify >= 0 && (n = read(w->inotify, bytes, sizeof(bytes))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(bytes + at);
            at += (ssize_t)(sizeof(*e) + e->len);
            take(w, e, now);
        }
    for (size_t i = 0; i < w->written_n;)
        if (w->written[i].until <= now)
            forget(w, &w->written[i]);
        else
            i++;
}

bool feed_watch_busy(const struct feed_watch *w, const char *path, uint64_t now)
{
    for (size_t i = 0; i < w->written_n; i++)
        if (strcmp(w->written[i].path, path) == 0)
            return w->written[i].until > now;
    return false;
}
