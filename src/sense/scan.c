// The scan at start. The programs are attached already, so whatever changes while we look is on the
// rings too and is newer. Cgroups get their numbers here unless the kernel's side was first;
// processes come from an iterator.
#include "sense/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

// ── cgroups ──────────────────────────────────────────────────────────────────────────────────

struct cgroup_walk {
    struct sense *s;
    sense_take take;
    void *ctx;
    struct buf path; // of the folder we are in, "" at the root
    size_t count;
};

// The v2 tree's ids are its folders' inode numbers.
static int cgroup_number(struct cgroup_walk *w, uint64_t id, uint64_t parent, struct bh_cgroup *g)
{
    int fd = bpf_map__fd(w->s->skeleton->maps.cgroups);
    struct bh_cgroup_entry up = {0}, own = {0};
    if (bpf_map_lookup_elem(fd, &parent, &up) < 0)
        up = (struct bh_cgroup_entry){0};
    if (up.container && up.sealed) {
        own = up;
    } else {
        own.container =
            __atomic_add_fetch(&w->s->skeleton->bss->last_container, 1, __ATOMIC_SEQ_CST);
        int r = container_entry_set(w->s, own.container, &(struct container_change){.cgroup = id});
        if (r < 0)
            return r;
    }
    if (bpf_map_update_elem(fd, &id, &own, BPF_NOEXIST) < 0) {
        if (errno != EEXIST)
            return -errno;
        uint32_t unused = own.container; // its making is on the ring: the kernel's side was first
        if (!up.sealed)
            bpf_map_delete_elem(bpf_map__fd(w->s->skeleton->maps.containers), &unused);
        if (bpf_map_lookup_elem(fd, &id, &own) < 0)
            return -errno;
    }
    g->container = own.container;
    g->parent_container = up.container;
    g->inherited = own.container == up.container;
    return 0;
}

static int cgroup_tell(struct cgroup_walk *w, const struct bh_cgroup *known)
{
    struct buf rec = {0};
    struct bh_cgroup g = *known;
    size_t room = BH_REC_MAX - sizeof(struct bh_rec) - sizeof(g);
    struct str path = {w->path.ptr, MIN(w->path.len, MIN(room, (size_t)BH_PATH_MAX))};
    g.path = (struct bh_span){sizeof(struct bh_rec) + sizeof(g), (uint16_t)path.len};
    struct bh_rec head = {.kind = BH_CGROUP_SCAN,
                          .version = BH_ABI_VERSION,
                          .ring = BH_RING_NONE,
                          .truth = BH_TRUTH_SCAN,
                          .flags = path.len < w->path.len ? BH_F_TRUNCATED : 0,
                          .time = host_boot_now().ns,
                          .cgroup = g.id,
                          .container = g.container,
                          .shard = (uint8_t)(g.container % w->s->shards)};
    static const char zeros[8];
    size_t total = sizeof(head) + sizeof(g) + path.len;
    head.size = (uint32_t)((total + 7) & ~(size_t)7);
    buf_add(&rec, &head, sizeof(head));
    buf_add(&rec, &g, sizeof(g));
    buf_str(&rec, path);
    buf_add(&rec, zeros, head.size - total);
    int r = rec.failed ? -ENOMEM : w->take(w->ctx, (const struct bh_rec *)rec.ptr);
    buf_done(&rec);
    return r < 0 ? r : 0;
}

static int cgroup_visit(struct cgroup_walk *w, int dirfd, uint64_t parent, unsigned level)
{
    DIR *dir = fdopendir(dirfd);
    struct dirent *entry;
    int r = 0;
    if (!dir) {
        close(dirfd);
        return -errno;
    }
    while (r >= 0 && (entry = readdir(dir))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        _cleanup_close_ int fd =
            openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (fd < 0 || fstat(fd, &st) < 0)
            continue; // removed meanwhile
        if (++w->count > MAX_SCAN_CGROUPS || level > MAX_CGROUP_DEPTH) {
            r = -E2BIG;
            break;
        }
        size_t before = w->path.len;
        buf_char(&w->path, '/');
        buf_text(&w->path, entry->d_name);
        struct bh_cgroup g = {.id = st.st_ino, .parent = parent, .level = level};
        r = w->path.failed ? -ENOMEM : cgroup_number(w, g.id, parent, &g);
        if (r >= 0)
            r = cgroup_tell(w, &g);
        if (r >= 0)
            r = cgroup_visit(w, TAKE_FD(fd), g.id, level + 1);
        w->path.len = before;
    }
    closedir(dir);
    return r;
}

static int scan_cgroups(struct sense *s, sense_take take, void *ctx, struct error *err)
{
    struct cgroup_walk w = {.s = s, .take = take, .ctx = ctx};
    struct stat st;
    int root = openat(host_cgroup2_fd(s->host), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstat(root, &st) < 0) {
        int r = -errno;
        if (root >= 0)
            close(root);
        return error_set(err, r, "cannot read the cgroup tree: %s", strerror(-r));
    }
    buf_text(&w.path, "");
    int r = cgroup_visit(&w, root, st.st_ino, 1);
    buf_done(&w.path);
    return r < 0 ? error_set(err, r, "cannot scan the cgroup tree: %s", strerror(-r)) : 0;
}

// ── processes ────────────────────────────────────────────────────────────────────────────────

