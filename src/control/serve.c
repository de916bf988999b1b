// HTTP's side of the API process: who may connect, what counts as a request, and answering it.
// Everything that a client controls is bounded: connections (an idle one makes room for a new one),
// head, body (none is taken), time to send a request and time to take the answer.
#include "control/serve.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

uint64_t server_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// microhttpd has no call that ends a connection from outside; it sees the end of a socket that was
// shut down.
static void link_shut(struct link *l)
{
    if (!l->shut)
        (void)shutdown(l->fd, SHUT_RDWR);
    l->shut = true;
}

static bool link_idle(const struct link *l)
{
    return !l->shut && (!l->client || l->client->phase == PHASE_READING);
}

// How many requests are being served; MAX_CONTROL_CLIENTS of them, and the next one is told to come
// back.
static size_t busy(const struct server *s)
{
    const struct link *l;
    size_t n = 0;
    TAILQ_FOREACH (l, &s->links, entry)
        n += l->client && l->client->phase != PHASE_READING;
    return n;
}

// The longest idle one goes when there are too many connections; since not all can be busy, there
// is one.
static void make_room(struct server *s, const struct link *newest)
{
    struct link *l, *idle = NULL;
    size_t n = 0;
    TAILQ_FOREACH (l, &s->links, entry) {
        n += !l->shut;
        if (!idle && l != newest && link_idle(l))
            idle = l;
    }
    if (n > MAX_CONTROL_CLIENTS + SPARE_CONNECTIONS / 2 && idle)
        link_shut(idle);
}

void serve_connection(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode code)
{
    struct server *s = cls;
    struct link *l = *context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (!l)
            return;
        // Explicitly: the core may hold a copy of the descriptor for a moment, which would keep it
        // in the set.
        (void)epoll_ctl(s->ep, EPOLL_CTL_DEL, l->fd, NULL);
        TAILQ_REMOVE(&s->links, l, entry);
        s->links_n--;
        free(l);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    l = calloc(1, sizeof(*l));
    if (!l || !fd) {
        free(l);
        return; // serve_request refuses a connection without one
    }
    *l = (struct link){.connection = connection,
                       .fd = fd->connect_fd,
                       .deadline_ms = server_now_ms() + s->head_ms};
    // microhttpd doesn't watch a connection that is suspended. A client that hangs up (not one that
    // only has no more to say, which would be EPOLLRDHUP) is noticed here, once.
    struct epoll_event e = {.events = EPOLLONESHOT, .data.ptr = l};
    (void)epoll_ctl(s->ep, EPOLL_CTL_ADD, l->fd, &e);
    TAILQ_INSERT_TAIL(&s->links, l, entry);
    s->links_n++;
    *context = l;
    make_room(s, l);
}

static struct link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

struct query {
    const struct request_row *row;
    struct request_values *values;
    struct buf *error;
    int status;
};

static enum MHD_Result take_param(void *cls, enum MHD_ValueKind kind, const char *key,
                                  size_t key_len, const char *value, size_t value_len)
{
    struct query *q = cls;
    if (q->status == 0)
        q->status = request_put(q->row, (struct str){key, key_len}, (struct str){value, value_len},
                                q->values, q->error);
    return q->status == 0 ? MHD_YES : MHD_NO;
}

static const char *header(const struct client *c, const char *name)
{
    return MHD_lookup_connection_value(c->link->connection, MHD_HEADER_KIND, name);
}

