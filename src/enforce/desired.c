// The desired state: which rows there shall be, from policies, containers, decisions and operators'
// words. Pure: time comes in, rows and changes go out, and the same inputs give the same rows with
// the same numbers, also after a restart, since a number is made from what the row is.
//
// What holds: a row exists once per (owner, container, object). Changes are emitted before
// removals, so that what takes the place of a row is in force before that row goes. Nothing is ever
// wanted of the host.
#include "internal.h"
#include "known.h"

#include <errno.h>

enum { BUCKETS = 4096, NUMBER_BITS = 40, PROBES = 4, WATCH_LEVEL = 1 };

struct held {
    TAILQ_ENTRY(held) next; // of all, in the order in which they came
    struct held *next_number, *next_slot;
    struct row *row;
    uint64_t sweep; // last sweep that wanted it (policies)
    bool undone;    // an operator took it back: it stays known until its policy says something else
    bool has_outcome;
    struct outcome outcome;
    char message[200];
};
TAILQ_HEAD(held_list, held);

struct desired {
    struct held_list rows;
    struct held *by_number[BUCKETS], *by_slot[BUCKETS];
    size_t rows_n;
    struct known_list known;
    struct segment *segment;
    struct arena *arena; // of policies
    struct policy *policies;
    size_t policies_n;
    uint64_t generation, sweep, refused;
};

struct changes { // where a change goes
    desired_emit emit;
    void *ctx;
    uint64_t now;
};

struct desired *desired_new(void)
{
    struct desired *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    TAILQ_INIT(&d->rows);
    d->segment = segment_new();
    if (!d->segment) {
        free(d);
        return NULL;
    }
    return d;
}

static void free_held(struct held *h)
{
    free(h->row);
    free(h);
}

void desired_free(struct desired *d)
{
    if (!d)
        return;
    struct held *h;
    while ((h = TAILQ_FIRST(&d->rows))) {
        TAILQ_REMOVE(&d->rows, h, next);
        free_held(h);
    }
    segment_free(d->segment);
    known_done(&d->known);
    arena_free(d->arena);
    free(d);
}

// ── the table ────────────────────────────────────────────────────────────────────────────────

static struct held *by_number(const struct desired *d, uint64_t number)
{
    for (struct held *h = d->by_number[number % BUCKETS]; h; h = h->next_number)
        if (h->row->number == number)
            return h;
    return NULL;
}

static void add_part(struct buf *b, struct str s)
{
    uint64_t len = s.len;
    buf_add(b, &len, sizeof(len));
    buf_str(b, s);
}

// The row's id: a hash of who wants it of whom. -ENOMEM.
static int name_row(struct row *r)
{
    _cleanup_buf_ struct buf b = {0};
    uint64_t fixed[6] = {r->owner, r->kind, r->object,
                         r->dev,   r->ino,  r->object == BH_OBJECT_INODE ? r->ctime : 0};
    buf_add(&b, fixed, sizeof(fixed));
    add_part(&b, r->owner_name);
    add_part(&b, r->container == ROW_ANY_CONTAINER ? STR("*") : r->container_id);
    add_part(&b, r->path);
    if (b.failed)
        return -ENOMEM;
    r->id = id_of(b.ptr, b.len);
    return 0;
}

// The row that is there under this id, or NULL with the number that it would get (0: its places are
// all taken, which takes four hashes alike in 40 bits).
static struct held *find(const struct desired *d, struct id id, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < NUMBER_BITS / 8; i++)
        number = number << 8 | id.bytes[i];
    *ret_number = 0;
    for (unsigned i = 0; i < PROBES; i++, number++) {
        number += number == 0; // 0 is no row's
        struct held *h = by_number(d, number);
        if (h && id_eq(h->row->id, id))
            return h;
        if (!h && !*ret_number)
            *ret_number = number;
    }
    return NULL;
}

static void link_row(struct desired *d, struct held *h)
{
    struct slot s = slot_of(h->row);
    struct held **number = &d->by_number[h->row->number % BUCKETS],
                **slot = &d->by_slot[slot_hash(&s) % BUCKETS];
    h->next_number = *number, *number = h;
    h->next_slot = *slot, *slot = h;
}

