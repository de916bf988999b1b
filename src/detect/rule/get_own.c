// Fields that Falco doesn't have: cred.*, ns.*, ptrace.*, memfd.*, exit.*, storm.*, loss.*,
// verdict.*, resource.*.
#include "detect/rule/internal.h"
#include "detect/rule/what.h"

static bool of_cred(struct match *m, int what, struct value *ret)
{
    const struct bh_cred_change *c =
        m->e->rec->kind == BH_CRED ? REC_AS(m->e->rec, bh_cred_change) : NULL;
    struct writer w;
    if (!c)
        return false;
    switch (what) {
    case OWN_OLD_UID:
        ret->u64 = c->old.euid;
        return true;
    case OWN_NEW_UID:
        ret->u64 = c->now.euid;
        return true;
    case OWN_OLD_RUID:
        ret->u64 = c->old.uid;
        return true;
    case OWN_NEW_RUID:
        ret->u64 = c->now.uid;
        return true;
    case OWN_GAINED_ROOT:
        ret->b = c->old.uid != 0 && c->old.euid != 0 && c->old.suid != 0 && c->now.euid == 0 &&
                 c->old.userns == c->now.userns;
        return true;
    case OWN_GAINED_CAPS:
        w = writer_begin(m);
        capability_names(&w, c->now.cap_effective & ~c->old.cap_effective);
        ret->str = writer_end(&w);
        return true;
    default:
        ret->b = c->call != BH_CALL_NONE;
        return true;
    }
}

static bool of_namespace(struct match *m, int what, struct value *ret)
{
    const struct bh_ns_change *c =
        m->e->rec->kind == BH_NAMESPACE ? REC_AS(m->e->rec, bh_ns_change) : NULL;
    const struct container *box = m->e->container;
    if (!c)
        return false;
    if (what == OWN_NS_HOST_MNT) {
        ret->b =
            box && box->host_mnt_ns && c->now.mnt == box->host_mnt_ns && c->old.mnt != c->now.mnt;
        return box && box->host_mnt_ns;
    }
    if (what == OWN_NS_EXPLAINED) {
        ret->b = c->call != BH_CALL_NONE;
        return true;
    }
    const struct {
        const char *name;
        bool changed;
    } all[] = {
        {"mnt", c->old.mnt != c->now.mnt},    {"pid", c->old.pid != c->now.pid},
        {"net", c->old.net != c->now.net},    {"ipc", c->old.ipc != c->now.ipc},
        {"uts", c->old.uts != c->now.uts},    {"cgroup", c->old.cgroup != c->now.cgroup},
        {"user", c->old.user != c->now.user}, {"time", c->old.time != c->now.time},
    };
    struct writer w = writer_begin(m);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        if (all[i].changed)
            writer_format(&w, "%s%s", w.at > w.start ? " " : "", all[i].name);
    ret->str = writer_end(&w);
    return true;
}

static bool of_ptrace(struct match *m, int what, struct value *ret)
{
    enum { POKETEXT = 4, POKEDATA = 5, ATTACH = 16, SEIZE = 0x4206 };
    const struct bh_ptrace *t = m->e->rec->kind == BH_PTRACE ? REC_AS(m->e->rec, bh_ptrace) : NULL;
    if (!t)
        return false;
    const struct process *p =
        m->env->identify && t->target ? identify_process(m->env->identify, t->target) : NULL;
    switch (what) {
    case OWN_TARGET_PID:
        ret->i64 = t->target;
        return t->target != 0;
    case OWN_TARGET_NAME:
        ret->str = p && p->image ? p->image->comm : STR_NULL;
        return ret->str.len > 0;
    case OWN_IS_ATTACH:
        ret->b = t->call == BH_CALL_PROCESS_VM_WRITEV ||
                 (t->call != BH_CALL_PROCESS_VM_READV &&
                  (t->request == ATTACH || t->request == SEIZE || t->request == POKETEXT ||
                   t->request == POKEDATA));
        return true;
    default:
        ret->b = p && p->parent && p->parent == m->e->process;
        return p != NULL;
    }
}

