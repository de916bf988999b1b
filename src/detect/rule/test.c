// Tests: a term, an operator, and constants made ready when the rule is loaded.
#include "detect/rule/internal.h"

#include <arpa/inet.h>
#include <errno.h>

#define BIT(type) (1u << (type))
#define TEXTS     BIT(FIELD_STRING)
#define NUMBERS                                                                                    \
    (BIT(FIELD_I64) | BIT(FIELD_U64) | BIT(FIELD_PORT) | BIT(FIELD_TIME) | BIT(FIELD_DURATION))
#define ADDRESSES (BIT(FIELD_IP) | BIT(FIELD_NET))
#define ALL_TYPES (TEXTS | NUMBERS | ADDRESSES | BIT(FIELD_BOOL))

// In the order in which the parser tries them; index = enum operator_id.
const struct rule_operator_row rule_operators[] = {
    {"exists", "the field has a value", false, ALL_TYPES},
    {"<=", "at most", false, TEXTS | NUMBERS},
    {"<", "less than", false, TEXTS | NUMBERS},
    {">=", "at least", false, TEXTS | NUMBERS},
    {">", "more than", false, TEXTS | NUMBERS},
    {"=", "equal; == is the same", false, ALL_TYPES},
    {"!=", "not equal; false for a field without a value", false, ALL_TYPES},
    {"iglob", "like glob, whatever the case", false, TEXTS},
    {"glob", "the whole text fits a shell pattern; a star crosses slashes", false, TEXTS},
    {"icontains", "like contains, whatever the case", false, TEXTS},
    {"contains", "holds the text", false, TEXTS},
    {"bcontains", "holds the bytes, given in hex; for buffers, which no field is", false, 0},
    {"startswith", "begins with the text", false, TEXTS},
    {"bstartswith", "begins with the bytes, given in hex; for buffers, which no field is", false,
     0},
    {"endswith", "ends with the text", false, TEXTS},
    {"regex", "the whole text fits a regular expression", false, TEXTS},
    {"intersects", "equal to one of the list", true, ALL_TYPES},
    {"in", "equal to one of the list", true, ALL_TYPES},
    {"pmatch", "a path of the list is this path or a folder above it", true, TEXTS},
};
const size_t rule_operators_n = ARRAY_SIZE(rule_operators);
static_assert(ARRAY_SIZE(rule_operators) == CMP_MAX, "operators and their ids differ");

const enum operator_shape operator_shapes[CMP_MAX] = {
    [CMP_EXISTS] = SHAPE_UNARY,      [CMP_LE] = SHAPE_NUMBER,
    [CMP_LT] = SHAPE_NUMBER,         [CMP_GE] = SHAPE_NUMBER,
    [CMP_GT] = SHAPE_NUMBER,         [CMP_EQ] = SHAPE_STRING,
    [CMP_NE] = SHAPE_STRING,         [CMP_IGLOB] = SHAPE_STRING,
    [CMP_GLOB] = SHAPE_STRING,       [CMP_ICONTAINS] = SHAPE_STRING,
    [CMP_CONTAINS] = SHAPE_STRING,   [CMP_BCONTAINS] = SHAPE_STRING,
    [CMP_STARTSWITH] = SHAPE_STRING, [CMP_BSTARTSWITH] = SHAPE_STRING,
    [CMP_ENDSWITH] = SHAPE_STRING,   [CMP_REGEX] = SHAPE_STRING,
    [CMP_INTERSECTS] = SHAPE_LIST,   [CMP_IN] = SHAPE_LIST,
    [CMP_PMATCH] = SHAPE_LIST,
};

// ── constants ────────────────────────────────────────────────────────────────────────────────

// Services that rules name by word. Fixed, so that a rule means the same on every host.
static const struct {
    const char *name;
    uint16_t port;
} services[] = {{"ftp-data", 20}, {"ftp", 21},         {"ssh", 22},         {"telnet", 23},
                {"smtp", 25},     {"domain", 53},      {"tftp", 69},        {"http", 80},
                {"kerberos", 88}, {"pop3", 110},       {"sunrpc", 111},     {"ntp", 123},
                {"imap2", 143},   {"imap", 143},       {"snmp", 161},       {"ldap", 389},
                {"https", 443},   {"submission", 587}, {"ldaps", 636},      {"imaps", 993},
                {"pop3s", 995},   {"mysql", 3306},     {"postgresql", 5432}};

// Digits with an optional sign, the whole text; a negative one wraps in an unsigned field, as with
// sscanf.
static bool integer(struct str s, bool *ret_negative, uint64_t *ret)
{
    bool sign = s.len && (s.ptr[0] == '-' || s.ptr[0] == '+');
    *ret_negative = s.len && s.ptr[0] == '-';
    return parse_u64((struct str){s.ptr + sign, s.len - sign}, ret) == 0 && s.len > sign;
}

