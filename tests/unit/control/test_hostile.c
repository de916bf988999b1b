// Slow and hostile clients: each is bounded, and none keeps the others from being served.
#include "fake_core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { HEAD_MS = 600, CROWD = 1000 };

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fake));
    fake_start(*state, HEAD_MS);
    return 0;
}

static int tear_down(void **state)
{
    fake_stop(*state);
    free(*state);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void expect_served(const struct fake *f)
{
    struct reply r = {0};
    int64_t from = now_ms();
    ask(f, "GET", "/v1/status", &r);
    assert_int_equal(r.status, 200);
    assert_true(now_ms() - from < 3000);
    reply_done(&r);
}

static void test_a_slow_head_is_cut_off(void **state)
{
    // One byte now and then: an idle timer would never end it.
    int fd = raw_connect(*state);
    int64_t from = now_ms();
    static const char drip[] =
        "GET /v1/status HTTP/1.1\r\nX-A: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    size_t i = 0;
    while (now_ms() - from < 5000 &&
           send(fd, &drip[i % (sizeof(drip) - 1)], 1, MSG_NOSIGNAL) == 1) {
        struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
        if (poll(&p, 1, 50) > 0)
            break;
        i++;
    }
    int64_t took = now_ms() - from;
    close(fd);
    assert_in_range(took, HEAD_MS - 50, HEAD_MS + 2000);
    expect_served(*state);
}

// Sends `head`, then `fill` until nobody takes it or `max` bytes went; what came back is in `out`.
static size_t flood(const struct fake *f, const char *head, const char *fill, size_t max,
                    struct buf *out)
{
    size_t sent = 0;
    int fd = raw_connect(f);
    assert_true(fd >= 0);
    assert_true(send(fd, head, strlen(head), MSG_NOSIGNAL) > 0);
    for (int64_t from = now_ms(); sent < max && now_ms() - from < 4000;) {
        struct pollfd p = {fd, POLLOUT, 0};
        if (poll(&p, 1, 200) <= 0)
            continue;
        ssize_t n = send(fd, fill, strlen(fill), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    raw_read(fd, out, 1000);
    close(fd);
    return sent;
}

static void test_an_endless_head_is_refused(void **state)
{
    _cleanup_buf_ struct buf out = {0};
    size_t sent = flood(*state, "GET /v1/status HTTP/1.1\r\n",
                        "X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 64 << 20, &out);
    assert_true(sent < 1 << 20);
    expect_served(*state);
    _cleanup_buf_ struct buf line = {0};
    sent = flood(*state, "GET /", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                 64 << 20, &line);
    assert_true(sent < 1 << 20);
    expect_served(*state);
    assert_int_equal(((struct fake *)*state)->taken, 2);
}

static void test_a_body_is_refused(void **state)
{
    struct fake *f = *state;
    static const char chunk[] = "1000\r\n";
    _cleanup_buf_ struct buf out = {0}, fill = {0};
    buf_text(&fill, chunk);
    for (int i = 0; i < 0x1000; i++)
        buf_char(&fill, 'b');
    buf_text(&fill, "\r\n");
    size_t sent =
        flood(f, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
              fill.ptr, 64 << 20, &out);
    assert_true(sent < 8 << 20);
    _cleanup_buf_ struct buf sized = {0};
    sent = flood(f, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
                 fill.ptr, 64 << 20, &sized);
    assert_true(sent < 8 << 20);
    assert_int_equal(f->taken, 0);
    _cleanup_buf_ struct buf small = {0};
    int fd = raw_connect(f);
    static const char request[] =
        "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    assert_true(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0);
    raw_read(fd, &small, 3000);
    assert_non_null(small.ptr);
    assert_non_null(strstr(small.ptr, "413 "));
    assert_non_null(strstr(small.ptr, "no request takes a body"));
    close(fd);
    expect_served(f);
}

static void test_nonsense_is_survived(void **state)
{
    struct fake *f = *state;
    static const char *const nonsense[] = {
        "\r\n\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01",
        "GET\r\n\r\n",
        "GET /v1/status\r\n\r\n",
        "GET /v1/status HTTP/9.9\r\n\r\n",
        "GET /v1/%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/why?what=%00&what=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/why?&&==&%=% HTTP/1.1\r\nHost: x\r\n\r\n",
        "TRACE * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\n\r\n",
        "POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
        _cleanup_buf_ struct buf out = {0};
        int fd = raw_connect(f);
        assert_true(fd >= 0);
        assert_true(send(fd, nonsense[i], strlen(nonsense[i]), MSG_NOSIGNAL) > 0);
        raw_read(fd, &out, 60);
        if (out.ptr && strstr(out.ptr, " 200 "))
            fail_msg("%s: %s", nonsense[i], out.ptr);
        close(fd);
    }
    assert_int_equal(f->taken, 0);
    expect_served(f);
}

static void test_a_crowd_does_not_lock_others_out(void **state)
{
    struct fake *f = *state;
    struct rlimit files = {2 * CROWD, 2 * CROWD};
    int crowd[CROWD], n = 0;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < CROWD; i++) {
        int64_t from = now_ms();
        int fd;
        // The backlog may be full for a moment: the API process makes room as it accepts.
        while ((fd = raw_connect(f)) == -EAGAIN && now_ms() - from < 2000)
            poll(NULL, 0, 1);
        if (fd < 0)
            continue;
        if (i % 2)
            (void)!send(fd, "GET /v1/st", 10, MSG_NOSIGNAL);
        crowd[n++] = fd;
        if (i % 250 == 249)
            expect_served(f);
    }
    assert_int_equal(n, CROWD);
    expect_served(f);
    char path[64];
    int open_there = -2; // . and ..
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)f->api);
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d))
        open_there++;
    closedir(d);
    assert_in_range(open_there, 1, MAX_CONTROL_CLIENTS + 32);
    for (int i = 0; i < n; i++)
        close(crowd[i]);
    expect_served(f);
}

