// The graph: conditions of all rules as and, or and not over tests, each distinct part once. For a
// kind of event and a side (host or container) it is specialised: what can't be there is false, and
// the rest folds together. What is left tells which kinds a rule needs at all.
#include "detect/rule/internal.h"

void unit_init(struct unit *u, struct arena *a)
{
    *u = (struct unit){.arena = a};
}

void unit_done(struct unit *u)
{
    for (size_t i = 0; i < u->tests_n; i++)
        for (size_t v = 0; u->tests[i].op == CMP_REGEX && v < u->tests[i].n; v++)
            pcre2_code_free(u->tests[i].values[v].regex);
    free(u->fields);
    free(u->tests);
    free(u->nodes);
    free(u->cons);
    *u = (struct unit){0};
}

// ── consing ──────────────────────────────────────────────────────────────────────────────────

static uint64_t node_hash(enum gate g, const uint32_t *kids, uint32_t n)
{
    return hash64(kids, n * sizeof(*kids)) * 31 + (uint64_t)g;
}

static bool grow(struct unit *u)
{
    if (u->nodes_n == u->nodes_cap) {
        size_t cap = u->nodes_cap ? u->nodes_cap * 2 : 256;
        struct gnode *grown = realloc(u->nodes, cap * sizeof(*grown));
        if (!grown)
            return false;
        u->nodes = grown;
        u->nodes_cap = cap;
    }
    if (u->nodes_n * 2 < u->cons_cap)
        return true;
    size_t cap = u->cons_cap ? u->cons_cap * 2 : 1024;
    uint32_t *cons = calloc(cap, sizeof(*cons));
    if (!cons)
        return false;
    for (size_t i = 0; i < u->nodes_n; i++) {
        size_t at = node_hash(u->nodes[i].gate, u->nodes[i].kids, u->nodes[i].n) & (cap - 1);
        while (cons[at])
            at = (at + 1) & (cap - 1);
        cons[at] = (uint32_t)i + 1;
    }
    free(u->cons);
    u->cons = cons;
    u->cons_cap = cap;
    return true;
}

static uint32_t cost_of(const struct unit *u, enum gate g, const uint32_t *kids, uint32_t n)
{
    uint64_t cost = 0;
    if (g == GATE_TEST)
        return u->tests[kids[0]].cost;
    for (uint32_t i = 0; i < n && g > GATE_TEST; i++)
        cost += u->nodes[kids[i]].cost;
    return (uint32_t)MIN(cost, (uint64_t)1 << 30);
}

static uint32_t node_add(struct unit *u, enum gate g, const uint32_t *kids, uint32_t n)
{
    if (u->failed || !grow(u)) {
        u->failed = true;
        return GRAPH_FALSE;
    }
    size_t at = node_hash(g, kids, n) & (u->cons_cap - 1);
    for (; u->cons[at]; at = (at + 1) & (u->cons_cap - 1)) {
        const struct gnode *x = &u->nodes[u->cons[at] - 1];
        if (x->gate == g && x->n == n && (n == 0 || memcmp(x->kids, kids, n * sizeof(*kids)) == 0))
            return u->cons[at] - 1;
    }
    uint32_t *copy = arena_alloc(u->arena, MAX(n, 1u) * sizeof(*copy));
    if (!copy || u->nodes_n >= UINT32_MAX / 2) {
        u->failed = true;
        return GRAPH_FALSE;
    }
    if (n)
        memcpy(copy, kids, n * sizeof(*copy));
    u->nodes[u->nodes_n] =
        (struct gnode){.gate = g, .n = n, .kids = copy, .cost = cost_of(u, g, copy, n)};
    u->cons[at] = (uint32_t)u->nodes_n + 1;
    return (uint32_t)u->nodes_n++;
}

static void constants(struct unit *u)
{
    if (u->nodes_n)
        return;
    uint32_t f = node_add(u, GATE_FALSE, NULL, 0), t = node_add(u, GATE_TRUE, NULL, 0);
    INVARIANT(u->failed || (f == GRAPH_FALSE && t == GRAPH_TRUE));
}

static uint32_t negated(struct unit *u, uint32_t a)
{
    if (a <= GRAPH_TRUE)
        return a ^ 1;
    if (u->nodes[a].gate == GATE_NOT)
        return u->nodes[a].kids[0];
    return node_add(u, GATE_NOT, &a, 1);
}

