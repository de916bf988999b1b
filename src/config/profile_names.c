// What a profile's lines name, as keys that detect/profile compares, and as text that people write.
//
// What is volatile in a folder's name becomes *, by a rule that looks at the name alone, so that
// every machine and every run says the same, and so does what a person writes.
#include "config/internal.h"

enum { HEX_WORD = 8, RANDOM_WORD = 6 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_word(char c)
{
    return is_digit(c) || is_upper(c) || is_lower(c) || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Numbers; hexadecimal hashes; words in which letters and digits, or small and capital letters,
// take turns as no language has them.
static bool is_volatile(struct str word)
{
    size_t digits = 0, hex = 0, turns = 0, humps = 0;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i], before = i ? word.ptr[i - 1] : c;
        digits += is_digit(c);
        hex += is_hex(c);
        turns += is_digit(c) != is_digit(before);
        humps += is_upper(c) && is_lower(before);
    }
    if (digits == word.len)
        return true;
    if (word.len >= HEX_WORD && hex == word.len && digits)
        return true;
    return word.len >= RANDOM_WORD && (turns >= 2 || humps >= 3);
}

// 550e8400-e29b-41d4-a716-446655440000: how long the one that s begins with is, or 0.
static size_t uuid(struct str s)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const size_t len = sizeof(shape) - 1;
    if (s.len < len || (s.len > len && is_word(s.ptr[len])))
        return 0;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'x' ? !is_hex(s.ptr[i]) : s.ptr[i] != '-')
            return 0;
    return len;
}

static bool is_temporary(struct str component)
{
    static const char *const words[] = {"tmp", "temp", "Tmp", "Temp", "TMP", "TEMP"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_starts(component, str_of(words[i])) && component.len > strlen(words[i]) &&
            !is_word(component.ptr[strlen(words[i])]))
            return true;
    return false;
}

size_t profile_general(struct str c, char *out, size_t size)
{
    bool temporary = is_temporary(c);
    size_t n = 0, star = SIZE_MAX; // star: behind the last *, if only one separator followed
    for (size_t i = 0; i < c.len && n < size;) {
        size_t end = i, whole = uuid((struct str){c.ptr + i, c.len - i});
        while (end < c.len && is_word(c.ptr[end]))
            end++;
        if (whole) {
            end = i + whole;
        } else if (end == i) {
            if (c.ptr[i] != '*') {
                out[n++] = c.ptr[i++];
                continue;
            }
            end = i + 1;
        } else if (!is_volatile((struct str){c.ptr + i, end - i}) && !(temporary && i > 0)) {
            while (i < end && n < size)
                out[n++] = c.ptr[i++];
            continue;
        }
        // 2026-11-24, a UUID: one *, not five.
        if (star != SIZE_MAX && n - star <= 1)
            n = star;
        else
            out[n++] = '*';
        star = n;
        i = end;
    }
    return n;
}

size_t profile_folder_key(struct str path, bool writes, char out[PROFILE_MAX_KEY])
{
    size_t n = 0;
    unsigned depth = 1;
    out[n++] = writes ? 'w' : 'r';
    for (size_t i = 0; i < path.len;) {
        i += path.ptr[i] == '/';
        const char *slash = i < path.len ? memchr(path.ptr + i, '/', path.len - i) : NULL;
        size_t len = slash ? (size_t)(slash - path.ptr) - i : path.len - i;
        if (len == 0)
            continue;
        struct str part = {path.ptr + i, len};
        bool all = str_eq(part, STR("**")) && i + len == path.len;
        // Too deep or too long: what is below the last folder that fits is one thing.
        if (all || ++depth > PROFILE_MAX_DEPTH || n + 1 + len + 3 > PROFILE_MAX_KEY) {
            memcpy(out + n, "/**", 3);
            return n + 3;
        }
        out[n++] = '/';
        n += profile_general(part, out + n, PROFILE_MAX_KEY - n);
        i += len;
    }
    return n;
}
