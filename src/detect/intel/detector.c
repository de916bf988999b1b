// The detector: addresses that containers connect and send to (and, where a feed says so, that
// connect to them), looked up in the index; feeds that were held back.
#include "detect/intel/internal.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { MAX_SAID = 512, MAX_FINDING_TAGS = 32, MAX_NAMED_FEEDS = 4 };

struct whole {
    struct units *units;
};
struct part {
    const struct whole *whole;
};

static void whole_free(void *whole)
{
    struct whole *w = whole;
    if (w)
        units_free(w->units);
    free(w);
}

static void *whole_new(void)
{
    struct whole *w = calloc(1, sizeof(*w));
    if (w && !(w->units = units_new())) {
        free(w);
        return NULL;
    }
    return w;
}

static void *part_new(void *whole, unsigned shard, unsigned shards)
{
    struct part *p = calloc(1, sizeof(*p));
    if (p)
        p->whole = whole;
    return p;
}

static void configure(void *whole, const struct documents *docs, uint64_t generation)
{
    units_never(((struct whole *)whole)->units, docs);
}

static void interest(const struct documents *docs, struct interest *to)
{
    for (size_t i = 0; i < docs->feeds_n; i++) {
        kind_set_add(&to->containers, BH_CONNECT);
        kind_set_add(&to->containers, BH_UDP_SEND);
        if (docs->feeds[i].inbound)
            kind_set_add(&to->containers, BH_ACCEPT);
    }
}

static void input(void *whole, const struct bh_rec *rec)
{
    if (rec->kind == BH_FEED)
        units_take(((struct whole *)whole)->units, rec);
}

// ── look-ups ─────────────────────────────────────────────────────────────────────────────────

struct looking {
    const struct units *units;
    uint64_t wall;
    struct intel_answer *answer;
};

static void take(void *ctx, size_t unit, const struct indicator *i)
{
    const struct looking *l = ctx;
    struct intel_answer *a = l->answer;
    if (a->n == MAX_INTEL_HITS)
        return;
    struct intel_hit h = {.unit = units_at(l->units, unit), .indicator = *i};
    h.in_time = (!i->valid_from || i->valid_from <= l->wall) &&
                (!i->valid_until || l->wall < i->valid_until);
    // In order of units, then of size: what is said does not depend on the index's order.
    size_t at = a->n++;
    for (; at > 0 &&
           (a->hits[at - 1].unit->id > h.unit->id ||
            (a->hits[at - 1].unit->id == h.unit->id && a->hits[at - 1].indicator.bits < i->bits));
         at--)
        a->hits[at] = a->hits[at - 1];
    a->hits[at] = h;
}

// Files of feeds that name it are independent witnesses, as rules are in an incident:
// 1 − ∏(1 − c), over files, each with its surest indicator.
static double combined(const struct intel_answer *a)
{
    double none = 1;
    for (size_t i = 0; i < a->n;) {
        uint8_t best = 0;
        uint64_t unit = a->hits[i].unit->id;
        for (; i < a->n && a->hits[i].unit->id == unit; i++)
            if (a->hits[i].in_time)
                best = MAX(best, a->hits[i].indicator.confidence);
        none *= 1 - best / 100.0;
    }
    return 1 - none;
}

void intel_look(const void *whole, const struct indicator *what, uint64_t wall_ns,
                struct intel_answer *ret)
{
    const struct whole *w = whole;
    struct looking l = {w->units, wall_ns, ret};
    *ret = (struct intel_answer){0};
    index_find(units_index(w->units), what, take, &l);
    ret->never = ret->n > 0 && units_is_never(w->units, what);
    ret->confidence = ret->never ? 0 : combined(ret);
}

uint64_t intel_count(const void *whole, enum indicator_type type)
{
    const struct index *x = units_index(((const struct whole *)whole)->units);
    return x ? index_count(x, type) : 0;
}

// ── findings ─────────────────────────────────────────────────────────────────────────────────

