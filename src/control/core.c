// The core's side: starting the API process, taking the requests that it checked (and checking them
// again: it is the part that strangers could have taken over), answering, and never waiting for it.
// What is on its way to clients is bounded by what they have taken, each and together.
#include "control/internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum {
    MAX_PEERS =
        4 *
        MAX_CONTROL_CLIENTS, // requests at once: more than connections, for those that left but now
    START_MS = 5000,
    STOP_MS = 2000,
};

struct peer {        // a client, from its request until the API process is done with it
    uint64_t client; // 0: free
    const struct request_row *row;
    size_t behind;    // bytes sent and not yet taken
    uint64_t dropped; // lines since the last one that went through
    bool begun, ended;
};

struct packet {
    STAILQ_ENTRY(packet) entry;
    struct frame head;
    size_t len;
    char body[];
};

struct control {
    pid_t pid;
    int pair, ep;
    bool waiting; // for the pair to take more
    struct listener listener;
    STAILQ_HEAD(, packet) out;
    struct peer peers[MAX_PEERS];
    size_t queued; // of all peers' behind
    uint8_t in[FRAME_MAX];
};

static void watch(struct control *c)
{
    bool want = !STAILQ_EMPTY(&c->out);
    if (want == c->waiting)
        return;
    struct epoll_event e = {.events = EPOLLIN | (want ? EPOLLOUT : 0)};
    if (epoll_ctl(c->ep, EPOLL_CTL_MOD, c->pair, &e) == 0)
        c->waiting = want;
}

static void flush(struct control *c)
{
    struct packet *p;
    while ((p = STAILQ_FIRST(&c->out))) {
        int r = frame_send(c->pair, &p->head, (struct str){p->body, p->len}, -1);
        if (r == -EAGAIN)
            break;
        STAILQ_REMOVE_HEAD(&c->out, entry); // also after an error: reading says that it is gone
        free(p);
    }
    watch(c);
}

static int send_frame(struct control *c, enum frame_type type, uint32_t arg, uint64_t client,
                      struct str body)
{
    struct frame head = {type, arg, client};
    if (STAILQ_EMPTY(&c->out)) {
        int r = frame_send(c->pair, &head, body, -1);
        if (r != -EAGAIN)
            return r;
    }
    struct packet *p = malloc(sizeof(*p) + body.len);
    if (!p)
        return -ENOMEM;
    p->head = head;
    p->len = body.len;
    if (body.len)
        memcpy(p->body, body.ptr, body.len);
    STAILQ_INSERT_TAIL(&c->out, p, entry);
    watch(c);
    return 0;
}

// A body in as many packets as it takes: all but the last one of type `part`.
static int send_body(struct control *c, enum frame_type part, enum frame_type last, uint32_t arg,
                     uint64_t client, struct str body)
{
    while (body.len > FRAME_BODY) {
        int r = send_frame(c, part, 0, client, (struct str){body.ptr, FRAME_BODY});
        if (r < 0)
            return r;
        body = (struct str){body.ptr + FRAME_BODY, body.len - FRAME_BODY};
    }
    return send_frame(c, last, arg, client, body);
}

static struct peer *peer_of(struct control *c, uint64_t client)
{
    for (size_t i = 0; client && i < MAX_PEERS; i++)
        if (c->peers[i].client == client)
            return &c->peers[i];
    return NULL;
}

static void add_behind(struct control *c, struct peer *p, size_t bytes)
{
    p->behind += bytes;
    c->queued += bytes;
}

static void take_behind(struct control *c, struct peer *p, size_t bytes)
{
    bytes = MIN(bytes, p->behind);
    p->behind -= bytes;
    c->queued -= bytes;
}

// ── starting and stopping ────────────────────────────────────────────────────────────────────

