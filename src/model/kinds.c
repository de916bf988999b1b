// The tables of record kinds and of the system calls that records name.
#include "model/model.h"

const struct kind_row model_kinds[] = {
    {BH_EXEC, "exec", "process", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true, false,
     "a process runs a new program"},
    {BH_FORK, "fork", "process", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true, false,
     "a process made another"},
    {BH_EXIT, "exit", "process", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true, false,
     "a process's last thread ended"},
    {BH_MEMFD, "memfd", "process", BH_RING_BULK, BH_TRUTH_RETURNED_FD, false, true,
     "a file without a name was made"},
    {BH_DUP_SOCKET, "dup-socket", "process", BH_RING_CRITICAL, BH_TRUTH_RETURNED_FD, false, true,
     "a socket became descriptor 0, 1 or 2"},
    {BH_PTRACE, "ptrace", "process", BH_RING_CRITICAL, BH_TRUTH_CALLER_MEMORY, false, true,
     "a process traced another"},
    {BH_TASK, "task", "process", BH_RING_NONE, BH_TRUTH_SCAN, true, false,
     "a process that was there when the agent started"},
    {BH_OPEN, "open", "file", BH_RING_BULK, BH_TRUTH_RETURNED_FD, false, true, "a file was opened"},
    {BH_CONNECT, "connect", "network", BH_RING_BULK, BH_TRUTH_SOCKET, false, true,
     "a TCP connection was begun, or one to a Unix socket"},
    {BH_ACCEPT, "accept", "network", BH_RING_BULK, BH_TRUTH_RETURNED_FD, false, true,
     "a TCP connection was accepted"},
    {BH_UDP_SEND, "udp-send", "network", BH_RING_BULK, BH_TRUTH_SOCKET, false, false,
     "a datagram was sent to an address"},
    {BH_CRED, "cred", "privilege", BH_RING_CRITICAL, BH_TRUTH_TASK_STATE, false, true,
     "a process's credentials changed"},
    {BH_NAMESPACE, "namespace", "privilege", BH_RING_CRITICAL, BH_TRUTH_TASK_STATE, false, true,
     "a process's namespaces changed"},
    {BH_MOUNT, "mount", "privilege", BH_RING_CRITICAL, BH_TRUTH_CALLER_MEMORY, false, true,
     "something was mounted or unmounted"},
    {BH_CGROUP_MAKE, "cgroup-make", "container", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true,
     false, "a cgroup was made"},
    {BH_CGROUP_ATTACH, "cgroup-attach", "container", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true,
     false, "a process moved to a cgroup"},
    {BH_CGROUP_REMOVE, "cgroup-remove", "container", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, true,
     false, "a cgroup was removed"},
    {BH_CGROUP_SCAN, "cgroup", "container", BH_RING_NONE, BH_TRUTH_SCAN, true, false,
     "a cgroup that was there when the agent started"},
    {BH_RESOURCE, "resource", "resource", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "what a container has used so far"},
    {BH_VERDICT, "verdict", "enforcement", BH_RING_CRITICAL, BH_TRUTH_KERNEL_OBJECT, false, false,
     "a row was met"},
    {BH_VERDICT_NET, "verdict-net", "enforcement", BH_RING_CRITICAL, BH_TRUTH_SOCKET, false, false,
     "a row on the network was met"},
    {BH_LOSS, "loss", "meta", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "records are missing: exactly these"},
    {BH_STORM, "storm", "meta", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "records that a container's budget held back"},
    {BH_FACT, "fact", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "what the worker found out about a container"},
    {BH_GENERATION, "generation", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "configuration and rules from here on"},
    {BH_TICK, "tick", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false, "time passed"},
    {BH_OPERATOR, "operator", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "a person's word"},
    {BH_OUTCOME, "outcome", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "what the reconciler did and read back"},
    {BH_EVICT, "evict", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "a table was full: what it let go"},
    {BH_EPOCH, "epoch", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "all shards have come this far"},
    {BH_SCAN_DONE, "scan-done", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "the scan at start is complete"},
    {BH_COVERAGE, "coverage", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "what is watched from here on"},
    {BH_ADDRESSES, "addresses", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "the addresses in a network namespace"},
    {BH_PROFILE, "profile", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "what was learned of a workload before the agent started"},
    {BH_FEED, "feed", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "indicators of a feed, or what became of it"},
    {BH_FILE_HASH, "file-hash", "input", BH_RING_NONE, BH_TRUTH_AGENT, false, false,
     "hashes of an executed file"},
};
const size_t model_kinds_n = ARRAY_SIZE(model_kinds);

