// Signed notes, verifier keys and checkpoints: c2sp.org/signed-note and c2sp.org/tlog-checkpoint,
// Ed25519 only.
#pragma once

#include "record/ledger/merkle.h"

enum {
    MAX_ORIGIN = 200,
    MAX_VKEY = MAX_ORIGIN + 64, // name + 8 hex digits + 44 of base64
    MAX_NOTE = 8192,
    SEED_BYTES = 32,
};

void buf_base64(struct buf *b, const void *bytes, size_t len);
// Strict: canonical, padded, exactly len bytes. 0 or -EBADMSG.
int base64_exact(struct str s, void *out, size_t len);
// Strict, up to max bytes.
int base64_parse(struct str s, size_t max, struct buf *ret);

bool origin_ok(struct str origin); // a key name: not empty, no space, no plus, no control character

struct vkey {
    char name[MAX_ORIGIN + 1];
    uint32_t id;
    uint8_t key[32];
};
void vkey_make(struct vkey *ret, const char *name, const uint8_t key[32]);
int vkey_parse(struct str s, struct vkey *ret); // 0 or -EBADMSG
void vkey_text(const struct vkey *k, char out[MAX_VKEY]);

// A key that signs. Lives in locked memory that is zeroed when it is freed.
struct signer {
    struct vkey pub;
    uint8_t secret[64]; // libsodium's: seed and public key
};
struct signer *signer_new(const char *name); // fresh; NULL without memory
struct signer *signer_parse(struct str text,
                            int *ret_error); // Go's note format: PRIVATE+KEY+name+id+base64
void signer_text(const struct signer *s, char *out, size_t size); // the caller zeroes it
enum { MAX_SIGNER_TEXT = MAX_VKEY + 16 };
void signer_free(struct signer *s);
void signer_freep(struct signer **s);

struct tree_head {
    uint64_t size;
    struct hash root;
};
void checkpoint_sign(struct buf *b, const struct signer *s, const struct tree_head *head);
// Parses, without asking who signed.
int checkpoint_peek(struct str note, struct str *ret_origin, struct tree_head *ret);
// And its signature by this key, whose name is the origin. 0 or -EBADMSG.
int checkpoint_open(struct str note, const struct vkey *key, struct tree_head *ret);
