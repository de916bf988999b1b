// What this kernel's BPF allows, found by loading and attaching tiny programs (raw instructions, so
// that nothing else can be what failed). A program that loads may still never run: LSM programs
// load and attach where "bpf" isn't among the kernel's security modules, so that one is also seen
// running.
#include "internal.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#define INSN(c, d, s, o, i)                                                                        \
    (struct bpf_insn)                                                                              \
    {                                                                                              \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                        \
    }
#define MOV_IMM(d, i)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define CALL(f)            INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()             INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define JNE32_IMM(d, i, o) INSN(BPF_JMP32 | BPF_JNE | BPF_K, d, 0, o, i)
#define ST32(d, i)         INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, 0, i)
#define LD_MAP(d, src, fd) INSN(BPF_LD | BPF_IMM | BPF_DW, d, src, 0, fd), INSN(0, 0, 0, 0, 0)

struct attempt {
    enum bpf_prog_type type;
    enum bpf_attach_type attach;
    const char *target; // BTF name, NULL: none
    const struct bpf_insn *insns;
    size_t n;
};

static int load(const struct attempt *a)
{
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = a->attach);
    if (a->target) {
        int id = libbpf_find_vmlinux_btf_id(a->target, a->attach);
        if (id < 0)
            return id;
        opts.attach_btf_id = (uint32_t)id;
    }
    int fd = bpf_prog_load(a->type, "bh_probe", "GPL", a->insns, a->n, &opts);
    return fd < 0 ? -errno : fd;
}

// Loads, attaches where attach() is given, and lets go again. What failed is said in c.
static int try_program(struct cap *c, const struct attempt *a, const char *what, const char *lack,
                       int (*attach)(const struct host *h, int prog), const struct host *h)
{
    _cleanup_close_ int fd = load(a);
    if (fd < 0) {
        int r = fd;
        cap_set(c, r, "%s: the kernel refused to load it (%s); %s", what, strerror(-r), lack);
        return r;
    }
    if (attach) {
        _cleanup_close_ int link = attach(h, fd);
        if (link < 0) {
            int r = link;
            cap_set(c, r, "%s: loaded, but could not be attached (%s); %s", what, strerror(-r),
                    lack);
            return r;
        }
    }
    cap_set(c, 0, "%s: %s", what, attach ? "loaded and attached" : "loaded");
    return 0;
}

static int attach_trace(const struct host *h, int prog)
{
    int fd = bpf_raw_tracepoint_open(NULL, prog);
    return fd < 0 ? -errno : fd;
}

static int attach_iter(const struct host *h, int prog)
{
    _cleanup_close_ int link = bpf_link_create(prog, 0, BPF_TRACE_ITER, NULL);
    if (link < 0)
        return -errno;
    _cleanup_close_ int iter = bpf_iter_create(link);
    if (iter < 0)
        return -errno;
    char byte;
    ssize_t n;
    while ((n = read(iter, &byte, 1)) < 0 && (errno == EAGAIN || errno == EINTR))
        ;
    return n < 0 ? -errno : TAKE_FD(link);
}

static int attach_cgroup(const struct host *h, int prog)
{
    if (h->cgroup2_fd < 0)
        return -ENOENT;
    int fd = bpf_link_create(prog, h->cgroup2_fd, BPF_CGROUP_INET4_CONNECT, NULL);
    return fd < 0 ? -errno : fd;
}

static const struct bpf_insn nothing[] = {MOV_IMM(0, 0), EXIT()};
static const struct bpf_insn allow[] = {MOV_IMM(0, 1), EXIT()};
static const struct bpf_insn signal_program[] = {MOV_IMM(1, 9), CALL(BPF_FUNC_send_signal),
                                                 MOV_IMM(0, 0), EXIT()};

static void probe_lsm(const struct host *h, struct cap *c)
{
    _cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bh_probe", 4, 4, 1, NULL);
    if (map < 0)
        return cap_set(c, -errno, "lsm/file_open: no map (%s)", strerror(errno));
    // When this thread opens a file, note it.
    const struct bpf_insn insns[] = {
        CALL(BPF_FUNC_get_current_pid_tgid),
        JNE32_IMM(0, (int)syscall(SYS_gettid), 3),
        LD_MAP(1, BPF_PSEUDO_MAP_VALUE, map),
        ST32(1, 1),
        MOV_IMM(0, 0),
        EXIT(),
    };
    const struct attempt a = {BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "file_open", insns,
                              ARRAY_SIZE(insns)};
    const char *lack = "execs are stopped by a signal instead of being refused";
    _cleanup_close_ int prog = load(&a);
    if (prog < 0)
        return cap_set(c, prog, "lsm: the kernel refused to load it (%s); %s", strerror(-prog),
                       lack);
    _cleanup_close_ int link = attach_trace(h, prog);
    if (link < 0)
        return cap_set(c, link, "lsm: could not be attached (%s); %s", strerror(-link), lack);
    _cleanup_close_ int any = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    uint32_t key = 0, seen = 0;
    if (any < 0 || bpf_map_lookup_elem(map, &key, &seen) < 0 || !seen)
        return cap_set(c, -EOPNOTSUPP,
                       "lsm: attached but never run, \"bpf\" isn't in the boot line's lsm=; %s",
                       lack);
    cap_set(c, 0, "lsm/file_open: loaded, attached and seen running");
}

