// The tail: entries that no checkpoint covers yet. Nothing is promised of them, but what a killed
// agent had written is kept where it is whole.
#include "record/ledger/layout.h"

#include <errno.h>
#include <sodium.h>

#define TAIL_MAGIC "BHTAIL\r\n"
enum { TAIL_HEAD = 24, FRAME_HEAD = 4, CHECK_BYTES = 8 };

static void put_be64(uint8_t *at, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void check_of(uint64_t index, struct str entry, uint8_t out[CHECK_BYTES])
{
    uint8_t be[8], hash[32];
    crypto_hash_sha256_state s;
    put_be64(be, index);
    crypto_hash_sha256_init(&s);
    crypto_hash_sha256_update(&s, be, sizeof(be));
    crypto_hash_sha256_update(&s, (const uint8_t *)entry.ptr, entry.len);
    crypto_hash_sha256_final(&s, hash);
    memcpy(out, hash, CHECK_BYTES);
}

void tail_head(struct buf *b, uint64_t first)
{
    uint8_t head[TAIL_HEAD];
    memcpy(head, TAIL_MAGIC, 8);
    put_be64(head + 8, first);
    check_of(first, STR(TAIL_MAGIC), head + 16);
    buf_add(b, head, sizeof(head));
}

void tail_frame(struct buf *b, uint64_t index, struct str entry)
{
    uint16_t len = (uint16_t)entry.len, not_len = (uint16_t)~len;
    uint8_t head[FRAME_HEAD] = {(uint8_t)(len >> 8), (uint8_t)len, (uint8_t)(not_len >> 8),
                                (uint8_t)not_len};
    uint8_t check[CHECK_BYTES];
    check_of(index, entry, check);
    buf_add(b, head, sizeof(head));
    buf_str(b, entry);
    buf_add(b, check, sizeof(check));
}

int tail_walk(struct str tail, int (*f)(void *ctx, uint64_t index, struct str entry), void *ctx,
              size_t *ret_good)
{
    const uint8_t *at = (const uint8_t *)tail.ptr;
    uint8_t check[CHECK_BYTES];
    uint64_t index = 0;
    *ret_good = 0;
    if (tail.len == 0)
        return 0;
    if (tail.len < TAIL_HEAD)
        return 1;
    for (int i = 0; i < 8; i++)
        index = index << 8 | at[8 + i];
    check_of(index, STR(TAIL_MAGIC), check);
    if (memcmp(at, TAIL_MAGIC, 8) || memcmp(at + 16, check, sizeof(check)))
        return -EBADMSG;
    for (size_t pos = *ret_good = TAIL_HEAD; pos < tail.len; pos = *ret_good, index++) {
        size_t left = tail.len - pos;
        if (left < FRAME_HEAD)
            return 1;
        uint16_t len = (uint16_t)(at[pos] << 8 | at[pos + 1]),
                 not_len = (uint16_t)(at[pos + 2] << 8 | at[pos + 3]);
        if ((len ^ not_len) != 0xffff)
            return -EBADMSG;
        if (left < (size_t)FRAME_HEAD + len + CHECK_BYTES)
            return 1;
        struct str entry = {tail.ptr + pos + FRAME_HEAD, len};
        check_of(index, entry, check);
        if (memcmp(check, entry.ptr + len, sizeof(check)))
            return -EBADMSG;
        int r = f(ctx, index, entry);
        if (r < 0)
            return r;
        *ret_good = pos + FRAME_HEAD + len + CHECK_BYTES;
    }
    return 0;
}
