// Documents: the envelope (apiVersion, kind, metadata, spec), the kinds, what must hold across
// documents, and their printed form. print → parse → print is a fixed point.
#include "config/internal.h"

#define API_VERSION "bulkhead.io/v1"

enum { MAX_NAME = 253, MAX_POLICIES = 4096 };

static void take_agent(struct building *b, struct reading *r, const struct document *doc);
static void take_policy(struct building *b, struct reading *r, const struct document *doc);
static void print_agent(const struct documents *d, struct buf *out);
static void print_policies(const struct documents *d, struct buf *out);

static const struct policy policy_defaults = {.mode = MODE_AUDIT};

// Every kind of the design has its row, so that a document from a later version gets a true answer.
// A kind of its own file (doc_X.c) declares its three functions and its keys in internal.h.
static const struct kind {
    const char *name;
    void (*take)(struct building *b, struct reading *r,
                 const struct document *doc);                  // NULL: not in this version
    void (*print)(const struct documents *d, struct buf *out); // all documents of the kind
    const struct key *spec;
    const void *defaults; // of what `spec` fills, for the schema; NULL: Agent's, or none
    const char *text;
} kinds[] = {
    {"Agent", take_agent, print_agent, agent_spec_keys, NULL,
     "settings of the agent itself; at most one"},
    {"Policy", take_policy, print_policies, policy_spec_keys, &policy_defaults,
     "what containers may not do"},
    {"Profile", take_profile, print_profiles, profile_spec_keys, &profile_doc_defaults,
     "how a workload is learned, and what it may do"},
    {"Response", response_take, responses_print, response_spec_keys, &response_defaults,
     "what is done to a container because of an incident"},
    {"Feed", feeds_take, feeds_print, feed_spec_keys, &feed_defaults,
     "where indicators come from, and what they are good for"},
    {.name = "Retention"},
    {.name = "Baseline"},
    {"Control", take_control, print_controls, control_spec_keys, &control_defaults,
     "what must hold of containers; a control of a standard, as expressions over facts"},
    {"Exception", take_exception, print_exceptions, exception_spec_keys, NULL,
     "a control that need not hold for some containers, until when and why"},
};
const char *const config_kinds[] = {"Agent",    "Policy",  "Profile",   "Feed",
                                    "Response", "Control", "Exception", NULL};

static const char *const envelope_keys[] = {"apiVersion", "kind", "metadata", "spec"};
static const char *const metadata_keys[] = {"name"};

static void word_of(const struct yaml *y, char out[65])
{
    size_t len = y->type == YAML_SCALAR ? MIN(y->scalar.len, (size_t)64) : 0;
    if (len)
        memcpy(out, y->scalar.ptr, len);
    out[len] = 0;
}

// Unknown keys of a map that has no table of its own.
static void check_keys(struct reading *r, const struct yaml *map, const char *const *names,
                       size_t n)
{
    for (size_t i = 0; i < map->n; i++) {
        size_t k = 0;
        while (k < n && !str_eq(map->keys[i]->scalar, str_of(names[k])))
            k++;
        char word[65], hint[256] = "";
        if (k < n)
            continue;
        word_of(map->keys[i], word);
        read_error(r, map->keys[i], "BH205",
                   hint_nearest(hint, sizeof(hint), word, names, n, "there are: "),
                   "unknown key '%s'", word);
    }
}

static bool looks_like_rules(const struct yaml *y)
{
    if (y->type != YAML_LIST || y->n == 0)
        return false;
    static const char *const items[] = {"rule", "macro", "list", "required_engine_version",
                                        "required_plugin_versions"};
    for (size_t i = 0; i < ARRAY_SIZE(items); i++)
        if (yaml_get(y->items[0], items[i]))
            return true;
    return false;
}

static bool check_name(struct reading *r, const struct yaml *y, struct str *ret)
{
    const char *hint =
        "lower-case letters, digits, - and ., beginning and ending with a letter or digit";
    bool ok = y->type == YAML_SCALAR && !y->null && y->scalar.len > 0 && y->scalar.len <= MAX_NAME;
    for (size_t i = 0; ok && i < y->scalar.len; i++) {
        char c = y->scalar.ptr[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        ok = word || ((c == '-' || c == '.') && i > 0 && i + 1 < y->scalar.len);
    }
    if (!ok) {
        read_error(r, y, y->type == YAML_SCALAR && !y->null ? "BH208" : "BH207", hint,
                   "'name' must be a plain name");
        return false;
    }
    *ret = arena_str(r->arena, y->scalar);
    return ret->ptr;
}

// One of the envelope's members; reports when it is missing.
static const struct yaml *member(struct reading *r, const struct yaml *map, const char *key,
                                 enum yaml_type type, const char *hint)
{
    const struct yaml *y = yaml_get(map, key);
    if (!y)
        read_error(r, map, "BH206", hint, "the key '%s' is missing", key);
    else if (y->type != type || y->null)
        read_error(r, y, "BH207", hint, "'%s' wants %s", key,
                   type == YAML_MAP ? "a map" : "one word");
    else
        return y;
    return NULL;
}

static const struct kind *find_kind(struct reading *r, const struct yaml *y)
{
    const char *names[ARRAY_SIZE(kinds)];
    char word[65], hint[256] = "";
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        names[i] = kinds[i].name;
        if (!str_eq(y->scalar, str_of(names[i])))
            continue;
        if (!kinds[i].take)
            read_error(r, y, "BH204",
                       hint_nearest(hint, sizeof(hint), "", config_kinds,
                                    ARRAY_SIZE(config_kinds) - 1, "this version reads: "),
                       "documents of kind '%s' are not supported by this version", names[i]);
        return kinds[i].take ? &kinds[i] : NULL;
    }
    word_of(y, word);
    read_error(r, y, "BH203",
               hint_nearest(hint, sizeof(hint), word, names, ARRAY_SIZE(kinds), "there are: "),
               "unknown kind '%s'", word);
    return NULL;
}

