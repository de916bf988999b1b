// YAML text → trees with positions. libyaml scans; here are the limits (bytes, depth, nodes as
// expanded), the anchors, and the errors as a person reads them. No recursion: what a stranger
// nests costs a frame of ours.
#include "config/internal.h"

#include <yaml.h>

// What a node weighs when every alias in it is expanded, and how deep it goes; kept beside the
// public part.
struct node {
    struct yaml yaml;
    size_t weight;
    unsigned height;
};

struct anchor {
    const char *name;
    struct node *node;
};
enum { MAX_YAML_ANCHORS = 1024 }; // an alias walks them

struct frame {
    struct node *node, *key; // key: waits for its value
    char *anchor;
    struct node **keys, **items;
    size_t n, cap;
};

struct reader {
    struct arena *arena;
    const char *file;
    struct diag_list *diags;
    bool strict, failed;
    yaml_parser_t parser;
    struct frame stack[MAX_YAML_DEPTH];
    unsigned depth;
    size_t weight; // of the whole file so far
    struct anchor *anchors;
    size_t anchors_n, anchors_cap;
    struct yaml *first, **tail;
};

static void fail(struct reader *r, yaml_mark_t at, const char *code, const char *hint,
                 const char *text)
{
    r->failed = true;
    diag_add(r->diags, DIAG_ERROR, r->file, (unsigned)at.line + 1, (unsigned)at.column + 1, code,
             hint, "%s", text);
}

static void fail_memory(struct reader *r)
{
    r->failed = true;
    diag_add(r->diags, DIAG_ERROR, r->file, 0, 0, "BH004", NULL,
             "there is not enough memory to read this file");
}

static struct node *node_new(struct reader *r, enum yaml_type type, yaml_mark_t at)
{
    struct node *n = arena_alloc(r->arena, sizeof(*n));
    if (!n) {
        fail_memory(r);
        return NULL;
    }
    n->yaml.type = type;
    n->yaml.line = n->yaml.text_line = (unsigned)at.line + 1;
    n->yaml.column = (unsigned)at.column + 1;
    n->weight = 1;
    n->height = 1;
    return n;
}

// A tag that only says what the plain reading is anyway (or that a scalar is a string) is taken;
// any other is ignored.
static bool tag_is_str(struct reader *r, const yaml_char_t *tag, yaml_mark_t at)
{
    const char *t = (const char *)tag;
    if (!t)
        return false;
    if (strcmp(t, "!") == 0 || strcmp(t, YAML_STR_TAG) == 0)
        return true;
    if (strcmp(t, YAML_SEQ_TAG) != 0 && strcmp(t, YAML_MAP_TAG) != 0 &&
        strcmp(t, YAML_NULL_TAG) != 0 && strcmp(t, YAML_BOOL_TAG) != 0 &&
        strcmp(t, YAML_INT_TAG) != 0 && strcmp(t, YAML_FLOAT_TAG) != 0)
        diag_add(r->diags, DIAG_WARNING, r->file, (unsigned)at.line + 1, (unsigned)at.column + 1,
                 "BH108", "remove it", "the tag %s means nothing here and is ignored", t);
    return false;
}

static struct node *scalar(struct reader *r, const yaml_event_t *e)
{
    struct node *n = node_new(r, YAML_SCALAR, e->start_mark);
    if (!n)
        return NULL;
    struct yaml *y = &n->yaml;
    y->scalar = arena_str(r->arena,
                          (struct str){(const char *)e->data.scalar.value, e->data.scalar.length});
    if (!y->scalar.ptr) {
        fail_memory(r);
        return NULL;
    }
    yaml_scalar_style_t style = e->data.scalar.style;
    y->quoted =
        style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    y->folded = style == YAML_FOLDED_SCALAR_STYLE;
    y->block = y->folded || style == YAML_LITERAL_SCALAR_STYLE;
    if (y->block)
        y->text_line++; // the header (| or >) stands alone on its line
    if (tag_is_str(r, e->data.scalar.tag, e->start_mark))
        y->quoted = true;
    y->null =
        !y->quoted && !y->block &&
        (y->scalar.len == 0 || str_eq(y->scalar, STR("~")) || str_eq(y->scalar, STR("null")) ||
         str_eq(y->scalar, STR("Null")) || str_eq(y->scalar, STR("NULL")));
    return n;
}

