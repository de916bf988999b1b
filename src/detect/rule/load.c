// Reads the items of rules files: what may stand there, what replaces what, what is appended.
// Nothing is compiled here; that comes when all files are read.
#include "detect/rule/load.h"

#include <errno.h>

// The version of Falco's rule language that this follows.
enum { ENGINE_MAJOR = 0, ENGINE_MINOR = 63, ENGINE_PATCH = 0 };

struct place yaml_place(const struct yaml *y, uint16_t file)
{
    return (struct place){y->line, (uint16_t)MIN(y->column, (unsigned)UINT16_MAX), file};
}

void load_error(struct loader *l, struct place at, const char *code, const char *hint,
                const char *format, ...)
{
    char message[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    report_at(&l->report, DIAG_ERROR, at, code, hint, "%s", message);
}

void load_warning(struct loader *l, struct place at, const char *code, const char *hint,
                  const char *format, ...)
{
    char message[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    report_at(&l->report, DIAG_WARNING, at, code, hint, "%s", message);
}

void loader_done(struct loader *l)
{
    for (size_t i = 0; i < l->macros_n; i++)
        text_done(&l->macros[i].condition);
    for (size_t i = 0; i < l->rules_n; i++) {
        text_done(&l->rules[i].condition);
        text_done(&l->rules[i].output);
    }
    free(l->lists);
    free(l->macros);
    free(l->rules);
}

static const char INVALID[] = "LOAD_ERR_YAML_VALIDATE";

// One item being read.
struct item {
    struct loader *l;
    const struct yaml *y;
    uint16_t file;
    struct str name;
    bool ok;
};

static void item_error(struct item *i, const struct yaml *at, const char *format, struct str s)
{
    load_error(i->l, yaml_place(at ? at : i->y, i->file), INVALID, NULL, format, STR_ARG(s));
    i->ok = false;
}

static const struct yaml *scalar(struct item *i, const char *key, bool required)
{
    const struct yaml *y = yaml_get(i->y, key);
    if (!y && !required)
        return NULL;
    if (!y) {
        item_error(i, NULL, "Item has no mapping for key '%.*s'", str_of(key));
        return NULL;
    }
    if (y->type != YAML_SCALAR || (required && y->scalar.len == 0)) {
        item_error(i, y, "the value of '%.*s' must be a text that isn't empty", str_of(key));
        return NULL;
    }
    return y;
}

static bool boolean(struct item *i, const char *key, bool otherwise)
{
    static const char *const yes[] = {"true", "yes", "on", "y"}, *const no[] = {"false", "no",
                                                                                "off", "n"};
    const struct yaml *y = scalar(i, key, false);
    if (!y)
        return otherwise;
    for (size_t k = 0; k < ARRAY_SIZE(yes); k++) {
        if (y->scalar.len == strlen(yes[k]) &&
            strncasecmp(y->scalar.ptr, yes[k], y->scalar.len) == 0)
            return true;
        if (y->scalar.len == strlen(no[k]) && strncasecmp(y->scalar.ptr, no[k], y->scalar.len) == 0)
            return false;
    }
    item_error(i, y, "'%.*s' is neither true nor false", y->scalar);
    return otherwise;
}

static struct str source_text(const struct item *i)
{
    return i->l->report.sources[i->file].text;
}

static struct str trimmed(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s = (struct str){s.ptr + 1, s.len - 1};
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static void unknown_keys(struct item *i, const char *const *known)
{
    size_t n = 0;
    while (known[n])
        n++;
    for (size_t k = 0; k < i->y->n; k++) {
        struct str key = i->y->keys[k]->scalar;
        char name[128], hint[192];
        bool found = false;
        for (size_t x = 0; x < n; x++)
            found |= str_eq(key, str_of(known[x]));
        if (found)
            continue;
        snprintf(name, sizeof(name), STR_FMT, STR_ARG(key));
        const char *near = nearest_word(name, known, n);
        snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
        load_warning(i->l, yaml_place(i->y->keys[k], i->file), "LOAD_UNKNOWN_KEY",
                     near ? hint : NULL, "Unknown key '%s'. Key will be ignored.", name);
    }
}

// ── override ─────────────────────────────────────────────────────────────────────────────────

enum change { CHANGE_NONE, CHANGE_APPEND, CHANGE_REPLACE };
struct overridable {
    const char *key;
    bool append; // else only replace
};
static const struct overridable list_keys[] = {{"items", true}};
static const struct overridable macro_keys[] = {{"condition", true}};
static const struct overridable rule_keys[] = {{"condition", true},
                                               {"output", true},
                                               {"desc", true},
                                               {"tags", true},
                                               {"exceptions", true},
                                               {"priority", false},
                                               {"enabled", false},
                                               {"capture", false},
                                               {"capture_duration", false},
                                               {"warn_evttypes", false},
                                               {"skip-if-unknown-filter", false}};
enum { MAX_OVERRIDABLE = ARRAY_SIZE(rule_keys) };

struct changes {
    bool given;  // the item has `override`
    bool legacy; // append: true
    enum change of[MAX_OVERRIDABLE];
};

static enum change change_of(const struct changes *c, const struct overridable *keys, size_t n,
                             const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].key, key) == 0)
            return c->of[i];
    return CHANGE_NONE;
}

