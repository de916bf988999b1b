// Processes, containers, facts and lineages as the rest of the line sees them.
#include "feed.h"

#include <errno.h>

#define SEC NSEC_PER_SEC

static struct str text(const char *c)
{
    return str_of(c);
}

static void assert_str(struct str is, const char *want)
{
    if (!str_eq(is, str_of(want)))
        fail_msg("\"" STR_FMT "\" is not \"%s\"", STR_ARG(is), want);
}

// A runc on the host (10) makes container 5 from /b/shop, as KERNEL.md saw it: mkdir, a child
// attached, runc's own exec inside the cgroup, then the program, after the fork with the new mount
// namespace.
static const struct who runc = {.tgid = 10, .start = 1 * SEC, .exec = 3};
static const struct who stage = {
    .tgid = 11, .start = 2 * SEC, .exec = 3, .container = 5, .cgroup = 50};
static const struct who init = {
    .tgid = 12, .start = 2 * SEC + 5, .exec = 4, .container = 5, .cgroup = 50};
static struct who at_exec(struct who w, uint64_t exec)
{
    w.exec = exec;
    return w;
}

static void make_container(struct feed *f)
{
    feed_exec(
        f, BH_EXEC, runc, 1 * SEC + 1,
        (struct exec_of){.path = "/usr/sbin/runc", .comm = "runc", .cwd = "/b/shop", .ino = 77});
    feed_cgroup(f, BH_CGROUP_MAKE, runc, 2 * SEC,
                (struct bh_cgroup){.id = 50, .parent = 1, .container = 5, .level = 1}, "/c1",
                "/b/shop");
    assert_true(noticed(f, NOTICE_WANT_FACTS, 5));
}

static void start_container(struct feed *f)
{
    struct who s = stage;
    s.container = 0;
    feed_fork(f, runc, 2 * SEC + 1, s);
    feed_cgroup(f, BH_CGROUP_ATTACH, s, 2 * SEC + 2, (struct bh_cgroup){.id = 50, .container = 5},
                "/c1", "");
    feed_exec(f, BH_EXEC, at_exec(stage, 4), 2 * SEC + 3,
              (struct exec_of){.path = "/memfd:runc", .comm = "runc", .file_flags = BH_FILE_MEMFD});
    assert_false(noticed(f, NOTICE_CONTAINER_STARTED, 5));
    feed_fork(f, at_exec(stage, 4), 2 * SEC + 5, init);
    feed_exec(f, BH_EXEC, at_exec(init, 5), 2 * SEC + 9,
              (struct exec_of){.path = "/bin/httpd",
                               .comm = "httpd",
                               .mnt = 200,
                               .vpid = 1,
                               .nses = {.pid = 9, .net = 8, .ipc = 7}});
    assert_true(noticed(f, NOTICE_CONTAINER_STARTED, 5));
}

static const char shop_fact[] =
    "{\"container\":5,\"source\":\"bundle\",\"problem\":\"\",\"name\":\"shop-1\",\"image\":\"shop:"
    "2\",\"workload\":\"shop\","
    "\"labels\":{\"tier\":\"web\"},\"mounts\":[{\"source\":\"/v\",\"destination\":\"/"
    "data\",\"type\":\"bind\","
    "\"read_only\":true}],\"privileged\":false,\"host_net\":null,\"uid\":7}";

static void a_container_from_its_bundle(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    const struct container *c = identify_container(f.i, 5);
    assert_int_equal(c->facts->version, 0);
    assert_int_equal(c->facts->privileged, UNKNOWN);
    assert_str(c->bundle, "/b/shop");
    assert_str(c->id, "c1");
    assert_int_equal(c->created, 2 * SEC);
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    assert_true(noticed(&f, NOTICE_CONTAINER_KNOWN, 5));
    assert_false(
        noticed(&f, NOTICE_SEAL, 5)); // nobody is in it yet: it may be a folder above the container
    c = identify_container(f.i, 5);
    assert_int_equal(c->type, CONTAINER_OCI);
    assert_int_equal(c->facts->version, 1);
    assert_str(c->facts->name, "shop-1");
    assert_str(c->facts->image, "shop:2");
    assert_int_equal(c->facts->labels_n, 1);
    assert_str(c->facts->labels[0].value, "web");
    assert_str(c->facts->mounts[0].destination, "/data");
    assert_true(c->facts->mounts[0].read_only);
    assert_int_equal(c->facts->privileged, NO);
    assert_int_equal(c->facts->host_net, UNKNOWN);
    assert_int_equal(c->facts->uid, 7);
    assert_str(c->facts->runtime, "runc"); // who made it
    start_container(&f);
    c = identify_container(f.i, 5);
    assert_int_equal(c->first_exec, 2 * SEC + 9);
    assert_ptr_equal(f.event.container, c);
    assert_int_equal(f.result, 1);
    assert_str(f.event.image->path, "/bin/httpd");
    feed_done(&f);
}