// Waits for the child's first word.
static int wait_ready(struct control *c, struct error *err)
{
    struct pollfd p = {c->pair, POLLIN, 0};
    int n;
    do
        n = poll(&p, 1, START_MS);
    while (n < 0 && errno == EINTR);
    size_t size = 0;
    int fd, r = n > 0 ? frame_receive(c->pair, c->in, &size, &fd) : -ETIMEDOUT;
    if (r == 1 && fd >= 0)
        close(fd);
    const struct frame *head = (const struct frame *)c->in;
    if (r == 1 && head->type == FRAME_READY)
        return 0;
    if (r == 1 && head->type == FRAME_FAILED)
        return error_set(err, -EIO, "the API process could not start: %.*s",
                         (int)(size - sizeof(*head)), (const char *)c->in + sizeof(*head));
    return error_set(err, r < 0 ? r : -EIO, "the API process ended before it served");
}

static int start_child(struct control *c, const struct control_options *o, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return error_set(err, -errno, "cannot make a socket pair: %s", strerror(errno));
    struct account account = sandbox_account();
    pid_t core = getpid();
    c->pid = fork();
    if (c->pid == 0)
        child_main(pair[1], c->listener.fd, account, o, core);
    int r =
        c->pid < 0 ? error_set(err, -errno, "cannot fork the API process: %s", strerror(errno)) : 0;
    close(pair[1]);
    c->pair = pair[0];
    if (r < 0)
        return r;
    // The child alone accepts; were it kept here too, a dead API process would leave clients
    // hanging in the backlog.
    close_fdp(&c->listener.fd);
    c->listener.fd = -1;
    struct epoll_event e = {.events = EPOLLIN};
    c->ep = epoll_create1(EPOLL_CLOEXEC);
    if (c->ep < 0 || epoll_ctl(c->ep, EPOLL_CTL_ADD, c->pair, &e) < 0)
        return error_set(err, -errno, "cannot watch the API process: %s", strerror(errno));
    return wait_ready(c, err);
}

int control_start(const struct control_options *o, struct control **ret, struct error *err)
{
    struct control *c = calloc(1, sizeof(*c));
    if (!c)
        return error_set(err, -ENOMEM, "no memory for the API");
    c->pair = c->ep = c->listener.fd = c->listener.dirfd = -1;
    STAILQ_INIT(&c->out);
    int r = listen_open(o->socket_path, &c->listener, err);
    if (r == 0)
        r = start_child(c, o, err);
    if (r < 0) {
        control_stop(c);
        return r;
    }
    *ret = c;
    return 0;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NSEC_PER_MSEC;
}

// Lets the child send its clients what is on its way, then ends it whatever it does.
static void end_child(struct control *c)
{
    uint64_t until = now_ms() + STOP_MS;
    bool closed = false;
    for (;;) {
        uint64_t now = now_ms();
        int status;
        if (waitpid(c->pid, &status, WNOHANG) == c->pid)
            return;
        flush(c);
        if (!closed && STAILQ_EMPTY(&c->out)) {
            closed = true;
            (void)shutdown(c->pair, SHUT_WR);
        }
        if (now >= until)
            break;
        // What it still says is read and dropped; its end shows as the end of the pair.
        struct pollfd p = {c->pair, (short)(POLLIN | (closed ? 0 : POLLOUT)), 0};
        (void)poll(&p, 1, (int)(until - now));
        size_t size;
        int fd, r = frame_receive(c->pair, c->in, &size, &fd);
        if (fd >= 0)
            close(fd);
        if (r == -EPIPE)
            break; // it has exited, or is doing so: reaped below
    }
    (void)kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    // First, so that nobody new comes; those who are being served are.
    listen_done(&c->listener);
    if (c->pid > 0 && c->pair >= 0)
        end_child(c);
    for (struct packet *p; (p = STAILQ_FIRST(&c->out));) {
        STAILQ_REMOVE_HEAD(&c->out, entry);
        free(p);
    }
    close_fdp(&c->pair);
    close_fdp(&c->ep);
    free(c);
}

int control_fd(const struct control *c)
{
    return c->ep;
}

