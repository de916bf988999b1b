// Which types of events a condition asks for, computed as Falco computes it, and every name that
// evt.type may have.
#include "detect/rule/internal.h"

#include <errno.h>

// System calls (x86-64, generic and 32-bit ones), Falco's own events, our kinds. Sorted.
const char *const event_names[] = {
    "_llseek",
    "_newselect",
    "_sysctl",
    "accept",
    "accept4",
    "access",
    "acct",
    "add_key",
    "adjtimex",
    "afs_syscall",
    "alarm",
    "arch_prctl",
    "asyncevent",
    "bind",
    "bpf",
    "break",
    "brk",
    "cachestat",
    "capget",
    "capset",
    "cgroup",
    "cgroup-attach",
    "cgroup-make",
    "cgroup-remove",
    "chdir",
    "chmod",
    "chown",
    "chroot",
    "clock_adjtime",
    "clock_adjtime64",
    "clock_getres",
    "clock_getres_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "clock_settime",
    "clock_settime64",
    "clone",
    "clone3",
    "close",
    "close_range",
    "connect",
    "container",
    "copy_file_range",
    "cpu_hotplug",
    "creat",
    "create_module",
    "cred",
    "delete_module",
    "drop",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_ctl_old",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "epoll_wait_old",
    "eventfd",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fadvise64_64",
    "fallocate",
    "fanotify_init",
    "fanotify_mark",
    "fchdir",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "fchown",
    "fchownat",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "fgetxattr",
    "finit_module",
    "flistxattr",
    "flock",
    "fork",
    "fremovexattr",
    "fsconfig",
    "fsetxattr",
    "fsmount",
    "fsopen",
    "fspick",
    "fstat",
    "fstat64",
    "fstatat64",
    "fstatfs",
    "fstatfs64",
    "fsync",
    "ftime",
    "ftruncate",
    "ftruncate64",
    "futex",
    "futex_requeue",
    "futex_time64",
    "futex_wait",
    "futex_waitv",
    "futex_wake",
    "futimesat",
    "get_kernel_syms",
    "get_mempolicy",
    "get_robust_list",
    "get_thread_area",
    "getcpu",
    "getcwd",
    "getdents",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgid32",
    "getgroups",
    "getitimer",
    "getpeername",
    "getpgid",
    "getpgrp",
    "getpid",
    "getpmsg",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getrusage",
    "getsid",
    "getsockname",
    "getsockopt",
    "gettid",
    "gettimeofday",
    "getuid",
    "getuid32",
    "getxattr",
    "getxattrat",
    "groupadded",
    "groupremoved",
    "gtty",
    "infra",
    "init_module",
    "inotify_add_watch",
    "inotify_init",
    "inotify_init1",
    "inotify_rm_watch",
    "io_cancel",
    "io_destroy",
    "io_getevents",
    "io_pgetevents",
    "io_pgetevents_time64",
    "io_setup",
    "io_submit",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioctl",
    "ioperm",
    "iopl",
    "ioprio_get",
    "ioprio_set",
    "ipc",
    "k8s",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "kill",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listen",
    "listmount",
    "listxattr",
    "listxattrat",
    "llistxattr",
    "llseek",
    "lock",
    "lookup_dcookie",
    "loss",
    "lremovexattr",
    "lseek",
    "lsetxattr",
    "lsm_get_self_attr",
    "lsm_list_modules",
    "lsm_set_self_attr",
    "lstat",
    "lstat64",
    "madvise",
    "map_shadow_stack",
    "mbind",
    "membarrier",
    "memfd_create",
    "memfd_secret",
    "mesos",
    "migrate_pages",
    "mincore",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "mlock",
    "mlock2",
    "mlockall",
    "mmap",
    "mmap2",
    "modify_ldt",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "mprotect",
    "mpx",
    "mq_getsetattr",
    "mq_notify",
    "mq_open",
    "mq_timedreceive",
    "mq_timedreceive_time64",
    "mq_timedsend",
    "mq_timedsend_time64",
    "mq_unlink",
    "mremap",
    "mseal",
    "msgctl",
    "msgget",
    "msgrcv",
    "msgsnd",
    "msync",
    "munlock",
    "munlockall",
    "munmap",
    "name_to_handle_at",
    "namespace",
    "nanosleep",
    "newfstatat",
    "nfsservctl",
    "nice",
    "notification",
    "oldolduname",
    "oldstat",
    "olduname",
    "open",
    "open_by_handle_at",
    "open_tree",
    "open_tree_attr",
    "openat",
    "openat2",
    "page_fault",
    "pause",
    "perf_event_open",
    "personality",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "pivot_root",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "plugin",
    "pluginevent",
    "poll",
    "ppoll",
    "ppoll_time64",
    "prctl",
    "pread64",
    "preadv",
    "preadv2",
    "prlimit64",
    "process_madvise",
    "process_mrelease",
    "process_vm_readv",
    "process_vm_writev",
    "procexit",
    "procinfo",
    "prof",
    "profil",
    "pselect6",
    "pselect6_time64",
    "ptrace",
    "putpmsg",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "read",
    "readahead",
    "readlink",
    "readlinkat",
    "readv",
    "reboot",
    "recv",
    "recvfrom",
    "recvmmsg",
    "recvmmsg_time64",
    "recvmsg",
    "remap_file_pages",
    "removexattr",
    "removexattrat",
    "rename",
    "renameat",
    "renameat2",
    "request_key",
    "resource",
    "restart_syscall",
    "rmdir",
    "rseq",
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigqueueinfo",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo",
    "scapevent",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_getaffinity",
    "sched_getattr",
    "sched_getparam",
    "sched_getscheduler",
    "sched_rr_get_interval",
    "sched_rr_get_interval_time64",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "sched_yield",
    "seccomp",
    "security",
    "select",
    "semctl",
    "semget",
    "semop",
    "semtimedop",
    "semtimedop_time64",
    "send",
    "sendfile",
    "sendfile64",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "set_mempolicy",
    "set_mempolicy_home_node",
    "set_robust_list",
    "set_thread_area",
    "set_tid_address",
    "setdomainname",
    "setfsgid",
    "setfsuid",
    "setgid",
    "setgid32",
    "setgroups",
    "sethostname",
    "setitimer",
    "setns",
    "setpgid",
    "setpriority",
    "setregid",
    "setresgid",
    "setresuid",
    "setreuid",
    "setrlimit",
    "setsid",
    "setsockopt",
    "settimeofday",
    "setuid",
    "setuid32",
    "setxattr",
    "setxattrat",
    "shmat",
    "shmctl",
    "shmdt",
    "shmget",
    "shutdown",
    "sigaltstack",
    "signal",
    "signaldeliver",
    "signalfd",
    "signalfd4",
    "sigreturn",
    "socket",
    "socketcall",
    "socketpair",
    "splice",
    "stat",
    "stat64",
    "statfs",
    "statfs64",
    "statmount",
    "statx",
    "stime",
    "storm",
    "stty",
    "swapoff",
    "swapon",
    "switch",
    "symlink",
    "symlinkat",
    "sync",
    "sync_file_range",
    "syncfs",
    "syscall",
    "sysdigevent",
    "sysfs",
    "sysinfo",
    "syslog",
    "task",
    "tee",
    "tgkill",
    "time",
    "timer_create",
    "timer_delete",
    "timer_getoverrun",
    "timer_gettime",
    "timer_gettime64",
    "timer_settime",
    "timer_settime64",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_gettime64",
    "timerfd_settime",
    "timerfd_settime64",
    "times",
    "tkill",
    "tracer",
    "truncate",
    "truncate64",
    "tuxcall",
    "ugetrlimit",
    "ulimit",
    "umask",
    "umount",
    "umount2",
    "uname",
    "unlink",
    "unlinkat",
    "unshare",
    "uselib",
    "useradded",
    "userfaultfd",
    "userremoved",
    "ustat",
    "utime",
    "utimensat",
    "utimensat_time64",
    "utimes",
    "verdict",
    "vfork",
    "vhangup",
    "vmsplice",
    "vserver",
    "wait4",
    "waitid",
    "waitpid",
    "write",
    "writev",
};
const size_t event_names_n = ARRAY_SIZE(event_names);
static_assert(ARRAY_SIZE(event_names) <= EVENT_WORDS * 64, "event_set is too small");