const struct kind_row *kind_row(uint16_t kind)
{
    for (size_t i = 0; i < model_kinds_n; i++)
        if (model_kinds[i].kind == kind)
            return &model_kinds[i];
    return NULL;
}

const struct kind_row *kind_by_name(struct str name)
{
    for (size_t i = 0; i < model_kinds_n; i++)
        if (str_eq(str_of(model_kinds[i].name), name))
            return &model_kinds[i];
    return NULL;
}

const struct call_row model_calls[] = {
    {BH_CALL_EXECVE, "execve", BH_EXEC},
    {BH_CALL_EXECVEAT, "execveat", BH_EXEC},
    {BH_CALL_OPEN, "open", BH_OPEN},
    {BH_CALL_OPENAT, "openat", BH_OPEN},
    {BH_CALL_OPENAT2, "openat2", BH_OPEN},
    {BH_CALL_CREAT, "creat", BH_OPEN},
    {BH_CALL_OPEN_BY_HANDLE_AT, "open_by_handle_at", BH_OPEN},
    {BH_CALL_CONNECT, "connect", BH_CONNECT},
    {BH_CALL_ACCEPT, "accept", BH_ACCEPT},
    {BH_CALL_ACCEPT4, "accept4", BH_ACCEPT},
    {BH_CALL_SENDTO, "sendto", BH_UDP_SEND},
    {BH_CALL_SENDMSG, "sendmsg", BH_UDP_SEND},
    {BH_CALL_SENDMMSG, "sendmmsg", BH_UDP_SEND},
    {BH_CALL_MEMFD_CREATE, "memfd_create", BH_MEMFD},
    {BH_CALL_DUP, "dup", BH_DUP_SOCKET},
    {BH_CALL_DUP2, "dup2", BH_DUP_SOCKET},
    {BH_CALL_DUP3, "dup3", BH_DUP_SOCKET},
    {BH_CALL_FCNTL, "fcntl", BH_DUP_SOCKET},
    {BH_CALL_UNSHARE, "unshare", BH_NAMESPACE},
    {BH_CALL_SETNS, "setns", BH_NAMESPACE},
    {BH_CALL_CLONE, "clone", BH_FORK},
    {BH_CALL_CLONE3, "clone3", BH_FORK},
    {BH_CALL_FORK, "fork", BH_FORK},
    {BH_CALL_VFORK, "vfork", BH_FORK},
    {BH_CALL_SETUID, "setuid", BH_CRED},
    {BH_CALL_SETGID, "setgid", BH_CRED},
    {BH_CALL_SETREUID, "setreuid", BH_CRED},
    {BH_CALL_SETREGID, "setregid", BH_CRED},
    {BH_CALL_SETRESUID, "setresuid", BH_CRED},
    {BH_CALL_SETRESGID, "setresgid", BH_CRED},
    {BH_CALL_SETFSUID, "setfsuid", BH_CRED},
    {BH_CALL_SETFSGID, "setfsgid", BH_CRED},
    {BH_CALL_SETGROUPS, "setgroups", BH_CRED},
    {BH_CALL_CAPSET, "capset", BH_CRED},
    {BH_CALL_PRCTL, "prctl", BH_CRED},
    {BH_CALL_KEYCTL, "keyctl", BH_CRED},
    {BH_CALL_MOUNT, "mount", BH_MOUNT},
    {BH_CALL_UMOUNT2, "umount2", BH_MOUNT},
    {BH_CALL_MOVE_MOUNT, "move_mount", BH_MOUNT},
    {BH_CALL_OPEN_TREE, "open_tree", BH_MOUNT},
    {BH_CALL_FSMOUNT, "fsmount", BH_MOUNT},
    {BH_CALL_PIVOT_ROOT, "pivot_root", BH_MOUNT},
    {BH_CALL_CHROOT, "chroot", BH_MOUNT},
    {BH_CALL_PTRACE, "ptrace", BH_PTRACE},
    {BH_CALL_PROCESS_VM_READV, "process_vm_readv", BH_PTRACE},
    {BH_CALL_PROCESS_VM_WRITEV, "process_vm_writev", BH_PTRACE},
};
const size_t model_calls_n = ARRAY_SIZE(model_calls);

