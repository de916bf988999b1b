// Running code on an event. No memory is taken here: values live in the scratch, which belongs to
// one shard.
#include "detect/rule/internal.h"

struct rule_scratch *rule_scratch_new(void)
{
    struct rule_scratch *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->bytes = malloc(MAX_SCRATCH_BYTES);
    s->regex_data = pcre2_match_data_create(1, NULL);
    s->regex_context = pcre2_match_context_create(NULL);
    if (!s->bytes || !s->regex_data || !s->regex_context) {
        rule_scratch_free(s);
        return NULL;
    }
    pcre2_set_match_limit(s->regex_context, REGEX_MATCH_LIMIT);
    pcre2_set_heap_limit(s->regex_context, REGEX_HEAP_KIB);
    return s;
}

void rule_scratch_free(struct rule_scratch *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->regex_data);
    pcre2_match_context_free(s->regex_context);
    buf_done(&s->output);
    buf_done(&s->args);
    free(s->bytes);
    free(s->fields);
    free(s->memo);
    free(s);
}

// Grows with the largest ruleset this scratch has met, then never again.
static bool fits(struct rule_scratch *s, size_t fields, size_t slots)
{
    if (fields > s->fields_n) {
        void *grown = reallocarray(s->fields, fields, sizeof(*s->fields));
        if (!grown)
            return false;
        s->fields = grown;
        memset(s->fields + s->fields_n, 0, (fields - s->fields_n) * sizeof(*s->fields));
        s->fields_n = fields;
    }
    if (slots > s->memo_n) {
        uint32_t *grown = reallocarray(s->memo, slots, sizeof(*grown));
        if (!grown)
            return false;
        s->memo = grown;
        memset(s->memo + s->memo_n, 0, (slots - s->memo_n) * sizeof(*s->memo));
        s->memo_n = slots;
    }
    return true;
}

bool match_begin(struct match *m, const struct unit *u, struct rule_scratch *s,
                 const struct detect_env *env, const struct event *e, size_t slots)
{
    *m = (struct match){e, env, s, u};
    s->used = 0;
    if (++s->epoch >= 1u << 31) { // what was remembered under old numbers must not come back
        s->epoch = 1;
        if (s->fields_n)
            memset(s->fields, 0, s->fields_n * sizeof(*s->fields));
        if (s->memo_n)
            memset(s->memo, 0, s->memo_n * sizeof(*s->memo));
    }
    return fits(s, u ? u->fields_n : 0, slots);
}

// ── texts that last while the event does ─────────────────────────────────────────────────────

struct writer writer_begin(struct match *m)
{
    return (struct writer){m, m->s->used, m->s->used, false};
}

void writer_str(struct writer *w, struct str s)
{
    size_t n = MIN(s.len, MAX_SCRATCH_BYTES - w->at);
    if (n < s.len)
        w->full = true;
    if (n)
        memcpy(w->m->s->bytes + w->at, s.ptr, n);
    w->at += n;
}

void writer_char(struct writer *w, char c)
{
    writer_str(w, (struct str){&c, 1});
}

void writer_format(struct writer *w, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (n > 0)
        writer_str(w, (struct str){text, MIN((size_t)n, sizeof(text) - 1)});
}

struct str writer_end(struct writer *w)
{
    if (w->full)
        w->m->s->overflows++;
    w->m->s->used = w->at;
    return (struct str){w->m->s->bytes + w->start, w->at - w->start};
}

// ── values ───────────────────────────────────────────────────────────────────────────────────

static bool get(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    ret->type = f->row->type;
    return f->getter->get(m, f, index, ret);
}

bool match_field(struct match *m, size_t field, struct value *ret)
{
    const struct field_ref *f = &m->unit->fields[field];
    if (m->s->fields[field].epoch != m->s->epoch) {
        m->s->fields[field].epoch = m->s->epoch;
        m->s->fields[field].null = !get(m, f, f->index, &m->s->fields[field].value);
    }
    *ret = m->s->fields[field].value;
    return !m->s->fields[field].null;
}

static struct str mapped(struct match *m, struct str s, char from, char to, int add)
{
    struct writer w = writer_begin(m);
    for (size_t i = 0; i < s.len; i++)
        writer_char(&w, s.ptr[i] >= from && s.ptr[i] <= to ? (char)(s.ptr[i] + add) : s.ptr[i]);
    return writer_end(&w);
}

static bool base64(struct match *m, struct str s, struct str *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = s.len;
    while (n && s.len - n < 2 && s.ptr[n - 1] == '=')
        n--;
    if (n % 4 == 1 || (n < s.len && s.len % 4 != 0))
        return false;
    struct writer w = writer_begin(m);
    for (size_t i = 0; i < n; i++) {
        const char *d = s.ptr[i] ? strchr(digits, s.ptr[i]) : NULL;
        if (!d)
            return false;
        bits = bits << 6 | (uint32_t)(d - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            writer_char(&w, (char)(bits >> have & 0xff));
        }
    }
    *ret = writer_end(&w);
    return true;
}

