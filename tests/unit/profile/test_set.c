// Sets against a slow, obvious reference, with random histories: what is in them, what collapses,
// merging.
#include "detect/profile/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t state = 0x2545f4914f6cdd1dULL;

static uint64_t number(uint64_t below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) % below;
}

// ── the reference: a list of all that was put in; what it looks like is worked out at the end ──

enum { MAX_PUT = 600 };
struct put {
    char key[64];
    struct seen seen;
    bool dead;
};
struct history {
    struct put put[MAX_PUT];
    size_t n;
};

static bool is_below(const char *key, const char *of)
{
    size_t len = strlen(of);
    return strncmp(key, of, len) == 0 && key[len] == '/';
}

static bool first_child(const struct history *h, size_t i, const char *folder, char out[64])
{
    size_t len = strlen(folder);
    if (h->put[i].dead || !is_below(h->put[i].key, folder))
        return false;
    snprintf(out, 64, "%s", h->put[i].key + len + 1);
    out[strcspn(out, "/")] = 0;
    return true;
}

static unsigned children(const struct history *h, const char *folder)
{
    unsigned n = 0;
    for (size_t i = 0; i < h->n; i++) {
        char child[64], other[64];
        bool again = false;
        if (!first_child(h, i, folder, child))
            continue;
        for (size_t k = 0; k < i && !again; k++)
            again = first_child(h, k, folder, other) && strcmp(child, other) == 0;
        n += !again;
    }
    return n;
}

// Every folder that has too many below it becomes one, outermost first: then what is inside no
// longer matters.
static void normal(struct history *h)
{
    for (size_t depth = 1; depth < 8; depth++)
        for (size_t i = 0; i < h->n; i++) {
            char folder[64];
            snprintf(folder, sizeof(folder), "%s", h->put[i].key);
            char *end = folder;
            for (size_t d = 0; d < depth && end; d++)
                end = strchr(d ? end + 1 : end, '/');
            if (h->put[i].dead || !end)
                continue;
            *end = 0;
            if (children(h, folder) <= MAX_CHILDREN)
                continue;
            struct put one = {.seen = {0, UINT64_MAX, 0}};
            snprintf(one.key, sizeof(one.key), "%.60s/**", folder);
            for (size_t k = 0; k < h->n; k++) {
                struct put *p = &h->put[k];
                if (p->dead || (strcmp(p->key, folder) != 0 && !is_below(p->key, folder)))
                    continue;
                one.seen.windows += p->seen.windows;
                one.seen.first = MIN(one.seen.first, p->seen.first);
                one.seen.last = MAX(one.seen.last, p->seen.last);
                p->dead = true;
            }
            h->put[i] = one;
        }
}

static void compare(const struct set *s, struct history *h)
{
    size_t n, at = 0, alive = 0;
    normal(h);
    uint32_t *sorted = set_sorted(s, &n);
    for (size_t i = 0; i < h->n; i++) {
        struct seen all = {0, UINT64_MAX, 0};
        if (h->put[i].dead)
            continue;
        for (size_t k = i; k < h->n; k++)
            if (!h->put[k].dead && strcmp(h->put[k].key, h->put[i].key) == 0) {
                all.windows += h->put[k].seen.windows;
                all.first = MIN(all.first, h->put[k].seen.first);
                all.last = MAX(all.last, h->put[k].seen.last);
                h->put[k].dead = k != i;
            }
        alive++;
        for (at = 0; at < n; at++) {
            const struct item *it = &s->items[sorted[at]];
            char key[80];
            snprintf(key, sizeof(key), "%.*s%s", it->len, it->key, it->below ? "/**" : "");
            if (strcmp(key, h->put[i].key) == 0) {
                assert_int_equal(it->seen.windows, all.windows);
                assert_int_equal(it->seen.first, all.first);
                assert_int_equal(it->seen.last, all.last);
                break;
            }
        }
        if (at == n)
            fail_msg("%s is missing", h->put[i].key);
    }
    assert_int_equal(n, alive);
    free(sorted);
}

static void random_key(char out[64])
{
    static const unsigned wide[] = {2, 3, 40, 3, 50};
    size_t at = (size_t)snprintf(out, 64, "r");
    for (uint64_t depth = number(5), d = 0; d < depth; d++)
        at += (size_t)snprintf(out + at, 64 - at, "/%c%llu", (char)('a' + d),
                               (unsigned long long)number(wide[d]));
}

static void put(struct set *s, struct history *h, const char *key, struct seen seen)
{
    assert_true(set_add(s, str_of(key), &seen) >= 0);
    struct put *p = &h->put[h->n++];
    *p = (struct put){.seen = seen};
    snprintf(p->key, sizeof(p->key), "%s", key);
}

static void like_the_reference(void **unused)
{
    for (int round = 0; round < 150; round++) {
        struct set s;
        struct history *h = calloc(1, sizeof(*h));
        set_init(&s, true, 1 << 20);
        for (uint64_t n = number(MAX_PUT), i = 0; i < n; i++) {
            char key[64];
            random_key(key);
            put(&s, h, key, (struct seen){1 + number(3), 100 + number(50), 200 + number(50)});
            assert_non_null(set_cover(&s, str_of(key)));
        }
        compare(&s, h);
        set_done(&s);
        free(h);
    }
}

