// container.*, k8s.*: facts, which may not be known yet. Unknown is null, never false.
#include "detect/rule/internal.h"
#include "detect/rule/what.h"

enum { SHORT_ID = 12 };

// registry/name:tag@digest, as runtimes write images. A port is no tag.
static bool image_part(struct str image, int what, struct str *ret)
{
    struct str name = image;
    const char *at = image.len ? memrchr(image.ptr, '@', image.len) : NULL;
    if (at)
        name.len = (size_t)(at - image.ptr);
    const char *colon = name.len ? memrchr(name.ptr, ':', name.len) : NULL;
    if (colon && memchr(colon, '/', (size_t)(name.ptr + name.len - colon)))
        colon = NULL;
    switch (what) {
    case CON_REPOSITORY:
        *ret = (struct str){name.ptr, colon ? (size_t)(colon - name.ptr) : name.len};
        return ret->len > 0;
    case CON_TAG:
        *ret =
            colon ? (struct str){colon + 1, (size_t)(name.ptr + name.len - colon - 1)} : STR_NULL;
        return ret->len > 0;
    default:
        *ret = at ? (struct str){at + 1, (size_t)(image.ptr + image.len - at - 1)} : STR_NULL;
        return ret->len > 0;
    }
}

static bool of_tri(enum tri t, struct value *ret)
{
    ret->b = t == YES;
    return t != UNKNOWN;
}

static bool label_of(const struct facts *f, struct str key, struct str *ret)
{
    for (size_t i = 0; i < f->labels_n; i++) {
        if (str_eq(f->labels[i].key, key)) {
            *ret = f->labels[i].value;
            return true;
        }
    }
    return false;
}

// The runtimes' own names for what Kubernetes told them.
static bool kubernetes(const struct facts *f, int what, struct str *ret)
{
    static const char *const keys[][3] = {
        {"io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name",
         "io.kubernetes.cri-o.KubeName"},
        {"io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace",
         "io.kubernetes.cri-o.Namespace"},
        {"io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid", NULL},
        {"io.kubernetes.sandbox.id", "io.kubernetes.cri.sandbox-id",
         "io.kubernetes.cri-o.SandboxID"}};
    int row = what == K8S_POD_NAME ? 0 : what == K8S_NS ? 1 : what == K8S_UID ? 2 : 3;
    for (size_t i = 0; i < 3; i++)
        if (keys[row][i] && label_of(f, str_of(keys[row][i]), ret))
            return ret->len > 0;
    return false;
}

static void write_mount(struct writer *w, const struct mount_fact *x)
{
    writer_str(w, x->source);
    writer_char(w, ':');
    writer_str(w, x->destination);
    writer_char(w, ':');
    writer_str(w, x->type);
    writer_str(w, x->read_only ? STR(":ro") : STR(":rw"));
}

static bool mount_field(struct match *m, const struct field_ref *f, const struct facts *facts,
                        struct value *ret)
{
    const struct mount_fact *x = NULL;
    int what = f->getter->what;
    for (size_t i = 0; i < facts->mounts_n && !x; i++) {
        struct str key =
            what == CON_MOUNT_SOURCE ? facts->mounts[i].destination : facts->mounts[i].source;
        bool hit = f->index >= 0 ? (uint64_t)f->index == i : rule_glob(f->arg, key, false);
        x = hit ? &facts->mounts[i] : NULL;
    }
    if (!x)
        return false;
    struct writer w;
    switch (what) {
    case CON_MOUNT_SOURCE:
        ret->str = x->source;
        return true;
    case CON_MOUNT_DEST:
        ret->str = x->destination;
        return true;
    case CON_MOUNT_MODE:
        ret->str = x->read_only ? STR("ro") : STR("rw");
        return true;
    case CON_MOUNT_RDWR:
        ret->str = x->read_only ? STR("false") : STR("true");
        return true;
    default:
        w = writer_begin(m);
        write_mount(&w, x);
        ret->str = writer_end(&w);
        return true;
    }
}