// Who goes out of a container's cgroup is told of in that container's name, and counts as where it
// went from then on. Whoever comes in, or moves within, is no event.
static void a_move_out_of_a_container_is_an_event(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    struct who out = stage;
    out.container = 0;
    feed_fork(&f, runc, 2 * SEC + 1, out);
    feed_cgroup(&f, BH_CGROUP_ATTACH, stage, 2 * SEC + 2,
                (struct bh_cgroup){.id = 50, .container = 5}, "/c1", "");
    assert_int_equal(f.result, 0);
    out.cgroup = 1;
    feed_cgroup(&f, BH_CGROUP_ATTACH, out, 2 * SEC + 3, (struct bh_cgroup){.id = 1, .container = 0},
                "/", "");
    assert_int_equal(f.result, 1);
    assert_int_equal(f.event.container->number, 5);
    assert_int_equal(f.event.process->tgid, stage.tgid);
    assert_int_equal(identify_process(f.i, stage.tgid)->container, 0);
    feed_cgroup(&f, BH_CGROUP_ATTACH, out, 2 * SEC + 4, (struct bh_cgroup){.id = 1, .container = 0},
                "/", "");
    assert_int_equal(f.result, 0);
    feed_done(&f);
}

static void a_seal_when_someone_enters(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    struct who s = stage;
    s.container = 0;
    feed_fork(&f, runc, 2 * SEC + 1, s);
    feed_cgroup(&f, BH_CGROUP_ATTACH, s, 2 * SEC + 2, (struct bh_cgroup){.id = 50, .container = 5},
                "/c1", "");
    assert_true(noticed(&f, NOTICE_SEAL, 5));
    assert_int_equal(f.result, 0); // an attach is not for detectors
    // crun instead: the child is forked straight into it.
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 3 * SEC,
                (struct bh_cgroup){.id = 60, .parent = 1, .container = 6}, "/c2", "/b/y");
    feed_fork(&f, runc, 3 * SEC + 1,
              (struct who){.tgid = 30, .start = 3 * SEC, .exec = 3, .container = 6, .cgroup = 60});
    assert_false(noticed(&f, NOTICE_SEAL, 6));
    feed_text(&f, BH_FACT, 6, 3 * SEC + 2,
              "{\"source\":\"bundle\",\"problem\":\"\",\"name\":\"y\"}");
    assert_true(noticed(&f, NOTICE_SEAL, 6));
    feed_done(&f);
}

static void no_bundle_is_a_plain_cgroup(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    feed_text(&f, BH_FACT, 5, 2 * SEC, "{\"source\":\"bundle\",\"problem\":\"none\"}");
    assert_true(noticed(&f, NOTICE_PLAIN, 5));
    assert_int_equal(identify_container(f.i, 5)->type, CONTAINER_CGROUP);
    // A bundle that can't be read is a container all the same, and says why nothing is known of it.
    feed_text(&f, BH_FACT, 5, 2 * SEC,
              "{\"source\":\"bundle\",\"problem\":\"config.json: not valid JSON\"}");
    const struct container *c = identify_container(f.i, 5);
    assert_int_equal(c->type, CONTAINER_OCI);
    assert_str(c->facts->problem, "config.json: not valid JSON");
    assert_int_equal(c->facts->privileged, UNKNOWN);
    feed_done(&f);
}

// containerd makes /default and /default/ID from inside the bundle; podman makes a parent from
// wherever it stands.
static void a_folder_above_is_not_the_container(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    feed_exec(&f, BH_EXEC, runc, SEC, (struct exec_of){.path = "/usr/sbin/runc", .cwd = "/b/x"});
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 2 * SEC,
                (struct bh_cgroup){.id = 70, .parent = 1, .container = 7}, "/default", "/b/x");
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 2 * SEC,
                (struct bh_cgroup){.id = 71, .parent = 70, .container = 8, .parent_container = 7},
                "/default/x", "/b/x");
    const char *named = "{\"source\":\"bundle\",\"problem\":\"\",\"cgroups_path\":\"/default/x\"}";
    feed_text(&f, BH_FACT, 7, 2 * SEC, named);
    assert_true(noticed(&f, NOTICE_PLAIN, 7));
    feed_text(&f, BH_FACT, 8, 2 * SEC, named);
    assert_int_equal(identify_container(f.i, 7)->type, CONTAINER_CGROUP);
    assert_int_equal(identify_container(f.i, 8)->type, CONTAINER_OCI);
    // Without a path in the bundle, what tells is where a process goes.
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 3 * SEC,
                (struct bh_cgroup){.id = 80, .parent = 1, .container = 9}, "/p", "/b/x");
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 3 * SEC,
                (struct bh_cgroup){.id = 81, .parent = 80, .container = 10, .parent_container = 9},
                "/p/y", "/b/x");
    const char *bare = "{\"source\":\"bundle\",\"problem\":\"\"}";
    feed_text(&f, BH_FACT, 9, 3 * SEC, bare);
    feed_text(&f, BH_FACT, 10, 3 * SEC, bare);
    feed_fork(&f, runc, 3 * SEC,
              (struct who){.tgid = 31, .start = 3 * SEC, .exec = 3, .container = 10, .cgroup = 81});
    assert_true(noticed(&f, NOTICE_SEAL, 10));
    assert_true(noticed(&f, NOTICE_PLAIN, 9));
    assert_int_equal(identify_container(f.i, 9)->type, CONTAINER_CGROUP);
    assert_int_equal(identify_container(f.i, 10)->type, CONTAINER_OCI);
    feed_done(&f);
}

