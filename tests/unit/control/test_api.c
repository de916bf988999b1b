// The API end to end: a fake core, the real API process, the real client.
#include "fake_core.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fake));
    fake_start(*state, 0);
    return 0;
}

static int tear_down(void **state)
{
    fake_stop(*state);
    free(*state);
    return 0;
}

static void expect(const struct fake *f, const char *method, const char *path, int status,
                   const char *says)
{
    struct reply r = {0};
    ask(f, method, path, &r);
    if (r.status != status || !r.text.ptr || !strstr(r.text.ptr, says))
        fail_msg("%s %s: %d %s", method, path, r.status, r.text.ptr ? r.text.ptr : "");
    reply_done(&r);
}

static void test_a_request_is_answered(void **state)
{
    struct fake *f = *state;
    char version[96];
    snprintf(version, sizeof(version), "{\"version\":\"9.8.7\",\"api\":1,\"pid\":%d}",
             (int)getpid());
    expect(f, "GET", "/v1/status", 200, "{\"ok\":true}");
    expect(f, "GET", "/v1/version", 200, version);
    assert_int_equal(f->taken, 1); // the version needs no core
}

static void test_the_core_is_told_what_was_asked_and_by_whom(void **state)
{
    char who[64];
    snprintf(who, sizeof(who), "\"uid\":%u,\"pid\":%d}", (unsigned)geteuid(), (int)getpid());
    expect(*state, "GET", "/v1/why?what=%2Fbin%2Fsh%20%22x%22", 200,
           "\"what\":\"/bin/sh \\\"x\\\"\"");
    expect(*state, "POST", "/v1/incidents/12/dismiss", 200,
           "\"number\":\"12\",\"word\":\"dismiss\"");
    expect(*state, "POST", "/v1/incidents/12/dismiss", 200, who);
}

static void test_a_wrong_request_does_not_reach_the_core(void **state)
{
    struct fake *f = *state;
    expect(f, "GET", "/v1/stats", 404, "did you mean /v1/status?");
    expect(f, "POST", "/v1/status", 405, "use GET");
    expect(f, "GET", "/v1/status?x=1", 400, "takes no parameter x");
    expect(f, "GET", "/v1/why", 400, "needs what");
    expect(f, "POST", "/v1/stop?release=maybe", 400, "one of: true|false");
    assert_int_equal(f->taken, 0);
}

static void test_a_large_reply_is_whole(void **state)
{
    struct reply r = {0};
    ask(*state, "GET", "/v1/ps", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.text.len, (4 << 20) + 1);
    for (size_t i = 1; i < r.text.len - 2; i++)
        if (r.text.ptr[i] != (char)('a' + i % 26))
            fail_msg("byte %zu is wrong", i);
    reply_done(&r);
    expect(*state, "GET", "/v1/rows", 500, "too-large");
}

static void test_a_stream_is_in_order_and_ends(void **state)
{
    struct fake *f = *state;
    struct reply r = {0};
    char last[64];
    ask(f, "GET", "/v1/events?filter=count", &r);
    assert_int_equal(r.status, 200);
    assert_true(r.begun);
    snprintf(last, sizeof(last), "{\"line\":%d,", FAKE_LINES - 1);
    // Either all came, or what didn't was counted: the last line is then the one that says so.
    if (f->refused_lines == 0) {
        assert_int_equal(r.lines, FAKE_LINES);
        assert_non_null(strstr(r.text.ptr, last));
    }
    reply_done(&r);
    expect(f, "GET", "/v1/events?filter=bad", 400, "no such field");
    assert_int_equal(f->left, 0);
}

static void test_the_core_is_told_who_left(void **state)
{
    struct fake *f = *state;
    // A stream on which nothing happens: microhttpd itself doesn't see its client go.
    int fd = raw_connect(f);
    static const char request[] = "GET /v1/findings HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char events[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(fd >= 0 && write(fd, request, sizeof(request) - 1) > 0);
    wait_for(&f->taken, 1);
    close(fd);
    wait_for(&f->left, 1);
    fd = raw_connect(f);
    assert_true(fd >= 0 && write(fd, events, sizeof(events) - 1) > 0);
    wait_for(&f->streams, 1);
    close(fd);
    wait_for(&f->left, 2);
    // One that waits for an answer which doesn't come.
    static const char reload[] = "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    fd = raw_connect(f);
    assert_true(fd >= 0 && write(fd, reload, sizeof(reload) - 1) > 0);
    wait_for(&f->taken, 3);
    close(fd);
    wait_for(&f->left, 3);
    // And one that has enough in the middle of a stream.
    struct reply r = {.stop_after = 10};
    ask(f, "GET", "/v1/events?filter=count", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.lines, 10);
    reply_done(&r);
    wait_for(&f->left, 4);
}

