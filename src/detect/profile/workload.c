// Workloads: what replicas share. Which one a container belongs to, and which document speaks of
// it.
#include "detect/profile/internal.h"

static bool same(const struct workload *w, struct str name, struct str image)
{
    return str_eq(str_of(w->name), name) && str_eq(str_of(w->image), image);
}

static struct str cut(struct str s)
{
    return (struct str){s.ptr, MIN(s.len, (size_t)MAX_WORKLOAD_NAME)};
}

void workload_free(struct workload *w)
{
    for (size_t d = 0; d < PROFILE_DIMENSIONS; d++) {
        set_done(&w->known[d]);
        set_done(&w->novel[d]);
        set_done(&w->given[d]);
    }
    free(w->name);
    free(w->image);
    free(w->text);
    free(w);
}

static struct workload *make(struct str name, struct str image)
{
    struct workload *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    _cleanup_buf_ struct buf text = {0};
    buf_str(&text, name);
    buf_text(&text, image.len ? "@" : "");
    buf_str(&text, image);
    w->name = str_dup(name);
    w->image = str_dup(image);
    w->text = text.failed ? NULL : str_dup(buf_view(&text));
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++) {
        set_init(&w->known[d], d != PROFILE_PROGRAMS, MAX_ITEMS);
        set_init(&w->novel[d], d != PROFILE_PROGRAMS, MAX_NOVEL);
        set_init(&w->given[d], d != PROFILE_PROGRAMS, MAX_GIVEN);
        w->dims[d].news = 1;
    }
    if (w->name && w->image && w->text)
        return w;
    workload_free(w);
    return NULL;
}

// The one that has had no container for the longest time goes.
static bool make_room(struct profile *p)
{
    size_t victim = SIZE_MAX;
    for (size_t i = 0; i < p->workloads_n; i++)
        if (p->workloads[i]->containers == 0 &&
            (victim == SIZE_MAX || p->workloads[i]->seen_at < p->workloads[victim]->seen_at))
            victim = i;
    if (victim == SIZE_MAX)
        return false;
    workload_free(p->workloads[victim]);
    p->workloads[victim] = p->workloads[--p->workloads_n];
    p->evicted++;
    return true;
}

struct workload *workload_named(struct profile *p, struct str name, struct str image, uint64_t now)
{
    for (size_t i = 0; i < p->workloads_n; i++)
        if (same(p->workloads[i], name, image))
            return p->workloads[i];
    struct workload *w = p->workloads_n < MAX_WORKLOADS || make_room(p) ? make(name, image) : NULL;
    if (!w) {
        p->refused++;
        return NULL;
    }
    w->seen_at = now;
    p->workloads[p->workloads_n++] = w;
    workload_configure(p, w);
    return w;
}

struct workload *workload_get(struct profile *p, const struct container *c, uint64_t now)
{
    struct str name = cut(c->facts->workload.len ? c->facts->workload : c->facts->name),
               image = cut(c->facts->image);
    if (c->facts->version == 0)
        return NULL;
    if (name.len == 0 || memchr(name.ptr, 0, name.len) ||
        (image.len && memchr(image.ptr, 0, image.len))) {
        p->unnamed++;
        return NULL;
    }
    return workload_named(p, name, image, now);
}

// How much a selector says: what names one thing more than what matches many.
static unsigned says(struct str glob)
{
    bool many = false;
    for (size_t i = 0; i < glob.len; i++) {
        i += glob.ptr[i] == '\\';
        many |= i < glob.len && glob.ptr[i] && strchr("*?[", glob.ptr[i]);
    }
    return glob.len == 0 ? 0 : many ? 1 : 2;
}

const struct profile_doc *workload_document(const struct documents *docs, const struct workload *w)
{
    const struct facts facts = {
        .version = 1, .workload = str_of(w->name), .image = str_of(w->image)};
    const struct container c = {.number = 1, .type = CONTAINER_OCI, .facts = &facts};
    const struct profile_doc *best = NULL;
    unsigned best_says = 0;
    for (size_t i = 0; docs && i < docs->profiles_n; i++) {
        const struct profile_doc *p = &docs->profiles[i];
        unsigned much = 4 * says(p->selector.workload) + says(p->selector.image);
        if (selector_match(&p->selector, &c) == YES && (!best || much > best_says)) {
            best = p;
            best_says = much;
        }
    }
    return best;
}

const struct profile_doc *workload_settings(const struct workload *w)
{
    return w->doc ? w->doc : &profile_doc_defaults;
}

void workload_configure(struct profile *p, struct workload *w)
{
    w->doc = workload_document(p->docs, w);
    const struct profile_doc *s = workload_settings(w);
    const struct seen never = {0, 0, 0};
    for (enum profile_dimension d = 0; d < PROFILE_DIMENSIONS; d++) {
        if (s->window_ns != w->window_ns) // windows of another length say nothing of these
            w->dims[d].windows = w->dims[d].clean = 0;
        if (s->mode == PROFILE_LEARN)
            w->dims[d].ready = false;
        set_done(&w->given[d]);
        // While it is learned, what the document says is where learning begins.
        struct set *to = s->mode == PROFILE_LEARN ? &w->known[d] : &w->given[d];
        for (size_t i = 0; i < s->lists[d].n; i++)
            set_add(to, s->lists[d].lines[i].key, &never);
    }
    if (s->window_ns != w->window_ns)
        w->window = w->first = w->last = 0;
    w->window_ns = s->window_ns;
    w->version++;
}

bool workload_given(const struct workload *w, enum profile_dimension d)
{
    const struct profile_doc *s = workload_settings(w);
    return s->lists[d].given && s->mode != PROFILE_LEARN;
}

struct set *workload_allowed(struct workload *w, enum profile_dimension d)
{
    return workload_given(w, d) ? &w->given[d] : &w->known[d];
}

bool workload_watches(const struct workload *w, enum profile_dimension d)
{
    return workload_settings(w)->mode != PROFILE_LEARN &&
           (w->dims[d].ready || workload_given(w, d));
}

bool workload_own_document(const struct workload *w)
{
    return w->doc && says(w->doc->selector.workload) == 2;
}
