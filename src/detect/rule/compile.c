// From collected items to a ruleset: lists pasted, macros and rules parsed and resolved, conditions
// compiled, and for each kind of event on each side the program of all rules that can fire there.
#include "detect/rule/load.h"

enum { MANY_EVENT_TYPES = 100, MANY_KINDS = 6 };

static bool rule_output(struct compile *c, struct loader *l, const struct rule_def *d,
                        struct rule *r)
{
    struct text t = {0};
    text_copy(&t, &d->output);
    if (t.failed) {
        load_error(l, d->at, "LOAD_ERR_COMPILE_OUTPUT", NULL,
                   "the output of rule '" STR_FMT "' is too long", STR_ARG(d->name));
        text_done(&t);
        return false;
    }
    r->output_text = arena_str(l->arena, text_view(&t));
    bool ok = output_compile(c, l->arena, &t, &r->output);
    text_done(&t);
    if (ok)
        output_suggested(c, l->arena, &r->output);
    return ok;
}

// A comparison with what is itself a field or a transformer is most likely meant as one.
static void suspicious(struct loader *l, const struct node *n)
{
    for (size_t i = 0; i < n->n; i++)
        suspicious(l, n->kids[i]);
    if (n->type != NODE_CHECK || n->check->right)
        return;
    for (size_t i = 0; i < n->check->n; i++) {
        struct str s = n->check->values[i].text;
        struct field_ref f;
        char why[256];
        const char *hint;
        bool is_field = s.len && memchr(s.ptr, '.', s.len) &&
                        field_resolve(s, STR_NULL, false, &f, why, sizeof(why), &hint) == FIELD_OK;
        if (is_field)
            load_warning(l, n->check->values[i].at, "LOAD_COMPILE_CONDITION",
                         "write val(field) to compare with another field",
                         "'" STR_FMT "' may be a valid field misused as a const string value",
                         STR_ARG(s));
    }
}

static void deprecated(struct loader *l, const struct node *n)
{
    for (size_t i = 0; i < n->n; i++)
        deprecated(l, n->kids[i]);
    if (n->type == NODE_CHECK && n->check->left->type == EXPR_FIELD &&
        str_eq(n->check->left->name, STR("evt.dir")))
        load_warning(l, n->check->left->at, "LOAD_DEPRECATED_ITEM",
                     "take it out: only results of calls are seen, and evt.dir is always <",
                     "usage of deprecated field 'evt.dir' has been detected.");
}

static void not_loaded(struct loader *l, const struct rule_def *d, const struct compile *c)
{
    if ((c->bad & BAD_UNSUPPORTED) && c->unsupported)
        load_warning(l, c->unsupported->at, "LOAD_UNKNOWN_FILTER", NULL,
                     "rule '" STR_FMT "' is not loaded: '" STR_FMT
                     "' is a field of Falco's that Bulkhead's records can't answer",
                     STR_ARG(d->name), STR_ARG(c->unsupported->name));
}

static bool compile_rule(struct loader *l, struct unit *u, const struct rule_def *d, struct rule *r)
{
    _cleanup_text_ struct text t = {0};
    struct compile c = {
        .unit = u, .report = &l->report, .unknown = d->skip_unknown ? DIAG_WARNING : DIAG_ERROR};
    *r = (struct rule){.name = d->name,
                       .desc = d->desc,
                       .source = d->source,
                       .at = d->at,
                       .priority = d->priority,
                       .confidence = d->confidence,
                       .tags = d->tags,
                       .tags_n = d->tags_n,
                       .graph = UINT32_MAX};
    bool resolved = false, output = true;
    if (d->condition.len) {
        exceptions_apply(l, d, &t);
        lists_paste(l, &t);
        r->tree = parse_condition(l->arena, &t, &l->report, "LOAD_ERR_COMPILE_CONDITION");
    }
    if (r->tree) {
        resolved = macros_resolve(l, r->tree, UINT32_MAX);
        r->graph =
            graph_compile(&c, r->tree); // also when not resolved: its other errors are told then
    }
    if (resolved) {
        suspicious(l, r->tree);
        deprecated(l, r->tree);
    }
    if (d->output.len)
        output = rule_output(&c, l, d, r);
    if (!resolved || r->graph == UINT32_MAX || !output || d->broken) {
        not_loaded(l, d, &c);
        return false;
    }
    r->events = event_set_of(r->tree);
    size_t types = event_set_count(&r->events);
    r->all_events = types == event_names_n;
    r->warn_types = types > MANY_EVENT_TYPES && d->warn_types;
    return true;
}

// ── programs ─────────────────────────────────────────────────────────────────────────────────

