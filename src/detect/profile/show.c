// What is remembered of workloads, as text and JSON.
#include "detect/profile/internal.h"

#include <arpa/inet.h>
#include <errno.h>

const char *dimension_name(enum profile_dimension d)
{
    static const char *const names[] = {"programs", "files", "peers", "listens"};
    static_assert(ARRAY_SIZE(names) == PROFILE_DIMENSIONS, "each has a name");
    return names[d];
}

static void show_address(struct str parts, bool v6, bool below, struct buf *out)
{
    uint8_t bytes[16] = {0};
    char text[INET6_ADDRSTRLEN];
    unsigned n = 0;
    while (parts.len && n < (v6 ? 16u : 4u)) {
        char word[8];
        const char *slash = memchr(parts.ptr, '/', parts.len);
        size_t len = slash ? (size_t)(slash - parts.ptr) : parts.len;
        snprintf(word, sizeof(word), "%.*s", (int)MIN(len, sizeof(word) - 1), parts.ptr);
        unsigned long v = strtoul(word, NULL, v6 ? 16 : 10);
        if (v6)
            bytes[n++] = (uint8_t)(v >> 8);
        bytes[n++] = (uint8_t)v;
        parts.ptr += MIN(len + 1, parts.len);
        parts.len -= MIN(len + 1, parts.len);
    }
    buf_text(out, inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text)) ? text : "");
    if (below)
        buf_printf(out, "/%u", n * 8);
}

// in/tcp/443/v4/10/0/0/7 → "in tcp 10.0.0.7 port 443".
static void show_peer(struct str key, bool below, struct buf *out)
{
    struct str words[4] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        const char *slash = key.len ? memchr(key.ptr, '/', key.len) : NULL;
        size_t len = slash ? (size_t)(slash - key.ptr) : key.len;
        words[i] = (struct str){key.ptr, len};
        key.ptr += MIN(len + 1, key.len);
        key.len -= MIN(len + 1, key.len);
    }
    buf_str(out, words[0]);
    buf_char(out, ' ');
    buf_str(out, words[1].len ? words[1] : STR("any protocol"));
    buf_char(out, ' ');
    if (words[3].len)
        show_address(key, str_eq(words[3], STR("v6")), below, out);
    else
        buf_text(out, "any address");
    buf_text(out, " port ");
    buf_str(out, words[2].len ? words[2] : STR("any"));
}

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
        show_peer((struct str){key.ptr, key.len - (below ? 3 : 0)}, below, out);
        return;
    default:
        buf_str(out, key);
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
        json_kcstr(j, "dimension", dimension_name(d));
        json_kcstr(j, "state", state_of(w, d));
        json_ku64(j, "items", w->known[d].leaves);
        json_ku64(j, "novel", w->novel[d].leaves);
        json_ku64(j, "windows", state->windows);
        json_ku64(j, "clean", state->clean);
        json_kdouble(j, "chance_at_most", bound_upper(state));
        json_kdouble(j, "chance_estimate", bound_estimate(state, &w->known[d]));
        json_ku64(j, "refused", w->known[d].refused + w->novel[d].refused);
        if (all) {
            put_set(j, "known", d, &w->known[d]);
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
