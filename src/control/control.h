// control: the API. One table of requests, served as HTTP/1.1 with JSON (and JSON lines) over a
// root-only Unix socket by an unprivileged process that checks requests and hands them to the core
// over a socket pair.
#pragma once

#include "base/base.h"
#include "model/model.h"

enum {
    CONTROL_VERSION = 1,
    MAX_CONTROL_REQUEST = 64 << 10, // bytes of one request: its line, its head, its body
    MAX_CONTROL_CLIENTS = 64,    // connections served at once; an idle one makes room for a new one
    MAX_CONTROL_PARAMS = 8,      // of one request
    MAX_CONTROL_PARAM = 8 << 10, // bytes of one parameter's value
    MAX_CONTROL_LINE = 1 << 20,  // bytes of one line of a stream
    MAX_CONTROL_REPLY = 8 << 20, // bytes of one whole reply
    MAX_CONTROL_BEHIND =
        512 << 10, // bytes that a stream's client may lag behind before lines are dropped
    MAX_CONTROL_QUEUED = 24 << 20, // bytes on their way to all clients together
};
// Sent with every reply, and by clients who care: another version is refused.
#define CONTROL_VERSION_HEADER "Bulkhead-Api"

struct request_param {
    const char *name;
    const char *type; // "string", "u64", "duration", or the words that it may be: "true|false"
    const char *text;
    bool needed; // parameters that the path holds ("{number}") always are
};
struct request_row {
    const char *name;   // "incidents"
    const char *method; // GET, POST
    const char *path;   // "/v1/incidents/{number}"
    const char *text;
    bool stream; // JSON lines until the client leaves
    bool writes; // changes something: who asked is recorded
    struct request_param params[MAX_CONTROL_PARAMS];
};
extern const struct request_row control_requests[];
extern const size_t control_requests_n;

// ── the core's side ──────────────────────────────────────────────────────────────────────────
// All of it belongs to one thread of the core, and none of it waits (control_start: at most some
// seconds).
struct control; // the API process and our end of its socket pair
struct control_options {
    const char *socket_path; // made 0600, in a folder 0700
    const char *version;
    unsigned head_ms; // a request must be there so long after its connection; 0: 10 s
};
// Makes the socket (one that nobody answers on is replaced; -EADDRINUSE: somebody does) and forks
// the API process, which drops every privilege before it looks at its first client. It is a copy of
// the caller: call this before secrets are in memory, or keep them in pages with MADV_WIPEONFORK.
int control_start(const struct control_options *o, struct control **ret, struct error *err);
void control_stop(struct control *c);    // also unlinks the socket
int control_fd(const struct control *c); // poll for POLLIN, then control_take() until it returns 0
pid_t control_pid(const struct control *c);
struct control_request {
    uint64_t client; // answer to this
    const struct request_row *row;
    uint32_t uid; // who asked (SO_PEERCRED)
    uint32_t pid;
    struct {
        struct str name, value;
    } params[MAX_CONTROL_PARAMS];
    size_t params_n;
};
struct str control_param(const struct control_request *r, const char *name); // STR_NULL
// One validated request if there is: 1; 0: none; -EPIPE: the API process died (start it again).
// Also reports clients that left: *ret_left = client, row = NULL.
int control_take(struct control *c, struct control_request *ret, uint64_t *ret_left,
                 struct error *err);
// A whole reply (JSON), or one line of a stream. status: HTTP's. -EAGAIN: that client is slow, the
// line was dropped; before the next line that goes through it is told {"dropped":N}. -ENOENT: that
// client left. A stream's request may be refused with control_reply() as long as no line was sent.
int control_reply(struct control *c, uint64_t client, int status, struct str body);
int control_line(struct control *c, uint64_t client, struct str line);
// Accepts a stream's request before there is a first line, so that its client knows that nothing is
// missed from here on.
int control_begin(struct control *c, uint64_t client);
int control_end(struct control *c, uint64_t client); // of a stream
// {"error":{"code","message","hint"}} into out; hint NULL: none. What every refused request is
// answered with.
void control_error(struct buf *out, const char *code, const char *hint, const char *format, ...)
    _printf_(4, 5);

// ── the client's side ────────────────────────────────────────────────────────────────────────
// GET/POST path; body (or each line) goes to f. Returns HTTP status or negative errno
// (-ECONNREFUSED, -ENOENT: no agent; -EPROTO: it speaks another version). f returns nonzero to
// leave a stream. When a stream was accepted, f is called once with STR_NULL.
int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 struct str body, int (*f)(void *ctx, struct str line), void *ctx,
                 struct error *err);
// The same, and leaves (returning what it would have) once stop_fd can be read; -1: never.
int control_follow(const char *socket_path, const char *method, const char *path_and_query,
                   struct str body, int stop_fd, int (*f)(void *ctx, struct str line), void *ctx,
                   struct error *err);
// Appends name=value to a path, escaped for a URL, with the ? or & that it needs.
void control_add_param(struct buf *path, const char *name, struct str value);