static bool of_loss(const struct match *m, int what, struct value *ret)
{
    const struct bh_storm *s = m->e->rec->kind == BH_STORM ? REC_AS(m->e->rec, bh_storm) : NULL;
    const struct bh_loss *l = m->e->rec->kind == BH_LOSS ? REC_AS(m->e->rec, bh_loss) : NULL;
    const struct kind_row *k;
    if (what >= OWN_LOSS_COUNT ? !l : !s)
        return false;
    switch (what) {
    case OWN_STORM_KIND:
        k = kind_row((uint16_t)s->kind);
        ret->str = str_of(k ? k->name : "unknown");
        return true;
    case OWN_STORM_COUNT:
        ret->u64 = s->count;
        return true;
    case OWN_STORM_CAUSE:
        ret->str = str_of(storm_cause_name((enum bh_storm_cause)s->cause));
        return true;
    case OWN_STORM_RING:
        ret->str = str_of(ring_name((enum bh_ring)s->ring));
        return true;
    case OWN_STORM_DURATION:
        ret->u64 = s->last > s->first ? s->last - s->first : 0;
        return true;
    case OWN_LOSS_COUNT:
        ret->u64 = l->last >= l->first ? l->last - l->first + 1 : 0;
        return true;
    case OWN_LOSS_RING:
        ret->str = str_of(ring_name((enum bh_ring)l->ring));
        return true;
    default:
        ret->i64 = l->cpu;
        return true;
    }
}

static bool of_verdict(const struct match *m, int what, struct value *ret)
{
    const struct bh_verdict *v =
        m->e->rec->kind == BH_VERDICT ? REC_AS(m->e->rec, bh_verdict) : NULL;
    if (!v)
        return false;
    switch (what) {
    case OWN_VERDICT_ROW:
        ret->u64 = v->row;
        return true;
    case OWN_VERDICT_ACTION:
        ret->str = str_of(action_name((enum bh_action)v->action));
        return true;
    case OWN_VERDICT_EFFECT:
        ret->str = str_of(effect_name((enum bh_effect)v->effect));
        return true;
    default:
        ret->str = str_of(object_name((enum bh_object)v->object));
        return true;
    }
}

static bool of_resource(const struct match *m, int what, struct value *ret)
{
    const struct bh_resource *r =
        m->e->rec->kind == BH_RESOURCE ? REC_AS(m->e->rec, bh_resource) : NULL;
    if (!r)
        return false;
    const uint64_t values[] = {r->cpu_ns,         r->memory_bytes, r->memory_limit_bytes,
                               r->pids,           r->pids_limit,   r->io_read_bytes,
                               r->io_write_bytes, r->net_rx_bytes, r->net_tx_bytes};
    ret->u64 = values[what - OWN_RES_CPU];
    return ret->u64 != UINT64_MAX; // what could not be read here
}

static bool of_exit(const struct match *m, int what, struct value *ret)
{
    const struct bh_exit *x = m->e->rec->kind == BH_EXIT ? REC_AS(m->e->rec, bh_exit) : NULL;
    if (!x)
        return false;
    uint32_t signal = x->code & 0x7f;
    ret->i64 = what == OWN_EXIT_CODE ? x->code >> 8 & 0xff : signal;
    return (signal == 0) == (what == OWN_EXIT_CODE);
}

bool get_own(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    int what = f->getter->what;
    if (what <= OWN_EXPLAINED)
        return of_cred(m, what, ret);
    if (what <= OWN_NS_EXPLAINED)
        return of_namespace(m, what, ret);
    if (what <= OWN_IS_CHILD)
        return of_ptrace(m, what, ret);
    if (what == OWN_MEMFD_NAME) {
        const struct bh_memfd *x = m->e->rec->kind == BH_MEMFD ? REC_AS(m->e->rec, bh_memfd) : NULL;
        ret->str = x ? rec_str(m->e->rec, x->name) : STR_NULL;
        return x != NULL;
    }
    if (what <= OWN_LOSS_CPU)
        return of_loss(m, what, ret);
    if (what <= OWN_VERDICT_OBJECT)
        return of_verdict(m, what, ret);
    if (what <= OWN_RES_TX)
        return of_resource(m, what, ret);
    return of_exit(m, what, ret);
}
