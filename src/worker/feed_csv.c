// Comma-separated feeds: which columns hold what (named by the document, or by a head line, or by
// the comment that stands for one), then a row an indicator or more.
#include "worker/feed.h"

#include <strings.h>

enum role { ROLE_NONE, ROLE_VALUE, ROLE_TYPE, ROLE_CONFIDENCE, ROLE_FROM, ROLE_UNTIL, ROLE_LABEL };

// What common feeds call their columns. last_seen is no end: a feed that says when it saw something
// last does not say that it is over.
static const struct {
    const char *name;
    enum role role;
} known[] = {
    {"ioc_value", ROLE_VALUE},
    {"indicator", ROLE_VALUE},
    {"ioc", ROLE_VALUE},
    {"value", ROLE_VALUE},
    {"dst_ip", ROLE_VALUE},
    {"dstip", ROLE_VALUE},
    {"ip", ROLE_VALUE},
    {"ip_address", ROLE_VALUE},
    {"ipaddress", ROLE_VALUE},
    {"address", ROLE_VALUE},
    {"cidr", ROLE_VALUE},
    {"network", ROLE_VALUE},
    {"url", ROLE_VALUE},
    {"domain", ROLE_VALUE},
    {"hostname", ROLE_VALUE},
    {"host", ROLE_VALUE},
    {"sha256", ROLE_VALUE},
    {"sha256_hash", ROLE_VALUE},
    {"sha1", ROLE_VALUE},
    {"sha1_hash", ROLE_VALUE},
    {"md5", ROLE_VALUE},
    {"md5_hash", ROLE_VALUE},
    {"ioc_type", ROLE_TYPE},
    {"indicator_type", ROLE_TYPE},
    {"type", ROLE_TYPE},
    {"confidence_level", ROLE_CONFIDENCE},
    {"confidence", ROLE_CONFIDENCE},
    {"first_seen_utc", ROLE_FROM},
    {"first_seen", ROLE_FROM},
    {"dateadded", ROLE_FROM},
    {"date_added", ROLE_FROM},
    {"valid_from", ROLE_FROM},
    {"valid_until", ROLE_UNTIL},
    {"expires", ROLE_UNTIL},
    {"expiration", ROLE_UNTIL},
    {"malware_printable", ROLE_LABEL},
    {"malware", ROLE_LABEL},
    {"signature", ROLE_LABEL},
    {"threat", ROLE_LABEL},
    {"description", ROLE_LABEL},
};

// What feeds call the types that are used here, by their beginning.
static const char *const used_types[] = {
    "ip",     "url",  "uri",  "domain",   "host",      "fqdn", "md5", "sha1",
    "sha256", "sha-", "hash", "filehash", "file_hash", "cidr", "net", "addr"};

static const struct {
    const char *key;
    enum role role;
} named[] = {{"value", ROLE_VALUE},    {"type", ROLE_TYPE},        {"confidence", ROLE_CONFIDENCE},
             {"validFrom", ROLE_FROM}, {"validUntil", ROLE_UNTIL}, {"label", ROLE_LABEL}};

struct csv_row {
    struct str cells[MAX_COLUMNS];
    size_t n;
    struct buf text; // cells whose quotes were taken out
    bool broken;
};
struct columns {
    enum role roles[MAX_COLUMNS];
    size_t n;     // columns of the head; 0: none
    size_t least; // columns that a row must have
};

