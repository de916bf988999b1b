// What is volatile in a name, and what stays.
#include "detect/profile/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void general_forms(void **state)
{
    static const struct {
        const char *is, *becomes;
    } cases[] = {
        {"nginx", "nginx"},
        {"x86_64-linux-gnu", "x86_*-linux-gnu"},
        {"python3.11", "python3.*"},
        {"lib64", "lib64"},
        {"1234", "*"},
        {"worker-17", "worker-*"},
        {"2026-11-24", "*"},
        {"20261124", "*"},
        {"550e8400-e29b-41d4-a716-446655440000", "*"},
        {"pod-dead0000-beef-cafe-babe-000000000000", "pod-*"},
        {"da39a3ee5e6b4b0d3255bfef95601890afd80709", "*"},
        {"deadbeef", "deadbeef"}, // a word of letters alone
        {"tmp.dBuXqP", "tmp.*"},
        {"tmp_workspace", "tmp_*"},
        {"template", "template"},
        {"a1b2c3", "*"},
        {"NetworkManager", "NetworkManager"},
        {"aBcDeFgH", "*"},
        {"*", "*"},
        {"**", "*"},
        {"a*b", "a*b"},
        {"", ""},
        {"\xff\xfe", "\xff\xfe"},
        {"..", ".."},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char out[256], again[256];
        size_t n = profile_general(str_of(cases[i].is), out, sizeof(out));
        if (!str_eq((struct str){out, n}, str_of(cases[i].becomes)))
            fail_msg("%s became %.*s", cases[i].is, (int)n, out);
        size_t m = profile_general((struct str){out, n}, again, sizeof(again));
        assert_true(str_eq((struct str){again, m}, (struct str){out, n}));
    }
}

// Whatever a stranger calls a folder: no more bytes than there is room for, and general twice is
// general once.
static void any_bytes(void **state)
{
    uint64_t x = 88172645463325252ULL;
    for (int round = 0; round < 200000; round++) {
        char name[64], out[64], again[64];
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        size_t n = x % sizeof(name), size = 1 + (x >> 8) % sizeof(out);
        for (size_t i = 0; i < n; i++) {
            static const char some[] = "aZ09*-._fF";
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            name[i] = x & 0x100 ? some[x % (sizeof(some) - 1)] : (char)x;
        }
        size_t len = profile_general((struct str){name, n}, out, size);
        assert_true(len <= size);
        if (size < sizeof(out))
            continue;
        size_t twice = profile_general((struct str){out, len}, again, sizeof(again));
        assert_true(str_eq((struct str){again, twice}, (struct str){out, len}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(general_forms),
                                       cmocka_unit_test(any_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
