// What a bundle says about how far its container is from the host: privileged, and which namespaces
// it shares.
#include "worker/internal.h"

// What "privileged" of an engine adds up to in a bundle, as OCI has no such word: every capability
// a kernel of 2013 and later has (up to CAP_AUDIT_READ, 37), every device, and no seccomp filter.
// One of them missing is a no; one of them not said is unknown.
static const char *const capabilities[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
};

static bool lists(const json_t *array, const char *text)
{
    size_t k;
    json_t *v;
    json_array_foreach (array, k, v)
        if (json_is_string(v) && strcmp(json_string_value(v), text) == 0)
            return true;
    return false;
}

// -1: not said.
static int all_capabilities(const json_t *config)
{
    const json_t *set = member(member(member(config, "process"), "capabilities"), "bounding");
    if (!json_is_array(set))
        return -1; // runc leaves all of them then, crun none
    for (size_t k = 0; k < ARRAY_SIZE(capabilities); k++)
        if (!lists(set, capabilities[k]))
            return 0;
    return 1;
}

// Rules apply in order, so the last one that speaks of all devices decides.
static int all_devices(const json_t *config)
{
    const json_t *rules = member(member(member(config, "linux"), "resources"), "devices"), *v;
    size_t k;
    int all = 0;
    json_array_foreach (rules, k, v) {
        const char *type = member_str(v, "type"), *access = member_str(v, "access");
        const json_t *major = member(v, "major"), *minor = member(v, "minor");
        bool any = (!type || strcmp(type, "a") == 0) && (!major || json_integer_value(major) < 0) &&
                   (!minor || json_integer_value(minor) < 0);
        if (!any)
            continue;
        if (!json_is_true(member(v, "allow")))
            all = 0;
        else if (!access || (strchr(access, 'r') && strchr(access, 'w')))
            all = 1;
    }
    return all;
}

static int no_seccomp(const json_t *config)
{
    const json_t *s = member(member(config, "linux"), "seccomp");
    const char *action = member_str(s, "defaultAction");
    if (!json_is_object(s))
        return 1;
    return action && strcmp(action, "SCMP_ACT_ALLOW") == 0 &&
           json_array_size(member(s, "syscalls")) == 0;
}

json_t *privileged_of(const json_t *config)
{
    const char *said =
        member_str(member(config, "annotations"), "io.podman.annotations.privileged");
    if (said && strcmp(said, "TRUE") == 0)
        return json_true();
    int caps = all_capabilities(config), devices = all_devices(config),
        free_calls = no_seccomp(config);
    if (!json_is_object(member(config, "linux")))
        return (json_null)();
    if (caps == 0 || devices == 0 || free_calls == 0)
        return json_false();
    return caps > 0 ? json_true() : (json_null)();
}

// For one namespace type: true where it is the runtime's own, so the host's; null where it is
// joined by a path that doesn't say whose it is (identify settles that by the inode when the
// container's first program runs).
static json_t *shares(const json_t *namespaces, const char *type)
{
    size_t k;
    json_t *v;
    if (!json_is_array(namespaces))
        return (json_null)();
    json_array_foreach (namespaces, k, v) {
        const char *t = member_str(v, "type"), *path = member_str(v, "path");
        if (!t || strcmp(t, type) != 0)
            continue;
        if (!path)
            return json_false();
        return strncmp(path, "/proc/1/ns/", strlen("/proc/1/ns/")) == 0 ? json_true()
                                                                        : (json_null)();
    }
    return json_true();
}

void reply_namespaces(json_t *reply, const json_t *namespaces, const char *const names[4])
{
    static const char *const keys[4] = {"host_pid", "host_net", "host_ipc", "host_mnt"};
    for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
        reply_set(reply, keys[k], shares(namespaces, names[k]));
}
