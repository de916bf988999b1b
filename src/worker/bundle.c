// An OCI bundle's config.json → facts. It may be anything: what is of the wrong type counts as not
// there.
#include "worker/internal.h"

static json_t *flag(const json_t *v, bool without)
{
    return json_is_boolean(v) ? json_incref((json_t *)(uintptr_t)v)
           : without          ? json_true()
                              : json_false();
}

static json_t *user_id(const json_t *process, const char *key)
{
    const json_t *v = member(member(process, "user"), key);
    json_int_t id = json_is_integer(v) ? json_integer_value(v) : 0;
    return json_integer(id < 0 || id > UINT32_MAX ? 0 : id);
}

static json_t *mount_fact(const json_t *m, const char *bundle)
{
    const char *to = member_str(m, "destination"), *from = member_str(m, "source"),
               *type = member_str(m, "type");
    const json_t *options = member(m, "options"), *v;
    bool bind = type && strcmp(type, "bind") == 0, read_only = false;
    size_t k;
    if (!to)
        return NULL;
    json_array_foreach (options, k, v) {
        const char *o = json_is_string(v) ? json_string_value(v) : "";
        if (strcmp(o, "ro") == 0 || strcmp(o, "rro") == 0)
            read_only = true;
        if (strcmp(o, "rw") == 0)
            read_only = false;
        if (strcmp(o, "bind") == 0 || strcmp(o, "rbind") == 0)
            bind = true;
    }
    json_t *fact = (json_object)();
    if (from)
        json_object_set_new(fact, "source", bind ? absolute(bundle, from) : string_cut(from));
    json_object_set_new(fact, "destination", string_cut(to));
    if (type || bind)
        json_object_set_new(fact, "type", string_cut(bind ? "bind" : type));
    json_object_set_new(fact, "read_only", read_only ? json_true() : json_false());
    return fact;
}

static json_t *mount_facts(const json_t *mounts, const char *bundle)
{
    json_t *facts = (json_array)(), *v;
    size_t k;
    json_array_foreach (mounts, k, v) {
        json_t *fact = json_array_size(facts) < MAX_STRANGER_MOUNTS ? mount_fact(v, bundle) : NULL;
        if (fact)
            json_array_append_new(facts, fact);
    }
    return facts;
}

// A config.json is found in many folders that are no bundles.
static bool is_bundle(const json_t *config)
{
    return member(config, "ociVersion") ||
           (json_is_object(member(config, "root")) && json_is_object(member(config, "process")));
}

static void facts_of(json_t *reply, const json_t *config)
{
    static const char *const names[4] = {"pid", "network", "ipc", "mount"};
    const json_t *process = member(config, "process"), *root = member(config, "root"),
                 *linux_ = member(config, "linux");
    const char *bundle = member_str(reply, "bundle"), *path = member_str(root, "path");
    reply_annotations(reply, member(config, "annotations"));
    reply_str(reply, "hostname", member_str(config, "hostname"));
    reply_str(reply, "cgroups_path", member_str(linux_, "cgroupsPath"));
    if (path)
        reply_set(reply, "rootfs", absolute(bundle, path));
    reply_set(reply, "mounts", mount_facts(member(config, "mounts"), bundle));
    reply_set(reply, "privileged", privileged_of(config));
    reply_namespaces(reply, member(linux_, "namespaces"), names);
    reply_set(reply, "readonly_root", flag(member(root, "readonly"), false));
    reply_set(reply, "terminal", flag(member(process, "terminal"), false));
    reply_set(reply, "uid", user_id(process, "uid"));
    reply_set(reply, "gid", user_id(process, "gid"));
    reply_posture(reply, config);
}

void worker_parse_bundle(struct str bytes, struct str args, struct buf *out)
{
    const char *problem;
    json_t *reply = reply_new(args, "bundle"), *config = document_load(bytes, &problem);
    if (!config) {
        _cleanup_buf_ struct buf why = {0};
        buf_printf(&why, "config.json: %s", problem);
        reply_problem(reply, why.failed ? problem : why.ptr);
    } else if (!is_bundle(config)) {
        reply_problem(reply, "none");
    } else {
        facts_of(reply, config);
    }
    reply_write(reply, out);
    json_decref(config);
    json_decref(reply);
}