// A cgroup that the container made before the seal reached the kernel has a number of its own, and
// is the container.
static void what_lies_inside_is_the_container(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    start_container(&f);
    struct who in = at_exec(init, 5);
    feed_cgroup(&f, BH_CGROUP_MAKE, in, 3 * SEC,
                (struct bh_cgroup){.id = 51, .parent = 50, .container = 6, .parent_container = 5},
                "/c1/sub", "/somewhere");
    struct who deep = {.tgid = 40, .start = 3 * SEC, .exec = 5, .container = 6, .cgroup = 51};
    feed_fork(&f, in, 3 * SEC, deep);
    assert_int_equal(identify_process(f.i, 40)->container, 6);
    feed_text(&f, BH_FACT, 5, 3 * SEC, shop_fact);
    bool sub_sealed = false;
    for (unsigned k = 0; k < f.n; k++)
        sub_sealed |= f.notices[k].kind == NOTICE_SEAL && f.notices[k].container == 5 &&
                      f.notices[k].cgroup == 51;
    assert_true(sub_sealed);
    assert_int_equal(identify_process(f.i, 40)->container, 5);
    feed_open(&f, deep, 3 * SEC + 1);
    assert_int_equal(f.event.container->number, 5);
    assert_str(f.event.container->facts->name, "shop-1");
    // And one that is made after it, before the kernel knows.
    feed_cgroup(&f, BH_CGROUP_MAKE, in, 4 * SEC,
                (struct bh_cgroup){.id = 52, .parent = 51, .container = 7, .parent_container = 6},
                "/c1/sub/sub", "/b/evil");
    assert_true(noticed(&f, NOTICE_SEAL, 5));
    assert_false(noticed(&f, NOTICE_WANT_FACTS, UINT32_MAX));
    assert_int_equal(identify_container(f.i, 7)->number, 5);
    feed_done(&f);
}

static void facts_have_versions_and_ranks(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    feed_text(
        &f, BH_FACT, 5, 2 * SEC,
        "{\"source\":\"runtime state\",\"problem\":\"\",\"hostname\":\"h\",\"name\":\"old\"}");
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    const struct facts *k = identify_container(f.i, 5)->facts;
    assert_int_equal(k->version, 2);
    assert_string_equal(k->source, "bundle");
    assert_str(k->name, "shop-1");
    assert_str(k->hostname, "h"); // what the new one doesn't say stays
    feed_text(
        &f, BH_FACT, 5, 2 * SEC,
        "{\"source\":\"runtime "
        "state\",\"problem\":\"\",\"name\":\"low\",\"rootfs\":\"/r\",\"labels\":{\"x\":\"y\"}}");
    k = identify_container(f.i, 5)->facts;
    assert_int_equal(k->version, 3);
    assert_str(k->name, "shop-1"); // of a lower rank: fills gaps only
    assert_str(k->rootfs, "/r");
    assert_str(k->labels[0].key, "tier");
    // A source that fails later takes nothing away.
    feed_text(&f, BH_FACT, 5, 2 * SEC,
              "{\"source\":\"bundle\",\"problem\":\"the worker crashed on it\"}");
    k = identify_container(f.i, 5)->facts;
    assert_int_equal(k->version, 3);
    assert_str(k->problem, "");
    static const char *const bad[] = {"", "{", "[]", "{\"source\":\"rumour\"}", "3"};
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        feed_text(&f, BH_FACT, 5, 2 * SEC, bad[n]);
        assert_int_equal(identify_container(f.i, 5)->facts->version, 3);
    }
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.facts_refused, 1 + ARRAY_SIZE(bad));
    feed_done(&f);
}

// What the bundle left open (a namespace joined by path) the kernel's own inode numbers settle.
static void namespaces_settle_what_was_unknown(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    feed_exec(&f, BH_TASK, (struct who){.tgid = 1, .exec = 1}, SEC,
              (struct exec_of){.nses = {.pid = 1, .net = 2, .ipc = 3}});
    make_container(&f);
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    assert_int_equal(identify_container(f.i, 5)->facts->host_net, UNKNOWN);
    struct who in = stage;
    feed_exec(&f, BH_EXEC, in, 2 * SEC + 9,
              (struct exec_of){.mnt = 200, .nses = {.pid = 9, .net = 2, .ipc = 7}});
    const struct facts *k = identify_container(f.i, 5)->facts;
    assert_int_equal(k->host_net, YES);
    assert_int_equal(k->host_pid, NO);
    assert_int_equal(k->host_ipc, NO);
    feed_done(&f);
}

static void gone_but_known_for_a_while(void **state)
{
    struct feed f;
    bool ambiguous;
    feed_init(&f, NULL);
    make_container(&f);
    feed_text(&f, BH_FACT, 5, 2 * SEC, shop_fact);
    start_container(&f);
    feed_exit(&f, at_exec(init, 5), 5 * SEC);
    feed_cgroup(&f, BH_CGROUP_REMOVE, runc, 6 * SEC, (struct bh_cgroup){.id = 50, .container = 5},
                "/c1", "");
    assert_true(noticed(&f, NOTICE_CONTAINER_GONE, 5));
    feed_open(&f, at_exec(init, 5), 5 * SEC - 1); // late
    assert_int_equal(f.event.container->number, 5);
    assert_int_equal(f.event.container->gone, 6 * SEC);
    assert_str(f.event.image->path, "/bin/httpd");
    assert_int_equal(identify_container_by_text(f.i, text("shop-1"), &ambiguous)->number, 5);
    struct bh_tick t = {0};
    feed_raw(&f, rec_of(BH_TICK, (struct who){0}, 70 * SEC), &t, sizeof(t), STR_NULL);
    feed_raw(&f, rec_of(BH_TICK, (struct who){0}, 70 * SEC), &t, sizeof(t), STR_NULL);
    assert_null(identify_container(f.i, 5));
    feed_done(&f);
}

