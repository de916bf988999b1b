// config: YAML → checked, typed documents of one generation; diagnostics; the selector.
#pragma once

#include "base/base.h"
#include "model/model.h"

// ── diagnostics: all errors of a file, not only the first ────────────────────────────────────
enum diag_severity { DIAG_ERROR, DIAG_WARNING };
struct diag {
    enum diag_severity severity;
    char *file;
    unsigned line, column; // from 1; 0: not of a place
    const char *code;      // stable: "BH101" or Falco's "LOAD_…"; registry: src/config/codes.c
    char *message;
    char *hint;    // NULL: none
    char *snippet; // the line's text, NULL: none
};
struct diag_list {
    struct diag *list;
    size_t n, cap;
    size_t errors;  // all of them, also those that found no place
    size_t dropped; // beyond MAX_DIAGS
};
enum { MAX_DIAGS = 1000 };
void diag_list_done(struct diag_list *l);
void diag_add(struct diag_list *l, enum diag_severity severity, const char *file, unsigned line,
              unsigned column, const char *code, const char *hint, const char *format, ...)
    _printf_(8, 9);
// Gives each diagnostic of that file the text of its line. yaml_parse does it for its own; who
// reports places of a text that parsed calls it once at the end.
void diag_snippets(struct diag_list *l, const char *file, struct str text);
// "file:12:3: error: message [BH101]\n    snippet\n      ^\n    hint: …" each; escaped for
// terminals.
void diag_text(const struct diag_list *l, struct buf *out);
void diag_json(const struct diag_list *l, struct json *j); // an array
struct diag_code {
    const char *code, *text;
};
extern const struct diag_code config_codes[];
extern const size_t config_codes_n;

// ── YAML tree with positions (libyaml's events; limits on depth, size, aliases) ──────────────
enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP };
struct yaml {
    enum yaml_type type;
    unsigned line, column; // from 1
    struct str scalar;
    bool quoted, null;  // null: plain empty, ~ or null
    unsigned text_line; // for block scalars (| >): line where the text begins, else line
    bool block, folded;
    size_t n;                    // list: items; map: pairs
    struct yaml **keys, **items; // map: keys[i] → items[i]
    struct yaml *next;           // next document of the file
};
enum { MAX_YAML_BYTES = 8 << 20, MAX_YAML_DEPTH = 64, MAX_YAML_NODES = 1000000 };
// All documents of a text, first one returned (NULL: empty). Errors into diags. Memory: the arena.
// A key that stands twice is a warning and the first one counts (as Falco reads it). An alias
// shares its anchor's node: the tree may be visited as if expanded, and is at most MAX_YAML_NODES
// large then.
struct yaml *yaml_parse(struct arena *a, const char *file, struct str text, struct diag_list *diags,
                        bool *ok);
struct yaml *yaml_get(const struct yaml *map, const char *key); // NULL: not there, or not a map

// ── documents ────────────────────────────────────────────────────────────────────────────────
// A generation's sources, as text: this is what the line takes in and what a capture carries.
enum source_kind { SOURCE_CONFIG, SOURCE_RULES, SOURCE_DOCUMENTS };
struct source {
    enum source_kind kind;
    struct str name; // path as given
    struct str text;
};
struct sources {
    struct source *list;
    size_t n;
    struct arena *arena;
};

// Which containers a document is about. All that is given must hold; nothing given selects every
// container.
struct selector {
    struct str name;      // glob on the container's name or id
    struct str image;     // glob
    struct str workload;  // glob
    struct label *labels; // equal
    size_t labels_n;
};
// YES, NO, or UNKNOWN while a fact that it asks for is not known yet. The host is never meant; a
// plain cgroup only where the selector gives nothing but a name, and that fits.
enum tri selector_match(const struct selector *s, const struct container *c);

