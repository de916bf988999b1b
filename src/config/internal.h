// What config's own files share: strict YAML, and the tables of keys from which parser and schema both come.
#pragma once

#include "config/config.h"

// yaml_parse with a choice: strict makes a key that stands twice an error; else it is a warning and the first one
// counts, as Falco's reader does.
struct yaml *yaml_parse_with(struct arena *a, const char *file, struct str text, bool strict,
                             struct diag_list *diags, bool *ok);
// How many bytes of s[at…] form one character: 1–4, or 0 if they are no UTF-8.
unsigned utf8_len(struct str s, size_t at);