static void an_unknown_container_is_not_the_host(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who w = {.tgid = 4, .start = 4, .exec = 1, .container = 99, .cgroup = 990};
    feed_open(&f, w, SEC);
    assert_int_equal(f.result, 1);
    assert_null(f.event.process);
    assert_int_equal(f.event.container->number, 99);
    assert_int_equal(f.event.container->cgroup, 990);
    assert_int_equal(f.event.container->facts->version, 0);
    // Its own record comes late and fills it in.
    feed_cgroup(&f, BH_CGROUP_SCAN, (struct who){0}, SEC,
                (struct bh_cgroup){.id = 990, .parent = 1, .container = 99}, "/late", "");
    assert_true(noticed(&f, NOTICE_WANT_FACTS, 99));
    feed_open(&f, w, SEC);
    assert_str(f.event.container->cgroup_path, "/late");
    w.container = 0;
    feed_open(&f, w, SEC);
    assert_int_equal(f.event.container->type, CONTAINER_HOST);
    assert_str(f.event.container->id, "host");
    feed_done(&f);
}

static void a_late_record_belongs_to_its_image(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who w = {.tgid = 20, .start = 5, .exec = 1};
    feed_exec(&f, BH_EXEC, w, 10, (struct exec_of){.path = "/bin/first"});
    feed_exec(&f, BH_EXEC, at_exec(w, 2), 20, (struct exec_of){.path = "/bin/second"});
    feed_open(&f, w, 19);
    assert_str(f.event.image->path, "/bin/first");
    assert_str(f.event.process->image->path, "/bin/second");
    feed_open(&f, at_exec(w, 2), 21);
    assert_str(f.event.image->path, "/bin/second");
    feed_open(&f, at_exec(w, 7), 30); // an exec whose record was lost: unknown, not the last one
    assert_null(f.event.image);
    assert_non_null(f.event.process);
    feed_exec(&f, BH_EXEC, at_exec(w, 2), 20,
              (struct exec_of){.path = "/bin/copy"}); // the same again
    assert_str(f.event.process->image->path, "/bin/second");
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.late_records, 1);
    feed_done(&f);
}

static void a_number_used_again_is_another_process(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who old = {.tgid = 20, .start = 5, .exec = 1},
               new = {.tgid = 20, .start = 900, .exec = 1};
    feed_exec(&f, BH_EXEC, old, 10, (struct exec_of){.path = "/bin/old"});
    feed_exec(&f, BH_EXEC, new, 1000,
              (struct exec_of){.path = "/bin/new"}); // the old one's exit was lost
    feed_open(&f, old, 800);
    assert_str(f.event.image->path, "/bin/old");
    assert_int_not_equal(f.event.process->exited_ns, 0);
    feed_open(&f, new, 1001);
    assert_str(f.event.image->path, "/bin/new");
    assert_str(identify_process(f.i, 20)->image->path, "/bin/new");
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.lost_exits, 1);
    feed_done(&f);
}

static void ancestry_reaches_past_an_exit(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who a = {.tgid = 20, .start = 1, .exec = 1}, b = {.tgid = 21, .start = 2, .exec = 1},
               c = {.tgid = 22, .start = 3, .exec = 1};
    feed_exec(&f, BH_EXEC, a, 1, (struct exec_of){.path = "/bin/a"});
    feed_fork(&f, a, 2, b);
    feed_fork(&f, b, 3, c);
    feed_exit(&f, a, 4);
    feed_exit(&f, b, 5);
    for (int k = 0; k < 4; k++)
        feed_open(&f, c, 100 * SEC); // grace is long over
    const struct process *p = f.event.process;
    assert_int_equal(p->parent->tgid, 21);
    assert_int_equal(p->parent->parent->tgid, 20);
    assert_str(p->image->path, "/bin/a");
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.processes, 3);
    feed_exit(&f, c, 101 * SEC);
    feed_open(&f, c, 200 * SEC);
    feed_open(&f, c, 200 * SEC);
    identify_stats(f.i, &s);
    assert_int_equal(s.processes, 0); // with the last descendant all go
    assert_int_equal(s.images, 0);
    feed_done(&f);
}

static void an_endless_chain_is_bounded(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who w = {.tgid = 100, .start = SEC, .exec = 1, .container = 3};
    feed_exec(&f, BH_EXEC, w, SEC, (struct exec_of){0});
    for (uint32_t k = 1; k < 5000; k++) { // each forks and ends
        struct who next = w;
        next.tgid++;
        next.start += SEC;
        feed_fork(&f, w, next.start, next);
        feed_exit(&f, w, next.start + 1);
        w = next;
    }
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_in_range(s.processes, 32, 80);
    unsigned depth = 0;
    for (const struct process *p = identify_process(f.i, w.tgid); p->parent; p = p->parent)
        depth++;
    assert_in_range(depth, 30, 64);
    feed_done(&f);
}