static bool address(struct str s, struct address *ret)
{
    char text[64];
    if (s.len >= sizeof(text) || memchr(s.ptr, 0, s.len))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    bool v4 = strchr(text, '.') && !strchr(text, ':');
    ret->len = v4 ? 4 : 16;
    if (inet_pton(v4 ? AF_INET : AF_INET6, text, ret->bytes) != 1)
        return false;
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!v4 && memcmp(ret->bytes, mapped, sizeof(mapped)) == 0) {
        memmove(ret->bytes, ret->bytes + 12, 4);
        ret->len = 4;
    }
    return true;
}

static bool network(struct str s, struct address *ret, uint8_t *ret_prefix)
{
    const char *slash = s.len ? memchr(s.ptr, '/', s.len) : NULL;
    uint64_t prefix;
    if (!slash || !address((struct str){s.ptr, (size_t)(slash - s.ptr)}, ret) ||
        parse_u64((struct str){slash + 1, (size_t)(s.ptr + s.len - slash - 1)}, &prefix) != 0)
        return false;
    if (ret->len == 4 &&
        memchr(s.ptr, ':', s.len)) // a mapped network: its prefix counts from bit 96
        prefix = prefix >= 96 ? prefix - 96 : 129;
    if (prefix > ret->len * 8u)
        return false;
    *ret_prefix = (uint8_t)prefix;
    return true;
}

static bool regex_make(struct str text, struct constant *ret, char *why, size_t why_size)
{
    int code;
    size_t at;
    ret->regex = pcre2_compile((PCRE2_SPTR)text.ptr, text.len,
                               PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF |
                                   PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE,
                               &code, &at, NULL);
    if (ret->regex)
        return true;
    char reason[128];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof(reason));
    snprintf(why, why_size, "invalid regular expression: %s, at its byte %zu", reason, at + 1);
    return false;
}

bool constant_make(struct arena *a, enum operator_id op, enum field_type type, struct str text,
                   struct constant *ret, char *why, size_t why_size)
{
    bool negative;
    uint64_t v;
    *ret = (struct constant){.text = arena_str(a, text)};
    switch (type) {
    case FIELD_I64:
        if (!integer(text, &negative, &v) ||
            v > (negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX))
            break;
        ret->i64 = (int64_t)(negative ? 0 - v : v);
        return true;
    case FIELD_PORT:
        for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
            if (str_eq(text, str_of(services[i].name))) {
                ret->u64 = services[i].port;
                return true;
            }
        }
        if (text.len == 0) {
            ret->u64 = 0;
            return true;
        }
        if (!integer(text, &negative, &v))
            break;
        ret->u64 = (uint16_t)(negative ? 0 - v : v);
        return true;
    case FIELD_U64:
    case FIELD_TIME:
    case FIELD_DURATION:
        if (!integer(text, &negative, &v))
            break;
        ret->u64 = negative ? 0 - v : v;
        return true;
    case FIELD_BOOL:
        ret->b = str_eq(text, STR("true"));
        if (ret->b || str_eq(text, STR("false")))
            return true;
        snprintf(why, why_size, "'" STR_FMT "' is neither true nor false", STR_ARG(text));
        return false;
    case FIELD_IP:
        if (address(text, &ret->net.address))
            return true;
        snprintf(why, why_size, "'" STR_FMT "' is not an IP address", STR_ARG(text));
        return false;
    case FIELD_NET:
        if (network(text, &ret->net.address, &ret->net.prefix))
            return true;
        snprintf(why, why_size, "'" STR_FMT "' is not an IP network (address/length)",
                 STR_ARG(text));
        return false;
    case FIELD_STRING:
    default:
        if (op == CMP_PMATCH)
            path_pattern_make(a, ret->text, &ret->path);
        else if (op == CMP_REGEX)
            return regex_make(ret->text, ret, why, why_size);
        return true;
    }
    snprintf(why, why_size, "'" STR_FMT "' is not a valid number", STR_ARG(text));
    return false;
}

static uint64_t value_hash(enum field_type type, struct str text, uint64_t number)
{
    return type == FIELD_STRING ? hash64(text.ptr, text.len) : hash64(&number, sizeof(number));
}

static void set_make(struct unit *u, struct test *t)
{
    bool hashable = t->type == FIELD_STRING || (BIT(t->type) & NUMBERS);
    if ((t->op != CMP_IN && t->op != CMP_INTERSECTS) || t->n <= SET_FROM || !hashable)
        return;
    size_t size = 16;
    while (size < t->n * 2)
        size *= 2;
    t->set = arena_alloc(u->arena, size * sizeof(*t->set));
    t->set_mask = size - 1;
    for (size_t i = 0; t->set && i < t->n; i++) {
        size_t at = value_hash(t->type, t->values[i].text, t->values[i].u64) & t->set_mask;
        while (t->set[at])
            at = (at + 1) & t->set_mask;
        t->set[at] = (uint32_t)i + 1;
    }
}

