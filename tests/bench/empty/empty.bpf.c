/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* An empty program on sys_exit: what being attached costs by itself. The bar for bare calls is
 * relative to it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sys_exit")
int empty(void *ctx)
{
    return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
