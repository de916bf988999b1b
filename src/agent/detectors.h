// How the line runs the detectors beside the rules (detectors.c).
#pragma once

#include "agent/internal.h"

int detectors_start(struct line *l, const struct detector *const *table);
void detectors_end(struct line *l);
void detectors_configure(struct line *l); // after l->generation changed
void detectors_input(struct line *l, const struct bh_rec *rec);
void detectors_event(struct shard *s, const struct detect_env *env, const struct event *e);
void detectors_container(struct shard *s, const struct container *c);
void detectors_epoch(struct line *l);
void detectors_incident(struct line *l, const struct incident *i);
void detectors_settle(struct line *l);
