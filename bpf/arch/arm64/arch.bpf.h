/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* arm64: the system call's number and arguments from its registers, and whether the 32-bit entry
 * made it. */
#pragma once

#include "bpf/observe/kernel.bpf.h"

/* arch/arm64/include/asm/thread_info.h: TIF_32BIT */
#define ARCH_TIF_32BIT (1UL << 22)

static __always_inline __u32 arch_call_number(const struct pt_regs *regs)
{
    return (__u32)regs->syscallno;
}

/* Whether the call that the registers tell of still runs. They keep its number when it is over, for
 * what the kernel does on the way out (a core dump opens a file); the first register holds the
 * first argument till then. */
static __always_inline bool arch_in_call(const struct pt_regs *regs)
{
    return regs->syscallno >= 0 && regs->regs[0] == regs->orig_x0;
}

static __always_inline bool arch_compat(struct task_struct *task)
{
    return task->thread_info.flags & ARCH_TIF_32BIT;
}

/* n is a constant below 6. The first register holds the result by now; the kernel keeps what was in
 * it. */
static __always_inline __u64 arch_argument(const struct pt_regs *regs, bool compat, int n)
{
    __u64 v = n == 0 ? regs->orig_x0 : regs->regs[n];
    return compat ? (__u32)v : v;
}
