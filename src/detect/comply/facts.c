// The registry of facts: one table of what bundles say, one of what is seen of running containers.
// Adding a fact is a row and its getter.
#include "detect/comply/internal.h"

static const char *const source_names[] = {
    [FACT_BUNDLE] = "bundle", [FACT_LIVE] = "live", [FACT_EVENT] = "event"};

const struct fact *fact_at(size_t index)
{
    if (index < bundle_facts_n)
        return &bundle_facts[index];
    index -= bundle_facts_n;
    return index < live_facts_n ? &live_facts[index] : NULL;
}

const struct fact *fact_named(struct str name)
{
    const struct fact *f;
    for (size_t i = 0; (f = fact_at(i)); i++)
        if (str_eq(str_of(f->name), name))
            return f;
    return NULL;
}

size_t comply_facts_n(void)
{
    return bundle_facts_n + live_facts_n;
}

void comply_fact(size_t index, struct comply_fact_row *ret)
{
    const struct fact *f = fact_at(index);
    *ret = f ? (struct comply_fact_row){f->name, f->type, source_names[f->source], f->text}
             : (struct comply_fact_row){"", FIELD_BOOL, "", ""};
}

void fact_get(const struct fact *f, const struct subject *s, struct str items[MAX_ITEMS],
              struct fact_value *ret)
{
    *ret = (struct fact_value){.type = f->type, .items = items};
    f->get(s, ret);
}

void know_caps(struct fact_value *v, uint64_t caps)
{
    v->known = true;
    for (unsigned i = 0; i < 64; i++)
        if (caps & 1ULL << i)
            add_item(v, str_of(cap_name(i) ? cap_name(i) : "CAP_UNKNOWN"));
}

void fact_value_text(const struct fact_value *v, struct buf *out)
{
    enum { SHOWN = 8 };
    if (!v->known) {
        buf_text(out, "unknown");
        return;
    }
    switch (v->type) {
    case FIELD_BOOL:
        buf_text(out, v->b ? "true" : "false");
        return;
    case FIELD_U64:
        if (v->n == UINT64_MAX)
            buf_text(out, "none");
        else
            buf_u64(out, v->n);
        return;
    case FIELD_STRING:
        buf_str(out, v->s);
        return;
    default:
        break;
    }
    buf_char(out, '[');
    for (size_t i = 0; i < v->items_n && i < SHOWN; i++) {
        buf_text(out, i ? ", " : "");
        buf_str(out, v->items[i]);
    }
    buf_text(out, v->items_n > SHOWN || v->partial ? ", …]" : "]");
}
