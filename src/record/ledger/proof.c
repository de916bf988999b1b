// Proofs that stand alone: an entry, its path to a signed root, and how that key follows from the
// first one.
#include "record/ledger/layout.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>

#define PROOF_FORMAT "bulkhead.io/ledger-proof/v1"
enum { MAX_PROOF_BYTES = 64 << 20, MAX_RETRIES = 20 };

struct tiles {
    int dirfd;
    uint64_t size;
    unsigned level;
    uint64_t n;
    bool loaded;
    struct hash tile[TILE_WIDTH];
};

static int node(void *ctx, unsigned height, uint64_t index, struct hash *ret)
{
    struct tiles *t = ctx;
    unsigned level = height / 8, k = height % 8;
    uint64_t first = index << k;
    if (!t->loaded || t->level != level || t->n != first >> 8) {
        int r = layout_tile(t->dirfd, t->size, level, first >> 8, t->tile);
        t->loaded = r == 0;
        if (r < 0)
            return r;
        t->level = level;
        t->n = first >> 8;
    }
    *ret = merkle_perfect(&t->tile[first & (TILE_WIDTH - 1)], k);
    return 0;
}

static void json_base64(struct json *j, const char *key, const void *bytes, size_t len)
{
    _cleanup_buf_ struct buf text = {0};
    buf_base64(&text, bytes, len);
    j->out->failed |= text.failed;
    if (key)
        json_kstr(j, key, buf_view(&text));
    else
        json_str(j, buf_view(&text));
}

// index, entry and path: the entry is in the tree of this size.
static int write_inclusion(struct json *j, struct tiles *t, uint64_t index, uint64_t size,
                           struct str entry)
{
    struct hash path[MAX_PROOF];
    size_t n;
    int r = merkle_path(index, size, node, t, path, &n);
    if (r < 0)
        return r;
    json_ku64(j, "index", index);
    json_base64(j, "entry", entry.ptr, entry.len);
    json_key(j, "path");
    json_array(j);
    for (size_t i = 0; i < n; i++)
        json_base64(j, NULL, path[i].bytes, HASH_BYTES);
    json_array_end(j);
    return 0;
}

static int entry_at(struct tiles *t, uint64_t index, struct buf *ret, struct entry_view *view)
{
    _cleanup_buf_ struct buf b = {0};
    int r = layout_bundle(t->dirfd, t->size, index / TILE_WIDTH, &b);
    struct str rest = buf_view(&b), entry = STR_NULL;
    for (uint64_t i = 0; r == 0 && i <= index % TILE_WIDTH; i++)
        if (bundle_next(&rest, &entry) <= 0)
            return -EUCLEAN;
    if (r < 0)
        return r;
    buf_reset(ret);
    buf_str(ret, entry);
    return ret->failed ? -ENOMEM : entry_parse(buf_view(ret), view) < 0 ? -EUCLEAN : 0;
}

// The parts of the payload that entry `index` belongs to: [*ret_first, *ret_end).
static int parts_of(struct tiles *t, uint64_t index, uint64_t *ret_first, uint64_t *ret_end)
{
    _cleanup_buf_ struct buf b = {0};
    struct entry_view e = {0};
    uint64_t first = index, end = index + 1;
    int r = entry_at(t, index, &b, &e);
    uint8_t flags = e.flags;
    while (r == 0 && (e.flags & ENTRY_CONTINUES)) {
        if (first == 0 || index - first >= MAX_PARTS)
            return -EUCLEAN;
        r = entry_at(t, --first, &b, &e);
    }
    while (r == 0 && (flags & ENTRY_MORE)) {
        if (end >= t->size || end - first >= MAX_PARTS)
            return -EUCLEAN;
        r = entry_at(t, end++, &b, &e);
        flags = e.flags;
    }
    *ret_first = first;
    *ret_end = end;
    return r;
}

// Which checkpoint: the first one that is kept and covers the last part. Its signer's number, its
// size.
static int choose(struct tiles *t, uint64_t end, struct buf *note, uint64_t *ret_signer,
                  uint64_t *ret_size)
{
    uint64_t n = 1;
    for (; n < MAX_KEYS; n++) {
        _cleanup_(certificate_done) struct certificate c = {0};
        int r = certificate_read(t->dirfd, n, &c);
        if (r == -ENOENT)
            break;
        if (r < 0)
            return r;
        if (c.index == UINT64_MAX || c.index + 1 < end || c.index >= t->size)
            continue;
        buf_reset(note);
        buf_str(note, buf_view(&c.note));
        *ret_size = c.index + 1;
        *ret_signer = n - 1;
        return note->failed ? -ENOMEM : 0;
    }
    *ret_size = t->size;
    *ret_signer = n - 1;
    return 0;
}