static void read_changes(struct item *i, const struct overridable *keys, size_t n,
                         struct changes *ret)
{
    const struct yaml *o = yaml_get(i->y, "override");
    *ret = (struct changes){.legacy = boolean(i, "append", false)};
    if (ret->legacy)
        load_warning(i->l, yaml_place(i->y, i->file), "LOAD_DEPRECATED_ITEM",
                     "write `override:` with `append` for the key", "'append' key is deprecated.");
    if (!o)
        return;
    ret->given = true;
    if (ret->legacy) {
        item_error(i, o, "Keys 'override' and 'append: true' cannot be used together%.*s",
                   STR_NULL);
        return;
    }
    if (o->type != YAML_MAP) {
        item_error(i, o, "'override' must be a map of keys to append or replace%.*s", STR_NULL);
        return;
    }
    for (size_t k = 0; k < o->n; k++) {
        struct str key = o->keys[k]->scalar,
                   how = o->items[k]->type == YAML_SCALAR ? o->items[k]->scalar : STR_NULL;
        size_t x = 0;
        while (x < n && !str_eq(key, str_of(keys[x].key)))
            x++;
        if (x == n) {
            item_error(i, o->keys[k], "Key '%.*s' cannot be overridden", key);
            continue;
        }
        ret->of[x] = str_eq(how, STR("append")) && keys[x].append ? CHANGE_APPEND
                     : str_eq(how, STR("replace"))                ? CHANGE_REPLACE
                                                                  : CHANGE_NONE;
        if (ret->of[x] == CHANGE_NONE)
            item_error(
                i, o->items[k],
                keys[x].append
                    ? "Key '%.*s' can only be appended to or replaced: write append or replace"
                    : "Key '%.*s' can only be replaced: write replace",
                key);
        else if (!yaml_get(i->y, keys[x].key))
            item_error(
                i, o->keys[k],
                ret->of[x] == CHANGE_APPEND
                    ? "An append override for '%.*s' was specified but that key is not defined"
                    : "A replace override for '%.*s' was specified but that key is not defined",
                key);
    }
    for (size_t x = 0; x < n; x++)
        if (yaml_get(i->y, keys[x].key) && ret->of[x] == CHANGE_NONE && i->ok)
            item_error(i, yaml_get(i->y, keys[x].key),
                       "Unexpected key '%.*s': no corresponding entry under 'override' is defined.",
                       str_of(keys[x].key));
}

// ── lists and macros ─────────────────────────────────────────────────────────────────────────