// Kinds that are no system calls (losses, storms, …) only go to rules whose condition names them.
static bool names_kind(const struct rule *r, uint16_t kind)
{
    struct str names[MAX_KIND_NAMES];
    if (kind_is_call(kind))
        return true;
    if (r->all_events || event_set_count(&r->events) > MANY_EVENT_TYPES)
        return false;
    size_t n = kind_event_names(kind, names);
    for (size_t i = 0; i < n; i++)
        if (event_set_has(&r->events, event_name_find(names[i])))
            return true;
    return false;
}

bool ruleset_programs(struct ruleset *r, bool own_kinds_need_naming)
{
    struct unit *u = &r->unit;
    uint32_t n = (uint32_t)r->rules_n;
    uint32_t *roots = calloc(n + 1, sizeof(*roots)), *order = calloc(n + 1, sizeof(*order)),
             *memo = NULL;
    size_t memo_n = u->nodes_n, at = 0;
    bool ok = roots && order && (memo = calloc(memo_n + 1, sizeof(*memo)));
    // With `first`, rules that name event types come before those that take any: Falco's two
    // buckets.
    for (int pass = 0; ok && pass < 2; pass++)
        for (uint32_t i = 0; i < n; i++)
            if (!r->first_match ? pass == 0 : r->rules[i].all_events == (pass == 1))
                order[at++] = i;
    for (int side = 0; ok && side < SIDE_MAX; side++) {
        for (uint16_t kind = 1; ok && kind < BH_KERNEL_MAX; kind++) {
            if (!kind_row(kind))
                continue;
            memset(memo, 0xff, memo_n * sizeof(*memo));
            for (uint32_t i = 0; i < n; i++) {
                struct rule *rule = &r->rules[order[i]];
                bool may = !own_kinds_need_naming || names_kind(rule, kind);
                roots[i] =
                    may ? graph_specialise(u, rule->graph, kind, (enum side)side, memo, memo_n)
                        : GRAPH_FALSE;
                if (roots[i] != GRAPH_FALSE)
                    kind_set_add(&rule->kinds[side], kind);
            }
            ok = !u->failed &&
                 program_make(u, roots, order, n, r->first_match, &r->programs[side][kind]);
            r->max_slots = MAX(r->max_slots, (size_t)r->programs[side][kind].slots);
        }
    }
    free(roots);
    free(order);
    free(memo);
    return ok;
}

// ── rulesets ─────────────────────────────────────────────────────────────────────────────────

static void unused(struct loader *l)
{
    for (size_t i = 0; i < l->macros_n; i++)
        if (!l->macros[i].used)
            load_warning(l, l->macros[i].at, "LOAD_UNUSED_MACRO", NULL,
                         "macro '" STR_FMT "': Macro not referred to by any other rule/macro",
                         STR_ARG(l->macros[i].name));
    for (size_t i = 0; i < l->lists_n; i++)
        if (!l->lists[i].used)
            load_warning(l, l->lists[i].at, "LOAD_UNUSED_LIST", NULL,
                         "list '" STR_FMT "': List not referred to by any other rule/macro",
                         STR_ARG(l->lists[i].name));
}

// What the compiled rules show: one that asks for nothing, and one that asks for everything though
// its fields are of no kind of event in particular (where they are, the rule is only run on these,
// whatever it says of evt.type).
static void judge(struct loader *l, const struct rule *r)
{
    int most = 0;
    for (int side = 0; side < SIDE_MAX; side++)
        most = MAX(most, __builtin_popcountll(r->kinds[side].word[0]) +
                             __builtin_popcountll(r->kinds[side].word[1]));
    if (r->warn_types && most > MANY_KINDS)
        load_warning(l, r->at, "LOAD_NO_EVTTYPE", "add `evt.type in (…)` to the condition",
                     "Rule matches too many evt.type values. This has a significant "
                     "performance penalty.");
    bool empty = event_set_count(&r->events) == 0;
    if (most == 0)
        load_warning(l, r->at, "LOAD_WARNING_EXTENSION", NULL,
                     empty ? "rule '" STR_FMT "' can never fire: its condition excludes every event"
                           : "rule '" STR_FMT
                             "' can never fire: Bulkhead records none of the events it asks for",
                     STR_ARG(r->name));
}

static bool load_sources(struct loader *l, const struct sources *s, struct diag_list *diags,
                         struct arena *yaml_arena)
{
    bool ok = true;
    for (size_t i = 0; i < s->n && i < UINT16_MAX; i++) {
        char name[4096];
        bool parsed = true;
        if (s->list[i].kind != SOURCE_RULES)
            continue;
        snprintf(name, sizeof(name), STR_FMT, STR_ARG(s->list[i].name));
        struct yaml *y = yaml_parse(yaml_arena, name, s->list[i].text, diags, &parsed);
        if (!parsed) {
            ok = false;
            continue;
        }
        load_file(l, (uint16_t)i, y);
    }
    return ok;
}

