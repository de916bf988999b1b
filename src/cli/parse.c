// The command line against the tables of verbs and options. Pure: the environment is a function,
// nothing is printed.
#include "cli/internal.h"

#include <errno.h>

enum { MAX_VERB = 64 };

struct parse {
    const struct parse_request *req;
    struct invocation *in;
    struct buf *problem;
    size_t verb_at[2]; // where the verb's words stand in argv; 0: nowhere
};

static enum parsed wrong(struct parse *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\n') // a word of the command line; what is said of it stays one line
            *c = ' ';
    buf_reset(p->problem);
    buf_text(p->problem, text);
    return PARSED_WRONG;
}

void option_variable(const struct option_row *row, char out[64])
{
    size_t n = (size_t)snprintf(out, 64, "BULKHEAD_%s", row->name + 2);
    for (size_t i = 0; i < MIN(n, (size_t)63); i++)
        out[i] = out[i] == '-'                    ? '_'
                 : out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 32)
                                                  : out[i];
}

// Is argv's word this option? *ret_value: behind '=' or the letter, NULL if the value is the next
// word.
static bool is_option(const struct option_row *row, const char *word, const char **ret_value)
{
    size_t n = strlen(row->name);
    *ret_value = NULL;
    if (strncmp(word, row->name, n) == 0 && (word[n] == 0 || word[n] == '=')) {
        *ret_value = word[n] ? word + n + 1 : NULL;
        return true;
    }
    if (row->letter && word[0] == '-' && word[1] == row->letter) {
        *ret_value = word[2] ? word + 2 : NULL;
        return row->argument || word[2] == 0;
    }
    return false;
}

// Of any verb: before the verb is known, whether an option takes the next word has to be.
static const struct option_row *any_option(const struct parse_request *req, const char *word,
                                           const char **ret_value)
{
    for (size_t i = 0; cli_common_options[i]; i++)
        if (is_option(cli_common_options[i], word, ret_value))
            return cli_common_options[i];
    for (size_t v = 0; v < req->verbs_n; v++)
        for (size_t i = 0; req->verbs[v].options[i]; i++)
            if (is_option(req->verbs[v].options[i], word, ret_value))
                return req->verbs[v].options[i];
    return NULL;
}

static const struct verb *verb_named(const struct parse_request *req, const char *first,
                                     const char *second)
{
    char name[MAX_VERB];
    int n = snprintf(name, sizeof(name), second ? "%s %s" : "%s", first, second);
    for (size_t i = 0; n > 0 && (size_t)n < sizeof(name) && i < req->verbs_n; i++)
        if (strcmp(req->verbs[i].name, name) == 0)
            return &req->verbs[i];
    return NULL;
}

static enum parsed no_verb(struct parse *p, const char *first, const char *second)
{
    const char *names[64];
    char asked[MAX_VERB], ways[256] = "";
    size_t n = 0, len = strlen(first);
    for (size_t i = 0; i < p->req->verbs_n && n < ARRAY_SIZE(names); i++) {
        const char *name = p->req->verbs[i].name;
        names[n++] = name;
        if (strncmp(name, first, len) == 0 && name[len] == ' ') {
            size_t at = strlen(ways);
            snprintf(ways + at, sizeof(ways) - at, "%s`bulkhead %s`", at ? ", " : "", name);
        }
    }
    snprintf(asked, sizeof(asked), "%s", first);
    if (ways[0])
        return wrong(p,
                     second ? "there is no verb '%s %s'; there is %s"
                            : "'%s' alone is no verb%.0s; there is %s",
                     first, second ? second : "", ways);
    const char *nearest = nearest_word(asked, names, n);
    if (nearest)
        return wrong(p, "there is no verb '%s'; did you mean '%s'?", asked, nearest);
    return wrong(p, "there is no verb '%s'; `bulkhead --help` lists them", asked);
}

