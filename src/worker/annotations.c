// Name, image, workload, labels and runtime of a container from its bundle's annotations: our own
// keys for a bare bundle, and those that containerd's CRI, CRI-O, Podman and nerdctl put there. The
// first key of a field that is there wins, so ours come first.
#include "worker/internal.h"

static const struct annotation_row {
    const char *key;     // of the annotation
    const char *field;   // of the reply, NULL: none
    const char *label;   // the label it also is, NULL: none
    const char *runtime; // what its presence says of the runtime above, NULL: nothing
} rows[] = {
    {"bulkhead.io/name", "name", NULL, NULL},
    {"bulkhead.io/image", "image", NULL, NULL},
    {"bulkhead.io/workload", "workload", NULL, NULL},
    {"bulkhead.io/namespace", NULL, "io.kubernetes.pod.namespace", NULL},
    {"io.kubernetes.cri.container-name", "name", "io.kubernetes.container.name", "containerd"},
    {"io.kubernetes.cri.image-name", "image", NULL, "containerd"},
    {"io.kubernetes.cri.sandbox-name", NULL, "io.kubernetes.pod.name", "containerd"},
    {"io.kubernetes.cri.sandbox-namespace", NULL, "io.kubernetes.pod.namespace", "containerd"},
    {"io.kubernetes.cri.sandbox-uid", NULL, "io.kubernetes.pod.uid", "containerd"},
    {"io.kubernetes.cri.sandbox-id", NULL, "io.kubernetes.sandbox.id", "containerd"},
    {"io.kubernetes.container.name", "name", "io.kubernetes.container.name", NULL},
    {"io.kubernetes.cri-o.ImageName", "image", NULL, "cri-o"},
    {"io.kubernetes.cri-o.Name", "name", NULL, "cri-o"},
    {"io.kubernetes.cri-o.SandboxID", NULL, "io.kubernetes.sandbox.id", "cri-o"},
    {"io.kubernetes.pod.name", NULL, "io.kubernetes.pod.name", NULL},
    {"io.kubernetes.pod.namespace", NULL, "io.kubernetes.pod.namespace", NULL},
    {"io.kubernetes.pod.uid", NULL, "io.kubernetes.pod.uid", NULL},
    {"nerdctl/name", "name", NULL, "containerd"},
    {"nerdctl/namespace", NULL, "nerdctl/namespace", "containerd"},
    {"io.podman.annotations.userns", NULL, NULL, "podman"},
    {"io.container.manager", NULL, NULL, "podman"}, // "libpod"
    {"org.opencontainers.image.ref.name", "image", NULL, NULL},
};

#define LABEL_PREFIX "bulkhead.io/label."
// Labels with their whole key: what a namespace is labelled with, what a port's name means.
static const char *const whole_keys[] = {"bulkhead.io/namespace-label.", "bulkhead.io/port."};

static void add_label(json_t *labels, const char *key, const char *value)
{
    if (json_object_size(labels) < MAX_STRANGER_LABELS && strlen(key) <= MAX_STRANGER_STRING)
        json_object_set_new(labels, key, string_cut(value));
}

// CRI-O keeps the pod's labels as JSON inside an annotation.
static void add_crio_labels(json_t *labels, const char *text)
{
    const char *problem, *key;
    json_t *inner = document_load(str_of(text), &problem), *v;
    json_object_foreach (inner, key, v)
        if (json_is_string(v))
            add_label(labels, key, json_string_value(v));
    json_decref(inner);
}

// What replicas share, where no annotation says it.
static void default_workload(json_t *reply, const json_t *labels)
{
    const char *ns = member_str(labels, "io.kubernetes.pod.namespace");
    const char *name = member_str(reply, "name"), *image = member_str(reply, "image");
    const char *bundle = member_str(reply, "bundle"), *id = member_str(reply, "id");
    if (ns && name) {
        _cleanup_buf_ struct buf b = {0};
        buf_printf(&b, "%s/%s", ns, name);
        if (!b.failed)
            reply_set(reply, "workload", json_stringn(b.ptr, b.len));
        return;
    }
    struct str folder = bundle ? str_basename(str_of(bundle)) : STR_NULL;
    // A folder that an engine made is named after the container, which no other one shares.
    if (folder.len == 0 || str_eq(folder, STR("userdata")) || (id && str_eq(folder, str_of(id))))
        reply_str(reply, "workload", image ? image : name ? name : id);
    else
        reply_set(reply, "workload", json_stringn(folder.ptr, folder.len));
}

static const char *runtime_of_bundle(const char *bundle)
{
    static const struct {
        const char *part, *runtime;
    } places[] = {{"/moby/", "docker"},
                  {"/io.containerd.runtime.v2.task/", "containerd"},
                  {"/overlay-containers/", "podman"},
                  {"/libpod/", "podman"}};
    for (size_t k = 0; bundle && k < ARRAY_SIZE(places); k++)
        if (strstr(bundle, places[k].part))
            return places[k].runtime;
    return NULL;
}

void reply_annotations(json_t *reply, const json_t *annotations)
{
    json_t *labels = (json_object)(), *v;
    const char *key, *runtime = runtime_of_bundle(member_str(reply, "bundle"));
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        const json_t *value =
            json_object_get(annotations, rows[k].key); // Go keeps these keys' case
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        if (!text[0])
            continue;
        if (rows[k].field)
            reply_str(reply, rows[k].field, text);
        if (rows[k].label)
            add_label(labels, rows[k].label, text);
        if (rows[k].runtime && !runtime)
            runtime = rows[k].runtime;
    }
    json_object_foreach ((json_t *)(uintptr_t)annotations, key, v) {
        if (!json_is_string(v))
            continue;
        if (strncmp(key, LABEL_PREFIX, strlen(LABEL_PREFIX)) == 0 && key[strlen(LABEL_PREFIX)])
            add_label(labels, key + strlen(LABEL_PREFIX), json_string_value(v));
        for (size_t k = 0; k < ARRAY_SIZE(whole_keys); k++)
            if (strncmp(key, whole_keys[k], strlen(whole_keys[k])) == 0)
                add_label(labels, key, json_string_value(v));
        if (strcmp(key, "io.kubernetes.cri-o.Labels") == 0)
            add_crio_labels(labels, json_string_value(v));
    }
    reply_str(reply, "runtime", runtime);
    reply_str(reply, "name", member_str(reply, "id"));
    default_workload(reply, labels);
    reply_set(reply, "labels", labels);
}