static void take_document(struct building *b, struct reading *r, const struct yaml *y)
{
    if (looks_like_rules(y)) {
        read_error(r, y, "BH213",
                   "load it with --rules, or name it under spec.rules of the Agent document",
                   "this is a file of rules, not of documents");
        return;
    }
    if (network_take(b->d, r, y))
        return;
    if (y->type != YAML_MAP) {
        read_error(r, y, "BH201", "a document begins with apiVersion: " API_VERSION,
                   "a document must be a map");
        return;
    }
    check_keys(r, y, envelope_keys, ARRAY_SIZE(envelope_keys));
    const struct yaml *version =
        member(r, y, "apiVersion", YAML_SCALAR, "apiVersion: " API_VERSION);
    const struct yaml *kind_name = member(r, y, "kind", YAML_SCALAR, "for example: kind: Policy");
    const struct kind *kind = kind_name ? find_kind(r, kind_name) : NULL;
    struct document doc = {.map = y};
    doc.metadata = member(r, y, "metadata", YAML_MAP, "metadata: {name: NAME}");
    doc.spec = member(r, y, "spec", YAML_MAP, "what the document says goes below spec");
    if (version && !str_eq(version->scalar, STR(API_VERSION))) {
        char word[65];
        word_of(version, word);
        read_error(r, version, "BH202", "this version reads " API_VERSION,
                   "unknown apiVersion '%s'", word);
    }
    if (doc.metadata) {
        check_keys(r, doc.metadata, metadata_keys, ARRAY_SIZE(metadata_keys));
        const struct yaml *name = yaml_get(doc.metadata, "name");
        if (!name)
            read_error(r, doc.metadata, "BH206", NULL, "the key 'name' is missing");
        else
            check_name(r, name, &doc.name);
    }
    // What can be read is, so that its errors are shown together with the envelope's.
    if (kind && doc.spec)
        kind->take(b, r, &doc);
}

static void take_agent(struct building *b, struct reading *r, const struct document *doc)
{
    if (b->agent_file) {
        char hint[320];
        snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", b->agent_file, b->agent_line);
        read_error(r, doc->map, "BH211", hint, "more than one Agent document");
    } else {
        b->agent_file = arena_cstr(r->arena, str_of(r->file));
        b->agent_line = doc->map->line;
    }
    config_keys_read(r, agent_spec_keys, doc->spec, &b->d->agent);
    const struct agent_config *c = &b->d->agent;
    if (c->segments_bytes < 4 * c->segment_bytes)
        read_error(r, doc->spec, "BH212", "make 'total' larger or 'size' smaller",
                   "segments.total must hold at least four segments of segments.size");
    unsigned shards = c->shards ? c->shards : 1;
    if ((c->ring_critical_bytes + c->ring_bulk_bytes) * shards > c->memory_bytes / 2)
        read_error(r, doc->spec, "BH212", "make 'memory' larger, or the rings smaller",
                   "the rings of all shards would take more than half of 'memory'");
}

static bool grow_policies(struct building *b)
{
    struct documents *d = b->d;
    if (d->policies_n < b->policies_cap)
        return true;
    size_t cap = b->policies_cap ? b->policies_cap * 2 : 16;
    struct policy *grown = reallocarray(d->policies, cap, sizeof(*grown));
    if (!grown)
        return false;
    d->policies = grown;
    b->policies_cap = cap;
    return true;
}

