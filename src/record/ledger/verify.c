// Verifies a whole ledger: every entry against its hash, every tile, every root that was signed,
// every key against the one before it, back to the first. Reads only, and may run beside the
// writer.
#include "record/ledger/internal.h"

#include <errno.h>
#include <sodium.h>

enum { MAX_RETRIES = 20 };

struct link { // a key that came into force
    uint64_t index;
    struct hash leaf, root; // of its entry; of the tree that the key before signed over it
};

struct check {
    int dirfd;
    struct ledger_report *report;
    struct error *err;
    // what was read at once: a writer at work replaces these
    struct buf note, edge_bundle;
    struct tree_head head;
    struct hash edge[TILE_LEVELS][TILE_WIDTH];
    struct vkey key; // of now
    struct link *links;
    uint64_t links_n, next_link;
    // the walk over all entries
    struct tree *tree;
    uint64_t missing_end; // bundles before this are gone: by retention, or a thief
    uint64_t dropped_before;
    uint64_t wall_ns;
    uint8_t kind, flags; // of the entry before
};

// Records the first problem; -EBADMSG stops the run.
static int problem(struct check *c, uint64_t index, const char *format, ...) _printf_(3, 4);
static int problem(struct check *c, uint64_t index, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->report->problem, sizeof(c->report->problem), format, args);
    va_end(args);
    c->report->bad_index = index;
    return -EBADMSG;
}

static int failed(struct check *c, int code, const char *what)
{
    if (code == -ENOENT || code == -EUCLEAN || code == -EBADMSG)
        return problem(c, UINT64_MAX, "%s %s", what, code == -ENOENT ? "is missing" : "is damaged");
    return io_error(c->err, code, "read the ledger:", what);
}

// ── what is read at once ─────────────────────────────────────────────────────────────────────

static int read_keys(struct check *c, const char *first_key)
{
    char text[MAX_VKEY], path[MAX_RECORD_PATH];
    _cleanup_(certificate_done) struct certificate first = {0};
    int r = certificate_read(c->dirfd, 0, &first);
    if (r < 0)
        return failed(c, r, "its first key's file (keys/000)");
    vkey_text(&first.key, text);
    snprintf(c->report->first_key, sizeof(c->report->first_key), "%s", text);
    snprintf(c->report->origin, sizeof(c->report->origin), "%s", first.key.name);
    if (first_key && strcmp(first_key, text) != 0)
        return problem(c, UINT64_MAX, "its first key is %s, not the one that was given", text);
    c->key = first.key;
    c->links_n = 0;
    size_t room = 0;
    free(c->links);
    c->links = NULL;
    for (uint64_t n = 1; n < MAX_KEYS; n++) {
        _cleanup_(certificate_done) struct certificate cert = {0};
        struct tree_head head;
        layout_path(path, PATH_KEYS, n, 0);
        r = certificate_read(c->dirfd, n, &cert);
        if (r == -ENOENT)
            break;
        if (r < 0)
            return failed(c, r, path);
        if (certificate_check(&cert, &c->key, &head) < 0)
            return problem(c, cert.index, "key %llu (%s) is not signed by the key before it",
                           (unsigned long long)n, path);
        if (cert.index >= c->head.size)
            break; // younger than the checkpoint that was read
        if (c->links_n && cert.index <= c->links[c->links_n - 1].index)
            return problem(c, cert.index, "key %llu (%s) is out of order", (unsigned long long)n,
                           path);
        if (c->links_n == room) {
            room = MAX(room * 2, (size_t)64);
            struct link *grown = reallocarray(c->links, room, sizeof(*grown));
            if (!grown)
                return error_set(c->err, -ENOMEM, "no memory for the ledger's keys");
            c->links = grown;
        }
        c->links[c->links_n++] =
            (struct link){cert.index, hash_leaf(buf_view(&cert.entry)), head.root};
        c->key = cert.key;
        if (str_eq(buf_view(&cert.note), buf_view(&c->note)))
            return 0; // the key was changed with the latest checkpoint: the one before signed that
    }
    struct tree_head signed_head;
    if (checkpoint_open(buf_view(&c->note), &c->key, &signed_head) < 0)
        return problem(c, UINT64_MAX, "its checkpoint is not signed by its key %llu",
                       (unsigned long long)c->links_n);
    return 0;
}

// The secret key, where we may read it: it must be the one that the log names.
static int check_secret(struct check *c)
{
    static const char *const places[] = {"key", "key.next"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int e;
        _cleanup_(signer_freep) struct signer *s = keys_read(c->dirfd, places[i], &e);
        if (s && memcmp(s->pub.key, c->key.key, sizeof(c->key.key)) == 0 &&
            strcmp(s->pub.name, c->key.name) == 0)
            return 0;
        if (i == 0 && !s && (e == -EACCES || e == -EPERM || e == -ENOENT))
            return 0; // a copy for others, or not ours to read
        if (!s && e == -ENOMEM)
            return error_set(c->err, e, "no memory for the ledger's key");
    }
    return problem(c, UINT64_MAX, "its signing key's file is damaged or belongs to another log");
}