static void anchor_set(struct reader *r, const char *name, struct node *node, yaml_mark_t at)
{
    if (!name)
        return;
    if (r->anchors_n >= MAX_YAML_ANCHORS) {
        fail(r, at, "BH105", NULL, "too many anchors in one document");
        return;
    }
    if (r->anchors_n == r->anchors_cap) {
        size_t cap = r->anchors_cap ? r->anchors_cap * 2 : 16;
        struct anchor *grown = reallocarray(r->anchors, cap, sizeof(*grown));
        if (!grown) {
            fail_memory(r);
            return;
        }
        r->anchors = grown;
        r->anchors_cap = cap;
    }
    r->anchors[r->anchors_n++] = (struct anchor){name, node};
}

// The last anchor of a name counts.
static struct node *alias(struct reader *r, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (unsigned d = 0; d < r->depth; d++)
        if (r->stack[d].anchor && strcmp(r->stack[d].anchor, name) == 0) {
            fail(r, e->start_mark, "BH106", "a node cannot be a part of itself",
                 "an alias inside its own anchor");
            return NULL;
        }
    for (size_t i = r->anchors_n; i-- > 0;)
        if (strcmp(r->anchors[i].name, name) == 0)
            return r->anchors[i].node;
    fail(r, e->start_mark, "BH106", "an anchor (&name) must come before its alias (*name)",
         "an alias whose anchor is not in this document");
    return NULL;
}

static bool push(struct frame *f, struct node *key, struct node *item)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 8;
        struct node **items = reallocarray(f->items, cap, sizeof(struct node *));
        if (!items)
            return false;
        f->items = items;
        struct node **keys = reallocarray(f->keys, cap, sizeof(struct node *));
        if (!keys)
            return false;
        f->keys = keys;
        f->cap = cap;
    }
    f->keys[f->n] = key;
    f->items[f->n++] = item;
    return true;
}

// Puts a complete node where it belongs: into the container being read, or at the file's end as a
// document.
static void place(struct reader *r, struct node *n, yaml_mark_t at)
{
    if (__builtin_add_overflow(r->weight, n->weight, &r->weight) || r->weight > MAX_YAML_NODES) {
        fail(r, at, "BH105", "split the file, and write out what the aliases repeat",
             "too many nodes (aliases count as what they expand to)");
        return;
    }
    if (r->depth == 0) {
        *r->tail = &n->yaml;
        r->tail = &n->yaml.next;
        return;
    }
    struct frame *f = &r->stack[r->depth - 1];
    if (r->depth + n->height > MAX_YAML_DEPTH) {
        fail(r, at, "BH103", NULL, "nested too deeply (aliases count as what they expand to)");
        return;
    }
    if (f->node->yaml.type == YAML_MAP && !f->key) {
        if (n->yaml.type != YAML_SCALAR)
            fail(r, at, "BH107", "quote text that begins with [ or {",
                 "a key must be a plain word, not a list or a map");
        f->key = n;
        return;
    }
    if (!push(f, f->key, n)) {
        fail_memory(r);
        return;
    }
    f->node->weight += n->weight + (f->key ? f->key->weight : 0);
    f->node->height = MAX(f->node->height, n->height + 1);
    f->key = NULL;
}

static void open_frame(struct reader *r, struct node *n, const yaml_char_t *anchor, yaml_mark_t at)
{
    if (!n)
        return;
    if (r->depth >= MAX_YAML_DEPTH) {
        fail(r, at, "BH103", NULL, "nested too deeply");
        return;
    }
    struct frame *f = &r->stack[r->depth];
    *f = (struct frame){.node = n};
    if (anchor) {
        f->anchor = arena_cstr(r->arena, str_of((const char *)anchor));
        if (!f->anchor) {
            fail_memory(r);
            return;
        }
    }
    r->depth++;
}

