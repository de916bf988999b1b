// The core: the privileged process around the line. Owns every descriptor; one thread, and one a
// shard when there are several (pump).
#pragma once

#include "agent/agent.h"
#include "agent/facts.h"
#include "agent/intel.h"
#include "agent/journal.h"
#include "agent/memory.h"
#include "agent/pump.h"
#include "agent/sealer.h"
#include "agent/streams.h"
#include "control/control.h"
#include "enforce/enforce.h"
#include "guardian/guardian.h"
#include "host/host.h"
#include "record/record.h"
#include "sense/sense.h"
#include "worker/worker.h"

enum { MAX_TAPS = 16, MAX_TAP_BYTES = 1 << 20, MAX_FINDING_STREAMS = 32, MAX_PROBLEMS = 8 };

// Somebody reads events that match a condition.
struct tap {
    uint64_t client; // 0: free
    struct rule_filter *filter;
    struct buf lines[BH_MAX_SHARDS]; // of one epoch, each shard its own
    uint64_t dropped[BH_MAX_SHARDS];
};

struct held_back { // what budgets held back of a container, for coverage
    uint32_t container;
    uint64_t count;
};

struct core {
    struct agent_options o;
    char *state_dir, *runtime_dir, *socket_path, *pin_dir;
    int lock_fd, state_fd, ledger_fd, segments_fd;
    struct host *host;
    struct host_caps caps;
    struct agent_config config; // of the generation in force; arrays are not used after start
    unsigned shards;
    struct guardian *guardian;
    struct facts_source *facts;
    struct intel_source *intel;
    struct control *control;
    struct sense *sense;
    struct interest base_interest; // of rules and documents
    struct reconcile *reconcile;
    struct ledger *ledger; // until the journal has it
    struct journal *journal;
    struct sealer *sealer;
    char *first_key;
    struct recorder *recorders[BH_MAX_SHARDS];
    struct capture *capture;
    struct streams *streams;
    const struct output_row *output;
    struct lines_out out;
    struct buf text; // scratch
    struct line *line;
    struct pump *pump;
    struct memory *memory;
    struct tap taps[MAX_TAPS];
    uint64_t finding_streams[MAX_FINDING_STREAMS];
    struct held_back *held_back;
    size_t held_back_n;
    uint64_t held_back_total, lost_total;
    int epoll_fd, signal_fd, timer_fd;
    uint64_t last_addresses;
    uint64_t started, end, last_sample, last_seal, last_coverage, covered;
    uint64_t api_restart, guardian_restart; // when last
    uint64_t generation;
    uint64_t segment_failures;
    struct profiles *profiles; // what of the workloads' profiles is on disk
    char segment_problem[256], reload_problem[256];
    bool stopping, release, scan_done, rows_complete;
    bool busy; // the last turn took something: more will come soon
};

// start.c
int core_start(struct core *c, const struct agent_options *o, struct error *err);
void core_stop(struct core *c, struct error *err);
int core_read_sources(const struct agent_options *o, struct sources *ret, struct diag_list *diags);
// core.c
int core_run(struct core *c, struct error *err);
int core_epochs(struct core *c); // epochs until nothing is waiting
void core_input_text(struct core *c, uint16_t kind, uint32_t container, uint32_t what,
                     struct str text);
void core_tick(struct core *c);
int core_reload(struct core *c,
                struct buf *ret_text); // -EINVAL: diagnostics in ret_text, the last good one stays
void core_apply_interest(struct core *c);
// sinks.c
struct line_sinks core_sinks(struct core *c);
void core_entry(struct core *c, enum entry_kind kind, struct str payload);
void core_seal(struct core *c);     // cuts what is due; takes back what was written
void core_seal_all(struct core *c); // before the end: all that is kept, durable when it returns
// addresses.c
void core_read_addresses(struct core *c, const struct container *container); // NULL: the host's
void core_refresh_addresses(struct core *c, uint64_t now);
// profiles.c
void profiles_load(struct core *c); // what was learned before, as inputs
void profiles_close(struct core *c);
void profiles_save(struct core *c, bool all); // what changed; all: at the end, also on the disk
// taps.c
int tap_add(struct core *c, uint64_t client, struct str filter, struct buf *ret_problem);
void tap_remove(struct core *c, uint64_t client);
void tap_event(struct core *c, unsigned shard, const struct event *e, const struct detect_env *env,
               struct rule_scratch *scratch);
void tap_flush(struct core *c);
// answers.c
void core_answer(struct core *c, const struct control_request *r);
