// RFC 6962 hashing and inclusion paths: the constants that others publish, all trees up to a size
// against the definition in the RFC, and the shared Merkle cases where that folder exists.
#include "record/ledger/merkle.h"
#include "record/ledger/note.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>

#include <cmocka.h>

enum { LEAVES = 530 };
static struct hash leaves[LEAVES];

// MTH of RFC 6962 section 2.1, as it stands there.
static struct hash mth(const struct hash *d, size_t n)
{
    size_t k = 1;
    struct hash left, right;
    if (n == 0) {
        crypto_hash_sha256(left.bytes, NULL, 0);
        return left;
    }
    if (n == 1)
        return d[0];
    while (k * 2 < n)
        k *= 2;
    left = mth(d, k);
    right = mth(d + k, n - k);
    return hash_node(&left, &right);
}

static void expect_hex(const struct hash *h, const char *hex)
{
    char text[65];
    hex_of(h->bytes, HASH_BYTES, text);
    assert_string_equal(text, hex);
}

// transparency-dev/merkle rfc6962/rfc6962_test.go (Apache-2.0)
static void published_constants(void **state)
{
    struct hash h = mth(NULL, 0);
    expect_hex(&h, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    h = hash_leaf(STR(""));
    expect_hex(&h, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    h = hash_leaf(STR("L123456"));
    expect_hex(&h, "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
}

// The roots of the tree of the RFC's reference implementation: leaves "", 00, 10, 2021, 3031,
// 40414243, 5051525354555657, 606162636465666768696a6b6c6d6e6f.
static void the_reference_tree(void **state)
{
    static const char *const inputs[] = {"",
                                         "00",
                                         "10",
                                         "2021",
                                         "3031",
                                         "40414243",
                                         "5051525354555657",
                                         "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct tree *t = calloc(1, sizeof(*t));
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        uint8_t bytes[16];
        size_t n = strlen(inputs[i]) / 2;
        assert_int_equal(hex_parse(str_of(inputs[i]), bytes, n), 0);
        struct hash leaf = hash_leaf((struct str){(const char *)bytes, n});
        tree_add(t, &leaf, NULL, NULL);
        struct hash root = tree_root(t);
        expect_hex(&root, roots[i]);
    }
    free(t);
}

static int node(void *ctx, unsigned height, uint64_t index, struct hash *ret)
{
    assert_true((index + 1) << height <= *(uint64_t *)ctx);
    *ret = mth(leaves + (index << height), (size_t)1 << height);
    return 0;
}

static void every_leaf_of_every_size_is_proven(void **state)
{
    for (uint64_t size = 1; size < 140; size++) {
        struct hash root = mth(leaves, size);
        for (uint64_t i = 0; i < size; i++) {
            struct hash path[MAX_PROOF];
            size_t n;
            assert_int_equal(merkle_path(i, size, node, &size, path, &n), 0);
            assert_int_equal(merkle_check(&leaves[i], i, size, path, n, &root), 0);
            // not another leaf, place, size, root, or length
            assert_int_equal(merkle_check(&leaves[i + 1], i, size, path, n, &root), -EBADMSG);
            assert_int_equal(merkle_check(&leaves[i], i ^ 1, size, path, n, &root), -EBADMSG);
            assert_int_equal(merkle_check(&leaves[i], size, size, path, n, &root), -EBADMSG);
            if (n) {
                assert_int_equal(merkle_check(&leaves[i], i, size, path, n - 1, &root), -EBADMSG);
                path[n / 2].bytes[7] ^= 1;
                assert_int_equal(merkle_check(&leaves[i], i, size, path, n, &root), -EBADMSG);
                path[n / 2].bytes[7] ^= 1;
            }
            path[n] = leaves[0];
            assert_int_equal(merkle_check(&leaves[i], i, size, path, n + 1, &root), -EBADMSG);
        }
    }
}

static int count_full(void *ctx, unsigned level, uint64_t n, const struct hash *tile)
{
    unsigned *full = ctx;
    assert_int_equal(n, full[level]++);
    if (level == 0)
        assert_memory_equal(tile, leaves + n * TILE_WIDTH, TILE_BYTES);
    return 0;
}

static void a_growing_tree_agrees_with_the_definition(void **state)
{
    struct tree *t = calloc(1, sizeof(*t)), *again = calloc(1, sizeof(*again));
    unsigned full[TILE_LEVELS] = {0};
    for (size_t n = 0; n < LEAVES; n++) {
        struct hash root = tree_root(t), want = mth(leaves, n);
        assert_true(hash_eq(&root, &want));
        // as read back from its tiles
        again->size = n;
        memcpy(again->tile, t->tile, sizeof(t->tile));
        tree_peaks(again);
        root = tree_root(again);
        assert_true(hash_eq(&root, &want));
        assert_int_equal(tree_add(t, &leaves[n], count_full, full), 0);
    }
    assert_int_equal(full[0], LEAVES / TILE_WIDTH);
    struct hash first = mth(leaves, TILE_WIDTH);
    assert_true(hash_eq(&t->tile[1][0], &first));
    free(t);
    free(again);
}

// c2sp.org/signed-note's example (BSD-1-Clause). Its text is no checkpoint, so the key's form is
// what is tested here.
static void verifier_keys_are_c2sps(void **state)
{
    static const char text[] =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    struct vkey key;
    char again[MAX_VKEY];
    assert_int_equal(vkey_parse(str_of(text), &key), 0);
    assert_string_equal(key.name, "example.com/foo");
    assert_int_equal(key.id, 0x530d903a);
    vkey_text(&key, again);
    assert_string_equal(again, text);
    char broken[sizeof(text)];
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(broken, text, sizeof(text));
            broken[i] ^= (char)(1 << bit);
            if (vkey_parse((struct str){broken, sizeof(text) - 1}, &key) == 0)
                fail_msg("byte %zu bit %d", i, bit);
        }
}

static void a_checkpoint_is_signed_and_strict(void **state)
{
    struct signer *s = signer_new("example.com/log"), *other = signer_new("example.com/log"), *read;
    struct tree_head head = {.size = 12345, .root = leaves[3]}, got;
    _cleanup_buf_ struct buf note = {0};
    char text[MAX_SIGNER_TEXT];
    int e;
    checkpoint_sign(&note, s, &head);
    assert_true(str_starts(buf_view(&note), STR("example.com/log\n12345\n")));
    assert_int_equal(checkpoint_open(buf_view(&note), &s->pub, &got), 0);
    assert_int_equal(got.size, 12345);
    assert_true(hash_eq(&got.root, &head.root));
    assert_int_equal(checkpoint_open(buf_view(&note), &other->pub, &got), -EBADMSG);
    for (size_t i = 0; i < note.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.ptr[i] ^= (char)(1 << bit);
            if (checkpoint_open(buf_view(&note), &s->pub, &got) == 0)
                fail_msg("byte %zu bit %d", i, bit);
            note.ptr[i] ^= (char)(1 << bit);
        }
    // a witness's signature beside ours is ignored; what is no signature line is not
    size_t len = note.len;
    buf_text(&note, "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n");
    assert_int_equal(checkpoint_open(buf_view(&note), &s->pub, &got), 0);
    note.len = len;
    buf_text(&note, "hello\n");
    assert_int_equal(checkpoint_open(buf_view(&note), &s->pub, &got), -EBADMSG);
    // the key survives being written and read
    signer_text(s, text, sizeof(text));
    read = signer_parse(str_of(text), &e);
    assert_non_null(read);
    assert_memory_equal(read->secret, s->secret, sizeof(s->secret));
    signer_free(read);
    signer_free(s);
    signer_free(other);
}

// ── the shared cases ─────────────────────────────────────────────────────────────────────────

static unsigned cases;

static struct hash hash_in(json_t *o, const char *key)
{
    struct hash h = {{0}};
    json_t *v = json_object_get(o, key);
    if (json_is_string(v))
        base64_exact((struct str){json_string_value(v), json_string_length(v)}, h.bytes,
                     HASH_BYTES);
    return h;
}

// Some cases have 2^64 − 1, which is no integer to Jansson.
static uint64_t number_in(json_t *o, const char *key)
{
    double v = json_real_value(json_object_get(o, key));
    return v >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)v;
}

static int one_case(const char *path, const struct stat *st, int type, struct FTW *at)
{
    size_t len = strlen(path);
    if (type != FTW_F || len < 5 || strcmp(path + len - 5, ".json") != 0)
        return 0;
    json_t *o = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL),
           *proof = json_object_get(o, "proof");
    if (!o)
        fail_msg("%s is no JSON", path);
    struct hash hashes[MAX_PROOF], root = hash_in(o, "root"), leaf = hash_in(o, "leafHash");
    bool readable = true;
    size_t n = json_array_size(proof);
    assert_true(n <= MAX_PROOF);
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_array_get(proof, i);
        readable &= json_is_string(v) &&
                    base64_exact((struct str){json_string_value(v), json_string_length(v)},
                                 hashes[i].bytes, HASH_BYTES) == 0;
    }
    // a root or leaf of another length than a hash is refused where it is read
    readable &= json_string_length(json_object_get(o, "root")) == 44 &&
                json_string_length(json_object_get(o, "leafHash")) == 44;
    int r = readable ? merkle_check(&leaf, number_in(o, "leafIdx"), number_in(o, "treeSize"),
                                    hashes, n, &root)
                     : -EBADMSG;
    if ((r != 0) != json_is_true(json_object_get(o, "wantErr")))
        fail_msg("%s: %s", path, r ? "refused" : "accepted");
    json_decref(o);
    cases++;
    return 0;
}

static void shared_inclusion_cases(void **state)
{
    const char *shared = getenv("BULKHEAD_SHARED");
    char path[512];
    snprintf(path, sizeof(path), "%s/data/tlog/merkle-testdata/testdata/inclusion",
             shared ? shared : SOURCE_ROOT "/../shared");
    if (access(path, R_OK) < 0) {
        print_message("skipped: the Merkle cases are not there (%s)\n", path);
        skip();
    }
    assert_int_equal(nftw(path, one_case, 16, FTW_PHYS), 0);
    assert_true(cases > 80);
    print_message("%u cases\n", cases);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    for (size_t i = 0; i < LEAVES; i++) {
        char text[16];
        snprintf(text, sizeof(text), "leaf %zu", i);
        leaves[i] = hash_leaf(str_of(text));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_constants),
        cmocka_unit_test(the_reference_tree),
        cmocka_unit_test(every_leaf_of_every_size_is_proven),
        cmocka_unit_test(a_growing_tree_agrees_with_the_definition),
        cmocka_unit_test(verifier_keys_are_c2sps),
        cmocka_unit_test(a_checkpoint_is_signed_and_strict),
        cmocka_unit_test(shared_inclusion_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
