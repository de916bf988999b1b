// Reads entries back, as far as the checkpoint goes.
#include "record/ledger/layout.h"

#include <errno.h>

enum { MAX_RETRIES = 100 }; // a writer at work replaces partial bundles

struct reading {
    uint64_t left; // payloads to give
    int (*f)(void *ctx, const struct ledger_entry *e);
    void *ctx;
    // A payload in parts, as far as it has come.
    struct ledger_entry whole;
    struct buf parts;
    bool inside;
};

static int size_now(int dirfd, uint64_t *ret, struct error *err)
{
    _cleanup_buf_ struct buf note = {0};
    struct tree_head head;
    struct str origin;
    int r = layout_checkpoint(dirfd, &note);
    if (r < 0)
        return io_error(err, r, "read", "the ledger's checkpoint");
    if (checkpoint_peek(buf_view(&note), &origin, &head) < 0)
        return error_set(err, -EUCLEAN, "the ledger's checkpoint is damaged");
    *ret = head.size;
    return 0;
}

static int give(struct reading *g, const struct ledger_entry *e)
{
    g->left--;
    return g->f(g->ctx, e);
}

// 0: goes on; anything else ends it.
static int one(struct reading *g, uint64_t index, struct str bytes)
{
    struct entry_view e;
    if (entry_parse(bytes, &e) < 0)
        return -EUCLEAN;
    if (e.flags & ENTRY_CONTINUES) {
        if (!g->inside)
            return 0; // began before `from`
        if (g->parts.len + e.payload.len > MAX_PAYLOAD)
            return -EUCLEAN;
    } else {
        buf_reset(&g->parts);
        g->whole = (struct ledger_entry){.index = index, .wall_ns = e.wall_ns, .kind = e.kind};
        g->inside = true;
    }
    if (!(e.flags & (ENTRY_MORE | ENTRY_CONTINUES))) {
        g->inside = false;
        g->whole.payload = e.payload;
        return give(g, &g->whole);
    }
    buf_str(&g->parts, e.payload);
    if (g->parts.failed)
        return -ENOMEM;
    if (e.flags & ENTRY_MORE)
        return 0;
    g->inside = false;
    g->whole.payload = buf_view(&g->parts);
    return give(g, &g->whole);
}

static int dropped(struct reading *g, uint64_t from, uint64_t end)
{
    g->inside = false;
    for (uint64_t i = from; i < end && g->left; i++) {
        struct ledger_entry e = {.index = i, .dropped = true};
        int r = give(g, &e);
        if (r)
            return r;
    }
    return 0;
}

static int bundle(struct reading *g, struct str rest, uint64_t first, uint64_t from)
{
    struct str entry;
    int r = 0;
    for (uint64_t i = first; g->left && (r = bundle_next(&rest, &entry)) > 0; i++)
        if (i >= from && (r = one(g, i, entry)) != 0)
            return r;
    return MIN(r, 0);
}

int ledger_read(int dirfd, uint64_t from, uint64_t n,
                int (*f)(void *ctx, const struct ledger_entry *e), void *ctx, struct error *err)
{
    struct reading g = {.left = n, .f = f, .ctx = ctx};
    _cleanup_buf_ struct buf b = {0};
    uint64_t size = 0, at = from;
    int r = size_now(dirfd, &size, err), retries = 0;
    while (r == 0 && at < size && g.left) {
        uint64_t tile = at / TILE_WIDTH, first = tile * TILE_WIDTH,
                 end = MIN(size, first + TILE_WIDTH);
        buf_reset(&b);
        r = layout_bundle(dirfd, size, tile, &b);
        if (r == -ENOENT && end == first + TILE_WIDTH)
            r = dropped(&g, at, end);
        else if (r == -ENOENT && retries++ < MAX_RETRIES) {
            uint64_t before = size;
            r = size_now(dirfd, &size, err);
            if (r == 0 && size == before)
                r = error_set(err, -EUCLEAN, "the ledger's entries from %llu on are missing",
                              (unsigned long long)first);
            continue;
        } else if (r < 0)
            r = io_error(err, r, "read", "the ledger's entries");
        else {
            r = bundle(&g, buf_view(&b), first, at);
            if (r == -EUCLEAN || r == -EBADMSG)
                r = error_set(err, -EUCLEAN, "the ledger's entries from %llu on are damaged",
                              (unsigned long long)at);
        }
        at = end;
    }
    buf_done(&g.parts);
    return r < 0 ? r : 0;
}