static void unlink_row(struct desired *d, struct held *h)
{
    struct slot s = slot_of(h->row);
    struct held **at = &d->by_number[h->row->number % BUCKETS];
    while (*at != h)
        at = &(*at)->next_number;
    *at = h->next_number;
    at = &d->by_slot[slot_hash(&s) % BUCKETS];
    while (*at != h)
        at = &(*at)->next_slot;
    *at = h->next_slot;
}

static void drop(struct desired *d, struct held *h, enum row_change change, const struct changes *c)
{
    unlink_row(d, h);
    TAILQ_REMOVE(&d->rows, h, next);
    d->rows_n--;
    if (!h->undone)
        c->emit(c->ctx, h->row, change);
    free_held(h);
}

// Makes the table hold r (its number, id, since and generation are filled in here); says so if that
// is news.
static void want(struct desired *d, struct row *r, const struct changes *c)
{
    struct held *h = NULL;
    if (name_row(r) < 0 ||
        (!(h = find(d, r->id, &r->number)) && (r->number == 0 || d->rows_n >= MAX_DESIRED_ROWS))) {
        d->refused++;
        return;
    }
    if (h && h->sweep == d->sweep) // said twice by one document: the first counts
        return;
    r->generation = d->generation;
    r->since = c->now;
    if (h) {
        h->sweep = d->sweep;
        r->number = h->row->number;
        r->since = h->row->since;
        if (h->undone ? row_same_verdict(h->row, r) : row_same(h->row, r)) {
            h->row->generation = r->generation;
            return;
        }
        struct row *copy = row_copy(r);
        if (!copy) {
            d->refused++;
            return;
        }
        bool again = h->undone;
        unlink_row(d, h);
        free(h->row);
        h->row = copy;
        h->undone = false;
        link_row(d, h);
        c->emit(c->ctx, copy, again ? ROW_ADDED : ROW_CHANGED);
        return;
    }
    h = calloc(1, sizeof(*h));
    if (!h || !(h->row = row_copy(r))) {
        free(h);
        d->refused++;
        return;
    }
    h->sweep = d->sweep;
    link_row(d, h);
    TAILQ_INSERT_TAIL(&d->rows, h, next);
    d->rows_n++;
    c->emit(c->ctx, h->row, ROW_ADDED);
}

// ── policies ─────────────────────────────────────────────────────────────────────────────────

static struct label *copy_labels(struct arena *a, const struct label *from, size_t n)
{
    struct label *to = arena_alloc(a, n * sizeof(*to) + 1);
    for (size_t i = 0; to && i < n; i++)
        to[i] = (struct label){arena_str(a, from[i].key), arena_str(a, from[i].value)};
    return to;
}

static bool copy_policy(struct arena *a, struct policy *to, const struct policy *from)
{
    *to = *from;
    to->name = arena_str(a, from->name);
    to->file = arena_str(a, from->file);
    to->reason = arena_str(a, from->reason);
    to->selector.name = arena_str(a, from->selector.name);
    to->selector.image = arena_str(a, from->selector.image);
    to->selector.workload = arena_str(a, from->selector.workload);
    to->selector.labels = copy_labels(a, from->selector.labels, from->selector.labels_n);
    to->deny = arena_alloc(a, from->deny_n * sizeof(*to->deny) + 1);
    if (!to->deny || !to->selector.labels)
        return false;
    for (size_t i = 0; i < from->deny_n; i++) {
        to->deny[i] = from->deny[i];
        to->deny[i].path = arena_str(a, from->deny[i].path);
    }
    return true;
}

// May p say anything of this container, whatever its selector? A plain cgroup (a systemd service,
// say) is a part of the host unless a policy means it by name, and it has no image that a file
// could be missing from.
static bool may_concern(const struct policy *p, const struct exec_deny *deny,
                        const struct container *c)
{
    if (c->number == 0 || c->type == CONTAINER_HOST)
        return false;
    return c->type == CONTAINER_OCI ||
           (p->selector.name.len && deny->object != BH_OBJECT_NOT_IN_IMAGE);
}

