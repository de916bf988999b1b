// The API process's side of the socket pair: requests and what became of them go to the core,
// replies and lines come back. Nothing is queued here but what a client has yet to take, and the
// core bounds that: it sends a client no more than it was told was taken. What the core has to be
// told is state of the client, so a full pair costs no memory.
#include "control/serve.h"

#include <errno.h>

enum { MAX_FRAMES_A_TURN = 256 };

void client_free(struct client *c)
{
    TAILQ_REMOVE(&c->server->clients, c, entry);
    buf_done(&c->body);
    buf_done(&c->values);
    free(c);
}

void client_wake(struct client *c)
{
    if (!c->suspended)
        return;
    c->suspended = false;
    MHD_resume_connection(c->link->connection);
}

void client_fail(struct client *c, unsigned status, const char *code, const char *message)
{
    control_error(&c->body, code, NULL, "%s", message);
    c->status = status;
    c->phase = PHASE_REPLYING;
}

ssize_t client_read_stream(void *cls, uint64_t at, char *out, size_t max)
{
    struct client *c = cls;
    size_t n = MIN(c->body.len - c->taken, max);
    if (n == 0) {
        if (c->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (c->body.failed || c->link->hung_up)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        MHD_suspend_connection(c->link->connection);
        c->suspended = true;
        return 0;
    }
    memcpy(out, c->body.ptr + c->taken, n);
    c->taken += n;
    c->untold += (uint32_t)n;
    if (c->taken == c->body.len) {
        buf_reset(&c->body);
        c->taken = 0;
    } else if (c->taken > MAX_CONTROL_BEHIND / 2) {
        memmove(c->body.ptr, c->body.ptr + c->taken, c->body.len - c->taken);
        c->body.len -= c->taken;
        c->taken = 0;
    }
    return (ssize_t)n;
}

static struct client *client_by_id(struct server *s, uint64_t id)
{
    struct client *c;
    TAILQ_FOREACH (c, &s->clients, entry)
        if (c->id == id)
            return c;
    return NULL;
}

static void take_frame(struct server *s, const struct frame *head, struct str body)
{
    struct client *c = client_by_id(s, head->client);
    // It left, or was told something else meanwhile: the core will know from FRAME_DONE.
    if (!c || (c->phase != PHASE_WAITING && c->phase != PHASE_STREAMING))
        return;
    switch (head->type) {
    case FRAME_PART:
        buf_str(&c->body, body);
        return;
    case FRAME_REPLY:
        buf_str(&c->body, body);
        c->status = head->arg;
        c->phase = PHASE_REPLYING;
        break;
    case FRAME_LINE:
        buf_str(&c->body, body);
        if (head->arg)
            buf_char(&c->body, '\n');
        c->phase = PHASE_STREAMING;
        break;
    case FRAME_BEGIN:
        c->phase = PHASE_STREAMING;
        break;
    case FRAME_END:
        c->phase = PHASE_STREAMING;
        c->ended = true;
        break;
    default:
        return;
    }
    client_wake(c);
}

int stream_receive(struct server *s)
{
    for (unsigned i = 0; i < MAX_FRAMES_A_TURN; i++) {
        size_t size;
        int fd, r = frame_receive(s->pair, s->in, &size, &fd);
        if (fd >= 0)
            close(fd); // the core sends none
        if (r <= 0)
            return r == -EBADMSG ? 0 : r;
        struct frame head;
        memcpy(&head, s->in, sizeof(head));
        take_frame(s, &head, (struct str){(const char *)s->in + sizeof(head), size - sizeof(head)});
    }
    return 0;
}

// True when nothing is left to tell of it.
static bool tell(struct server *s, struct client *c)
{
    int r = 0;
    if (c->phase == PHASE_ASKING) {
        size_t row = (size_t)(c->row - control_requests);
        r = frame_send(s->pair, &(struct frame){FRAME_REQUEST, (uint32_t)row, c->id},
                       buf_view(&c->values), c->link->fd);
        if (r == 0) {
            c->phase = PHASE_WAITING;
            c->known = true;
            buf_done(&c->values);
        }
    }
    if (r == 0 && c->untold > 0 && c->phase != PHASE_OVER) {
        r = frame_send(s->pair, &(struct frame){FRAME_TAKEN, c->untold, c->id}, STR_NULL, -1);
        if (r == 0)
            c->untold = 0;
    }
    if (r == 0 && c->phase == PHASE_OVER && c->known) {
        r = frame_send(s->pair, &(struct frame){FRAME_DONE, !c->ended, c->id}, STR_NULL, -1);
        if (r == 0)
            client_free(c);
    }
    return r == 0;
}

void stream_send(struct server *s)
{
    s->pair_full = false;
    for (struct client *c = TAILQ_FIRST(&s->clients), *next; c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (!tell(s, c)) {
            s->pair_full = true; // or the core is gone, which the next read says
            return;
        }
    }
}
