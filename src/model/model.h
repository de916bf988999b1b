// model: what the parts say to each other. event, identity, finding, incident, decision, row,
// outcome, entry; their ids; the tables of kinds, calls and fields; the segment codec. Types and
// tables, no logic.
#pragma once

#include "base/base.h"
#include "bpf/abi/abi.h"

#include <sys/queue.h>

// ── tables ───────────────────────────────────────────────────────────────────────────────────

// How an event is called and where it comes from. `dump kinds` prints it.
struct kind_row {
    uint16_t kind;
    const char *name;   // "exec": stable
    const char *domain; // "process", "file", …
    enum bh_ring ring;
    enum bh_truth truth; // the usual one; a record says its own
    bool broadcast;      // goes to every shard (process and cgroup life)
    bool call_hook;      // needs sys_exit attached
    const char *text;    // one line of documentation
};
extern const struct kind_row model_kinds[];
extern const size_t model_kinds_n;
const struct kind_row *kind_row(uint16_t kind); // NULL: unknown
const struct kind_row *kind_by_name(struct str name);

// Capabilities by their numbers (capabilities(7)): "CAP_CHOWN". NULL: this version has no name for
// it.
const char *cap_name(unsigned number);
int cap_number(struct str name); // -ENOENT
enum { CAP_NUMBERS = 41, CAP_UNNAMED = 62 /* the bit for all that have no name here */ };
// What makes a container privileged: all that kernels of 2013 and later have (to CAP_AUDIT_READ).
#define CAPS_PRIVILEGED ((1ULL << 38) - 1)

// System calls that records name (abi.h enum bh_call): Falco's evt.type, and the kind that carries
// them.
struct call_row {
    uint8_t call;
    const char *name;
    uint16_t kind;
};
extern const struct call_row model_calls[];
extern const size_t model_calls_n;
const char *call_name(uint8_t call); // "" for none
// evt.type of a record: its call's name, or for kinds without one (clone, procexit, …) the kind's
// Falco name.
struct str event_type_name(const struct bh_rec *rec);

enum field_type {
    FIELD_STRING, // also paths, enums, flags as Falco prints them
    FIELD_I64,
    FIELD_U64,
    FIELD_BOOL,
    FIELD_IP,  // value: 4 or 16 bytes
    FIELD_NET, // filter only: compared with networks
    FIELD_PORT,
    FIELD_TIME,     // ns since 1970
    FIELD_DURATION, // ns
    FIELD_STRINGS,  // a list of strings
    FIELD_TYPE_MAX
};
// How long a field's value stays the same (DESIGN 11).
enum field_stability {
    STABLE_EXEC,   // constant of the exec
    STABLE_OBJECT, // constant of the object
    STABLE_FACT,   // constant of a fact's version
    VOLATILE,
};
struct field_row {
    const char *name; // Falco's where Falco has it
    enum field_type type;
    enum field_stability stability;
    uint8_t argument; // 0 none, 1 may have [arg], 2 must have
    bool suggested;   // appended to outputs (container.*, k8s.*)
    struct bh_kind_set
        kinds; // set at start-up from `domains`; which kinds it can be non-null on. all zero = all
    const char *text;
};
extern const struct field_row model_fields[]; // sorted by name
extern const size_t model_fields_n;
const struct field_row *field_by_name(struct str name);

static inline bool kind_set_has(const struct bh_kind_set *s, uint16_t kind)
{
    return kind < BH_KERNEL_MAX && (s->word[BH_KIND_WORD(kind)] & BH_KIND_BIT(kind));
}
static inline void kind_set_add(struct bh_kind_set *s, uint16_t kind)
{
    if (kind < BH_KERNEL_MAX)
        s->word[BH_KIND_WORD(kind)] |= BH_KIND_BIT(kind);
}
static inline void kind_set_union(struct bh_kind_set *s, const struct bh_kind_set *other)
{
    s->word[0] |= other->word[0];
    s->word[1] |= other->word[1];
}

// ── records ──────────────────────────────────────────────────────────────────────────────────

