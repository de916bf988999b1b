// Whatever is interrupted, what a checkpoint covers is there afterwards. A scenario with several
// checkpoints, two starts and changes of keys is stopped at its first, second, … last write, fsync
// or rename, in five ways.
#include "power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ORIGIN "bulkhead.io/ledger/crash"
enum { MAX_PROMISED = 64 };

struct promised {
    char first_key[320];
    unsigned n; // appended and covered by a checkpoint that was reported done
    struct {
        uint64_t index;
        char text[32];
    } entries[MAX_PROMISED];
    unsigned appended;
    struct buf leaves; // the log's hashes as far as it was promised
};

static int put(struct ledger *l, struct promised *p, struct error *err)
{
    assert_true(p->appended < MAX_PROMISED);
    char *text = p->entries[p->appended].text;
    snprintf(text, sizeof(p->entries[0].text), "entry %u", p->appended);
    int r = ledger_append(l, ENTRY_FINDING, 7, str_of(text), &p->entries[p->appended].index, err);
    if (r == 0)
        p->appended++;
    return r;
}

static void read_leaves(int dirfd, uint64_t size, struct buf *b)
{
    char path[64];
    buf_reset(b);
    snprintf(path, sizeof(path), "tile/0/000.p/%llu", (unsigned long long)size);
    if (size)
        scratch_read(dirfd, path, b);
}

static int sign(struct scratch *s, struct ledger *l, struct promised *p, struct error *err)
{
    int r = ledger_checkpoint(l, err);
    if (r == 0) {
        p->n = p->appended;
        read_leaves(s->fd, ledger_checkpointed(l), &p->leaves);
    }
    return r;
}

// again: a step that failed is tried once more (there was no room, now there is).
static int step(int (*f)(struct scratch *, struct ledger *, struct promised *, struct error *),
                struct scratch *s, struct ledger *l, struct promised *p, bool again)
{
    struct error err = {0};
    int r = f(s, l, p, &err);
    if (r < 0)
        assert_true(err.message[0]); // a clear error, always
    return r < 0 && again ? f(s, l, p, &err) : r;
}

static int put_step(struct scratch *s, struct ledger *l, struct promised *p, struct error *err)
{
    return put(l, p, err);
}

static int run(struct scratch *s, struct promised *p, bool again)
{
    struct ledger_options o = {.origin = ORIGIN, .io = &power_io, .key_entries = 6};
    for (unsigned start = 0; start < 2; start++) {
        struct ledger *l;
        struct error err = {0};
        int r = ledger_open(s->fd, &o, &l, NULL, &err);
        if (r < 0 && again)
            r = ledger_open(s->fd, &o, &l, NULL, &err);
        if (r < 0)
            return r;
        snprintf(p->first_key, sizeof(p->first_key), "%s", ledger_first_key(l));
        p->n = p->appended; // opening keeps what is whole and signs it
        for (unsigned round = 0; r == 0 && round < 3; round++) {
            for (unsigned i = 0; r == 0 && i <= round; i++)
                r = step(put_step, s, l, p, again);
            if (r == 0)
                r = step(sign, s, l, p, again);
        }
        ledger_close(l);
        if (r < 0)
            return r;
    }
    return 0;
}

struct expecting {
    const struct promised *p;
    unsigned next;
};
static int expect_entry(void *ctx, const struct ledger_entry *e)
{
    struct expecting *x = ctx;
    if (e->kind != ENTRY_FINDING)
        return 0;
    if (x->next < x->p->n) {
        assert_int_equal(e->index, x->p->entries[x->next].index);
        assert_true(str_eq(e->payload, str_of(x->p->entries[x->next].text)));
    }
    x->next++;
    return 0;
}

static void expect_whole(struct scratch *s, const struct promised *p, const char *what, uint64_t k)
{
    struct ledger_report r;
    struct error err = {0};
    struct expecting x = {.p = p};
    if (ledger_verify(s->fd, p->first_key[0] ? p->first_key : NULL, &r, &err) < 0)
        fail_msg("%s, step %llu: %s", what, (unsigned long long)k, err.message);
    if (!r.ok)
        fail_msg("%s, step %llu: %s", what, (unsigned long long)k, r.problem);
    if (ledger_read(s->fd, 0, UINT64_MAX, expect_entry, &x, &err) < 0)
        fail_msg("%s, step %llu: %s", what, (unsigned long long)k, err.message);
    if (x.next < p->n)
        fail_msg("%s, step %llu: %u entries of %u that a checkpoint covered", what,
                 (unsigned long long)k, x.next, p->n);
    // and nothing that was signed was signed otherwise: the hashes are those of then
    _cleanup_buf_ struct buf leaves = {0};
    read_leaves(s->fd, r.entries, &leaves);
    assert_true(leaves.len >= p->leaves.len &&
                (p->leaves.len == 0 || memcmp(leaves.ptr, p->leaves.ptr, p->leaves.len) == 0));
}

