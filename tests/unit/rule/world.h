// A small world for tests of rules: processes, a container, and records made by hand.
#pragma once

#include "detect/rule/rule.h"

struct world {
    struct facts facts, no_facts;
    struct container host, box;
    struct image init_image, parent_image, image;
    struct process init, parent, process;
    struct mount_fact mounts[2];
    struct label labels[4];
    struct detect_env env;
    struct rule_scratch *scratch;
    struct buf record;
    struct event event;
    // what the last ruleset_match said
    struct finding last; // deep enough: strings last until the next match
    char fired[4096];    // names of the rules, a comma behind each
};

void world_init(struct world *w);
void world_done(struct world *w);
// The next event happens on the host, or in the container.
void world_on_host(struct world *w, bool host);
// Records. Each becomes the world's event. Strings may be any bytes.
struct str args_of(const char *text); // "a b" → "a\0b\0"; in one static buffer
void world_exec(struct world *w, const char *path, const char *comm, struct str args);
// The next executed program's standard streams (enum bh_stdio), and the connection among them.
void world_stdio(struct world *w, const uint8_t stdio[3], const char *local, const char *remote);
void world_open(struct world *w, const char *path, const char *asked, uint32_t flags, int32_t fd);
void world_net(struct world *w, uint16_t kind, uint8_t call, const char *local, uint16_t lport,
               const char *remote, uint16_t rport);
void world_dup(struct world *w, uint8_t call, int32_t newfd, const char *local, const char *remote);
void world_unix(struct world *w, struct str path, int32_t result);
void world_fixed(struct world *w, uint16_t kind, const void *fixed, size_t size);
void world_mount(struct world *w, uint8_t call, const char *source, const char *target,
                 const char *type, uint64_t flags, int32_t result);

// Rules from text. NULL with the diagnostics' text in *ret_text (the caller's, may be NULL).
struct ruleset *rules_of(const char *yaml, struct buf *ret_text);
// Runs; returns how many fired, fills fired and last.
int world_match(struct world *w, const struct ruleset *r);
// Does one condition hold? Fails the test if it doesn't compile.
bool holds(struct world *w, const char *condition);
// What the condition's diagnostics say; "" when there are none.
const char *refused(const char *condition); // in one static buffer
// A field's text.
const char *field(struct world *w, const char *name); // in one static buffer
