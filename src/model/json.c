// Incidents, decisions, rows and outcomes as JSON. One writer a type, one order of keys: a live
// run's streams and its replay's are compared byte for byte. docs/formats/ describes each.
#include "model/internal.h"

static void timeline(struct json *j, const struct timeline_entry *t)
{
    json_object(j);
    json_kwall(j, "time", t->wall);
    json_kbig(j, "boot_ns", t->time.ns);
    json_kid(j, "finding", t->finding);
    json_kcstr(j, "severity", severity_name(t->severity));
    json_kdouble(j, "confidence", t->confidence);
    json_kbig(j, "container", t->container);
    json_kbig(j, "pid", t->tgid);
    json_kcstr(j, "joined_by", t->joined_by);
    json_kstr(j, "chain", t->chain);
    json_kstr(j, "text", t->text);
    json_object_end(j);
}

void incident_json(struct json *j, const struct incident *i)
{
    json_object(j);
    json_kid(j, "id", i->id);
    json_kbig(j, "number", i->number);
    json_kbig(j, "version", i->version);
    json_kcstr(j, "state", incident_state_name(i->state));
    json_kcstr(j, "severity", severity_name(i->severity));
    json_kdouble(j, "confidence", i->confidence);
    json_kstr(j, "title", i->title);
    json_kwall(j, "first", i->first_wall);
    json_kbig(j, "first_boot_ns", i->first.ns);
    json_kwall(j, "last", i->last_wall);
    json_kbig(j, "last_boot_ns", i->last.ns);
    json_kcstr(j, "joined_by", i->joined_by);
    json_key(j, "containers");
    json_array(j);
    for (size_t k = 0; k < i->containers_n; k++) {
        json_object(j);
        json_kbig(j, "number", i->containers[k]);
        json_kstr(j, "id", i->container_ids[k]);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "tags");
    json_array(j);
    for (size_t k = 0; k < i->tags_n; k++)
        json_str(j, i->tags[k]);
    json_array_end(j);
    json_kbool(j, "lossy", i->lossy);
    json_kbig(j, "findings", i->findings_total);
    json_key(j, "timeline");
    json_array(j);
    for (size_t k = 0; k < i->timeline_n; k++)
        timeline(j, &i->timeline[k]);
    json_array_end(j);
    json_key(j, "merged_into");
    if (i->merged_into)
        json_big(j, i->merged_into);
    else
        json_null(j);
    json_object_end(j);
}

static void until(struct json *j, uint64_t boot_ns)
{
    json_key(j, "until_boot_ns");
    if (boot_ns)
        json_big(j, boot_ns);
    else
        json_null(j);
}

void decision_json(struct json *j, const struct decision *d)
{
    json_object(j);
    json_kid(j, "id", d->id);
    json_kid(j, "incident", d->incident);
    json_kbig(j, "incident_number", d->incident_number);
    json_kcstr(j, "step", step_name(d->step));
    json_kcstr(j, "would", d->would > d->step ? step_name(d->would) : NULL);
    json_key(j, "container");
    json_object(j);
    json_kbig(j, "number", d->container);
    json_kstr(j, "id", d->container_id);
    json_object_end(j);
    json_kbig(j, "boot_ns", d->time.ns);
    until(j, d->until);
    json_kcstr(j, "severity", severity_name(d->severity));
    json_kdouble(j, "confidence", d->confidence);
    json_kstr(j, "reason", d->reason);
    json_kstr(j, "where", d->where);
    json_object_end(j);
}

static void row_object(struct json *j, const struct row *r)
{
    json_key(j, "object");
    if (r->kind != ROW_EXEC && r->kind != ROW_NETWORK && r->kind != ROW_ISOLATE) {
        json_null(j);
        return;
    }
    json_object(j);
    json_kcstr(j, "type", r->kind == ROW_ISOLATE ? "isolate" : object_name(r->object));
    if (r->kind == ROW_NETWORK || r->kind == ROW_ISOLATE)
        json_kstr(j, "text", r->path);
    if (r->object == BH_OBJECT_PATH || r->object == BH_OBJECT_INODE)
        json_kstr(j, "path", r->path);
    if (r->object == BH_OBJECT_INODE) {
        json_kfile_id(j, r->dev, r->ino);
        json_kbig(j, "ctime_ns", r->ctime);
    }
    json_object_end(j);
}

void row_json(struct json *j, const struct row *r, enum row_change change, uint64_t time)
{
    json_object(j);
    json_kbig(j, "number", r->number);
    json_kid(j, "id", r->id);
    json_kcstr(j, "change", row_change_name(change));
    json_kbig(j, "boot_ns", time);
    json_kcstr(j, "kind", row_kind_name(r->kind));
    json_kcstr(j, "mode", row_mode_name(r->mode));
    json_key(j, "owner");
    json_object(j);
    json_kcstr(j, "type", row_owner_name(r->owner));
    json_kstr(j, "name", r->owner_name);
    json_kstr(j, "where", r->where);
    json_object_end(j);
    json_kstr(j, "reason", r->reason);
    json_ki64(j, "priority", r->priority);
    json_key(j, "container");
    if (r->container == ROW_ANY_CONTAINER)
        json_null(j);
    else {
        json_object(j);
        json_kbig(j, "number", r->container);
        json_kstr(j, "id", r->container_id);
        json_object_end(j);
    }
    row_object(j, r);
    json_key(j, "level");
    if (r->kind == ROW_LEVEL)
        json_u64(j, r->level);
    else
        json_null(j);
    if (r->kind == ROW_THROTTLE) {
        json_key(j, "limits");
        json_object(j);
        json_ku64(j, "cpu_pct", r->cpu_pct);
        json_ku64(j, "pids", r->pids_max);
        json_object_end(j);
    }
    json_kbig(j, "since_boot_ns", r->since);
    until(j, r->until);
    json_kbig(j, "generation", r->generation);
    json_object_end(j);
}

void outcome_json(struct json *j, const struct outcome *o)
{
    json_object(j);
    json_kbig(j, "row", o->row);
    json_kid(j, "row_id", o->row_id);
    json_kcstr(j, "state", outcome_state_name(o->state));
    json_kcstr(j, "tier", o->tier);
    json_kcstr(j, "effect", effect_name(o->effect));
    json_kbool(j, "enforced", o->enforced);
    json_ki64(j, "error", o->error);
    json_kstr(j, "message", o->message);
    json_object_end(j);
}
