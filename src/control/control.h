// control: the API. One table of requests, served as HTTP/1.1 with JSON (and JSON lines) over a root-only Unix
// socket by an unprivileged process that checks requests and hands them to the core over a socket pair.
#pragma once

#include "base/base.h"
#include "model/model.h"

enum { CONTROL_VERSION = 1, MAX_CONTROL_REQUEST = 64 << 10, MAX_CONTROL_CLIENTS = 64 };

struct request_param {
    const char *name, *type /* "string", "u64", "duration" */, *text;
    bool needed;
};
struct request_row {
    const char *name;   // "incidents"
    const char *method; // GET, POST
    const char *path;   // "/v1/incidents/{number}"
    const char *text;
    bool stream;        // JSON lines until the client leaves
    bool writes;        // changes something: who asked is recorded
    struct request_param params[6];
};
extern const struct request_row control_requests[];
extern const size_t control_requests_n;

// ── the core's side ──────────────────────────────────────────────────────────────────────────
struct control; // the API process and our end of its socket pair
struct control_options {
    const char *socket_path; // made 0600, in a folder 0700
    const char *version;
};
int control_start(const struct control_options *o, struct control **ret, struct error *err);
void control_stop(struct control *c); // also unlinks the socket
int control_fd(const struct control *c);
pid_t control_pid(const struct control *c);
struct control_request {
    uint64_t client;               // answer to this
    const struct request_row *row;
    uint32_t uid;                  // who asked (SO_PEERCRED)
    uint32_t pid;
    struct { struct str name, value; } params[8];
    size_t params_n;
};
struct str control_param(const struct control_request *r, const char *name); // STR_NULL
// One validated request if there is: 1; 0: none; -EPIPE: the API process died (start it again). Also reports
// clients that left: *ret_left = client, row = NULL.
int control_take(struct control *c, struct control_request *ret, uint64_t *ret_left, struct error *err);
// A whole reply (JSON), or one line of a stream. status: HTTP's. -EAGAIN: that client is slow, the line was dropped.
int control_reply(struct control *c, uint64_t client, int status, struct str body);
int control_line(struct control *c, uint64_t client, struct str line);
int control_end(struct control *c, uint64_t client); // of a stream

// ── the client's side ────────────────────────────────────────────────────────────────────────
// GET/POST path; body (or each line) goes to f. Returns HTTP status or negative errno (-ECONNREFUSED, -ENOENT: no
// agent). f returns nonzero to leave a stream.
int control_call(const char *socket_path, const char *method, const char *path_and_query, struct str body,
                 int (*f)(void *ctx, struct str line), void *ctx, struct error *err);
