// Judged again: what a rule could not know of a container when the event came, it is asked once
// more when it is known; never twice, never for ever, and bounded.
#include "agent/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

static const char rules[] = "- rule: any\n"
                            "  desc: needs no fact\n"
                            "  condition: evt.type = execve and container.id != host\n"
                            "  output: any (%proc.name image=%container.image)\n"
                            "  priority: INFO\n"
                            "- rule: image\n"
                            "  desc: needs a fact\n"
                            "  condition: evt.type = execve and container.image = web:1\n"
                            "  output: image (%proc.name of %proc.pname in %container.name)\n"
                            "  priority: WARNING\n"
                            "- rule: file\n"
                            "  desc: needs a fact\n"
                            "  condition: evt.type = openat and container.image = web:1\n"
                            "  output: file (%fd.name)\n"
                            "  priority: INFO\n"
                            "- rule: host\n"
                            "  desc: of the host only\n"
                            "  condition: evt.type = execve and container.id = host\n"
                            "  output: host (%proc.name)\n"
                            "  priority: INFO\n";

struct said {
    struct line *line;
    uint64_t now;
    unsigned any, image, host, file;
    uint64_t times[8]; // of image's
    char last[256];    // output of image's last
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct said *s = ctx;
    bool image = str_eq(f->rule, STR("image"));
    if (image) {
        s->times[s->image % ARRAY_SIZE(s->times)] = f->time.ns;
        struct str told = f->output; // without the fields that are put behind it
        const char *end = memchr(told.ptr, ')', told.len);
        snprintf(s->last, sizeof(s->last), "%.*s", end ? (int)(end + 1 - told.ptr) : 0, told.ptr);
    }
    s->image += image;
    s->any += str_eq(f->rule, STR("any"));
    s->file += str_eq(f->rule, STR("file"));
    s->host += str_eq(f->rule, STR("host"));
}

static void broadcast(struct said *s, uint16_t kind, uint32_t what, struct str text)
{
    _cleanup_buf_ struct buf rec = {0};
    rec_make_text(&rec, kind, s->now += 1000, what, what, text);
    assert_int_equal(line_broadcast(s->line, (const void *)rec.ptr), 0);
}

static void tick(struct said *s, uint64_t later)
{
    _cleanup_buf_ struct buf rec = {0};
    s->now += later;
    struct bh_tick t = {s->now};
    rec_make(&rec, BH_TICK, s->now, 0, &t, sizeof(t));
    line_broadcast(s->line, (const void *)rec.ptr);
    line_epoch(s->line);
}

static void start(struct said *s)
{
    struct line_options o = {
        .shards = 2, .hostname = STR("h"), .sinks = {s, .finding = on_finding}};
    struct source list = {SOURCE_RULES, STR("rules.yaml"), str_of(rules)};
    struct sources sources = {.list = &list, .n = 1};
    _cleanup_buf_ struct buf packed = {0};
    *s = (struct said){.line = line_new(&o), .now = NSEC_PER_SEC};
    assert_non_null(s->line);
    sources_pack(&sources, &packed);
    broadcast(s, BH_GENERATION, 1, buf_view(&packed));
    line_epoch(s->line);
}

static void stats(const struct said *s, uint64_t judged, uint64_t not_judged)
{
    struct line_stats have;
    line_stats(s->line, &have);
    assert_int_equal(have.judged_again, judged);
    assert_int_equal(have.not_judged_again, not_judged);
}

// To both shards: process and cgroup life goes to all.
static void life(struct said *s, uint16_t kind, uint32_t container, uint32_t tgid, uint64_t exec,
                 void *fixed, size_t size, struct bh_span **spans, const char **texts, size_t n)
{
    _Alignas(8) char bytes[2048] = {0};
    size_t at = sizeof(struct bh_rec) + size;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(texts[i]);
        memcpy(bytes + at, texts[i], len);
        *spans[i] = (struct bh_span){(uint16_t)at, (uint16_t)len};
        at += len;
    }
    struct bh_rec *r = (void *)bytes;
    memcpy(bytes + sizeof(*r), fixed, size);
    for (unsigned shard = 0; shard < 2; shard++) {
        *r = (struct bh_rec){.kind = kind,
                             .version = BH_ABI_VERSION,
                             .size = (uint32_t)((at + 7) & ~7UL),
                             .flags = container % 2 == shard ? 0 : BH_F_COPY,
                             .shard = (uint8_t)shard,
                             .time = s->now,
                             .cgroup = 1000 + container,
                             .start = tgid * 10ULL,
                             .exec = exec,
                             .container = container,
                             .tgid = tgid,
                             .tid = tgid};
        assert_int_equal(line_shard_take(s->line, shard, r), 0);
    }
    s->now += 1000;
}

