// The table of requests, and checking a request against it. Pure: the API process uses it on what
// strangers send, the core on what the API process hands on, the command line and the documentation
// read the table.
#include "control/internal.h"

#include <errno.h>

#define NUMBER(text)                                                                               \
    {                                                                                              \
        "number", "u64", text, true                                                                \
    }

const struct request_row control_requests[] = {
    {"version",
     "GET",
     "/v1/version",
     "the agent's version, the API's, and the core's process id",
     false,
     false,
     {{0}}},
    {"status",
     "GET",
     "/v1/status",
     "what the agent has seen, lost and holds, and what is wrong",
     false,
     false,
     {{0}}},
    {"ps", "GET", "/v1/ps", "containers and their processes", false, false, {{0}}},
    {"incidents", "GET", "/v1/incidents", "all incidents, newest last", false, false, {{0}}},
    {"incident",
     "GET",
     "/v1/incidents/{number}",
     "one incident with its findings, its decisions and its story",
     false,
     false,
     {NUMBER("the incident's number")}},
    {"respond",
     "POST",
     "/v1/incidents/{number}/{word}",
     "a person's word on an incident",
     false,
     true,
     {NUMBER("the incident's number"),
      {"word", "confirm|dismiss|close|reopen", "dismiss takes back what was done because of it",
       true}}},
    {"why",
     "GET",
     "/v1/why",
     "what was done to a container, a process or a path, and why; what is in force",
     false,
     false,
     {{"what", "string", "a container's id or name, a process id, or a path", true}}},
    {"rows",
     "GET",
     "/v1/rows",
     "the desired kernel state: every row and what came of it",
     false,
     false,
     {{0}}},
    {"undo",
     "POST",
     "/v1/rows/{number}/undo",
     "take a row back",
     false,
     true,
     {NUMBER("the row's number")}},
    {"act",
     "POST",
     "/v1/respond/{action}",
     "do something to a container, take it back, or hold back what incidents do",
     false,
     true,
     {{"action", "freeze|throttle|isolate|kill|thaw|undo|pause|resume",
       "thaw ends all freezing of the container, undo all that is done to it; pause: no incident "
       "acts until resume",
       true},
      {"container", "string", "its id or name; of all actions but pause and resume", false},
      {"for", "duration", "then it ends by itself; by default as long as a Response says", false},
      {"reason", "string", "shown by `why`", false},
      {"cpu", "u64", "throttle: percent of one processor", false},
      {"pids", "u64", "throttle: processes and threads", false},
      {"allow", "string", "isolate: addresses and networks that stay open, with commas", false},
      {"dry_run", "true|false", "only say what would be done", false}}},
    {"responses",
     "GET",
     "/v1/respond",
     "what is done to containers now, and whether incidents may act",
     false,
     false,
     {{0}}},
    {"comply",
     "GET",
     "/v1/comply",
     "every control of compliance for every container, or for one",
     false,
     false,
     {{"container", "string", "a container's id or name; without one, all", false}}},
    {"findings",
     "GET",
     "/v1/findings",
     "findings as they are made, one a line",
     true,
     false,
     {{0}}},
    {"events",
     "GET",
     "/v1/events",
     "events as they happen, one a line",
     true,
     false,
     {{"filter", "string", "a condition in the rule language; without one, every event", false}}},
    {"flows",
     "GET",
     "/v1/net/flows",
     "who talked with whom, allowed and refused, as the kernel counted it",
     false,
     false,
     {{0}}},
    {"net-try",
     "GET",
     "/v1/net/try",
     "would this connection be let through, and which row decides",
     false,
     false,
     {{"from", "string", "a container's id or name, or an address", true},
      {"to", "string", "the same", true},
      {"port", "string", "80, 53/udp, 5060/sctp", true}}},
    {"profiles",
     "GET",
     "/v1/profiles",
     "workloads and how far they are learned",
     false,
     false,
     {{0}}},
    {"profile",
     "GET",
     "/v1/profile",
     "one workload: everything that it is known to do, and what is new",
     false,
     false,
     {{"workload", "string", "a workload's name, or name@image", true}}},
    {"profile-diff",
     "GET",
     "/v1/profile/diff",
     "what a workload does that its profile lacks, and what it has not done for a period",
     false,
     false,
     {{"workload", "string", "a workload's name, or name@image", true}}},
    {"profile-export",
     "GET",
     "/v1/profile/export",
     "a workload's profile as a document",
     false,
     false,
     {{"workload", "string", "a workload's name, or name@image", true}}},
    {"intel",
     "GET",
     "/v1/intel",
     "feeds: their files, what is in force, what was held back and why",
     false,
     false,
     {{0}}},
    {"intel-lookup",
     "GET",
     "/v1/intel/lookup",
     "which feeds name an address, a network, a domain or a file's hash",
     false,
     false,
     {{"value", "string", "an address, ADDRESS/BITS, a domain, an URL or a hash", true}}},
    {"reload",
     "POST",
     "/v1/reload",
     "read configuration, rules and policies again; wrong ones change nothing",
     false,
     true,
     {{0}}},
    {"stop",
     "POST",
     "/v1/stop",
     "end the agent after flushing",
     false,
     true,
     {{"release", "true|false", "also remove rows, links and pins at once", false}}},
};
const size_t control_requests_n = ARRAY_SIZE(control_requests);

