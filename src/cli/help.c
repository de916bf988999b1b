// Help, made from the tables.
#include "cli/internal.h"

static void option_lines(struct buf *out, const struct option_row *const *options)
{
    for (size_t i = 0; options[i]; i++) {
        const struct option_row *o = options[i];
        char left[64], variable[64];
        int n = o->letter ? snprintf(left, sizeof(left), "-%c, %s", o->letter, o->name)
                          : snprintf(left, sizeof(left), "    %s", o->name);
        if (o->argument)
            snprintf(left + n, sizeof(left) - (size_t)n, " %s", o->argument);
        option_variable(o, variable);
        buf_printf(out, "  %-26s %s%s", left, o->text, o->repeat ? " (repeatable)" : "");
        if (o != &opt_help)
            buf_printf(out, " [%s]", variable);
        buf_char(out, '\n');
    }
}

static void exit_lines(struct buf *out)
{
    buf_text(out, "\nExit codes:\n");
    for (size_t i = 0; i < cli_exit_codes_n; i++)
        buf_printf(out, "  %d  %s\n", cli_exit_codes[i].code, cli_exit_codes[i].text);
}

void help_all(struct buf *out, const struct verb *verbs, size_t n)
{
    buf_text(out, "bulkhead " BULKHEAD_VERSION ": container runtime security in one agent\n\n"
                  "Usage: bulkhead VERB [ARGUMENTS] [OPTIONS]\n\nVerbs:\n");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "  %-20s %s\n", verbs[i].name, verbs[i].text);
    buf_text(out, "\nCommon options:\n");
    option_lines(out, cli_common_options);
    buf_text(out, "\nEach option can be set by the environment variable that stands behind it. "
                  "What goes to standard output\n"
                  "is data, what goes to standard error is talk. `bulkhead VERB --help` says more "
                  "and has an example.\n");
    exit_lines(out);
}

void help_verb(struct buf *out, const struct verb *v)
{
    buf_printf(out, "bulkhead %s: %s\n\nUsage: bulkhead %s%s%s [OPTIONS]\n", v->name, v->text,
               v->name, v->arguments[0] ? " " : "", v->arguments);
    if (v->options[0]) {
        buf_text(out, "\nOptions:\n");
        option_lines(out, v->options);
    }
    buf_text(out, "\nCommon options:\n");
    option_lines(out, cli_common_options);
    if (v->outputs)
        buf_text(out, "  Formats of findings: `bulkhead dump outputs` lists them.\n");
    buf_printf(out, "\nExample:\n  %s\n", v->example);
    exit_lines(out);
}
