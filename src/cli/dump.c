// dump: the tables that the binary works from, for people and for the documentation that is made
// from them.
#include "agent/agent.h"
#include "cli/internal.h"
#include "decide/decide.h"
#include "detect/comply/comply.h"
#include "detect/rule/rule.h"

// One row at a time, either a JSON object or cells of a table whose head is the first row's keys.
struct dump {
    bool as_json;
    struct json j;
    struct table table;
    const char *keys[MAX_COLUMNS];
    struct str cells[MAX_COLUMNS];
    size_t cells_n;
    struct arena *memory;
};

static void row_begin(struct dump *d)
{
    d->cells_n = 0;
    if (d->as_json)
        json_object(&d->j);
}

static void cell(struct dump *d, const char *key, struct str text)
{
    if (d->as_json)
        json_kstr(&d->j, key, text);
    else if (d->cells_n < MAX_COLUMNS) {
        d->keys[d->cells_n] = key;
        d->cells[d->cells_n++] = arena_str(d->memory, text);
    }
}

static void cell_text(struct dump *d, const char *key, const char *text)
{
    cell(d, key, str_of(text ? text : ""));
}

static void cell_number(struct dump *d, const char *key, uint64_t n)
{
    char text[24];
    if (d->as_json)
        json_ku64(&d->j, key, n);
    else {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
        cell_text(d, key, text);
    }
}

static void cell_bool(struct dump *d, const char *key, bool v)
{
    if (d->as_json)
        json_kbool(&d->j, key, v);
    else
        cell_text(d, key, v ? "yes" : "");
}

static void row_end(struct dump *d)
{
    if (d->as_json) {
        json_object_end(&d->j);
        return;
    }
    if (d->table.rows == 0)
        table_head(&d->table, d->keys, d->cells_n);
    table_row(&d->table, d->cells);
}

static void dump_kinds(struct dump *d)
{
    static const char *const rings[] = {"critical", "bulk", "none"};
    for (size_t i = 0; i < model_kinds_n; i++) {
        const struct kind_row *k = &model_kinds[i];
        row_begin(d);
        cell_text(d, "name", k->name);
        cell_number(d, "number", k->kind);
        cell_text(d, "domain", k->domain);
        cell_text(d, "ring", k->ring < BH_RING_MAX ? rings[k->ring] : "");
        cell_text(d, "truth", truth_name(k->truth));
        cell_bool(d, "every_shard", k->broadcast);
        cell_bool(d, "needs_sys_exit", k->call_hook);
        cell_text(d, "text", k->text);
        row_end(d);
    }
}

static void dump_calls(struct dump *d)
{
    for (size_t i = 0; i < model_calls_n; i++) {
        const struct kind_row *k = kind_row(model_calls[i].kind);
        row_begin(d);
        cell_text(d, "name", model_calls[i].name);
        cell_number(d, "number", model_calls[i].call);
        cell_text(d, "kind", k ? k->name : "");
        row_end(d);
    }
}

static const char *type_name(enum field_type t)
{
    static const char *const names[FIELD_TYPE_MAX] = {
        "string", "i64", "u64", "bool", "ip", "network", "port", "time", "duration", "strings"};
    return t < FIELD_TYPE_MAX ? names[t] : "";
}

static void dump_fields(struct dump *d)
{
    static const char *const stabilities[] = {"exec", "object", "fact", "volatile"},
                             *const arguments[] = {"", "may", "must"};
    for (size_t i = 0; i < model_fields_n; i++) {
        const struct field_row *f = &model_fields[i];
        row_begin(d);
        cell_text(d, "name", f->name);
        cell_text(d, "type", type_name(f->type));
        cell_text(d, "argument", f->argument < ARRAY_SIZE(arguments) ? arguments[f->argument] : "");
        cell_text(d, "constant_of",
                  f->stability < ARRAY_SIZE(stabilities) ? stabilities[f->stability] : "");
        cell_bool(d, "in_outputs", f->suggested);
        cell_text(d, "text", f->text);
        row_end(d);
    }
}

static void dump_operators(struct dump *d)
{
    for (size_t i = 0; i < rule_operators_n; i++) {
        const struct rule_operator_row *o = &rule_operators[i];
        _cleanup_buf_ struct buf types = {0};
        for (unsigned t = 0; t < FIELD_TYPE_MAX; t++)
            if (o->types & (1u << t)) {
                buf_text(&types, types.len ? ", " : "");
                buf_text(&types, type_name((enum field_type)t));
            }
        row_begin(d);
        cell_text(d, "name", o->name);
        cell_bool(d, "list", o->list);
        cell(d, "types", buf_view(&types));
        cell_text(d, "text", o->text);
        row_end(d);
    }
}

