// Loading, attaching and writing network rows. Rows come one by one; what the kernel looks at are
// segment's tables, written at the end of the epoch that changed them; then it is said of each row
// what came of it.
#include "network.h"
#include "internal.h"

#include "network.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/stat.h>

enum net_told { NET_NOTHING, NET_IN_FORCE, NET_ENFORCED, NET_FAILED };

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0; // what goes wrong comes back as an error
}

static int share(struct bpf_map *map, int fd)
{
    return fd > 0 ? bpf_map__reuse_fd(map, fd) : 0;
}

void network_init(struct network *n, const struct reconcile_options *o)
{
    *n = (struct network){.o = o};
}

static int load(struct network *n)
{
    const struct reconcile_options *o = n->o;
    struct network_bpf *skel = network_bpf__open();
    struct stat st;
    if (!skel)
        return -errno;
    if (fstatat(host_proc_fd(o->host), "1/ns/net", &st, 0) == 0)
        skel->rodata->host_netns = (uint32_t)st.st_ino;
    bpf_map__set_autocreate(skel->maps.tasks, false);
    int r = share(skel->maps.containers, o->containers_map);
    r = r ? r : share(skel->maps.settings, o->settings_map);
    r = r ? r : share(skel->maps.cgroups, o->cgroups_map);
    r = r ? r : share(skel->maps.rings, o->rings_map);
    r = r ? r : share(skel->maps.sequences, o->sequences_map);
    r = r ? r : share(skel->maps.storms, o->storms_map);
    r = r ? r : network_bpf__load(skel);
    if (r < 0) {
        network_bpf__destroy(skel);
        return r;
    }
    n->skel = skel;
    return 0;
}

static void detach(struct network *n)
{
    for (size_t i = 0; i < NETWORK_LINKS; i++) {
        bpf_link__destroy(n->links[i]);
        n->links[i] = NULL;
    }
    n->attached = false;
}

static int attach(struct network *n)
{
    const struct network_bpf *k = n->skel;
    // What judges comes first; only the mark of containers without facts may be missing.
    const struct bpf_program *programs[NETWORK_LINKS] = {
        k->progs.net_connect4, k->progs.net_connect6, k->progs.net_send4,  k->progs.net_send6,
        k->progs.net_ingress,  k->progs.net_egress,   k->progs.net_socket,
    };
    int root = host_cgroup2_fd(n->o->host);
    if (root < 0)
        return -ENOENT;
    for (size_t i = 0; i < NETWORK_LINKS; i++) {
        n->links[i] = bpf_program__attach_cgroup(programs[i], root);
        if (!n->links[i]) {
            int r = -errno;
            detach(n);
            return r;
        }
    }
    n->attached = true;
    return 0;
}

int network_attach(struct network *n, struct error *err)
{
    if (n->attached)
        return 0;
    libbpf_print_fn_t was = libbpf_set_print(quiet);
    int r = n->skel ? 0 : load(n);
    r = r ? r : attach(n);
    libbpf_set_print(was);
    return r < 0 ? error_set(err, r, "the programs that judge connections can't be attached: %s",
                             strerror(-r))
                 : 0;
}

void network_detach_if_idle(struct network *n)
{
    if (n->attached && n->rows_n == 0 && n->settings.flags == 0)
        detach(n);
}

static void free_written(struct written *w)
{
    free(w->addresses);
    free(w->subjects);
    free(w->lines);
    free(w->rows);
    *w = (struct written){0};
}

void network_done(struct network *n)
{
    detach(n);
    for (size_t b = 0; b < NETWORK_BUCKETS; b++)
        for (struct net_row *r; (r = n->bucket[b]);) {
            n->bucket[b] = r->next;
            free(r->row);
            free(r);
        }
    free_written(&n->written);
    network_bpf__destroy(n->skel);
    n->skel = NULL;
}

// ── one entry ────────────────────────────────────────────────────────────────────────────────

