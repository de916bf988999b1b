// Loading bpf/enforce: by LSM where that really runs, else by signal. Only here are the rows' maps
// written.
#include "kernel.h"

#include "enforce.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0; // what goes wrong comes back as an error
}

// The sensor's map where there is one; a loader without a sensor (doctor, tests) has maps of its
// own.
static int share(struct bpf_map *map, int fd)
{
    return fd > 0 ? bpf_map__reuse_fd(map, fd) : 0;
}

static int load(struct kernel *k, const struct reconcile_options *o, bool lsm)
{
    struct enforce_bpf *skel = enforce_bpf__open();
    if (!skel)
        return -errno;
    bpf_program__set_autoload(skel->progs.exec_check, lsm);
    bpf_program__set_autoload(skel->progs.exec_kill, !lsm);
    bpf_map__set_autocreate(skel->maps.tasks, false);
    int r = share(skel->maps.containers, o->containers_map);
    r = r ? r : share(skel->maps.settings, o->settings_map);
    r = r ? r : share(skel->maps.cgroups, o->cgroups_map);
    r = r ? r : share(skel->maps.rings, o->rings_map);
    r = r ? r : share(skel->maps.sequences, o->sequences_map);
    r = r ? r : share(skel->maps.storms, o->storms_map);
    r = r ? r : enforce_bpf__load(skel);
    if (r < 0) {
        enforce_bpf__destroy(skel);
        return r;
    }
    *k = (struct kernel){.skel = skel,
                         .tier = lsm ? "lsm" : "signal",
                         .effect = lsm ? BH_EFFECT_REFUSED : BH_EFFECT_KILLED_BEFORE,
                         .rows_fd = bpf_map__fd(skel->maps.exec_rows),
                         .cgroups_fd = bpf_map__fd(skel->maps.cgroups)};
    return 0;
}

int kernel_open(struct kernel *k, const struct reconcile_options *o, struct error *err)
{
    bool lsm = o->caps->caps[CAP_LSM].ok, by_signal = o->caps->caps[CAP_SEND_SIGNAL].ok;
    libbpf_print_fn_t was = libbpf_set_print(quiet);
    int r = lsm ? load(k, o, true) : -EOPNOTSUPP;
    if (r < 0 && by_signal)
        r = load(k, o, false);
    libbpf_set_print(was);
    if (r < 0)
        return error_set(err, r, "cannot load the programs that refuse execs: %s", strerror(-r));
    return 0;
}

void kernel_close(struct kernel *k)
{
    kernel_detach(k);
    enforce_bpf__destroy(k->skel);
    k->skel = NULL;
}

int kernel_attach(struct kernel *k)
{
    if (k->link)
        return 0;
    bool lsm = k->effect == BH_EFFECT_REFUSED;
    k->link = bpf_program__attach(lsm ? k->skel->progs.exec_check : k->skel->progs.exec_kill);
    return k->link ? 0 : -errno;
}

void kernel_detach(struct kernel *k)
{
    bpf_link__destroy(k->link);
    k->link = NULL;
}

int kernel_key(const struct row *r, struct bh_exec_key *ret)
{
    *ret = (struct bh_exec_key){.container = r->container, .object = r->object};
    if (r->container == 0 || r->object <= BH_OBJECT_NONE || r->object > BH_OBJECT_EXEC_LAST)
        return -EINVAL;
    if (r->object == BH_OBJECT_INODE)
        ret->a = r->dev, ret->b = r->ino;
    if (r->object != BH_OBJECT_PATH)
        return 0;
    if (r->path.len == 0)
        return -EINVAL;
    if (r->path.len > BH_ROW_PATH_MAX)
        return -ENAMETOOLONG;
    ret->a = BH_FNV_START;
    for (size_t i = 0; i < r->path.len; i++)
        ret->a = BH_FNV_STEP(ret->a, r->path.ptr[i]);
    ret->b = r->path.len;
    return 0;
}

void kernel_value(const struct row *r, uint64_t until, uint64_t ctime, struct bh_exec_row *ret)
{
    *ret =
        (struct bh_exec_row){.row = r->number,
                             .until = until,
                             .ctime = ctime,
                             .action = r->mode == MODE_ENFORCE ? BH_ACTION_DENY : BH_ACTION_AUDIT,
                             .priority = r->priority,
                             .flags = r->spare_runtime ? BH_ROW_SPARE_RUNTIME : 0};
    memcpy(ret->id, r->id.bytes, sizeof(ret->id));
    static_assert(sizeof(ret->id) == sizeof(r->id.bytes), "an id fits");
    if (r->object == BH_OBJECT_PATH)
        memcpy(ret->path, r->path.ptr, MIN(r->path.len, sizeof(ret->path)));
}

int kernel_put(const struct kernel *k, const struct bh_exec_key *key, const struct bh_exec_row *row)
{
    struct bh_exec_row back;
    if (key->container == 0) // the host, whatever the caller believes
        return -EINVAL;
    if (bpf_map_update_elem(k->rows_fd, key, row, BPF_ANY) < 0 ||
        bpf_map_lookup_elem(k->rows_fd, key, &back) < 0)
        return -errno;
    return memcmp(&back, row, sizeof(back)) == 0 ? 0 : -EIO;
}

int kernel_take_out(const struct kernel *k, const struct bh_exec_key *key)
{
    struct bh_exec_row back;
    if (bpf_map_delete_elem(k->rows_fd, key) < 0 && errno != ENOENT)
        return -errno;
    return bpf_map_lookup_elem(k->rows_fd, key, &back) < 0 && errno == ENOENT ? 0 : -EIO;
}