static int write_keys(struct json *j, struct tiles *t, uint64_t signer)
{
    char text[MAX_VKEY];
    json_key(j, "keys");
    json_array(j);
    for (uint64_t n = 0; n <= signer; n++) {
        _cleanup_(certificate_done) struct certificate c = {0};
        int r = certificate_read(t->dirfd, n, &c);
        if (r < 0)
            return r;
        vkey_text(&c.key, text);
        json_object(j);
        json_kcstr(j, "vkey", text);
        if (n) {
            r = write_inclusion(j, t, c.index, c.index + 1, buf_view(&c.entry));
            if (r < 0)
                return r;
            json_kstr(j, "checkpoint", buf_view(&c.note));
        }
        json_object_end(j);
    }
    json_array_end(j);
    return 0;
}

static int prove(struct tiles *t, uint64_t index, struct buf *note, struct buf *out)
{
    struct json j = json_on(out);
    uint64_t first = 0, end = 0, signer = 0, size = 0;
    int r = parts_of(t, index, &first, &end);
    if (r == 0)
        r = choose(t, end, note, &signer, &size);
    if (r < 0)
        return r;
    json_object(&j);
    json_kcstr(&j, "format", PROOF_FORMAT);
    json_ku64(&j, "index", first);
    json_key(&j, "entries");
    json_array(&j);
    for (uint64_t i = first; i < end; i++) {
        _cleanup_buf_ struct buf entry = {0};
        struct entry_view e;
        r = entry_at(t, i, &entry, &e);
        if (r < 0)
            return r;
        json_object(&j);
        r = write_inclusion(&j, t, i, size, buf_view(&entry));
        if (r < 0)
            return r;
        json_object_end(&j);
    }
    json_array_end(&j);
    json_kstr(&j, "checkpoint", buf_view(note));
    r = write_keys(&j, t, signer);
    json_object_end(&j);
    return r < 0 ? r : out->failed ? -ENOMEM : 0;
}

int ledger_prove(int dirfd, uint64_t index, struct buf *out, struct error *err)
{
    size_t start = out->len;
    _cleanup_free_ struct tiles *t = calloc(1, sizeof(*t));
    if (!t)
        return error_set(err, -ENOMEM, "no memory for a proof");
    for (int i = 0;; i++) {
        _cleanup_buf_ struct buf note = {0}, again = {0}, kept = {0};
        struct tree_head head;
        struct str origin;
        int r = layout_checkpoint(dirfd, &note);
        if (r < 0)
            return io_error(err, r, "read", "the ledger's checkpoint");
        if (checkpoint_peek(buf_view(&note), &origin, &head) < 0)
            return error_set(err, -EUCLEAN, "the ledger's checkpoint is damaged");
        if (index >= head.size)
            return error_set(err, -ENOENT,
                             "no checkpoint covers entry %llu: the latest has %llu entries",
                             (unsigned long long)index, (unsigned long long)head.size);
        *t = (struct tiles){.dirfd = dirfd, .size = head.size};
        buf_str(&kept, buf_view(&note));
        out->len = start;
        r = prove(t, index, &kept, out);
        if (r == 0)
            return 0;
        // A writer at work replaces partial tiles: again, with its newer checkpoint.
        if (i < MAX_RETRIES && layout_checkpoint(dirfd, &again) == 0 &&
            !str_eq(buf_view(&again), buf_view(&note)))
            continue;
        out->len = start;
        if (r == -ENOENT)
            return error_set(err, r,
                             "entry %llu cannot be proven: retention took it, or files are missing",
                             (unsigned long long)index);
        return r == -EUCLEAN || r == -EBADMSG
                   ? error_set(err, -EUCLEAN, "the ledger is damaged: verify it")
                   : io_error(err, r, "prove from", "the ledger");
    }
}

// ── checking ─────────────────────────────────────────────────────────────────────────────────

static void free_json(json_t **j)
{
    json_decref(*j);
}

static struct str string_of(json_t *s)
{
    return (struct str){json_string_value(s), json_string_length(s)};
}

// The entry's bytes, included by `path` in the tree of `head`.
static int check_inclusion(json_int_t index, json_t *entry, json_t *path,
                           const struct tree_head *head, struct buf *ret)
{
    struct hash hashes[MAX_PROOF];
    size_t n = json_array_size(path);
    if (index < 0 || !json_is_string(entry) || n > MAX_PROOF ||
        base64_parse(string_of(entry), MAX_ENTRY, ret) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < n; i++) {
        json_t *h = json_array_get(path, i);
        if (!json_is_string(h) || base64_exact(string_of(h), hashes[i].bytes, HASH_BYTES) < 0)
            return -EBADMSG;
    }
    struct hash leaf = hash_leaf(buf_view(ret));
    return merkle_check(&leaf, (uint64_t)index, head->size, hashes, n, &head->root);
}

