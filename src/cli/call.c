// Verbs that ask a running agent: one reply, or a stream of lines.
#include "agent/agent.h"
#include "cli/internal.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

const char *state_dir(const struct invocation *in)
{
    const char *given = option_text(in, &opt_state);
    return given ? given : agent_default_state_dir();
}

void api_socket(const struct invocation *in, char out[4096])
{
    const char *given = option_text(in, &opt_runtime_dir);
    snprintf(out, 4096, "%s/api.sock", given ? given : agent_default_runtime_dir());
}

static int keep(void *ctx, struct str body)
{
    buf_str(ctx, body);
    return 0;
}

// What the agent refused, said in its words, and the exit code that belongs to it.
static int refused(int status, const json_t *reply)
{
    struct str message = tree_str(reply, "error.message"), hint = tree_str(reply, "error.hint");
    complain(STR_FMT, STR_ARG(message.len ? message : STR("the agent refused without saying why")));
    if (hint.len)
        complain(STR_FMT, STR_ARG(hint));
    if (status == 404 || status == 422)
        return EXIT_FOUND;
    return status == 400 || status == 409 ? EXIT_USAGE : EXIT_CANNOT;
}

static int ask(const struct invocation *in, const char *method, const char *path, struct buf *body,
               json_t **ret)
{
    struct error err = {0};
    char socket[4096];
    api_socket(in, socket);
    int status = control_call(socket, method, path, STR_NULL, keep, body, &err);
    if (status < 0) {
        complain("%s", err.message);
        return EXIT_CANNOT;
    }
    json_t *reply = body->failed ? NULL : tree_load(buf_view(body));
    if (!json_is_object(reply)) {
        json_decref(reply);
        complain("the agent's answer is no JSON object");
        return EXIT_CANNOT;
    }
    if (status != 200) {
        int code = refused(status, reply);
        json_decref(reply);
        return code;
    }
    *ret = reply;
    return EXIT_WELL;
}

int api_get(const struct invocation *in, const char *method, const char *path, json_t **ret)
{
    _cleanup_buf_ struct buf body = {0};
    return ask(in, method, path, &body, ret);
}

int api_show(const struct invocation *in, const char *method, const char *path, api_render render)
{
    _cleanup_buf_ struct buf body = {0}, out = {0};
    json_t *reply = NULL;
    int code = ask(in, method, path, &body, &reply);
    if (code == EXIT_WELL && !in->json)
        render(in, reply, &out);
    json_decref(reply);
    return code == EXIT_WELL ? print_out(in->json ? &body : &out) : code;
}

int stop_fd(uint64_t ns)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int ep = epoll_create1(EPOLL_CLOEXEC),
        fds[] = {signalfd(-1, &set, SFD_CLOEXEC), timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)};
    const struct itimerspec at = {
        .it_value = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)}};
    (void)timerfd_settime(fds[1], 0, &at, NULL); // 0: never
    struct epoll_event e = {.events = EPOLLIN};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (ep < 0 || fds[i] < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e) < 0)
            return -errno;
    return ep;
}

struct stream {
    const struct invocation *in;
    api_render render;
    struct buf out;
    struct buf refusal;
    int code;
    bool begun;
};

// JSON lines go through as they are: they are data, one object a line, written by our own writer.
static int show_line(void *ctx, struct str line)
{
    struct stream *s = ctx;
    if (!line.ptr) {
        s->begun = true;
        return 0;
    }
    if (!s->begun) { // a whole reply: the stream was refused
        buf_str(&s->refusal, line);
        return 0;
    }
    json_t *tree = tree_load(line);
    uint64_t dropped = tree_u64(tree, "dropped");
    if (dropped)
        complain("%llu lines were dropped: this reader is too slow", (unsigned long long)dropped);
    buf_reset(&s->out);
    if (s->in->json) {
        buf_str(&s->out, line);
        buf_char(&s->out, '\n');
    } else if (tree && !dropped)
        s->render(s->in, tree, &s->out);
    else if (!tree)
        print_escaped_lines(&s->out, line, "");
    json_decref(tree);
    int r = write_out(&s->out);
    if (r < 0 && r != -EPIPE) {
        complain("cannot write to standard output: %s", strerror(-r));
        s->code = EXIT_CANNOT;
    }
    return r < 0;
}

int api_stream(const struct invocation *in, const char *path, api_render render)
{
    char socket[4096];
    struct error err = {0};
    struct stream s = {.in = in, .render = render};
    _cleanup_close_ int stop = stop_fd(option_number(in, &opt_for));
    api_socket(in, socket);
    int status = control_follow(socket, "GET", path, STR_NULL, stop, show_line, &s, &err);
    if (status < 0) {
        complain("%s", err.message);
        s.code = EXIT_CANNOT;
    } else if (status != 200 && status != 0) {
        json_t *tree = tree_load(buf_view(&s.refusal));
        s.code = refused(status, tree);
        json_decref(tree);
    }
    buf_done(&s.out);
    buf_done(&s.refusal);
    return s.code;
}
