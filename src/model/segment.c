// Segments: the one file format of captures, the recorder and the store (docs/formats/segment.md).
// A head with the writer's tables, records back to back, and a foot that proves what stands before
// it. A file without its foot (a crash, a capture that still grows) is readable up to its last
// whole record.
#include "model/model.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>

#define FOOT_MAGIC "BHFOOT\r\n"
#define END_MAGIC  "BHSE"
enum {
    MAGIC_BYTES = 8,
    HEAD_FIXED = 16, // magic, version, length of the JSON
    MAX_HEAD_JSON = 1 << 20,
    MAX_COVERAGE = 16 << 20,
    FOOT_END = 8,     // length of the whole foot, END_MAGIC
    FOOT_HASHED = 56, // of the fixed part, what `check` covers
};

// All integers little-endian, as the records themselves are.
static void put32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}
static void put64(uint8_t *at, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}
static uint32_t get32(const uint8_t *at)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v |= (uint32_t)at[i] << (8 * i);
    return v;
}
static uint64_t get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static void tables(struct json *j)
{
    static const char *const types[] = {
        [FIELD_STRING] = "string",   [FIELD_I64] = "i64",   [FIELD_U64] = "u64",
        [FIELD_BOOL] = "bool",       [FIELD_IP] = "ip",     [FIELD_NET] = "net",
        [FIELD_PORT] = "port",       [FIELD_TIME] = "time", [FIELD_DURATION] = "duration",
        [FIELD_STRINGS] = "strings",
    };
    static_assert(ARRAY_SIZE(types) == FIELD_TYPE_MAX, "a name for each type of field");
    json_key(j, "tables");
    json_object(j);
    json_key(j, "kinds");
    json_array(j);
    for (size_t i = 0; i < model_kinds_n; i++) {
        json_object(j);
        json_ku64(j, "kind", model_kinds[i].kind);
        json_kcstr(j, "name", model_kinds[i].name);
        json_kcstr(j, "domain", model_kinds[i].domain);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "calls");
    json_array(j);
    for (size_t i = 0; i < model_calls_n; i++) {
        json_object(j);
        json_ku64(j, "call", model_calls[i].call);
        json_kcstr(j, "name", model_calls[i].name);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "fields");
    json_array(j);
    for (size_t i = 0; i < model_fields_n; i++) {
        json_object(j);
        json_kcstr(j, "name", model_fields[i].name);
        json_kcstr(j, "type", types[model_fields[i].type]);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
}

// Spaces up to the next multiple of 8: JSON ignores them, and records must lie aligned.
static void pad(struct buf *b, size_t start)
{
    while (!b->failed && (b->len - start) % 8)
        buf_char(b, ' ');
}

void segment_head(struct buf *b, const struct segment_info *info)
{
    size_t start = b->len;
    uint8_t fixed[HEAD_FIXED];
    memcpy(fixed, SEGMENT_MAGIC, MAGIC_BYTES);
    put32(fixed + 8, SEGMENT_VERSION);
    put32(fixed + 12, 0);
    buf_add(b, fixed, sizeof(fixed));
    struct json j = json_on(b);
    json_object(&j);
    json_kstr(&j, "host", info->host);
    json_kstr(&j, "boot", info->boot);
    json_ku64(&j, "wall_minus_boot", info->wall_minus_boot);
    json_ku64(&j, "shards", info->shards);
    json_ku64(&j, "abi", info->abi ? info->abi : BH_ABI_VERSION);
    json_kcstr(&j, "writer", BULKHEAD_VERSION);
    json_key(&j, "extra");
    json_raw(&j, info->extra.len ? info->extra : STR("{}"));
    tables(&j);
    json_object_end(&j);
    pad(b, start);
    if (!b->failed)
        put32((uint8_t *)b->ptr + start + 12, (uint32_t)(b->len - start - HEAD_FIXED));
}

// The foot protects itself: the hash of all before it can't say that coverage or count were
// changed.
static void foot_check(const uint8_t *fixed, const uint8_t *coverage, size_t len, uint8_t check[8])
{
    crypto_hash_sha256_state s;
    uint8_t hash[32];
    crypto_hash_sha256_init(&s);
    crypto_hash_sha256_update(&s, fixed, FOOT_HASHED);
    crypto_hash_sha256_update(&s, coverage, len);
    crypto_hash_sha256_final(&s, hash);
    memcpy(check, hash, 8);
}

void segment_foot(struct buf *b, uint64_t records, const uint8_t sha256[32], struct str coverage)
{
    size_t start = b->len;
    if (!coverage.len)
        coverage = STR("{}");
    uint8_t fixed[SEGMENT_FOOT_FIXED] = {0};
    buf_add(b, fixed, sizeof(fixed));
    buf_str(b, coverage);
    pad(b, start);
    if (b->failed)
        return;
    size_t json = b->len - start - sizeof(fixed);
    if (json > MAX_COVERAGE) {
        b->failed = true;
        return;
    }
    memcpy(fixed, FOOT_MAGIC, MAGIC_BYTES);
    put64(fixed + 8, records);
    put32(fixed + 16, (uint32_t)json);
    memcpy(fixed + 24, sha256, 32);
    foot_check(fixed, (const uint8_t *)b->ptr + start + sizeof(fixed), json, fixed + FOOT_HASHED);
    memcpy(b->ptr + start, fixed, sizeof(fixed));
    uint8_t end[FOOT_END];
    put32(end, (uint32_t)(sizeof(fixed) + json + sizeof(end)));
    memcpy(end + 4, END_MAGIC, 4);
    buf_add(b, end, sizeof(end));
}

static int string_of(json_t *o, const char *key, struct arena *arena, struct str *ret)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_string(v))
        return -EBADMSG;
    *ret = arena_str(arena, (struct str){json_string_value(v), json_string_length(v)});
    return ret->ptr ? 0 : -ENOMEM;
}

