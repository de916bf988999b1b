// Flat code of all rules of one kind of event: short-circuit tests with two exits. A part that
// several rules share is a routine whose answer is remembered while the event lasts; so is a test
// that stands in several places.
#include "detect/rule/internal.h"

struct emit {
    struct unit *u;
    struct insn *code;
    uint32_t n, cap, slots;
    struct {
        uint32_t start, slot; // routine's first insn + 1; memo slot
    } * routines;             // by node
    uint32_t *test_slots;     // by test
    bool failed;
};

static uint32_t emit(struct emit *e, struct insn i)
{
    if (e->n == e->cap) {
        uint32_t cap = e->cap ? e->cap * 2 : 256;
        struct insn *grown = cap < (1u << 28) ? reallocarray(e->code, cap, sizeof(*grown)) : NULL;
        if (!grown) {
            e->failed = true;
            return 0;
        }
        e->code = grown;
        e->cap = cap;
    }
    e->code[e->n] = i;
    return e->n++;
}

static void count_uses(struct unit *u, uint32_t node)
{
    struct gnode *g = &u->nodes[node];
    if (g->gate <= GATE_TRUE || (g->uses++ > 0 && g->gate != GATE_NOT) || g->gate == GATE_TEST)
        return; // each `not` of a part counts as a use of the part itself
    for (uint32_t i = 0; i < g->n; i++)
        count_uses(u, g->kids[i]);
}

static bool is_routine(const struct unit *u, uint32_t node)
{
    const struct gnode *g = &u->nodes[node];
    return (g->gate == GATE_AND || g->gate == GATE_OR) && g->uses > 1;
}

// Jump targets that aren't known yet are chained through the field that will hold them.
enum { NOWHERE = 0xffffffff };
struct exits {
    uint32_t *list; // insn << 1 | (1: yes, 0: no)
    uint32_t n, cap;
};

static void pend(struct emit *e, struct exits *x, uint32_t insn, bool yes)
{
    if (x->n == x->cap) {
        uint32_t cap = x->cap ? x->cap * 2 : 8;
        uint32_t *grown = reallocarray(x->list, cap, sizeof(*grown));
        if (!grown) {
            e->failed = true;
            return;
        }
        x->list = grown;
        x->cap = cap;
    }
    x->list[x->n++] = insn << 1 | yes;
}

static void patch(struct emit *e, struct exits *x, uint32_t target)
{
    for (uint32_t i = 0; i < x->n && !e->failed; i++) {
        struct insn *in = &e->code[x->list[i] >> 1];
        if (x->list[i] & 1)
            in->yes = target;
        else
            in->no = target;
    }
    free(x->list);
    *x = (struct exits){0};
}

static void condition(struct emit *e, uint32_t node, struct exits *yes, struct exits *no);

static void body(struct emit *e, uint32_t node, struct exits *yes, struct exits *no)
{
    const struct gnode *g = &e->u->nodes[node];
    for (uint32_t i = 0; i < g->n && !e->failed; i++) {
        struct exits go = {0};
        bool last = i + 1 == g->n;
        if (g->gate == GATE_AND)
            condition(e, g->kids[i], last ? yes : &go, no);
        else
            condition(e, g->kids[i], yes, last ? no : &go);
        patch(e, &go, e->n);
    }
}

static void condition(struct emit *e, uint32_t node, struct exits *yes, struct exits *no)
{
    const struct gnode *g = &e->u->nodes[node];
    uint32_t at;
    if (e->failed)
        return;
    switch (g->gate) {
    case GATE_FALSE:
    case GATE_TRUE:
        INVARIANT(false); // folded away before
        return;
    case GATE_NOT:
        condition(e, g->kids[0], no, yes);
        return;
    case GATE_TEST:
        if (g->uses > 1 && !e->test_slots[g->kids[0]])
            e->test_slots[g->kids[0]] = ++e->slots;
        at = emit(e,
                  (struct insn){OP_TEST, g->kids[0], e->test_slots[g->kids[0]], NOWHERE, NOWHERE});
        break;
    default:
        if (!is_routine(e->u, node)) {
            body(e, node, yes, no);
            return;
        }
        at = emit(e, (struct insn){OP_CALL, e->routines[node].start - 1, e->routines[node].slot,
                                   NOWHERE, NOWHERE});
        break;
    }
    pend(e, yes, at, true);
    pend(e, no, at, false);
}

