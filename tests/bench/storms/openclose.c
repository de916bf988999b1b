// opens and closes one temporary file.
#include "storm.h"
static char path[] = "/tmp/storm.XXXXXX";
static void step(void)
{
    int f = open(path, O_RDONLY);
    if (f < 0)
        exit(1);
    close(f);
}
int main(int c, char **v)
{
    int f = mkstemp(path);
    if (f < 0)
        return 1;
    close(f);
    int r = storm(c, v, 1000, step);
    unlink(path);
    return r;
}