// Writes and reads back. size: of the value, at most 128 bytes.
static int put(int map, const void *key, const void *value, size_t size)
{
    uint8_t back[128];
    INVARIANT(size <= sizeof(back));
    if (bpf_map_update_elem(map, key, value, BPF_ANY) < 0 ||
        bpf_map_lookup_elem(map, key, back) < 0)
        return -errno;
    return memcmp(back, value, size) == 0 ? 0 : -EIO;
}

static int take_out(int map, const void *key)
{
    return bpf_map_delete_elem(map, key) < 0 && errno != ENOENT ? -errno : 0;
}

static int put_settings(struct network *n)
{
    uint32_t zero = 0;
    return put(bpf_map__fd(n->skel->maps.net_settings), &zero, &n->settings, sizeof(n->settings));
}

// ── tables ───────────────────────────────────────────────────────────────────────────────────

// The class of the longest network in `list` that holds this one. Sorted by key is not by tree, so
// all are looked at: only a new epoch asks.
static uint32_t class_over(const struct segment_address *list, size_t n,
                           const struct bh_net_address_key *key)
{
    uint32_t class = 0, longest = 0;
    for (size_t i = 0; i < n; i++) {
        struct cidr c = {.prefix = (uint8_t)list[i].key.prefix};
        memcpy(c.address, list[i].key.address, 16);
        if (c.prefix <= key->prefix && c.prefix >= longest && cidr_has(&c, key->address)) {
            longest = c.prefix;
            class = list[i].class;
        }
    }
    return class;
}

static uint32_t written_class_over(const struct written *w, unsigned slot,
                                   const struct bh_net_address_key *key)
{
    uint32_t class = 0, longest = 0;
    for (size_t i = 0; i < w->addresses_n; i++) {
        struct cidr c = {.prefix = (uint8_t)w->addresses[i].key.prefix};
        memcpy(c.address, w->addresses[i].key.address, 16);
        if (c.prefix <= key->prefix && c.prefix >= longest && cidr_has(&c, key->address)) {
            longest = c.prefix;
            class = w->addresses[i].value.class[slot];
        }
    }
    return class;
}

struct writing {
    struct network *n;
    const struct segment_tables *t;
    struct written next; // what the maps hold when all is done
    bool turn;           // a new epoch: the other slot
    unsigned slot;       // of t
    int result;
};

static void note(struct writing *w, int r)
{
    if (r < 0 && w->result == 0)
        w->result = r;
}

static void write_lines(struct writing *w)
{
    const struct written *old = &w->n->written;
    int lines = bpf_map__fd(w->n->skel->maps.net_lines),
        rows = bpf_map__fd(w->n->skel->maps.net_rows);
    size_t k = 0;
    for (size_t i = 0; i < w->t->lines_n; i++) {
        const struct segment_line *l = &w->t->lines[i];
        while (k < old->lines_n && memcmp(&old->lines[k].key, &l->key, sizeof(l->key)) < 0)
            k++;
        bool there = k < old->lines_n && memcmp(&old->lines[k], l, sizeof(*l)) == 0;
        struct bh_net_line value = {l->line};
        if (!there)
            note(w, put(lines, &l->key, &value, sizeof(value)));
    }
    k = 0;
    for (size_t i = 0; i < w->t->rows_n; i++) {
        const struct segment_row *r = &w->t->rows[i];
        while (k < old->rows_n && memcmp(&old->rows[k].key, &r->key, sizeof(r->key)) < 0)
            k++;
        bool there = k < old->rows_n && memcmp(&old->rows[k].key, &r->key, sizeof(r->key)) == 0 &&
                     old->rows[k].row == r->row;
        if (!there)
            note(w, put(rows, &r->key, &r->row, sizeof(r->row)));
    }
}

