// What the agent remembers of its own words, for `why` and `incident`: the last findings,
// decisions, rows and outcomes, bounded in number and bytes; the oldest go first.
#pragma once

#include "agent/line.h"

enum { MAX_REMEMBERED = 8192, MAX_REMEMBERED_BYTES = 6 << 20 };
enum remembered_kind { REMEMBER_FINDING, REMEMBER_DECISION, REMEMBER_ROW, REMEMBER_OUTCOME };
struct remembered {
    enum remembered_kind kind;
    uint64_t time; // boot ns
    struct wall_ns wall;
    struct id id; // of the finding, decision or row
    struct id incident;
    uint32_t container, tgid;
    uint64_t row;
    enum step step;     // of a decision
    const char *reason; // of a decision: the last part of text
    char *container_id, *container_name, *path, *text, *where, *json;
    size_t bytes;
};
struct memory;
struct memory *memory_new(void);
void memory_free(struct memory *m);
void memory_finding(struct memory *m, const struct finding *f);
void memory_decision(struct memory *m, const struct decision *d, struct wall_ns wall);
void memory_row(struct memory *m, const struct row *r, enum row_change change, uint64_t time,
                struct wall_ns wall);
void memory_outcome(struct memory *m, const struct outcome *o, uint64_t time, struct wall_ns wall);
// Oldest first; f returns nonzero to stop.
int memory_each(const struct memory *m, int (*f)(void *ctx, const struct remembered *r), void *ctx);
