// Facts: bundle and runtime state by the worker.
#include "agent/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

enum { MAX_WANTED = 256 };

// One container whose facts are being found.
struct wanted {
    bool used, second; // second: the state was read, now its bundle
    uint32_t container;
    uint64_t tag;
    char *id, *bundle;
};

struct facts_source {
    const struct host *host;
    struct pump *pump;
    struct worker *worker;
    struct wanted wanted[MAX_WANTED];
    uint64_t next_tag;
};

int facts_new(const struct host *host, struct pump *pump, struct facts_source **ret,
              struct error *err)
{
    struct facts_source *f = calloc(1, sizeof(*f));
    if (!f)
        return error_set(err, -ENOMEM, "out of memory");
    f->host = host;
    f->pump = pump;
    f->next_tag = 1;
    int r = worker_start(&f->worker, err);
    if (r < 0) {
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void facts_set_pump(struct facts_source *f, struct pump *pump)
{
    f->pump = pump;
}

static void drop(struct wanted *w)
{
    free(w->id);
    free(w->bundle);
    *w = (struct wanted){0};
}

void facts_free(struct facts_source *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < MAX_WANTED; i++)
        drop(&f->wanted[i]);
    worker_stop(f->worker);
    free(f);
}

int facts_fd(const struct facts_source *f)
{
    return worker_fd(f->worker);
}

const struct worker *facts_worker(const struct facts_source *f)
{
    return f->worker;
}

static void give(struct facts_source *f, uint64_t now, uint32_t container, struct str text)
{
    _cleanup_buf_ struct buf rec = {0};
    rec_make_text(&rec, BH_FACT, now, container, container, text);
    if (!rec.failed)
        pump_input(f->pump, (const void *)rec.ptr);
}

static void give_problem(struct facts_source *f, uint64_t now, uint32_t container,
                         const char *problem)
{
    _cleanup_buf_ struct buf text = {0};
    struct json j = json_on(&text);
    json_object(&j);
    json_ku64(&j, "container", container);
    json_kcstr(&j, "source", "bundle");
    json_kcstr(&j, "problem", problem);
    json_object_end(&j);
    give(f, now, container, buf_view(&text));
}

static int submit(struct facts_source *f, struct wanted *w, enum worker_job job, int fd)
{
    _cleanup_buf_ struct buf args = {0};
    struct json j = json_on(&args);
    json_object(&j);
    json_ku64(&j, "container", w->container);
    json_kcstr(&j, "id", w->id);
    json_kcstr(&j, "bundle", w->bundle ? w->bundle : "");
    json_object_end(&j);
    w->tag = f->next_tag++;
    return worker_submit(f->worker, job, w->tag, buf_view(&args), fd);
}

static int open_bundle(const struct facts_source *f, struct str bundle)
{
    _cleanup_buf_ struct buf path = {0};
    buf_str(&path, bundle);
    buf_text(&path, "/config.json");
    return path.failed || bundle.len == 0 || bundle.ptr[0] != '/'
               ? -ENOENT
               : host_open_file(f->host, buf_view(&path), MAX_BUNDLE_BYTES);
}

// Containers that ran before us have no mkdir caller; their runtime left a state file that names
// the bundle.
static int open_state(const struct facts_source *f, struct str id)
{
    static const char *const places[] = {"/run/runc/%.*s/state.json", "/run/crun/%.*s/status",
                                         "/run/containerd/runc/k8s.io/%.*s/state.json",
                                         "/run/containerd/runc/default/%.*s/state.json",
                                         "/run/docker/runtime-runc/moby/%.*s/state.json"};
    if (id.len == 0 || id.len > 255 || memchr(id.ptr, '/', id.len) || memchr(id.ptr, 0, id.len) ||
        id.ptr[0] == '.')
        return -ENOENT;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char path[512];
        snprintf(path, sizeof(path), places[i], (int)id.len, id.ptr);
        int fd = host_open_file(f->host, str_of(path), MAX_BUNDLE_BYTES);
        if (fd >= 0)
            return fd;
    }
    return -ENOENT;
}

void facts_want(struct facts_source *f, uint64_t now, const struct container *c)
{
    struct wanted *w = NULL;
    for (size_t i = 0; i < MAX_WANTED && !w; i++)
        if (!f->wanted[i].used)
            w = &f->wanted[i];
    if (!w) {
        give_problem(f, now, c->number,
                     "too many containers were made at once: facts were not read");
        return;
    }
    enum worker_job job = WORKER_BUNDLE;
    _cleanup_close_ int fd = open_bundle(f, c->bundle);
    if (fd < 0 && (fd == -ENOENT || fd == -ENOTDIR || c->bundle.len == 0)) {
        int state = open_state(f, c->id);
        if (state >= 0) {
            fd = state;
            job = WORKER_RUNTIME_STATE;
        }
    }
    if (fd < 0) {
        char why[160];
        if (fd == -ENOENT || fd == -ENOTDIR)
            snprintf(why, sizeof(why), "none");
        else
            snprintf(why, sizeof(why), "config.json cannot be read: %s",
                     fd == -EFBIG                    ? "it is larger than 4 MiB"
                     : fd == -ELOOP                  ? "it is a symbolic link"
                     : fd == -ENXIO || fd == -EINVAL ? "it is not a regular file"
                                                     : strerror(-fd));
        give_problem(f, now, c->number, why);
        return;
    }
    *w = (struct wanted){.used = true,
                         .container = c->number,
                         .second = job == WORKER_BUNDLE,
                         .id = str_dup(c->id),
                         .bundle = str_dup(c->bundle)};
    if (submit(f, w, job, fd) < 0) {
        give_problem(f, now, c->number, "the parser was too busy: facts were not read");
        drop(w);
    }
}

// The state's reply names the bundle: its config.json says the rest.
static bool follow(struct facts_source *f, struct wanted *w, struct str text)
{
    json_t *state = json_loadb(text.ptr, text.len, 0, NULL);
    const json_t *bundle = json_object_get(state, "bundle");
    bool going = false;
    if (json_is_string(bundle)) {
        struct str path = {json_string_value(bundle), json_string_length(bundle)};
        _cleanup_close_ int fd = open_bundle(f, path);
        if (fd >= 0) {
            free(w->bundle);
            w->bundle = str_dup(path);
            w->second = true;
            going = submit(f, w, WORKER_BUNDLE, fd) == 0;
        }
    }
    json_decref(state);
    return going;
}

void facts_take(struct facts_source *f, uint64_t now)
{
    uint64_t tag;
    struct str text;
    struct error err = {0};
    while (worker_take(f->worker, &tag, &text, &err) == 1)
        for (size_t i = 0; i < MAX_WANTED; i++) {
            struct wanted *w = &f->wanted[i];
            if (!w->used || w->tag != tag)
                continue;
            if (w->second || !follow(f, w, text)) {
                give(f, now, w->container, text);
                drop(w);
            }
            break;
        }
}
