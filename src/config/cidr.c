// Addresses and networks as text and as bits.
#include "config/config.h"

#include <arpa/inet.h>
#include <errno.h>

enum { V4_PREFIX = 96 };

bool address_is_v4(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static void cut(struct cidr *c)
{
    for (unsigned bit = c->prefix; bit < 128; bit++)
        c->address[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

int cidr_parse(struct str s, struct cidr *ret)
{
    char text[INET6_ADDRSTRLEN];
    const char *slash = s.len ? memchr(s.ptr, '/', s.len) : NULL;
    size_t n = slash ? (size_t)(slash - s.ptr) : s.len;
    uint64_t prefix = 0;
    struct cidr c = {0};
    if (n == 0 || n >= sizeof(text) || memchr(s.ptr, 0, n))
        return -EINVAL;
    memcpy(text, s.ptr, n);
    text[n] = 0;
    bool v4 = inet_pton(AF_INET, text, c.address + 12) == 1;
    if (v4)
        memset(c.address + 10, 0xff, 2);
    else if (inet_pton(AF_INET6, text, c.address) != 1 || address_is_v4(c.address))
        return -EINVAL;
    unsigned most = v4 ? 32 : 128;
    if (!slash)
        prefix = most;
    else if (parse_u64((struct str){slash + 1, s.len - n - 1}, &prefix) < 0 || prefix > most)
        return -EINVAL;
    c.prefix = (uint8_t)(prefix + (v4 ? V4_PREFIX : 0));
    cut(&c);
    *ret = c;
    return 0;
}

void cidr_print(const struct cidr *c, struct buf *out)
{
    char text[INET6_ADDRSTRLEN] = "";
    bool v4 = address_is_v4(c->address) && c->prefix >= V4_PREFIX;
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? c->address + 12 : c->address, text, sizeof(text));
    buf_printf(out, "%s/%u", text, v4 ? c->prefix - V4_PREFIX : c->prefix);
}

bool cidr_has(const struct cidr *c, const uint8_t address[16])
{
    bool v4 = address_is_v4(c->address) && c->prefix >= V4_PREFIX;
    if (v4 != address_is_v4(address) || memcmp(c->address, address, c->prefix / 8) != 0)
        return false;
    unsigned rest = c->prefix % 8;
    return rest == 0 || ((c->address[c->prefix / 8] ^ address[c->prefix / 8]) >> (8 - rest)) == 0;
}