static void *grow(struct loader *l, void *list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return list;
    size_t bigger = *cap ? *cap * 2 : 64;
    void *grown = n >= MAX_RULES ? NULL : reallocarray(list, bigger, size);
    if (!grown) {
        l->out_of_memory = true;
        return NULL;
    }
    *cap = bigger;
    return grown;
}

static bool list_name_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || strchr("()\"'=,", s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool macro_name_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '_')))
            return false;
    }
    return s.len > 0;
}

static struct list_def *list_named(struct loader *l, struct str name)
{
    for (size_t i = 0; i < l->lists_n; i++)
        if (str_eq(l->lists[i].name, name))
            return &l->lists[i];
    return NULL;
}

static bool missing(struct item *i, const char *what)
{
    load_error(i->l, yaml_place(i->y, i->file), "LOAD_ERR_VALIDATE", NULL,
               "%s '" STR_FMT "' is changed here but not defined before", what, STR_ARG(i->name));
    return false;
}

static void load_list(struct item *i)
{
    static const char *const keys[] = {"list", "items", "append", "override", NULL};
    struct changes c;
    read_changes(i, list_keys, ARRAY_SIZE(list_keys), &c);
    unknown_keys(i, keys);
    const struct yaml *items = yaml_get(i->y, "items");
    if (!items || items->type != YAML_LIST) {
        item_error(i, items, "list '%.*s' needs items: a sequence", i->name);
        return;
    }
    if (!list_name_ok(i->name))
        load_warning(i->l, yaml_place(i->y, i->file), "LOAD_INVALID_LIST_NAME", NULL,
                     "List has an invalid name. List names should match a regular expression: "
                     "[^()\"'[:space:]=,]+");
    bool append = c.legacy || c.of[0] == CHANGE_APPEND;
    struct list_def *d = list_named(i->l, i->name);
    if (append && !d) {
        missing(i, "list");
        return;
    }
    size_t old = append ? d->n : 0;
    struct str *all = arena_alloc(i->l->arena, MAX(old + items->n, (size_t)1) * sizeof(*all));
    if (!all) {
        i->l->out_of_memory = true;
        return;
    }
    for (size_t k = 0; k < old; k++)
        all[k] = d->items[k];
    for (size_t k = 0; k < items->n; k++) {
        if (items->items[k]->type != YAML_SCALAR) {
            item_error(i, items->items[k], "the items of list '%.*s' must be texts", i->name);
            return;
        }
        all[old + k] = arena_str(i->l->arena, items->items[k]->scalar);
    }
    if (!i->ok)
        return;
    if (!d) {
        void *grown =
            grow(i->l, i->l->lists, i->l->lists_n, &i->l->lists_cap, sizeof(*i->l->lists));
        if (!grown)
            return;
        i->l->lists = grown;
        d = &i->l->lists[i->l->lists_n++];
        *d = (struct list_def){.name = arena_str(i->l->arena, i->name), .index = i->l->counter};
    }
    d->items = all;
    d->n = old + items->n;
    d->touched = i->l->counter++;
    d->at = yaml_place(i->y, i->file);
}

static void load_macro(struct item *i)
{
    static const char *const keys[] = {"macro", "condition", "append", "override", NULL};
    struct changes c;
    struct loader *l = i->l;
    read_changes(i, macro_keys, ARRAY_SIZE(macro_keys), &c);
    unknown_keys(i, keys);
    const struct yaml *condition = scalar(i, "condition", true);
    if (!i->ok)
        return;
    if (!macro_name_ok(i->name))
        load_warning(l, yaml_place(i->y, i->file), "LOAD_INVALID_MACRO_NAME", NULL,
                     "Macro has an invalid name. Macro names should match a regular expression: "
                     "[a-zA-Z]+[a-zA-Z0-9_]*");
    bool append = c.legacy || c.of[0] == CHANGE_APPEND;
    struct macro_def *d = NULL;
    for (size_t k = 0; k < l->macros_n; k++)
        if (str_eq(l->macros[k].name, i->name))
            d = &l->macros[k];
    if (append && !d) {
        missing(i, "macro");
        return;
    }
    if (!d) {
        void *grown = grow(l, l->macros, l->macros_n, &l->macros_cap, sizeof(*l->macros));
        if (!grown)
            return;
        l->macros = grown;
        d = &l->macros[l->macros_n++];
        *d = (struct macro_def){.name = arena_str(l->arena, i->name), .index = l->counter};
    }
    d->at = yaml_place(i->y, i->file);
    d->touched = l->counter++;
    if (append)
        text_put(&d->condition, STR(" "), yaml_place(condition, i->file));
    else
        text_done(&d->condition);
    text_yaml(&d->condition, condition, source_text(i), i->file);
}

