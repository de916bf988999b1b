// See lab.h. Everything it makes has a name of its own and is removed by lab_close().
#include "lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { REFUSED = 120, BROKEN = 121, RING_BYTES = 1 << 18 };

int lab_copy(const char *from, const char *to)
{
    _cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC),
                        out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    char bytes[65536];
    ssize_t n = -1;
    while (in >= 0 && out >= 0 && (n = read(in, bytes, sizeof(bytes))) > 0)
        if (write(out, bytes, (size_t)n) != n)
            return -EIO;
    return n == 0 ? 0 : -errno;
}

static int make_cgroups(struct lab *l)
{
    for (int i = 0; i < 2; i++) {
        struct stat st;
        snprintf(l->cgroup[i], sizeof(l->cgroup[i]), "bh-test-rows-%d-%c", (int)getpid(), 'a' + i);
        if (mkdirat(host_cgroup2_fd(l->host), l->cgroup[i], 0755) < 0 ||
            fstatat(host_cgroup2_fd(l->host), l->cgroup[i], &st, 0) < 0) {
            l->cgroup[i][0] = 0;
            return -errno;
        }
        l->cgroup_id[i] = st.st_ino;
    }
    return 0;
}

int lab_open(struct lab *l)
{
    char sentence[300];
    *l = (struct lab){0};
    if (host_open("/", &l->host, NULL) < 0)
        return -1;
    host_probe(l->host, &l->caps);
    const char *refusal = host_caps_refusal(&l->caps, sentence, sizeof(sentence));
    if (refusal) {
        printf("skipped: %s\n", refusal);
        host_close(l->host);
        l->host = NULL;
        return 1;
    }
    snprintf(l->dir, sizeof(l->dir), "/tmp/bh-rows-XXXXXX");
    if (!mkdtemp(l->dir))
        return -1;
    snprintf(l->program, sizeof(l->program), "%s/program", l->dir);
    snprintf(l->bpffs, sizeof(l->bpffs), "%s/bpffs", l->dir);
    snprintf(l->pins, sizeof(l->pins), "%s/bulkhead/1", l->bpffs);
    // A mount namespace of our own: whatever happens to us, no mount stays behind.
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir(l->bpffs, 0700) < 0 || mount("bpf", l->bpffs, "bpf", 0, NULL) < 0)
        return -1;
    if (lab_copy("/bin/true", l->program) < 0 || make_cgroups(l) < 0)
        return -1;
    return lab_maps_open(l, &l->maps, LAB_A, LAB_B);
}

int lab_close(struct lab *l)
{
    int r = 0;
    if (!l->host)
        return 0;
    lab_maps_close(&l->maps);
    for (int i = 0; i < 2; i++)
        if (l->cgroup[i][0] && unlinkat(host_cgroup2_fd(l->host), l->cgroup[i], AT_REMOVEDIR) < 0)
            r = -errno;
    unlink(l->program);
    if (umount(l->bpffs) < 0 || rmdir(l->bpffs) < 0 || rmdir(l->dir) < 0)
        r = -errno;
    host_close(l->host);
    return r;
}

// ── maps ─────────────────────────────────────────────────────────────────────────────────────

static int take_record(void *ctx, void *bytes, size_t size)
{
    struct lab *l = ctx;
    const struct bh_rec *rec = bytes;
    const struct bh_verdict *v =
        rec_check(rec, size) == 0 && rec->kind == BH_VERDICT ? REC_AS(rec, bh_verdict) : NULL;
    if (!v)
        return 0;
    struct str path = rec_str(rec, v->path);
    l->verdict = *v;
    l->verdict_container = rec->container;
    snprintf(l->verdict_path, sizeof(l->verdict_path), STR_FMT, STR_ARG(path));
    l->verdicts++;
    return 0;
}

