// Feeds: their files, loading them one at a time, and what becomes of each load.
#include "agent/intel.h"
#include "detect/intel/intel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>

enum { MAX_LOAD_PARTS = 256, MAX_REASON = 256 };

struct signature { // of a file's content, as far as looking at it tells
    uint64_t dev, ino, size, mtime;
};
struct feed_row { // a Feed document
    char *name, *path;
    char *args; // for the worker: JSON, without its end
    char *head; // for BH_FEED_BEGIN: JSON members
    uint64_t expiry_ns;
    struct id id; // of all of it
};
enum unit_state { UNIT_NEW, UNIT_IN_FORCE, UNIT_HELD };
struct unit {
    uint64_t id;
    char *feed, *file, *name, *path; // file: NULL where the feed is one file
    struct id row;                   // of the settings it was loaded with
    struct signature tried;
    enum unit_state state;
    bool seen, want, has_good;
    uint64_t missing_since;
    struct feed_counts good;
    char *summary; // the worker's, of the load in force
    uint64_t loaded, loads;
    char reason[MAX_REASON]; // why the last load was held back
    uint64_t held_since;
};
struct intel_source {
    struct pump *pump;
    struct worker *worker;
    struct feed_watch *watch;
    int epoll;
    struct feed_row *rows;
    size_t rows_n;
    struct unit *units;
    size_t units_n;
    bool too_many; // files: said once
    uint64_t next_tag, loads;
    uint64_t boot_to_wall;
    // the load in progress
    uint64_t tag; // 0: none
    uint64_t unit;
    struct id row;
    struct signature signature;
    int fd;
    struct buf parts[MAX_LOAD_PARTS];
    uint32_t counts[MAX_LOAD_PARTS];
    size_t parts_n;
    const char *load_problem;
};

