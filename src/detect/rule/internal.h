// detect/rule's own types. The way of a rule: YAML items (load.c) → text with places (text.c) →
// lists pasted (paste.c) → syntax tree (parse.c) → macros resolved (resolve.c) → tests over terms
// (term.c, test.c), consed into one graph (graph.c) → for each kind of event a specialised graph
// and its flat code (code.c) → match.c runs it.
#pragma once

#include "detect/rule/rule.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    MAX_RULES = 20000,
    MAX_DEPTH = 1000,              // of a condition, macros resolved; Falco's limit for its parser
    MAX_CONDITION_BYTES = 1 << 20, // lists pasted
    MAX_TREE_NODES = 1 << 20,      // of one condition
    MAX_ANCESTORS = 64,            // how far proc.aname and its kind walk
    MAX_SCRATCH_BYTES = 512 * 1024,
    MAX_TERM_DEPTH = 32,
    MAX_TERM_ARGS = 64,
    SET_FROM = 8, // `in` with more values than this uses a hash set
    REGEX_MATCH_LIMIT = 100000,
    REGEX_HEAP_KIB = 1024,
};

// ── places and text that remembers where each byte came from (text.c) ────────────────────────
struct place {
    uint32_t line;
    uint16_t column, file; // file: index into the sources
};
struct text {
    char *ptr;
    struct place *at;
    size_t len, cap;
    bool failed; // no memory, or longer than MAX_CONDITION_BYTES
};
void text_done(struct text *t);
#define _cleanup_text_ _cleanup_(text_done)
void text_add(struct text *t, struct str s, const struct place *at); // a place for each byte
void text_put(struct text *t, struct str s, struct place at);        // one place for all
void text_copy(struct text *t, const struct text *from);
// Appends a YAML scalar, each byte placed where the source has it.
void text_yaml(struct text *t, const struct yaml *y, struct str source, uint16_t file);
static inline struct str text_view(const struct text *t)
{
    return (struct str){t->ptr ? t->ptr : "", t->len};
}

// ── what complains, and about which source (text.c) ──────────────────────────────────────────
struct report {
    struct diag_list *diags;
    const struct source *sources; // NULL: an expression from the command line
    size_t sources_n;
    const char *expression_name;
    struct str expression;
};
void report_at(const struct report *r, enum diag_severity severity, struct place at,
               const char *code, const char *hint, const char *format, ...) _printf_(6, 7);

// ── syntax tree (parse.c, print.c) ───────────────────────────────────────────────────────────
enum expr_type { EXPR_FIELD, EXPR_TRANSFORMER, EXPR_TEXT, EXPR_LIST };
struct expr {
    enum expr_type type;
    struct place at;
    struct str name, arg; // field or transformer, its [arg]; TEXT: the text
    bool has_arg;
    struct expr **args;
    size_t n;
};
struct literal {
    struct str text;
    struct place at;
};
enum modifier { MOD_NONE, MOD_ONEOF, MOD_ANYOF, MOD_ALLOF };
extern const char *const modifier_names[]; // by enum modifier
struct check {
    struct expr *left;
    size_t op; // index into rule_operators
    enum modifier mod;
    struct place op_at;
    struct literal *values;
    size_t n;
    struct expr *right; // a field or transformer instead of values
};
enum node_type { NODE_AND, NODE_OR, NODE_NOT, NODE_CHECK, NODE_MACRO };
struct node {
    enum node_type type;
    struct place at;
    struct node **kids;
    size_t n;
    struct check *check;
    struct str name;                // MACRO
    struct node *body;              // MACRO, once resolved
    size_t graph;                   // node of the graph + 1, 0: not compiled yet
    size_t size;                    // nodes, macros resolved
    unsigned depth;                 // the same way; 0: not resolved yet
    unsigned bad;                   // BAD_…: why it did not compile
    const struct expr *unsupported; // the field that stopped it
};
enum { BAD_ERROR = 1, BAD_UNKNOWN = 2, BAD_UNSUPPORTED = 4 };
// NULL on a syntax error (reported). Memory: the arena.
struct node *parse_condition(struct arena *a, const struct text *t, const struct report *r,
                             const char *code);
