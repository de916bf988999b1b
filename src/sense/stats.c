// Figures: what was taken and lost, what the maps weigh; and the kernel symbols that programs can't
// link to.
#include "sense/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>

// What the kernel charges for a map, from its descriptor's own page in /proc.
static uint64_t map_weight(const struct sense *s, int fd)
{
    char name[64];
    struct buf text = {0};
    uint64_t bytes = 0;
    snprintf(name, sizeof(name), "self/fdinfo/%d", fd);
    if (host_read_file(host_proc_fd(s->host), name, 4096, &text) == 0) {
        const char *at = strstr(text.ptr, "memlock:");
        if (at)
            bytes = strtoull(at + strlen("memlock:"), NULL, 10);
    }
    buf_done(&text);
    return bytes;
}

void sense_stats(const struct sense *s, struct sense_stats *ret)
{
    struct sense_stats t = {0};
    struct bpf_map *map;
    for (unsigned i = 0; i < s->shards; i++) {
        const struct shard *h = &s->shard[i];
        for (unsigned ring = 0; ring < 2; ring++) {
            t.records[ring] += h->records[ring];
            t.bytes[ring] += h->bytes[ring];
            t.map_bytes += MAX(map_weight(s, h->rings[ring].fd),
                               h->rings[ring].size); // till 6.2 a ring weighs 0
        }
        t.lost += h->lost;
    }
    t.held_back = s->held_back;
    bpf_object__for_each_map(map, s->skeleton->obj) if (bpf_map__fd(map) >= 0) t.map_bytes +=
        map_weight(s, bpf_map__fd(map));
    for (size_t i = 0; i < s->attached_n; i++) {
        struct bpf_prog_info info = {0};
        uint32_t size = sizeof(info);
        if (bpf_obj_get_info_by_fd(bpf_program__fd(s->attached[i].program), &info, &size) == 0)
            t.missed += info.recursion_misses;
    }
    *ret = t;
}

uint64_t symbol_address(const struct host *h, const char *name)
{
    _cleanup_close_ int fd = openat(host_proc_fd(h), "kallsyms", O_RDONLY | O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "re") : NULL;
    uint64_t address = 0;
    char line[512], type, symbol[256];
    if (!f)
        return 0;
    TAKE_FD(fd);
    while (address == 0 && fgets(line, sizeof(line), f)) {
        unsigned long long at;
        if (sscanf(line, "%llx %c %255s", &at, &type, symbol) == 3 && strcmp(symbol, name) == 0)
            address = at;
    }
    fclose(f);
    return address;
}
