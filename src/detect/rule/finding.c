// What a rule that fired says: the message, the fields it names, the chain of processes, the
// objects.
#include "detect/rule/internal.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>

void rule_value_text(struct buf *out, const struct value *v)
{
    char text[INET6_ADDRSTRLEN];
    switch (v->type) {
    case FIELD_STRING:
        buf_str(out, v->str);
        return;
    case FIELD_I64:
        buf_printf(out, "%lld", (long long)v->i64);
        return;
    case FIELD_BOOL:
        buf_text(out, v->b ? "true" : "false");
        return;
    case FIELD_IP:
    case FIELD_NET:
        buf_text(out,
                 inet_ntop(v->ip.len == 4 ? AF_INET : AF_INET6, v->ip.bytes, text, sizeof(text))
                     ? text
                     : "");
        return;
    default:
        buf_u64(out, v->u64);
        return;
    }
}

static uint64_t value_number(const struct value *v)
{
    switch (v->type) {
    case FIELD_I64:
        return (uint64_t)v->i64;
    case FIELD_BOOL:
        return v->b;
    case FIELD_STRING:
    case FIELD_IP:
    case FIELD_NET:
        return 0;
    default:
        return v->u64;
    }
}

static struct str kept(struct match *m, struct str s)
{
    struct writer w = writer_begin(m);
    writer_str(&w, s);
    return writer_end(&w);
}

static void add_field(struct match *m, struct finding *f, const struct token *t, bool null,
                      const struct value *v, struct str text)
{
    for (size_t i = 0; i < f->fields_n; i++)
        if (str_eq(f->fields[i].key, t->text))
            return;
    if (f->fields_n == MAX_FINDING_FIELDS)
        return;
    f->fields[f->fields_n++] = (struct finding_field){.key = t->text,
                                                      .type = v->type,
                                                      .null = null,
                                                      .text = null ? STR_NULL : text,
                                                      .number = null ? 0 : value_number(v)};
}

static void message(struct match *m, const struct rule *rule, struct finding *f)
{
    struct buf *out = &m->s->output;
    buf_reset(out);
    for (size_t i = 0; i < rule->output.n; i++) {
        const struct token *t = &rule->output.tokens[i];
        if (!t->field) {
            buf_str(out, t->text);
            continue;
        }
        struct value v = {.type = t->term ? t->term->value : FIELD_STRING};
        bool null = !t->term || !term_value(m, t->term, &v);
        size_t before = out->len;
        if (null)
            buf_text(out, "<NA>");
        else
            rule_value_text(out, &v);
        if (!t->term || t->term->type == EXPR_FIELD)
            add_field(m, f, t, null, &v,
                      out->failed ? STR_NULL
                                  : kept(m, (struct str){out->ptr + before, out->len - before}));
        while (t->width && out->len - before < t->width && !out->failed)
            buf_char(out, ' ');
        if (t->width && !out->failed && out->len - before > t->width) {
            out->len = before + t->width;
            out->ptr[out->len] = 0;
        }
    }
    f->output = kept(m, buf_view(out));
}

static void chain(struct match *m, struct finding *f)
{
    for (int64_t n = 0; n < MAX_LINEAGE; n++) {
        const struct process *p = match_ancestor(m, n);
        const struct image *i = n == 0 ? match_image(m) : p ? p->image : NULL;
        if (!p)
            break;
        f->chain[f->chain_n++] = (struct lineage_step){p->tgid, p->start, i ? i->comm : STR_NULL,
                                                       i ? i->path : STR_NULL};
    }
}

static void add_object(struct finding *f, const struct bh_file *x, struct str path, bool written)
{
    if (!x->ino || f->objects_n == MAX_OBJECTS)
        return;
    bool upper = (x->flags & BH_FILE_OVERLAY) && (x->flags & BH_FILE_UPPER);
    f->objects[f->objects_n++] =
        (struct object_ref){.dev = x->dev,
                            .ino = x->ino,
                            .path = path,
                            .written = written,
                            .foreign = upper || (x->flags & (BH_FILE_MEMFD | BH_FILE_UNLINKED))};
}

static void objects(struct match *m, struct finding *f)
{
    const struct bh_rec *r = m->e->rec;
    const struct bh_file *x = match_file(m);
    const struct image *i = match_image(m);
    const struct bh_exec *exec = r->kind == BH_EXEC ? REC_AS(r, bh_exec) : NULL;
    const struct bh_verdict *v = r->kind == BH_VERDICT ? REC_AS(r, bh_verdict) : NULL;
    if (x) {
        const struct bh_open *o = REC_AS(r, bh_open);
        bool writes =
            (o->flags & O_ACCMODE) != O_RDONLY || (o->flags & (O_TRUNC | O_CREAT)) || o->created;
        add_object(f, x, rec_str(r, o->path), writes && S_ISREG(x->mode));
    }
    if (exec)
        add_object(f, &exec->exe, rec_str(r, exec->path), false);
    else if (v)
        add_object(f, &v->file, rec_str(r, v->path), false);
    else if (i)
        add_object(f, &i->exe, i->path, false);
}

void finding_make(struct match *m, const struct ruleset *r, const struct rule *rule,
                  struct finding *f)
{
    const struct event *e = m->e;
    const struct container *c = e->container;
    const struct facts *facts = c ? c->facts : NULL;
    const struct bh_verdict *v = e->rec->kind == BH_VERDICT ? REC_AS(e->rec, bh_verdict) : NULL;
    bool host = event_side(e) == SIDE_HOST;
    memset(f, 0, sizeof(*f));
    f->detector = "rule";
    f->rule = rule->name;
    f->severity = rule->priority;
    f->confidence = rule->confidence;
    f->time.ns = e->rec->time;
    f->wall.ns = match_wall(m);
    f->generation = m->env->generation;
    f->container = c ? c->number : e->rec->container;
    f->container_id = host ? STR("host") : c ? c->id : STR_NULL;
    if (!host && facts && facts->version) {
        f->container_name = facts->name;
        f->image_name = facts->image;
        f->workload = facts->workload;
    }
    f->tgid = e->rec->tgid;
    f->start = e->process ? e->process->start : e->rec->start;
    f->exec = e->rec->exec;
    f->lineage = e->process ? e->process->lineage : 0;
    f->source = rule->source;
    f->tags = rule->tags;
    f->tags_n = rule->tags_n;
    f->kind = e->rec->kind;
    f->truth = e->rec->truth;
    f->flags = e->rec->flags;
    f->lossy = (c && c->lossy) || e->rec->kind == BH_LOSS || e->rec->kind == BH_STORM;
    f->row = v ? v->row : 0;
    f->effect = v ? v->effect : 0;
    f->shard = m->env->shard;
    f->segment = e->at.segment;
    f->offset = e->at.offset;
    static const struct token time_token = {.text = {"evt.time", 8}, .field = true};
    struct value when = {.type = FIELD_TIME, .u64 = f->wall.ns};
    struct buf *text = &m->s->output;
    buf_reset(text);
    uint64_t day = f->wall.ns / NSEC_PER_SEC % 86400;
    buf_printf(text, "%02u:%02u:%02u.%09u", (unsigned)(day / 3600), (unsigned)(day / 60 % 60),
               (unsigned)(day % 60), (unsigned)(f->wall.ns % NSEC_PER_SEC));
    add_field(m, f, &time_token, false, &when, kept(m, buf_view(text)));
    message(m, rule, f);
    chain(m, f);
    objects(m, f);
    f->id = finding_id(f);
}
