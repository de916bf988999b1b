// Opening and closing: maps, rings, programs; what the kernel is asked for; the entries of cgroups
// and containers.
#include "sense/internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0; // what fails is said in our own errors; a library writes to no terminal
}

static int map_settings(struct sense *s, const struct sense_options *o, struct error *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    s->settings_bytes = (sizeof(struct bh_settings) + page - 1) & ~(page - 1);
    void *at = mmap(NULL, s->settings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                    bpf_map__fd(s->skeleton->maps.settings), 0);
    if (at == MAP_FAILED)
        return error_set(err, -errno, "cannot map the settings: %s", strerror(errno));
    s->settings = at;
    s->settings->shards = s->shards;
    s->settings->self = (uint32_t)getpid();
    s->settings->reserve[BH_RING_CRITICAL] = o->budget_critical;
    s->settings->reserve[BH_RING_BULK] = o->budget_bulk;
    s->settings->ring_bytes[BH_RING_CRITICAL] = (uint32_t)o->ring_critical_bytes;
    s->settings->ring_bytes[BH_RING_BULK] = (uint32_t)o->ring_bulk_bytes;
    // What one container saved up may not fill the half that is for reserves: some must be able to
    // use theirs at once.
    for (unsigned ring = 0; ring < 2; ring++)
        s->settings->burst[ring] =
            MAX(1, MIN(2 * s->settings->reserve[ring],
                       s->settings->ring_bytes[ring] / 2 / BURST_SHARES / BURST_RECORD_BYTES));
    s->settings->window = 1;
    for (unsigned i = 0; i < s->shards; i++)
        s->settings->parked[i] = 1;
    s->settings->rename_lock = symbol_address(s->host, "rename_lock");
    return 0;
}

static int open_shard(struct sense *s, unsigned shard, const struct sense_options *o,
                      struct error *err)
{
    struct shard *h = &s->shard[shard];
    h->batch = calloc(4 * MAX_BATCH, sizeof(*h->batch));
    h->counters = calloc(s->cpus, sizeof(*h->counters));
    h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!h->batch || !h->counters || h->epoll < 0)
        return error_set(err, h->epoll < 0 ? -errno : -ENOMEM, "cannot make shard %u", shard);
    for (unsigned ring = 0; ring < 2; ring++) {
        uint64_t size = ring == BH_RING_CRITICAL ? o->ring_critical_bytes : o->ring_bulk_bytes;
        uint32_t at = shard * 2 + ring;
        int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF,
                                ring == BH_RING_CRITICAL ? "bh_critical" : "bh_bulk", 0, 0,
                                (uint32_t)size, NULL);
        if (fd < 0)
            return error_set(err, fd, "cannot make a ring of %llu bytes: %s",
                             (unsigned long long)size, strerror(-fd));
        int r = ring_map(&h->rings[ring], fd, size, s->cpus, err); // owns fd from here on
        if (r < 0)
            return r;
        if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.rings), &at, &fd, BPF_ANY) < 0)
            return error_set(err, -errno, "cannot hand a ring to the kernel: %s", strerror(errno));
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = ring};
        if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
            return error_set(err, -errno, "cannot poll a ring: %s", strerror(errno));
    }
    return 0;
}

static int load(struct sense *s, struct error *err)
{
    struct optional_hooks hooks;
    programs_probe(s->host, &hooks);
    s->open_by_kernel_hook = hooks.lsm || hooks.fentry;
    s->skeleton = observe__open();
    if (!s->skeleton)
        return error_set(err, -errno, "cannot read the programs: %s", strerror(errno));
    programs_select(s->skeleton, &hooks);
    int r = observe__load(s->skeleton);
    if (r < 0)
        return error_set(err, r, "the kernel refused the program %s: %s",
                         programs_refused(s->skeleton), strerror(-r));
    return programs_bind(s, err);
}

static bool ring_size_ok(uint64_t bytes)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return bytes >= page && bytes <= (1u << 30) && (bytes & (bytes - 1)) == 0;
}

