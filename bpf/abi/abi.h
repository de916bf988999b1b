/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one wire format: records on the rings, in captures and in stored segments, and the types of
 * the maps that the agent and its BPF programs share. Everything here is fixed width, little
 * endian, 8-byte aligned, and asserted. A record is a header, its kind's fixed part, and bytes that
 * the fixed part's spans point at (offsets from the record's start; len 0 = not there). Zero bytes
 * where nothing was written.
 */
#pragma once

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 bh_u8;
typedef __u16 bh_u16;
typedef __u32 bh_u32;
typedef __u64 bh_u64;
typedef __s64 bh_s64;
typedef __s32 bh_s32;
#define BH_ASSERT(x) _Static_assert(x, #x)
#else
#include <assert.h>
#include <stdint.h>
typedef uint8_t bh_u8;
typedef uint16_t bh_u16;
typedef uint32_t bh_u32;
typedef uint64_t bh_u64;
typedef int64_t bh_s64;
typedef int32_t bh_s32;
#define BH_ASSERT(x) static_assert(x, #x)
#endif

#define BH_ABI_VERSION 1

/* Kinds below BH_KIND_USER come from the kernel's side (or from a sampler or scan that stands in
 * for it); the rest are the line's other inputs. Numbers are stable: never reuse one. Names and
 * texts: src/model/kinds.c. */
enum bh_kind {
    BH_KIND_NONE = 0,
    /* process */
    BH_EXEC = 1,
    BH_FORK = 2,
    BH_EXIT = 3,
    BH_MEMFD = 4,
    BH_DUP_SOCKET = 5, /* a socket became descriptor 0, 1 or 2 */
    BH_PTRACE = 6,
    BH_TASK = 7, /* the scan at start: a process that was there before us */
    /* file */
    BH_OPEN = 16,
    /* network */
    BH_CONNECT = 32,
    BH_ACCEPT = 33,
    BH_UDP_SEND = 34,
    /* privilege */
    BH_CRED = 48,
    BH_NAMESPACE = 49,
    BH_MOUNT = 50,
    /* container */
    BH_CGROUP_MAKE = 64,
    BH_CGROUP_ATTACH = 65,
    BH_CGROUP_REMOVE = 66,
    BH_CGROUP_SCAN = 67, /* the scan at start: a cgroup that was there before us */
    /* resource */
    BH_RESOURCE = 80,
    /* what the kernel did on our rows' behalf */
    BH_VERDICT = 96,
    BH_VERDICT_NET = 97, /* a row on the network */
    /* what was not sent */
    BH_LOSS = 112,  /* a gap in (ring, cpu)'s sequence: exact */
    BH_STORM = 113, /* what a container's budget held back, by kind: count, first, last */
    BH_KERNEL_MAX = 128,
    /* inputs of the line that user space makes */
    BH_KIND_USER = 256,
    BH_FACT = 256,       /* a worker's reply about a container */
    BH_GENERATION = 257, /* configuration and rules as source text */
    BH_TICK = 258,       /* time passed; header's time is now, payload the wall clock */
    BH_OPERATOR = 259,   /* a person's word (confirm, dismiss, …) */
    BH_OUTCOME = 260,    /* what the reconciler did and read back */
    BH_EVICT = 261,      /* a table was full: what was dropped from it */
    BH_EPOCH = 262, /* all shards have taken their inputs up to here; findings are merged now */
    BH_SCAN_DONE = 263,
    BH_COVERAGE = 264,  /* kinds, levels in force from here on */
    BH_ADDRESSES = 265, /* the addresses in a network namespace, the host's too */
    BH_FEED = 266,      /* a feed's indicators in parts, or what became of it */
    BH_PROFILE = 267,   /* what was learned of a workload before the agent started */
    BH_FILE_HASH = 268, /* what the worker made of an executed file */
    BH_KIND_MAX = 272,
};

enum bh_ring { BH_RING_CRITICAL = 0, BH_RING_BULK = 1, BH_RING_NONE = 2, BH_RING_MAX = 3 };

