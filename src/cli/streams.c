// events and findings: what happens, a line each.
#include "cli/internal.h"

// "key=value" of every field, for events whose shape we don't lay out.
static void put_fields(struct buf *out, const json_t *tree, struct arena *a)
{
    static const char *const shown[] = {"evt.time",     "evt.time.iso8601", "evt.type",
                                        "container.id", "container.name",   "proc.name",
                                        "proc.pid"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)tree, key, value)
    {
        bool skip = json_is_null(value);
        for (size_t i = 0; i < ARRAY_SIZE(shown) && !skip; i++)
            skip = strcmp(shown[i], key) == 0;
        if (skip || json_is_object(value) || json_is_array(value))
            continue;
        json_t *one = json_pack("{sO}", "v", value);
        buf_char(out, ' ');
        escape_text(out, str_of(key));
        buf_char(out, '=');
        escape_text(out, tree_text(one, "v", a));
        json_decref(one);
    }
}

static struct str field(const json_t *tree, const char *name, struct arena *a)
{
    json_t *one = json_pack("{sO*}", "v", json_object_get(tree, name));
    struct str text = one ? tree_text(one, "v", a) : STR_NULL;
    struct str kept = arena_str(a, text.len ? text : STR("-"));
    json_decref(one);
    return kept;
}

void render_event(const struct invocation *in, const json_t *line, struct buf *out)
{
    struct arena *a = arena_new(1 << 20);
    char time[32];
    struct str at = tree_str(line, "time");
    if (!a) {
        out->failed = true;
        return;
    }
    if (!at.len)
        at = field(line, "evt.time.iso8601", a);
    escape_text(out, short_time(at, time));
    static const char *const columns[] = {"container.name", "evt.type", "proc.name", "proc.pid"};
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        buf_char(out, ' ');
        escape_text(out, field(line, columns[i], a));
    }
    put_fields(out, line, a);
    buf_char(out, '\n');
    arena_free(a);
}

void render_finding(const struct invocation *in, const json_t *line, struct buf *out)
{
    char time[32];
    struct str severity = tree_str(line, "severity");
    escape_text(out, short_time(tree_str(line, "time"), time));
    buf_text(out, ": ");
    buf_text(out, cli_severity_color(severity, in->color));
    escape_text(out, severity);
    buf_text(out, cli_severity_color(severity, in->color)[0] ? color_off(in->color) : "");
    buf_char(out, ' ');
    escape_text(out, tree_str(line, "output"));
    buf_char(out, '\n');
}

int verb_events(const struct invocation *in)
{
    _cleanup_buf_ struct buf path = {0}, filter = {0};
    // Words are joined: a condition that was not quoted for the shell means the same.
    for (size_t i = 0; i < in->arguments_n; i++) {
        buf_text(&filter, i ? " " : "");
        buf_text(&filter, in->arguments[i]);
    }
    buf_text(&path, "/v1/events");
    if (filter.len)
        control_add_param(&path, "filter", buf_view(&filter));
    if (path.failed || filter.failed || filter.len > MAX_CONTROL_PARAM) {
        complain("the condition is too long");
        return EXIT_USAGE;
    }
    return api_stream(in, path.ptr, render_event);
}

int verb_findings(const struct invocation *in)
{
    return api_stream(in, "/v1/findings", render_finding);
}
