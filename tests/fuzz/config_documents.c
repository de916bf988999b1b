// Whatever the documents: errors, or documents that print, and whose print reads back and prints
// the same.
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct documents *parse(struct str text, struct diag_list *diags)
{
    struct source source = {SOURCE_DOCUMENTS, STR("d/f.yaml"), text};
    struct sources s = {&source, 1, NULL};
    return documents_parse(&s, diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct diag_list diags = {0};
    struct documents *d = parse((struct str){(const char *)bytes, len}, &diags);
    if (!d == !diags.errors)
        abort();
    if (d) {
        _cleanup_buf_ struct buf once = {0}, twice = {0};
        documents_print(d, &once);
        struct documents *again = parse(buf_view(&once), &diags);
        if (!again)
            abort();
        documents_print(again, &twice);
        // Relative paths have become what they mean: a second reading must not move them again.
        bool relative = false;
        for (size_t i = 0; i < d->agent.rules_n; i++)
            relative |= d->agent.rules[i].ptr[0] != '/';
        for (size_t i = 0; i < d->agent.policies_n; i++)
            relative |= d->agent.policies[i].ptr[0] != '/';
        if (!relative && !str_eq(buf_view(&once), buf_view(&twice)))
            abort();
        documents_free(again);
        documents_free(d);
    }
    diag_list_done(&diags);
    return 0;
}