// Cheap first, else as they were made; doubles become neighbours.
static int by_cost(const void *a, const void *b, void *unit)
{
    const struct unit *u = unit;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (u->nodes[x].cost != u->nodes[y].cost)
        return u->nodes[x].cost < u->nodes[y].cost ? -1 : 1;
    return x < y ? -1 : x > y;
}

// and/or over kids: constants fold, nested ones of the same gate are flattened, doubles go, cheap
// ones come first. Nothing here has an effect or can fail, so that the order is free.
static uint32_t joined(struct unit *u, enum gate g, const uint32_t *kids, size_t n)
{
    uint32_t stops = g == GATE_AND ? GRAPH_FALSE : GRAPH_TRUE, result;
    size_t m = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (kids[i] == stops)
            return stops;
        total += u->nodes[kids[i]].gate == g ? u->nodes[kids[i]].n : 1;
    }
    uint32_t *all = reallocarray(NULL, MAX(total, (size_t)1), sizeof(*all));
    if (!all) {
        u->failed = true;
        return GRAPH_FALSE;
    }
    for (size_t i = 0; i < n; i++) {
        const struct gnode *k = &u->nodes[kids[i]];
        if (kids[i] <= GRAPH_TRUE)
            continue;
        for (uint32_t j = 0; j < (k->gate == g ? k->n : 1); j++)
            all[m++] = k->gate == g ? k->kids[j] : kids[i];
    }
    qsort_r(all, m, sizeof(*all), by_cost, u);
    size_t kept = 0;
    for (size_t i = 0; i < m; i++)
        if (kept == 0 || all[kept - 1] != all[i])
            all[kept++] = all[i];
    result = kept == 0 ? stops ^ 1 : kept == 1 ? all[0] : node_add(u, g, all, (uint32_t)kept);
    free(all);
    return result;
}

// ── from the tree ────────────────────────────────────────────────────────────────────────────

uint32_t graph_compile(struct compile *c, struct node *n)
{
    struct unit *u = c->unit;
    constants(u);
    if (n->graph)
        return (uint32_t)(n->graph - 1);
    // What failed before was told then; a field told as a warning there may be an error here.
    if (n->bad && (c->unknown != DIAG_ERROR || !(n->bad & BAD_UNKNOWN) || (n->bad & BAD_ERROR))) {
        c->bad |= n->bad;
        if (!c->unsupported)
            c->unsupported = n->unsupported;
        return UINT32_MAX;
    }
    uint32_t result = UINT32_MAX;
    unsigned bad_before = c->bad;
    const struct expr *unsupported_before = c->unsupported;
    c->bad = 0;
    c->unsupported = NULL;
    switch (n->type) {
    case NODE_CHECK: {
        size_t test = test_compile(c, n->check);
        uint32_t index = (uint32_t)test;
        if (test != SIZE_MAX)
            result = node_add(u, GATE_TEST, &index, 1);
        break;
    }
    case NODE_MACRO:
        result = n->body ? graph_compile(c, n->body) : UINT32_MAX;
        break;
    case NODE_NOT: {
        uint32_t kid = graph_compile(c, n->kids[0]);
        result = kid == UINT32_MAX ? kid : negated(u, kid);
        break;
    }
    case NODE_AND:
    case NODE_OR: {
        _cleanup_free_ uint32_t *kids = reallocarray(NULL, n->n, sizeof(*kids));
        bool ok = kids != NULL;
        if (!kids)
            u->failed = true;
        for (size_t i = 0; kids && i < n->n; i++) { // all of them, so that every error is told
            kids[i] = graph_compile(c, n->kids[i]);
            ok &= kids[i] != UINT32_MAX;
        }
        if (ok)
            result = joined(u, n->type == NODE_AND ? GATE_AND : GATE_OR, kids, n->n);
        break;
    }
    }
    if (result != UINT32_MAX && !u->failed)
        n->graph = (size_t)result + 1;
    if (result == UINT32_MAX) {
        n->bad = c->bad ? c->bad : BAD_ERROR;
        n->unsupported = c->unsupported;
    }
    c->bad |= bad_before;
    if (unsupported_before)
        c->unsupported = unsupported_before;
    return result;
}

// ── for one kind of event ────────────────────────────────────────────────────────────────────

static bool term_possible(const struct unit *u, const struct term *t, uint16_t kind, enum side side)
{
    if (t->type == EXPR_FIELD) {
        const struct field_ref *f = &u->fields[t->field];
        if (side == SIDE_HOST && (t->flags & GET_NOT_ON_HOST))
            return false;
        return (f->kinds.word[0] | f->kinds.word[1]) == 0 || kind_set_has(&f->kinds, kind);
    }
    for (size_t i = 0; i < t->n; i++)
        if (!term_possible(u, t->args[i], kind, side))
            return false;
    return true;
}

