// Whatever a STIX pattern is: a bounded list of indicators in their one form, or a reason.
#include "worker/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct indicator list[16];
    const char *why = NULL;
    struct arena *arena = arena_new(1 << 20);
    int n = worker_parse_pattern((struct str){(const char *)bytes, len}, arena, list,
                                 ARRAY_SIZE(list), &why);
    if (n > (int)ARRAY_SIZE(list) || (n < 0 && !why))
        abort();
    for (int i = 0; i < n; i++) {
        _cleanup_buf_ struct buf packed = {0};
        struct indicator back;
        size_t at = 0;
        indicator_pack(&list[i], &packed);
        if (indicator_unpack(buf_view(&packed), &at, &back) != 1 ||
            !str_eq(back.value, list[i].value))
            abort();
    }
    arena_free(arena);
    return 0;
}
