// kind: Feed. Where indicators come from, how they are read, what they are good for; and the
// document that stands for a list which has none.
#include "config/internal.h"

#include <errno.h>
#include <sys/stat.h>

enum { MAX_FEEDS = 256, MAX_NEVER = 1024 };

#define FEED(member)   offsetof(struct feed, member)
#define COLUMN(member) offsetof(struct feed, columns.member)
#define YEARS_10_NS    (3650ULL * 24 * 3600 * NSEC_PER_SEC)

static const char *const formats[] = {"auto", "plain", "cidr", "csv", "stix", NULL};
static const char *const actions[] = {"record", "alert", "block", NULL};
static const char *const modes[] = {"audit", "enforce", NULL};
static const char *const directions[] = {"outbound", "both", NULL};
static_assert(ARRAY_SIZE(formats) == FEED_FORMAT_MAX + 1, "a name a format");
static_assert(ARRAY_SIZE(actions) == FEED_ACTION_MAX + 1, "a name an action");

static const struct key column_keys[] = {
    {.name = "value",
     .text = "the indicators themselves: a name of the head line, or a number from 1",
     .type = &value_text,
     .offset = COLUMN(value)},
    {.name = "type",
     .text = "what each is; a type that is not used here skips its row",
     .type = &value_text,
     .offset = COLUMN(type)},
    {.name = "confidence",
     .text = "how sure the feed is of each, 0 to 100",
     .type = &value_text,
     .offset = COLUMN(confidence)},
    {.name = "validFrom",
     .text = "from when on each is true",
     .type = &value_text,
     .offset = COLUMN(valid_from)},
    {.name = "validUntil",
     .text = "until when each is true",
     .type = &value_text,
     .offset = COLUMN(valid_until)},
    {.name = "label",
     .text = "what the feed calls it: a family of malware, a campaign",
     .type = &value_text,
     .offset = COLUMN(label)},
    {0}};

const struct key feed_spec_keys[] = {
    {.name = "path",
     .text = "a file, or a folder of files, relative to this document's file",
     .type = &value_path,
     .offset = FEED(path),
     .required = true},
    {.name = "format",
     .text = "plain: a value a line; cidr: only addresses and networks; csv; stix: a STIX 2.1 "
             "bundle; auto: found from the content",
     .type = &value_choice,
     .offset = FEED(format),
     .choices = formats},
    {.name = "columns",
     .text = "of a CSV; those of common feeds are found by their names",
     .type = &value_group,
     .keys = column_keys},
    {.name = "confidence",
     .text = "percent, of indicators that have none of their own",
     .type = &value_u64,
     .offset = FEED(confidence),
     .min = 0,
     .max = 100},
    {.name = "severity",
     .text = "of what is found with it",
     .type = &value_severity,
     .offset = FEED(severity)},
    {.name = "expiry",
     .text = "how long after the file's last change an indicator without an end of its own is "
             "true; 0s: for as long as it is there",
     .type = &value_duration,
     .offset = FEED(expiry_ns),
     .min = 0,
     .max = YEARS_10_NS},
    {.name = "tags",
     .text = "put on what is found with it",
     .type = &value_words,
     .offset = FEED(tags),
     .count_offset = FEED(tags_n)},
    {.name = "never",
     .text = "addresses, networks, domains and hashes that are never taken for an indicator, "
             "whichever feed names them",
     .type = &value_words,
     .offset = FEED(never),
     .count_offset = FEED(never_n)},
    {.name = "direction",
     .text = "outbound: what containers connect and send to and ask for; both: also who connects "
             "to them",
     .type = &value_choice,
     .offset = FEED(inbound),
     .boolean = true,
     .choices = directions},
    {.name = "action",
     .text = "record: kept, and too low to alert; alert: a finding; block: not carried "
             "out by this version, an error",
     .type = &value_choice,
     .offset = FEED(action),
     .choices = actions},
    {.name = "mode",
     .text = "of action block; audit: say what would be refused; enforce: refuse it",
     .type = &value_choice,
     .offset = FEED(mode),
     .choices = modes},
    {0}};

static_assert(sizeof(enum feed_format) == sizeof(unsigned), "choices are stored as unsigned");

const struct feed feed_defaults = {.format = FEED_AUTO,
                                   .confidence = 75,
                                   .severity = SEVERITY_WARNING,
                                   .action = FEED_ALERT,
                                   .mode = MODE_AUDIT};

const char *feed_format_name(enum feed_format f)
{
    return f >= 0 && f < FEED_FORMAT_MAX ? formats[f] : "unknown";
}

const char *feed_action_name(enum feed_action a)
{
    return a >= 0 && a < FEED_ACTION_MAX ? actions[a] : "unknown";
}