static void credentials_follow_changes(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who a = {.tgid = 20, .start = 1, .exec = 1}, b = {.tgid = 21, .start = 2, .exec = 1};
    feed_exec(&f, BH_EXEC, a, 1, (struct exec_of){.path = "/bin/a", .args = STR("a\0-x")});
    feed_fork(&f, a, 2, b);
    struct bh_cred_change c = {.now = {.uid = 33, .euid = 33}};
    feed_raw(&f, rec_of(BH_CRED, b, 3), &c, sizeof(c), STR_NULL);
    feed_open(&f, b, 4);
    assert_int_equal(f.event.image->creds.uid, 33);
    assert_str(f.event.image->path, "/bin/a");
    assert_true(str_eq(f.event.image->args, STR("a\0-x")));
    feed_open(&f, a, 4);
    assert_int_equal(f.event.image->creds.uid, 0); // the parent's are its own
    struct bh_ns_change n = {.now = {.mnt = 321, .net = 5}};
    struct bh_rec of_thread = rec_of(BH_NAMESPACE, b, 5);
    of_thread.tid = 99;
    feed_raw(&f, of_thread, &n, sizeof(n), STR_NULL);
    assert_int_equal(f.event.image->nses.mnt, HOST_MNT); // one thread's
    feed_raw(&f, rec_of(BH_NAMESPACE, b, 6), &n, sizeof(n), STR_NULL);
    assert_int_equal(f.event.image->nses.mnt, 321);
    feed_done(&f);
}

static uint64_t lineage(const struct feed *f, uint32_t tgid)
{
    const struct process *p = identify_process(f->i, tgid);
    assert_non_null(p);
    assert_int_not_equal(p->lineage, 0);
    return p->lineage;
}

static void lineages(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    make_container(&f);
    start_container(&f);
    struct who in = at_exec(init, 5);
    // What the first process starts is each one's own; what that starts belongs to it.
    struct who w1 = {.tgid = 20, .start = 3 * SEC, .exec = 5, .container = 5}, w2 = w1, c1 = w1;
    w2.tgid = 21;
    c1.tgid = 22;
    feed_fork(&f, in, 3 * SEC, w1);
    feed_fork(&f, in, 3 * SEC, w2);
    feed_fork(&f, w1, 3 * SEC, c1);
    assert_int_not_equal(lineage(&f, 20), lineage(&f, 21));
    assert_int_equal(lineage(&f, 20), lineage(&f, 22));
    feed_exec(&f, BH_EXEC, at_exec(c1, 6), 3 * SEC, (struct exec_of){.mnt = 200});
    assert_int_equal(lineage(&f, 20), lineage(&f, 22));
    // An exec into the container is an entry of its own.
    struct who host = {.tgid = 60, .start = 4 * SEC, .exec = 3},
               entry = {.tgid = 61, .start = 4 * SEC, .exec = 3}, did;
    feed_exec(&f, BH_EXEC, host, 4 * SEC, (struct exec_of){.path = "/usr/sbin/runc"});
    feed_fork(&f, host, 4 * SEC, entry);
    uint64_t outside = lineage(&f, 61);
    feed_cgroup(&f, BH_CGROUP_ATTACH, entry, 4 * SEC + 1,
                (struct bh_cgroup){.id = 50, .container = 5}, "/c1", "");
    assert_int_not_equal(lineage(&f, 61), outside);
    entry.container = 5;
    did = entry;
    did.tgid = 62;
    feed_fork(&f, entry, 4 * SEC + 2, did);
    assert_int_equal(lineage(&f, 61), lineage(&f, 62));
    assert_int_not_equal(lineage(&f, 61), lineage(&f, 20));
    // On the host, a session is what a child of PID 1 does.
    struct who one = {.tgid = 1, .exec = 1}, shell = {.tgid = 70, .start = 5 * SEC, .exec = 1},
               ls = shell, other = shell;
    ls.tgid = 71;
    other.tgid = 72;
    feed_exec(&f, BH_EXEC, one, 5 * SEC, (struct exec_of){0});
    feed_fork(&f, one, 5 * SEC, shell);
    feed_fork(&f, one, 5 * SEC, other);
    feed_fork(&f, shell, 5 * SEC, ls);
    assert_int_equal(lineage(&f, 70), lineage(&f, 71));
    assert_int_not_equal(lineage(&f, 70), lineage(&f, 72));
    feed_done(&f);
}

