// What is remembered of workloads, as text and JSON.
#include "detect/profile/internal.h"

#include <errno.h>

void key_show(enum profile_dimension d, struct str key, struct buf *out)
{
    bool below = str_ends(key, STR("/**"));
    switch (d) {
    case PROFILE_PROGRAMS: {
        struct str part[3] = {{"", 0}, {"", 0}, {"", 0}};
        for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
            part[i] = (struct str){key.ptr, strnlen(key.ptr, key.len)};
            key.ptr += MIN(part[i].len + 1, key.len);
            key.len -= MIN(part[i].len + 1, key.len);
        }
        buf_str(out, part[0]);
        buf_text(out, part[1].len ? " as " : "");
        buf_str(out, part[1]);
        buf_text(out, part[2].len ? " by " : "");
        buf_str(out, part[2]);
        return;
    }
    case PROFILE_FILES:
        buf_text(out, key.ptr[0] == 'w' ? "write " : "read ");
        buf_add(out, key.ptr + 1, key.len - 1);
        buf_text(out, below ? "" : "/");
        return;
    case PROFILE_PEERS:
        buf_text(out, key.ptr[0] == 'o' ? "out " : "in ");
        profile_peer_text(key, out);
        return;
    default:
        profile_listen_text(key, out);
    }
}

static void put_wall(struct json *j, const char *key, uint64_t ns)
{
    _cleanup_buf_ struct buf t = {0};
    if (ns)
        buf_wall_iso(&t, (struct wall_ns){ns});
    json_kstr(j, key, ns ? buf_view(&t) : STR_NULL);
}

static void put_set(struct json *j, const char *key, enum profile_dimension d, const struct set *s)
{
    size_t n;
    uint32_t *sorted = set_sorted(s, &n);
    json_key(j, key);
    json_array(j);
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &s->items[sorted[i]];
        _cleanup_buf_ struct buf text = {0}, whole = {0};
        buf_add(&whole, it->key, it->len);
        buf_text(&whole, it->below ? "/**" : "");
        key_show(d, buf_view(&whole), &text);
        json_object(j);
        json_kstr(j, "item", buf_view(&text));
        json_ku64(j, "windows", it->seen.windows);
        put_wall(j, "first", it->seen.first);
        put_wall(j, "last", it->seen.last);
        json_object_end(j);
    }
    json_array_end(j);
    free(sorted);
}

static const char *state_of(const struct workload *w, enum profile_dimension d)
{
    return workload_watches(w, d) ? "watch" : "learn";
}

static void put_workload(struct json *j, const struct workload *w, bool all)
{
    const struct profile_doc *s = workload_settings(w);
    json_object(j);
    json_kcstr(j, "workload", w->text);
    json_kcstr(j, "name", w->name);
    json_kcstr(j, "image", w->image);
    json_ku64(j, "containers", w->containers);
    json_kcstr(j, "mode", profile_mode_name(s->mode));
    json_kstr(j, "document", w->doc ? w->doc->name : STR_NULL);
    json_kdouble(j, "window_seconds", (double)w->window_ns / 1e9);
    json_kdouble(j, "period_seconds", (double)s->period_ns / 1e9);
    json_kdouble(j, "bound", s->bound);
    put_wall(j, "first", w->first);
    put_wall(j, "last", w->last);
    json_ku64(j, "windows_lossy", w->lossy);
    json_ku64(j, "windows_quarantined", w->quarantined);
    json_key(j, "dimensions");
    json_array(j);
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++) {
        const struct dimension_state *state = &w->dims[d];
        json_object(j);
        json_kcstr(j, "dimension", profile_dimension_name(d));
        json_kcstr(j, "state", state_of(w, d));
        const struct set *allowed = workload_given(w, d) ? &w->given[d] : &w->known[d];
        json_kcstr(j, "source", workload_given(w, d) ? "document" : "learned");
        json_ku64(j, "items", allowed->leaves);
        json_ku64(j, "novel", w->novel[d].leaves);
        json_ku64(j, "windows", state->windows);
        json_ku64(j, "clean", state->clean);
        json_kdouble(j, "chance_at_most", bound_upper(state));
        json_kdouble(j, "chance_estimate", bound_estimate(state, &w->known[d]));
        json_ku64(j, "refused", w->known[d].refused + w->novel[d].refused);
        if (all) {
            put_set(j, "known", d, allowed);
            put_set(j, "new", d, &w->novel[d]);
        }
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

void profile_list_json(const struct profile *p, struct json *j)
{
    json_object(j);
    json_key(j, "workloads");
    json_array(j);
    for (size_t i = 0; i < p->workloads_n; i++)
        put_workload(j, p->workloads[i], false);
    json_array_end(j);
    json_ku64(j, "evicted", p->evicted);
    json_ku64(j, "refused", p->refused);
    json_ku64(j, "unnamed", p->unnamed);
    json_object_end(j);
}

static int find(const struct profile *p, struct str wanted, const struct workload **ret)
{
    const struct workload *found = NULL;
    for (size_t i = 0; i < p->workloads_n; i++) {
        const struct workload *w = p->workloads[i];
        if (str_eq(str_of(w->text), wanted)) {
            *ret = w;
            return 0;
        }
        if (!str_eq(str_of(w->name), wanted))
            continue;
        if (found)
            return -EEXIST;
        found = w;
    }
    *ret = found;
    return found ? 0 : -ENOENT;
}

int profile_show_json(const struct profile *p, struct str workload, struct json *j)
{
    const struct workload *w = NULL;
    int r = find(p, workload, &w);
    if (r == 0)
        put_workload(j, w, true);
    return r;
}

// ── as a document ────────────────────────────────────────────────────────────────────────────

static struct str whole_key(struct arena *a, const struct item *i)
{
    char key[PROFILE_MAX_KEY + 4];
    memcpy(key, i->key, i->len);
    memcpy(key + i->len, "/**", 3);
    return arena_str(a, (struct str){key, i->len + (i->below ? 3u : 0u)});
}

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// A document's name: small letters, digits, - and .; what had to be changed for that is told from
// others by its hash.
static struct str document_name(struct arena *a, const char *text)
{
    char out[224];
    size_t n = 0;
    for (const char *c = text; *c && n < 200; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        if (plain(lower) || (lower == '.' && n))
            out[n++] = lower;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && !plain(out[n - 1]))
        n--;
    if (n != strlen(text) || memcmp(out, text, n) != 0)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%08x", n ? "-" : "",
                              (unsigned)hash64(text, strlen(text)));
    return arena_str(a, (struct str){out, n});
}

