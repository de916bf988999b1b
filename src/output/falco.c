// json: Falco's alert object, key for key and in its order, so that what reads Falco's alerts reads
// ours.
#include "output/internal.h"

enum { MAX_OUTPUT_FIELDS = MAX_FINDING_FIELDS + SUGGESTED_N };

static int field_order(const void *a, const void *b)
{
    return str_cmp((*(const struct finding_field *const *)a)->key,
                   (*(const struct finding_field *const *)b)->key);
}

// Falco's writer sorts: by key, each once. The time of the event is a number of nanoseconds,
// whatever its format.
static void output_fields(const struct output_style *s, struct json *j, const struct finding *f)
{
    struct suggested extra[SUGGESTED_N];
    size_t extra_n = suggested_fields(f, extra), n = 0;
    struct finding_field made[SUGGESTED_N + 1];
    const struct finding_field *sorted[MAX_OUTPUT_FIELDS + 1];
    made[SUGGESTED_N] =
        (struct finding_field){.key = s->iso_time ? STR("evt.time.iso8601") : STR("evt.time"),
                               .type = FIELD_TIME,
                               .number = f->wall.ns};
    for (size_t i = 0; i < f->fields_n; i++)
        if (!str_eq(f->fields[i].key, STR("evt.time")) &&
            !str_eq(f->fields[i].key, STR("evt.time.iso8601")))
            sorted[n++] = &f->fields[i];
    sorted[n++] = &made[SUGGESTED_N];
    for (size_t i = 0; i < extra_n; i++) {
        made[i] = (struct finding_field){.key = str_of(extra[i].key),
                                         .type = FIELD_STRING,
                                         .null = !extra[i].value.ptr,
                                         .text = extra[i].value};
        sorted[n++] = &made[i];
    }
    qsort(sorted, n, sizeof(sorted[0]), field_order);
    json_key(j, "output_fields");
    json_object(j);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(sorted[i]->key, sorted[i - 1]->key))
            finding_field_json(j, sorted[i]);
    json_object_end(j);
}

static int tag_order(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void tags(struct json *j, const struct finding *f)
{
    _cleanup_free_ struct str *sorted = calloc(f->tags_n + 1, sizeof(*sorted));
    json_key(j, "tags");
    json_array(j);
    if (sorted && f->tags_n) {
        memcpy(sorted, f->tags, f->tags_n * sizeof(*sorted));
        qsort(sorted, f->tags_n, sizeof(*sorted), tag_order);
        for (size_t i = 0; i < f->tags_n; i++)
            if (i == 0 || !str_eq(sorted[i], sorted[i - 1]))
                json_str(j, sorted[i]);
    }
    json_array_end(j);
}

void falco_finding(const struct output_style *s, const struct finding *f, struct buf *out)
{
    _cleanup_buf_ struct buf line = {0}, time = {0};
    put_line(&line, f, s->iso_time);
    buf_wall_iso(&time, f->wall);
    struct json j = json_on(out);
    json_object(&j);
    json_kstr(&j, "hostname", f->hostname);
    json_kstr(&j, "output", buf_view(&line));
    output_fields(s, &j, f);
    json_kcstr(&j, "priority", severity_name(f->severity));
    json_kstr(&j, "rule", f->rule);
    json_kstr(&j, "source", f->source.len ? f->source : STR("syscall"));
    tags(&j, f);
    json_kstr(&j, "time", buf_view(&time));
    json_object_end(&j);
    buf_char(out, '\n');
}

// Falco has no incidents: ours stand under one key, so that a reader of alerts can tell them apart.
void falco_incident(const struct output_style *s, const struct incident *i, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_key(&j, "incident");
    incident_json(&j, i);
    json_object_end(&j);
    buf_char(out, '\n');
}
