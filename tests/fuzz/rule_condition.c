// Whatever is typed behind `events`, it compiles or is refused with a place, and what compiles can
// be run.
#include "detect/rule/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct diag_list diags = {0};
    struct rule_filter *f = rule_filter_compile((struct str){(const char *)bytes, len}, &diags);
    if ((f == NULL) != (diags.errors > 0))
        abort();
    if (f) {
        struct bh_net net = {.sock = {.family = 2, .proto = 6, .lport = 1, .rport = 2},
                             .fd = -1,
                             .call = BH_CALL_CONNECT};
        _cleanup_buf_ struct buf record = {0};
        rec_make(&record, BH_CONNECT, 1000, 1, &net, sizeof(net));
        struct facts facts = {.version = 1, .name = STR("n"), .image = STR("r:1")};
        struct container box = {
            .number = 1, .type = CONTAINER_OCI, .facts = &facts, .id = STR("0123456789abcdef")};
        struct image image = {.comm = STR("sh"), .args = STR("sh\0-c\0"), .path = STR("/bin/sh")};
        struct process parent = {.tgid = 4, .image = &image},
                       process = {.tgid = 5, .image = &image, .parent = &parent};
        struct event e = {.rec = (const struct bh_rec *)record.ptr,
                          .process = &process,
                          .image = &image,
                          .container = &box,
                          .number = 1};
        struct detect_env env = {.hostname = STR("h")};
        struct rule_scratch *s = rule_scratch_new();
        if (s)
            rule_filter_match(f, s, &env, &e);
        rule_scratch_free(s);
    }
    rule_filter_free(f);
    diag_list_done(&diags);
    return 0;
}
