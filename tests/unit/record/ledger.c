// The ledger as its user sees it: what is appended is read back, verified and proven; what is
// changed is found; keys follow from one another; retention takes payloads and says so.
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#define ORIGIN "bulkhead.io/ledger/test"

static struct ledger *open_with(struct scratch *s, uint64_t key_entries)
{
    struct ledger_options o = {.origin = ORIGIN, .key_entries = key_entries};
    struct ledger *l;
    struct error err = {0};
    if (ledger_open(s->fd, &o, &l, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return l;
}

static uint64_t append(struct ledger *l, const char *text)
{
    uint64_t index;
    struct error err = {0};
    if (ledger_append(l, ENTRY_FINDING, 1764000000000000000ULL, str_of(text), &index, &err) < 0)
        fail_msg("%s", err.message);
    return index;
}

static void checkpoint(struct ledger *l)
{
    struct error err = {0};
    if (ledger_checkpoint(l, &err) < 0)
        fail_msg("%s", err.message);
}

static void expect_ok(struct scratch *s, struct ledger_report *ret)
{
    struct error err = {0};
    assert_int_equal(ledger_verify(s->fd, NULL, ret, &err), 0);
    if (!ret->ok)
        fail_msg("%s", ret->problem);
}

struct texts {
    unsigned n, dropped;
    struct buf all;
    uint64_t first;
};
static int collect(void *ctx, const struct ledger_entry *e)
{
    struct texts *t = ctx;
    if (t->n == 0 && t->dropped == 0)
        t->first = e->index;
    if (e->dropped)
        t->dropped++;
    else {
        t->n++;
        if (e->kind == ENTRY_FINDING)
            buf_printf(&t->all, "%llu:" STR_FMT "\n", (unsigned long long)e->index,
                       STR_ARG(e->payload));
    }
    return 0;
}

static void reads_back_what_was_appended(void **state)
{
    struct scratch *s = *state;
    struct ledger *l = open_with(s, 0);
    struct ledger_report r;
    struct texts t = {0};
    assert_int_equal(append(l, "a"), 0);
    assert_int_equal(append(l, ""), 1);
    assert_true(ledger_dirty(l));
    assert_int_equal(ledger_size(l), 2);
    assert_int_equal(ledger_checkpointed(l), 0);
    checkpoint(l);
    assert_false(ledger_dirty(l));
    assert_int_equal(ledger_checkpointed(l), 2);
    append(l, "not covered");
    assert_int_equal(ledger_read(s->fd, 0, UINT64_MAX, collect, &t, NULL), 0);
    assert_string_equal(t.all.ptr, "0:a\n1:\n");
    expect_ok(s, &r);
    assert_int_equal(r.entries, 2);
    assert_int_equal(r.keys, 1);
    assert_string_equal(r.origin, ORIGIN);
    assert_string_equal(r.first_key, ledger_first_key(l));
    assert_string_equal(r.time, "2025-11-24T16:00:00.000000000Z");
    buf_done(&t.all);
    ledger_close(l);
}

static void many_entries_cross_tiles(void **state)
{
    struct scratch *s = *state;
    struct ledger *l = open_with(s, 0);
    struct ledger_report r;
    // over 256·256 entries: a full tile of level 1, a tile of level 2
    for (unsigned i = 0; i < 66000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "entry %u", i);
        append(l, text);
        if (i % 5000 == 4999)
            checkpoint(l);
    }
    checkpoint(l);
    expect_ok(s, &r);
    assert_true(r.entries >= 66000);
    assert_true(r.keys >= 2); // 65,536 entries a key
    struct stat st;
    assert_int_equal(fstatat(s->fd, "tile/1/000", &st, 0), 0);
    assert_int_equal(st.st_size, 8192);
    assert_int_equal(fstatat(s->fd, "tile/2/000.p/1", &st, 0), 0);
    assert_int_equal(fstatat(s->fd, "tile/0/000.p", &st, 0), -1);
    for (uint64_t i = 0; i < r.entries; i += 7919) {
        _cleanup_buf_ struct buf proof = {0};
        struct error err = {0};
        if (ledger_prove(s->fd, i, &proof, &err) < 0 ||
            ledger_check_proof(buf_view(&proof), r.first_key, &err) < 0)
            fail_msg("%llu: %s", (unsigned long long)i, err.message);
    }
    ledger_close(l);
    // and opened again it goes on where it was
    l = open_with(s, 0);
    assert_int_equal(append(l, "more"), r.entries + 1); // after the new key
    checkpoint(l);
    expect_ok(s, &r);
    ledger_close(l);
}

static void a_long_payload_stays_whole(void **state)
{
    struct scratch *s = *state;
    struct ledger *l = open_with(s, 0);
    struct ledger_report r;
    _cleanup_buf_ struct buf big = {0}, proof = {0};
    struct texts t = {0};
    uint64_t index;
    struct error err = {0};
    while (big.len < 200000)
        buf_printf(&big, "%zu ", big.len);
    append(l, "before");
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 5, buf_view(&big), &index, &err), 0);
    assert_int_equal(index, 1);
    assert_int_equal(append(l, "behind"), 5);
    checkpoint(l);
    assert_int_equal(ledger_read(s->fd, 1, 1, collect, &t, NULL), 0);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.all.len, big.len + 3);
    assert_memory_equal(t.all.ptr + 2, big.ptr, big.len);
    buf_reset(&t.all);
    assert_int_equal(ledger_read(s->fd, 2, 1, collect, &t, NULL),
                     0); // from a part: the next whole one
    assert_string_equal(t.all.ptr, "5:behind\n");
    expect_ok(s, &r);
    // proven by any of its parts, as a whole
    assert_int_equal(ledger_prove(s->fd, 3, &proof, &err), 0);
    assert_int_equal(ledger_check_proof(buf_view(&proof), r.first_key, &err), 0);
    assert_true(str_contains(buf_view(&proof), STR("\"index\":1,")));
    buf_done(&t.all);
    _cleanup_buf_ struct buf huge = {0};
    while (huge.len < 5 << 20)
        buf_str(&huge, buf_view(&big));
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 5, buf_view(&huge), &index, &err), -EMSGSIZE);
    assert_non_null(strstr(err.message, "limit"));
    ledger_close(l);
}

