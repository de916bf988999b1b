// What a runtime keeps about a running container: runc's state.json, crun's status. For containers
// that were there before us, as nothing else says where their bundle is.
#include "worker/internal.h"

// runc keeps the bundle's annotations as "key=value" beside "bundle=/path".
static json_t *annotations_of(const json_t *labels, const char **ret_bundle)
{
    json_t *all = (json_object)(), *v;
    size_t k;
    *ret_bundle = NULL;
    json_array_foreach (labels, k, v) {
        const char *text = json_is_string(v) ? json_string_value(v) : "", *eq = strchr(text, '=');
        if (!eq || json_object_size(all) >= MAX_STRANGER_LABELS)
            continue;
        if (strncmp(text, "bundle=", (size_t)(eq + 1 - text)) == 0)
            *ret_bundle = eq + 1;
        else
            json_object_setn_new(all, text, (size_t)(eq - text), string_cut(eq + 1));
    }
    return all;
}

static json_t *pid_of(const json_t *v)
{
    json_int_t pid = json_is_integer(v) ? json_integer_value(v) : 0;
    return pid > 0 && pid <= INT32_MAX ? json_integer(pid) : (json_null)();
}

static void runc_state(json_t *reply, const json_t *state, const json_t *config)
{
    static const char *const names[4] = {"NEWPID", "NEWNET", "NEWIPC", "NEWNS"};
    const char *bundle;
    json_t *annotations = annotations_of(member(config, "labels"), &bundle);
    reply_str(reply, "runtime", "runc");
    reply_str(reply, "id", member_str(state, "id"));
    reply_str(reply, "bundle", bundle);
    reply_str(reply, "rootfs", member_str(config, "rootfs"));
    reply_str(reply, "hostname", member_str(config, "hostname"));
    reply_set(reply, "pid", pid_of(member(state, "init_process_pid")));
    reply_str(reply, "cgroups_path", member_str(member(config, "cgroups"), "path"));
    if (json_is_boolean(member(config, "readonlyfs")))
        reply_set(reply, "readonly_root", json_incref(member(config, "readonlyfs")));
    reply_namespaces(reply, member(config, "namespaces"), names);
    reply_annotations(reply, annotations);
    json_decref(annotations);
}

static void crun_status(json_t *reply, const json_t *status)
{
    json_t *none = (json_object)();
    reply_str(reply, "runtime", "crun");
    reply_str(reply, "bundle", member_str(status, "bundle"));
    const char *rootfs = member_str(status, "rootfs");
    if (rootfs)
        reply_set(reply, "rootfs", absolute(member_str(status, "bundle"), rootfs));
    reply_set(reply, "pid", pid_of(member(status, "pid")));
    reply_str(reply, "cgroups_path", member_str(status, "cgroup-path"));
    reply_annotations(reply, none);
    json_decref(none);
}

void worker_parse_state(struct str bytes, struct str args, struct buf *out)
{
    const char *problem;
    json_t *reply = reply_new(args, "runtime state"), *state = document_load(bytes, &problem);
    const json_t *config = member(state, "config");
    if (!state) {
        _cleanup_buf_ struct buf why = {0};
        buf_printf(&why, "runtime state: %s", problem);
        reply_problem(reply, why.failed ? problem : why.ptr);
    } else if (json_is_object(config)) {
        runc_state(reply, state, config);
    } else if (member_str(state, "bundle")) {
        crun_status(reply, state);
    } else {
        reply_problem(reply, "runtime state: neither runc's nor crun's");
    }
    reply_write(reply, out);
    json_decref(state);
    json_decref(reply);
}
