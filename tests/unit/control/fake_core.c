// A core for the tests of the API.
#include "fake_core.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

struct counting { // a stream of numbered lines
    uint64_t client, sent;
};

static void reply_text(struct fake *f, uint64_t client, const char *text)
{
    assert_int_equal(control_reply(f->control, client, 200, str_of(text)), 0);
}

static void reply_sized(struct fake *f, uint64_t client, size_t bytes)
{
    _cleanup_buf_ struct buf b = {0};
    buf_char(&b, '"');
    while (b.len + 1 < bytes)
        buf_char(&b, (char)('a' + b.len % 26));
    buf_char(&b, '"');
    assert_int_equal(control_reply(f->control, client, 200, buf_view(&b)), 0);
}

static void answer_events(struct fake *f, const struct control_request *r,
                          struct counting *counting)
{
    struct str filter = control_param(r, "filter");
    if (str_eq(filter, STR("bad"))) {
        _cleanup_buf_ struct buf error = {0};
        control_error(&error, "filter", "see `bulkhead dump fields`", "no such field");
        assert_int_equal(control_reply(f->control, r->client, 400, buf_view(&error)), 0);
        return;
    }
    f->streams++;
    if (!str_eq(filter, STR("count"))) // that one begins with its first line
        assert_int_equal(control_begin(f->control, r->client), 0);
    if (str_eq(filter, STR("count")))
        *counting = (struct counting){r->client, 0};
}

static void answer(struct fake *f, const struct control_request *r, struct counting *counting)
{
    _cleanup_buf_ struct buf b = {0};
    struct json j = json_on(&b);
    if (strcmp(r->row->name, "status") == 0)
        reply_text(f, r->client, "{\"ok\":true}");
    else if (strcmp(r->row->name, "ps") == 0)
        reply_sized(f, r->client, 4 << 20);
    else if (strcmp(r->row->name, "rows") == 0)
        reply_sized(f, r->client, MAX_CONTROL_REPLY + 1);
    else if (strcmp(r->row->name, "events") == 0)
        answer_events(f, r, counting);
    else if (strcmp(r->row->name, "stop") == 0) {
        reply_text(f, r->client, "{\"stopping\":true}");
        f->stopped = true;
    } else if (strcmp(r->row->name, "why") == 0 || strcmp(r->row->name, "respond") == 0) {
        json_object(&j);
        json_kstr(&j, "what", control_param(r, "what"));
        json_kstr(&j, "number", control_param(r, "number"));
        json_kstr(&j, "word", control_param(r, "word"));
        json_ku64(&j, "uid", r->uid);
        json_ku64(&j, "pid", r->pid);
        json_object_end(&j);
        reply_text(f, r->client, b.ptr);
    }
}

static bool send_some(struct fake *f, struct counting *c)
{
    char line[FAKE_LINE_BYTES + 1];
    if (c->client == 0)
        return false;
    for (unsigned i = 0; i < 500 && c->sent < FAKE_LINES; i++) {
        snprintf(line, sizeof(line), "{\"line\":%llu,\"pad\":\"%*s\"}",
                 (unsigned long long)c->sent++, 150, "");
        int r = control_line(f->control, c->client, str_of(line));
        if (r == -EAGAIN)
            f->refused_lines++;
        else if (r == -ENOENT) {
            c->client = 0;
            return false;
        }
    }
    if (c->sent == FAKE_LINES) {
        (void)control_end(f->control, c->client);
        c->client = 0;
    }
    return c->client != 0;
}

static void *run(void *ctx)
{
    struct fake *f = ctx;
    struct counting counting = {0};
    while (!f->stopped) {
        struct pollfd p[] = {{control_fd(f->control), POLLIN, 0}, {f->wake, POLLIN, 0}};
        poll(p, 2, send_some(f, &counting) ? 0 : 1000);
        if (p[1].revents)
            break;
        struct control_request r;
        struct error err = {0};
        uint64_t left;
        int taken;
        while ((taken = control_take(f->control, &r, &left, &err)) == 1) {
            if (!r.row) {
                f->left++;
                counting.client = counting.client == left ? 0 : counting.client;
                continue;
            }
            f->taken++;
            answer(f, &r, &counting);
        }
        if (taken < 0) {
            f->broke = taken;
            break;
        }
    }
    control_stop(f->control);
    return NULL;
}

void fake_start(struct fake *f, unsigned head_ms)
{
    struct error err = {0};
    *f = (struct fake){.wake = eventfd(0, EFD_CLOEXEC)};
    snprintf(f->folder, sizeof(f->folder), "/tmp/bulkhead-api-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/run/api.sock", f->folder);
    const struct control_options o = {
        .socket_path = f->path, .version = "9.8.7", .head_ms = head_ms};
    if (control_start(&o, &f->control, &err) < 0)
        fail_msg("%s", err.message);
    f->api = control_pid(f->control);
    assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

void fake_stop(struct fake *f)
{
    uint64_t one = 1;
    char folder[80];
    assert_int_equal(write(f->wake, &one, sizeof(one)), sizeof(one));
    pthread_join(f->thread, NULL);
    f->control = NULL;
    close(f->wake);
    assert_int_equal(access(f->path, F_OK), -1); // the socket is removed
    snprintf(folder, sizeof(folder), "%s/run", f->folder);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(f->folder), 0);
}

void reply_done(struct reply *r)
{
    buf_done(&r->text);
}

static int take(void *ctx, struct str line)
{
    struct reply *r = ctx;
    if (!line.ptr) {
        r->begun = true;
        return 0;
    }
    buf_reset(&r->text);
    buf_str(&r->text, line);
    return ++r->lines == r->stop_after;
}

void ask(const struct fake *f, const char *method, const char *path, struct reply *r)
{
    struct error err = {0};
    r->lines = 0;
    r->status = control_call(f->path, method, path, STR_NULL, take, r, &err);
}

int raw_connect(const struct fake *f)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        int saved = errno;
        close(fd);
        return -saved;
    }
    return fd;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void raw_read(int fd, struct buf *out, int ms)
{
    char bytes[4096];
    for (int64_t until = now_ms() + ms; now_ms() < until;) {
        struct pollfd p = {fd, POLLIN, 0};
        if (poll(&p, 1, (int)MAX(until - now_ms(), 0)) <= 0)
            break;
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n <= 0)
            break;
        buf_add(out, bytes, (size_t)n);
    }
}

void wait_for(_Atomic uint64_t *what, uint64_t n)
{
    for (int64_t until = now_ms() + 5000; *what < n && now_ms() < until;)
        poll(NULL, 0, 2);
    assert_true(*what >= n);
}