enum { MAX_SHOWN = 80 }; // of a stranger's word in an error message

// What a stranger wrote, cut to what is worth reading. JSON's writer escapes it.
static struct str shown(struct str s)
{
    return (struct str){s.ptr, MIN(s.len, (size_t)MAX_SHOWN)};
}

static void error_json(struct buf *out, const char *code, const char *hint, struct str message)
{
    struct json j = json_on(out);
    json_object(&j);
    json_key(&j, "error");
    json_object(&j);
    json_kcstr(&j, "code", code);
    json_kstr(&j, "message", message);
    json_kcstr(&j, "hint", hint);
    json_object_end(&j);
    json_object_end(&j);
}

void control_error(struct buf *out, const char *code, const char *hint, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    buf_reset(out);
    error_json(out, code, hint, str_of(message));
}

size_t request_params_n(const struct request_row *row)
{
    size_t n = 0;
    while (n < MAX_CONTROL_PARAMS && row->params[n].name)
        n++;
    return n;
}

static struct str param_name(const struct request_row *row, size_t i)
{
    return str_of(row->params[i].name);
}

// The next part of a path between slashes; *rest moves behind it. False at the end.
static bool next_part(struct str *rest, struct str *ret)
{
    if (rest->len == 0 || rest->ptr[0] != '/')
        return false;
    size_t n = 1;
    while (n < rest->len && rest->ptr[n] != '/')
        n++;
    *ret = (struct str){rest->ptr + 1, n - 1};
    *rest = (struct str){rest->ptr + n, rest->len - n};
    return true;
}

static bool path_matches(const struct request_row *row, struct str path,
                         struct request_values *values)
{
    struct str want = str_of(row->path), w, p;
    *values = (struct request_values){0};
    while (next_part(&want, &w)) {
        if (!next_part(&path, &p))
            return false;
        if (w.len < 3 || w.ptr[0] != '{') {
            if (!str_eq(w, p))
                return false;
            continue;
        }
        if (p.len == 0)
            return false;
        struct str name = {w.ptr + 1, w.len - 2};
        for (size_t i = 0; i < request_params_n(row); i++)
            if (str_eq(param_name(row, i), name))
                values->value[i] = p;
    }
    return path.len == 0;
}

static bool in_path(const struct request_row *row, size_t param)
{
    char placeholder[64];
    snprintf(placeholder, sizeof(placeholder), "{%s}", row->params[param].name);
    return str_contains(str_of(row->path), str_of(placeholder));
}

static int not_found(struct str path, struct buf *ret_error)
{
    const char *paths[ARRAY_SIZE(control_requests)];
    for (size_t i = 0; i < control_requests_n; i++)
        paths[i] = control_requests[i].path;
    char asked[MAX_SHOWN + 1], hint[128];
    snprintf(asked, sizeof(asked), STR_FMT, STR_ARG(shown(path)));
    const char *nearest = nearest_word(asked, paths, control_requests_n);
    snprintf(hint, sizeof(hint), "did you mean %s?", nearest ? nearest : "");
    control_error(ret_error, "not-found",
                  nearest ? hint : "`bulkhead dump requests` lists all requests",
                  "there is no request " STR_FMT, STR_ARG(shown(path)));
    return 404;
}