static bool transformed(struct match *m, const struct term *t, struct value *ret)
{
    struct value v;
    ret->type = t->value;
    if (t->tr == TR_JOIN || t->tr == TR_CONCAT) {
        struct value parts[MAX_TERM_ARGS];
        const struct term *list = t->tr == TR_JOIN ? t->args[1] : t;
        struct str separator = STR_NULL;
        if (t->tr == TR_JOIN) {
            if (!term_value(m, t->args[0], &v))
                return false;
            separator = v.str;
        }
        for (size_t i = 0; i < list->n; i++)
            if (!term_value(m, list->args[i], &parts[i]))
                return false;
        struct writer w = writer_begin(m);
        for (size_t i = 0; i < list->n; i++) {
            writer_str(&w, i ? separator : STR_NULL);
            writer_str(&w, parts[i].str);
        }
        ret->str = writer_end(&w);
        return true;
    }
    if (!term_value(m, t->args[0], &v))
        return false;
    switch (t->tr) {
    case TR_TOLOWER:
        ret->str = mapped(m, v.str, 'A', 'Z', 32);
        return true;
    case TR_TOUPPER:
        ret->str = mapped(m, v.str, 'a', 'z', -32);
        return true;
    case TR_BASENAME:
        ret->str = str_basename(v.str);
        return true;
    case TR_LEN:
        ret->u64 = v.str.len;
        return true;
    case TR_B64:
        return base64(m, v.str, &ret->str);
    default:
        return false;
    }
}

bool term_value(struct match *m, const struct term *t, struct value *ret)
{
    switch (t->type) {
    case EXPR_FIELD:
        return match_field(m, t->field, ret);
    case EXPR_TRANSFORMER:
        return transformed(m, t, ret);
    case EXPR_TEXT:
        *ret = (struct value){.type = FIELD_STRING, .str = t->text};
        return true;
    default:
        return false;
    }
}

// ── tests ────────────────────────────────────────────────────────────────────────────────────

static bool holds(struct match *m, const struct test *t, const struct value *v,
                  const struct value *right)
{
    if (t->op == CMP_EXISTS)
        return true;
    return t->right ? compare_values((enum operator_id)t->op, v, right) : test_value(m, t, v);
}

static bool some_ancestor(struct match *m, const struct test *t, const struct value *right)
{
    const struct field_ref *f = &m->unit->fields[t->left->field];
    struct value v;
    for (int64_t n = 1; n <= MAX_ANCESTORS && match_ancestor(m, n); n++)
        if (get(m, f, n, &v) && holds(m, t, &v, right))
            return true;
    return false;
}

// Either end for = and in, both ends for !=. An end that is null never fits.
static bool both_ends(struct match *m, const struct test *t, const struct value *right)
{
    const struct field_ref *f = &m->unit->fields[t->left->field];
    struct value v;
    bool first = get(m, f, 0, &v) && holds(m, t, &v, right);
    if (first != (t->op == CMP_NE))
        return first;
    return get(m, f, 1, &v) && holds(m, t, &v, right);
}

bool test_run(struct match *m, const struct test *t)
{
    struct value v, right = {0};
    if (t->right && !term_value(m, t->right, &right))
        return false;
    if (t->left->flags & GET_ANCESTORS)
        return some_ancestor(m, t, &right);
    if (t->left->flags & GET_BOTH_ENDS)
        return both_ends(m, t, &right);
    return term_value(m, t->left, &v) && holds(m, t, &v, &right);
}

int program_run(struct match *m, const struct program *p, program_hit hit, void *ctx)
{
    const struct insn *code = p->code;
    uint32_t *memo = m->s->memo, epoch = m->s->epoch, pc = 0;
    size_t depth = 0;
    int hits = 0;
    for (;;) {
        const struct insn *i = &code[pc];
        bool v;
        switch (i->op) {
        case OP_JUMP:
            pc = i->yes;
            break;
        case OP_TEST:
            if (i->slot && memo[i->slot] >> 1 == epoch) {
                v = memo[i->slot] & 1;
            } else {
                v = test_run(m, &m->unit->tests[i->a]);
                if (i->slot)
                    memo[i->slot] = epoch << 1 | v;
            }
            pc = v ? i->yes : i->no;
            break;
        case OP_CALL:
            if (memo[i->slot] >> 1 == epoch) {
                pc = memo[i->slot] & 1 ? i->yes : i->no;
            } else {
                INVARIANT(depth < ARRAY_SIZE(m->s->stack));
                m->s->stack[depth++] = pc;
                pc = i->a;
            }
            break;
        case OP_RETURN:
            v = i->a;
            i = &code[m->s->stack[--depth]];
            memo[i->slot] = epoch << 1 | v;
            pc = v ? i->yes : i->no;
            break;
        case OP_MATCH:
            hits++;
            if (hit)
                hit(ctx, i->a);
            pc = i->yes;
            break;
        case OP_END:
            return hits;
        }
    }
}

enum side event_side(const struct event *e)
{
    const struct container *c = e->container;
    if (!c)
        return e->rec->container == 0 ? SIDE_HOST : SIDE_CONTAINER;
    // A cgroup whose maker had a bundle that could not be read is a container that we know little
    // of.
    bool unreadable =
        c->type == CONTAINER_CGROUP && c->facts->version > 0 && c->facts->problem.len > 0;
    // One whose facts are still asked for is unknown, and unknown is not the host.
    return c->type == CONTAINER_OCI || unreadable || c->pending ? SIDE_CONTAINER : SIDE_HOST;
}
