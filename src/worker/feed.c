// A feed's bytes → indicators and a summary. The format is what the document says, or found from
// the content; a table of readers does the rest.
#include "worker/feed.h"

enum { PART_BYTES = MAX_WORKER_REPLY - MAX_INDICATOR_SIZE };

static const struct feed_format_row {
    const char *name;
    void (*read)(struct feed_reading *f, struct str bytes);
} readers[] = {
    {"plain", feed_read_plain},
    {"cidr", feed_read_cidr},
    {"csv", feed_read_csv},
    {"stix", feed_read_stix},
};

// What is a slip of the feed's. The rest is well written and not used here.
static const char *const errors[] = {
    "not-an-indicator", "ambiguous-address", "too-long", "too-broad",      "empty",
    "columns",          "not-json",          "date",     "pattern-syntax", "range",
};

bool feed_is_error(const char *reason)
{
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        if (strcmp(errors[i], reason) == 0)
            return true;
    return false;
}

void feed_skip(struct feed_reading *f, const char *reason, struct str text)
{
    size_t i = 0;
    while (i < f->skipped_n && strcmp(f->skipped[i].reason, reason) != 0)
        i++;
    if (i == f->skipped_n && i < MAX_SKIP_REASONS)
        f->skipped[f->skipped_n++].reason = reason;
    if (i < MAX_SKIP_REASONS)
        f->skipped[i].count++;
    f->errors += feed_is_error(reason);
    f->broad += strcmp(reason, "too-broad") == 0;
    if (f->samples_n == MAX_SKIP_SAMPLES)
        return;
    struct feed_sample *s = &f->samples[f->samples_n++];
    s->line = f->line;
    s->reason = reason;
    s->len = MIN(text.len, sizeof(s->text));
    if (s->len)
        memcpy(s->text, text.ptr, s->len);
}

static bool flush(struct feed_reading *f)
{
    if (f->out.failed)
        f->problem = "out of memory";
    else if (f->out.len && !f->part(f->ctx, buf_view(&f->out)))
        f->problem = "nobody takes the indicators";
    buf_reset(&f->out);
    return !f->problem;
}

bool feed_add(struct feed_reading *f, struct indicator *i)
{
    if (f->indicators >= MAX_FEED_INDICATORS) {
        f->problem = "more than 250000 indicators in one file";
        return false;
    }
    if (!i->valid_until)
        i->valid_until = f->until;
    indicator_pack(i, &f->out);
    f->indicators++;
    f->types[i->type]++;
    f->urls += (i->flags & BH_INDICATOR_URL) != 0;
    return f->out.len < PART_BYTES || flush(f);
}

bool feed_value(struct feed_reading *f, struct str text, struct indicator *like)
{
    struct indicator i;
    char store[MAX_INDICATOR_VALUE + 1];
    const char *why = indicator_parse(text, &i, store);
    if (why) {
        feed_skip(f, why, text);
        return true;
    }
    i.confidence = like ? like->confidence : f->confidence;
    i.label = like ? like->label : STR_NULL;
    i.valid_from = like ? like->valid_from : 0;
    i.valid_until = like ? like->valid_until : 0;
    return feed_add(f, &i);
}

// ── lines and dates ──────────────────────────────────────────────────────────────────────────

bool feed_line(struct str bytes, size_t *at, struct str *ret)
{
    if (*at >= bytes.len)
        return false;
    const char *from = bytes.ptr + *at, *end = memchr(from, '\n', bytes.len - *at);
    size_t n = end ? (size_t)(end - from) : bytes.len - *at;
    *at += n + (end != NULL);
    *ret = (struct str){from, n};
    return true;
}

struct str feed_trim(struct str s)
{
    static const char spaces[] = " \t\r\v\f";
    while (s.len && (memchr(spaces, s.ptr[0], sizeof(spaces) - 1) || s.ptr[0] == '\n'))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len &&
           (memchr(spaces, s.ptr[s.len - 1], sizeof(spaces) - 1) || s.ptr[s.len - 1] == '\n'))
        s.len--;
    return s;
}

bool feed_is_comment(struct str line)
{
    return line.len && (line.ptr[0] == '#' || line.ptr[0] == ';' || line.ptr[0] == '!' ||
                        str_starts(line, STR("//")));
}

static bool digits(struct str s, size_t at, size_t n, int *ret)
{
    int v = 0;
    if (at + n > s.len)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = v;
    return true;
}

// Days since 1970 of a day of the Gregorian calendar. (timegm() may read the time zone's files,
// which the sandbox forbids.)
static uint64_t days(int year, int month, int day)
{
    unsigned y = (unsigned)year - (month <= 2), era_year = y % 400, era = y / 400;
    unsigned of_year =
        (153 * ((unsigned)month + (month > 2 ? -3u : 9u)) + 2) / 5 + (unsigned)day - 1;
    unsigned of_era = era_year * 365 + era_year / 4 - era_year / 100 + of_year;
    return (uint64_t)era * 146097 + of_era - 719468;
}

