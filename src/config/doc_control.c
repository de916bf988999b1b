// kind: Control and kind: Exception: what a standard asks of containers, and who need not follow it
// until when. The expressions are kept with their places; src/detect/comply compiles them.
#include "config/internal.h"

#include <time.h>

enum {
    MAX_CONTROLS = 256,
    MAX_EXCEPTIONS = 4096,
    MAX_EXPRESSION = 16384,
    MAX_REFERENCES = 64,
    MAX_PROSE = 4096,
};

#define CONTROL(member)   offsetof(struct control, member)
#define EXCEPTION(member) offsetof(struct exception, member)

// ── an expression ────────────────────────────────────────────────────────────────────────────

static void expression_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    struct control_text *to = at;
    struct str text;
    if (!value_read_text(r, k, y, MAX_EXPRESSION, &text))
        return;
    *to = (struct control_text){.text = text,
                                .line = y->block ? y->text_line : y->line,
                                .column = y->block ? 1 : y->column + y->quoted,
                                .block = y->block,
                                .folded = y->folded};
}

static void expression_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    print_text(out, ((const struct control_text *)at)->text);
    buf_char(out, '\n');
}

static void expression_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "string");
    json_ku64(j, "minLength", 1);
    json_ku64(j, "maxLength", MAX_EXPRESSION);
}

const struct value_type value_expression = {expression_read, expression_print, expression_schema};

// ── longer text ──────────────────────────────────────────────────────────────────────────────

static void prose_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    struct str text;
    if (value_read_text(r, k, y, MAX_PROSE, &text))
        *(struct str *)at = text;
}

static void prose_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    print_text(out, *(const struct str *)at);
    buf_char(out, '\n');
}

static void prose_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "string");
    json_ku64(j, "minLength", 1);
    json_ku64(j, "maxLength", MAX_PROSE);
}

const struct value_type value_prose = {prose_read, prose_print, prose_schema};

// ── references: what of which standard ───────────────────────────────────────────────────────

#define REFERENCE(member) offsetof(struct control_reference, member)
static const struct key reference_keys[] = {{.name = "standard",
                                             .text = "its name, with its version",
                                             .type = &value_text,
                                             .offset = REFERENCE(standard),
                                             .required = true},
                                            {.name = "id",
                                             .text = "how the standard numbers or calls it",
                                             .type = &value_text,
                                             .offset = REFERENCE(id),
                                             .required = true},
                                            {0}};

static void references_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    if (!value_want_type(r, k, y, YAML_LIST))
        return;
    if (y->n > MAX_REFERENCES) {
        read_error(r, y, "BH214", NULL, "'%s' has more than %d lines", k->name, MAX_REFERENCES);
        return;
    }
    struct control_reference *list = arena_alloc(r->arena, MAX(y->n, (size_t)1) * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < y->n; i++)
        if (value_want_type(r, k, y->items[i], YAML_MAP)) {
            config_keys_read(r, reference_keys, y->items[i], &list[n]);
            n++;
        }
    *(struct control_reference **)at = list;
    *(size_t *)((char *)at - k->offset + k->count_offset) = n;
}

static void references_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    const struct control_reference *list = *(struct control_reference *const *)at;
    size_t n = *(const size_t *)((const char *)at - k->offset + k->count_offset);
    buf_text(out, n ? "\n" : "[]\n");
    for (size_t i = 0; i < n; i++) {
        print_indent(out, indent);
        buf_text(out, "- standard: ");
        print_text(out, list[i].standard);
        buf_char(out, '\n');
        print_indent(out, indent);
        buf_text(out, "  id: ");
        print_text(out, list[i].id);
        buf_char(out, '\n');
    }
}

static void references_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "array");
    json_ku64(j, "maxItems", MAX_REFERENCES);
    json_key(j, "items");
    json_object(j);
    json_kcstr(j, "type", "object");
    keys_schema(reference_keys, NULL, j);
    json_object_end(j);
}

static const struct value_type value_references = {references_read, references_print,
                                                   references_schema};

// ── a day, or a moment ───────────────────────────────────────────────────────────────────────

static void moment_read(struct reading *r, const struct key *k, const struct yaml *y, void *at)
{
    char text[32];
    struct tm tm = {0};
    if (!value_want_scalar(r, k, y, "2027-01-31"))
        return;
    snprintf(text, sizeof(text), STR_FMT, (int)MIN(y->scalar.len, sizeof(text) - 1),
             y->scalar.ptr ? y->scalar.ptr : "");
    const char *end = y->scalar.len < sizeof(text) && strlen(text) == y->scalar.len
                          ? strptime(text, "%Y-%m-%d", &tm)
                          : NULL;
    if (end && *end)
        end = strptime(end, "T%H:%M:%SZ", &tm);
    struct tm given = tm;
    time_t t = end && !*end ? timegm(&tm) : -1;
    // timegm makes the 30th of February the 2nd of March.
    if (t < 0 || tm.tm_mday != given.tm_mday || tm.tm_mon != given.tm_mon) {
        read_error(r, y, "BH208", "a day (2027-01-31) or a moment in UTC (2027-01-31T12:00:00Z)",
                   "'%s' is no date", k->name);
        return;
    }
    *(uint64_t *)at = (uint64_t)t * NSEC_PER_SEC;
}

