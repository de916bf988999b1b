// Events as text and JSON for people and programs: one line, or every field that has a value.
#include "detect/rule/internal.h"

#include <errno.h>

static bool field_value(struct match *m, struct str name, struct value *ret,
                        enum field_problem *ret_problem)
{
    struct field_ref f;
    char why[256];
    const char *hint;
    struct str base = name, arg = STR_NULL;
    const char *open = name.len ? memchr(name.ptr, '[', name.len) : NULL;
    if (open && str_ends(name, STR("]"))) {
        base.len = (size_t)(open - name.ptr);
        arg = (struct str){open + 1, (size_t)(name.ptr + name.len - 1 - open - 1)};
    }
    *ret_problem = field_resolve(base, arg, open != NULL, &f, why, sizeof(why), &hint);
    if (*ret_problem != FIELD_OK)
        return false;
    ret->type = f.row->type;
    return f.getter->get(m, &f, f.index, ret);
}

int rule_field_text(struct str field, struct rule_scratch *s, const struct detect_env *env,
                    const struct event *e, struct buf *out)
{
    struct match m;
    struct value v;
    enum field_problem problem;
    if (!match_begin(&m, NULL, s, env, e, 0))
        return -ENOMEM;
    bool ok = field_value(&m, field, &v, &problem);
    if (problem != FIELD_OK)
        return -EINVAL;
    if (ok)
        rule_value_text(out, &v);
    else
        buf_text(out, "<NA>");
    return 0;
}

static void put(struct match *m, struct buf *out, const char *before, const char *field,
                const char *after)
{
    struct value v;
    enum field_problem problem;
    if (!field_value(m, str_of(field), &v, &problem))
        return;
    _cleanup_buf_ struct buf text = {0};
    rule_value_text(&text, &v);
    if (text.len == 0 || str_eq(buf_view(&text), STR("<NA>")))
        return;
    buf_text(out, before);
    escape_text(out, buf_view(&text));
    buf_text(out, after);
}

// Which fields tell the most about a kind, in the order of the line.
static const struct {
    uint16_t kind;
    const char *fields[6]; // "label=field"; a bare field prints without a label
} lines[] = {
    {BH_EXEC, {"proc.exepath", "args=proc.args", "cwd=proc.cwd", "parent=proc.pname"}},
    {BH_FORK, {"child=evt.rawres"}},
    {BH_EXIT, {"code=exit.code", "signal=exit.signal"}},
    {BH_OPEN, {"fd.name", "flags=evt.arg.flags", "result=evt.res", "asked=fd.nameraw"}},
    {BH_MEMFD, {"fd.name", "fd=fd.num"}},
    {BH_CONNECT, {"fd.name", "proto=fd.l4proto", "result=evt.res"}},
    {BH_ACCEPT, {"fd.name", "proto=fd.l4proto", "result=evt.res"}},
    {BH_UDP_SEND, {"fd.name", "proto=fd.l4proto", "result=evt.res"}},
    {BH_DUP_SOCKET, {"fd.name", "fd=fd.num", "oldfd=evt.rawarg.oldfd"}},
    {BH_PTRACE,
     {"request=evt.arg.request", "target=ptrace.target_pid", "name=ptrace.target_name",
      "result=evt.res"}},
    {BH_CRED, {"old_uid=cred.old_uid", "new_uid=cred.new_uid", "gained=cred.gained_caps"}},
    {BH_NAMESPACE, {"changed=ns.changed"}},
    {BH_MOUNT,
     {"source=evt.arg.dev", "target=evt.arg.dir", "type=evt.arg.type", "flags=evt.arg.flags",
      "name=evt.arg.name", "result=evt.res"}},
    {BH_VERDICT, {"effect=verdict.effect", "object=verdict.object", "row=verdict.row"}},
    {BH_STORM, {"kind=storm.kind", "count=storm.count", "cause=storm.cause", "ring=storm.ring"}},
    {BH_LOSS, {"count=loss.count", "ring=loss.ring", "cpu=loss.cpu"}},
    {BH_RESOURCE, {"cpu_ns=resource.cpu_ns", "memory=resource.memory_bytes", "pids=resource.pids"}},
};

void rule_event_text(struct rule_scratch *s, const struct detect_env *env, const struct event *e,
                     struct buf *out)
{
    struct match m;
    if (!match_begin(&m, NULL, s, env, e, 0))
        return;
    put(&m, out, "", "evt.time", ": ");
    put(&m, out, "", "evt.type", "");
    put(&m, out, " ", "container.name", "");
    if (e->container && e->container->number &&
        !(e->container->facts && e->container->facts->name.len))
        put(&m, out, " ", "container.id", "");
    put(&m, out, " ", "proc.name", "");
    put(&m, out, "(", "proc.pid", ")");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        if (lines[i].kind != e->rec->kind)
            continue;
        for (size_t k = 0; k < ARRAY_SIZE(lines[i].fields) && lines[i].fields[k]; k++) {
            const char *field = lines[i].fields[k], *equals = strchr(field, '=');
            char label[64] = " ";
            if (equals)
                snprintf(label, sizeof(label), " %.*s=", (int)(equals - field), field);
            put(&m, out, label, equals ? equals + 1 : field, "");
        }
    }
    const struct {
        uint32_t flag;
        const char *word;
    } marks[] = {{BH_F_TRUNCATED, "truncated"},
                 {BH_F_SHARED_TABLE, "shared-table"},
                 {BH_F_MISMATCH, "mismatch"},
                 {BH_F_RENAMED, "renamed"}};
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (e->rec->flags & marks[i].flag)
            buf_printf(out, " [%s]", marks[i].word);
}

static void json_value(struct json *j, const struct value *v)
{
    _cleanup_buf_ struct buf text = {0};
    switch (v->type) {
    case FIELD_I64:
        json_i64(j, v->i64);
        return;
    case FIELD_BOOL:
        json_bool(j, v->b);
        return;
    case FIELD_STRING:
        json_str(j, v->str);
        return;
    case FIELD_IP:
    case FIELD_NET:
        rule_value_text(&text, v);
        json_str(j, buf_view(&text));
        return;
    default:
        json_u64(j, v->u64);
        return;
    }
}

void rule_event_json(struct rule_scratch *s, const struct detect_env *env, const struct event *e,
                     struct json *j)
{
    json_object(j);
    for (size_t i = 0; i < model_fields_n; i++) {
        struct match m;
        struct value v;
        enum field_problem problem;
        const struct field_row *row = &model_fields[i];
        // Each field begins with an empty scratch, so that hostile arguments can't crowd others
        // out.
        if (row->argument == 2 || row->type == FIELD_NET || strcmp(row->name, "evt.info") == 0 ||
            !match_begin(&m, NULL, s, env, e, 0))
            continue;
        if ((row->kinds.word[0] | row->kinds.word[1]) && !kind_set_has(&row->kinds, e->rec->kind))
            continue;
        if (strcmp(row->name, "fd.ip") == 0 || strcmp(row->name, "fd.port") == 0)
            continue; // both ends: fd.lip and fd.rip say it better
        if (!field_value(&m, str_of(row->name), &v, &problem))
            continue;
        json_key(j, row->name);
        json_value(j, &v);
    }
    json_object_end(j);
}