const char *call_name(uint8_t call)
{
    for (size_t i = 0; i < model_calls_n; i++)
        if (model_calls[i].call == call)
            return model_calls[i].name;
    return "";
}

// The byte that names the call, for kinds that have one.
static uint8_t call_of(const struct bh_rec *rec)
{
    switch (rec->kind) {
    case BH_EXEC:
        return REC_AS(rec, bh_exec) ? REC_AS(rec, bh_exec)->call : 0;
    case BH_OPEN:
        return REC_AS(rec, bh_open) ? REC_AS(rec, bh_open)->call : 0;
    case BH_CONNECT:
    case BH_ACCEPT:
    case BH_UDP_SEND:
        return REC_AS(rec, bh_net) ? REC_AS(rec, bh_net)->call : 0;
    case BH_DUP_SOCKET:
        return REC_AS(rec, bh_dup) ? REC_AS(rec, bh_dup)->call : 0;
    case BH_CRED:
        return REC_AS(rec, bh_cred_change) ? REC_AS(rec, bh_cred_change)->call : 0;
    case BH_NAMESPACE:
        return REC_AS(rec, bh_ns_change) ? REC_AS(rec, bh_ns_change)->call : 0;
    case BH_MOUNT:
        return REC_AS(rec, bh_mount) ? REC_AS(rec, bh_mount)->call : 0;
    case BH_PTRACE:
        return REC_AS(rec, bh_ptrace) ? REC_AS(rec, bh_ptrace)->call : 0;
    default:
        return BH_CALL_NONE;
    }
}

struct str event_type_name(const struct bh_rec *rec)
{
    // Where the record names no call, the call that does it most: rules name calls.
    static const struct {
        uint16_t kind;
        const char *name;
    } usual[] = {{BH_EXEC, "execve"},        {BH_FORK, "clone"},      {BH_EXIT, "procexit"},
                 {BH_MEMFD, "memfd_create"}, {BH_OPEN, "openat"},     {BH_CONNECT, "connect"},
                 {BH_ACCEPT, "accept4"},     {BH_UDP_SEND, "sendto"}, {BH_DUP_SOCKET, "dup2"},
                 {BH_PTRACE, "ptrace"},      {BH_MOUNT, "mount"}};
    uint8_t call = call_of(rec);
    if (call != BH_CALL_NONE)
        return str_of(call_name(call));
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (usual[i].kind == rec->kind)
            return str_of(usual[i].name);
    const struct kind_row *k = kind_row(rec->kind);
    return str_of(k ? k->name : "unknown");
}

void interest_base(struct interest *i)
{
    static const uint16_t base[] = {BH_EXEC,          BH_FORK,          BH_EXIT,    BH_CGROUP_MAKE,
                                    BH_CGROUP_ATTACH, BH_CGROUP_REMOVE, BH_VERDICT, BH_VERDICT_NET};
    for (size_t k = 0; k < ARRAY_SIZE(base); k++) {
        kind_set_add(&i->host, base[k]);
        kind_set_add(&i->containers, base[k]);
    }
}