// Fixed part behind the header; NULL if the record is too short for it.
static inline const void *rec_fixed(const struct bh_rec *rec, size_t size)
{
    return rec->size >= sizeof(*rec) + size ? rec + 1 : NULL;
}
#define REC_AS(rec, type) ((const struct type *)rec_fixed((rec), sizeof(struct type)))
// Bytes of a span, bounded by the record; empty where the span lies.
static inline struct str rec_str(const struct bh_rec *rec, struct bh_span s)
{
    if (s.len == 0 || s.off < sizeof(*rec) || (uint32_t)s.off + s.len > rec->size)
        return STR_NULL;
    return (struct str){(const char *)rec + s.off, s.len};
}
// The network socket among an exec's or a scanned task's standard streams; false: none.
bool exec_socket(const struct bh_rec *rec, struct bh_sock *ret);
// Is this a well-formed record within `avail` bytes: size, alignment, version, its kind's fixed
// part, its spans? 0 or -EBADMSG. Everything that reads captures, segments and rings asks this
// first.
int rec_check(const struct bh_rec *rec, size_t avail);
// The header only: a record of a kind that this version doesn't know can be stepped over when this
// holds.
int rec_check_head(const struct bh_rec *rec, size_t avail);
// The text of a BH_FACT, BH_GENERATION, BH_OPERATOR, BH_OUTCOME, BH_EVICT, BH_COVERAGE record.
struct str rec_text(const struct bh_rec *rec);
// Makes such a record in b (resets b). header.time and container are the caller's.
void rec_make_text(struct buf *b, uint16_t kind, uint64_t time, uint32_t container, uint32_t what,
                   struct str text);
// Any other record with a fixed part and no strings.
void rec_make(struct buf *b, uint16_t kind, uint64_t time, uint32_t container, const void *fixed,
              size_t size);
// One line of JSON with everything in a record: for `events --raw`, dumps and tests. Not the alert
// format.
void rec_json(struct json *j, const struct bh_rec *rec);

// ── indicators: what a feed names ────────────────────────────────────────────────────────────

enum indicator_type {
    INDICATOR_ADDRESS = 1, // 4 or 16 bytes; never IPv4 written as IPv6
    INDICATOR_NETWORK,     // the same, and a prefix length; the rest of the bits is 0
    INDICATOR_DOMAIN,      // lower case, punycode, no trailing dot
    INDICATOR_SHA256,
    INDICATOR_SHA1,
    INDICATOR_MD5,
    INDICATOR_TYPE_MAX,
};
enum {
    MAX_INDICATOR_TEXT = 2048, // of what is parsed
    MAX_INDICATOR_VALUE = 253, // bytes: a domain name
    MAX_INDICATOR_LABEL = 64,  // bytes of what a feed calls it
    MAX_INDICATOR_SIZE = (24 + MAX_INDICATOR_VALUE + MAX_INDICATOR_LABEL + 7) & ~7,
};
struct indicator {
    enum indicator_type type;
    uint8_t bits;                     // NETWORK
    uint8_t confidence;               // percent
    uint8_t flags;                    // BH_INDICATOR_…
    struct str value;                 // bytes in their one form
    struct str label;                 // empty: none
    uint64_t valid_from, valid_until; // wall ns, 0: open
};
const char *indicator_type_name(enum indicator_type t); // "address"; "unknown"
// One written value into its one form: defanged forms, URLs (their host), ports, case, trailing
// dots, IDN, IPv4 written as IPv6, IPv4 with host bits (docs/formats/feed.md). Sets type, bits,
// flags and value; value lies in store. NULL, or why not, a constant: "empty", "not-an-indicator",
// "ambiguous-address", "too-broad", "local-name", "too-long".
const char *indicator_parse(struct str text, struct indicator *ret,
                            char store[MAX_INDICATOR_VALUE + 1]);
// "198.51.100.7", "198.51.100.0/24", "*.example.org", hex.
void indicator_text(const struct indicator *i, struct buf *out);
void indicator_pack(const struct indicator *i, struct buf *out);
// The indicator at *at of packed bytes; *at moves behind it. 1, 0 at the end, -EBADMSG: broken, or
// not in its one form. Strings point into bytes.
int indicator_unpack(struct str bytes, size_t *at, struct indicator *ret);
// Bytes behind a BH_FEED's fixed part.
struct str feed_bytes(const struct bh_rec *rec);
void feed_make(struct buf *b, uint64_t time, const struct bh_feed *fixed, struct str bytes);

// ── identity ─────────────────────────────────────────────────────────────────────────────────

enum tri { UNKNOWN = 0, NO = 1, YES = 2 }; // unknown is not false

