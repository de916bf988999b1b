// The addresses in a network namespace, by netlink. A namespace is entered by a thread that ends
// right after: the caller's own stays what it is.
#include "host/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { REPLY_BYTES = 32768, MAX_REPLIES = 256 };

struct asking {
    int netns; // to enter; -1: here
    uint8_t (*addresses)[16];
    size_t n, max;
    int result;
};

static void add(struct asking *a, int family, const void *bytes, size_t len)
{
    if (a->n == a->max)
        return;
    uint8_t *to = a->addresses[a->n];
    memset(to, 0, 16);
    if (family == AF_INET && len >= 4) {
        to[10] = to[11] = 0xff;
        memcpy(to + 12, bytes, 4);
    } else if (family == AF_INET6 && len >= 16) {
        memcpy(to, bytes, 16);
    } else {
        return;
    }
    a->n++;
}

static void take_address(struct asking *a, const struct nlmsghdr *h)
{
    const struct ifaddrmsg *m = NLMSG_DATA(h);
    size_t len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
    const struct rtattr *local = NULL, *address = NULL;
    for (const struct rtattr *t = IFA_RTA(m); RTA_OK(t, len); t = RTA_NEXT(t, len)) {
        if (t->rta_type == IFA_LOCAL)
            local = t;
        else if (t->rta_type == IFA_ADDRESS)
            address = t;
    }
    // Of a point-to-point link IFA_ADDRESS is the other end's.
    const struct rtattr *own = local ? local : address;
    if (own)
        add(a, m->ifa_family, RTA_DATA(own), RTA_PAYLOAD(own));
}

// 1: the end of the dump, 0: more comes, or negative errno.
static int take_reply(struct asking *a, const char *bytes, size_t len)
{
    unsigned left = (unsigned)len;
    for (const struct nlmsghdr *h = (const void *)bytes; NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_type == NLMSG_DONE)
            return 1;
        if (h->nlmsg_type == NLMSG_ERROR)
            return h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))
                       ? ((const struct nlmsgerr *)NLMSG_DATA(h))->error
                       : -EBADMSG;
        if (h->nlmsg_type == RTM_NEWADDR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
            take_address(a, h);
    }
    return 0;
}

static int dump(struct asking *a)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
    } ask = {.head = {.nlmsg_len = sizeof(ask),
                      .nlmsg_type = RTM_GETADDR,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                      .nlmsg_seq = 1},
             .body = {.ifa_family = AF_UNSPEC}};
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    _cleanup_free_ char *reply = malloc(REPLY_BYTES);
    if (fd < 0)
        return -errno;
    if (!reply)
        return -ENOMEM;
    if (send(fd, &ask, sizeof(ask), 0) < 0)
        return -errno;
    for (int i = 0; i < MAX_REPLIES; i++) {
        ssize_t n = recv(fd, reply, REPLY_BYTES, 0);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        int r = take_reply(a, reply, (size_t)n);
        if (r)
            return r < 0 ? r : 0;
    }
    return -EMSGSIZE;
}

static void *inside(void *arg)
{
    struct asking *a = arg;
    a->result = a->netns >= 0 && setns(a->netns, CLONE_NEWNET) < 0 ? -errno : dump(a);
    return NULL;
}

int host_addresses(const struct host *h, uint32_t pid, uint32_t *ret_netns,
                   uint8_t (*addresses)[16], size_t max)
{
    char name[32];
    struct stat st;
    snprintf(name, sizeof(name), "%u/ns/net", pid);
    _cleanup_close_ int fd = openat(host_proc_fd(h), name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    struct asking a = {.netns = fd, .addresses = addresses, .max = max};
    pthread_t thread;
    int r = pthread_create(&thread, NULL, inside, &a);
    if (r != 0)
        return -r;
    pthread_join(thread, NULL);
    if (a.result < 0)
        return a.result;
    *ret_netns = (uint32_t)st.st_ino;
    return (int)a.n;
}
