// net check, try, flows.
#include "agent/agent.h"
#include "cli/internal.h"
#include "config/config.h"
#include "control/control.h"

#include <errno.h>

int verb_net_check(const struct invocation *in)
{
    struct sources sources = {0};
    struct diag_list diags = {0};
    _cleanup_buf_ struct buf out = {0};
    for (size_t i = 0; i < in->arguments_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, in->arguments[i], &diags);
    struct documents *d = diags.errors ? NULL : documents_parse(&sources, &diags);
    size_t policies = d ? d->network_n : 0;
    if (in->json) {
        struct json j = json_on(&out);
        json_object(&j);
        json_kbool(&j, "ok", diags.errors == 0);
        json_ku64(&j, "policies", policies);
        json_ku64(&j, "errors", diags.errors);
        json_key(&j, "diagnostics");
        diag_json(&diags, &j);
        json_object_end(&j);
        buf_char(&out, '\n');
    } else {
        diag_text(&diags, &out);
        if (diags.errors)
            buf_printf(&out, "%zu error%s\n", diags.errors, diags.errors == 1 ? "" : "s");
        else
            buf_printf(&out, "%zu network polic%s, no error\n", policies,
                       policies == 1 ? "y" : "ies");
    }
    int code = print_out(&out);
    if (code == EXIT_WELL && diags.errors)
        code = EXIT_FOUND;
    documents_free(d);
    diag_list_done(&diags);
    sources_done(&sources);
    return code;
}

// ── try ──────────────────────────────────────────────────────────────────────────────────────

static void put_line(const json_t *j, struct buf *out)
{
    escape_text(out, tree_str(j, "policy"));
    buf_text(out, " (");
    escape_text(out, tree_str(j, "where"));
    buf_char(out, ')');
}

void render_net_try(const struct invocation *in, const json_t *reply, struct buf *out)
{
    const json_t *by, *list = tree_at(reply, "allowed_by");
    size_t i;
    escape_text(out, tree_str(reply, "verdict"));
    if (tree_str(reply, "at").len) {
        buf_text(out, " at ");
        escape_text(out, tree_str(reply, "at"));
        buf_text(out, str_eq(tree_str(reply, "reason"), STR("denied")) ? ": denied by "
                                                                       : ": no rule allows it in ");
        put_line(reply, out);
        if (tree_u64(reply, "row"))
            buf_printf(out, ", row %llu", (unsigned long long)tree_u64(reply, "row"));
    } else if (json_array_size(list) == 0)
        buf_text(out, ": no policy says anything of it");
    buf_char(out, '\n');
    json_array_foreach ((json_t *)list, i, by) {
        buf_text(out, "    allowed at ");
        escape_text(out, tree_str(by, "at"));
        buf_text(out, " by ");
        put_line(by, out);
        buf_char(out, '\n');
    }
}

// 1 where it would not be let through.
static int verdict_code(const json_t *reply)
{
    return str_eq(tree_str(reply, "verdict"), STR("refused")) ? EXIT_FOUND : EXIT_WELL;
}

static int try_documents(const struct invocation *in, const char *const *policies, size_t n)
{
    struct diag_list diags = {0};
    struct error err = {0};
    _cleanup_buf_ struct buf out = {0}, text = {0}, problems = {0};
    struct json j = json_on(&text);
    int r = agent_net_try(policies, n, in->arguments[0], in->arguments[1], in->arguments[2], &j,
                          &diags, &err);
    if (diags.errors)
        diag_text(&diags, &problems);
    if (problems.len)
        (void)!write(STDERR_FILENO, problems.ptr, problems.len);
    diag_list_done(&diags);
    if (r < 0) {
        complain("%s", err.message);
        return r == -EINVAL ? EXIT_USAGE : EXIT_CANNOT;
    }
    json_t *reply = tree_load(buf_view(&text));
    if (in->json) {
        buf_str(&out, buf_view(&text));
        buf_char(&out, '\n');
    } else
        render_net_try(in, reply, &out);
    int code = print_out(&out);
    code = code == EXIT_WELL ? verdict_code(reply) : code;
    json_decref(reply);
    return code;
}

int verb_net_try(const struct invocation *in)
{
    static const char *const names[] = {"from", "to", "port"};
    size_t n;
    const char *const *policies = option_list(in, &opt_policies, &n);
    if (n)
        return try_documents(in, policies, n);
    _cleanup_buf_ struct buf path = {0}, out = {0};
    json_t *reply = NULL;
    buf_text(&path, "/v1/net/try");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        control_add_param(&path, names[i], str_of(in->arguments[i]));
    if (path.failed) {
        complain("out of memory");
        return EXIT_CANNOT;
    }
    int code = api_get(in, "GET", path.ptr, &reply);
    if (code != EXIT_WELL)
        return code;
    if (in->json) {
        char *text = json_dumps(reply, JSON_COMPACT);
        buf_text(&out, text ? text : "");
        buf_char(&out, '\n');
        free(text);
    } else
        render_net_try(in, reply, &out);
    code = print_out(&out);
    code = code == EXIT_WELL ? verdict_code(reply) : code;
    json_decref(reply);
    return code;
}

// ── flows ────────────────────────────────────────────────────────────────────────────────────

static struct str end_text(const json_t *container, struct str address, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    struct str name = tree_str(container, "name"), id = tree_str(container, "id");
    buf_str(&b, name.len ? name : id);
    if (address.len) {
        buf_text(&b, b.len ? " " : "");
        buf_str(&b, address);
    }
    return arena_str(a, buf_view(&b));
}

static struct str service_text(const json_t *flow, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    uint64_t protocol = tree_u64(flow, "protocol");
    buf_u64(&b, tree_u64(flow, "port"));
    buf_printf(&b, "/%s",
               protocol == 6     ? "tcp"
               : protocol == 17  ? "udp"
               : protocol == 132 ? "sctp"
               : protocol == 1   ? "icmp"
                                 : "other");
    return arena_str(a, buf_view(&b));
}

void render_flows(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const head[] = {
        "CONTAINER", "DIRECTION", "OTHER END", "PORT",
        "ALLOWED",   "REFUSED",   "AUDIT",     "LAST REFUSED BY ROW"};
    _cleanup_table_ struct table t = {0};
    struct arena *a = arena_new(0);
    const json_t *f;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    if (!tree_bool(reply, "counted"))
        buf_text(out, "No flows are counted: no network policy is loaded.\n");
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)tree_at(reply, "flows"), i, f) {
        struct str cells[] = {end_text(tree_at(f, "container"), STR_NULL, a),
                              tree_str(f, "direction"),
                              end_text(tree_at(f, "peer"), tree_str(f, "address"), a),
                              service_text(f, a),
                              tree_text(f, "allowed", a),
                              tree_text(f, "refused", a),
                              tree_text(f, "would_refuse", a),
                              tree_u64(f, "row") ? tree_text(f, "row", a) : STR_NULL};
        table_row(&t, cells);
    }
    if (i)
        table_print(&t, out, "", in->color);
    if (tree_bool(reply, "more"))
        buf_text(out, "There are more.\n");
    arena_free(a);
}

int verb_net_flows(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/net/flows", render_flows);
}
