// events and findings: what happens, a line each.
#include "cli/internal.h"

// A field of an event: its name has dots in it, and is one key. STR_NULL: not there, or null.
static struct str event_field(const json_t *event, const char *name, struct arena *a)
{
    const json_t *value = json_object_get(event, name);
    if (!value || json_is_null(value))
        return STR_NULL;
    json_t *one = json_pack("{sO}", "v", value);
    struct str text = arena_str(a, one ? tree_text(one, "v", a) : STR_NULL);
    json_decref(one);
    return text;
}

// When, where, what, who, how. Everything else that is known of an event stands in --format json.
void render_event(const struct invocation *in, const json_t *line, struct buf *out)
{
    static const struct {
        const char *name, *before, *after;
        bool always;
    } parts[] = {
        {"evt.datetime", "", "", true}, {"container.name", " ", "", true},
        {"evt.type", " ", "", true},    {"proc.name", " ", "", true},
        {"proc.pid", "(", ")", true},   {"proc.cmdline", " [", "]", false},
        {"evt.args", " ", "", false},
    };
    struct arena *a = arena_new(1 << 20);
    if (!a) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        struct str text = event_field(line, parts[i].name, a);
        if (!text.len && !parts[i].always)
            continue;
        buf_text(out, parts[i].before);
        escape_text(out, text.len ? text : STR("-"));
        buf_text(out, parts[i].after);
    }
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