static void a_scan_yields_to_newer_words(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who shell = {.tgid = 30, .start = 10, .exec = 2},
               child = {.tgid = 31, .start = 20, .exec = 2},
               dead = {.tgid = 32, .start = 15, .exec = 2};
    // The rings were attached first: an exec, an exit and a removal come before the scan's words of
    // the same.
    feed_exec(&f, BH_EXEC, at_exec(shell, 3), SEC, (struct exec_of){.path = "/bin/new"});
    feed_exit(&f, dead, SEC);
    feed_cgroup(&f, BH_CGROUP_REMOVE, shell, SEC, (struct bh_cgroup){.id = 90, .container = 9},
                "/gone", "");
    feed_cgroup(&f, BH_CGROUP_SCAN, (struct who){0}, SEC + 1,
                (struct bh_cgroup){.id = 90, .parent = 1, .container = 9}, "/gone", "");
    assert_int_not_equal(identify_container(f.i, 9)->gone, 0);
    feed_exec(&f, BH_TASK, child, SEC + 1,
              (struct exec_of){
                  .path = "/bin/child", .ppid = 30, .parent_start = 10}); // before its parent
    assert_int_equal(f.result, 0);
    feed_exec(&f, BH_TASK, shell, SEC + 1, (struct exec_of){.path = "/bin/old", .ppid = 1});
    feed_exec(&f, BH_TASK, dead, SEC + 1, (struct exec_of){.path = "/bin/dead"});
    assert_str(identify_process(f.i, 30)->image->path, "/bin/new");
    assert_int_not_equal(identify_process(f.i, 32)->exited_ns, 0);
    feed_raw(&f, rec_of(BH_SCAN_DONE, (struct who){0}, SEC + 2), NULL, 0, STR_NULL);
    assert_int_equal(identify_process(f.i, 31)->parent->tgid, 30);
    assert_int_equal(lineage(&f, 31), lineage(&f, 30));
    feed_done(&f);
}

static void a_scanned_container_has_started(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    feed_exec(&f, BH_TASK, (struct who){.tgid = 1, .exec = 1}, SEC, (struct exec_of){0});
    feed_cgroup(&f, BH_CGROUP_SCAN, (struct who){0}, SEC,
                (struct bh_cgroup){.id = 50, .parent = 1, .container = 5}, "/c1", "");
    assert_true(noticed(&f, NOTICE_WANT_FACTS, 5));
    struct who worker = {.tgid = 44, .start = 700, .exec = 2, .container = 5, .cgroup = 50},
               first = {.tgid = 43, .start = 600, .exec = 2, .container = 5, .cgroup = 50};
    feed_exec(&f, BH_TASK, worker, SEC,
              (struct exec_of){.mnt = 200, .ppid = 43, .parent_start = 600});
    feed_exec(&f, BH_TASK, first, SEC, (struct exec_of){.mnt = 200, .ppid = 10});
    assert_int_equal(identify_container(f.i, 5)->first_exec, 600);
    feed_raw(&f, rec_of(BH_SCAN_DONE, (struct who){0}, SEC + 2), NULL, 0, STR_NULL);
    assert_int_not_equal(lineage(&f, 44), lineage(&f, 43)); // its first process is known now
    // What it runs next is not its first program.
    feed_exec(&f, BH_EXEC, at_exec(worker, 3), 2 * SEC, (struct exec_of){.mnt = 200});
    assert_false(noticed(&f, NOTICE_CONTAINER_STARTED, 5));
    feed_done(&f);
}

static void losses_and_storms_mark(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who w = {.tgid = 20, .start = 1, .exec = 1, .container = 3},
               other = {.tgid = 21, .start = 1, .exec = 1, .container = 4};
    feed_open(&f, w, 1);
    feed_open(&f, other, 1);
    assert_false(f.event.container->lossy);
    struct bh_storm s = {.container = 3, .kind = BH_OPEN, .count = 9};
    feed_raw(&f, rec_of(BH_STORM, (struct who){0}, 2), &s, sizeof(s), STR_NULL);
    assert_int_equal(f.result, 1);
    assert_int_equal(f.event.container->number, 3);
    feed_open(&f, w, 3);
    assert_true(f.event.container->lossy);
    feed_open(&f, other, 3);
    assert_false(f.event.container->lossy);
    struct bh_loss l = {.first = 1, .last = 4};
    feed_raw(&f, rec_of(BH_LOSS, (struct who){0}, 4), &l, sizeof(l), STR_NULL);
    assert_int_equal(f.result, 1);
    struct bh_tick t = {0};
    feed_raw(&f, rec_of(BH_TICK, (struct who){0}, 4), &t, sizeof(t), STR_NULL);
    feed_open(&f, other, 4);
    assert_false(f.event.container->lossy); // four are missing, and the storm has said whose
    l = (struct bh_loss){.first = 5, .last = 14};
    feed_raw(&f, rec_of(BH_LOSS, (struct who){0}, 4), &l, sizeof(l), STR_NULL);
    feed_raw(&f, rec_of(BH_TICK, (struct who){0}, 5), &t, sizeof(t), STR_NULL);
    feed_open(&f, other, 5);
    assert_true(f.event.container->lossy);  // more than any storm explains: it could be anybody's
    feed_text(&f, BH_COVERAGE, 0, 5, "{}"); // a new stretch begins
    feed_open(&f, w, 6);
    assert_false(f.event.container->lossy);
    feed_done(&f);
}