// A row at *at; it may go over lines within quotes. RFC 4180, and a blank before a quote.
static bool next_row(struct str bytes, size_t *at, struct csv_row *r, uint64_t *line)
{
    struct {
        size_t off, len;
    } in_text[MAX_COLUMNS];
    bool taken[MAX_COLUMNS] = {0};
    buf_reset(&r->text);
    r->n = 0;
    r->broken = false;
    if (*at >= bytes.len)
        return false;
    size_t begin = *at;
    for (bool end = false; !end;) {
        while (*at < bytes.len && (bytes.ptr[*at] == ' ' || bytes.ptr[*at] == '\t'))
            ++*at;
        size_t from = *at, slot = MIN(r->n, (size_t)MAX_COLUMNS - 1);
        r->broken = r->broken || r->n >= MAX_COLUMNS;
        if (*at < bytes.len && bytes.ptr[*at] == '"') {
            taken[slot] = true;
            in_text[slot].off = r->text.len;
            for (++*at;; ++*at) {
                if (*at >= bytes.len || *at - begin > MAX_FEED_LINE) {
                    // A quote that nobody closed: the line alone is lost, not all behind it.
                    const char *nl = memchr(bytes.ptr + begin, '\n', bytes.len - begin);
                    *at = nl ? (size_t)(nl - bytes.ptr) : bytes.len;
                    r->broken = true;
                    break;
                }
                if (bytes.ptr[*at] != '"') {
                    buf_char(&r->text, bytes.ptr[*at]);
                    continue;
                }
                if (*at + 1 < bytes.len && bytes.ptr[*at + 1] == '"') {
                    buf_char(&r->text, '"');
                    ++*at;
                    continue;
                }
                ++*at;
                break;
            }
            in_text[slot].len = r->text.len - in_text[slot].off;
        }
        while (*at < bytes.len && bytes.ptr[*at] != ',' && bytes.ptr[*at] != '\n')
            ++*at;
        if (!taken[slot])
            r->cells[slot] = feed_trim((struct str){bytes.ptr + from, *at - from});
        r->n++;
        end = *at >= bytes.len || bytes.ptr[*at] == '\n';
        *at += *at < bytes.len;
    }
    r->n = MIN(r->n, (size_t)MAX_COLUMNS);
    for (size_t i = 0; i < r->n; i++)
        if (taken[i])
            r->cells[i] = feed_trim((struct str){buf_view(&r->text).ptr + in_text[i].off,
                                                 r->text.failed ? 0 : in_text[i].len});
    for (size_t i = begin; i < *at; i++)
        *line += bytes.ptr[i] == '\n';
    return true;
}

static enum role role_of(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (name.len == strlen(known[i].name) &&
            strncasecmp(known[i].name, name.ptr, name.len) == 0)
            return known[i].role;
    return ROLE_NONE;
}

// A row of data may hold a word that is also a column's name ("url" as a type).
static bool holds_indicators(const struct csv_row *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct indicator x;
        char store[MAX_INDICATOR_VALUE + 1];
        if (indicator_parse(r->cells[i], &x, store) == NULL &&
            (x.type != INDICATOR_DOMAIN || (x.flags & BH_INDICATOR_URL)))
            return true;
    }
    return false;
}

// Roles from a row of names. False: none of them holds indicators.
static bool columns_of_head(const struct csv_row *head, struct columns *c)
{
    bool values = false;
    *c = (struct columns){.n = head->n};
    for (size_t i = 0; i < head->n; i++) {
        enum role role = role_of(head->cells[i]);
        for (size_t k = 0; role != ROLE_NONE && role != ROLE_VALUE && k < i; k++)
            if (c->roles[k] == role)
                role = ROLE_NONE; // the first of two counts
        c->roles[i] = role;
        values |= role == ROLE_VALUE;
        if (role == ROLE_VALUE && !c->least)
            c->least = i + 1;
    }
    return values;
}

// What the document names: numbers, or names of the head's. Reports what isn't there.
static bool columns_of_document(struct feed_reading *f, const struct csv_row *head,
                                struct columns *c)
{
    const json_t *columns = json_object_get(f->args, "columns");
    bool any = false;
    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        const char *want = json_string_value(json_object_get(columns, named[i].key));
        uint64_t number = 0;
        size_t at = MAX_COLUMNS;
        if (!want)
            continue;
        if (!any)
            *c = (struct columns){.n = head ? head->n : 0};
        any = true;
        if (parse_u64(str_of(want), &number) == 0 && number >= 1 && number <= MAX_COLUMNS)
            at = (size_t)number - 1;
        for (size_t k = 0; head && at == MAX_COLUMNS && k < head->n; k++)
            if (str_eq(head->cells[k], str_of(want)))
                at = k;
        if (at == MAX_COLUMNS) {
            f->problem = "a column that the document names is not there";
            return true;
        }
        c->roles[at] = named[i].role;
        if (named[i].role == ROLE_VALUE)
            c->least = at + 1;
    }
    if (any && !c->least)
        f->problem = "the document names columns, and none for the value";
    return any;
}