// ── rules ────────────────────────────────────────────────────────────────────────────────────

static struct rule_def *rule_named(struct loader *l, struct str name)
{
    for (size_t i = 0; i < l->rules_n; i++)
        if (str_eq(l->rules[i].name, name))
            return &l->rules[i];
    return NULL;
}

static int compare_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void set_tags(struct item *i, struct rule_def *r, const struct yaml *y, bool append)
{
    size_t old = append ? r->tags_n : 0, n = 0;
    if (y->null)
        return;
    if (y->type != YAML_LIST) {
        item_error(i, y, "tags must be a list%.*s", STR_NULL);
        return;
    }
    struct str *all = arena_alloc(i->l->arena, MAX(old + y->n, (size_t)1) * sizeof(*all));
    if (!all) {
        i->l->out_of_memory = true;
        return;
    }
    for (size_t k = 0; k < old; k++)
        all[k] = r->tags[k];
    for (size_t k = 0; k < y->n; k++) {
        if (y->items[k]->type != YAML_SCALAR)
            item_error(i, y->items[k], "a tag is a text%.*s", STR_NULL);
        else
            all[old++] = arena_str(i->l->arena, y->items[k]->scalar);
    }
    qsort(all, old, sizeof(*all), compare_str);
    for (size_t k = 0; k < old; k++)
        if (n == 0 || !str_eq(all[n - 1], all[k]))
            all[n++] = all[k];
    r->tags = all;
    r->tags_n = n;
}

static void set_priority(struct item *i, struct rule_def *r)
{
    const struct yaml *y = scalar(i, "priority", true);
    if (!y)
        return;
    int severity = severity_parse(y->scalar);
    if (severity >= 0) {
        r->priority = (enum severity)severity;
        return;
    }
    static const char *const names[] = {"EMERGENCY",     "ALERT",   "CRITICAL",
                                        "ERROR",         "WARNING", "NOTICE",
                                        "INFORMATIONAL", "INFO",    "DEBUG"};
    char name[64], hint[96];
    snprintf(name, sizeof(name), STR_FMT, STR_ARG(y->scalar));
    for (char *p = name; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    const char *near = nearest_word(name, names, ARRAY_SIZE(names));
    snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
    load_error(i->l, yaml_place(y, i->file), INVALID,
               near ? hint : "EMERGENCY, ALERT, CRITICAL, ERROR, WARNING, NOTICE, INFO or DEBUG",
               "Invalid priority '%s'", name);
    i->ok = false;
}

static void set_confidence(struct item *i, struct rule_def *r)
{
    const struct yaml *y = scalar(i, "confidence", false);
    char text[32], *end = text;
    if (!y)
        return;
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(y->scalar));
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= 0 && v <= 1) || y->scalar.len >= sizeof(text))
        item_error(i, y, "confidence '%.*s' is not a number from 0 to 1", y->scalar);
    else
        r->confidence = v;
}

static void set_text(struct item *i, struct text *t, const char *key, bool append, bool trim)
{
    const struct yaml *y = scalar(i, key, true);
    if (!y)
        return;
    if (append)
        text_put(t, STR(" "), yaml_place(y, i->file));
    else
        text_done(t);
    struct text all = {0};
    text_yaml(&all, y, source_text(i), i->file);
    struct str view = trim ? trimmed(text_view(&all)) : text_view(&all);
    if (all.failed)
        t->failed = true;
    else if (view.len)
        text_add(t, view, all.at + (view.ptr - all.ptr));
    text_done(&all);
}

