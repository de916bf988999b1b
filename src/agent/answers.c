// What the API's requests are answered with. JSON shapes: docs/formats/api.md.
#include "agent/answers.h"

#include <errno.h>
#include <fcntl.h>

enum { MAX_STORY_DECISIONS = 32 };

void answer_problem(struct core *c, uint64_t client, int status, const char *code,
                    struct str message, const char *hint)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_key(&j, "error");
    json_object(&j);
    json_kcstr(&j, "code", code);
    json_kstr(&j, "message", message);
    json_kcstr(&j, "hint", hint);
    json_object_end(&j);
    json_object_end(&j);
    control_reply(c->control, client, status, buf_view(&c->text));
}

void answer_reply(struct core *c, uint64_t client)
{
    if (c->text.failed)
        answer_problem(c, client, 500, "memory", STR("the answer does not fit into memory"), NULL);
    else
        control_reply(c->control, client, 200, buf_view(&c->text));
}

void answer_time(struct json *j, const struct core *c, const char *key, uint64_t boot)
{
    if (!boot) {
        json_key(j, key);
        json_null(j);
        return;
    }
    _cleanup_buf_ struct buf t = {0};
    buf_wall_iso(&t, (struct wall_ns){boot + (uint64_t)line_wall_minus_boot(c->line)});
    json_kstr(j, key, buf_view(&t));
}

