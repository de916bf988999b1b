// The client's side of the API, with libcurl over the Unix socket: whole replies and streams of
// lines.
#include "control/internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CONNECT_MS = 5000, CONNECT_TRIES = 20, REPLY_MS = 35000 };

struct call {
    CURL *curl;
    bool stream, begun, left;
    bool version_wrong;
    long status;
    struct buf body; // whole reply, or the line that is not whole yet
    int (*f)(void *ctx, struct str line);
    void *ctx;
    int error;
};

static bool header_is(struct str line, const char *name, struct str *ret_value)
{
    size_t n = strlen(name);
    if (line.len <= n || line.ptr[n] != ':' || strncasecmp(line.ptr, name, n) != 0)
        return false;
    size_t from = n + 1, to = line.len;
    while (from < to && line.ptr[from] == ' ')
        from++;
    while (to > from && (line.ptr[to - 1] == '\r' || line.ptr[to - 1] == '\n'))
        to--;
    *ret_value = (struct str){line.ptr + from, to - from};
    return true;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *cls)
{
    struct call *c = cls;
    struct str line = {bytes, size * n}, value;
    uint64_t version;
    if (header_is(line, CONTROL_VERSION_HEADER, &value))
        c->version_wrong = parse_u64(value, &version) != 0 || version != CONTROL_VERSION;
    if (header_is(line, "Content-Type", &value))
        c->stream = str_starts(value, STR("application/x-ndjson"));
    return size * n;
}

static bool give(struct call *c, struct str line)
{
    if (!c->left && c->f(c->ctx, line) != 0)
        c->left = true;
    return !c->left;
}

// Gives every whole line of what came; keeps the rest.
static bool take_lines(struct call *c, struct str bytes)
{
    while (bytes.len > 0) {
        const char *newline = memchr(bytes.ptr, '\n', bytes.len);
        size_t n = newline ? (size_t)(newline - bytes.ptr) : bytes.len;
        buf_add(&c->body, bytes.ptr, n);
        if (c->body.failed || c->body.len > MAX_CONTROL_LINE) {
            c->error = c->body.failed ? -ENOMEM : -EMSGSIZE;
            return false;
        }
        if (!newline)
            return true;
        if (!give(c, buf_view(&c->body)))
            return false;
        buf_reset(&c->body);
        bytes = (struct str){bytes.ptr + n + 1, bytes.len - n - 1};
    }
    return true;
}

// A stream was accepted: said once, before its first line. (What is refused is JSON, not a stream.)
static bool begin(struct call *c)
{
    bool first = c->stream && !c->begun;
    c->begun = c->begun || c->stream;
    return !first || give(c, STR_NULL);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *cls)
{
    struct call *c = cls;
    size_t len = size * n;
    if (!c->stream) {
        buf_add(&c->body, bytes, len);
        if (c->body.failed || c->body.len > MAX_CONTROL_REPLY + 1) {
            c->error = c->body.failed ? -ENOMEM : -EMSGSIZE;
            return 0;
        }
        return len;
    }
    if (!begin(c))
        return 0;
    return take_lines(c, (struct str){bytes, len}) ? len : 0;
}

// Waits until somebody accepts connections there. The kernel's own wait for room in the listener's
// backlog, and its own word on why not: curl connects without waiting, and takes a full backlog for
// a refusal.
static int wait_for_room(const char *address)
{
    const struct timeval patience = {CONNECT_MS / 1000, 0};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", address);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return -errno;
    return 0;
}