static void made(struct said *s, uint32_t container)
{
    struct bh_cgroup c = {.id = 1000 + container, .parent = 1, .container = container, .level = 1};
    struct bh_span *spans[] = {&c.path, &c.cwd};
    const char *texts[] = {"/c", "/bundles/c"};
    life(s, BH_CGROUP_MAKE, container, 1, 1, &c, sizeof(c), spans, texts, 2);
}

static void execs(struct said *s, uint32_t container, uint32_t tgid, uint32_t ppid, uint64_t exec,
                  const char *comm)
{
    struct bh_exec e = {.ppid = ppid, .parent_start = ppid * 10ULL, .call = BH_CALL_EXECVE};
    struct bh_span *spans[] = {&e.path, &e.args, &e.comm, &e.cwd};
    const char *texts[] = {comm, comm, comm, "/"};
    life(s, BH_EXEC, container, tgid, exec, &e, sizeof(e), spans, texts, 4);
}

static void fact(struct said *s, uint32_t container, const char *image)
{
    char text[256];
    snprintf(text, sizeof(text),
             "{\"container\":%u,\"source\":\"bundle\",\"problem\":\"%s\",\"name\":\"c%u\","
             "\"image\":\"%s\"}",
             container, image ? "" : "none", container, image ? image : "");
    broadcast(s, BH_FACT, container, str_of(text));
    line_epoch(s->line);
}

static void test_when_the_facts_come(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    execs(&s, 3, 100, 0, 2, "entry");
    uint64_t when = s.now;
    execs(&s, 3, 101, 100, 2, "sh");
    // Since then both run something else: who did it stays who did it.
    execs(&s, 3, 101, 100, 3, "later");
    execs(&s, 3, 101, 100, 4, "latest");
    execs(&s, 3, 100, 0, 3, "daemon");
    line_epoch(s.line);
    assert_int_equal(s.any, 5); // at once, with what is known
    assert_int_equal(s.image, 0);
    fact(&s, 3, "web:1");
    assert_int_equal(s.any, 5); // not twice
    assert_int_equal(s.image, 5);
    assert_int_equal(s.times[1], when);
    stats(&s, 5, 0);
    fact(&s, 3, "web:1");
    tick(&s, NSEC_PER_SEC);
    assert_int_equal(s.image, 5);
    execs(&s, 3, 102, 100, 2, "known");
    line_epoch(s.line);
    assert_int_equal(s.image, 6);
    assert_string_equal(s.last, "image (known of daemon in c3)");
    stats(&s, 5, 0);
    line_free(s.line);
}

static void test_as_it_was(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    execs(&s, 3, 100, 0, 2, "entry");
    execs(&s, 3, 101, 100, 2, "sh");
    line_epoch(s.line);
    struct bh_exit gone = {0};
    life(&s, BH_EXIT, 3, 101, 2, &gone, sizeof(gone), NULL, NULL, 0);
    life(&s, BH_EXIT, 3, 100, 2, &gone, sizeof(gone), NULL, NULL, 0);
    tick(&s, 8 * NSEC_PER_SEC); // both are forgotten
    assert_null(identify_process(line_identify(s.line, 1), 101));
    fact(&s, 3, "web:1");
    assert_int_equal(s.image, 2);
    assert_string_equal(s.last, "image (sh of entry in c3)");
    line_free(s.line);
}

