// Which system calls sys_exit looks at, by this machine's numbers, and which program goes on with
// each.
#include "sense/internal.h"

#include "bpf/observe/call.bpf.h"

static const struct {
    uint8_t call;
    int16_t native, compat;
} numbers[] = {
#define CALL(name, native, compat) {BH_CALL_##name, native, compat},
#include "bpf/arch/calls.h"
#undef CALL
};

static const struct {
    uint16_t kind;
    uint8_t program;
} goes_on[] = {
    {BH_OPEN, CALL_PROGRAM_OPEN},       {BH_MEMFD, CALL_PROGRAM_MEMFD},
    {BH_DUP_SOCKET, CALL_PROGRAM_DUP},  {BH_PTRACE, CALL_PROGRAM_PTRACE},
    {BH_ACCEPT, CALL_PROGRAM_ACCEPT},   {BH_CRED, CALL_PROGRAM_CRED},
    {BH_NAMESPACE, CALL_PROGRAM_CRED},  {BH_MOUNT, CALL_PROGRAM_MOUNT},
    {BH_CONNECT, CALL_PROGRAM_CONNECT},
};

static uint16_t kind_of(uint8_t call)
{
    for (size_t i = 0; i < model_calls_n; i++)
        if (model_calls[i].call == call)
            return model_calls[i].kind;
    return BH_KIND_NONE;
}

static uint8_t program_of(uint16_t kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(goes_on); i++)
        if (goes_on[i].kind == kind)
            return goes_on[i].program;
    return CALL_PROGRAM_NONE;
}

void programs_calls(struct sense *s, const struct bh_kind_set *any)
{
    static_assert(BH_CALL_MAX <= sizeof(((struct observe__bss *)NULL)->call_programs),
                  "a program for each call");
    struct observe__bss *bss = s->skeleton->bss;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint16_t kind = kind_of(numbers[i].call);
        bool asked = kind_set_has(any, kind) && !(kind == BH_OPEN && s->open_by_kernel_hook);
        // Namespaces and credentials change by the same calls' objects: one asks for both.
        if (kind == BH_CRED || kind == BH_NAMESPACE)
            asked = kind_set_has(any, BH_CRED) || kind_set_has(any, BH_NAMESPACE);
        uint8_t value = asked ? numbers[i].call : BH_CALL_NONE;
        bss->call_programs[numbers[i].call] = program_of(kind);
        if (numbers[i].native >= 0 && numbers[i].native < BH_CALLS_MAX)
            bss->calls_known[numbers[i].native].native = numbers[i].call;
        if (numbers[i].compat >= 0 && numbers[i].compat < BH_CALLS_MAX)
            bss->calls_known[numbers[i].compat].compat = numbers[i].call;
        if (numbers[i].native >= 0 && numbers[i].native < BH_CALLS_MAX)
            __atomic_store_n(&bss->calls[numbers[i].native].native, value, __ATOMIC_RELEASE);
        if (numbers[i].compat >= 0 && numbers[i].compat < BH_CALLS_MAX)
            __atomic_store_n(&bss->calls[numbers[i].compat].compat, value, __ATOMIC_RELEASE);
    }
}
