// How the line runs detectors beside the rules: parts in shards, a whole across them, the epoch
// between.
#include "agent/line.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { LIMIT = 3 };

// A detector for these tests: says when all containers together have opened LIMIT files, and each
// single open of a container that it was told of.
struct whole {
    uint64_t generation, inputs, opens, known, gone, epochs;
    bool said;
};
struct part {
    const struct whole *whole;
    uint64_t opens, known, gone;
};
static struct whole *last; // of the line under test
static unsigned living;

static void *whole_new(void)
{
    living++;
    return last = calloc(1, sizeof(struct whole));
}

static void end(void *p)
{
    living--;
    free(p);
}

static void *part_new(void *whole, unsigned shard, unsigned shards)
{
    assert_true(shard < shards);
    struct part *p = calloc(1, sizeof(*p));
    p->whole = whole;
    living++;
    return p;
}

static void configure(void *whole, const struct documents *docs, uint64_t generation)
{
    assert_non_null(docs);
    ((struct whole *)whole)->generation = generation;
}

static void input(void *whole, const struct bh_rec *rec)
{
    assert_true(rec->kind >= BH_KIND_USER);
    ((struct whole *)whole)->inputs += rec->kind == BH_TICK;
}

static void event(void *part, const struct detect_env *env, const struct event *e, detect_emit emit,
                  void *ctx)
{
    struct part *p = part;
    if (e->rec->kind != BH_OPEN)
        return;
    p->opens++;
    if (p->whole->opens < LIMIT) // of earlier epochs only: the same however many shards there are
        return;
    struct finding f;
    detect_finding(&f, "opens", env, e);
    f.rule = STR("one more");
    f.severity = SEVERITY_NOTICE;
    f.confidence = 0.5;
    f.id = finding_id(&f);
    emit(ctx, &f);
}

static void container(void *part, const struct detect_env *env, const struct container *c,
                      detect_emit emit, void *ctx)
{
    struct part *p = part;
    assert_int_not_equal(c->number, 0);
    if (c->gone)
        p->gone++;
    else
        p->known++;
}

static void epoch(void *whole, void *const *parts, size_t parts_n, const struct detect_env *env,
                  uint64_t now, detect_emit emit, void *ctx)
{
    struct whole *w = whole;
    w->epochs++;
    for (size_t i = 0; i < parts_n; i++) {
        struct part *p = parts[i];
        w->opens += p->opens;
        w->known += p->known;
        w->gone += p->gone;
        p->opens = p->known = p->gone = 0;
    }
    if (w->opens < LIMIT || w->said)
        return;
    w->said = true;
    const struct container *c = identify_container(env->identify, 0);
    struct finding f;
    detect_container_finding(&f, "opens", env, c, now);
    f.rule = STR("many");
    f.severity = SEVERITY_WARNING;
    f.confidence = 0.9;
    f.id = finding_id(&f);
    emit(ctx, &f);
}

static const struct detector opens = {
    .name = "opens",
    .text = "counts opens",
    .whole_new = whole_new,
    .whole_free = end,
    .part_new = part_new,
    .part_free = end,
    .configure = configure,
    .input = input,
    .event = event,
    .container = container,
    .epoch = epoch,
};

struct seen {
    unsigned many, more, others;
    uint64_t at;
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct seen *s = ctx;
    assert_string_equal(f->detector, "opens");
    if (str_eq(f->rule, STR("many")))
        s->many++;
    else if (str_eq(f->rule, STR("one more"))) {
        s->more++;
        assert_int_equal(f->container, 2);
        assert_true(str_eq(f->container_id, STR("c2")));
        s->at = f->time.ns;
    } else
        s->others++;
}