// Each must be an indicator: a slip here would alert on, or block, what must never be.
static void check_never(struct reading *r, const struct yaml *spec, const struct feed *f)
{
    const struct yaml *list = yaml_get(spec, "never");
    if (f->never_n > MAX_NEVER)
        read_error(r, list, "BH214", NULL, "'never' has more than %d items", MAX_NEVER);
    for (size_t i = 0; i < f->never_n; i++) {
        struct indicator parsed;
        char store[MAX_INDICATOR_VALUE + 1];
        const char *why = indicator_parse(f->never[i], &parsed, store);
        if (why)
            read_error(r, list && i < list->n ? list->items[i] : spec, "BH208",
                       "an address, ADDRESS/BITS, a domain (*.domain: also below it) or a hash",
                       "'never' cannot hold '" STR_FMT "': %s", STR_ARG(value_shown(f->never[i])),
                       why);
    }
}

void feeds_take(struct building *b, struct reading *r, const struct document *doc)
{
    struct documents *d = b->d;
    for (size_t i = 0; doc->name.len && i < d->feeds_n; i++)
        if (str_eq(d->feeds[i].name, doc->name)) {
            char hint[320];
            snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", d->feeds[i].file.ptr,
                     d->feeds[i].line);
            read_error(r, doc->map, "BH210", hint, "a second Feed with the name '" STR_FMT "'",
                       STR_ARG(doc->name));
            break;
        }
    struct feed *grown =
        d->feeds_n < MAX_FEEDS ? reallocarray(d->feeds, d->feeds_n + 1, sizeof(*grown)) : NULL;
    if (!grown) {
        read_error(r, doc->map, "BH003", NULL, "more than %d feeds", MAX_FEEDS);
        return;
    }
    d->feeds = grown;
    struct feed *f = &d->feeds[d->feeds_n++];
    *f = feed_defaults;
    f->name = doc->name;
    f->file = arena_str(r->arena, str_of(r->file));
    f->line = doc->map->line;
    config_keys_read(r, feed_spec_keys, doc->spec, f);
    check_never(r, doc->spec, f);
    // Accepting what is then not done would be worse than saying so.
    if (f->action == FEED_BLOCK)
        read_error(r, doc->spec, "BH212", "action: alert",
                   "action: block is not carried out by this version");
    else if (f->mode == MODE_ENFORCE)
        read_error(r, doc->spec, "BH212", "leave mode out",
                   "mode: enforce is of action: block, which this version does not carry out");
}

void feeds_print(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->feeds_n; i++)
        document_print("Feed", d->feeds[i].name, feed_spec_keys, &d->feeds[i], out);
}

// ── lists without a document ─────────────────────────────────────────────────────────────────

static bool is_yaml(struct str path)
{
    return str_ends(path, STR(".yaml")) || str_ends(path, STR(".yml"));
}

// A document's name of a path's last part: "/etc/bulkhead/feeds.d/" → "feeds.d".
static void name_of(struct str path, struct buf *out)
{
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    struct str base = str_basename(path);
    for (size_t i = 0; i < base.len && out->len < 64; i++) {
        char c = base.ptr[i];
        bool upper = c >= 'A' && c <= 'Z',
             word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (word)
            buf_char(out, upper ? (char)(c + 32) : c);
        else if (out->len && i + 1 < base.len)
            buf_char(out, c == '.' ? '.' : '-');
    }
    while (out->len && (out->ptr[out->len - 1] == '-' || out->ptr[out->len - 1] == '.'))
        out->ptr[--out->len] = 0;
    if (!out->len)
        buf_text(out, "feed");
}

static int add_made(struct sources *s, const char *path)
{
    _cleanup_buf_ struct buf text = {0}, name = {0}, from = {0};
    name_of(str_of(path), &name);
    unsigned same = 1;
    for (size_t i = 0; i < s->n; i++) // two folders called feeds.d are two feeds
        same +=
            str_starts(s->list[i].name, STR("feed ")) && str_ends(s->list[i].name, buf_view(&name));
    if (same > 1)
        buf_printf(&name, "-%u", same);
    buf_text(&text, "apiVersion: bulkhead.io/v1\nkind: Feed\nmetadata: {name: ");
    buf_str(&text, buf_view(&name));
    buf_text(&text, "}\nspec: {path: ");
    print_text(&text, str_of(path));
    buf_text(&text, "}\n");
    buf_printf(&from, "feed %s", name.ptr);
    return text.failed || from.failed
               ? -ENOMEM
               : sources_add(s, SOURCE_DOCUMENTS, buf_view(&from), buf_view(&text));
}

int sources_read_feeds(struct sources *s, const char *path, struct diag_list *diags)
{
    struct stat st;
    bool there = stat(path, &st) == 0, folder = there && S_ISDIR(st.st_mode);
    char absolute[4096];
    if (!there || folder || is_yaml(str_of(path))) {
        int r = sources_read(s, SOURCE_DOCUMENTS, path, diags);
        if (r < 0 || !folder)
            return r;
    }
    if (!realpath(path, absolute))
        return -errno;
    int r = add_made(s, absolute);
    if (r < 0)
        diag_add(diags, DIAG_ERROR, path, 0, 0, r == -ENOMEM ? "BH004" : "BH003", NULL,
                 "too many feeds");
    return r;
}
