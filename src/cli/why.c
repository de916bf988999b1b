// why: what was done to a container, a process or a path, and why.
#include "cli/internal.h"

static void put_answer(const json_t *w, struct buf *out)
{
    char time[32];
    struct str where = tree_str(w, "where"), finding = tree_str(w, "finding"),
               incident = tree_str(w, "incident");
    escape_text(out, short_time(tree_str(w, "time"), time));
    buf_char(out, ' ');
    escape_text(out, tree_str(w, "text"));
    buf_char(out, '\n');
    if (where.len) {
        buf_text(out, "    because of ");
        escape_text(out, where);
        buf_char(out, '\n');
    }
    if (tree_u64(w, "row"))
        buf_printf(out, "    row %llu\n", (unsigned long long)tree_u64(w, "row"));
    if (finding.len) {
        buf_text(out, "    finding ");
        escape_text(out, finding);
        buf_char(out, '\n');
    }
    if (incident.len) {
        buf_text(out, "    incident ");
        escape_text(out, incident);
        buf_char(out, '\n');
    }
}

void render_why(const struct invocation *in, const json_t *reply, struct buf *out)
{
    const json_t *answers = tree_at(reply, "answers"), *in_force = tree_at(reply, "in_force"),
                 *unwatched = tree_at(reply, "not_watched"), *one;
    struct arena *a = arena_new(0);
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    escape_text(out, tree_str(reply, "kind"));
    buf_char(out, ' ');
    escape_text(out, tree_str(reply, "what"));
    buf_text(out, json_array_size(answers)
                      ? ":\n"
                      : ": nothing was done to it and nothing was said about it\n");
    json_array_foreach ((json_t *)answers, i, one)
        put_answer(one, out);
    if (json_array_size(in_force)) {
        buf_text(out, "In force:\n");
        rows_table(in_force, a, out, "  ", in->color);
    } else
        buf_text(out, "In force: no row\n");
    // An answer about the past is worth what was watched.
    json_array_foreach ((json_t *)unwatched, i, one) {
        buf_text(out, i ? ", " : "Not watched: ");
        escape_text(out, (struct str){json_string_value(one), json_string_length(one)});
    }
    buf_text(out, json_array_size(unwatched) ? "\n" : "");
    arena_free(a);
}

int verb_why(const struct invocation *in)
{
    _cleanup_buf_ struct buf path = {0};
    buf_text(&path, "/v1/why");
    control_add_param(&path, "what", str_of(in->arguments[0]));
    if (path.failed || strlen(in->arguments[0]) > MAX_CONTROL_PARAM) {
        complain("the name is too long");
        return EXIT_USAGE;
    }
    return api_show(in, "GET", path.ptr, render_why);
}
