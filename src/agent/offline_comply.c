// comply check: bundles that do not run, judged before anybody starts them. The same line as an
// agent's is fed with the controls and each bundle's facts; there is no second way to read or to
// judge.
#include "agent/core.h"
#include "detect/comply/comply.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <time.h>

enum { MAX_CHECKED = 1024 };

struct checking {
    struct line *line;
    struct diag_list *diags;
    uint32_t n;
    uint64_t time;
};

static void bad(struct checking *k, const char *path, const char *hint, const char *why)
{
    diag_add(k->diags, DIAG_ERROR, path, 0, 0, "BH232", hint, "%s", why);
}

static int read_config(int dir, const char *name, struct buf *out)
{
    _cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char block[65536];
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -ENXIO;
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return out->failed ? -ENOMEM : 0;
        if (out->len + (size_t)n > MAX_BUNDLE_BYTES)
            return -EFBIG;
        buf_add(out, block, (size_t)n);
    }
}

// A cgroup that the bundle's container would have.
static int make_container(struct checking *k, struct str id, struct str bundle)
{
    _cleanup_buf_ struct buf rec = {0};
    struct bh_cgroup made = {.id = k->n, .parent = 1, .container = k->n, .level = 1};
    size_t at = sizeof(struct bh_rec) + sizeof(made);
    char path[320];
    int len = snprintf(path, sizeof(path), "/" STR_FMT, (int)MIN(id.len, (size_t)256), id.ptr);
    bundle.len = MIN(bundle.len, (size_t)BH_PATH_MAX);
    made.path = (struct bh_span){(uint16_t)at, (uint16_t)len};
    made.cwd = (struct bh_span){(uint16_t)(at + (size_t)len), (uint16_t)bundle.len};
    rec_make(&rec, BH_CGROUP_MAKE, k->time, 0, &made, sizeof(made));
    rec.len = at;
    buf_add(&rec, path, (size_t)len);
    buf_str(&rec, bundle);
    while (rec.len % 8)
        buf_char(&rec, 0);
    if (rec.failed)
        return -ENOMEM;
    ((struct bh_rec *)rec.ptr)->size = (uint32_t)rec.len;
    return line_shard_take(k->line, 0, (const struct bh_rec *)rec.ptr);
}

// The facts of a bundle as the worker makes them. What tells a container from the folders above it
// needs a cgroup that really is there, so that word is left out.
static int take_facts(struct checking *k, const char *shown, struct str config, struct str id,
                      struct str bundle)
{
    _cleanup_buf_ struct buf args = {0}, reply = {0}, rec = {0};
    struct json j = json_on(&args);
    json_object(&j);
    json_ku64(&j, "container", k->n);
    json_kstr(&j, "id", id);
    json_kstr(&j, "bundle", bundle);
    json_object_end(&j);
    worker_parse_bundle(config, buf_view(&args), &reply);
    json_auto_t *facts = json_loadb(reply.ptr ? reply.ptr : "", reply.len, JSON_ALLOW_NUL, NULL);
    const char *problem = json_string_value(json_object_get(facts, "problem"));
    if (!facts || !problem)
        return -ENOMEM;
    if (problem[0]) {
        bad(k, shown, NULL,
            strcmp(problem, "none") == 0
                ? "this is no bundle: neither ociVersion nor root and process"
                : problem);
        return -EINVAL;
    }
    json_object_del(facts, "cgroups_path");
    char *text = json_dumps(facts, JSON_COMPACT);
    rec_make_text(&rec, BH_FACT, k->time, k->n, k->n, str_of(text ? text : ""));
    free(text);
    return rec.failed ? -ENOMEM : line_broadcast(k->line, (const struct bh_rec *)rec.ptr);
}

static int check_config(struct checking *k, int dir, const char *name, const char *bundle)
{
    _cleanup_buf_ struct buf config = {0}, shown = {0};
    buf_printf(&shown, "%s/%s", bundle, name);
    if (k->n >= MAX_CHECKED) {
        bad(k, bundle, "give fewer at once", "too many bundles");
        return -E2BIG;
    }
    int r = read_config(dir, name, &config);
    if (r < 0) {
        bad(k, shown.ptr, NULL,
            r == -EFBIG   ? "it is larger than 4 MiB"
            : r == -ENXIO ? "it is not a regular file"
                          : strerror(-r));
        return r;
    }
    _cleanup_free_ char *whole = realpath(bundle, NULL);
    struct str path = str_of(whole ? whole : bundle), id = str_basename(path);
    k->n++;
    k->time++;
    r = make_container(k, id.len ? id : STR("bundle"), path);
    if (r >= 0)
        r = take_facts(k, shown.ptr, buf_view(&config), id.len ? id : STR("bundle"), path);
    line_epoch(k->line);
    return r;
}

