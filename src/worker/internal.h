// worker's own: what the parent and the sandboxed process say to each other, and what the parsers
// share.
#pragma once

#include "model/model.h"
#include "worker/worker.h"

#include <jansson.h>

enum {
    MAX_WORKER_QUEUE = 256,  // requests waiting in the parent
    MAX_WORKER_ARGS = 16384, // bytes of a request's JSON
    MAX_JSON_DEPTH = 64,     // nesting of a stranger's document
    MAX_JSON_VALUES = 65536, // values in it, keys counted
    MAX_NUMBER_DIGITS =
        15, // a number longer than this is read as 0: nothing that facts need is that large
    MAX_STRANGER_STRING = 4096,
    MAX_STRANGER_MOUNTS = 256,
    MAX_STRANGER_LABELS = 256,
    MAX_STRANGER_SECRETS = 64, // variables that are named; the rest is counted
    MAX_SECRET_TEXT = 128,     // bytes of such a name
    WORKER_DEADLINE_MS = 2000,
    WORKER_LONG_DEADLINE_MS = 10000, // of feeds and of files that are hashed
    MAX_WORKER_PARTS = 4096,         // of one answer
    WORKER_START_MS = 5000,
    WORKER_CPU_SECONDS = 2,            // of one request
    WORKER_MEMORY_BYTES = 128 << 20,   // more than it began with
    WORKER_BACKOFF_FIRST_MS = 50,      // doubled with each crash in a row …
    WORKER_BACKOFF_MAX_MS = 10 * 1000, // … up to this
};

struct request_head { // then args
    uint64_t seq;
    uint32_t job, args_len;
};
struct reply_head { // then text
    uint64_t seq;
    uint32_t len;
    int32_t error; // of the sandbox: only in the first message (seq 0)
    uint32_t more; // 1: a part, others follow
    uint32_t pad;
};

// sandbox.c: closes everything but *socket (which may get another number), gives everything up. 0,
// or a negative errno with what failed.
int sandbox_enter(int *socket, pid_t parent, struct error *err);
// child.c: the process's whole life. Does not return.
void child_run(const char *name, int socket, pid_t parent) __attribute__((noreturn));

// hash.c: prepared before the sandbox closes, as that loads what it needs from files.
struct hashes;
struct hashes *hashes_new(void);
// The reply: {"bytes":…,"sha256":…,"sha1":…,"md5":…} or a problem.
void hashes_of_file(struct hashes *h, int fd, struct str args, struct buf *out);

// document.c: strangers' JSON within limits.
// NULL with ret_problem set when it can't be read.
json_t *document_load(struct str bytes, const char **ret_problem);
// A member, or NULL; by its exact name, else as Go's decoder (runc's) takes it: without regard to
// case.
json_t *member(const json_t *object, const char *key);
const char *member_str(const json_t *object,
                       const char *key); // NULL: not there, not a string, empty
// The reply: args' members with what was found. A reply that would be too long loses labels and
// mounts.
json_t *reply_new(struct str args, const char *source);
void reply_set(json_t *reply, const char *key,
               json_t *value); // takes value; what args say stays
void reply_str(json_t *reply, const char *key, const char *value);
json_t *string_cut(const char *s); // at most MAX_STRANGER_STRING bytes
void reply_problem(json_t *reply, const char *problem);
void reply_write(json_t *reply, struct buf *out);
// "bundle" + "/" + path where path isn't absolute.
json_t *absolute(const char *bundle, const char *path);

// annotations.c: name, image, workload, labels, runtime from an OCI document's annotations.
void reply_annotations(json_t *reply, const json_t *annotations);
// privileges.c
json_t *privileged_of(const json_t *config);
void reply_namespaces(json_t *reply, const json_t *namespaces, const char *const names[4]);
// posture.c: how the container is confined.
void reply_posture(json_t *reply, const json_t *config);