/* Where a record's words come from (evt.truth). */
enum bh_truth {
    BH_TRUTH_KERNEL_OBJECT = 0, /* the kernel's own object in the act's own context */
    BH_TRUTH_TASK_STATE = 1,    /* the task's own state, compared with what it was */
    BH_TRUTH_RETURNED_FD = 2,   /* the file behind a returned descriptor */
    BH_TRUTH_SOCKET = 3,        /* the socket, in the caller's context */
    BH_TRUTH_CALLER_MEMORY = 4, /* the caller's memory: it may have changed since */
    BH_TRUTH_SCAN = 5,          /* read when the agent started */
    BH_TRUTH_AGENT = 6,         /* made by the agent */
    BH_TRUTH_MAX
};

/* Record flags, any kind. */
#define BH_F_TRUNCATED (1u << 0) /* a string was cut, or a walk ended early */
#define BH_F_SHARED_TABLE                                                                          \
    (1u << 1) /* others share the descriptor table: the descriptor could have been swapped */
#define BH_F_MISMATCH                                                                              \
    (1u << 2) /* the opened file's name does not fit the caller's text, or slot was empty */
#define BH_F_COMPAT (1u << 3) /* a 32-bit system call */
#define BH_F_FAILED (1u << 4) /* the call failed; `result` says how */
#define BH_F_COPY   (1u << 5) /* a process or cgroup record that another shard owns */
#define BH_F_RENAMED                                                                               \
    (1u << 6) /* something was renamed while a path was walked: it may never have been whole */

struct bh_rec {
    bh_u16 kind;
    bh_u8 version; /* BH_ABI_VERSION */
    bh_u8 shard;
    bh_u32 size; /* with header, multiple of 8 */
    bh_u32 flags;
    bh_u16 cpu;
    bh_u8 ring;  /* enum bh_ring */
    bh_u8 truth; /* enum bh_truth */
    bh_u64 seq; /* per (ring of this shard, cpu), from 1; also counts what was not sent. 0: not from
                   a ring */
    bh_u64 time;      /* CLOCK_BOOTTIME, ns */
    bh_u64 cgroup;    /* leaf cgroup v2 id of the acting task */
    bh_u64 start;     /* start_boottime of the thread group's leader, ns */
    bh_u64 exec;      /* self_exec_id: which image of the process did it */
    bh_u32 container; /* number given in cgroup_mkdir; 0 = host */
    bh_u32 tgid;
    bh_u32 tid;
    bh_u8 level; /* how closely the container was watched */
    bh_u8 pad[3];
};
BH_ASSERT(sizeof(struct bh_rec) == 72);

struct bh_span {
    bh_u16 off, len;
};

#define BH_PATH_MAX 4096  /* bytes of one path, without terminator */
#define BH_ARGS_MAX 4096  /* bytes of all arguments, NUL-separated */
#define BH_REC_MAX  16384 /* any record from the kernel's side */

struct bh_creds {
    bh_u32 uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
    bh_u64 cap_effective, cap_permitted, cap_inheritable;
    bh_u32 loginuid; /* 0xffffffff: unset */
    bh_u32 userns;   /* inode number of the user namespace */
};
BH_ASSERT(sizeof(struct bh_creds) == 64);

struct bh_file {
    bh_u64 dev, ino;     /* dev: kernel's MKDEV encoding (major << 20 | minor) */
    bh_u64 ctime, mtime; /* ns */
    bh_u32 mode;         /* st_mode */
    bh_u32 uid;
    bh_u32 nlink;
    bh_u32 flags; /* BH_FILE_… */
    bh_u64 mnt_id;
};
#define BH_FILE_MEMFD (1u << 0)
#define BH_FILE_OVERLAY                                                                            \
    (1u << 1)                      /* lies on an overlay; UPPER and LOWER are only meaningful then \
                                    */
#define BH_FILE_UPPER    (1u << 2) /* overlay: has an upper dentry (written in this container) */
#define BH_FILE_LOWER    (1u << 3) /* overlay: only in lower layers (came with the image) */
#define BH_FILE_UNLINKED (1u << 4) /* nlink 0 */
#define BH_FILE_TMPFS    (1u << 5)
#define BH_FILE_WRITABLE (1u << 6) /* the acting credentials may write it (mode bits only) */
BH_ASSERT(sizeof(struct bh_file) == 56);