// Everything that the iterator writes, into b.
static int run_iterator(struct sense *s, struct buf *b, struct error *err)
{
    struct bpf_link *link = bpf_program__attach_iter(s->skeleton->progs.process_scan, NULL);
    if (!link)
        return error_set(err, -errno, "cannot make the task iterator: %s", strerror(errno));
    _cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
    int r = fd < 0 ? fd : 0;
    static const size_t chunk = 64 * 1024;
    _cleanup_free_ char *bytes = malloc(chunk);
    if (!bytes)
        r = -ENOMEM;
    while (r >= 0) {
        ssize_t n = read(fd, bytes, chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        if (b->len + (size_t)n > MAX_SCAN_BYTES)
            r = -E2BIG;
        else
            buf_add(b, bytes, (size_t)n);
        if (b->failed)
            r = -ENOMEM;
    }
    bpf_link__destroy(link);
    return r < 0 ? error_set(err, r, "cannot read the task iterator: %s", strerror(-r)) : 0;
}

int scan_baseline(struct sense *s, struct error *err)
{
    struct buf ignored = {0};
    int r = run_iterator(s, &ignored, err);
    buf_done(&ignored);
    return r;
}

// /proc/PID's own start, in clock ticks, as its stat file has it (the 22nd field, behind the last
// ')').
static uint64_t proc_start_ticks(int dirfd)
{
    struct buf stat = {0};
    uint64_t ticks = UINT64_MAX;
    if (host_read_file(dirfd, "stat", 4096, &stat) == 0) {
        const char *at = strrchr(stat.ptr, ')');
        for (unsigned field = 2; at && field < 22; field++)
            at = strchr(at + 1, ' ');
        if (at)
            ticks = strtoull(at + 1, NULL, 10);
    }
    buf_done(&stat);
    return ticks;
}

// The task's record with its arguments, which only its own memory has; out is reset.
static void add_arguments(struct sense *s, const struct bh_rec *rec, struct buf *out)
{
    char name[16];
    struct buf args = {0};
    struct bh_rec head = *rec;
    struct bh_exec e;
    memcpy(&e, rec + 1, sizeof(e));
    buf_reset(out);
    snprintf(name, sizeof(name), "%u", rec->tgid);
    _cleanup_close_ int dir =
        openat(host_proc_fd(s->host), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    // The folder belongs to one process for good; its start says whether it is the one we saw.
    if (dir >= 0 && proc_start_ticks(dir) == rec->start / (NSEC_PER_SEC / hz)) {
        int r = host_read_file(dir, "cmdline", 2 << 20, &args);
        if (r == 0 && args.len) {
            size_t room = BH_REC_MAX - rec->size,
                   n = MIN(args.len, MIN((size_t)BH_ARGS_MAX, room & ~(size_t)7));
            e.args_total = (uint32_t)args.len;
            e.args = (struct bh_span){(uint16_t)rec->size, (uint16_t)n};
            if (n < args.len)
                head.flags |= BH_F_TRUNCATED;
            args.len = n;
        } else {
            args.len = 0;
        }
    }
    static const char zeros[8];
    size_t padded = (args.len + 7) & ~(size_t)7;
    head.size = rec->size + (uint32_t)padded;
    buf_add(out, &head, sizeof(head));
    buf_add(out, &e, sizeof(e));
    buf_add(out, (const char *)rec + sizeof(head) + sizeof(e),
            rec->size - sizeof(head) - sizeof(e));
    buf_add(out, args.ptr ? args.ptr : "", args.len);
    buf_add(out, zeros, padded - args.len);
    buf_done(&args);
}

static int older(const void *a, const void *b)
{
    const struct bh_rec *x = *(const struct bh_rec *const *)a,
                        *y = *(const struct bh_rec *const *)b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->tgid < y->tgid ? -1 : x->tgid > y->tgid;
}

static int scan_tasks(struct sense *s, sense_take take, void *ctx, struct error *err)
{
    struct buf all = {0}, one = {0};
    int r = run_iterator(s, &all, err);
    size_t n = 0, most = all.len / (sizeof(struct bh_rec) + sizeof(struct bh_exec)) + 1;
    const struct bh_rec **sorted = calloc(most, sizeof(*sorted));
    if (r >= 0 && !sorted)
        r = error_set(err, -ENOMEM, "no memory for the scan");
    for (size_t at = 0; r >= 0 && at < all.len;) {
        const struct bh_rec *rec = (const struct bh_rec *)(all.ptr + at);
        if (rec_check(rec, all.len - at) < 0) {
            r = error_set(err, -EBADMSG, "the task iterator wrote something that is no record");
            break;
        }
        sorted[n++] = rec;
        at += rec->size;
    }
    // A parent is older than its child unless it adopted it; those come in the wrong order and say
    // so by their start.
    if (r >= 0)
        qsort(sorted, n, sizeof(*sorted), older);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        add_arguments(s, sorted[i], &one);
        if (one.failed) {
            r = error_set(err, -ENOMEM, "no memory for the scan");
            break;
        }
        struct bh_rec *rec = (struct bh_rec *)one.ptr;
        rec->shard = (uint8_t)(rec->container % s->shards);
        r = take(ctx, rec);
    }
    free(sorted);
    buf_done(&all);
    buf_done(&one);
    return r < 0 ? r : 0;
}

int sense_scan(struct sense *s, sense_take take, void *ctx, struct error *err)
{
    int r = scan_cgroups(s, take, ctx, err);
    return r < 0 ? r : scan_tasks(s, take, ctx, err);
}
