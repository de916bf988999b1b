// Answers about responses: a person acts on a container, takes back what was done to it, pauses
// what incidents do, or asks what stands. Each word is an input of the line and an entry of the
// ledger, with who said it.
#include "agent/answers.h"

#include <errno.h>

struct asked {
    struct core *core;
    const struct control_request *request;
    const struct container *container; // NULL: of none
    struct str action;
    uint64_t for_ns;
    uint64_t cpu, pids;
    bool dry_run;
};

static const struct {
    const char *action, *what, *word;
    enum step step; // whose expiry it has by default; STEP_RECORD: none
} words[] = {
    {"freeze", "act", "freeze", STEP_FREEZE},    {"throttle", "act", "throttle", STEP_THROTTLE},
    {"isolate", "act", "isolate", STEP_ISOLATE}, {"kill", "act", "kill", STEP_KILL},
    {"thaw", "lift", "freeze", STEP_RECORD},     {"undo", "lift", "all", STEP_RECORD},
    {"pause", "pause", "", STEP_RECORD},         {"resume", "resume", "", STEP_RECORD},
};

static size_t word_of(struct str action)
{
    size_t w = 0;
    while (w + 1 < ARRAY_SIZE(words) && !str_eq(action, str_of(words[w].action)))
        w++;
    return w;
}

// The Response that speaks for the container says how long and how much, where the person doesn't.
static const struct response *response_for(const struct core *c, const struct container *container)
{
    const struct documents *docs = line_generation(c->line)->documents;
    for (size_t i = 0; i < docs->responses_n; i++)
        if (selector_match(&docs->responses[i].selector, container) == YES)
            return &docs->responses[i];
    return &response_defaults;
}

static bool find_container(struct asked *a)
{
    struct core *c = a->core;
    uint64_t client = a->request->client;
    struct str name = control_param(a->request, "container");
    bool ambiguous = false;
    if (!name.len) {
        answer_problem(c, client, 400, "what", STR("say which container: its id or its name"),
                       "`bulkhead ps` lists them");
        return false;
    }
    a->container = identify_container_by_text(line_identify(c->line, 0), name, &ambiguous);
    if (ambiguous)
        answer_problem(c, client, 409, "ambiguous", STR("more than one container begins so"),
                       "give more of its id");
    else if (!a->container || a->container->gone)
        answer_problem(c, client, 404, "unknown", STR("no container is known by that name"),
                       "`bulkhead ps` lists what is known");
    return a->container && !a->container->gone && !ambiguous;
}

static bool check_allowed(const struct asked *a)
{
    struct str list = control_param(a->request, "allow");
    while (list.len) {
        const char *comma = memchr(list.ptr, ',', list.len);
        struct str one = {list.ptr, comma ? (size_t)(comma - list.ptr) : list.len};
        const char *fault = network_fault(one);
        if (fault) {
            _cleanup_buf_ struct buf b = {0};
            buf_str(&b, (struct str){one.ptr, MIN(one.len, (size_t)64)});
            buf_printf(&b, " %s", fault);
            answer_problem(a->core, a->request->client, 400, "allow", buf_view(&b),
                           "for example: 10.0.0.0/8,2001:db8::1");
            return false;
        }
        list = comma ? (struct str){comma + 1, list.len - one.len - 1} : STR_NULL;
    }
    return true;
}

static bool take_numbers(struct asked *a, enum step step)
{
    const struct response *by =
        a->container ? response_for(a->core, a->container) : &response_defaults;
    struct str lasts = control_param(a->request, "for"), cpu = control_param(a->request, "cpu"),
               pids = control_param(a->request, "pids");
    a->for_ns = step != STEP_RECORD ? by->expiry_ns[step] : 0;
    a->cpu = by->cpu_pct;
    a->pids = by->pids_max;
    if ((lasts.len && parse_duration(lasts, &a->for_ns) < 0) ||
        (cpu.len && parse_u64(cpu, &a->cpu) < 0) || (pids.len && parse_u64(pids, &a->pids) < 0) ||
        a->for_ns > MAX_ACT_NS || (lasts.len && a->for_ns == 0) || a->cpu > 100000 ||
        a->pids > 4194304) {
        answer_problem(a->core, a->request->client, 400, "param",
                       STR("a time is from 1ns to 30d, cpu at most 100000, pids at most 4194304"),
                       NULL);
        return false;
    }
    return true;
}

