// Facts: what is known of a container beyond its cgroup, read from the JSON of a BH_FACT record
// (docs/formats/facts.md). Sources are ranked; a later fact of the same or a higher rank replaces
// what it says, a lower one only fills gaps. Each version is one block: the struct, labels, mounts,
// then the strings.
#include "identify/internal.h"

#include <errno.h>
#include <jansson.h>

const struct facts facts_none = {.version = 0, .source = ""};
const struct facts facts_no_room = {
    .version = 1, .source = "", .problem = {"no room was left for its facts", 30}};

const struct facts facts_apart = {
    .version = 1,
    .source = "",
    .problem = {"it lives in namespaces of its own, but no bundle was found", 58}};

// Where facts come from, least trusted first.
static const struct source_row {
    const char *name;
    uint8_t rank;
} sources[] = {
    {"runtime state", 10}, {"bundle", 20}, {"hook", 30}, {"cri", 40}, {"kubernetes", 50},
};

enum { PACKED_STRINGS = 9 };

// A version being made: strings still lie in the JSON tree or in the version before.
struct draft {
    struct facts f;
    struct label labels[MAX_LABELS];
    struct mount_fact mounts[MAX_MOUNT_FACTS];
    struct label secrets[MAX_SECRET_FACTS];
    struct str id, bundle;
    enum tri host_mnt;
};

static bool take_str(const json_t *object, const char *key, struct str *to)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_string(v) || json_string_length(v) == 0)
        return false;
    *to = (struct str){json_string_value(v), MIN(json_string_length(v), (size_t)MAX_FACT_STRING)};
    return true;
}

static bool take_tri(const json_t *object, const char *key, enum tri *to)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_boolean(v))
        return false;
    *to = json_is_true(v) ? YES : NO;
    return true;
}

static bool take_u32(const json_t *object, const char *key, uint32_t *to)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
        return false;
    *to = (uint32_t)json_integer_value(v);
    return true;
}

static size_t take_labels(json_t *object, struct label labels[MAX_LABELS])
{
    size_t n = 0;
    const char *key;
    json_t *v;
    json_object_foreach (json_object_get(object, "labels"), key, v) {
        if (n == MAX_LABELS)
            break;
        if (!json_is_string(v))
            continue;
        labels[n].key = str_of(key);
        labels[n].key.len = MIN(labels[n].key.len, (size_t)MAX_FACT_STRING);
        labels[n].value =
            (struct str){json_string_value(v), MIN(json_string_length(v), (size_t)MAX_FACT_STRING)};
        n++;
    }
    return n;
}

static size_t take_mounts(json_t *object, struct mount_fact mounts[MAX_MOUNT_FACTS])
{
    size_t n = 0, k;
    json_t *v;
    json_array_foreach (json_object_get(object, "mounts"), k, v) {
        if (n == MAX_MOUNT_FACTS)
            break;
        struct mount_fact m = {0};
        if (!take_str(v, "destination", &m.destination))
            continue;
        take_str(v, "source", &m.source);
        take_str(v, "type", &m.type);
        m.read_only = json_is_true(json_object_get(v, "read_only"));
        mounts[n++] = m;
    }
    return n;
}

static void take_u64(const json_t *object, const char *key, uint64_t *to, uint64_t otherwise)
{
    const json_t *v = json_object_get(object, key);
    *to = json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                           : otherwise;
}