static void write_addresses(struct writing *w)
{
    struct network *n = w->n;
    const struct written *old = &n->written;
    int map = bpf_map__fd(n->skel->maps.net_addresses);
    size_t k = 0;
    for (size_t i = 0; i < w->t->addresses_n; i++) {
        const struct segment_address *a = &w->t->addresses[i];
        struct written_address *to = &w->next.addresses[w->next.addresses_n++];
        int c = -1;
        for (; k < old->addresses_n &&
               (c = memcmp(&old->addresses[k].key, &a->key, sizeof(a->key))) < 0;
             k++)
            if (w->turn) { // only the old epoch has it: till it goes it says what the new one says
                struct written_address late = old->addresses[k];
                late.value.class[w->slot] =
                    class_over(w->t->addresses, w->t->addresses_n, &late.key);
                note(w, put(map, &late.key, &late.value, sizeof(late.value)));
            }
        bool there = k < old->addresses_n && c == 0;
        *to = (struct written_address){
            .key = a->key,
            .value = {.netns = a->netns, .container = a->container, .flags = a->flags}};
        to->value.class[w->slot] = a->class;
        to->value.class[1 - w->slot] = there     ? old->addresses[k].value.class[1 - w->slot]
                                       : w->turn ? written_class_over(old, 1 - w->slot, &a->key)
                                                 : a->class;
        if (!there || memcmp(&old->addresses[k].value, &to->value, sizeof(to->value)) != 0)
            note(w, put(map, &to->key, &to->value, sizeof(to->value)));
    }
    for (; w->turn && k < old->addresses_n; k++) {
        struct written_address late = old->addresses[k];
        if (w->t->addresses_n &&
            memcmp(&w->t->addresses[w->t->addresses_n - 1].key, &late.key, sizeof(late.key)) == 0)
            continue;
        late.value.class[w->slot] = class_over(w->t->addresses, w->t->addresses_n, &late.key);
        note(w, put(map, &late.key, &late.value, sizeof(late.value)));
    }
}

static void write_subjects(struct writing *w)
{
    struct network *n = w->n;
    const struct written *old = &n->written;
    int map = bpf_map__fd(n->skel->maps.net_containers);
    size_t k = 0;
    for (size_t i = 0; i < w->t->subjects_n; i++) {
        const struct segment_subject *s = &w->t->subjects[i];
        struct written_subject *to = &w->next.subjects[w->next.subjects_n++];
        while (k < old->subjects_n && old->subjects[k].number < s->number)
            k++;
        bool there = k < old->subjects_n && old->subjects[k].number == s->number;
        *to = (struct written_subject){.number = s->number, .value = {.netns = s->netns}};
        to->value.slot[w->slot] = s->subject;
        to->value.slot[1 - w->slot] = there ? old->subjects[k].value.slot[1 - w->slot] : s->subject;
        if (!there || memcmp(&old->subjects[k].value, &to->value, sizeof(to->value)) != 0)
            note(w, put(map, &to->number, &to->value, sizeof(to->value)));
    }
}

