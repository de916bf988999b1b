// Findings: their id, their JSON, and a copy that outlives the event.
#include "model/internal.h"

// What the id is made of, in one order for all time. A struct would have holes with whatever was on
// the stack.
static void put(struct buf *b, const void *bytes, size_t len)
{
    uint64_t n = len;
    buf_add(b, &n, sizeof(n));
    buf_add(b, bytes, len);
}

struct id finding_id(const struct finding *f)
{
    _cleanup_buf_ struct buf b = {0};
    const uint64_t numbers[] = {f->container, f->tgid, f->start, f->exec,    f->time.ns,
                                f->kind,      f->row,  f->shard, f->segment, f->offset};
    put(&b, f->detector ? f->detector : "", f->detector ? strlen(f->detector) : 0);
    put(&b, f->rule.ptr, f->rule.len);
    put(&b, numbers, sizeof(numbers));
    return id_of(b.ptr, b.len);
}

void json_kid(struct json *j, const char *key, struct id id)
{
    char text[ID_TEXT_MAX];
    json_kcstr(j, key, id_text(id, text));
}

void json_kwall(struct json *j, const char *key, struct wall_ns t)
{
    _cleanup_buf_ struct buf b = {0};
    buf_wall_iso(&b, t);
    json_kstr(j, key, buf_view(&b));
}

// Many readers hold integers in 63 bits and refuse the whole text for one that is larger: a hostile
// capture must not make a record unreadable, so what doesn't fit stands as a string of digits.
void json_big(struct json *j, uint64_t v)
{
    char digits[24];
    if (v <= INT64_MAX) {
        json_u64(j, v);
        return;
    }
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
    json_cstr(j, digits);
}

void json_kbig(struct json *j, const char *key, uint64_t v)
{
    json_key(j, key);
    json_big(j, v);
}

// 64-bit values that may use their highest bits: JSON readers lose them as numbers.
void json_khex(struct json *j, const char *key, uint64_t v)
{
    char text[17];
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)v);
    json_kcstr(j, key, text);
}

void json_kfile_id(struct json *j, uint64_t dev, uint64_t ino)
{
    char text[48];
    snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)(dev >> 20),
             (unsigned long long)(dev & ((1u << 20) - 1)));
    json_kcstr(j, "dev", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)ino);
    json_kcstr(j, "ino", text);
}

static void field_value(struct json *j, const struct finding_field *f)
{
    if (f->null) {
        json_null(j);
        return;
    }
    switch (f->type) {
    case FIELD_I64:
        json_i64(j, (int64_t)f->number);
        break;
    case FIELD_U64:
    case FIELD_TIME:
    case FIELD_DURATION:
    case FIELD_PORT:
        json_big(j, f->number);
        break;
    case FIELD_BOOL:
        json_bool(j, f->number != 0);
        break;
    case FIELD_STRINGS:
        if (f->items) {
            json_array(j);
            for (size_t i = 0; i < f->items_n; i++)
                json_str(j, f->items[i]);
            json_array_end(j);
            break;
        }
        json_str(j, f->text);
        break;
    default:
        json_str(j, f->text);
        break;
    }
}

void finding_field_json(struct json *j, const struct finding_field *f)
{
    json_key_str(j, f->key);
    field_value(j, f);
}

static void json_strings(struct json *j, const char *key, const struct str *list, size_t n)
{
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < n; i++)
        json_str(j, list[i]);
    json_array_end(j);
}