// The tree as text that parses to the same tree; macros: by name, or resolved.
// A field or transformer at text[at], without a report: for output templates. NULL: none.
struct expr *parse_field(struct arena *a, const struct text *t, const struct report *r, size_t at,
                         size_t *ret_end);
void print_node(struct buf *out, const struct node *n, bool resolved);
void print_expr(struct buf *out, const struct expr *e);
void print_check(struct buf *out, const struct check *c);

// ── values ───────────────────────────────────────────────────────────────────────────────────
struct address {
    uint8_t bytes[16];
    uint8_t len; // 4 or 16
};
struct value {
    enum field_type type;
    union {
        struct str str;
        int64_t i64;
        uint64_t u64; // U64, PORT, TIME, DURATION
        bool b;
        struct address ip; // IP, NET
    };
};

struct match;
struct field_ref;
// false: null. index: of an element, for fields that have several; else 0.
typedef bool (*field_get)(struct match *m, const struct field_ref *f, int64_t index,
                          struct value *ret);
enum {
    GET_ANCESTORS = 1 << 0,   // without [N]: every ancestor
    GET_BOTH_ENDS = 1 << 1,   // = and in: either end; !=: both
    GET_NUMBER = 1 << 2,      // [arg] is a number
    GET_KEY = 1 << 3,         // [arg] is a text
    GET_DOTTED = 1 << 4,      // .ARG is an argument too
    GET_NOT_ON_HOST = 1 << 5, // null for the host and plain cgroups
    GET_FILTER_ONLY = 1 << 6, // not printable
    GET_NO_TERM = 1 << 7,     // not inside a transformer, not on the right
};
struct getter {
    const char *name;
    field_get get;
    int what; // which of those that share a function
    unsigned flags;
    unsigned cost;
};
extern const struct getter
    rule_getters[]; // sorted by name, one for each row of model_fields (getters.c)
extern const size_t rule_getters_n;
// Fields that Falco has and our records can't answer.
extern const char *const rule_unsupported_fields[];
extern const size_t rule_unsupported_fields_n;

struct arg_row; // args.c
struct field_ref {
    const struct field_row *row;
    const struct getter *getter;
    struct str arg;
    bool has_arg;
    int64_t index;            // GET_NUMBER
    struct bh_kind_set kinds; // where it can be non-null; no bits: everywhere
};
// The ways a field's name may be wrong.
enum field_problem { FIELD_OK, FIELD_UNKNOWN, FIELD_UNSUPPORTED, FIELD_ARGUMENT };
// Finds a field by name and argument. Problems are put in words.
enum field_problem field_resolve(struct str name, struct str arg, bool has_arg,
                                 struct field_ref *ret, char *why, size_t why_size,
                                 const char **ret_hint);