// What a container is, one version of it. Immutable once made; the next version is another object.
// Owned by identify; pointers are good until the next step of that shard.
enum container_type { CONTAINER_HOST, CONTAINER_CGROUP /* a plain cgroup */, CONTAINER_OCI };
struct label {
    struct str key, value;
};
struct mount_fact {
    struct str source, destination, type;
    bool read_only;
};
// What a bundle says of how its container is confined.
struct posture {
    enum tri read; // YES: a bundle was read whole; else nothing below is known
    enum tri host_mnt, host_uts, user_ns, seccomp, no_new_privs, masked_paths, caps_said;
    uint64_t caps;                     // all sets together, a bit a number (cap_name)
    uint64_t memory_limit, pids_limit; // UINT64_MAX: none
    uint32_t mounts_total;             // may be more than the mounts that are kept
    uint32_t secrets_total;
    struct label *secrets; // of the environment: a variable's name, and why it looks like one
    size_t secrets_n;
};
struct facts {
    uint32_t version;   // 0: nothing known yet
    const char *source; // "bundle", "runtime state", …: ranked
    struct str name, image, workload, runtime;
    struct label *labels;
    size_t labels_n;
    struct mount_fact *mounts;
    size_t mounts_n;
    struct str rootfs; // host path
    struct str hostname;
    enum tri privileged, host_pid, host_net, host_ipc, readonly_root, terminal;
    uint32_t uid, gid;
    struct posture posture;
    struct str problem; // why the facts could not be read, empty if they could
};
struct container {
    uint32_t number; // 0: the host
    enum container_type type;
    uint64_t cgroup;        // id of its own cgroup
    struct str cgroup_path; // in the v2 tree
    struct str id;          // container id as the runtime says; "host" for the host
    struct str bundle;      // caller's cwd at cgroup_mkdir
    uint64_t created, first_exec,
        gone;       // boot ns, 0 = not (yet). first_exec: its own first program, not the runtime's
    uint64_t known; // when the first facts arrived
    uint8_t level;
    uint32_t host_mnt_ns;
    struct bh_nses maker_nses; // of who made its cgroup (the runtime, or systemd); 0: not known
    uint32_t maker_userns;
    bool host_mnt;             // it shares that one
    const struct facts *facts; // never NULL; version 0 when nothing is known
    bool lossy;                // a loss since the last seal could have touched it
    bool pending;              // its facts are asked for and not there yet: unknown, not the host
};

// One image of a process: what it is between two execs.
struct image {
    uint64_t exec; // self_exec_id
    uint64_t time; // boot ns of the exec; 0: before us
    struct str path, comm, cwd, name;
    struct str args; // NUL-separated, argv[0] first
    struct bh_file exe;
    struct bh_creds creds;
    struct bh_nses nses;  // of now: setns and unshare change them
    uint32_t exec_mnt_ns; // mount namespace in which the program was started; stays
    uint32_t tty, sid, pgid;
    uint32_t flags; // record's flags (truncated)
    uint8_t truth;
    uint8_t call;
    uint8_t stdio[3];      // enum bh_stdio, as they were when it was executed
    struct bh_sock socket; // the first of them that is a network socket; family 0: none
};
struct process {
    uint32_t tgid, vpid;
    uint64_t start;                // boot ns, start_boottime: with tgid it is unique
    uint64_t forked_ns, exited_ns; // 0: unknown / still there
    struct process *parent;        // NULL: unknown or none
    uint32_t ppid;
    uint32_t container;
    const struct image *image;    // of now
    const struct image *previous; // of before the last exec, for late records; NULL: none
    uint64_t lineage; // id of the lineage (identify/lineage.c): what one entry into a container did
};

struct event {
    const struct bh_rec *rec;
    const struct process *process;     // NULL: unknown
    const struct image *image;         // the one that did it (rec->exec), NULL: unknown
    const struct container *container; // never NULL once identified (host, or an unknown container)
    uint64_t number;                   // of the shard, from 1
    struct {
        uint64_t segment, offset;
    } at; // where the recorder put it
};

// ── finding ──────────────────────────────────────────────────────────────────────────────────

