// Coverage: which kinds of which container were watched, when, and how much was lost. A question
// about the past is answered with this: no record and no coverage is not "no".
#include "record/store/internal.h"

static bool same(const struct covered *row, const struct bh_kind_set *kinds, uint8_t level)
{
    return row->level == level && row->kinds.word[0] == kinds->word[0] &&
           row->kinds.word[1] == kinds->word[1];
}

void coverage_set(struct coverage *c, uint32_t container, const struct bh_kind_set *kinds,
                  uint8_t level, uint64_t lost, uint64_t now)
{
    for (size_t i = 0; i < c->n; i++) {
        struct covered *row = &c->rows[i];
        if (row->container != container || row->to)
            continue;
        if (same(row, kinds, level)) {
            row->named = true;
            row->lost = MAX(row->lost, lost);
            return;
        }
        row->to = now;
        break;
    }
    if (c->n == MAX_COVERED) {
        c->overflowed++;
        return;
    }
    c->rows[c->n++] = (struct covered){.container = container,
                                       .level = level,
                                       .named = true,
                                       .kinds = *kinds,
                                       .lost = lost,
                                       .from = now};
}

void coverage_turn(struct coverage *c, uint64_t now)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!c->rows[i].named && !c->rows[i].to)
            c->rows[i].to = now;
        c->rows[i].named = false;
    }
}

void coverage_forget(struct coverage *c, uint64_t oldest)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!c->rows[i].to || c->rows[i].to >= oldest)
            c->rows[kept++] = c->rows[i];
    c->n = kept;
}

void coverage_json(struct json *j, const struct coverage *c, uint64_t first, uint64_t last)
{
    json_kbool(j, "complete", c->overflowed == 0);
    json_key(j, "containers");
    json_array(j);
    for (size_t i = 0; i < c->n; i++) {
        const struct covered *row = &c->rows[i];
        char kinds[33];
        if (row->from > last || (row->to && row->to < first))
            continue;
        snprintf(kinds, sizeof(kinds), "%016llx%016llx", (unsigned long long)row->kinds.word[1],
                 (unsigned long long)row->kinds.word[0]);
        json_object(j);
        json_ku64(j, "container", row->container);
        json_kcstr(j, "kinds", kinds);
        json_ku64(j, "level", row->level);
        json_ku64(j, "lost", row->lost);
        json_ku64(j, "from", MAX(row->from, first));
        json_ku64(j, "to", row->to ? MIN(row->to, last) : last);
        json_object_end(j);
    }
    json_array_end(j);
}