static int key_order(const void *a, const void *b)
{
    const struct yaml *x = *(struct yaml *const *)a, *y = *(struct yaml *const *)b;
    int c = str_cmp(x->scalar, y->scalar);
    if (c)
        return c;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

static void check_twice(struct reader *r, const struct yaml *map)
{
    _cleanup_free_ struct yaml **sorted = map->n > 1 ? calloc(map->n, sizeof(*sorted)) : NULL;
    if (!sorted)
        return;
    memcpy(sorted, map->keys, map->n * sizeof(*sorted));
    qsort(sorted, map->n, sizeof(*sorted), key_order);
    for (size_t i = 1; i < map->n; i++) {
        const struct yaml *k = sorted[i], *before = sorted[i - 1];
        if (!str_eq(k->scalar, before->scalar))
            continue;
        char hint[64];
        snprintf(hint, sizeof(hint), "it stands first in line %u", before->line);
        diag_add(r->diags, r->strict ? DIAG_ERROR : DIAG_WARNING, r->file, k->line, k->column,
                 "BH104", hint,
                 r->strict ? "the key '%.*s' stands twice"
                           : "the key '%.*s' stands twice; only the first one counts",
                 (int)MIN(k->scalar.len, (size_t)128), k->scalar.ptr);
    }
}

static void close_frame(struct reader *r)
{
    struct frame *f = &r->stack[--r->depth];
    struct node *n = f->node;
    struct yaml *y = &n->yaml;
    yaml_mark_t at = {.line = y->line - 1, .column = y->column - 1};
    y->n = f->n;
    size_t bytes = f->n * sizeof(struct yaml *);
    bool map = y->type == YAML_MAP;
    if (f->n) {
        y->items = arena_alloc(r->arena, bytes);
        y->keys = map ? arena_alloc(r->arena, bytes) : NULL;
        if (!y->items || (map && !y->keys))
            fail_memory(r);
        else
            for (size_t i = 0; i < f->n; i++) {
                y->items[i] = &f->items[i]->yaml;
                if (map)
                    y->keys[i] = &f->keys[i]->yaml;
            }
    }
    char *anchor = f->anchor;
    free(f->items);
    free(f->keys);
    *f = (struct frame){0};
    if (r->failed)
        return;
    if (map)
        check_twice(r, y);
    anchor_set(r, anchor, n, at);
    // Its parts were weighed when they were placed: only the node itself is new.
    r->weight -= n->weight - 1;
    place(r, n, at);
}

static void take_scalar(struct reader *r, const yaml_event_t *e)
{
    struct node *n = scalar(r, e);
    if (!n)
        return;
    const char *anchor = (const char *)e->data.scalar.anchor;
    if (anchor) {
        anchor = arena_cstr(r->arena, str_of(anchor));
        if (!anchor) {
            fail_memory(r);
            return;
        }
        anchor_set(r, anchor, n, e->start_mark);
    }
    if (!r->failed)
        place(r, n, e->start_mark);
}

static void take(struct reader *r, const yaml_event_t *e)
{
    struct node *n;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        take_scalar(r, e);
        break;
    case YAML_SEQUENCE_START_EVENT:
        tag_is_str(r, e->data.sequence_start.tag, e->start_mark);
        open_frame(r, node_new(r, YAML_LIST, e->start_mark), e->data.sequence_start.anchor,
                   e->start_mark);
        break;
    case YAML_MAPPING_START_EVENT:
        tag_is_str(r, e->data.mapping_start.tag, e->start_mark);
        open_frame(r, node_new(r, YAML_MAP, e->start_mark), e->data.mapping_start.anchor,
                   e->start_mark);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        close_frame(r);
        break;
    case YAML_ALIAS_EVENT:
        n = alias(r, e);
        if (n && r->depth == 0)
            fail(r, e->start_mark, "BH106", NULL, "a document cannot be an alias");
        else if (n)
            place(r, n, e->start_mark);
        break;
    case YAML_DOCUMENT_START_EVENT:
        r->anchors_n = 0; // anchors end with their document
        break;
    default:
        break;
    }
}