static void test_one_connection_takes_many_requests(void **state)
{
    struct fake *f = *state;
    int fd = raw_connect(f);
    for (int i = 0; i < 20; i++) {
        static const char request[] =
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nBulkhead-Api: 1\r\n\r\n";
        _cleanup_buf_ struct buf b = {0};
        assert_true(write(fd, request, sizeof(request) - 1) > 0);
        while (!b.ptr || !strstr(b.ptr, "{\"ok\":true}"))
            raw_read(fd, &b, 20);
        assert_non_null(strstr(b.ptr, "Bulkhead-Api: 1\r\n"));
    }
    close(fd);
    assert_int_equal(f->taken, 20);
}

static void test_another_version_is_refused(void **state)
{
    struct fake *f = *state;
    static const char *const wrong[] = {"2", "0", "x", ""};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        char request[128];
        _cleanup_buf_ struct buf b = {0};
        int fd = raw_connect(f);
        int n = snprintf(
            request, sizeof(request),
            "GET /v1/status HTTP/1.1\r\nHost: x\r\nBulkhead-Api: %s\r\nConnection: close\r\n\r\n",
            wrong[i]);
        assert_true(write(fd, request, (size_t)n) > 0);
        raw_read(fd, &b, 3000);
        assert_non_null(b.ptr);
        assert_non_null(strstr(b.ptr, "400 "));
        assert_non_null(strstr(b.ptr, "speaks version 1"));
        close(fd);
    }
    assert_int_equal(f->taken, 0);
}

static void test_a_last_answer_is_delivered(void **state)
{
    struct fake *f = *state;
    // A stream and a slow answer are open when the core ends right behind its answer to `stop`.
    int fd = raw_connect(f);
    static const char events[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(fd >= 0 && write(fd, events, sizeof(events) - 1) > 0);
    wait_for(&f->streams, 1);
    expect(f, "POST", "/v1/stop?release=true", 200, "stopping");
    _cleanup_buf_ struct buf b = {0};
    raw_read(fd, &b, 5000);
    assert_non_null(strstr(b.ptr, "\r\n0\r\n\r\n")); // the stream was ended, not cut
    close(fd);
    struct reply r = {0};
    pthread_join(f->thread, NULL);
    ask(f, "GET", "/v1/status", &r);
    assert_int_equal(r.status, -ENOENT);
    reply_done(&r);
    f->wake = -1; // the thread is gone already
}

static int tear_down_stopped(void **state)
{
    struct fake *f = *state;
    char folder[80];
    snprintf(folder, sizeof(folder), "%s/run", f->folder);
    rmdir(folder);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void proc_status(pid_t pid, const char *key, char out[128])
{
    char path[64], line[512];
    size_t n = strlen(key);
    out[0] = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, key, n) == 0)
            snprintf(out, 128, "%.*s", (int)strcspn(line + n, "\n"), line + n);
    fclose(file);
}

static void test_the_api_process_has_no_privilege(void **state)
{
    struct fake *f = *state;
    pid_t pid = f->api;
    char value[128];
    static const char *const capabilities[] = {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"};
    for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
        proc_status(pid, capabilities[i], value);
        assert_string_equal(value, "\t0000000000000000");
    }
    proc_status(pid, "NoNewPrivs:", value);
    assert_string_equal(value, "\t1");
    proc_status(pid, "Seccomp:", value);
    assert_string_equal(value, "\t2");
    if (geteuid() != 0)
        return;
    proc_status(pid, "CapBnd:", value);
    assert_string_equal(value, "\t0000000000000000");
    proc_status(pid, "Uid:", value);
    unsigned uid[4];
    assert_int_equal(sscanf(value, "%u %u %u %u", &uid[0], &uid[1], &uid[2], &uid[3]), 4);
    for (int i = 0; i < 4; i++)
        assert_true(uid[i] != 0 && uid[i] == uid[0]);
    proc_status(pid, "Groups:", value);
    assert_int_equal(strspn(value, "\t "), strlen(value));
}

static void test_a_dead_api_process_is_reported(void **state)
{
    struct fake *f = *state;
    kill(f->api, SIGKILL);
    pthread_join(f->thread, NULL);
    assert_int_equal(f->broke, -EPIPE);
    assert_int_equal(access(f->path, F_OK), -1);
    f->wake = -1;
}