int intel_new(struct intel_source **ret, struct error *err)
{
    struct intel_source *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "out of memory");
    s->fd = -1;
    s->next_tag = 1;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->watch = feed_watch_new();
    int r = s->epoll < 0 || !s->watch ? error_set(err, -ENOMEM, "out of memory")
                                      : worker_start_as("bulkhead-feeds", &s->worker, err);
    int fds[] = {r == 0 ? worker_fd(s->worker) : -1, r == 0 ? feed_watch_fd(s->watch) : -1};
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fds); i++) {
        struct epoll_event ev = {.events = EPOLLIN};
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fds[i], &ev) < 0)
            r = error_set(err, -errno, "cannot watch feeds: %s", strerror(errno));
    }
    if (r < 0) {
        intel_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void row_done(struct feed_row *r)
{
    free(r->name);
    free(r->path);
    free(r->args);
    free(r->head);
}

static void unit_done(struct unit *u)
{
    free(u->feed);
    free(u->file);
    free(u->name);
    free(u->path);
    free(u->summary);
}

static void load_end(struct intel_source *s)
{
    for (size_t i = 0; i < s->parts_n; i++)
        buf_done(&s->parts[i]);
    memset(s->parts, 0, sizeof(s->parts));
    s->parts_n = 0;
    s->tag = 0;
    s->load_problem = NULL;
    close_fdp(&s->fd);
    s->fd = -1;
}

void intel_free(struct intel_source *s)
{
    if (!s)
        return;
    load_end(s);
    for (size_t i = 0; i < s->rows_n; i++)
        row_done(&s->rows[i]);
    for (size_t i = 0; i < s->units_n; i++)
        unit_done(&s->units[i]);
    free(s->rows);
    free(s->units);
    worker_stop(s->worker);
    feed_watch_free(s->watch);
    close_fdp(&s->epoll);
    free(s);
}

void intel_set_pump(struct intel_source *s, struct pump *pump)
{
    s->pump = pump;
}

int intel_fd(const struct intel_source *s)
{
    return s->epoll;
}

const struct worker *intel_worker(const struct intel_source *s)
{
    return s->worker;
}

static struct unit *unit_by_id(struct intel_source *s, uint64_t id)
{
    for (size_t i = 0; i < s->units_n; i++)
        if (s->units[i].id == id)
            return &s->units[i];
    return NULL;
}

// ── inputs of the line ───────────────────────────────────────────────────────────────────────

static void give(struct intel_source *s, uint64_t now, const struct bh_feed *fixed,
                 struct str bytes)
{
    _cleanup_buf_ struct buf rec = {0};
    feed_make(&rec, now, fixed, bytes);
    if (!rec.failed && s->pump)
        pump_input(s->pump, (const void *)rec.ptr);
}

static void hold(struct intel_source *s, struct unit *u, uint64_t now, const char *reason)
{
    bool said = u->state == UNIT_HELD && strcmp(u->reason, reason) == 0;
    snprintf(u->reason, sizeof(u->reason), "%s", reason);
    if (u->state != UNIT_HELD)
        u->held_since = now;
    u->state = UNIT_HELD;
    if (said)
        return;
    _cleanup_buf_ struct buf text = {0};
    struct json j = json_on(&text);
    char all[MAX_REASON + 64];
    snprintf(all, sizeof(all), "%s%s", reason,
             u->has_good ? "; what was in force stays" : "; nothing of it is in force");
    json_object(&j);
    json_kcstr(&j, "name", u->name);
    json_kcstr(&j, "path", u->path);
    json_kcstr(&j, "text", all);
    json_ku64(&j, "kept", u->has_good ? u->good.indicators : 0);
    json_object_end(&j);
    struct bh_feed f = {.unit = u->id, .what = BH_FEED_HELD};
    give(s, now, &f, buf_view(&text));
}

static void drop_unit(struct intel_source *s, struct unit *u, uint64_t now)
{
    struct bh_feed f = {.unit = u->id, .what = BH_FEED_GONE};
    give(s, now, &f, STR_NULL);
    if (s->tag && s->unit == u->id)
        s->unit = 0; // its answer finds nobody
    unit_done(u);
    *u = s->units[--s->units_n];
}

static const struct feed_row *row_of(const struct intel_source *s, const char *feed)
{
    for (size_t i = 0; i < s->rows_n; i++)
        if (strcmp(s->rows[i].name, feed) == 0)
            return &s->rows[i];
    return NULL;
}

// ── documents ────────────────────────────────────────────────────────────────────────────────

static void row_args(const struct feed *f, struct buf *out)
{
    const struct {
        const char *key;
        struct str v;
    } columns[] = {{"value", f->columns.value},
                   {"type", f->columns.type},
                   {"confidence", f->columns.confidence},
                   {"validFrom", f->columns.valid_from},
                   {"validUntil", f->columns.valid_until},
                   {"label", f->columns.label}};
    struct json j = json_on(out);
    json_object(&j);
    json_kcstr(&j, "format", feed_format_name(f->format));
    json_ku64(&j, "confidence", f->confidence);
    json_key(&j, "columns");
    json_object(&j);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        if (columns[i].v.len)
            json_kstr(&j, columns[i].key, columns[i].v);
    json_object_end(&j);
    json_object_end(&j);
}

static void row_head(const struct feed *f, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_kstr(&j, "feed", f->name);
    json_kstr(&j, "document", f->file);
    json_ku64(&j, "line", f->line);
    json_kcstr(&j, "severity", severity_name(f->severity));
    json_kcstr(&j, "action", feed_action_name(f->action));
    json_kcstr(&j, "mode", row_mode_name(f->mode));
    json_kbool(&j, "inbound", f->inbound);
    json_key(&j, "tags");
    json_array(&j);
    for (size_t i = 0; i < f->tags_n; i++)
        json_str(&j, f->tags[i]);
    json_array_end(&j);
    json_object_end(&j);
}

static bool row_make(const struct feed *f, struct feed_row *ret)
{
    _cleanup_buf_ struct buf args = {0}, head = {0}, all = {0};
    row_args(f, &args);
    row_head(f, &head);
    buf_str(&all, buf_view(&args));
    buf_str(&all, buf_view(&head));
    buf_str(&all, f->path);
    buf_u64(&all, f->expiry_ns);
    if (all.failed)
        return false;
    *ret = (struct feed_row){.name = str_dup(f->name),
                             .path = str_dup(f->path),
                             .args = strdup(args.ptr),
                             .head = strdup(head.ptr),
                             .expiry_ns = f->expiry_ns,
                             .id = id_of(all.ptr, all.len)};
    if (ret->name && ret->path && ret->args && ret->head)
        return true;
    row_done(ret);
    return false;
}

static void watch_path(struct intel_source *s, const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        feed_watch_folder(s->watch, path);
    const char *of[] = {path, realpath(path, real) ? real : path};
    for (size_t i = 0; i < ARRAY_SIZE(of); i++) { // also where a link leads
        const char *slash = strrchr(of[i], '/');
        int n = snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - of[i]) : 1,
                         slash ? of[i] : ".");
        if (n >= 0 && (size_t)n < sizeof(folder))
            feed_watch_folder(s->watch, n ? folder : "/");
    }
}

