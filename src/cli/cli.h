// cli: a file per verb, a row in the verbs table.
#pragma once

#include "base/base.h"

enum exit_code { EXIT_WELL = 0, EXIT_FOUND = 1 /* the thing looked at has errors or findings */, EXIT_USAGE = 2, EXIT_CANNOT = 3 /* could not run here */ };

struct option_row {
    const char *name;     // "--config"
    char letter;          // 'c' or 0
    const char *argument; // "FILE" or NULL: a switch
    bool repeat;
    const char *text;
};
struct verb {
    const char *name; // "ledger verify" for two words
    const char *arguments; // "FILE…"
    const char *text;
    const char *example;
    const struct option_row *const *options; // NULL-terminated; common ones are added
    int (*run)(const struct invocation *in);
};
struct invocation;
extern const struct verb cli_verbs[];
extern const size_t cli_verbs_n;
int cli_main(int argc, char **argv);