struct bh_nses {
    bh_u32 mnt, pid, net, ipc, uts, cgroup, user, time; /* inode numbers; pid: for children */
};
BH_ASSERT(sizeof(struct bh_nses) == 32);

/* BH_EXEC (header: the task after its exec), and BH_TASK (the scan; args may be empty: user space
 * adds them). */
struct bh_exec {
    bh_u32 ppid; /* real_parent's tgid */
    bh_u32 vpid; /* in its own pid namespace */
    bh_u64 parent_start, parent_exec;
    bh_u32 sid, pgid;  /* host view */
    bh_u32 tty;        /* device number, 0: none */
    bh_u32 args_total; /* bytes of all arguments before cutting */
    bh_u64 old_exec;   /* exec number before */
    struct bh_creds creds;
    struct bh_nses nses;
    struct bh_file exe;
    struct bh_span path; /* exe's path as the acting task's root sees it */
    struct bh_span args; /* argv[0] NUL argv[1] NUL … from the new stack */
    struct bh_span cwd;
    struct bh_span comm;
    struct bh_span name;   /* bprm->filename: what the caller asked for */
    struct bh_span interp; /* bprm->interp where it differs from name (scripts) */
    bh_u8 call;            /* BH_CALL_EXECVE or BH_CALL_EXECVEAT (0: unknown) */
    bh_u8 stdio[3];        /* enum bh_stdio: what descriptors 0, 1 and 2 are */
    struct bh_span socket; /* a struct bh_sock: the first of these that is a network socket */
};
/* What a standard stream is. A shell that hangs on a network connection shows here, however it was
 * put there; and a server whose streams are its connection does too, so the program decides. */
enum bh_stdio {
    BH_STDIO_UNKNOWN = 0,
    BH_STDIO_CLOSED = 1,
    BH_STDIO_FILE = 2, /* devices and terminals too */
    BH_STDIO_DIRECTORY = 3,
    BH_STDIO_PIPE = 4,
    BH_STDIO_UNIX = 5,
    BH_STDIO_IPV4 = 6,
    BH_STDIO_IPV6 = 7,
    BH_STDIO_OTHER = 8,
    BH_STDIO_MAX
};

/* BH_FORK (header: the parent). Threads are not sent. */
struct bh_fork {
    bh_u32 child; /* tgid */
    bh_u32 vpid;
    bh_u64 child_start, child_exec;
    bh_u64 child_cgroup; /* CLONE_INTO_CGROUP may differ from the parent's */
    bh_u32 child_container;
    bh_u32 pad;
    bh_u64 flags;        /* 0 where the kernel doesn't tell */
    struct bh_nses nses; /* the child's */
};

/* BH_EXIT (header: the last thread of the process). */
struct bh_exit {
    bh_u32 code; /* as wait(2) reports it */
    bh_u32 pad;
    bh_u64 utime, stime; /* ns */
};

struct bh_memfd {
    bh_s32 fd;
    bh_u32 flags;
    struct bh_span name;
    bh_u32 pad;
};

struct bh_sock {
    bh_u16 family;              /* AF_INET, AF_INET6, AF_UNIX */
    bh_u8 proto;                /* IPPROTO_… */
    bh_u8 state;                /* TCP state */
    bh_u16 lport, rport;        /* host order */
    bh_u8 laddr[16], raddr[16]; /* IPv4 in the first four bytes */
    bh_u64 cookie;
    bh_u32 netns;
    bh_u8 type; /* SOCK_STREAM, … */
    bh_u8 role; /* BH_ROLE_… */
    bh_u16 pad;
};
enum { BH_ROLE_UNKNOWN = 0, BH_ROLE_CLIENT = 1, BH_ROLE_SERVER = 2 };
BH_ASSERT(sizeof(struct bh_sock) == 56);

