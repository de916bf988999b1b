// The table of actions, and what stands.
#include "enforce/act/internal.h"

#include <errno.h>
#include <fcntl.h>

static const struct action *const actions[ROW_KIND_MAX] = {
    [ROW_FREEZE] = &action_freeze,
    [ROW_THROTTLE] = &action_throttle,
    [ROW_KILL] = &action_kill,
};

struct acts *acts_new(const struct host *host, struct guardian *guardian)
{
    struct acts *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    LIST_INIT(&s->list);
    s->host = host;
    s->guardian = guardian;
    _cleanup_buf_ struct buf own = {0};
    if (host_read_file(AT_FDCWD, "/proc/self/cgroup", sizeof(s->own) - 1, &own) == 0 && own.ptr)
        memcpy(s->own, own.ptr, own.len + 1);
    return s;
}

static struct act *find(const struct acts *s, enum row_kind kind, uint32_t container)
{
    struct act *a;
    LIST_FOREACH (a, &s->list, next)
        if (a->kind == kind && a->container == container)
            return a;
    return NULL;
}

static void drop(struct acts *s, struct act *a)
{
    LIST_REMOVE(a, next);
    s->n--;
    if (a->fd >= 0)
        close(a->fd);
    free(a->path);
    free(a);
}

static int lift(struct acts *s, struct act *a)
{
    int r = 0;
    for (size_t i = MAX_SETTINGS; i-- > 0;) {
        int code = setting_lift(s, &a->settings[i]);
        r = r < 0 ? r : code;
    }
    if (r == 0)
        drop(s, a);
    return r;
}

void acts_free(struct acts *s)
{
    if (!s)
        return;
    for (struct act *a = LIST_FIRST(&s->list), *after; a; a = after) {
        after = LIST_NEXT(a, next);
        if (lift(s, a) < 0)
            drop(s, a);
    }
    free(s);
}

static struct act *add(struct acts *s, const struct row *row, struct error *err)
{
    if (s->n >= MAX_ACTS) {
        error_set(err, -ENOSPC, "%d containers are acted on already", MAX_ACTS);
        return NULL;
    }
    int fd = open_place(s, row, err);
    if (fd < 0)
        return NULL;
    struct act *a = calloc(1, sizeof(*a));
    char *path = str_dup(row->cgroup_path);
    if (!a || !path) {
        close(fd);
        free(path);
        free(a);
        error_set(err, -ENOMEM, "no memory");
        return NULL;
    }
    *a = (struct act){.kind = row->kind,
                      .container = row->container,
                      .cgroup = row->cgroup,
                      .path = path,
                      .fd = fd,
                      .tier = "none"};
    for (size_t i = 0; i < MAX_SETTINGS; i++)
        a->settings[i].fd = -1;
    LIST_INSERT_HEAD(&s->list, a, next);
    s->n++;
    return a;
}

int acts_put(struct acts *s, const struct row *row, struct error *err)
{
    const struct action *action = actions[row->kind];
    if (!action)
        return error_set(err, -EOPNOTSUPP, "this agent has no means to %s",
                         row_kind_name(row->kind));
    struct act *a = find(s, row->kind, row->container);
    if (a && a->cgroup != row->cgroup) { // another container came to its number
        lift(s, a);
        a = NULL;
    }
    if (!a && !(a = add(s, row, err)))
        return err->code;
    int r = action->put(s, a, row, err);
    if (r < 0 && r != -EINPROGRESS)
        lift(s, a);
    return r;
}

bool acts_hold(const struct acts *s, const struct row *row)
{
    const struct action *action = actions[row->kind];
    const struct act *a = find(s, row->kind, row->container);
    return action && a && action->holds(a);
}

int acts_lift(struct acts *s, const struct row *row, struct error *err)
{
    struct act *a = find(s, row->kind, row->container);
    int r = a ? lift(s, a) : 0;
    return r < 0 ? error_set(err, r, "it cannot be taken back: %s", strerror(-r)) : 0;
}

const char *acts_tier(const struct acts *s, const struct row *row)
{
    const struct act *a = find(s, row->kind, row->container);
    return a ? a->tier : "none";
}