void intel_configure(struct intel_source *s, const struct documents *docs, uint64_t now)
{
    struct feed_row *rows = calloc(docs->feeds_n + 1, sizeof(*rows));
    if (!rows)
        return; // the ones before stay
    for (size_t i = 0; i < s->rows_n; i++)
        row_done(&s->rows[i]);
    free(s->rows);
    s->rows = rows;
    s->rows_n = 0;
    feed_watch_clear(s->watch);
    for (size_t i = 0; i < docs->feeds_n; i++)
        if (row_make(&docs->feeds[i], &rows[s->rows_n]))
            watch_path(s, rows[s->rows_n++].path);
    for (size_t i = 0; i < s->units_n;)
        if (row_of(s, s->units[i].feed))
            i++;
        else
            drop_unit(s, &s->units[i], now);
    intel_take(s, now);
}

// ── files ────────────────────────────────────────────────────────────────────────────────────

static struct signature signature_of(const struct stat *st)
{
    return (struct signature){st->st_dev, st->st_ino, (uint64_t)st->st_size,
                              (uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC +
                                  (uint64_t)st->st_mtim.tv_nsec};
}

static bool same(const struct signature *a, const struct signature *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static struct unit *unit_new(struct intel_source *s, const struct feed_row *r, const char *file,
                             uint64_t id)
{
    struct unit *grown =
        s->units_n < MAX_FEED_FILES ? reallocarray(s->units, s->units_n + 1, sizeof(*grown)) : NULL;
    if (!grown)
        return NULL;
    s->units = grown;
    struct unit u = {.id = id, .feed = strdup(r->name), .file = file ? strdup(file) : NULL};
    if (asprintf(&u.name, file ? "%s/%s" : "%s", r->name, file) < 0)
        u.name = NULL;
    if (asprintf(&u.path, file ? "%s/%s" : "%s", r->path, file) < 0)
        u.path = NULL;
    if (!u.feed || !u.name || !u.path || (file && !u.file)) {
        unit_done(&u);
        return NULL;
    }
    s->units[s->units_n] = u;
    return &s->units[s->units_n++];
}

static void see_file(struct intel_source *s, const struct feed_row *r, const char *file,
                     const char *path, const struct stat *st, uint64_t now)
{
    _cleanup_buf_ struct buf key = {0};
    buf_text(&key, r->name);
    buf_char(&key, 0);
    buf_text(&key, file ? file : "");
    uint64_t id = hash64(key.ptr, key.len);
    struct unit *u = unit_by_id(s, id);
    if (!u)
        u = unit_new(s, r, file, id);
    if (!u) {
        if (!s->too_many)
            fprintf(stderr, "bulkhead: more than %d files of feeds; %s and others are not read\n",
                    MAX_FEED_FILES, path);
        s->too_many = true;
        return;
    }
    u->seen = true;
    u->missing_since = 0;
    struct signature now_is = signature_of(st);
    bool changed = !same(&u->tried, &now_is) || !id_eq(u->row, r->id);
    u->want = changed && !feed_watch_busy(s->watch, path, now);
}

static bool is_list(const char *name)
{
    struct str n = str_of(name);
    return name[0] != '.' && !str_ends(n, STR(".yaml")) && !str_ends(n, STR(".yml")) &&
           !str_ends(n, STR("~")) && !str_ends(n, STR(".tmp")) && !str_ends(n, STR(".swp"));
}

static void look_at(struct intel_source *s, const struct feed_row *r, uint64_t now)
{
    struct stat st;
    if (stat(r->path, &st) < 0)
        return;
    if (S_ISREG(st.st_mode)) {
        see_file(s, r, NULL, r->path, &st, now);
        return;
    }
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(r->path) : NULL;
    const struct dirent *e;
    for (size_t n = 0; dir && n < MAX_FOLDER_FILES && (e = readdir(dir)); n++) {
        char path[PATH_MAX + NAME_MAX + 2];
        if (!is_list(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, 0) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        snprintf(path, sizeof(path), "%s/%s", r->path, e->d_name);
        see_file(s, r, e->d_name, path, &st, now);
    }
    if (dir)
        closedir(dir);
}

static void look(struct intel_source *s, uint64_t now)
{
    for (size_t i = 0; i < s->units_n; i++)
        s->units[i].seen = s->units[i].want = false;
    for (size_t i = 0; i < s->rows_n; i++)
        look_at(s, &s->rows[i], now);
    for (size_t i = 0; i < s->units_n;) {
        struct unit *u = &s->units[i++];
        if (u->seen)
            continue;
        if (!u->missing_since)
            u->missing_since = now;
        // A file replaced by another is away for a moment. A list that was taken out of a folder is
        // meant to be out; a document whose only file is away is not.
        if (now - u->missing_since < FEED_GONE_NS)
            continue;
        u->tried = (struct signature){0};
        if (u->file)
            drop_unit(s, &s->units[--i], now);
        else
            hold(s, u, now, "its file is not there");
    }
}

// ── a load ───────────────────────────────────────────────────────────────────────────────────

static uint64_t end_of(const struct feed_row *r, const struct stat *st)
{
    uint64_t changed = (uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC, end;
    return r->expiry_ns && !__builtin_add_overflow(changed, r->expiry_ns, &end) ? end : 0;
}

// True: the worker has it.
static bool load_begin(struct intel_source *s, struct unit *u, uint64_t now)
{
    const struct feed_row *r = row_of(s, u->feed);
    struct stat st;
    u->want = false;
    if (!r)
        return false;
    s->fd = open(u->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        char why[MAX_REASON];
        snprintf(why, sizeof(why), "it cannot be read: %s",
                 s->fd < 0 ? strerror(errno) : "not a regular file");
        // Looked at as it was when it could not be read: not again until it changes.
        if (stat(u->path, &st) == 0)
            u->tried = signature_of(&st);
        u->row = r->id;
        load_end(s);
        hold(s, u, now, why);
        return false;
    }
    _cleanup_buf_ struct buf args = {0};
    buf_add(&args, r->args, strlen(r->args) - 1);
    buf_printf(&args, ",\"until\":%llu}", (unsigned long long)end_of(r, &st));
    s->tag = s->next_tag++;
    s->unit = u->id;
    s->row = r->id;
    s->signature = signature_of(&st);
    if (args.failed || worker_submit(s->worker, WORKER_FEED, s->tag, buf_view(&args), s->fd) < 0) {
        load_end(s);
        return false; // asked for again at the next look
    }
    return true;
}

static void load_part(struct intel_source *s, struct str bytes)
{
    struct indicator i;
    uint32_t n = 0;
    int r;
    if (s->parts_n == MAX_LOAD_PARTS) {
        s->load_problem = "it is too large";
        return;
    }
    // The worker may be in a stranger's hands: what it says is checked like a stranger's bytes.
    for (size_t at = 0; (r = indicator_unpack(bytes, &at, &i)) == 1;)
        n++;
    if (r < 0) {
        s->load_problem = "the worker's answer is broken";
        return;
    }
    s->counts[s->parts_n] = n;
    buf_str(&s->parts[s->parts_n], bytes);
    if (s->parts[s->parts_n++].failed)
        s->load_problem = "out of memory";
}

static uint64_t number(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 ? (uint64_t)v : 0;
}

static uint64_t count_others(const struct intel_source *s, const struct unit *but)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->units_n; i++)
        n += &s->units[i] != but && s->units[i].has_good ? s->units[i].good.indicators : 0;
    return n;
}

static void commit(struct intel_source *s, struct unit *u, const struct feed_row *r,
                   struct str summary, const struct feed_counts *counts, uint64_t now)
{
    _cleanup_buf_ struct buf begin = {0};
    uint8_t key[16];
    char hex[33];
    if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
        memset(key, 0, sizeof(key));
    hex_of(key, sizeof(key), hex);
    buf_add(&begin, r->head, strlen(r->head) - 1);
    struct json j = json_on(&begin);
    buf_text(&begin, ",\"name\":");
    json_cstr(&j, u->name);
    j = json_on(&begin);
    buf_text(&begin, ",\"path\":");
    json_cstr(&j, u->path);
    buf_printf(&begin, ",\"key\":\"%s\",\"read\":", hex);
    buf_str(&begin, summary);
    buf_char(&begin, '}');
    struct bh_feed f = {.unit = u->id, .load = ++s->loads, .what = BH_FEED_BEGIN};
    give(s, now, &f, buf_view(&begin));
    f.what = BH_FEED_PART;
    for (size_t i = 0; i < s->parts_n; i++) {
        f.part = (uint32_t)i;
        f.count = s->counts[i];
        give(s, now, &f, buf_view(&s->parts[i]));
    }
    f.what = BH_FEED_COMMIT;
    f.part = 0;
    f.count = (uint32_t)counts->indicators;
    give(s, now, &f, STR_NULL);
    u->state = UNIT_IN_FORCE;
    u->has_good = true;
    u->good = *counts;
    u->loaded = now;
    u->loads++;
    u->reason[0] = 0;
    u->held_since = 0;
    free(u->summary);
    u->summary = str_dup(summary);
}

static void judge(struct intel_source *s, struct unit *u, const struct feed_row *r,
                  struct str summary, uint64_t now)
{
    json_t *o = json_loadb(summary.ptr, summary.len, 0, NULL);
    const char *problem = json_string_value(json_object_get(o, "problem"));
    struct feed_counts counts = {
        .lines = number(o, "lines"), .errors = number(o, "errors"), .broad = number(o, "broad")};
    char why[MAX_REASON];
    uint64_t others = count_others(s, u);
    for (size_t i = 0; i < s->parts_n; i++)
        counts.indicators += s->counts[i];
    if (s->load_problem || !json_is_object(o) || (problem && problem[0])) {
        snprintf(why, sizeof(why), "%s",
                 s->load_problem         ? s->load_problem
                 : problem && problem[0] ? problem
                                         : "the worker's answer is broken");
        hold(s, u, now, why);
    } else if (counts.indicators + others > MAX_INTEL_INDICATORS) {
        snprintf(why, sizeof(why), "with its %llu indicators there would be more than %d",
                 (unsigned long long)counts.indicators, MAX_INTEL_INDICATORS);
        hold(s, u, now, why);
    } else if (!intel_gate(u->has_good ? &u->good : NULL, &counts, why)) {
        hold(s, u, now, why);
    } else {
        commit(s, u, r, summary, &counts, now);
    }
    json_decref(o);
}

static void load_done(struct intel_source *s, struct str summary, uint64_t now)
{
    struct unit *u = unit_by_id(s, s->unit);
    const struct feed_row *r = u ? row_of(s, u->feed) : NULL;
    struct stat st;
    bool whole = fstat(s->fd, &st) == 0;
    struct signature after = whole ? signature_of(&st) : (struct signature){0};
    // Written while it was read, or asked for otherwise since: the next look reads it anew.
    if (u && r && whole && same(&after, &s->signature) && id_eq(r->id, s->row)) {
        u->tried = s->signature;
        u->row = s->row;
        judge(s, u, r, summary, now);
    }
    load_end(s);
}

void intel_take(struct intel_source *s, uint64_t now)
{
    uint64_t tag;
    struct str text;
    struct error err = {0};
    int r;
    feed_watch_take(s->watch, now);
    while ((r = worker_take(s->worker, &tag, &text, &err)) > 0) {
        if (tag != s->tag || !s->tag)
            continue;
        if (r == 2)
            load_part(s, text);
        else
            load_done(s, text, now);
    }
    if (s->tag)
        return;
    look(s, now);
    for (size_t i = 0; i < s->units_n && !s->tag; i++)
        if (s->units[i].want)
            load_begin(s, &s->units[i], now);
}

// ── what there is ────────────────────────────────────────────────────────────────────────────

static void put_time(struct json *j, const char *key, uint64_t boot, int64_t wall_minus_boot)
{
    _cleanup_buf_ struct buf t = {0};
    json_key(j, key);
    if (!boot) {
        json_null(j);
        return;
    }
    buf_wall_iso(&t, (struct wall_ns){boot + (uint64_t)wall_minus_boot});
    json_str(j, buf_view(&t));
}

void intel_json(const struct intel_source *s, uint64_t now, int64_t wall_minus_boot, struct json *j)
{
    static const char *const states[] = {"loading", "in-force", "held"};
    for (size_t i = 0; i < s->units_n; i++) {
        const struct unit *u = &s->units[i];
        const struct feed_row *r = row_of(s, u->feed);
        json_object(j);
        json_kcstr(j, "name", u->name);
        json_kcstr(j, "feed", u->feed);
        json_kcstr(j, "path", u->path);
        json_kcstr(j, "state", states[u->state]);
        json_ku64(j, "indicators", u->has_good ? u->good.indicators : 0);
        json_ku64(j, "loads", u->loads);
        put_time(j, "loaded", u->loaded, wall_minus_boot);
        json_ku64(j, "age_s", u->loaded && now > u->loaded ? (now - u->loaded) / NSEC_PER_SEC : 0);
        json_kcstr(j, "reason", u->state == UNIT_HELD ? u->reason : NULL);
        put_time(j, "held_since", u->held_since, wall_minus_boot);
        json_key(j, "settings");
        json_raw(j, r ? str_of(r->head) : STR("{}"));
        json_key(j, "read");
        json_raw(j, u->summary ? str_of(u->summary) : STR("{}"));
        json_object_end(j);
    }
}

void intel_counts(const struct intel_source *s, struct intel_counts *ret)
{
    *ret = (struct intel_counts){.files = s->units_n};
    for (size_t i = 0; i < s->units_n; i++) {
        ret->in_force += s->units[i].has_good;
        ret->held += s->units[i].state == UNIT_HELD;
        ret->indicators += s->units[i].has_good ? s->units[i].good.indicators : 0;
    }
}
