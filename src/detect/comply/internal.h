// detect/comply's own types. Facts (facts.c, facts_bundle.c, facts_live.c) → expressions over them
// (compile.c, judge.c) → controls and exceptions of a generation (controls.c) → one state a
// container, fed by events (live.c) and judged when something changed (comply.c).
#pragma once

#include "detect/comply/comply.h"
#include "detect/rule/internal.h"

enum {
    MAX_STATES = BH_MAX_CONTAINERS, // of a shard
    STATE_BUCKETS = 1024,           // a power of two
    MAX_ITEMS = 512,                // of one list
    MAX_LIVE_TEXTS = 6,             // kept of a list that a container makes grow
    MAX_LIVE_TEXT = 96,             // bytes of one
    MAX_CITED = 16,                 // facts of one half that are shown
    MAX_TESTS = 256,                // of one expression
};

// ── what is seen of a running container ──────────────────────────────────────────────────────
struct live_texts { // what was seen, each once, the first ones
    char text[MAX_LIVE_TEXTS][MAX_LIVE_TEXT];
    uint8_t len[MAX_LIVE_TEXTS];
    uint32_t n;
    uint64_t total; // distinct or not
};
struct live {
    bool started;    // a program of its own runs, or ran
    bool from_start; // watched since before that
    bool lossy;      // something may have been missed since
    uint64_t caps;   // effective and permitted of its programs, in the host's user namespace
    bool root;       // one had the host's user id 0
    enum tri host_pid, host_net, host_ipc, host_uts, host_mnt; // one shared it
    enum tri seccomp;   // NO: one ran without a filter; YES: all had one
    enum tri foreign;   // YES: one was not in the image; UNKNOWN: where one came from isn't known
    bool root_writable; // remounted, or something on it was opened for writing
    bool setuid_made;
    struct live_texts programs;                              // that are not in the image
    struct live_texts setuids;                               // files
    struct live_texts mount_sources, mount_targets;          // mounted by its programs
    struct live_texts secrets;                               // names, in arguments
    struct live_texts gained;                                // which program had what it should not
    uint64_t memory_first, memory_now, pids_first, pids_now; // ~0: none. Only where sampled:
    bool memory_sampled, pids_sampled;
};

// ── facts ────────────────────────────────────────────────────────────────────────────────────
struct subject { // of one judgement
    const struct container *container;
    const struct live *live;
};
struct fact_value {
    bool known;
    bool partial; // a list: there may be more items than these
    enum field_type type;
    union {
        bool b;
        uint64_t n;
        struct str s;
    };
    struct str *items; // of a list: the caller's room, MAX_ITEMS
    size_t items_n;
};
enum fact_source { FACT_BUNDLE, FACT_LIVE, FACT_EVENT };
struct fact {
    const char *name;
    enum field_type type;
    enum fact_source source;
    void (*get)(const struct subject *s, struct fact_value *ret); // ret: not known, its type set
    const char *text;
    uint16_t kinds[4]; // that must be watched; 0 ends
};
extern const struct fact bundle_facts[], live_facts[];
extern const size_t bundle_facts_n, live_facts_n;
const struct fact *fact_named(struct str name);
const struct fact *fact_at(size_t index); // of all; NULL behind the last
void fact_get(const struct fact *f, const struct subject *s, struct str items[MAX_ITEMS],
              struct fact_value *ret);
void fact_value_text(const struct fact_value *v,
                     struct buf *out); // "true", "7", "[a, b, …]", "unknown"

static inline void know_bool(struct fact_value *v, bool b)
{
    v->known = true;
    v->b = b;
}
static inline void know_tri(struct fact_value *v, enum tri t)
{
    v->known = t != UNKNOWN;
    v->b = t == YES;
}
static inline void know_u64(struct fact_value *v, uint64_t n)
{
    v->known = true;
    v->n = n;
}
static inline void add_item(struct fact_value *v, struct str s)
{
    if (v->items_n < MAX_ITEMS)
        v->items[v->items_n++] = s;
    else
        v->partial = true;
}
void know_caps(struct fact_value *v, uint64_t caps);