static void say_word(const struct asked *a, size_t w)
{
    struct core *c = a->core;
    _cleanup_buf_ struct buf text = {0};
    struct json j = json_on(&text);
    json_object(&j);
    json_kcstr(&j, "what", words[w].what);
    json_kcstr(&j, "word", words[w].word);
    if (a->container) {
        json_ku64(&j, "container", a->container->number);
        json_kstr(&j, "container_id", a->container->id);
    }
    if (a->for_ns)
        json_ku64(&j, "for_ns", a->for_ns);
    if (words[w].step == STEP_THROTTLE) {
        json_ku64(&j, "cpu_pct", a->cpu);
        json_ku64(&j, "pids_max", a->pids);
    }
    if (words[w].step == STEP_ISOLATE)
        json_kstr(&j, "allow", control_param(a->request, "allow"));
    if (control_param(a->request, "reason").len)
        json_kstr(&j, "reason", control_param(a->request, "reason"));
    json_ku64(&j, "uid", a->request->uid);
    json_ku64(&j, "pid", a->request->pid);
    json_object_end(&j);
    core_entry(c, ENTRY_OPERATOR, buf_view(&text));
    core_input_text(c, BH_OPERATOR, 0, 0, buf_view(&text));
    core_epochs(c);
}

struct listing {
    struct json *json;
    uint32_t container; // ROW_ANY_CONTAINER: of all
    bool failed;
};

static int list_act(void *ctx, const struct row_state *s)
{
    struct listing *l = ctx;
    if (!row_kind_acts(s->row->kind) ||
        (l->container != ROW_ANY_CONTAINER && s->row->container != l->container))
        return 0;
    answer_row(l->json, s);
    l->failed |= s->outcome && s->outcome->state == OUTCOME_FAILED;
    return 0;
}

static void put_state(struct core *c, struct json *j, uint32_t container, bool *ret_failed)
{
    struct listing l = {.json = j, .container = container};
    uint64_t paused = decide_paused(line_decide(c->line), line_now(c->line));
    json_kbool(j, "paused", paused != 0);
    answer_time(j, c, "paused_until", paused == UINT64_MAX ? 0 : paused);
    json_key(j, "rows");
    json_array(j);
    desired_each(line_desired(c->line), list_act, &l);
    json_array_end(j);
    *ret_failed = l.failed;
}

void answer_act(struct core *c, const struct control_request *r)
{
    struct asked a = {.core = c,
                      .request = r,
                      .action = control_param(r, "action"),
                      .dry_run = str_eq(control_param(r, "dry_run"), STR("true"))};
    size_t w = word_of(a.action);
    bool of_container = strcmp(words[w].what, "act") == 0 || strcmp(words[w].what, "lift") == 0;
    if (of_container && !find_container(&a))
        return;
    if (!take_numbers(&a, words[w].step) || !check_allowed(&a))
        return;
    _cleanup_buf_ struct buf why = {0};
    if (strcmp(words[w].what, "act") == 0 &&
        !decide_may_act(line_decide(c->line), a.container->number, &why)) {
        answer_problem(c, r->client, 403, "protected", buf_view(&why), NULL);
        return;
    }
    uint32_t number = a.container ? a.container->number : ROW_ANY_CONTAINER;
    if (!a.dry_run)
        say_word(&a, w); // a.container may be another one's after this
    bool failed = false;
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    json_kcstr(&j, "action", words[w].action);
    json_kbool(&j, "dry_run", a.dry_run);
    json_key(&j, "for_ns");
    if (a.for_ns)
        json_u64(&j, a.for_ns);
    else
        json_null(&j);
    put_state(c, &j, number, &failed);
    json_kbool(&j, "done", !a.dry_run && !failed);
    json_object_end(&j);
    answer_reply(c, r->client);
}

void answer_responses(struct core *c, const struct control_request *r)
{
    bool failed;
    buf_reset(&c->text);
    struct json j = json_on(&c->text);
    json_object(&j);
    put_state(c, &j, ROW_ANY_CONTAINER, &failed);
    json_object_end(&j);
    answer_reply(c, r->client);
}
