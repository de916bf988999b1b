// Containers that ran before us and whose bundle nobody finds: told from services by their
// namespaces.
#include "feed.h"

#define SEC NSEC_PER_SEC

static const char none[] = "{\"source\":\"bundle\",\"problem\":\"none\"}";

static void scanned(struct feed *f, uint32_t mnt, uint32_t pid, uint32_t second_mnt,
                    uint32_t second_pid)
{
    feed_init(f, NULL);
    feed_exec(f, BH_TASK, (struct who){.tgid = 1, .exec = 1}, SEC,
              (struct exec_of){.nses = {.pid = 1, .net = 2, .ipc = 3}});
    feed_cgroup(f, BH_CGROUP_SCAN, (struct who){0}, SEC,
                (struct bh_cgroup){.id = 50, .parent = 1, .container = 5}, "/elsewhere", "");
    assert_true(noticed(f, NOTICE_WANT_FACTS, 5));
    feed_exec(f, BH_TASK,
              (struct who){.tgid = 43, .start = 600, .exec = 2, .container = 5, .cgroup = 50}, SEC,
              (struct exec_of){.path = "/bin/httpd", .mnt = mnt, .nses = {.pid = pid}});
    feed_exec(f, BH_TASK,
              (struct who){.tgid = 44, .start = 700, .exec = 2, .container = 5, .cgroup = 50}, SEC,
              (struct exec_of){.path = "/bin/cgi", .mnt = second_mnt, .nses = {.pid = second_pid}});
    feed_raw(f, rec_of(BH_SCAN_DONE, (struct who){0}, SEC + 1), NULL, 0, STR_NULL);
    feed_text(f, BH_FACT, 5, SEC + 2, none);
}

static void one_in_namespaces_of_its_own_is_a_container(void **state)
{
    struct feed f;
    scanned(&f, 200, 9, 200, 9);
    assert_true(noticed(&f, NOTICE_CONTAINER_KNOWN, 5));
    assert_true(noticed(&f, NOTICE_SEAL, 5));
    assert_false(noticed(&f, NOTICE_PLAIN, 5));
    const struct container *c = identify_container(f.i, 5);
    assert_int_equal(c->type, CONTAINER_OCI);
    assert_true(str_eq(c->id, STR("elsewhere")));
    assert_int_equal(c->facts->privileged, UNKNOWN);
    assert_int_not_equal(c->facts->problem.len, 0);
    // A bundle that is found later says more.
    feed_text(&f, BH_FACT, 5, SEC + 3,
              "{\"source\":\"bundle\",\"problem\":\"\",\"name\":\"shop\"}");
    c = identify_container(f.i, 5);
    assert_true(str_eq(c->facts->name, STR("shop")));
    assert_int_equal(c->facts->problem.len, 0);
    feed_done(&f);
}

static void a_service_with_a_mount_namespace_is_none(void **state)
{
    struct feed f;
    scanned(&f, 200, 1, 200, 1); // systemd's PrivateTmp=
    assert_true(noticed(&f, NOTICE_PLAIN, 5));
    assert_int_equal(identify_container(f.i, 5)->type, CONTAINER_CGROUP);
    feed_done(&f);
}

static void a_service_that_sandboxes_a_child_is_none(void **state)
{
    struct feed f;
    scanned(&f, HOST_MNT, 1, 200, 9);
    assert_true(noticed(&f, NOTICE_PLAIN, 5));
    assert_int_equal(identify_container(f.i, 5)->type, CONTAINER_CGROUP);
    feed_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_in_namespaces_of_its_own_is_a_container),
        cmocka_unit_test(a_service_with_a_mount_namespace_is_none),
        cmocka_unit_test(a_service_that_sandboxes_a_child_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
