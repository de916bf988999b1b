// calls getpid() and nothing else: what an agent costs a call that it does not collect.
#include "storm.h"
static void step(void)
{
    syscall(SYS_getpid);
}
int main(int c, char **v)
{
    return storm(c, v, 10000, step);
}