static void test_no_container_after_all(void **state)
{
    struct said s;
    start(&s);
    made(&s, 2);
    execs(&s, 2, 100, 0, 2, "job");
    line_epoch(s.line);
    assert_int_equal(s.any, 1); // unknown is not the host
    assert_int_equal(s.host, 0);
    fact(&s, 2, NULL);
    // Its first process stands somewhere else, so that place is asked too: unknown still.
    fact(&s, 2, NULL);
    assert_int_equal(s.host, 1);
    assert_int_equal(s.image, 0);
    assert_int_equal(s.any, 1);
    line_free(s.line);
}

static void test_not_for_ever(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    execs(&s, 3, 100, 0, 2, "entry");
    tick(&s, AGAIN_NS / 2);
    stats(&s, 0, 0);
    tick(&s, AGAIN_NS);
    stats(&s, 0, 1);
    fact(&s, 3, "web:1");
    assert_int_equal(s.image, 0);
    line_free(s.line);
}

static void test_bounded(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    made(&s, 5);
    for (uint32_t i = 0; i < 2 * MAX_AGAIN_PER_CONTAINER; i++)
        execs(&s, 3, 100 + i, 0, 2, "crowd");
    execs(&s, 5, 999, 0, 2, "other"); // one's crowd takes nothing from another
    line_epoch(s.line);
    stats(&s, 0, MAX_AGAIN_PER_CONTAINER);
    fact(&s, 5, "web:1");
    assert_int_equal(s.image, 1);
    fact(&s, 3, "web:1");
    assert_int_equal(s.image, 1 + MAX_AGAIN_PER_CONTAINER);
    enum { MANY = 2 * (MAX_AGAIN / MAX_AGAIN_PER_CONTAINER) };
    for (uint32_t c = 100; c < 100 + MANY; c++) {
        made(&s, 2 * c + 1);
        for (uint32_t i = 0; i < MAX_AGAIN_PER_CONTAINER; i++)
            execs(&s, 2 * c + 1, 10000 + c * 100 + i, 0, 2, "crowd");
        line_epoch(s.line);
    }
    struct line_stats have;
    line_stats(s.line, &have);
    assert_true(have.not_judged_again >= MAX_AGAIN); // all that found no room, counted
    line_free(s.line);                               // what waits goes with it
}

static void test_a_flood_keeps_out_nothing_that_decides(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    execs(&s, 3, 100, 0, 2, "entry");
    for (unsigned i = 0; i < MAX_AGAIN_PER_CONTAINER; i++) {
        char path[32];
        struct bh_open o = {.fd = 3, .call = BH_CALL_OPENAT};
        struct bh_span *spans[] = {&o.path};
        const char *texts[] = {path};
        snprintf(path, sizeof(path), "/tmp/%u", i);
        life(&s, BH_OPEN, 3, 100, 2, &o, sizeof(o), spans, texts, 1);
    }
    execs(&s, 3, 101, 100, 2, "attack");
    line_epoch(s.line);
    fact(&s, 3, "web:1");
    assert_int_equal(s.image, 2);
    assert_string_equal(s.last, "image (attack of entry in c3)");
    assert_int_equal(s.file, MAX_AGAIN_PER_CONTAINER / 2);
    stats(&s, 2 + MAX_AGAIN_PER_CONTAINER / 2, MAX_AGAIN_PER_CONTAINER / 2);
    line_free(s.line);
}

static void test_a_generation_between(void **state)
{
    struct said s;
    start(&s);
    made(&s, 3);
    execs(&s, 3, 100, 0, 2, "entry");
    line_epoch(s.line);
    struct source list = {SOURCE_RULES, STR("rules.yaml"), str_of(rules)};
    struct sources sources = {.list = &list, .n = 1};
    _cleanup_buf_ struct buf packed = {0};
    sources_pack(&sources, &packed);
    broadcast(&s, BH_GENERATION, 2, buf_view(&packed));
    line_epoch(s.line);
    fact(&s, 3, "web:1");
    assert_int_equal(s.any, 1);
    assert_int_equal(s.image, 1);
    line_free(s.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when_the_facts_come),
        cmocka_unit_test(test_as_it_was),
        cmocka_unit_test(test_no_container_after_all),
        cmocka_unit_test(test_not_for_ever),
        cmocka_unit_test(test_a_flood_keeps_out_nothing_that_decides),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_a_generation_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
