// Rows as values: what two of them contend for, which one decides, copies.
#include "internal.h"

struct slot slot_of(const struct row *r)
{
    struct slot s = {.kind = r->kind, .container = r->container};
    if (r->kind == ROW_NETWORK) // they add up: none stands in another's place
        s.dev = r->number;
    if (r->kind != ROW_EXEC)
        return s;
    s.object = r->object;
    if (r->object == BH_OBJECT_PATH)
        s.path = r->path;
    if (r->object == BH_OBJECT_INODE)
        s.dev = r->dev, s.ino = r->ino;
    return s;
}

uint64_t slot_hash(const struct slot *s)
{
    uint64_t fixed[5] = {s->kind, s->container, s->object, s->dev, s->ino};
    return hash64(fixed, sizeof(fixed)) ^ (s->path.len ? hash64(s->path.ptr, s->path.len) : 0);
}

bool slot_eq(const struct slot *a, const struct slot *b)
{
    return a->kind == b->kind && a->container == b->container && a->object == b->object &&
           a->dev == b->dev && a->ino == b->ino && str_eq(a->path, b->path);
}

// Of two rows on one container: which asks for more. Negative: a.
static int stricter(const struct row *a, const struct row *b)
{
    if (a->kind == ROW_LEVEL)
        return (int)b->level - (int)a->level;
    if (a->kind != ROW_THROTTLE)
        return 0;
    // 0 is no limit, and as large as can be when 1 is taken from it.
    uint32_t cpu_a = a->cpu_pct - 1, cpu_b = b->cpu_pct - 1, pids_a = a->pids_max - 1,
             pids_b = b->pids_max - 1;
    return cpu_a != cpu_b     ? (cpu_a < cpu_b ? -1 : 1)
           : pids_a != pids_b ? (pids_a < pids_b ? -1 : 1)
                              : 0;
}

bool row_precedes(const struct row *a, const struct row *b)
{
    if (a->kind == ROW_LEVEL || row_kind_acts(a->kind)) {
        int more = stricter(a, b);
        if (more)
            return more < 0;
        uint64_t last_a = a->until ? a->until : UINT64_MAX,
                 last_b = b->until ? b->until : UINT64_MAX;
        if (last_a != last_b)
            return last_a > last_b;
        return a->number < b->number;
    }
    if (a->priority != b->priority)
        return a->priority > b->priority;
    bool own_a = a->container != ROW_ANY_CONTAINER, own_b = b->container != ROW_ANY_CONTAINER;
    if (own_a != own_b)
        return own_a;
    if (a->mode != b->mode)
        return a->mode == MODE_ENFORCE;
    return a->number < b->number;
}

static struct str put(char **at, struct str s)
{
    char *begin = *at;
    if (s.len)
        memcpy(begin, s.ptr, s.len);
    begin[s.len] = 0;
    *at += s.len + 1;
    return (struct str){begin, s.len};
}

struct row *row_copy(const struct row *r)
{
    size_t size = sizeof(*r) + r->owner_name.len + r->where.len + r->reason.len +
                  r->container_id.len + r->path.len + r->cgroup_path.len + 6;
    struct row *copy = malloc(size);
    if (!copy)
        return NULL;
    *copy = *r;
    char *at = (char *)(copy + 1);
    copy->owner_name = put(&at, r->owner_name);
    copy->where = put(&at, r->where);
    copy->reason = put(&at, r->reason);
    copy->container_id = put(&at, r->container_id);
    copy->path = put(&at, r->path);
    copy->cgroup_path = put(&at, r->cgroup_path);
    return copy;
}

bool row_same_verdict(const struct row *a, const struct row *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->priority == b->priority &&
           a->container == b->container && a->object == b->object && a->dev == b->dev &&
           a->ino == b->ino && a->ctime == b->ctime && a->level == b->level &&
           a->spare_runtime == b->spare_runtime && a->cgroup == b->cgroup &&
           a->cpu_pct == b->cpu_pct && a->pids_max == b->pids_max && str_eq(a->path, b->path);
}

bool row_same(const struct row *a, const struct row *b)
{
    return row_same_verdict(a, b) && a->until == b->until && str_eq(a->where, b->where) &&
           str_eq(a->reason, b->reason);
}
