// Files of feeds: their loads as they come in, in parts; the last complete one of each; the index
// over all of those. A load that is not committed, or is broken, leaves the last one in force.
#include "detect/intel/internal.h"

#include <errno.h>
#include <jansson.h>

enum { MAX_HELD = 64, MAX_BEGIN_BYTES = 65536, MAX_WORD = 256 };

struct unit {
    struct intel_unit pub;
    struct arena *words; // of pub
    struct buf good;     // packed, in force
    // a load that is coming in
    bool loading;
    struct intel_unit next;
    struct arena *next_words;
    struct buf parts;
    uint32_t part, count;
};
struct units {
    struct unit *list[MAX_INTEL_UNITS]; // in order of their ids, so that answers are the same
    size_t n;
    struct packed packed[MAX_INTEL_UNITS];
    struct index *index;
    uint8_t key[16];
    struct buf never_bytes;
    struct packed never_packed;
    struct index *never;
    struct held held[MAX_HELD];
    size_t held_n;
    struct arena *held_words;
    uint64_t refused;
};

struct units *units_new(void)
{
    struct units *u = calloc(1, sizeof(*u));
    if (u && !(u->held_words = arena_new(1 << 20))) {
        free(u);
        return NULL;
    }
    if (u)
        units_never(u, NULL);
    return u;
}

static void load_done(struct unit *k)
{
    arena_free(k->next_words);
    buf_done(&k->parts);
    k->parts = (struct buf){0};
    k->next_words = NULL;
    k->loading = false;
}

static void unit_free(struct unit *k)
{
    load_done(k);
    arena_free(k->words);
    buf_done(&k->good);
    free(k);
}

void units_free(struct units *u)
{
    if (!u)
        return;
    index_free(u->index);
    index_free(u->never);
    for (size_t i = 0; i < u->n; i++)
        unit_free(u->list[i]);
    buf_done(&u->never_bytes);
    arena_free(u->held_words);
    free(u);
}

// ── never ────────────────────────────────────────────────────────────────────────────────────

static void add_never(struct units *u, struct str text)
{
    struct indicator i;
    char store[MAX_INDICATOR_VALUE + 1];
    if (indicator_parse(text, &i, store) == NULL) { // documents were checked when they were read
        indicator_pack(&i, &u->never_bytes);
        u->never_packed.count++;
    }
}

void units_never(struct units *u, const struct documents *docs)
{
    static const uint8_t no_key[16];
    index_free(u->never);
    buf_reset(&u->never_bytes);
    u->never_packed.count = 0;
    for (const char *const *n = intel_never; *n; n++)
        add_never(u, str_of(*n));
    for (size_t f = 0; docs && f < docs->feeds_n; f++)
        for (size_t i = 0; i < docs->feeds[f].never_n; i++)
            add_never(u, docs->feeds[f].never[i]);
    u->never_packed.bytes = buf_view(&u->never_bytes);
    u->never = index_build(&u->never_packed, 1, no_key);
}

static void is_there(void *ctx, size_t unit, const struct indicator *i)
{
    *(bool *)ctx = true;
}

bool units_is_never(const struct units *u, const struct indicator *what)
{
    bool found = never_special(what);
    index_find(u->never, what, is_there, &found);
    return found;
}

// ── loads ────────────────────────────────────────────────────────────────────────────────────