enum severity { // Falco's priorities, highest first
    SEVERITY_EMERGENCY = 0,
    SEVERITY_ALERT,
    SEVERITY_CRITICAL,
    SEVERITY_ERROR,
    SEVERITY_WARNING,
    SEVERITY_NOTICE,
    SEVERITY_INFORMATIONAL,
    SEVERITY_DEBUG,
    SEVERITY_MAX,
    SEVERITY_INVALID = -22
};
const char *severity_name(enum severity s); // "Informational"
int severity_parse(struct str s);           // any case; "INFO"; SEVERITY_INVALID

struct finding_field {
    struct str key;
    enum field_type type;
    bool null;
    struct str text;         // as Falco prints it
    uint64_t number;         // I64, U64, BOOL, TIME, DURATION, PORT
    const struct str *items; // STRINGS: the list itself; NULL: text is all there is
    size_t items_n;
};
// An object that findings can share across processes and containers. Whoever fills it sets the two
// flags only where it knows: correlate joins attacks by what was written, never by a file of the
// image that everybody opens.
struct object_ref {
    uint64_t dev, ino;
    struct str path;
    bool written; // this act opened a regular file for writing (O_WRONLY, O_RDWR, O_TRUNC) or made
                  // it (O_CREAT, created)
    bool foreign; // known to be no part of an image: overlay's upper layer, a memfd, unlinked
                  // (BH_FILE_UPPER, _MEMFD, _UNLINKED)
};
enum { MAX_FINDING_FIELDS = 64, MAX_LINEAGE = 16, MAX_OBJECTS = 4 };
struct lineage_step { // a process of the chain, the acting one first
    uint32_t tgid;
    uint64_t start;
    struct str comm, path;
};
struct finding {
    struct id id;
    const char *detector; // "rule", "policy", "loss", …
    struct str rule;      // name
    enum severity severity;
    double confidence; // 0..1
    struct boot_ns time;
    struct wall_ns wall;
    uint64_t generation;
    uint32_t container;
    struct str container_id, container_name, image_name, workload;
    uint32_t tgid;
    uint64_t start, exec, lineage;
    struct str output;   // message without time and priority
    struct str source;   // "syscall"
    struct str hostname; // of the machine that it happened on
    const struct str *tags;
    size_t tags_n;
    struct finding_field fields[MAX_FINDING_FIELDS];
    size_t fields_n;
    struct lineage_step chain[MAX_LINEAGE];
    size_t chain_n;
    struct object_ref objects[MAX_OBJECTS];
    size_t objects_n;
    uint16_t kind; // of the event
    uint8_t truth;
    uint32_t flags; // record's flags
    bool lossy;     // a loss could have spoilt it
    bool posture;   // how something is, not what happened: adds to an incident and opens none
    uint64_t row;   // the row that was met (verdicts), 0: none
    uint8_t effect; // enum bh_effect
    uint32_t shard;
    uint64_t segment, offset; // evidence
};
void finding_json(struct json *j,
                  const struct finding *f); // one object; keys are stable (docs/formats/finding.md)
void finding_field_json(struct json *j,
                        const struct finding_field *f); // key and typed value, into an object
struct id finding_id(const struct finding *f); // from rule, container, process, time, evidence
// Deep copy into an arena; NULL without memory.
struct finding *finding_copy(struct arena *a, const struct finding *f);

// ── incident ─────────────────────────────────────────────────────────────────────────────────

enum incident_state {
    INCIDENT_OPEN,
    INCIDENT_CONFIRMED,
    INCIDENT_DISMISSED,
    INCIDENT_CLOSED,
    INCIDENT_STATE_MAX
};
const char *incident_state_name(enum incident_state s);
struct timeline_entry {
    struct wall_ns wall;
    struct boot_ns time;
    struct id finding;
    struct str text; // rule and output
    uint32_t container, tgid;
    enum severity severity;
    double confidence;
    const char *joined_by; // why this one belongs
    struct str chain;      // the acting process and its ancestors by name: "nc ← sh ← nginx"
};
struct incident {
    struct id id;     // of its first finding
    uint64_t number;  // 1, 2, … on this host
    uint64_t version; // grows with each change
    enum incident_state state;
    enum severity severity; // highest of its findings
    double confidence;      // combined: 1 − ∏(1 − c) over distinct rules
    struct str title;
    struct boot_ns first, last;
    struct wall_ns first_wall, last_wall;
    const uint32_t *containers;
    size_t containers_n;
    const struct str *container_ids; // beside containers
    const struct timeline_entry *timeline;
    size_t timeline_n;
    uint64_t findings_total; // more than the timeline keeps
    const struct str *tags;
    size_t tags_n;
    const struct str *rules; // the distinct ones whose confidence counts
    size_t rules_n;
    const char *joined_by; // why the last finding belongs: "first", "lineage", "shared file", …
                           // (docs/formats/incident.md)
    bool lossy;
    uint64_t merged_into; // number of the older incident that took this one in; 0: none
};
void incident_json(struct json *j, const struct incident *i);

