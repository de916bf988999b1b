// Finds out what a container is: opens the bundle's config.json (or the runtime's state that names
// the bundle) and has the worker parse it; each answer becomes a BH_FACT input.
#pragma once

#include "agent/pump.h"
#include "host/host.h"
#include "worker/worker.h"

struct facts_source;
int facts_new(const struct host *host, struct pump *pump, struct facts_source **ret,
              struct error *err);
void facts_free(struct facts_source *f);
void facts_set_pump(struct facts_source *f, struct pump *pump);
int facts_fd(const struct facts_source *f);
const struct worker *facts_worker(const struct facts_source *f);
// A container's facts are wanted. number, its cgroup path and the caller's cwd (may be empty) are
// copied.
void facts_want(struct facts_source *f, uint64_t now, const struct container *c);
// Takes the worker's replies; also call at each tick.
void facts_take(struct facts_source *f, uint64_t now);