static void test_too_many_streams_are_told_so(void **state)
{
    struct fake *f = *state;
    int fds[MAX_CONTROL_CLIENTS + 8], busy = 0;
    static const char events[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = raw_connect(f);
        assert_true(fds[i] >= 0);
        assert_true(send(fds[i], events, sizeof(events) - 1, MSG_NOSIGNAL) > 0);
        if (i < MAX_CONTROL_CLIENTS)
            wait_for(&f->streams, i + 1);
    }
    for (size_t i = MAX_CONTROL_CLIENTS; i < ARRAY_SIZE(fds); i++) {
        _cleanup_buf_ struct buf out = {0};
        raw_read(fds[i], &out, 20000); // to the end of the connection
        busy += out.ptr && strstr(out.ptr, "503 ") &&
                strstr(out.ptr, "64 clients are being served already");
    }
    assert_int_equal(busy, 8);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        close(fds[i]);
    wait_for(&f->left, MAX_CONTROL_CLIENTS);
    expect_served(f);
}

static uint64_t number_behind(struct str text, const char *key)
{
    const char *at = memmem(text.ptr, text.len, key, strlen(key));
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

struct counted {
    struct fake *f;
    uint64_t lines, dropped, next;
    bool waited;
};

static int count(void *ctx, struct str line)
{
    struct counted *c = ctx;
    if (!line.ptr)
        return 0;
    // Read nothing until lines had to be dropped.
    if (!c->waited)
        wait_for(&c->f->refused_lines, 1000);
    c->waited = true;
    if (str_starts(line, STR("{\"dropped\":"))) {
        uint64_t n = number_behind(line, "\"dropped\":");
        c->dropped += n;
        c->next += n;
        return 0;
    }
    assert_int_equal(number_behind(line, "\"line\":"),
                     c->next); // what is missing was said where it is missing
    c->next++;
    c->lines++;
    return 0;
}

static void test_a_slow_reader_is_told_what_it_missed(void **state)
{
    struct counted c = {.f = *state};
    struct error err = {0};
    int status =
        control_call(c.f->path, "GET", "/v1/events?filter=count", STR_NULL, count, &c, &err);
    assert_int_equal(status, 200);
    assert_int_equal(c.lines + c.dropped, FAKE_LINES);
    assert_int_equal(c.dropped, c.f->refused_lines);
    assert_true(c.lines > 1000);
    expect_served(c.f);
}

static void test_unread_replies_are_bounded(void **state)
{
    struct fake *f = *state;
    int fds[16];
    // 16 × 4 MiB asked for and not read: more than MAX_CONTROL_QUEUED. The core says so instead of
    // growing.
    static const char ps[] = "GET /v1/ps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        fds[i] = raw_connect(f);
        assert_true(send(fds[i], ps, sizeof(ps) - 1, MSG_NOSIGNAL) > 0);
        wait_for(&f->taken, i + 1);
    }
    int whole = 0, busy = 0;
    for (size_t i = ARRAY_SIZE(fds); i-- > 0;) {
        _cleanup_buf_ struct buf out = {0};
        raw_read(fds[i], &out, 20000); // to the end of the connection
        close(fds[i]);
        busy += out.ptr && strstr(out.ptr, "503 ") != NULL;
        whole += out.len > 4 << 20;
    }
    assert_int_equal(whole, MAX_CONTROL_QUEUED / (4 << 20));
    assert_int_equal(busy, 16 - whole);
    expect_served(f);
}

int main(void)
{
#define HOSTILE_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(test_a_slow_head_is_cut_off),
        HOSTILE_TEST(test_an_endless_head_is_refused),
        HOSTILE_TEST(test_a_body_is_refused),
        HOSTILE_TEST(test_nonsense_is_survived),
        HOSTILE_TEST(test_a_crowd_does_not_lock_others_out),
        HOSTILE_TEST(test_too_many_streams_are_told_so),
        HOSTILE_TEST(test_a_slow_reader_is_told_what_it_missed),
        HOSTILE_TEST(test_unread_replies_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