static int nothing(void *ctx, uint64_t index, struct str entry)
{
    return 0;
}

static int check_tail(struct check *c)
{
    int r = 0;
    for (int i = 0; i < 3; i++) { // a writer at work may be caught in the middle
        _cleanup_buf_ struct buf b = {0};
        size_t good;
        r = io_read(c->dirfd, "tail", MAX_TAIL, &b);
        if (r == 0)
            r = tail_walk(buf_view(&b), nothing, NULL, &good);
        if (r >= 0 || r == -ENOENT || r == -EACCES)
            return 0;
    }
    return r == -EBADMSG || r == -EFBIG || r == -EUCLEAN
               ? problem(c, UINT64_MAX, "entries that no checkpoint covers yet (tail) are damaged")
               : failed(c, r, "its tail");
}

static int read_edge(struct check *c)
{
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        if (!tree_width(c->head.size, level))
            continue;
        uint64_t n = c->head.size >> (8 * level) >> 8;
        int r = layout_tile(c->dirfd, c->head.size, level, n, c->edge[level]);
        if (r < 0) {
            char path[MAX_RECORD_PATH];
            layout_tile_path(path, level, n, tree_width(c->head.size, level));
            return failed(c, r, path);
        }
    }
    buf_reset(&c->edge_bundle);
    if (!tree_width(c->head.size, 0))
        return 0;
    int r = layout_bundle(c->dirfd, c->head.size, c->head.size / TILE_WIDTH, &c->edge_bundle);
    return r < 0 ? failed(c, r, "its last bundle of entries") : 0;
}

static int read_at_once(struct check *c, const char *first_key)
{
    struct str origin;
    buf_reset(&c->note);
    int r = layout_checkpoint(c->dirfd, &c->note);
    if (r < 0)
        return failed(c, r, "its checkpoint");
    if (checkpoint_peek(buf_view(&c->note), &origin, &c->head) < 0)
        return failed(c, -EBADMSG, "its checkpoint");
    r = read_keys(c, first_key);
    if (r == 0)
        r = read_edge(c);
    if (r == 0)
        r = check_secret(c);
    return r == 0 ? check_tail(c) : r;
}

// Again where the writer was faster; a problem only where nothing moved.
static int snapshot(struct check *c, const char *first_key)
{
    for (int i = 0;; i++) {
        int r = read_at_once(c, first_key);
        _cleanup_buf_ struct buf again = {0};
        if (layout_checkpoint(c->dirfd, &again) < 0 ||
            str_eq(buf_view(&again), buf_view(&c->note)) || i == MAX_RETRIES)
            return r;
        c->report->problem[0] = 0;
        c->report->bad_index = UINT64_MAX;
    }
}

// ── the walk ─────────────────────────────────────────────────────────────────────────────────

static int compare_full(void *ctx, unsigned level, uint64_t n, const struct hash tile[TILE_WIDTH])
{
    struct check *c = ctx;
    struct hash there[TILE_WIDTH];
    char path[MAX_RECORD_PATH];
    if (level == 0)
        return 0; // every leaf was compared
    layout_tile_path(path, level, n, 0);
    int r = layout_tile(c->dirfd, c->head.size, level, n, there);
    if (r < 0)
        return failed(c, r, path);
    return memcmp(there, tile, TILE_BYTES)
               ? problem(c, UINT64_MAX, "%s is not what the entries give", path)
               : 0;
}

static int check_entry(struct check *c, uint64_t index, struct str bytes)
{
    struct entry_view e;
    bool first = index == c->missing_end; // 0, where nothing is missing
    if (entry_parse(bytes, &e) < 0)
        return problem(c, index, "entry %llu has no form that this program knows",
                       (unsigned long long)index);
    if (!first && ((c->flags & ENTRY_MORE) != 0) != ((e.flags & ENTRY_CONTINUES) != 0))
        return problem(c, index, "entry %llu does not go on where the one before ended",
                       (unsigned long long)index);
    c->flags = e.flags;
    c->wall_ns = e.wall_ns;
    bool named = c->next_link < c->links_n && c->links[c->next_link].index == index;
    if (e.kind == ENTRY_KEY && !named && index != c->head.size - 1)
        return problem(c, index, "entry %llu names a key that never came into force",
                       (unsigned long long)index);
    if (e.kind == ENTRY_DROP) {
        uint64_t before;
        if (drop_parse(e.payload, &before) < 0 || before > index)
            return problem(c, index, "entry %llu drops what it can't", (unsigned long long)index);
        c->dropped_before = MAX(c->dropped_before, before);
    }
    return 0;
}

// One leaf into the tree; where a key came into force, the root that the key before it signed.
static int add_leaf(struct check *c, const struct hash *leaf)
{
    uint64_t index = c->tree->size;
    struct link *link = c->next_link < c->links_n ? &c->links[c->next_link] : NULL;
    int r = tree_add(c->tree, leaf, compare_full, c);
    if (r < 0 || !link || link->index != index)
        return r;
    if (!hash_eq(leaf, &link->leaf))
        return problem(c, index, "entry %llu is not the key that the log was handed to",
                       (unsigned long long)index);
    struct hash root = tree_root(c->tree);
    if (!hash_eq(&root, &link->root))
        return problem(c, c->next_link ? c->links[c->next_link - 1].index + 1 : 0,
                       "the entries up to %llu are not what key %llu signed",
                       (unsigned long long)index, (unsigned long long)c->next_link);
    c->next_link++;
    return 0;
}

