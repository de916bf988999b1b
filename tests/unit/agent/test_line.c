// The line is pure: what a run said and what its replay says are equal to the byte, with any number
// of shards, over random histories of containers, processes, files, policies and people's words.
#include "agent/agent.h"
#include "agent/internal.h"
#include "agent/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char rules[] =
    "- macro: spawned\n"
    "  condition: evt.type in (execve, execveat)\n"
    "- list: shells\n"
    "  items: [sh, bash]\n"
    "- rule: Shell in a container\n"
    "  desc: a shell\n"
    "  condition: spawned and container.id != host and proc.name in (shells)\n"
    "  output: shell (%proc.name %proc.cmdline in %container.name by %proc.pname)\n"
    "  priority: WARNING\n"
    "- rule: Secrets read\n"
    "  desc: secrets\n"
    "  condition: evt.type in (open, openat) and fd.name startswith /etc/sh\n"
    "  output: read %fd.name by %proc.name\n"
    "  priority: CRITICAL\n"
    "- rule: Passwords read by an image\n"
    "  desc: needs what may be known late\n"
    "  condition: evt.type = openat and container.image = busybox and fd.name = /etc/passwd\n"
    "  output: passwords (%proc.name of %proc.pname in %container.name)\n"
    "  priority: NOTICE\n"
    "- rule: Passwords read on the host\n"
    "  desc: of what turns out to be none of a container's\n"
    "  condition: evt.type = openat and container.id = host and fd.name = /etc/passwd\n"
    "  output: passwords (%proc.name)\n"
    "  priority: NOTICE\n";
static const char policy[] = "apiVersion: bulkhead.io/v1\n"
                             "kind: Policy\n"
                             "metadata: {name: no-miner}\n"
                             "spec:\n"
                             "  selector: {workload: \"w*\"}\n"
                             "  mode: enforce\n"
                             "  exec:\n"
                             "    deny:\n"
                             "      - path: /usr/bin/miner\n";

struct run {
    struct line *line;
    struct capture *capture;
    struct streams *streams;
    unsigned shards, findings, rows, incidents;
    uint64_t now, random;
    struct buf rec;
    struct arena *kept; // records must stay until the epoch ends
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct run *r = ctx;
    r->findings++;
    streams_finding(r->streams, f);
}

static void on_incident(void *ctx, const struct incident *i)
{
    struct run *r = ctx;
    r->incidents++;
    streams_incident(r->streams, i);
}

static void on_decision(void *ctx, const struct decision *d)
{
    streams_decision(((struct run *)ctx)->streams, d);
}

static void on_row(void *ctx, const struct row *row, enum row_change change, uint64_t time)
{
    struct run *r = ctx;
    r->rows++;
    streams_row(r->streams, row, change, time);
}

static uint64_t draw(struct run *r, uint64_t below) // xorshift: the test's own, from a given seed
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random % below;
}

static void broadcast(struct run *r)
{
    capture_add(r->capture, r->rec.ptr, r->rec.len);
    line_broadcast(r->line, (const void *)r->rec.ptr);
}

// A kernel record with strings at its end: put into its shard, or all for process and cgroup life.
static void kernel(struct run *r, uint16_t kind, uint32_t container, uint32_t tgid, uint64_t exec,
                   void *fixed, size_t size, struct bh_span **spans, const char **texts, size_t n)
{
    char bytes[4096] = {0};
    size_t at = sizeof(struct bh_rec) + size;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(texts[i]);
        memcpy(bytes + at, texts[i], len);
        *spans[i] = (struct bh_span){(uint16_t)at, (uint16_t)len};
        at += len;
    }
    struct bh_rec head = {.kind = kind,
                          .version = BH_ABI_VERSION,
                          .size = (uint32_t)((at + 7) & ~7UL),
                          .ring = kind_row(kind)->ring,
                          .truth = (uint8_t)kind_row(kind)->truth,
                          .time = r->now += 1000,
                          .cgroup = 1000 + container,
                          .start = tgid * 10ULL,
                          .exec = exec,
                          .container = container,
                          .tgid = tgid,
                          .tid = tgid};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), fixed, size);
    for (unsigned s = 0; s < r->shards; s++) {
        if (!kind_row(kind)->broadcast && s != container % r->shards)
            continue;
        struct bh_rec *copy = arena_alloc(r->kept, head.size);
        memcpy(copy, bytes, head.size);
        copy->shard = (uint8_t)s;
        copy->flags = s == container % r->shards ? 0 : BH_F_COPY;
        capture_add(r->capture, copy, copy->size);
        line_shard_take(r->line, s, copy);
    }
}

