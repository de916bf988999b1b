// Signed notes and checkpoints. Strict: what isn't exactly the format is refused, so that no byte
// can be changed.
#include "record/ledger/note.h"

#include <errno.h>
#include <sodium.h>
#include <sys/mman.h>

#define DASH    "\xe2\x80\x94 " // em dash, space
#define PRIVATE "PRIVATE+KEY+"
enum { ED25519 = 0x01, ID_HEX = 8, PAGE_BYTES = 4096 };

void buf_base64(struct buf *b, const void *bytes, size_t len)
{
    size_t need = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
    _cleanup_free_ char *text = malloc(need);
    if (!text) {
        b->failed = true;
        return;
    }
    sodium_bin2base64(text, need, bytes, len, sodium_base64_VARIANT_ORIGINAL);
    buf_text(b, text);
}

// libsodium's decoder takes some bytes above 0x7f for letters, so that two texts would have one
// meaning.
static bool is_base64(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/' || c == '='))
            return false;
    }
    return true;
}

int base64_exact(struct str s, void *out, size_t len)
{
    size_t got;
    const char *end;
    if (s.len > 4 * ((len + 2) / 3) || !is_base64(s) ||
        sodium_base642bin(out, len, s.ptr, s.len, NULL, &got, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return -EBADMSG;
    return got == len && end == s.ptr + s.len ? 0 : -EBADMSG;
}

int base64_parse(struct str s, size_t max, struct buf *ret)
{
    size_t room = s.len / 4 * 3 + 3, got;
    const char *end;
    if (room > max + 3 || !is_base64(s))
        return -EBADMSG;
    _cleanup_free_ uint8_t *bytes = malloc(room);
    if (!bytes)
        return -ENOMEM;
    if (sodium_base642bin(bytes, room, s.ptr, s.len, NULL, &got, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != s.ptr + s.len)
        return -EBADMSG;
    buf_add(ret, bytes, got);
    return ret->failed ? -ENOMEM : 0;
}

bool origin_ok(struct str origin)
{
    if (origin.len == 0 || origin.len > MAX_ORIGIN)
        return false;
    for (size_t i = 0; i < origin.len; i++) // ASCII only: no Unicode space can hide in it
        if (origin.ptr[i] <= ' ' || origin.ptr[i] >= 0x7f || origin.ptr[i] == '+')
            return false;
    return true;
}

void vkey_make(struct vkey *ret, const char *name, const uint8_t key[32])
{
    static const uint8_t type[2] = {'\n', ED25519};
    crypto_hash_sha256_state s;
    uint8_t hash[32];
    *ret = (struct vkey){0};
    snprintf(ret->name, sizeof(ret->name), "%s", name);
    memcpy(ret->key, key, sizeof(ret->key));
    crypto_hash_sha256_init(&s);
    crypto_hash_sha256_update(&s, (const uint8_t *)ret->name, strlen(ret->name));
    crypto_hash_sha256_update(&s, type, sizeof(type));
    crypto_hash_sha256_update(&s, key, 32);
    crypto_hash_sha256_final(&s, hash);
    ret->id = (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
}

// name+id+base64(type ‖ 32 bytes), as verifier keys and private keys both are.
static int key_parse(struct str s, struct str *ret_name, uint32_t *ret_id, uint8_t key[32])
{
    const char *plus = s.len ? memchr(s.ptr, '+', s.len) : NULL;
    uint8_t typed[33], id[4];
    if (!plus)
        return -EBADMSG;
    *ret_name = (struct str){s.ptr, (size_t)(plus - s.ptr)};
    struct str rest = {plus + 1, s.len - ret_name->len - 1};
    if (!origin_ok(*ret_name) || rest.len < ID_HEX + 1 || rest.ptr[ID_HEX] != '+' ||
        hex_parse((struct str){rest.ptr, ID_HEX}, id, sizeof(id)) < 0 ||
        base64_exact((struct str){rest.ptr + ID_HEX + 1, rest.len - ID_HEX - 1}, typed,
                     sizeof(typed)) < 0 ||
        typed[0] != ED25519)
        return -EBADMSG;
    for (size_t i = 0; i < ID_HEX; i++)
        if (rest.ptr[i] >= 'A' && rest.ptr[i] <= 'F')
            return -EBADMSG;
    *ret_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    memcpy(key, typed + 1, 32);
    sodium_memzero(typed, sizeof(typed));
    return 0;
}

int vkey_parse(struct str s, struct vkey *ret)
{
    struct str name;
    uint32_t id;
    uint8_t key[32];
    if (key_parse(s, &name, &id, key) < 0)
        return -EBADMSG;
    char copy[MAX_ORIGIN + 1] = {0};
    memcpy(copy, name.ptr, name.len);
    vkey_make(ret, copy, key);
    return ret->id == id ? 0 : -EBADMSG;
}

static void key_text(const char *name, uint32_t id, const uint8_t key[32], char *out, size_t size)
{
    uint8_t typed[33] = {ED25519};
    char text[sodium_base64_ENCODED_LEN(33, sodium_base64_VARIANT_ORIGINAL)];
    memcpy(typed + 1, key, 32);
    sodium_bin2base64(text, sizeof(text), typed, sizeof(typed), sodium_base64_VARIANT_ORIGINAL);
    snprintf(out, size, "%s+%08x+%s", name, id, text);
    sodium_memzero(typed, sizeof(typed));
    sodium_memzero(text, sizeof(text));
}

void vkey_text(const struct vkey *k, char out[MAX_VKEY])
{
    key_text(k->name, k->id, k->key, out, MAX_VKEY);
}

static struct signer *from_seed(const char *name, const uint8_t seed[SEED_BYTES])
{
    struct signer *s = sodium_malloc(sizeof(*s));
    uint8_t pub[32];
    if (!s)
        return NULL;
    // The agent forks its unprivileged processes again when they end: those get no key with them.
    uintptr_t from = (uintptr_t)s & ~(uintptr_t)(PAGE_BYTES - 1);
    size_t span = (((uintptr_t)s + sizeof(*s) - from) + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
    if (madvise((void *)from, span, MADV_WIPEONFORK) < 0) {
        sodium_free(s);
        return NULL;
    }
    crypto_sign_ed25519_seed_keypair(pub, s->secret, seed);
    vkey_make(&s->pub, name, pub);
    return s;
}

struct signer *signer_new(const char *name)
{
    uint8_t seed[SEED_BYTES];
    randombytes_buf(seed, sizeof(seed));
    struct signer *s = from_seed(name, seed);
    sodium_memzero(seed, sizeof(seed));
    return s;
}

struct signer *signer_parse(struct str text, int *ret_error)
{
    struct str name, rest;
    uint32_t id;
    uint8_t seed[SEED_BYTES];
    *ret_error = -EBADMSG;
    if (!str_starts(text, STR(PRIVATE)) || text.ptr[text.len - 1] != '\n')
        return NULL;
    rest = (struct str){text.ptr + strlen(PRIVATE), text.len - strlen(PRIVATE) - 1};
    if (key_parse(rest, &name, &id, seed) < 0)
        return NULL;
    char copy[MAX_ORIGIN + 1] = {0};
    memcpy(copy, name.ptr, name.len);
    struct signer *s = from_seed(copy, seed);
    sodium_memzero(seed, sizeof(seed));
    if (!s) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    if (s->pub.id != id) {
        signer_free(s);
        return NULL;
    }
    *ret_error = 0;
    return s;
}

void signer_text(const struct signer *s, char *out, size_t size)
{
    uint8_t seed[SEED_BYTES];
    char key[MAX_VKEY];
    crypto_sign_ed25519_sk_to_seed(seed, s->secret);
    key_text(s->pub.name, s->pub.id, seed, key, sizeof(key));
    snprintf(out, size, PRIVATE "%s\n", key);
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(key, sizeof(key));
}

void signer_free(struct signer *s)
{
    if (s)
        sodium_free(s); // zeroes
}

void signer_freep(struct signer **s)
{
    signer_free(*s);
}

void checkpoint_sign(struct buf *b, const struct signer *s, const struct tree_head *head)
{
    uint8_t sig[4 + 64];
    size_t start = b->len;
    buf_printf(b, "%s\n%llu\n", s->pub.name, (unsigned long long)head->size);
    buf_base64(b, head->root.bytes, HASH_BYTES);
    buf_char(b, '\n');
    if (b->failed)
        return;
    for (int i = 0; i < 4; i++)
        sig[i] = (uint8_t)(s->pub.id >> (24 - 8 * i));
    crypto_sign_ed25519_detached(sig + 4, NULL, (const uint8_t *)b->ptr + start, b->len - start,
                                 s->secret);
    buf_printf(b, "\n" DASH "%s ", s->pub.name);
    buf_base64(b, sig, sizeof(sig));
    buf_char(b, '\n');
}

// Takes one line, without its newline, off the front. False: no newline.
static bool line(struct str *s, struct str *ret)
{
    const char *end = s->len ? memchr(s->ptr, '\n', s->len) : NULL;
    if (!end)
        return false;
    *ret = (struct str){s->ptr, (size_t)(end - s->ptr)};
    *s = (struct str){end + 1, s->len - ret->len - 1};
    return true;
}

// Text with its last newline, and the signature lines. The last empty line separates them.
static int note_split(struct str note, struct str *ret_text, struct str *ret_signatures)
{
    if (note.len > MAX_NOTE || note.len < 4 || note.ptr[note.len - 1] != '\n')
        return -EBADMSG;
    for (size_t i = 0; i < note.len; i++)
        if ((uint8_t)note.ptr[i] < 0x20 && note.ptr[i] != '\n')
            return -EBADMSG;
    for (size_t i = note.len - 1; i > 0; i--)
        if (note.ptr[i] == '\n' && note.ptr[i - 1] == '\n') {
            *ret_text = (struct str){note.ptr, i};
            *ret_signatures = (struct str){note.ptr + i + 1, note.len - i - 1};
            return ret_signatures->len ? 0 : -EBADMSG;
        }
    return -EBADMSG;
}

static int head_parse(struct str text, struct str *ret_origin, struct tree_head *ret)
{
    struct str size, root, more;
    if (!line(&text, ret_origin) || !line(&text, &size) || !line(&text, &root) ||
        !origin_ok(*ret_origin) || size.len == 0 || (size.ptr[0] == '0' && size.len > 1) ||
        parse_u64(size, &ret->size) < 0 || base64_exact(root, ret->root.bytes, HASH_BYTES) < 0)
        return -EBADMSG;
    while (text.len) // extension lines: ours has none, others may
        if (!line(&text, &more) || more.len == 0)
            return -EBADMSG;
    return 0;
}

int checkpoint_peek(struct str note, struct str *ret_origin, struct tree_head *ret)
{
    struct str text, signatures;
    if (note_split(note, &text, &signatures) < 0)
        return -EBADMSG;
    return head_parse(text, ret_origin, ret);
}

int checkpoint_open(struct str note, const struct vkey *key, struct tree_head *ret)
{
    struct str text, signatures, l, origin;
    bool good = false;
    if (note_split(note, &text, &signatures) < 0 || head_parse(text, &origin, ret) < 0 ||
        !str_eq(origin, str_of(key->name)))
        return -EBADMSG;
    while (line(&signatures, &l)) {
        if (!str_starts(l, STR(DASH)))
            return -EBADMSG;
        l = (struct str){l.ptr + strlen(DASH), l.len - strlen(DASH)};
        const char *space = l.len ? memchr(l.ptr, ' ', l.len) : NULL;
        if (!space || space == l.ptr)
            return -EBADMSG;
        struct str name = {l.ptr, (size_t)(space - l.ptr)},
                   sig = {space + 1, l.len - (size_t)(space - l.ptr) - 1};
        _cleanup_buf_ struct buf bytes = {0};
        if (base64_parse(sig, MAX_NOTE, &bytes) < 0 || bytes.len < 5)
            return -EBADMSG;
        const uint8_t *at = (const uint8_t *)bytes.ptr;
        uint32_t id = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (!str_eq(name, str_of(key->name)) || id != key->id)
            continue; // a witness, or a key that we don't know: ignored, as the specification says
        if (bytes.len != 4 + 64 || crypto_sign_ed25519_verify_detached(
                                       at + 4, (const uint8_t *)text.ptr, text.len, key->key) != 0)
            return -EBADMSG;
        good = true;
    }
    return good && signatures.len == 0 ? 0 : -EBADMSG;
}
