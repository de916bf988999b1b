// Starting and stopping the core: folders, lock, processes, programs, the first generation, the
// scan.
#include "agent/core.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timerfd.h>

#define BPF_FS_MAGIC_NUMBER 0xcafe4a11
enum { RECORDER_MEMORY = 8 << 20 };

int core_read_sources(const struct agent_options *o, struct sources *ret, struct diag_list *diags)
{
    const char *config = o->config;
    if (!config && access("/etc/bulkhead/bulkhead.yaml", F_OK) == 0)
        config = "/etc/bulkhead/bulkhead.yaml";
    if (config)
        sources_read(ret, SOURCE_CONFIG, config, diags);
    struct agent_config from_file;
    agent_config_defaults(&from_file);
    struct documents *docs = NULL;
    if (config && !diags->errors &&
        (!o->rules_n || !o->policies_n || !o->profiles_n || !o->checks_n || !o->feeds_n)) {
        struct diag_list again = {0}; // said when the generation is built
        docs = documents_parse(ret, &again);
        diag_list_done(&again);
        if (docs)
            from_file = docs->agent;
    }
    for (size_t i = 0; i < o->rules_n; i++)
        sources_read(ret, SOURCE_RULES, o->rules[i], diags);
    for (size_t i = 0; !o->rules_n && i < from_file.rules_n; i++)
        sources_read(ret, SOURCE_RULES, from_file.rules[i].ptr, diags);
    if (!o->rules_n && !from_file.rules_n)
        sources_read(ret, SOURCE_RULES, agent_default_rules_dir(), diags);
    for (size_t i = 0; i < o->policies_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, o->policies[i], diags);
    for (size_t i = 0; !o->policies_n && i < from_file.policies_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, from_file.policies[i].ptr, diags);
    for (size_t i = 0; i < o->checks_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, o->checks[i], diags);
    for (size_t i = 0; !o->checks_n && i < from_file.checks_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, from_file.checks[i].ptr, diags);
    // An agent without controls is one that watches only: not installed is no error.
    if (!o->checks_n && !from_file.checks_n && access(agent_default_checks_dir(), F_OK) == 0)
        sources_read(ret, SOURCE_DOCUMENTS, agent_default_checks_dir(), diags);
    for (size_t i = 0; i < o->profiles_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, o->profiles[i], diags);
    for (size_t i = 0; !o->profiles_n && i < from_file.profiles_n; i++)
        sources_read(ret, SOURCE_DOCUMENTS, from_file.profiles[i].ptr, diags);
    for (size_t i = 0; i < o->feeds_n; i++)
        sources_read_feeds(ret, o->feeds[i], diags);
    for (size_t i = 0; !o->feeds_n && i < from_file.feeds_n; i++)
        sources_read_feeds(ret, from_file.feeds[i].ptr, diags);
    documents_free(docs);
    return diags->errors ? -EINVAL : 0;
}

static int make_dir(const char *path, mode_t mode, const char *what, struct error *err)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part))
        return error_set(err, -ENAMETOOLONG, "the %s folder's path is too long", what);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, i == len ? mode : 0755) < 0 && errno != EEXIST)
            return error_set(
                err, -errno, "cannot make the %s folder %s: %s (choose another with --%s)", what,
                path, strerror(errno), strcmp(what, "state") == 0 ? "state" : "runtime-dir");
    }
    return 0;
}

static int open_dir(int at, const char *path, const char *what, struct error *err)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_set(err, -errno, "cannot open the %s folder %s: %s", what, path,
                              strerror(errno))
                  : fd;
}

// What root writes into a folder that others may write too can be led elsewhere, or changed behind
// it.
static int open_own_dir(const char *path, const char *what, const char *option, struct error *err)
{
    struct stat st;
    _cleanup_close_ int fd = open_dir(AT_FDCWD, path, what, err);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return error_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022))
        return error_set(err, -EACCES,
                         "the %s folder %s can be written by others; give the agent one of its "
                         "own (root's, mode 0700) with --%s",
                         what, path, option);
    return TAKE_FD(fd);
}

static int open_sub_dir(int at, const char *name, const char *state, struct error *err)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return error_set(err, -errno, "cannot make %s/%s: %s (choose another folder with --state)",
                         state, name, strerror(errno));
    return open_dir(at, name, name, err);
}

