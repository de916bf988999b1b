// native: everything that is known, one JSON object a line. docs/formats/finding.md and
// incident.md.
#include "output/internal.h"

void native_finding(const struct output_style *s, const struct finding *f, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_key(&j, "finding");
    finding_json(&j, f);
    json_object_end(&j);
    buf_char(out, '\n');
}

void native_incident(const struct output_style *s, const struct incident *i, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_key(&j, "incident");
    incident_json(&j, i);
    json_object_end(&j);
    buf_char(out, '\n');
}
