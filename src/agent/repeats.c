// The same finding of the same process again is counted, not said again: an attacker (or a busy
// program) that does one thing a thousand times gives one alert and one count, not a thousand
// alerts, and nothing is forgotten. Pure: time comes with the findings and ticks.
#include "agent/internal.h"

struct repeat {
    uint64_t key; // 0: free
    uint64_t first, held, last_time;
    struct finding *copy; // of the first one held back
    struct arena *arena;
};

struct repeats {
    struct repeat table[MAX_REPEATS]; // open addressing
    size_t used;
    uint64_t held;
};

struct repeats *repeats_new(void)
{
    return calloc(1, sizeof(struct repeats));
}

void repeats_free(struct repeats *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < MAX_REPEATS; i++)
        arena_free(r->table[i].arena);
    free(r);
}

static uint64_t key_of(const struct finding *f)
{
    struct {
        uint64_t rule, output, start, exec;
        uint32_t tgid, container;
    } k = {hash64(f->rule.ptr, f->rule.len), 0, f->start, f->exec, f->tgid, f->container};
    // The output carries what the rule's author found telling; times within it would make all
    // differ.
    for (size_t i = 0; i < f->fields_n; i++) {
        const struct finding_field *field = &f->fields[i];
        if (field->type == FIELD_TIME || field->type == FIELD_DURATION ||
            str_eq(field->key, STR("evt.num")))
            continue;
        k.output = k.output * 31 + hash64(field->text.ptr, field->text.len);
    }
    uint64_t h = hash64(&k, sizeof(k));
    return h ? h : 1;
}

bool repeats_pass(struct repeats *r, const struct finding *f)
{
    uint64_t key = key_of(f);
    size_t i = key % MAX_REPEATS, probes = 0;
    while (r->table[i].key && r->table[i].key != key && probes++ < 32)
        i = (i + 1) % MAX_REPEATS;
    struct repeat *e = &r->table[i];
    if (e->key && e->key != key)
        return true; // no room nearby: say it again rather than forget it
    if (!e->key) {
        if (r->used >= MAX_REPEATS / 2)
            return true;
        *e = (struct repeat){.key = key, .first = f->time.ns, .last_time = f->time.ns};
        r->used++;
        return true;
    }
    if (f->time.ns > e->first + REPEAT_NS && e->held == 0) {
        e->first = e->last_time = f->time.ns;
        return true;
    }
    e->held++;
    r->held++;
    e->last_time = MAX(e->last_time, f->time.ns); // what is judged again comes late
    if (!e->copy) {
        e->arena = arena_new(64 << 10);
        e->copy = e->arena ? finding_copy(e->arena, f) : NULL;
    }
    return false;
}

// Deleting from an open-addressed table: what follows is put in again.
static void rebuild(struct repeats *r)
{
    struct repeat *old = malloc(sizeof(r->table));
    if (!old)
        return;
    memcpy(old, r->table, sizeof(r->table));
    memset(r->table, 0, sizeof(r->table));
    for (size_t i = 0; i < MAX_REPEATS; i++) {
        if (!old[i].key)
            continue;
        size_t at = old[i].key % MAX_REPEATS;
        while (r->table[at].key)
            at = (at + 1) % MAX_REPEATS;
        r->table[at] = old[i];
    }
    free(old);
}

void repeats_tick(struct repeats *r, uint64_t now, detect_emit emit, void *ctx)
{
    bool removed = false;
    for (size_t i = 0; i < MAX_REPEATS; i++) {
        struct repeat *e = &r->table[i];
        if (!e->key || now - e->first <= REPEAT_NS)
            continue;
        if (e->held && e->copy) {
            struct finding f = *e->copy;
            _cleanup_buf_ struct buf text = {0};
            buf_str(&text, f.output);
            buf_printf(&text, " | repeated %llu more times in ", (unsigned long long)e->held);
            buf_duration(&text, (e->last_time - e->first) / NSEC_PER_MSEC * NSEC_PER_MSEC);
            f.output = buf_view(&text);
            f.time.ns = e->last_time;
            f.wall.ns += e->last_time - MIN(e->last_time, e->copy->time.ns);
            f.id = finding_id(&f);
            emit(ctx, &f);
        }
        arena_free(e->arena);
        *e = (struct repeat){0};
        r->used--;
        removed = true;
    }
    if (removed)
        rebuild(r);
}

uint64_t repeats_held(const struct repeats *r)
{
    return r->held;
}
