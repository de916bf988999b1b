// From the text of an expression to a tree of tests. The language is the rules' own (its parser is
// used as it is) over another table of names; a name or an operator that does not fit is reported
// with its place.
#include "detect/comply/internal.h"

struct compiling {
    struct arena *arena;
    const struct report *report;
    bool bundle_only;
    bool failed;
    size_t tests;
};

static void *fail(struct compiling *c, struct place at, const char *hint, const char *format, ...)
    _printf_(4, 5);
static void *fail(struct compiling *c, struct place at, const char *hint, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    c->failed = true;
    report_at(c->report, DIAG_ERROR, at, "BH230", hint, "%s", message);
    return NULL;
}

// Which operators make sense on a value of that type.
static bool fits(enum operator_id op, enum field_type type)
{
    switch (op) {
    case CMP_EXISTS:
        return type == FIELD_STRING || type == FIELD_STRINGS;
    case CMP_EQ:
    case CMP_NE:
        return type != FIELD_STRINGS;
    case CMP_LT:
    case CMP_LE:
    case CMP_GT:
    case CMP_GE:
        return type == FIELD_U64;
    case CMP_IN:
        return type != FIELD_BOOL;
    case CMP_INTERSECTS:
        return type == FIELD_STRINGS;
    case CMP_GLOB:
    case CMP_IGLOB:
    case CMP_CONTAINS:
    case CMP_ICONTAINS:
    case CMP_STARTSWITH:
    case CMP_ENDSWITH:
    case CMP_PMATCH:
        return type == FIELD_STRING || type == FIELD_STRINGS;
    default: // a regular expression could take as long as it likes; the rest is for bytes
        return false;
    }
}

static const struct fact *find(struct compiling *c, const struct expr *left)
{
    const struct fact *f, *found = fact_named(left->name);
    const char *names[128];
    char word[65], hint[160] = "";
    size_t n = 0;
    if (found && c->bundle_only && found->source != FACT_BUNDLE)
        return fail(
            c, left->at, "put it into `live`",
            "%s is only known of a running container, and `bundle` is judged before one runs",
            found->name);
    if (found)
        return found;
    for (size_t i = 0; (f = fact_at(i)) && n < ARRAY_SIZE(names); i++)
        names[n++] = f->name;
    snprintf(word, sizeof(word), STR_FMT, (int)MIN(left->name.len, sizeof(word) - 1),
             left->name.ptr);
    const char *nearest = nearest_word(word, names, n);
    if (nearest)
        snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest);
    return fail(c, left->at, nearest ? hint : "`bulkhead dump facts` lists them",
                "there is no fact '%s'", word);
}

static struct clause *check(struct compiling *c, const struct node *n)
{
    const struct check *k = n->check;
    enum operator_id op = (enum operator_id)k->op;
    if (k->left->type != EXPR_FIELD || k->left->has_arg)
        return fail(c, k->left->at, "`bulkhead dump facts` lists them",
                    "a fact stands on the left, without an argument");
    const struct fact *fact = find(c, k->left);
    struct clause *t = fact ? arena_alloc(c->arena, sizeof(*t)) : NULL;
    if (!t)
        return NULL;
    if (!fits(op, fact->type))
        return fail(c, k->op_at, NULL, "'%s' cannot be asked of %s, which is %s",
                    rule_operators[op].name, fact->name, field_type_label(fact->type));
    if (k->right || k->mod != MOD_NONE)
        return fail(c, k->op_at, NULL, "a value or a list of values stands on the right");
    if (++c->tests > MAX_TESTS)
        return fail(c, n->at, NULL, "more than %d tests", MAX_TESTS);
    *t = (struct clause){.type = NODE_CHECK, .test = {.fact = fact, .op = op, .n = k->n}};
    t->test.constants = arena_alloc(c->arena, MAX(k->n, (size_t)1) * sizeof(*t->test.constants));
    enum field_type of = fact->type == FIELD_STRINGS ? FIELD_STRING : fact->type;
    for (size_t i = 0; t->test.constants && i < k->n; i++) {
        char why[256] = "";
        if (!constant_make(c->arena, op, of, k->values[i].text, &t->test.constants[i], why,
                           sizeof(why)))
            return fail(c, k->values[i].at, NULL, "%s", why);
    }
    return t->test.constants ? t : NULL;
}

static struct clause *convert(struct compiling *c, const struct node *n)
{
    if (n->type == NODE_CHECK)
        return check(c, n);
    if (n->type == NODE_MACRO)
        return fail(c, n->at, "`bulkhead dump facts` lists them",
                    "'" STR_FMT
                    "' is no fact: their names have a dot, and expressions have no macros",
                    STR_ARG(n->name));
    struct clause *t = arena_alloc(c->arena, sizeof(*t));
    struct clause **kids = arena_alloc(c->arena, n->n * sizeof(*kids));
    if (!t || !kids) {
        c->failed = true;
        return NULL;
    }
    *t = (struct clause){.type = n->type, .kids = kids, .n = n->n};
    bool ok = true;
    for (size_t i = 0; i < n->n; i++) // all of them: every mistake at once
        ok = (kids[i] = convert(c, n->kids[i])) && ok;
    return ok ? t : NULL;
}

// Each byte's place: exact where the scalar stands on one line or is a block of lines, the
// beginning of the text where YAML folds it.
static void place_text(const struct control_text *from, struct text *t)
{
    struct place at = {.line = from->line,
                       .column = (uint16_t)MIN(from->column, (unsigned)UINT16_MAX)};
    for (size_t i = 0; i < from->text.len; i++) {
        text_put(t, (struct str){from->text.ptr + i, 1}, at);
        if (from->folded)
            continue;
        if (from->text.ptr[i] == '\n' && from->block)
            at.line++;
        else if (!from->block && at.column < UINT16_MAX &&
                 ((unsigned char)from->text.ptr[i] & 0xc0) != 0x80)
            at.column++;
    }
}

struct clause *expression_compile(struct arena *a, const struct control_text *text, struct str file,
                                  bool bundle_only, struct diag_list *diags)
{
    struct diag_list ignored = {0};
    _cleanup_free_ char *name = str_dup(file);
    _cleanup_text_ struct text placed = {0};
    struct report report = {.diags = diags ? diags : &ignored, .expression_name = name};
    struct compiling c = {.arena = a, .report = &report, .bundle_only = bundle_only};
    struct clause *t = NULL;
    place_text(text, &placed);
    const struct node *n = parse_condition(a, &placed, &report, "BH230");
    if (n)
        t = convert(&c, n);
    diag_list_done(&ignored);
    return t;
}
