// The story of an incident, for a person: who, when, what happened in which order and why it
// belongs together, what was done about it, and what to do next. Every line is escaped: the
// attacker chose half of these words.
#include "output/internal.h"

#define BOLD  "\x1b[1m"
#define PLAIN "\x1b[0m"

static void heading(const struct output_style *s, const char *text, struct buf *out)
{
    buf_printf(out, "%s%s%s\n", s->color ? BOLD : "", text, s->color ? PLAIN : "");
}

static struct str container_id(const struct incident *i, uint32_t number)
{
    for (size_t k = 0; k < i->containers_n; k++)
        if (i->containers[k] == number)
            return i->container_ids[k];
    return STR_NULL;
}

static void put_container(const struct incident *i, uint32_t number, struct buf *out)
{
    struct str id = container_id(i, number);
    if (number == 0)
        buf_text(out, "the host");
    else if (id.len)
        escape_text(out, id);
    else
        buf_printf(out, "container number %u", number);
}

static void who(const struct incident *i, struct buf *out)
{
    buf_text(out, "  where  ");
    for (size_t k = 0; k < i->containers_n; k++) {
        if (k)
            buf_text(out, ", ");
        put_container(i, i->containers[k], out);
    }
    buf_char(out, '\n');
}

static void put_span(struct buf *out, uint64_t ns)
{
    if (ns >= 60 * NSEC_PER_SEC)
        buf_printf(out, "%llu min %llu s", (unsigned long long)(ns / (60 * NSEC_PER_SEC)),
                   (unsigned long long)(ns / NSEC_PER_SEC % 60));
    else if (ns >= NSEC_PER_SEC)
        buf_printf(out, "%.3f s", (double)ns / (double)NSEC_PER_SEC);
    else
        buf_printf(out, "%.3f ms", (double)ns / (double)NSEC_PER_MSEC);
}

static void when(const struct incident *i, struct buf *out)
{
    buf_text(out, "  when   ");
    buf_wall_iso(out, i->first_wall);
    if (i->last.ns > i->first.ns) {
        buf_text(out, ", over ");
        put_span(out, i->last.ns - i->first.ns);
    }
    buf_char(out, '\n');
}

static void what(const struct incident *i, struct buf *out)
{
    buf_printf(out, "  what   %llu finding%s, %s, confidence %.2f",
               (unsigned long long)i->findings_total, i->findings_total == 1 ? "" : "s",
               severity_name(i->severity), i->confidence);
    for (size_t k = 0; k < i->tags_n; k++) {
        buf_text(out, k ? " " : "; ");
        escape_text(out, i->tags[k]);
    }
    buf_char(out, '\n');
    if (i->lossy)
        buf_text(out, "  note   events were lost while this went on: there may be more to it\n");
    if (i->merged_into)
        buf_printf(out, "  note   found to be a part of incident %llu (%s): it goes on there\n",
                   (unsigned long long)i->merged_into, i->joined_by);
}

static void entry(const struct output_style *s, const struct incident *i,
                  const struct timeline_entry *t, bool many, struct buf *out)
{
    double ms = (double)(t->time.ns - i->first.ns) / (double)NSEC_PER_MSEC;
    buf_printf(out, "  %+12.3f ms  %s%-13s%s ", ms, s->color ? severity_color(t->severity) : "",
               severity_name(t->severity), s->color ? PLAIN : "");
    escape_text(out, t->text);
    buf_char(out, '\n');
    buf_text(out, "                   ");
    if (many) {
        buf_text(out, "in ");
        put_container(i, t->container, out);
        buf_text(out, "; ");
    }
    if (t->tgid)
        buf_printf(out, "process %u", t->tgid);
    else
        buf_text(out, "no process");
    if (t->chain.len) {
        buf_text(out, ": ");
        escape_text(out, t->chain);
    }
    if (t->joined_by && strcmp(t->joined_by, "first") != 0)
        buf_printf(out, "; belongs by %s", t->joined_by);
    buf_char(out, '\n');
}

static void timeline(const struct output_style *s, const struct incident *i, struct buf *out)
{
    if (i->timeline_n == 0)
        return;
    buf_char(out, '\n');
    heading(s, "What happened", out);
    // What a full timeline let go lay in its middle.
    uint64_t gone = i->findings_total > i->timeline_n ? i->findings_total - i->timeline_n : 0;
    for (size_t k = 0; k < i->timeline_n; k++) {
        if (gone && k == i->timeline_n / 2)
            buf_printf(out, "                   … %llu more that are not kept here\n",
                       (unsigned long long)gone);
        entry(s, i, &i->timeline[k], i->containers_n > 1, out);
    }
}

static void done(const struct output_style *s, const struct incident *i,
                 const struct decision *const *decisions, size_t n, struct buf *out)
{
    if (n == 0)
        return;
    buf_char(out, '\n');
    heading(s, "What was done", out);
    for (size_t k = 0; k < n; k++) {
        const struct decision *d = decisions[k];
        double ms = ((double)d->time.ns - (double)i->first.ns) / (double)NSEC_PER_MSEC;
        buf_printf(out, "  %+12.3f ms  %-13s ", ms, step_name(d->step));
        put_container(i, d->container, out);
        buf_text(out, ": ");
        escape_text(out, d->reason);
        buf_char(out, '\n');
    }
}

// What a person can type. A name from outside goes into a command only where a shell takes it as
// one plain word.
static bool plain_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (i && strchr("._-", c))) ||
            !c)
            return false;
    }
    return s.len;
}

static void next(const struct output_style *s, const struct incident *i, struct buf *out)
{
    unsigned long long n = i->merged_into ? i->merged_into : i->number;
    buf_char(out, '\n');
    heading(s, "What to do next", out);
    if (i->merged_into) {
        buf_printf(
            out, "  bulkhead incident %llu              the incident that this is a part of\n", n);
        return;
    }
    for (size_t k = 0; k < i->containers_n && k < 3; k++)
        if (i->containers[k] != 0 && plain_word(i->container_ids[k]))
            buf_printf(out,
                       "  bulkhead why " STR_FMT
                       "    what stands against it in the kernel, and why\n",
                       STR_ARG(i->container_ids[k]));
    if (i->state == INCIDENT_OPEN)
        buf_printf(out,
                   "  bulkhead incident %llu --confirm    it is an attack: keep it open until you "
                   "close it\n",
                   n);
    if (i->state == INCIDENT_OPEN || i->state == INCIDENT_CONFIRMED)
        buf_printf(
            out, "  bulkhead incident %llu --dismiss    it is none: take back what was done\n", n);
    else
        buf_printf(out, "  bulkhead incident %llu --reopen     it isn't over\n", n);
    buf_text(out, "  bulkhead ledger verify         that the record of it is whole\n");
}

void output_story(const struct output_style *s, const struct incident *i,
                  const struct decision *const *decisions, size_t decisions_n, struct buf *out)
{
    if (s->color)
        buf_text(out, severity_color(i->severity));
    escape_text(out, i->title.len ? i->title : STR("(no title)"));
    if (s->color)
        buf_text(out, PLAIN);
    buf_char(out, '\n');
    who(i, out);
    when(i, out);
    what(i, out);
    timeline(s, i, out);
    done(s, i, decisions, decisions_n, out);
    next(s, i, out);
}

void output_incident_story(const struct incident *i, struct buf *out)
{
    output_story(&output_plain, i, NULL, 0, out);
}