static void epoch(struct run *r)
{
    rec_make(&r->rec, BH_EPOCH, 0, 0, NULL, 0);
    capture_add(r->capture, r->rec.ptr, r->rec.len);
    line_epoch(r->line);
    arena_reset(r->kept);
}

static void generation(struct run *r, uint32_t number)
{
    struct source list[] = {{SOURCE_RULES, STR("rules.yaml"), str_of(rules)},
                            {SOURCE_DOCUMENTS, STR("policy.yaml"), str_of(policy)}};
    struct sources sources = {.list = list, .n = 2};
    _cleanup_buf_ struct buf packed = {0};
    sources_pack(&sources, &packed);
    rec_make_text(&r->rec, BH_GENERATION, r->now, 0, number, buf_view(&packed));
    broadcast(r);
    assert_non_null(line_generation(r->line));
    assert_int_equal(line_generation(r->line)->number, number);
}

static void container(struct run *r, uint32_t number)
{
    char path[64], cwd[64];
    snprintf(path, sizeof(path), "/c%u", number);
    snprintf(cwd, sizeof(cwd), "/bundles/c%u", number);
    struct bh_cgroup c = {.id = 1000 + number, .parent = 1, .container = number, .level = 1};
    struct bh_span *spans[] = {&c.path, &c.cwd};
    const char *texts[] = {path, cwd};
    kernel(r, BH_CGROUP_MAKE, number, 1, 1, &c, sizeof(c), spans, texts, 2);
    epoch(r);
}

// What is found out of it: at once, late, or that it is none.
static void fact(struct run *r, uint32_t number, bool none)
{
    char text[512];
    snprintf(
        text, sizeof(text),
        "{\"container\":%u,\"source\":\"bundle\",\"problem\":\"%s\",\"runtime\":\"runc\",\"id\":"
        "\"c%u\","
        "\"name\":\"c%u\",\"image\":\"busybox\",\"workload\":\"w%u\",\"rootfs\":\"/"
        "r\",\"bundle\":\"/bundles/c%u\","
        "\"labels\":{\"app\":\"x\"},\"mounts\":[],\"privileged\":false}",
        number, none ? "none" : "", number, number, number % 2, number);
    rec_make_text(&r->rec, BH_FACT, r->now += 1000, number, number, str_of(text));
    broadcast(r);
}