static void each_start_has_a_new_key(void **state)
{
    struct scratch *s = *state;
    struct ledger_report r;
    char first[320] = "";
    _cleanup_buf_ struct buf old_key = {0}, now = {0};
    for (unsigned i = 0; i < 4; i++) {
        struct ledger *l = open_with(s, 0);
        if (i == 0)
            snprintf(first, sizeof(first), "%s", ledger_first_key(l));
        assert_string_equal(ledger_first_key(l), first);
        append(l, "x");
        checkpoint(l);
        ledger_close(l);
        buf_reset(&now);
        scratch_read(s->fd, "key", &now);
        assert_false(str_eq(buf_view(&now), buf_view(&old_key)));
        buf_reset(&old_key);
        buf_str(&old_key, buf_view(&now));
        struct stat st;
        assert_int_equal(fstatat(s->fd, "key", &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal(fstatat(s->fd, "key.next", &st, 0), -1);
    }
    expect_ok(s, &r);
    assert_int_equal(r.keys, 4);
    assert_int_equal(ledger_verify(s->fd, first, &r, NULL), 0);
    assert_true(r.ok);
}

static void a_key_signs_so_many_entries(void **state)
{
    struct scratch *s = *state;
    struct ledger *l = open_with(s, 10);
    struct ledger_report r;
    for (unsigned i = 0; i < 45; i++)
        append(l, "x"); // without a checkpoint in between: the ledger makes its own
    checkpoint(l);
    expect_ok(s, &r);
    assert_in_range(r.keys, 5, 7);
    assert_in_range(r.entries, 45 + 4, 45 + 6);
    for (uint64_t i = 0; i < r.entries; i++) {
        _cleanup_buf_ struct buf proof = {0};
        assert_int_equal(ledger_prove(s->fd, i, &proof, NULL), 0);
        assert_int_equal(ledger_check_proof(buf_view(&proof), r.first_key, NULL), 0);
    }
    ledger_close(l);
}

// Who takes the machine has the key of now. Rewriting an entry that an earlier key signed, with all
// tiles and the checkpoint made anew and signed by the key of now, is found by who has the first
// key.
static void the_key_of_now_cannot_rewrite_yesterday(void **state)
{
    struct scratch *s = *state, other;
    struct ledger_report r;
    char first[320];
    struct ledger *l = open_with(s, 0);
    snprintf(first, sizeof(first), "%s", ledger_first_key(l));
    append(l, "the attacker came in");
    append(l, "and did this");
    checkpoint(l);
    ledger_close(l);
    l = open_with(s, 0);
    append(l, "today");
    checkpoint(l);
    ledger_close(l);
    // a log with another past, by someone who has every file of today's: same origin, its own chain
    scratch_make(&other);
    l = open_with(&other, 0);
    append(l, "nothing happened");
    append(l, "at all");
    checkpoint(l);
    ledger_close(l);
    l = open_with(&other, 0);
    append(l, "today");
    checkpoint(l);
    ledger_close(l);
    // its past under the true keys
    static const char *const past[] = {"tile/entries/000.p/4", "tile/0/000.p/4", "checkpoint"};
    for (size_t i = 0; i < ARRAY_SIZE(past); i++) {
        _cleanup_buf_ struct buf b = {0};
        scratch_read(other.fd, past[i], &b);
        scratch_write(s->fd, past[i], buf_view(&b));
        assert_int_equal(ledger_verify(s->fd, first, &r, NULL), 0);
        assert_false(r.ok);
        assert_true(r.problem[0]);
    }
    // its chain too: whole in itself, but not what the first key began
    assert_int_equal(ledger_verify(other.fd, first, &r, NULL), 0);
    assert_false(r.ok);
    assert_non_null(strstr(r.problem, "first key"));
    scratch_remove(&other);
}

static void make_three_checkpoints(struct scratch *s)
{
    struct ledger *l = open_with(s, 0);
    for (unsigned i = 0; i < 3; i++) {
        append(l, "{\"rule\":\"shell in a container\"}");
        append(l, "{\"rule\":\"other\"}");
        checkpoint(l);
    }
    ledger_close(l);
    l = open_with(s, 0); // a second key
    append(l, "x");
    checkpoint(l);
    ledger_close(l);
}

struct flips {
    struct scratch *s;
    uint64_t bytes, files;
    char first[320];
};

static void flip_each_byte(void *ctx, const char *path)
{
    struct flips *f = ctx;
    _cleanup_buf_ struct buf b = {0};
    static const uint8_t masks[] = {0x01, 0x20, 0x80, 0xff};
    scratch_read(f->s->fd, path, &b);
    f->files++;
    for (size_t i = 0; i < b.len; i++)
        for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
            struct ledger_report r;
            b.ptr[i] ^= (char)masks[m];
            scratch_write(f->s->fd, path, buf_view(&b));
            int e = ledger_verify(f->s->fd, m % 2 ? f->first : NULL, &r, NULL);
            if (e == 0 && r.ok)
                fail_msg("%s: byte %zu ^ 0x%02x is not found", path, i, masks[m]);
            if (e == 0)
                assert_true(r.problem[0]);
            b.ptr[i] ^= (char)masks[m];
            f->bytes += m == 0;
        }
    // and a file that is cut, longer, or gone
    struct ledger_report r;
    if (b.len) {
        scratch_write(f->s->fd, path, (struct str){b.ptr, b.len - 1});
        if (ledger_verify(f->s->fd, NULL, &r, NULL) == 0 && r.ok)
            fail_msg("%s: a byte less is not found", path);
        buf_char(&b, '\n');
        scratch_write(f->s->fd, path, buf_view(&b));
        if (ledger_verify(f->s->fd, NULL, &r, NULL) == 0 && r.ok)
            fail_msg("%s: a byte more is not found", path);
        b.len--;
        assert_int_equal(unlinkat(f->s->fd, path, 0), 0);
        if (strcmp(path, "key") != 0 && ledger_verify(f->s->fd, NULL, &r, NULL) == 0 && r.ok)
            fail_msg("%s: that it is gone is not found", path);
    }
    scratch_write(f->s->fd, path, buf_view(&b));
}

static void every_flipped_byte_is_found(void **state)
{
    struct flips f = {.s = *state};
    struct ledger_report r;
    make_three_checkpoints(f.s);
    expect_ok(f.s, &r);
    snprintf(f.first, sizeof(f.first), "%s", r.first_key);
    scratch_each(f.s, flip_each_byte, &f);
    assert_true(f.files == 7 && f.bytes > 1000);
    expect_ok(f.s, &r);
    print_message("%llu bytes in %llu files, each flipped in four ways\n",
                  (unsigned long long)f.bytes, (unsigned long long)f.files);
}

static void names_the_forged_entry(void **state)
{
    struct scratch *s = *state;
    struct ledger_report r;
    make_three_checkpoints(s);
    _cleanup_buf_ struct buf b = {0};
    scratch_read(s->fd, "tile/entries/000.p/8", &b);
    char *third = memmem(b.ptr + 60, b.len - 60, "shell", 5);
    assert_non_null(third);
    third[0] = 'S';
    scratch_write(s->fd, "tile/entries/000.p/8", buf_view(&b));
    assert_int_equal(ledger_verify(s->fd, NULL, &r, NULL), 0);
    assert_false(r.ok);
    assert_int_equal(r.bad_index, 2);
    assert_non_null(strstr(r.problem, "entry 2"));
}

static void a_broken_key_is_a_clear_error(void **state)
{
    struct scratch *s = *state;
    struct ledger_options o = {.origin = ORIGIN};
    struct ledger *l;
    struct error err = {0};
    make_three_checkpoints(s);
    _cleanup_buf_ struct buf b = {0};
    scratch_read(s->fd, "key", &b);
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] ^= 1;
        scratch_write(s->fd, "key", buf_view(&b));
        assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), -EUCLEAN);
        assert_non_null(strstr(err.message, "key"));
        b.ptr[i] ^= 1;
    }
    scratch_write(s->fd, "key", buf_view(&b));
    l = open_with(s, 0);
    ledger_close(l);
}