static void want_policy(struct desired *d, const struct policy *p, const struct known *k,
                        const struct changes *c)
{
    if (selector_match(&p->selector, &k->container) != YES)
        return;
    for (size_t i = 0; i < p->deny_n; i++) {
        const struct exec_deny *deny = &p->deny[i];
        if (!may_concern(p, deny, &k->container))
            continue;
        char where[512];
        int n = snprintf(where, sizeof(where), STR_FMT ":%u", STR_ARG(p->file),
                         deny->line ? deny->line : p->line);
        struct row r = {.kind = ROW_EXEC,
                        .mode = p->mode,
                        .owner = OWNER_POLICY,
                        .owner_name = p->name,
                        .where = {where, MIN((size_t)MAX(n, 0), sizeof(where) - 1)},
                        .reason = p->reason,
                        .priority = p->priority,
                        .container = k->container.number,
                        .container_id = known_subject(&k->container),
                        .object = deny->object,
                        .path = deny->object == BH_OBJECT_PATH ? deny->path : STR_NULL,
                        .ctime = deny->object == BH_OBJECT_NOT_IN_IMAGE ? k->container.created : 0,
                        .spare_runtime = k->container.type == CONTAINER_OCI};
        want(d, &r, c);
    }
}

// What network policies say of a container: a row for each policy and direction, and for each line
// that denies.
static void want_network(struct desired *d, const struct known *k, const struct changes *c)
{
    struct segment_says *says;
    size_t n = segment_says(d->segment, k->container.number, &says);
    for (size_t i = 0; i < n; i++) {
        const struct network_policy *p = says[i].policy;
        const struct policy *deny = says[i].deny_policy;
        _cleanup_buf_ struct buf name = {0}, where = {0}, text = {0};
        if (p) {
            buf_str(&name, p->ns);
            buf_char(&name, '/');
        }
        buf_str(&name, p ? p->name : deny->name);
        buf_str(&where, p ? p->file : deny->file);
        buf_printf(&where, ":%u", p ? p->line : says[i].deny->line);
        segment_says_text(&says[i], &text);
        struct row r = {.kind = ROW_NETWORK,
                        .mode = p ? p->mode : deny->mode,
                        .owner = OWNER_POLICY,
                        .owner_name = buf_view(&name),
                        .where = buf_view(&where),
                        .reason = p ? STR_NULL : deny->reason,
                        .priority = p ? 0 : deny->priority,
                        .container = k->container.number,
                        .container_id = known_subject(&k->container),
                        .object = says[i].direction == BH_NET_INGRESS ? BH_OBJECT_INGRESS
                                                                      : BH_OBJECT_EGRESS,
                        .path = buf_view(&text)};
        want(d, &r, c);
        const struct held *h = r.number ? by_number(d, r.number) : NULL;
        segment_row(d->segment, k->container.number, says[i].line, h && !h->undone ? r.number : 0);
    }
}

// Rows of policies that the last sweep did not want: of one container, or of all.
static void remove_unwanted(struct desired *d, uint32_t container, bool all,
                            const struct changes *c)
{
    for (struct held *h = TAILQ_FIRST(&d->rows), *after; h; h = after) {
        after = TAILQ_NEXT(h, next);
        if (h->row->owner == OWNER_POLICY && h->sweep != d->sweep &&
            (all || h->row->container == container))
            drop(d, h, ROW_REMOVED, c);
    }
}

void desired_policies(struct desired *d, const struct documents *docs, uint64_t generation,
                      uint64_t now, desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    struct arena *arena = arena_new(0);
    struct policy *list = arena ? arena_alloc(arena, docs->policies_n * sizeof(*list) + 1) : NULL;
    for (size_t i = 0; list && i < docs->policies_n; i++)
        if (!copy_policy(arena, &list[i], &docs->policies[i]))
            list = NULL;
    if (!list) { // the old ones stay in force
        arena_free(arena);
        d->refused++;
        return;
    }
    arena_free(d->arena);
    d->arena = arena;
    d->policies = list;
    d->policies_n = docs->policies_n;
    d->generation = generation;
    d->sweep++;
    segment_policies(d->segment, docs);
    for (size_t k = 0; k < d->known.n; k++) {
        for (size_t i = 0; i < d->policies_n; i++)
            want_policy(d, &d->policies[i], d->known.list[k], &c);
        want_network(d, d->known.list[k], &c);
    }
    remove_unwanted(d, 0, true, &c);
}

// ── containers ───────────────────────────────────────────────────────────────────────────────

void desired_container(struct desired *d, const struct container *container, uint64_t now,
                       desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    if (container->number == 0 || container->type == CONTAINER_HOST)
        return;
    struct known *k = known_put(&d->known, container);
    if (!k) {
        d->refused++;
        return;
    }
    d->sweep++;
    for (size_t i = 0; i < d->policies_n; i++)
        want_policy(d, &d->policies[i], k, &c);
    segment_container(d->segment, &k->container);
    want_network(d, k, &c);
    remove_unwanted(d, container->number, false, &c);
}