// The words of evt.arg.NAME (args.c).
bool arg_known(struct str name);
struct bh_kind_set arg_kinds(struct str name);
const char *arg_nearest(struct str name);
bool get_arg(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_rawarg(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_args(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
// Getters, by domain.
bool get_event(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_process(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_ancestor(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_user(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_fd(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_path(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_container(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);
bool get_own(struct match *m, const struct field_ref *f, int64_t index, struct value *ret);

// ── event types (events.c) ───────────────────────────────────────────────────────────────────
// Every name that evt.type may be compared with: system calls, Falco's own events, our kinds.
extern const char *const event_names[]; // sorted
extern const size_t event_names_n;
enum { EVENT_WORDS = 8 };
struct event_set {
    uint64_t word[EVENT_WORDS];
};
int event_name_find(struct str name); // index, or -ENOENT
// The set of a condition, as Falco computes it.
struct event_set event_set_of(const struct node *n);
int event_number_check(const struct check *c); // of evt.num: 1 always, -1 never, 0 depends
size_t event_set_count(const struct event_set *s);
bool event_set_has(const struct event_set *s, int event);
// Names an event of this kind can have; returns how many.
enum { MAX_KIND_NAMES = 24 };
size_t kind_event_names(uint16_t kind, struct str names[MAX_KIND_NAMES]);
bool kind_is_call(
    uint16_t kind); // false: our own (loss, storm, cgroups, …), that only rules naming it see

// ── terms and tests ──────────────────────────────────────────────────────────────────────────
enum transformer {
    TR_NONE,
    TR_TOLOWER,
    TR_TOUPPER,
    TR_B64,
    TR_BASENAME,
    TR_LEN,
    TR_JOIN,
    TR_CONCAT,
    TR_GETOPT,
    TR_VAL,
    TR_MAX
};
struct transformer_row {
    const char *name;
    enum transformer id;
    size_t min_args, max_args;
    const char *text;
};
extern const struct transformer_row rule_transformers[];
extern const size_t rule_transformers_n;

struct term { // a field or what transformers make of fields
    enum expr_type type;
    enum field_type value;
    size_t field; // FIELD: index into the unit's fields
    enum transformer tr;
    struct str text;    // TEXT
    struct term **args; // TRANSFORMER, LIST
    size_t n;
    unsigned cost;
    unsigned flags; // GET_… of a bare field
};
struct path_pattern { // pmatch: the components of one path
    struct str *parts;
    bool *glob;
    size_t n;
};
struct constant {
    struct str text;
    union {
        int64_t i64;
        uint64_t u64;
        bool b;
        struct {
            struct address address;
            uint8_t prefix;
        } net;
        struct path_pattern path;
        pcre2_code *regex;
    };
};
struct test {
    const struct term *left, *right;
    size_t op;
    enum modifier mod;
    enum field_type type;
    struct constant *values;
    size_t n;
    uint32_t *set; // open addressing over values, 0 = empty, else index + 1; NULL: no set
    size_t set_mask;
    struct place at;
    unsigned cost;
    const struct check *check; // for printing
    struct str key;            // text that makes it the same as another
};
enum operator_id {
    CMP_EXISTS,
    CMP_LE,
    CMP_LT,
    CMP_GE,
    CMP_GT,
    CMP_EQ,
    CMP_NE,
    CMP_IGLOB,
    CMP_GLOB,
    CMP_ICONTAINS,
    CMP_CONTAINS,
    CMP_BCONTAINS,
    CMP_STARTSWITH,
    CMP_BSTARTSWITH,
    CMP_ENDSWITH,
    CMP_REGEX,
    CMP_INTERSECTS,
    CMP_IN,
    CMP_PMATCH,
    CMP_MAX
};
// How an operator is written: the parser tries rows in this order, so that no operator hides a
// longer one.
enum operator_shape { SHAPE_UNARY, SHAPE_NUMBER, SHAPE_STRING, SHAPE_LIST };
extern const enum operator_shape
    operator_shapes[CMP_MAX]; // beside rule_operators, whose index is enum operator_id

// The literal as a value of the type for the operator; false with why.
bool constant_make(struct arena *a, enum operator_id op, enum field_type type, struct str text,
                   struct constant *ret, char *why, size_t why_size);
// One comparison of a non-null value.
bool compare_constant(struct match *m, enum operator_id op, const struct value *v,
                      const struct constant *c);
bool compare_values(enum operator_id op, const struct value *v, const struct value *right);
// The whole test on a non-null value.
bool test_value(struct match *m, const struct test *t, const struct value *v);
bool rule_glob(struct str pattern, struct str s, bool fold);
void path_pattern_make(struct arena *a, struct str path, struct path_pattern *ret);
bool path_pattern_match(const struct path_pattern *p, struct str path);

const char *field_type_label(enum field_type t); // "STRING"

// ── the graph and its code ───────────────────────────────────────────────────────────────────
enum gate { GATE_FALSE, GATE_TRUE, GATE_TEST, GATE_NOT, GATE_AND, GATE_OR };
struct gnode {
    enum gate gate;
    uint32_t n;
    uint32_t *kids; // TEST: kids[0] is the test
    uint32_t cost;
    uint32_t uses; // while code is made: how many refer to it
};
enum opcode { OP_JUMP, OP_TEST, OP_CALL, OP_RETURN, OP_MATCH, OP_END };
struct insn {
    enum opcode op;
    uint32_t a;    // test, routine's first insn, value, or rule
    uint32_t slot; // memo of this event, 0: none
    uint32_t yes, no;
};
enum side { SIDE_HOST, SIDE_CONTAINER, SIDE_MAX };
struct program { // all rules of one kind of event on one side
    struct insn *code;
    uint32_t n, slots;
    uint32_t *rules, *starts; // rule index, first insn
    uint32_t rules_n;
};
// What compiling fills: shared by rulesets and filters.
struct unit {
    struct arena *arena;
    struct field_ref *fields;
    size_t fields_n, fields_cap;
    struct test *tests;
    size_t tests_n, tests_cap;
    struct gnode *nodes;
    size_t nodes_n, nodes_cap;
    uint32_t *cons; // hash table over nodes
    size_t cons_cap;
    bool failed; // no memory
};
void unit_init(struct unit *u, struct arena *a);
void unit_done(struct unit *u);
// term.c: checks types; NULL when reported. skip: set when a field is unknown or unsupported (the
// caller may then drop the rule instead of refusing the file).
struct compile {
    struct unit *unit;
    const struct report *report;
    enum diag_severity unknown;     // how an unknown field is reported
    unsigned bad;                   // BAD_…
    const struct expr *unsupported; // the first field that Falco has and we don't
};
const struct term *term_compile(struct compile *c, const struct expr *e, bool right,
                                unsigned depth);
size_t unit_field(struct unit *u, const struct field_ref *f);
// test.c: index of the test, SIZE_MAX when reported.
size_t test_compile(struct compile *c, struct check *check);
// graph.c: node of the graph for a resolved tree; UINT32_MAX when something was reported.
enum { GRAPH_FALSE = 0, GRAPH_TRUE = 1 };
uint32_t graph_compile(struct compile *c, struct node *n);
// The graph as it is for events of this kind on this side: what can't be there is false.
uint32_t graph_specialise(struct unit *u, uint32_t root, uint16_t kind, enum side side,
                          uint32_t *memo, size_t memo_n);
// code.c
bool program_make(struct unit *u, const uint32_t *roots, const uint32_t *rules, uint32_t n,
                  bool first_match, struct program *ret);
void print_gnode(struct buf *out, const struct unit *u, uint32_t node);

// ── matching (match.c) ───────────────────────────────────────────────────────────────────────
struct rule_scratch {
    uint32_t epoch;
    struct {
        uint32_t epoch;
        bool null;
        struct value value;
    } * fields;
    size_t fields_n;
    uint32_t *memo; // epoch << 1 | value
    size_t memo_n;
    uint32_t stack[MAX_DEPTH + 8];
    char *bytes;
    size_t used;
    pcre2_match_data *regex_data;
    pcre2_match_context *regex_context;
    struct buf output, args; // grow at first, then stay
    struct finding finding;  // the one being emitted
    uint64_t overflows; // values that did not fit in MAX_SCRATCH_BYTES, regex that met its limit
};
struct match {
    const struct event *e;
    const struct detect_env *env;
    struct rule_scratch *s;
    const struct unit *unit;
};
bool match_begin(struct match *m, const struct unit *u, struct rule_scratch *s,
                 const struct detect_env *env, const struct event *e, size_t slots);
// Value of a field of the unit on this event, remembered while the event lasts. false: null.
bool match_field(struct match *m, size_t field, struct value *ret);
bool term_value(struct match *m, const struct term *t, struct value *ret);
bool test_run(struct match *m, const struct test *t);
// Runs the program; calls hit for each rule. Returns how many.
typedef void (*program_hit)(void *ctx, uint32_t rule);
int program_run(struct match *m, const struct program *p, program_hit hit, void *ctx);
enum side event_side(const struct event *e);
void rule_value_text(struct buf *out, const struct value *v);

// Texts that last while the event does.
struct writer {
    struct match *m;
    size_t start, at;
    bool full;
};
struct writer writer_begin(struct match *m);
void writer_str(struct writer *w, struct str s);
void writer_char(struct writer *w, char c);
void writer_format(struct writer *w, const char *format, ...) _printf_(2, 3);
struct str writer_end(struct writer *w);

// Of the event, for getters (records.c in this folder).
const struct image *match_image(const struct match *m);
struct bh_creds match_creds(const struct match *m, bool *ret_known);
struct bh_nses match_nses(const struct match *m, bool *ret_known);
const struct bh_sock *match_sock(const struct match *m);
const struct bh_file *match_file(const struct match *m);
bool match_result(const struct match *m, int64_t *ret);                 // false: no result is known
const struct process *match_ancestor(const struct match *m, int64_t n); // 0: itself
void image_args(struct writer *w, const struct image *i);               // argv[1..], blanks between
uint64_t match_wall(const struct match *m);                             // ns since 1970
void sock_name(struct writer *w, const struct bh_sock *s, uint16_t kind);
void write_address(struct writer *w, const uint8_t *bytes, bool v6);
int sock_role(const struct bh_sock *s, uint16_t kind); // BH_ROLE_…
struct str absolute_path(struct match *m,
                         struct str path); // joined to the cwd, . and .. and // removed

// ── texts of flags (flags.c) ─────────────────────────────────────────────────────────────────
void flags_open(struct writer *w, uint32_t flags, bool created, const struct bh_file *file);
void flags_clone(struct writer *w, uint64_t flags);
void flags_mount(struct writer *w, uint64_t flags);
void flags_umount(struct writer *w, uint64_t flags);
void flags_memfd(struct writer *w, uint64_t flags);
void flags_exe(struct writer *w, const struct bh_file *exe);
void mode_bits(struct writer *w, uint32_t mode);
void capability_names(struct writer *w, uint64_t caps);
const char *ptrace_request_name(uint64_t request); // NULL: unknown

// ── outputs (output.c) ───────────────────────────────────────────────────────────────────────
struct token {
    struct str text; // literal, or the field's name without %
    bool field;
    const struct term *term; // of a field; NULL: always null here
    unsigned width;          // 0: as it is
};
struct output {
    struct token *tokens;
    size_t n;
};
bool output_compile(struct compile *c, struct arena *a, const struct text *t, struct output *ret);
void output_suggested(struct compile *c, struct arena *a,
                      struct output *o); // appends the suggested fields

// ── a rule, compiled ─────────────────────────────────────────────────────────────────────────
struct rule {
    struct str name, desc, source, output_text;
    struct place at;
    enum severity priority;
    double confidence;
    struct str *tags; // sorted
    size_t tags_n;
    struct node *tree;
    struct event_set events;
    bool all_events, warn_types;
    uint32_t graph;
    struct output output;
    struct bh_kind_set kinds[SIDE_MAX];
};
struct ruleset {
    struct arena *arena;
    struct unit unit;
    struct rule *rules;
    size_t rules_n;
    struct program programs[SIDE_MAX][BH_KERNEL_MAX]; // empty: code == NULL
    uint32_t specialised_n;
    size_t max_slots;
    struct str *files;
    size_t files_n;
    bool first_match;
};
// The finding of a rule on an event (finding.c). Strings last until the next match.
void finding_make(struct match *m, const struct ruleset *r, const struct rule *rule,
                  struct finding *f);
// Everything after parsing that both rulesets and filters need: programs of all kinds.
bool ruleset_programs(struct ruleset *r, bool own_kinds_need_naming);
