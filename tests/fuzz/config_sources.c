// Whatever a record carries as a generation: refused with a reason, or sources whose packing is a
// fixed point.
#include "config/config.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct sources s = {0}, again = {0};
    struct error err = {0};
    int r = sources_unpack((struct str){(const char *)bytes, len}, &s, &err);
    if (r < 0) {
        if (s.n || !err.message[0])
            abort();
        return 0;
    }
    _cleanup_buf_ struct buf once = {0}, twice = {0};
    sources_pack(&s, &once);
    if (sources_unpack(buf_view(&once), &again, &err) < 0 || again.n != s.n)
        abort();
    sources_pack(&again, &twice);
    if (!str_eq(buf_view(&once), buf_view(&twice)))
        abort();
    sources_done(&s);
    sources_done(&again);
    return 0;
}
