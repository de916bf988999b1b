// Flags as Falco writes them: names in its tables' order, joined with bars, each bit told once.
#include "detect/rule/internal.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <sys/mount.h>

struct flag {
    uint64_t bits;
    const char *name;
};

static void names(struct writer *w, uint64_t flags, const struct flag *table, size_t n)
{
    bool first = w->at == w->start;
    for (size_t i = 0; i < n; i++) {
        if ((flags & table[i].bits) != table[i].bits)
            continue;
        flags &= ~table[i].bits;
        writer_format(w, "%s%s", first ? "" : "|", table[i].name);
        first = false;
    }
}

void flags_open(struct writer *w, uint32_t flags, bool created, const struct bh_file *file)
{
    static const struct flag before[] = {
        {O_DIRECTORY, "O_DIRECTORY"}, {O_DIRECT, "O_DIRECT"},     {O_TRUNC, "O_TRUNC"},
        {O_SYNC, "O_SYNC"},           {O_NONBLOCK, "O_NONBLOCK"}, {O_EXCL, "O_EXCL"},
        {O_DSYNC, "O_DSYNC"},         {O_APPEND, "O_APPEND"},     {O_CREAT, "O_CREAT"}};
    static const struct flag after[] = {{O_CLOEXEC, "O_CLOEXEC"}};
    enum { KERNEL_LARGEFILE = 0100000, KERNEL_TMPFILE = 020000000 };
    bool tmpfile = flags & KERNEL_TMPFILE;
    if (flags & KERNEL_LARGEFILE)
        writer_str(w, STR("O_LARGEFILE"));
    names(w, tmpfile ? flags & ~(uint32_t)O_DIRECTORY : flags, before, ARRAY_SIZE(before));
    uint32_t access = flags & O_ACCMODE;
    writer_format(w, "%s%s", w->at > w->start ? "|" : "",
                  access == O_RDWR     ? "O_RDWR"
                  : access == O_WRONLY ? "O_WRONLY"
                                       : "O_RDONLY");
    names(w, flags, after, ARRAY_SIZE(after));
    if (tmpfile)
        writer_str(w, STR("|O_TMPFILE"));
    if (created)
        writer_str(w, STR("|O_F_CREATED"));
    if (file && file->flags & BH_FILE_UPPER)
        writer_str(w, STR("|FD_UPPER_LAYER"));
    if (file && file->flags & BH_FILE_LOWER)
        writer_str(w, STR("|FD_LOWER_LAYER"));
}

