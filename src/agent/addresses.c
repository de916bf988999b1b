// Which addresses containers and the machine have: read by netlink in each network namespace when a
// container is known, when its own program begins, and again with time, and handed to the line as
// BH_ADDRESSES.
#include "agent/core.h"

#include <arpa/inet.h>

#define REFRESH_NS (2 * NSEC_PER_SEC)

static void hand_in(struct core *c, uint32_t container, uint32_t netns, uint8_t (*addresses)[16],
                    size_t n)
{
    _cleanup_buf_ struct buf text = {0};
    struct json j = json_on(&text);
    json_object(&j);
    json_ku64(&j, "container", container);
    json_ku64(&j, "netns", netns);
    json_key(&j, "addresses");
    json_array(&j);
    for (size_t i = 0; i < n; i++) {
        char word[INET6_ADDRSTRLEN] = "";
        bool v4 = address_is_v4(addresses[i]);
        inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addresses[i] + 12 : addresses[i], word,
                  sizeof(word));
        json_cstr(&j, word);
    }
    json_array_end(&j);
    json_object_end(&j);
    if (!text.failed)
        core_input_text(c, BH_ADDRESSES, container, container, buf_view(&text));
}

struct finding_pid {
    uint32_t container, pid;
};

static int find_pid(void *ctx, const struct process *p)
{
    struct finding_pid *f = ctx;
    if (p->container != f->container || p->exited_ns)
        return 0;
    f->pid = p->tgid;
    return 1;
}

void core_read_addresses(struct core *c, const struct container *container)
{
    struct finding_pid f = {.container = container ? container->number : 0, .pid = 1};
    uint8_t addresses[MAX_SEGMENT_ADDRESSES][16];
    uint32_t netns;
    if (container) {
        f.pid = 0;
        if (container->number == 0 || container->gone || container->type != CONTAINER_OCI)
            return;
        identify_processes(line_identify(c->line, container->number % c->shards), find_pid, &f);
    }
    int n = f.pid ? host_addresses(c->host, f.pid, &netns, addresses, MAX_SEGMENT_ADDRESSES) : 0;
    if (f.pid && n >= 0)
        hand_in(c, f.container, netns, addresses, (size_t)n);
}

static int refresh(void *ctx, const struct container *container)
{
    if (container->number)
        core_read_addresses(ctx, container);
    return 0;
}

void core_refresh_addresses(struct core *c, uint64_t now)
{
    if (c->last_addresses && now - c->last_addresses < REFRESH_NS)
        return;
    c->last_addresses = now;
    core_read_addresses(c, NULL);
    for (unsigned i = 0; i < c->shards; i++)
        if (i == 0) // every shard knows all containers
            identify_containers(line_identify(c->line, i), refresh, c);
}
