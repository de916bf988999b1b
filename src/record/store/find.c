// Evidence: the record that a citation names, out of the sealed files.
#include "record/store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>

struct file {
    struct buf bytes;
    struct arena *arena;
    struct segment_reader reader;
};

static void file_done(struct file *f)
{
    buf_done(&f->bytes);
    arena_free(f->arena);
}

static int load(struct file *f, int dirfd, const char *name, struct error *err)
{
    f->arena = arena_new(0);
    int r = io_read(dirfd, name, MAX_SEGMENT_BYTES, &f->bytes);
    if (r == -ENOENT)
        return error_set(err, r, "the segment %s is not kept (any more)", name);
    if (r < 0 || !f->arena)
        return io_error(err, r < 0 ? r : -ENOMEM, "read the segment", name);
    r = segment_open(&f->reader, f->bytes.ptr, f->bytes.len, f->arena, err);
    if (r < 0)
        return error_wrap(err, "%s", name);
    if (!f->reader.closed || !f->reader.hash_ok)
        return error_set(err, -EBADMSG, "the segment %s is damaged", name);
    return 0;
}

int store_find(int dirfd, unsigned shard, uint64_t segment, uint64_t offset, struct buf *ret,
               struct error *err)
{
    _cleanup_(file_done) struct file f = {0};
    char name[64];
    const struct bh_rec *rec;
    segment_file_name(name, shard, segment);
    int r = load(&f, dirfd, name, err);
    if (r < 0)
        return r;
    size_t start = f.reader.at;
    while ((r = segment_next(&f.reader, &rec)) == 1)
        if ((size_t)((const uint8_t *)rec - f.reader.bytes) - start == offset) {
            buf_add(ret, rec, rec->size);
            return ret->failed ? error_set(err, -ENOMEM, "no memory for a record") : 0;
        }
    return r < 0 ? error_set(err, r, "the segment %s is damaged", name)
                 : error_set(err, -ENOENT, "no record begins at %llu in the segment %s",
                             (unsigned long long)offset, name);
}

// Does this file hold the position, at that time? Positions begin anew with each run; a time is of
// one boot.
static int find_in(int dirfd, const char *name, uint64_t position, struct boot_ns time,
                   struct str boot, struct buf *ret)
{
    _cleanup_(file_done) struct file f = {0};
    const struct bh_rec *rec;
    int r = load(&f, dirfd, name, NULL);
    if (r < 0)
        return r;
    json_t *cover = json_loadb(f.reader.coverage.ptr, f.reader.coverage.len, 0, NULL);
    json_int_t first = 0, begin = 0, end = 0;
    r = json_unpack(cover, "{s:I,s:I,s:I}", "position", &first, "first", &begin, "last", &end);
    json_decref(cover);
    if (r < 0 || (boot.len && !str_eq(boot, f.reader.info.boot)) || (uint64_t)first > position ||
        time.ns < (uint64_t)begin || time.ns > (uint64_t)end)
        return -ENOENT;
    for (uint64_t at = (uint64_t)first; segment_next(&f.reader, &rec) == 1; at++)
        if (at == position && rec->time == time.ns) {
            buf_add(ret, rec, rec->size);
            return ret->failed ? -ENOMEM : 0;
        }
    return -ENOENT;
}

int store_find_position(int dirfd, unsigned shard, uint64_t position, struct boot_ns time,
                        struct str boot, struct buf *ret, struct error *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENOENT;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        r = error_set(err, -errno, "cannot read the segments' folder: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return r;
    }
    for (struct dirent *e; r != 0 && r != -ENOMEM && (e = readdir(d));) {
        unsigned s;
        uint64_t segment;
        if (segment_file_parse(e->d_name, &s, &segment) && s == shard)
            r = find_in(dirfd, e->d_name, position, time, boot, ret);
    }
    closedir(d);
    return r == 0 ? 0
                  : error_set(err, r == -ENOMEM ? r : -ENOENT, "no kept segment has this record");
}
