// The controls and exceptions of one generation, compiled.
#include "detect/comply/internal.h"

#include <ctype.h>
#include <errno.h>

enum { MAX_TAG = 64 };

// "CIS Docker 1.6.0" and "5.5" → "cis-docker-5.5": the standard's words without its version.
static struct str reference_tag(struct arena *a, const struct control_reference *r)
{
    char tag[MAX_TAG];
    size_t n = 0;
    for (size_t i = 0; i < r->standard.len && n < sizeof(tag) - 1; i++) {
        char c = r->standard.ptr[i];
        if (isspace((unsigned char)c)) {
            bool version = i + 1 < r->standard.len &&
                           isdigit((unsigned char)r->standard.ptr[i + 1]) &&
                           memchr(r->standard.ptr + i, '-', r->standard.len - i) == NULL;
            if (version)
                break;
            c = '-';
        }
        tag[n++] = (char)tolower((unsigned char)c);
    }
    if (n < sizeof(tag) - 1)
        tag[n++] = '-';
    for (size_t i = 0; i < r->id.len && n < sizeof(tag); i++)
        tag[n++] =
            isspace((unsigned char)r->id.ptr[i]) ? '-' : (char)tolower((unsigned char)r->id.ptr[i]);
    return arena_str(a, (struct str){tag, n});
}

static bool compile_tags(struct arena *a, struct compiled *c)
{
    const struct control *k = c->control;
    c->tags = arena_alloc(a, (k->references_n + 2) * sizeof(*c->tags));
    if (!c->tags)
        return false;
    c->tags[c->tags_n++] = STR("comply");
    c->tags[c->tags_n++] = k->name;
    for (size_t i = 0; i < k->references_n; i++)
        c->tags[c->tags_n++] = reference_tag(a, &k->references[i]);
    return true;
}

// False: it does not compile, which was reported.
static bool compile_one(struct controls *c, const struct control *k, struct compiled *ret,
                        struct diag_list *diags)
{
    const struct {
        const struct control_text *text;
        bool bundle_only;
        struct clause **to;
    } parts[] = {{&k->when, true, &ret->applies},
                 {&k->bundle, true, &ret->bundle},
                 {&k->live, false, &ret->live}};
    bool ok = true;
    *ret = (struct compiled){.control = k};
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i].text->text.len == 0)
            continue;
        *parts[i].to =
            expression_compile(c->arena, parts[i].text, k->file, parts[i].bundle_only, diags);
        ok = *parts[i].to && ok;
    }
    return ok && compile_tags(c->arena, ret);
}

struct controls *controls_compile(const struct documents *docs, uint64_t generation,
                                  struct diag_list *diags)
{
    struct controls *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct controls){.arena = arena_new(0), .docs = docs, .generation = generation};
    c->list = c->arena ? arena_alloc(c->arena, MAX(docs->controls_n, (size_t)1) * sizeof(*c->list))
                       : NULL;
    if (!c->list) {
        controls_free(c);
        return NULL;
    }
    for (size_t i = 0; i < docs->controls_n; i++)
        c->n += compile_one(c, &docs->controls[i], &c->list[c->n], diags);
    return c;
}

void controls_free(struct controls *c)
{
    if (!c)
        return;
    arena_free(c->arena);
    free(c);
}

void controls_interest(const struct controls *c, struct interest *add_to)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct fact *facts[MAX_CITED];
        size_t n = expression_facts(c->list[i].applies, facts, 0);
        n = expression_facts(c->list[i].bundle, facts, n);
        n = expression_facts(c->list[i].live, facts, n);
        for (size_t f = 0; f < n; f++)
            for (size_t k = 0; k < ARRAY_SIZE(facts[f]->kinds) && facts[f]->kinds[k]; k++)
                kind_set_add(&add_to->containers, facts[f]->kinds[k]);
    }
}

const struct exception *controls_exception(const struct controls *c, struct str control,
                                           const struct container *container, uint64_t wall)
{
    for (size_t i = 0; i < c->docs->exceptions_n; i++) {
        const struct exception *e = &c->docs->exceptions[i];
        if (str_eq(e->control, control) && wall < e->until &&
            selector_match(&e->selector, container) == YES)
            return e;
    }
    return NULL;
}

// An exception from nothing would be thought to be in force.
static void check_exceptions(const struct documents *docs, struct diag_list *diags)
{
    const char **names = calloc(docs->controls_n + 1, sizeof(*names));
    for (size_t i = 0; names && i < docs->controls_n; i++)
        names[i] = docs->controls[i].name.ptr;
    for (size_t i = 0; names && i < docs->exceptions_n; i++) {
        const struct exception *e = &docs->exceptions[i];
        size_t k = 0;
        while (k < docs->controls_n && !str_eq(docs->controls[k].name, e->control))
            k++;
        if (k < docs->controls_n)
            continue;
        char hint[320] = "`bulkhead comply status` lists the controls";
        const char *near = nearest_word(e->control.ptr, names, docs->controls_n);
        if (near)
            snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
        _cleanup_free_ char *file = str_dup(e->file);
        diag_add(diags, DIAG_WARNING, file, e->line, 0, "BH231", hint,
                 "there is no control '" STR_FMT "' that this could be an exception from",
                 STR_ARG(e->control));
    }
    free(names);
}

int comply_check(const struct documents *docs, struct diag_list *diags)
{
    size_t errors = diags->errors;
    struct controls *c = controls_compile(docs, 0, diags);
    bool ok = c != NULL;
    if (!ok)
        diag_add(diags, DIAG_ERROR, NULL, 0, 0, "BH004", NULL, "out of memory");
    check_exceptions(docs, diags);
    controls_free(c);
    return ok && diags->errors == errors ? 0 : -EINVAL;
}