// A test whose outcome is the same for every event of the kind: 0, 1, or -1.
static int outcome(const struct unit *u, const struct test *t, uint16_t kind, enum side side)
{
    if (!term_possible(u, t->left, kind, side) ||
        (t->right && !term_possible(u, t->right, kind, side)))
        return 0;
    if (t->left->type != EXPR_FIELD || t->right || t->op == CMP_REGEX)
        return -1;
    struct str name = str_of(u->fields[t->left->field].row->name);
    if (str_eq(name, STR("container.id"))) {
        struct value host = {.type = FIELD_STRING, .str = STR("host")};
        if (side == SIDE_HOST)
            return t->op == CMP_EXISTS || test_value(NULL, t, &host);
        bool only_host = t->mod == MOD_NONE && t->n == 1 && str_eq(t->values[0].text, STR("host"));
        if (only_host && (t->op == CMP_EQ || t->op == CMP_IN || t->op == CMP_INTERSECTS))
            return 0;
        return only_host && t->op == CMP_NE ? 1 : -1;
    }
    if (str_eq(name, STR("evt.num"))) {
        int holds = event_number_check(t->check);
        return holds ? holds > 0 : -1;
    }
    if (!str_eq(name, STR("evt.type")))
        return -1;
    struct str names[MAX_KIND_NAMES];
    size_t n = kind_event_names(kind, names), yes = 0;
    for (size_t i = 0; i < n; i++) {
        struct value v = {.type = FIELD_STRING, .str = names[i]};
        yes += t->op == CMP_EXISTS || test_value(NULL, t, &v);
    }
    return yes == n ? 1 : yes == 0 ? 0 : -1;
}

uint32_t graph_specialise(struct unit *u, uint32_t root, uint16_t kind, enum side side,
                          uint32_t *memo, size_t memo_n)
{
    if (root <= GRAPH_TRUE || u->failed)
        return root;
    if (root < memo_n && memo[root] != UINT32_MAX)
        return memo[root];
    uint32_t result = root, n = u->nodes[root].n;
    enum gate g = u->nodes[root].gate;
    const uint32_t *kids = u->nodes[root].kids; // in the arena: stays where it is when nodes grow
    if (g == GATE_TEST) {
        int o = outcome(u, &u->tests[kids[0]], kind, side);
        result = o < 0 ? root : o ? GRAPH_TRUE : GRAPH_FALSE;
    } else if (g == GATE_NOT) {
        result = negated(u, graph_specialise(u, kids[0], kind, side, memo, memo_n));
    } else {
        _cleanup_free_ uint32_t *done = reallocarray(NULL, n, sizeof(*done));
        if (!done) {
            u->failed = true;
            return GRAPH_FALSE;
        }
        uint32_t stops = g == GATE_AND ? GRAPH_FALSE : GRAPH_TRUE, at = 0;
        for (; at < n; at++) {
            done[at] = graph_specialise(u, kids[at], kind, side, memo, memo_n);
            if (done[at] == stops)
                break;
        }
        result = at < n ? stops : joined(u, g, done, n);
    }
    if (root < memo_n)
        memo[root] = result;
    return result;
}

void print_gnode(struct buf *out, const struct unit *u, uint32_t node)
{
    const struct gnode *g = &u->nodes[node];
    switch (g->gate) {
    case GATE_FALSE:
        buf_text(out, "false");
        return;
    case GATE_TRUE:
        buf_text(out, "true");
        return;
    case GATE_TEST:
        buf_str(out, u->tests[g->kids[0]].key);
        return;
    case GATE_NOT: {
        bool wrap = u->nodes[g->kids[0]].n > 1;
        buf_text(out, wrap ? "not (" : "not ");
        print_gnode(out, u, g->kids[0]);
        buf_text(out, wrap ? ")" : "");
        return;
    }
    case GATE_AND:
    case GATE_OR:
        for (uint32_t i = 0; i < g->n; i++) {
            enum gate k = u->nodes[g->kids[i]].gate;
            bool wrap = k == GATE_AND || k == GATE_OR;
            buf_text(out, i == 0 ? "" : g->gate == GATE_AND ? " and " : " or ");
            buf_text(out, wrap ? "(" : "");
            print_gnode(out, u, g->kids[i]);
            buf_text(out, wrap ? ")" : "");
        }
        return;
    }
}