static int compare(const void *key, const void *name)
{
    return str_cmp(*(const struct str *)key, str_of(*(const char *const *)name));
}

int event_name_find(struct str name)
{
    const char *const *at =
        bsearch(&name, event_names, event_names_n, sizeof(event_names[0]), compare);
    return at ? (int)(at - event_names) : -ENOENT;
}

bool event_set_has(const struct event_set *s, int event)
{
    return event >= 0 && (s->word[event / 64] >> (event % 64) & 1);
}

size_t event_set_count(const struct event_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < EVENT_WORDS; i++)
        n += (size_t)__builtin_popcountll(s->word[i]);
    return n;
}

static struct event_set all(void)
{
    struct event_set s = {{0}};
    for (size_t i = 0; i < event_names_n; i++)
        s.word[i / 64] |= 1ULL << (i % 64);
    return s;
}

static struct event_set complement(struct event_set s)
{
    struct event_set every = all();
    for (size_t i = 0; i < EVENT_WORDS; i++)
        s.word[i] = every.word[i] & ~s.word[i];
    return s;
}

// evt.num = 0 and its like never hold: Falco's `never_true` macro. -1: never, 1: always, 0: says
// nothing.
int event_number_check(const struct check *c)
{
    uint64_t v;
    if (c->right || c->mod != MOD_NONE || c->n != 1 || parse_u64(c->values[0].text, &v) != 0)
        return 0;
    switch (c->op) {
    case CMP_EQ:
    case CMP_IN:
    case CMP_LE:
        return v == 0 ? -1 : 0;
    case CMP_LT:
        return v <= 1 ? -1 : 0;
    case CMP_NE:
    case CMP_GT:
        return v == 0 ? 1 : 0;
    case CMP_GE:
        return v <= 1 ? 1 : 0;
    default:
        return 0;
    }
}

