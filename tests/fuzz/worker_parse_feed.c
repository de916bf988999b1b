// Whatever a feed is: every part holds well-formed indicators in their one form, and the summary is
// one JSON object whose counts are true.
#include "worker/worker.h"

#include <jansson.h>

static bool part(void *ctx, struct str bytes)
{
    uint64_t *n = ctx;
    struct indicator i, again;
    int r;
    if (bytes.len > MAX_WORKER_REPLY)
        abort();
    for (size_t at = 0; (r = indicator_unpack(bytes, &at, &i)) == 1; ++*n) {
        char store[MAX_INDICATOR_VALUE + 1];
        _cleanup_buf_ struct buf text = {0};
        indicator_text(&i, &text);
        // What it prints is itself, read again.
        if (indicator_parse(buf_view(&text), &again, store) || again.type != i.type ||
            again.bits != i.bits || !str_eq(again.value, i.value) ||
            (again.flags & BH_INDICATOR_BELOW) != (i.flags & BH_INDICATOR_BELOW))
            abort();
    }
    if (r < 0)
        abort();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const char *const args[] = {
        "{}", "{\"format\":\"plain\"}", "{\"format\":\"cidr\"}", "{\"format\":\"stix\"}",
        "{\"format\":\"csv\",\"columns\":{\"value\":\"2\",\"validUntil\":\"1\",\"label\":\"x\"}}"};
    for (size_t a = 0; a < ARRAY_SIZE(args); a++) {
        _cleanup_buf_ struct buf out = {0};
        uint64_t n = 0;
        worker_parse_feed((struct str){(const char *)bytes, len}, str_of(args[a]), part, &n, &out);
        json_t *reply = json_loadb(out.ptr ? out.ptr : "", out.len, JSON_ALLOW_NUL, NULL);
        if (!json_is_object(reply) || !json_is_string(json_object_get(reply, "problem")) ||
            out.len > MAX_WORKER_REPLY ||
            (uint64_t)json_integer_value(json_object_get(reply, "indicators")) < n)
            abort();
        json_decref(reply);
    }
    return 0;
}
