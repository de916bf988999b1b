// status, reload, version, stop: the agent itself.
#include "agent/agent.h"
#include "cli/internal.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

enum { STOP_MS = 30000 };

static void put_bytes(struct buf *out, uint64_t bytes)
{
    buf_printf(out, "%llu.%llu MiB", (unsigned long long)(bytes >> 20),
               (unsigned long long)((bytes & 0xfffff) * 10 >> 20));
}

static void put_line(struct buf *out, const char *label, struct str text)
{
    buf_printf(out, "%-16s ", label);
    escape_text(out, text);
    buf_char(out, '\n');
}

void render_status(const struct invocation *in, const json_t *reply, struct buf *out)
{
    static const struct {
        const char *label, *path;
    } lines[] = {
        {"version", "version"},
        {"pid", "pid"},
        {"running since", "since"},
        {"kernel", "kernel"},
        {"tier", "tier"},
        {"effect", "exec_effect"},
        {"generation", "generation"},
        {"rules", "rules_loaded"},
        {"shards", "shards"},
        {"containers", "containers"},
        {"processes", "processes"},
        {"events", "events"},
        {"findings", "findings"},
        {"open incidents", "incidents_open"},
        {"rows", "rows"},
        {"indicators", "intel.indicators"},
        {"feeds held", "intel.held"},
        {"lost", "lost"},
        {"held back", "held_back"},
        {"missed", "missed"},
        {"ledger entries", "ledger.size"},
        {"checkpointed", "ledger.checkpointed"},
        {"ledger key", "ledger.key"},
    };
    struct arena *a = arena_new(0);
    const json_t *problem;
    size_t i;
    if (!a) {
        out->failed = true;
        return;
    }
    for (i = 0; i < ARRAY_SIZE(lines); i++)
        if (tree_at(reply, lines[i].path))
            put_line(out, lines[i].label, tree_text(reply, lines[i].path, a));
    if (tree_at(reply, "memory_bytes")) {
        buf_printf(out, "%-16s ", "memory");
        put_bytes(out, tree_u64(reply, "memory_bytes"));
        buf_char(out, '\n');
    }
    struct str sys_exit = tree_str(reply, "sys_exit");
    put_line(out, "sys_exit",
             sys_exit.len ? sys_exit : STR("not attached: nothing loaded needs it"));
    json_array_foreach ((json_t *)tree_at(reply, "problems"), i, problem)
        put_line(out, "problem",
                 (struct str){json_string_value(problem), json_string_length(problem)});
    arena_free(a);
}

int verb_status(const struct invocation *in)
{
    return api_show(in, "GET", "/v1/status", render_status);
}

static void render_reload(const struct invocation *in, const json_t *reply, struct buf *out)
{
    print_escaped_lines(out, tree_str(reply, "warnings"), "");
    buf_printf(out, "generation %llu is in force\n",
               (unsigned long long)tree_u64(reply, "generation"));
}

int verb_reload(const struct invocation *in)
{
    return api_show(in, "POST", "/v1/reload", render_reload);
}

int verb_version(const struct invocation *in)
{
    _cleanup_buf_ struct buf out = {0};
    if (in->json) {
        struct json j = json_on(&out);
        json_object(&j);
        json_kcstr(&j, "version", BULKHEAD_VERSION);
        json_ku64(&j, "api", CONTROL_VERSION);
        json_ku64(&j, "abi", BH_ABI_VERSION);
        json_ku64(&j, "segment", SEGMENT_VERSION);
        json_object_end(&j);
        buf_char(&out, '\n');
    } else
        buf_printf(&out, "bulkhead %s (API %d, records %d, segments %d)\n", BULKHEAD_VERSION,
                   CONTROL_VERSION, BH_ABI_VERSION, SEGMENT_VERSION);
    return print_out(&out);
}

static void render_stop(const struct invocation *in, const json_t *reply, struct buf *out)
{
    buf_text(out, tree_bool(reply, "stopping") ? "stopping\n" : "");
}

// Asks, then waits for the process itself: what is pinned, written or removed at its end is so when
// this returns.
int verb_stop(const struct invocation *in)
{
    json_t *reply = NULL;
    int code = api_get(in, "GET", "/v1/version", &reply);
    if (code != EXIT_WELL)
        return code;
    pid_t pid = (pid_t)tree_u64(reply, "pid");
    json_decref(reply);
    _cleanup_close_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    code = api_show(in, "POST", option_on(in, &opt_release) ? "/v1/stop?release=true" : "/v1/stop",
                    render_stop);
    if (code != EXIT_WELL || fd < 0)
        return code;
    struct pollfd p = {fd, POLLIN, 0};
    int n;
    do
        n = poll(&p, 1, STOP_MS);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return EXIT_WELL;
    complain("process %d has not ended after %d s", (int)pid, STOP_MS / 1000);
    return EXIT_CANNOT;
}
