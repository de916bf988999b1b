// The comparisons. A value here is never null: a null makes every test false before it comes here.
#include "detect/rule/internal.h"

static bool contains_fold(struct str s, struct str what)
{
    for (size_t i = 0; i + what.len <= s.len; i++)
        if (what.len == 0 || strncasecmp(s.ptr + i, what.ptr, what.len) == 0)
            return true;
    return false;
}

// A copy in which every byte that is no UTF-8 is U+FFFD, as the other end of Falco's rules expects:
// a stray byte can't hide a path from `.*`.
static struct str sanitised(struct match *m, struct str s)
{
    size_t good = 0;
    struct writer w = writer_begin(m);
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x80                ? 1
                   : c >= 0xc2 && c < 0xe0 ? 2
                   : (c & 0xf0) == 0xe0    ? 3
                   : c >= 0xf0 && c < 0xf5 ? 4
                                           : 0;
        bool ok = n && i + n <= s.len;
        for (size_t k = 1; ok && k < n; k++)
            ok = ((unsigned char)s.ptr[i + k] & 0xc0) == 0x80;
        if (ok && n > 2) { // overlong, surrogates, beyond U+10FFFF
            unsigned char d = (unsigned char)s.ptr[i + 1];
            ok = !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d >= 0xa0) &&
                 !(c == 0xf0 && d < 0x90) && !(c == 0xf4 && d >= 0x90);
        }
        if (ok) {
            writer_str(&w, (struct str){s.ptr + i, n});
            good += n;
        } else {
            writer_str(&w, STR("\xef\xbf\xbd"));
        }
        i += ok ? n : 1;
    }
    struct str copy = writer_end(&w);
    return good == s.len ? s : copy;
}

static bool regex_match(struct match *m, const pcre2_code *regex, struct str s)
{
    s = sanitised(m, s);
    int rc = pcre2_match(regex, (PCRE2_SPTR)(s.ptr ? s.ptr : ""), s.len, 0, PCRE2_NO_UTF_CHECK,
                         m->s->regex_data, m->s->regex_context);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        m->s->overflows++;
    return rc >= 0;
}

static bool compare_text(struct match *m, enum operator_id op, struct str v,
                         const struct constant *c)
{
    switch (op) {
    case CMP_EQ:
    case CMP_IN:
    case CMP_INTERSECTS:
        return str_eq(v, c->text);
    case CMP_NE:
        return !str_eq(v, c->text);
    case CMP_LT:
        return str_cmp(v, c->text) < 0;
    case CMP_LE:
        return str_cmp(v, c->text) <= 0;
    case CMP_GT:
        return str_cmp(v, c->text) > 0;
    case CMP_GE:
        return str_cmp(v, c->text) >= 0;
    case CMP_CONTAINS:
        return str_contains(v, c->text);
    case CMP_ICONTAINS:
        return contains_fold(v, c->text);
    case CMP_STARTSWITH:
        return str_starts(v, c->text);
    case CMP_ENDSWITH:
        return str_ends(v, c->text);
    case CMP_GLOB:
    case CMP_IGLOB:
        return rule_glob(c->text, v, op == CMP_IGLOB);
    case CMP_PMATCH:
        return path_pattern_match(&c->path, v);
    case CMP_REGEX:
        return regex_match(m, c->regex, v);
    default:
        return false;
    }
}

static bool ordered(enum operator_id op, int order)
{
    switch (op) {
    case CMP_EQ:
    case CMP_IN:
    case CMP_INTERSECTS:
        return order == 0;
    case CMP_NE:
        return order != 0;
    case CMP_LT:
        return order < 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    case CMP_GE:
        return order >= 0;
    default:
        return false;
    }
}

static bool in_network(const struct address *a, const struct address *net, uint8_t prefix)
{
    if (a->len != net->len)
        return false;
    unsigned whole = prefix / 8, rest = prefix % 8;
    if (memcmp(a->bytes, net->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ net->bytes[whole]) >> (8 - rest)) == 0;
}

bool compare_constant(struct match *m, enum operator_id op, const struct value *v,
                      const struct constant *c)
{
    switch (v->type) {
    case FIELD_STRING:
        return compare_text(m, op, v->str, c);
    case FIELD_I64:
        return ordered(op, v->i64 < c->i64 ? -1 : v->i64 > c->i64);
    case FIELD_U64:
    case FIELD_PORT:
    case FIELD_TIME:
    case FIELD_DURATION:
        return ordered(op, v->u64 < c->u64 ? -1 : v->u64 > c->u64);
    case FIELD_BOOL:
        return ordered(op, v->b != c->b);
    case FIELD_IP:
        return ordered(op, !in_network(&v->ip, &c->net.address, (uint8_t)(c->net.address.len * 8)));
    case FIELD_NET:
        return ordered(op, !in_network(&v->ip, &c->net.address, c->net.prefix));
    default:
        return false;
    }
}

// Two fields of the same type.
bool compare_values(enum operator_id op, const struct value *v, const struct value *right)
{
    struct constant c = {0};
    switch (v->type) {
    case FIELD_STRING:
        c.text = right->str;
        break;
    case FIELD_BOOL:
        c.b = right->b;
        break;
    case FIELD_IP:
        c.net.address = right->ip;
        break;
    case FIELD_I64:
        c.i64 = right->i64;
        break;
    default:
        c.u64 = right->u64;
        break;
    }
    return compare_constant(NULL, op, v, &c);
}

static bool in_set(const struct test *t, const struct value *v)
{
    uint64_t number = v->type == FIELD_STRING ? 0 : v->u64;
    uint64_t hash =
        v->type == FIELD_STRING ? hash64(v->str.ptr, v->str.len) : hash64(&number, sizeof(number));
    for (size_t at = hash & t->set_mask; t->set[at]; at = (at + 1) & t->set_mask) {
        const struct constant *c = &t->values[t->set[at] - 1];
        if (v->type == FIELD_STRING ? str_eq(c->text, v->str) : c->u64 == number)
            return true;
    }
    return false;
}

bool test_value(struct match *m, const struct test *t, const struct value *v)
{
    size_t hits = 0;
    enum operator_id op = (enum operator_id)t->op;
    if (t->set)
        return in_set(t, v);
    switch (t->mod) {
    case MOD_NONE:
        for (size_t i = 0; i < t->n; i++)
            if (compare_constant(m, op, v, &t->values[i]))
                return true;
        return false;
    case MOD_ONEOF:
    case MOD_ANYOF:
    case MOD_ALLOF:
        for (size_t i = 0; i < t->n; i++)
            hits += compare_constant(m, op, v, &t->values[i]);
        return t->mod == MOD_ANYOF   ? hits > 0
               : t->mod == MOD_ONEOF ? hits == 1
                                     : t->n > 0 && hits == t->n;
    }
    return false;
}
