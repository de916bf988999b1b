/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The system calls that sys_exit looks at, by number: CALL(enum bh_call without prefix, native
 * number, 32-bit number). -1: this architecture has no such call. From the kernel's
 * arch/<arch>/entry/syscalls and include/uapi/asm-generic/unistd.h. Included by user space, which
 * fills the table that sys_exit reads.
 */
#if defined(__x86_64__)
#include "bpf/arch/x86_64/calls.h"
#elif defined(__aarch64__)
#include "bpf/arch/arm64/calls.h"
#else
#error "unknown architecture: see bpf/arch/"
#endif
