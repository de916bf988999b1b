// The reconciler: one owner of the kernel's rows. It holds what is wanted, writes for each slot the
// row that decides, reads back what it wrote, and says what came of it; with time it renews leases,
// finds what is not as it was written, and removes what nobody wants.
#include "reconcile.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

int reconcile_open(const struct reconcile_options *o, struct reconcile **ret, struct error *err)
{
    struct reconcile *r = calloc(1, sizeof(*r));
    if (!r)
        return error_set(err, -ENOMEM, "no memory");
    r->o = *o;
    r->caps = *o->caps;
    r->o.caps = &r->caps;
    TAILQ_INIT(&r->entries);
    network_init(&r->network, &r->o);
    r->pins = (struct pin_set){.rows_fd = -1, .cgroups_fd = -1};
    int code = 0;
    if (o->pin_dir && !(r->pin_dir = strdup(o->pin_dir)))
        code = error_set(err, -ENOMEM, "no memory");
    if (code == 0)
        code = kernel_open(&r->kernel, &r->o, err);
    if (code == 0 && !(r->acts = acts_new(o->host, o->guardian)))
        code = error_set(err, -ENOMEM, "no memory");
    if (code == 0)
        code = adopt_open(&r->old, o->host, r->pin_dir, r->kernel.cgroups_fd, err);
    if (code < 0) {
        acts_free(r->acts);
        if (r->kernel.skel)
            kernel_close(&r->kernel);
        free(r->pin_dir);
        free(r);
        return code;
    }
    for (size_t i = 0; i < o->proofs_n; i++)
        reconcile_believe(r, &o->proofs[i]);
    *ret = r;
    return 0;
}

// ── attached or not ──────────────────────────────────────────────────────────────────────────

int reconcile_attach(struct reconcile *r)
{
    if (r->kernel.link)
        return 0;
    // The maps are pinned first: a link that is pinned without them could be neither read nor taken
    // over.
    r->pin_error =
        r->pin_dir ? pins_make(r->pin_dir, r->kernel.rows_fd, r->kernel.cgroups_fd, &r->pins) : 0;
    int code = kernel_attach(&r->kernel);
    if (code == 0 && r->pins.path[0])
        r->pin_error = pins_link(&r->pins, bpf_link__fd(r->kernel.link));
    if ((code < 0 || r->pin_error < 0) && r->pins.path[0]) {
        pins_remove(r->pins.path);
        r->pins.path[0] = 0;
    }
    return code;
}

static void detach(struct reconcile *r)
{
    if (r->pins.path[0]) {
        pins_remove(r->pins.path);
        r->pins.path[0] = 0;
        pins_remove_dir(r->pin_dir);
    }
    kernel_detach(&r->kernel);
}

void reconcile_detach_if_idle(struct reconcile *r)
{
    if (r->kernel.link && r->exec_n == 0 && r->old.rows_n == 0)
        detach(r);
}

void reconcile_close(struct reconcile *r, bool release)
{
    if (!r)
        return;
    bool keep = false;
    struct entry *e;
    acts_free(r->acts); // nobody would be there to end them in time
    while ((e = TAILQ_FIRST(&r->entries))) {
        struct bh_exec_key key;
        if (e->row->kind == ROW_EXEC && e->row->mode == MODE_ENFORCE && !release && r->pins.path[0])
            keep = true;
        else if (e->row->kind == ROW_EXEC &&
                 (e->told == TOLD_IN_FORCE || e->told == TOLD_ENFORCED) &&
                 kernel_key(e->row, &key) == 0)
            kernel_take_out(&r->kernel, &key);
        TAILQ_REMOVE(&r->entries, e, next);
        free(e->row);
        free(e);
    }
    keep = keep || (!release && r->pins.path[0] && r->old.rows_n > 0);
    if (release)
        adopt_retire(&r->old);
    if (!keep)
        detach(r);
    if (release && r->pin_dir)
        pins_remove_dir(r->pin_dir);
    adopt_done(&r->old);
    network_done(&r->network);
    kernel_close(&r->kernel);
    free(r->pin_dir);
    free(r);
}

// ── the table ────────────────────────────────────────────────────────────────────────────────

static struct entry **number_bucket(struct reconcile *r, uint64_t number)
{
    return &r->by_number[number % RECONCILE_BUCKETS];
}

static struct entry **slot_bucket(struct reconcile *r, const struct slot *s)
{
    return &r->by_slot[slot_hash(s) % RECONCILE_BUCKETS];
}

static struct entry *find(struct reconcile *r, uint64_t number)
{
    for (struct entry *e = *number_bucket(r, number); e; e = e->next_number)
        if (e->row->number == number)
            return e;
    return NULL;
}