// Turns until it is over, the caller has had enough, or stop_fd can be read.
static CURLcode turn(struct call *c, CURLM *multi, int stop_fd)
{
    int running = 1;
    struct curl_waitfd stop = {.fd = stop_fd, .events = CURL_WAIT_POLLIN};
    for (;;) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (!running)
            break;
        if (!begin(c))
            return CURLE_OK;
        stop.revents = 0;
        if (curl_multi_poll(multi, &stop, stop_fd >= 0 ? 1 : 0, 1000, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (stop.revents) {
            c->left = true;
            return CURLE_OK;
        }
    }
    int left;
    const CURLMsg *m = curl_multi_info_read(multi, &left);
    return m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_OK;
}

static void set_up(struct call *c, const char *method, const char *socket, const char *url,
                   struct str body, struct curl_slist *headers, bool stream)
{
    CURL *u = c->curl;
    curl_easy_setopt(u, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(u, CURLOPT_URL, url);
    curl_easy_setopt(u, CURLOPT_NOPROXY, "*"); // http_proxy is not for this
    curl_easy_setopt(u, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(u, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(u, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(u, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    if (!stream)
        curl_easy_setopt(u, CURLOPT_TIMEOUT_MS, (long)REPLY_MS);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(u, CURLOPT_POST, 1L);
        curl_easy_setopt(u, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(u, CURLOPT_POSTFIELDS, body.len ? body.ptr : "");
    }
    curl_easy_setopt(u, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(u, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(u, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(u, CURLOPT_WRITEDATA, c);
}

static bool is_stream(const char *method, const char *path_and_query)
{
    _cleanup_buf_ struct buf error = {0};
    const struct request_row *row;
    struct request_values values;
    struct str path = {path_and_query, strcspn(path_and_query, "?")};
    return request_find(str_of(method), path, &row, &values, &error) == 0 && row->stream;
}

static int unreachable(const char *socket_path, int code, struct error *err)
{
    if (code == ECONNREFUSED)
        return error_set(err, -ECONNREFUSED,
                         "no agent answers on %s; start one with `bulkhead run`", socket_path);
    if (code == EACCES || code == EPERM)
        return error_set(err, -EACCES, "%s may not be used by this user; ask as root", socket_path);
    if (code == EAGAIN)
        return error_set(err, -EAGAIN, "the agent at %s takes no more clients now", socket_path);
    if (code == ENOENT || code == ENOTDIR)
        return error_set(
            err, -ENOENT,
            "there is no agent at %s; start one with `bulkhead run`, or name its --runtime-dir",
            socket_path);
    return error_set(err, -code, "cannot reach the agent at %s: %s", socket_path, strerror(code));
}

static int result(struct call *c, CURLcode code, const char *socket_path, struct error *err)
{
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
    if (c->error == -EMSGSIZE)
        return error_set(err, c->error, "the agent's answer is too long");
    if (c->error)
        return error_set(err, c->error, "no memory for the agent's answer");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(err, -ETIMEDOUT, "the agent at %s does not answer", socket_path);
    // A stream that breaks off: the agent ended or lost patience; what came was given.
    if (code != CURLE_OK && !c->left)
        return error_set(err, -EPIPE, "the agent at %s broke off: %s", socket_path,
                         curl_easy_strerror(code));
    if (c->version_wrong)
        return error_set(
            err, -EPROTO,
            "the agent at %s speaks another version of the API; use the client that came with it",
            socket_path);
    return (int)c->status;
}

int control_follow(const char *socket_path, const char *method, const char *path_and_query,
                   struct str body, int stop_fd, int (*f)(void *ctx, struct str line), void *ctx,
                   struct error *err)
{
    char address[64];
    _cleanup_close_ int dirfd = -1;
    _cleanup_buf_ struct buf url = {0};
    struct call c = {.f = f, .ctx = ctx};
    int r = listen_address(socket_path, &dirfd, address, err);
    if (r == -ENOENT)
        return unreachable(socket_path, ENOENT, err);
    if (r < 0)
        return r;
    buf_printf(&url, "http://bulkhead%s", path_and_query);
    if (url.failed || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return error_set(err, -ENOMEM, "cannot set up the client");
    CURLM *multi = curl_multi_init();
    struct curl_slist *headers = curl_slist_append(NULL, CONTROL_VERSION_HEADER ": 1");
    static_assert(CONTROL_VERSION == 1, "the header above");
    c.curl = curl_easy_init();
    if (!multi || !c.curl || !headers)
        r = error_set(err, -ENOMEM, "cannot set up the client");
    else {
        r = 0;
        set_up(&c, method, address, url.ptr, body, headers, is_stream(method, path_and_query));
        CURLcode code = CURLE_COULDNT_CONNECT;
        for (unsigned i = 0; code == CURLE_COULDNT_CONNECT && i < CONNECT_TRIES && r == 0; i++) {
            curl_multi_add_handle(multi, c.curl);
            code = turn(&c, multi, stop_fd);
            curl_multi_remove_handle(multi, c.curl);
            if (code == CURLE_COULDNT_CONNECT)
                r = wait_for_room(address);
        }
        r = r < 0 ? unreachable(socket_path, -r, err) : result(&c, code, socket_path, err);
        if (r >= 0 && !c.stream && !c.left)
            (void)give(&c, buf_view(&c.body));
    }
    curl_easy_cleanup(c.curl);
    curl_slist_free_all(headers);
    curl_multi_cleanup(multi);
    buf_done(&c.body);
    return r;
}

int control_call(const char *socket_path, const char *method, const char *path_and_query,
                 struct str body, int (*f)(void *ctx, struct str line), void *ctx,
                 struct error *err)
{
    return control_follow(socket_path, method, path_and_query, body, -1, f, ctx, err);
}

void control_add_param(struct buf *path, const char *name, struct str value)
{
    buf_char(path, path->ptr && strchr(path->ptr, '?') ? '&' : '?');
    buf_text(path, name);
    buf_char(path, '=');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char b = (unsigned char)value.ptr[i];
        // RFC 3986's unreserved characters, by number: isalnum() asks the locale.
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                     b == '-' || b == '.' || b == '_' || b == '~';
        if (plain)
            buf_char(path, (char)b);
        else
            buf_printf(path, "%%%02X", b);
    }
}