static void probe_task_storage(struct cap *c)
{
    struct btf *btf = btf__new_empty();
    int r = libbpf_get_error(btf) ? -ENOMEM : btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
    if (r > 0)
        r = btf__load_into_kernel(btf);
    _cleanup_close_ int map = -1, prog = -1;
    if (r >= 0) {
        LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC,
                    .btf_fd = (uint32_t)btf__fd(btf), .btf_key_type_id = 1, .btf_value_type_id = 1);
        map = bpf_map_create(BPF_MAP_TYPE_TASK_STORAGE, "bh_probe", 4, 4, 0, &opts);
        r = map < 0 ? -errno : 0;
    }
    btf__free(btf);
    if (r == 0) {
        const struct bpf_insn insns[] = {
            CALL(BPF_FUNC_get_current_task_btf),
            MOV_REG(2, 0),
            LD_MAP(1, BPF_PSEUDO_MAP_FD, map),
            MOV_IMM(3, 0),
            MOV_IMM(4, 1),
            CALL(BPF_FUNC_task_storage_get),
            MOV_IMM(0, 0),
            EXIT(),
        };
        const struct attempt a = {BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_process_exec",
                                  insns, ARRAY_SIZE(insns)};
        prog = load(&a);
        r = prog < 0 ? prog : 0;
    }
    cap_set(c, r, "task storage in tp_btf: %s", r ? strerror(-r) : "map made, program loaded");
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
    return 0;
}

void probe_bpf(const struct host *h, struct host_caps *caps)
{
    // Refusals are what is looked for here; libbpf's words about them would only alarm.
    libbpf_print_fn_t was = libbpf_set_print(quiet);
    struct cap *c = caps->caps;

    struct btf *btf = btf__load_vmlinux_btf();
    int r = (int)libbpf_get_error(btf);
    cap_set(&c[CAP_BTF], r, "/sys/kernel/btf/vmlinux: %s",
            r ? "this kernel doesn't describe its types (CONFIG_DEBUG_INFO_BTF)" : "read");
    btf__free(r ? NULL : btf);

    const struct attempt filter = {BPF_PROG_TYPE_SOCKET_FILTER, 0, NULL, nothing,
                                   ARRAY_SIZE(nothing)};
    try_program(&c[CAP_BPF_LOAD], &filter, "a BPF program", "nothing can be watched", NULL, h);

    const struct attempt tp = {BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_process_exec",
                               nothing, ARRAY_SIZE(nothing)};
    try_program(&c[CAP_TRACING], &tp, "tp_btf/sched_process_exec", "nothing can be watched",
                attach_trace, h);

    _cleanup_close_ int ring =
        bpf_map_create(BPF_MAP_TYPE_RINGBUF, "bh_probe", 0, 0, (uint32_t)getpagesize(), NULL);
    r = ring < 0 ? -errno : 0;
    cap_set(&c[CAP_RINGBUF], r, "a ring buffer: %s", r ? strerror(-r) : "made");

    const struct attempt fentry = {BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "security_file_open",
                                   nothing, ARRAY_SIZE(nothing)};
    try_program(&c[CAP_FENTRY], &fentry, "fentry/security_file_open",
                "files are read behind the returned descriptor", attach_trace, h);

    probe_lsm(h, &c[CAP_LSM]);

    const struct attempt iter = {BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, "task", nothing,
                                 ARRAY_SIZE(nothing)};
    try_program(&c[CAP_ITER_TASK], &iter, "iter/task", "what ran before the agent can't be told",
                attach_iter, h);

    const struct attempt sig = {BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sched_process_exec",
                                signal_program, ARRAY_SIZE(signal_program)};
    try_program(&c[CAP_SEND_SIGNAL], &sig, "bpf_send_signal in sched_process_exec",
                "execs can't be stopped without LSM", NULL, h);

    const struct attempt sock = {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, NULL,
                                 allow, ARRAY_SIZE(allow)};
    try_program(&c[CAP_CGROUP_SOCK], &sock, "cgroup/connect4", "connections can't be refused",
                attach_cgroup, h);

    probe_task_storage(&c[CAP_TASK_STORAGE]);

    r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_FUNC_loop, NULL);
    cap_set(&c[CAP_BPF_LOOP],
            r > 0   ? 0
            : r < 0 ? r
                    : -EOPNOTSUPP,
            "the helper bpf_loop: %s", r > 0 ? "there" : "not there");
    libbpf_set_print(was);
}