static struct entry *insert(struct reconcile *r, const struct row *row)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (!e || !(e->row = row_copy(row))) {
        free(e);
        return NULL;
    }
    struct slot s = slot_of(e->row);
    struct entry **n = number_bucket(r, row->number), **at = slot_bucket(r, &s);
    e->next_number = *n, *n = e;
    e->next_slot = *at, *at = e;
    TAILQ_INSERT_TAIL(&r->entries, e, next);
    r->entries_n++;
    r->exec_n += row->kind == ROW_EXEC;
    return e;
}

static void take_away(struct reconcile *r, struct entry *e)
{
    struct slot s = slot_of(e->row);
    struct entry **at = number_bucket(r, e->row->number);
    while (*at != e)
        at = &(*at)->next_number;
    *at = e->next_number;
    at = slot_bucket(r, &s);
    while (*at != e)
        at = &(*at)->next_slot;
    *at = e->next_slot;
    TAILQ_REMOVE(&r->entries, e, next);
    r->entries_n--;
    r->exec_n -= e->row->kind == ROW_EXEC;
    free(e->row);
    free(e);
}

static struct entry *winner(struct reconcile *r, const struct slot *s)
{
    struct entry *best = NULL;
    for (struct entry *e = *slot_bucket(r, s); e; e = e->next_slot) {
        struct slot other = slot_of(e->row);
        if (slot_eq(s, &other) && (!best || row_precedes(e->row, best->row)))
            best = e;
    }
    return best;
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────

static uint64_t lease_end(const struct reconcile *r, const struct row *row, uint64_t now)
{
    uint64_t end = r->o.lease_ns ? now + r->o.lease_ns : 0;
    if (row->until && (!end || row->until < end))
        end = row->until;
    return end;
}

static void kinds_of_level(uint8_t level, struct bh_kind_set *ret)
{
    *ret = (struct bh_kind_set){0};
    for (uint16_t kind = 1; level && kind < BH_KERNEL_MAX; kind++)
        kind_set_add(ret, kind);
}

// The container's entry as the kernel has it shall say this level. The sensor does it where it is
// there, since it also has to attach what the level's kinds need.
int reconcile_set_level(struct reconcile *r, uint32_t container, uint8_t level)
{
    struct bh_kind_set kinds;
    struct bh_container_entry e;
    kinds_of_level(level, &kinds);
    if (container == 0 || container == ROW_ANY_CONTAINER || r->o.containers_map <= 0)
        return -EINVAL;
    if (r->o.set_level) {
        int code = r->o.set_level(r->o.set_level_ctx, container, level, &kinds);
        if (code < 0)
            return code;
    } else {
        if (bpf_map_lookup_elem(r->o.containers_map, &container, &e) < 0)
            return -errno;
        e.level = level;
        e.kinds = kinds;
        if (bpf_map_update_elem(r->o.containers_map, &container, &e, BPF_EXIST) < 0)
            return -errno;
    }
    if (bpf_map_lookup_elem(r->o.containers_map, &container, &e) < 0)
        return -errno;
    return e.level == level && memcmp(&e.kinds, &kinds, sizeof(kinds)) == 0 ? 0 : -EIO;
}

static int write_entry(struct reconcile *r, struct entry *e, uint64_t now)
{
    if (e->row->kind == ROW_LEVEL)
        return reconcile_set_level(r, e->row->container, e->row->level);
    if (row_kind_acts(e->row->kind))
        return acts_put(r->acts, e->row, &r->said);
    struct bh_exec_key key;
    struct bh_exec_row value;
    int code = kernel_key(e->row, &key);
    if (code < 0)
        return code;
    e->until = lease_end(r, e->row, now);
    e->ctime = e->row->ctime;
    if (e->row->object == BH_OBJECT_NOT_IN_IMAGE &&
        e->row->ctime) // boot time to what a file's ctime counts in
        e->ctime = e->row->ctime + (host_wall_now().ns - host_boot_now().ns);
    kernel_value(e->row, e->until, e->ctime, &value);
    code = kernel_put(&r->kernel, &key, &value);
    adopt_claim(&r->old, &key);
    return code < 0 ? code : reconcile_attach(r);
}

// Nobody wants anything of the slot `row` is for.
static int erase(struct reconcile *r, const struct row *row)
{
    struct bh_exec_key key;
    if (row->kind == ROW_LEVEL) {
        int code = reconcile_set_level(r, row->container, 0);
        return code == -ENOENT ? 0 : code; // the container is gone, its entry with it
    }
    if (row_kind_acts(row->kind))
        return acts_lift(r->acts, row, &r->said);
    return kernel_key(row, &key) < 0 ? 0 : kernel_take_out(&r->kernel, &key);
}

// ── saying ───────────────────────────────────────────────────────────────────────────────────

static const char *failure(int code)
{
    switch (code) {
    case -ENAMETOOLONG:
        return "the path is longer than a row can hold (256 bytes)";
    case -ENOENT:
        return "the container isn't there any more";
    case -E2BIG:
        return "the kernel's table of rows is full";
    case -EOPNOTSUPP:
        return "it could not be carried out here";
    case -EIO:
        return "the kernel has something else than what was written";
    default:
        return strerror(-code);
    }
}

static void tell(const struct reconcile *r, const struct row *row, enum outcome_state state,
                 enum told told, int code, const struct row *decides, reconcile_emit emit,
                 void *ctx)
{
    bool exec = row->kind == ROW_EXEC, acts = row_kind_acts(row->kind);
    char message[256] = "";
    struct outcome o = {.row = row->number,
                        .row_id = row->id,
                        .state = state,
                        .tier = exec   ? r->kernel.tier
                                : acts ? acts_tier(r->acts, row)
                                       : "map",
                        .effect = !exec                     ? BH_EFFECT_NONE
                                  : row->mode == MODE_AUDIT ? BH_EFFECT_WOULD
                                                            : r->kernel.effect,
                        .enforced = told == TOLD_ENFORCED,
                        .error = code};
    if (told == TOLD_SHADOWED && decides)
        snprintf(message, sizeof(message), "row %llu decides in its place",
                 (unsigned long long)decides->number);
    else if (acts && told != TOLD_LOST && r->said.message[0])
        snprintf(message, sizeof(message), "%s", r->said.message);
    else if (code < 0)
        snprintf(message, sizeof(message), "%s", failure(code));
    else if (state == OUTCOME_IN_FORCE && exec && r->pin_error < 0)
        snprintf(message, sizeof(message), "ends with the agent: nothing can be pinned in %s (%s)",
                 r->pin_dir, strerror(-r->pin_error));
    o.message = str_of(message);
    emit(ctx, &o);
}

static enum told standing(const struct reconcile *r, const struct entry *e)
{
    bool proven =
        e->row->kind == ROW_EXEC ? r->proven[e->row->object] : r->acts_proven[e->row->kind];
    return e->row->mode == MODE_ENFORCE && proven ? TOLD_ENFORCED : TOLD_IN_FORCE;
}

// Writes what decides in the slot, and tells of each of its rows whose standing is another than was
// said last (and of `changed` in any case).
static void settle(struct reconcile *r, const struct slot *s, const struct entry *changed,
                   uint64_t now, reconcile_emit emit, void *ctx)
{
    struct entry *best = winner(r, s);
    if (!best)
        return;
    r->said = (struct error){0};
    int code = write_entry(r, best, now);
    for (struct entry *e = *slot_bucket(r, s); e; e = e->next_slot) {
        struct slot other = slot_of(e->row);
        if (!slot_eq(s, &other))
            continue;
        enum told told = e != best ? TOLD_SHADOWED : code < 0 ? TOLD_FAILED : standing(r, e);
        if (told == e->told && e != changed)
            continue;
        e->told = told;
        tell(r, e->row, told == TOLD_FAILED ? OUTCOME_FAILED : OUTCOME_IN_FORCE, told,
             e == best ? code : 0, best->row, emit, ctx);
    }
}

void reconcile_row(struct reconcile *r, const struct row *row, enum row_change change,
                   reconcile_emit emit, void *ctx)
{
    if (row->kind == ROW_NETWORK || row->kind == ROW_ISOLATE) {
        network_row(&r->network, row, change, emit, ctx);
        return;
    }
    uint64_t now = host_boot_now().ns;
    struct entry *e = find(r, row->number);
    if (change == ROW_ADDED || change == ROW_CHANGED) {
        if (e)
            take_away(
                r,
                e); // a row's slot never changes with it: number and slot are both made from its id
        e = insert(r, row);
        if (!e) {
            tell(r, row, OUTCOME_FAILED, TOLD_FAILED, -ENOMEM, NULL, emit, ctx);
            return;
        }
        struct slot s = slot_of(e->row);
        settle(r, &s, e, now, emit, ctx);
        return;
    }
    if (e)
        take_away(r, e);
    struct slot s = slot_of(row);
    int code = 0;
    r->said = (struct error){0};
    if (winner(r, &s))
        settle(r, &s, NULL, now, emit, ctx);
    else
        code = erase(r, row);
    reconcile_detach_if_idle(r);
    tell(r, row, code < 0 ? OUTCOME_FAILED : OUTCOME_GONE, code < 0 ? TOLD_FAILED : TOLD_NOTHING,
         code, NULL, emit, ctx);
}

// ── with time ────────────────────────────────────────────────────────────────────────────────

static void take_over(struct reconcile *r, uint64_t now)
{
    if (r->old.sets_n == 0)
        return;
    size_t waiting = adopt_step(&r->old, &r->kernel, now);
    if (r->old.rows_n > 0 && reconcile_attach(r) < 0)
        return; // the old program stays
    if (waiting == 0)
        adopt_retire(&r->old);
}

// Is the kernel's word the one that was written? True also for what is not the kernel's to say.
static bool reads_back(struct reconcile *r, const struct entry *e)
{
    if (e->row->kind == ROW_LEVEL) {
        struct bh_container_entry c;
        if (bpf_map_lookup_elem(r->o.containers_map, &e->row->container, &c) < 0)
            return errno == ENOENT; // gone; the row goes when that is known
        return c.level == e->row->level;
    }
    if (row_kind_acts(e->row->kind))
        return acts_hold(r->acts, e->row);
    struct bh_exec_key key;
    struct bh_exec_row should, is;
    if (kernel_key(e->row, &key) < 0)
        return true;
    kernel_value(e->row, e->until, e->ctime, &should);
    return bpf_map_lookup_elem(r->kernel.rows_fd, &key, &is) == 0 &&
           memcmp(&is, &should, sizeof(is)) == 0;
}

static bool renewal_due(const struct reconcile *r, const struct entry *e, uint64_t now)
{
    return e->row->kind == ROW_EXEC && e->until && r->o.lease_ns &&
           (!e->row->until || e->until < e->row->until) && e->until < now + r->o.lease_ns / 3 * 2;
}

static void verify(struct reconcile *r, struct entry *e, uint64_t now, reconcile_emit emit,
                   void *ctx)
{
    struct slot s = slot_of(e->row);
    if (winner(r, &s) != e)
        return;
    bool was_in_force = e->told == TOLD_IN_FORCE || e->told == TOLD_ENFORCED;
    if (was_in_force && !reads_back(r, e)) {
        e->told = TOLD_LOST;
        tell(r, e->row, OUTCOME_LOST, TOLD_LOST, -EIO, NULL, emit, ctx);
        settle(r, &s, e, now, emit, ctx);
    } else if (!was_in_force || renewal_due(r, e, now) || standing(r, e) != e->told) {
        settle(r, &s, NULL, now, emit, ctx);
    }
}

// Keys that no row of ours and none that was taken over accounts for.
static void sweep(struct reconcile *r)
{
    struct bh_exec_key key = r->sweep, next;
    struct bh_exec_row value;
    for (unsigned i = 0; i < SWEEP_PER_TICK; i++) {
        if (bpf_map_get_next_key(r->kernel.rows_fd, r->sweep_on ? &key : NULL, &next) < 0) {
            r->sweep_on = false;
            return;
        }
        key = r->sweep = next;
        r->sweep_on = true;
        if (bpf_map_lookup_elem(r->kernel.rows_fd, &key, &value) < 0 || adopt_has(&r->old, &key))
            continue;
        struct slot s = {.kind = ROW_EXEC, .container = key.container, .object = key.object};
        if (key.object == BH_OBJECT_INODE)
            s.dev = key.a, s.ino = key.b;
        if (key.object == BH_OBJECT_PATH)
            s.path = (struct str){value.path, MIN(key.b, sizeof(value.path))};
        if (!winner(r, &s))
            kernel_take_out(&r->kernel, &key);
    }
}

void reconcile_tick(struct reconcile *r, uint64_t now, reconcile_emit emit, void *ctx)
{
    take_over(r, now);
    adopt_expire(&r->old, &r->kernel, now);
    size_t n = MIN(r->entries_n, (size_t)VERIFY_PER_TICK);
    for (size_t i = 0; i < n; i++) {
        struct entry *e = TAILQ_FIRST(&r->entries);
        TAILQ_REMOVE(&r->entries, e, next);
        TAILQ_INSERT_TAIL(&r->entries, e, next);
        verify(r, e, now, emit, ctx);
    }
    sweep(r);
    reconcile_detach_if_idle(r);
    network_tick(&r->network, now, emit, ctx);
}

void reconcile_network(struct reconcile *r, const struct segment_tables *t, reconcile_emit emit,
                       void *ctx)
{
    network_write(&r->network, t, emit, ctx);
}

bool reconcile_counts_flows(const struct reconcile *r)
{
    return r->network.attached;
}

int reconcile_flows(const struct reconcile *r, reconcile_flow f, void *ctx)
{
    return network_flows(&r->network, f, ctx);
}

void reconcile_complete(struct reconcile *r)
{
    take_over(r, host_boot_now().ns);
    adopt_expire(&r->old, &r->kernel, UINT64_MAX);
    adopt_retire(&r->old);
    reconcile_detach_if_idle(r);
}

const char *reconcile_exec_tier(const struct reconcile *r, enum bh_effect *ret_effect)
{
    *ret_effect = r->kernel.effect;
    return r->kernel.tier;
}
