// Which containers a document is about.
#include "config/internal.h"

// One [...] at *at of the pattern against c. Returns false where it doesn't hold; *at is behind the
// bracket then too.
static bool bracket(struct str g, size_t *at, unsigned char c)
{
    size_t i = *at + 1;
    bool inverse = i < g.len && (g.ptr[i] == '!' || g.ptr[i] == '^'), found = false;
    if (inverse)
        i++;
    for (bool first = true; i < g.len && (first || g.ptr[i] != ']'); first = false) {
        if (g.ptr[i] == '\\' && i + 1 < g.len)
            i++;
        unsigned char from = (unsigned char)g.ptr[i++], to = from;
        if (i + 1 < g.len && g.ptr[i] == '-' && g.ptr[i + 1] != ']') {
            i++;
            if (g.ptr[i] == '\\' && i + 1 < g.len)
                i++;
            to = (unsigned char)g.ptr[i++];
        }
        found |= c >= from && c <= to;
    }
    *at = i + 1;
    return found != inverse;
}

static bool closes(struct str g, size_t at)
{
    size_t i = at + 1;
    if (i < g.len && (g.ptr[i] == '!' || g.ptr[i] == '^'))
        i++;
    for (bool first = true; i < g.len; first = false, i++) {
        if (g.ptr[i] == '\\')
            i++;
        else if (g.ptr[i] == ']' && !first)
            return true;
    }
    return false;
}

// One element of the pattern that isn't * against c; moves *at behind it.
static bool element(struct str g, size_t *at, unsigned char c)
{
    if (g.ptr[*at] == '?') {
        (*at)++;
        return true;
    }
    if (g.ptr[*at] == '[' && closes(g, *at))
        return bracket(g, at, c);
    if (g.ptr[*at] == '\\' && *at + 1 < g.len)
        (*at)++;
    return (unsigned char)g.ptr[(*at)++] == c;
}

bool glob_match(struct str g, struct str s)
{
    size_t gi = 0, si = 0, star = SIZE_MAX, from = 0;
    while (si < s.len) {
        size_t next = gi;
        if (gi < g.len && g.ptr[gi] == '*') {
            star = ++gi;
            from = si;
        } else if (gi < g.len && element(g, &next, (unsigned char)s.ptr[si])) {
            gi = next;
            si++;
        } else if (star != SIZE_MAX) {
            gi = star; // only the last * needs to give way: what came before it has its leftmost
                       // match
            si = ++from;
        } else
            return false;
    }
    while (gi < g.len && g.ptr[gi] == '*')
        gi++;
    return gi == g.len;
}

static enum tri both(enum tri a, enum tri b)
{
    if (a == NO || b == NO)
        return NO;
    return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : YES;
}

// A fact that is not there yet is unknown; once the container's facts have been read, what they
// don't say is not so.
static enum tri fact_matches(struct str glob, struct str fact, bool known)
{
    if (glob.len == 0)
        return YES;
    if (fact.len == 0)
        return known ? NO : UNKNOWN;
    return glob_match(glob, fact) ? YES : NO;
}

static enum tri labels_match(const struct selector *s, const struct facts *f, bool known)
{
    for (size_t i = 0; i < s->labels_n; i++) {
        bool found = false;
        for (size_t k = 0; k < f->labels_n; k++)
            found |= str_eq(f->labels[k].key, s->labels[i].key) &&
                     str_eq(f->labels[k].value, s->labels[i].value);
        if (!found)
            return known ? NO : UNKNOWN;
    }
    return YES;
}

enum tri selector_match(const struct selector *s, const struct container *c)
{
    const struct facts *f = c->facts;
    bool known = f->version > 0 && f->problem.len == 0;
    if (c->type == CONTAINER_HOST)
        return NO;
    // A plain cgroup (a system service) is no container unless somebody asks for it by its name.
    if (c->type == CONTAINER_CGROUP) {
        bool only_name = s->name.len && !s->image.len && !s->workload.len && !s->labels_n;
        return only_name && glob_match(s->name, c->id) ? YES : NO;
    }
    enum tri name = s->name.len && c->id.len && glob_match(s->name, c->id)
                        ? YES
                        : fact_matches(s->name, f->name, known);
    return both(both(name, fact_matches(s->image, f->image, known)),
                both(fact_matches(s->workload, f->workload, known), labels_match(s, f, known)));
}