static void dump_facts(struct dump *d)
{
    for (size_t i = 0; i < comply_facts_n(); i++) {
        struct comply_fact_row f;
        comply_fact(i, &f);
        row_begin(d);
        cell_text(d, "name", f.name);
        cell_text(d, "type", type_name(f.type));
        cell_text(d, "source", f.source);
        cell_text(d, "text", f.text);
        row_end(d);
    }
}

static void dump_row_kinds(struct dump *d)
{
    static const char *const texts[ROW_KIND_MAX] = {
        [ROW_EXEC] = "what a container may not execute: a path, a file, whatever is not in its "
                     "image, a memfd",
        [ROW_LEVEL] = "how closely a container is watched",
        [ROW_FREEZE] = "no process of a container runs",
        [ROW_THROTTLE] = "less processor time, no more processes",
        [ROW_ISOLATE] = "no network but what is listed",
        [ROW_KILL] = "no process is left in a container",
        [ROW_HOLD] = "a container's first program waits before its first instruction",
        [ROW_NETWORK] = "whom a container may talk to, and who to it: one a policy and direction",
    };
    for (unsigned k = 0; k < ROW_KIND_MAX; k++) {
        _cleanup_buf_ struct buf objects = {0};
        for (unsigned o = BH_OBJECT_NONE + 1; o < BH_OBJECT_MAX; o++) {
            if (k != (o <= BH_OBJECT_EXEC_LAST ? ROW_EXEC : ROW_NETWORK) || o == BH_OBJECT_SOCKET)
                continue;
            buf_text(&objects, objects.len ? ", " : "");
            buf_text(&objects, object_name((enum bh_object)o));
        }
        row_begin(d);
        cell_text(d, "name", row_kind_name((enum row_kind)k));
        cell(d, "objects", buf_view(&objects));
        cell_text(d, "text", texts[k]);
        row_end(d);
    }
}

static void dump_ladder(struct dump *d)
{
    for (size_t i = 0; i < decide_ladder_n; i++) {
        const struct ladder_row *l = &decide_ladder[i];
        char confidence[16];
        snprintf(confidence, sizeof(confidence), "%.2g", l->confidence);
        row_begin(d);
        cell_text(d, "severity", severity_name(l->severity));
        cell_text(d, "confidence", confidence);
        cell_text(d, "step", step_name(l->step));
        cell_text(d, "why", l->why);
        row_end(d);
    }
}

static void dump_requests(struct dump *d)
{
    for (size_t i = 0; i < control_requests_n; i++) {
        const struct request_row *r = &control_requests[i];
        _cleanup_buf_ struct buf params = {0};
        for (size_t p = 0; p < MAX_CONTROL_PARAMS && r->params[p].name; p++)
            buf_printf(&params, "%s%s%s: %s (%s)", params.len ? "; " : "", r->params[p].name,
                       r->params[p].needed ? "" : "?", r->params[p].type, r->params[p].text);
        row_begin(d);
        cell_text(d, "name", r->name);
        cell_text(d, "method", r->method);
        cell_text(d, "path", r->path);
        cell_bool(d, "stream", r->stream);
        cell_bool(d, "writes", r->writes);
        cell(d, "params", buf_view(&params));
        cell_text(d, "text", r->text);
        row_end(d);
    }
}

static void dump_verbs(struct dump *d)
{
    for (size_t i = 0; i < cli_verbs_n; i++) {
        const struct verb *v = &cli_verbs[i];
        _cleanup_buf_ struct buf names = {0};
        for (size_t o = 0; v->options[o]; o++)
            buf_printf(&names, "%s%s", names.len ? ", " : "", v->options[o]->name);
        row_begin(d);
        cell_text(d, "name", v->name);
        cell_text(d, "arguments", v->arguments);
        cell(d, "options", buf_view(&names));
        cell_text(d, "text", v->text);
        cell_text(d, "example", v->example);
        row_end(d);
    }
}

static void dump_option(struct dump *d, const struct option_row *o, const char *verbs)
{
    char variable[64], letter[2] = {o->letter, 0};
    option_variable(o, variable);
    row_begin(d);
    cell_text(d, "name", o->name);
    cell_text(d, "letter", letter);
    cell_text(d, "argument", o->argument);
    cell_bool(d, "repeatable", o->repeat);
    cell_text(d, "environment", o == &opt_help ? "" : variable);
    cell_text(d, "verbs", verbs);
    cell_text(d, "text", o->text);
    row_end(d);
}

// Is it the first verb that takes this option?
static bool first_with(const struct option_row *o, size_t verb)
{
    for (size_t v = 0; v < verb; v++)
        for (size_t i = 0; cli_verbs[v].options[i]; i++)
            if (cli_verbs[v].options[i] == o)
                return false;
    return true;
}