bool feed_when(struct str s, uint64_t *ret)
{
    enum { MAX_SECONDS_DIGITS = 10 };
    int year, month, day, hour = 0, minute = 0, second = 0;
    s = feed_trim(s);
    uint64_t seconds, rest = 0;
    if (s.len <= MAX_SECONDS_DIGITS && parse_u64(s, &seconds) == 0) {
        *ret = seconds * NSEC_PER_SEC;
        return true;
    }
    if (!digits(s, 0, 4, &year) || !digits(s, 5, 2, &month) || !digits(s, 8, 2, &day) ||
        s.ptr[4] != '-' || s.ptr[7] != '-')
        return false;
    if (s.len > 10) {
        if ((s.ptr[10] != ' ' && s.ptr[10] != 'T') || !digits(s, 11, 2, &hour) ||
            !digits(s, 14, 2, &minute) || !digits(s, 17, 2, &second) || s.ptr[13] != ':' ||
            s.ptr[16] != ':')
            return false;
        size_t at = 19;
        if (at < s.len && s.ptr[at] == '.') {
            uint64_t unit = NSEC_PER_SEC;
            for (at++; at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9' && unit > 1; at++) {
                unit /= 10;
                rest += unit * (uint64_t)(s.ptr[at] - '0');
            }
        }
        struct str zone = {s.ptr + at, s.len - at};
        if (zone.len && !str_eq(zone, STR("Z")) && !str_eq(zone, STR(" UTC")) &&
            !str_eq(zone, STR("+00:00")))
            return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 ||
        year < 1970 || year > 2500)
        return false;
    seconds = days(year, month, day) * 86400 + (uint64_t)hour * 3600 + (uint64_t)minute * 60 +
              (uint64_t)second;
    *ret = seconds * NSEC_PER_SEC + rest;
    return true;
}

// ── which format ─────────────────────────────────────────────────────────────────────────────

static struct str without_mark(struct str s)
{
    return str_starts(s, STR("\xef\xbb\xbf")) ? (struct str){s.ptr + 3, s.len - 3} : s;
}

static size_t count_byte(struct str s, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == c;
    return n;
}

// JSON that begins and goes on over lines is a bundle; an object a line is a list of those.
static const char *found_json(struct str bytes)
{
    struct str line;
    size_t at = 0;
    if (!feed_line(bytes, &at, &line))
        return "stix";
    json_t *first = json_loadb(line.ptr, MIN(line.len, (size_t)MAX_FEED_LINE), 0, NULL);
    const char *type = json_string_value(json_object_get(first, "type"));
    bool list = json_is_object(first) && !json_object_get(first, "objects") &&
                !(type && strcmp(type, "indicator") == 0);
    json_decref(first);
    return list ? "plain" : "stix";
}

static const char *found_format(struct str bytes)
{
    struct str line;
    for (size_t at = 0; feed_line(bytes, &at, &line);) {
        line = feed_trim(line);
        if (!line.len || feed_is_comment(line))
            continue;
        if (line.ptr[0] == '{' || line.ptr[0] == '[') {
            bool address = line.ptr[0] == '[' && memchr(line.ptr, ']', line.len) &&
                           memchr(line.ptr, ':', line.len) && !memchr(line.ptr, '"', line.len);
            return address ? "plain"
                           : found_json((struct str){line.ptr,
                                                     (size_t)(bytes.ptr + bytes.len - line.ptr)});
        }
        return line.ptr[0] == '"' || count_byte(line, ',') >= 1 ? "csv" : "plain";
    }
    return "plain"; // nothing but comments
}

// ── the whole ────────────────────────────────────────────────────────────────────────────────

static void summary(const struct feed_reading *f, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_kcstr(&j, "source", "feed");
    json_kcstr(&j, "problem", f->problem ? f->problem : "");
    json_kcstr(&j, "format", f->format);
    json_ku64(&j, "lines", f->lines);
    json_ku64(&j, "indicators", f->indicators);
    json_ku64(&j, "errors", f->errors);
    json_ku64(&j, "broad", f->broad);
    json_ku64(&j, "urls", f->urls);
    json_key(&j, "types");
    json_object(&j);
    for (int t = 1; t < INDICATOR_TYPE_MAX; t++)
        json_ku64(&j, indicator_type_name((enum indicator_type)t), f->types[t]);
    json_object_end(&j);
    json_key(&j, "skipped");
    json_object(&j);
    for (size_t i = 0; i < f->skipped_n; i++)
        json_ku64(&j, f->skipped[i].reason, f->skipped[i].count);
    json_object_end(&j);
    json_key(&j, "samples");
    json_array(&j);
    for (size_t i = 0; i < f->samples_n; i++) {
        json_object(&j);
        json_ku64(&j, "line", f->samples[i].line);
        json_kcstr(&j, "reason", f->samples[i].reason);
        json_kstr(&j, "text", (struct str){f->samples[i].text, f->samples[i].len});
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

void worker_parse_feed(struct str bytes, struct str args, worker_part part, void *ctx,
                       struct buf *out)
{
    struct feed_reading *f = calloc(1, sizeof(*f));
    if (!f)
        return; // no answer: the parent says so
    f->part = part;
    f->ctx = ctx;
    f->args = args.len ? json_loadb(args.ptr, args.len, 0, NULL) : NULL;
    const char *format = json_string_value(json_object_get(f->args, "format"));
    const json_t *confidence = json_object_get(f->args, "confidence");
    json_int_t percent = json_is_integer(confidence) ? json_integer_value(confidence) : 75;
    f->confidence = (uint8_t)MAX(0, MIN(percent, 100));
    f->until = (uint64_t)json_integer_value(json_object_get(f->args, "until"));
    bytes = without_mark(bytes);
    size_t r = 0;
    while (r < ARRAY_SIZE(readers) && !(format && strcmp(format, readers[r].name) == 0))
        r++;
    if (r == ARRAY_SIZE(readers)) {
        format = found_format(bytes);
        for (r = 0; strcmp(format, readers[r].name) != 0;)
            r++;
    }
    f->format = readers[r].name;
    if (bytes.len > MAX_FEED_BYTES)
        f->problem = "larger than 32 MiB";
    else
        readers[r].read(f, bytes);
    if (!f->problem)
        flush(f);
    summary(f, out);
    json_decref(f->args);
    buf_done(&f->out);
    free(f);
}