// ── expressions ──────────────────────────────────────────────────────────────────────────────
struct test_of_fact {
    const struct fact *fact;
    enum operator_id op;
    struct constant *constants;
    size_t n;
};
struct clause { // a node of the tree
    enum node_type type;
    struct clause **kids;
    size_t n;
    struct test_of_fact test; // NODE_CHECK
};
// Whoever compiles says which sources of facts may stand in it.
struct clause *expression_compile(struct arena *a, const struct control_text *text, struct str file,
                                  bool bundle_only, struct diag_list *diags);
enum tri expression_judge(const struct clause *t, const struct subject *s,
                          struct str items[MAX_ITEMS]);
// The test on a value, apart so that tests can give it any.
enum tri test_judge(const struct test_of_fact *t, const struct fact_value *v);
// The facts of it, each once; how many.
size_t expression_facts(const struct clause *t, const struct fact *ret[MAX_CITED], size_t n);

// ── controls of a generation ─────────────────────────────────────────────────────────────────
struct compiled {
    const struct control *control;
    struct clause *applies, *bundle, *live; // NULL: not there
    struct str *tags;
    size_t tags_n;
};
struct controls {
    struct arena *arena;
    const struct documents *docs;
    struct compiled *list;
    size_t n;
    uint64_t generation;
};
// NULL without memory. Expressions that don't compile are in diags (NULL: not reported), and their
// control is left out.
struct controls *controls_compile(const struct documents *docs, uint64_t generation,
                                  struct diag_list *diags);
void controls_free(struct controls *c);
void controls_interest(const struct controls *c, struct interest *add_to);
// The exception that holds for this control and container at that time; NULL: none. Where a
// selector asks for what isn't known yet, it does not hold.
const struct exception *controls_exception(const struct controls *c, struct str control,
                                           const struct container *container, uint64_t wall);

// ── one container ────────────────────────────────────────────────────────────────────────────
struct verdict {
    enum comply_result bundle, live, all;
    const struct exception *exception;
    uint64_t since; // boot ns: of `all`
    uint64_t name;  // hash of the control's: which one this is in the next generation
};
struct state {
    uint32_t number;
    struct state *next; // of the bucket, or free
    bool dirty;         // something changed since it was judged
    uint64_t time;      // boot ns of the last change
    struct live live;
    struct verdict *verdicts; // one a control of the generation
    size_t verdicts_n;
    uint64_t judged; // generation of those; 0: never
};
// A shard's containers, and what spans all of them.
struct whole {
    struct controls *controls;
    bool judged;     // all containers, by this generation
    uint64_t looked; // boot ns: when all were last looked through
};
struct part {
    const struct whole *whole;
    struct state *buckets[STATE_BUCKETS];
    struct state *free;
    struct block *blocks;
    size_t states_n, verdicts_n;
    uint64_t refused;
    struct str items[MAX_ITEMS]; // room for one list
};
struct state *state_find(const struct part *p, uint32_t number);
struct state *state_get(struct part *p, uint32_t number); // made where it isn't; NULL: no room
void state_drop(struct part *p, uint32_t number);
void states_free(struct part *p);
size_t states_bytes(const struct part *p);
// "bundle.uid=0, live.root=true": the facts of the halves that don't pass.
void halves_facts(const struct compiled *c, const struct verdict *v, const struct subject *s,
                  struct str items[MAX_ITEMS], struct buf *out);
struct verdict judge(const struct compiled *c, const struct subject *s,
                     struct str items[MAX_ITEMS]);

// ── live.c ───────────────────────────────────────────────────────────────────────────────────
// What is around a container. 0: not known.
struct around {
    struct bh_nses nses; // the host's
    uint32_t userns;
    uint64_t made; // when the container was made, ns since 1970
};
struct around around_of(const struct detect_env *env, const struct container *c);
// Takes what an event says of its container. True: something changed.
bool live_event(struct live *l, const struct around *a, const struct event *e);
// What runs already, of a container that was there before us.
void live_process(struct live *l, const struct around *a, const struct container *c,
                  const struct process *p);
bool live_sample(struct live *l, const struct bh_resource *r);
