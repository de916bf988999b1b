// Byte strings, and the nearest word for "did you mean".
#include "base/base.h"

bool str_contains(struct str s, struct str what)
{
    return what.len == 0 || (s.len >= what.len && memmem(s.ptr, s.len, what.ptr, what.len) != NULL);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (c)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct str str_basename(struct str path)
{
    const char *slash = path.len ? memrchr(path.ptr, '/', path.len) : NULL;
    if (!slash)
        return path;
    size_t at = (size_t)(slash + 1 - path.ptr);
    return (struct str){path.ptr + at, path.len - at};
}

char *str_dup(struct str s)
{
    char *copy = malloc(s.len + 1);
    if (!copy)
        return NULL;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    return copy;
}

enum { MAX_WORD = 64 };

// Optimal string alignment: an insertion, a deletion, another letter, or two neighbours that
// changed places count 1 each; people type "rnu". Steps from a to b, where two neighbours that
// changed places are one step: the commonest slip of the fingers.
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_WORD + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            row[j] = MIN(MIN(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[m];
}

const char *nearest_word(const char *to, const char *const *words, size_t n)
{
    size_t len = strlen(to), best = SIZE_MAX;
    const char *nearest = NULL;
    if (len == 0 || len > MAX_WORD)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t m = words[i] ? strlen(words[i]) : 0;
        if (m == 0 || m > MAX_WORD)
            continue;
        size_t d = edit_distance(to, len, words[i], m);
        if (d < best) {
            best = d;
            nearest = words[i];
        }
    }
    return best <= 1 + len / 4 ? nearest : NULL;
}
