// empty OBJECT: loads OBJECT's one program, attaches it, prints "ready", and stays until it is
// signalled.
#include <bpf/libbpf.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
    if (!object || bpf_object__load(object) != 0)
        return 1;
    struct bpf_program *program = bpf_object__next_program(object, NULL);
    struct bpf_link *link = program ? bpf_program__attach(program) : NULL;
    if (!link)
        return 1;
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