// ── network: Kubernetes' NetworkPolicy, and what a Policy denies ─────────────────────────────
// As Kubernetes has it: key In, NotIn (values), Exists, DoesNotExist; all must hold; none is
// everything. A key that is not there is NotIn any values.
enum label_operator { LABEL_IN, LABEL_NOT_IN, LABEL_EXISTS, LABEL_NOT_EXISTS, LABEL_OPERATOR_MAX };
extern const char *const label_operators[]; // NULL-terminated, as written
struct label_requirement {
    struct str key;
    enum label_operator operator;
    struct str *values;
    size_t values_n;
};
struct label_selector {
    struct label_requirement *list;
    size_t n;
};
bool label_selector_match(const struct label_selector *s, const struct label *labels, size_t n);
struct cidr { // IPv4 as ::ffff:a.b.c.d, its prefix and 96
    uint8_t address[16];
    uint8_t prefix;
};
// "10.0.0.0/8", "fd00::/8", a bare address. Bits behind the prefix are cut. -EINVAL.
int cidr_parse(struct str s, struct cidr *ret);
void cidr_print(const struct cidr *c, struct buf *out);
bool cidr_has(const struct cidr *c, const uint8_t address[16]); // never across families
bool address_is_v4(const uint8_t address[16]);
enum peer_type { PEER_PODS, PEER_BLOCK };
struct net_peer {
    enum peer_type type;
    bool any_namespace; // PODS: namespaces says which; else the policy's own
    struct label_selector pods, namespaces;
    struct cidr block;
    struct cidr *except;
    size_t except_n;
};
struct net_port { // port 0: all of the protocol
    uint8_t protocol;
    uint16_t port, end;
    struct str name; // a named port; port is 0 then
};
struct net_rule {
    struct net_peer *peers; // none: everybody
    size_t peers_n;
    struct net_port *ports; // none: every protocol and port
    size_t ports_n;
    unsigned line;
};
struct network_policy {
    struct str name, ns, file;
    unsigned line;
    enum row_mode mode; // annotation bulkhead.io/mode; default audit
    struct label_selector pods;
    bool types[2]; // by enum bh_net_direction: which of them it governs
    struct net_rule *rules[2];
    size_t rules_n[2];
};
struct namespace_labels { // a Namespace document
    struct str name;
    struct label *labels;
    size_t labels_n;
};
enum net_deny_type { NET_DENY_CIDR, NET_DENY_HOST, NET_DENY_METADATA, NET_DENY_ANY, NET_DENY_MAX };
struct net_deny { // one line under spec.network.deny: a container may not go there
    enum net_deny_type type;
    struct cidr cidr;
    unsigned line;
};
// As fnmatch without flags (* and ? match / too, [a-z], [!a-z], \ quotes), on bytes of any kind,
// and never slower than the product of the lengths whatever a stranger's name looks like.
bool glob_match(struct str glob, struct str s);

struct exec_deny { // one line under spec.exec.deny
    enum bh_object object;
    struct str path;
    unsigned line;
};
struct policy {
    struct str name, file;
    unsigned line;
    struct selector selector;
    enum row_mode mode; // default audit
    int32_t priority;
    struct exec_deny *deny;
    size_t deny_n;
    struct net_deny *net_deny;
    size_t net_deny_n;
    bool net_pending; // a container whose facts are not known yet may not talk
    struct str reason;
};
// kind: Response: what is done to a container because of an incident.
struct response_rule {      // the first one that fits decides; where none does, the ladder
    struct str rule, tag;   // globs on one of the incident's rules, tags; empty: any
    enum severity severity; // of the incident, at least
    double confidence;      // likewise
    enum step step;
    uint64_t expiry_ns; // 0: the step's
    unsigned line;
};
struct protected_containers {
    struct selector selector;
    unsigned line;
};
struct response {
    struct str name, file;
    unsigned line;
    struct selector selector;
    enum row_mode mode; // default audit
    struct response_rule *rules;
    size_t rules_n;
    uint64_t expiry_ns[STEP_MAX]; // of throttle, isolate, freeze and kill
    uint32_t cpu_pct, pids_max;   // throttle
    struct str *allow;            // isolate: addresses and networks that stay open
    size_t allow_n;
    struct protected_containers *protect; // never acted on, by anybody
    size_t protect_n;
    uint32_t acts, acts_workload; // at most so many in window_ns: of the node, of one workload
    uint64_t window_ns;
};
extern const struct response response_defaults;
// NULL: it is an address, or a network without bits behind its prefix. Else what it is not.
const char *network_fault(struct str s);
// Is the container protected by one of them? UNKNOWN: a fact that decides it isn't known yet.
// *ret: the document and line that says so, "" else.
enum tri response_protects(const struct response *list, size_t n, const struct container *c,
                           char *ret, size_t size);

