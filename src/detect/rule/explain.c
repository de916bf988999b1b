// explain: a rule as it was written, as it was understood, and as it runs.
#include "detect/rule/internal.h"

#include <errno.h>

static const uint16_t all_kinds = BH_KERNEL_MAX;

static const char *const stability_names[] = {"constant of the exec", "constant of the object",
                                              "constant of a fact's version", "volatile"};
static const char *const side_names[SIDE_MAX] = {"host", "containers"};

static const struct rule *find(const struct ruleset *r, struct str name, struct error *err)
{
    const char **names = calloc(r->rules_n + 1, sizeof(*names));
    const char *near = NULL;
    char wanted[256];
    snprintf(wanted, sizeof(wanted), STR_FMT, STR_ARG(name));
    for (size_t i = 0; i < r->rules_n; i++) {
        if (str_eq(r->rules[i].name, name)) {
            free(names);
            return &r->rules[i];
        }
        if (names)
            names[i] = r->rules[i].name.ptr;
    }
    if (names)
        near = nearest_word(wanted, names, r->rules_n);
    error_set(err, -ENOENT, "no rule is named '%s'%s%s%s", wanted, near ? ": did you mean '" : "",
              near ? near : "", near ? "'?" : "");
    free(names);
    return NULL;
}

// Which insns a rule's part of a program reaches, routines included.
static void mark(const struct program *p, uint32_t pc, uint32_t from, uint32_t to, bool *seen)
{
    while (pc < p->n && !seen[pc]) {
        const struct insn *i = &p->code[pc];
        bool own = pc >= from && pc < to, routine = pc < p->starts[0];
        if (!own && !routine)
            return;
        seen[pc] = true;
        if (i->op == OP_RETURN || i->op == OP_END || i->op == OP_MATCH)
            return;
        if (i->op == OP_CALL)
            mark(p, i->a, from, to, seen);
        mark(p, i->yes, from, to, seen);
        pc = i->no;
    }
}

static void print_target(struct buf *out, const struct program *p, uint32_t to, uint32_t start,
                         uint32_t end)
{
    if (to >= end && to >= p->starts[0])
        buf_text(out, "next rule");
    else if (to < p->n && p->code[to].op == OP_MATCH && to >= start)
        buf_text(out, "MATCH");
    else
        buf_printf(out, "%u", to);
}

static void print_insn(struct buf *out, const struct ruleset *r, const struct program *p,
                       uint32_t pc, uint32_t start, uint32_t end)
{
    const struct insn *i = &p->code[pc];
    _cleanup_buf_ struct buf line = {0};
    switch (i->op) {
    case OP_TEST:
        buf_printf(&line, "%5u  test   yes → ", pc);
        break;
    case OP_CALL:
        buf_printf(&line, "%5u  call %-5u yes → ", pc, i->a);
        break;
    case OP_RETURN:
        buf_printf(out, "%5u  return %s\n", pc, i->a ? "yes" : "no");
        return;
    default:
        buf_printf(out, "%5u  match\n", pc);
        return;
    }
    print_target(&line, p, i->yes, start, end);
    buf_text(&line, ", no → ");
    print_target(&line, p, i->no, start, end);
    buf_printf(out, "%s", line.ptr ? line.ptr : "");
    for (size_t pad = line.len; pad < 46; pad++)
        buf_char(out, ' ');
    buf_text(out, " ; ");
    if (i->op == OP_TEST) {
        escape_text(out, r->unit.tests[i->a].key);
        buf_printf(out, " (cost %u%s)", r->unit.tests[i->a].cost,
                   i->slot ? ", asked once an event" : "");
    } else {
        buf_text(out, "a part that is used more than once");
    }
    buf_char(out, '\n');
}

static bool slice(const struct program *p, uint32_t rule, uint32_t *start, uint32_t *end)
{
    for (uint32_t i = 0; p->code && i < p->rules_n; i++) {
        if (p->rules[i] == rule) {
            *start = p->starts[i];
            *end = p->starts[i + 1];
            return true;
        }
    }
    return false;
}

static void print_code(struct buf *out, const struct ruleset *r, const struct program *p,
                       uint32_t rule)
{
    uint32_t start, end;
    if (!slice(p, rule, &start, &end))
        return;
    bool *seen = calloc(p->n, sizeof(*seen));
    if (!seen)
        return;
    mark(p, start, start, end, seen);
    for (uint32_t pc = start; pc < end; pc++)
        if (seen[pc])
            print_insn(out, r, p, pc, start, end);
    for (uint32_t pc = 0; pc < p->starts[0]; pc++)
        if (seen[pc])
            print_insn(out, r, p, pc, start, end);
    free(seen);
}

