// What is said of something new: a finding with the workload, the thing, how sure that is, and the
// process that did it.
#include "detect/profile/internal.h"

#include <arpa/inet.h>

// What each kind of novelty is worth. A new program or a new peer is how an attack looks more often
// than a release; a folder that is read is a hint beside others.
static const struct worth {
    enum profile_dimension dimension;
    char first; // of the key; 0: any
    const char *rule;
    enum severity severity;
    const char *tags[4];
} worths[] = {
    {PROFILE_PROGRAMS,
     0,
     "Program new to the workload",
     SEVERITY_WARNING,
     {"profile", "container", "mitre_execution", "T1059"}},
    {PROFILE_FILES,
     'w',
     "Folder that the workload never wrote to",
     SEVERITY_NOTICE,
     {"profile", "container", "mitre_persistence", "TA0003"}},
    {PROFILE_FILES,
     'r',
     "Folder that the workload never read",
     SEVERITY_INFORMATIONAL,
     {"profile", "container", "mitre_discovery", "T1083"}},
    {PROFILE_PEERS,
     'o',
     "Peer that the workload never called",
     SEVERITY_WARNING,
     {"profile", "container", "mitre_command_and_control", "T1071"}},
    {PROFILE_PEERS,
     'i',
     "Peer that never called the workload",
     SEVERITY_NOTICE,
     {"profile", "container", "mitre_lateral_movement", "TA0008"}},
    {PROFILE_LISTENS,
     0,
     "Port that the workload never listened on",
     SEVERITY_WARNING,
     {"profile", "container", "mitre_command_and_control", "T1571"}},
};

static const struct worth *worth_of(const struct sight *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(worths); i++)
        if (worths[i].dimension == s->dimension &&
            (!worths[i].first || worths[i].first == s->key[0]))
            return &worths[i];
    return &worths[0];
}

void find_novelty(const struct novelty *n, const struct detect_env *env, detect_emit emit,
                  void *ctx)
{
    const struct sight *s = n->sight;
    const struct workload *w = n->workload;
    const struct worth *worth = worth_of(s);
    const struct process *p = identify_process(n->identify, s->rec.tgid);
    if (p && p->start != s->rec.start)
        p = NULL;
    const struct image *image = p ? p->image : NULL;
    if (image && image->exec != s->rec.exec && p->previous && p->previous->exec == s->rec.exec)
        image = p->previous;
    const struct event e = {.rec = &s->rec,
                            .process = p,
                            .image = image,
                            .container = n->container,
                            .at = {s->segment, s->offset}};
    // What a document says is said by its author: as sure as a rule.
    const bool given = workload_given(w, (enum profile_dimension)s->dimension);
    const double chance = given ? 0.1 : bound_upper(&w->dims[s->dimension]);
    struct str tags[ARRAY_SIZE(worth->tags)];
    char share[32];
    _cleanup_buf_ struct buf item = {0}, text = {0};
    for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
        tags[i] = str_of(worth->tags[i]);
    key_show((enum profile_dimension)s->dimension, (struct str){s->key, s->len}, &item);
    snprintf(share, sizeof(share), "%.3g", chance);
    buf_str(&text, str_of(worth->rule));
    buf_text(&text, ": ");
    buf_str(&text, buf_view(&item));
    buf_text(&text, " (workload=");
    buf_text(&text, w->text);
    buf_printf(&text, " windows=%llu chance=%s", (unsigned long long)w->dims[s->dimension].windows,
               share);
    buf_text(&text, " process=");
    buf_str(&text, image ? image->comm : STR("unknown"));
    buf_text(&text, " container=");
    buf_str(&text, n->container->facts->name);
    buf_char(&text, ')');
    struct finding f;
    detect_finding(&f, "profile", env, &e);
    f.rule = str_of(worth->rule);
    f.severity = worth->severity;
    f.confidence = 1 - chance;
    f.output = buf_view(&text);
    f.tags = tags;
    f.tags_n = ARRAY_SIZE(tags);
    detect_field(&f, "container.id", f.container_id);
    detect_field(&f, "container.name", f.container_name);
    detect_field(&f, "proc.name", image ? image->comm : STR_NULL);
    detect_field(&f, "proc.exepath", image ? image->path : STR_NULL);
    detect_field(&f, "profile.workload", str_of(w->text));
    detect_field(&f, "profile.dimension",
                 str_of(profile_dimension_name((enum profile_dimension)s->dimension)));
    detect_field(&f, "profile.item", buf_view(&item));
    detect_field(&f, "profile.chance", given ? STR_NULL : str_of(share));
    detect_field(&f, "profile.document", w->doc ? w->doc->name : STR_NULL);
    detect_field_u64(&f, "profile.windows", w->dims[s->dimension].windows);
    detect_field_u64(&f, "proc.pid", s->rec.tgid);
    if (s->object.ino) {
        f.objects[0] = s->object;
        f.objects[0].path = s->dimension == PROFILE_PROGRAMS
                                ? (struct str){s->key, strnlen(s->key, s->len)}
                                : STR_NULL;
        f.objects_n = 1;
    }
    f.id = finding_id(&f);
    emit(ctx, &f);
}
