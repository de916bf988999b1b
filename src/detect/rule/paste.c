// Lists are pasted as text before a condition is parsed, as Falco does it: anywhere in the
// condition, also inside quotes, wherever the name stands between blanks, parentheses, commas or
// equal signs.
#include "detect/rule/load.h"

static bool delimiter(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(' || c == ')' || c == ',' ||
           c == '=';
}

static struct list_def *find_before(struct loader *l, struct str name, uint32_t before)
{
    for (size_t i = 0; i < l->lists_n; i++)
        if (str_eq(l->lists[i].name, name))
            return l->lists[i].index < before ? &l->lists[i] : NULL;
    return NULL;
}

// Items that name another list become that list's own items: one level, from what the lists were
// before.
void lists_nest(struct loader *l)
{
    struct {
        struct str *items;
        size_t n;
    } *out = calloc(l->lists_n + 1, sizeof(*out));
    if (!out) {
        l->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < l->lists_n; i++) {
        struct list_def *d = &l->lists[i];
        size_t total = 0;
        for (size_t k = 0; k < d->n; k++) {
            struct list_def *inner = find_before(l, d->items[k], d->touched);
            total += inner && inner != d ? inner->n : 1;
        }
        out[i].items = arena_alloc(l->arena, MAX(total, (size_t)1) * sizeof(struct str));
        if (!out[i].items) {
            l->out_of_memory = true;
            break;
        }
        for (size_t k = 0; k < d->n; k++) {
            struct list_def *inner = find_before(l, d->items[k], d->touched);
            if (!inner || inner == d) {
                out[i].items[out[i].n++] = d->items[k];
                continue;
            }
            inner->used = true;
            for (size_t x = 0; x < inner->n; x++)
                out[i].items[out[i].n++] = inner->items[x];
        }
    }
    for (size_t i = 0; i < l->lists_n && !l->out_of_memory; i++) {
        l->lists[i].items = out[i].items;
        l->lists[i].n = out[i].n;
    }
    free(out);
}

static void put_items(struct text *t, const struct list_def *d, struct place at)
{
    for (size_t i = 0; i < d->n; i++) {
        struct str s = d->items[i];
        bool quote = s.len && s.ptr[0] != '"' && s.ptr[0] != '\'' && memchr(s.ptr, ' ', s.len);
        text_put(t, i ? STR(", ") : STR_NULL, at);
        text_put(t, quote ? STR("\"") : STR_NULL, at);
        text_put(t, s, at);
        text_put(t, quote ? STR("\"") : STR_NULL, at);
    }
}

// An empty list takes a comma beside it along: the one before it, else the one behind it.
static size_t drop_comma(struct text *out, const struct text *t, size_t end)
{
    size_t back = out->len;
    while (back > 0 && (out->ptr[back - 1] == ' ' || out->ptr[back - 1] == '\t' ||
                        out->ptr[back - 1] == '\n' || out->ptr[back - 1] == '\r'))
        back--;
    if (back > 0 && out->ptr[back - 1] == ',') {
        out->len = back - 1;
        return end;
    }
    size_t ahead = end;
    while (ahead < t->len && (t->ptr[ahead] == ' ' || t->ptr[ahead] == '\t' ||
                              t->ptr[ahead] == '\n' || t->ptr[ahead] == '\r'))
        ahead++;
    return ahead < t->len && t->ptr[ahead] == ',' ? ahead + 1 : end;
}

static bool next_use(const struct text *t, struct str name, size_t from, size_t *ret)
{
    while (from + name.len <= t->len) {
        const char *p = memmem(t->ptr + from, t->len - from, name.ptr, name.len);
        if (!p)
            return false;
        size_t at = (size_t)(p - t->ptr);
        if ((at == 0 || delimiter(t->ptr[at - 1])) &&
            (at + name.len == t->len || delimiter(t->ptr[at + name.len]))) {
            *ret = at;
            return true;
        }
        from = at + 1;
    }
    return false;
}

void lists_paste(struct loader *l, struct text *t)
{
    for (size_t i = 0; i < l->lists_n && !t->failed; i++) {
        struct list_def *d = &l->lists[i];
        size_t at, from = 0;
        if (d->name.len == 0 || !next_use(t, d->name, 0, &at))
            continue;
        d->used = true;
        _cleanup_text_ struct text out = {0};
        do {
            text_add(&out, (struct str){t->ptr + from, at - from}, t->at + from);
            from = at + d->name.len;
            if (d->n == 0)
                from = drop_comma(&out, t, from);
            else
                put_items(&out, d, t->at[at]);
        } while (next_use(t, d->name, from, &at));
        text_add(&out, (struct str){t->ptr + from, t->len - from}, t->at + from);
        struct text old = *t;
        *t = out;
        out = old;
    }
}