// Fields that a resolved condition reads, each once.
static void collect(const struct ruleset *r, const struct term *t, bool *seen)
{
    if (t->type == EXPR_FIELD)
        seen[t->field] = true;
    for (size_t i = 0; i < t->n; i++)
        collect(r, t->args[i], seen);
}

static void collect_node(const struct ruleset *r, uint32_t node, bool *fields, bool *nodes)
{
    const struct gnode *g = &r->unit.nodes[node];
    if (nodes[node])
        return;
    nodes[node] = true;
    if (g->gate == GATE_TEST) {
        collect(r, r->unit.tests[g->kids[0]].left, fields);
        if (r->unit.tests[g->kids[0]].right)
            collect(r, r->unit.tests[g->kids[0]].right, fields);
        return;
    }
    for (uint32_t i = 0; i < g->n; i++)
        collect_node(r, g->kids[i], fields, nodes);
}

static void field_label(struct buf *out, const struct field_ref *f)
{
    buf_text(out, f->row->name);
    if (!f->has_arg)
        return;
    bool dot = (f->getter->flags & GET_DOTTED) && f->index < 0;
    buf_printf(out, dot ? ".%.*s" : "[%.*s]", STR_ARG(f->arg));
}

static void event_types(struct buf *out, const struct rule *rule)
{
    size_t n = event_set_count(&rule->events), shown = 0;
    if (rule->all_events) {
        buf_text(out, "every event");
        return;
    }
    bool inverse = n > event_names_n / 2;
    buf_text(out, inverse ? "all but " : n == 0 ? "none" : "");
    for (size_t i = 0; i < event_names_n; i++)
        if (event_set_has(&rule->events, (int)i) != inverse)
            buf_printf(out, "%s%s", shown++ ? ", " : "", event_names[i]);
}

struct explained {
    const struct ruleset *r;
    const struct rule *rule;
    uint32_t index;
    bool *fields;
};

static void as_text(const struct explained *x, struct buf *out)
{
    const struct rule *rule = x->rule;
    buf_text(out, "rule: ");
    escape_text(out, rule->name);
    buf_text(out, "\nat: ");
    if (rule->at.file < x->r->files_n)
        escape_text(out, x->r->files[rule->at.file]);
    buf_printf(out, ":%u:%u\ndescription: ", rule->at.line, rule->at.column);
    escape_text(out, rule->desc);
    buf_printf(out, "\npriority: %s\nconfidence: %g\ntags:", severity_name(rule->priority),
               rule->confidence);
    for (size_t i = 0; i < rule->tags_n; i++) {
        buf_text(out, i ? ", " : " ");
        escape_text(out, rule->tags[i]);
    }
    buf_text(out, "\ncondition: ");
    _cleanup_buf_ struct buf text = {0};
    print_node(&text, rule->tree, false);
    escape_text(out, buf_view(&text));
    buf_text(out, "\nresolved: ");
    buf_reset(&text);
    print_node(&text, rule->tree, true);
    escape_text(out, buf_view(&text));
    buf_text(out, "\noutput: ");
    escape_text(out, rule->output_text);
    buf_text(out, "\nevent types: ");
    event_types(out, rule);
    for (int side = 0; side < SIDE_MAX; side++) {
        size_t n = 0;
        buf_printf(out, "\nasks the kernel of %s for: ", side_names[side]);
        for (uint16_t k = 1; k < all_kinds; k++)
            if (kind_set_has(&rule->kinds[side], k))
                buf_printf(out, "%s%s", n++ ? ", " : "", kind_row(k)->name);
        buf_text(out, n ? "" : "nothing");
    }
    buf_text(out, "\nfields:\n");
    for (size_t i = 0; i < x->r->unit.fields_n; i++) {
        if (!x->fields[i])
            continue;
        buf_reset(&text);
        field_label(&text, &x->r->unit.fields[i]);
        buf_text(out, "  ");
        escape_text(out, buf_view(&text));
        buf_printf(out, ": %s\n", stability_names[x->r->unit.fields[i].row->stability]);
    }
    for (uint16_t k = 1; k < all_kinds; k++) {
        struct buf code[SIDE_MAX] = {{0}};
        for (int side = 0; side < SIDE_MAX; side++)
            print_code(&code[side], x->r, &x->r->programs[side][k], x->index);
        bool same = code[0].len && str_eq(buf_view(&code[0]), buf_view(&code[1]));
        for (int side = 0; side < SIDE_MAX && !(same && side); side++)
            if (code[side].len) {
                buf_printf(out, "code for %s of %s:\n", kind_row(k)->name,
                           same ? "host and containers" : side_names[side]);
                buf_str(out, buf_view(&code[side]));
            }
        for (int side = 0; side < SIDE_MAX; side++)
            buf_done(&code[side]);
    }
}

