// Inside the API process: connections, the requests on them, and what each still has to be sent.
#pragma once

#include "control/internal.h"

#include <microhttpd.h>
#include <sys/queue.h>

enum {
    SPARE_CONNECTIONS =
        16, // above MAX_CONTROL_CLIENTS: to tell the next one so, and till an idle one is gone
    HEAD_MS =
        10000, // a request must be there so long after its connection, or the request before it
    ANSWER_MS = 30000, // the core must have answered, and the client have taken the answer
    LAST_MS = 1000,    // when the core is gone: for what is still to be sent
    SWEEP_MS = 250,
    MAX_HEAD_BYTES = 32 << 10,
    STREAM_BLOCK = 16 << 10,
};

enum phase {
    PHASE_READING,  // its head is there, its end isn't yet
    PHASE_ASKING,   // to be handed to the core
    PHASE_WAITING,  // for the core
    PHASE_REPLYING, // a whole reply is there
    PHASE_STREAMING,
    PHASE_OVER, // the connection is done with it; the core may have to be told
};

struct link {                // a connection
    TAILQ_ENTRY(link) entry; // oldest first
    struct MHD_Connection *connection;
    int fd;
    struct client *client; // the request that is being served; NULL: between two
    uint64_t deadline_ms;  // 0: none
    bool hung_up, shut;
};
TAILQ_HEAD(links, link);

struct client { // a request; named after what the core sees of it
    TAILQ_ENTRY(client) entry;
    struct server *server;
    struct link *link;
    uint64_t id;
    const struct request_row *row;
    enum phase phase;
    bool suspended, known /* to the core */, ended;
    unsigned status;
    struct buf values; // packed
    struct buf body;   // of the reply, or of the stream what was not taken yet from `taken` on
    size_t taken;
    uint32_t untold; // bytes taken of which the core was not told
};
TAILQ_HEAD(clients, client);

struct server {
    struct MHD_Daemon *daemon;
    int pair, ep;
    pid_t core;
    const char *version;
    unsigned head_ms;
    struct links links;
    size_t links_n;
    struct clients clients;
    uint64_t next_id;
    bool pair_full;     // wait until it can be written
    uint64_t ending_ms; // the core is gone: serve until then; 0: it's there
    uint8_t in[FRAME_MAX];
};

uint64_t server_now_ms(void);

// serve.c: microhttpd's callbacks. cls: the server.
enum MHD_Result serve_request(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context);
void serve_connection(void *cls, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode code);
void serve_completed(void *cls, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode code);
void serve_sweep(struct server *s, uint64_t now_ms); // ends what is past its deadline

// stream.c: what goes to and comes from the core.
void client_fail(struct client *c, unsigned status, const char *code,
                 const char *message); // instead of a reply
void client_wake(struct client *c);
ssize_t client_read_stream(void *cls, uint64_t at, char *out,
                           size_t max); // MHD_ContentReaderCallback
int stream_receive(struct server *s);   // takes what the core sent; -EPIPE: it is gone
void stream_send(struct server *s);     // tells the core what it does not know yet
void client_free(struct client *c);