static bool used_type(struct str type)
{
    for (size_t i = 0; i < ARRAY_SIZE(used_types); i++)
        if (type.len >= strlen(used_types[i]) &&
            strncasecmp(type.ptr, used_types[i], strlen(used_types[i])) == 0)
            return true;
    return false;
}

static bool take_row(struct feed_reading *f, const struct columns *c, const struct csv_row *r)
{
    struct indicator like = {.confidence = f->confidence};
    if (r->broken || r->n < c->least) {
        feed_skip(f, "columns", r->n ? r->cells[0] : STR_NULL);
        return true;
    }
    for (size_t i = 0; i < r->n; i++) {
        struct str cell = r->cells[i];
        uint64_t number;
        if (!cell.len)
            continue;
        switch (c->roles[i]) {
        case ROLE_TYPE:
            if (!used_type(cell)) {
                feed_skip(f, "type-not-used", cell);
                return true;
            }
            break;
        case ROLE_CONFIDENCE:
            if (parse_u64(cell, &number) == 0 && number <= 100)
                like.confidence = (uint8_t)number;
            break;
        case ROLE_LABEL:
            like.label = (struct str){cell.ptr, MIN(cell.len, (size_t)MAX_INDICATOR_LABEL)};
            break;
        case ROLE_FROM:
            feed_when(cell, &like.valid_from);
            break;
        case ROLE_UNTIL:
            if (!feed_when(cell, &like.valid_until)) {
                feed_skip(f, "date", cell);
                return true;
            }
            break;
        case ROLE_NONE:
        case ROLE_VALUE:
            break;
        }
    }
    bool any = false;
    for (size_t i = 0; i < r->n; i++) {
        if (c->roles[i] != ROLE_VALUE || !r->cells[i].len)
            continue;
        any = true;
        if (!feed_value(f, r->cells[i], &like))
            return false;
    }
    if (!any)
        feed_skip(f, "empty", r->cells[0]);
    return true;
}

// Is this row without a head itself an indicator in its first column?
static bool headless(const struct csv_row *r, struct columns *c)
{
    struct indicator i;
    char store[MAX_INDICATOR_VALUE + 1];
    if (r->broken || indicator_parse(r->cells[0], &i, store))
        return false;
    *c = (struct columns){.roles = {ROLE_VALUE}, .least = 1};
    return true;
}

// The first row that is no comment says what the columns are, or the last comment before it does.
static bool find_columns(struct feed_reading *f, const struct csv_row *first,
                         const struct csv_row *comment, struct columns *c, bool *ret_is_head)
{
    struct columns of_first;
    bool named_by_first =
        !first->broken && !holds_indicators(first) && columns_of_head(first, &of_first);
    *ret_is_head = named_by_first;
    if (columns_of_document(f, named_by_first ? first : comment->n ? comment : first, c)) {
        *ret_is_head = named_by_first || (!comment->n && !headless(first, &of_first));
        return !f->problem;
    }
    if (named_by_first) {
        *c = of_first;
        return true;
    }
    if ((comment->n && columns_of_head(comment, c)) || headless(first, c))
        return true;
    f->problem = "no column is known to hold indicators: name it under columns.value";
    return false;
}

void feed_read_csv(struct feed_reading *f, struct str bytes)
{
    struct csv_row row = {0}, comment = {0};
    struct columns columns = {0};
    struct str line;
    bool found = false;
    for (size_t at = 0; at < bytes.len;) {
        size_t peek = at, head_at = 0;
        uint64_t ignored = 0;
        feed_line(bytes, &peek, &line);
        line = feed_trim(line);
        if (!line.len || feed_is_comment(line)) {
            at = peek;
            f->line++;
            while (line.len && (line.ptr[0] == '#' || line.ptr[0] == ' '))
                line = (struct str){line.ptr + 1, line.len - 1};
            if (!found && line.len)
                next_row(line, &head_at, &comment, &ignored);
            continue;
        }
        uint64_t lines = 0;
        if (!next_row(bytes, &at, &row, &lines))
            break;
        f->line++;
        bool is_head = false;
        if (!found && !find_columns(f, &row, &comment, &columns, &is_head))
            break;
        found = true;
        if (!is_head) {
            f->lines++;
            if (!take_row(f, &columns, &row))
                break;
        }
        f->line += lines ? lines - 1 : 0;
    }
    buf_done(&row.text);
    buf_done(&comment.text);
}
