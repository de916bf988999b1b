// Which NAME=value pairs look like secrets: by the words in the name, or by the shape of the value.
// Who asks gets a reason and never the value. Shapes are those that issuers document: AWS access
// keys (AKIA, ASIA and 16 more), GitHub (gh?_, github_pat_), Slack (xox?-), Stripe (sk_live_), JWT
// (RFC 7519: three base64url parts, the first one begins "eyJ"), PEM private keys (RFC 7468), and
// passwords in URLs (RFC 3986, userinfo).
#include "base/base.h"

#include <ctype.h>
#include <strings.h>

enum { MIN_JWT = 32, MAX_SECRET_NAME = 256 };

// Is s[at…at+len) a word of its own in a name? Words are parted by anything but letters.
static bool is_word(struct str s, size_t at, size_t len)
{
    bool before = at == 0 || !isalpha((unsigned char)s.ptr[at - 1]);
    bool after = at + len == s.len || !isalpha((unsigned char)s.ptr[at + len]);
    return before && after;
}

static bool has_part(struct str name, const char *part, bool word)
{
    size_t len = strlen(part);
    for (size_t at = 0; at + len <= name.len; at++)
        if (strncasecmp(name.ptr + at, part, len) == 0 && (!word || is_word(name, at, len)))
            return true;
    return false;
}

// What a switch or a reference holds is no secret.
static bool plain_value(struct str value)
{
    static const char *const words[] = {"true", "false", "yes",  "no",       "on",
                                        "off",  "null",  "none", "disabled", "enabled"};
    bool digits = value.len > 0 && value.len <= 4; // a flag, a length, a port
    for (size_t i = 0; i < value.len && digits; i++)
        digits = isdigit((unsigned char)value.ptr[i]);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (value.len == strlen(words[i]) && strncasecmp(value.ptr, words[i], value.len) == 0)
            return true;
    return value.len == 0 || digits;
}

static const char *by_name(struct str name, struct str value)
{
    static const struct {
        const char *part;
        bool word; // only as a word of its own
        const char *why;
    } rows[] = {
        {"password", false, "its name says password"},
        {"passwd", false, "its name says password"},
        {"passphrase", false, "its name says passphrase"},
        {"pass", true, "its name says password"},
        {"pwd", true, "its name says password"},
        {"secret", false, "its name says secret"},
        {"credential", false, "its name says credential"},
        {"token", true, "its name says token"},
        {"apikey", false, "its name says key"},
        {"api_key", false, "its name says key"},
        {"api-key", false, "its name says key"},
        {"access_key", false, "its name says key"},
        {"private_key", false, "its name says key"},
        {"encryption_key", false, "its name says key"},
        {"signing_key", false, "its name says key"},
    };
    // The shell's working directory, and what names a place instead of holding the thing.
    if (str_eq(name, STR("PWD")) || str_eq(name, STR("OLDPWD")) || plain_value(value))
        return NULL;
    static const char *const places[] = {"file", "path", "dir", "url", "uri", "host", "name"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        size_t len = strlen(places[i]);
        if (name.len > len && !isalpha((unsigned char)name.ptr[name.len - len - 1]) &&
            strncasecmp(name.ptr + name.len - len, places[i], len) == 0)
            return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (has_part(name, rows[i].part, rows[i].word))
            return rows[i].why;
    return NULL;
}

// At least `least` letters and digits behind the first `skip` bytes.
static bool alnum_behind(struct str v, size_t skip, size_t least)
{
    size_t n = 0;
    while (skip + n < v.len && n < least &&
           (isalnum((unsigned char)v.ptr[skip + n]) || v.ptr[skip + n] == '_'))
        n++;
    return n >= least;
}

static bool is_jwt(struct str v)
{
    size_t dots = 0;
    if (v.len < MIN_JWT || !str_starts(v, STR("eyJ")))
        return false;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        dots += c == '.';
        if (!isalnum((unsigned char)c) && c != '-' && c != '_' && c != '.')
            return false;
    }
    return dots == 2;
}

// scheme://user:password@host
static bool has_userinfo(struct str v)
{
    size_t at = 0;
    while (at + 3 <= v.len && memcmp(v.ptr + at, "://", 3) != 0)
        at++;
    if (at == 0 || at + 3 > v.len)
        return false;
    size_t colon = 0;
    for (at += 3; at < v.len && v.ptr[at] != '/' && v.ptr[at] != '?'; at++) {
        if (v.ptr[at] == ':' && !colon)
            colon = at;
        if (v.ptr[at] == '@')
            return colon && at > colon + 1;
    }
    return false;
}

static const char *by_value(struct str v)
{
    static const struct {
        const char *prefix;
        size_t more;
        const char *why;
    } rows[] = {
        {"AKIA", 16, "its value looks like an AWS access key"},
        {"ASIA", 16, "its value looks like an AWS access key"},
        {"ghp_", 20, "its value looks like a GitHub token"},
        {"gho_", 20, "its value looks like a GitHub token"},
        {"ghs_", 20, "its value looks like a GitHub token"},
        {"github_pat_", 20, "its value looks like a GitHub token"},
        {"glpat-", 16, "its value looks like a GitLab token"},
        {"xoxb-", 10, "its value looks like a Slack token"},
        {"xoxp-", 10, "its value looks like a Slack token"},
        {"sk_live_", 16, "its value looks like a Stripe key"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_starts(v, str_of(rows[i].prefix)) &&
            alnum_behind(v, strlen(rows[i].prefix), rows[i].more))
            return rows[i].why;
    if (str_contains(v, STR("-----BEGIN ")) && str_contains(v, STR("PRIVATE KEY-----")))
        return "its value holds a private key";
    if (is_jwt(v))
        return "its value looks like a signed token (JWT)";
    if (has_userinfo(v))
        return "its value is an address with a password in it";
    return NULL;
}

const char *secret_reason(struct str name, struct str value)
{
    const char *why = name.len && name.len <= MAX_SECRET_NAME ? by_name(name, value) : NULL;
    return why ? why : by_value(value);
}
