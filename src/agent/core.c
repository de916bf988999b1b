// The core's loop: rings, the worker, the API, ticks, signals.
#include "agent/core.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#define ROWS_COMPLETE_NS (10 * NSEC_PER_SEC)
#define COVERAGE_NS      (30 * NSEC_PER_SEC) // how long findings say that something was lost
#define RESTART_NS       (5 * NSEC_PER_SEC)  // between two tries to start a process again
enum {
    MAX_EPOCHS_A_TURN = 64,
    LOOK_AGAIN_MS = 1, // after records came, before asking to be woken
};

void core_input_text(struct core *c, uint16_t kind, uint32_t container, uint32_t what,
                     struct str text)
{
    _cleanup_buf_ struct buf rec = {0};
    rec_make_text(&rec, kind, host_boot_now().ns, container, what, text);
    if (!rec.failed)
        pump_input(c->pump, (const void *)rec.ptr);
}

void core_apply_interest(struct core *c)
{
    struct interest all = c->base_interest;
    for (size_t i = 0; i < MAX_TAPS; i++) {
        if (!c->taps[i].client)
            continue;
        if (c->taps[i].filter)
            rule_filter_interest(c->taps[i].filter, &all);
        else // everything
            for (size_t k = 0; k < model_kinds_n; k++) {
                kind_set_add(&all.host, model_kinds[k].kind);
                kind_set_add(&all.containers, model_kinds[k].kind);
            }
    }
    struct error err = {0};
    if (sense_set_interest(c->sense, &all, &err) < 0)
        fprintf(stderr, "bulkhead: the kernel's side could not be changed: %s\n", err.message);
}

int core_epochs(struct core *c)
{
    c->busy = false;
    for (int i = 0; i < MAX_EPOCHS_A_TURN; i++) {
        int r = pump_epoch(c->pump);
        if (r < 0)
            return r;
        c->busy |= r > 0;
        tap_flush(c);
        facts_take(c->facts, host_boot_now().ns); // a busy ring must not hold up who a container is
        if (r == 0 && !pump_has_inputs(c->pump))
            return 0;
    }
    return 1; // more is waiting: the loop looks at the other descriptors first
}

static int take_storm(void *ctx, const struct bh_rec *rec)
{
    struct core *c = ctx;
    const struct bh_storm *s = REC_AS(rec, bh_storm);
    pump_input(c->pump, rec);
    if (!s)
        return 0;
    c->held_back_total += s->count;
    for (size_t i = 0; i < c->held_back_n; i++)
        if (c->held_back[i].container == s->container) {
            c->held_back[i].count += s->count;
            return 0;
        }
    if (c->held_back_n == BH_MAX_CONTAINERS)
        memmove(c->held_back, c->held_back + 1, --c->held_back_n * sizeof(*c->held_back));
    struct held_back *grown = reallocarray(c->held_back, c->held_back_n + 1, sizeof(*grown));
    if (grown) {
        c->held_back = grown;
        c->held_back[c->held_back_n++] = (struct held_back){s->container, s->count};
    }
    return 0;
}

struct sampling {
    struct core *core;
    uint32_t container, pid;
};

static int find_pid(void *ctx, const struct process *p)
{
    struct sampling *s = ctx;
    if (p->container != s->container || p->exited_ns)
        return 0;
    s->pid = p->tgid;
    return 1;
}

static int sample(void *ctx, const struct container *container)
{
    struct sampling *s = ctx;
    struct core *c = s->core;
    struct bh_resource usage;
    if (container->number == 0 || container->gone)
        return 0;
    s->container = container->number;
    s->pid = 0;
    identify_processes(line_identify(c->line, container->number % c->shards), find_pid, s);
    if (s->pid == 0 ||
        sense_sample(c->sense, container->number, container->cgroup_path, s->pid, &usage) < 0)
        return 0;
    _cleanup_buf_ struct buf rec = {0};
    rec_make(&rec, BH_RESOURCE, host_boot_now().ns, container->number, &usage, sizeof(usage));
    struct bh_rec *head = (void *)rec.ptr;
    if (head) {
        head->cgroup = container->cgroup;
        pump_input(c->pump, head);
    }
    return 0;
}

static void on_outcome_later(void *ctx, const struct outcome *o)
{
    struct core *c = ctx;
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    outcome_json(&j, o);
    memory_outcome(c->memory, o, line_now(c->line), host_wall_now());
    core_entry(c, ENTRY_OUTCOME, buf_view(&c->text));
    core_input_text(c, BH_OUTCOME, 0, 0, buf_view(&c->text));
}

static void api_gone(struct core *c, const char *why)
{
    fprintf(stderr, "bulkhead: %s; another is started\n", why);
    epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, control_fd(c->control), NULL);
    for (size_t i = 0; i < MAX_TAPS; i++)
        if (c->taps[i].client)
            tap_remove(c, c->taps[i].client);
    memset(c->finding_streams, 0, sizeof(c->finding_streams));
    control_stop(c->control);
    c->control = NULL;
}

// One that dies as soon as it is there must not keep the core busy: hence the pause.
static void revive_api(struct core *c, uint64_t now)
{
    if (c->control || c->stopping || (c->api_restart && now - c->api_restart < RESTART_NS))
        return;
    c->api_restart = now;
    struct error err = {0};
    struct control_options options = {.socket_path = c->socket_path, .version = BULKHEAD_VERSION};
    if (control_start(&options, &c->control, &err) < 0) {
        c->control = NULL;
        fprintf(stderr, "bulkhead: the API could not be started again: %s\n", err.message);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = control_fd(c->control)};
    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, control_fd(c->control), &event);
}