void desired_container_gone(struct desired *d, uint32_t number, uint64_t now, desired_emit emit,
                            void *ctx)
{
    const struct changes c = {emit, ctx, now};
    for (struct held *h = TAILQ_FIRST(&d->rows), *after; h; h = after) {
        after = TAILQ_NEXT(h, next);
        if (h->row->container == number)
            drop(d, h, ROW_REMOVED, &c);
    }
    segment_gone(d->segment, number);
    known_remove(&d->known, number);
}

void desired_addresses(struct desired *d, struct str text)
{
    d->refused += !segment_addresses(d->segment, text);
}

const struct segment_tables *desired_tables(struct desired *d)
{
    return segment_compile(d->segment);
}

const struct segment *desired_segment(const struct desired *d)
{
    return d->segment;
}

// ── decisions, time, operators ───────────────────────────────────────────────────────────────

static const enum row_kind kind_of_step[STEP_MAX] = {[STEP_WATCH] = ROW_LEVEL,
                                                     [STEP_THROTTLE] = ROW_THROTTLE,
                                                     [STEP_ISOLATE] = ROW_ISOLATE,
                                                     [STEP_FREEZE] = ROW_FREEZE,
                                                     [STEP_KILL] = ROW_KILL};

// What a row says of its container, as far as that is known.
static void about(const struct desired *d, struct row *r, uint32_t container, struct str id)
{
    const struct known *k = known_find(&d->known, container);
    r->container = container;
    r->container_id = k ? known_subject(&k->container) : id;
    if (k && row_kind_acts(r->kind)) {
        r->cgroup = k->container.cgroup;
        r->cgroup_path = k->container.cgroup_path;
    }
}

void desired_decision(struct desired *d, const struct decision *dec, uint64_t generation,
                      uint64_t now, desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    if (dec->container == 0 || dec->container == ROW_ANY_CONTAINER)
        return;
    bool over = dec->until && dec->until <= now;
    uint64_t sweep = ++d->sweep;
    char incident[ID_TEXT_MAX], where[600];
    int n = snprintf(where, sizeof(where), "incident %llu%s" STR_FMT,
                     (unsigned long long)dec->incident_number, dec->where.len ? ", " : "",
                     STR_ARG(dec->where));
    struct row r = {.mode = MODE_ENFORCE,
                    .owner = OWNER_INCIDENT,
                    .owner_name = str_of(id_text(dec->incident, incident)),
                    .where = {where, MIN((size_t)MAX(n, 0), sizeof(where) - 1)},
                    .reason = dec->reason,
                    .until = dec->until};
    // Whatever is done, it is also watched closer; and the latest step stands in the place of the
    // others.
    for (int step = STEP_KILL; step >= STEP_WATCH; step--) {
        if (over || dec->step < STEP_WATCH || (step != STEP_WATCH && step != (int)dec->step))
            continue;
        struct row one = r;
        one.kind = kind_of_step[step];
        about(d, &one, dec->container, dec->container_id);
        if (one.kind == ROW_LEVEL)
            one.level = WATCH_LEVEL;
        if (one.kind == ROW_THROTTLE)
            one.cpu_pct = dec->cpu_pct, one.pids_max = dec->pids_max;
        if (one.kind == ROW_ISOLATE)
            one.path = dec->allow;
        d->generation = MAX(d->generation, generation);
        want(d, &one, &c);
    }
    for (struct held *h = TAILQ_FIRST(&d->rows), *after; h; h = after) {
        after = TAILQ_NEXT(h, next);
        if (h->row->owner == OWNER_INCIDENT && h->sweep != sweep &&
            h->row->container == dec->container && str_eq(h->row->owner_name, r.owner_name))
            drop(d, h, ROW_REMOVED, &c);
    }
}