/* BH_CONNECT, BH_ACCEPT, BH_UDP_SEND. */
struct bh_net {
    struct bh_sock sock;
    bh_s32 fd; /* accept: the new descriptor; connect to a Unix socket: its own; else -1 */
    bh_s32 result;
    bh_u8 call; /* enum bh_call */
    bh_u8 pad[3];
    struct bh_span path; /* Unix: the address, an abstract one with its NUL in front */
};

/* BH_DUP_SOCKET */
struct bh_dup {
    bh_s32 oldfd, newfd;
    bh_u8 call;
    bh_u8 pad[7];
    struct bh_sock sock;
};

struct bh_ptrace {
    bh_u64 request;
    bh_u32 target; /* tgid, host view; 0 unknown */
    bh_u32 target_container;
    bh_u64 target_start;
    bh_s32 result;
    bh_u8 call; /* BH_CALL_PTRACE, _PROCESS_VM_READV, _PROCESS_VM_WRITEV; request is 0 for the
                   latter two */
    bh_u8 pad[3];
};

struct bh_open {
    bh_s32 fd;
    bh_u32 flags; /* O_… as the file has them (f_flags), with O_CREAT, O_TRUNC, … from the call
                     where known */
    bh_u32 mode;
    bh_u32 created; /* 1: FMODE_CREATED */
    struct bh_file file;
    struct bh_span path;  /* walked from the file, as the task's root sees it */
    struct bh_span asked; /* the caller's text (caller memory) */
    bh_u8 call;
    bh_u8 pad[7];
};

/* BH_CRED: the task's credentials are now other than they were last seen. */
struct bh_cred_change {
    struct bh_creds old, now;
    bh_u8 call; /* BH_CALL_NONE: no call explains it */
    bh_u8 pad[7];
};

/* BH_NAMESPACE */
struct bh_ns_change {
    struct bh_nses old, now;
    bh_u64 flags; /* CLONE_NEW… asked for, where known */
    bh_u8 call;
    bh_u8 pad[7];
};

struct bh_mount {
    struct bh_span source, target,
        fstype; /* target: walked where the call worked, else the caller's text */
    bh_u32 pad;
    bh_u64 flags;
    bh_s32 result;
    bh_u8 call;
    bh_u8 pad2[3];
};

/* BH_CGROUP_MAKE (header: the caller of mkdir), _SCAN, _REMOVE; _ATTACH: header is the attached
 * task. */
struct bh_cgroup {
    bh_u64 id, parent;
    bh_u32 container; /* number of the container that this cgroup belongs to */
    bh_u32 parent_container;
    bh_u32 level;     /* depth below the root */
    bh_u32 inherited; /* 1: belongs to its parent's container; 0: may be a container of its own */
    struct bh_span path; /* in the v2 tree, "/a/b" */
    struct bh_span cwd;  /* of the caller: the bundle, for OCI runtimes */
};

/* BH_RESOURCE: sums since the container began, read by the agent's sampler. ~0 = not readable here.
 */
struct bh_resource {
    bh_u64 cpu_ns, memory_bytes, memory_limit_bytes;
    bh_u64 io_read_bytes, io_write_bytes;
    bh_u64 pids, pids_limit;
    bh_u64 net_rx_bytes, net_tx_bytes, net_rx_packets, net_tx_packets;
};

/* BH_VERDICT: a row was met. Header: the acting task. */
struct bh_verdict {
    bh_u64 row;   /* row's number in the desired-state table */
    bh_u8 action; /* enum bh_action */
    bh_u8 effect; /* enum bh_effect */
    bh_u8 object; /* enum bh_object */
    bh_u8 pad[5];
    struct bh_file file;
    struct bh_span path;
    bh_u32 pad2;
};

/* BH_VERDICT_NET. Header: the acting task, or where there is none (a packet came in) only the
 * container, its cgroup and the time. */
