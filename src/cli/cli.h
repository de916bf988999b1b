// cli: a file per verb, a row in the verbs table.
#pragma once

#include "base/base.h"

enum exit_code {
    EXIT_WELL = 0,
    EXIT_FOUND = 1,  // the thing looked at has errors or findings
    EXIT_USAGE = 2,  // wrong usage
    EXIT_CANNOT = 3, // could not run here
};
struct exit_code_row {
    enum exit_code code;
    const char *name, *text;
};
extern const struct exit_code_row cli_exit_codes[];
extern const size_t cli_exit_codes_n;

enum option_type {
    OPTION_SWITCH,
    OPTION_TEXT,
    OPTION_PATH,
    OPTION_DURATION, // "10s", "5m"
    OPTION_NUMBER,
    OPTION_FORMAT, // one of the verb's formats
};
// Every option can be given by an environment variable too: "--host-root" is BULKHEAD_HOST_ROOT. A
// repeatable one's values stand there with colons between them; a switch's is 1 or 0.
struct option_row {
    const char *name;     // "--config"
    char letter;          // 'c' or 0
    const char *argument; // "FILE" or NULL: a switch
    bool repeat;
    const char *text;
    enum option_type type;
};
struct invocation;
struct verb {
    const char *name;      // "ledger verify" for two words
    const char *arguments; // "FILE…", "[EXPRESSION…]"; "" for none
    const char *text;
    const char *example;
    const struct option_row *const *options; // NULL-terminated; common ones are added
    int (*run)(const struct invocation *in);
    bool outputs; // --format takes the outputs' names, not only text and json
};
extern const struct verb cli_verbs[];
extern const size_t cli_verbs_n;
extern const struct option_row *const cli_common_options[]; // NULL-terminated
int cli_main(int argc, char **argv);