static struct unit *find(struct units *u, uint64_t id, size_t *ret_at)
{
    size_t low = 0, high = u->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (u->list[middle]->pub.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return low < u->n && u->list[low]->pub.id == id ? u->list[low] : NULL;
}

static struct unit *find_or_make(struct units *u, uint64_t id)
{
    size_t at;
    struct unit *k = find(u, id, &at);
    if (k)
        return k;
    k = u->n < MAX_INTEL_UNITS ? calloc(1, sizeof(*k)) : NULL;
    if (!k)
        return NULL;
    k->pub.id = id;
    memmove(&u->list[at + 1], &u->list[at], (u->n - at) * sizeof(struct unit *));
    u->list[at] = k;
    u->n++;
    return k;
}

static struct str word(struct arena *a, const json_t *v)
{
    struct str s = {json_string_value(v), json_string_length(v)};
    return json_is_string(v) ? arena_str(a, (struct str){s.ptr, MIN(s.len, (size_t)MAX_WORD)})
                             : STR_NULL;
}

static int choice(const json_t *o, const char *key, const char *(*name)(int), int n, int otherwise)
{
    struct str said = str_of(json_string_value(json_object_get(o, key)));
    for (int i = 0; i < n; i++)
        if (str_eq(said, str_of(name(i))))
            return i;
    return otherwise;
}

static const char *severity_of(int i)
{
    return severity_name((enum severity)i);
}

static const char *action_of(int i)
{
    return feed_action_name((enum feed_action)i);
}

static const char *mode_of(int i)
{
    return row_mode_name((enum row_mode)i);
}

static bool begin(struct units *u, struct unit *k, const struct bh_feed *f, struct str text)
{
    json_t *o = text.len <= MAX_BEGIN_BYTES ? json_loadb(text.ptr, text.len, 0, NULL) : NULL;
    load_done(k);
    k->next_words = json_is_object(o) ? arena_new(MAX_BEGIN_BYTES * 2) : NULL;
    if (!k->next_words) {
        json_decref(o);
        return false;
    }
    const json_t *tags = json_object_get(o, "tags"), *tag;
    struct str *list = arena_alloc(k->next_words, MAX_UNIT_TAGS * sizeof(*list));
    size_t n;
    k->next = (struct intel_unit){
        .id = f->unit,
        .load = f->load,
        .name = word(k->next_words, json_object_get(o, "name")),
        .severity =
            (enum severity)choice(o, "severity", severity_of, SEVERITY_MAX, SEVERITY_WARNING),
        .action = (enum feed_action)choice(o, "action", action_of, FEED_ACTION_MAX, FEED_ALERT),
        .mode = (enum row_mode)choice(o, "mode", mode_of, MODE_MAX, MODE_AUDIT),
        .inbound = json_is_true(json_object_get(o, "inbound")),
        .tags = list,
    };
    json_array_foreach (tags, n, tag)
        if (list && k->next.tags_n < MAX_UNIT_TAGS)
            list[k->next.tags_n++] = word(k->next_words, tag);
    struct str key = str_of(json_string_value(json_object_get(o, "key")));
    hex_parse(key, u->key, sizeof(u->key)); // none: the one before
    json_decref(o);
    k->part = k->count = 0;
    k->loading = true;
    return true;
}

static bool part(struct unit *k, const struct bh_feed *f, struct str bytes)
{
    struct indicator i;
    uint32_t n = 0;
    int r;
    if (!k->loading || f->load != k->next.load || f->part != k->part)
        return false;
    for (size_t at = 0; (r = indicator_unpack(bytes, &at, &i)) == 1;)
        n++;
    if (r < 0 || n != f->count || n > MAX_INTEL_INDICATORS - k->count)
        return false;
    buf_str(&k->parts, bytes);
    k->part++;
    k->count += n;
    return !k->parts.failed;
}

static uint64_t count_others(const struct units *u, const struct unit *but)
{
    uint64_t n = 0;
    for (size_t i = 0; i < u->n; i++)
        n += u->list[i] != but ? u->list[i]->pub.count : 0;
    return n;
}

static void build(struct units *u)
{
    index_free(u->index);
    for (size_t i = 0; i < u->n; i++)
        u->packed[i] = (struct packed){buf_view(&u->list[i]->good), u->list[i]->pub.count};
    u->index = index_build(u->packed, u->n, u->key);
    u->refused += u->index == NULL;
}

static bool commit(struct units *u, struct unit *k, const struct bh_feed *f)
{
    if (!k->loading || f->load != k->next.load || f->count != k->count ||
        k->count > MAX_INTEL_INDICATORS - MIN(count_others(u, k), (uint64_t)MAX_INTEL_INDICATORS))
        return false;
    buf_done(&k->good);
    arena_free(k->words);
    // What it grew by is given back: these bytes stay.
    char *fit = k->parts.len ? realloc(k->parts.ptr, k->parts.len + 1) : NULL;
    if (fit) {
        k->parts.ptr = fit;
        k->parts.cap = k->parts.len + 1;
    }
    k->good = k->parts;
    k->words = k->next_words;
    k->pub = k->next;
    k->pub.count = k->count;
    k->parts = (struct buf){0};
    k->next_words = NULL;
    k->loading = false;
    build(u);
    return true;
}

static void gone(struct units *u, uint64_t id)
{
    size_t at;
    struct unit *k = find(u, id, &at);
    if (!k)
        return;
    u->n--;
    memmove(&u->list[at], &u->list[at + 1], (u->n - at) * sizeof(struct unit *));
    build(u);
    unit_free(k);
}

static void held(struct units *u, struct str text, uint64_t time)
{
    json_t *o = json_loadb(text.ptr, text.len, 0, NULL);
    if (u->held_n < MAX_HELD && json_is_object(o))
        u->held[u->held_n++] =
            (struct held){.name = word(u->held_words, json_object_get(o, "name")),
                          .text = word(u->held_words, json_object_get(o, "text")),
                          .time = time};
    json_decref(o);
}

void units_take(struct units *u, const struct bh_rec *rec)
{
    const struct bh_feed *f = REC_AS(rec, bh_feed);
    struct str bytes = feed_bytes(rec);
    size_t at;
    bool ok = true;
    if (!f)
        return;
    struct unit *k = f->what == BH_FEED_BEGIN ? find_or_make(u, f->unit) : find(u, f->unit, &at);
    switch (f->what) {
    case BH_FEED_BEGIN:
        ok = k && begin(u, k, f, bytes);
        break;
    case BH_FEED_PART:
        ok = k && part(k, f, bytes);
        break;
    case BH_FEED_COMMIT:
        ok = k && commit(u, k, f);
        break;
    case BH_FEED_HELD:
        held(u, bytes, rec->time);
        break;
    case BH_FEED_GONE:
        gone(u, f->unit);
        break;
    default:
        ok = false;
    }
    if (!ok) {
        u->refused++;
        if (k)
            load_done(k);
    }
}

const struct index *units_index(const struct units *u)
{
    return u->index;
}

const struct intel_unit *units_at(const struct units *u, size_t n)
{
    return &u->list[n]->pub;
}

const struct held *units_held(const struct units *u, size_t *ret_n)
{
    *ret_n = u->held_n;
    return u->held;
}

void units_said(struct units *u)
{
    u->held_n = 0;
    arena_reset(u->held_words);
}

size_t units_bytes(const struct units *u)
{
    size_t n = sizeof(*u) + u->never_bytes.cap + (u->index ? index_bytes(u->index) : 0) +
               (u->never ? index_bytes(u->never) : 0);
    for (size_t i = 0; i < u->n; i++)
        n += sizeof(struct unit) + u->list[i]->good.cap + u->list[i]->parts.cap;
    return n;
}

uint64_t units_refused(const struct units *u)
{
    return u->refused;
}
