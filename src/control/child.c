// The API process: gives up everything, then turns between microhttpd and the core until the core
// is gone.
#include "control/serve.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { EVENTS_A_TURN = 64 };

static void fail(int pair, const char *message)
{
    (void)frame_send(pair, &(struct frame){FRAME_FAILED, 0, 0}, str_of(message), -1);
    _exit(1);
}

static void watch(const struct server *s, int op, int fd, uint32_t events, void *what)
{
    struct epoll_event e = {.events = events, .data.ptr = what};
    (void)epoll_ctl(s->ep, op, fd, &e);
}

static int start_daemon(struct server *s, int listener)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, serve_request, s,
        MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(MAX_CONTROL_CLIENTS + SPARE_CONNECTIONS), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MAX_HEAD_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(ANSWER_MS / 1000),
        MHD_OPTION_NOTIFY_CONNECTION, serve_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
        serve_completed, s, MHD_OPTION_END);
    if (!s->daemon)
        return -errno;
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    s->ep = epoll_create1(EPOLL_CLOEXEC);
    if (!i || s->ep < 0)
        return -EIO;
    watch(s, EPOLL_CTL_ADD, i->epoll_fd, EPOLLIN, s->daemon);
    watch(s, EPOLL_CTL_ADD, s->pair, EPOLLIN, s);
    return 0;
}

// The core closed its end: what it said last is still delivered, everything else ends.
static void core_gone(struct server *s, uint64_t now)
{
    if (s->ending_ms)
        return;
    s->ending_ms = now + LAST_MS;
    watch(s, EPOLL_CTL_DEL, s->pair, 0, NULL);
    (void)MHD_quiesce_daemon(s->daemon);
    for (struct client *c = TAILQ_FIRST(&s->clients), *next; c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (c->phase == PHASE_OVER) {
            client_free(c);
            continue;
        }
        if (c->phase == PHASE_ASKING || c->phase == PHASE_WAITING)
            client_fail(c, MHD_HTTP_SERVICE_UNAVAILABLE, "ending", "the agent is ending");
        c->ended = true;
        c->known = false;
        client_wake(c);
    }
}

static int wait_ms(const struct server *s)
{
    MHD_UNSIGNED_LONG_LONG mhd;
    int wait = s->links_n || s->ending_ms ? SWEEP_MS : -1;
    if (MHD_get_timeout(s->daemon, &mhd) == MHD_YES &&
        (wait < 0 || mhd < (MHD_UNSIGNED_LONG_LONG)wait))
        wait = (int)MIN(mhd, (MHD_UNSIGNED_LONG_LONG)SWEEP_MS);
    return wait;
}

// A client hung up.
static void hung_up(struct link *l)
{
    l->hung_up = true;
    if (l->client && l->client->suspended) {
        // Woken with nothing to give: microhttpd is asked to end it.
        if (l->client->phase != PHASE_STREAMING)
            client_fail(l->client, MHD_HTTP_SERVICE_UNAVAILABLE, "left", "the client left");
        client_wake(l->client);
        l->client->ended = false;
    }
}

static void turn(struct server *s)
{
    struct epoll_event events[EVENTS_A_TURN];
    bool was_full = s->pair_full;
    int n = epoll_wait(s->ep, events, EVENTS_A_TURN, wait_ms(s));
    uint64_t now = server_now_ms();
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == s) {
            if (stream_receive(s) < 0)
                core_gone(s, now);
        } else if (events[i].data.ptr != s->daemon)
            hung_up(events[i].data.ptr);
    }
    serve_sweep(s, now);
    (void)MHD_run(s->daemon);
    if (!s->ending_ms) {
        stream_send(s);
        if (s->pair_full != was_full)
            watch(s, EPOLL_CTL_MOD, s->pair, EPOLLIN | (s->pair_full ? EPOLLOUT : 0), s);
    } else if (now >= s->ending_ms || s->links_n == 0 || TAILQ_EMPTY(&s->clients))
        _exit(0);
}

void child_main(int pair, int listener, struct account a, const struct control_options *o,
                pid_t core)
{
    struct error err = {0};
    (void)prctl(PR_SET_NAME, "bulkhead-api", 0, 0, 0);
    struct server *s = calloc(1, sizeof(*s));
    int r = s ? sandbox_descriptors(&pair, &listener) : -ENOMEM;
    if (r < 0)
        fail(pair, "cannot set up its descriptors");
    *s = (struct server){
        .pair = pair,
        .core = core,
        .version = o->version,
        .head_ms = o->head_ms ? o->head_ms : HEAD_MS,
        // Never an id twice, also not after a restart: an old reply must find nobody.
        .next_id = server_now_ms() << 20};
    TAILQ_INIT(&s->links);
    TAILQ_INIT(&s->clients);
    if (sandbox_identity(a, &err) < 0)
        fail(pair, err.message);
    if (start_daemon(s, listener) < 0)
        fail(pair, "cannot start the HTTP server");
    if (sandbox_calls(&err) < 0)
        fail(pair, err.message);
    if (frame_send(pair, &(struct frame){FRAME_READY, 0, 0}, STR_NULL, -1) < 0)
        _exit(1);
    for (;;)
        turn(s);
}