// ── decision ─────────────────────────────────────────────────────────────────────────────────

enum step {
    STEP_RECORD,
    STEP_ALERT,
    STEP_WATCH,
    STEP_THROTTLE,
    STEP_ISOLATE,
    STEP_FREEZE,
    STEP_KILL,
    STEP_MAX,
    STEP_INVALID = -22
};
const char *step_name(enum step s);
struct decision {
    struct id id;
    struct id incident;
    uint64_t incident_number;
    enum step step;
    enum step would; // what was earned and is held back (audit, a rail); STEP_RECORD: nothing
    uint32_t container;
    struct str container_id;
    struct boot_ns time;
    uint64_t until; // boot ns, 0: no end
    enum severity severity;
    double confidence;
    struct str reason;          // one sentence
    struct str where;           // the document and line that says so; empty: none does
    uint32_t cpu_pct, pids_max; // of STEP_THROTTLE
    struct str allow;           // of STEP_ISOLATE, with commas
};
void decision_json(struct json *j, const struct decision *d);

// ── rows: desired kernel state ───────────────────────────────────────────────────────────────

enum row_kind {
    ROW_EXEC,
    ROW_LEVEL,
    ROW_FREEZE,   // no process of it runs
    ROW_THROTTLE, // processor time, number of processes
    ROW_ISOLATE,  // no network but what `path` lists
    ROW_KILL,     // no process is in it
    ROW_HOLD,     // stopped before its first instruction
    ROW_NETWORK,  // what a network policy says of one container in one direction
    ROW_KIND_MAX,
    ROW_KIND_INVALID = -22
};
// Kinds that act on a whole container; each is done by a file in src/enforce/act/ (isolation by
// segment/).
static inline bool row_kind_acts(enum row_kind k)
{
    return k >= ROW_FREEZE && k <= ROW_HOLD;
}
enum row_mode { MODE_AUDIT, MODE_ENFORCE, MODE_MAX, MODE_INVALID = -22 };
enum row_owner { OWNER_POLICY, OWNER_INCIDENT, OWNER_OPERATOR, OWNER_MAX };
enum row_change { ROW_ADDED, ROW_CHANGED, ROW_REMOVED, ROW_EXPIRED };
enum { ROW_ANY_CONTAINER = UINT32_MAX };
struct row {
    uint64_t number; // made from the id (40 bits): the same row has the same number after a restart
    struct id id;    // hash of owner, kind, subject, object
    enum row_kind kind;
    enum row_mode mode;
    enum row_owner owner;
    struct str owner_name; // policy's name, incident id, operator
    struct str where;      // "policies.d/x.yaml:12"
    struct str reason;
    int32_t priority;   // higher wins
    uint32_t container; // subject; ROW_ANY_CONTAINER
    struct str container_id;
    enum bh_object object; // ROW_EXEC, ROW_NETWORK
    struct str path; // ROW_NETWORK: what it says, as text. ROW_ISOLATE: addresses and networks
                     // that stay open, with commas between them; empty: none
    uint64_t dev, ino, ctime; // ctime: of BH_OBJECT_INODE, ns; of BH_OBJECT_NOT_IN_IMAGE when the
                              // container was made, boot ns
    bool spare_runtime;       // ROW_EXEC: lets pass what still is the container's runtime
                              // (BH_ROW_SPARE_RUNTIME)
    uint8_t level;            // ROW_LEVEL
    // Of kinds that act on a container: its own cgroup, and where that lies in the v2 tree.
    uint64_t cgroup;
    struct str cgroup_path;
    uint32_t cpu_pct, pids_max; // ROW_THROTTLE: percent of one processor; processes and threads; 0:
                                // as it is
    uint64_t since, until;      // boot ns; until 0: while its owner wants it
    uint64_t generation;
};
const char *row_kind_name(enum row_kind k);
const char *row_mode_name(enum row_mode m);
const char *row_owner_name(enum row_owner o);
const char *object_name(enum bh_object o); // "path", "notInImage", …
const char *action_name(enum bh_action a);
const char *net_reason_name(enum bh_net_reason r); // "not-allowed", "denied", "isolated", "pending"
const char *
effect_name(enum bh_effect e); // "refused", "killed-before", "killed-after", "would-refuse"
const char *truth_name(enum bh_truth t);
const char *stdio_name(enum bh_stdio s); // "ipv4", "pipe", …; NULL: closed or unknown
const char *storm_cause_name(enum bh_storm_cause c);
const char *ring_name(enum bh_ring r);
const char *row_change_name(enum row_change c);
void row_json(struct json *j, const struct row *r, enum row_change change, uint64_t time);