// Finds the verb's words. PARSED_HELP: none, and help was asked for.
static enum parsed find_verb(struct parse *p)
{
    const struct parse_request *req = p->req;
    const char *value;
    size_t words[2], n = 0;
    bool help = false;
    for (int i = 1; i < req->argc && n < 2; i++) {
        const char *w = req->argv[i];
        if (w[0] != '-' || !w[1]) {
            words[n++] = (size_t)i;
            continue;
        }
        if (strcmp(w, "--") == 0)
            break;
        const struct option_row *row = any_option(req, w, &value);
        help = help || row == &opt_help;
        if (strcmp(w, "--version") == 0 && (p->in->verb = verb_named(req, "version", NULL))) {
            p->verb_at[0] = (size_t)i; // everybody tries it: it is the verb
            return PARSED_RUN;
        }
        i += row && row->argument && !value;
    }
    if (n == 0)
        return help
                   ? PARSED_HELP
                   : wrong(p, "say what to do: bulkhead VERB …; `bulkhead --help` lists the verbs");
    const char *first = req->argv[words[0]], *second = n > 1 ? req->argv[words[1]] : NULL;
    if (second && (p->in->verb = verb_named(req, first, second))) {
        p->verb_at[0] = words[0];
        p->verb_at[1] = words[1];
        return PARSED_RUN;
    }
    p->in->verb = verb_named(req, first, NULL);
    p->verb_at[0] = words[0];
    return p->in->verb ? PARSED_RUN : no_verb(p, first, second);
}

static void add_options(struct invocation *in, const struct option_row *const *rows)
{
    for (size_t i = 0; rows[i] && in->options_n < MAX_OPTIONS; i++)
        in->options[in->options_n++].row = rows[i];
}

static bool is_format(const struct verb *v, const char *value);

// Takes a value. False: what is wrong is said in *why.
static bool take_value(struct invocation *in, struct option_value *v, const char *value,
                       const char **why)
{
    int r = 0;
    switch (v->row->type) {
    case OPTION_DURATION:
        r = parse_duration(str_of(value), &v->number);
        *why = "is no duration (10s, 5m, 1h30m)";
        if (r == 0 && v->number == 0)
            r = -EINVAL;
        break;
    case OPTION_NUMBER:
        r = parse_u64(str_of(value), &v->number);
        *why = "is no number";
        break;
    case OPTION_FORMAT:
        r = is_format(in->verb, value) ? 0 : -EINVAL;
        *why = "is no format of this verb (text, json)";
        break;
    case OPTION_PATH:
        r = value[0] ? 0 : -EINVAL;
        *why = "is no path";
        break;
    case OPTION_TEXT:
    case OPTION_SWITCH:
        break;
    }
    if (r < 0)
        return false;
    if (!v->row->repeat)
        v->n = 0; // the last one counts
    if (v->n == MAX_REPEATS) {
        *why = "is one too many";
        return false;
    }
    v->values[v->n++] = value;
    return true;
}

// A verb with outputs checks the name itself: outputs are another folder's table.
static bool is_format(const struct verb *v, const char *value)
{
    return v->outputs ? value[0] != 0 : strcmp(value, "text") == 0 || strcmp(value, "json") == 0;
}

static enum parsed unknown_option(struct parse *p, const char *word)
{
    const char *names[MAX_OPTIONS];
    char asked[MAX_VERB];
    size_t n = p->in->options_n;
    for (size_t i = 0; i < n; i++)
        names[i] = p->in->options[i].row->name;
    snprintf(asked, sizeof(asked), "%.*s", (int)MIN(strcspn(word, "="), sizeof(asked) - 1), word);
    const char *nearest = nearest_word(asked, names, n), *value;
    if (nearest)
        return wrong(p, "'%s' takes no option '%s'; did you mean '%s'?", p->in->verb->name, asked,
                     nearest);
    return wrong(p, "'%s' takes no option '%s'%s; `bulkhead %s --help` lists them",
                 p->in->verb->name, asked,
                 any_option(p->req, word, &value) ? " (other verbs do)" : "", p->in->verb->name);
}

// One option at argv[*at]; moves *at over its value.
static enum parsed take_option(struct parse *p, int *at)
{
    const char *word = p->req->argv[*at], *value, *why = "";
    for (size_t i = 0; i < p->in->options_n; i++) {
        struct option_value *v = &p->in->options[i];
        if (!is_option(v->row, word, &value))
            continue;
        if (!v->row->argument) {
            if (value)
                return wrong(p, "%s takes no value", v->row->name);
            v->on = true;
            return v->row == &opt_help ? PARSED_HELP : PARSED_RUN;
        }
        if (!value && *at + 1 >= p->req->argc)
            return wrong(p, "%s needs its %s", v->row->name, v->row->argument);
        if (!value)
            value = p->req->argv[++*at];
        return take_value(p->in, v, value, &why)
                   ? PARSED_RUN
                   : wrong(p, "%s: '%s' %s", v->row->name, value, why);
    }
    return unknown_option(p, word);
}