static void send(struct line *l, unsigned shards, uint16_t kind, uint32_t number, uint64_t time,
                 void *fixed, size_t size, const char *text, struct bh_span *span)
{
    char bytes[1024] = {0};
    size_t at = sizeof(struct bh_rec) + size, len = text ? strlen(text) : 0;
    if (span)
        *span = (struct bh_span){(uint16_t)at, (uint16_t)len};
    struct bh_rec head = {.kind = kind,
                          .version = BH_ABI_VERSION,
                          .size = (uint32_t)((at + len + 7) & ~7UL),
                          .time = time,
                          .cgroup = 1000 + number,
                          .container = number,
                          .tgid = 50 + number,
                          .tid = 50 + number,
                          .exec = 1};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), fixed, size);
    if (len)
        memcpy(bytes + at, text, len);
    struct bh_rec *rec = (void *)bytes;
    for (unsigned s = 0; s < shards; s++)
        if (kind_row(kind)->broadcast || s == number % shards) {
            rec->flags = s == number % shards ? 0 : BH_F_COPY;
            assert_int_equal(line_shard_take(l, s, rec), 0);
        }
}

static void text(struct line *l, uint16_t kind, uint64_t time, uint32_t number, struct str s)
{
    _cleanup_buf_ struct buf rec = {0};
    rec_make_text(&rec, kind, time, number, number, s);
    assert_int_equal(line_broadcast(l, (const void *)rec.ptr), 0);
}

static void run(unsigned shards)
{
    static const struct detector *const table[] = {&opens, NULL};
    struct seen seen = {0};
    struct line_options options = {.shards = shards,
                                   .hostname = STR("h"),
                                   .sinks = {.ctx = &seen, .finding = on_finding},
                                   .detectors = table};
    struct line *l = line_new(&options);
    assert_non_null(l);
    struct sources none = {0};
    _cleanup_buf_ struct buf packed = {0}, rec = {0};
    sources_pack(&none, &packed);
    text(l, BH_GENERATION, 1, 1, buf_view(&packed));
    assert_int_equal(last->generation, 1);
    struct bh_tick t = {5};
    rec_make(&rec, BH_TICK, 5, 0, &t, sizeof(t));
    assert_int_equal(line_broadcast(l, (const void *)rec.ptr), 0);
    assert_int_equal(last->inputs, 1);
    for (uint32_t c = 1; c <= 2; c++) {
        char path[16], fact[256];
        snprintf(path, sizeof(path), "/c%u", c);
        struct bh_cgroup made = {.id = 1000 + c, .parent = 1, .container = c, .level = 1};
        send(l, shards, BH_CGROUP_MAKE, c, 10, &made, sizeof(made), path, &made.path);
        snprintf(fact, sizeof(fact),
                 "{\"container\":%u,\"source\":\"bundle\",\"problem\":\"\",\"id\":\"c%u\","
                 "\"name\":\"c%u\",\"labels\":{},\"mounts\":[]}",
                 c, c, c);
        text(l, BH_FACT, 11, c, str_of(fact));
        line_epoch(l);
    }
    assert_int_equal(last->known, 2);
    struct bh_open o = {.fd = 3, .call = BH_CALL_OPENAT, .file = {.dev = 1, .ino = 2}};
    for (uint32_t i = 0; i < LIMIT; i++)
        send(l, shards, BH_OPEN, 1 + i % 2, 20 + i, &o, sizeof(o), "/x", &o.path);
    assert_int_equal(last->opens, 0); // parts keep it until the epoch ends
    line_epoch(l);
    assert_int_equal(last->opens, LIMIT);
    assert_int_equal(seen.many, 1);
    assert_int_equal(seen.more, 0);
    send(l, shards, BH_OPEN, 2, 30, &o, sizeof(o), "/x", &o.path);
    line_epoch(l);
    assert_int_equal(seen.more, 1);
    assert_int_equal(seen.at, 30);
    assert_int_equal(seen.many, 1);
    assert_int_equal(seen.others, 0);
    struct bh_cgroup gone = {.id = 1001, .parent = 1, .container = 1, .level = 1};
    send(l, shards, BH_CGROUP_REMOVE, 1, 40, &gone, sizeof(gone), "/c1", &gone.path);
    line_epoch(l);
    assert_int_equal(last->gone, 1);
    assert_int_equal(living, 1 + shards);
    line_free(l);
    assert_int_equal(living, 0);
}

static void test_one_shard(void **state)
{
    run(1);
}

static void test_three_shards(void **state)
{
    run(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shard),
        cmocka_unit_test(test_three_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