int lab_maps_open(struct lab *l, struct lab_maps *m, uint32_t number_a, uint32_t number_b)
{
    LIBBPF_OPTS(bpf_map_create_opts, mmapable, .map_flags = BPF_F_MMAPABLE);
    uint32_t slots = 2 * BH_MAX_SHARDS, zero = 0;
    m->cgroups = bpf_map_create(BPF_MAP_TYPE_HASH, "cgroups", 8, sizeof(struct bh_cgroup_entry),
                                BH_MAX_CGROUPS, NULL);
    m->containers = bpf_map_create(BPF_MAP_TYPE_HASH, "containers", 4,
                                   sizeof(struct bh_container_entry), BH_MAX_CONTAINERS, NULL);
    m->settings =
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "settings", 4, sizeof(struct bh_settings), 1, &mmapable);
    m->sequences = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "sequences", 4, 8, slots, NULL);
    m->storms = bpf_map_create(BPF_MAP_TYPE_PERCPU_HASH, "storms", sizeof(struct bh_storm_key),
                               sizeof(struct bh_storm_value), 2048, NULL);
    m->ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, RING_BYTES, NULL);
    LIBBPF_OPTS(bpf_map_create_opts, outer, .inner_map_fd = (uint32_t)m->ring);
    m->rings =
        m->ring < 0 ? -1 : bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "rings", 4, 4, slots, &outer);
    struct bh_settings settings = {.shards = 1, .ring_bytes = {RING_BYTES, RING_BYTES}};
    struct bh_cgroup_entry a = {.container = number_a}, b = {.container = number_b};
    struct bh_container_entry empty = {0};
    if (m->rings < 0 || bpf_map_update_elem(m->settings, &zero, &settings, 0) < 0 ||
        bpf_map_update_elem(m->rings, &zero, &m->ring, 0) < 0 ||
        bpf_map_update_elem(m->cgroups, &l->cgroup_id[0], &a, 0) < 0 ||
        bpf_map_update_elem(m->cgroups, &l->cgroup_id[1], &b, 0) < 0 ||
        bpf_map_update_elem(m->containers, &a.container, &empty, 0) < 0 ||
        bpf_map_update_elem(m->containers, &b.container, &empty, 0) < 0)
        return -1;
    m->reader = ring_buffer__new(m->ring, take_record, l, NULL);
    return m->reader ? 0 : -1;
}

void lab_maps_close(struct lab_maps *m)
{
    ring_buffer__free(m->reader);
    close_fdp(&m->cgroups);
    close_fdp(&m->containers);
    close_fdp(&m->settings);
    close_fdp(&m->sequences);
    close_fdp(&m->storms);
    close_fdp(&m->rings);
    close_fdp(&m->ring);
}

void lab_options(struct lab *l, const struct lab_maps *m, bool pin, uint64_t lease_ns,
                 struct reconcile_options *ret)
{
    *ret = (struct reconcile_options){.host = l->host,
                                      .caps = &l->caps,
                                      .containers_map = m->containers,
                                      .settings_map = m->settings,
                                      .cgroups_map = m->cgroups,
                                      .rings_map = m->rings,
                                      .sequences_map = m->sequences,
                                      .storms_map = m->storms,
                                      .pin_dir = pin ? l->pins : NULL,
                                      .lease_ns = lease_ns};
}

void lab_verdicts(struct lab *l)
{
    l->verdict = (struct bh_verdict){0};
    l->verdict_path[0] = 0;
    l->verdicts = 0;
    ring_buffer__consume(l->maps.reader);
}

// ── executing ────────────────────────────────────────────────────────────────────────────────

static void execute(struct lab *l, bool memfd) __attribute__((noreturn));
static void execute(struct lab *l, bool memfd)
{
    char *const argv[] = {"program", NULL}, *const env[] = {NULL};
    if (memfd) {
        int fd = memfd_create("test", MFD_CLOEXEC), in = open(l->program, O_RDONLY | O_CLOEXEC);
        char bytes[65536];
        for (ssize_t n; (n = read(in, bytes, sizeof(bytes))) > 0;)
            if (write(fd, bytes, (size_t)n) != n)
                _exit(BROKEN);
        syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
    } else {
        execve(l->program, argv, env);
    }
    _exit(errno == EPERM ? REFUSED : BROKEN);
}

static enum lab_result result_of(pid_t pid)
{
    int status = 0;
    if (pid < 0)
        return LAB_BROKE;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return LAB_RAN;
    if ((WIFEXITED(status) && WEXITSTATUS(status) == REFUSED) ||
        (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        return LAB_STOPPED;
    return LAB_BROKE;
}

static enum lab_result run(struct lab *l, int cgroup, bool memfd, bool nested)
{
    pid_t pid = fork();
    if (pid != 0)
        return result_of(pid);
    if (cgroup >= 0) {
        char procs[96];
        snprintf(procs, sizeof(procs), "%s/cgroup.procs", l->cgroup[cgroup]);
        int fd = openat(host_cgroup2_fd(l->host), procs, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(BROKEN);
    }
    if (!nested)
        execute(l, memfd);
    pid = fork();
    if (pid == 0)
        execute(l, memfd);
    enum lab_result r = result_of(pid);
    _exit(r == LAB_RAN ? 0 : r == LAB_STOPPED ? REFUSED : BROKEN);
}

enum lab_result lab_exec(struct lab *l, int cgroup)
{
    return run(l, cgroup, false, false);
}

enum lab_result lab_exec_memfd(struct lab *l, int cgroup)
{
    return run(l, cgroup, true, false);
}

enum lab_result lab_exec_nested(struct lab *l, int cgroup)
{
    return run(l, cgroup, false, true);
}