struct said { // what one finding needs until it was emitted
    struct str tags[MAX_FINDING_TAGS];
    size_t tags_n;
    char output[MAX_SAID], feeds[256], value[300], indicator[300], label[MAX_INDICATOR_LABEL + 1];
};

static void add_tag(struct said *s, struct str tag)
{
    for (size_t i = 0; i < s->tags_n; i++)
        if (str_eq(s->tags[i], tag))
            return;
    if (s->tags_n < MAX_FINDING_TAGS)
        s->tags[s->tags_n++] = tag;
}

static struct str text_of(const struct indicator *i, char *out, size_t size)
{
    _cleanup_buf_ struct buf b = {0};
    indicator_text(i, &b);
    int n = snprintf(out, size, "%s", b.ptr ? b.ptr : "");
    return (struct str){out, MIN((size_t)n, size - 1)};
}

// Feeds, tags, severity and label of those hits that count; false: none does.
static bool weigh(const struct intel_answer *a, bool inbound, struct said *s,
                  enum severity *ret_severity, const struct indicator **ret_surest)
{
    size_t feeds = 0, at = 0;
    uint64_t last = 0;
    *ret_severity = SEVERITY_DEBUG;
    *ret_surest = NULL;
    for (size_t i = 0; i < a->n; i++) {
        const struct intel_hit *h = &a->hits[i];
        if (!h->in_time || (inbound && !h->unit->inbound))
            continue;
        if (!*ret_surest || h->indicator.confidence > (*ret_surest)->confidence)
            *ret_surest = &h->indicator;
        // What is only recorded must not alert.
        enum severity severity =
            h->unit->action == FEED_RECORD ? SEVERITY_DEBUG : h->unit->severity;
        *ret_severity = MIN(*ret_severity, severity);
        if (!s->label[0] && h->indicator.label.len)
            memcpy(s->label, h->indicator.label.ptr, h->indicator.label.len);
        if (last == h->unit->id && feeds)
            continue;
        last = h->unit->id;
        for (size_t t = 0; t < h->unit->tags_n; t++)
            add_tag(s, h->unit->tags[t]);
        if (feeds++ < MAX_NAMED_FEEDS)
            at += (size_t)snprintf(s->feeds + at, sizeof(s->feeds) - at, "%s%.*s", at ? ", " : "",
                                   (int)MIN(h->unit->name.len, (size_t)50), h->unit->name.ptr);
    }
    if (feeds > MAX_NAMED_FEEDS)
        snprintf(s->feeds + at, sizeof(s->feeds) - at, " and %zu more", feeds - MAX_NAMED_FEEDS);
    return *ret_surest != NULL;
}

struct match { // what was looked up, and how a finding says it
    struct str rule;
    const char *did; // "connected to"
    struct indicator what;
    uint16_t port; // 0: none
    bool inbound;
    const struct str *tags;
    size_t tags_n;
};

static void look(const struct part *p, const struct detect_env *env, const struct event *e,
                 const struct match *m, detect_emit emit, void *ctx)
{
    struct intel_answer a;
    struct said s = {0};
    const struct indicator *surest;
    enum severity severity;
    uint64_t wall = e->rec->time + (uint64_t)env->wall_minus_boot;
    intel_look(p->whole, &m->what, wall, &a);
    if (a.never || a.n == 0 || !weigh(&a, m->inbound, &s, &severity, &surest))
        return;
    struct finding f;
    detect_finding(&f, "intel", env, e);
    for (size_t i = 0; i < m->tags_n; i++)
        add_tag(&s, m->tags[i]);
    struct str value = text_of(&m->what, s.value, sizeof(s.value));
    const struct image *image = e->image;
    int n = snprintf(s.output, sizeof(s.output), "%.*s %s %s%s%.0u%s%s: %s",
                     (int)(image ? image->comm.len : 9), image ? image->comm.ptr : "a process",
                     m->did, s.value, "", m->port, s.label[0] ? ", " : "", s.label, s.feeds);
    f.rule = m->rule;
    f.severity = severity;
    f.confidence = a.confidence;
    f.tags = s.tags;
    f.tags_n = s.tags_n;
    f.output = (struct str){s.output, MIN((size_t)MAX(n, 0), sizeof(s.output) - 1)};
    detect_field(&f, "intel.value", value);
    detect_field(&f, "intel.indicator", text_of(surest, s.indicator, sizeof(s.indicator)));
    detect_field(&f, "intel.type", str_of(indicator_type_name(surest->type)));
    detect_field(&f, "intel.feeds", str_of(s.feeds));
    detect_field(&f, "intel.label", str_of(s.label));
    if (m->port)
        detect_field_u64(&f, "fd.sport", m->port);
    detect_field(&f, "container.name", f.container_name);
    if (image) {
        detect_field(&f, "proc.name", image->comm);
        detect_field(&f, "proc.exepath", image->path);
    }
    f.id = finding_id(&f);
    emit(ctx, &f);
}

