// The ledger's writer: append, checkpoint, drop. The order of a checkpoint: entries and tiles
// durable under names that the old checkpoint doesn't need, then the new checkpoint by rename, then
// what it supersedes goes.
#include "record/ledger/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

uint64_t ledger_size(const struct ledger *l)
{
    return l->tree->size + l->pending_n;
}
uint64_t ledger_checkpointed(const struct ledger *l)
{
    return l->tree->size;
}
bool ledger_dirty(const struct ledger *l)
{
    return l->pending_n || l->unsynced || l->successor || !l->signed_once;
}
const char *ledger_first_key(const struct ledger *l)
{
    return l->first_key;
}

static int tail_write(struct ledger *l, struct str frames)
{
    if (lseek(l->tail_fd, (off_t)l->tail_len, SEEK_SET) < 0)
        return -errno;
    int r = io_write(l->io, l->tail_fd, frames.ptr, frames.len);
    if (r == 0)
        l->tail_len += frames.len;
    else if (ftruncate(l->tail_fd, (off_t)l->tail_len) < 0)
        r = r ? r : -errno; // the next write begins at tail_len again: it covers what was written
                            // of this one
    return r;
}

// Into the tail and into what is pending; all of it or nothing.
static int append(struct ledger *l, enum entry_kind kind, uint64_t wall_ns, struct str payload,
                  size_t parts, struct error *err)
{
    _cleanup_buf_ struct buf frames = {0}, entry = {0};
    size_t before = l->pending.len;
    uint64_t index = ledger_size(l);
    if (l->tail_len == 0)
        tail_head(&frames, index);
    for (size_t i = 0; i < parts; i++) {
        size_t from = i * MAX_PART, len = MIN(payload.len - from, (size_t)MAX_PART);
        uint8_t flags = (uint8_t)((i + 1 < parts ? ENTRY_MORE : 0) | (i ? ENTRY_CONTINUES : 0));
        buf_reset(&entry);
        entry_make(&entry, kind, flags, wall_ns, (struct str){payload.ptr + from, len});
        tail_frame(&frames, index + i, buf_view(&entry));
        bundle_add(&l->pending, buf_view(&entry));
    }
    int r = frames.failed || entry.failed || l->pending.failed ? -ENOMEM
                                                               : tail_write(l, buf_view(&frames));
    if (r < 0) {
        l->pending.len = before;
        l->pending.failed = false;
        return io_error(err, r, "append to", "the ledger");
    }
    l->pending_n += parts;
    return 0;
}

int ledger_append(struct ledger *l, enum entry_kind kind, uint64_t wall_ns, struct str payload,
                  uint64_t *ret_index, struct error *err)
{
    size_t parts = MAX((payload.len + MAX_PART - 1) / MAX_PART, (size_t)1);
    if (kind <= 0 || kind >= ENTRY_KIND_MAX || kind == ENTRY_KEY || kind == ENTRY_DROP)
        return error_set(err, -EINVAL, "no kind of ledger entry that can be appended: %d", kind);
    if (payload.len > MAX_PAYLOAD)
        return error_set(err, -EMSGSIZE, "a ledger entry of %zu bytes: the limit is %d",
                         payload.len, MAX_PAYLOAD);
    bool key_full = l->pending_n && ledger_size(l) + parts + 1 - l->key_start > l->key_entries;
    if (key_full || l->pending_n + parts > MAX_PENDING_ENTRIES ||
        l->pending.len + payload.len > MAX_PENDING_BYTES) {
        int r = ledger_settle(l, err);
        if (r == 0)
            r = ledger_sign(l, key_full, err);
        if (r < 0)
            return r;
    }
    uint64_t index = ledger_size(l);
    int r = append(l, kind, wall_ns, payload, parts, err);
    if (r == 0)
        *ret_index = index;
    return r;
}

// ── checkpoint ───────────────────────────────────────────────────────────────────────────────

struct writing {
    struct ledger *l;
    struct error *err;
};

static int put(struct ledger *l, const char *path, struct str content, struct error *err)
{
    int r = io_put(l->io, l->dirfd, path, content, 0640);
    return r < 0 ? io_error(err, r, "write the ledger's", path) : 0;
}

