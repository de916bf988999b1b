/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The programs that sys_exit goes on in, shared with user space, which fills the jump table. */
#pragma once

#include "bpf/abi/abi.h"

/* What a system-call number is, natively and in the 32-bit table (enum bh_call). */
struct call_entry {
    bh_u8 native, compat;
};

enum call_program {
    CALL_PROGRAM_NONE = 0,
    CALL_PROGRAM_OPEN,
    CALL_PROGRAM_MEMFD,
    CALL_PROGRAM_DUP,
    CALL_PROGRAM_PTRACE,
    CALL_PROGRAM_ACCEPT,
    CALL_PROGRAM_CONNECT, /* Unix sockets: TCP has a hook of its own */
    CALL_PROGRAM_CRED,    /* credentials and namespaces */
    CALL_PROGRAM_MOUNT,
    CALL_PROGRAM_MAX
};
