// text: a line a finding, as Falco writes it. Everything that is strange in it is shown as an
// escape, so that a line is a line and no terminal obeys it.
#include "output/internal.h"

static void put_severity(const struct output_style *s, enum severity severity, struct buf *out)
{
    if (s->color)
        buf_text(out, severity_color(severity));
    buf_text(out, severity_name(severity));
    if (s->color)
        buf_text(out, "\x1b[0m");
}

void text_finding(const struct output_style *s, const struct finding *f, struct buf *out)
{
    _cleanup_buf_ struct buf message = {0};
    put_time(out, f->wall, s->iso_time);
    buf_text(out, ": ");
    put_severity(s, f->severity, out);
    buf_char(out, ' ');
    put_message(&message, f);
    escape_text(out, buf_view(&message));
    buf_char(out, '\n');
}

void text_incident(const struct output_style *s, const struct incident *i, struct buf *out)
{
    put_time(out, i->last_wall, s->iso_time);
    buf_text(out, ": ");
    put_severity(s, i->severity, out);
    buf_printf(out, " Incident %llu (%s, confidence %.2f): ", (unsigned long long)i->number,
               incident_state_name(i->state), i->confidence);
    escape_text(out, i->title);
    buf_printf(out, "; %llu finding%s in ", (unsigned long long)i->findings_total,
               i->findings_total == 1 ? "" : "s");
    for (size_t k = 0; k < i->containers_n; k++) {
        if (k)
            buf_text(out, ", ");
        escape_text(out, i->container_ids[k].len ? i->container_ids[k] : STR("?"));
    }
    if (i->merged_into)
        buf_printf(out, "; goes on as incident %llu (%s)", (unsigned long long)i->merged_into,
                   i->joined_by);
    else if (i->findings_total > 1 && i->joined_by)
        buf_printf(out, "; the last one joined by %s", i->joined_by);
    buf_char(out, '\n');
}
