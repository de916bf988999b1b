// A met row is a finding: what the kernel refused (or, in audit, would have refused) on a policy's
// behalf. A shard makes it from the verdict's event; the row's own words are filled in where the
// rows are known.
#include "agent/internal.h"

bool verdict_finding(const struct detect_env *env, const struct event *e, struct finding *f)
{
    const struct bh_verdict *v = REC_AS(e->rec, bh_verdict);
    if (!v)
        return false;
    bool refused = v->effect == BH_EFFECT_REFUSED || v->effect == BH_EFFECT_KILLED_BEFORE;
    detect_finding(f, "policy", env, e);
    f->severity = refused ? SEVERITY_WARNING : SEVERITY_NOTICE;
    f->confidence = 0.9;
    f->row = v->row;
    f->effect = v->effect;
    f->objects[f->objects_n++] = (struct object_ref){
        .dev = v->file.dev, .ino = v->file.ino, .path = rec_str(e->rec, v->path)};
    detect_field(f, "container.id", f->container_id);
    detect_field(f, "container.name", f->container_name);
    detect_field(f, "proc.name", e->image ? e->image->comm : STR_NULL);
    detect_field(f, "proc.exepath", rec_str(e->rec, v->path));
    detect_field(f, "verdict.effect", str_of(effect_name((enum bh_effect)v->effect)));
    detect_field(f, "verdict.object", str_of(object_name((enum bh_object)v->object)));
    detect_field_u64(f, "verdict.row", v->row);
    detect_field_u64(f, "proc.pid", e->rec->tgid);
    return true;
}

// A met row's finding gets the row's own words.
void verdict_name(struct line *l, struct finding *f)
{
    static const struct str tags[] = {{"policy", 6}};
    const struct row *row = desired_row(l->desired, f->row);
    _cleanup_buf_ struct buf text = {0};
    struct str path = f->objects_n ? f->objects[0].path : STR_NULL;
    bool audit = f->effect == BH_EFFECT_WOULD;
    buf_printf(&text, "%s: exec of ", effect_name((enum bh_effect)f->effect));
    buf_str(&text, path);
    buf_printf(&text, " (%s, ", row ? object_name(row->object) : "row no longer in the table");
    buf_text(&text, audit ? "audit" : "enforce");
    if (row) {
        buf_text(&text, ") by policy ");
        buf_str(&text, row->owner_name);
        buf_text(&text, " at ");
        buf_str(&text, row->where);
        if (row->reason.len) {
            buf_text(&text, ": ");
            buf_str(&text, row->reason);
        }
    } else
        buf_char(&text, ')');
    detect_field(f, "policy.name", row ? arena_str(l->arena, row->owner_name) : STR_NULL);
    detect_field(f, "policy.where", row ? arena_str(l->arena, row->where) : STR_NULL);
    f->rule = row ? arena_str(l->arena, row->owner_name) : STR("row no longer in the table");
    f->output = arena_str(l->arena, buf_view(&text));
    f->tags = tags;
    f->tags_n = ARRAY_SIZE(tags);
    f->id = finding_id(f);
}