static void act(struct run *r)
{
    static const char *const exes[] = {"/bin/sh", "/bin/bash", "/usr/bin/app", "/usr/bin/miner"};
    static const char *const files[] = {"/etc/shadow", "/etc/passwd", "/tmp/x"};
    uint32_t container = (uint32_t)draw(r, 5), tgid = 100 + (uint32_t)draw(r, 40);
    switch (draw(r, 6)) {
    case 0: {
        struct bh_fork f = {
            .child = 100 + (uint32_t)draw(r, 40), .child_container = container, .child_exec = 1};
        f.child_start = f.child * 10ULL;
        kernel(r, BH_FORK, container, tgid, 1, &f, sizeof(f), NULL, NULL, 0);
        break;
    }
    case 1: {
        const char *exe = exes[draw(r, 4)];
        struct bh_exec e = {
            .ppid = 100, .call = BH_CALL_EXECVE, .exe = {.dev = 1, .ino = draw(r, 4) + 1}};
        struct bh_span *spans[] = {&e.path, &e.args, &e.comm, &e.cwd};
        const char *texts[] = {exe, exe, strrchr(exe, '/') + 1, "/"};
        kernel(r, BH_EXEC, container, tgid, 2 + draw(r, 3), &e, sizeof(e), spans, texts, 4);
        break;
    }
    case 2: {
        struct bh_exit e = {0};
        kernel(r, BH_EXIT, container, tgid, 2, &e, sizeof(e), NULL, NULL, 0);
        break;
    }
    case 3: {
        struct bh_verdict v = {.row = 1 + draw(r, 3),
                               .action = BH_ACTION_DENY,
                               .effect = BH_EFFECT_KILLED_BEFORE,
                               .object = BH_OBJECT_PATH};
        struct bh_span *spans[] = {&v.path};
        const char *texts[] = {"/usr/bin/miner"};
        kernel(r, BH_VERDICT, container, tgid, 2, &v, sizeof(v), spans, texts, 1);
        break;
    }
    default: {
        struct bh_open o = {.fd = 3,
                            .flags = draw(r, 2) ? O_RDWR : O_RDONLY,
                            .call = BH_CALL_OPENAT,
                            .file = {.dev = 1, .ino = draw(r, 5) + 10, .mode = S_IFREG | 0644}};
        struct bh_span *spans[] = {&o.path, &o.asked};
        const char *texts[] = {files[draw(r, 3)], "x"};
        kernel(r, BH_OPEN, container, tgid, 2, &o, sizeof(o), spans, texts, 2);
        break;
    }
    }
}

static void tick(struct run *r)
{
    struct bh_tick t = {r->now + 1700000000000000000ULL};
    r->now += 200 * NSEC_PER_MSEC;
    rec_make(&r->rec, BH_TICK, r->now, 0, &t, sizeof(t));
    broadcast(r);
}

static void word(struct run *r)
{
    char text[128];
    snprintf(text, sizeof(text), "{\"what\":\"incident\",\"number\":%u,\"word\":\"%s\"}",
             1 + (unsigned)draw(r, 4), draw(r, 2) ? "dismiss" : "confirm");
    rec_make_text(&r->rec, BH_OPERATOR, r->now, 0, 0, str_of(text));
    broadcast(r);
}

static void slurp(const char *dir, const char *name, struct buf *b)
{
    char path[512], part[8192];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(b, part, (size_t)n);
    close(fd);
    unlink(path);
}

