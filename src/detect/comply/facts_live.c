// Facts of the running container. What was seen is known for good. That something did not happen is
// only known where the container was watched since before its first instruction and nothing was
// lost since; what its programs are, also where it was there before us.
#include "detect/comply/internal.h"

// Of what its programs are: all that run were looked at.
static bool looked_at(const struct live *l)
{
    return l->started && !l->lossy;
}

// Of what was done: nothing can have been missed.
static bool watched(const struct live *l)
{
    return l->started && l->from_start && !l->lossy;
}

static void seen_or(struct fact_value *ret, bool seen, bool sure)
{
    ret->known = seen || sure;
    ret->b = seen;
}

#define FACT_OF_LIVE(name, expression)                                                             \
    static void name(const struct subject *s, struct fact_value *ret)                              \
    {                                                                                              \
        const struct live *l = s->live;                                                            \
        if (l)                                                                                     \
            expression;                                                                            \
    }
FACT_OF_LIVE(privileged, seen_or(ret, (l->caps & CAPS_PRIVILEGED) == CAPS_PRIVILEGED, looked_at(l)))
FACT_OF_LIVE(root, seen_or(ret, l->root, looked_at(l)))
FACT_OF_LIVE(root_writable, seen_or(ret, l->root_writable, watched(l)))
FACT_OF_LIVE(foreign, seen_or(ret, l->foreign == YES, l->foreign == NO && watched(l)))
// chmod is not watched yet, so that none was made is never known.
FACT_OF_LIVE(setuid_made, seen_or(ret, l->setuid_made, false))
FACT_OF_LIVE(host_pid, seen_or(ret, l->host_pid == YES, l->host_pid == NO && looked_at(l)))
FACT_OF_LIVE(host_net, seen_or(ret, l->host_net == YES, l->host_net == NO && looked_at(l)))
FACT_OF_LIVE(host_ipc, seen_or(ret, l->host_ipc == YES, l->host_ipc == NO && looked_at(l)))
FACT_OF_LIVE(host_uts, seen_or(ret, l->host_uts == YES, l->host_uts == NO && looked_at(l)))
FACT_OF_LIVE(host_mnt, seen_or(ret, l->host_mnt == YES, l->host_mnt == NO && looked_at(l)))

static void capabilities(const struct subject *s, struct fact_value *ret)
{
    const struct live *l = s->live;
    if (!l || (!l->caps && !looked_at(l)))
        return;
    know_caps(ret, l->caps);
    ret->partial = !looked_at(l);
}

static void texts(const struct live_texts *t, bool sure, struct fact_value *ret)
{
    ret->known = t->n > 0 || sure;
    ret->partial = !sure || t->total > t->n;
    for (uint32_t i = 0; i < t->n; i++)
        add_item(ret, (struct str){t->text[i], t->len[i]});
}
FACT_OF_LIVE(programs, texts(&l->programs, l->foreign == NO && watched(l), ret))
FACT_OF_LIVE(setuids, texts(&l->setuids, false, ret))
FACT_OF_LIVE(mount_sources, texts(&l->mount_sources, watched(l), ret))
FACT_OF_LIVE(mount_targets, texts(&l->mount_targets, watched(l), ret))
FACT_OF_LIVE(secrets, texts(&l->secrets, watched(l), ret))

static void mounts_added(const struct subject *s, struct fact_value *ret)
{
    if (s->live && (s->live->mount_targets.total || watched(s->live)))
        know_u64(ret, s->live->mount_targets.total);
}

static void memory_limit(const struct subject *s, struct fact_value *ret)
{
    if (s->live && s->live->memory_sampled)
        know_u64(ret, s->live->memory_now);
}

static void pids_limit(const struct subject *s, struct fact_value *ret)
{
    if (s->live && s->live->pids_sampled)
        know_u64(ret, s->live->pids_now);
}

// The kernel rounds limits of memory to pages, of 64 KiB at most.
enum { PAGE_MAX = 65536 };

// Is `now` more than what it was asked to be? Where the bundle says nothing, than what it was when
// it was first looked at.
static bool raised(uint64_t asked, uint64_t first, uint64_t now, uint64_t slack)
{
    uint64_t was = asked != UINT64_MAX ? asked : first;
    return was != UINT64_MAX && now > was && now - was >= slack;
}