static void opens_only_what_is_whole_and_its_own(void **state)
{
    struct scratch *s = *state;
    struct ledger_options o = {.origin = ORIGIN};
    struct ledger *l, *second;
    struct error err = {0};
    make_three_checkpoints(s);
    l = open_with(s, 0);
    assert_int_equal(ledger_open(s->fd, &o, &second, NULL, &err), -EBUSY);
    assert_non_null(strstr(err.message, "another process"));
    ledger_close(l);
    o.origin = "bulkhead.io/ledger/other";
    assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.message, ORIGIN));
    static const char *const bad[] = {"", "a b", "a+b", "a\nb", "\x7f"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        o.origin = bad[i];
        assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), -EINVAL);
    }
    o.origin = ORIGIN;
    static const char *const needed[] = {"checkpoint", "keys/000", "tile/0/000.p/9",
                                         "tile/entries/000.p/9"};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        _cleanup_buf_ struct buf b = {0};
        scratch_read(s->fd, needed[i], &b);
        b.ptr[b.len / 2] ^= 4;
        scratch_write(s->fd, needed[i], buf_view(&b));
        assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), -EUCLEAN);
        assert_int_equal(unlinkat(s->fd, needed[i], 0), 0);
        assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), -EUCLEAN);
        b.ptr[b.len / 2] ^= 4;
        scratch_write(s->fd, needed[i], buf_view(&b));
    }
    l = open_with(s, 0);
    ledger_close(l);
}

