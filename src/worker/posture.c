// What a bundle says of how its container is confined, for the compliance controls. A variable of
// the environment that looks like a secret is named, with why; its value never leaves this process.
#include "worker/internal.h"

// true, false, or null where the bundle has not the object that would say it.
static json_t *said(const json_t *object, bool yes)
{
    return !json_is_object(object) ? (json_null)() : yes ? json_true() : json_false();
}

static const json_t *namespace_of(const json_t *linux_, const char *type)
{
    const json_t *v;
    size_t k;
    json_array_foreach ((json_t *)(uintptr_t)member(linux_, "namespaces"), k, v) {
        const char *t = member_str(v, "type");
        if (t && strcmp(t, type) == 0)
            return v;
    }
    return NULL;
}

// Its own namespace: made, or joined by a path that isn't the host's. null: joined by some path,
// which doesn't say whose it is.
static json_t *shares_host(const json_t *linux_, const char *type)
{
    const json_t *ns = namespace_of(linux_, type);
    const char *path = member_str(ns, "path");
    if (!json_is_array(member(linux_, "namespaces")))
        return (json_null)();
    if (!ns)
        return json_true();
    if (!path)
        return json_false();
    return strncmp(path, "/proc/1/ns/", strlen("/proc/1/ns/")) == 0 ? json_true() : (json_null)();
}

// A user namespace in which some id is mapped to another one outside. Mapped to itself it is no
// protection.
static json_t *user_namespace(const json_t *linux_)
{
    const json_t *ns = namespace_of(linux_, "user"), *v;
    bool moved = false;
    size_t k;
    if (!json_is_object(linux_))
        return (json_null)();
    if (!ns)
        return json_false();
    if (member_str(ns, "path"))
        return (json_null)();
    json_array_foreach ((json_t *)(uintptr_t)member(linux_, "uidMappings"), k, v)
        if (json_integer_value(member(v, "containerID")) == 0)
            moved = json_integer_value(member(v, "hostID")) != 0;
    return moved ? json_true() : json_false();
}

// A filter that refuses something: it doesn't allow by default, or it lists calls that it doesn't
// allow.
static bool refuses(const json_t *seccomp)
{
    const char *otherwise = member_str(seccomp, "defaultAction");
    const json_t *v;
    size_t k;
    if (otherwise && strcmp(otherwise, "SCMP_ACT_ALLOW") != 0 &&
        strcmp(otherwise, "SCMP_ACT_LOG") != 0)
        return true;
    json_array_foreach ((json_t *)(uintptr_t)member(seccomp, "syscalls"), k, v) {
        const char *action = member_str(v, "action");
        if (otherwise && action && strcmp(action, "SCMP_ACT_ALLOW") != 0 &&
            strcmp(action, "SCMP_ACT_LOG") != 0)
            return true;
    }
    return false;
}

// The paths of /proc that engines hide by default and that tell or change most of the host.
static bool masks(const json_t *linux_)
{
    static const char *const paths[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list"};
    const json_t *masked = member(linux_, "maskedPaths"), *v;
    size_t found = 0, k;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        json_array_foreach ((json_t *)(uintptr_t)masked, k, v)
            if (json_is_string(v) && strcmp(json_string_value(v), paths[i]) == 0) {
                found++;
                break;
            }
    return found == ARRAY_SIZE(paths);
}

// All sets together: what is in any of them can come into force by an exec of the right file.
static json_t *capabilities(const json_t *process)
{
    static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable",
                                       "ambient"};
    const json_t *of = member(process, "capabilities"), *v;
    uint64_t mask = 0;
    size_t k;
    // Without a bounding set runc leaves every capability and crun none.
    if (!json_is_array(member(of, "bounding")))
        return (json_null)();
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        json_array_foreach ((json_t *)(uintptr_t)member(of, sets[i]), k, v) {
            struct str name = str_of(json_is_string(v) ? json_string_value(v) : "");
            int number = cap_number(name);
            mask |= 1ULL << (number >= 0 ? number : CAP_UNNAMED);
        }
    return json_integer((json_int_t)mask);
}

// A limit, or null: none.
static json_t *limit(const json_t *linux_, const char *what)
{
    const json_t *v = member(member(member(linux_, "resources"), what), "limit");
    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer(json_integer_value(v))
                                                           : (json_null)();
}

static void secrets(json_t *posture, const json_t *process)
{
    json_t *found = (json_array)();
    const json_t *v;
    size_t total = 0, k;
    json_array_foreach ((json_t *)(uintptr_t)member(process, "env"), k, v) {
        struct str pair = str_of(json_is_string(v) ? json_string_value(v) : "");
        const char *eq = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t n = eq ? (size_t)(eq - pair.ptr) : 0;
        const char *why =
            eq ? secret_reason((struct str){pair.ptr, n}, (struct str){eq + 1, pair.len - n - 1})
               : NULL;
        if (!why)
            continue;
        if (total++ >= MAX_STRANGER_SECRETS)
            continue;
        char name[MAX_SECRET_TEXT + 1];
        n = MIN(n, (size_t)MAX_SECRET_TEXT);
        memcpy(name, pair.ptr, n);
        while (n > 0 && ((unsigned char)pair.ptr[n] & 0xc0) == 0x80) // between characters
            n--;
        name[n] = 0;
        json_array_append_new(found, json_pack("{s:s, s:s}", "name", name, "reason", why));
    }
    json_object_set_new(posture, "secrets", found);
    json_object_set_new(posture, "secrets_total", json_integer((json_int_t)total));
}

void reply_posture(json_t *reply, const json_t *config)
{
    const json_t *process = member(config, "process"), *linux_ = member(config, "linux");
    const json_t *no_new = member(process, "noNewPrivileges");
    json_t *p = (json_object)();
    json_object_set_new(p, "host_mnt", shares_host(linux_, "mount"));
    json_object_set_new(p, "host_uts", shares_host(linux_, "uts"));
    json_object_set_new(p, "user_namespace", user_namespace(linux_));
    json_object_set_new(p, "seccomp", said(linux_, refuses(member(linux_, "seccomp"))));
    json_object_set_new(p, "no_new_privileges", said(process, json_is_true(no_new)));
    json_object_set_new(p, "masked_paths", said(linux_, masks(linux_)));
    json_object_set_new(p, "capabilities", capabilities(process));
    json_object_set_new(p, "memory_limit", limit(linux_, "memory"));
    json_object_set_new(p, "pids_limit", limit(linux_, "pids"));
    json_object_set_new(p, "mounts_total",
                        json_integer((json_int_t)json_array_size(member(config, "mounts"))));
    secrets(p, process);
    reply_set(reply, "posture", p);
}