struct bh_verdict_net {
    bh_u64 row;          /* row's number in the desired-state table */
    bh_u8 action;        /* enum bh_action */
    bh_u8 effect;        /* enum bh_effect */
    bh_u8 object;        /* BH_OBJECT_INGRESS, _EGRESS, _SOCKET */
    bh_u8 reason;        /* enum bh_net_reason */
    bh_u32 peer;         /* the other end's container, 0: none that is known */
    bh_u64 held;         /* the same since the last record of it, not sent */
    struct bh_sock sock; /* seen from the container: local is its own end */
};
enum bh_net_reason {
    BH_NET_NO_LINE = 0,  /* a policy selects it, and none of its lines allows this */
    BH_NET_DENIED = 1,   /* a line denies this */
    BH_NET_ISOLATED = 2, /* the container is isolated */
    BH_NET_PENDING = 3,  /* its facts are not known yet */
    BH_NET_REASON_MAX
};

struct bh_loss {
    bh_u32 ring, cpu;
    bh_u64 first, last;   /* missing sequence numbers, inclusive */
    bh_u64 after, before; /* times of the records on both sides (0: none) */
};

struct bh_storm {
    bh_u32 container, kind;
    bh_u64 count, first, last; /* times of the first and last one held back */
    bh_u32 cause;              /* enum bh_storm_cause */
    bh_u32 ring;
};
enum bh_storm_cause {
    BH_STORM_BUDGET = 0,
    BH_STORM_RING_FULL = 1,
    BH_STORM_MISSED = 2,
    BH_STORM_MAX
};

struct bh_tick {
    bh_u64 wall; /* ns since 1970 */
};

/* BH_FACT, BH_GENERATION, BH_OPERATOR, BH_OUTCOME, BH_EVICT, BH_COVERAGE: JSON text. */
struct bh_text {
    bh_u32 len;  /* bytes that follow this struct */
    bh_u32 what; /* FACT: container; GENERATION: number; EVICT: table; else 0 */
};

/* BH_FEED: one file of a feed, loaded. First BEGIN (JSON: the feed's words, what was read), then
 * PARTs in order (indicators, packed back to back), then COMMIT: only then all of it is in force,
 * at once. HELD (JSON) says that the last load was not taken, GONE that the file is no more. */
enum bh_feed_what {
    BH_FEED_BEGIN = 1,
    BH_FEED_PART = 2,
    BH_FEED_COMMIT = 3,
    BH_FEED_HELD = 4,
    BH_FEED_GONE = 5,
    BH_FEED_WHAT_MAX
};
struct bh_feed {
    bh_u64 unit;  /* a hash of the feed's and the file's name */
    bh_u64 load;  /* grows with each load of the agent */
    bh_u32 what;  /* enum bh_feed_what */
    bh_u32 part;  /* PART: its number from 0 */
    bh_u32 count; /* PART: indicators in it; COMMIT: in all */
    bh_u32 len;   /* bytes that follow this struct */
};
BH_ASSERT(sizeof(struct bh_feed) == 32);

/* An indicator, packed: this, the value, the label, zeroes up to `size` (a multiple of 8). */
struct bh_indicator {
    bh_u8 type;       /* enum indicator_type (src/model) */
    bh_u8 bits;       /* NETWORK: length of the prefix */
    bh_u8 confidence; /* percent */
    bh_u8 flags;      /* BH_INDICATOR_… */
    bh_u8 value_len, label_len;
    bh_u16 size;
    bh_u64 valid_from, valid_until; /* ns since 1970; 0: open */
};
BH_ASSERT(sizeof(struct bh_indicator) == 24);
#define BH_INDICATOR_BELOW (1u << 0) /* DOMAIN: also every name below it */
#define BH_INDICATOR_URL   (1u << 1) /* the feed named an URL; this is its host */

/* BH_FILE_HASH (header: the process whose file it was). All zero hashes: it could not be read. */
struct bh_file_hash {
    bh_u64 dev, ino, ctime; /* as the exec's record had them */
    bh_u64 bytes;
    bh_s32 error; /* 0 or a negative errno */
    bh_u8 sha256[32], sha1[20], md5[16];
};
BH_ASSERT(sizeof(struct bh_file_hash) == 104);