static void a_torn_tail_is_repaired_and_said(void **state)
{
    struct scratch *s = *state;
    struct ledger_options o = {.origin = ORIGIN};
    struct ledger *l = open_with(s, 0);
    struct ledger_report r;
    struct texts t = {0};
    _cleanup_buf_ struct buf b = {0}, said = {0};
    append(l, "covered");
    checkpoint(l);
    append(l, "whole");
    append(l, "torn");
    ledger_close(l); // as if killed: no checkpoint
    scratch_read(s->fd, "tail", &b);
    scratch_write(s->fd, "tail", (struct str){b.ptr, b.len - 3});
    expect_ok(s, &r); // what a checkpoint covers is whole all the time
    assert_int_equal(ledger_open(s->fd, &o, &l, &said, NULL), 0);
    assert_non_null(strstr(said.ptr, "1 entries"));
    assert_non_null(strstr(said.ptr, "not whole"));
    assert_int_equal(ledger_read(s->fd, 0, UINT64_MAX, collect, &t, NULL), 0);
    assert_string_equal(t.all.ptr, "0:covered\n1:whole\n");
    expect_ok(s, &r);
    buf_done(&t.all);
    ledger_close(l);
}

static void retention_takes_payloads_and_says_so(void **state)
{
    struct scratch *s = *state;
    struct ledger *l = open_with(s, 0);
    struct ledger_report r;
    struct texts t = {0};
    struct error err = {0};
    uint64_t before;
    char first[320];
    for (unsigned i = 0; i < 700; i++)
        append(l, "payload");
    checkpoint(l);
    ledger_close(l);
    l = open_with(s, 0);
    assert_int_equal(ledger_drop(l, 600, &before, &err), 0);
    assert_int_equal(before, 512);
    snprintf(first, sizeof(first), "%s", ledger_first_key(l));
    ledger_close(l);
    expect_ok(s, &r);
    assert_int_equal(ledger_read(s->fd, 500, UINT64_MAX, collect, &t, NULL), 0);
    assert_int_equal(t.dropped, 12);
    assert_int_equal(t.first, 500);
    assert_int_equal(t.n, r.entries - 512);
    // what is left is proven as before; what is gone says so
    _cleanup_buf_ struct buf proof = {0};
    assert_int_equal(ledger_prove(s->fd, 650, &proof, &err), 0);
    assert_int_equal(ledger_check_proof(buf_view(&proof), first, &err), 0);
    assert_int_equal(ledger_prove(s->fd, 100, &proof, &err), -ENOENT);
    assert_non_null(strstr(err.message, "retention"));
    // a bundle that someone else took is found
    l = open_with(s, 0);
    for (unsigned i = 0; i < 600; i++)
        append(l, "payload");
    checkpoint(l);
    ledger_close(l);
    expect_ok(s, &r);
    _cleanup_buf_ struct buf taken = {0};
    scratch_read(s->fd, "tile/entries/003", &taken);
    assert_int_equal(unlinkat(s->fd, "tile/entries/003", 0), 0);
    assert_int_equal(ledger_verify(s->fd, first, &r, NULL), 0);
    assert_false(r.ok);
    assert_int_equal(r.bad_index, 768);
    scratch_write(s->fd, "tile/entries/003", buf_view(&taken));
    // also the next oldest, and with it the entry that said what was dropped
    assert_int_equal(unlinkat(s->fd, "tile/entries/002", 0), 0);
    assert_int_equal(ledger_verify(s->fd, first, &r, NULL), 0);
    assert_false(r.ok);
    buf_done(&t.all);
}

