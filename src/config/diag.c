// Diagnostics: kept as they come, shown with the line they are about, escaped for terminals.
#include "config/internal.h"

enum { MAX_SNIPPET_BYTES = 4096, SNIPPET_BEFORE = 60, SNIPPET_WIDTH = 120 };

void diag_list_done(struct diag_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->list[i].file);
        free(l->list[i].message);
        free(l->list[i].hint);
        free(l->list[i].snippet);
    }
    free(l->list);
    *l = (struct diag_list){0};
}

void diag_add(struct diag_list *l, enum diag_severity severity, const char *file, unsigned line,
              unsigned column, const char *code, const char *hint, const char *format, ...)
{
    if (severity == DIAG_ERROR)
        l->errors++;
    if (l->n >= MAX_DIAGS) {
        l->dropped++;
        return;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct diag *grown = reallocarray(l->list, cap, sizeof(*grown));
        if (!grown) {
            l->dropped++;
            return;
        }
        l->list = grown;
        l->cap = cap;
    }
    char *message = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    va_end(args);
    l->list[l->n++] = (struct diag){
        .severity = severity,
        .file = file ? strdup(file) : NULL,
        .line = line,
        .column = column,
        .code = code,
        .message = message,
        .hint = hint && *hint ? strdup(hint) : NULL,
    };
}

static struct str line_of(struct str text, unsigned line)
{
    size_t at = 0;
    for (unsigned l = 1; l < line; l++) {
        const char *end = at < text.len ? memchr(text.ptr + at, '\n', text.len - at) : NULL;
        if (!end)
            return STR_NULL;
        at = (size_t)(end - text.ptr) + 1;
    }
    if (at >= text.len)
        return STR_NULL;
    const char *end = memchr(text.ptr + at, '\n', text.len - at);
    struct str s = {text.ptr + at, (end ? (size_t)(end - text.ptr) : text.len) - at};
    if (s.len && s.ptr[s.len - 1] == '\r')
        s.len--;
    return s;
}

void diag_snippets(struct diag_list *l, const char *file, struct str text)
{
    for (size_t i = 0; i < l->n; i++) {
        struct diag *d = &l->list[i];
        if (d->snippet || d->line == 0 || !d->file || strcmp(d->file, file) != 0)
            continue;
        struct str s = line_of(text, d->line);
        // A snippet is a C string: what lies behind a NUL is not shown.
        const char *nul = s.len ? memchr(s.ptr, 0, s.len) : NULL;
        if (nul)
            s.len = (size_t)(nul - s.ptr);
        s.len = MIN(s.len, (size_t)MAX_SNIPPET_BYTES);
        if (s.len)
            d->snippet = str_dup(s);
    }
}

unsigned utf8_len(struct str s, size_t at)
{
    const uint8_t *p = (const uint8_t *)s.ptr + at;
    size_t left = s.len - at;
    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    unsigned n = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (n == 0 || n > left || p[0] >= 0xf5)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return n;
}

// Byte offset of the character number `column` (from 1); the string's length where it ends before.
static size_t offset_of(struct str s, unsigned column)
{
    size_t at = 0;
    for (unsigned c = 1; c < column && at < s.len; c++) {
        unsigned n = utf8_len(s, at);
        at += n ? n : 1;
    }
    return at;
}

static unsigned width_of(struct str s)
{
    unsigned width = 0;
    for (size_t at = 0; at < s.len; width++) {
        unsigned n = utf8_len(s, at);
        at += n ? n : 1;
    }
    return width;
}

// The line, or of a long one the part around the place, and a caret below the place.
static void snippet_text(const struct diag *d, struct buf *out)
{
    struct str s = str_of(d->snippet);
    unsigned column = d->column ? d->column : 1;
    size_t from = column > SNIPPET_BEFORE * 2 ? offset_of(s, column - SNIPPET_BEFORE) : 0;
    size_t place = offset_of(s, column);
    struct str before = {s.ptr + from, place - from}, after = {s.ptr + place, s.len - place};
    after.len = offset_of(after, SNIPPET_WIDTH);
    _cleanup_buf_ struct buf shown = {0};
    if (from)
        buf_text(&shown, "…");
    escape_text(&shown, before);
    unsigned indent = width_of(buf_view(&shown));
    escape_text(&shown, after);
    if (place + after.len < s.len)
        buf_text(&shown, "…");
    buf_text(out, "    ");
    buf_str(out, buf_view(&shown));
    buf_printf(out, "\n    %*s^\n", (int)indent, "");
}

static void one_text(const struct diag *d, struct buf *out)
{
    if (d->file) {
        escape_text(out, str_of(d->file));
        if (d->line) {
            buf_printf(out, ":%u", d->line);
            if (d->column)
                buf_printf(out, ":%u", d->column);
        }
        buf_text(out, ": ");
    }
    buf_text(out, d->severity == DIAG_ERROR ? "error: " : "warning: ");
    escape_text(out, str_of(d->message ? d->message : "(out of memory)"));
    buf_printf(out, " [%s]\n", d->code);
    if (d->snippet)
        snippet_text(d, out);
    if (d->hint) {
        buf_text(out, "    hint: ");
        escape_text(out, str_of(d->hint));
        buf_char(out, '\n');
    }
}

void diag_text(const struct diag_list *l, struct buf *out)
{
    for (size_t i = 0; i < l->n; i++)
        one_text(&l->list[i], out);
    if (l->dropped)
        buf_printf(out, "and %zu more that are not shown\n", l->dropped);
}

void diag_json(const struct diag_list *l, struct json *j)
{
    json_array(j);
    for (size_t i = 0; i < l->n; i++) {
        const struct diag *d = &l->list[i];
        json_object(j);
        json_kcstr(j, "severity", d->severity == DIAG_ERROR ? "error" : "warning");
        json_kcstr(j, "code", d->code);
        json_kcstr(j, "file", d->file);
        json_ku64(j, "line", d->line);
        json_ku64(j, "column", d->column);
        json_kcstr(j, "message", d->message ? d->message : "(out of memory)");
        json_kcstr(j, "hint", d->hint);
        json_kcstr(j, "snippet", d->snippet);
        json_object_end(j);
    }
    json_array_end(j);
}
