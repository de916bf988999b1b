// Whatever the text: a tree within its limits whose positions lie in the text, or an error with a
// place in it.
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

// Visits the tree as if its aliases were expanded, as everybody who reads it does.
static size_t visit(const struct yaml *y, unsigned depth, unsigned lines)
{
    if (depth > MAX_YAML_DEPTH || y->line == 0 || y->column == 0 || y->line > lines)
        abort();
    size_t nodes = 1;
    for (size_t i = 0; i < y->n; i++) {
        if (y->type == YAML_MAP) {
            if (y->keys[i]->type != YAML_SCALAR)
                abort();
            nodes += visit(y->keys[i], depth + 1, lines);
        }
        nodes += visit(y->items[i], depth + 1, lines);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct str text = {(const char *)bytes, len};
    struct diag_list diags = {0};
    struct arena *arena = arena_new(64 << 20);
    bool ok;
    // A line ends at LF, CR, NEL, LS or PS; the last has no end.
    unsigned lines = 2;
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == 0x85 || bytes[i] == 0xa8 ||
                 bytes[i] == 0xa9;
    const struct yaml *first = yaml_parse(arena, "f", text, &diags, &ok);
    size_t nodes = 0;
    for (const struct yaml *y = first; y; y = y->next)
        nodes += visit(y, 1, lines);
    if (nodes > MAX_YAML_NODES || ok == (diags.errors > 0))
        abort();
    _cleanup_buf_ struct buf out = {0};
    diag_text(&diags, &out);
    for (size_t i = 0; i < out.len; i++)
        if ((unsigned char)out.ptr[i] < 0x20 && out.ptr[i] != '\n')
            abort();
    diag_list_done(&diags);
    arena_free(arena);
    return 0;
}
