// comply status and comply check: controls of compliance, of running containers and of bundles that
// nobody has started yet.
#include "detect/comply/comply.h"
#include "agent/agent.h"
#include "cli/internal.h"

#include <errno.h>

// "bundle.uid=0, live.root=unknown": what a result rests on.
static struct str facts_text(const json_t *result, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    const json_t *f;
    size_t i;
    json_array_foreach ((json_t *)tree_at(result, "facts"), i, f) {
        buf_text(&b, i ? ", " : "");
        buf_str(&b, tree_str(f, "name"));
        buf_char(&b, '=');
        buf_str(&b, tree_str(f, "text"));
    }
    return arena_str(a, buf_view(&b));
}

// An exception stands where it changes what a failure means.
static struct str result_text(const json_t *result, struct arena *a)
{
    _cleanup_buf_ struct buf b = {0};
    struct str name = tree_str(result, "exception.name");
    buf_str(&b, tree_str(result, "result"));
    if (name.len) {
        buf_text(&b, " (excepted by ");
        buf_str(&b, name);
        buf_text(&b, " until ");
        buf_str(&b, (struct str){tree_str(result, "exception.until").ptr, 10});
        buf_char(&b, ')');
    }
    return arena_str(a, buf_view(&b));
}

static void put_results(const json_t *container, bool all, struct table *t, struct arena *a)
{
    struct str id = tree_str(container, "id");
    const json_t *r;
    size_t i;
    json_array_foreach ((json_t *)tree_at(container, "results"), i, r) {
        struct str result = tree_str(r, "result");
        if (!all && (str_eq(result, STR("pass")) || str_eq(result, STR("not-applicable"))))
            continue;
        struct str cells[] = {(struct str){id.ptr, MIN(id.len, (size_t)12)},
                              tree_str(container, "name"),
                              tree_str(r, "control"),
                              result_text(r, a),
                              tree_str(r, "bundle"),
                              tree_str(r, "live"),
                              facts_text(r, a)};
        table_row(t, cells);
    }
}

static void put_summary(const json_t *reply, struct buf *out)
{
    buf_printf(out,
               "%llu containers, %llu controls: %llu fail, %llu unknown, %llu pass, %llu not "
               "applicable, %llu excepted\n",
               (unsigned long long)tree_u64(reply, "summary.containers"),
               (unsigned long long)tree_u64(reply, "summary.controls"),
               (unsigned long long)tree_u64(reply, "summary.fail"),
               (unsigned long long)tree_u64(reply, "summary.unknown"),
               (unsigned long long)tree_u64(reply, "summary.pass"),
               (unsigned long long)tree_u64(reply, "summary.not_applicable"),
               (unsigned long long)tree_u64(reply, "summary.excepted"));
}

void render_comply(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const char *const head[] = {"CONTAINER", "NAME", "CONTROL", "RESULT",
                                       "BUNDLE",    "LIVE", "FACTS"};
    _cleanup_table_ struct table t = {0};
    struct arena *a = arena_new(0);
    const json_t *c;
    size_t i;
    bool all = option_on(in, &opt_every);
    if (!a) {
        out->failed = true;
        return;
    }
    table_head(&t, head, ARRAY_SIZE(head));
    json_array_foreach ((json_t *)tree_at(reply, "containers"), i, c)
        put_results(c, all, &t, a);
    if (t.rows > 1)
        table_print(&t, out, "", in->color);
    if (tree_u64(reply, "summary.controls") == 0)
        buf_text(out, "no controls are loaded: give some with --checks, or install checks/\n");
    json_array_foreach ((json_t *)tree_at(reply, "containers"), i, c) {
        struct str problem = tree_str(c, "problem");
        if (!problem.len)
            continue;
        buf_text(out, "note: ");
        escape_text(out, tree_str(c, "id"));
        buf_text(out, ": ");
        escape_text(out, problem);
        buf_char(out, '\n');
    }
    put_summary(reply, out);
    arena_free(a);
}

// "/v1/comply", with the container that is asked about as a parameter.
static bool comply_path(const struct invocation *in, struct buf *path)
{
    buf_text(path, "/v1/comply");
    if (in->arguments_n) {
        buf_text(path, "?container=");
        for (const char *c = in->arguments[0]; *c; c++)
            buf_printf(path, "%%%02X", (unsigned char)*c);
    }
    return !path->failed;
}

int verb_comply_status(const struct invocation *in)
{
    _cleanup_buf_ struct buf path = {0};
    if (!comply_path(in, &path)) {
        complain("no memory");
        return EXIT_CANNOT;
    }
    return api_show(in, "GET", path.ptr, render_comply);
}

// What cannot be read and what fails are both reasons not to start it; so is what nobody knows.
int verb_comply_check(const struct invocation *in)
{
    struct comply_check_options o = {.bundles = in->arguments, .bundles_n = in->arguments_n};
    struct comply_answer answer = {0};
    struct diag_list diags = {0};
    struct error err = {0};
    _cleanup_buf_ struct buf reply = {0}, text = {0}, problems = {0};
    struct json j = json_on(&reply);
    o.checks = option_list(in, &opt_checks, &o.checks_n);
    o.policies = option_list(in, &opt_policies, &o.policies_n);
    json_object(&j);
    int r = agent_comply_check(&o, &j, &diags, &answer, &err);
    json_key(&j, "diagnostics");
    diag_json(&diags, &j);
    json_object_end(&j);
    buf_char(&reply, '\n');
    if (!in->json) {
        diag_text(&diags, &problems);
        if (problems.len)
            (void)!write(STDERR_FILENO, problems.ptr, problems.len);
    }
    diag_list_done(&diags);
    json_t *tree = in->json ? NULL : tree_load(buf_view(&reply));
    if (tree && answer.controls)
        render_comply(in, tree, &text);
    json_decref(tree);
    int code = in->json || answer.controls ? print_out(in->json ? &reply : &text) : EXIT_WELL;
    if (r < 0)
        complain("%s", err.message);
    if (code != EXIT_WELL)
        return code;
    if (r < 0 && r != -EINVAL)
        return EXIT_CANNOT;
    return r < 0 || answer.fail || answer.unknown ? EXIT_FOUND : EXIT_WELL;
}