static void json_process(struct json *j, const struct finding *f)
{
    json_key(j, "process");
    json_object(j);
    json_kbig(j, "pid", f->tgid);
    json_kbig(j, "start_ns", f->start);
    json_kbig(j, "exec", f->exec);
    json_khex(j, "lineage", f->lineage);
    json_key(j, "chain");
    json_array(j);
    for (size_t i = 0; i < f->chain_n; i++) {
        json_object(j);
        json_kbig(j, "pid", f->chain[i].tgid);
        json_kbig(j, "start_ns", f->chain[i].start);
        json_kstr(j, "comm", f->chain[i].comm);
        json_kstr(j, "path", f->chain[i].path);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

static void json_evidence(struct json *j, const struct finding *f)
{
    const struct kind_row *kind = kind_row(f->kind);
    json_key(j, "evidence");
    json_object(j);
    json_kcstr(j, "kind", kind ? kind->name : NULL);
    json_kcstr(j, "truth", truth_name((enum bh_truth)f->truth));
    json_kflags(j, "flags", f->flags);
    json_kbool(j, "lossy", f->lossy);
    if (f->posture)
        json_kbool(j, "posture", true);
    json_kbig(j, "shard", f->shard);
    json_kbig(j, "segment", f->segment);
    json_kbig(j, "offset", f->offset);
    json_object_end(j);
}

void finding_json(struct json *j, const struct finding *f)
{
    json_object(j);
    json_kid(j, "id", f->id);
    json_kcstr(j, "detector", f->detector);
    json_kstr(j, "rule", f->rule);
    json_kcstr(j, "severity", severity_name(f->severity));
    json_kdouble(j, "confidence", f->confidence);
    json_kwall(j, "time", f->wall);
    json_kbig(j, "boot_ns", f->time.ns);
    json_kbig(j, "generation", f->generation);
    json_key(j, "container");
    json_object(j);
    json_kbig(j, "number", f->container);
    json_kstr(j, "id", f->container_id);
    json_kstr(j, "name", f->container_name);
    json_kstr(j, "image", f->image_name);
    json_kstr(j, "workload", f->workload);
    json_object_end(j);
    json_process(j, f);
    json_kstr(j, "output", f->output);
    json_kstr(j, "source", f->source);
    json_kstr(j, "hostname", f->hostname);
    json_strings(j, "tags", f->tags, f->tags_n);
    json_key(j, "fields");
    json_object(j);
    for (size_t i = 0; i < f->fields_n; i++)
        finding_field_json(j, &f->fields[i]);
    json_object_end(j);
    json_key(j, "objects");
    json_array(j);
    for (size_t i = 0; i < f->objects_n; i++) {
        json_object(j);
        json_kfile_id(j, f->objects[i].dev, f->objects[i].ino);
        json_kstr(j, "path", f->objects[i].path);
        json_kbool(j, "written", f->objects[i].written);
        json_kbool(j, "foreign", f->objects[i].foreign);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "row");
    if (f->row)
        json_big(j, f->row);
    else
        json_null(j);
    json_kcstr(j, "effect", f->row ? effect_name((enum bh_effect)f->effect) : NULL);
    json_evidence(j, f);
    json_object_end(j);
}

// ── copy ─────────────────────────────────────────────────────────────────────────────────────

static bool keep(struct arena *a, struct str *s)
{
    if (!s->ptr)
        return true;
    *s = arena_str(a, *s);
    return s->ptr;
}

static bool keep_list(struct arena *a, const struct str **list, size_t n)
{
    if (!*list || n == 0)
        return true;
    struct str *copy = arena_alloc(a, n * sizeof(*copy));
    if (!copy)
        return false;
    for (size_t i = 0; i < n; i++) {
        copy[i] = (*list)[i];
        if (!keep(a, &copy[i]))
            return false;
    }
    *list = copy;
    return true;
}

struct finding *finding_copy(struct arena *a, const struct finding *f)
{
    struct finding *c = arena_alloc(a, sizeof(*c));
    if (!c)
        return NULL;
    *c = *f;
    bool ok = keep(a, &c->rule) && keep(a, &c->container_id) && keep(a, &c->container_name) &&
              keep(a, &c->image_name) && keep(a, &c->workload) && keep(a, &c->output) &&
              keep(a, &c->source) && keep(a, &c->hostname) && keep_list(a, &c->tags, c->tags_n);
    for (size_t i = 0; ok && i < c->fields_n; i++)
        ok = keep(a, &c->fields[i].key) && keep(a, &c->fields[i].text) &&
             keep_list(a, &c->fields[i].items, c->fields[i].items_n);
    for (size_t i = 0; ok && i < c->chain_n; i++)
        ok = keep(a, &c->chain[i].comm) && keep(a, &c->chain[i].path);
    for (size_t i = 0; ok && i < c->objects_n; i++)
        ok = keep(a, &c->objects[i].path);
    return ok ? c : NULL;
}
