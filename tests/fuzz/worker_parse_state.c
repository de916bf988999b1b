// Whatever a runtime keeps as its state, the answer is one JSON object within its bound.
#include "worker/worker.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    _cleanup_buf_ struct buf out = {0};
    worker_parse_state((struct str){(const char *)bytes, len},
                       STR("{\"container\":1,\"id\":\"a\"}"), &out);
    json_t *reply = json_loadb(out.ptr ? out.ptr : "", out.len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(reply) || !json_is_string(json_object_get(reply, "problem")) ||
        out.len > MAX_WORKER_REPLY)
        abort();
    json_decref(reply);
    return 0;
}