static void set_desc(struct item *i, struct rule_def *r, bool append)
{
    const struct yaml *y = scalar(i, "desc", true);
    _cleanup_buf_ struct buf b = {0};
    if (!y)
        return;
    if (append) {
        buf_str(&b, r->desc);
        buf_char(&b, ' ');
    }
    buf_str(&b, trimmed(y->scalar));
    r->desc = arena_str(i->l->arena, buf_view(&b));
}

static void set_options(struct item *i, struct rule_def *r)
{
    r->enabled = boolean(i, "enabled", r->enabled);
    r->warn_types = boolean(i, "warn_evttypes", r->warn_types);
    r->skip_unknown = boolean(i, "skip-if-unknown-filter", r->skip_unknown);
    boolean(i, "capture", false);
    const struct yaml *y = scalar(i, "capture_duration", false);
    uint64_t ms;
    if (y && parse_u64(y->scalar, &ms) != 0)
        item_error(i, y, "capture_duration '%.*s' is not a number of milliseconds", y->scalar);
    set_confidence(i, r);
}

static void change_rule(struct item *i, struct rule_def *r, const struct changes *c)
{
    const struct yaml *exceptions = yaml_get(i->y, "exceptions"), *tags = yaml_get(i->y, "tags");
#define CHANGE(key) change_of(c, rule_keys, ARRAY_SIZE(rule_keys), key)
    if (CHANGE("condition") != CHANGE_NONE)
        set_text(i, &r->condition, "condition", CHANGE("condition") == CHANGE_APPEND, false);
    if (CHANGE("output") != CHANGE_NONE)
        set_text(i, &r->output, "output", CHANGE("output") == CHANGE_APPEND, true);
    if (CHANGE("desc") != CHANGE_NONE)
        set_desc(i, r, CHANGE("desc") == CHANGE_APPEND);
    if (CHANGE("priority") != CHANGE_NONE)
        set_priority(i, r);
    if (CHANGE("tags") != CHANGE_NONE)
        set_tags(i, r, tags, CHANGE("tags") == CHANGE_APPEND);
    if (CHANGE("exceptions") != CHANGE_NONE)
        i->ok &=
            exceptions_load(i->l, r, i->file, exceptions, CHANGE("exceptions") == CHANGE_APPEND,
                            CHANGE("exceptions") == CHANGE_REPLACE);
#undef CHANGE
    set_options(i, r);
}

static void append_rule(struct item *i, struct rule_def *r)
{
    const struct yaml *exceptions = yaml_get(i->y, "exceptions");
    if (!yaml_get(i->y, "condition") && !exceptions)
        item_error(i, NULL, "Appended rule '%.*s' must have exceptions or condition property",
                   i->name);
    if (yaml_get(i->y, "condition"))
        set_text(i, &r->condition, "condition", true, false);
    if (exceptions)
        i->ok &= exceptions_load(i->l, r, i->file, exceptions, true, false);
}

