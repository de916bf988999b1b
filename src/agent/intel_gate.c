// May a load of a feed come into force? A feed that turned to rubbish, to nothing or to everything
// is a fault of its maker, or an attack through it: what was in force then is the better knowledge.
#include "agent/intel.h"

enum {
    MAX_ERROR_PCT = 20, // of lines that should hold an indicator
    MIN_ERRORS = 2,     // one odd line in a short list is no rubbish
    MIN_LEFT_PCT = 10,  // of the indicators before
    MAX_GROWTH = 10,    // times as many …
    GROWTH_FROM = 100,  // … where that is more than this
    SHRINK_FROM = 10,   // shorter lists may lose all but one
};

bool intel_gate(const struct feed_counts *last, const struct feed_counts *now, char why[GATE_TEXT])
{
    const unsigned long long lines = now->lines, n = now->indicators, errors = now->errors,
                             before = last ? last->indicators : 0;
    why[0] = 0;
    if (now->broad)
        snprintf(why, GATE_TEXT,
                 "it names everything: a network with a prefix below /8 (IPv4) or "
                 "/16 (IPv6)");
    else if (errors >= MIN_ERRORS && errors * 100 > (n + errors) * MAX_ERROR_PCT)
        snprintf(why, GATE_TEXT, "%llu of %llu entries can't be read", errors, n + errors);
    else if (errors && n == 0)
        snprintf(why, GATE_TEXT, "none of its %llu entries can be read", lines);
    else if (before && n == 0)
        snprintf(why, GATE_TEXT, "it is empty; before it had %llu indicators", before);
    else if (before >= SHRINK_FROM && n * 100 < before * MIN_LEFT_PCT)
        snprintf(why, GATE_TEXT, "it shrank from %llu to %llu indicators", before, n);
    else if (before && n > MAX(before * MAX_GROWTH, (unsigned long long)GROWTH_FROM))
        snprintf(why, GATE_TEXT, "it grew from %llu to %llu indicators", before, n);
    return why[0] == 0;
}
