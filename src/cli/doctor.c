// doctor: what this kernel allows, what is loaded and pinned, and with --prove what rows really
// refuse.
#include "agent/agent.h"
#include "cli/internal.h"

static void put_capabilities(const json_t *list, struct buf *out, bool color)
{
    static const char *const head[] = {"", "CAPABILITY", "NEEDED", "WHAT WAS TRIED"};
    _cleanup_table_ struct table t = {0};
    const json_t *c;
    size_t i;
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)list, i, c) {
        struct str cells[] = {tree_bool(c, "ok") ? STR("yes") : STR("no"), tree_str(c, "name"),
                              tree_bool(c, "needed") ? STR("needed") : STR("-"),
                              tree_str(c, "why")};
        table_row(&t, cells);
    }
    table_print(&t, out, "  ", color);
}

static void put_programs(const json_t *list, struct arena *a, struct buf *out, bool color)
{
    static const char *const head[] = {"PROGRAM", "ATTACHED", "INSTRUCTIONS", "WHERE"};
    _cleanup_table_ struct table t = {0};
    const json_t *p;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    buf_text(out, "Programs:\n");
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)list, i, p) {
        struct str cells[] = {tree_str(p, "name"), tree_text(p, "attached", a),
                              tree_text(p, "instructions", a), tree_str(p, "attach")};
        table_row(&t, cells);
    }
    table_print(&t, out, "  ", color);
}

static void put_proofs(const json_t *list, struct arena *a, struct buf *out, bool color)
{
    static const char *const head[] = {"ROW", "TIER", "EFFECT", "PROVEN", "WHAT HAPPENED"};
    _cleanup_table_ struct table t = {0};
    const json_t *p;
    size_t i;
    if (json_array_size(list) == 0)
        return;
    buf_text(out, "Proofs, in a scratch cgroup:\n");
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)list, i, p) {
        struct str cells[] = {tree_str(p, "row"), tree_str(p, "tier"), tree_str(p, "effect"),
                              tree_text(p, "proven", a), tree_str(p, "text")};
        table_row(&t, cells);
    }
    table_print(&t, out, "  ", color);
}

void render_doctor(const struct invocation *in, const json_t *reply, struct buf *out)
{
    struct arena *a = arena_new(0);
    if (!a) {
        out->failed = true;
        return;
    }
    buf_text(out, "Bulkhead ");
    escape_text(out, tree_str(reply, "version"));
    buf_text(out, " on Linux ");
    escape_text(out, tree_str(reply, "kernel"));
    buf_text(out, tree_bool(reply, "can_run") ? ": can run here\n" : ": cannot run here\n");
    if (tree_str(reply, "refusal").len)
        print_escaped_lines(out, tree_str(reply, "refusal"), "  ");
    buf_text(out, "cgroup v2: ");
    escape_text(out,
                tree_str(reply, "cgroup2").len ? tree_str(reply, "cgroup2") : STR("none mounted"));
    buf_text(out, tree_bool(reply, "cgroup_hybrid") ? " (v1 controllers beside it)\n" : "\n");
    put_capabilities(tree_at(reply, "capabilities"), out, in->color);
    put_programs(tree_at(reply, "programs"), a, out, in->color);
    if (tree_at(reply, "sys_exit")) {
        struct str why = tree_str(reply, "sys_exit");
        buf_text(out, "sys_exit: ");
        escape_text(out, why.len ? why : STR("not attached"));
        buf_char(out, '\n');
    }
    buf_printf(out, "Pinned: %llu\n", (unsigned long long)tree_u64(reply, "pins"));
    print_escaped_lines(out, tree_str(reply, "pinned"), "  ");
    put_proofs(tree_at(reply, "proofs"), a, out, in->color);
    arena_free(a);
}

static bool all_proven(const json_t *reply)
{
    const json_t *p;
    size_t i;
    json_array_foreach ((json_t *)tree_at(reply, "proofs"), i, p)
        if (!tree_bool(p, "proven"))
            return false;
    return true;
}

int verb_doctor(const struct invocation *in)
{
    _cleanup_buf_ struct buf text = {0}, out = {0};
    struct json j = json_on(&text);
    struct error err = {0};
    bool can_run = false;
    int r = agent_doctor(option_text(in, &opt_host_root), option_text(in, &opt_pins),
                         option_on(in, &opt_prove), &j, &can_run, &err);
    // Also after an error: what was found until then is what helps.
    json_t *reply = text.failed ? NULL : tree_load(buf_view(&text));
    int code = EXIT_WELL;
    bool proven = all_proven(reply);
    if (reply && in->json)
        buf_printf(&out, "%s\n", text.ptr);
    else if (reply)
        render_doctor(in, reply, &out);
    json_decref(reply);
    code = print_out(&out);
    if (r < 0) {
        complain("%s", err.message);
        return EXIT_CANNOT;
    }
    return code != EXIT_WELL ? code : !can_run ? EXIT_CANNOT : proven ? EXIT_WELL : EXIT_FOUND;
}
