// Whatever a rules file holds, it loads or is refused with diagnostics; what loads can be explained
// and run.
#include "detect/rule/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void ignore(void *ctx, const struct finding *f)
{
    *(size_t *)ctx += f->output.len;
}

static void run(const struct ruleset *r)
{
    struct bh_open open = {
        .fd = 3, .file = {.ino = 1, .dev = 1, .mode = 0100644}, .call = BH_CALL_OPENAT};
    _cleanup_buf_ struct buf record = {0};
    rec_make(&record, BH_OPEN, 1000, 0, &open, sizeof(open));
    struct facts facts = {0};
    struct container host = {.type = CONTAINER_HOST, .facts = &facts},
                     box = {.number = 1, .type = CONTAINER_OCI, .facts = &facts};
    struct image image = {.comm = STR("sh"), .args = STR("sh\0-c\0"), .path = STR("/bin/sh")};
    struct process process = {.tgid = 5, .image = &image};
    struct detect_env env = {.hostname = STR("h")};
    struct rule_scratch *s = rule_scratch_new();
    size_t total = 0;
    for (int i = 0; s && i < 2; i++) {
        struct event e = {.rec = (const struct bh_rec *)record.ptr,
                          .process = &process,
                          .image = &image,
                          .container = i ? &box : &host,
                          .number = 1};
        ruleset_match(r, s, &env, &e, ignore, &total);
    }
    rule_scratch_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct source one = {SOURCE_RULES, STR("f.yaml"), {(const char *)bytes, len}};
    struct sources s = {.list = &one, .n = 1};
    struct rule_options o = {.min_severity = SEVERITY_DEBUG};
    struct diag_list diags = {0};
    struct ruleset *r = ruleset_compile(&s, &o, &diags);
    _cleanup_buf_ struct buf text = {0}, out = {0};
    struct error err = {0};
    if ((r == NULL) != (diags.errors > 0))
        abort();
    diag_text(&diags, &text);
    if (r) {
        run(r);
        ruleset_explain(r, STR("a"), false, &out, &err);
        ruleset_explain(r, STR("a"), true, &out, &err);
    }
    ruleset_free(r);
    diag_list_done(&diags);
    return 0;
}