static int take_lock(struct core *c, struct error *err)
{
    int r = make_dir(c->runtime_dir, 0700, "runtime", err);
    if (r < 0)
        return r;
    _cleanup_close_ int dirfd = open_own_dir(c->runtime_dir, "runtime", "runtime-dir", err);
    if (dirfd < 0)
        return dirfd;
    _cleanup_free_ char *path = NULL;
    if (asprintf(&path, "%s/lock", c->runtime_dir) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    c->lock_fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->lock_fd < 0)
        return error_set(err, -errno, "cannot open the lock %s: %s", path, strerror(errno));
    if (flock(c->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        char holder[16] = "";
        if (pread(c->lock_fd, holder, sizeof(holder) - 1, 0) < 0)
            holder[0] = 0;
        holder[strcspn(holder, "\n")] = 0;
        return error_set(err, -EBUSY,
                         "another agent is running here (process %s, lock %s); stop it with "
                         "`bulkhead stop`, or give "
                         "this one its own --runtime-dir and --state",
                         holder[0] ? holder : "unknown", path);
    }
    char own[16];
    int n = snprintf(own, sizeof(own), "%d\n", getpid());
    if (ftruncate(c->lock_fd, 0) < 0 || pwrite(c->lock_fd, own, (size_t)n, 0) != n)
        return error_set(err, -EIO, "cannot write the lock %s: %s", path, strerror(errno));
    return 0;
}

static int open_state(struct core *c, struct error *err)
{
    int r = make_dir(c->state_dir, 0700, "state", err);
    if (r < 0)
        return r;
    c->state_fd = open_own_dir(c->state_dir, "state", "state", err);
    if (c->state_fd < 0)
        return c->state_fd;
    c->ledger_fd = open_sub_dir(c->state_fd, "ledger", c->state_dir, err);
    if (c->ledger_fd < 0)
        return c->ledger_fd;
    c->segments_fd = open_sub_dir(c->state_fd, "segments", c->state_dir, err);
    if (c->segments_fd < 0)
        return c->segments_fd;
    char origin[128];
    snprintf(origin, sizeof(origin), "bulkhead.io/ledger/%s", host_id(c->host));
    struct ledger_options options = {.origin = origin};
    _cleanup_buf_ struct buf repaired = {0};
    r = ledger_open(c->ledger_fd, &options, &c->ledger, &repaired, err);
    if (repaired.len)
        fprintf(stderr, "bulkhead: ledger: %s\n", repaired.ptr);
    if (r < 0)
        return error_wrap(err, "the ledger in %s/ledger can't be used", c->state_dir);
    return 0;
}

static void capture_extra(const struct core *c, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_kcstr(&j, "host_id", host_id(c->host));
    json_kcstr(&j, "kernel", host_kernel(c->host));
    json_kcstr(&j, "version", BULKHEAD_VERSION);
    json_object_end(&j);
}

static int open_records(struct core *c, int64_t wall_minus_boot, struct error *err)
{
    _cleanup_buf_ struct buf extra = {0};
    capture_extra(c, &extra);
    struct segment_info info = {.host = str_of(host_name(c->host)),
                                .boot = str_of(host_boot_id(c->host)),
                                .wall_minus_boot = (uint64_t)wall_minus_boot,
                                .shards = c->shards,
                                .abi = BH_ABI_VERSION,
                                .extra = buf_view(&extra)};
    for (unsigned i = 0; i < c->shards; i++) {
        struct recorder_options options = {.dirfd = c->segments_fd,
                                           .shard = i,
                                           .chunk_bytes = c->config.segment_bytes,
                                           .memory_bytes = RECORDER_MEMORY,
                                           .store_bytes = c->config.segments_bytes / c->shards,
                                           .info = info};
        int r = recorder_open(&options, &c->recorders[i], err);
        if (r < 0)
            return error_wrap(err, "cannot record into %s/segments", c->state_dir);
    }
    if (c->o.record_file)
        return capture_open(c->o.record_file, &info, &c->capture, err);
    return 0;
}

// Of the folder, or of the one that it would be made in.
static bool in_bpffs(const char *path)
{
    struct statfs fs;
    char at[4096];
    int n = snprintf(at, sizeof(at), "%s", path);
    if (n <= 0 || (size_t)n >= sizeof(at))
        return false;
    while (statfs(at, &fs) < 0) {
        char *slash = strrchr(at, '/');
        if (errno != ENOENT || !slash || slash == at)
            return false;
        *slash = 0;
    }
    return (unsigned long)fs.f_type == BPF_FS_MAGIC_NUMBER;
}

// Pins need a bpffs; where none is mounted nothing is pinned, and status says so.
static int find_pin_dir(struct core *c)
{
    struct statfs fs;
    if (c->o.pin_dir && c->o.pin_dir[0] == 0)
        return 0;
    if (c->o.pin_dir) {
        if (!in_bpffs(c->o.pin_dir)) {
            fprintf(stderr,
                    "bulkhead: %s lies in no bpf file system: nothing is pinned, and rows end with "
                    "the agent (mount one with `mount -t bpf bpf DIR`)\n",
                    c->o.pin_dir);
            return 0;
        }
        c->pin_dir = strdup(c->o.pin_dir);
        return c->pin_dir ? 0 : -ENOMEM;
    }
    if (statfs("/sys/fs/bpf", &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC_NUMBER &&
        asprintf(&c->pin_dir, "/sys/fs/bpf/bulkhead/%d", BH_ABI_VERSION) < 0)
        c->pin_dir = NULL;
    return 0;
}

static unsigned shards_of(const struct core *c)
{
    unsigned n = c->o.shards ? c->o.shards : c->config.shards;
    if (n == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        n = cores > 16 ? (unsigned)((cores + 15) / 16) : 1;
    }
    return MIN(n, (unsigned)BH_MAX_SHARDS);
}

// Before the sensor is there: the self-proof's own acts are nobody's events.
static size_t prove_rows(struct core *c, struct proof *ret)
{
    struct reconcile_options o = {.host = c->host, .caps = &c->caps, .guardian = c->guardian};
    struct reconcile *r = NULL;
    struct error err = {0};
    int n = reconcile_open(&o, &r, &err);
    if (n == 0)
        n = reconcile_prove(r, ret, MAX_PROOFS, &err);
    reconcile_close(r, true);
    if (n < 0)
        fprintf(stderr, "bulkhead: no row will be called enforced: %s\n", err.message);
    return n < 0 ? 0 : (size_t)n;
}

static int set_level(void *ctx, uint32_t container, uint8_t level, const struct bh_kind_set *kinds)
{
    struct error err = {0};
    return sense_watch(ctx, container, level, kinds, &err);
}

static int open_kernel(struct core *c, struct error *err)
{
    struct proof proofs[MAX_PROOFS];
    size_t proofs_n = prove_rows(c, proofs);
    struct sense_options sense = {.host = c->host,
                                  .shards = c->shards,
                                  .ring_critical_bytes = c->config.ring_critical_bytes,
                                  .ring_bulk_bytes = c->config.ring_bulk_bytes,
                                  .budget_critical = c->config.budget_critical,
                                  .budget_bulk = c->config.budget_bulk,
                                  .interest = c->base_interest};
    int r = sense_open(&sense, &c->sense, err);
    if (r < 0)
        return r;
    find_pin_dir(c);
    struct reconcile_options rows = {.host = c->host,
                                     .caps = &c->caps,
                                     .containers_map = sense_map_fd(c->sense, "containers"),
                                     .settings_map = sense_map_fd(c->sense, "settings"),
                                     .cgroups_map = sense_map_fd(c->sense, "cgroups"),
                                     .rings_map = sense_map_fd(c->sense, "rings"),
                                     .sequences_map = sense_map_fd(c->sense, "sequences"),
                                     .storms_map = sense_map_fd(c->sense, "storms"),
                                     .set_level = set_level,
                                     .set_level_ctx = c->sense,
                                     .proofs = proofs,
                                     .proofs_n = proofs_n,
                                     .pin_dir = c->pin_dir,
                                     .lease_ns = c->config.lease_ns,
                                     .guardian = c->guardian};
    return reconcile_open(&rows, &c->reconcile, err);
}

static int watch(struct core *c, int fd, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_set(err, -errno, "cannot watch a descriptor: %s", strerror(errno));
    return 0;
}

static int open_loop(struct core *c, struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    sigdelset(&set, SIGPIPE);
    c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (c->epoll_fd < 0 || c->signal_fd < 0 || c->timer_fd < 0)
        return error_set(err, -errno, "cannot make the core's descriptors: %s", strerror(errno));
    struct timespec tick = {(time_t)(c->config.tick_ns / NSEC_PER_SEC),
                            (long)(c->config.tick_ns % NSEC_PER_SEC)};
    struct itimerspec every = {tick, tick};
    timerfd_settime(c->timer_fd, 0, &every, NULL);
    return 0;
}

// The processes come before the rings, the rows and any thread: they must not inherit those.
static int start_processes(struct core *c, struct error *err)
{
    if (asprintf(&c->socket_path, "%s/api.sock", c->runtime_dir) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    int r = guardian_start(&c->guardian, err);
    if (r < 0)
        return r;
    r = facts_new(c->host, NULL, &c->facts, err);
    if (r == 0)
        r = intel_new(&c->intel, err);
    if (r < 0)
        return r;
    struct control_options options = {.socket_path = c->socket_path, .version = BULKHEAD_VERSION};
    return control_start(&options, &c->control, err);
}

static int start_journal(struct core *c, struct error *err)
{
    c->first_key = strdup(ledger_first_key(c->ledger));
    if (!c->first_key)
        return error_set(err, -ENOMEM, "out of memory");
    int r = sealer_start(&c->sealer, err);
    if (r == 0)
        r = journal_start(c->ledger, c->config.checkpoint_ns, &c->journal, err);
    if (r == 0)
        c->ledger = NULL;
    return r;
}

static int scan_take(void *ctx, const struct bh_rec *rec)
{
    struct core *c = ctx;
    pump_input(c->pump, rec);
    return 0;
}

static int first_generation(struct core *c, const struct sources *sources, struct error *err)
{
    _cleanup_buf_ struct buf packed = {0};
    sources_pack(sources, &packed);
    core_input_text(c, BH_GENERATION, 0, 1, buf_view(&packed));
    profiles_load(c);
    core_epochs(c);
    int r = sense_scan(c->sense, scan_take, c, err);
    if (r < 0)
        return r;
    _cleanup_buf_ struct buf done = {0};
    rec_make(&done, BH_SCAN_DONE, host_boot_now().ns, 0, NULL, 0);
    pump_input(c->pump, (const void *)done.ptr);
    core_tick(c);
    core_epochs(c);
    c->scan_done = true;
    return 0;
}

static void start_entry(struct core *c, enum entry_kind kind)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kcstr(&j, "version", BULKHEAD_VERSION);
    json_kcstr(&j, "kernel", host_kernel(c->host));
    json_kcstr(&j, "boot", host_boot_id(c->host));
    json_ku64(&j, "shards", c->shards);
    json_object_end(&j);
    core_entry(c, kind, buf_view(&c->text));
}

int core_start(struct core *c, const struct agent_options *o, struct error *err)
{
    *c = (struct core){.o = *o,
                       .lock_fd = -1,
                       .state_fd = -1,
                       .ledger_fd = -1,
                       .segments_fd = -1,
                       .epoll_fd = -1,
                       .signal_fd = -1,
                       .timer_fd = -1,
                       .release = o->release};
    c->state_dir = strdup(o->state_dir ? o->state_dir : agent_default_state_dir());
    c->runtime_dir = strdup(o->runtime_dir ? o->runtime_dir : agent_default_runtime_dir());
    c->output = output_by_name(o->format ? o->format : "text");
    c->out = (struct lines_out){.fd = STDOUT_FILENO};
    c->memory = memory_new();
    if (!c->state_dir || !c->runtime_dir || !c->memory)
        return error_set(err, -ENOMEM, "out of memory");
    if (!c->output)
        return error_set(err, -EINVAL, "no output is called %s; `bulkhead dump outputs` lists them",
                         o->format);

    struct sources sources = {0};
    struct diag_list diags = {0};
    core_read_sources(o, &sources, &diags);
    struct generation *tried = diags.errors ? NULL : generation_build(&sources, 1, &diags);
    if (diags.n) {
        _cleanup_buf_ struct buf text = {0};
        diag_text(&diags, &text);
        fputs(text.ptr ? text.ptr : "", stderr);
    }
    size_t errors = diags.errors;
    diag_list_done(&diags);
    if (!tried) {
        sources_done(&sources);
        return error_set(err, -EINVAL,
                         "the configuration or the rules have %zu error%s; nothing was started",
                         errors, errors == 1 ? "" : "s");
    }
    c->config = tried->documents->agent;
    interest_base(&c->base_interest);
    generation_interest(tried, &c->base_interest);
    generation_free(tried);
    c->shards = shards_of(c);

    char sentence[512];
    int r = host_open(o->host_root ? o->host_root : "/", &c->host, err);
    if (r == 0) {
        host_probe(c->host, &c->caps);
        if (host_caps_refusal(&c->caps, sentence, sizeof(sentence)))
            r = error_set(err, -EOPNOTSUPP, "%s", sentence);
    }
    if (r == 0)
        r = take_lock(c, err);
    if (r == 0)
        r = open_state(c, err);
    if (r == 0)
        r = open_loop(c, err);
    if (r == 0)
        r = start_processes(c, err);
    if (r == 0)
        r = start_journal(c, err);
    int64_t wall_minus_boot = (int64_t)(host_wall_now().ns - host_boot_now().ns);
    if (r == 0)
        r = open_records(c, wall_minus_boot, err);
    if (r == 0 && o->streams_dir)
        r = streams_open(o->streams_dir, &c->streams, err);
    if (r == 0)
        r = open_kernel(c, err);
    if (r == 0) {
        struct line_options line = {.shards = c->shards,
                                    .wall_minus_boot = wall_minus_boot,
                                    .hostname = str_of(host_name(c->host)),
                                    .detectors = agent_detectors,
                                    .sinks = core_sinks(c)};
        c->line = line_new(&line);
        r = c->line ? 0 : error_set(err, -ENOMEM, "out of memory");
    }
    if (r == 0) {
        struct pump_options pump = {c->line, c->sense, c->recorders, c->capture};
        r = pump_new(&pump, &c->pump, err);
    }
    if (r == 0) {
        facts_set_pump(c->facts, c->pump);
        intel_set_pump(c->intel, c->pump);
        c->started = host_boot_now().ns;
        c->end = o->for_ns ? c->started + o->for_ns : 0;
        start_entry(c, ENTRY_START);
        r = first_generation(c, &sources, err);
    }
    sources_done(&sources);
    for (unsigned i = 0; r == 0 && i < c->shards; i++)
        r = watch(c, sense_fd(c->sense, i), err);
    int fds[] = {c->signal_fd, c->timer_fd, r == 0 ? facts_fd(c->facts) : -1,
                 r == 0 ? intel_fd(c->intel) : -1, r == 0 ? control_fd(c->control) : -1};
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fds); i++)
        r = watch(c, fds[i], err);
    return r;
}