static void take_policy(struct building *b, struct reading *r, const struct document *doc)
{
    struct documents *d = b->d;
    for (size_t i = 0; doc->name.len && i < d->policies_n; i++)
        if (str_eq(d->policies[i].name, doc->name)) {
            char hint[320];
            snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", d->policies[i].file.ptr,
                     d->policies[i].line);
            read_error(r, doc->map, "BH210", hint, "a second Policy with the name '" STR_FMT "'",
                       STR_ARG(doc->name));
            break;
        }
    if (d->policies_n >= MAX_POLICIES || !grow_policies(b)) {
        read_error(r, doc->map, "BH003", NULL, "more than %d policies", MAX_POLICIES);
        return;
    }
    struct policy *p = &d->policies[d->policies_n++];
    *p = (struct policy){
        .name = doc->name,
        .file = arena_str(r->arena, str_of(r->file)),
        .line = doc->map->line,
        .mode = MODE_AUDIT,
    };
    config_keys_read(r, policy_spec_keys, doc->spec, p);
    if (!yaml_get(doc->spec, "exec") && !yaml_get(doc->spec, "network"))
        read_error(r, doc->spec, "BH206", "for example: exec: {deny: [{memfd: true}]}",
                   "a Policy says something of 'exec' or of 'network'");
}

static void take_source(struct building *b, const struct source *s)
{
    struct arena *tree = arena_new(0);
    char *file = str_dup(s->name);
    if (!tree || !file) {
        diag_add(b->diags, DIAG_ERROR, file, 0, 0, "BH004", NULL, "out of memory");
    } else {
        struct reading r = {b->d->arena, file, b->diags};
        bool ok;
        // After a syntax error what came before it is looked at all the same: all errors at once.
        for (struct yaml *y = yaml_parse_with(tree, file, s->text, true, b->diags, &ok); y;
             y = y->next)
            if (!y->null)
                take_document(b, &r, y);
        diag_snippets(b->diags, file, s->text);
    }
    free(file);
    arena_free(tree);
}

struct documents *documents_parse(const struct sources *s, struct diag_list *diags)
{
    size_t errors = diags->errors;
    struct documents *d = calloc(1, sizeof(*d));
    struct arena *arena = arena_new(0);
    if (!d || !arena) {
        diag_add(diags, DIAG_ERROR, NULL, 0, 0, "BH004", NULL, "out of memory");
        free(d);
        arena_free(arena);
        return NULL;
    }
    d->arena = arena;
    agent_config_defaults(&d->agent);
    struct building b = {.d = d, .diags = diags};
    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].kind == SOURCE_CONFIG || s->list[i].kind == SOURCE_DOCUMENTS)
            take_source(&b, &s->list[i]);
    if (diags->errors == errors)
        network_lint(d, diags);
    if (diags->errors != errors) {
        documents_free(d);
        return NULL;
    }
    return d;
}

void documents_free(struct documents *d)
{
    if (!d)
        return;
    arena_free(d->arena);
    free(d->network);
    free(d->namespaces);
    free(d->policies);
    free(d->profiles);
    free(d->responses);
    free(d->controls);
    free(d->exceptions);
    free(d->feeds);
    free(d);
}

void document_print(const char *kind, struct str name, const struct key *keys, const void *at,
                    struct buf *out)
{
    if (out->len)
        buf_text(out, "---\n");
    buf_printf(out, "apiVersion: " API_VERSION "\nkind: %s\nmetadata:\n  name: ", kind);
    buf_str(out, name);
    buf_text(out, "\nspec:\n");
    keys_print(keys, at, 2, out);
}

static void print_agent(const struct documents *d, struct buf *out)
{
    document_print("Agent", STR("agent"), agent_spec_keys, &d->agent, out);
}

static void print_policies(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->policies_n; i++)
        document_print("Policy", d->policies[i].name, policy_spec_keys, &d->policies[i], out);
}

void documents_print(const struct documents *d, struct buf *out)
{
    _cleanup_buf_ struct buf all = {0};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].print)
            kinds[i].print(d, &all);
    network_print(d, &all);
    out->failed |= all.failed;
    buf_str(out, buf_view(&all));
}

static void schema_const(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_object(j);
    json_kcstr(j, "const", value);
    json_object_end(j);
}

static void schema(const struct kind *kind, struct buf *out)
{
    struct agent_config agent;
    agent_config_defaults(&agent);
    struct json w = json_on(out), *j = &w;
    json_object(j);
    json_kcstr(j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_kcstr(j, "title", kind->name);
    json_kcstr(j, "description", kind->text);
    json_kcstr(j, "type", "object");
    json_kbool(j, "additionalProperties", false);
    json_key(j, "required");
    json_raw(j, STR("[\"apiVersion\",\"kind\",\"metadata\",\"spec\"]"));
    json_key(j, "properties");
    json_object(j);
    schema_const(j, "apiVersion", API_VERSION);
    schema_const(j, "kind", kind->name);
    json_key(j, "metadata");
    json_raw(j, STR("{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
                    "\"properties\":{"
                    "\"name\":{\"type\":\"string\",\"maxLength\":253,"
                    "\"pattern\":\"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$\"}}}"));
    json_key(j, "spec");
    json_object(j);
    json_kcstr(j, "type", "object");
    keys_schema(kind->spec, kind->take == take_agent ? &agent : kind->defaults, j);
    json_object_end(j);
    json_object_end(j);
    json_object_end(j);
    buf_char(out, '\n');
}

void config_schema(struct buf *out, const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].take && strcmp(kinds[i].name, kind) == 0)
            schema(&kinds[i], out);
}
