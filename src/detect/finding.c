// What findings of every detector have in common.
#include "detect/detect.h"

void detect_container_finding(struct finding *f, const char *detector, const struct detect_env *env,
                              const struct container *c, uint64_t time)
{
    bool host = c->number == 0;
    *f = (struct finding){
        .detector = detector,
        .time = {time},
        .wall = {time + (uint64_t)env->wall_minus_boot},
        .generation = env->generation,
        .hostname = env->hostname,
        .container = c->number,
        .container_id = host ? STR("host") : c->id,
        .source = STR("syscall"),
        .lossy = c->lossy,
        .shard = env->shard,
    };
    if (!host && c->facts->version) {
        f->container_name = c->facts->name;
        f->image_name = c->facts->image;
        f->workload = c->facts->workload;
    }
}

void detect_finding(struct finding *f, const char *detector, const struct detect_env *env,
                    const struct event *e)
{
    detect_container_finding(f, detector, env, e->container, e->rec->time);
    f->tgid = e->rec->tgid;
    f->start = e->process ? e->process->start : e->rec->start;
    f->exec = e->rec->exec;
    f->lineage = e->process ? e->process->lineage : 0;
    f->kind = e->rec->kind;
    f->truth = e->rec->truth;
    f->flags = e->rec->flags;
    f->segment = e->at.segment;
    f->offset = e->at.offset;
    for (const struct process *p = e->process; p && f->chain_n < MAX_LINEAGE; p = p->parent) {
        const struct image *i = p == e->process ? e->image : p->image;
        f->chain[f->chain_n++] = (struct lineage_step){p->tgid, p->start, i ? i->comm : STR_NULL,
                                                       i ? i->path : STR_NULL};
    }
}

void detect_field(struct finding *f, const char *key, struct str text)
{
    if (f->fields_n == MAX_FINDING_FIELDS)
        return;
    f->fields[f->fields_n++] = (struct finding_field){
        .key = str_of(key), .type = FIELD_STRING, .null = text.len == 0, .text = text};
}

void detect_field_u64(struct finding *f, const char *key, uint64_t number)
{
    if (f->fields_n == MAX_FINDING_FIELDS)
        return;
    f->fields[f->fields_n++] =
        (struct finding_field){.key = str_of(key), .type = FIELD_U64, .number = number};
}
