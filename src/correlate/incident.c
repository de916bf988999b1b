// One incident while it grows: timeline, containers, rules, title, severity and confidence.
#include "correlate/internal.h"

static struct str keep(struct str s, size_t max)
{
    if (s.len > max) // cut between characters
        for (s.len = max; s.len && ((unsigned char)s.ptr[s.len] & 0xc0) == 0x80;)
            s.len--;
    char *copy = str_dup(s);
    return copy ? (struct str){copy, s.len} : STR_NULL;
}

static void drop(struct str s)
{
    free((char *)s.ptr);
}

static void drop_entry(const struct timeline_entry *e)
{
    drop(e->text);
    drop(e->chain);
}

struct growing *growing_new(const struct finding *first, uint64_t number)
{
    struct growing *g = calloc(1, sizeof(*g));
    if (!g)
        return NULL;
    g->view = (struct incident){
        .id = first->id,
        .number = number,
        .severity = SEVERITY_DEBUG,
        .first = first->time,
        .last = first->time,
        .first_wall = first->wall,
        .last_wall = first->wall,
        .containers = g->containers,
        .container_ids = g->container_ids,
        .tags = g->tags,
        .rules = g->rule_names,
        .joined_by = "first",
    };
    g->title_confidence = -1;
    return g;
}

static void drop_parts(struct growing *g)
{
    for (size_t i = 0; i < g->rules_n; i++)
        free(g->rules[i].name);
    for (size_t i = 0; i < g->view.tags_n; i++)
        drop(g->tags[i]);
    for (size_t i = 0; i < g->view.timeline_n; i++)
        drop_entry(&g->timeline[i]);
    g->rules_n = g->view.rules_n = g->view.tags_n = g->view.timeline_n = 0;
}

void growing_free(struct growing *g)
{
    if (!g)
        return;
    drop_parts(g);
    for (size_t i = 0; i < g->view.containers_n; i++)
        drop(g->container_ids[i]);
    free(g->timeline);
    free(g);
}

bool growing_live(const struct growing *g)
{
    return g->view.state == INCIDENT_OPEN || g->view.state == INCIDENT_CONFIRMED;
}

static struct seen_rule *find_rule(const struct growing *g, struct str rule)
{
    for (size_t i = 0; i < g->rules_n; i++)
        if (str_eq((struct str){g->rules[i].name, g->rules[i].len}, rule))
            return (struct seen_rule *)&g->rules[i];
    return NULL;
}

bool growing_knows_rule(const struct growing *g, struct str rule)
{
    return find_rule(g, rule);
}

// 1 − ∏(1 − c) over distinct rules: two independent witnesses are worth more than one who says it
// twice.
static void add_rule(struct growing *g, struct str rule, double confidence)
{
    struct seen_rule *seen = find_rule(g, rule);
    if (seen)
        seen->confidence = MAX(seen->confidence, confidence);
    else if (g->rules_n < MAX_RULES) {
        char *name = str_dup(rule);
        if (name) {
            g->rule_names[g->rules_n] = (struct str){name, rule.len};
            g->rules[g->rules_n++] = (struct seen_rule){name, rule.len, confidence};
            g->view.rules_n = g->rules_n;
        }
    }
    double doubt = 1;
    for (size_t i = 0; i < g->rules_n; i++)
        doubt *= 1 - g->rules[i].confidence;
    g->view.confidence = 1 - doubt;
}

static void add_container(struct growing *g, uint32_t number, struct str id)
{
    for (size_t i = 0; i < g->view.containers_n; i++)
        if (g->containers[i] == number)
            return;
    if (g->view.containers_n == MAX_INCIDENT_CONTAINERS)
        return;
    g->containers[g->view.containers_n] = number;
    g->container_ids[g->view.containers_n++] = keep(id, MAX_TITLE);
}

static void add_tag(struct growing *g, struct str tag)
{
    for (size_t i = 0; i < g->view.tags_n; i++)
        if (str_eq(g->tags[i], tag))
            return;
    if (g->view.tags_n == MAX_INCIDENT_TAGS)
        return;
    struct str copy = keep(tag, MAX_TITLE);
    if (copy.ptr)
        g->tags[g->view.tags_n++] = copy;
}

// In order of time; of equal times in order of arrival. When it is full, the beginning and the
// latest are kept: how it started, and what goes on now.
static void add_entry(struct growing *g, const struct timeline_entry *e, size_t max)
{
    struct incident *v = &g->view;
    if (v->timeline_n == g->timeline_cap) {
        size_t cap = g->timeline_cap ? g->timeline_cap * 2 : 8;
        struct timeline_entry *grown = reallocarray(g->timeline, cap, sizeof(*grown));
        if (!grown) {
            drop_entry(e);
            return;
        }
        g->timeline = grown;
        g->timeline_cap = cap;
        v->timeline = grown;
    }
    size_t at = v->timeline_n;
    while (at > 0 && g->timeline[at - 1].time.ns > e->time.ns)
        at--;
    memmove(&g->timeline[at + 1], &g->timeline[at], (v->timeline_n - at) * sizeof(*e));
    g->timeline[at] = *e;
    for (v->timeline_n++; v->timeline_n > max;) {
        size_t middle = max / 2;
        drop_entry(&g->timeline[middle]);
        v->timeline_n--;
        memmove(&g->timeline[middle], &g->timeline[middle + 1],
                (v->timeline_n - middle) * sizeof(*e));
    }
}

