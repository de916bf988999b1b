/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one program on sys_exit. It looks the call up in a table and leaves at once where nothing is
 * asked of it; else it goes on in the program of the call's domain, by tail call, so that each is
 * verified, counted and refused by itself.
 *
 * call_exit  tp_btf/sys_exit: attached only while a wanted kind has no hook of its own. For a call
 * that isn't asked for: 10 instructions, no helper.
 */
#include "bpf/observe/call.bpf.h"
#include "bpf/observe/arch.bpf.h"
#include "bpf/observe/exit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* By call: which program goes on (enum call_program); 0: none. */
__u8 call_programs[64];

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, CALL_PROGRAM_MAX);
    __type(key, __u32);
    __type(value, __u32);
} call_jumps SEC(".maps");

SEC("tp_btf/sys_exit")
int BPF_PROG(call_exit, struct pt_regs *regs, long ret)
{
    __u32 number = arch_call_number(regs);
    if (number >= BH_CALLS_MAX)
        return 0;
    struct call_entry e = calls[number];
    if (!(e.native | e.compat))
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    __u32 call = arch_compat(task) ? e.compat : e.native;
    bpf_tail_call(ctx, &call_jumps, call_programs[call & 63]);
    return 0;
}
