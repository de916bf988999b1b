// incidents and incident: lists, stories, and a person's word.
#include "cli/internal.h"

#include <poll.h>
#include <time.h>

enum { FOLLOW_MS = 1000 };

static const char *const head[] = {"NUMBER",   "STATE",      "SEVERITY", "CONFIDENCE",
                                   "FINDINGS", "CONTAINERS", "LAST",     "TITLE"};

static struct str container_ids(const json_t *incident, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    const json_t *c;
    size_t i;
    json_array_foreach ((json_t *)tree_at(incident, "containers"), i, c) {
        struct str id = tree_str(c, "id");
        buf_text(&b, i ? "," : "");
        buf_str(&b, (struct str){id.ptr, MIN(id.len, (size_t)12)});
    }
    return arena_str(a, buf_view(&b));
}

static void put_incident(const json_t *i, struct table *t, struct arena *a)
{
    char *time = arena_alloc(a, 32);
    struct str cells[] = {tree_text(i, "number", a),
                          tree_str(i, "state"),
                          tree_str(i, "severity"),
                          tree_text(i, "confidence", a),
                          tree_text(i, "findings", a),
                          container_ids(i, a),
                          time ? short_time(tree_str(i, "last"), time) : STR_NULL,
                          tree_str(i, "title")};
    static_assert(ARRAY_SIZE(cells) == ARRAY_SIZE(head), "one cell a column");
    table_row(t, cells);
}

// --since as a time in the form that replies have, in which what is later is greater; empty: all
// are wanted.
static void oldest_wanted(const struct invocation *in, struct buf *ret)
{
    struct timespec now;
    uint64_t since = option_number(in, &opt_since);
    buf_reset(ret);
    if (!since || clock_gettime(CLOCK_REALTIME, &now) < 0)
        return;
    uint64_t wall = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
    buf_wall_iso(ret, (struct wall_ns){wall > since ? wall - since : 0});
}

static bool is_wanted(const json_t *incident, const struct buf *oldest)
{
    return !oldest->len || str_cmp(tree_str(incident, "last"), buf_view(oldest)) >= 0;
}

void render_incidents(const struct invocation *in, const json_t *reply, struct buf *out)
{
    _cleanup_table_ struct table t = {0};
    struct arena *a = arena_new(0);
    const json_t *i;
    size_t n;
    if (!a) {
        out->failed = true;
        return;
    }
    _cleanup_buf_ struct buf oldest = {0};
    oldest_wanted(in, &oldest);
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)tree_at(reply, "incidents"), n, i)
        if (is_wanted(i, &oldest))
            put_incident(i, &t, a);
    table_print(&t, out, "", in->color);
    arena_free(a);
}

// What was printed already: each incident's version beside its number.
struct seen {
    struct seen_incident {
        uint64_t number, version;
    } * list;
    size_t n, cap;
};

static bool is_new(struct seen *s, const json_t *incident)
{
    uint64_t number = tree_u64(incident, "number"), version = tree_u64(incident, "version");
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].number == number) {
            bool changed = s->list[i].version != version;
            s->list[i].version = version;
            return changed;
        }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        void *grown = reallocarray(s->list, cap, sizeof(*s->list));
        if (!grown)
            return true; // printed again rather than not at all
        s->list = grown;
        s->cap = cap;
    }
    s->list[s->n++] = (struct seen_incident){number, version};
    return true;
}

static void put_followed(const struct invocation *in, const json_t *i, struct buf *out)
{
    char time[32];
    if (in->json) {
        char *text = json_dumps(i, JSON_COMPACT);
        buf_text(out, text ? text : "");
        out->failed = out->failed || !text;
        free(text);
    } else {
        struct str severity = tree_str(i, "severity");
        escape_text(out, short_time(tree_str(i, "last"), time));
        buf_printf(out, " #%llu %s", (unsigned long long)tree_u64(i, "number"),
                   cli_severity_color(severity, in->color));
        escape_text(out, severity);
        buf_text(out, cli_severity_color(severity, in->color)[0] ? color_off(in->color) : "");
        buf_char(out, ' ');
        escape_text(out, tree_str(i, "state"));
        buf_printf(out, " (%llu findings) ", (unsigned long long)tree_u64(i, "findings"));
        escape_text(out, tree_str(i, "title"));
    }
    buf_char(out, '\n');
}