// kind: Control: what must hold of containers. Expressions as they were written, and where.
struct control_text {
    struct str text; // empty: not given
    unsigned line, column;
    bool block, folded;
};
struct control_reference {
    struct str standard, id;
};
struct control {
    struct str name, file;
    unsigned line;
    struct str title, description, remediation;
    enum severity severity;
    struct control_text when, bundle, live;
    struct control_reference *references;
    size_t references_n;
};
// kind: Exception: a control that need not hold for some containers until then.
struct exception {
    struct str name, file;
    unsigned line;
    struct str control, reason;
    struct selector selector;
    uint64_t until; // ns since 1970
};
// kind: Feed: where indicators come from and what they are good for.
enum feed_format { FEED_AUTO, FEED_PLAIN, FEED_CIDR, FEED_CSV, FEED_STIX, FEED_FORMAT_MAX };
enum feed_action { FEED_RECORD, FEED_ALERT, FEED_BLOCK, FEED_ACTION_MAX };
struct feed_columns { // of a CSV: names of its head line, or numbers from 1; empty: found or none
    struct str value, type, confidence, valid_from, valid_until, label;
};
struct feed {
    struct str name, file;
    unsigned line;
    struct str path; // a file, or a folder of files
    enum feed_format format;
    struct feed_columns columns;
    uint64_t confidence; // percent, of indicators that have none of their own
    enum severity severity;
    uint64_t expiry_ns; // from the file's last change on; 0: none
    struct str *tags;
    size_t tags_n;
    struct str *never; // addresses, networks, domains, hashes: never an indicator, of any feed
    size_t never_n;
    bool inbound; // also who connects to containers
    enum feed_action action;
    enum row_mode mode; // of what action block makes
};
const char *feed_format_name(enum feed_format f);
const char *feed_action_name(enum feed_action a);