pid_t control_pid(const struct control *c)
{
    return c->pid;
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────

struct str control_param(const struct control_request *r, const char *name)
{
    for (size_t i = 0; i < r->params_n; i++)
        if (str_eq(r->params[i].name, str_of(name)))
            return r->params[i].value;
    return STR_NULL;
}

static int refuse(struct control *c, uint64_t client, int status, struct buf *error)
{
    int r = send_frame(c, FRAME_REPLY, (uint32_t)status, client, buf_view(error));
    struct peer *p = peer_of(c, client);
    if (p)
        p->ended = true;
    return r;
}

// Who is at the other end of the client's socket: the kernel's word, not the API process's.
static bool may_ask(int fd, struct control_request *ret)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return false;
    ret->uid = who.uid;
    ret->pid = (uint32_t)who.pid;
    return who.uid == 0 || who.uid == geteuid();
}

// 1: *ret is a request. 0: it was refused.
static int take_request(struct control *c, const struct frame *head, struct str body, int fd,
                        struct control_request *ret)
{
    _cleanup_buf_ struct buf error = {0};
    struct request_values values;
    if (head->arg >= control_requests_n || head->client == 0 || peer_of(c, head->client) ||
        values_unpack(&control_requests[head->arg], body, &values) < 0)
        return -EBADMSG;
    *ret = (struct control_request){.client = head->client, .row = &control_requests[head->arg]};
    struct peer *p = NULL;
    for (size_t i = 0; i < MAX_PEERS && !p; i++)
        if (c->peers[i].client == 0)
            p = &c->peers[i];
    if (!p) {
        control_error(&error, "busy", "try again", "too many requests are under way");
        refuse(c, head->client, 503, &error);
        return 0;
    }
    *p = (struct peer){.client = head->client, .row = ret->row};
    if (request_check(ret->row, &values, &error) != 0) {
        refuse(c, head->client, 400, &error);
        return 0;
    }
    if (!may_ask(fd, ret)) {
        control_error(&error, "denied", "ask as root", "only root may ask");
        refuse(c, head->client, 403, &error);
        return 0;
    }
    for (size_t i = 0; i < request_params_n(ret->row); i++)
        if (values.value[i].ptr) {
            ret->params[ret->params_n].name = str_of(ret->row->params[i].name);
            ret->params[ret->params_n++].value = values.value[i];
        }
    return 1;
}

// The API process is done with a client. 1: it left before the agent was done with it.
static int take_done(struct control *c, const struct frame *head, uint64_t *ret_left)
{
    struct peer *p = peer_of(c, head->client);
    if (!p)
        return 0;
    bool tell = head->arg && !p->ended;
    take_behind(c, p, p->behind);
    *p = (struct peer){0};
    *ret_left = head->client;
    return tell;
}

int control_take(struct control *c, struct control_request *ret, uint64_t *ret_left,
                 struct error *err)
{
    flush(c);
    for (;;) {
        size_t size;
        int fd, r = frame_receive(c->pair, c->in, &size, &fd);
        if (r == 0)
            return 0;
        if (r < 0)
            return error_set(err, -EPIPE,
                             r == -EPIPE ? "the API process ended"
                                         : "the API process sent nonsense");
        const struct frame *head = (const struct frame *)c->in;
        struct str body = {(const char *)c->in + sizeof(*head), size - sizeof(*head)};
        struct peer *p = peer_of(c, head->client);
        *ret_left = 0;
        if (head->type == FRAME_REQUEST)
            r = take_request(c, head, body, fd, ret);
        else if (head->type == FRAME_DONE) {
            *ret = (struct control_request){.client = head->client};
            r = take_done(c, head, ret_left);
        } else {
            if (head->type == FRAME_TAKEN && p)
                take_behind(c, p, head->arg);
            r = 0;
        }
        close_fdp(&fd);
        if (r < 0)
            return error_set(err, -EPIPE, "the API process sent nonsense");
        if (r > 0)
            return 1;
    }
}

