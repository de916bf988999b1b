// Ids are hashes of what they name; table hashes.
#include "base/base.h"

#include <errno.h>
#include <sodium.h>

static_assert(crypto_shorthash_KEYBYTES == 16, "SipHash key");

struct id id_of(const void *bytes, size_t len)
{
    uint8_t full[16]; // libsodium's shortest BLAKE2b
    crypto_generichash(full, sizeof(full), bytes, len, NULL, 0);
    struct id id;
    memcpy(id.bytes, full, sizeof(id.bytes));
    return id;
}

void hex_of(const void *bytes, size_t len, char *out)
{
    sodium_bin2hex(out, 2 * len + 1, bytes, len);
}

int hex_parse(struct str s, void *out, size_t len)
{
    size_t n;
    if (s.len != 2 * len || sodium_hex2bin(out, len, s.ptr, s.len, NULL, &n, NULL) != 0 || n != len)
        return -EINVAL;
    return 0;
}

const char *id_text(struct id id, char out[ID_TEXT_MAX])
{
    hex_of(id.bytes, sizeof(id.bytes), out);
    return out;
}

int id_parse(struct str s, struct id *ret)
{
    return hex_parse(s, ret->bytes, sizeof(ret->bytes));
}

uint64_t hash64(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t h = 0xcbf29ce484222325ULL;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3ULL;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15ULL;
    return h ^ h >> 29;
}

uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t len)
{
    uint64_t h;
    crypto_shorthash((uint8_t *)&h, bytes, len, key);
    return h;
}