static void set_title(struct growing *g, const struct finding *f)
{
    bool graver = f->severity < g->view.severity || g->title_confidence < 0 ||
                  (f->severity == g->view.severity && f->confidence > g->title_confidence);
    if (!graver)
        return;
    _cleanup_buf_ struct buf b = {0};
    buf_str(&b, f->rule);
    struct str name = f->container_name.len ? f->container_name : f->container_id;
    if (f->container == 0)
        buf_text(&b, " on the host");
    else {
        buf_text(&b, " in ");
        buf_str(&b, name);
    }
    size_t len = MIN(b.len, sizeof(g->title));
    if (b.ptr)
        memcpy(g->title, b.ptr, len);
    g->view.title = (struct str){g->title, len};
    g->title_confidence = f->confidence;
}

static struct str chain_text(const struct finding *f)
{
    _cleanup_buf_ struct buf b = {0};
    for (size_t i = 0; i < f->chain_n && b.len < MAX_CHAIN_TEXT; i++) {
        if (i)
            buf_text(&b, " ← ");
        buf_str(&b, f->chain[i].comm.len ? f->chain[i].comm : str_basename(f->chain[i].path));
    }
    return b.len ? keep(buf_view(&b), MAX_CHAIN_TEXT) : STR_NULL;
}

static void add_finding(struct growing *g, const struct finding *f, const char *joined_by,
                        size_t max_timeline)
{
    struct incident *v = &g->view;
    _cleanup_buf_ struct buf text = {0};
    buf_str(&text, f->rule);
    if (f->output.len) {
        buf_text(&text, ": ");
        buf_str(&text, f->output);
    }
    struct timeline_entry e = {
        .wall = f->wall,
        .time = f->time,
        .finding = f->id,
        .text = keep(buf_view(&text), MAX_TIMELINE_TEXT),
        .container = f->container,
        .tgid = f->tgid,
        .severity = f->severity,
        .confidence = f->confidence,
        .joined_by = joined_by,
        .chain = chain_text(f),
    };
    add_entry(g, &e, max_timeline);
    v->findings_total++;
    v->lossy |= f->lossy;
    v->version++;
}

void growing_add(struct growing *g, const struct finding *f, const char *joined_by,
                 size_t max_timeline)
{
    struct incident *v = &g->view;
    set_title(g, f);
    v->severity = MIN(v->severity, f->severity);
    add_rule(g, f->rule, f->confidence);
    add_container(g, f->container, f->container_id);
    for (size_t i = 0; i < f->tags_n; i++)
        add_tag(g, f->tags[i]);
    add_finding(g, f, joined_by, max_timeline);
    if (f->time.ns < v->first.ns) {
        v->first = f->time;
        v->first_wall = f->wall;
    }
    if (f->time.ns >= v->last.ns) {
        v->last = f->time;
        v->last_wall = f->wall;
    }
    v->joined_by = joined_by;
}

static const char posture_word[] = "posture";

static bool has_posture(const struct growing *g, struct id finding)
{
    for (size_t i = 0; i < g->view.timeline_n; i++)
        if (g->timeline[i].joined_by == posture_word && id_eq(g->timeline[i].finding, finding))
            return true;
    return false;
}

bool growing_add_posture(struct growing *g, const struct finding *f, size_t max_timeline)
{
    if (has_posture(g, f->id))
        return false;
    add_finding(g, f, posture_word, max_timeline);
    return true;
}

void growing_absorb(struct growing *g, struct growing *from, const char *joined_by,
                    size_t max_timeline)
{
    struct incident *v = &g->view, *w = &from->view;
    if (w->severity < v->severity ||
        (w->severity == v->severity && from->title_confidence > g->title_confidence)) {
        memcpy(g->title, from->title, w->title.len);
        v->title = (struct str){g->title, w->title.len};
        g->title_confidence = from->title_confidence;
    }
    v->severity = MIN(v->severity, w->severity);
    for (size_t i = 0; i < from->rules_n; i++)
        add_rule(g, (struct str){from->rules[i].name, from->rules[i].len},
                 from->rules[i].confidence);
    for (size_t i = 0; i < w->containers_n; i++)
        add_container(g, from->containers[i], from->container_ids[i]);
    for (size_t i = 0; i < w->tags_n; i++)
        add_tag(g, from->tags[i]);
    for (size_t i = 0; i < w->timeline_n; i++) {
        struct timeline_entry e = from->timeline[i];
        if (e.joined_by == posture_word && has_posture(g, e.finding))
            continue; // both were about this container
        e.text = keep(e.text, MAX_TIMELINE_TEXT);
        e.chain = keep(e.chain, MAX_CHAIN_TEXT);
        add_entry(g, &e, max_timeline);
    }
    if (w->first.ns < v->first.ns) {
        v->first = w->first;
        v->first_wall = w->first_wall;
    }
    if (w->last.ns > v->last.ns) {
        v->last = w->last;
        v->last_wall = w->last_wall;
    }
    v->findings_total += w->findings_total;
    v->lossy |= w->lossy;
    if (w->state == INCIDENT_CONFIRMED)
        v->state = INCIDENT_CONFIRMED;
    // What it was stays readable in the older one; here its numbers stay, so that its last version
    // says what it had.
    drop_parts(from);
    w->state = INCIDENT_CLOSED;
    w->merged_into = v->number;
    w->joined_by = joined_by;
    w->version++;
}