// What the reconciler did with a row, read back from the kernel.
enum outcome_state {
    OUTCOME_IN_FORCE,
    OUTCOME_GONE,
    OUTCOME_FAILED,
    OUTCOME_LOST /* read back: not what we wrote */,
    OUTCOME_STATE_MAX
};
struct outcome {
    uint64_t row;
    struct id row_id;
    enum outcome_state state;
    const char *tier;      // "lsm", "signal", "map"
    enum bh_effect effect; // what the tier does when the row is met; proven by the self-proof
    bool enforced;         // true only where the self-proof saw it refused
    int error;             // negative errno
    struct str message;
};
const char *outcome_state_name(enum outcome_state s);
void outcome_json(struct json *j, const struct outcome *o);

// ── ledger entries ───────────────────────────────────────────────────────────────────────────

enum entry_kind {
    ENTRY_FINDING = 1,
    ENTRY_INCIDENT,
    ENTRY_DECISION,
    ENTRY_ROW,
    ENTRY_OUTCOME,
    ENTRY_GENERATION,
    ENTRY_OPERATOR,
    ENTRY_SEGMENT,
    ENTRY_LOSS,
    ENTRY_KEY,
    ENTRY_START,
    ENTRY_STOP,
    ENTRY_DROP, // retention took the payloads before an index
    ENTRY_KIND_MAX
};
const char *entry_kind_name(enum entry_kind k);

// ── segments: captures, the recorder and the store share one codec ───────────────────────────
// docs/formats/segment.md. A segment is a head (magic, version, JSON with the writer's tables,
// host, boot, clock offset, coverage at its start), records back to back, and a foot (count,
// coverage, SHA-256 of all before).
#define SEGMENT_MAGIC "BHSEG\r\n\032"
enum { SEGMENT_VERSION = 1 };
struct segment_info {
    struct str host;          // host id
    struct str boot;          // boot id
    uint64_t wall_minus_boot; // ns: wall = boot + this, at the start
    uint32_t shards;
    uint32_t abi;
    struct str extra; // JSON object: coverage and whatever the writer knows; "{}" if none
};
// Appends the head to b.
void segment_head(struct buf *b, const struct segment_info *info);
// Appends the foot: sha256 is over everything before the foot. coverage: JSON object.
void segment_foot(struct buf *b, uint64_t records, const uint8_t sha256[32], struct str coverage);
enum { SEGMENT_FOOT_FIXED = 64 };
// Reading. Bytes must stay; strings point into them or into *arena.
struct segment_reader {
    const uint8_t *bytes;
    size_t len, at; // at: next record
    struct segment_info info;
    bool closed;         // a foot was seen: complete
    uint64_t records;    // read so far
    uint64_t skipped;    // of kinds that this version doesn't know
    uint64_t promised;   // records and skipped, as the foot counts them
    struct str coverage; // from the foot
    bool hash_ok;        // the foot's hashes hold
};
// 0, -EBADMSG (not a segment or broken), -EPROTONOSUPPORT (newer version), -EINVAL (bytes not
// aligned to 8).
int segment_open(struct segment_reader *r, const void *bytes, size_t len, struct arena *arena,
                 struct error *err);
// 1: *ret is the next record, 0: end, -EBADMSG: broken here (r->at says where). Kinds from a newer
// writer are stepped over and counted.
int segment_next(struct segment_reader *r, const struct bh_rec **ret);

// ── interest: what loaded documents need the kernel to send ──────────────────────────────────
struct interest {
    struct bh_kind_set host,
        containers; // kinds wanted of the host and plain cgroups; of containers
};
// The kinds that identity needs, whatever is loaded (exec, fork, exit, cgroups).
void interest_base(struct interest *i);
