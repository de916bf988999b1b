// A generation: documents and rules, compiled once, immutable after.
#include "agent/line.h"
#include "detect/comply/comply.h"

struct generation *generation_build(const struct sources *s, uint64_t number,
                                    struct diag_list *diags)
{
    struct generation *g = calloc(1, sizeof(*g));
    if (!g) {
        diag_add(diags, DIAG_ERROR, "", 0, 0, "BH001", NULL, "out of memory");
        return NULL;
    }
    g->number = number;
    g->id = sources_id(s);
    g->documents = documents_parse(s, diags);
    struct agent_config defaults;
    agent_config_defaults(&defaults);
    const struct agent_config *config = g->documents ? &g->documents->agent : &defaults;
    struct rule_options options = {.min_severity = config->min_severity,
                                   .first_match = config->rule_matching_first};
    g->rules = ruleset_compile(s, &options, diags); // also after an error: all diagnostics at once
    bool controls = !g->documents || comply_check(g->documents, diags) == 0;
    for (size_t i = 0; !controls && i < s->n; i++)
        if (s->list[i].kind == SOURCE_DOCUMENTS || s->list[i].kind == SOURCE_CONFIG) {
            _cleanup_free_ char *file = str_dup(s->list[i].name);
            diag_snippets(diags, file, s->list[i].text);
        }
    if (!g->documents || !g->rules || !controls) {
        generation_free(g);
        return NULL;
    }
    return g;
}

void generation_free(struct generation *g)
{
    if (!g)
        return;
    documents_free(g->documents);
    ruleset_free(g->rules);
    free(g);
}