static struct str quoted_glob(struct arena *a, const char *text)
{
    _cleanup_buf_ struct buf b = {0};
    for (const char *c = text; *c; c++) {
        if (strchr("*?[\\", *c))
            buf_char(&b, '\\');
        buf_char(&b, *c);
    }
    return arena_str(a, buf_view(&b));
}

int profile_export(const struct profile *p, struct str workload, struct buf *out)
{
    const struct workload *w = NULL;
    int r = find(p, workload, &w);
    if (r < 0)
        return r;
    struct arena *a = arena_new(0);
    if (!a)
        return -ENOMEM;
    struct profile_doc d = *workload_settings(w);
    // A document that speaks of this workload alone keeps its name; of many, this one gets its own.
    if (!w->doc || !workload_own_document(w)) {
        d.name = document_name(a, w->text);
        d.selector = (struct selector){.workload = quoted_glob(a, w->name),
                                       .image = quoted_glob(a, w->image)};
    }
    for (enum profile_dimension k = 0; k < PROFILE_DIMENSIONS; k++) {
        const struct set *s = workload_given(w, k) ? &w->given[k] : &w->known[k];
        size_t n;
        uint32_t *sorted = set_sorted(s, &n);
        struct profile_line *lines = arena_alloc(a, (n + 1) * sizeof(*lines));
        for (size_t i = 0; lines && i < n; i++)
            lines[i].key = whole_key(a, &s->items[sorted[i]]);
        d.lists[k] = (struct profile_list){true, lines, lines ? n : 0};
        free(sorted);
        r = lines ? r : -ENOMEM;
    }
    if (r == 0)
        profile_print(&d, out);
    arena_free(a);
    return r;
}

// ── what changed ─────────────────────────────────────────────────────────────────────────────

static void put_lines(struct json *j, enum profile_dimension d, const struct set *s,
                      uint64_t unseen_since)
{
    size_t n;
    uint32_t *sorted = set_sorted(s, &n);
    for (size_t i = 0; i < n; i++) {
        const struct item *it = &s->items[sorted[i]];
        _cleanup_buf_ struct buf line = {0}, key = {0};
        if (unseen_since && it->seen.last >= unseen_since)
            continue;
        buf_add(&key, it->key, it->len);
        buf_text(&key, it->below ? "/**" : "");
        profile_line_print(d, buf_view(&key), &line);
        line.len -= line.len > 0; // without its end
        json_object(j);
        json_kcstr(j, "dimension", profile_dimension_name(d));
        json_kstr(j, "line", buf_view(&line));
        json_ku64(j, "windows", it->seen.windows);
        put_wall(j, "last", it->seen.last);
        json_object_end(j);
    }
    free(sorted);
}

int profile_diff_json(const struct profile *p, struct str workload, uint64_t now_wall,
                      struct json *j)
{
    const struct workload *w = NULL;
    int r = find(p, workload, &w);
    if (r < 0)
        return r;
    uint64_t period = workload_settings(w)->period_ns,
             since = now_wall > period ? now_wall - period : 1;
    json_object(j);
    json_kcstr(j, "workload", w->text);
    json_key(j, "new");
    json_array(j);
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++)
        put_lines(j, d, &w->novel[d], 0);
    json_array_end(j);
    json_key(j, "unseen");
    json_array(j);
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++)
        put_lines(j, d, workload_given(w, d) ? &w->given[d] : &w->known[d], since);
    json_array_end(j);
    json_object_end(j);
    return 0;
}
