// respond: what a person does to a container, takes back, or holds back; and what stands.
#include "cli/internal.h"

static void put_state(const struct invocation *in, const json_t *reply, struct buf *out)
{
    struct arena *a = arena_new(0);
    char time[32];
    if (!a) {
        out->failed = true;
        return;
    }
    if (tree_bool(reply, "paused")) {
        struct str until = tree_str(reply, "paused_until");
        buf_text(out, "Responses are paused until ");
        if (until.len)
            escape_text(out, short_time(until, time));
        else
            buf_text(out, "`bulkhead respond resume`");
        buf_text(out, ": no incident acts on a container.\n");
    }
    if (json_array_size(tree_at(reply, "rows")))
        rows_table(tree_at(reply, "rows"), a, out, "", in->color);
    else
        buf_text(out, "Nothing is done to it now.\n");
    arena_free(a);
}

void render_responses(const struct invocation *in, const json_t *reply, struct buf *out)
{
    if (json_array_size(tree_at(reply, "rows")) || tree_bool(reply, "paused"))
        put_state(in, reply, out);
    else
        buf_text(out, "Nothing is done to any container now.\n");
}

void render_act(const struct invocation *in, const json_t *reply, struct buf *out)
{
    if (tree_bool(reply, "dry_run")) {
        buf_text(out, "Would ");
        escape_text(out, tree_str(reply, "action"));
        if (tree_u64(reply, "for_ns")) {
            buf_text(out, " for ");
            buf_duration(out, tree_u64(reply, "for_ns"));
        }
        buf_text(out, "; nothing was done. Now:\n");
    }
    put_state(in, reply, out);
}

static void add_text(const struct invocation *in, const struct option_row *row, const char *name,
                     struct buf *path)
{
    const char *value = option_text(in, row);
    if (value)
        control_add_param(path, name, str_of(value));
}

static int act(const struct invocation *in, const char *action)
{
    _cleanup_buf_ struct buf path = {0}, out = {0};
    json_t *reply = NULL;
    buf_text(&path, "/v1/respond/");
    buf_text(&path, action);
    if (in->arguments_n)
        control_add_param(&path, "container", str_of(in->arguments[0]));
    add_text(in, &opt_for, "for", &path);
    add_text(in, &opt_reason, "reason", &path);
    add_text(in, &opt_cpu, "cpu", &path);
    add_text(in, &opt_pids, "pids", &path);
    add_text(in, &opt_allow, "allow", &path);
    if (option_on(in, &opt_dry_run))
        control_add_param(&path, "dry_run", STR("true"));
    if (path.failed) {
        complain("no memory");
        return EXIT_CANNOT;
    }
    int code = api_get(in, "POST", path.ptr, &reply);
    if (code != EXIT_WELL)
        return code;
    bool failed = !tree_bool(reply, "done") && !tree_bool(reply, "dry_run");
    if (in->json) {
        char *text = json_dumps(reply, JSON_COMPACT);
        buf_text(&out, text ? text : "");
        buf_char(&out, '\n');
        out.failed |= !text;
        free(text);
    } else
        render_act(in, reply, &out);
    json_decref(reply);
    code = print_out(&out);
    return code == EXIT_WELL && failed ? EXIT_FOUND : code;
}

// "respond freeze" is the action "freeze".
int verb_respond(const struct invocation *in)
{
    const char *space = strchr(in->verb->name, ' ');
    return act(in, space ? space + 1 : in->verb->name);
}

static void render_done(const struct invocation *in, const json_t *reply, struct buf *out)
{
    buf_text(out, tree_bool(reply, "done") ? "done\n" : "");
}

// A number of a row, or a container.
int verb_respond_undo(const struct invocation *in)
{
    uint64_t number;
    char path[64];
    if (parse_u64(str_of(in->arguments[0]), &number) < 0)
        return act(in, "undo");
    snprintf(path, sizeof(path), "/v1/rows/%llu/undo", (unsigned long long)number);
    return api_show(in, "POST", path, render_done);
}

int verb_respond_list(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/respond", render_responses);
}
