// Whatever stands in a proof, it is refused: only the kept one, and no change of it, holds under
// this key.
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    // A log whose key nobody has: nothing can be proven under it.
    static const char key[] =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    struct error err = {0};
    if (ledger_check_proof((struct str){(const char *)bytes, len}, key, &err) == 0 ||
        !err.message[0])
        abort();
    // And under the key that the proof itself names first, so that all behind it is reached.
    const char *at = memmem(bytes, len, "\"vkey\":\"", 8);
    const char *end = at ? memchr(at + 8, '"', len - (size_t)(at + 8 - (const char *)bytes)) : NULL;
    if (end) {
        _cleanup_free_ char *first = str_dup((struct str){at + 8, (size_t)(end - at - 8)});
        if (first)
            ledger_check_proof((struct str){(const char *)bytes, len}, first, NULL);
    }
    return 0;
}
