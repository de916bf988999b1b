// intel lookup, intel stats: what feeds name, and how the feeds are.
#include "cli/internal.h"

void render_intel_lookup(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const head[] = {"FEED",     "INDICATOR", "CONFIDENCE",
                                       "SEVERITY", "UNTIL",     "LABEL"};
    const json_t *hits = tree_at(reply, "indicators"), *hit;
    struct arena *a = arena_new(0);
    _cleanup_table_ struct table t = {0};
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    escape_text(out, tree_str(reply, "value"));
    if (tree_bool(reply, "never"))
        buf_text(out, ": named by a feed, and on a never list: no indicator\n");
    else if (tree_bool(reply, "known"))
        buf_printf(out, ": known, confidence %.2f\n", tree_double(reply, "confidence"));
    else
        buf_text(out,
                 json_array_size(hits) ? ": named, and not in its time\n" : ": no feed names it\n");
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)hits, i, hit) {
        char until[32];
        struct str end = tree_str(hit, "valid_until");
        const struct str cells[] = {tree_str(hit, "feed"),
                                    tree_str(hit, "indicator"),
                                    tree_text(hit, "confidence", a),
                                    tree_str(hit, "severity"),
                                    end.len ? short_time(end, until) : STR("-"),
                                    tree_str(hit, "label")};
        table_row(&t, cells);
    }
    if (json_array_size(hits))
        table_print(&t, out, "", in->color);
    arena_free(a);
}

int verb_intel_lookup(const struct invocation *in)
{
    _cleanup_buf_ struct buf path = {0}, out = {0};
    json_t *reply = NULL;
    buf_text(&path, "/v1/intel/lookup");
    control_add_param(&path, "value", str_of(in->arguments[0]));
    if (path.failed || strlen(in->arguments[0]) > MAX_INDICATOR_TEXT) {
        complain("the value is too long");
        return EXIT_USAGE;
    }
    int code = api_get(in, "GET", path.ptr, &reply);
    if (code != EXIT_WELL)
        return code;
    bool known = tree_bool(reply, "known");
    if (in->json) {
        char *text = json_dumps(reply, JSON_COMPACT);
        buf_text(&out, text ? text : "{}");
        buf_char(&out, '\n');
        free(text);
    } else
        render_intel_lookup(in, reply, &out);
    json_decref(reply);
    code = print_out(&out);
    return code == EXIT_WELL && known ? EXIT_FOUND : code;
}

void render_intel_stats(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const head[] = {"FEED",   "STATE",   "INDICATORS", "AGE",
                                       "FORMAT", "SKIPPED", "PATH"};
    const json_t *feeds = tree_at(reply, "feeds"), *feed, *n;
    struct arena *a = arena_new(0);
    _cleanup_table_ struct table t = {0};
    const char *key;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)feeds, i, feed) {
        _cleanup_buf_ struct buf age = {0}, skipped = {0};
        uint64_t left_out = 0;
        json_object_foreach ((json_t *)tree_at(feed, "read.skipped"), key, n)
            left_out += (uint64_t)json_integer_value(n);
        buf_duration(&age, tree_u64(feed, "age_s") * NSEC_PER_SEC);
        buf_u64(&skipped, left_out);
        const struct str cells[] = {tree_str(feed, "name"),
                                    tree_str(feed, "state"),
                                    tree_text(feed, "indicators", a),
                                    tree_str(feed, "loaded").len ? buf_view(&age) : STR("-"),
                                    tree_str(feed, "read.format"),
                                    buf_view(&skipped),
                                    tree_str(feed, "path")};
        table_row(&t, cells);
    }
    if (json_array_size(feeds))
        table_print(&t, out, "", in->color);
    else
        buf_text(out, "no feeds\n");
    json_array_foreach ((json_t *)feeds, i, feed)
        if (tree_str(feed, "reason").len) {
            buf_text(out, "held back: ");
            escape_text(out, tree_str(feed, "name"));
            buf_text(out, ": ");
            escape_text(out, tree_str(feed, "reason"));
            buf_char(out, '\n');
        }
    buf_printf(out, "in memory: %llu KiB\n",
               (unsigned long long)(tree_u64(reply, "memory_bytes") >> 10));
    arena_free(a);
}

int verb_intel_stats(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/intel", render_intel_stats);
}