// The agent's memory as DESIGN 19 counts it where it has no cgroup of its own: RSS and the maps.
static uint64_t own_memory(const struct core *c)
{
    _cleanup_buf_ struct buf b = {0};
    struct sense_stats stats = {0};
    sense_stats(c->sense, &stats);
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    unsigned long long size = 0, resident = 0;
    if (fd >= 0 && host_read_file(fd, "statm", 256, &b) == 0 && b.ptr &&
        sscanf(b.ptr, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (fd >= 0)
        close(fd);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) + stats.map_bytes;
}

static int count_container(void *ctx, const struct container *container)
{
    *(uint64_t *)ctx += container->number != 0 && !container->gone;
    return 0;
}

static int count_incident(void *ctx, const struct incident *i)
{
    *(uint64_t *)ctx += i->state == INCIDENT_OPEN || i->state == INCIDENT_CONFIRMED;
    return 0;
}

static int count_row(void *ctx, const struct row_state *s)
{
    *(uint64_t *)ctx += s->row != NULL;
    return 0;
}

static void answer_status(struct core *c, const struct control_request *r)
{
    struct sense_stats sense = {0};
    struct line_stats line = {0};
    struct identify_stats who = {0};
    struct worker_stats worker = {0};
    struct journal_state journal;
    uint64_t containers = 0, incidents = 0, rows = 0;
    enum bh_effect effect = BH_EFFECT_NONE;
    journal_state(c->journal, &journal);
    sense_stats(c->sense, &sense);
    line_stats(c->line, &line);
    identify_stats(line_identify(c->line, 0), &who);
    worker_stats(facts_worker(c->facts), &worker);
    identify_containers(line_identify(c->line, 0), count_container, &containers);
    correlate_each(line_correlate(c->line), count_incident, &incidents);
    desired_each(line_desired(c->line), count_row, &rows);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kcstr(&j, "version", BULKHEAD_VERSION);
    json_ku64(&j, "pid", (uint64_t)getpid());
    answer_time(&j, c, "since", c->started);
    json_ku64(&j, "generation", c->generation);
    json_ku64(&j, "rules_loaded",
              line_generation(c->line) ? ruleset_rules(line_generation(c->line)->rules) : 0);
    json_kcstr(&j, "kernel", host_kernel(c->host));
    json_kcstr(&j, "tier", reconcile_exec_tier(c->reconcile, &effect));
    json_kcstr(&j, "exec_effect", effect_name(effect));
    json_ku64(&j, "shards", c->shards);
    json_ku64(&j, "containers", containers);
    json_ku64(&j, "processes", who.processes);
    json_ku64(&j, "events", line.events);
    json_ku64(&j, "findings", line.findings);
    json_ku64(&j, "repeats", line.repeats);
    json_ku64(&j, "incidents_open", incidents);
    json_ku64(&j, "rows", rows);
    json_ku64(&j, "lost", sense.lost);
    json_ku64(&j, "held_back", c->held_back_total);
    json_ku64(&j, "missed", sense.missed);
    json_ku64(&j, "malformed", line.malformed);
    json_ku64(&j, "judged_again", line.judged_again);
    json_ku64(&j, "not_judged_again", line.not_judged_again);
    json_ku64(&j, "evicted_processes", who.evicted_processes);
    json_ku64(&j, "evicted_containers", who.evicted_containers);
    json_ku64(&j, "worker_crashes", worker.crashes);
    json_ku64(&j, "output_dropped", c->out.dropped);
    json_ku64(&j, "memory_bytes", own_memory(c));
    json_ku64(&j, "map_bytes", sense.map_bytes);
    json_key(&j, "processes_of_ours");
    json_object(&j);
    json_ku64(&j, "core", (uint64_t)getpid());
    json_ku64(&j, "worker", (uint64_t)worker_pid(facts_worker(c->facts)));
    json_ku64(&j, "feeds", (uint64_t)worker_pid(intel_worker(c->intel)));
    json_ku64(&j, "guardian", (uint64_t)guardian_pid(c->guardian));
    json_ku64(&j, "api", (uint64_t)control_pid(c->control));
    json_object_end(&j);
    json_key(&j, "ledger");
    json_object(&j);
    json_ku64(&j, "size", journal.size);
    json_ku64(&j, "checkpointed", journal.checkpointed);
    json_ku64(&j, "waiting_bytes", journal.waiting);
    json_ku64(&j, "lost", journal.lost);
    json_kcstr(&j, "key", c->first_key);
    json_object_end(&j);
    json_kcstr(&j, "pin_dir", c->pin_dir);
    json_kcstr(&j, "sys_exit", sense_sys_exit_reason(c->sense));
    struct intel_counts intel;
    intel_counts(c->intel, &intel);
    json_key(&j, "intel");
    json_object(&j);
    json_ku64(&j, "files", intel.files);
    json_ku64(&j, "in_force", intel.in_force);
    json_ku64(&j, "held", intel.held);
    json_ku64(&j, "indicators", intel.indicators);
    json_object_end(&j);
    json_key(&j, "problems");
    json_array(&j);
    if (journal.problem[0])
        json_cstr(&j, journal.problem);
    if (journal.lost)
        json_cstr(&j, "entries of the ledger were lost");
    if (c->segment_problem[0])
        json_cstr(&j, c->segment_problem);
    if (c->reload_problem[0])
        json_cstr(&j, c->reload_problem);
    if (line.findings_lost)
        json_cstr(&j, "findings were lost for want of memory");
    if (guardian_pid(c->guardian) <= 0)
        json_cstr(&j, "the guardian died and no other could be started");
    if (intel.held)
        json_cstr(&j, "feeds were held back: `bulkhead intel stats` says which and why");
    if (!c->pin_dir)
        json_cstr(&j, "no bpffs: rows end with the agent");
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

struct listing {
    struct core *core;
    struct json *json;
    uint32_t container;
    const struct identify *identify;
};

static int list_process(void *ctx, const struct process *p)
{
    struct listing *l = ctx;
    if (p->container != l->container || p->exited_ns)
        return 0;
    struct json *j = l->json;
    json_object(j);
    json_ku64(j, "pid", p->tgid);
    json_ku64(j, "vpid", p->vpid);
    json_ku64(j, "ppid", p->ppid);
    json_kstr(j, "name", p->image ? p->image->comm : STR_NULL);
    json_kstr(j, "exe", p->image ? p->image->path : STR_NULL);
    _cleanup_buf_ struct buf args = {0};
    if (p->image)
        buf_str(&args, p->image->args);
    for (size_t i = 0; i < args.len; i++)
        if (args.ptr[i] == 0)
            args.ptr[i] = ' ';
    json_kstr(j, "args", buf_view(&args));
    answer_time(j, l->core, "started", p->start);
    json_ku64(j, "container", p->container);
    json_object_end(j);
    return 0;
}

static int list_container(void *ctx, const struct container *container)
{
    static const char *const types[] = {"host", "cgroup", "oci"};
    struct listing *l = ctx;
    if (container->gone)
        return 0;
    struct json *j = l->json;
    const struct facts *f = container->facts;
    json_object(j);
    json_ku64(j, "number", container->number);
    json_kcstr(j, "type", types[container->type]);
    json_kstr(j, "id", container->id);
    json_kstr(j, "name", f->name);
    json_kstr(j, "image", f->image);
    json_kstr(j, "workload", f->workload);
    json_kstr(j, "runtime", f->runtime);
    json_kstr(j, "cgroup", container->cgroup_path);
    json_ku64(j, "cgroup_id", container->cgroup);
    json_ku64(j, "level", container->level);
    json_ku64(j, "facts_version", f->version);
    answer_time(j, l->core, "created", container->created);
    answer_time(j, l->core, "known", container->known);
    answer_time(j, l->core, "first_exec", container->first_exec);
    json_key(j, "known_ms_before_start");
    if (container->known && container->first_exec)
        json_double(j, ((double)container->first_exec - (double)container->known) / 1e6);
    else
        json_null(j);
    json_kbool(j, "lossy", container->lossy);
    json_kstr(j, "problem", f->problem);
    json_key(j, "processes");
    json_array(j);
    l->container = container->number;
    identify_processes(l->identify, list_process, l);
    json_array_end(j);
    json_object_end(j);
    return 0;
}

static void answer_ps(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    struct listing l = {.core = c, .json = &j, .identify = line_identify(c->line, 0)};
    json_object(&j);
    json_key(&j, "containers");
    json_array(&j);
    identify_containers(l.identify, list_container, &l);
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

static int list_incident(void *ctx, const struct incident *i)
{
    incident_json(ctx, i);
    return 0;
}

static void answer_incidents(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_key(&j, "incidents");
    json_array(&j);
    correlate_each(line_correlate(c->line), list_incident, &j);
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

struct of_incident {
    struct json *json;
    const struct incident *incident;
    enum remembered_kind kind;
};

static int list_of_incident(void *ctx, const struct remembered *m)
{
    struct of_incident *o = ctx;
    bool of_it = false;
    if (m->kind != o->kind || !m->json)
        return 0;
    if (m->kind == REMEMBER_DECISION)
        of_it = id_eq(m->incident, o->incident->id);
    else
        for (size_t i = 0; i < o->incident->timeline_n && !of_it; i++)
            of_it = id_eq(m->id, o->incident->timeline[i].finding);
    if (of_it)
        json_raw(o->json, str_of(m->json));
    return 0;
}

// What was decided about an incident, the last of it, for its story.
struct decided {
    const struct incident *incident;
    struct decision list[MAX_STORY_DECISIONS];
    size_t n; // ever
};

static int take_decision(void *ctx, const struct remembered *m)
{
    struct decided *d = ctx;
    if (m->kind == REMEMBER_DECISION && id_eq(m->incident, d->incident->id))
        d->list[d->n++ % MAX_STORY_DECISIONS] = (struct decision){.time = {m->time},
                                                                  .step = m->step,
                                                                  .container = m->container,
                                                                  .reason = str_of(m->reason)};
    return 0;
}

static void put_story(const struct decided *d, struct buf *out)
{
    static const struct output_style plain = {0};
    const struct decision *order[MAX_STORY_DECISIONS];
    size_t n = MIN(d->n, (size_t)MAX_STORY_DECISIONS);
    for (size_t k = 0; k < n; k++)
        order[k] = &d->list[(d->n - n + k) % MAX_STORY_DECISIONS];
    output_story(&plain, d->incident, order, n, out);
}

static const struct incident *wanted_incident(struct core *c, const struct control_request *r)
{
    uint64_t number = 0;
    struct str text = control_param(r, "number");
    const struct incident *i =
        parse_u64(text, &number) == 0 ? correlate_incident(line_correlate(c->line), number) : NULL;
    if (!i) {
        char message[96];
        int n = snprintf(message, sizeof(message), "there is no incident %.*s",
                         (int)MIN(text.len, (size_t)32), text.ptr);
        answer_problem(c, r->client, 404, "no-incident", (struct str){message, (size_t)n},
                       "`bulkhead incidents` lists them");
    }
    return i;
}

static void answer_incident(struct core *c, const struct control_request *r)
{
    const struct incident *i = wanted_incident(c, r);
    if (!i)
        return;
    _cleanup_buf_ struct buf story = {0};
    struct decided decided = {.incident = i};
    memory_each(c->memory, take_decision, &decided);
    put_story(&decided, &story);
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    struct of_incident of = {&j, i, REMEMBER_FINDING};
    json_object(&j);
    json_key(&j, "incident");
    incident_json(&j, i);
    json_key(&j, "findings");
    json_array(&j);
    memory_each(c->memory, list_of_incident, &of);
    json_array_end(&j);
    of.kind = REMEMBER_DECISION;
    json_key(&j, "decisions");
    json_array(&j);
    memory_each(c->memory, list_of_incident, &of);
    json_array_end(&j);
    json_kstr(&j, "story", buf_view(&story));
    json_object_end(&j);
    answer_reply(c, r->client);
}

// A person's word is an input of the line, and who said it stands in the ledger.
static void answer_word(struct core *c, const struct control_request *r, const char *what,
                        const char *word)
{
    struct str number = control_param(r, "number");
    uint64_t n = 0;
    if (parse_u64(number, &n) < 0) {
        answer_problem(c, r->client, 400, "bad-number", STR("the number is not a number"), NULL);
        return;
    }
    if (strcmp(what, "incident") == 0) {
        if (!wanted_incident(c, r))
            return;
    } else if (!desired_row(line_desired(c->line), n)) {
        answer_problem(c, r->client, 404, "no-row", STR("there is no such row"),
                       "`bulkhead rows` lists them");
        return;
    }
    _cleanup_buf_ struct buf text = {0};
    struct json j = json_on(&text);
    json_object(&j);
    json_kcstr(&j, "what", what);
    json_ku64(&j, "number", n);
    json_kcstr(&j, "word", word);
    json_ku64(&j, "uid", r->uid);
    json_ku64(&j, "pid", r->pid);
    json_object_end(&j);
    core_entry(c, ENTRY_OPERATOR, buf_view(&text));
    core_input_text(c, BH_OPERATOR, 0, 0, buf_view(&text));
    core_epochs(c);
    if (strcmp(what, "incident") == 0)
        answer_incident(c, r);
    else {
        buf_reset(&c->text);
        buf_text(&c->text, "{\"done\":true}");
        answer_reply(c, r->client);
    }
}

void answer_row(struct json *j, const struct row_state *s)
{
    json_object(j);
    json_key(j, "row");
    row_json(j, s->row, ROW_ADDED, s->row->since);
    json_key(j, "outcome");
    if (s->outcome)
        outcome_json(j, s->outcome);
    else
        json_null(j);
    json_kbool(j, "shadowed", s->shadowed);
    json_object_end(j);
}

static int list_row(void *ctx, const struct row_state *s)
{
    answer_row(((struct listing *)ctx)->json, s);
    return 0;
}

static void answer_rows(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    struct listing l = {.core = c, .json = &j};
    json_object(&j);
    json_key(&j, "rows");
    json_array(&j);
    desired_each(line_desired(c->line), list_row, &l);
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

// why CONTAINER|PID|PATH: what was said and done about it, and what is in force for it now.
struct why {
    struct core *core;
    struct json *json;
    const char *kind;
    struct str what;
    uint32_t container, pid;
    bool by_container;
    uint64_t found;
};

static bool row_named(const struct core *c, uint64_t number, const struct why *w)
{
    const struct row *row = number ? desired_row(line_desired(c->line), number) : NULL;
    return row && w->by_container && row->container == w->container;
}

static bool is_about(const struct why *w, const struct remembered *m)
{
    if (w->pid)
        return m->kind == REMEMBER_FINDING && m->tgid == w->pid;
    if (w->by_container)
        return (m->container == w->container && m->kind != REMEMBER_OUTCOME) ||
               (m->kind == REMEMBER_OUTCOME && row_named(w->core, m->row, w));
    return m->path && m->path[0] && str_eq(str_of(m->path), w->what);
}

static int tell(void *ctx, const struct remembered *m)
{
    struct why *w = ctx;
    char id[ID_TEXT_MAX];
    if (!is_about(w, m))
        return 0;
    struct json *j = w->json;
    const struct row *row = m->row ? desired_row(line_desired(w->core->line), m->row) : NULL;
    w->found++;
    json_object(j);
    _cleanup_buf_ struct buf t = {0};
    buf_wall_iso(&t, m->wall);
    json_kstr(j, "time", buf_view(&t));
    json_kcstr(j, "text", m->text);
    json_kcstr(j, "finding", m->kind == REMEMBER_FINDING ? id_text(m->id, id) : NULL);
    json_key(j, "row");
    if (m->row)
        json_u64(j, m->row);
    else
        json_null(j);
    json_kcstr(j, "incident", m->kind == REMEMBER_DECISION ? id_text(m->incident, id) : NULL);
    if (m->where && m->where[0])
        json_kcstr(j, "where", m->where);
    else
        json_kstr(j, "where", row ? row->where : STR_NULL);
    json_kcstr(j, "container", m->container_id);
    json_object_end(j);
    return 0;
}

static int tell_in_force(void *ctx, const struct row_state *s)
{
    struct why *w = ctx;
    bool path = s->row->path.len && str_eq(s->row->path, w->what);
    bool container = w->by_container &&
                     (s->row->container == w->container || s->row->container == ROW_ANY_CONTAINER);
    if (path || container) {
        struct listing l = {.core = w->core, .json = w->json};
        list_row(&l, s);
    }
    return 0;
}

static void not_watched(struct why *w)
{
    const struct interest *i = &w->core->base_interest;
    for (size_t k = 0; k < model_kinds_n; k++)
        if (model_kinds[k].kind < BH_RESOURCE && model_kinds[k].kind != BH_TASK &&
            model_kinds[k].kind != BH_CGROUP_SCAN &&
            !kind_set_has(&i->containers, model_kinds[k].kind))
            json_cstr(w->json, model_kinds[k].name);
}

static void answer_why(struct core *c, const struct control_request *r)
{
    struct json j = json_on(&c->text);
    struct why w = {.core = c, .json = &j, .what = control_param(r, "what")};
    const struct identify *identify = line_identify(c->line, 0);
    uint64_t pid = 0;
    bool ambiguous = false;
    if (w.what.len == 0) {
        answer_problem(c, r->client, 400, "what",
                       STR("say of what: a container's id or name, a pid, or a path"), NULL);
        return;
    }
    const struct container *container = identify_container_by_text(identify, w.what, &ambiguous);
    if (ambiguous) {
        answer_problem(c, r->client, 409, "ambiguous", STR("more than one container begins so"),
                       "give more of its id");
        return;
    }
    const struct process *process = NULL;
    if (w.what.ptr[0] == '/')
        w.kind = "path";
    else if (container) {
        w.kind = "container";
        w.by_container = true;
        w.container = container->number;
    } else if (parse_u64(w.what, &pid) == 0 && pid > 0 && pid <= UINT32_MAX) {
        w.kind = "process";
        w.pid = (uint32_t)pid;
        process = identify_process(identify, w.pid);
    } else {
        answer_problem(c, r->client, 404, "unknown",
                       STR("no container, process or path is known by that name"),
                       "`bulkhead ps` lists what is known");
        return;
    }
    buf_reset(&c->text);
    json_object(&j);
    json_kstr(&j, "what", w.what);
    json_kcstr(&j, "kind", w.kind);
    json_key(&j, "container");
    if (container || process)
        json_u64(&j, container ? container->number : process->container);
    else
        json_null(&j);
    json_key(&j, "answers");
    json_array(&j);
    memory_each(c->memory, tell, &w);
    json_array_end(&j);
    if (process) { // what is in force for a process is what is in force for its container
        w.by_container = true;
        w.container = process->container;
    }
    json_key(&j, "in_force");
    json_array(&j);
    desired_each(line_desired(c->line), tell_in_force, &w);
    json_array_end(&j);
    json_key(&j, "not_watched");
    json_array(&j);
    not_watched(&w);
    json_array_end(&j);
    json_object_end(&j);
    answer_reply(c, r->client);
}

static void answer_findings(struct core *c, const struct control_request *r)
{
    for (size_t i = 0; i < MAX_FINDING_STREAMS; i++)
        if (!c->finding_streams[i]) {
            c->finding_streams[i] = r->client;
            control_begin(c->control, r->client);
            return;
        }
    answer_problem(c, r->client, 503, "busy", STR("too many readers of findings"), NULL);
}

static void answer_events(struct core *c, const struct control_request *r)
{
    _cleanup_buf_ struct buf why = {0};
    int result = tap_add(c, r->client, control_param(r, "filter"), &why);
    if (result < 0)
        answer_problem(c, r->client, result == -EINVAL ? 400 : 503, "filter", buf_view(&why),
                       result == -EINVAL ? "`bulkhead dump fields` lists the fields" : NULL);
    else
        control_begin(c->control, r->client); // from here on nothing is missed
}

static void answer_reload(struct core *c, const struct control_request *r)
{
    _cleanup_buf_ struct buf text = {0}, who = {0};
    struct json w = json_on(&who);
    json_object(&w);
    json_kcstr(&w, "what", "reload");
    json_ku64(&w, "uid", r->uid);
    json_object_end(&w);
    core_entry(c, ENTRY_OPERATOR, buf_view(&who));
    if (core_reload(c, &text) < 0) {
        answer_problem(c, r->client, 422, "documents", buf_view(&text),
                       "the last good generation stays in force");
        return;
    }
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_ku64(&j, "generation", c->generation);
    json_kstr(&j, "warnings", buf_view(&text));
    json_object_end(&j);
    answer_reply(c, r->client);
}

static void answer_version(struct core *c, const struct control_request *r)
{
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kcstr(&j, "version", BULKHEAD_VERSION);
    json_ku64(&j, "api", CONTROL_VERSION);
    json_ku64(&j, "abi", BH_ABI_VERSION);
    json_object_end(&j);
    answer_reply(c, r->client);
}

static void answer_confirm(struct core *c, const struct control_request *r)
{
    char word[16] = "";
    struct str said = control_param(r, "word");
    memcpy(word, said.ptr, MIN(said.len, sizeof(word) - 1));
    answer_word(c, r, "incident", word);
}

static void answer_undo(struct core *c, const struct control_request *r)
{
    answer_word(c, r, "row", "undo");
}

static void answer_stop(struct core *c, const struct control_request *r)
{
    c->release = c->release || str_eq(control_param(r, "release"), STR("true"));
    c->stopping = true;
    buf_reset(&c->text);
    buf_text(&c->text, "{\"stopping\":true}");
    answer_reply(c, r->client);
}

static const struct {
    const char *name; // of control_requests
    void (*answer)(struct core *c, const struct control_request *r);
} answers[] = {
    {"version", answer_version},
    {"status", answer_status},
    {"ps", answer_ps},
    {"incidents", answer_incidents},
    {"incident", answer_incident},
    {"respond", answer_confirm},
    {"rows", answer_rows},
    {"undo", answer_undo},
    {"why", answer_why},
    {"findings", answer_findings},
    {"events", answer_events},
    {"reload", answer_reload},
    {"stop", answer_stop},
    {"flows", answer_flows},
    {"net-try", answer_net_try},
    {"profiles", answer_profiles},
    {"profile", answer_profile},
    {"act", answer_act},
    {"responses", answer_responses},
    {"comply", answer_comply},
    {"profile-diff", answer_profile_diff},
    {"profile-export", answer_profile_export},
    {"intel", answer_intel},
    {"intel-lookup", answer_intel_lookup},
};

void core_answer(struct core *c, const struct control_request *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        if (strcmp(answers[i].name, r->row->name) == 0) {
            answers[i].answer(c, r);
            return;
        }
    answer_problem(c, r->client, 501, "request", STR("this agent does not answer that request"),
                   NULL);
}
