// ps: containers and their processes.
#include "cli/internal.h"

static bool is_shown(const struct invocation *in, const json_t *container)
{
    struct str id = tree_str(container, "id"), name = tree_str(container, "name");
    if (in->arguments_n) {
        struct str asked = str_of(in->arguments[0]);
        return str_eq(name, asked) || (asked.len > 0 && str_starts(id, asked));
    }
    return option_on(in, &opt_all) || str_eq(tree_str(container, "type"), STR("oci"));
}

static struct str short_id(struct str id)
{
    return (struct str){id.ptr, MIN(id.len, (size_t)12)};
}

static void put_container(const json_t *c, struct table *t, struct arena *a)
{
    const json_t *processes = tree_at(c, "processes"), *p;
    struct str left[] = {short_id(tree_str(c, "id")), tree_str(c, "name"), tree_str(c, "image"),
                         tree_text(c, "level", a)};
    size_t i;
    json_array_foreach ((json_t *)processes, i, p) {
        char *time = arena_alloc(a, 32);
        struct str args = tree_str(p, "args");
        struct str cells[] = {left[0],
                              left[1],
                              left[2],
                              left[3],
                              tree_text(p, "pid", a),
                              tree_text(p, "vpid", a),
                              tree_text(p, "ppid", a),
                              time ? short_time(tree_str(p, "started"), time) : STR_NULL,
                              tree_str(p, "name"),
                              args.len ? args : tree_str(p, "exe")};
        table_row(t, cells);
    }
    if (json_array_size(processes) == 0) {
        struct str cells[] = {left[0],  left[1],  left[2],  left[3],  STR_NULL,
                              STR_NULL, STR_NULL, STR_NULL, STR_NULL, tree_str(c, "problem")};
        table_row(t, cells);
    }
}

void render_ps(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const head[] = {"CONTAINER", "NAME", "IMAGE",   "LEVEL",   "PID",
                                       "VPID",      "PPID", "STARTED", "PROCESS", "COMMAND"};
    _cleanup_table_ struct table t = {0};
    struct arena *a = arena_new(0);
    const json_t *container;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)tree_at(reply, "containers"), i, container)
        if (is_shown(in, container))
            put_container(container, &t, a);
    table_print(&t, out, "", in->color);
    // What isn't known is said, not left out.
    json_array_foreach ((json_t *)tree_at(reply, "containers"), i, container) {
        struct str problem = tree_str(container, "problem");
        if (!problem.len || !is_shown(in, container))
            continue;
        buf_text(out, "note: ");
        escape_text(out, tree_str(container, "id"));
        buf_text(out, ": ");
        escape_text(out, problem);
        buf_char(out, '\n');
    }
    arena_free(a);
}

int verb_ps(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/ps", render_ps);
}