static void remove_gone(struct writing *w)
{
    struct network *n = w->n;
    const struct written *old = &n->written;
    size_t k = 0;
    for (size_t i = 0; i < old->subjects_n; i++) {
        while (k < w->t->subjects_n && w->t->subjects[k].number < old->subjects[i].number)
            k++;
        if (k == w->t->subjects_n || w->t->subjects[k].number != old->subjects[i].number)
            note(w, take_out(bpf_map__fd(n->skel->maps.net_containers), &old->subjects[i].number));
    }
    k = 0;
    for (size_t i = 0; i < old->addresses_n; i++) {
        const struct bh_net_address_key *key = &old->addresses[i].key;
        while (k < w->t->addresses_n && memcmp(&w->t->addresses[k].key, key, sizeof(*key)) < 0)
            k++;
        if (k == w->t->addresses_n || memcmp(&w->t->addresses[k].key, key, sizeof(*key)) != 0)
            note(w, take_out(bpf_map__fd(n->skel->maps.net_addresses), key));
    }
    k = 0;
    for (size_t i = 0; i < old->lines_n; i++) {
        const struct bh_net_line_key *key = &old->lines[i].key;
        while (k < w->t->lines_n && memcmp(&w->t->lines[k].key, key, sizeof(*key)) < 0)
            k++;
        if (k == w->t->lines_n || memcmp(&w->t->lines[k].key, key, sizeof(*key)) != 0)
            note(w, take_out(bpf_map__fd(n->skel->maps.net_lines), key));
    }
    k = 0;
    for (size_t i = 0; i < old->rows_n; i++) {
        const struct bh_net_row_key *key = &old->rows[i].key;
        while (k < w->t->rows_n && memcmp(&w->t->rows[k].key, key, sizeof(*key)) < 0)
            k++;
        if (k == w->t->rows_n || memcmp(&w->t->rows[k].key, key, sizeof(*key)) != 0)
            note(w, take_out(bpf_map__fd(n->skel->maps.net_rows), key));
    }
}

static uint64_t lease_end(const struct network *n)
{
    return n->o->lease_ns ? host_boot_now().ns + n->o->lease_ns : 0;
}

static void *copy_of(const void *list, size_t n, size_t size)
{
    void *copy = malloc(n * size + 1);
    if (copy && n)
        memcpy(copy, list, n * size);
    return copy;
}

static int write_tables(struct network *n, const struct segment_tables *t)
{
    struct writing w = {.n = n, .t = t, .turn = n->epoch != t->epoch};
    w.slot = w.turn ? 1 - n->settings.slot : n->settings.slot;
    w.next.addresses = calloc(t->addresses_n + 1, sizeof(*w.next.addresses));
    w.next.subjects = calloc(t->subjects_n + 1, sizeof(*w.next.subjects));
    w.next.lines = copy_of(t->lines, t->lines_n, sizeof(*t->lines));
    w.next.rows = copy_of(t->rows, t->rows_n, sizeof(*t->rows));
    w.next.lines_n = t->lines_n;
    w.next.rows_n = t->rows_n;
    if (!w.next.addresses || !w.next.subjects || !w.next.lines || !w.next.rows) {
        free_written(&w.next);
        return -ENOMEM;
    }
    write_lines(&w);
    write_addresses(&w);
    write_subjects(&w);
    n->settings.slot = w.slot;
    n->settings.version++;
    n->settings.flags = t->flags;
    n->settings.until = lease_end(n);
    note(&w, put_settings(n));
    remove_gone(&w);
    free_written(&n->written);
    n->written = w.next;
    n->epoch = t->epoch;
    return w.result;
}

// ── rows ─────────────────────────────────────────────────────────────────────────────────────

static void say(struct network *n, struct net_row *r, enum net_told told, int code,
                const char *text, reconcile_emit emit, void *ctx)
{
    struct outcome o = {.row = r->row->number,
                        .row_id = r->row->id,
                        .state = told == NET_FAILED    ? OUTCOME_FAILED
                                 : told == NET_NOTHING ? OUTCOME_GONE
                                                       : OUTCOME_IN_FORCE,
                        .tier = "cgroup",
                        .effect = r->row->mode == MODE_AUDIT ? BH_EFFECT_WOULD : BH_EFFECT_REFUSED,
                        .enforced = told == NET_ENFORCED,
                        .error = code,
                        .message = str_of(text)};
    r->told = told;
    r->error = code;
    emit(ctx, &o);
}

static struct net_row **bucket_of(struct network *n, uint64_t number)
{
    return &n->bucket[number % NETWORK_BUCKETS];
}

static enum net_told standing(const struct network *n, const struct row *row)
{
    bool proven =
        row->kind == ROW_ISOLATE
            ? n->proven_isolate
            : n->proven[row->object == BH_OBJECT_INGRESS ? BH_NET_INGRESS : BH_NET_EGRESS];
    return row->mode == MODE_ENFORCE && proven ? NET_ENFORCED : NET_IN_FORCE;
}