static void define_rule(struct item *i, struct rule_def *r)
{
    struct loader *l = i->l;
    const struct yaml *exceptions = yaml_get(i->y, "exceptions"), *tags = yaml_get(i->y, "tags");
    const struct yaml *source = scalar(i, "source", false);
    struct rule_def fresh = {.name = arena_str(l->arena, i->name),
                             .at = yaml_place(i->y, i->file),
                             .confidence = 0.9,
                             .enabled = true,
                             .warn_types = true,
                             .source = STR("syscall")};
    if (source)
        fresh.source = arena_str(l->arena, source->scalar);
    if (r && source && !str_eq(r->source, fresh.source))
        item_error(i, source, "rule '%.*s' has been re-defined with a different source", i->name);
    set_text(i, &fresh.condition, "condition", false, false);
    set_text(i, &fresh.output, "output", false, true);
    set_desc(i, &fresh, false);
    set_priority(i, &fresh);
    if (tags)
        set_tags(i, &fresh, tags, false);
    set_options(i, &fresh);
    if (exceptions)
        i->ok &= exceptions_load(l, &fresh, i->file, exceptions, false, false);
    // A rule with something wrong is kept all the same, so that its condition's errors are told
    // too.
    fresh.broken = !i->ok;
    if (!r) {
        void *grown = grow(l, l->rules, l->rules_n, &l->rules_cap, sizeof(*l->rules));
        if (grown) {
            l->rules = grown;
            r = &l->rules[l->rules_n++];
            *r = (struct rule_def){0};
        }
    }
    if (!r) {
        text_done(&fresh.condition);
        text_done(&fresh.output);
        return;
    }
    text_done(&r->condition);
    text_done(&r->output);
    *r = fresh;
}

static void load_rule(struct item *i)
{
    static const char *const keys[] = {"rule",
                                       "condition",
                                       "output",
                                       "desc",
                                       "priority",
                                       "source",
                                       "enabled",
                                       "tags",
                                       "exceptions",
                                       "warn_evttypes",
                                       "skip-if-unknown-filter",
                                       "capture",
                                       "capture_duration",
                                       "append",
                                       "override",
                                       "confidence",
                                       NULL};
    struct changes c;
    struct rule_def *r = rule_named(i->l, i->name);
    read_changes(i, rule_keys, ARRAY_SIZE(rule_keys), &c);
    unknown_keys(i, keys);
    i->l->counter++;
    bool bare = !yaml_get(i->y, "condition") && !yaml_get(i->y, "output") &&
                !yaml_get(i->y, "desc") && !yaml_get(i->y, "priority");
    if (c.given || c.legacy) {
        if (!r)
            missing(i, "rule");
        else if (c.given && i->ok)
            change_rule(i, r, &c);
        else if (i->ok)
            append_rule(i, r);
    } else if (bare && yaml_get(i->y, "enabled")) {
        load_warning(i->l, yaml_place(i->y, i->file), "LOAD_DEPRECATED_ITEM",
                     "write `override: {enabled: replace}`",
                     "The standalone 'enabled' key usage is deprecated.");
        if (!r)
            missing(i, "rule");
        else
            r->enabled = boolean(i, "enabled", r->enabled);
    } else {
        define_rule(i, r);
    }
}

// ── versions ─────────────────────────────────────────────────────────────────────────────────

static bool semver(struct str s, uint64_t v[3])
{
    for (int k = 0; k < 3; k++) {
        size_t n = 0;
        while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
            n++;
        if (n == 0 || parse_u64((struct str){s.ptr, n}, &v[k]) != 0)
            return false;
        s = (struct str){s.ptr + n, s.len - n};
        if (k < 2 && (s.len == 0 || s.ptr[0] != '.'))
            return false;
        if (k < 2)
            s = (struct str){s.ptr + 1, s.len - 1};
    }
    return s.len == 0 || s.ptr[0] == '-' || s.ptr[0] == '+';
}

static void engine_version(struct item *i, const struct yaml *y)
{
    uint64_t v[3] = {ENGINE_MAJOR, 0, ENGINE_PATCH};
    struct str s = y->type == YAML_SCALAR ? y->scalar : STR_NULL;
    if (parse_u64(s, &v[1]) != 0 && !semver(s, v)) {
        item_error(i, y, "Unable to parse engine version '%.*s' as a semver string", s);
        return;
    }
    bool enough = v[0] == ENGINE_MAJOR &&
                  (v[1] < ENGINE_MINOR || (v[1] == ENGINE_MINOR && v[2] <= ENGINE_PATCH));
    if (!enough)
        load_error(i->l, yaml_place(y, i->file), "LOAD_ERR_VALIDATE", NULL,
                   "Rules require engine version %llu.%llu.%llu, but engine version is %d.%d.%d",
                   (unsigned long long)v[0], (unsigned long long)v[1], (unsigned long long)v[2],
                   ENGINE_MAJOR, ENGINE_MINOR, ENGINE_PATCH);
}

