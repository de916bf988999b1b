// One escape function for each sink. Input is bytes of strangers.
#include "base/base.h"

// Length of the valid UTF-8 sequence at s[at] (1..4) and its code point, or 0 if it is not one (RFC
// 3629).
static unsigned utf8(struct str s, size_t at, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)s.ptr + at;
    size_t left = s.len - at;
    unsigned n = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;
    if (n == 0 || n > left)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
        (n == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 0;
    *ret = c;
    return n;
}

// Controls, and characters that change how their neighbours look or are not seen at all.
static bool hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

void escape_json(struct buf *b, struct str s)
{
    static const char *const named[0x60] = {
        ['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\"};
    size_t plain = 0, i = 0;
    while (i < s.len) {
        uint32_t c;
        unsigned n = utf8(s, i, &c);
        if (n && c != '"' && c != '\\' && !hidden(c)) {
            i += n;
            continue;
        }
        buf_add(b, s.ptr + plain, i - plain);
        if (!n)
            buf_text(b, "\xef\xbf\xbd");
        else if (c < ARRAY_SIZE(named) && named[c])
            buf_text(b, named[c]);
        else if (c < 0x10000)
            buf_printf(b, "\\u%04x", c);
        else // a surrogate pair
            buf_printf(b, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
        plain = i += n ? n : 1;
    }
    if (s.len > plain)
        buf_add(b, s.ptr + plain, s.len - plain);
}

void escape_text(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t c;
        unsigned n = utf8(s, i, &c);
        if (!n)
            buf_printf(b, "\\x%02x", (unsigned char)s.ptr[i]);
        else if (c == '\\')
            buf_text(b, "\\\\");
        else if (c == '\n')
            buf_text(b, "\\n");
        else if (c == '\t')
            buf_text(b, "\\t");
        else if (hidden(c) && c < 0x100)
            buf_printf(b, "\\x%02x", c);
        else if (hidden(c))
            buf_printf(b, "\\u{%x}", c);
        else
            buf_add(b, s.ptr + i, n);
        i += n ? n : 1;
    }
}

void escape_csv(struct buf *b, struct str s)
{
    _cleanup_buf_ struct buf shown = {0};
    escape_text(&shown, s);
    struct str v = buf_view(&shown);
    bool formula = v.len && strchr("=+-@", v.ptr[0]);
    buf_char(b, '"');
    if (formula)
        buf_char(b, '\'');
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] == '"')
            buf_char(b, '"');
        buf_char(b, v.ptr[i]);
    }
    buf_char(b, '"');
}

void escape_html(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.len;) {
        uint32_t c;
        unsigned n = utf8(s, i, &c);
        if (!n || (hidden(c) && c != '\n' && c != '\t'))
            buf_text(b, "&#xFFFD;");
        else if (c == '&')
            buf_text(b, "&amp;");
        else if (c == '<')
            buf_text(b, "&lt;");
        else if (c == '>')
            buf_text(b, "&gt;");
        else if (c == '"')
            buf_text(b, "&quot;");
        else if (c == '\'')
            buf_text(b, "&#39;");
        else
            buf_add(b, s.ptr + i, n);
        i += n ? n : 1;
    }
}