// libyaml's own complaint. Its scanner's words are terse; the common causes get a hint.
static void fail_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    r->failed = true;
    if (p->error == YAML_MEMORY_ERROR) {
        fail_memory(r);
        return;
    }
    const char *problem = p->problem ? p->problem : "unknown problem";
    const char *hint = NULL;
    if (strstr(problem, "found character that cannot start any token"))
        hint = "indent with blanks, not tabs, and quote text that begins with @, ` or %";
    else if (strstr(problem, "mapping values are not allowed"))
        hint = "quote text that has ': ' in it, or check the indentation";
    else if (strstr(problem, "did not find expected"))
        hint = "check the indentation, and that each quote and bracket is closed";
    else if (strstr(problem, "could not find expected ':'"))
        hint = "a key needs ': ' behind it";
    diag_add(r->diags, DIAG_ERROR, r->file, (unsigned)p->problem_mark.line + 1,
             (unsigned)p->problem_mark.column + 1, "BH101", hint, "not valid YAML: %s%s%s", problem,
             p->context ? " " : "", p->context ? p->context : "");
}

// libyaml says only a byte offset for text that it cannot decode, and takes a NUL for the end of
// nothing: find both here, with their place.
static bool check_text(struct reader *r, struct str text)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < text.len;) {
        unsigned n = utf8_len(text, i);
        unsigned char c = (unsigned char)text.ptr[i];
        if (n == 0 || c == 0) {
            bool wide =
                i < 2 && text.len >= 2 && (c == 0xff || c == 0xfe || c == 0 || text.ptr[1] == 0);
            diag_add(r->diags, DIAG_ERROR, r->file, line, column, "BH102",
                     wide ? "it looks like UTF-16 or a binary file: save it as UTF-8"
                          : "save the file as UTF-8 text",
                     n == 0 ? "the byte 0x%02x is not valid UTF-8 here"
                            : "there is a NUL byte (0x%02x) in the text",
                     c);
            return false;
        }
        i += n;
        column++;
        if (c == '\n') {
            line++;
            column = 1;
        }
    }
    return true;
}

static void read_events(struct reader *r, struct str text)
{
    if (!yaml_parser_initialize(&r->parser)) {
        fail_memory(r);
        return;
    }
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)text.ptr, text.len);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    for (bool end = false; !end && !r->failed;) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r->parser, &e)) {
            fail_syntax(r);
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        take(r, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&r->parser);
}

struct yaml *yaml_parse_with(struct arena *a, const char *file, struct str text, bool strict,
                             struct diag_list *diags, bool *ok)
{
    size_t errors = diags->errors;
    *ok = false;
    if (text.len > MAX_YAML_BYTES) {
        diag_add(diags, DIAG_ERROR, file, 0, 0, "BH003", "split it",
                 "the file has more than %d MiB", MAX_YAML_BYTES >> 20);
        return NULL;
    }
    struct reader *r = calloc(1, sizeof(*r));
    if (!r) {
        diag_add(diags, DIAG_ERROR, file, 0, 0, "BH004", NULL,
                 "there is not enough memory to read this file");
        return NULL;
    }
    *r = (struct reader){.arena = a, .file = file, .diags = diags, .strict = strict};
    r->tail = &r->first;
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = (struct str){text.ptr + 3, text.len - 3};
    if (check_text(r, text) && text.len)
        read_events(r, text);
    while (r->depth > 0) {
        struct frame *f = &r->stack[--r->depth];
        free(f->items);
        free(f->keys);
    }
    struct yaml *first = r->first;
    free(r->anchors);
    free(r);
    diag_snippets(diags, file, text);
    *ok = diags->errors == errors;
    return first;
}

struct yaml *yaml_parse(struct arena *a, const char *file, struct str text, struct diag_list *diags,
                        bool *ok)
{
    return yaml_parse_with(a, file, text, false, diags, ok);
}

struct yaml *yaml_get(const struct yaml *map, const char *key)
{
    if (!map || map->type != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->keys[i]->scalar, str_of(key)))
            return map->items[i];
    return NULL;
}