/* The system calls that records name. Falco's evt.type is the name. Table: src/model/calls.c */
enum bh_call {
    BH_CALL_NONE = 0,
    BH_CALL_EXECVE,
    BH_CALL_EXECVEAT,
    BH_CALL_OPEN,
    BH_CALL_OPENAT,
    BH_CALL_OPENAT2,
    BH_CALL_CREAT,
    BH_CALL_OPEN_BY_HANDLE_AT,
    BH_CALL_CONNECT,
    BH_CALL_ACCEPT,
    BH_CALL_ACCEPT4,
    BH_CALL_SENDTO,
    BH_CALL_SENDMSG,
    BH_CALL_SENDMMSG,
    BH_CALL_MEMFD_CREATE,
    BH_CALL_DUP,
    BH_CALL_DUP2,
    BH_CALL_DUP3,
    BH_CALL_FCNTL,
    BH_CALL_UNSHARE,
    BH_CALL_SETNS,
    BH_CALL_CLONE,
    BH_CALL_CLONE3,
    BH_CALL_FORK,
    BH_CALL_VFORK,
    BH_CALL_SETUID,
    BH_CALL_SETGID,
    BH_CALL_SETREUID,
    BH_CALL_SETREGID,
    BH_CALL_SETRESUID,
    BH_CALL_SETRESGID,
    BH_CALL_SETFSUID,
    BH_CALL_SETFSGID,
    BH_CALL_SETGROUPS,
    BH_CALL_CAPSET,
    BH_CALL_MOUNT,
    BH_CALL_UMOUNT2,
    BH_CALL_MOVE_MOUNT,
    BH_CALL_OPEN_TREE,
    BH_CALL_FSMOUNT,
    BH_CALL_PIVOT_ROOT,
    BH_CALL_CHROOT,
    BH_CALL_PTRACE,
    BH_CALL_PROCESS_VM_READV,
    BH_CALL_PROCESS_VM_WRITEV,
    BH_CALL_PRCTL,
    BH_CALL_KEYCTL,
    BH_CALL_MAX
};

/* ── maps ─────────────────────────────────────────────────────────────────────────────────── */

#define BH_MAX_CONTAINERS 4096
#define BH_MAX_CGROUPS    16384
#define BH_MAX_SHARDS     8

/* cgroups: HASH, cgroup id → */
struct bh_cgroup_entry {
    bh_u32 container; /* 0: host */
    bh_u32 sealed;    /* 1: known to be a container: what is made below stays it */
};

/* A bit for each kind below BH_KERNEL_MAX. */
struct bh_kind_set {
    bh_u64 word[2];
};
#define BH_KIND_WORD(kind) ((kind) >> 6)
#define BH_KIND_BIT(kind)  (1ULL << ((kind)&63))

/* containers: HASH, container number → what the kernel's side needs of it. */
struct bh_container_entry {
    struct bh_kind_set kinds; /* wanted of it beyond the common set */
    bh_u32 level;
    bh_u32 state; /* enum bh_container_state */
    /* budgets: tokens (records) and when they were last filled, per ring */
    bh_u64 tokens[2];
    bh_u64 filled[2];
    bh_u64 cgroup; /* its own cgroup: the entry goes when that one is removed */
};
/* What a number turned out to be. Until that is known it is watched as host and container together.
 */
enum bh_container_state {
    BH_CONTAINER_UNDECIDED = 0,
    BH_CONTAINER_PLAIN = 1,
    BH_CONTAINER_SEALED = 2
};

/* storms: PERCPU_HASH, key → counts that the agent drains at each tick. */
struct bh_storm_key {
    bh_u32 container, kind, cause, ring;
};
struct bh_storm_value {
    bh_u64 count, first, last; /* count: since the start; first: in this window; last: ever */
    bh_u64 window;             /* settings.window when first was set */
};