// Checks all of a request's head. 0, or the status that refuses it, with the error in c->body.
static int check_head(struct client *c, const char *url, const char *method)
{
    const char *version = header(c, CONTROL_VERSION_HEADER),
               *length = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t number;
    if (busy(c->server) >= MAX_CONTROL_CLIENTS) {
        control_error(&c->body, "busy", "end some streams", "%d clients are being served already",
                      MAX_CONTROL_CLIENTS);
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (version && (parse_u64(str_of(version), &number) != 0 || number != CONTROL_VERSION)) {
        control_error(&c->body, "version", "use the client that came with the agent",
                      "this agent speaks version %d of the API", CONTROL_VERSION);
        return MHD_HTTP_BAD_REQUEST;
    }
    if (header(c, MHD_HTTP_HEADER_TRANSFER_ENCODING) || (length && strcmp(length, "0") != 0)) {
        control_error(&c->body, "body", "parameters go into the query", "no request takes a body");
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    struct request_values values;
    int status = request_find(str_of(method), str_of(url), &c->row, &values, &c->body);
    if (status)
        return status;
    struct query q = {c->row, &values, &c->body, 0};
    MHD_get_connection_values_n(c->link->connection, MHD_GET_ARGUMENT_KIND, take_param, &q);
    status = q.status ? q.status : request_check(c->row, &values, &c->body);
    if (status == 0)
        values_pack(c->row, &values, &c->values);
    if (status == 0 && (c->values.failed || c->values.len > MAX_CONTROL_REQUEST)) {
        control_error(&c->body, "too-large", NULL, "the request is larger than %d bytes",
                      MAX_CONTROL_REQUEST);
        return MHD_HTTP_CONTENT_TOO_LARGE;
    }
    return status;
}

static enum MHD_Result queue(struct client *c, unsigned status, struct MHD_Response *response,
                             const char *type)
{
    char version[16];
    snprintf(version, sizeof(version), "%d", CONTROL_VERSION);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, CONTROL_VERSION_HEADER, version);
    enum MHD_Result r = MHD_queue_response(c->link->connection, status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result answer(struct client *c)
{
    if (c->body.len == 0 || c->body.ptr[c->body.len - 1] != '\n')
        buf_char(&c->body, '\n'); // for people with curl
    if (c->body.failed)
        return MHD_NO;
    c->ended = true;
    c->link->deadline_ms = server_now_ms() + ANSWER_MS;
    size_t len = c->body.len;
    char *bytes = c->body.ptr;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(len, bytes, free);
    if (response)
        c->body = (struct buf){0};
    return queue(c, c->status, response, "application/json");
}

static enum MHD_Result begin_stream(struct client *c)
{
    c->link->deadline_ms = 0;
    // Somebody may read slowly, or stop for lunch: lines are dropped then, and counted, by the
    // core.
    MHD_set_connection_option(c->link->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    return queue(c, MHD_HTTP_OK,
                 MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
                                                   client_read_stream, c, NULL),
                 "application/x-ndjson");
}

static void answer_version(struct client *c)
{
    struct json j = json_on(&c->body);
    json_object(&j);
    json_kcstr(&j, "version", c->server->version);
    json_ku64(&j, "api", CONTROL_VERSION);
    json_ku64(&j, "pid", (uint64_t)c->server->core);
    json_object_end(&j);
    c->status = MHD_HTTP_OK;
    c->phase = PHASE_REPLYING;
}

static enum MHD_Result suspend(struct client *c)
{
    if (c->link->hung_up)
        return MHD_NO;
    MHD_suspend_connection(c->link->connection);
    c->suspended = true;
    return MHD_YES;
}

static enum MHD_Result first_call(struct server *s, struct link *l, const char *url,
                                  const char *method, void **context)
{
    struct client *c = calloc(1, sizeof(*c));
    if (!c)
        return MHD_NO;
    *c = (struct client){.server = s, .link = l, .id = ++s->next_id};
    TAILQ_INSERT_TAIL(&s->clients, c, entry);
    l->client = c;
    *context = c;
    int status = check_head(c, url, method);
    if (status == 0)
        return MHD_YES;
    c->status = (unsigned)status;
    c->phase = PHASE_REPLYING;
    return answer(c);
}

enum MHD_Result serve_request(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context)
{
    struct server *s = cls;
    struct client *c = *context;
    struct link *l = link_of(connection);
    if (!l)
        return MHD_NO;
    if (!c)
        return first_call(s, l, url, method, context);
    if (*upload_size > 0)
        return MHD_NO; // a body without a length that its head didn't announce
    switch (c->phase) {
    case PHASE_READING:
        c->phase = PHASE_ASKING;
        l->deadline_ms = c->row->stream ? 0 : server_now_ms() + ANSWER_MS;
        if (s->ending_ms)
            client_fail(c, MHD_HTTP_SERVICE_UNAVAILABLE, "ending", "the agent is ending");
        else if (strcmp(c->row->name, "version") == 0)
            answer_version(c);
        else
            return suspend(c);
        return answer(c);
    case PHASE_REPLYING:
        return answer(c);
    case PHASE_STREAMING:
        return begin_stream(c);
    case PHASE_ASKING:
    case PHASE_WAITING:
        return suspend(c); // woken for nothing
    case PHASE_OVER:
        break;
    }
    return MHD_NO;
}

void serve_completed(void *cls, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode code)
{
    struct server *s = cls;
    struct client *c = *context;
    *context = NULL;
    if (!c)
        return;
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        c->ended = false;
    c->link->client = NULL;
    c->link->deadline_ms = server_now_ms() + s->head_ms;
    c->link = NULL;
    c->phase = PHASE_OVER;
    buf_done(&c->body);
    buf_done(&c->values);
    if (!c->known)
        client_free(c);
    else if (!s->pair_full)
        stream_send(s);
}

void serve_sweep(struct server *s, uint64_t now_ms)
{
    struct link *l;
    TAILQ_FOREACH (l, &s->links, entry) {
        struct client *c = l->client;
        if (l->deadline_ms == 0 || now_ms < l->deadline_ms)
            continue;
        if (c && (c->phase == PHASE_ASKING || c->phase == PHASE_WAITING)) {
            client_fail(c, MHD_HTTP_GATEWAY_TIMEOUT, "timeout", "the agent did not answer in time");
            l->deadline_ms = now_ms + ANSWER_MS;
            client_wake(c);
        } else
            link_shut(l);
    }
}
