// Whatever a well-formed record says, every field of it can be asked for and shown.
#include "detect/rule/rule.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint64_t aligned[BH_REC_MAX / 8];
    if (len > sizeof(aligned) || len < sizeof(struct bh_rec))
        return 0;
    memcpy(aligned, bytes, len);
    const struct bh_rec *rec = (const struct bh_rec *)aligned;
    if (rec_check(rec, len) < 0)
        return 0;
    struct str rest = {(const char *)bytes + sizeof(*rec), len - sizeof(*rec)};
    struct label label = {rest, rest};
    struct mount_fact mount = {rest, rest, rest, true};
    struct facts facts = {.version = 1,
                          .name = rest,
                          .image = rest,
                          .labels = &label,
                          .labels_n = 1,
                          .mounts = &mount,
                          .mounts_n = 1};
    struct container box = {.number = 1,
                            .type = rec->cpu & 1 ? CONTAINER_OCI : CONTAINER_HOST,
                            .facts = &facts,
                            .id = rest,
                            .host_mnt_ns = 1};
    struct image image = {.comm = rest,
                          .args = rest,
                          .path = rest,
                          .cwd = rest,
                          .name = rest,
                          .exec_mnt_ns = 1,
                          .exe = {.ino = 1},
                          .sid = 5};
    struct process parent = {.tgid = 4, .image = &image},
                   process = {.tgid = 5, .image = &image, .parent = &parent, .vpid = 1, .start = 1};
    struct event e = {.rec = rec,
                      .process = rec->cpu & 2 ? NULL : &process,
                      .image = rec->cpu & 4 ? NULL : &image,
                      .container = &box,
                      .number = 1};
    struct detect_env env = {.hostname = rest};
    struct rule_scratch *s = rule_scratch_new();
    _cleanup_buf_ struct buf text = {0}, out = {0};
    struct json j = json_on(&out);
    if (!s)
        return 0;
    rule_event_text(s, &env, &e, &text);
    if (text.len && memchr(text.ptr, '\n', text.len))
        abort(); // one event is one line, whatever it says
    rule_event_json(s, &env, &e, &j);
    // Integers beyond 63 bits are JSON; the parser reads them as reals.
    json_t *parsed = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    if (!json_is_object(parsed))
        abort();
    json_decref(parsed);
    for (size_t i = 0; i < model_fields_n; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s[%s]", model_fields[i].name, i % 2 ? "1" : "*");
        buf_reset(&text);
        rule_field_text(str_of(name), s, &env, &e, &text);
    }
    static const char *const more[] = {"evt.arg.flags",   "evt.arg.name",     "evt.arg.fd",
                                       "evt.arg.res",     "evt.rawarg.flags", "evt.arg.tuple",
                                       "evt.arg.request", "evt.arg.args",     "evt.arg.dir",
                                       "evt.arg.pid",     "evt.arg.uid",      "container.label.x"};
    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        rule_field_text(str_of(more[i]), s, &env, &e, &text);
    rule_scratch_free(s);
    return 0;
}