static void dump_options(struct dump *d)
{
    for (size_t i = 0; cli_common_options[i]; i++)
        dump_option(d, cli_common_options[i], "all");
    for (size_t v = 0; v < cli_verbs_n; v++)
        for (size_t i = 0; cli_verbs[v].options[i]; i++) {
            const struct option_row *o = cli_verbs[v].options[i];
            _cleanup_buf_ struct buf verbs = {0};
            if (!first_with(o, v))
                continue;
            for (size_t w = v; w < cli_verbs_n; w++)
                for (size_t k = 0; cli_verbs[w].options[k]; k++)
                    if (cli_verbs[w].options[k] == o)
                        buf_printf(&verbs, "%s%s", verbs.len ? ", " : "", cli_verbs[w].name);
            dump_option(d, o, verbs.ptr);
        }
}

static void dump_codes(struct dump *d)
{
    for (size_t i = 0; i < config_codes_n; i++) {
        row_begin(d);
        cell_text(d, "code", config_codes[i].code);
        cell_text(d, "text", config_codes[i].text);
        row_end(d);
    }
}

static void dump_exit_codes(struct dump *d)
{
    for (size_t i = 0; i < cli_exit_codes_n; i++) {
        row_begin(d);
        cell_number(d, "code", (uint64_t)cli_exit_codes[i].code);
        cell_text(d, "name", cli_exit_codes[i].name);
        cell_text(d, "text", cli_exit_codes[i].text);
        row_end(d);
    }
}

static void dump_outputs(struct dump *d)
{
    for (size_t i = 0; i < outputs_n; i++) {
        row_begin(d);
        cell_text(d, "name", outputs[i].name);
        cell_text(d, "text", outputs[i].text);
        row_end(d);
    }
}

static void dump_severities(struct dump *d)
{
    for (unsigned s = 0; s < SEVERITY_MAX; s++) {
        row_begin(d);
        cell_number(d, "number", s);
        cell_text(d, "name", severity_name((enum severity)s));
        row_end(d);
    }
}

static void dump_entry_kinds(struct dump *d)
{
    for (unsigned k = 1; k < ENTRY_KIND_MAX; k++) {
        row_begin(d);
        cell_number(d, "number", k);
        cell_text(d, "name", entry_kind_name((enum entry_kind)k));
        row_end(d);
    }
}

static const struct dump_row {
    const char *name, *text;
    void (*dump)(struct dump *d);
} tables[] = {
    {"kinds", "Kinds of records: what the agent's inputs are.", dump_kinds},
    {"calls", "System calls that records name; `evt.type` in rules.", dump_calls},
    {"fields", "Fields that rules and outputs can use.", dump_fields},
    {"operators", "Operators of the rule language.", dump_operators},
    {"severities", "Severities, highest first.", dump_severities},
    {"ladder", "What an incident earns: the first line that fits its severity and confidence.",
     dump_ladder},
    {"facts", "Facts that controls of compliance can ask for.", dump_facts},
    {"row-kinds", "Kinds of desired kernel state.", dump_row_kinds},
    {"entry-kinds", "Kinds of entries in the ledger.", dump_entry_kinds},
    {"outputs", "Formats of findings.", dump_outputs},
    {"requests", "The API's requests.", dump_requests},
    {"verbs", "The command line's verbs.", dump_verbs},
    {"options", "The command line's options and the environment variables that equal them.",
     dump_options},
    {"codes", "Codes of diagnostics about configuration, rules and policies.", dump_codes},
    {"exit-codes", "Exit codes.", dump_exit_codes},
};

static void dump_tables(struct dump *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        row_begin(d);
        cell_text(d, "name", tables[i].name);
        cell_text(d, "text", tables[i].text);
        row_end(d);
    }
}

bool dump_table(const char *name, bool as_json, bool color, struct buf *out)
{
    void (*fill)(struct dump *) = strcmp(name, "tables") == 0 ? dump_tables : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(tables) && !fill; i++)
        if (strcmp(tables[i].name, name) == 0)
            fill = tables[i].dump;
    if (!fill)
        return false;
    struct dump d = {.as_json = as_json, .j = json_on(out), .memory = arena_new(0)};
    if (!d.memory) {
        out->failed = true;
        return true;
    }
    if (as_json)
        json_array(&d.j);
    fill(&d);
    if (as_json) {
        json_array_end(&d.j);
        buf_char(out, '\n');
    } else
        table_print(&d.table, out, "", color);
    table_done(&d.table);
    arena_free(d.memory);
    return true;
}

int verb_dump(const struct invocation *in)
{
    _cleanup_buf_ struct buf out = {0};
    const char *names[ARRAY_SIZE(tables) + 1] = {"tables"};
    if (dump_table(in->arguments[0], in->json, in->color, &out))
        return print_out(&out);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
        names[i + 1] = tables[i].name;
    const char *nearest = nearest_word(in->arguments[0], names, ARRAY_SIZE(names));
    if (nearest)
        complain("there is no table '%s'; did you mean '%s'?", in->arguments[0], nearest);
    else
        complain("there is no table '%s'; `bulkhead dump tables` lists them", in->arguments[0]);
    return EXIT_USAGE;
}