static int number_of(json_t *o, const char *key, uint64_t max, uint64_t *ret)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
        return -EBADMSG;
    *ret = (uint64_t)json_integer_value(v);
    return 0;
}

static void free_json(json_t **j)
{
    json_decref(*j);
}

static int read_info(struct segment_info *info, const uint8_t *json, size_t len,
                     struct arena *arena, struct error *err)
{
    json_error_t why;
    _cleanup_(free_json) json_t *o =
        json_loadb((const char *)json, len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(o))
        return error_set(err, -EBADMSG, "the segment's head is not a JSON object");
    uint64_t shards, abi;
    int r = string_of(o, "host", arena, &info->host);
    if (r == 0)
        r = string_of(o, "boot", arena, &info->boot);
    if (r == 0)
        r = number_of(o, "wall_minus_boot", INT64_MAX, &info->wall_minus_boot);
    if (r == 0)
        r = number_of(o, "shards", UINT32_MAX, &shards);
    if (r == 0)
        r = number_of(o, "abi", UINT32_MAX, &abi);
    json_t *extra = json_object_get(o, "extra");
    if (r == 0 && !json_is_object(extra))
        r = -EBADMSG;
    if (r < 0)
        return error_set(
            err, r, "the segment's head lacks host, boot, wall_minus_boot, shards, abi or extra");
    info->shards = (uint32_t)shards;
    info->abi = (uint32_t)abi;
    if (info->abi > BH_ABI_VERSION)
        return error_set(err, -EPROTONOSUPPORT,
                         "its records have version %u, this program reads up to %d", info->abi,
                         BH_ABI_VERSION);
    char *text = json_dumps(extra, JSON_COMPACT);
    if (text)
        info->extra = arena_str(arena, str_of(text));
    free(text);
    return info->extra.ptr ? 0 : error_set(err, -ENOMEM, "no memory for the segment's head");
}

// Looks for a foot at the end. Where there is none the file simply ends early.
static void read_foot(struct segment_reader *r)
{
    if (r->len - r->at < SEGMENT_FOOT_FIXED + FOOT_END)
        return;
    const uint8_t *end = r->bytes + r->len - FOOT_END;
    uint32_t total = get32(end);
    if (memcmp(end + 4, END_MAGIC, 4) || total < SEGMENT_FOOT_FIXED + FOOT_END ||
        total > r->len - r->at || total % 8)
        return;
    const uint8_t *foot = r->bytes + r->len - total;
    uint32_t json = get32(foot + 16);
    uint8_t check[8], hash[32];
    if (memcmp(foot, FOOT_MAGIC, MAGIC_BYTES) || json != total - SEGMENT_FOOT_FIXED - FOOT_END)
        return;
    foot_check(foot, foot + SEGMENT_FOOT_FIXED, json, check);
    crypto_hash_sha256(hash, r->bytes, r->len - total);
    r->closed = true;
    r->hash_ok = memcmp(check, foot + FOOT_HASHED, sizeof(check)) == 0 && get32(foot + 20) == 0 &&
                 memcmp(hash, foot + 24, sizeof(hash)) == 0;
    r->coverage = (struct str){(const char *)foot + SEGMENT_FOOT_FIXED, json};
    while (r->coverage.len && r->coverage.ptr[r->coverage.len - 1] == ' ')
        r->coverage.len--;
    r->promised = get64(foot + 8);
    r->len -= total; // what is left is records
}

int segment_open(struct segment_reader *r, const void *bytes, size_t len, struct arena *arena,
                 struct error *err)
{
    *r = (struct segment_reader){.bytes = bytes, .len = len};
    if ((uintptr_t)bytes % 8)
        return error_set(err, -EINVAL, "a segment's bytes must be aligned to 8");
    if (len < HEAD_FIXED || memcmp(bytes, SEGMENT_MAGIC, MAGIC_BYTES))
        return error_set(err, -EBADMSG, "not a segment: it does not begin with the segment magic");
    uint32_t version = get32(r->bytes + 8), json = get32(r->bytes + 12);
    if (version > SEGMENT_VERSION)
        return error_set(err, -EPROTONOSUPPORT,
                         "segment format version %u, this program reads up to %d", version,
                         SEGMENT_VERSION);
    if (version == 0 || json > MAX_HEAD_JSON || json % 8 || json > len - HEAD_FIXED)
        return error_set(err, -EBADMSG, "the segment's head is broken or cut");
    int e = read_info(&r->info, r->bytes + HEAD_FIXED, json, arena, err);
    if (e < 0)
        return e;
    r->at = HEAD_FIXED + json;
    read_foot(r);
    return 0;
}

int segment_next(struct segment_reader *r, const struct bh_rec **ret)
{
    for (;;) {
        size_t left = r->len - r->at;
        if (left == 0)
            return r->closed && r->records + r->skipped != r->promised ? -EBADMSG : 0;
        const struct bh_rec *rec = (const void *)(r->bytes + r->at);
        // A file that ends early may end in the middle of a record: all before it is good.
        if (!r->closed &&
            (left < sizeof(*rec) || (rec->size > left && rec_check_head(rec, rec->size) == 0)))
            return 0;
        if (rec_check_head(rec, left) < 0)
            return -EBADMSG;
        bool known = kind_row(rec->kind);
        if (known && rec_check(rec, left) < 0)
            return -EBADMSG;
        r->at += rec->size;
        if (known) {
            r->records++;
            *ret = rec;
            return 1;
        }
        r->skipped++;
    }
}