static int walk_bundle(struct check *c, uint64_t n)
{
    struct hash read[TILE_WIDTH];
    const struct hash *tile = read;
    _cleanup_buf_ struct buf b = {0};
    uint64_t width = layout_width(c->head.size, 0, n);
    char path[MAX_RECORD_PATH];
    uint64_t first = n * TILE_WIDTH;
    int r = 0;
    struct str rest = buf_view(&c->edge_bundle), entry;
    if (width < TILE_WIDTH)
        tile = c->edge[0];
    else {
        r = layout_tile(c->dirfd, c->head.size, 0, n, read);
        layout_tile_path(path, 0, n, TILE_WIDTH);
        if (r < 0)
            return failed(c, r, path);
        layout_path(path, PATH_ENTRIES, n, TILE_WIDTH);
        r = layout_bundle(c->dirfd, c->head.size, n, &b);
        if (r < 0 && r != -ENOENT)
            return failed(c, r, path);
        rest = buf_view(&b);
    }
    if (r == -ENOENT) {
        if (first != c->missing_end) // retention takes the oldest
            return problem(c, first, "entries from %llu on are missing", (unsigned long long)first);
        c->missing_end = first + width;
    }
    for (uint64_t i = 0; i < width; i++) {
        uint64_t index = first + i;
        if (r != -ENOENT) {
            if (bundle_next(&rest, &entry) <= 0)
                return problem(c, index, "entry %llu is cut", (unsigned long long)index);
            struct hash leaf = hash_leaf(entry);
            if (!hash_eq(&leaf, &tile[i]))
                return problem(c, index,
                               "entry %llu does not have the hash that the log has for it",
                               (unsigned long long)index);
            int e = check_entry(c, index, entry);
            if (e < 0)
                return e;
        }
        int e = add_leaf(c, &tile[i]);
        if (e < 0)
            return e;
    }
    return rest.len && r != -ENOENT
               ? problem(c, first + width, "there is something behind entry %llu",
                         (unsigned long long)(first + width - 1))
               : 0;
}

static int walk(struct check *c)
{
    for (uint64_t n = 0; n * TILE_WIDTH < c->head.size; n++) {
        int r = walk_bundle(c, n);
        if (r < 0)
            return r;
    }
    for (unsigned level = 0; level < TILE_LEVELS; level++) {
        unsigned width = tree_width(c->head.size, level);
        if (memcmp(c->edge[level], c->tree->tile[level], width * sizeof(struct hash)))
            return problem(c, UINT64_MAX, "the last tile of level %u is not what the entries give",
                           level);
    }
    struct hash root = tree_root(c->tree);
    hex_of(root.bytes, HASH_BYTES, c->report->root);
    if (!hash_eq(&root, &c->head.root))
        return problem(c, c->links_n ? c->links[c->links_n - 1].index + 1 : 0,
                       "the entries are not what its checkpoint signed");
    if (c->next_link != c->links_n)
        return problem(c, UINT64_MAX, "a key came into force that no entry names");
    if (c->missing_end > c->dropped_before)
        return problem(
            c, c->dropped_before,
            "entries from %llu on are missing, and no entry says that retention took them",
            (unsigned long long)c->dropped_before);
    if (c->flags & ENTRY_MORE)
        return problem(c, c->head.size - 1, "the last entry is only a part");
    return 0;
}

static void check_freep(struct check **c)
{
    if (!*c)
        return;
    buf_done(&(*c)->note);
    buf_done(&(*c)->edge_bundle);
    free((*c)->links);
    free((*c)->tree);
    free(*c);
}

int ledger_verify(int dirfd, const char *first_key, struct ledger_report *ret, struct error *err)
{
    *ret = (struct ledger_report){.bad_index = UINT64_MAX};
    _cleanup_(check_freep) struct check *c = calloc(1, sizeof(*c));
    if (sodium_init() < 0 || !c || !(c->tree = calloc(1, sizeof(*c->tree))))
        return error_set(err, -ENOMEM, "no memory to verify the ledger");
    c->dirfd = dirfd;
    c->report = ret;
    c->err = err;
    int r = snapshot(c, first_key);
    if (r == 0) {
        ret->entries = c->head.size;
        ret->keys = c->links_n + 1;
        bool latest_is_last_link = c->links_n && c->links[c->links_n - 1].index + 1 == c->head.size;
        ret->checkpoints = c->links_n + !latest_is_last_link;
        r = walk(c);
    }
    if (c->wall_ns) {
        _cleanup_buf_ struct buf time = {0};
        buf_wall_iso(&time, (struct wall_ns){c->wall_ns});
        snprintf(ret->time, sizeof(ret->time), STR_FMT, STR_ARG(buf_view(&time)));
    }
    ret->ok = r == 0;
    return r == -EBADMSG ? 0 : r;
}