static void limits_raised(const struct subject *s, struct fact_value *ret)
{
    const struct live *l = s->live;
    const struct posture *p = &s->container->facts->posture;
    bool said = p->read == YES;
    uint64_t memory = said ? p->memory_limit : UINT64_MAX, pids = said ? p->pids_limit : UINT64_MAX;
    if (!l)
        return;
    bool up = (l->memory_sampled && raised(memory, l->memory_first, l->memory_now, PAGE_MAX)) ||
              (l->pids_sampled && raised(pids, l->pids_first, l->pids_now, 1));
    // Samples are states, so losses of events don't matter. Without the bundle's word nobody knows
    // what the limits were before the first sample.
    seen_or(ret, up, l->memory_sampled && l->pids_sampled && (said || l->from_start));
}

#define ROW(fact_name, fact_type, from, getter, fact_text, ...)                                    \
    {                                                                                              \
        .name = fact_name, .type = fact_type, .source = from, .get = getter, .text = fact_text,    \
        .kinds = {                                                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
const struct fact live_facts[] = {
    ROW("live.privileged", FIELD_BOOL, FACT_LIVE, privileged,
        "a program of it had every capability in the host's user namespace", BH_EXEC, BH_CRED),
    ROW("live.capabilities", FIELD_STRINGS, FACT_LIVE, capabilities,
        "capabilities that its programs had in the host's user namespace", BH_EXEC, BH_CRED),
    ROW("live.root", FIELD_BOOL, FACT_LIVE, root, "a program of it ran as the host's root", BH_EXEC,
        BH_CRED),
    ROW("live.host_pid", FIELD_BOOL, FACT_LIVE, host_pid,
        "a program of it was in the host's process namespace", BH_EXEC, BH_NAMESPACE),
    ROW("live.host_net", FIELD_BOOL, FACT_LIVE, host_net,
        "a program of it was in the host's network namespace", BH_EXEC, BH_NAMESPACE),
    ROW("live.host_ipc", FIELD_BOOL, FACT_LIVE, host_ipc,
        "a program of it was in the host's IPC namespace", BH_EXEC, BH_NAMESPACE),
    ROW("live.host_uts", FIELD_BOOL, FACT_LIVE, host_uts,
        "a program of it was in the host's UTS namespace", BH_EXEC, BH_NAMESPACE),
    ROW("live.host_mnt", FIELD_BOOL, FACT_LIVE, host_mnt,
        "a program of it was in the host's mount namespace", BH_EXEC, BH_NAMESPACE),
    ROW("live.root_writable", FIELD_BOOL, FACT_EVENT, root_writable,
        "its root file system was remounted writable, or a file on it was opened for writing",
        BH_EXEC, BH_MOUNT),
    ROW("live.exec_not_in_image", FIELD_BOOL, FACT_EVENT, foreign,
        "a program was executed that is not in its image", BH_EXEC),
    ROW("live.programs_not_in_image", FIELD_STRINGS, FACT_EVENT, programs, "those programs",
        BH_EXEC),
    ROW("live.setuid_made", FIELD_BOOL, FACT_EVENT, setuid_made,
        "a setuid or setgid file was made in it", BH_EXEC, BH_OPEN),
    ROW("live.setuid_files", FIELD_STRINGS, FACT_EVENT, setuids, "those files", BH_EXEC, BH_OPEN),
    ROW("live.mounts_added", FIELD_U64, FACT_EVENT, mounts_added, "mounts that its programs made",
        BH_EXEC, BH_MOUNT),
    ROW("live.mount_sources", FIELD_STRINGS, FACT_EVENT, mount_sources, "what they mounted",
        BH_EXEC, BH_MOUNT),
    ROW("live.mount_targets", FIELD_STRINGS, FACT_EVENT, mount_targets, "where they mounted it",
        BH_EXEC, BH_MOUNT),
    ROW("live.memory_limit", FIELD_U64, FACT_LIVE, memory_limit,
        "bytes, at the last sample; 18446744073709551615: none", BH_RESOURCE),
    ROW("live.pids_limit", FIELD_U64, FACT_LIVE, pids_limit,
        "processes, at the last sample; 18446744073709551615: none", BH_RESOURCE),
    ROW("live.limits_raised", FIELD_BOOL, FACT_LIVE, limits_raised,
        "a limit is higher than the bundle asked for, or than it was at first", BH_RESOURCE),
    ROW("live.secrets", FIELD_STRINGS, FACT_EVENT, secrets,
        "arguments NAME=value of its programs that look like secrets, by name", BH_EXEC),
};
const size_t live_facts_n = ARRAY_SIZE(live_facts);
