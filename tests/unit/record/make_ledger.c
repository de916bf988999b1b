// make-ledger FOLDER ENTRIES KEY-ENTRIES STARTS: writes a ledger for verifiers that are not ours.
// Prints its first key.
#include "record/record.h"

#include <fcntl.h>

static int fill(int fd, uint64_t entries, uint64_t key_entries, struct error *err)
{
    struct ledger_options o = {.origin = "bulkhead.io/ledger/made", .key_entries = key_entries};
    struct ledger *l;
    int r = ledger_open(fd, &o, &l, NULL, err);
    if (r < 0)
        return r;
    for (uint64_t i = 0; r == 0 && i < entries; i++) {
        char text[64];
        uint64_t index;
        snprintf(text, sizeof(text), "{\"finding\":%llu}", (unsigned long long)i);
        r = ledger_append(l, ENTRY_FINDING, 1764000000000000000ULL + i, str_of(text), &index, err);
        if (r == 0 && i % 100 == 99)
            r = ledger_checkpoint(l, err);
    }
    if (r == 0)
        r = ledger_checkpoint(l, err);
    if (r == 0)
        printf("%s\n", ledger_first_key(l));
    ledger_close(l);
    return r;
}

int main(int argc, char **argv)
{
    uint64_t entries, key_entries, starts;
    struct error err = {0};
    int fd = argc == 5 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || parse_u64(str_of(argv[2]), &entries) < 0 ||
        parse_u64(str_of(argv[3]), &key_entries) < 0 || parse_u64(str_of(argv[4]), &starts) < 0) {
        fprintf(stderr, "usage: make-ledger FOLDER ENTRIES KEY-ENTRIES STARTS\n");
        return 2;
    }
    for (uint64_t i = 0; i < starts; i++)
        if (fill(fd, entries, key_entries, &err) < 0) {
            fprintf(stderr, "make-ledger: %s\n", err.message);
            return 1;
        }
    close(fd);
    return 0;
}
