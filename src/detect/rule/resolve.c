// Macros: a name in a condition becomes the macro's tree. Inside macro M only macros first defined
// before M was touched last can be seen; rules see all.
#include "detect/rule/load.h"

void macros_parse(struct loader *l)
{
    for (size_t i = 0; i < l->macros_n; i++) {
        _cleanup_text_ struct text t = {0};
        text_copy(&t, &l->macros[i].condition);
        lists_paste(l, &t);
        l->macros[i].tree = parse_condition(l->arena, &t, &l->report, "LOAD_ERR_COMPILE_CONDITION");
        if (!l->macros[i].tree)
            l->macros[i].state = MACRO_BAD;
    }
}

static struct macro_def *find(struct loader *l, struct str name)
{
    for (size_t i = 0; i < l->macros_n; i++)
        if (str_eq(l->macros[i].name, name))
            return &l->macros[i];
    return NULL;
}

static bool undefined(struct loader *l, const struct node *n, uint32_t visible_before, bool later)
{
    const char **names = calloc(l->macros_n + 1, sizeof(*names));
    char name[128], hint[256];
    size_t known = 0;
    snprintf(name, sizeof(name), STR_FMT, STR_ARG(n->name));
    for (size_t i = 0; names && i < l->macros_n; i++)
        if (l->macros[i].index < visible_before)
            names[known++] = l->macros[i].name.ptr;
    const char *near = names ? nearest_word(name, names, known) : NULL;
    if (later)
        snprintf(hint, sizeof(hint), "it is defined further down: move it above");
    else
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
    load_error(l, n->at, "LOAD_ERR_VALIDATE", near || later ? hint : NULL,
               "Undefined macro '%s' used in filter.", name);
    free(names);
    return false;
}

static bool resolve_macro(struct loader *l, struct node *n, uint32_t visible_before)
{
    struct macro_def *m = find(l, n->name);
    if (!m || m->index >= visible_before)
        return undefined(l, n, visible_before, m != NULL);
    m->used = true;
    if (m->state == MACRO_BUSY) {
        load_error(l, n->at, "LOAD_ERR_VALIDATE", NULL, "reference loop in macro '" STR_FMT "'",
                   STR_ARG(n->name));
        return false;
    }
    if (m->state == MACRO_NEW) {
        m->state = MACRO_BUSY;
        m->state = macros_resolve(l, m->tree, m->touched) ? MACRO_DONE : MACRO_BAD;
    }
    if (m->state == MACRO_BAD)
        return false; // told where it is wrong
    n->body = m->tree;
    n->depth = m->tree->depth + 1;
    n->size = m->tree->size + 1;
    return true;
}

bool macros_resolve(struct loader *l, struct node *n, uint32_t visible_before)
{
    bool ok = true;
    if (n->depth)
        return true;
    if (n->type == NODE_MACRO) {
        ok = resolve_macro(l, n, visible_before);
    } else {
        n->depth = 1;
        n->size = 1;
        for (size_t i = 0; i < n->n; i++) {
            ok &= macros_resolve(l, n->kids[i], visible_before);
            n->depth = MAX(n->depth, n->kids[i]->depth + 1);
            n->size += n->kids[i]->size;
        }
    }
    if (!ok) {
        n->depth = 0; // an incomplete tree is never taken for a resolved one
        return false;
    }
    if (n->depth > MAX_DEPTH || n->size > MAX_TREE_NODES) {
        load_error(l, n->at, "LOAD_ERR_VALIDATE", NULL,
                   n->depth > MAX_DEPTH ? "exceeded max depth limit of %d with its macros"
                                        : "more than %d parts with its macros",
                   n->depth > MAX_DEPTH ? MAX_DEPTH : MAX_TREE_NODES);
        return false;
    }
    return true;
}
