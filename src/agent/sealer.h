// The sealer: cut segments on their way to files. Hashing one and making it durable takes 5 ms and
// more, and the line must not wait for it: a thread of its own does that. See record.h,
// recorder_cut().
#pragma once

#include "record/record.h"

enum { MAX_SEALING = 64 }; // cuts given and not taken back
struct sealer;
int sealer_start(struct sealer **ret, struct error *err);
bool sealer_has_room(struct sealer *s);
// Takes the cut over. dirfd stays the caller's and open until the cut came back.
void sealer_give(struct sealer *s, int dirfd, struct segment_cut *cut);
// A cut that is done with, oldest first, and what became of it. wait: for one that is under way.
// False: there is none.
bool sealer_take(struct sealer *s, bool wait, struct segment_cut *ret, int *ret_result,
                 struct error *err);
void sealer_stop(struct sealer *s); // ends the thread; nothing may be under way