static void shards_own_their_containers(void **state)
{
    struct feed f;
    feed_init(&f, &(struct identify_limits){.shard = 1, .shards = 2});
    struct who even = {.tgid = 20, .start = 1, .exec = 1, .container = 4},
               odd = {.tgid = 21, .start = 2, .exec = 1, .container = 5};
    feed_exec(&f, BH_EXEC, even, 1, (struct exec_of){0});
    assert_int_equal(f.result, 0);
    feed_exec(&f, BH_EXEC, odd, 2, (struct exec_of){0});
    assert_int_equal(f.result, 1);
    assert_int_equal(f.event.number, 1);
    feed_cgroup(&f, BH_CGROUP_MAKE, runc, 3,
                (struct bh_cgroup){.id = 60, .parent = 1, .container = 6}, "/x", "/b");
    assert_int_equal(f.n, 0); // no notice of another's
    assert_non_null(identify_container(f.i, 6));
    struct bh_rec copy = rec_of(BH_EXIT, odd, 4);
    copy.flags = BH_F_COPY;
    struct bh_exit x = {0};
    feed_raw(&f, copy, &x, sizeof(x), STR_NULL);
    assert_int_equal(f.result, 0);
    assert_int_equal(identify_process(f.i, 21)->exited_ns, 4);
    feed_done(&f);
}

static void a_full_table_costs_who_fills_it(void **state)
{
    struct feed f;
    feed_init(&f, &(struct identify_limits){.max_processes = 400, .max_per_container = 100});
    struct who quiet = {.tgid = 10, .start = 1, .exec = 1, .container = 2},
               bomb = {.tgid = 1000, .start = 2, .exec = 1, .container = 3};
    feed_exec(&f, BH_EXEC, quiet, 1, (struct exec_of){.path = "/bin/quiet"});
    feed_exec(&f, BH_EXEC, bomb, 2, (struct exec_of){.path = "/bin/bomb", .mnt = 200});
    bool told = false;
    for (uint32_t k = 1; k <= 5000; k++) {
        struct who child = bomb;
        child.tgid += k;
        child.start += k;
        feed_fork(&f, bomb, 2 + k, child);
        for (unsigned n = 0; n < f.n; n++)
            if (f.notices[n].kind == NOTICE_EVICTED) {
                assert_int_equal(f.notices[n].container, 3);
                assert_non_null(
                    strstr(f.notices[n].text, "\"table\":\"processes\",\"container\":3"));
                told = true;
            }
        struct identify_stats s;
        identify_stats(f.i, &s);
        assert_true(s.processes <= 101);
    }
    assert_true(told);
    assert_non_null(identify_process(f.i, 10));   // another's is untouched
    assert_non_null(identify_process(f.i, 1000)); // and who acts stays known
    assert_non_null(identify_process(f.i, 6000));
    struct bh_tick t = {0};
    feed_raw(&f, rec_of(BH_TICK, (struct who){0}, 10 * SEC), &t, sizeof(t), STR_NULL);
    assert_true(noticed(&f, NOTICE_EVICTED, 3)); // the rest of the count
    // Many containers together: the one that holds most pays.
    for (uint32_t c = 10; c < 20; c++)
        for (uint32_t k = 0; k < 60; k++) {
            struct who w = {.tgid = c * 10000 + k, .start = 9 * SEC, .exec = 1, .container = c};
            feed_exec(&f, BH_EXEC, w, 10 * SEC, (struct exec_of){0});
        }
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.processes, 400);
    assert_non_null(identify_process(f.i, 10));
    feed_done(&f);
}

static void strings_have_a_budget(void **state)
{
    struct feed f;
    feed_init(&f, &(struct identify_limits){.max_bytes = 1 << 20});
    static char args[4000];
    memset(args, 'a', sizeof(args));
    struct who quiet = {.tgid = 9, .start = 1, .exec = 1, .container = 2};
    feed_exec(&f, BH_EXEC, quiet, 1, (struct exec_of){.path = "/bin/quiet"});
    for (uint32_t k = 0; k < 3000; k++) {
        struct who w = {.tgid = 100 + k, .start = 2 + k, .exec = 1, .container = 3};
        feed_exec(&f, BH_EXEC, w, 2 + k,
                  (struct exec_of){.path = "/bin/x", .args = {args, sizeof(args)}});
        assert_non_null(f.event.image);
        struct identify_stats s;
        identify_stats(f.i, &s);
        assert_true(s.bytes <= 1 << 20);
    }
    assert_str(identify_process(f.i, 9)->image->path, "/bin/quiet");
    feed_done(&f);
}

static void more_containers_than_fit(void **state)
{
    struct feed f;
    feed_init(&f, &(struct identify_limits){.max_containers = 16});
    for (uint32_t k = 1; k <= 100; k++)
        feed_cgroup(&f, BH_CGROUP_MAKE, runc, k,
                    (struct bh_cgroup){.id = 1000 + k, .parent = 1, .container = k}, "/x", "/b");
    assert_true(noticed(&f, NOTICE_EVICTED, 84));
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.containers, 16);
    assert_int_equal(s.evicted_containers, 84);
    // With a process in each, none is let go: the next one is not kept, but isn't the host either.
    for (uint32_t k = 85; k <= 100; k++)
        feed_exec(&f, BH_EXEC, (struct who){.tgid = k, .start = 1000, .exec = 1, .container = k},
                  1000, (struct exec_of){0});
    feed_exec(&f, BH_EXEC, (struct who){.tgid = 101, .start = 1001, .exec = 1, .container = 101},
              1001, (struct exec_of){0});
    assert_int_equal(f.result, 1);
    assert_int_equal(f.event.container->number, 101);
    assert_int_equal(f.event.container->type, CONTAINER_CGROUP);
    feed_done(&f);
}