static bool same(const struct set *a, const struct set *b)
{
    size_t n, m;
    uint32_t *x = set_sorted(a, &n), *y = set_sorted(b, &m);
    bool equal = n == m;
    for (size_t i = 0; equal && i < n; i++) {
        const struct item *p = &a->items[x[i]], *q = &b->items[y[i]];
        equal = p->len == q->len && memcmp(p->key, q->key, p->len) == 0 && p->below == q->below &&
                memcmp(&p->seen, &q->seen, sizeof(p->seen)) == 0;
    }
    free(x);
    free(y);
    return equal;
}

static void fill(struct set *s, uint64_t most)
{
    set_init(s, true, 1 << 20);
    for (uint64_t n = number(most), i = 0; i < n; i++) {
        char key[64];
        random_key(key);
        assert_true(set_add(s, str_of(key), &(struct seen){1, 100 + number(50), 200 + number(9)}) >=
                    0);
    }
}

static void merging_is_associative_and_commutative(void **unused)
{
    for (int round = 0; round < 300; round++) {
        struct set s[3], ab, ba, ab_c, bc, a_bc;
        struct set *all[] = {&s[0], &s[1], &s[2], &ab, &ba, &ab_c, &bc, &a_bc};
        for (int i = 0; i < 3; i++)
            fill(&s[i], i == 2 ? 30 : 300);
        for (size_t i = 3; i < ARRAY_SIZE(all); i++)
            set_init(all[i], true, 1 << 20);
        set_merge(&ab, &s[0]), set_merge(&ab, &s[1]);
        set_merge(&ba, &s[1]), set_merge(&ba, &s[0]);
        assert_true(same(&ab, &ba));
        set_merge(&ab_c, &ab), set_merge(&ab_c, &s[2]);
        set_merge(&bc, &s[1]), set_merge(&bc, &s[2]);
        set_merge(&a_bc, &s[0]), set_merge(&a_bc, &bc);
        assert_true(same(&ab_c, &a_bc));
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
            set_done(all[i]);
    }
}

static void full_is_full(void **unused)
{
    struct set s;
    set_init(&s, true, 20);
    for (int i = 0; i < 100; i++) {
        char key[64];
        snprintf(key, sizeof(key), "r/x/y%d/z/w", i);
        set_add(&s, str_of(key), &(struct seen){1, 1, 1});
        assert_true(s.live <= 20);
    }
    assert_true(s.refused > 0);
    assert_non_null(set_cover(&s, STR("r/x/y0/z/w")));
    assert_null(set_cover(&s, STR("r/x/y99/z/w")));
    // What was refused left no folders behind that lead nowhere.
    for (uint32_t i = 0; i < s.used; i++)
        assert_true(!s.items[i].key || s.items[i].leaf || s.items[i].children);
    set_done(&s);
}

static void everything_below(void **unused)
{
    struct set s;
    const struct seen once = {1, 1, 1};
    set_init(&s, true, 100);
    assert_int_equal(set_add(&s, STR("r/a/b"), &once), 1);
    assert_int_equal(set_add(&s, STR("r/a/**"), &once), 1);
    assert_int_equal(s.leaves, 1);
    assert_non_null(set_cover(&s, STR("r/a/b/c/d")));
    assert_non_null(set_cover(&s, STR("r/a")));
    assert_null(set_cover(&s, STR("r/ab")));
    assert_null(set_cover(&s, STR("r")));
    assert_null(set_cover(&s, STR("r/**")));
    assert_int_equal(set_add(&s, STR("r/a/b/c"), &once), 0);
    set_done(&s);
}

static void programs_by_whom(void **unused)
{
    struct set s;
    const struct seen once = {1, 1, 1};
    static const char exact[] = "/bin/x\0\0/bin/sh", any[] = "/bin/y\0*\0",
                      by[] = "/bin/z\0*\0/bin/sh", own[] = "/bin/w\0\0";
    set_init(&s, false, 100);
#define K(lit) ((struct str){lit, sizeof(lit) - 1})
    set_add(&s, K(exact), &once);
    set_add(&s, K(any), &once);
    set_add(&s, K(by), &once);
    set_add(&s, K(own), &once);
    assert_non_null(set_cover(&s, K("/bin/x\0\0/bin/sh")));
    assert_null(set_cover(&s, K("/bin/x\0\0/bin/nc")));
    assert_null(set_cover(&s, K("/bin/x\0nc\0/bin/sh")));
    assert_non_null(set_cover(&s, K("/bin/y\0nc\0/bin/nc")));
    assert_non_null(set_cover(&s, K("/bin/y\0\0runtime")));
    assert_non_null(set_cover(&s, K("/bin/z\0nc\0/bin/sh")));
    assert_null(set_cover(&s, K("/bin/z\0nc\0/bin/nc")));
    assert_non_null(set_cover(&s, K("/bin/w\0\0/bin/nc")));
    assert_null(set_cover(&s, K("/bin/w\0nc\0/bin/nc")));
    assert_null(set_cover(&s, K("/bin/x")));
    assert_null(set_cover(&s, K("")));
    set_done(&s);
}

static void singles(void **unused)
{
    struct set s;
    set_init(&s, true, 100);
    set_add(&s, STR("r/a"), &(struct seen){1, 5, 5});
    set_add(&s, STR("r/b"), &(struct seen){1, 5, 5}); // the same window
    set_add(&s, STR("r/c"), &(struct seen){1, 6, 6});
    set_add(&s, STR("r/d"), &(struct seen){2, 5, 6});
    assert_int_equal(set_singles(&s), 2);
    set_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_the_reference),
                                       cmocka_unit_test(merging_is_associative_and_commutative),
                                       cmocka_unit_test(full_is_full),
                                       cmocka_unit_test(everything_below),
                                       cmocka_unit_test(programs_by_whom),
                                       cmocka_unit_test(singles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
