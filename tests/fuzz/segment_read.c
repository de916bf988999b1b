// Whatever a segment file holds, reading ends, stays inside it and gives only well-formed records.
#include "model/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    _cleanup_(arena_freep) struct arena *arena = arena_new(0);
    _cleanup_free_ uint8_t *aligned = malloc(len ? len : 1); // segments are read from aligned bytes
    struct segment_reader r;
    const struct bh_rec *rec;
    size_t before = 0;
    if (!arena || !aligned)
        return 0;
    memcpy(aligned, bytes, len);
    if (segment_open(&r, aligned, len, arena, NULL) < 0)
        return 0;
    while (segment_next(&r, &rec) == 1) {
        size_t at = (size_t)((const uint8_t *)rec - aligned);
        if (at < before || at + rec->size > len || rec_check(rec, len - at) < 0)
            abort();
        before = at + rec->size;
    }
    return 0;
}
