// control's own: the frames between the core and the API process, checking requests, making the
// socket, and the sandbox.
#pragma once

#include "control/control.h"

// ── requests ─────────────────────────────────────────────────────────────────────────────────
// Values beside row->params; ptr NULL: not given.
struct request_values {
    struct str value[MAX_CONTROL_PARAMS];
};
size_t request_params_n(const struct request_row *row);
// Finds the row of a method and a path and takes the parameters that the path holds. 0, or the HTTP
// status that says why not (404, 405) and the error as JSON in *ret_error.
int request_find(struct str method, struct str path, const struct request_row **ret,
                 struct request_values *values, struct buf *ret_error);
// One parameter of the query. 0 or 400.
int request_put(const struct request_row *row, struct str name, struct str value,
                struct request_values *values, struct buf *ret_error);
// Is all there that is needed, and of its type? 0 or 400. Both processes ask: the core trusts the
// other one with nothing.
int request_check(const struct request_row *row, const struct request_values *values,
                  struct buf *ret_error);

// ── frames: packets on the socket pair ───────────────────────────────────────────────────────
enum frame_type {
    // from the API process
    FRAME_READY = 1, // it serves
    FRAME_FAILED,    // it could not start; body: a sentence
    FRAME_REQUEST,   // arg: index of the row; body: its values; with the client's socket
                     // (SCM_RIGHTS), so that the core asks the kernel itself who asked
    FRAME_TAKEN,     // arg: bytes of a stream that went to the client
    FRAME_DONE,      // this client is finished with; arg 1: it left early
    // from the core
    FRAME_PART,  // body: bytes of a whole reply, more to come
    FRAME_REPLY, // arg: HTTP status; body: its last bytes
    FRAME_BEGIN, // of a stream
    FRAME_LINE,  // body: bytes of a stream's line; arg 1: its last ones
    FRAME_END,   // of a stream
    FRAME_TYPE_MAX
};
struct frame {
    uint32_t type, arg;
    uint64_t client;
};
static_assert(sizeof(struct frame) == 16,
              "frames are copied as they are: both ends are one binary");
enum {
    FRAME_BODY = 32 << 10, // bytes of a reply that one packet carries
    FRAME_MAX = sizeof(struct frame) + MAX_CONTROL_REQUEST,
};
// Sends one packet, never waits. fd -1: none. 0, -EAGAIN, -EPIPE.
int frame_send(int pair, const struct frame *head, struct str body, int fd);
// 1: a packet of *ret_size bytes is in `in` (FRAME_MAX bytes); a descriptor that came along in
// *ret_fd, else -1. 0: none now; -EPIPE: the other end is gone; -EBADMSG: not one of ours.
int frame_receive(int pair, void *in, size_t *ret_size, int *ret_fd);
// A request's values as a frame's body, and back (they point into body). -EBADMSG.
void values_pack(const struct request_row *row, const struct request_values *values,
                 struct buf *out);
int values_unpack(const struct request_row *row, struct str body, struct request_values *ret);

// ── the socket ───────────────────────────────────────────────────────────────────────────────
struct listener {
    int fd, dirfd;  // listening; the folder
    char name[108]; // in the folder
    uint64_t ino;   // the socket's, so that only ours is removed
};
int listen_open(const char *path, struct listener *ret, struct error *err);
// Removes the socket if it is still ours, closes.
void listen_done(struct listener *l);
// Opens the folder of a socket's path and gives a path to it that fits sockaddr_un whatever its
// length.
int listen_address(const char *path, int *ret_dirfd, char out[64], struct error *err);

// ── the API process ──────────────────────────────────────────────────────────────────────────
struct account { // whom it becomes
    uid_t uid;
    gid_t gid;
};
// Looked up by the core, before the fork: name services open files and load libraries.
struct account sandbox_account(void);
// Keeps descriptors 0, 1 (both /dev/null), 2 and pair, listener; closes the rest; signals and
// limits as they shall be.
int sandbox_descriptors(int *pair, int *listener);
// No user, no group, no capability, no new privileges. 0 or negative errno with err.
int sandbox_identity(struct account a, struct error *err);
// Only the system calls that serving takes; everything else fails with EPERM.
int sandbox_calls(struct error *err);

// Serves until the core is gone. Never returns.
void child_main(int pair, int listener, struct account a, const struct control_options *o,
                pid_t core) __attribute__((noreturn));