static void moment_print(const struct key *k, const void *at, unsigned indent, struct buf *out)
{
    time_t t = (time_t)(*(const uint64_t *)at / NSEC_PER_SEC);
    char text[40] = "";
    struct tm tm;
    if (gmtime_r(&t, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    buf_printf(out, "%s\n", text);
}

static void moment_schema(const struct key *k, const void *defaults, struct json *j)
{
    json_kcstr(j, "type", "string");
    json_kcstr(j, "pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$");
}

static const struct value_type value_moment = {moment_read, moment_print, moment_schema};

// ── the kinds ────────────────────────────────────────────────────────────────────────────────

const struct key control_spec_keys[] = {
    {.name = "title",
     .text = "one line: what must hold",
     .type = &value_text,
     .offset = CONTROL(title),
     .required = true},
    {.name = "severity",
     .text = "of a container in which it does not hold",
     .type = &value_severity,
     .offset = CONTROL(severity)},
    {.name = "when",
     .text = "for which containers it is meant: an expression over the bundle's facts",
     .type = &value_expression,
     .offset = CONTROL(when)},
    {.name = "bundle",
     .text = "what must hold of the bundle: an expression over the bundle's facts; judged before "
             "the container runs too",
     .type = &value_expression,
     .offset = CONTROL(bundle)},
    {.name = "live",
     .text = "what must hold of the running container: an expression over facts",
     .type = &value_expression,
     .offset = CONTROL(live)},
    {.name = "description",
     .text = "why it is asked",
     .type = &value_prose,
     .offset = CONTROL(description)},
    {.name = "remediation",
     .text = "what to do about it",
     .type = &value_prose,
     .offset = CONTROL(remediation),
     .required = true},
    {.name = "references",
     .text = "what of which standard asks it",
     .type = &value_references,
     .offset = CONTROL(references),
     .count_offset = CONTROL(references_n)},
    {0}};

const struct key exception_spec_keys[] = {
    {.name = "control",
     .text = "the name of the Control",
     .type = &value_text,
     .offset = EXCEPTION(control),
     .required = true},
    {.name = "selector",
     .text = "which containers; all that is given must hold, nothing given is every container",
     .type = &value_group,
     .offset = EXCEPTION(selector),
     .keys = config_selector_keys},
    {.name = "reason",
     .text = "why; shown wherever the control is",
     .type = &value_text,
     .offset = EXCEPTION(reason),
     .required = true},
    {.name = "until",
     .text = "when it ends: a day, or a moment in UTC",
     .type = &value_moment,
     .offset = EXCEPTION(until),
     .required = true},
    {0}};

const struct control control_defaults = {.severity = SEVERITY_WARNING};

// Room for one more of a list that is n long. False: reported.
static bool grow(struct reading *r, const struct document *doc, const char *kind, void *list,
                 size_t n, size_t max, size_t size)
{
    void **at = list;
    if (n >= max) {
        read_error(r, doc->map, "BH003", NULL, "more than %zu documents of kind %s", max, kind);
        return false;
    }
    if ((n & (n - 1)) != 0) // doubled at each power of two
        return true;
    void *grown = reallocarray(*at, n ? 2 * n : 1, size);
    if (!grown) {
        read_error(r, doc->map, "BH004", NULL, "out of memory");
        return false;
    }
    *at = grown;
    return true;
}

static void second(struct reading *r, const struct document *doc, const char *kind, struct str file,
                   unsigned line)
{
    char hint[320];
    snprintf(hint, sizeof(hint), "the first one is at %.256s:%u", file.ptr, line);
    read_error(r, doc->map, "BH210", hint, "a second %s with the name '" STR_FMT "'", kind,
               STR_ARG(doc->name));
}

void take_control(struct building *b, struct reading *r, const struct document *doc)
{
    struct documents *d = b->d;
    for (size_t i = 0; doc->name.len && i < d->controls_n; i++)
        if (str_eq(d->controls[i].name, doc->name)) {
            second(r, doc, "Control", d->controls[i].file, d->controls[i].line);
            break;
        }
    if (!grow(r, doc, "Control", &d->controls, d->controls_n, MAX_CONTROLS, sizeof(*d->controls)))
        return;
    struct control *c = &d->controls[d->controls_n++];
    *c = control_defaults;
    c->name = doc->name;
    c->file = arena_str(r->arena, str_of(r->file));
    c->line = doc->map->line;
    config_keys_read(r, control_spec_keys, doc->spec, c);
    if (!yaml_get(doc->spec, "bundle") && !yaml_get(doc->spec, "live"))
        read_error(r, doc->spec, "BH206", "for example: bundle: bundle.privileged = false",
                   "a Control needs 'bundle', 'live' or both");
}

void take_exception(struct building *b, struct reading *r, const struct document *doc)
{
    struct documents *d = b->d;
    for (size_t i = 0; doc->name.len && i < d->exceptions_n; i++)
        if (str_eq(d->exceptions[i].name, doc->name)) {
            second(r, doc, "Exception", d->exceptions[i].file, d->exceptions[i].line);
            break;
        }
    if (!grow(r, doc, "Exception", &d->exceptions, d->exceptions_n, MAX_EXCEPTIONS,
              sizeof(*d->exceptions)))
        return;
    struct exception *e = &d->exceptions[d->exceptions_n++];
    *e = (struct exception){
        .name = doc->name, .file = arena_str(r->arena, str_of(r->file)), .line = doc->map->line};
    config_keys_read(r, exception_spec_keys, doc->spec, e);
}

void print_controls(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->controls_n; i++)
        document_print("Control", d->controls[i].name, control_spec_keys, &d->controls[i], out);
}

void print_exceptions(const struct documents *d, struct buf *out)
{
    for (size_t i = 0; i < d->exceptions_n; i++)
        document_print("Exception", d->exceptions[i].name, exception_spec_keys, &d->exceptions[i],
                       out);
}