void flags_clone(struct writer *w, uint64_t flags)
{
    static const struct flag table[] = {{CLONE_FILES, "CLONE_FILES"},
                                        {CLONE_FS, "CLONE_FS"},
                                        {CLONE_IO, "CLONE_IO"},
                                        {CLONE_NEWIPC, "CLONE_NEWIPC"},
                                        {CLONE_NEWNET, "CLONE_NEWNET"},
                                        {CLONE_NEWNS, "CLONE_NEWNS"},
                                        {CLONE_NEWPID, "CLONE_NEWPID"},
                                        {CLONE_NEWUTS, "CLONE_NEWUTS"},
                                        {CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
                                        {CLONE_PARENT, "CLONE_PARENT"},
                                        {CLONE_PTRACE, "CLONE_PTRACE"},
                                        {CLONE_SIGHAND, "CLONE_SIGHAND"},
                                        {CLONE_SYSVSEM, "CLONE_SYSVSEM"},
                                        {CLONE_THREAD, "CLONE_THREAD"},
                                        {CLONE_UNTRACED, "CLONE_UNTRACED"},
                                        {CLONE_VM, "CLONE_VM"},
                                        {CLONE_NEWUSER, "CLONE_NEWUSER"},
                                        {CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
                                        {CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"},
                                        {CLONE_SETTLS, "CLONE_SETTLS"},
                                        {CLONE_VFORK, "CLONE_VFORK"},
                                        {CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
                                        {CLONE_NEWTIME, "CLONE_NEWTIME"}};
    names(w, flags, table, ARRAY_SIZE(table));
}

void flags_mount(struct writer *w, uint64_t flags)
{
    static const struct flag table[] = {{1, "RDONLY"},
                                        {2, "NOSUID"},
                                        {4, "NODEV"},
                                        {8, "NOEXEC"},
                                        {16, "SYNCHRONOUS"},
                                        {32, "REMOUNT"},
                                        {64, "MANDLOCK"},
                                        {128, "DIRSYNC"},
                                        {1024, "NOATIME"},
                                        {2048, "NODIRATIME"},
                                        {4096, "BIND"},
                                        {8192, "MOVE"},
                                        {16384, "REC"},
                                        {32768, "SILENT"},
                                        {1 << 16, "POSIXACL"},
                                        {1 << 17, "UNBINDABLE"},
                                        {1 << 18, "PRIVATE"},
                                        {1 << 19, "SLAVE"},
                                        {1 << 20, "SHARED"},
                                        {1 << 21, "RELATIME"},
                                        {1 << 22, "KERNMOUNT"},
                                        {1 << 23, "I_VERSION"},
                                        {1 << 24, "STRICTATIME"},
                                        {1 << 25, "LAZYTIME"}};
    if ((flags & 0xffff0000) == 0xc0ed0000) // the magic number that old programs put there
        flags &= 0xffff;
    names(w, flags & 0xffffffff, table, ARRAY_SIZE(table));
}

void flags_umount(struct writer *w, uint64_t flags)
{
    static const struct flag table[] = {
        {1, "FORCE"}, {2, "DETACH"}, {4, "EXPIRE"}, {8, "NOFOLLOW"}};
    names(w, flags, table, ARRAY_SIZE(table));
}

void flags_memfd(struct writer *w, uint64_t flags)
{
    static const struct flag table[] = {
        {1, "MFD_CLOEXEC"}, {2, "MFD_ALLOW_SEALING"}, {4, "MFD_HUGETLB"}};
    names(w, flags, table, ARRAY_SIZE(table));
}

void flags_exe(struct writer *w, const struct bh_file *exe)
{
    static const struct flag table[] = {{BH_FILE_WRITABLE, "EXE_WRITABLE"},
                                        {BH_FILE_UPPER, "EXE_UPPER_LAYER"},
                                        {BH_FILE_MEMFD, "EXE_FROM_MEMFD"},
                                        {BH_FILE_LOWER, "EXE_LOWER_LAYER"}};
    names(w, exe->flags, table, ARRAY_SIZE(table));
}

void mode_bits(struct writer *w, uint32_t mode)
{
    static const struct flag table[] = {{01, "S_IXOTH"},    {02, "S_IWOTH"},    {04, "S_IROTH"},
                                        {010, "S_IXGRP"},   {020, "S_IWGRP"},   {040, "S_IRGRP"},
                                        {0100, "S_IXUSR"},  {0200, "S_IWUSR"},  {0400, "S_IRUSR"},
                                        {01000, "S_ISVTX"}, {02000, "S_ISGID"}, {04000, "S_ISUID"}};
    names(w, mode, table, ARRAY_SIZE(table));
}

void capability_names(struct writer *w, uint64_t caps)
{
    static const char *const table[] = {"CHOWN",
                                        "DAC_OVERRIDE",
                                        "DAC_READ_SEARCH",
                                        "FOWNER",
                                        "FSETID",
                                        "KILL",
                                        "SETGID",
                                        "SETUID",
                                        "SETPCAP",
                                        "LINUX_IMMUTABLE",
                                        "NET_BIND_SERVICE",
                                        "NET_BROADCAST",
                                        "NET_ADMIN",
                                        "NET_RAW",
                                        "IPC_LOCK",
                                        "IPC_OWNER",
                                        "SYS_MODULE",
                                        "SYS_RAWIO",
                                        "SYS_CHROOT",
                                        "SYS_PTRACE",
                                        "SYS_PACCT",
                                        "SYS_ADMIN",
                                        "SYS_BOOT",
                                        "SYS_NICE",
                                        "SYS_RESOURCE",
                                        "SYS_TIME",
                                        "SYS_TTY_CONFIG",
                                        "MKNOD",
                                        "LEASE",
                                        "AUDIT_WRITE",
                                        "AUDIT_CONTROL",
                                        "SETFCAP",
                                        "MAC_OVERRIDE",
                                        "MAC_ADMIN",
                                        "SYSLOG",
                                        "WAKE_ALARM",
                                        "BLOCK_SUSPEND",
                                        "AUDIT_READ",
                                        "PERFMON",
                                        "BPF",
                                        "CHECKPOINT_RESTORE"};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (caps >> i & 1)
            writer_format(w, "%sCAP_%s", w->at > w->start ? " " : "", table[i]);
}

const char *ptrace_request_name(uint64_t request)
{
    static const struct flag table[] = {{0, "PTRACE_TRACEME"},
                                        {1, "PTRACE_PEEKTEXT"},
                                        {2, "PTRACE_PEEKDATA"},
                                        {3, "PTRACE_PEEKUSR"},
                                        {4, "PTRACE_POKETEXT"},
                                        {5, "PTRACE_POKEDATA"},
                                        {6, "PTRACE_POKEUSR"},
                                        {7, "PTRACE_CONT"},
                                        {8, "PTRACE_KILL"},
                                        {9, "PTRACE_SINGLESTEP"},
                                        {12, "PTRACE_GETREGS"},
                                        {13, "PTRACE_SETREGS"},
                                        {14, "PTRACE_GETFPREGS"},
                                        {15, "PTRACE_SETFPREGS"},
                                        {16, "PTRACE_ATTACH"},
                                        {17, "PTRACE_DETACH"},
                                        {18, "PTRACE_GETFPXREGS"},
                                        {19, "PTRACE_SETFPXREGS"},
                                        {21, "PTRACE_OLDSETOPTIONS"},
                                        {24, "PTRACE_SYSCALL"},
                                        {25, "PTRACE_GET_THREAD_AREA"},
                                        {26, "PTRACE_SET_THREAD_AREA"},
                                        {30, "PTRACE_ARCH_PRCTL"},
                                        {31, "PTRACE_SYSEMU"},
                                        {32, "PTRACE_SYSEMU_SINGLESTEP"},
                                        {33, "PTRACE_SINGLEBLOCK"},
                                        {0x4200, "PTRACE_SETOPTIONS"},
                                        {0x4201, "PTRACE_GETEVENTMSG"},
                                        {0x4202, "PTRACE_GETSIGINFO"},
                                        {0x4203, "PTRACE_SETSIGINFO"},
                                        {0x4204, "PTRACE_GETREGSET"},
                                        {0x4205, "PTRACE_SETREGSET"},
                                        {0x4206, "PTRACE_SEIZE"},
                                        {0x4207, "PTRACE_INTERRUPT"},
                                        {0x4208, "PTRACE_LISTEN"},
                                        {0x4209, "PTRACE_PEEKSIGINFO"},
                                        {0x420a, "PTRACE_GETSIGMASK"},
                                        {0x420b, "PTRACE_SETSIGMASK"},
                                        {0x420c, "PTRACE_SECCOMP_GET_FILTER"},
                                        {0x420d, "PTRACE_SECCOMP_GET_METADATA"},
                                        {0x420e, "PTRACE_GET_SYSCALL_INFO"}};
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].bits == request)
            return table[i].name;
    return NULL;
}
