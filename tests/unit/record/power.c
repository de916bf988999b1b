// The failing disk: what was not fsynced is remembered beside each write and rename, and can be
// taken back.
#include "power.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { MAX_FILES = 512 };

struct dirty { // contents not fsynced yet
    ino_t ino;
    int fd;            // to restore by
    struct buf before; // as the last fsync left it
};
struct renamed { // names not fsynced yet
    char from[256], to[256];
    bool had_target;
    struct buf target;
};
static struct {
    enum power_mode mode;
    uint64_t k, steps;
    bool failed;
    char folder[64];
    struct dirty dirty[MAX_FILES];
    size_t dirty_n;
    struct renamed renamed[MAX_FILES];
    size_t renamed_n;
    char created[MAX_FILES][256]; // new names not fsynced yet
    size_t created_n;
    char known[MAX_FILES * 4][256]; // names that are durable
    size_t known_n;
} disk;

static void path_of(int fd, char out[256])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, 255);
    assert_true(n > 0);
    out[n] = 0;
}

static bool fails(void)
{
    disk.steps++;
    if (disk.mode == POWER_ONCE ? disk.steps == disk.k : (disk.k && disk.steps >= disk.k)) {
        disk.failed = true;
        errno = disk.mode == POWER_ONCE ? ENOSPC : EIO;
        return true;
    }
    return false;
}

static bool is_known(const char *path)
{
    for (size_t i = 0; i < disk.known_n; i++)
        if (strcmp(disk.known[i], path) == 0)
            return true;
    return false;
}

static void know(const char *path)
{
    if (is_known(path))
        return;
    assert_true(disk.known_n < ARRAY_SIZE(disk.known));
    snprintf(disk.known[disk.known_n++], 256, "%s", path);
}

static void note_write(int fd)
{
    struct stat st;
    char path[256], link[32];
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = 0; i < disk.dirty_n; i++)
        if (disk.dirty[i].ino == st.st_ino)
            return;
    assert_true(disk.dirty_n < MAX_FILES && disk.created_n < MAX_FILES);
    struct dirty *d = &disk.dirty[disk.dirty_n++];
    *d = (struct dirty){.ino = st.st_ino};
    path_of(fd, path);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    d->fd = open(link, O_RDWR | O_CLOEXEC);
    assert_true(d->fd >= 0);
    char chunk[4096];
    ssize_t n;
    for (off_t at = 0; (n = pread(d->fd, chunk, sizeof(chunk), at)) > 0; at += n)
        buf_add(&d->before, chunk, (size_t)n);
    if (!is_known(path))
        snprintf(disk.created[disk.created_n++], 256, "%s", path);
}

static ssize_t power_write(int fd, const void *bytes, size_t len)
{
    bool fail = fails();
    if (fail && !(disk.mode == POWER_TEAR && disk.steps == disk.k))
        return -1;
    note_write(fd);
    if (fail) {
        assert_true(write(fd, bytes, len / 2) >= 0);
        errno = EIO;
        return -1;
    }
    return write(fd, bytes, len);
}

static bool in_folder(const char *path, const char *folder)
{
    const char *slash = strrchr(path, '/');
    return slash && strlen(folder) == (size_t)(slash - path) &&
           strncmp(path, folder, (size_t)(slash - path)) == 0;
}

static int power_fsync(int fd)
{
    struct stat st;
    char path[256];
    if (fails())
        return -1;
    assert_int_equal(fstat(fd, &st), 0);
    for (size_t i = 0; i < disk.dirty_n; i++)
        if (disk.dirty[i].ino == st.st_ino) {
            close(disk.dirty[i].fd);
            buf_done(&disk.dirty[i].before);
            disk.dirty[i] = disk.dirty[--disk.dirty_n];
        }
    if (!S_ISDIR(st.st_mode))
        return fsync(fd);
    path_of(fd, path);
    for (size_t i = 0; i < disk.created_n;)
        if (in_folder(disk.created[i], path)) {
            know(disk.created[i]);
            memcpy(disk.created[i], disk.created[disk.created_n - 1], 256);
            disk.created_n--;
        } else
            i++;
    for (size_t i = 0; i < disk.renamed_n;)
        if (in_folder(disk.renamed[i].to, path)) {
            know(disk.renamed[i].to);
            buf_done(&disk.renamed[i].target);
            disk.renamed[i] = disk.renamed[--disk.renamed_n];
        } else
            i++;
    return fsync(fd);
}

static int power_rename(int olddir, const char *old, int newdir, const char *name)
{
    if (fails())
        return -1;
    assert_true(disk.renamed_n < MAX_FILES);
    struct renamed *r = &disk.renamed[disk.renamed_n++];
    *r = (struct renamed){0};
    snprintf(r->from, sizeof(r->from), "%s/%s", disk.folder, old);
    snprintf(r->to, sizeof(r->to), "%s/%s", disk.folder, name);
    r->had_target = faccessat(newdir, name, F_OK, 0) == 0;
    if (r->had_target)
        scratch_read(newdir, name, &r->target);
    for (size_t i = 0; i < disk.created_n; i++)
        if (strcmp(disk.created[i], r->from) == 0)
            memcpy(disk.created[i], disk.created[--disk.created_n], 256);
    return renameat(olddir, old, newdir, name);
}

const struct record_io power_io = {power_write, power_fsync, power_rename};

void power_start(enum power_mode mode, uint64_t k, const char *folder)
{
    memset(&disk, 0, sizeof(disk));
    disk.mode = mode;
    disk.k = k;
    snprintf(disk.folder, sizeof(disk.folder), "%s", folder);
}

uint64_t power_steps(void)
{
    return disk.steps;
}

bool power_failed(void)
{
    return disk.failed;
}

void power_end(void)
{
    bool lose = disk.mode == POWER_CUT || disk.mode == POWER_CONTENT;
    for (size_t i = 0; i < disk.dirty_n; i++) {
        struct dirty *d = &disk.dirty[i];
        if (lose) {
            assert_int_equal(ftruncate(d->fd, 0), 0);
            assert_int_equal(pwrite(d->fd, d->before.ptr ? d->before.ptr : "", d->before.len, 0),
                             d->before.len);
        }
        close(d->fd);
        buf_done(&d->before);
    }
    for (size_t i = disk.renamed_n; i-- > 0;) {
        struct renamed *r = &disk.renamed[i];
        if (disk.mode == POWER_CUT) {
            assert_int_equal(rename(r->to, r->from), 0);
            if (r->had_target)
                scratch_write(AT_FDCWD, r->to, buf_view(&r->target));
        }
        buf_done(&r->target);
    }
    for (size_t i = 0; disk.mode == POWER_CUT && i < disk.created_n; i++)
        unlink(disk.created[i]);
}