// Routines first, inner ones before outer ones, so that each call knows where it goes.
static void routines(struct emit *e, uint32_t node)
{
    const struct gnode *g = &e->u->nodes[node];
    if (e->failed || g->gate <= GATE_TEST || (e->routines[node].start && is_routine(e->u, node)))
        return;
    for (uint32_t i = 0; i < g->n; i++)
        routines(e, g->kids[i]);
    if (!is_routine(e->u, node))
        return;
    struct exits yes = {0}, no = {0};
    e->routines[node].start = e->n + 1;
    e->routines[node].slot = ++e->slots;
    body(e, node, &yes, &no);
    patch(e, &yes, emit(e, (struct insn){OP_RETURN, 1, 0, 0, 0}));
    patch(e, &no, emit(e, (struct insn){OP_RETURN, 0, 0, 0, 0}));
}

static void clear_uses(struct unit *u, uint32_t node)
{
    struct gnode *g = &u->nodes[node];
    if (g->uses == 0)
        return;
    g->uses = 0;
    for (uint32_t i = 0; i < g->n && g->gate != GATE_TEST; i++)
        clear_uses(u, g->kids[i]);
}

// roots: one a rule, specialised; those that are false are left out. With first_match one hit ends
// the run.
bool program_make(struct unit *u, const uint32_t *roots, const uint32_t *rules, uint32_t n,
                  bool first_match, struct program *ret)
{
    struct emit e = {.u = u};
    *ret = (struct program){0};
    for (uint32_t i = 0; i < n; i++)
        ret->rules_n += roots[i] != GRAPH_FALSE;
    if (ret->rules_n == 0)
        return true;
    e.routines = calloc(u->nodes_n, sizeof(*e.routines));
    e.test_slots = calloc(u->tests_n + 1, sizeof(*e.test_slots));
    ret->rules = arena_alloc(u->arena, ret->rules_n * sizeof(*ret->rules));
    ret->starts = arena_alloc(u->arena, (ret->rules_n + 1) * sizeof(*ret->starts));
    e.failed = !e.routines || !e.test_slots || !ret->rules || !ret->starts;
    for (uint32_t i = 0; i < n && !e.failed; i++)
        if (roots[i] != GRAPH_FALSE)
            count_uses(u, roots[i]);
    // The run begins behind the routines: insn 0 jumps there.
    uint32_t entry = emit(&e, (struct insn){OP_JUMP, 0, 0, 0, 0}), at = 0;
    for (uint32_t i = 0; i < n && !e.failed; i++)
        if (roots[i] != GRAPH_FALSE)
            routines(&e, roots[i]);
    struct exits end = {0};
    uint32_t first = e.n;
    for (uint32_t i = 0; i < n && !e.failed; i++) {
        struct exits yes = {0}, no = {0};
        if (roots[i] == GRAPH_FALSE)
            continue;
        ret->rules[at] = rules[i];
        ret->starts[at++] = e.n;
        if (roots[i] != GRAPH_TRUE)
            condition(&e, roots[i], &yes, &no);
        patch(&e, &yes, e.n);
        uint32_t match = emit(&e, (struct insn){OP_MATCH, rules[i], 0, e.n + 1, e.n + 1});
        if (first_match) {
            pend(&e, &end, match, true);
            pend(&e, &end, match, false);
        }
        patch(&e, &no, e.n);
    }
    uint32_t last = emit(&e, (struct insn){OP_END, 0, 0, 0, 0});
    patch(&e, &end, last);
    if (!e.failed) {
        ret->starts[at] = last;
        e.code[entry].yes = e.code[entry].no = first;
        if ((ret->code = arena_alloc(u->arena, e.n * sizeof(*e.code))))
            memcpy(ret->code, e.code, e.n * sizeof(*e.code));
        ret->n = e.n;
        ret->slots = e.slots + 1;
    }
    for (uint32_t i = 0; i < n && !e.failed; i++)
        if (roots[i] != GRAPH_FALSE)
            clear_uses(u, roots[i]);
    free(e.code);
    free(e.routines);
    free(e.test_slots);
    return !e.failed && ret->code;
}
