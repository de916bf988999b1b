// What is kept of a workload when the agent ends, as the text of a BH_PROFILE record: written at
// the border, an input of the line when the agent starts again (docs/formats/profile.md, "State").
#include "detect/profile/internal.h"

#include <jansson.h>

size_t profile_workloads(const struct profile *p)
{
    return p->workloads_n;
}

struct id profile_workload(const struct profile *p, size_t i, uint64_t *ret_version)
{
    *ret_version = p->workloads[i]->version;
    return id_of(p->workloads[i]->text, strlen(p->workloads[i]->text));
}

static void put_set(struct json *j, const char *name, const struct set *s)
{
    size_t n;
    uint32_t *sorted = set_sorted(s, &n);
    json_key(j, name);
    json_array(j);
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &s->items[sorted[i]];
        _cleanup_buf_ struct buf key = {0};
        escape_text(&key, (struct str){it->key, it->len});
        buf_text(&key, it->below ? "/**" : "");
        json_array(j);
        json_str(j, buf_view(&key));
        json_u64(j, it->seen.windows);
        json_u64(j, it->seen.first);
        json_u64(j, it->seen.last);
        json_array_end(j);
    }
    json_array_end(j);
    free(sorted);
}

void profile_state(const struct profile *p, size_t i, struct buf *out)
{
    const struct workload *w = p->workloads[i];
    struct json writer = json_on(out), *j = &writer;
    _cleanup_buf_ struct buf name = {0}, image = {0};
    escape_text(&name, str_of(w->name));
    escape_text(&image, str_of(w->image));
    json_object(j);
    json_ku64(j, "version", 1);
    json_kstr(j, "name", buf_view(&name));
    json_kstr(j, "image", buf_view(&image));
    json_ku64(j, "window_ns", w->window_ns);
    json_ku64(j, "first", w->first);
    json_ku64(j, "last", w->last);
    json_ku64(j, "lossy", w->lossy);
    json_ku64(j, "quarantined", w->quarantined);
    json_key(j, "dimensions");
    json_object(j);
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++) {
        const struct dimension_state *s = &w->dims[d];
        json_key(j, profile_dimension_name(d));
        json_object(j);
        json_ku64(j, "windows", s->windows);
        json_ku64(j, "news", s->news);
        json_ku64(j, "clean", s->clean);
        json_kbool(j, "ready", s->ready);
        json_ku64(j, "ready_at", s->ready_at);
        put_set(j, "known", &w->known[d]);
        put_set(j, "novel", &w->novel[d]);
        json_object_end(j);
    }
    json_object_end(j);
    json_object_end(j);
}

// ── back ─────────────────────────────────────────────────────────────────────────────────────

static uint64_t number(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 ? (uint64_t)v : 0;
}

static bool bytes(const json_t *v, char *out, size_t size, size_t *ret)
{
    return json_is_string(v) &&
           profile_unescape((struct str){json_string_value(v), json_string_length(v)}, out, size,
                            ret);
}

static void take_set(struct set *s, const json_t *list)
{
    size_t i;
    const json_t *item;
    json_array_foreach ((json_t *)list, i, item) {
        char key[PROFILE_MAX_KEY + 4];
        size_t len;
        json_int_t v[3];
        for (size_t k = 0; k < 3; k++)
            v[k] = json_integer_value(json_array_get(item, k + 1));
        if (!bytes(json_array_get(item, 0), key, sizeof(key), &len) || len == 0 || v[0] < 0 ||
            v[1] < 0 || v[2] < 0)
            continue;
        set_add(s, (struct str){key, len},
                &(struct seen){(uint64_t)v[0], (uint64_t)v[1], (uint64_t)v[2]});
    }
}

static void take(struct workload *w, const json_t *o)
{
    bool same_windows = number(o, "window_ns") == w->window_ns;
    const json_t *dimensions = json_object_get(o, "dimensions");
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++) {
        const json_t *from = json_object_get(dimensions, profile_dimension_name(d));
        struct dimension_state s = {.windows = number(from, "windows"),
                                    .news = MAX(number(from, "news"), (uint64_t)1),
                                    .clean = number(from, "clean"),
                                    .ready = json_is_true(json_object_get(from, "ready")),
                                    .ready_at = number(from, "ready_at")};
        if (!same_windows)
            s.windows = s.clean = 0;
        s.ready = s.ready && workload_settings(w)->mode != PROFILE_LEARN;
        if (w->dims[d].windows == 0 && w->known[d].leaves == 0)
            w->dims[d] = s;
        else
            bound_merge(&w->dims[d], &s);
        take_set(&w->known[d], json_object_get(from, "known"));
        take_set(&w->novel[d], json_object_get(from, "novel"));
    }
    uint64_t first = number(o, "first"), last = number(o, "last");
    if (same_windows && first) {
        w->first = w->first ? MIN(w->first, first) : first;
        w->last = MAX(w->last, last);
    }
    w->lossy += number(o, "lossy");
    w->quarantined += number(o, "quarantined");
    w->version++;
}

void state_take(struct profile *p, struct str text, uint64_t now)
{
    json_t *o = json_loadb(text.ptr, text.len, 0, NULL);
    char name[MAX_WORKLOAD_NAME], image[MAX_WORKLOAD_NAME];
    size_t name_len = 0, image_len = 0;
    struct workload *w = NULL;
    if (number(o, "version") == 1 &&
        bytes(json_object_get(o, "name"), name, sizeof(name), &name_len) && name_len > 0 &&
        !memchr(name, 0, name_len) &&
        bytes(json_object_get(o, "image"), image, sizeof(image), &image_len) &&
        !memchr(image, 0, image_len))
        w = workload_named(p, (struct str){name, name_len}, (struct str){image, image_len}, now);
    if (w)
        take(w, o);
    else
        p->refused++;
    json_decref(o);
}