// How a bundle confines its container. It comes whole or not at all.
static void take_posture(const json_t *from, struct posture *p,
                         struct label secrets[MAX_SECRET_FACTS])
{
    const struct {
        const char *key;
        enum tri *to;
    } tris[] = {{"host_mnt", &p->host_mnt},
                {"host_uts", &p->host_uts},
                {"user_namespace", &p->user_ns},
                {"seccomp", &p->seccomp},
                {"no_new_privileges", &p->no_new_privs},
                {"masked_paths", &p->masked_paths}};
    uint64_t n;
    size_t k;
    json_t *v;
    *p = (struct posture){.read = YES};
    for (size_t i = 0; i < ARRAY_SIZE(tris); i++)
        take_tri(from, tris[i].key, tris[i].to);
    p->caps_said = json_is_integer(json_object_get(from, "capabilities")) ? YES : UNKNOWN;
    take_u64(from, "capabilities", &p->caps, 0);
    take_u64(from, "memory_limit", &p->memory_limit, UINT64_MAX);
    take_u64(from, "pids_limit", &p->pids_limit, UINT64_MAX);
    take_u64(from, "mounts_total", &n, UINT32_MAX);
    p->mounts_total = (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
    take_u64(from, "secrets_total", &n, UINT32_MAX);
    p->secrets_total = (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
    json_array_foreach (json_object_get(from, "secrets"), k, v) {
        if (p->secrets_n == MAX_SECRET_FACTS)
            break;
        struct label *l = &secrets[p->secrets_n];
        *l = (struct label){0};
        take_str(v, "name", &l->key);
        take_str(v, "reason", &l->value);
        p->secrets_n++;
    }
}

// What the JSON says, over or under what is known already.
static void fill(struct draft *d, const struct facts *known, json_t *root, bool over)
{
    struct facts *f = &d->f;
    const struct {
        const char *key;
        struct str *to;
    } strings[] = {{"name", &f->name},       {"image", &f->image},   {"workload", &f->workload},
                   {"runtime", &f->runtime}, {"rootfs", &f->rootfs}, {"hostname", &f->hostname}};
    const struct {
        const char *key;
        enum tri *to;
    } tris[] = {{"privileged", &f->privileged},       {"host_pid", &f->host_pid},
                {"host_net", &f->host_net},           {"host_ipc", &f->host_ipc},
                {"readonly_root", &f->readonly_root}, {"terminal", &f->terminal}};
    for (size_t k = 0; k < ARRAY_SIZE(strings); k++)
        if (over || strings[k].to->len == 0)
            take_str(root, strings[k].key, strings[k].to);
    for (size_t k = 0; k < ARRAY_SIZE(tris); k++)
        if (over || *tris[k].to == UNKNOWN)
            take_tri(root, tris[k].key, tris[k].to);
    if (over || !known) {
        take_u32(root, "uid", &f->uid);
        take_u32(root, "gid", &f->gid);
    }
    f->labels = d->labels;
    f->mounts = d->mounts;
    if (json_is_object(json_object_get(root, "labels")) &&
        (over || !known || known->labels_n == 0)) {
        f->labels_n = take_labels(root, d->labels);
    } else if (known && known->labels_n) {
        f->labels_n = known->labels_n;
        memcpy(d->labels, known->labels, known->labels_n * sizeof(d->labels[0]));
    }
    if (json_is_array(json_object_get(root, "mounts")) &&
        (over || !known || known->mounts_n == 0)) {
        f->mounts_n = take_mounts(root, d->mounts);
    } else if (known && known->mounts_n) {
        f->mounts_n = known->mounts_n;
        memcpy(d->mounts, known->mounts, known->mounts_n * sizeof(d->mounts[0]));
    }
    f->posture.secrets = d->secrets;
    const json_t *posture = json_object_get(root, "posture");
    if (json_is_object(posture) && (over || f->posture.read != YES)) {
        take_posture(posture, &f->posture, d->secrets);
        f->posture.secrets = d->secrets;
    } else if (known && known->posture.secrets_n)
        memcpy(d->secrets, known->posture.secrets,
               known->posture.secrets_n * sizeof(d->secrets[0]));
    take_str(root, "id", &d->id);
    take_str(root, "bundle", &d->bundle);
    take_tri(root, "host_mnt", &d->host_mnt);
}

static size_t each_string(struct draft *d, struct str *ret[PACKED_STRINGS])
{
    struct str *all[] = {&d->f.name,     &d->f.image,   &d->f.workload, &d->f.runtime, &d->f.rootfs,
                         &d->f.hostname, &d->f.problem, &d->id,         &d->bundle};
    static_assert(ARRAY_SIZE(all) == PACKED_STRINGS, "all of them");
    memcpy(ret, all, sizeof(all));
    return ARRAY_SIZE(all);
}

static size_t size_of(struct draft *d)
{
    struct str *s[PACKED_STRINGS];
    size_t n = each_string(d, s);
    size_t size = sizeof(struct facts) + d->f.labels_n * sizeof(struct label) +
                  d->f.mounts_n * sizeof(struct mount_fact) +
                  d->f.posture.secrets_n * sizeof(struct label);
    for (size_t k = 0; k < n; k++)
        size += s[k]->len + 1;
    for (size_t k = 0; k < d->f.labels_n; k++)
        size += d->labels[k].key.len + d->labels[k].value.len + 2;
    for (size_t k = 0; k < d->f.mounts_n; k++)
        size += d->mounts[k].source.len + d->mounts[k].destination.len + d->mounts[k].type.len + 3;
    for (size_t k = 0; k < d->f.posture.secrets_n; k++)
        size += d->secrets[k].key.len + d->secrets[k].value.len + 2;
    return size;
}

static void put(char **at, struct str *s)
{
    if (s->len)
        memcpy(*at, s->ptr, s->len);
    (*at)[s->len] = '\0';
    s->ptr = *at;
    *at += s->len + 1;
}

// Turns the draft's strings into the block's; the draft's views are the block's after.
static struct facts *pack(struct identify *i, struct draft *d, uint8_t *ret_class)
{
    static const char cut[] = "labels and mounts were left out: they are larger than their share";
    struct facts *f = NULL;
    size_t size = size_of(d);
    if (size <= MAX_FACT_BYTES)
        f = pool_alloc(&i->facts, size, ret_class);
    if (!f) {
        d->f.labels_n = d->f.mounts_n = 0;
        d->f.posture = (struct posture){0};
        d->f.problem = str_of(cut);
        f = pool_alloc(&i->facts, size_of(d), ret_class);
    }
    if (!f)
        return NULL;
    *f = d->f;
    f->labels = (struct label *)(f + 1);
    f->mounts = (struct mount_fact *)(f->labels + f->labels_n);
    f->posture.secrets = (struct label *)(f->mounts + f->mounts_n);
    char *at = (char *)(f->posture.secrets + f->posture.secrets_n);
    for (size_t k = 0; k < f->labels_n; k++) {
        f->labels[k] = d->labels[k];
        put(&at, &f->labels[k].key);
        put(&at, &f->labels[k].value);
    }
    for (size_t k = 0; k < f->mounts_n; k++) {
        f->mounts[k] = d->mounts[k];
        put(&at, &f->mounts[k].source);
        put(&at, &f->mounts[k].destination);
        put(&at, &f->mounts[k].type);
    }
    for (size_t k = 0; k < f->posture.secrets_n; k++) {
        f->posture.secrets[k] = d->secrets[k];
        put(&at, &f->posture.secrets[k].key);
        put(&at, &f->posture.secrets[k].value);
    }
    put(&at, &f->name);
    put(&at, &f->image);
    put(&at, &f->workload);
    put(&at, &f->runtime);
    put(&at, &f->rootfs);
    put(&at, &f->hostname);
    put(&at, &f->problem);
    put(&at, &d->id);
    put(&at, &d->bundle);
    return f;
}

int facts_read(struct identify *i, const struct reg *r, struct str text, struct facts **ret,
               uint8_t *ret_class, uint8_t *ret_rank, struct fact_extra *ret_extra)
{
    if (text.len == 0 || text.len > MAX_FACT_TEXT)
        return -EBADMSG;
    json_auto_t *root = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(root))
        return -EBADMSG;
    _cleanup_free_ struct draft *d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    const struct facts *known = r->facts;
    const struct source_row *source = NULL;
    struct str name = STR_NULL, problem = STR_NULL;
    take_str(root, "source", &name);
    take_str(root, "problem", &problem);
    for (size_t k = 0; k < ARRAY_SIZE(sources); k++)
        if (str_eq(name, str_of(sources[k].name)))
            source = &sources[k];
    if (!source)
        return -EBADMSG;
    struct str group = STR_NULL;
    take_str(root, "cgroups_path", &group);
    *ret_extra = (struct fact_extra){
        .plain = str_eq(problem, STR("none")) ||
                 (group.len && r->pub.cgroup_path.len && !cgroup_fits(r->pub.cgroup_path, group))};
    if (ret_extra->plain)
        return r->pub.type == CONTAINER_OCI ? -ESTALE : 0;
    bool known_good = known && known->problem.len == 0;
    if (problem.len && known_good)
        return -ESTALE;
    bool over = !known || !known_good || source->rank >= r->rank;
    if (known)
        d->f = *known;
    fill(d, known, root, over);
    d->f.problem = problem;
    if (d->f.name.len == 0) // what could not be read still has the name that its cgroup has
        d->f.name = r->pub.id;
    if (d->f.runtime.len == 0)
        d->f.runtime = r->maker; // whoever made the cgroup
    d->f.version = (known ? known->version : 0) + 1;
    d->f.source = over ? source->name : known->source;
    struct facts *f = pack(i, d, ret_class);
    if (!f)
        return -ENOMEM;
    *ret = f;
    *ret_rank = over ? source->rank : r->rank;
    ret_extra->id = d->id;
    ret_extra->bundle = d->bundle;
    ret_extra->host_mnt = d->host_mnt;
    return 0;
}

struct str id_of_cgroup(struct str path)
{
    static const char *const prefixes[] = {"libpod-", "docker-",  "cri-containerd-",
                                           "crio-",   "nerdctl-", "crun-"};
    struct str id = str_basename(path);
    // crun with systemd puts the container's processes one below its scope.
    if (str_eq(id, STR("container")) && path.len > id.len + 1) {
        struct str above = str_basename((struct str){path.ptr, path.len - id.len - 1});
        if (str_ends(above, STR(".scope")))
            id = above;
    }
    bool scope = str_ends(id, STR(".scope"));
    if (scope)
        id.len -= STR(".scope").len;
    for (size_t k = 0; k < ARRAY_SIZE(prefixes); k++) {
        struct str p = str_of(prefixes[k]);
        if (str_starts(id, p) && id.len > p.len)
            return (struct str){id.ptr + p.len, id.len - p.len};
    }
    return id;
}

// One of path's components is `name`?
static bool has_component(struct str path, struct str name)
{
    for (size_t at = 0; at < path.len;) {
        size_t end = at;
        while (end < path.len && path.ptr[end] != '/')
            end++;
        if (str_eq((struct str){path.ptr + at, end - at}, name))
            return true;
        at = end + 1;
    }
    return false;
}

bool cgroup_fits(struct str path, struct str want)
{
    const char *colon = want.len ? memchr(want.ptr, ':', want.len) : NULL;
    if (colon) { // systemd's form: slice:prefix:name → prefix-name.scope
        struct str rest = {colon + 1, want.len - (size_t)(colon + 1 - want.ptr)};
        const char *second = rest.len ? memchr(rest.ptr, ':', rest.len) : NULL;
        if (!second)
            return false;
        struct str prefix = {rest.ptr, (size_t)(second - rest.ptr)};
        struct str name = {second + 1, rest.len - prefix.len - 1};
        _cleanup_buf_ struct buf b = {0};
        if (str_ends(name, STR(".slice")))
            buf_str(&b, name);
        else
            buf_printf(&b, STR_FMT "%s" STR_FMT ".scope", STR_ARG(prefix), prefix.len ? "-" : "",
                       STR_ARG(name));
        return !b.failed && has_component(path, buf_view(&b));
    }
    // The path itself, or below it; the runtime may itself sit in a cgroup, so it may begin
    // anywhere.
    while (want.len && want.ptr[0] == '/')
        want = (struct str){want.ptr + 1, want.len - 1};
    while (want.len && want.ptr[want.len - 1] == '/')
        want.len--;
    if (want.len == 0)
        return true;
    for (size_t at = 0; at + want.len < path.len; at++) {
        if (path.ptr[at] != '/' || memcmp(path.ptr + at + 1, want.ptr, want.len) != 0)
            continue;
        size_t end = at + 1 + want.len;
        if (end == path.len || path.ptr[end] == '/')
            return true;
    }
    return false;
}
