// The table of outputs, and what a finding's line consists of.
#include "output/internal.h"

#include <time.h>

const struct output_style output_plain = {0};

#define PLAIN(name)                                                                                \
    static void name##_finding_plain(const struct finding *f, struct buf *out)                     \
    {                                                                                              \
        name##_finding(&output_plain, f, out);                                                     \
    }                                                                                              \
    static void name##_incident_plain(const struct incident *i, struct buf *out)                   \
    {                                                                                              \
        name##_incident(&output_plain, i, out);                                                    \
    }
PLAIN(text)
PLAIN(falco)
PLAIN(native)

const struct output_row outputs[] = {
    {"text", "one line each: TIME: PRIORITY MESSAGE, as Falco writes it", text_finding_plain,
     text_incident_plain, text_finding, text_incident},
    {"json", "one JSON object each, with Falco's keys", falco_finding_plain, falco_incident_plain,
     falco_finding, falco_incident},
    {"native", "one JSON object each, with everything that is known", native_finding_plain,
     native_incident_plain, native_finding, native_incident},
};
const size_t outputs_n = ARRAY_SIZE(outputs);

const struct output_row *output_by_name(const char *name)
{
    for (size_t i = 0; i < outputs_n; i++)
        if (strcmp(outputs[i].name, name) == 0)
            return &outputs[i];
    return NULL;
}

void put_time(struct buf *out, struct wall_ns t, bool iso)
{
    time_t seconds = (time_t)(t.ns / NSEC_PER_SEC);
    unsigned ns = (unsigned)(t.ns % NSEC_PER_SEC);
    struct tm tm = {0};
    if (iso) {
        gmtime_r(&seconds, &tm);
        buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%09u+0000", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ns);
        return;
    }
    localtime_r(&seconds, &tm);
    buf_printf(out, "%02d:%02d:%02d.%09u", tm.tm_hour, tm.tm_min, tm.tm_sec, ns);
}

// "registry.example:5000/team/web:1.2@sha256:…" → repository and tag. A colon behind the last slash
// begins the tag.
static void split_image(struct str image, struct str *repository, struct str *tag)
{
    *repository = image;
    *tag = STR_NULL;
    const char *at = image.len ? memchr(image.ptr, '@', image.len) : NULL;
    if (at)
        repository->len = (size_t)(at - image.ptr);
    for (size_t i = repository->len; i-- > 0 && repository->ptr[i] != '/';)
        if (repository->ptr[i] == ':') {
            *tag = (struct str){repository->ptr + i + 1, repository->len - i - 1};
            repository->len = i;
            return;
        }
}

static struct str or_null(struct str s)
{
    return s.len ? s : STR_NULL;
}

size_t suggested_fields(const struct finding *f, struct suggested ret[SUGGESTED_N])
{
    // A rule's output has them already: the compiler appends them, as Falco does.
    if (f->detector && strcmp(f->detector, "rule") == 0)
        return 0;
    struct str repository, tag;
    split_image(f->image_name, &repository, &tag);
    const struct suggested all[SUGGESTED_N] = {
        {"container.id", "container_id", or_null(f->container_id)},
        {"container.name", "container_name", or_null(f->container_name)},
        {"container.image.repository", "container_image_repository", or_null(repository)},
        {"container.image.tag", "container_image_tag", or_null(tag)},
        {"k8s.pod.name", "k8s_pod_name", STR_NULL},
        {"k8s.ns.name", "k8s_ns_name", STR_NULL},
    };
    memcpy(ret, all, sizeof(all));
    return SUGGESTED_N;
}

void put_message(struct buf *out, const struct finding *f)
{
    struct suggested extra[SUGGESTED_N];
    size_t n = suggested_fields(f, extra);
    buf_str(out, f->output);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %s=", extra[i].name);
        buf_str(out, extra[i].value.ptr ? extra[i].value : STR("<NA>"));
    }
}

void put_line(struct buf *out, const struct finding *f, bool iso)
{
    put_time(out, f->wall, iso);
    buf_printf(out, ": %s ", severity_name(f->severity));
    put_message(out, f);
}

const char *severity_color(enum severity s)
{
    return s <= SEVERITY_CRITICAL  ? "\x1b[1;31m"
           : s == SEVERITY_ERROR   ? "\x1b[31m"
           : s == SEVERITY_WARNING ? "\x1b[33m"
                                   : "\x1b[36m";
}
