// Opens a ledger: what its checkpoint covers must be whole at its edge; what lies beyond is kept
// where it is whole.
#include "record/ledger/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>

static bool exists(int dirfd, const char *path)
{
    return faccessat(dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int broken(struct error *err, const char *what)
{
    return error_set(err, -EUCLEAN, "the ledger is broken: %s", what);
}

// The rightmost tiles, checked against the checkpoint's root.
static int load_tree(struct ledger *l, const struct tree_head *head, struct error *err)
{
    l->tree->size = head->size;
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        if (!tree_width(head->size, level))
            continue;
        int r = layout_tile(l->dirfd, head->size, level, head->size >> (8 * level) >> 8,
                            l->tree->tile[level]);
        if (r == -ENOENT || r == -EUCLEAN)
            return broken(err, "a tile that its checkpoint needs is missing or cut");
        if (r < 0)
            return io_error(err, r, "read", "the ledger's tiles");
    }
    tree_peaks(l->tree);
    struct hash root = tree_root(l->tree);
    return hash_eq(&root, &head->root) ? 0
                                       : broken(err, "its tiles don't give its checkpoint's root");
}

// The rightmost bundle, which goes on growing, and the last entry.
static int load_bundle(struct ledger *l, struct buf *ret_last, struct error *err)
{
    uint64_t size = l->tree->size;
    if (size == 0)
        return 0;
    uint64_t n = (size - 1) / TILE_WIDTH;
    unsigned width = layout_width(size, 0, n), i = 0;
    struct hash tile[TILE_WIDTH];
    _cleanup_buf_ struct buf b = {0};
    int r = layout_tile(l->dirfd, size, 0, n, tile);
    if (r == 0)
        r = layout_bundle(l->dirfd, size, n, &b);
    if (r < 0)
        return r == -ENOENT || r == -EUCLEAN
                   ? broken(err, "its last entries are missing or cut")
                   : io_error(err, r, "read", "the ledger's last entries");
    struct str rest = buf_view(&b), entry = STR_NULL;
    while ((r = bundle_next(&rest, &entry)) > 0) {
        struct hash leaf = hash_leaf(entry);
        if (i >= width || !hash_eq(&leaf, &tile[i++]))
            return broken(err, "its last entries don't have the hashes that its checkpoint covers");
    }
    if (r < 0 || i != width)
        return broken(err, "its last entries are cut");
    buf_str(ret_last, entry);
    if (width < TILE_WIDTH)
        buf_str(&l->bundle, buf_view(&b));
    return l->bundle.failed || ret_last->failed
               ? error_set(err, -ENOMEM, "no memory for the ledger")
               : 0;
}

static int load_chain(struct ledger *l, const char *origin, struct certificate *ret_last,
                      struct error *err)
{
    _cleanup_(certificate_done) struct certificate before = {0};
    char path[MAX_RECORD_PATH];
    int r = certificate_read(l->dirfd, 0, ret_last);
    if (r < 0)
        return r == -EUCLEAN ? broken(err, "its first key's file is damaged")
                             : io_error(err, r, "read", "the ledger's first key");
    if (strcmp(ret_last->key.name, origin) != 0)
        return error_set(err, -EINVAL, "this ledger belongs to %s, not to %s", ret_last->key.name,
                         origin);
    vkey_text(&ret_last->key, l->first_key);
    uint64_t last = 0;
    for (; last < MAX_KEYS; last++) {
        layout_path(path, PATH_KEYS, last + 1, 0);
        if (!exists(l->dirfd, path))
            break;
    }
    if (last == 0)
        return 0;
    certificate_done(ret_last);
    struct tree_head head;
    r = certificate_read(l->dirfd, last - 1, &before);
    if (r == 0)
        r = certificate_read(l->dirfd, last, ret_last);
    if (r < 0 && r != -EUCLEAN)
        return io_error(err, r, "read", "the ledger's keys");
    if (r < 0 || certificate_check(ret_last, &before.key, &head) < 0)
        return broken(err, "the file of its last key is damaged");
    l->key_number = last;
    l->key_start = ret_last->index + 1;
    return 0;
}

// The secret key that belongs to `pub`: in its place, or (killed while one took over) still beside
// it.
static int load_key(struct ledger *l, const struct vkey *pub, struct signer **ret,
                    struct error *err)
{
    static const char *const places[] = {"key", "key.next"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int e;
        struct signer *s = keys_read(l->dirfd, places[i], &e);
        if (s && strcmp(s->pub.name, pub->name) == 0 &&
            memcmp(s->pub.key, pub->key, sizeof(pub->key)) == 0) {
            *ret = s;
            return 0;
        }
        signer_free(s);
        if (!s && e != -ENOENT && e != -EUCLEAN)
            return io_error(err, e, "read", "the ledger's key");
    }
    return broken(
        err,
        "its signing key is missing, damaged or another one; what is signed stays verifiable, but "
        "nothing can be added: move the folder away to begin a new log");
}

static int keep(void *ctx, uint64_t index, struct str entry)
{
    struct ledger *l = ctx;
    struct entry_view e;
    if (index < ledger_size(l))
        return 0; // the checkpoint has it: killed before the tail was cut
    if (index > ledger_size(l) || entry_parse(entry, &e) < 0 || e.kind == ENTRY_KEY)
        return -EBADMSG;
    bundle_add(&l->pending, entry);
    l->pending_n++;
    return l->pending.failed ? -ENOMEM : 0;
}

// Drops the parts of a payload whose last part is missing.
static void drop_unfinished(struct ledger *l)
{
    struct str rest = buf_view(&l->pending), entry;
    size_t whole = 0;
    uint64_t n = 0, whole_n = 0;
    while (bundle_next(&rest, &entry) > 0) {
        struct entry_view e;
        n++;
        if (entry_parse(entry, &e) == 0 && !(e.flags & ENTRY_MORE)) {
            whole = l->pending.len - rest.len;
            whole_n = n;
        }
    }
    l->pending.len = whole;
    l->pending_n = whole_n;
}

static int load_tail(struct ledger *l, struct buf *ret_repaired, struct error *err)
{
    _cleanup_buf_ struct buf b = {0};
    l->tail_fd = openat(l->dirfd, "tail", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (l->tail_fd < 0)
        return io_error(err, -errno, "open", "the ledger's tail");
    int r = io_read(l->dirfd, "tail", MAX_TAIL, &b);
    if (r < 0)
        return io_error(err, r, "read", "the ledger's tail");
    size_t good;
    r = tail_walk(buf_view(&b), keep, l, &good);
    if (r < 0 && r != -EBADMSG)
        return error_set(err, r, "no memory for the ledger's tail");
    drop_unfinished(l);
    l->tail_len = b.len; // cut by the checkpoint that follows
    if (l->pending_n)
        buf_printf(ret_repaired, "%llu entries beyond the last checkpoint were whole and are kept",
                   (unsigned long long)l->pending_n);
    if (good < b.len)
        buf_printf(ret_repaired, "%s%zu bytes behind them were not whole and are dropped",
                   ret_repaired->len ? "; " : "", b.len - good);
    return 0;
}

static int load(struct ledger *l, const char *origin, struct buf *ret_repaired, struct error *err)
{
    _cleanup_(certificate_done) struct certificate last = {0};
    _cleanup_buf_ struct buf last_entry = {0};
    struct tree_head head = {0};
    struct entry_view e = {0};
    int r = load_chain(l, origin, &last, err);
    if (r < 0)
        return r;
    r = layout_checkpoint(l->dirfd, &l->note);
    if (r == -ENOENT && l->key_number == 0 && !exists(l->dirfd, "tile"))
        return load_key(l, &last.key, &l->signer, err); // killed before the first checkpoint
    if (r == -ENOENT || r == -EUCLEAN)
        return broken(err, "its checkpoint is missing");
    if (r < 0)
        return io_error(err, r, "read", "the ledger's checkpoint");
    l->signed_once = true;
    if (str_eq(buf_view(&l->note), buf_view(&last.note))) {
        struct str unused;
        r = checkpoint_peek(buf_view(&l->note), &unused,
                            &head); // certificate_check has checked who signed it
    } else
        r = checkpoint_open(buf_view(&l->note), &last.key, &head);
    if (r < 0)
        return broken(err, "its checkpoint is not signed by its last key");
    r = load_tree(l, &head, err);
    if (r == 0)
        r = load_bundle(l, &last_entry, err);
    if (r < 0)
        return r;
    struct vkey key = last.key, successor;
    bool handing_over = head.size && entry_parse(buf_view(&last_entry), &e) == 0 &&
                        e.kind == ENTRY_KEY && head.size != l->key_start;
    if (handing_over) {
        // Killed between the checkpoint that names a successor and its taking over. The old key is
        // done.
        int error;
        l->successor = keys_read(l->dirfd, "key.next", &error);
        if (!l->successor) // renamed already, and the certificate lost with the folder's last fsync
            l->successor = keys_read(l->dirfd, "key", &error);
        if (!l->successor)
            return broken(err, "the key that its last entry names is missing or damaged");
        successor = l->successor->pub;
        _cleanup_buf_ struct buf payload = {0};
        key_payload(&payload, l->key_number + 1, &successor);
        if (!str_eq(e.payload, buf_view(&payload)))
            return broken(err, "the key that its last entry names is missing or damaged");
        buf_str(&l->successor_entry, buf_view(&last_entry));
        l->successor_index = head.size - 1;
        buf_text(ret_repaired, "a key's taking over was interrupted and is completed");
        return load_tail(l, ret_repaired, err);
    }
    r = load_key(l, &key, &l->signer, err);
    if (r == 0)
        r = load_tail(l, ret_repaired, err);
    return r;
}

// The key's place: the one that signs from here on lies in "key", and no other is left.
static int tidy_keys(struct ledger *l, struct error *err)
{
    int e;
    _cleanup_(signer_freep) struct signer *there = keys_read(l->dirfd, "key", &e);
    if (there && memcmp(there->pub.key, l->signer->pub.key, sizeof(there->pub.key)) == 0) {
        int r = io_erase(l->io, l->dirfd, "key.next");
        return r < 0 ? io_error(err, r, "erase", "a key that was never used") : 0;
    }
    return keys_promote(l, err);
}

int ledger_open(int dirfd, const struct ledger_options *o, struct ledger **ret,
                struct buf *ret_repaired, struct error *err)
{
    if (sodium_init() < 0)
        return error_set(err, -EIO, "cannot start libsodium");
    if (!o->origin || !origin_ok(str_of(o->origin)))
        return error_set(
            err, -EINVAL,
            "not an origin for a ledger: it is 1 to %d visible ASCII characters without +",
            MAX_ORIGIN);
    _cleanup_(ledger_closep) struct ledger *l = calloc(1, sizeof(*l));
    if (!l)
        return error_set(err, -ENOMEM, "no memory for the ledger");
    l->tail_fd = -1;
    l->io = o->io;
    l->key_entries = MAX(o->key_entries ? o->key_entries : DEFAULT_KEY_ENTRIES, (uint64_t)2);
    l->tree = calloc(1, sizeof(*l->tree));
    l->next = calloc(1, sizeof(*l->next));
    // Its own descriptor: the lock is the folder's and goes with it.
    l->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!l->tree || !l->next || l->dirfd < 0)
        return error_set(err, l->dirfd < 0 ? -errno : -ENOMEM, "cannot open the ledger's folder");
    if (flock(l->dirfd, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno, "cannot lock the ledger: %s",
                         errno == EWOULDBLOCK ? "another process writes it" : strerror(errno));
    _cleanup_buf_ struct buf repaired = {0};
    bool fresh = !exists(l->dirfd, "keys/000");
    if (fresh && (exists(l->dirfd, "checkpoint") || exists(l->dirfd, "tile")))
        return broken(err, "its first key's file is missing");
    int r = fresh ? keys_create(l, o->origin, err) : load(l, o->origin, &repaired, err);
    if (r == 0 && l->tail_fd < 0)
        r = load_tail(l, &repaired, err);
    if (r == 0)
        r = ledger_settle(l, err);
    if (r == 0)
        r = tidy_keys(l, err);
    // A new key each start: what the last process signed can't be signed again by who finds the key
    // now.
    if (r == 0)
        r = ledger_sign(l, l->signed_once, err);
    if (r < 0)
        return r;
    if (ret_repaired)
        buf_str(ret_repaired, buf_view(&repaired));
    *ret = TAKE_PTR(l);
    return 0;
}

void ledger_close(struct ledger *l)
{
    if (!l)
        return;
    signer_free(l->signer);
    signer_free(l->successor);
    free(l->tree);
    free(l->next);
    buf_done(&l->bundle);
    buf_done(&l->next_bundle);
    buf_done(&l->pending);
    buf_done(&l->note);
    buf_done(&l->successor_entry);
    if (l->tail_fd >= 0)
        close(l->tail_fd);
    if (l->dirfd >= 0)
        close(l->dirfd);
    free(l);
}

void ledger_closep(struct ledger **l)
{
    ledger_close(*l);
}
