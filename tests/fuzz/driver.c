// Runs a fuzz target without a fuzzer: each file of the kept corpus once, then so many mutations of
// each, always the same ones. With libFuzzer: tests/fuzz/run TARGET.
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { MAX_INPUT_BYTES = 1 << 16 };

static uint64_t next(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static size_t mutate(uint8_t *to, const uint8_t *from, size_t len, uint64_t *seed)
{
    static const char marks[] = "{}[]\",:\\u0\xff-9e";
    memcpy(to, from, len);
    for (uint64_t n = 1 + next(seed) % 8; n > 0 && len > 0; n--) {
        size_t at = next(seed) % len, span = 1 + next(seed) % 64;
        span = MIN(span, len - at);
        switch (next(seed) % 6) {
        case 0:
            to[at] = (uint8_t)next(seed);
            break;
        case 1:
            to[at] ^= (uint8_t)(1u << next(seed) % 8);
            break;
        case 2:
            to[at] = (uint8_t)marks[next(seed) % (sizeof(marks) - 1)];
            break;
        case 3: // a piece goes
            memmove(to + at, to + at + span, len - at - span);
            len -= span;
            break;
        case 4: // a piece comes twice
            if (len + span <= MAX_INPUT_BYTES) {
                memmove(to + at + span, to + at, len - at);
                len += span;
            }
            break;
        default:
            memset(to + at, (int)(next(seed) & 0xff), span);
            break;
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    uint64_t rounds = 0, inputs = 0;
    if (argc != 3 || parse_u64(str_of(argv[2]), &rounds) < 0) {
        fprintf(stderr, "usage: %s CORPUS ROUNDS\n", argv[0]);
        return 2;
    }
    DIR *d = opendir(argv[1]);
    if (!d) {
        fprintf(stderr, "%s can't be read\n", argv[1]);
        return 1;
    }
    static uint8_t input[MAX_INPUT_BYTES], mutant[MAX_INPUT_BYTES];
    for (struct dirent *e; (e = readdir(d));) {
        _cleanup_close_ int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, input, sizeof(input)) : -1;
        if (n < 0)
            continue; // a folder
        inputs++;
        LLVMFuzzerTestOneInput(input, (size_t)n);
        uint64_t seed = hash64(e->d_name, strlen(e->d_name)) | 1;
        for (uint64_t k = 0; k < rounds; k++) {
            // A copy of its own size, so that a sanitizer sees a read past its end.
            size_t len = mutate(mutant, input, (size_t)n, &seed);
            _cleanup_free_ uint8_t *exact = malloc(len ? len : 1);
            if (!exact)
                return 1;
            memcpy(exact, mutant, len);
            LLVMFuzzerTestOneInput(exact, len);
        }
    }
    closedir(d);
    printf("%llu inputs, %llu mutations of each\n", (unsigned long long)inputs,
           (unsigned long long)rounds);
    return inputs ? 0 : 1;
}