static void tell_all(struct network *n, reconcile_emit emit, void *ctx)
{
    for (size_t b = 0; b < NETWORK_BUCKETS; b++)
        for (struct net_row *r = n->bucket[b]; r; r = r->next) {
            if (r->row->kind != ROW_NETWORK)
                continue;
            enum net_told told = n->problem < 0 ? NET_FAILED : standing(n, r->row);
            if ((enum net_told)r->told != told || r->error != n->problem)
                say(n, r, told, n->problem, n->problem < 0 ? n->text : "", emit, ctx);
        }
}

void network_write(struct network *n, const struct segment_tables *t, reconcile_emit emit,
                   void *ctx)
{
    struct error err = {0};
    if (n->rows_n == 0 && t->rows_n == 0 && t->flags == 0) {
        if (!n->attached)
            return; // nothing is wanted: containers and addresses are written when something is
    }
    n->problem = network_attach(n, &err);
    snprintf(n->text, sizeof(n->text), "%s", err.message);
    if (n->problem == 0 && t->too_large) {
        n->problem = -E2BIG;
        snprintf(n->text, sizeof(n->text), "too many %s for the kernel's tables: %s", t->what,
                 "what was in force before stays");
    } else if (n->problem == 0) {
        n->problem = write_tables(n, t);
        if (n->problem < 0)
            snprintf(n->text, sizeof(n->text), "the kernel's tables could not be written: %s",
                     strerror(-n->problem));
    }
    tell_all(n, emit, ctx);
    network_detach_if_idle(n);
}

// ── isolation ────────────────────────────────────────────────────────────────────────────────

static int allow_all(struct network *n, const struct row *row, bool add)
{
    int map = bpf_map__fd(n->skel->maps.net_isolated_allow), result = 0;
    for (struct str rest = row->path; rest.len;) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        struct cidr c;
        struct str word = {rest.ptr, len};
        rest = comma ? (struct str){comma + 1, rest.len - len - 1} : STR_NULL;
        if (cidr_parse(word, &c) < 0)
            return -EINVAL;
        struct bh_net_allow_key key = {.prefix = 32u + c.prefix, .container = row->container};
        uint32_t one = 1;
        memcpy(key.address, c.address, 16);
        int r = add ? put(map, &key, &one, sizeof(one)) : take_out(map, &key);
        result = result ? result : r;
    }
    return result;
}

int network_isolate(struct network *n, const struct row *row)
{
    struct bh_net_isolated value = {
        .row = row->number, .action = row->mode == MODE_ENFORCE ? BH_ACTION_DENY : BH_ACTION_AUDIT};
    uint64_t lease = lease_end(n);
    value.until = row->until && (!lease || row->until < lease) ? row->until : lease;
    if (row->container == 0 || row->container == ROW_ANY_CONTAINER)
        return -EINVAL;
    int r = network_attach(n, NULL);
    r = r ? r : allow_all(n, row, true); // what stays open first
    return r ? r
             : put(bpf_map__fd(n->skel->maps.net_isolated), &row->container, &value, sizeof(value));
}

int network_release(struct network *n, uint32_t container)
{
    return n->skel ? take_out(bpf_map__fd(n->skel->maps.net_isolated), &container) : 0;
}

// Which of several rows isolates a container: the one that enforces, then the one that came first.
static struct net_row *isolating(struct network *n, uint32_t container)
{
    struct net_row *best = NULL;
    for (size_t b = 0; b < NETWORK_BUCKETS; b++)
        for (struct net_row *r = n->bucket[b]; r; r = r->next)
            if (r->row->kind == ROW_ISOLATE && r->row->container == container &&
                (!best || r->row->mode > best->row->mode ||
                 (r->row->mode == best->row->mode && r->row->since < best->row->since)))
                best = r;
    return best;
}

