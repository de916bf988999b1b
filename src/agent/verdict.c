// A met row is a finding: what the kernel refused (or, in audit, would have refused) on a policy's
// behalf. The shard makes it from the verdict's event; the row's own words are filled in where the
// rows are known.
#include "agent/internal.h"

static void add_field(struct finding *f, const char *key, struct str text)
{
    f->fields[f->fields_n++] = (struct finding_field){
        .key = str_of(key), .type = FIELD_STRING, .null = text.len == 0, .text = text};
}

bool shard_verdict_finding(struct shard *s, const struct event *e, struct finding *f)
{
    const struct bh_verdict *v = REC_AS(e->rec, bh_verdict);
    if (!v)
        return false;
    struct line *l = s->line;
    bool refused = v->effect == BH_EFFECT_REFUSED || v->effect == BH_EFFECT_KILLED_BEFORE;
    *f = (struct finding){
        .detector = "policy",
        .severity = refused ? SEVERITY_WARNING : SEVERITY_NOTICE,
        .confidence = 0.9,
        .time = {e->rec->time},
        .wall = {e->rec->time + (uint64_t)l->wall_minus_boot},
        .generation = l->generation ? l->generation->number : 0,
        .container = e->container->number,
        .container_id = e->container->id,
        .container_name = e->container->facts->name,
        .image_name = e->container->facts->image,
        .workload = e->container->facts->workload,
        .tgid = e->rec->tgid,
        .start = e->rec->start,
        .exec = e->rec->exec,
        .lineage = e->process ? e->process->lineage : 0,
        .source = STR("syscall"),
        .kind = e->rec->kind,
        .truth = e->rec->truth,
        .flags = e->rec->flags,
        .lossy = e->container->lossy,
        .row = v->row,
        .effect = v->effect,
        .shard = s->number,
        .segment = e->at.segment,
        .offset = e->at.offset,
        .objects = {{.dev = v->file.dev, .ino = v->file.ino, .path = rec_str(e->rec, v->path)}},
        .objects_n = 1,
    };
    add_field(f, "container.id", f->container_id);
    add_field(f, "container.name", f->container_name);
    add_field(f, "proc.name", e->image ? e->image->comm : STR_NULL);
    add_field(f, "proc.exepath", rec_str(e->rec, v->path));
    add_field(f, "verdict.effect", str_of(effect_name((enum bh_effect)v->effect)));
    add_field(f, "verdict.object", str_of(object_name((enum bh_object)v->object)));
    f->fields[f->fields_n++] =
        (struct finding_field){.key = STR("verdict.row"), .type = FIELD_U64, .number = v->row};
    f->fields[f->fields_n++] =
        (struct finding_field){.key = STR("proc.pid"), .type = FIELD_U64, .number = e->rec->tgid};
    for (const struct process *p = e->process; p && f->chain_n < MAX_LINEAGE; p = p->parent)
        f->chain[f->chain_n++] =
            (struct lineage_step){p->tgid, p->start, p->image ? p->image->comm : STR_NULL,
                                  p->image ? p->image->path : STR_NULL};
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
    add_field(f, "policy.name", row ? arena_str(l->arena, row->owner_name) : STR_NULL);
    add_field(f, "policy.where", row ? arena_str(l->arena, row->where) : STR_NULL);
    f->rule = row ? arena_str(l->arena, row->owner_name) : STR("row no longer in the table");
    f->output = arena_str(l->arena, buf_view(&text));
    f->tags = tags;
    f->tags_n = ARRAY_SIZE(tags);
    f->id = finding_id(f);
}
