/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Chooses the folder of bpf/arch/ that the build asks for. */
#pragma once

#if defined(__TARGET_ARCH_x86)
#include "bpf/arch/x86_64/arch.bpf.h"
#else
#include "bpf/arch/arm64/arch.bpf.h"
#endif