static bool plugin_there(struct item *i, const struct yaml *p)
{
    uint64_t v[3];
    const struct yaml *name = yaml_get(p, "name"), *version = yaml_get(p, "version");
    if (!name || name->type != YAML_SCALAR || !version || version->type != YAML_SCALAR ||
        !semver(version->scalar, v)) {
        item_error(i, p, "a required plugin needs a name and a version%.*s", STR_NULL);
        return true;
    }
    // What Falco's container plugin gives is built in.
    return str_eq(name->scalar, STR("container"));
}

static void plugin_versions(struct item *i, const struct yaml *y)
{
    if (y->type != YAML_LIST) {
        item_error(i, y, "required_plugin_versions must be a list%.*s", STR_NULL);
        return;
    }
    for (size_t k = 0; k < y->n; k++) {
        const struct yaml *p = y->items[k], *others = yaml_get(p, "alternatives");
        bool there = plugin_there(i, p);
        for (size_t x = 0; others && others->type == YAML_LIST && x < others->n; x++)
            there |= plugin_there(i, others->items[x]);
        if (!there && yaml_get(p, "name"))
            load_error(i->l, yaml_place(p, i->file), "LOAD_ERR_VALIDATE",
                       "only the container plugin's fields are built in",
                       "Plugin requirement not satisfied: '" STR_FMT "'",
                       STR_ARG(yaml_get(p, "name")->scalar));
    }
}

// ── a file ───────────────────────────────────────────────────────────────────────────────────

static void load_item(struct loader *l, uint16_t file, const struct yaml *y)
{
    static const struct {
        const char *key;
        void (*load)(struct item *i);
    } kinds[] = {{"list", load_list}, {"macro", load_macro}, {"rule", load_rule}};
    struct item i = {.l = l, .y = y, .file = file, .ok = true};
    if (y->null)
        return;
    if (y->type != YAML_MAP) {
        item_error(&i, y,
                   "Unexpected element type. Each element should be a map: rule, macro or list%.*s",
                   STR_NULL);
        return;
    }
    if (yaml_get(y, "required_engine_version")) {
        engine_version(&i, yaml_get(y, "required_engine_version"));
        return;
    }
    if (yaml_get(y, "required_plugin_versions")) {
        plugin_versions(&i, yaml_get(y, "required_plugin_versions"));
        return;
    }
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        if (!yaml_get(y, kinds[k].key))
            continue;
        const struct yaml *name = scalar(&i, kinds[k].key, true);
        if (!name)
            return;
        i.name = name->scalar;
        kinds[k].load(&i);
        return;
    }
    static const char *const known[] = {"rule", "macro", "list", "required_engine_version",
                                        "required_plugin_versions"};
    char first[64], hint[96];
    snprintf(first, sizeof(first), STR_FMT, STR_ARG(y->n ? y->keys[0]->scalar : STR_NULL));
    const char *near = nearest_word(first, known, ARRAY_SIZE(known));
    snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
    load_warning(l, yaml_place(y, file), "LOAD_UNKNOWN_ITEM", near ? hint : NULL,
                 "Unknown top level item. Item will be ignored.");
}

void load_file(struct loader *l, uint16_t file, const struct yaml *documents)
{
    for (const struct yaml *d = documents; d; d = d->next) {
        if (d->null)
            continue;
        if (d->type != YAML_LIST) {
            load_error(l, yaml_place(d, file), INVALID,
                       "begin each item with `- rule:`, `- macro:` or `- list:`",
                       "Rules content is not yaml array of objects");
            continue;
        }
        for (size_t k = 0; k < d->n; k++)
            load_item(l, file, d->items[k]);
    }
}