static void malformed_records_are_refused(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct bh_rec r = rec_of(BH_EXIT, runc, 1);
    feed_raw(&f, r, NULL, 0, STR_NULL); // without its fixed part
    assert_int_equal(f.result, -EBADMSG);
    r.version = 9;
    feed_raw(&f, r, NULL, 0, STR_NULL);
    assert_int_equal(f.result, -EBADMSG);
    struct identify_stats s;
    identify_stats(f.i, &s);
    assert_int_equal(s.malformed, 2);
    feed_done(&f);
}

static void found_by_text(void **state)
{
    struct feed f;
    bool ambiguous;
    feed_init(&f, NULL);
    static const struct {
        const char *path, *id;
    } paths[] = {{"/kubepods.slice/x.slice/cri-containerd-abcdef01.scope", "abcdef01"},
                 {"/machine.slice/libpod-abcdef99.scope/container", "abcdef99"},
                 {"/system.slice/docker-77aa.scope", "77aa"},
                 {"/crio-88bb.scope", "88bb"},
                 {"/libpod_parent/libpod-99cc", "99cc"},
                 {"/default/web", "web"}};
    for (uint32_t k = 0; k < ARRAY_SIZE(paths); k++) {
        feed_cgroup(&f, BH_CGROUP_SCAN, (struct who){0}, 1,
                    (struct bh_cgroup){.id = 100 + k, .parent = 1, .container = k + 1},
                    paths[k].path, "");
        assert_str(identify_container(f.i, k + 1)->id, paths[k].id);
        assert_int_equal(identify_container_by_text(f.i, text(paths[k].id), &ambiguous)->number,
                         k + 1);
    }
    assert_null(identify_container_by_text(f.i, STR("abcdef"), &ambiguous));
    assert_true(ambiguous);
    assert_int_equal(identify_container_by_text(f.i, STR("abcdef9"), &ambiguous)->number, 2);
    assert_false(ambiguous);
    assert_int_equal(identify_container_by_text(f.i, STR("host"), &ambiguous)->number, 0);
    assert_null(identify_container_by_text(f.i, STR("nothing"), &ambiguous));
    assert_null(identify_container_by_text(f.i, STR(""), &ambiguous));
    feed_done(&f);
}

// With systemd as the cgroup driver, the maker's cwd is systemd's; the one who enters knows the
// bundle.
static void the_one_who_enters_knows_the_bundle(void **state)
{
    struct feed f;
    feed_init(&f, NULL);
    struct who systemd = {.tgid = 1, .exec = 1}, s = stage;
    s.container = 0;
    feed_exec(&f, BH_EXEC, systemd, 1, (struct exec_of){0});
    feed_exec(&f, BH_EXEC, runc, SEC, (struct exec_of){.path = "/usr/sbin/runc", .cwd = "/b/shop"});
    feed_cgroup(&f, BH_CGROUP_MAKE, systemd, 2 * SEC,
                (struct bh_cgroup){.id = 50, .parent = 1, .container = 5}, "/s/runc-x.scope", "/");
    feed_text(&f, BH_FACT, 5, 2 * SEC, "{\"source\":\"bundle\",\"problem\":\"none\"}");
    feed_fork(&f, runc, 2 * SEC, s);
    feed_cgroup(&f, BH_CGROUP_ATTACH, s, 2 * SEC, (struct bh_cgroup){.id = 50, .container = 5},
                "/s/runc-x.scope", "");
    assert_true(noticed(&f, NOTICE_WANT_FACTS, 5));
    assert_str(identify_container(f.i, 5)->bundle, "/b/shop");
    feed_text(&f, BH_FACT, 5, 2 * SEC,
              "{\"source\":\"bundle\",\"problem\":\"\",\"cgroups_path\":\"s:runc:x\"}");
    assert_true(noticed(&f, NOTICE_SEAL, 5));
    feed_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_container_from_its_bundle),
        cmocka_unit_test(a_move_out_of_a_container_is_an_event),
        cmocka_unit_test(a_seal_when_someone_enters),
        cmocka_unit_test(no_bundle_is_a_plain_cgroup),
        cmocka_unit_test(a_folder_above_is_not_the_container),
        cmocka_unit_test(what_lies_inside_is_the_container),
        cmocka_unit_test(facts_have_versions_and_ranks),
        cmocka_unit_test(namespaces_settle_what_was_unknown),
        cmocka_unit_test(gone_but_known_for_a_while),
        cmocka_unit_test(an_unknown_container_is_not_the_host),
        cmocka_unit_test(a_late_record_belongs_to_its_image),
        cmocka_unit_test(a_number_used_again_is_another_process),
        cmocka_unit_test(ancestry_reaches_past_an_exit),
        cmocka_unit_test(an_endless_chain_is_bounded),
        cmocka_unit_test(credentials_follow_changes),
        cmocka_unit_test(lineages),
        cmocka_unit_test(a_scan_yields_to_newer_words),
        cmocka_unit_test(a_scanned_container_has_started),
        cmocka_unit_test(losses_and_storms_mark),
        cmocka_unit_test(shards_own_their_containers),
        cmocka_unit_test(a_full_table_costs_who_fills_it),
        cmocka_unit_test(strings_have_a_budget),
        cmocka_unit_test(more_containers_than_fit),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(found_by_text),
        cmocka_unit_test(the_one_who_enters_knows_the_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
