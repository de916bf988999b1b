// What config's own files share: strict YAML, and the tables of keys from which reading, printing
// and the schemas come.
#pragma once

#include "config/config.h"

// yaml_parse with a choice: strict makes a key that stands twice an error; else it is a warning and
// the first one counts, as Falco's reader does.
struct yaml *yaml_parse_with(struct arena *a, const char *file, struct str text, bool strict,
                             struct diag_list *diags, bool *ok);
// How many bytes of s[at…] form one character: 1–4, or 0 if they are no UTF-8.
unsigned utf8_len(struct str s, size_t at);

// A document being read: strings are copied to the arena, errors go to diags.
struct reading {
    struct arena *arena;
    const char *file;
    struct diag_list *diags;
};

struct key;
// How a value is read from YAML, printed as YAML, and described as JSON Schema. A row a type;
// values.c.
struct value_type {
    // Sets what lies at `at`. Errors are reported, and `at` is then as it was.
    void (*read)(struct reading *r, const struct key *k, const struct yaml *y, void *at);
    // "value\n" behind "key: ", or indented lines below it. Returns without output if there is
    // nothing to say.
    void (*print)(const struct key *k, const void *at, unsigned indent, struct buf *out);
    void (*schema)(const struct key *k, const void *defaults,
                   struct json *j); // members of the key's schema object
};

// One key of a document. Tables end with a row whose name is NULL.
struct key {
    const char *name, *text;
    const struct value_type *type;
    size_t offset, count_offset; // in the struct that the table fills; count: of lists
    uint64_t min, max;
    bool power_of_two, required;
    const char *const *choices; // NULL-terminated: the value is the index
    bool boolean;               // choices: of two, stored as a bool
    const struct key *keys;     // of a group, of each item
    // Of lists of maps (value_items).
    size_t item_size, line_offset; // of the struct of one; where its line goes, 0: nowhere
    const void *item_defaults;     // NULL: zeroes
};

extern const struct value_type value_size, value_duration, value_u64, value_unsigned, value_i32,
    value_severity, value_choice, value_text, value_glob, value_paths, value_labels, value_deny,
    value_net_deny, value_group, value_items, value_fraction, value_networks, value_expression,
    value_prose, value_profile_lines, value_words, value_path;

// The keys of one map into the struct at `at`: unknown and missing ones are reported.
void config_keys_read(struct reading *r, const struct key *keys, const struct yaml *map, void *at);
void keys_print(const struct key *keys, const void *at, unsigned indent, struct buf *out);
// "properties", "required", "additionalProperties" of the map.
void keys_schema(const struct key *keys, const void *defaults, struct json *j);

// The nearest key as a hint, or all there are. Into a caller's buffer.
const char *hint_nearest(char *out, size_t size, const char *to, const char *const *words, size_t n,
                         const char *all);

// The shapes that values want; what is wrong is reported.
enum { MAX_TEXT = 1024 }; // bytes of a reason, a path, a glob
bool value_want_scalar(struct reading *r, const struct key *k, const struct yaml *y,
                       const char *example);
bool value_want_type(struct reading *r, const struct key *k, const struct yaml *y,
                     enum yaml_type type);
bool value_read_text(struct reading *r, const struct key *k, const struct yaml *y, size_t max,
                     struct str *ret);
struct str value_shown(struct str s); // the beginning of it
void print_indent(struct buf *out, unsigned indent);
void print_text(struct buf *out, struct str s);
void read_error(struct reading *r, const struct yaml *at, const char *code, const char *hint,
                const char *format, ...) _printf_(5, 6);

// ── documents ────────────────────────────────────────────────────────────────────────────────
struct document { // one, as its kind takes it
    const struct yaml *map, *metadata, *spec;
    struct str name;
};
struct building { // all of a generation
    struct documents *d;
    struct diag_list *diags;
    char *agent_file; // where the Agent document is, NULL: none yet
    unsigned agent_line;
    size_t policies_cap, profiles_cap;
};
// One document as YAML, with the line that parts it from what is before it.
void document_print(const char *kind, struct str name, const struct key *keys, const void *at,
                    struct buf *out);

// ── kinds ────────────────────────────────────────────────────────────────────────────────────
extern const struct key agent_spec_keys[], policy_spec_keys[], profile_spec_keys[],
    response_spec_keys[];
void take_profile(struct building *b, struct reading *r, const struct document *doc);
void print_profiles(const struct documents *d, struct buf *out);
// Kubernetes' own documents (NetworkPolicy, Namespace, lists of them). False: it is none.
bool network_take(struct documents *d, struct reading *r, const struct yaml *y);
void network_print(const struct documents *d, struct buf *out);
void network_lint(const struct documents *d, struct diag_list *diags);
extern const struct key config_selector_keys[]; // into a struct selector
void response_take(struct building *b, struct reading *r, const struct document *doc);
void responses_print(const struct documents *d, struct buf *out);
// doc_control.c
extern const struct key control_spec_keys[], exception_spec_keys[];
extern const struct control control_defaults;
void take_control(struct building *b, struct reading *r, const struct document *doc);
void take_exception(struct building *b, struct reading *r, const struct document *doc);
void print_controls(const struct documents *d, struct buf *out);
void print_exceptions(const struct documents *d, struct buf *out);
extern const struct key feed_spec_keys[];

// A path of a file, relative to where the document stands.
struct str path_beside(struct reading *r, struct str path);
int sources_add(struct sources *s, enum source_kind kind, struct str name, struct str text);

// A kind a file: doc_X.c.
extern const struct feed feed_defaults;
void feeds_take(struct building *b, struct reading *r, const struct document *doc);
void feeds_print(const struct documents *d, struct buf *out);
