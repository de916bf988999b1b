// An agent that starts finds the program and the rows of the one before it still in force.
// Container numbers are given anew by each sensor, so a row can't simply be kept: it is written
// again under the number that one of its cgroups has now. Until every row has found its place (or
// its cgroups are gone) the old program stays attached beside ours.
#include "adopt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>

enum { FILE_HANDLE_KERNFS = 0xfe }; // include/linux/exportfs.h: FILEID_KERNFS, a cgroup's 64-bit id

struct old_row {
    struct adopted row;
    bool settled;
};
struct member { // a cgroup of an old container
    uint64_t cgroup;
    uint32_t container;
};
struct old_set {
    char path[256];
    struct old_row *rows;
    size_t rows_n;
    struct member *members;
    size_t members_n;
};

static bool fits(int fd, uint32_t key_size, uint32_t value_size)
{
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);
    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.key_size == key_size &&
           info.value_size == value_size;
}

static int read_rows(int fd, struct old_set *s)
{
    struct bh_exec_key key, next;
    size_t cap = 0;
    for (bool first = true;
         s->rows_n < MAX_DESIRED_ROWS && bpf_map_get_next_key(fd, first ? NULL : &key, &next) == 0;
         first = false) {
        key = next;
        if (s->rows_n == cap) {
            cap = cap ? 2 * cap : 64;
            struct old_row *grown = reallocarray(s->rows, cap, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            s->rows = grown;
        }
        struct old_row *r = &s->rows[s->rows_n];
        *r = (struct old_row){.row.key = key};
        if (bpf_map_lookup_elem(fd, &key, &r->row.row) == 0)
            s->rows_n++;
    }
    return 0;
}

static int read_members(int fd, struct old_set *s)
{
    uint64_t key, next;
    size_t cap = 0;
    for (bool first = true;
         s->members_n < BH_MAX_CGROUPS && bpf_map_get_next_key(fd, first ? NULL : &key, &next) == 0;
         first = false) {
        struct bh_cgroup_entry e;
        key = next;
        if (bpf_map_lookup_elem(fd, &key, &e) < 0 || e.container == 0)
            continue;
        if (s->members_n == cap) {
            cap = cap ? 2 * cap : 64;
            struct member *grown = reallocarray(s->members, cap, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            s->members = grown;
        }
        s->members[s->members_n++] = (struct member){key, e.container};
    }
    return 0;
}

static void free_set(struct old_set *s)
{
    free(s->rows);
    free(s->members);
}

int adopt_open(struct adoption *a, const struct host *host, const char *pin_dir, int cgroups_fd,
               struct error *err)
{
    *a = (struct adoption){.cgroups_fd = cgroups_fd, .host = host};
    struct pin_set sets[MAX_PIN_SETS];
    int n = pin_dir ? pins_find(pin_dir, NULL, sets, MAX_PIN_SETS) : 0;
    if (n < 0)
        return error_set(err, n, "cannot read what an earlier agent left in %s: %s", pin_dir,
                         strerror(-n));
    a->sets = calloc((size_t)n + 1, sizeof(*a->sets));
    int r = a->sets ? 0 : -ENOMEM;
    for (int i = 0; i < n; i++) {
        struct pin_set *p = &sets[i];
        bool usable = p->link &&
                      fits(p->rows_fd, sizeof(struct bh_exec_key), sizeof(struct bh_exec_row)) &&
                      fits(p->cgroups_fd, sizeof(uint64_t), sizeof(struct bh_cgroup_entry));
        if (r == 0 && !usable) { // half made when its agent was killed, or another version's: it
                                 // protects nothing of ours
            r = pins_remove(p->path);
        } else if (r == 0) {
            struct old_set *s = &a->sets[a->sets_n++];
            memcpy(s->path, p->path, sizeof(s->path));
            r = read_rows(p->rows_fd, s);
            r = r ? r : read_members(p->cgroups_fd, s);
        }
        pin_set_done(p);
    }
    if (r < 0) {
        adopt_done(a);
        return error_set(err, r, "cannot take over what an earlier agent left in %s: %s", pin_dir,
                         strerror(-r));
    }
    return 0;
}

void adopt_done(struct adoption *a)
{
    for (size_t i = 0; i < a->sets_n; i++)
        free_set(&a->sets[i]);
    free(a->sets);
    free(a->rows);
    *a = (struct adoption){0};
}

// Is there still a cgroup of this id?
static bool exists(const struct host *host, uint64_t cgroup)
{
    union {
        struct file_handle handle;
        char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
    } h = {.handle = {.handle_bytes = sizeof(uint64_t), .handle_type = FILE_HANDLE_KERNFS}};
    memcpy(h.bytes + offsetof(struct file_handle, f_handle), &cgroup, sizeof(cgroup));
    int fd = open_by_handle_at(host_cgroup2_fd(host), &h.handle, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno != ESTALE && errno != ENOENT;
    close(fd);
    return true;
}

static int remember(struct adoption *a, const struct bh_exec_key *key,
                    const struct bh_exec_row *row)
{
    if (adopt_has(a, key))
        return 0;
    if (a->rows_n == a->rows_cap) {
        size_t cap = a->rows_cap ? 2 * a->rows_cap : 16;
        struct adopted *grown = reallocarray(a->rows, cap, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        a->rows = grown;
        a->rows_cap = cap;
    }
    a->rows[a->rows_n++] = (struct adopted){*key, *row};
    return 0;
}

static int put(struct adoption *a, const struct kernel *k, const struct bh_exec_key *key,
               const struct bh_exec_row *row)
{
    struct bh_exec_row there;
    if (bpf_map_lookup_elem(k->rows_fd, key, &there) == 0) // ours is quicker
        return 0;
    int r = kernel_put(k, key, row);
    return r < 0 ? r : remember(a, key, row);
}

// One old row: true when nothing is left to be done for it.
static bool settle(struct adoption *a, const struct old_set *s, const struct kernel *k,
                   const struct adopted *row, uint64_t now)
{
    struct bh_exec_key key = row->key;
    if (row->row.until && row->row.until <= now)
        return true;
    if (key.container == ROW_ANY_CONTAINER)
        return put(a, k, &key, &row->row) == 0;
    bool placed = false, waits = false;
    for (size_t i = 0; i < s->members_n; i++) {
        struct bh_cgroup_entry e;
        if (s->members[i].container != row->key.container)
            continue;
        if (bpf_map_lookup_elem(a->cgroups_fd, &s->members[i].cgroup, &e) == 0 && e.container) {
            key.container = e.container;
            if (put(a, k, &key, &row->row) == 0)
                placed = true;
            else
                waits = true;
        } else if (exists(a->host, s->members[i].cgroup)) {
            waits = true; // the scan hasn't come to it
        }
    }
    return placed || !waits;
}

size_t adopt_step(struct adoption *a, const struct kernel *k, uint64_t now)
{
    size_t waiting = 0;
    for (size_t i = 0; i < a->sets_n; i++)
        for (size_t n = 0; n < a->sets[i].rows_n; n++) {
            struct old_row *r = &a->sets[i].rows[n];
            if (!r->settled)
                r->settled = settle(a, &a->sets[i], k, &r->row, now);
            waiting += !r->settled;
        }
    return waiting;
}

void adopt_retire(struct adoption *a)
{
    for (size_t i = 0; i < a->sets_n; i++) {
        pins_remove(a->sets[i].path);
        free_set(&a->sets[i]);
    }
    a->sets_n = 0;
}

static size_t find(const struct adoption *a, const struct bh_exec_key *key)
{
    size_t i = 0;
    while (i < a->rows_n && memcmp(&a->rows[i].key, key, sizeof(*key)) != 0)
        i++;
    return i;
}

bool adopt_has(const struct adoption *a, const struct bh_exec_key *key)
{
    return find(a, key) < a->rows_n;
}

void adopt_claim(struct adoption *a, const struct bh_exec_key *key)
{
    size_t i = find(a, key);
    if (i < a->rows_n)
        a->rows[i] = a->rows[--a->rows_n];
}

void adopt_expire(struct adoption *a, const struct kernel *k, uint64_t now)
{
    for (size_t i = 0; i < a->rows_n;) {
        const struct adopted *r = &a->rows[i];
        if (now != UINT64_MAX && (r->row.until == 0 || r->row.until > now))
            i++;
        else if (kernel_take_out(k, &r->key) == 0)
            a->rows[i] = a->rows[--a->rows_n];
        else
            i++;
    }
}