// From the first key to the one that signed; each step is an entry under the key before.
static int check_keys(json_t *keys, const char *first_key, struct vkey *ret, struct error *err)
{
    json_t *first, *vkey;
    if (json_array_size(keys) == 0 ||
        json_unpack_ex(json_array_get(keys, 0), NULL, JSON_STRICT, "{s:o}", "vkey", &first) ||
        !json_is_string(first) || vkey_parse(string_of(first), ret) < 0)
        return error_set(err, -EBADMSG, "the proof names no first key");
    if (!str_eq(string_of(first), str_of(first_key)))
        return error_set(err, -EBADMSG,
                         "the proof begins with another key than the one that was given");
    for (size_t n = 1; n < json_array_size(keys); n++) {
        _cleanup_(certificate_done) struct certificate c = {.number = n};
        json_t *entry, *path, *note;
        json_int_t index;
        struct tree_head head;
        if (json_unpack_ex(json_array_get(keys, n), NULL, JSON_STRICT, "{s:o,s:I,s:o,s:o,s:o}",
                           "vkey", &vkey, "index", &index, "entry", &entry, "path", &path,
                           "checkpoint", &note) ||
            index < 0 || !json_is_string(vkey) || !json_is_string(note) || !json_is_array(path) ||
            vkey_parse(string_of(vkey), &c.key) < 0 ||
            checkpoint_open(string_of(note), ret, &head) < 0 ||
            check_inclusion(index, entry, path, &head, &c.entry) < 0)
            return error_set(err, -EBADMSG,
                             "the proof's key %zu does not follow from the one before", n);
        c.index = (uint64_t)index;
        buf_str(&c.note, string_of(note));
        if (c.note.failed || certificate_check(&c, ret, &head) < 0)
            return error_set(err, -EBADMSG,
                             "the proof's key %zu does not follow from the one before", n);
        *ret = c.key;
    }
    return 0;
}

int ledger_check_proof(struct str proof, const char *first_key, struct error *err)
{
    json_t *entries, *note, *keys;
    const char *format;
    json_int_t first;
    struct vkey key;
    struct tree_head head;
    if (sodium_init() < 0 || !first_key)
        return error_set(err, -EINVAL, "a proof is checked with the log's first key");
    if (proof.len > MAX_PROOF_BYTES)
        return error_set(err, -EBADMSG, "not a proof: over %d bytes", MAX_PROOF_BYTES);
    _cleanup_(free_json) json_t *root =
        json_loadb(proof.ptr, proof.len, JSON_REJECT_DUPLICATES, NULL);
    if (!root ||
        json_unpack_ex(root, NULL, JSON_STRICT, "{s:s,s:I,s:o,s:o,s:o}", "format", &format, "index",
                       &first, "entries", &entries, "checkpoint", &note, "keys", &keys) ||
        strcmp(format, PROOF_FORMAT) || !json_is_array(entries) || !json_is_string(note) ||
        !json_is_array(keys))
        return error_set(err, -EBADMSG, "not a proof in the format " PROOF_FORMAT);
    int r = check_keys(keys, first_key, &key, err);
    if (r < 0)
        return r;
    if (checkpoint_open(string_of(note), &key, &head) < 0)
        return error_set(err, -EBADMSG, "the proof's checkpoint is not signed by its last key");
    size_t n = json_array_size(entries);
    if (n == 0 || n > MAX_PARTS)
        return error_set(err, -EBADMSG, "the proof has %zu entries", n);
    for (size_t i = 0; i < n; i++) {
        _cleanup_buf_ struct buf bytes = {0};
        json_t *entry, *path;
        json_int_t index;
        struct entry_view e;
        if (json_unpack_ex(json_array_get(entries, i), NULL, JSON_STRICT, "{s:I,s:o,s:o}", "index",
                           &index, "entry", &entry, "path", &path) ||
            !json_is_array(path) || index - (json_int_t)i != first ||
            check_inclusion(index, entry, path, &head, &bytes) < 0)
            return error_set(err, -EBADMSG,
                             "the proof's entry is not in the tree that its checkpoint signs");
        uint8_t flags = (uint8_t)((i ? ENTRY_CONTINUES : 0) | (i + 1 < n ? ENTRY_MORE : 0));
        if (entry_parse(buf_view(&bytes), &e) < 0 || e.flags != flags)
            return error_set(err, -EBADMSG, "the proof's entry is not a whole one");
    }
    return 0;
}