void core_stop(struct core *c, struct error *err)
{
    c->stopping = true;
    sense_close(c->sense);
    c->sense = NULL;
    if (c->line && c->journal) {
        core_seal_all(c);
        start_entry(c, ENTRY_STOP);
    }
    struct error late = {0};
    if (c->line)
        profiles_save(c, true);
    pump_free(c->pump);
    line_free(c->line);
    reconcile_close(c->reconcile, c->release);
    if (c->capture && capture_close(c->capture, &late) < 0 && err && !err->code)
        error_set(err, late.code, "%s", late.message);
    if (c->streams && streams_close(c->streams, &late) < 0 && err && !err->code)
        error_set(err, late.code, "%s", late.message);
    sealer_stop(c->sealer);
    for (unsigned i = 0; i < BH_MAX_SHARDS; i++)
        recorder_close(c->recorders[i]);
    struct journal_state journal = {0};
    if (c->journal)
        journal_stop(c->journal, &journal);
    else
        ledger_close(c->ledger);
    if (journal.lost)
        fprintf(stderr, "bulkhead: %llu entries are not in the ledger%s%s\n",
                (unsigned long long)journal.lost, journal.problem[0] ? ": " : "", journal.problem);
    free(c->first_key);
    if (c->control)
        for (size_t i = 0; i < MAX_TAPS; i++)
            if (c->taps[i].client)
                tap_remove(c, c->taps[i].client);
    control_stop(c->control);
    facts_free(c->facts);
    intel_free(c->intel);
    guardian_stop(c->guardian);
    lines_out_done(&c->out);
    if (c->out.dropped)
        fprintf(stderr,
                "bulkhead: standard output was too slow: %llu findings were not printed (all are "
                "in the ledger)\n",
                (unsigned long long)c->out.dropped);
    profiles_close(c);
    int fds[] = {c->epoll_fd,  c->signal_fd, c->timer_fd, c->segments_fd,
                 c->ledger_fd, c->state_fd,  c->lock_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    host_close(c->host);
    memory_free(c->memory);
    buf_done(&c->text);
    free(c->held_back);
    free(c->state_dir);
    free(c->runtime_dir);
    free(c->socket_path);
    free(c->pin_dir);
}

int agent_run(const struct agent_options *o, struct error *err)
{
    struct core *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(err, -ENOMEM, "out of memory");
    int r = core_start(c, o, err);
    if (r == 0) {
        fprintf(stderr, "bulkhead: ready\n");
        r = core_run(c, err);
    }
    struct error late = {0};
    core_stop(c, &late);
    free(c);
    if (r == 0 && late.code)
        r = error_set(err, late.code, "%s", late.message);
    return r;
}
