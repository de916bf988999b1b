// What the loader collects from all files before anything is compiled.
#pragma once

#include "detect/rule/internal.h"

struct list_def {
    struct str name;
    struct place at;
    uint32_t index, touched; // first definition, last change: Falco's visibility
    struct str *items;
    size_t n;
    bool used;
};
struct macro_def {
    struct str name;
    struct place at;
    uint32_t index, touched;
    struct text condition;
    struct node *tree; // NULL: did not parse
    enum { MACRO_NEW, MACRO_BUSY, MACRO_DONE, MACRO_BAD } state;
    bool used;
};
enum { MAX_EXCEPTION_FIELDS = 32 };
struct exception_def {
    struct str name;
    struct place at;
    bool scalar; // one field, not a list of fields
    size_t fields_n;
    struct str fields[MAX_EXCEPTION_FIELDS], comps[MAX_EXCEPTION_FIELDS];
    struct place field_places[MAX_EXCEPTION_FIELDS];
    struct yaml **values;
    uint16_t *value_files;
    size_t values_n;
    struct exception_def *next;
};
struct rule_def {
    struct str name, desc, source;
    struct place at;
    struct text condition, output;
    enum severity priority;
    double confidence;
    bool enabled, skip_unknown, warn_types;
    bool broken; // an error was told; compiled only to tell the rest
    struct str *tags;
    size_t tags_n;
    struct exception_def *exceptions;
};
struct loader {
    struct arena *arena; // of the ruleset
    struct report report;
    struct str *sources_text;
    uint32_t counter;
    struct list_def *lists;
    struct macro_def *macros;
    struct rule_def *rules;
    size_t lists_n, lists_cap, macros_n, macros_cap, rules_n, rules_cap;
    bool out_of_memory;
};
void loader_done(struct loader *l);
// Every item of a file. Errors are reported and the item is left out.
void load_file(struct loader *l, uint16_t file, const struct yaml *documents);
// exceptions.c
bool exceptions_load(struct loader *l, struct rule_def *r, uint16_t file, const struct yaml *list,
                     bool append, bool replace);
void exceptions_apply(struct loader *l, const struct rule_def *r, struct text *condition);
// paste.c
void lists_nest(struct loader *l);
void lists_paste(struct loader *l, struct text *t);
// resolve.c
bool macros_resolve(struct loader *l, struct node *n, uint32_t visible_before);
void macros_parse(struct loader *l);

// YAML made easy: what is wrong is reported with its place.
struct place yaml_place(const struct yaml *y, uint16_t file);
void load_error(struct loader *l, struct place at, const char *code, const char *hint,
                const char *format, ...) _printf_(5, 6);
void load_warning(struct loader *l, struct place at, const char *code, const char *hint,
                  const char *format, ...) _printf_(5, 6);