static unsigned operator_cost(const struct test *t)
{
    switch (t->op) {
    case CMP_REGEX:
        return 60;
    case CMP_GLOB:
    case CMP_IGLOB:
    case CMP_CONTAINS:
    case CMP_ICONTAINS:
        return 8 * (unsigned)MIN(MAX(t->n, (size_t)1), (size_t)16);
    case CMP_PMATCH:
        return 4 + 4 * (unsigned)MIN(t->n, (size_t)64);
    case CMP_IN:
    case CMP_INTERSECTS:
        return t->set ? 4 : 1 + (unsigned)t->n / 2;
    default:
        return (unsigned)MIN(MAX(t->n, (size_t)1), (size_t)16);
    }
}

static bool literals(struct compile *c, struct check *check, struct test *t,
                     const struct term *left)
{
    bool ok = true;
    t->n = check->n;
    t->values = arena_alloc(c->unit->arena, MAX(t->n, (size_t)1) * sizeof(*t->values));
    if (!t->values) {
        c->unit->failed = true;
        return false;
    }
    bool is_type = left->type == EXPR_FIELD &&
                   str_eq(str_of(c->unit->fields[left->field].row->name), STR("evt.type"));
    for (size_t i = 0; i < t->n; i++) {
        char why[256], hint[96];
        const char *near = NULL;
        struct str text = check->values[i].text;
        if (is_type &&
            (t->op == CMP_EQ || t->op == CMP_NE || t->op == CMP_IN || t->op == CMP_INTERSECTS) &&
            event_name_find(text) < 0) {
            char name[64];
            snprintf(name, sizeof(name), STR_FMT, STR_ARG(text));
            near = nearest_word(name, event_names, event_names_n);
            snprintf(why, sizeof(why), "unknown event type " STR_FMT, STR_ARG(text));
        } else if (constant_make(c->unit->arena, (enum operator_id)t->op, t->type, text,
                                 &t->values[i], why, sizeof(why))) {
            continue;
        }
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
        report_at(c->report, DIAG_ERROR, check->values[i].at, "LOAD_ERR_COMPILE_CONDITION",
                  near ? hint : NULL, "%s", why);
        c->bad |= BAD_ERROR;
        ok = false;
    }
    return ok;
}

static size_t refuse(struct compile *c, struct place at, const char *hint, const char *message)
{
    c->bad |= BAD_ERROR;
    report_at(c->report, DIAG_ERROR, at, "LOAD_ERR_COMPILE_CONDITION", hint, "%s", message);
    return SIZE_MAX;
}

// Operators that this type admits, as a hint.
static void admitted(char *out, size_t size, enum field_type type)
{
    size_t n = (size_t)snprintf(out, size, "it admits");
    for (size_t i = 0; i < rule_operators_n && n < size; i++)
        if (rule_operators[i].types & BIT(type))
            n += (size_t)snprintf(out + n, size - n, " %s", rule_operators[i].name);
}

size_t test_compile(struct compile *c, struct check *check)
{
    struct unit *u = c->unit;
    char message[256], hint[256];
    _cleanup_buf_ struct buf key = {0};
    print_check(&key, check);
    for (size_t i = 0; i < u->tests_n; i++)
        if (str_eq(u->tests[i].key, buf_view(&key)))
            return i;
    const struct term *left = term_compile(c, check->left, false, 0);
    const struct term *right = check->right ? term_compile(c, check->right, true, 0) : NULL;
    if (!left || (check->right && !right))
        return SIZE_MAX;
    struct test t = {.left = left,
                     .right = right,
                     .op = check->op,
                     .mod = check->mod,
                     .type = left->value,
                     .at = check->op_at,
                     .check = check};
    if (!(rule_operators[t.op].types & BIT(t.type))) {
        snprintf(message, sizeof(message), "'%s' operator not supported for %s filters",
                 rule_operators[t.op].name, field_type_label(t.type));
        admitted(hint, sizeof(hint), t.type);
        return refuse(c, check->op_at, hint, message);
    }
    if (right && right->value != left->value)
        return refuse(c, check->right->at, NULL, "the two sides have different types");
    if (right && (t.op == CMP_PMATCH || t.op == CMP_REGEX || left->value == FIELD_NET))
        return refuse(c, check->right->at, NULL, "this operator can't take a field on its right");
    if (!right && !literals(c, check, &t, left)) {
        for (size_t i = 0; t.op == CMP_REGEX && t.values && i < t.n; i++)
            pcre2_code_free(t.values[i].regex);
        return SIZE_MAX;
    }
    set_make(u, &t);
    t.cost = left->cost + (right ? right->cost : 0) + operator_cost(&t);
    if (left->flags & GET_ANCESTORS)
        t.cost *= 4;
    t.key = arena_str(u->arena, buf_view(&key));
    if (u->tests_n == u->tests_cap) {
        size_t cap = u->tests_cap ? u->tests_cap * 2 : 64;
        struct test *grown = realloc(u->tests, cap * sizeof(*grown));
        if (!grown) {
            u->failed = true;
            return SIZE_MAX;
        }
        u->tests = grown;
        u->tests_cap = cap;
    }
    u->tests[u->tests_n] = t;
    return u->tests_n++;
}
