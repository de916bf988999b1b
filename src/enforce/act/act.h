// act: what is done to a container as a whole. A row of a kind that acts is carried out by its
// action (a row in act.c's table, a file here): put in force, read back, lifted.
//
// What holds: the guardian is told how to undo before anything is done, so that nothing outlives a
// core that is killed at any point; what was there before is remembered and comes back; the host,
// the cgroup that the agent itself runs in and whatever is above it are never touched; a path is
// only believed if the cgroup at it has the id that the row names.
#pragma once

#include "enforce/enforce.h"

struct acts;
struct acts *acts_new(const struct host *host, struct guardian *guardian); // NULL without memory
void acts_free(struct acts *s);                                            // lifts all that stands
// Makes it so, again if the row has changed. 0: read back and true. -EINPROGRESS: written, and not
// yet so; -EOPNOTSUPP: this kernel, or this agent, cannot; -ENOENT: the container is gone; -EPERM:
// it is not for us to touch; -EIO: it reads otherwise.
int acts_put(struct acts *s, const struct row *row, struct error *err);
bool acts_hold(const struct acts *s, const struct row *row); // read back: is it still so?
// Takes back what stands of the row's kind for its container. 0 also if nothing does.
int acts_lift(struct acts *s, const struct row *row, struct error *err);
const char *acts_tier(const struct acts *s, const struct row *row); // "cgroup2", "cgroup1"
