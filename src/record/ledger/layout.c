// Paths, entries, bundles, tiles and key files of a ledger's folder.
#include "record/ledger/layout.h"

#include <errno.h>
#include <jansson.h>

#define CERTIFICATE_MAGIC "bulkhead.io/ledger-key/v1"

void entry_make(struct buf *b, enum entry_kind kind, uint8_t flags, uint64_t wall_ns,
                struct str payload)
{
    uint8_t head[ENTRY_HEAD] = {ENTRY_VERSION, (uint8_t)kind, flags, 0};
    for (int i = 0; i < 8; i++)
        head[4 + i] = (uint8_t)(wall_ns >> (56 - 8 * i));
    buf_add(b, head, sizeof(head));
    buf_str(b, payload);
}

int entry_parse(struct str bytes, struct entry_view *ret)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    if (bytes.len < ENTRY_HEAD || bytes.len > MAX_ENTRY || at[0] != ENTRY_VERSION || at[1] == 0 ||
        (at[2] & ~(ENTRY_MORE | ENTRY_CONTINUES)) || at[3])
        return -EBADMSG;
    *ret = (struct entry_view){.kind = at[1], .flags = at[2]};
    for (int i = 0; i < 8; i++)
        ret->wall_ns = ret->wall_ns << 8 | at[4 + i];
    ret->payload = (struct str){bytes.ptr + ENTRY_HEAD, bytes.len - ENTRY_HEAD};
    return 0;
}

void key_payload(struct buf *b, uint64_t number, const struct vkey *key)
{
    char text[MAX_VKEY];
    vkey_text(key, text);
    struct json j = json_on(b);
    json_object(&j);
    json_ku64(&j, "number", number);
    json_kcstr(&j, "vkey", text);
    json_object_end(&j);
}

void drop_payload(struct buf *b, uint64_t before)
{
    struct json j = json_on(b);
    json_object(&j);
    json_ku64(&j, "before", before);
    json_object_end(&j);
}

int drop_parse(struct str payload, uint64_t *ret_before)
{
    struct str digits = {payload.ptr + strlen("{\"before\":"),
                         payload.len - strlen("{\"before\":}")};
    if (!str_starts(payload, STR("{\"before\":")) || !str_ends(payload, STR("}")) ||
        payload.len < strlen("{\"before\":0}") || parse_u64(digits, ret_before) < 0)
        return -EBADMSG;
    return 0;
}

void bundle_add(struct buf *b, struct str entry)
{
    uint8_t len[2] = {(uint8_t)(entry.len >> 8), (uint8_t)entry.len};
    INVARIANT(entry.len <= MAX_ENTRY);
    buf_add(b, len, sizeof(len));
    buf_str(b, entry);
}

int bundle_next(struct str *rest, struct str *ret)
{
    const uint8_t *at = (const uint8_t *)rest->ptr;
    if (rest->len == 0)
        return 0;
    if (rest->len < 2)
        return -EBADMSG;
    size_t len = (size_t)at[0] << 8 | at[1];
    if (len > rest->len - 2)
        return -EBADMSG;
    *ret = (struct str){rest->ptr + 2, len};
    *rest = (struct str){ret->ptr + len, rest->len - 2 - len};
    return 1;
}

void layout_path(char out[MAX_RECORD_PATH], const char *prefix, uint64_t n, unsigned width)
{
    unsigned parts[7];
    size_t count = 0;
    do
        parts[count++] = (unsigned)(n % 1000);
    while ((n /= 1000) && count < ARRAY_SIZE(parts));
    int len = snprintf(out, MAX_RECORD_PATH, "%s", prefix);
    for (size_t i = count; i-- > 0 && len < MAX_RECORD_PATH;)
        len +=
            snprintf(out + len, (size_t)(MAX_RECORD_PATH - len), i ? "/x%03u" : "/%03u", parts[i]);
    if (width && width < TILE_WIDTH && len < MAX_RECORD_PATH)
        snprintf(out + len, (size_t)(MAX_RECORD_PATH - len), ".p/%u", width);
}

void layout_tile_path(char out[MAX_RECORD_PATH], unsigned level, uint64_t n, unsigned width)
{
    char prefix[16];
    snprintf(prefix, sizeof(prefix), "tile/%u", level);
    layout_path(out, prefix, n, width);
}