int sense_open(const struct sense_options *o, struct sense **ret, struct error *err)
{
    if (o->shards < 1 || o->shards > BH_MAX_SHARDS)
        return error_set(err, -EINVAL, "%u shards: 1 to %u are possible", o->shards, BH_MAX_SHARDS);
    if (!ring_size_ok(o->ring_critical_bytes) || !ring_size_ok(o->ring_bulk_bytes))
        return error_set(err, -EINVAL,
                         "a ring's size must be a power of two, of pages, at most 1 GiB");
    int cpus = libbpf_num_possible_cpus();
    if (cpus < 1)
        return error_set(err, cpus, "cannot count the cpus: %s", strerror(-cpus));
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    libbpf_set_print(quiet);

    struct sense *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "no memory");
    s->host = o->host;
    s->shards = o->shards;
    s->cpus = (unsigned)cpus;
    for (unsigned i = 0; i < BH_MAX_SHARDS; i++)
        s->shard[i].epoll = s->shard[i].rings[0].fd = s->shard[i].rings[1].fd = -1;
    s->storms = calloc(MAX_STORM_KEYS, sizeof(*s->storms));
    int r = s->storms ? load(s, err) : error_set(err, -ENOMEM, "no memory");
    if (r >= 0)
        r = map_settings(s, o, err);
    for (unsigned i = 0; r >= 0 && i < s->shards; i++)
        r = open_shard(s, i, o, err);
    if (r >= 0) {
        uint32_t host_number = 0;
        struct bh_container_entry entry = {.state = BH_CONTAINER_PLAIN};
        if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.containers), &host_number, &entry,
                                BPF_ANY) < 0)
            r = error_set(err, -errno, "cannot write the host's entry: %s", strerror(errno));
    }
    if (r >= 0)
        r = sense_set_interest(s, &o->interest, err);
    if (r < 0) {
        sense_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void sense_close(struct sense *s)
{
    if (!s)
        return;
    programs_detach(s);
    for (unsigned i = 0; i < BH_MAX_SHARDS; i++) {
        struct shard *h = &s->shard[i];
        if (h->epoll >= 0)
            close(h->epoll);
        ring_unmap(&h->rings[0]);
        ring_unmap(&h->rings[1]);
        free(h->batch);
        free(h->counters);
    }
    if (s->settings)
        munmap(s->settings, s->settings_bytes);
    observe__destroy(s->skeleton);
    free(s->storms);
    free(s);
}

// ── what the kernel sends ────────────────────────────────────────────────────────────────────

static void make_reason(struct sense *s, const struct bh_kind_set *any)
{
    size_t n = 0;
    s->sys_exit_reason[0] = 0;
    for (size_t i = 0; i < model_kinds_n; i++) {
        const struct kind_row *k = &model_kinds[i];
        if (!k->call_hook || !kind_set_has(any, k->kind) ||
            (k->kind == BH_OPEN && s->open_by_kernel_hook))
            continue;
        int w = snprintf(s->sys_exit_reason + n, sizeof(s->sys_exit_reason) - n, "%s%s",
                         n ? ", " : "", k->name);
        if (w < 0 || (size_t)w >= sizeof(s->sys_exit_reason) - n)
            return;
        n += (size_t)w;
    }
}

int sense_set_interest(struct sense *s, const struct interest *i, struct error *err)
{
    struct bh_kind_set any = i->host, before = s->settings->any_kinds;
    kind_set_union(&any, &i->containers);
    kind_set_union(&any, &s->watched);

    bool changes = kind_set_has(&any, BH_CRED) || kind_set_has(&any, BH_NAMESPACE);
    bool knew = kind_set_has(&before, BH_CRED) || kind_set_has(&before, BH_NAMESPACE);

    // What is remembered of tasks until every program is there counts for nothing: a call that
    // changed them may have gone unseen.
    if (changes && !knew)
        s->settings->seen_epoch++;
    // Wanted before attached, so that a program's first run already knows what for.
    s->settings->any_kinds = any;
    s->settings->host_kinds = i->host;
    s->settings->container_kinds = i->containers;
    s->interest = *i;
    make_reason(s, &any);
    programs_calls(s, &any);
    int r = programs_attach(s, &any, err);
    if (r < 0)
        return r;
    if (!changes || knew)
        return 0;
    s->settings->seen_epoch++;
    return scan_baseline(s, err);
}

int sense_watch(struct sense *s, uint32_t container, uint8_t level, const struct bh_kind_set *kinds,
                struct error *err)
{
    struct bh_kind_set none = {{0}}, before = s->watched;
    uint32_t wide = level;
    if (kinds)
        kind_set_union(&s->watched, kinds);
    int r = container_entry_set(
        s, container, &(struct container_change){.level = &wide, .kinds = kinds ? kinds : &none});
    if (r < 0)
        return error_set(err, r, "cannot set the level of container %u: %s", container,
                         strerror(-r));
    // A hook once needed stays until the interest changes: levels come and go, attaching is dear.
    bool grew = memcmp(&before, &s->watched, sizeof(before)) != 0;
    struct interest same = s->interest;
    return grew ? sense_set_interest(s, &same, err) : 0;
}

const char *sense_sys_exit_reason(const struct sense *s)
{
    return s->sys_exit_reason;
}

int sense_heartbeat(struct sense *s, uint64_t now)
{
    s->settings->heartbeat = now;
    return 0;
}

// ── maps and their entries ───────────────────────────────────────────────────────────────────

int sense_map_fd(const struct sense *s, const char *name)
{
    static const char *const shared[] = {"cgroups", "containers", "settings",
                                         "rings",   "sequences",  "storms"};
    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        if (strcmp(shared[i], name) == 0)
            return bpf_object__find_map_fd_by_name(s->skeleton->obj, name);
    return -ENOENT;
}

int container_entry_set(struct sense *s, uint32_t container, const struct container_change *change)
{
    int fd = bpf_map__fd(s->skeleton->maps.containers);
    struct bh_container_entry e = {0};
    if (bpf_map_lookup_elem(fd, &container, &e) < 0) {
        if (errno != ENOENT)
            return -errno;
        e.cgroup = change->cgroup;
    }
    if (change->state)
        e.state = *change->state;
    if (change->level)
        e.level = *change->level;
    if (change->kinds)
        e.kinds = *change->kinds;
    return bpf_map_update_elem(fd, &container, &e, BPF_ANY) < 0 ? -errno : 0;
}

static int mark(struct sense *s, uint64_t cgroup, uint32_t container, bool sealed)
{
    struct bh_cgroup_entry g = {.container = container, .sealed = sealed};
    uint32_t state = sealed ? BH_CONTAINER_SEALED : BH_CONTAINER_PLAIN;
    // Only where it still is: a cgroup removed meanwhile must not come back into the map.
    if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.cgroups), &cgroup, &g, BPF_EXIST) < 0)
        return -errno;
    return container_entry_set(s, container,
                               &(struct container_change){.cgroup = cgroup, .state = &state});
}

int sense_seal(struct sense *s, uint64_t cgroup, uint32_t container)
{
    return mark(s, cgroup, container, true);
}

int sense_plain(struct sense *s, uint64_t cgroup, uint32_t container)
{
    return mark(s, cgroup, container, false);
}

int sense_forget(struct sense *s, uint64_t cgroup, uint32_t container)
{
    // The kernel's side did so when the cgroup was removed; this is for what it couldn't see.
    if (bpf_map_delete_elem(bpf_map__fd(s->skeleton->maps.cgroups), &cgroup) < 0 && errno != ENOENT)
        return -errno;
    if (container &&
        bpf_map_delete_elem(bpf_map__fd(s->skeleton->maps.containers), &container) < 0 &&
        errno != ENOENT)
        return -errno;
    return 0;
}
