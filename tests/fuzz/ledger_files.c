// Whatever stands in a ledger's files, verifying, reading and proving end with an answer, and
// opening repairs or refuses. Input: files one after another, "path length\n" and so many bytes.
#include "record/record.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

enum { MAX_FILES = 16 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void make_file(int dirfd, const char *path, const uint8_t *bytes, size_t len)
{
    char folder[64];
    if (strstr(path, "..") || path[0] == '/' || strlen(path) >= sizeof(folder))
        return;
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        mkdirat(dirfd, folder, 0700);
    }
    _cleanup_close_ int fd =
        openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && write(fd, bytes, len) != (ssize_t)len)
        abort();
}

static void make_files(int dirfd, const uint8_t *bytes, size_t len)
{
    for (unsigned i = 0; i < MAX_FILES && len; i++) {
        const uint8_t *end = memchr(bytes, '\n', len);
        uint64_t size;
        char head[80], *space;
        if (!end || (size_t)(end - bytes) >= sizeof(head))
            return;
        snprintf(head, sizeof(head), "%.*s", (int)(end - bytes), (const char *)bytes);
        len -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
        space = strrchr(head, ' ');
        if (!space || parse_u64(str_of(space + 1), &size) < 0)
            return;
        *space = 0;
        size = MIN(size, (uint64_t)len);
        make_file(dirfd, head, bytes, (size_t)size);
        bytes += size;
        len -= (size_t)size;
    }
}

static int count(void *ctx, const struct ledger_entry *e)
{
    *(uint64_t *)ctx += e->payload.len;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/bulkhead-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(path))
        return 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        abort();
    make_files(fd, bytes, len);
    struct ledger_report report;
    struct error err = {0};
    uint64_t total = 0;
    int r = ledger_verify(fd, NULL, &report, &err);
    if (r == 0 && !report.ok && !report.problem[0])
        abort();
    ledger_read(fd, 0, 1000, count, &total, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        _cleanup_buf_ struct buf proof = {0};
        // What a whole ledger proves holds under its first key.
        if (ledger_prove(fd, i, &proof, NULL) == 0 && r == 0 && report.ok &&
            ledger_check_proof(buf_view(&proof), report.first_key, &err) < 0)
            abort();
    }
    bool was_ok = r == 0 && report.ok;
    struct ledger_options o = {.origin = "bulkhead.io/ledger/fuzz"};
    struct ledger *l;
    if (ledger_open(fd, &o, &l, NULL, &err) == 0) {
        ledger_close(l);
        if (was_ok && (ledger_verify(fd, NULL, &report, &err) < 0 || !report.ok))
            abort();
    }
    close(fd);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