unsigned layout_width(uint64_t size, unsigned level, uint64_t n)
{
    if (level >= TILE_LEVELS)
        return 0;
    uint64_t hashes = size >> (8 * level), before = n << 8;
    if (before >> 8 != n || before >= hashes)
        return 0;
    return (unsigned)MIN(hashes - before, (uint64_t)TILE_WIDTH);
}

int layout_tile(int dirfd, uint64_t size, unsigned level, uint64_t n, struct hash tile[TILE_WIDTH])
{
    char path[MAX_RECORD_PATH];
    unsigned width = layout_width(size, level, n);
    _cleanup_buf_ struct buf b = {0};
    if (!width)
        return -ENOENT;
    layout_tile_path(path, level, n, width);
    int r = io_read(dirfd, path, TILE_BYTES, &b);
    if (r < 0)
        return r == -EFBIG ? -EUCLEAN : r;
    if (b.len != (size_t)width * HASH_BYTES)
        return -EUCLEAN;
    memcpy(tile, b.ptr, b.len);
    return 0;
}

int layout_bundle(int dirfd, uint64_t size, uint64_t n, struct buf *b)
{
    char path[MAX_RECORD_PATH];
    unsigned width = layout_width(size, 0, n);
    if (!width)
        return -ENOENT;
    layout_path(path, PATH_ENTRIES, n, width);
    int r = io_read(dirfd, path, MAX_BUNDLE, b);
    return r == -EFBIG ? -EUCLEAN : r;
}

int layout_checkpoint(int dirfd, struct buf *note)
{
    int r = io_read(dirfd, "checkpoint", MAX_NOTE, note);
    return r == -EFBIG ? -EUCLEAN : r;
}

void certificate_done(struct certificate *c)
{
    buf_done(&c->entry);
    buf_done(&c->note);
}

void certificate_text(struct buf *b, const struct certificate *c)
{
    char text[MAX_VKEY];
    vkey_text(&c->key, text);
    buf_printf(b, CERTIFICATE_MAGIC "\n%s\n", text);
    if (c->number == 0)
        return;
    buf_printf(b, "%llu\n", (unsigned long long)c->index);
    buf_base64(b, c->entry.ptr, c->entry.len);
    buf_text(b, "\n\n");
    buf_str(b, buf_view(&c->note));
}

static bool line(struct str *s, struct str *ret)
{
    const char *end = s->len ? memchr(s->ptr, '\n', s->len) : NULL;
    if (!end)
        return false;
    *ret = (struct str){s->ptr, (size_t)(end - s->ptr)};
    *s = (struct str){end + 1, s->len - ret->len - 1};
    return true;
}

int certificate_read(int dirfd, uint64_t number, struct certificate *ret)
{
    char path[MAX_RECORD_PATH];
    struct str rest, l, index, entry, empty;
    _cleanup_buf_ struct buf b = {0};
    *ret = (struct certificate){.number = number};
    layout_path(path, PATH_KEYS, number, 0);
    int r = io_read(dirfd, path, 2 * MAX_NOTE, &b);
    if (r < 0)
        return r == -EFBIG ? -EUCLEAN : r;
    rest = buf_view(&b);
    if (!line(&rest, &l) || !str_eq(l, STR(CERTIFICATE_MAGIC)) || !line(&rest, &l) ||
        vkey_parse(l, &ret->key) < 0)
        return -EUCLEAN;
    if (number == 0)
        return rest.len ? -EUCLEAN : 0;
    if (!line(&rest, &index) || !line(&rest, &entry) || !line(&rest, &empty) || empty.len ||
        parse_u64(index, &ret->index) < 0 || (index.ptr[0] == '0' && index.len > 1) ||
        base64_parse(entry, MAX_NOTE, &ret->entry) < 0)
        return -EUCLEAN;
    buf_str(&ret->note, rest);
    return ret->note.failed ? -ENOMEM : 0;
}

int certificate_check(const struct certificate *c, const struct vkey *before, struct tree_head *ret)
{
    struct entry_view e;
    _cleanup_buf_ struct buf payload = {0};
    key_payload(&payload, c->number, &c->key);
    if (checkpoint_open(buf_view(&c->note), before, ret) < 0 || strcmp(c->key.name, before->name) ||
        c->index == UINT64_MAX || ret->size != c->index + 1 ||
        entry_parse(buf_view(&c->entry), &e) < 0 || e.kind != ENTRY_KEY || e.flags ||
        !str_eq(e.payload, buf_view(&payload)))
        return -EBADMSG;
    return 0;
}
