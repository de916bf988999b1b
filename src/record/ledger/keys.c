// Keys that evolve: each signs its successor into the log and is then erased. Who takes the machine
// today has today's key, and yesterday's entries stay under yesterday's.
#include "record/ledger/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <time.h>

uint64_t wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

int keys_write(struct ledger *l, const char *path, const struct signer *s)
{
    char text[MAX_SIGNER_TEXT];
    signer_text(s, text, sizeof(text));
    int r = io_put(l->io, l->dirfd, path, str_of(text), 0600);
    sodium_memzero(text, sizeof(text));
    return r;
}

struct signer *keys_read(int dirfd, const char *path, int *ret_error)
{
    char text[MAX_SIGNER_TEXT + 1];
    struct signer *s = NULL;
    size_t len = 0;
    ssize_t n;
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        *ret_error = errno == ELOOP ? -EUCLEAN : -errno;
        return NULL;
    }
    // Not io_read: a secret passes through no buffer that is freed without being zeroed.
    while (len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            *ret_error = -errno;
            goto out;
        }
        len += (size_t)n;
    }
    s = signer_parse((struct str){text, len}, ret_error);
    if (!s && *ret_error == -EBADMSG)
        *ret_error = -EUCLEAN;
out:
    sodium_memzero(text, sizeof(text));
    return s;
}

int keys_create(struct ledger *l, const char *origin, struct error *err)
{
    _cleanup_(certificate_done) struct certificate first = {0};
    _cleanup_buf_ struct buf text = {0};
    char path[MAX_RECORD_PATH];
    l->signer = signer_new(origin);
    if (!l->signer)
        return error_set(err, -ENOMEM, "no memory for the ledger's key");
    int r = keys_write(l, "key", l->signer);
    if (r < 0)
        return io_error(err, r, "write", "the ledger's key");
    first.key = l->signer->pub;
    certificate_text(&text, &first);
    layout_path(path, PATH_KEYS, 0, 0);
    r = text.failed ? -ENOMEM : io_replace(l->io, l->dirfd, path, buf_view(&text), 0640, NULL);
    if (r < 0)
        return io_error(err, r, "write the ledger's", path);
    vkey_text(&first.key, l->first_key);
    return 0;
}

int keys_promote(struct ledger *l, struct error *err)
{
    int r = io_erase(l->io, l->dirfd, "key");
    if (r < 0)
        return io_error(err, r, "erase", "the ledger's old key");
    if (l->io && l->io->rename)
        r = l->io->rename(l->dirfd, "key.next", l->dirfd, "key");
    else
        r = renameat(l->dirfd, "key.next", l->dirfd, "key");
    // Renamed already where only the folder's fsync failed the last time.
    if (r < 0 && !(errno == ENOENT && faccessat(l->dirfd, "key", F_OK, 0) == 0))
        return io_error(err, -errno, "put in place", "the ledger's new key");
    r = io_fsync_folder(l->io, l->dirfd, "key");
    return r < 0 ? io_error(err, r, "put in place", "the ledger's new key") : 0;
}

int keys_hand_over(struct ledger *l, struct error *err)
{
    struct certificate c = {
        .number = l->key_number + 1,
        .key = l->successor->pub,
        .index = l->successor_index,
        .entry = l->successor_entry,
        .note = l->note,
    };
    _cleanup_buf_ struct buf text = {0};
    char path[MAX_RECORD_PATH];
    certificate_text(&text, &c);
    layout_path(path, PATH_KEYS, c.number, 0);
    int r = text.failed ? -ENOMEM : io_replace(l->io, l->dirfd, path, buf_view(&text), 0640, NULL);
    if (r < 0)
        return io_error(err, r, "write the ledger's", path);
    // Only now: the last checkpoint of the old key is safe, and nobody needs the key again.
    int e;
    _cleanup_(signer_freep) struct signer *there = keys_read(l->dirfd, "key", &e);
    if (!there || memcmp(there->pub.key, l->successor->pub.key, sizeof(there->pub.key)) != 0) {
        r = keys_promote(l, err);
        if (r < 0)
            return r;
    }
    signer_free(l->signer);
    l->signer = TAKE_PTR(l->successor);
    l->key_number++;
    l->key_start = l->successor_index + 1;
    buf_reset(&l->successor_entry);
    return 0;
}