static uint64_t stop_at_each(struct scratch *s, enum power_mode mode, const char *what)
{
    uint64_t k = 1;
    for (;; k++) {
        struct promised p = {0};
        scratch_empty(s);
        power_start(mode, k, s->path);
        int r = run(s, &p, mode == POWER_ONCE);
        bool failed = power_failed();
        power_end();
        if (!failed) {
            assert_int_equal(r, 0);
            expect_whole(s, &p, what, k);
            buf_done(&p.leaves);
            return k - 1;
        }
        if (p.n) // as it lies there
            expect_whole(s, &p, what, k);
        // and when the agent comes back
        struct ledger_options o = {.origin = ORIGIN, .key_entries = 6};
        struct ledger *l;
        struct error err = {0};
        _cleanup_buf_ struct buf said = {0};
        if (ledger_open(s->fd, &o, &l, &said, &err) < 0)
            fail_msg("%s, step %llu: does not open again: %s", what, (unsigned long long)k,
                     err.message);
        expect_whole(s, &p, what, k);
        uint64_t index;
        assert_int_equal(ledger_append(l, ENTRY_START, 9, STR("back"), &index, &err), 0);
        assert_int_equal(ledger_checkpoint(l, &err), 0);
        assert_int_equal(faccessat(s->fd, "key.next", F_OK, 0), -1);
        ledger_close(l);
        expect_whole(s, &p, what, k);
        if (mode == POWER_ONCE) {
            assert_int_equal(r, 0); // with room again all went on
            assert_int_equal(p.n, p.appended);
        }
        buf_done(&p.leaves);
    }
}

static void killed_at_every_step(void **state)
{
    uint64_t n = stop_at_each(*state, POWER_STOP, "killed");
    assert_true(n > 80);
    print_message("%llu steps\n", (unsigned long long)n);
}
static void killed_in_the_middle_of_every_write(void **state)
{
    assert_true(stop_at_each(*state, POWER_TEAR, "torn") > 80);
}
static void power_cut_at_every_step(void **state)
{
    assert_true(stop_at_each(*state, POWER_CUT, "power cut") > 80);
}
static void contents_lost_at_every_step(void **state)
{
    assert_true(stop_at_each(*state, POWER_CONTENT, "contents lost") > 80);
}
static void no_room_at_every_step(void **state)
{
    assert_true(stop_at_each(*state, POWER_ONCE, "no room") > 80);
}

// A disk that stays full: a clear error each time, what was covered stays, and with room again all
// goes on.
static bool is_full;
static ssize_t full_write(int fd, const void *bytes, size_t len)
{
    if (is_full) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, bytes, len);
}

static void a_full_disk_says_so_and_loses_nothing(void **state)
{
    struct scratch *s = *state;
    static const struct record_io io = {.write = full_write};
    struct ledger_options o = {.origin = ORIGIN, .io = &io};
    struct ledger *l;
    struct ledger_report report;
    struct error err = {0};
    uint64_t index;
    assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), 0);
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 1, STR("a"), &index, &err), 0);
    assert_int_equal(ledger_checkpoint(l, &err), 0);
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 1, STR("b"), &index, &err), 0);
    is_full = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ledger_append(l, ENTRY_FINDING, 1, STR("c"), &index, &err), -ENOSPC);
        assert_non_null(strstr(err.message, "No space left"));
        assert_int_equal(ledger_checkpoint(l, &err), -ENOSPC);
        assert_non_null(strstr(err.message, "No space left"));
        assert_int_equal(ledger_verify(s->fd, NULL, &report, &err), 0);
        assert_true(report.ok && report.entries == 1);
    }
    assert_true(ledger_dirty(l));
    is_full = false;
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 1, STR("d"), &index, &err), 0);
    assert_int_equal(index, 2);
    assert_int_equal(ledger_checkpoint(l, &err), 0);
    assert_int_equal(ledger_verify(s->fd, NULL, &report, &err), 0);
    assert_true(report.ok && report.entries == 3);
    ledger_close(l);
}

// As on a read-only file system: no name can be made, replaced or removed.
static void a_read_only_folder_says_so(void **state)
{
    struct scratch *s = *state;
    struct ledger_options o = {.origin = ORIGIN};
    struct ledger *l;
    struct ledger_report report;
    struct error err = {0};
    uint64_t index;
    if (geteuid() != 0) {
        print_message("skipped: a read-only bind mount needs root\n");
        skip();
    }
    assert_int_equal(ledger_open(s->fd, &o, &l, NULL, &err), 0);
    assert_int_equal(ledger_append(l, ENTRY_FINDING, 1, STR("a"), &index, &err), 0);
    assert_int_equal(ledger_checkpoint(l, &err), 0);
    ledger_close(l);
    if (mount(s->path, s->path, NULL, MS_BIND, NULL) < 0) {
        print_message("skipped: cannot bind-mount here: %s\n", strerror(errno));
        skip();
    }
    int mounted = mount(NULL, s->path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
    int fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int opened = ledger_open(fd, &o, &l, NULL, &err);
    int verified = ledger_verify(fd, NULL, &report, NULL);
    close(fd);
    assert_int_equal(umount2(s->path, MNT_DETACH), 0);
    assert_int_equal(mounted, 0);
    assert_int_equal(opened, -EROFS);
    assert_non_null(strstr(err.message, "Read-only file system"));
    assert_int_equal(verified, 0); // reading works
    assert_true(report.ok);
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
        TEST(killed_at_every_step),       TEST(killed_in_the_middle_of_every_write),
        TEST(power_cut_at_every_step),    TEST(contents_lost_at_every_step),
        TEST(no_room_at_every_step),      TEST(a_full_disk_says_so_and_loses_nothing),
        TEST(a_read_only_folder_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
