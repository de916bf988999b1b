// The self-proof: what each kind of row forbids is tried in a scratch cgroup, by a tiny program
// that writes one byte with its first instructions. Proven is what ran without the row, did not
// begin to run with it, and still runs outside of the cgroup.
#include "reconcile.h"

#include "guardian/guardian.h"

#include <bpf/bpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum {
    SAY_FD = 9,    // where the program writes its byte
    LEAST_FD = 16, // our own descriptors lie above it
    RAN = 42,
    REFUSED = 120,
    FAILED = 121,                 // exit codes: the program's, and the child's before it
    PROOF_CONTAINER = 0xfffffff0, // where no sensor has given the scratch cgroup a number
    LOAD_ADDRESS = 0x400000,
};

#if defined(__x86_64__)
// write(9, "!", 1); exit_group(42)
static const uint8_t program[] = {0xb8, 0x01, 0x00, 0x00, 0x00, 0xbf, 0x09, 0x00, 0x00, 0x00,
                                  0x48, 0x8d, 0x35, 0x13, 0x00, 0x00, 0x00, 0xba, 0x01, 0x00,
                                  0x00, 0x00, 0x0f, 0x05, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0xbf,
                                  0x2a, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x21};
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
static const uint8_t program[] = {0x08, 0x08, 0x80, 0xd2, 0x20, 0x01, 0x80, 0xd2, 0xc1, 0x00, 0x00,
                                  0x10, 0x22, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xc8, 0x0b,
                                  0x80, 0xd2, 0x40, 0x05, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x21};
enum { MACHINE = EM_AARCH64 };
#else
#error "the self-proof's program has to be written for this architecture"
#endif

struct scratch {
    struct reconcile *r;
    char name[64];
    int dirfd, procs_fd;
    uint64_t id, ticket;
    uint32_t container;
    bool told_guardian, own_number, own_entry;
    char dir[64], path[80]; // of the program's file
    int memfd;
};

// ── the program ──────────────────────────────────────────────────────────────────────────────

static int write_program(int fd)
{
    struct {
        Elf64_Ehdr head;
        Elf64_Phdr segment;
        uint8_t code[sizeof(program)];
    } elf = {
        .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                             EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = MACHINE,
                 .e_version = EV_CURRENT,
                 .e_entry = LOAD_ADDRESS + offsetof(__typeof__(elf), code),
                 .e_phoff = offsetof(__typeof__(elf), segment),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 1},
        .segment = {.p_type = PT_LOAD,
                    .p_flags = PF_R | PF_X,
                    .p_vaddr = LOAD_ADDRESS,
                    .p_paddr = LOAD_ADDRESS,
                    .p_filesz = sizeof(elf),
                    .p_memsz = sizeof(elf),
                    .p_align = 0x1000},
    };
    memcpy(elf.code, program, sizeof(program));
    return write(fd, &elf, sizeof(elf)) == sizeof(elf) ? 0 : -EIO;
}

