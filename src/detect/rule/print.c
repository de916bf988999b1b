// The syntax tree as text again: what explain shows, and a fixed point of parsing (print → parse →
// print).
#include "detect/rule/internal.h"

static bool plain(struct str s)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 127 || strchr("()\"'=,\\", s.ptr[i]))
            return false;
    return true;
}

static void print_literal(struct buf *out, struct str s)
{
    if (plain(s)) {
        buf_str(out, s);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        static const char plain_codes[] = "\bb\ff\nn\rr\tt\\\\\"\"";
        const char *known = c ? strchr(plain_codes, c) : NULL;
        if (known && (known - plain_codes) % 2 == 0)
            buf_printf(out, "\\%c", known[1]);
        else if ((unsigned char)c < ' ' || c == 127)
            buf_printf(out, "\\x%02x", (unsigned char)c);
        else
            buf_char(out, c);
    }
    buf_char(out, '"');
}

static bool plain_argument(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || strchr("[]\"'", s.ptr[i]))
            return false;
    return s.len > 0;
}

void print_expr(struct buf *out, const struct expr *e)
{
    switch (e->type) {
    case EXPR_FIELD:
        buf_str(out, e->name);
        break;
    case EXPR_TEXT:
        buf_char(out, '"');
        for (size_t i = 0; i < e->name.len; i++) {
            if (strchr("\"\\", e->name.ptr[i]))
                buf_char(out, '\\');
            buf_char(out, e->name.ptr[i]);
        }
        buf_char(out, '"');
        return;
    case EXPR_TRANSFORMER:
        buf_str(out, e->name);
        // fallthrough
    case EXPR_LIST:
        buf_char(out, '(');
        for (size_t i = 0; i < e->n; i++) {
            buf_text(out, i ? ", " : "");
            print_expr(out, e->args[i]);
        }
        buf_char(out, ')');
        break;
    }
    if (e->has_arg) {
        buf_char(out, '[');
        if (plain_argument(e->arg))
            buf_str(out, e->arg);
        else
            print_literal(out, e->arg);
        buf_char(out, ']');
    }
}

void print_check(struct buf *out, const struct check *c)
{
    print_expr(out, c->left);
    buf_printf(out, " %s", rule_operators[c->op].name);
    if (c->op == CMP_EXISTS)
        return;
    buf_char(out, ' ');
    if (c->mod != MOD_NONE)
        buf_printf(out, "%s ", modifier_names[c->mod]);
    if (c->right) {
        print_expr(out, c->right);
        return;
    }
    bool list = c->mod != MOD_NONE || operator_shapes[c->op] == SHAPE_LIST;
    buf_text(out, list ? "(" : "");
    for (size_t i = 0; i < c->n; i++) {
        buf_text(out, i ? ", " : "");
        print_literal(out, c->values[i].text);
    }
    buf_text(out, list ? ")" : "");
}

// What a node stands for: macros by their bodies where those are wanted, and two nots are none, as
// for the parser.
static const struct node *meant(const struct node *n, bool resolved)
{
    for (;;) {
        const struct node *kid;
        while (resolved && n->type == NODE_MACRO && n->body)
            n = n->body;
        if (n->type != NODE_NOT)
            return n;
        kid = n->kids[0];
        while (resolved && kid->type == NODE_MACRO && kid->body)
            kid = kid->body;
        if (kid->type != NODE_NOT)
            return n;
        n = kid->kids[0];
    }
}

// A part of something larger: chains stand in parentheses.
static void print_part(struct buf *out, const struct node *n, bool resolved)
{
    const struct node *inner = meant(n, resolved);
    bool wrap = inner->type == NODE_OR || inner->type == NODE_AND;
    buf_text(out, wrap ? "(" : "");
    print_node(out, inner, resolved);
    buf_text(out, wrap ? ")" : "");
}

void print_node(struct buf *out, const struct node *n, bool resolved)
{
    n = meant(n, resolved);
    switch (n->type) {
    case NODE_AND:
    case NODE_OR:
        for (size_t i = 0; i < n->n; i++) {
            buf_text(out, i == 0 ? "" : n->type == NODE_AND ? " and " : " or ");
            print_part(out, n->kids[i], resolved);
        }
        break;
    case NODE_NOT:
        buf_text(out, "not ");
        print_part(out, n->kids[0], resolved);
        break;
    case NODE_CHECK:
        print_check(out, n->check);
        break;
    case NODE_MACRO:
        buf_str(out, n->name);
        break;
    }
}
