// detect/comply: controls over facts. A control (`kind: Control`, checks/) says what must hold of a
// container: in its bundle, and while it runs. Facts come from one registry; each is known or not,
// and what is not known is never passed: expressions are judged in Kleene's three values. A control
// that fails is a finding of posture: it adds to the incidents of its container and opens none.
#pragma once

#include "detect/detect.h"

extern const struct detector comply_detector;

enum comply_result {
    COMPLY_UNKNOWN, // something that it asks for isn't known
    COMPLY_FAIL,
    COMPLY_PASS,
    COMPLY_NOT_APPLICABLE, // this half asks nothing, or the control is not meant for this container
    COMPLY_RESULT_MAX
};
const char *comply_result_name(enum comply_result r); // "unknown", "fail", "pass", "not-applicable"

// The registry of facts, for `dump`.
struct comply_fact_row {
    const char *name;
    enum field_type type; // BOOL, U64, STRING, STRINGS
    const char *source;   // "bundle", "live", "event"
    const char *text;
};
size_t comply_facts_n(void);
void comply_fact(size_t index, struct comply_fact_row *ret);

// Compiles every control, and looks at what exceptions name; what is wrong is in diags. 0 or
// -EINVAL.
int comply_check(const struct documents *docs, struct diag_list *diags);

// What is known of all containers, or of one (UINT32_MAX: all), as members of an object that is
// open: "controls", "containers", "summary". offline: of bundles that don't run, so that halves
// that ask for what is only known of a running container are left out, not unknown.
struct comply_answer { // of containers × controls
    uint64_t fail, unknown, pass, not_applicable, excepted;
    size_t controls, containers;
};
void comply_json(struct json *j, const void *whole, const void *const *parts, size_t parts_n,
                 const struct detect_env *env, uint32_t container, bool offline,
                 struct comply_answer *ret);