static int make_file(struct scratch *s)
{
    static const char *const places[] = {"/tmp", "/var/tmp", "/run", "/dev/shm"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct statvfs fs;
        if (statvfs(places[i], &fs) < 0 || fs.f_flag & (ST_NOEXEC | ST_RDONLY))
            continue;
        snprintf(s->dir, sizeof(s->dir), "%s/bulkhead-proof-XXXXXX", places[i]);
        if (!mkdtemp(s->dir)) {
            s->dir[0] = 0;
            continue;
        }
        snprintf(s->path, sizeof(s->path), "%s/try", s->dir);
        _cleanup_close_ int fd = open(s->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        return fd < 0 ? -errno : write_program(fd);
    }
    return -ENOEXEC;
}

static int make_memfd(struct scratch *s)
{
    _cleanup_close_ int fd = memfd_create("bulkhead-proof", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    s->memfd = fcntl(fd, F_DUPFD_CLOEXEC, LEAST_FD);
    return s->memfd < 0 ? -errno : write_program(s->memfd);
}

// ── the scratch cgroup ───────────────────────────────────────────────────────────────────────

// The container number of the scratch cgroup: the sensor's if one runs, else one that we put in.
static int number(struct scratch *s)
{
    int cgroups = s->r->kernel.cgroups_fd;
    struct bh_cgroup_entry e = {.container = PROOF_CONTAINER};
    if (bpf_map_lookup_elem(cgroups, &s->id, &e) == 0 && e.container != 0) {
        s->container = e.container;
        return 0;
    }
    e = (struct bh_cgroup_entry){.container = PROOF_CONTAINER};
    if (bpf_map_update_elem(cgroups, &s->id, &e, BPF_ANY) < 0)
        return -errno;
    s->container = PROOF_CONTAINER;
    s->own_number = true;
    return 0;
}

static int make_cgroup(struct scratch *s)
{
    int tree = host_cgroup2_fd(s->r->o.host), r = 0;
    if (tree < 0)
        return -ENOENT;
    snprintf(s->name, sizeof(s->name), "bulkhead-proof-%d-%llx", (int)getpid(),
             (unsigned long long)host_boot_now().ns);
    if (s->r->o.guardian)
        r = guardian_add(s->r->o.guardian, UNDO_REMOVE_CGROUP, tree, s->name, &s->ticket);
    if (r < 0)
        return r;
    s->told_guardian = s->r->o.guardian != NULL;
    if (mkdirat(tree, s->name, 0755) < 0)
        return -errno;
    s->dirfd = openat(tree, s->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (s->dirfd < 0 || fstat(s->dirfd, &st) < 0)
        return -errno;
    s->id = st.st_ino; // kernfs: the inode number is the cgroup's id
    _cleanup_close_ int procs = openat(s->dirfd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    s->procs_fd = procs < 0 ? -1 : fcntl(procs, F_DUPFD_CLOEXEC, LEAST_FD);
    return s->procs_fd < 0 ? -errno : number(s);
}

static void remove_all(struct scratch *s)
{
    close_fdp(&s->procs_fd);
    close_fdp(&s->dirfd);
    close_fdp(&s->memfd);
    if (s->own_number)
        bpf_map_delete_elem(s->r->kernel.cgroups_fd, &s->id);
    if (s->own_entry)
        bpf_map_delete_elem(s->r->o.containers_map, &s->container);
    if (s->name[0])
        guardian_undo_now(UNDO_REMOVE_CGROUP, host_cgroup2_fd(s->r->o.host), s->name);
    if (s->told_guardian)
        guardian_done(s->r->o.guardian, s->ticket);
    if (s->dir[0]) {
        unlink(s->path);
        rmdir(s->dir);
    }
}

// ── trying ───────────────────────────────────────────────────────────────────────────────────

enum result { DID_RUN, WAS_REFUSED, WAS_KILLED, BROKE };

static void child(const struct scratch *s, bool inside, bool by_path, int say)
    __attribute__((noreturn));
static void child(const struct scratch *s, bool inside, bool by_path, int say)
{
    static char *const argv[] = {"bulkhead-proof", NULL}, *const env[] = {NULL};
    if (inside && write(s->procs_fd, "0", 1) != 1)
        _exit(FAILED);
    if (dup2(say, SAY_FD) < 0)
        _exit(FAILED);
    if (by_path)
        execve(s->path, argv, env);
    else
        syscall(SYS_execveat, s->memfd, "", argv, env, AT_EMPTY_PATH);
    _exit(errno == EPERM ? REFUSED : FAILED);
}

static enum result try_exec(const struct scratch *s, bool inside, bool by_path)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return BROKE;
    _cleanup_close_ int hear = ends[0];
    int say = fcntl(ends[1], F_DUPFD_CLOEXEC, LEAST_FD);
    close(ends[1]);
    pid_t pid = say < 0 ? -1 : fork();
    if (pid == 0)
        child(s, inside, by_path, say);
    close_fdp(&say);
    if (pid < 0)
        return BROKE;
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    char byte = 0;
    bool began = read(hear, &byte, 1) == 1;
    if (began && WIFEXITED(status) && WEXITSTATUS(status) == RAN)
        return DID_RUN;
    if (!began && WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
        return WAS_REFUSED;
    if (!began && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return WAS_KILLED;
    return BROKE;
}

static const char *result_text(enum result r)
{
    static const char *const texts[] = {"it ran", "it was refused",
                                        "it was killed before its first instruction",
                                        "it could not be tried"};
    return texts[r];
}

// The row that forbids the program in the scratch cgroup by this object.
static int proof_row(const struct scratch *s, enum bh_object object, struct bh_exec_key *key,
                     struct bh_exec_row *value)
{
    struct row row = {.kind = ROW_EXEC,
                      .mode = MODE_ENFORCE,
                      .priority = INT32_MAX,
                      .container = s->container,
                      .object = object,
                      .path = object == BH_OBJECT_PATH ? str_of(s->path) : STR_NULL};
    uint64_t ctime = object == BH_OBJECT_NOT_IN_IMAGE ? 1 : 0; // any file is younger than 1970
    if (object == BH_OBJECT_INODE) {
        struct stat st;
        if (fstat(s->memfd, &st) < 0)
            return -errno;
        row.dev = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
        row.ino = st.st_ino;
        ctime = (uint64_t)st.st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec;
    }
    int r = kernel_key(&row, key);
    kernel_value(&row, host_boot_now().ns + 60 * NSEC_PER_SEC, ctime, value);
    value->flags |= BH_ROW_SILENT;
    return r;
}

static void prove_exec(struct scratch *s, enum bh_object object, struct proof *p)
{
    struct reconcile *r = s->r;
    bool by_path =
        object == BH_OBJECT_PATH || object == BH_OBJECT_NOT_IN_IMAGE || object == BH_OBJECT_ANY;
    enum result expected = r->kernel.effect == BH_EFFECT_REFUSED ? WAS_REFUSED : WAS_KILLED;
    struct bh_exec_key key;
    struct bh_exec_row value;
    enum result without = try_exec(s, true, by_path), with = BROKE, outside = BROKE;
    int code = proof_row(s, object, &key, &value);
    if (code == 0)
        code = kernel_put(&r->kernel, &key, &value);
    if (code == 0)
        code = kernel_attach(&r->kernel);
    if (code == 0) {
        with = try_exec(s, true, by_path);
        outside = try_exec(s, false, by_path);
    }
    kernel_take_out(&r->kernel, &key);
    p->tier = r->kernel.tier;
    p->effect = r->kernel.effect;
    p->proven = code == 0 && without == DID_RUN && with == expected && outside == DID_RUN;
    reconcile_believe(r, p);
    if (code < 0)
        snprintf(p->text, sizeof(p->text), "the row could not be put in force: %s",
                 strerror(-code));
    else
        snprintf(p->text, sizeof(p->text), "without the row %s, with it %s, outside the cgroup %s",
                 result_text(without), result_text(with), result_text(outside));
}

static void prove_level(struct scratch *s, struct proof *p)
{
    struct reconcile *r = s->r;
    struct bh_container_entry e = {0};
    *p = (struct proof){.row_kind = "level", .tier = "map", .effect = BH_EFFECT_NONE};
    if (r->o.containers_map <= 0) {
        snprintf(p->text, sizeof(p->text), "no sensor runs that a level could be for");
        return;
    }
    if (bpf_map_lookup_elem(r->o.containers_map, &s->container, &e) < 0)
        s->own_entry =
            bpf_map_update_elem(r->o.containers_map, &s->container, &e, BPF_NOEXIST) == 0;
    int up = reconcile_set_level(r, s->container, 1),
        down = reconcile_set_level(r, s->container, 0);
    p->proven = up == 0 && down == 0;
    snprintf(p->text, sizeof(p->text), "%s",
             p->proven ? "written, read back, and taken back" : strerror(up < 0 ? -up : -down));
}

static const struct {
    enum bh_object object;
    const char *name;
} kinds[] = {{BH_OBJECT_PATH, "exec path"},
             {BH_OBJECT_INODE, "exec inode"},
             {BH_OBJECT_NOT_IN_IMAGE, "exec notInImage"},
             {BH_OBJECT_MEMFD, "exec memfd"},
             {BH_OBJECT_ANY, "exec any"}};

void reconcile_believe(struct reconcile *r, const struct proof *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(p->row_kind, kinds[i].name) == 0 && strcmp(p->tier, r->kernel.tier) == 0)
            r->proven[kinds[i].object] = p->proven;
}

int reconcile_prove(struct reconcile *r, struct proof *ret, size_t max, struct error *err)
{
    struct scratch s = {.r = r, .dirfd = -1, .procs_fd = -1, .memfd = -1};
    const char *what = "a scratch cgroup";
    int code = make_cgroup(&s);
    if (code == 0)
        what = "an executable file", code = make_file(&s);
    if (code == 0)
        what = "a memfd", code = make_memfd(&s);
    size_t n = 0;
    bool was_attached = r->kernel.link != NULL;
    for (size_t i = 0; code == 0 && i < ARRAY_SIZE(kinds) && n < max; i++) {
        ret[n] = (struct proof){.row_kind = kinds[i].name};
        prove_exec(&s, kinds[i].object, &ret[n++]);
    }
    if (code == 0 && n < max)
        prove_level(&s, &ret[n++]);
    if (!was_attached)
        kernel_detach(&r->kernel);
    remove_all(&s);
    return code < 0 ? error_set(err, code, "cannot make %s for the self-proof: %s", what,
                                strerror(-code))
                    : (int)n;
}