static bool is_pod_label(struct str key)
{
    static const char *const prefixes[] = {"io.kubernetes.", "io.cri-containerd",
                                           "org.opencontainers.", "bulkhead.io/"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (str_starts(key, str_of(prefixes[i])))
            return false;
    return true;
}

static bool all_labels(struct match *m, const struct facts *f, bool pod_only, struct value *ret)
{
    struct writer w = writer_begin(m);
    for (size_t i = 0; i < f->labels_n; i++) {
        if (pod_only && !is_pod_label(f->labels[i].key))
            continue;
        writer_str(&w, w.at > w.start ? STR(", ") : STR_NULL);
        writer_str(&w, f->labels[i].key);
        writer_char(&w, ':');
        writer_str(&w, f->labels[i].value);
    }
    ret->str = writer_end(&w);
    return f->labels_n > 0;
}

static struct str short_id(struct str id)
{
    return (struct str){id.ptr, MIN(id.len, (size_t)SHORT_ID)};
}

static bool of_facts(struct match *m, const struct field_ref *f, const struct facts *x,
                     struct value *ret)
{
    struct writer w;
    int what = f->getter->what;
    switch (what) {
    case CON_NAME:
        ret->str = x->name;
        return x->name.len > 0;
    case CON_IMAGE:
        ret->str = x->image;
        return x->image.len > 0;
    case CON_REPOSITORY:
    case CON_TAG:
    case CON_DIGEST:
        return image_part(x->image, what, &ret->str);
    case CON_TYPE:
        ret->str = x->runtime;
        return x->runtime.len > 0;
    case CON_WORKLOAD:
        ret->str = x->workload;
        return x->workload.len > 0;
    case CON_PRIVILEGED:
        return of_tri(x->privileged, ret);
    case CON_READONLY:
        return of_tri(x->readonly_root, ret);
    case CON_TERMINAL:
        return of_tri(x->terminal, ret);
    case CON_HOST_PID:
        return of_tri(x->host_pid, ret);
    case CON_HOST_NET:
        return of_tri(x->host_net, ret);
    case CON_HOST_IPC:
        return of_tri(x->host_ipc, ret);
    case CON_MOUNTS:
        w = writer_begin(m);
        for (size_t i = 0; i < x->mounts_n; i++) {
            writer_str(&w, i ? STR(",") : STR_NULL);
            write_mount(&w, &x->mounts[i]);
        }
        ret->str = writer_end(&w);
        return true;
    case CON_MOUNT:
    case CON_MOUNT_SOURCE:
    case CON_MOUNT_DEST:
    case CON_MOUNT_MODE:
    case CON_MOUNT_RDWR:
        return mount_field(m, f, x, ret);
    case CON_LABEL:
        return label_of(x, f->arg, &ret->str);
    case CON_LABELS:
        return all_labels(m, x, false, ret);
    case K8S_POD_NAME:
    case K8S_NS:
    case K8S_UID:
    case K8S_FULL_SANDBOX:
        return kubernetes(x, what, &ret->str);
    case K8S_SANDBOX:
        if (!kubernetes(x, what, &ret->str))
            return false;
        ret->str = short_id(ret->str);
        return true;
    case K8S_LABEL:
        return is_pod_label(f->arg) && label_of(x, f->arg, &ret->str);
    case K8S_LABELS:
        return all_labels(m, x, true, ret);
    default:
        return false;
    }
}

bool get_container(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct container *c = m->e->container;
    bool host = event_side(m->e) == SIDE_HOST;
    int what = f->getter->what;
    if (what == CON_LOSSY) {
        ret->b = c && c->lossy;
        return c != NULL;
    }
    if (host) {
        ret->str = STR("host");
        return what == CON_ID || what == CON_NAME || what == CON_TYPE;
    }
    if (!c)
        return what == CON_ID &&
               (ret->str = STR(""), true); // not classified yet: neither host nor anything else
    switch (what) {
    case CON_ID:
        ret->str = short_id(c->id);
        return true;
    case CON_FULL_ID:
        ret->str = c->id;
        return c->id.len > 0;
    case CON_CGROUP:
        ret->str = c->cgroup_path;
        return c->cgroup_path.len > 0;
    case CON_START:
        ret->u64 = c->first_exec + (uint64_t)m->env->wall_minus_boot;
        return c->first_exec != 0;
    case CON_DURATION:
        ret->u64 = m->e->rec->time > c->first_exec ? m->e->rec->time - c->first_exec : 0;
        return c->first_exec != 0;
    case CON_STARTED:
        ret->b = c->first_exec != 0 && m->e->rec->time >= c->first_exec;
        return true;
    case CON_KNOWN:
        ret->b = c->facts && c->facts->version > 0;
        return true;
    default:
        return c->facts && c->facts->version > 0 && of_facts(m, f, c->facts, ret);
    }
}