static uint64_t one_history(uint64_t seed, unsigned shards)
{
    char top[] = "/tmp/bulkhead-line-XXXXXX", live[64], again[64], capture[64];
    struct error err = {0};
    assert_non_null(mkdtemp(top));
    snprintf(live, sizeof(live), "%s/live", top);
    snprintf(again, sizeof(again), "%s/again", top);
    snprintf(capture, sizeof(capture), "%s/capture", top);
    struct run r = {.shards = shards,
                    .now = NSEC_PER_SEC,
                    .random = seed * 2654435761u + 1,
                    .kept = arena_new(0)};
    struct segment_info info = {.host = STR("host"),
                                .boot = STR("b"),
                                .wall_minus_boot = 1700000000000000000ULL,
                                .shards = shards,
                                .abi = BH_ABI_VERSION,
                                .extra = STR("{}")};
    struct line_options options = {
        .shards = shards,
        .wall_minus_boot = (int64_t)info.wall_minus_boot,
        .hostname = STR("host"),
        .sinks = {&r, on_finding, on_incident, on_decision, on_row, NULL, NULL, NULL}};
    assert_int_equal(capture_open(capture, &info, &r.capture, &err), 0);
    assert_int_equal(streams_open(live, &r.streams, &err), 0);
    r.line = line_new(&options);
    generation(&r, 1);
    for (uint32_t c = 1; c <= 4; c++)
        container(&r, c);
    fact(&r, 1, false);
    fact(&r, 2, false);
    epoch(&r);
    uint64_t late = 1 + draw(&r, 25), later = 1 + draw(&r, 55);
    for (int e = 0; e < 60; e++) {
        if (draw(&r, 3) == 0)
            tick(&r);
        if (draw(&r, 10) == 0)
            word(&r);
        if (e == 30)
            generation(&r, 2);
        if (e == (int)late)
            fact(&r, 3, false);
        if (e == (int)later) // its first process's folder may be asked too
            fact(&r, 4, draw(&r, 2));
        for (uint64_t n = draw(&r, 20); n > 0; n--)
            act(&r);
        epoch(&r);
    }
    assert_true(r.findings > 20);
    assert_true(r.incidents > 1);
    assert_true(r.rows > 0);
    struct line_stats stats;
    line_stats(r.line, &stats);
    line_free(r.line);
    assert_int_equal(capture_close(r.capture, &err), 0);
    assert_int_equal(streams_close(r.streams, &err), 0);

    struct replay_options replay = {
        .file = capture, .format = "json", .streams_dir = again, .quiet = true};
    int result = agent_replay(&replay, &err);
    if (result < 0)
        print_error("%s\n", err.message);
    assert_int_equal(result, 0);
    static const char *const names[] = {"findings.jsonl", "incidents.jsonl", "decisions.jsonl",
                                        "rows.jsonl"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_buf_ struct buf a = {0}, b = {0};
        slurp(live, names[i], &a);
        slurp(again, names[i], &b);
        assert_int_equal(a.len, b.len);
        assert_true(str_eq(buf_view(&a), buf_view(&b)));
    }
    rmdir(live);
    rmdir(again);
    unlink(capture);
    rmdir(top);
    arena_free(r.kept);
    buf_done(&r.rec);
    return stats.judged_again;
}

static void test_replay_is_equal(void **state)
{
    uint64_t again = 0;
    for (uint64_t seed = 1; seed <= 12; seed++)
        again += one_history(seed, 1 + (unsigned)(seed % 3));
    assert_true(again > 100); // that too was played
}

static void test_bad_generation_leaves_the_last(void **state)
{
    struct line_options options = {.shards = 1, .hostname = STR("h")};
    struct run r = {.line = line_new(&options), .shards = 1, .now = 1};
    char path[] = "/tmp/bulkhead-line-XXXXXX";
    int fd = mkstemp(path);
    struct error err;
    struct segment_info info = {.shards = 1, .abi = BH_ABI_VERSION, .extra = STR("{}")};
    assert_int_equal(capture_open(path, &info, &r.capture, &err), 0);
    generation(&r, 1);
    struct source bad = {SOURCE_RULES, STR("x.yaml"),
                         STR("- rule: X\n  condition: no.such.field = 1\n")};
    struct sources sources = {.list = &bad, .n = 1};
    _cleanup_buf_ struct buf packed = {0}, rec = {0};
    sources_pack(&sources, &packed);
    rec_make_text(&rec, BH_GENERATION, 2, 0, 2, buf_view(&packed));
    assert_int_equal(line_broadcast(r.line, (const void *)rec.ptr), -EINVAL);
    assert_int_equal(line_generation(r.line)->number, 1);
    line_free(r.line);
    capture_close(r.capture, &err);
    buf_done(&r.rec);
    close(fd);
    unlink(path);
}

static void test_broken_capture(void **state)
{
    struct error err = {0};
    struct replay_options none = {.file = "/nonexistent", .quiet = true};
    assert_int_equal(agent_replay(&none, &err), -ENOENT);
    char path[] = "/tmp/bulkhead-line-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "not a capture at all, is it?", 28), 28);
    struct replay_options text = {.file = path, .quiet = true};
    assert_int_equal(agent_replay(&text, &err), -EBADMSG);
    assert_non_null(strstr(err.message, path));
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay_is_equal),
        cmocka_unit_test(test_bad_generation_leaves_the_last),
        cmocka_unit_test(test_broken_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