static struct event_set of_check(const struct check *c, bool negate)
{
    struct event_set s = {{0}};
    if (c->left->type != EXPR_FIELD)
        return all();
    if (str_eq(c->left->name, STR("evt.num"))) {
        int holds = event_number_check(c);
        bool empty = negate ? holds == 1 : holds == -1;
        return empty ? s : all();
    }
    if (!str_eq(c->left->name, STR("evt.type")) || c->right || c->mod != MOD_NONE)
        return all();
    switch (c->op) {
    case CMP_EXISTS:
        return negate ? s : all();
    case CMP_EQ:
    case CMP_NE:
    case CMP_IN:
    case CMP_INTERSECTS:
        break;
    default:
        return all();
    }
    for (size_t i = 0; i < c->n; i++) {
        int e = event_name_find(c->values[i].text);
        if (e >= 0)
            s.word[e / 64] |= 1ULL << (e % 64);
    }
    return negate != (c->op == CMP_NE) ? complement(s) : s;
}

// Checks of anything but evt.type are all events, negated or not; `not` is pushed down to the
// checks.
static struct event_set of_node(const struct node *n, bool negate)
{
    switch (n->type) {
    case NODE_CHECK:
        return of_check(n->check, negate);
    case NODE_NOT:
        return of_node(n->kids[0], !negate);
    case NODE_MACRO:
        return n->body ? of_node(n->body, negate) : all();
    case NODE_AND:
    case NODE_OR: {
        bool both = (n->type == NODE_AND) != negate;
        struct event_set s = of_node(n->kids[0], negate);
        for (size_t i = 1; i < n->n; i++) {
            struct event_set k = of_node(n->kids[i], negate);
            for (size_t w = 0; w < EVENT_WORDS; w++)
                s.word[w] = both ? s.word[w] & k.word[w] : s.word[w] | k.word[w];
        }
        return s;
    }
    }
    return all();
}

struct event_set event_set_of(const struct node *n)
{
    return of_node(n, false);
}

size_t kind_event_names(uint16_t kind, struct str names[MAX_KIND_NAMES])
{
    // A record without its fixed part names no call: what its type is called then.
    struct bh_rec bare = {.kind = kind, .size = sizeof(bare)};
    size_t n = 0;
    names[n++] = event_type_name(&bare);
    for (size_t i = 0; i < model_calls_n && n < MAX_KIND_NAMES; i++)
        if (model_calls[i].kind == kind && !str_eq(names[0], str_of(model_calls[i].name)))
            names[n++] = str_of(model_calls[i].name);
    return n;
}

bool kind_is_call(uint16_t kind)
{
    switch (kind) {
    case BH_EXEC:
    case BH_FORK:
    case BH_EXIT:
    case BH_MEMFD:
    case BH_DUP_SOCKET:
    case BH_PTRACE:
    case BH_OPEN:
    case BH_CONNECT:
    case BH_ACCEPT:
    case BH_UDP_SEND:
    case BH_CRED:
    case BH_NAMESPACE:
    case BH_MOUNT:
        return true;
    default:
        return false;
    }
}
