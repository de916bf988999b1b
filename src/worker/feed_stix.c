// STIX 2.1 bundles, and TAXII's envelopes: each object is cut out and read by itself, so that a
// large bundle needs no more memory than its largest object.
#include "worker/feed.h"

static struct str string_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

static bool take_indicator(struct feed_reading *f, const json_t *o)
{
    struct str pattern = string_of(o, "pattern"), type = string_of(o, "pattern_type"),
               from = string_of(o, "valid_from"), until = string_of(o, "valid_until");
    const json_t *percent = json_object_get(o, "confidence");
    struct indicator *list, like = {.confidence = f->confidence, .label = string_of(o, "name")};
    const char *why = NULL;
    f->lines++;
    if (json_is_true(json_object_get(o, "revoked"))) {
        feed_skip(f, "revoked", like.label);
        return true;
    }
    if (type.len && !str_eq(type, STR("stix"))) {
        feed_skip(f, "pattern-type", type);
        return true;
    }
    if ((from.len && !feed_when(from, &like.valid_from)) ||
        (until.len && !feed_when(until, &like.valid_until))) {
        feed_skip(f, "date", until.len ? until : from);
        return true;
    }
    if (json_is_integer(percent) && json_integer_value(percent) >= 0 &&
        json_integer_value(percent) <= 100)
        like.confidence = (uint8_t)json_integer_value(percent);
    like.label.len = MIN(like.label.len, (size_t)MAX_INDICATOR_LABEL);
    struct arena *arena = arena_new(1 << 20);
    list = calloc(MAX_PATTERN_INDICATORS, sizeof(*list));
    if (!arena || !list)
        f->problem = "out of memory";
    int n =
        f->problem ? 0 : worker_parse_pattern(pattern, arena, list, MAX_PATTERN_INDICATORS, &why);
    if (why)
        feed_skip(f, why, pattern);
    bool going = !f->problem;
    for (int i = 0; going && i < n; i++) {
        list[i].confidence = like.confidence;
        list[i].label = like.label;
        list[i].valid_from = like.valid_from;
        list[i].valid_until = like.valid_until;
        going = feed_add(f, &list[i]);
    }
    free(list);
    arena_free(arena);
    return going;
}

static bool take_object(struct feed_reading *f, struct str text)
{
    if (text.len > MAX_STIX_OBJECT) {
        f->lines++;
        feed_skip(f, "too-long", text);
        return true;
    }
    json_t *o = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, NULL);
    bool going = true;
    if (!json_is_object(o)) {
        f->lines++;
        feed_skip(f, "not-json", text);
    } else if (str_eq(string_of(o, "type"), STR("indicator"))) {
        going = take_indicator(f, o);
    }
    json_decref(o);
    return going;
}

// Walks over the bytes of the document, knowing only strings and brackets.
struct walk {
    struct str bytes;
    size_t at;
    unsigned depth;
    uint64_t line;
};

// Behind the string that begins at w->at.
static void skip_string(struct walk *w)
{
    for (w->at++; w->at < w->bytes.len && w->bytes.ptr[w->at] != '"'; w->at++) {
        w->at += w->bytes.ptr[w->at] == '\\';
        w->line += w->at < w->bytes.len && w->bytes.ptr[w->at] == '\n';
    }
    w->at++;
}

// The value that begins at w->at with { or [, with all that is in it.
static struct str take_value(struct walk *w)
{
    size_t from = w->at, depth = 0;
    while (w->at < w->bytes.len) {
        char c = w->bytes.ptr[w->at];
        if (c == '"') {
            skip_string(w);
            continue;
        }
        w->line += c == '\n';
        w->at++;
        depth += c == '{' || c == '[';
        if ((c == '}' || c == ']') && --depth == 0)
            break;
    }
    w->at = MIN(w->at, w->bytes.len);
    return (struct str){w->bytes.ptr + from, w->at - from};
}

// The objects of an array; w->at stands behind its [.
static bool take_array(struct feed_reading *f, struct walk *w)
{
    while (w->at < w->bytes.len && w->bytes.ptr[w->at] != ']') {
        char c = w->bytes.ptr[w->at];
        if (c == '{') {
            f->line = w->line;
            if (!take_object(f, take_value(w)))
                return false;
        } else if (c == '"') {
            skip_string(w);
        } else if (c == '[') {
            take_value(w);
        } else {
            w->line += c == '\n';
            w->at++;
        }
    }
    return true;
}

// Finds "objects": [ in the root object. False: there is none.
static bool to_objects(struct walk *w)
{
    while (w->at < w->bytes.len) {
        char c = w->bytes.ptr[w->at];
        if (c == '{' || c == '[') {
            take_value(w);
            continue;
        }
        if (c != '"') {
            w->line += c == '\n';
            w->at++;
            continue;
        }
        size_t from = w->at;
        skip_string(w);
        bool it = w->at <= w->bytes.len && w->at - from == 9 &&
                  memcmp(w->bytes.ptr + from, "\"objects\"", 9) == 0;
        size_t after = w->at;
        while (it && after < w->bytes.len && memchr(" \t\r\n:", w->bytes.ptr[after], 5))
            after++;
        if (it && after < w->bytes.len && w->bytes.ptr[after] == '[') {
            w->at = after + 1;
            return true;
        }
    }
    return false;
}

void feed_read_stix(struct feed_reading *f, struct str bytes)
{
    struct walk w = {.bytes = bytes, .line = 1};
    while (w.at < bytes.len && memchr(" \t\r\n", bytes.ptr[w.at], 4)) {
        w.line += bytes.ptr[w.at] == '\n';
        w.at++;
    }
    if (w.at == bytes.len || (bytes.ptr[w.at] != '{' && bytes.ptr[w.at] != '[')) {
        f->problem = bytes.len ? "not JSON" : NULL;
        return;
    }
    if (bytes.ptr[w.at++] == '[') {
        take_array(f, &w);
        return;
    }
    if (to_objects(&w)) {
        take_array(f, &w);
        return;
    }
    // A single object.
    uint64_t before = f->lines;
    f->line = 1;
    if (take_object(f, feed_trim(bytes)) && f->lines == before)
        f->problem = "no STIX bundle, no list of objects and no indicator";
}
