// rows and row: the desired kernel state and what came of it.
#include "cli/internal.h"

static struct str object_text(const json_t *row, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    struct str type = tree_str(row, "object.type"), path = tree_str(row, "object.path");
    if (json_is_integer(tree_at(row, "level")))
        buf_printf(&b, "level %llu", (unsigned long long)tree_u64(row, "level"));
    else if (json_is_object(tree_at(row, "limits")))
        buf_printf(&b, "cpu %llu %%, pids %llu",
                   (unsigned long long)tree_u64(row, "limits.cpu_pct"),
                   (unsigned long long)tree_u64(row, "limits.pids"));
    else {
        struct str text = tree_str(row, "object.text");
        buf_str(&b, type);
        buf_text(&b, path.len || text.len ? " " : "");
        buf_str(&b, path.len ? path : text);
    }
    return arena_str(a, buf_view(&b));
}

static struct str owner_text(const json_t *row, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    struct str where = tree_str(row, "owner.where");
    buf_str(&b, tree_str(row, "owner.type"));
    buf_char(&b, ' ');
    buf_str(&b, tree_str(row, "owner.name"));
    if (where.len) {
        buf_text(&b, " (");
        buf_str(&b, where);
        buf_char(&b, ')');
    }
    return arena_str(a, buf_view(&b));
}

// What the kernel does because of it, and whether that was proven.
static struct str outcome_text(const json_t *entry, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    if (tree_bool(entry, "shadowed"))
        buf_text(&b, "shadowed");
    else if (!json_is_object(tree_at(entry, "outcome")))
        buf_text(&b, "pending");
    else {
        struct str effect = tree_str(entry, "outcome.effect"),
                   tier = tree_str(entry, "outcome.tier"),
                   message = tree_str(entry, "outcome.message");
        buf_str(&b, tree_str(entry, "outcome.state"));
        if (tree_bool(entry, "outcome.enforced"))
            buf_text(&b, ", enforced");
        if (effect.len) {
            buf_text(&b, ", ");
            buf_str(&b, effect);
        }
        if (tier.len) {
            buf_text(&b, " by ");
            buf_str(&b, tier);
        }
        if (message.len) {
            buf_text(&b, ": ");
            buf_str(&b, message);
        }
    }
    return arena_str(a, buf_view(&b));
}

void rows_table(const json_t *rows, struct arena *a, struct buf *out, const char *indent,
                bool color)
{
    static const char *const head[] = {"ROW",      "KIND",    "MODE",  "CONTAINER", "OBJECT",
                                       "PRIORITY", "OUTCOME", "OWNER", "REASON"};
    _cleanup_table_ struct table t = {0};
    const json_t *entry;
    size_t i;
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)rows, i, entry) {
        const json_t *row = tree_at(entry, "row");
        struct str id = tree_str(row, "container.id");
        struct str container = json_is_object(tree_at(row, "container"))
                                   ? (struct str){id.ptr, MIN(id.len, (size_t)12)}
                                   : STR("any");
        struct str cells[] = {tree_text(row, "number", a), tree_str(row, "kind"),
                              tree_str(row, "mode"),       container,
                              object_text(row, a),         tree_text(row, "priority", a),
                              outcome_text(entry, a),      owner_text(row, a),
                              tree_str(row, "reason")};
        static_assert(ARRAY_SIZE(cells) == ARRAY_SIZE(head), "one cell a column");
        table_row(&t, cells);
    }
    table_print(&t, out, indent, color);
}

void render_rows(const struct invocation *in, const json_t *reply, struct buf *out)
{
    struct arena *a = arena_new(0);
    if (!a) {
        out->failed = true;
        return;
    }
    rows_table(tree_at(reply, "rows"), a, out, "", in->color);
    arena_free(a);
}

int verb_rows(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/rows", render_rows);
}

static void render_done(const struct invocation *in, const json_t *reply, struct buf *out)
{
    buf_text(out, tree_bool(reply, "done") ? "done\n" : "");
}

static int show_row(const struct invocation *in, uint64_t number)
{
    _cleanup_buf_ struct buf out = {0};
    json_t *reply = NULL, *entry, *found = NULL;
    size_t i;
    int code = api_get(in, "GET", "/v1/rows", &reply);
    if (code != EXIT_WELL)
        return code;
    json_array_foreach ((json_t *)tree_at(reply, "rows"), i, entry)
        if (tree_u64(entry, "row.number") == number)
            found = entry;
    if (!found) {
        complain("there is no row %llu; `bulkhead rows` lists them", (unsigned long long)number);
        code = EXIT_FOUND;
    } else if (in->json) {
        char *text = json_dumps(found, JSON_COMPACT);
        buf_text(&out, text ? text : "");
        buf_char(&out, '\n');
        out.failed = out.failed || !text;
        free(text);
    } else {
        json_t *only = json_pack("{s[O]}", "rows", found);
        render_rows(in, only, &out);
        json_decref(only);
    }
    json_decref(reply);
    return code == EXIT_WELL ? print_out(&out) : code;
}

int verb_row(const struct invocation *in)
{
    uint64_t number;
    char path[64];
    if (parse_u64(str_of(in->arguments[0]), &number) < 0) {
        complain("'%s' is no row's number; `bulkhead rows` lists them", in->arguments[0]);
        return EXIT_USAGE;
    }
    if (!option_on(in, &opt_undo))
        return show_row(in, number);
    snprintf(path, sizeof(path), "/v1/rows/%llu/undo", (unsigned long long)number);
    return api_show(in, "POST", path, render_done);
}
