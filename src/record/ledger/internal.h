// The writer's state, shared by the files that open, append and hand keys over.
#pragma once

#include "record/ledger/layout.h"

enum {
    MAX_PENDING_ENTRIES = 8192, // then appending makes a checkpoint by itself
    MAX_PENDING_BYTES = 8 << 20,
    DEFAULT_KEY_ENTRIES = 65536,
};

struct ledger {
    int dirfd, tail_fd;
    const struct record_io *io;
    char first_key[MAX_VKEY];
    uint64_t key_entries;

    struct signer *signer;
    uint64_t key_number, key_start; // the first entry that this key signs alone

    struct tree *tree, *next;       // as the checkpoint has it; the one that is being made
    struct buf bundle, next_bundle; // the rightmost bundle, not full
    struct buf pending;             // entries beyond the checkpoint, as in a bundle
    uint64_t pending_n;
    size_t tail_len; // good bytes of the tail

    bool signed_once; // there is a checkpoint
    bool unsynced;    // the new checkpoint is in place, its name perhaps not durable yet
    struct buf note;  // the checkpoint
    // A key was signed into the log and has not taken over yet: nothing else is signed until it
    // has.
    struct signer *successor;
    struct buf successor_entry;
    uint64_t successor_index;
};

// Signs the tree with all that is pending. rotate: and with a successor to this key.
int ledger_sign(struct ledger *l, bool rotate, struct error *err);
// Finishes what a failed or killed checkpoint left half done. Cheap when there is nothing.
int ledger_settle(struct ledger *l, struct error *err);
// Removes partial tiles that the checkpoint no longer needs.
void ledger_sweep(struct ledger *l, uint64_t before);

int keys_write(struct ledger *l, const char *path, const struct signer *s);
// NULL and an errno: -ENOENT, -EUCLEAN (not a key), …
struct signer *keys_read(int dirfd, const char *path, int *ret_error);
// Starts a log: its first key.
int keys_create(struct ledger *l, const char *origin, struct error *err);
// l->successor takes over: certificate, then the old key is erased, then the new one gets its
// place.
int keys_hand_over(struct ledger *l, struct error *err);
// The key in key.next moves to its place; the one that was there is erased first.
int keys_promote(struct ledger *l, struct error *err);
void ledger_closep(struct ledger **l);
uint64_t wall_now(void); // for the ledger's own entries
