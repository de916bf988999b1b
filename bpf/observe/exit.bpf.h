/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs behind sys_exit share: which call it was, and the file behind a descriptor. And
 * for a hook in the middle of a call: which one that is. */
#pragma once

#include "bpf/observe/arch.bpf.h"
#include "bpf/observe/call.bpf.h"
#include "bpf/observe/maps.bpf.h"

/* By system-call number; written live by user space. */
struct call_entry calls[BH_CALLS_MAX] __weak;
/* The same whether or not sys_exit is asked to look at the call; written before anything is
 * attached. */
struct call_entry calls_known[BH_CALLS_MAX] __weak;

struct call {
    __u32 number;
    __u32 id; /* enum bh_call */
    bool compat;
};

static __always_inline struct call call_of(struct task_struct *task, const struct pt_regs *regs)
{
    struct call c = {.number = arch_call_number(regs), .compat = arch_compat(task)};
    struct call_entry e = calls[c.number & (BH_CALLS_MAX - 1)];
    c.id = c.compat ? e.compat : e.native;
    return c;
}

/* The call that the task is in; id 0: none, or none that we know (a fault, an io_uring worker). */
static __always_inline struct call call_running(struct task_struct *task,
                                                const struct pt_regs *regs)
{
    struct call c = {.number = arch_call_number(regs), .compat = arch_compat(task)};
    __u32 at = c.number;
    if (at >= BH_CALLS_MAX || !arch_in_call(regs))
        return c;
    barrier_var(at); /* else the mask, which the verifier needs, is optimised away */
    struct call_entry e = calls_known[at & (BH_CALLS_MAX - 1)];
    c.id = c.compat ? e.compat : e.native;
    return c;
}

/* The open file behind a descriptor of `task`, or 0. *shared: others share the table and may have
 * swapped it. */
static __always_inline struct file *file_of(struct task_struct *task, long fd, bool *shared)
{
    struct files_struct *files = BPF_CORE_READ(task, files);
    struct fdtable *table = BPF_CORE_READ(files, fdt);
    struct file *file = 0;
    if (fd < 0 || fd >= BPF_CORE_READ(table, max_fds))
        return 0;
    *shared = BPF_CORE_READ(files, count.counter) > 1;
    bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
    return file;
}

static __always_inline bool is_socket(struct file *file)
{
    return file && (BPF_CORE_READ(file, f_inode, i_mode) & STAT_FMT) == STAT_SOCK;
}