static bool compile_all(struct loader *l, struct ruleset *r, const struct rule_options *o)
{
    lists_nest(l);
    macros_parse(l);
    // Macros that no rule uses are resolved too: an undefined name in them is an error all the
    // same.
    for (size_t i = 0; i < l->macros_n; i++) {
        if (l->macros[i].state != MACRO_NEW)
            continue;
        l->macros[i].state = MACRO_BUSY;
        l->macros[i].state =
            macros_resolve(l, l->macros[i].tree, l->macros[i].touched) ? MACRO_DONE : MACRO_BAD;
    }
    r->rules = arena_alloc(l->arena, MAX(l->rules_n, (size_t)1) * sizeof(*r->rules));
    if (!r->rules)
        return false;
    for (size_t i = 0; i < l->rules_n; i++) {
        const struct rule_def *d = &l->rules[i];
        struct rule rule;
        if (!str_eq(d->source, STR("syscall"))) {
            load_warning(l, d->at, "LOAD_UNKNOWN_SOURCE", NULL,
                         "Unknown source " STR_FMT ", skipping rule '" STR_FMT "'",
                         STR_ARG(d->source), STR_ARG(d->name));
            continue;
        }
        // Disabled rules and those below the floor are checked like the others, and left out.
        if (compile_rule(l, &r->unit, d, &rule) && d->enabled && d->priority <= o->min_severity)
            r->rules[r->rules_n++] = rule;
    }
    if (l->report.diags->errors == 0) // with errors, what uses a macro may just not be known
        unused(l);
    if (l->report.diags->errors || l->out_of_memory || r->unit.failed)
        return false;
    if (!ruleset_programs(r, true))
        return false;
    for (size_t i = 0; i < r->rules_n; i++)
        judge(l, &r->rules[i]);
    return true;
}

// As a reader goes through the files, not as the compiler does.
static size_t file_index(const struct sources *s, const char *name)
{
    for (size_t i = 0; name && i < s->n; i++)
        if (str_eq(s->list[i].name, str_of(name)))
            return i;
    return s->n;
}

static int by_place(const void *a, const void *b, void *sources)
{
    const struct diag *x = a, *y = b;
    size_t fx = file_index(sources, x->file), fy = file_index(sources, y->file);
    if (fx != fy)
        return fx < fy ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->message ? x->message : "", y->message ? y->message : "");
}

static void keep_file_names(struct ruleset *r, const struct sources *s)
{
    r->files = arena_alloc(r->arena, MAX(s->n, (size_t)1) * sizeof(*r->files));
    for (size_t i = 0; r->files && i < s->n; i++)
        r->files[r->files_n++] = arena_str(r->arena, s->list[i].name);
}

struct ruleset *ruleset_compile(const struct sources *s, const struct rule_options *o,
                                struct diag_list *diags)
{
    struct ruleset *r = calloc(1, sizeof(*r));
    _cleanup_(arena_freep) struct arena *yaml_arena = arena_new(0);
    struct arena *a = arena_new(0);
    size_t errors_before = diags->errors, diags_before = diags->n;
    bool ok = r && yaml_arena && a;
    if (!r || !ok) {
        arena_free(a);
        free(r);
        diag_add(diags, DIAG_ERROR, NULL, 0, 0, "BH004", NULL, "out of memory");
        return NULL;
    }
    r->arena = a;
    r->first_match = o->first_match;
    unit_init(&r->unit, a);
    struct loader l = {.arena = a,
                       .report = {.diags = diags, .sources = s->list, .sources_n = s->n}};
    ok = load_sources(&l, s, diags, yaml_arena);
    ok = compile_all(&l, r, o) && ok && diags->errors == errors_before;
    keep_file_names(r, s);
    if (!ok && diags->errors == 0) // files that could not be read are errors too
        diag_add(diags, DIAG_ERROR, NULL, 0, 0, "BH004", NULL, "out of memory");
    if (diags->n > diags_before)
        qsort_r(diags->list + diags_before, diags->n - diags_before, sizeof(*diags->list), by_place,
                (void *)s);
    for (size_t i = 0; i < s->n; i++) {
        char name[4096];
        snprintf(name, sizeof(name), STR_FMT, STR_ARG(s->list[i].name));
        diag_snippets(diags, name, s->list[i].text);
    }
    loader_done(&l);
    if (!ok) {
        ruleset_free(r);
        return NULL;
    }
    return r;
}

void ruleset_free(struct ruleset *r)
{
    if (!r)
        return;
    unit_done(&r->unit);
    arena_free(r->arena);
    free(r);
}

size_t ruleset_rules(const struct ruleset *r)
{
    return r->rules_n;
}

