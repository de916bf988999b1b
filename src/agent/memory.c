// A bounded ring of what was said.
#include "agent/memory.h"

struct memory {
    struct remembered ring[MAX_REMEMBERED];
    uint64_t first, next; // positions, never reset
    size_t bytes;
};

struct memory *memory_new(void)
{
    return calloc(1, sizeof(struct memory));
}

static void drop_oldest(struct memory *m)
{
    struct remembered *r = &m->ring[m->first++ % MAX_REMEMBERED];
    m->bytes -= r->bytes;
    free(r->container_id);
    free(r->container_name);
    free(r->path);
    free(r->text);
    free(r->where);
    free(r->json);
    *r = (struct remembered){0};
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    while (m->first < m->next)
        drop_oldest(m);
    free(m);
}

static struct remembered *add(struct memory *m, enum remembered_kind kind, struct str container_id,
                              struct str container_name, struct str path, struct str text,
                              struct str where, struct str json)
{
    size_t bytes =
        container_id.len + container_name.len + path.len + text.len + where.len + json.len + 256;
    while (m->first < m->next &&
           (m->next - m->first == MAX_REMEMBERED || m->bytes + bytes > MAX_REMEMBERED_BYTES))
        drop_oldest(m);
    struct remembered *r = &m->ring[m->next++ % MAX_REMEMBERED];
    *r = (struct remembered){.kind = kind,
                             .container_id = str_dup(container_id),
                             .container_name = str_dup(container_name),
                             .path = str_dup(path),
                             .text = str_dup(text),
                             .where = str_dup(where),
                             .json = str_dup(json),
                             .bytes = bytes};
    m->bytes += bytes;
    return r;
}

void memory_finding(struct memory *m, const struct finding *f)
{
    _cleanup_buf_ struct buf text = {0}, json = {0};
    struct json j = json_on(&json);
    finding_json(&j, f);
    buf_printf(&text, "%s: ", severity_name(f->severity));
    buf_str(&text, f->rule);
    buf_text(&text, ": ");
    buf_str(&text, f->output);
    struct str path = f->objects_n ? f->objects[0].path : STR_NULL;
    struct remembered *r = add(m, REMEMBER_FINDING, f->container_id, f->container_name, path,
                               buf_view(&text), STR_NULL, buf_view(&json));
    r->time = f->time.ns;
    r->wall = f->wall;
    r->id = f->id;
    r->container = f->container;
    r->tgid = f->tgid;
    r->row = f->row;
}

void memory_decision(struct memory *m, const struct decision *d, struct wall_ns wall)
{
    _cleanup_buf_ struct buf text = {0}, json = {0};
    struct json j = json_on(&json);
    decision_json(&j, d);
    buf_printf(&text, "%s, for incident %llu: ", step_name(d->step),
               (unsigned long long)d->incident_number);
    buf_str(&text, d->reason);
    struct remembered *r = add(m, REMEMBER_DECISION, d->container_id, STR_NULL, STR_NULL,
                               buf_view(&text), STR_NULL, buf_view(&json));
    r->time = d->time.ns;
    r->wall = wall;
    r->id = d->id;
    r->incident = d->incident;
    r->container = d->container;
    r->step = d->step;
    r->reason = r->text && strlen(r->text) >= d->reason.len
                    ? r->text + strlen(r->text) - d->reason.len
                    : "";
}

void memory_row(struct memory *m, const struct row *row, enum row_change change, uint64_t time,
                struct wall_ns wall)
{
    static const char *const said[] = {"now in the desired state", "changed", "no longer wanted",
                                       "its time is over"};
    _cleanup_buf_ struct buf text = {0}, json = {0};
    struct json j = json_on(&json);
    row_json(&j, row, change, time);
    buf_printf(&text, "row %llu (%s, %s) of %s ", (unsigned long long)row->number,
               row_kind_name(row->kind), row_mode_name(row->mode), row_owner_name(row->owner));
    buf_str(&text, row->owner_name);
    buf_printf(&text, ": %s", said[change]);
    if (row->reason.len) {
        buf_text(&text, ": ");
        buf_str(&text, row->reason);
    }
    struct remembered *r = add(m, REMEMBER_ROW, row->container_id, STR_NULL, row->path,
                               buf_view(&text), row->where, buf_view(&json));
    r->time = time;
    r->wall = wall;
    r->id = row->id;
    r->container = row->container;
    r->row = row->number;
}

void memory_outcome(struct memory *m, const struct outcome *o, uint64_t time, struct wall_ns wall)
{
    _cleanup_buf_ struct buf text = {0}, json = {0};
    struct json j = json_on(&json);
    outcome_json(&j, o);
    buf_printf(&text, "row %llu: %s by %s", (unsigned long long)o->row,
               outcome_state_name(o->state), o->tier ? o->tier : "none");
    if (o->message.len) {
        buf_text(&text, ": ");
        buf_str(&text, o->message);
    }
    struct remembered *r = add(m, REMEMBER_OUTCOME, STR_NULL, STR_NULL, STR_NULL, buf_view(&text),
                               STR_NULL, buf_view(&json));
    r->time = time;
    r->wall = wall;
    r->id = o->row_id;
    r->container = ROW_ANY_CONTAINER;
    r->row = o->row;
}

int memory_each(const struct memory *m, int (*f)(void *ctx, const struct remembered *r), void *ctx)
{
    int r = 0;
    for (uint64_t i = m->first; i < m->next && r == 0; i++)
        r = f(ctx, &m->ring[i % MAX_REMEMBERED]);
    return r;
}