static int settle_isolation(struct network *n, uint32_t container)
{
    struct net_row *r = isolating(n, container);
    return r ? network_isolate(n, r->row) : network_release(n, container);
}

static void forget(struct network *n, struct net_row **at)
{
    struct net_row *r = *at;
    *at = r->next;
    n->rows_n--;
    n->isolated_n -= r->row->kind == ROW_ISOLATE;
    free(r->row);
    free(r);
}

void network_row(struct network *n, const struct row *row, enum row_change change,
                 reconcile_emit emit, void *ctx)
{
    struct net_row **at = bucket_of(n, row->number), stand_in = {.row = (struct row *)row};
    while (*at && (*at)->row->number != row->number)
        at = &(*at)->next;
    if (*at && (*at)->row->kind == ROW_ISOLATE && n->skel)
        allow_all(n, (*at)->row, false);
    if (*at)
        forget(n, at);
    if (change == ROW_REMOVED || change == ROW_EXPIRED) {
        int code = row->kind == ROW_ISOLATE ? settle_isolation(n, row->container) : 0;
        say(n, &stand_in, code < 0 ? NET_FAILED : NET_NOTHING, code,
            code < 0 ? strerror(-code) : "", emit, ctx);
        network_detach_if_idle(n);
        return;
    }
    struct net_row *r = calloc(1, sizeof(*r));
    if (!r || !(r->row = row_copy(row))) {
        free(r);
        say(n, &stand_in, NET_FAILED, -ENOMEM, "no memory", emit, ctx);
        return;
    }
    at = bucket_of(n, row->number);
    r->next = *at, *at = r;
    n->rows_n++;
    n->isolated_n += row->kind == ROW_ISOLATE;
    if (row->kind == ROW_NETWORK) // said when the tables are written, in this epoch
        return;
    int code = settle_isolation(n, row->container);
    say(n, r, code < 0 ? NET_FAILED : standing(n, r->row), code, code < 0 ? strerror(-code) : "",
        emit, ctx);
}

// ── with time ────────────────────────────────────────────────────────────────────────────────

void network_tick(struct network *n, uint64_t now, reconcile_emit emit, void *ctx)
{
    if (!n->attached)
        return;
    bool due = n->o->lease_ns && n->settings.until < now + n->o->lease_ns / 3 * 2;
    if (due) {
        n->settings.until = lease_end(n);
        int r = put_settings(n);
        if (r < 0 && n->problem == 0) {
            n->problem = r;
            snprintf(n->text, sizeof(n->text), "the lease can't be renewed: %s", strerror(-r));
        }
    }
    for (size_t b = 0; b < NETWORK_BUCKETS && n->isolated_n; b++)
        for (struct net_row *r = n->bucket[b]; r; r = r->next) {
            if (r->row->kind != ROW_ISOLATE)
                continue;
            int code = due ? settle_isolation(n, r->row->container) : 0;
            enum net_told told = code < 0 ? NET_FAILED : standing(n, r->row);
            if ((enum net_told)r->told != told)
                say(n, r, told, code, code < 0 ? strerror(-code) : "", emit, ctx);
        }
    tell_all(n, emit, ctx);
}

int network_flows(const struct network *n, reconcile_flow f, void *ctx)
{
    if (!n->skel)
        return 0;
    int map = bpf_map__fd(n->skel->maps.net_flows), r = 0;
    struct bh_flow_key key, next;
    for (unsigned i = 0; r == 0 && i < BH_NET_MAX_FLOWS; i++) {
        struct bh_flow flow;
        if (bpf_map_get_next_key(map, i ? &key : NULL, &next) < 0)
            break;
        key = next;
        if (bpf_map_lookup_elem(map, &key, &flow) == 0)
            r = f(ctx, &key, &flow);
    }
    return r;
}
