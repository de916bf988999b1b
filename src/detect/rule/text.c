// Text that remembers where each of its bytes came from, so that an error inside a macro's folded
// block points at the source line; and the report that turns a place into a diagnostic.
#include "detect/rule/internal.h"

void text_done(struct text *t)
{
    free(t->ptr);
    free(t->at);
    *t = (struct text){0};
}

static bool reserve(struct text *t, size_t more)
{
    if (t->failed || more > MAX_CONDITION_BYTES || t->len + more > MAX_CONDITION_BYTES) {
        t->failed = true;
        return false;
    }
    if (t->len + more + 1 <= t->cap)
        return true;
    size_t cap = MAX(t->len + more + 1, t->cap + t->cap / 2 + 64);
    char *ptr = realloc(t->ptr, cap);
    if (ptr)
        t->ptr = ptr;
    struct place *at = realloc(t->at, cap * sizeof(*at));
    if (at)
        t->at = at;
    if (!ptr || !at) {
        t->failed = true;
        return false;
    }
    t->cap = cap;
    return true;
}

void text_add(struct text *t, struct str s, const struct place *at)
{
    if (!reserve(t, s.len))
        return;
    if (s.len) {
        memcpy(t->ptr + t->len, s.ptr, s.len);
        memcpy(t->at + t->len, at, s.len * sizeof(*at));
    }
    t->len += s.len;
    t->ptr[t->len] = 0;
}

void text_put(struct text *t, struct str s, struct place at)
{
    if (!reserve(t, s.len))
        return;
    for (size_t i = 0; i < s.len; i++) {
        t->ptr[t->len] = s.ptr[i];
        t->at[t->len++] = at;
    }
    t->ptr[t->len] = 0;
}

void text_copy(struct text *t, const struct text *from)
{
    if (from->failed)
        t->failed = true;
    else if (from->len)
        text_add(t, (struct str){from->ptr, from->len}, from->at);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// A walk over the source beside the scalar: folding and indentation only change blanks, so that the
// n-th other byte of the scalar is the n-th other byte of the source, quotes' escapes aside.
struct walk {
    struct str source;
    size_t at;
    struct place place;
};

static void step(struct walk *w)
{
    if (w->source.ptr[w->at] == '\n') {
        w->place.line++;
        w->place.column = 1;
    } else if (w->place.column < UINT16_MAX &&
               ((unsigned char)w->source.ptr[w->at] & 0xc0) != 0x80) {
        // columns count characters, as libyaml's do
        w->place.column++;
    }
    w->at++;
}

static bool find_line(struct walk *w, unsigned line, unsigned column)
{
    w->place.line = 1;
    w->place.column = 1;
    for (; w->place.line < line; w->at++) {
        const char *nl = w->at < w->source.len
                             ? memchr(w->source.ptr + w->at, '\n', w->source.len - w->at)
                             : NULL;
        if (!nl)
            return false;
        w->at = (size_t)(nl - w->source.ptr);
        w->place.line++;
    }
    while (w->place.column < column && w->at < w->source.len && w->source.ptr[w->at] != '\n')
        step(w);
    return true;
}

void text_yaml(struct text *t, const struct yaml *y, struct str source, uint16_t file)
{
    struct walk w = {.source = source, .place = {.file = file}};
    bool found = find_line(&w, y->block ? y->text_line : y->line, y->block ? 1 : y->column);
    if (found && y->quoted && !y->block && w.at < source.len)
        step(&w); // the opening quote
    struct place last =
        found ? w.place
              : (struct place){y->line, (uint16_t)MIN(y->column, (unsigned)UINT16_MAX), file};
    for (size_t i = 0; i < y->scalar.len; i++) {
        char c = y->scalar.ptr[i];
        if (found && !blank(c)) {
            while (w.at < source.len && blank(source.ptr[w.at]))
                step(&w);
            if (w.at < source.len && source.ptr[w.at] != c && source.ptr[w.at] == '\\')
                step(&w);
            if (w.at < source.len) {
                last = w.place;
                bool doubled = y->quoted && c == '\'' && source.ptr[w.at] == c &&
                               w.at + 1 < source.len && source.ptr[w.at + 1] == c;
                step(&w);
                if (doubled)
                    step(&w);
            }
        }
        text_put(t, (struct str){&c, 1}, last);
    }
}

void report_at(const struct report *r, enum diag_severity severity, struct place at,
               const char *code, const char *hint, const char *format, ...)
{
    char name[4096], message[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    if (r->sources && at.file < r->sources_n)
        snprintf(name, sizeof(name), STR_FMT, STR_ARG(r->sources[at.file].name));
    else
        snprintf(name, sizeof(name), "%s", r->expression_name ? r->expression_name : "");
    diag_add(r->diags, severity, name, at.line, at.column, code, hint, "%s", message);
}