// ── answers ──────────────────────────────────────────────────────────────────────────────────

int control_reply(struct control *c, uint64_t client, int status, struct str body)
{
    _cleanup_buf_ struct buf error = {0};
    struct peer *p = peer_of(c, client);
    if (!p || p->ended)
        return -ENOENT;
    if (p->begun)
        return -EINVAL;
    if (body.len > MAX_CONTROL_REPLY || c->queued + body.len > MAX_CONTROL_QUEUED) {
        bool large = body.len > MAX_CONTROL_REPLY;
        control_error(&error, large ? "too-large" : "busy", large ? "ask for less" : "try again",
                      large ? "the answer has %zu bytes" : "too much is under way to other clients",
                      body.len);
        return refuse(c, client, large ? 500 : 503, &error);
    }
    add_behind(c, p, body.len);
    p->ended = true;
    return send_body(c, FRAME_PART, FRAME_REPLY, (uint32_t)status, client, body);
}

int control_begin(struct control *c, uint64_t client)
{
    struct peer *p = peer_of(c, client);
    if (!p || p->ended)
        return -ENOENT;
    if (!p->row->stream)
        return -EINVAL;
    if (p->begun)
        return 0;
    p->begun = true;
    return send_frame(c, FRAME_BEGIN, 0, client, STR_NULL);
}

static bool room_for(const struct control *c, const struct peer *p, size_t bytes)
{
    return p->behind + bytes <= MAX_CONTROL_BEHIND && c->queued + bytes <= MAX_CONTROL_QUEUED;
}

// A line with its newline. One that is longer than what a client may lag behind fits if nothing
// else is under way.
static int send_line(struct control *c, struct peer *p, struct str line)
{
    if (!(p->behind == 0 ? c->queued + line.len < MAX_CONTROL_QUEUED
                         : room_for(c, p, line.len + 1)))
        return -EAGAIN;
    add_behind(c, p, line.len + 1);
    p->begun = true;
    return send_body(c, FRAME_LINE, FRAME_LINE, 1, p->client, line);
}

// Says what was dropped, if something was.
static int tell_dropped(struct control *c, struct peer *p)
{
    char line[64];
    if (p->dropped == 0)
        return 0;
    int n = snprintf(line, sizeof(line), "{\"dropped\":%llu}", (unsigned long long)p->dropped);
    int r = send_line(c, p, (struct str){line, (size_t)n});
    if (r == 0)
        p->dropped = 0;
    return r;
}

int control_line(struct control *c, uint64_t client, struct str line)
{
    struct peer *p = peer_of(c, client);
    if (!p || p->ended)
        return -ENOENT;
    if (!p->row->stream)
        return -EINVAL;
    // Half of what it may lag behind must be free again first: else each line that is taken would
    // be followed by one line of its own that says that one was dropped.
    bool caught_up = p->dropped == 0 || p->behind <= MAX_CONTROL_BEHIND / 2;
    int r = line.len > MAX_CONTROL_LINE || !caught_up ? -EAGAIN : tell_dropped(c, p);
    if (r == 0)
        r = send_line(c, p, line);
    if (r == -EAGAIN || r == -ENOMEM) {
        p->dropped++;
        r = -EAGAIN;
    }
    return r;
}

int control_end(struct control *c, uint64_t client)
{
    struct peer *p = peer_of(c, client);
    if (!p || p->ended)
        return -ENOENT;
    if (!p->row->stream)
        return -EINVAL;
    if (p->dropped) { // said whatever it lags behind: it is the last line
        char line[64];
        int n = snprintf(line, sizeof(line), "{\"dropped\":%llu}", (unsigned long long)p->dropped);
        add_behind(c, p, (size_t)n + 1);
        (void)send_frame(c, FRAME_LINE, 1, client, (struct str){line, (size_t)n});
    }
    p->ended = true;
    return send_frame(c, FRAME_END, 0, client, STR_NULL);
}
