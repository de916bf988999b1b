// profile list, show, diff, export: what workloads are known to do.
#include "cli/internal.h"

static const char *percent(const json_t *j, const char *key, struct arena *a)
{
    char *text = arena_alloc(a, 32);
    if (text)
        snprintf(text, 32, "%.3g %%", 100 * tree_double(j, key));
    return text ? text : "";
}

static void put_dimensions(const json_t *w, struct table *t, struct arena *a, struct str first)
{
    const json_t *d;
    size_t i;
    json_array_foreach ((json_t *)tree_at(w, "dimensions"), i, d) {
        struct str cells[] = {i ? STR_NULL : first,       i ? STR_NULL : tree_str(w, "mode"),
                              tree_str(d, "dimension"),   tree_str(d, "state"),
                              tree_text(d, "items", a),   tree_text(d, "novel", a),
                              tree_text(d, "windows", a), str_of(percent(d, "chance_at_most", a))};
        table_row(t, cells);
    }
}

static const char *const head[] = {"WORKLOAD", "MODE", "DIMENSION", "STATE",
                                   "KNOWN",    "NEW",  "WINDOWS",   "CHANCE OF NEWS ≤"};

void render_profiles(const struct invocation *in, const json_t *reply, struct buf *out)
{
    _cleanup_table_ struct table t = {0};
    struct arena *a = arena_new(0);
    const json_t *w;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)tree_at(reply, "workloads"), i, w)
        put_dimensions(w, &t, a, tree_str(w, "workload"));
    table_print(&t, out, "", in->color);
    arena_free(a);
}

static void put_items(const json_t *dimension, const char *key, const char *mark, struct table *t,
                      struct arena *a)
{
    const json_t *item;
    size_t i;
    json_array_foreach ((json_t *)tree_at(dimension, key), i, item) {
        char *time = arena_alloc(a, 32);
        struct str cells[] = {
            str_of(mark), tree_str(dimension, "dimension"), tree_text(item, "windows", a),
            time ? short_time(tree_str(item, "last"), time) : STR_NULL, tree_str(item, "item")};
        table_row(t, cells);
    }
}

void render_profile(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const columns[] = {"STATE", "DIMENSION", "WINDOWS", "LAST", "WHAT"};
    _cleanup_table_ struct table dimensions = {0}, items = {0};
    struct arena *a = arena_new(0);
    const json_t *d;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    table_head(&dimensions, head, ARRAY_SIZE(head));
    put_dimensions(reply, &dimensions, a, tree_str(reply, "workload"));
    table_print(&dimensions, out, "", in->color);
    buf_printf(out,
               "window %.3g s, period %.6g s, bound %.3g %%; without them: %llu with losses, "
               "%llu with an incident\n\n",
               tree_double(reply, "window_seconds"), tree_double(reply, "period_seconds"),
               100 * tree_double(reply, "bound"),
               (unsigned long long)tree_u64(reply, "windows_lossy"),
               (unsigned long long)tree_u64(reply, "windows_quarantined"));
    table_head(&items, columns, ARRAY_SIZE(columns));
    json_array_foreach ((json_t *)tree_at(reply, "dimensions"), i, d) {
        put_items(d, "known", "known", &items, a);
        put_items(d, "new", "new", &items, a);
    }
    table_print(&items, out, "", in->color);
    arena_free(a);
}

static void put_lines(const json_t *list, const char *sign, const char *color, const char *off,
                      struct buf *out)
{
    const json_t *l;
    size_t i;
    json_array_foreach ((json_t *)list, i, l) {
        buf_printf(out, "%s%s ", color, sign);
        escape_text(out, tree_str(l, "dimension"));
        buf_text(out, ": - ");
        // A document's own text: what a terminal would not show is written out in it.
        buf_str(out, tree_str(l, "line"));
        buf_printf(out, "%s\n", off);
    }
}

void render_profile_diff(const struct invocation *in, const json_t *reply, struct buf *out)
{
    const char *off = color_off(in->color);
    put_lines(tree_at(reply, "new"), "+", in->color ? "\033[32m" : "", off, out);
    put_lines(tree_at(reply, "unseen"), "-", in->color ? "\033[31m" : "", off, out);
}

void render_profile_export(const struct invocation *in, const json_t *reply, struct buf *out)
{
    buf_str(out, tree_str(reply, "document"));
}

static int ask(const struct invocation *in, const char *path, api_render render)
{
    _cleanup_buf_ struct buf p = {0};
    buf_text(&p, path);
    control_add_param(&p, "workload", str_of(in->arguments[0]));
    if (p.failed || strlen(in->arguments[0]) > MAX_CONTROL_PARAM) {
        complain("the name is too long");
        return EXIT_USAGE;
    }
    return api_show(in, "GET", p.ptr, render);
}

int verb_profile_list(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/profiles", render_profiles);
}

int verb_profile_show(const struct invocation *in)
{
    return ask(in, "/v1/profile", render_profile);
}

int verb_profile_diff(const struct invocation *in)
{
    return ask(in, "/v1/profile/diff", render_profile_diff);
}

int verb_profile_export(const struct invocation *in)
{
    return ask(in, "/v1/profile/export", render_profile_export);
}
