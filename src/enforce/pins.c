// Sets of pins in a bpffs.
#include "pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SET_PREFIX "rows-"
static const char *const parts[] = {"exec_link", "exec_rows",
                                    "cgroups"}; // removed in this order: first the program

static int part_path(const char *set, const char *part, char *out, size_t size)
{
    int n = snprintf(out, size, "%s/%s", set, part);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

void pin_set_done(struct pin_set *s)
{
    close_fdp(&s->rows_fd);
    close_fdp(&s->cgroups_fd);
    s->rows_fd = s->cgroups_fd = -1;
}

static int make_dirs(const char *path)
{
    char at[256];
    size_t len = strlen(path);
    if (len >= sizeof(at))
        return -ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (i < len && path[i] != '/')
            continue;
        memcpy(at, path, i);
        at[i] = 0;
        if (mkdir(at, 0700) < 0 && errno != EEXIST && errno != EROFS)
            return -errno;
    }
    struct statfs fs;
    if (statfs(path, &fs) < 0)
        return -errno;
    return (unsigned long)fs.f_type == BPF_FS_MAGIC ? 0 : -EMEDIUMTYPE;
}

int pins_make(const char *pin_dir, int rows_fd, int cgroups_fd, struct pin_set *s)
{
    *s = (struct pin_set){.rows_fd = -1, .cgroups_fd = -1};
    int r = make_dirs(pin_dir);
    if (r < 0)
        return r;
    char path[sizeof(s->path)], rows[320], cgroups[320];
    int n = snprintf(path, sizeof(path), "%s/" SET_PREFIX "%016llx-%d", pin_dir,
                     (unsigned long long)host_boot_now().ns, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    if (mkdir(path, 0700) < 0)
        return -errno;
    r = part_path(path, "exec_rows", rows, sizeof(rows));
    r = r ? r : part_path(path, "cgroups", cgroups, sizeof(cgroups));
    if (r == 0 && (bpf_obj_pin(rows_fd, rows) < 0 || bpf_obj_pin(cgroups_fd, cgroups) < 0))
        r = -errno;
    if (r < 0) {
        pins_remove(path);
        return r;
    }
    memcpy(s->path, path, sizeof(path));
    return 0;
}

int pins_link(const struct pin_set *s, int link_fd)
{
    char path[320];
    int r = part_path(s->path, "exec_link", path, sizeof(path));
    return r < 0 ? r : bpf_obj_pin(link_fd, path) < 0 ? -errno : 0;
}

static void open_set(struct pin_set *s)
{
    char path[320];
    s->rows_fd = s->cgroups_fd = -1;
    if (part_path(s->path, "exec_rows", path, sizeof(path)) == 0)
        s->rows_fd = bpf_obj_get(path);
    if (part_path(s->path, "cgroups", path, sizeof(path)) == 0)
        s->cgroups_fd = bpf_obj_get(path);
    s->link = part_path(s->path, "exec_link", path, sizeof(path)) == 0 && access(path, F_OK) == 0;
}

int pins_find(const char *pin_dir, const char *except, struct pin_set *sets, size_t max)
{
    DIR *d = opendir(pin_dir);
    if (!d)
        return errno == ENOENT ? 0 : -errno;
    size_t found = 0;
    for (struct dirent *e; found < max && (e = readdir(d));) {
        if (strncmp(e->d_name, SET_PREFIX, strlen(SET_PREFIX)) != 0)
            continue;
        struct pin_set s = {.rows_fd = -1, .cgroups_fd = -1};
        if (part_path(pin_dir, e->d_name, s.path, sizeof(s.path)) < 0 ||
            (except && strcmp(s.path, except) == 0))
            continue;
        open_set(&s);
        sets[found++] = s;
    }
    closedir(d);
    return (int)found;
}

int pins_remove(const char *path)
{
    char part[320];
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (part_path(path, parts[i], part, sizeof(part)) == 0 && unlink(part) < 0 &&
            errno != ENOENT)
            r = -errno;
    return rmdir(path) < 0 && errno != ENOENT ? -errno : r;
}

void pins_remove_dir(const char *pin_dir)
{
    char parent[256];
    const char *slash = strrchr(pin_dir, '/');
    if (rmdir(pin_dir) < 0 || !slash || slash == pin_dir ||
        (size_t)(slash - pin_dir) >= sizeof(parent))
        return;
    memcpy(parent, pin_dir, (size_t)(slash - pin_dir));
    parent[slash - pin_dir] = 0;
    rmdir(parent); // "bulkhead", if this was the last version in it; a mount point stays
}

// ── what is left of an agent that isn't there ────────────────────────────────────────────────

int reconcile_release_pins(const char *pin_dir, struct error *err)
{
    int removed = 0;
    for (;;) {
        struct pin_set sets[MAX_PIN_SETS];
        int n = pins_find(pin_dir, NULL, sets, MAX_PIN_SETS);
        if (n < 0)
            return error_set(err, n, "cannot read %s: %s", pin_dir, strerror(-n));
        int r = 0;
        for (int i = 0; i < n; i++) {
            pin_set_done(&sets[i]);
            int one = pins_remove(sets[i].path);
            if (one < 0)
                r = error_set(err, one, "cannot remove %s: %s", sets[i].path, strerror(-one));
            else
                removed++;
        }
        if (r < 0)
            return r;
        if (n < MAX_PIN_SETS)
            break;
    }
    pins_remove_dir(pin_dir);
    return removed;
}

static void count_rows(int rows_fd, uint64_t now, unsigned *ret_live, uint64_t *ret_last)
{
    struct bh_exec_key key, next;
    struct bh_exec_row row;
    bool first = true;
    for (unsigned i = 0;
         i < MAX_DESIRED_ROWS && bpf_map_get_next_key(rows_fd, first ? NULL : &key, &next) == 0;
         i++) {
        key = next;
        first = false;
        if (bpf_map_lookup_elem(rows_fd, &key, &row) < 0 || (row.until && row.until <= now))
            continue;
        (*ret_live)++;
        *ret_last = MAX(*ret_last, row.until);
    }
}

int reconcile_list_pins(const char *pin_dir, struct buf *out)
{
    struct pin_set sets[MAX_PIN_SETS];
    int n = pins_find(pin_dir, NULL, sets, MAX_PIN_SETS);
    for (int i = 0; i < n; i++) {
        struct pin_set *s = &sets[i];
        struct bpf_map_info info = {0};
        uint32_t size = sizeof(info);
        unsigned live = 0;
        uint64_t last = 0, now = host_boot_now().ns;
        bool readable = s->rows_fd >= 0 && bpf_obj_get_info_by_fd(s->rows_fd, &info, &size) == 0 &&
                        info.value_size == sizeof(struct bh_exec_row);
        if (readable)
            count_rows(s->rows_fd, now, &live, &last);
        buf_printf(out, "%s: ", s->path);
        if (!readable)
            buf_text(out, "rows of another version");
        else
            buf_printf(out, "%u row%s in force", live, live == 1 ? "" : "s");
        buf_text(out, s->link ? ", program attached" : ", no program");
        if (last > now) {
            buf_text(out, ", until ");
            buf_duration(out, (last - now) / NSEC_PER_SEC * NSEC_PER_SEC);
            buf_text(out, " from now");
        }
        buf_char(out, '\n');
        pin_set_done(s);
    }
    return n;
}