static int write_full(void *ctx, unsigned level, uint64_t n, const struct hash tile[TILE_WIDTH])
{
    struct writing *w = ctx;
    struct ledger *l = w->l;
    char path[MAX_RECORD_PATH];
    if (level == 0) {
        layout_path(path, PATH_ENTRIES, n, 0);
        int r = put(l, path, buf_view(&l->next_bundle), w->err);
        if (r < 0)
            return r;
        buf_reset(&l->next_bundle);
    }
    layout_tile_path(path, level, n, 0);
    return put(l, path, (struct str){(const char *)tile, TILE_BYTES}, w->err);
}

static int write_partial(struct ledger *l, struct error *err)
{
    char path[MAX_RECORD_PATH];
    uint64_t size = l->next->size;
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tree_width(size, level);
        if (width == 0 || size >> (8 * level) == l->tree->size >> (8 * level))
            continue;
        uint64_t n = size >> (8 * level) >> 8;
        if (level == 0) {
            layout_path(path, PATH_ENTRIES, n, width);
            int r = put(l, path, buf_view(&l->next_bundle), err);
            if (r < 0)
                return r;
        }
        layout_tile_path(path, level, n, width);
        int r =
            put(l, path,
                (struct str){(const char *)l->next->tile[level], width * sizeof(struct hash)}, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add(struct writing *w, struct str entry)
{
    struct hash leaf = hash_leaf(entry);
    bundle_add(&w->l->next_bundle, entry);
    return w->l->next_bundle.failed
               ? error_set(w->err, -ENOMEM, "no memory for the ledger's entries")
               : tree_add(w->l->next, &leaf, write_full, w);
}

// Makes l->next from the tree and what is pending, and its files.
static int grow(struct ledger *l, struct str last, struct error *err)
{
    struct writing w = {l, err};
    struct str rest = buf_view(&l->pending), entry;
    memcpy(l->next, l->tree, sizeof(*l->next));
    buf_reset(&l->next_bundle);
    buf_str(&l->next_bundle, buf_view(&l->bundle));
    while (bundle_next(&rest, &entry) > 0) {
        int r = add(&w, entry);
        if (r < 0)
            return r;
    }
    if (last.len) {
        int r = add(&w, last);
        if (r < 0)
            return r;
    }
    return write_partial(l, err);
}

// The new checkpoint is what readers see: what was pending is covered.
static void commit(struct ledger *l)
{
    struct tree *t = l->tree;
    struct buf b = l->bundle;
    l->tree = l->next;
    l->next = t;
    l->bundle = l->next_bundle;
    l->next_bundle = b;
    buf_reset(&l->pending);
    l->pending_n = 0;
    l->signed_once = true;
}

static int make_successor(struct ledger *l, struct error *err)
{
    _cleanup_buf_ struct buf payload = {0};
    l->successor = signer_new(l->signer->pub.name);
    if (!l->successor)
        return error_set(err, -ENOMEM, "no memory for the ledger's next key");
    key_payload(&payload, l->key_number + 1, &l->successor->pub);
    buf_reset(&l->successor_entry);
    entry_make(&l->successor_entry, ENTRY_KEY, 0, wall_now(), buf_view(&payload));
    if (payload.failed || l->successor_entry.failed)
        return error_set(err, -ENOMEM, "no memory for the ledger's next key");
    l->successor_index = ledger_size(l);
    int r = keys_write(l, "key.next", l->successor);
    return r < 0 ? io_error(err, r, "write", "the ledger's next key") : 0;
}

static void forget_successor(struct ledger *l)
{
    signer_free(l->successor);
    l->successor = NULL;
    io_erase(l->io, l->dirfd, "key.next");
}

int ledger_sign(struct ledger *l, bool rotate, struct error *err)
{
    _cleanup_buf_ struct buf note = {0};
    bool renamed = false;
    uint64_t before = l->tree->size;
    int r = rotate ? make_successor(l, err) : 0;
    if (r == 0)
        r = grow(l, rotate ? buf_view(&l->successor_entry) : STR_NULL, err);
    if (r == 0) {
        struct tree_head head = {l->next->size, tree_root(l->next)};
        checkpoint_sign(&note, l->signer, &head);
        r = note.failed
                ? -ENOMEM
                : io_replace(l->io, l->dirfd, "checkpoint", buf_view(&note), 0644, &renamed);
        if (r < 0)
            io_error(err, r, "write the ledger's", "checkpoint");
    }
    if (!renamed) {
        if (rotate)
            forget_successor(l);
        return r;
    }
    struct buf old = l->note;
    l->note = note;
    note = old;
    commit(l);
    l->unsynced = r < 0;
    if (r < 0)
        return r;
    ledger_sweep(l, before);
    return ledger_settle(l, err);
}

int ledger_settle(struct ledger *l, struct error *err)
{
    if (l->unsynced) {
        int r = io_fsync_folder(l->io, l->dirfd, "checkpoint");
        if (r < 0)
            return io_error(err, r, "write the ledger's", "checkpoint");
        l->unsynced = false;
    }
    if (l->pending_n == 0 && l->tail_len) {
        if (ftruncate(l->tail_fd, 0) < 0)
            return io_error(err, -errno, "cut the ledger's", "tail");
        l->tail_len = 0;
    }
    return l->successor ? keys_hand_over(l, err) : 0;
}

int ledger_checkpoint(struct ledger *l, struct error *err)
{
    int r = ledger_settle(l, err);
    if (r < 0 || (l->pending_n == 0 && l->signed_once))
        return r;
    return ledger_sign(l, l->pending_n && ledger_size(l) + 1 - l->key_start >= l->key_entries, err);
}

// Everything in "<n>.p/" but the width that the checkpoint needs; the folder too once the tile is
// full.
static void sweep_partial(struct ledger *l, const char *full_path, unsigned keep)
{
    char folder[MAX_RECORD_PATH + 2], name[8];
    snprintf(folder, sizeof(folder), "%s.p", full_path);
    snprintf(name, sizeof(name), "%u", keep);
    int fd = openat(l->dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, name) != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    if (keep == 0 || keep == TILE_WIDTH)
        unlinkat(l->dirfd, folder, AT_REMOVEDIR);
}

void ledger_sweep(struct ledger *l, uint64_t before)
{
    char path[MAX_RECORD_PATH];
    uint64_t size = l->tree->size;
    for (unsigned level = 0; level < TILE_LEVELS && size >> (8 * level); level++) {
        uint64_t tiles[2] = {before >> (8 * level) >> 8, size >> (8 * level) >> 8};
        for (size_t i = 0; i < 2 && (i == 0 || tiles[1] != tiles[0]); i++) {
            unsigned width = layout_width(size, level, tiles[i]);
            layout_tile_path(path, level, tiles[i], 0);
            sweep_partial(l, path, width);
            if (level == 0) {
                layout_path(path, PATH_ENTRIES, tiles[i], 0);
                sweep_partial(l, path, width);
            }
        }
    }
}

// ── retention ────────────────────────────────────────────────────────────────────────────────

int ledger_drop(struct ledger *l, uint64_t before, uint64_t *ret_before, struct error *err)
{
    before &= ~(uint64_t)(TILE_WIDTH - 1);
    *ret_before = before;
    int r = ledger_checkpoint(l, err);
    if (r < 0 || before == 0)
        return r;
    if (before > l->tree->size)
        return error_set(err, -EINVAL, "the ledger has only %llu entries",
                         (unsigned long long)l->tree->size);
    // First said, durably and signed, then done: a missing bundle that no entry explains is a
    // broken ledger.
    _cleanup_buf_ struct buf payload = {0};
    drop_payload(&payload, before);
    if (payload.failed)
        return error_set(err, -ENOMEM, "no memory for the ledger's entry");
    r = append(l, ENTRY_DROP, wall_now(), buf_view(&payload), 1, err);
    if (r == 0)
        r = ledger_checkpoint(l, err);
    for (uint64_t n = 0; r == 0 && n < before / TILE_WIDTH; n++) {
        char path[MAX_RECORD_PATH];
        layout_path(path, PATH_ENTRIES, n, 0);
        if (unlinkat(l->dirfd, path, 0) < 0 && errno != ENOENT)
            r = io_error(err, -errno, "drop the ledger's", path);
    }
    return r;
}