void desired_act(struct desired *d, const struct act_word *w, uint64_t generation, uint64_t now,
                 desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    char name[32], where[64];
    if (w->container == 0 || w->container == ROW_ANY_CONTAINER || !row_kind_acts(w->kind))
        return;
    d->sweep++;
    d->generation = MAX(d->generation, generation);
    snprintf(name, sizeof(name), "uid %u", w->uid);
    snprintf(where, sizeof(where), "respond %s", row_kind_name(w->kind));
    struct row r = {.kind = w->kind,
                    .mode = MODE_ENFORCE,
                    .owner = OWNER_OPERATOR,
                    .owner_name = str_of(name),
                    .where = str_of(where),
                    .reason = w->reason,
                    .until = w->until,
                    .cpu_pct = w->kind == ROW_THROTTLE ? w->cpu_pct : 0,
                    .pids_max = w->kind == ROW_THROTTLE ? w->pids_max : 0,
                    .path = w->kind == ROW_ISOLATE ? w->allow : STR_NULL};
    about(d, &r, w->container, STR_NULL);
    want(d, &r, &c);
}

size_t desired_lift(struct desired *d, uint32_t container, enum row_kind kind, uint64_t now,
                    desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    size_t n = 0;
    for (struct held *h = TAILQ_FIRST(&d->rows), *after; h; h = after) {
        after = TAILQ_NEXT(h, next);
        bool meant = kind == ROW_KIND_INVALID ? row_kind_acts(h->row->kind) : h->row->kind == kind;
        if (!meant || h->row->container != container || h->undone)
            continue;
        drop(d, h, ROW_REMOVED, &c);
        n++;
    }
    return n;
}

void desired_tick(struct desired *d, uint64_t now, desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    for (struct held *h = TAILQ_FIRST(&d->rows), *after; h; h = after) {
        after = TAILQ_NEXT(h, next);
        if (h->row->until && h->row->until <= now)
            drop(d, h, ROW_EXPIRED, &c);
    }
}

int desired_undo(struct desired *d, uint64_t number, uint64_t now, desired_emit emit, void *ctx)
{
    const struct changes c = {emit, ctx, now};
    struct held *h = by_number(d, number);
    if (!h || h->undone)
        return -ENOENT;
    if (h->row->owner != OWNER_POLICY) {
        drop(d, h, ROW_REMOVED, &c);
        return 0;
    }
    // The policy still wants it: only the memory that someone said no keeps the next fact from
    // bringing it back.
    emit(ctx, h->row, ROW_REMOVED);
    if (h->row->kind == ROW_NETWORK) {
        struct segment_says *says;
        size_t n = segment_says(d->segment, h->row->container, &says);
        for (size_t i = 0; i < n; i++)
            if (says[i].row == number)
                segment_row(d->segment, h->row->container, says[i].line, 0);
    }
    h->undone = true;
    h->has_outcome = false;
    return 0;
}

void desired_outcome(struct desired *d, const struct outcome *o)
{
    struct held *h = by_number(d, o->row);
    if (!h || h->undone)
        return;
    h->outcome = *o;
    snprintf(h->message, sizeof(h->message), STR_FMT, STR_ARG(o->message));
    h->outcome.message = str_of(h->message);
    h->has_outcome = true;
}

// ── looking ──────────────────────────────────────────────────────────────────────────────────

static bool shadowed_in(const struct desired *d, const struct held *h, const struct slot *s)
{
    for (const struct held *o = d->by_slot[slot_hash(s) % BUCKETS]; o; o = o->next_slot) {
        struct slot other = slot_of(o->row);
        if (o != h && !o->undone && slot_eq(s, &other) && row_precedes(o->row, h->row))
            return true;
    }
    return false;
}

static bool is_shadowed(const struct desired *d, const struct held *h)
{
    struct slot s = slot_of(h->row);
    if (shadowed_in(d, h, &s))
        return true;
    if (s.kind != ROW_EXEC || s.container == ROW_ANY_CONTAINER)
        return false;
    s.container = ROW_ANY_CONTAINER; // one of every container's may have the higher priority
    return shadowed_in(d, h, &s);
}

int desired_each(const struct desired *d, int (*f)(void *ctx, const struct row_state *s), void *ctx)
{
    struct held *h;
    TAILQ_FOREACH (h, &d->rows, next) {
        if (h->undone)
            continue;
        struct row_state s = {.row = h->row,
                              .outcome = h->has_outcome ? &h->outcome : NULL,
                              .shadowed = is_shadowed(d, h)};
        int r = f(ctx, &s);
        if (r)
            return r;
    }
    return 0;
}

const struct row *desired_row(const struct desired *d, uint64_t number)
{
    struct held *h = by_number(d, number);
    return h ? h->row : NULL;
}

uint64_t desired_refused(const struct desired *d)
{
    return d->refused;
}