int request_find(struct str method, struct str path, const struct request_row **ret,
                 struct request_values *values, struct buf *ret_error)
{
    const struct request_row *other = NULL;
    for (size_t i = 0; i < control_requests_n; i++) {
        const struct request_row *row = &control_requests[i];
        if (!path_matches(row, path, values))
            continue;
        if (str_eq(str_of(row->method), method)) {
            *ret = row;
            return 0;
        }
        other = row;
    }
    if (!other)
        return not_found(path, ret_error);
    char hint[64];
    snprintf(hint, sizeof(hint), "use %s", other->method);
    control_error(ret_error, "method", hint, "%s does not take " STR_FMT, other->path,
                  STR_ARG(shown(method)));
    return 405;
}

int request_put(const struct request_row *row, struct str name, struct str value,
                struct request_values *values, struct buf *ret_error)
{
    const char *names[MAX_CONTROL_PARAMS];
    size_t n = 0;
    for (size_t i = 0; i < request_params_n(row); i++) {
        if (in_path(row, i))
            continue;
        names[n++] = row->params[i].name;
        if (!str_eq(param_name(row, i), name))
            continue;
        if (values->value[i].ptr) {
            control_error(ret_error, "param", "give it once", "%s is there twice",
                          row->params[i].name);
            return 400;
        }
        values->value[i] = (struct str){value.ptr ? value.ptr : "", value.len};
        return 0;
    }
    char asked[MAX_SHOWN + 1], hint[64];
    snprintf(asked, sizeof(asked), STR_FMT, STR_ARG(shown(name)));
    const char *nearest = nearest_word(asked, names, n);
    snprintf(hint, sizeof(hint), "did you mean %s?", nearest ? nearest : "");
    control_error(ret_error, "param",
                  nearest ? hint
                  : n     ? NULL
                          : "it takes none",
                  "%s takes no parameter " STR_FMT, row->path, STR_ARG(shown(name)));
    return 400;
}

// Is value one of "a|b|c"?
static bool one_of(const char *words, struct str value)
{
    struct str rest = str_of(words);
    for (;;) {
        const char *bar = memchr(rest.ptr, '|', rest.len);
        size_t n = bar ? (size_t)(bar - rest.ptr) : rest.len;
        if (str_eq((struct str){rest.ptr, n}, value))
            return true;
        if (!bar)
            return false;
        rest = (struct str){bar + 1, rest.len - n - 1};
    }
}

static bool of_type(const struct request_param *p, struct str value)
{
    uint64_t v;
    if (strcmp(p->type, "string") == 0)
        return value.len > 0;
    if (strcmp(p->type, "u64") == 0)
        return parse_u64(value, &v) == 0;
    if (strcmp(p->type, "duration") == 0)
        return parse_duration(value, &v) == 0;
    return one_of(p->type, value);
}

int request_check(const struct request_row *row, const struct request_values *values,
                  struct buf *ret_error)
{
    for (size_t i = 0; i < request_params_n(row); i++) {
        const struct request_param *p = &row->params[i];
        struct str v = values->value[i];
        if (!v.ptr) {
            if (!p->needed)
                continue;
            control_error(ret_error, "param", p->text, "%s needs %s", row->path, p->name);
            return 400;
        }
        if (v.len > MAX_CONTROL_PARAM) {
            control_error(ret_error, "too-large", NULL, "%s is longer than %d bytes", p->name,
                          MAX_CONTROL_PARAM);
            return 400;
        }
        if (!of_type(p, v)) {
            char hint[128];
            snprintf(hint, sizeof(hint), "%s: %s", strchr(p->type, '|') ? "one of" : "type",
                     p->type);
            control_error(ret_error, "param", hint, "%s cannot be \"" STR_FMT "\"", p->name,
                          STR_ARG(shown(v)));
            return 400;
        }
    }
    return 0;
}