struct agent_config {      // kind: Agent; what isn't given has its default
    uint64_t memory_bytes; // 256 MiB
    unsigned shards;       // 0: one per 16 cores
    uint64_t ring_critical_bytes, ring_bulk_bytes;
    uint64_t budget_critical, budget_bulk;  // records a second that each container has for itself
    uint64_t lease_ns;                      // 15 min
    uint64_t sample_ns;                     // resource sample, 10 s
    uint64_t tick_ns;                       // 1 s
    uint64_t checkpoint_ns;                 // at most so long between two checkpoints, 1 s
    uint64_t segment_bytes, segments_bytes; // size of one, kept in all
    uint64_t watch_ns;                      // how long "watch closer" lasts, 10 min
    enum severity min_severity;             // findings below are not made
    bool rule_matching_first;
    // output: written to standard output
    bool json_iso_time;
    struct str *rules, *policies, *profiles, *checks, *feeds; // paths, from the file
    size_t rules_n, policies_n, profiles_n, checks_n, feeds_n;
};
// ── kind: Profile: how a workload is learned, and what it may do ─────────────────────────────
enum profile_dimension {
    PROFILE_PROGRAMS,
    PROFILE_FILES,
    PROFILE_PEERS,
    PROFILE_LISTENS,
    PROFILE_DIMENSIONS
};
enum profile_mode { PROFILE_LEARN, PROFILE_WATCH, PROFILE_ENFORCE };
const char *profile_mode_name(enum profile_mode m);
// One thing that a workload does, as detect/profile compares it: bytes, at most PROFILE_MAX_KEY.
//   programs  path NUL the name it was asked for by, where that is another NUL who asked: a
//             program's path, or "runtime": from outside. In documents also * for any name, and
//             nothing for whoever asks.
//   files     r or w, then the folder in general form: r/var/lib/app-*/cache
//   peers     in or out/protocol/port/v4 or v6/the address's bytes or words:
//   out/tcp/443/v4/10/0/0/7 listens   protocol/port
// Where the last part is ** it stands for everything below.
enum {
    PROFILE_MAX_KEY = 512,
    PROFILE_MAX_DEPTH = 16,    // folders below each other before the rest is one
    PROFILE_MAX_PROGRAM = 192, // bytes of a program's path
    PROFILE_MAX_AS = 64,
    PROFILE_HIGH_PORT = 32768, // from here on all are "high"
};
struct profile_line {
    struct str key;
    unsigned line;
};
struct profile_list {
    bool given; // else this dimension is learned
    struct profile_line *lines;
    size_t n;
};
// One part of a path in general form (docs/formats/profile.md, "What is volatile"). At most size
// bytes; returns how many.
size_t profile_general(struct str component, char *out, size_t size);
// A folder's key. Returns its length.
size_t profile_folder_key(struct str folder, bool writes, char out[PROFILE_MAX_KEY]);
// A line as it stands in a document behind "- ", with its end of line.
void profile_line_print(enum profile_dimension d, struct str key, struct buf *out);
// What escape_text wrote, as bytes again. False: it did not write that, or there is no room.
bool profile_unescape(struct str s, char *out, size_t size, size_t *ret);
// "tcp 10.0.0.0/24 port 443" without its direction, "tcp port 80".
void profile_peer_text(struct str key, struct buf *out);
void profile_listen_text(struct str key, struct buf *out);
struct profile_doc {
    struct str name, file;
    unsigned line;
    struct selector selector; // workload and image
    enum profile_mode mode;   // watch
    uint64_t window_ns;       // 60 s
    uint64_t period_ns;       // 24 h
    double bound;             // of the chance that a window brings something new, 0.01
    struct profile_list lists[PROFILE_DIMENSIONS];
};
extern const struct profile_doc profile_doc_defaults;
const char *profile_dimension_name(enum profile_dimension d); // its key under spec
// As a document that reads back to the same.
void profile_print(const struct profile_doc *p, struct buf *out);

// An immutable snapshot of all documents of one generation.
struct documents {
    struct agent_config agent;
    struct policy *policies;
    size_t policies_n;
    struct profile_doc *profiles; // in the order in which they were read
    size_t profiles_n;
    struct network_policy *network;
    size_t network_n;
    struct namespace_labels *namespaces;
    size_t namespaces_n;
    struct response *responses; // in the order in which they were read
    size_t responses_n;
    struct control *controls;
    size_t controls_n;
    struct exception *exceptions;
    size_t exceptions_n;
    struct feed *feeds;
    size_t feeds_n;
    struct arena *arena;
};
void agent_config_defaults(struct agent_config *c);
// Parses and checks every SOURCE_CONFIG and SOURCE_DOCUMENTS. NULL if there was an error (all are
// in diags).
struct documents *documents_parse(const struct sources *s, struct diag_list *diags);
void documents_free(struct documents *d);
// All documents as YAML, defaults written out, paths as they were resolved. print → parse → print
// is a fixed point.
void documents_print(const struct documents *d, struct buf *out);

// Reads files and folders (*.yaml, *.yml in order of name; a folder's files only, no dot files)
// into s. An unreadable path is a diagnostic. follows no FIFO, no device.
int sources_read(struct sources *s, enum source_kind kind, const char *path,
                 struct diag_list *diags);
// The same for feeds: YAML files are documents; a list, or a folder with lists in it, is a feed of
// its own with the defaults, for which a document is made.
int sources_read_feeds(struct sources *s, const char *path, struct diag_list *diags);
void sources_done(struct sources *s);
// One text for a BH_GENERATION record, and back.
void sources_pack(const struct sources *s, struct buf *out);
int sources_unpack(struct str packed, struct sources *ret, struct error *err);
struct id sources_id(const struct sources *s);

// The schema of each kind, as JSON Schema, made from the tables the parser uses.
void config_schema(struct buf *out, const char *kind);
extern const char *const config_kinds[]; // NULL-terminated