static int follow(const struct invocation *in)
{
    struct seen seen = {0};
    int code, r = 0;
    struct pollfd stop = {stop_fd(option_number(in, &opt_for)), POLLIN, 0};
    _cleanup_buf_ struct buf oldest = {0};
    oldest_wanted(in, &oldest);
    do {
        _cleanup_buf_ struct buf out = {0};
        json_t *reply = NULL;
        const json_t *i;
        size_t n;
        code = api_get(in, "GET", "/v1/incidents", &reply);
        json_array_foreach ((json_t *)tree_at(reply, "incidents"), n, i)
            if (is_wanted(i, &oldest) && is_new(&seen, i))
                put_followed(in, i, &out);
        json_decref(reply);
        r = write_out(&out);
    } while (code == EXIT_WELL && r == 0 && poll(&stop, 1, FOLLOW_MS) == 0);
    free(seen.list);
    return code;
}

// What is asked for of the whole reply, in its own form.
static int list_as_json(const struct invocation *in)
{
    _cleanup_buf_ struct buf oldest = {0}, out = {0};
    json_t *reply = NULL, *all;
    int code = api_get(in, "GET", "/v1/incidents", &reply);
    if (code != EXIT_WELL)
        return code;
    oldest_wanted(in, &oldest);
    all = (json_t *)tree_at(reply, "incidents");
    for (size_t i = json_array_size(all); i-- > 0;)
        if (!is_wanted(json_array_get(all, i), &oldest))
            (void)json_array_remove(all, i);
    char *text = json_dumps(reply, JSON_COMPACT);
    buf_text(&out, text ? text : "");
    buf_char(&out, '\n');
    out.failed = out.failed || !text;
    free(text);
    json_decref(reply);
    return print_out(&out);
}

int verb_incidents(const struct invocation *in)
{
    if (option_on(in, &opt_follow))
        return follow(in);
    return in->json && option_number(in, &opt_since)
               ? list_as_json(in)
               : api_show(in, "GET", "/v1/incidents", render_incidents);
}

void render_incident(const struct invocation *in, const json_t *reply, struct buf *out)
{
    struct str severity = tree_str(reply, "incident.severity");
    buf_printf(out, "Incident %llu (", (unsigned long long)tree_u64(reply, "incident.number"));
    escape_text(out, tree_str(reply, "incident.state"));
    buf_text(out, ", ");
    buf_text(out, cli_severity_color(severity, in->color));
    escape_text(out, severity);
    buf_text(out, cli_severity_color(severity, in->color)[0] ? color_off(in->color) : "");
    buf_printf(out, ", confidence %.3g)\n", tree_double(reply, "incident.confidence"));
    print_escaped_lines(out, tree_str(reply, "story"), "");
}

int verb_incident(const struct invocation *in)
{
    static const struct {
        const struct option_row *option;
        const char *word;
    } words[] = {{&opt_confirm, "confirm"},
                 {&opt_dismiss, "dismiss"},
                 {&opt_close, "close"},
                 {&opt_reopen, "reopen"}};
    const char *word = NULL;
    uint64_t number;
    char path[96];
    if (parse_u64(str_of(in->arguments[0]), &number) < 0) {
        complain("'%s' is no incident's number; `bulkhead incidents` lists them", in->arguments[0]);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!option_on(in, words[i].option))
            continue;
        if (word) {
            complain("say one thing: --%s or --%s", word, words[i].word);
            return EXIT_USAGE;
        }
        word = words[i].word;
    }
    snprintf(path, sizeof(path), "/v1/incidents/%llu%s%s", (unsigned long long)number,
             word ? "/" : "", word ? word : "");
    return api_show(in, word ? "POST" : "GET", path, render_incident);
}
