// Facts of the bundle: what the container was asked to be. Nothing of a bundle that could not be
// read whole is known.
#include "detect/comply/internal.h"

static const struct posture *posture_of(const struct subject *s)
{
    const struct facts *f = s->container->facts;
    return f->version && f->problem.len == 0 && f->posture.read == YES ? &f->posture : NULL;
}

#define FACT_OF_POSTURE(name, expression)                                                          \
    static void name(const struct subject *s, struct fact_value *ret)                              \
    {                                                                                              \
        const struct posture *p = posture_of(s);                                                   \
        const struct facts *f = s->container->facts;                                               \
        (void)f;                                                                                   \
        if (p)                                                                                     \
            expression;                                                                            \
    }
FACT_OF_POSTURE(privileged, know_tri(ret, f->privileged))
FACT_OF_POSTURE(host_pid, know_tri(ret, f->host_pid))
FACT_OF_POSTURE(host_net, know_tri(ret, f->host_net))
FACT_OF_POSTURE(host_ipc, know_tri(ret, f->host_ipc))
FACT_OF_POSTURE(host_uts, know_tri(ret, p->host_uts))
FACT_OF_POSTURE(host_mnt, know_tri(ret, p->host_mnt))
FACT_OF_POSTURE(user_namespace, know_tri(ret, p->user_ns))
FACT_OF_POSTURE(seccomp, know_tri(ret, p->seccomp))
FACT_OF_POSTURE(no_new_privileges, know_tri(ret, p->no_new_privs))
FACT_OF_POSTURE(masked_paths, know_tri(ret, p->masked_paths))
FACT_OF_POSTURE(readonly_root, know_tri(ret, f->readonly_root))
FACT_OF_POSTURE(terminal, know_tri(ret, f->terminal))
FACT_OF_POSTURE(uid, know_u64(ret, f->uid))
FACT_OF_POSTURE(gid, know_u64(ret, f->gid))
FACT_OF_POSTURE(memory_limit, know_u64(ret, p->memory_limit))
FACT_OF_POSTURE(pids_limit, know_u64(ret, p->pids_limit))

static void capabilities(const struct subject *s, struct fact_value *ret)
{
    const struct posture *p = posture_of(s);
    if (p && p->caps_said == YES)
        know_caps(ret, p->caps);
}

static void secrets(const struct subject *s, struct fact_value *ret)
{
    const struct posture *p = posture_of(s);
    if (!p)
        return;
    ret->known = true;
    ret->partial = p->secrets_total > p->secrets_n;
    for (size_t i = 0; i < p->secrets_n; i++)
        add_item(ret, p->secrets[i].key);
}

enum mount_part { SOURCES, DESTINATIONS, WRITABLE };

static void mounts(const struct subject *s, struct fact_value *ret, enum mount_part part)
{
    const struct posture *p = posture_of(s);
    const struct facts *f = s->container->facts;
    if (!p)
        return;
    ret->known = true;
    ret->partial = p->mounts_total > f->mounts_n;
    for (size_t i = 0; i < f->mounts_n; i++) {
        const struct mount_fact *m = &f->mounts[i];
        bool bind = str_eq(m->type, STR("bind"));
        if (part == DESTINATIONS)
            add_item(ret, m->destination);
        else if (bind && m->source.len && (part == SOURCES || !m->read_only))
            add_item(ret, m->source);
    }
}

static void mount_sources(const struct subject *s, struct fact_value *ret)
{
    mounts(s, ret, SOURCES);
}

static void mount_destinations(const struct subject *s, struct fact_value *ret)
{
    mounts(s, ret, DESTINATIONS);
}

static void writable_sources(const struct subject *s, struct fact_value *ret)
{
    mounts(s, ret, WRITABLE);
}

#define ROW(fact_name, fact_type, getter, fact_text)                                               \
    {                                                                                              \
        .name = fact_name, .type = fact_type, .source = FACT_BUNDLE, .get = getter,                \
        .text = fact_text                                                                          \
    }
const struct fact bundle_facts[] = {
    ROW("bundle.privileged", FIELD_BOOL, privileged,
        "every capability, every device and no seccomp filter"),
    ROW("bundle.host_pid", FIELD_BOOL, host_pid, "shares the host's process namespace"),
    ROW("bundle.host_net", FIELD_BOOL, host_net, "shares the host's network namespace"),
    ROW("bundle.host_ipc", FIELD_BOOL, host_ipc, "shares the host's IPC namespace"),
    ROW("bundle.host_uts", FIELD_BOOL, host_uts, "shares the host's UTS namespace"),
    ROW("bundle.host_mnt", FIELD_BOOL, host_mnt, "shares the host's mount namespace"),
    ROW("bundle.user_namespace", FIELD_BOOL, user_namespace,
        "has a user namespace in which root is another user on the host"),
    ROW("bundle.seccomp", FIELD_BOOL, seccomp, "has a seccomp filter that refuses something"),
    ROW("bundle.no_new_privileges", FIELD_BOOL, no_new_privileges,
        "programs cannot gain privileges by setuid or file capabilities"),
    ROW("bundle.masked_paths", FIELD_BOOL, masked_paths,
        "hides /proc/kcore, /proc/keys and /proc/timer_list"),
    ROW("bundle.readonly_root", FIELD_BOOL, readonly_root, "the root file system is read-only"),
    ROW("bundle.terminal", FIELD_BOOL, terminal, "has a terminal"),
    ROW("bundle.uid", FIELD_U64, uid, "the user that its program runs as, inside"),
    ROW("bundle.gid", FIELD_U64, gid, "the group that its program runs as, inside"),
    ROW("bundle.capabilities", FIELD_STRINGS, capabilities, "capabilities in any of its five sets"),
    ROW("bundle.mount_sources", FIELD_STRINGS, mount_sources, "the host's paths that are mounted"),
    ROW("bundle.writable_sources", FIELD_STRINGS, writable_sources,
        "those of them that are mounted writable"),
    ROW("bundle.mount_destinations", FIELD_STRINGS, mount_destinations,
        "where something is mounted"),
    ROW("bundle.memory_limit", FIELD_U64, memory_limit, "bytes; 18446744073709551615: none"),
    ROW("bundle.pids_limit", FIELD_U64, pids_limit, "processes; 18446744073709551615: none"),
    ROW("bundle.secrets", FIELD_STRINGS, secrets,
        "variables of the environment that look like secrets, by name"),
};
const size_t bundle_facts_n = ARRAY_SIZE(bundle_facts);