// ── the socket ───────────────────────────────────────────────────────────────────────────────

static void test_the_socket_is_roots_alone(void **state)
{
    struct fake *f = *state;
    struct stat st;
    char folder[80];
    snprintf(folder, sizeof(folder), "%s/run", f->folder);
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    if (geteuid() != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        if (chmod(f->folder, 0755) < 0 || chmod(folder, 0755) < 0 || setgroups(0, NULL) < 0 ||
            setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        struct reply r = {0};
        ask(f, "GET", "/v1/status", &r);
        _exit(r.status == -EACCES ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int try_start(const char *path, struct error *err)
{
    struct control *c = NULL;
    const struct control_options o = {.socket_path = path, .version = "1"};
    int r = control_start(&o, &c, err);
    if (r == 0)
        control_stop(c);
    return r;
}

static void test_a_second_agent_is_refused_a_stale_socket_replaced(void **state)
{
    struct fake *f = *state;
    struct error err = {0};
    assert_int_equal(try_start(f->path, &err), -EADDRINUSE);
    assert_non_null(strstr(err.message, "another agent answers on"));
    expect(f, "GET", "/v1/status", 200, "{\"ok\":true}"); // the first one's socket is untouched

    char stale[128];
    snprintf(stale, sizeof(stale), "%s/run/stale.sock", f->folder);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", stale);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    assert_int_equal(try_start(stale, &err), 0);
    assert_int_equal(access(stale, F_OK), -1);

    fd = open(stale, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(try_start(stale, &err), -EEXIST);
    assert_int_equal(unlink(stale), 0);
}

static void test_a_folder_that_others_write_is_refused(void **state)
{
    struct fake *f = *state;
    char folder[128], path[160];
    struct error err = {0};
    snprintf(folder, sizeof(folder), "%s/open", f->folder);
    snprintf(path, sizeof(path), "%s/api.sock", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(try_start(path, &err), -EACCES);
    assert_non_null(strstr(err.message, "can be written by others"));
    assert_int_equal(rmdir(folder), 0);
}

static int says_seven(void *ctx, struct str line)
{
    *(bool *)ctx = str_contains(line, STR("\"version\":\"7\""));
    return 0;
}

static void test_a_long_path_serves(void **state)
{
    struct fake *f = *state;
    char folder[300], path[320];
    struct error err = {0};
    struct control *c;
    int n = snprintf(folder, sizeof(folder), "%s/", f->folder);
    memset(folder + n, 'l', 200);
    folder[n + 200] = 0;
    snprintf(path, sizeof(path), "%s/api.sock", folder);
    const struct control_options o = {.socket_path = path, .version = "7"};
    assert_int_equal(control_start(&o, &c, &err), 0);
    assert_true(strlen(path) > 108); // what sockaddr_un holds
    bool said = false;
    assert_int_equal(control_call(path, "GET", "/v1/version", STR_NULL, says_seven, &said, &err),
                     200);
    assert_true(said);
    control_stop(c);
    assert_int_equal(rmdir(folder), 0);
}

static void test_no_agent_is_said_in_a_sentence(void **state)
{
    struct error err = {0};
    assert_int_equal(
        control_call("/nonexistent/api.sock", "GET", "/v1/status", STR_NULL, NULL, NULL, &err),
        -ENOENT);
    assert_non_null(strstr(
        err.message, "there is no agent at /nonexistent/api.sock; start one with `bulkhead run`"));
}

int main(void)
{
#define API_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        API_TEST(test_a_request_is_answered),
        API_TEST(test_the_core_is_told_what_was_asked_and_by_whom),
        API_TEST(test_a_wrong_request_does_not_reach_the_core),
        API_TEST(test_a_large_reply_is_whole),
        API_TEST(test_a_stream_is_in_order_and_ends),
        API_TEST(test_the_core_is_told_who_left),
        API_TEST(test_one_connection_takes_many_requests),
        API_TEST(test_another_version_is_refused),
        cmocka_unit_test_setup_teardown(test_a_last_answer_is_delivered, set_up, tear_down_stopped),
        API_TEST(test_the_api_process_has_no_privilege),
        cmocka_unit_test_setup_teardown(test_a_dead_api_process_is_reported, set_up,
                                        tear_down_stopped),
        API_TEST(test_the_socket_is_roots_alone),
        API_TEST(test_a_second_agent_is_refused_a_stale_socket_replaced),
        API_TEST(test_a_folder_that_others_write_is_refused),
        API_TEST(test_a_long_path_serves),
        cmocka_unit_test(test_no_agent_is_said_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