static void as_json(const struct explained *x, struct buf *out)
{
    const struct rule *rule = x->rule;
    struct json j = json_on(out);
    _cleanup_buf_ struct buf text = {0};
    json_object(&j);
    json_kstr(&j, "rule", rule->name);
    json_kstr(&j, "file", rule->at.file < x->r->files_n ? x->r->files[rule->at.file] : STR_NULL);
    json_ku64(&j, "line", rule->at.line);
    json_ku64(&j, "column", rule->at.column);
    json_kstr(&j, "description", rule->desc);
    json_kcstr(&j, "priority", severity_name(rule->priority));
    json_kdouble(&j, "confidence", rule->confidence);
    json_key(&j, "tags");
    json_array(&j);
    for (size_t i = 0; i < rule->tags_n; i++)
        json_str(&j, rule->tags[i]);
    json_array_end(&j);
    print_node(&text, rule->tree, false);
    json_kstr(&j, "condition", buf_view(&text));
    buf_reset(&text);
    print_node(&text, rule->tree, true);
    json_kstr(&j, "resolved", buf_view(&text));
    json_kstr(&j, "output", rule->output_text);
    json_kbool(&j, "all_event_types", rule->all_events);
    json_key(&j, "event_types");
    json_array(&j);
    for (size_t i = 0; i < event_names_n && !rule->all_events; i++)
        if (event_set_has(&rule->events, (int)i))
            json_cstr(&j, event_names[i]);
    json_array_end(&j);
    json_key(&j, "interest");
    json_object(&j);
    for (int side = 0; side < SIDE_MAX; side++) {
        json_key(&j, side_names[side]);
        json_array(&j);
        for (uint16_t k = 1; k < all_kinds; k++)
            if (kind_set_has(&rule->kinds[side], k))
                json_cstr(&j, kind_row(k)->name);
        json_array_end(&j);
    }
    json_object_end(&j);
    json_key(&j, "fields");
    json_array(&j);
    for (size_t i = 0; i < x->r->unit.fields_n; i++) {
        if (!x->fields[i])
            continue;
        buf_reset(&text);
        field_label(&text, &x->r->unit.fields[i]);
        json_object(&j);
        json_kstr(&j, "name", buf_view(&text));
        json_kcstr(&j, "stability", stability_names[x->r->unit.fields[i].row->stability]);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_key(&j, "code");
    json_array(&j);
    for (int side = 0; side < SIDE_MAX; side++) {
        for (uint16_t k = 1; k < all_kinds; k++) {
            buf_reset(&text);
            print_code(&text, x->r, &x->r->programs[side][k], x->index);
            if (text.len == 0)
                continue;
            json_object(&j);
            json_kcstr(&j, "kind", kind_row(k)->name);
            json_kcstr(&j, "of", side_names[side]);
            json_kstr(&j, "text", buf_view(&text));
            json_object_end(&j);
        }
    }
    json_array_end(&j);
    json_object_end(&j);
}

int ruleset_explain(const struct ruleset *r, struct str name, bool want_json, struct buf *out,
                    struct error *err)
{
    const struct rule *rule = find(r, name, err);
    if (!rule)
        return -ENOENT;
    _cleanup_free_ bool *fields = calloc(r->unit.fields_n + 1, sizeof(*fields));
    _cleanup_free_ bool *nodes = calloc(r->unit.nodes_n + 1, sizeof(*nodes));
    if (!fields || !nodes)
        return error_set(err, -ENOMEM, "out of memory");
    collect_node(r, rule->graph, fields, nodes);
    struct explained x = {r, rule, (uint32_t)(rule - r->rules), fields};
    if (want_json)
        as_json(&x, out);
    else
        as_text(&x, out);
    return out->failed ? error_set(err, -ENOMEM, "out of memory") : 0;
}