static void event(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                  void *ctx)
{
    static const struct str network_tags[] = {{"intel", 5}, {"mitre_command_and_control", 25}};
    const struct part *p = part;
    if (e->rec->kind != BH_CONNECT && e->rec->kind != BH_UDP_SEND && e->rec->kind != BH_ACCEPT)
        return;
    const struct bh_net *n = REC_AS(e->rec, bh_net);
    if (!n || e->container->number == 0 ||
        (n->sock.family != AF_INET && n->sock.family != AF_INET6))
        return;
    bool inbound = e->rec->kind == BH_ACCEPT;
    struct match m = {
        .rule = STR("Known bad address"),
        .did = inbound                      ? "was connected to by"
               : e->rec->kind == BH_CONNECT ? "connected to"
                                            : "sent to",
        .what = {.type = INDICATOR_ADDRESS,
                 .value = {(const char *)n->sock.raddr, n->sock.family == AF_INET ? 4 : 16}},
        .port = inbound ? 0 : n->sock.rport,
        .inbound = inbound,
        .tags = network_tags,
        .tags_n = ARRAY_SIZE(network_tags)};
    look(p, env, e, &m, emit, ctx);
}

static void epoch(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                  uint64_t now, detect_emit emit, void *ctx)
{
    struct whole *w = whole;
    size_t n;
    const struct held *held = units_held(w->units, &n);
    const struct container *host = identify_container(env->identify, 0);
    static const struct str tags[] = {{"intel", 5}};
    for (size_t i = 0; i < n && host; i++) {
        struct finding f;
        char output[MAX_SAID];
        detect_container_finding(&f, "intel", env, host, held[i].time);
        int len = snprintf(output, sizeof(output), "the feed %.*s was held back: %.*s",
                           (int)held[i].name.len, held[i].name.ptr, (int)held[i].text.len,
                           held[i].text.ptr);
        f.rule = STR("Feed held back");
        f.severity = SEVERITY_WARNING;
        f.confidence = 1;
        f.tags = tags;
        f.tags_n = ARRAY_SIZE(tags);
        f.output = (struct str){output, MIN((size_t)MAX(len, 0), sizeof(output) - 1)};
        detect_field(&f, "intel.feeds", held[i].name);
        detect_field(&f, "intel.problem", held[i].text);
        f.id = finding_id(&f);
        emit(ctx, &f);
    }
    if (n)
        units_said(w->units);
}

static void stats(const void *whole, const void *const *parts, size_t parts_n, uint64_t *ret_bytes,
                  uint64_t *ret_refused)
{
    const struct whole *w = whole;
    *ret_bytes = units_bytes(w->units);
    *ret_refused = units_refused(w->units);
}

const struct detector intel_detector = {
    .name = "intel",
    .text = "what feeds name: addresses, domains and files",
    .whole_new = whole_new,
    .whole_free = whole_free,
    .part_new = part_new,
    .part_free = free,
    .configure = configure,
    .interest = interest,
    .input = input,
    .event = event,
    .epoch = epoch,
    .stats = stats,
};
