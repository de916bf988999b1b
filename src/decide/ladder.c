// The ladder: which step an incident earns, as a table with its reasons. Pure, and monotone: more
// severity or more confidence never earns less (tested).
#include "decide/internal.h"

// Best first: the first row that holds decides. What is below the last row is recorded.
const struct ladder_row decide_ladder[] = {
    {SEVERITY_EMERGENCY, 0.99, STEP_KILL,
     "what breaks the node and is beyond doubt must not go on"},
    {SEVERITY_CRITICAL, 0.9, STEP_FREEZE,
     "an attack that succeeded: stop it, and keep its memory for the investigation"},
    {SEVERITY_ERROR, 0.9, STEP_ISOLATE,
     "a sure foothold: it may run, but neither spread nor call home"},
    {SEVERITY_ERROR, 0.7, STEP_THROTTLE, "a likely foothold: slow it down while a person looks"},
    {SEVERITY_WARNING, 0.5, STEP_WATCH,
     "more likely than not: see everything that it does from now on"},
    {SEVERITY_CRITICAL, 0.0, STEP_WATCH,
     "grave if true: watching costs little, and doubt allows no more than that"},
    {SEVERITY_NOTICE, 0.0, STEP_ALERT, "a person should know"},
};
const size_t decide_ladder_n = ARRAY_SIZE(decide_ladder);

const struct ladder_row *decide_row_for(enum severity s, double confidence)
{
    for (size_t i = 0; i < decide_ladder_n; i++)
        if (s <= decide_ladder[i].severity &&
            confidence >= decide_ladder[i].confidence - CONFIDENCE_TOLERANCE)
            return &decide_ladder[i];
    return NULL;
}

enum step decide_step_for(enum severity s, double confidence)
{
    const struct ladder_row *row = decide_row_for(s, confidence);
    return row ? row->step : STEP_RECORD;
}
