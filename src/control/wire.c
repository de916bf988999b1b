// Frames on the socket pair between the core and the API process: one SEQPACKET packet each, never
// waited for.
#include "control/internal.h"

#include <errno.h>
#include <sys/socket.h>

int frame_send(int pair, const struct frame *head, struct str body, int fd)
{
    struct iovec parts[] = {{(void *)head, sizeof(*head)}, {(void *)body.ptr, body.len}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = body.len ? 2 : 1};
    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    for (;;) {
        if (sendmsg(pair, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        // ENOBUFS, ETOOMANYREFS (descriptors in flight): full in other words.
        if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
            return -EAGAIN;
        return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
    }
}

int frame_receive(int pair, void *in, size_t *ret_size, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {in, FRAME_MAX};
    // CMSG_LEN, not CMSG_SPACE: the padding would hold a second descriptor, which nobody would
    // close.
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n;
    *ret_fd = -1;
    do
        n = recvmsg(pair, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
    if (n == 0)
        return -EPIPE;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len >= CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    const struct frame *head = in;
    if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(*head) || head->type == 0 ||
        head->type >= FRAME_TYPE_MAX) {
        if (*ret_fd >= 0)
            close(*ret_fd);
        *ret_fd = -1;
        return -EBADMSG;
    }
    *ret_size = (size_t)n;
    return 1;
}

struct value_head {
    uint32_t param, len;
};

void values_pack(const struct request_row *row, const struct request_values *values,
                 struct buf *out)
{
    for (size_t i = 0; i < request_params_n(row); i++) {
        struct str v = values->value[i];
        if (!v.ptr)
            continue;
        struct value_head h = {(uint32_t)i, (uint32_t)v.len};
        buf_add(out, &h, sizeof(h));
        buf_str(out, v);
    }
}

int values_unpack(const struct request_row *row, struct str body, struct request_values *ret)
{
    size_t n = request_params_n(row);
    *ret = (struct request_values){0};
    while (body.len > 0) {
        struct value_head h;
        if (body.len < sizeof(h))
            return -EBADMSG;
        memcpy(&h, body.ptr, sizeof(h));
        body = (struct str){body.ptr + sizeof(h), body.len - sizeof(h)};
        if (h.param >= n || h.len > body.len || ret->value[h.param].ptr)
            return -EBADMSG;
        ret->value[h.param] = (struct str){body.ptr, h.len};
        body = (struct str){body.ptr + h.len, body.len - h.len};
    }
    return 0;
}
