// kind: Profile: how a workload is learned (its windows, its period, how sure one wants to be) and
// what comes of it.
#include "config/internal.h"

enum { MAX_PROFILES = 1024 };

#define PROFILE(member) offsetof(struct profile_doc, member)
#define SEC             NSEC_PER_SEC
#define DAY             (24 * 3600 * SEC)

const struct profile_doc profile_doc_defaults = {
    .mode = PROFILE_WATCH, .window_ns = 60 * SEC, .period_ns = DAY, .bound = 0.01};

static const char *const modes[] = {"learn", "watch", "enforce", NULL};

const char *profile_mode_name(enum profile_mode m)
{
    return modes[m];
}

// ── a share between 0 and 1 ──────────────────────────────────────────────────────────────────

static void share_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    char text[32], *end = text;
    if (!value_want_scalar(r, k, y, "0.01"))
        return;
    snprintf(text, sizeof(text), STR_FMT, (int)MIN(y->scalar.len, sizeof(text) - 1), y->scalar.ptr);
    double v = strtod(text, &end);
    bool plain = y->scalar.len < sizeof(text) && !y->quoted && end > text && !*end &&
                 strspn(text, "0123456789.eE-+") == y->scalar.len;
    if (!plain)
        read_error(r, y, "BH208", "for example: 0.01", "'" STR_FMT "' is not a number",
                   STR_ARG(value_shown(y->scalar)));
    else if (!(v > 0 && v < 1))
        read_error(r, y, "BH209", "more than 0 and less than 1", "'%s' is out of its range",
                   k->name);
    else
        *(double *)at = v;
}

static void share_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    struct json j = json_on(out);
    json_double(&j, *(const double *)at);
    buf_char(out, '\n');
}

static void share_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "number");
    json_ku64(j, "exclusiveMinimum", 0);
    json_ku64(j, "exclusiveMaximum", 1);
    if (defaults)
        json_kdouble(j, "default", *(const double *)defaults);
}

static const struct value_type value_share = {share_read, share_print, share_schema};

// ── the keys ─────────────────────────────────────────────────────────────────────────────────

static const struct key selector_keys[] = {{.name = "workload",
                                            .text = "glob on the workload's name",
                                            .type = &value_glob,
                                            .offset = PROFILE(selector.workload)},
                                           {.name = "image",
                                            .text = "glob on the image's name",
                                            .type = &value_glob,
                                            .offset = PROFILE(selector.image)},
                                           {0}};

#define LINES(dimension, key, what)                                                                \
    {                                                                                              \
        .name = (key), .text = (what), .type = &value_profile_lines,                               \
        .offset = PROFILE(lists[dimension]), .min = (dimension)                                    \
    }

const struct key profile_spec_keys[] = {
    {.name = "selector",
     .text = "which workloads; all that is given must hold, nothing given is every workload",
     .type = &value_group,
     .offset = 0,
     .keys = selector_keys},
    {.name = "mode",
     .text = "learn: only learn; watch: say what is new once enough was seen; enforce: not "
             "carried out by this version, an error",
     .type = &value_choice,
     .offset = PROFILE(mode),
     .choices = modes},
    {.name = "window",
     .text = "the unit of learning: what was seen in one window counts once",
     .type = &value_duration,
     .offset = PROFILE(window_ns),
     .min = SEC / 10,
     .max = 3600 * SEC},
    {.name = "period",
     .text = "how long a workload must have been seen before anything about it is called new",
     .type = &value_duration,
     .offset = PROFILE(period_ns),
     .min = SEC,
     .max = 90 * DAY},
    {.name = "bound",
     .text = "learning ends when the chance that one more window brings something new is below "
             "this, with 95 % confidence",
     .type = &value_share,
     .offset = PROFILE(bound)},
    LINES(PROFILE_PROGRAMS, "programs",
          "what may be executed: path, as (another name), by (who asks); given, it is not learned"),
    LINES(PROFILE_FILES, "files",
          "folders that may be read or written; given, they are not learned"),
    LINES(PROFILE_PEERS, "peers", "who may be called, or call; given, they are not learned"),
    LINES(PROFILE_LISTENS, "listens", "ports that may be listened on; given, they are not learned"),
    {0}};

const char *profile_dimension_name(enum profile_dimension d)
{
    static const char *const names[] = {"programs", "files", "peers", "listens"};
    static_assert(ARRAY_SIZE(names) == PROFILE_DIMENSIONS, "each has a name");
    return names[d];
}

static_assert(sizeof(enum profile_mode) == sizeof(unsigned), "choices are stored as unsigned");

// ── documents ────────────────────────────────────────────────────────────────────────────────

static struct profile_doc *grow(struct building *b)
{
    struct documents *d = b->d;
    if (d->profiles_n >= MAX_PROFILES)
        return NULL;
    if (d->profiles_n == b->profiles_cap) {
        size_t cap = b->profiles_cap ? b->profiles_cap * 2 : 16;
        struct profile_doc *grown = reallocarray(d->profiles, cap, sizeof(*grown));
        if (!grown)
            return NULL;
        d->profiles = grown;
        b->profiles_cap = cap;
    }
    return &d->profiles[d->profiles_n++];
}

static bool same_selector(const struct selector *a, const struct selector *b)
{
    return str_eq(a->workload, b->workload) && str_eq(a->image, b->image);
}

void take_profile(struct building *b, struct reading *r, const struct document *doc)
{
    struct profile_doc *p = grow(b);
    if (!p) {
        read_error(r, doc->map, "BH003", NULL, "more than %d profiles", MAX_PROFILES);
        return;
    }
    *p = profile_doc_defaults;
    p->name = doc->name;
    p->file = arena_str(r->arena, str_of(r->file));
    p->line = doc->map->line;
    config_keys_read(r, profile_spec_keys, doc->spec, p);
    if (p->mode == PROFILE_ENFORCE)
        read_error(r, doc->spec, "BH212",
                   "mode: watch, and a Policy that denies what is not in the image",
                   "mode: enforce is not carried out by this version");
    if (p->period_ns < p->window_ns)
        read_error(r, doc->spec, "BH212", "make 'period' longer or 'window' shorter",
                   "a period cannot be shorter than a window");
    for (const struct profile_doc *o = b->d->profiles; o < p; o++) {
        char hint[320];
        snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", o->file.ptr, o->line);
        if (doc->name.len && str_eq(o->name, doc->name))
            read_error(r, doc->map, "BH210", hint, "a second Profile with the name '" STR_FMT "'",
                       STR_ARG(doc->name));
        else if (same_selector(&o->selector, &p->selector))
            read_error(r, doc->map, "BH212", hint, "a second Profile with the same selector");
    }
}

void profile_print(const struct profile_doc *p, struct buf *out)
{
    document_print("Profile", p->name, profile_spec_keys, p, out);
}

void print_profiles(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->profiles_n; i++)
        profile_print(&d->profiles[i], out);
}