static void revive_guardian(struct core *c, uint64_t now)
{
    if (c->guardian_restart && now - c->guardian_restart < RESTART_NS)
        return;
    struct error err = {0};
    int r = guardian_revive(c->guardian, &err);
    if (r == 0)
        return;
    c->guardian_restart = now;
    if (r > 0)
        fprintf(stderr, "bulkhead: the guardian died; another has its list\n");
    else
        fprintf(stderr, "bulkhead: the guardian died: %s\n", err.message);
}

void core_tick(struct core *c)
{
    uint64_t now = host_boot_now().ns;
    sense_heartbeat(c->sense, now);
    revive_api(c, now);
    revive_guardian(c, now);
    sense_storms(c->sense, now, take_storm, c);
    _cleanup_buf_ struct buf rec = {0};
    struct bh_tick tick = {host_wall_now().ns};
    rec_make(&rec, BH_TICK, now, 0, &tick, sizeof(tick));
    if (!rec.failed)
        pump_input(c->pump, (const void *)rec.ptr);
    facts_take(c->facts, now);
    core_refresh_addresses(c, now);
    intel_take(c->intel, now);
    if (c->held_back_total != c->covered &&
        now - c->last_coverage >= COVERAGE_NS) { // a new stretch begins
        c->covered = c->held_back_total;
        c->last_coverage = now;
        core_input_text(c, BH_COVERAGE, 0, 0, STR("{}"));
    }
    if (now - c->last_sample >= c->config.sample_ns) {
        struct sampling s = {.core = c};
        c->last_sample = now;
        identify_containers(line_identify(c->line, 0), sample, &s);
    }
    if (now - c->last_seal >= NSEC_PER_SEC) {
        c->last_seal = now;
        core_seal(c);
    }
    if (c->scan_done && !c->rows_complete && now - c->started >= ROWS_COMPLETE_NS) {
        c->rows_complete = true; // by now every container's facts are there, or won't come
        reconcile_complete(c->reconcile);
    }
    reconcile_tick(c->reconcile, now, on_outcome_later, c);
    profiles_save(c, false);
    if (c->streams)
        streams_flush(c->streams);
    lines_out_flush(&c->out);
}

int core_reload(struct core *c, struct buf *ret_text)
{
    struct sources sources = {0};
    struct diag_list diags = {0};
    int r = core_read_sources(&c->o, &sources, &diags);
    struct generation *tried = r < 0 ? NULL : generation_build(&sources, c->generation + 1, &diags);
    diag_text(&diags, ret_text);
    diag_list_done(&diags);
    if (!tried) {
        sources_done(&sources);
        snprintf(c->reload_problem, sizeof(c->reload_problem),
                 "the last reload was refused; generation %llu stays in force",
                 (unsigned long long)c->generation);
        return -EINVAL;
    }
    c->reload_problem[0] = 0;
    // The kernel must send what the new rules need before they look for it, and go on sending what
    // the old ones need.
    struct interest old = c->base_interest;
    generation_interest(tried, &c->base_interest);
    core_apply_interest(c);
    c->base_interest = old;
    generation_free(tried);
    _cleanup_buf_ struct buf packed = {0};
    sources_pack(&sources, &packed);
    sources_done(&sources);
    core_input_text(c, BH_GENERATION, 0, (uint32_t)(c->generation + 1), buf_view(&packed));
    core_epochs(c);
    core_apply_interest(c);
    return 0;
}

static void take_signal(struct core *c)
{
    struct signalfd_siginfo info;
    while (read(c->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            _cleanup_buf_ struct buf text = {0};
            int r = core_reload(c, &text);
            if (text.len)
                fputs(text.ptr, stderr);
            fprintf(
                stderr, "bulkhead: %s generation %llu\n",
                r < 0 ? "reload refused; still" : "reloaded:", (unsigned long long)c->generation);
        } else if (info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM)
            c->stopping = true;
    }
}

static void take_requests(struct core *c)
{
    for (;;) {
        struct control_request request = {0};
        uint64_t left = 0;
        struct error err = {0};
        int r = control_take(c->control, &request, &left, &err);
        if (r == -EPIPE) { // the API's process is gone: the agent isn't, and the API comes back
            api_gone(c, err.message);
            revive_api(c, host_boot_now().ns);
            return;
        }
        if (r <= 0)
            return;
        if (!request.row)
            tap_remove(c, left);
        else
            core_answer(c, &request);
    }
}

int core_run(struct core *c, struct error *err)
{
    int more = 0;
    while (!c->stopping) {
        struct epoll_event events[16];
        int wait_ms = more ? 0 : c->busy ? LOOK_AGAIN_MS : sense_park(c->sense) ? -1 : 0;
        int n = epoll_wait(c->epoll_fd, events, (int)ARRAY_SIZE(events), wait_ms);
        if (n < 0 && errno != EINTR)
            return error_set(err, -errno, "cannot wait for events: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == c->signal_fd)
                take_signal(c);
            else if (fd == c->timer_fd) {
                uint64_t turns;
                if (read(c->timer_fd, &turns, sizeof(turns)) == (ssize_t)sizeof(turns))
                    core_tick(c);
            } else if (fd == facts_fd(c->facts))
                facts_take(c->facts, host_boot_now().ns);
            else if (fd == intel_fd(c->intel))
                intel_take(c->intel, host_boot_now().ns);
            else if (c->control && fd == control_fd(c->control))
                take_requests(c);
        }
        more = core_epochs(c);
        if (more < 0)
            return error_set(err, more, "a ring broke: %s", strerror(-more));
        if (c->end && host_boot_now().ns >= c->end)
            c->stopping = true;
    }
    core_tick(c);
    return 0;
}