// A folder of bundles, each in a folder of its own.
static void check_folder(struct checking *k, int fd, const char *path)
{
    struct dirent **entries = NULL;
    uint32_t before = k->n;
    size_t errors = k->diags->errors;
    int n = scandirat(fd, ".", &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        _cleanup_buf_ struct buf full = {0};
        struct stat st;
        buf_printf(&full, "%s/%s", path, name);
        _cleanup_close_ int dir =
            name[0] == '.' || full.failed
                ? -1
                : openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir >= 0 && fstatat(dir, "config.json", &st, 0) == 0)
            check_config(k, dir, "config.json", full.ptr);
        free(entries[i]);
    }
    free(entries);
    if (k->n == before && k->diags->errors == errors)
        bad(k, path, "give a bundle, its config.json, or a folder of bundles",
            "there is no config.json in it, nor in a folder in it");
}

static void check_path(struct checking *k, const char *path)
{
    struct stat st;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        bad(k, path, errno == ENOENT ? "check the path" : NULL, strerror(errno));
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        if (fstatat(fd, "config.json", &st, 0) == 0)
            check_config(k, fd, "config.json", path);
        else
            check_folder(k, fd, path);
        return;
    }
    struct str whole = str_of(path), name = str_basename(whole);
    _cleanup_free_ char *folder =
        name.len == whole.len
            ? strdup(".")
            : str_dup((struct str){path, MAX(whole.len - name.len - 1, (size_t)1)});
    _cleanup_close_ int dir = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0)
        bad(k, path, NULL, strerror(errno));
    else
        check_config(k, dir, name.ptr, folder);
}

static int configure(struct line *l, const struct sources *s)
{
    _cleanup_buf_ struct buf packed = {0}, rec = {0};
    sources_pack(s, &packed);
    rec_make_text(&rec, BH_GENERATION, 1, 0, 1, buf_view(&packed));
    if (packed.failed || rec.failed)
        return -ENOMEM;
    int r = line_broadcast(l, (const struct bh_rec *)rec.ptr);
    line_epoch(l);
    return r;
}

int agent_comply_check(const struct comply_check_options *o, struct json *j,
                       struct diag_list *diags, struct comply_answer *ret, struct error *err)
{
    static const struct detector *const only[] = {&comply_detector, NULL};
    struct sources sources = {0};
    struct timespec now;
    const char *standard = agent_default_checks_dir();
    for (size_t i = 0; i < o->checks_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, o->checks[i], diags);
    if (!o->checks_n)
        sources_read(&sources, SOURCE_DOCUMENTS, standard, diags);
    for (size_t i = 0; i < o->policies_n; i++)
        sources_read(&sources, SOURCE_DOCUMENTS, o->policies[i], diags);
    struct generation *g = diags->errors ? NULL : generation_build(&sources, 1, diags);
    size_t controls = g ? g->documents->controls_n : 0;
    generation_free(g);
    clock_gettime(CLOCK_REALTIME, &now);
    struct line_options options = {.shards = 1,
                                   .hostname = STR("offline"),
                                   .wall_minus_boot = (int64_t)now.tv_sec * (int64_t)NSEC_PER_SEC,
                                   .detectors = only};
    struct checking k = {.line = controls ? line_new(&options) : NULL, .diags = diags, .time = 1};
    int r = 0;
    if (diags->errors)
        r = error_set(err, -EINVAL, "the controls are wrong");
    else if (!controls)
        r = error_set(err, -EINVAL, "there is no control in them: give some with --checks");
    else if (!k.line || configure(k.line, &sources) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    sources_done(&sources);
    for (size_t i = 0; r == 0 && i < o->bundles_n; i++)
        check_path(&k, o->bundles[i]);
    if (r == 0) {
        const void *const *parts = line_detector_parts(k.line, &comply_detector);
        const void *whole = line_detector(k.line, &comply_detector);
        struct detect_env env = line_env(k.line, 0);
        comply_json(j, whole, parts, 1, &env, UINT32_MAX, true, ret);
        if (diags->errors)
            r = error_set(err, -EINVAL, "not every bundle could be read");
    }
    line_free(k.line);
    return r;
}
