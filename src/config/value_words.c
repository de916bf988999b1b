// Words out of a few, severities, free text and globs.
#include "config/internal.h"

const char *hint_nearest(char *out, size_t size, const char *to, const char *const *words, size_t n,
                         const char *all)
{
    const char *near = nearest_word(to, words, n);
    if (near) {
        snprintf(out, size, "did you mean '%s'?", near);
        return out;
    }
    size_t at = 0;
    for (size_t i = 0; i < n && at < size; i++) {
        int w = snprintf(out + at, size - at, "%s%s", i ? ", " : all, words[i]);
        at += w > 0 ? (size_t)w : 0;
    }
    return out;
}

static size_t count_of(const char *const *words)
{
    size_t n = 0;
    while (words[n])
        n++;
    return n;
}

static void wrong_word(struct reading *r, const struct key *k, const struct yaml *y,
                       const char *const *words, size_t n)
{
    char hint[256] = "", word[65];
    snprintf(word, sizeof(word), STR_FMT, STR_ARG(value_shown(y->scalar)));
    read_error(r, y, "BH208", hint_nearest(hint, sizeof(hint), word, words, n, "one of: "),
               "'%s' cannot be '%s'", k->name, word);
}

// Stored by index: as an enum, or as a bool where there are two words.
static void choice_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_scalar(r, k, y, k->choices[0]))
        return;
    for (unsigned i = 0; k->choices[i]; i++)
        if (str_eq(y->scalar, str_of(k->choices[i]))) {
            if (k->boolean)
                *(bool *)at = i != 0;
            else
                *(unsigned *)at = i;
            return;
        }
    wrong_word(r, k, y, k->choices, count_of(k->choices));
}

static unsigned choice_of(const struct key *k, const void *at)
{
    return k->boolean ? *(const bool *)at : *(const unsigned *)at;
}

static void choice_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    buf_text(out, k->choices[choice_of(k, at)]);
    buf_char(out, '\n');
}

static void choice_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_key(j, "enum");
    json_array(j);
    for (unsigned i = 0; k->choices[i]; i++)
        json_cstr(j, k->choices[i]);
    json_array_end(j);
    if (defaults)
        json_kcstr(j, "default", k->choices[choice_of(k, defaults)]);
}

const struct value_type value_choice = {choice_read, choice_print, choice_schema};

static void severity_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_scalar(r, k, y, "Notice"))
        return;
    int s = severity_parse(y->scalar);
    if (s >= 0) {
        *(enum severity *)at = (enum severity)s;
        return;
    }
    const char *names[SEVERITY_MAX];
    for (int i = 0; i < SEVERITY_MAX; i++)
        names[i] = severity_name((enum severity)i);
    wrong_word(r, k, y, names, SEVERITY_MAX);
}

static void severity_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    buf_text(out, severity_name(*(const enum severity *)at));
    buf_char(out, '\n');
}

static void severity_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_key(j, "enum");
    json_array(j);
    for (int i = 0; i < SEVERITY_MAX; i++)
        json_cstr(j, severity_name((enum severity)i));
    json_array_end(j);
    if (defaults)
        json_kcstr(j, "default", severity_name(*(const enum severity *)defaults));
}

const struct value_type value_severity = {severity_read, severity_print, severity_schema};

// ── text ─────────────────────────────────────────────────────────────────────────────────────

bool value_read_text(struct reading *r, const struct key *k, const struct yaml *y, size_t max,
                     struct str *ret)
{
    if (!value_want_scalar(r, k, y, "text"))
        return false;
    if (y->scalar.len == 0) {
        read_error(r, y, "BH208", "leave the key out if there is nothing to say", "'%s' is empty",
                   k->name);
        return false;
    }
    if (y->scalar.len > max) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %zu bytes", k->name, max);
        return false;
    }
    if (memchr(y->scalar.ptr, 0, y->scalar.len)) {
        read_error(r, y, "BH208", NULL, "'%s' has a NUL byte in it", k->name);
        return false;
    }
    struct str copy = arena_str(r->arena, y->scalar);
    if (!copy.ptr) {
        read_error(r, y, "BH004", NULL, "out of memory");
        return false;
    }
    *ret = copy;
    return true;
}

static void text_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    value_read_text(r, k, y, MAX_TEXT, at);
}

static void text_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    print_text(out, *(const struct str *)at);
    buf_char(out, '\n');
}

static void text_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "string");
    json_ku64(j, "minLength", 1);
    json_ku64(j, "maxLength", MAX_TEXT);
}

const struct value_type value_text = {text_read, text_print, text_schema};

// A [ without its ] matches itself, as in fnmatch; that is nearly always a slip.
static void glob_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    struct str s;
    if (!value_read_text(r, k, y, MAX_TEXT, &s))
        return;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '[' && !memchr(s.ptr + i, ']', s.len - i)) {
            read_error(r, y, "BH208", "write \\[ for the character itself",
                       "'%s' has a [ without its ]", k->name);
            return;
        }
    *(struct str *)at = s;
}

const struct value_type value_glob = {glob_read, text_print, text_schema};
