// Printing for people: data to standard output, talk to standard error, everything that strangers
// wrote escaped.
#include "cli/internal.h"

#include <errno.h>

int write_out(const struct buf *b)
{
    if (b->failed)
        return -ENOMEM;
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(STDOUT_FILENO, b->ptr + at, b->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    return 0;
}

int print_out(const struct buf *b)
{
    int r = write_out(b);
    if (r == 0 || r == -EPIPE)
        return EXIT_WELL;
    complain("cannot write to standard output: %s", strerror(-r));
    return EXIT_CANNOT;
}

void print_escaped_lines(struct buf *out, struct str text, const char *indent)
{
    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t n = newline ? (size_t)(newline - text.ptr) : text.len;
        buf_text(out, indent);
        escape_text(out, (struct str){text.ptr, n});
        buf_char(out, '\n');
        n += newline ? 1 : 0;
        text = (struct str){text.ptr + n, text.len - n};
    }
}

void complain(const char *format, ...)
{
    _cleanup_buf_ struct buf out = {0};
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_escaped_lines(&out, str_of(text), "bulkhead: ");
    (void)!write(STDERR_FILENO, out.ptr ? out.ptr : "", out.len);
}

int exit_of_errno(int r)
{
    return r == -EINVAL || r == -EBADMSG || r == -EUCLEAN ? EXIT_FOUND : EXIT_CANNOT;
}

int fail_with(const struct error *err)
{
    complain("%s", err->message[0] ? err->message : strerror(-err->code));
    return exit_of_errno(err->code);
}

// Columns that a terminal takes for it, near enough: one a code point. The text is escaped, so it
// is valid UTF-8.
static size_t width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static char **new_row(struct table *t)
{
    if (t->rows == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 32;
        char **grown = reallocarray(t->cells, cap * t->columns, sizeof(*grown));
        if (!grown) {
            t->failed = true;
            return NULL;
        }
        t->cells = grown;
        t->cap = cap;
    }
    char **row = t->cells + t->rows++ * t->columns;
    memset(row, 0, t->columns * sizeof(*row));
    return row;
}

void table_row(struct table *t, const struct str *cells)
{
    char **row = t->failed ? NULL : new_row(t);
    for (size_t i = 0; row && i < t->columns; i++) {
        struct buf b = {0};
        escape_text(&b, cells[i].len ? cells[i] : STR("-"));
        row[i] = b.ptr;
        if (b.failed || !b.ptr)
            t->failed = true;
    }
}

void table_head(struct table *t, const char *const *names, size_t n)
{
    struct str cells[MAX_COLUMNS];
    t->columns = MIN(n, (size_t)MAX_COLUMNS);
    for (size_t i = 0; i < t->columns; i++)
        cells[i] = str_of(names[i]);
    table_row(t, cells);
}

void table_print(const struct table *t, struct buf *out, const char *indent, bool color)
{
    size_t widths[MAX_COLUMNS] = {0};
    if (t->failed) {
        out->failed = true;
        return;
    }
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->columns; c++)
            widths[c] = MAX(widths[c], width(t->cells[r * t->columns + c]));
    for (size_t r = 0; r < t->rows; r++) {
        buf_text(out, indent);
        buf_text(out, r == 0 && color ? "\033[1m" : "");
        for (size_t c = 0; c < t->columns; c++) {
            const char *cell = t->cells[r * t->columns + c];
            buf_text(out, cell);
            for (size_t w = width(cell); c + 1 < t->columns && w < widths[c] + 2; w++)
                buf_char(out, ' ');
        }
        buf_text(out, r == 0 && color ? "\033[0m\n" : "\n");
    }
}

void table_done(struct table *t)
{
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

struct str short_time(struct str iso, char out[32])
{
    if (iso.len != 30 || iso.ptr[19] != '.' || iso.ptr[29] != 'Z')
        return iso;
    memcpy(out, iso.ptr, 23);
    out[23] = 'Z';
    return (struct str){out, 24};
}

const char *cli_severity_color(struct str severity, bool color)
{
    static const struct {
        struct str name;
        const char *code;
    } colors[] = {
        {STR("Emergency"), "\033[1;31m"}, {STR("Alert"), "\033[1;31m"},
        {STR("Critical"), "\033[31m"},    {STR("Error"), "\033[31m"},
        {STR("Warning"), "\033[33m"},     {STR("Notice"), "\033[36m"},
    };
    for (size_t i = 0; color && i < ARRAY_SIZE(colors); i++)
        if (str_eq(colors[i].name, severity))
            return colors[i].code;
    return "";
}

const char *color_off(bool color)
{
    return color ? "\033[0m" : "";
}
