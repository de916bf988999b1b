// The files that are kept: their names, their sum, and which go first.
#include "record/store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define SUFFIX ".bhseg"

void segment_file_name(char out[64], unsigned shard, uint64_t segment)
{
    snprintf(out, 64, "%u-%012llu" SUFFIX, shard, (unsigned long long)segment);
}

bool segment_file_parse(const char *name, unsigned *ret_shard, uint64_t *ret_segment)
{
    const char *dash = strchr(name, '-'), *dot = strchr(name, '.');
    char again[64];
    uint64_t shard, segment;
    if (!dash || !dot || dash > dot ||
        parse_u64((struct str){name, (size_t)(dash - name)}, &shard) < 0 ||
        parse_u64((struct str){dash + 1, (size_t)(dot - dash) - 1}, &segment) < 0 ||
        shard >= BH_MAX_SHARDS)
        return false;
    segment_file_name(again, (unsigned)shard, segment);
    *ret_shard = (unsigned)shard;
    *ret_segment = segment;
    return strcmp(again, name) == 0;
}

static int by_segment(const void *a, const void *b)
{
    const struct kept_file *x = a, *y = b;
    return x->segment < y->segment ? -1 : x->segment > y->segment;
}

int kept_add(struct kept *k, uint64_t segment, uint64_t bytes)
{
    if (k->n == MAX_SEGMENT_FILES)
        return -ENOSPC;
    if (k->n == k->room) {
        size_t room = MAX(k->room * 2, (size_t)64);
        struct kept_file *grown = reallocarray(k->files, room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        k->files = grown;
        k->room = room;
    }
    k->files[k->n++] = (struct kept_file){segment, bytes};
    k->bytes += bytes;
    return 0;
}

// "name.tmp" of this shard: the process was killed while it wrote.
static bool unfinished(const char *name, unsigned shard)
{
    char whole[64];
    size_t len = strlen(name);
    unsigned s;
    uint64_t segment;
    if (len < 5 || len >= sizeof(whole) || strcmp(name + len - 4, ".tmp") != 0)
        return false;
    snprintf(whole, sizeof(whole), "%.*s", (int)(len - 4), name);
    return segment_file_parse(whole, &s, &segment) && s == shard;
}

int kept_scan(struct kept *k, int dirfd, unsigned shard, uint64_t *ret_next)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    *ret_next = 1;
    for (struct dirent *e; r == 0 && (e = readdir(d));) {
        unsigned s;
        uint64_t segment;
        struct stat st;
        if (unfinished(e->d_name, shard))
            unlinkat(dirfd, e->d_name, 0);
        if (!segment_file_parse(e->d_name, &s, &segment) || s != shard ||
            fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        *ret_next = MAX(*ret_next, segment + 1);
        r = kept_add(k, segment, (uint64_t)st.st_size);
    }
    closedir(d);
    if (k->n)
        qsort(k->files, k->n, sizeof(*k->files), by_segment);
    return r;
}

int kept_retain(struct kept *k, int dirfd, unsigned shard, uint64_t max_bytes)
{
    size_t gone = 0;
    int r = 0;
    while (k->n - gone > 1 && k->bytes > max_bytes) {
        char name[64];
        segment_file_name(name, shard, k->files[gone].segment);
        if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT) {
            r = -errno;
            break;
        }
        k->bytes -= k->files[gone++].bytes;
    }
    memmove(k->files, k->files + gone, (k->n - gone) * sizeof(*k->files));
    k->n -= gone;
    return r;
}
