/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* x86-64: the system call's number and arguments from its registers, and whether the 32-bit entry
 * made it. */
#pragma once

#include "bpf/observe/kernel.bpf.h"

/* arch/x86/include/asm/thread_info.h. The bit that the kernel itself decides by; the code segment
 * lies, since a 64-bit program may use int 0x80. */
#define ARCH_TS_COMPAT 0x0002

static __always_inline __u32 arch_call_number(const struct pt_regs *regs)
{
    return (__u32)regs->orig_ax;
}

/* Whether the call that the registers tell of still runs. They keep its number when it is over, for
 * what the kernel does on the way out (a core dump opens a file). */
static __always_inline bool arch_in_call(const struct pt_regs *regs)
{
    return (long)regs->orig_ax >= 0 && (long)regs->ax == -38; /* -ENOSYS from entry till the end */
}

static __always_inline bool arch_compat(struct task_struct *task)
{
    struct thread_info___status *info = (void *)&task->thread_info;
    return BPF_CORE_READ(info, status) & ARCH_TS_COMPAT;
}

/* n is a constant below 6. */
static __always_inline __u64 arch_argument(const struct pt_regs *regs, bool compat, int n)
{
    if (compat) {
        __u64 v = n == 0   ? regs->bx
                  : n == 1 ? regs->cx
                  : n == 2 ? regs->dx
                  : n == 3 ? regs->si
                  : n == 4 ? regs->di
                           : regs->bp;
        return (__u32)v;
    }
    return n == 0   ? regs->di
           : n == 1 ? regs->si
           : n == 2 ? regs->dx
           : n == 3 ? regs->r10
           : n == 4 ? regs->r8
                    : regs->r9;
}
