// Images: what a process is between two execs. One block of the pool each, strings behind the
// struct; shared by fork and counted against the share of the container that made it.
#include "identify/internal.h"

enum { IMAGE_STRINGS = 5 };

static void strings_of(struct image *m, struct str *ret[IMAGE_STRINGS])
{
    ret[0] = &m->path;
    ret[1] = &m->comm;
    ret[2] = &m->cwd;
    ret[3] = &m->name;
    ret[4] = &m->args;
}

static struct img *block(struct identify *i, struct reg *r, size_t size, const struct proc *keep)
{
    uint8_t class;
    size_t share = i->images.limit / 4;
    // Over its share, a container makes room at its own cost; with the pool full, the one that
    // holds most does.
    for (int round = 0; round < EVICT_ROUNDS && r->image_bytes + size > share; round++)
        if (!proc_evict(i, r, keep))
            break;
    if (r->image_bytes + size > share)
        return NULL;
    void *b = pool_alloc(&i->images, size, &class);
    for (int round = 0; !b && round < EVICT_ROUNDS; round++) {
        struct reg *most = &i->host, *c;
        TAILQ_FOREACH (c, &i->live_regs, order)
            if (c->image_bytes > most->image_bytes)
                most = c;
        TAILQ_FOREACH (c, &i->gone_regs, order)
            if (c->image_bytes > most->image_bytes)
                most = c;
        if (!proc_evict(i, most, keep))
            break;
        b = pool_alloc(&i->images, size, &class);
    }
    if (!b)
        return NULL;
    struct img *m = b;
    memset(m, 0, sizeof(*m));
    m->refs = 1;
    m->class = class;
    m->used = (uint32_t)size;
    m->charged = r->pub.number;
    r->image_bytes += pool_class_bytes(class);
    i->stats.images++;
    return m;
}

struct img *img_new(struct identify *i, struct reg *r, const struct bh_rec *rec,
                    const struct bh_exec *x, const struct proc *keep)
{
    struct str from[IMAGE_STRINGS] = {rec_str(rec, x->path), rec_str(rec, x->comm),
                                      rec_str(rec, x->cwd), rec_str(rec, x->name),
                                      rec_str(rec, x->args)};
    size_t size = sizeof(struct img);
    for (size_t s = 0; s < IMAGE_STRINGS; s++)
        size += from[s].len + 1;
    struct img *m = block(i, r, size, keep);
    uint32_t flags = rec->flags;
    if (!m) { // what matters most of it still finds room more often
        size -= from[4].len;
        from[4].len = MIN(from[4].len, (size_t)MAX_CUT_ARGS);
        size += from[4].len;
        flags |= BH_F_TRUNCATED;
        m = block(i, r, size, keep);
    }
    if (!m) {
        i->stats.images_refused++;
        return NULL;
    }
    m->pub = (struct image){.exec = rec->exec,
                            .time = rec->kind == BH_EXEC ? rec->time : 0,
                            .exe = x->exe,
                            .creds = x->creds,
                            .nses = x->nses,
                            .exec_mnt_ns = x->nses.mnt,
                            .tty = x->tty,
                            .sid = x->sid,
                            .pgid = x->pgid,
                            .flags = flags,
                            .truth = rec->truth,
                            .call = x->call,
                            .stdio = {x->stdio[0], x->stdio[1], x->stdio[2]}};
    if (!exec_socket(rec, &m->pub.socket))
        m->pub.socket = (struct bh_sock){0};
    struct str *to[IMAGE_STRINGS];
    strings_of(&m->pub, to);
    char *at = (char *)(m + 1);
    for (size_t s = 0; s < IMAGE_STRINGS; s++) {
        *to[s] = (struct str){at, from[s].len};
        if (from[s].len)
            memcpy(at, from[s].ptr, from[s].len);
        at[from[s].len] = '\0';
        at += from[s].len + 1;
    }
    return m;
}

struct img *img_ref(struct img *m)
{
    if (m)
        m->refs++;
    return m;
}

void img_unref(struct identify *i, struct img *m)
{
    if (!m || --m->refs > 0)
        return;
    struct reg *r = m->charged == i->nowhere.pub.number ? &i->nowhere : reg_find(i, m->charged);
    size_t bytes = pool_class_bytes(m->class);
    if (r) // a number is given once, so this is the one that paid (or its placeholder, which has
           // paid nothing)
        r->image_bytes -= MIN(r->image_bytes, bytes);
    i->stats.images--;
    pool_free(&i->images, m, m->class);
}

struct img *img_own(struct identify *i, struct proc *p)
{
    struct img *m = img_of(p->pub.image);
    if (!m || m->refs == 1)
        return m;
    struct img *copy = block(i, p->reg, m->used, p);
    if (!copy)
        return NULL;
    copy->pub = m->pub;
    memcpy(copy + 1, m + 1, m->used - sizeof(*m));
    struct str *to[IMAGE_STRINGS];
    strings_of(&copy->pub, to);
    for (size_t s = 0; s < IMAGE_STRINGS; s++)
        if (to[s]->ptr)
            to[s]->ptr = (const char *)copy + (to[s]->ptr - (const char *)m);
    img_unref(i, m);
    p->pub.image = &copy->pub;
    return copy;
}

const struct image *img_pick(const struct proc *p, uint64_t exec)
{
    const struct image *now = p->pub.image, *before = p->pub.previous;
    if (now && (now->exec == exec || exec == 0))
        return now;
    // Not the one before only because it isn't this one: an exec whose record was lost has no image
    // here.
    return before && before->exec == exec ? before : NULL;
}
