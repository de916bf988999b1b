// Shell patterns and path prefixes over byte strings: what fnmatch(3) does in the C locale with no
// flags (a star crosses slashes), for text that may hold NUL and has no terminator.
#include "detect/rule/internal.h"

#include <ctype.h>

static unsigned char fold_of(unsigned char c, bool fold)
{
    return fold && c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static bool in_class(struct str name, unsigned char c)
{
    static const struct {
        const char *name;
        int (*is)(int);
    } classes[] = {{"alpha", isalpha}, {"digit", isdigit}, {"alnum", isalnum},
                   {"upper", isupper}, {"lower", islower}, {"space", isspace},
                   {"blank", isblank}, {"punct", ispunct}, {"print", isprint},
                   {"graph", isgraph}, {"cntrl", iscntrl}, {"xdigit", isxdigit}};
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (str_eq(str_of(classes[i].name), name))
            return c < 128 && classes[i].is(c);
    return false;
}

// A bracket expression at p[at] (behind '['). Returns the index behind it, or 0 if it isn't closed.
static size_t bracket(struct str p, size_t at, unsigned char c, bool fold, bool *ret_hit)
{
    bool negate = at < p.len && (p.ptr[at] == '!' || p.ptr[at] == '^'), hit = false;
    size_t first = at + negate;
    c = fold_of(c, fold);
    for (size_t i = first; i < p.len;) {
        if (p.ptr[i] == ']' && i > first) {
            *ret_hit = hit != negate;
            return i + 1;
        }
        if (p.ptr[i] == '[' && i + 1 < p.len && p.ptr[i + 1] == ':') {
            size_t end = i + 2;
            while (end + 1 < p.len && !(p.ptr[end] == ':' && p.ptr[end + 1] == ']'))
                end++;
            if (end + 1 < p.len) {
                struct str name = {p.ptr + i + 2, end - i - 2};
                hit |= in_class(name, c) || (fold && in_class(name, (unsigned char)toupper(c)));
                i = end + 2;
                continue;
            }
        }
        if (p.ptr[i] == '\\' && i + 1 < p.len)
            i++;
        unsigned char low = (unsigned char)p.ptr[i++], high = low;
        if (i + 1 < p.len && p.ptr[i] == '-' && p.ptr[i + 1] != ']') {
            i++;
            if (p.ptr[i] == '\\' && i + 1 < p.len)
                i++;
            high = (unsigned char)p.ptr[i++];
        }
        hit |= c >= fold_of(low, fold) && c <= fold_of(high, fold);
    }
    return 0;
}

// One element of the pattern at *at against one byte; moves *at behind it.
static bool one(struct str p, size_t *at, unsigned char c, bool fold)
{
    size_t i = *at;
    if (p.ptr[i] == '?') {
        *at = i + 1;
        return true;
    }
    if (p.ptr[i] == '[') {
        bool hit;
        size_t end = bracket(p, i + 1, c, fold, &hit);
        if (end) {
            *at = end;
            return hit;
        }
    }
    if (p.ptr[i] == '\\' && i + 1 < p.len)
        i++;
    *at = i + 1;
    return fold_of((unsigned char)p.ptr[i], fold) == fold_of(c, fold);
}

// Goes back to the last star only: at most pattern × text steps.
bool rule_glob(struct str p, struct str s, bool fold)
{
    size_t pi = 0, si = 0, star = SIZE_MAX, from = 0;
    while (si < s.len) {
        if (pi < p.len && p.ptr[pi] == '*') {
            star = ++pi;
            from = si;
            continue;
        }
        if (pi < p.len && one(p, &pi, (unsigned char)s.ptr[si], fold)) {
            si++;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        pi = star;
        si = ++from;
    }
    while (pi < p.len && p.ptr[pi] == '*')
        pi++;
    return pi == p.len;
}

// The next component of a path; empty ones are dropped.
static bool component(struct str path, size_t *at, struct str *ret)
{
    while (*at < path.len && path.ptr[*at] == '/')
        ++*at;
    size_t start = *at;
    while (*at < path.len && path.ptr[*at] != '/')
        ++*at;
    *ret = (struct str){path.ptr + start, *at - start};
    return *at > start;
}

void path_pattern_make(struct arena *a, struct str path, struct path_pattern *ret)
{
    struct str part;
    size_t n = 0;
    *ret = (struct path_pattern){0};
    for (size_t at = 0; component(path, &at, &part);)
        n++;
    ret->parts = arena_alloc(a, MAX(n, (size_t)1) * sizeof(*ret->parts));
    ret->glob = arena_alloc(a, MAX(n, (size_t)1) * sizeof(*ret->glob));
    if (!ret->parts || !ret->glob)
        return;
    for (size_t at = 0; component(path, &at, &part);) {
        ret->glob[ret->n] = false;
        for (size_t i = 0; i < part.len; i++)
            if (part.ptr[i] && strchr("?*[", part.ptr[i]))
                ret->glob[ret->n] = true;
        ret->parts[ret->n++] = part;
    }
}

bool path_pattern_match(const struct path_pattern *p, struct str path)
{
    struct str part;
    size_t at = 0;
    for (size_t i = 0; i < p->n; i++)
        if (!component(path, &at, &part) ||
            !(p->glob[i] ? rule_glob(p->parts[i], part, false) : str_eq(p->parts[i], part)))
            return false;
    return true;
}