/* What the loader sets in `settings` (ARRAY of one; live, changed by the agent at run time). */
#define BH_CALLS_MAX 512
struct bh_settings {
    struct bh_kind_set host_kinds;      /* wanted of the host and of plain cgroups */
    struct bh_kind_set container_kinds; /* wanted of containers */
    struct bh_kind_set
        any_kinds; /* wanted of anyone, single containers too: which hooks have work */
    bh_u32 shards;
    bh_u32 self;       /* the agent's core: its own records are dropped */
    bh_u64 reserve[2]; /* tokens a second that every container has for itself, per ring */
    bh_u64 burst[2];   /* at most so many tokens saved up */
    bh_u32 ring_bytes[2];
    bh_u64 heartbeat;   /* boot time of the core's last turn */
    bh_u64 rename_lock; /* the kernel's address of it, 0: not known. Set once, before anything is
                           attached */
    bh_u64 window;      /* grows each time the storms are reported */
    bh_u32 seen_epoch;  /* what was remembered of a task in another epoch is not compared with */
    bh_u32 pad;
    /* By shard. 1: whoever takes its records sleeps and must be woken by the next one, who sets it
     * to 0. 0: it looks again by itself, so that a busy ring costs no wake-up a record. */
    bh_u32 parked[BH_MAX_SHARDS];
};

/* ── rows that refuse an exec ─────────────────────────────────────────────────────────────── */

enum bh_object {
    BH_OBJECT_NONE = 0,
    BH_OBJECT_PATH = 1,         /* the executable's path, exact */
    BH_OBJECT_INODE = 2,        /* device, inode, ctime */
    BH_OBJECT_NOT_IN_IMAGE = 3, /* written into the container since it was made */
    BH_OBJECT_MEMFD = 4,        /* a memfd, or a file without a name */
    BH_OBJECT_ANY = 5,
    BH_OBJECT_EXEC_LAST = BH_OBJECT_ANY,
    BH_OBJECT_INGRESS = 6, /* of network rows: what comes in, goes out; the making of a socket */
    BH_OBJECT_EGRESS = 7,
    BH_OBJECT_SOCKET = 8,
    BH_OBJECT_MAX
};
enum bh_action { BH_ACTION_NONE = 0, BH_ACTION_AUDIT = 1, BH_ACTION_DENY = 2, BH_ACTION_MAX };
enum bh_effect {
    BH_EFFECT_NONE = 0,
    BH_EFFECT_REFUSED = 1,       /* EPERM before it happened */
    BH_EFFECT_KILLED_BEFORE = 2, /* SIGKILL before the new image's first instruction */
    BH_EFFECT_KILLED_AFTER = 3,
    BH_EFFECT_WOULD = 4, /* audit */
    BH_EFFECT_MAX
};

#define BH_ROW_PATH_MAX 256
/* exec_rows: HASH. container ~0: every container (never the host). */
struct bh_exec_key {
    bh_u32 container;
    bh_u32 object; /* enum bh_object */
    bh_u64 a, b;   /* PATH: hash (bh_path_hash), length. INODE: dev, ino. else 0 */
};
struct bh_exec_row {
    bh_u64 row;    /* desired-state number, reported back */
    bh_u64 until;  /* boot ns; past it the row is not there. 0: no end */
    bh_u64 ctime;  /* INODE: ns, must fit. NOT_IN_IMAGE: when the container was made, ns since 1970;
                      0: unknown */
    bh_u32 action; /* enum bh_action */
    bh_s32
        priority; /* of all rows that fit the highest wins; then the container's own; then DENY */
    bh_u32 flags; /* BH_ROW_… */
    bh_u8 id[12]; /* the row's id: an agent that starts again knows what the one before it wrote */
    char path[BH_ROW_PATH_MAX]; /* PATH: compared in full, so a hash collision denies nothing.
                                   Zeroes behind it */
};
/* An exec by a process that still is the runtime is let pass: its parent runs outside the
 * container, in the same mount namespace (runc executes a copy of itself from a memfd inside the
 * container's cgroup). */
#define BH_ROW_SPARE_RUNTIME (1u << 0)
/* The self-proof's rows: in force, but no verdict is sent. */
#define BH_ROW_SILENT (1u << 1)
BH_ASSERT(sizeof(struct bh_exec_row) == 304);

/* FNV-1a over the path's bytes; the same loop in the kernel and here. */
#define BH_FNV_START      0xcbf29ce484222325ULL
#define BH_FNV_STEP(h, c) (((h) ^ (bh_u8)(c)) * 0x100000001b3ULL)

#include "bpf/abi/network.h"