static void add_interest(const struct ruleset *r, struct interest *to)
{
    for (size_t i = 0; i < r->rules_n; i++) {
        kind_set_union(&to->host, &r->rules[i].kinds[SIDE_HOST]);
        kind_set_union(&to->containers, &r->rules[i].kinds[SIDE_CONTAINER]);
    }
}

void ruleset_interest(const struct ruleset *r, struct interest *to)
{
    add_interest(r, to);
}

// ── matching ─────────────────────────────────────────────────────────────────────────────────

struct hits {
    struct match *m;
    const struct ruleset *r;
    detect_emit emit;
    void *ctx;
};

static void hit(void *ctx, uint32_t rule)
{
    struct hits *h = ctx;
    finding_make(h->m, h->r, &h->r->rules[rule], &h->m->s->finding);
    h->emit(h->ctx, &h->m->s->finding);
}

int ruleset_match(const struct ruleset *r, struct rule_scratch *s, const struct detect_env *env,
                  const struct event *e, detect_emit emit, void *ctx)
{
    struct match m;
    if (e->rec->kind >= BH_KERNEL_MAX)
        return 0;
    const struct program *p = &r->programs[event_side(e)][e->rec->kind];
    if (!p->code || !match_begin(&m, &r->unit, s, env, e, r->max_slots))
        return 0;
    struct hits h = {&m, r, emit, ctx};
    return program_run(&m, p, hit, &h);
}

bool ruleset_looks_at(const struct ruleset *r, uint16_t kind)
{
    return kind < BH_KERNEL_MAX &&
           (r->programs[SIDE_HOST][kind].code || r->programs[SIDE_CONTAINER][kind].code);
}

// ── one condition: `events EXPRESSION` ───────────────────────────────────────────────────────

struct rule_filter {
    struct ruleset *set;
};

struct rule_filter *rule_filter_compile(struct str expression, struct diag_list *diags)
{
    struct rule_filter *f = calloc(1, sizeof(*f));
    struct ruleset *r = f ? calloc(1, sizeof(*r)) : NULL;
    struct arena *a = r ? arena_new(0) : NULL;
    _cleanup_text_ struct text t = {0};
    if (!a) {
        free(r);
        free(f);
        return NULL;
    }
    f->set = r;
    r->arena = a;
    unit_init(&r->unit, a);
    struct loader l = {
        .arena = a,
        .report = {.diags = diags, .expression_name = "expression", .expression = expression}};
    struct compile c = {.unit = &r->unit, .report = &l.report, .unknown = DIAG_ERROR};
    struct place at = {1, 1, 0};
    for (size_t i = 0; i < expression.len; i++) {
        text_put(&t, (struct str){expression.ptr + i, 1}, at);
        if (expression.ptr[i] == '\n')
            at = (struct place){at.line + 1, 1, 0};
        else if (at.column < UINT16_MAX && ((unsigned char)expression.ptr[i] & 0xc0) != 0x80)
            at.column++;
    }
    r->rules = arena_alloc(a, sizeof(*r->rules));
    struct node *n =
        r->rules ? parse_condition(a, &t, &l.report, "LOAD_ERR_COMPILE_CONDITION") : NULL;
    uint32_t graph = n && macros_resolve(&l, n, UINT32_MAX) ? graph_compile(&c, n) : UINT32_MAX;
    bool ok = graph != UINT32_MAX && !r->unit.failed;
    if (c.unsupported)
        report_at(&l.report, DIAG_ERROR, c.unsupported->at, "LOAD_ERR_COMPILE_CONDITION", NULL,
                  "'" STR_FMT "' is a field of Falco's that Bulkhead's records can't answer",
                  STR_ARG(c.unsupported->name));
    if (ok) {
        r->rules[0] = (struct rule){.name = STR("expression"), .tree = n, .graph = graph};
        r->rules_n = 1;
        ok = ruleset_programs(r, false);
    }
    diag_snippets(diags, "expression", expression);
    if (ok)
        return f;
    rule_filter_free(f);
    return NULL;
}

void rule_filter_free(struct rule_filter *f)
{
    if (!f)
        return;
    ruleset_free(f->set);
    free(f);
}

void rule_filter_interest(const struct rule_filter *f, struct interest *to)
{
    add_interest(f->set, to);
}

bool rule_filter_match(const struct rule_filter *f, struct rule_scratch *s,
                       const struct detect_env *env, const struct event *e)
{
    struct match m;
    if (e->rec->kind >= BH_KERNEL_MAX)
        return false;
    const struct program *p = &f->set->programs[event_side(e)][e->rec->kind];
    return p->code && match_begin(&m, &f->set->unit, s, env, e, f->set->max_slots) &&
           program_run(&m, p, NULL, NULL) > 0;
}
