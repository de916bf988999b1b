// forks, runs /bin/true, waits.
#include "storm.h"
static void step(void)
{
    int st;
    pid_t p = fork();
    if (p == 0) {
        char *a[] = {"/bin/true", 0}, *e[] = {0};
        execve("/bin/true", a, e);
        _exit(127);
    }
    if (p < 0 || waitpid(p, &st, 0) != p || st)
        exit(1);
}
int main(int c, char **v)
{
    return storm(c, v, 20, step);
}
