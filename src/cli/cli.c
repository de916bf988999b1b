// The command line's way: parse, help or run, one exit code.
#include "cli/internal.h"

#include <signal.h>

static const char *environment(const char *name)
{
    return getenv(name);
}

static bool may_color(const struct invocation *in)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !option_on(in, &opt_no_color) && !(no && no[0]) &&
           !(term && strcmp(term, "dumb") == 0) && isatty(STDOUT_FILENO);
}

static int help(const struct invocation *in)
{
    _cleanup_buf_ struct buf out = {0};
    if (in->verb)
        help_verb(&out, in->verb);
    else
        help_all(&out, cli_verbs, cli_verbs_n);
    return print_out(&out);
}

int cli_main(int argc, char **argv)
{
    _cleanup_buf_ struct buf problem = {0};
    _cleanup_(invocation_done) struct invocation in;
    // What most programs call it.
    char version[] = "version", *spelled[] = {argv[0], version, NULL};
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        argv = spelled;
    const struct parse_request request = {argc, argv, cli_verbs, cli_verbs_n, environment};
    // A reader that leaves is seen as EPIPE where it is written to, and is no fault.
    (void)signal(SIGPIPE, SIG_IGN);
    switch (cli_parse(&request, &in, &problem)) {
    case PARSED_HELP:
        return help(&in);
    case PARSED_WRONG:
        complain("%s", problem.ptr ? problem.ptr : "no memory");
        return EXIT_USAGE;
    case PARSED_RUN:
        break;
    }
    in.color = may_color(&in);
    return in.verb->run(&in);
}