static bool take_switch(struct option_value *v, const char *value)
{
    static const char *const on[] = {"1", "true", "yes", "on"}, *const off[] = {"", "0", "false",
                                                                                "no", "off"};
    for (size_t i = 0; i < ARRAY_SIZE(on); i++)
        if (strcasecmp(value, on[i]) == 0)
            return v->on = true;
    for (size_t i = 0; i < ARRAY_SIZE(off); i++)
        if (strcasecmp(value, off[i]) == 0)
            return true;
    return false;
}

// What the command line left open is taken from the environment.
static enum parsed take_environment(struct parse *p)
{
    for (size_t i = 0; i < p->in->options_n; i++) {
        struct option_value *v = &p->in->options[i];
        char name[64];
        const char *why = "";
        option_variable(v->row, name);
        const char *value = v->row == &opt_help || v->n || v->on ? NULL : p->req->environment(name);
        if (!value)
            continue;
        if (v->row->type == OPTION_SWITCH) {
            if (!take_switch(v, value))
                return wrong(p, "%s: '%s' is neither 1 nor 0", name, value);
            continue;
        }
        if (!value[0] && v->row->type != OPTION_TEXT)
            continue; // set to nothing: not set
        for (const char *rest = value; rest;) {
            size_t n = v->row->repeat ? strcspn(rest, ":") : strlen(rest);
            const char *one = arena_cstr(p->in->memory, (struct str){rest, n});
            if (!one)
                return wrong(p, "%s: no memory", name);
            if (!take_value(p->in, v, one, &why))
                return wrong(p, "%s: '%s' %s", name, one, why);
            rest = rest[n] ? rest + n + 1 : NULL;
        }
    }
    return PARSED_RUN;
}

// How many arguments "FILE… [DIR]" asks for.
static enum parsed check_arguments(struct parse *p)
{
    const char *text = p->in->verb->arguments;
    size_t least = 0, most = 0;
    for (const char *w = text; *w; w += strcspn(w, " "), w += *w == ' ') {
        size_t n = strcspn(w, " ");
        least += *w != '[';
        most = str_contains((struct str){w, n}, STR("…")) ? SIZE_MAX
               : most == SIZE_MAX                         ? most
                                                          : most + 1;
    }
    if (p->in->arguments_n < least)
        return wrong(p, "'%s' needs %s; for example: %s", p->in->verb->name, text,
                     p->in->verb->example);
    if (p->in->arguments_n > most)
        return wrong(p, "'%s' takes %s%s, and '%s' is too much", p->in->verb->name,
                     most ? "only " : "no argument", text, p->in->arguments[most]);
    // An empty path is a variable that was not set.
    for (size_t i = 0; i < p->in->arguments_n; i++)
        if (!p->in->arguments[i][0] && (strstr(text, "FILE") || strstr(text, "DIR")))
            return wrong(p, "'%s': '' is no path", p->in->verb->name);
    return PARSED_RUN;
}

enum parsed cli_parse(const struct parse_request *req, struct invocation *in, struct buf *problem)
{
    struct parse p = {.req = req, .in = in, .problem = problem};
    *in = (struct invocation){.memory = arena_new(1 << 20)};
    in->arguments = calloc((size_t)req->argc + 1, sizeof(*in->arguments));
    if (!in->memory || !in->arguments)
        return wrong(&p, "no memory");
    enum parsed r = find_verb(&p);
    if (r != PARSED_RUN)
        return r;
    add_options(in, in->verb->options);
    add_options(in, cli_common_options);
    bool only_arguments = false;
    for (int i = 1; i < req->argc; i++) {
        const char *w = req->argv[i];
        if ((size_t)i == p.verb_at[0] || (size_t)i == p.verb_at[1])
            continue;
        if (!only_arguments && strcmp(w, "--") == 0)
            only_arguments = true;
        else if (only_arguments || w[0] != '-' || !w[1])
            in->arguments[in->arguments_n++] = w;
        else if ((r = take_option(&p, &i)) != PARSED_RUN)
            return r;
    }
    r = take_environment(&p);
    if (r != PARSED_RUN)
        return r;
    const char *format = option_text(in, &opt_format);
    in->json = format && strcmp(format, "json") == 0;
    return check_arguments(&p);
}

void invocation_done(struct invocation *in)
{
    arena_free(in->memory);
    free(in->arguments);
    *in = (struct invocation){0};
}