static void a_changed_proof_is_refused(void **state)
{
    struct scratch *s = *state;
    struct ledger_report r;
    struct error err = {0};
    make_three_checkpoints(s);
    expect_ok(s, &r);
    _cleanup_buf_ struct buf proof = {0};
    assert_int_equal(ledger_prove(s->fd, 7, &proof, &err), 0);
    assert_int_equal(ledger_check_proof(buf_view(&proof), r.first_key, &err), 0);
    for (size_t i = 0; i < proof.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            proof.ptr[i] ^= (char)(1 << bit);
            if (ledger_check_proof(buf_view(&proof), r.first_key, &err) == 0)
                fail_msg("byte %zu (%.20s) bit %d", i, proof.ptr + (i > 10 ? i - 10 : 0), bit);
            proof.ptr[i] ^= (char)(1 << bit);
        }
    for (size_t len = 0; len < proof.len; len++)
        assert_int_equal(ledger_check_proof((struct str){proof.ptr, len}, r.first_key, &err),
                         -EBADMSG);
    assert_int_equal(
        ledger_check_proof(buf_view(&proof),
                           "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                           &err),
        -EBADMSG);
    assert_int_equal(ledger_prove(s->fd, 100, &proof, &err), -ENOENT);
}

// tests/golden/formats: written with version 1 of the format; it must stay readable.
static void a_ledger_of_an_earlier_day_verifies(void **state)
{
    struct ledger_report r;
    struct error err = {0};
    _cleanup_buf_ struct buf key = {0}, proof = {0};
    int fd = open(SOURCE_ROOT "/tests/golden/formats/ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    scratch_read(fd, "../first-key", &key);
    key.ptr[key.len - 1] = 0;
    assert_int_equal(ledger_verify(fd, key.ptr, &r, &err), 0);
    if (!r.ok)
        fail_msg("%s", r.problem);
    assert_int_equal(r.entries, 308);
    assert_int_equal(r.keys, 3);
    for (uint64_t i = 0; i < r.entries; i += 51) {
        buf_reset(&proof);
        assert_int_equal(ledger_prove(fd, i, &proof, &err), 0);
        assert_int_equal(ledger_check_proof(buf_view(&proof), key.ptr, &err), 0);
    }
    close(fd);
}

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    scratch_make(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scratch_remove(*state);
    free(*state);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_back_what_was_appended),     TEST(many_entries_cross_tiles),
        TEST(a_long_payload_stays_whole),       TEST(each_start_has_a_new_key),
        TEST(a_key_signs_so_many_entries),      TEST(the_key_of_now_cannot_rewrite_yesterday),
        TEST(every_flipped_byte_is_found),      TEST(names_the_forged_entry),
        TEST(a_broken_key_is_a_clear_error),    TEST(opens_only_what_is_whole_and_its_own),
        TEST(a_torn_tail_is_repaired_and_said), TEST(retention_takes_payloads_and_says_so),
        TEST(a_changed_proof_is_refused),       TEST(a_ledger_of_an_earlier_day_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
