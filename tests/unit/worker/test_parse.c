// Strangers' documents: what a bundle or a runtime's state says, and that nothing in one can do
// harm.
#include "worker/worker.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef void (*parser)(struct str bytes, struct str args, struct buf *out);

// Whatever comes in, what comes out is one JSON object of bounded size.
static json_t *parsed(parser f, struct str bytes, const char *args)
{
    struct buf out = {0};
    f(bytes, str_of(args), &out);
    assert_false(out.failed);
    assert_in_range(out.len, 2, MAX_WORKER_REPLY + 4096);
    json_t *j = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);
    assert_true(json_is_object(j));
    assert_true(json_is_string(json_object_get(j, "problem")));
    buf_done(&out);
    return j;
}

static json_t *bundle(const char *text)
{
    return parsed(worker_parse_bundle, str_of(text),
                  "{\"container\":7,\"id\":\"4f5a\",\"bundle\":\"/var/b/shop\"}");
}

static const char *s(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "(null)";
}

static const char *label(const json_t *j, const char *key)
{
    return s(json_object_get(j, "labels"), key);
}

static void assert_tri(const json_t *j, const char *key, int want) // -1 null
{
    const json_t *v = json_object_get(j, key);
    assert_non_null(v);
    int is = json_is_null(v) ? -1 : json_is_true(v);
    if (is != want)
        fail_msg("%s is %d, not %d", key, is, want);
}

static void a_bare_bundle(void **state)
{
    json_t *j =
        bundle("{\"ociVersion\":\"1.0.2\",\"hostname\":\"h\",\"root\":{\"path\":\"rootfs\","
               "\"readonly\":true},"
               "\"process\":{\"terminal\":true,\"user\":{\"uid\":1000,\"gid\":100}},"
               "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
               "{\"destination\":\"/data\",\"source\":\"vol\",\"options\":[\"rbind\",\"ro\"]}],"
               "\"linux\":{\"cgroupsPath\":\"/x/"
               "4f5a\",\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
               "{\"type\":\"network\",\"path\":\"/proc/77/ns/net\"},{\"type\":\"ipc\",\"path\":\"/"
               "proc/1/ns/ipc\"}]},"
               "\"annotations\":{\"bulkhead.io/label.tier\":\"web\",\"bulkhead.io/"
               "image\":\"shop:2\",\"other\":\"x\"}}");
    assert_string_equal(s(j, "problem"), "");
    assert_string_equal(s(j, "name"), "4f5a");
    assert_string_equal(s(j, "image"), "shop:2");
    assert_string_equal(s(j, "workload"), "shop"); // the folder's name
    assert_string_equal(s(j, "hostname"), "h");
    assert_string_equal(s(j, "rootfs"), "/var/b/shop/rootfs");
    assert_string_equal(s(j, "cgroups_path"), "/x/4f5a");
    assert_string_equal(label(j, "tier"), "web");
    assert_int_equal(json_object_size(json_object_get(j, "labels")), 1);
    assert_tri(j, "readonly_root", 1);
    assert_tri(j, "terminal", 1);
    assert_tri(j, "host_pid", 0);
    assert_tri(j, "host_mnt", 0);
    assert_tri(j, "host_net", -1);
    assert_tri(j, "host_ipc", 1);
    assert_tri(j, "privileged", 0);
    assert_int_equal(json_integer_value(json_object_get(j, "uid")), 1000);
    assert_int_equal(json_integer_value(json_object_get(j, "gid")), 100);
    const json_t *mounts = json_object_get(j, "mounts"), *volume = json_array_get(mounts, 1);
    assert_int_equal(json_array_size(mounts), 2);
    assert_string_equal(s(volume, "source"), "/var/b/shop/vol");
    assert_string_equal(s(volume, "type"), "bind");
    assert_tri(volume, "read_only", 1);
    assert_string_equal(s(json_array_get(mounts, 0), "source"), "proc");
    json_decref(j);
}

static void engines_annotations(void **state)
{
    json_t *j = bundle(
        "{\"ociVersion\":\"1\",\"annotations\":{\"io.kubernetes.cri.container-name\":\"app\","
        "\"io.kubernetes.cri.image-name\":\"reg/"
        "app:1\",\"io.kubernetes.cri.sandbox-namespace\":\"prod\","
        "\"io.kubernetes.cri.sandbox-name\":\"app-5d-x\"}}");
    assert_string_equal(s(j, "name"), "app");
    assert_string_equal(s(j, "image"), "reg/app:1");
    assert_string_equal(s(j, "workload"), "prod/app");
    assert_string_equal(s(j, "runtime"), "containerd");
    assert_string_equal(label(j, "io.kubernetes.pod.namespace"), "prod");
    assert_string_equal(label(j, "io.kubernetes.pod.name"), "app-5d-x");
    json_decref(j);
    j = bundle(
        "{\"ociVersion\":\"1\",\"annotations\":{\"io.kubernetes.container.name\":\"db\","
        "\"io.kubernetes.cri-o.ImageName\":\"pg:15\",\"io.kubernetes.pod.namespace\":\"data\","
        "\"io.kubernetes.cri-o.Labels\":\"{\\\"app\\\":\\\"pg\\\",\\\"n\\\":1}\"}}");
    assert_string_equal(s(j, "name"), "db");
    assert_string_equal(s(j, "image"), "pg:15");
    assert_string_equal(s(j, "runtime"), "cri-o");
    assert_string_equal(label(j, "app"), "pg");
    json_decref(j);
    // An engine's folder says nothing about the workload.
    j = parsed(worker_parse_bundle,
               STR("{\"ociVersion\":\"1\",\"annotations\":{\"bulkhead.io/image\":\"i:1\"}}"),
               "{\"id\":\"abc\",\"bundle\":\"/var/lib/containers/storage/overlay-containers/abc/"
               "userdata\"}");
    assert_string_equal(s(j, "workload"), "i:1");
    assert_string_equal(s(j, "runtime"), "podman");
    json_decref(j);
}

static const char all_caps[] = "\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_DAC_READ_SEARCH\",\"CAP_"
                               "FOWNER\",\"CAP_FSETID\",\"CAP_KILL\",\"CAP_SETGID\","
                               "\"CAP_SETUID\",\"CAP_SETPCAP\",\"CAP_LINUX_IMMUTABLE\",\"CAP_NET_"
                               "BIND_SERVICE\",\"CAP_NET_BROADCAST\",\"CAP_NET_ADMIN\","
                               "\"CAP_NET_RAW\",\"CAP_IPC_LOCK\",\"CAP_IPC_OWNER\",\"CAP_SYS_"
                               "MODULE\",\"CAP_SYS_RAWIO\",\"CAP_SYS_CHROOT\","
                               "\"CAP_SYS_PTRACE\",\"CAP_SYS_PACCT\",\"CAP_SYS_ADMIN\",\"CAP_SYS_"
                               "BOOT\",\"CAP_SYS_NICE\",\"CAP_SYS_RESOURCE\","
                               "\"CAP_SYS_TIME\",\"CAP_SYS_TTY_CONFIG\",\"CAP_MKNOD\",\"CAP_"
                               "LEASE\",\"CAP_AUDIT_WRITE\",\"CAP_AUDIT_CONTROL\","
                               "\"CAP_SETFCAP\",\"CAP_MAC_OVERRIDE\",\"CAP_MAC_ADMIN\",\"CAP_"
                               "SYSLOG\",\"CAP_WAKE_ALARM\",\"CAP_BLOCK_SUSPEND\","
                               "\"CAP_AUDIT_READ\"";

static void privileged_is_all_three(void **state)
{
    static const char open_devices[] =
        "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
        "{\"allow\":true,\"access\":\"rwm\"}]}";
    static const char closed_devices[] =
        "\"resources\":{\"devices\":[{\"allow\":true},{\"allow\":false}]}";
    static const char filter[] = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}";
    const struct {
        const char *caps, *linux_[2];
        int want;
    } cases[] = {
        {all_caps, {open_devices, NULL}, 1},   {all_caps, {open_devices, filter}, 0},
        {all_caps, {closed_devices, NULL}, 0}, {"\"CAP_CHOWN\"", {open_devices, NULL}, 0},
        {NULL, {open_devices, NULL}, -1},      {NULL, {closed_devices, NULL}, 0},
    };
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        struct buf b = {0};
        buf_text(&b, "{\"ociVersion\":\"1\",\"process\":{");
        if (cases[k].caps)
            buf_printf(&b, "\"capabilities\":{\"bounding\":[%s]}", cases[k].caps);
        buf_printf(&b, "},\"linux\":{%s%s%s}}", cases[k].linux_[0], cases[k].linux_[1] ? "," : "",
                   cases[k].linux_[1] ? cases[k].linux_[1] : "");
        json_t *j = bundle(b.ptr);
        assert_tri(j, "privileged", cases[k].want);
        json_decref(j);
        buf_done(&b);
    }
    json_t *j = bundle("{\"ociVersion\":\"1\"}");
    assert_tri(j, "privileged", -1);
    assert_tri(j, "host_net", -1);
    json_decref(j);
}

static void no_bundle_is_none(void **state)
{
    static const char *const texts[] = {"{}", "{\"name\":\"package\",\"version\":\"1\"}",
                                        "{\"root\":{},\"process\":3}"};
    for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
        json_t *j = bundle(texts[k]);
        assert_string_equal(s(j, "problem"), "none");
        json_decref(j);
    }
}

static void hostile_documents_say_why(void **state)
{
    struct buf deep = {0}, wide = {0};
    buf_text(&deep, "{\"ociVersion\":");
    for (int k = 0; k < 100000; k++)
        buf_char(&deep, '[');
    buf_text(&wide, "{\"ociVersion\":\"1\",\"x\":[");
    for (int k = 0; k < 200000; k++)
        buf_text(&wide, "0,");
    buf_text(&wide, "0]}");
    const struct {
        struct str bytes;
        const char *problem;
    } cases[] = {
        {STR(""), "config.json: not valid JSON"},
        {STR("{\"ociVersion\":\"1\""), "config.json: not valid JSON"},
        {STR("[1,2]"), "config.json: not a JSON object"},
        {STR("\0\0\0\0"), "config.json: not valid JSON"},
        {STR("{\"a\\u0000b\":1}"), "config.json: not valid JSON"},
        {buf_view(&deep), "config.json: nested more than 64 deep"},
        {buf_view(&wide), "config.json: more than 65536 values"},
    };
    for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
        json_t *j = parsed(worker_parse_bundle, cases[k].bytes, "{\"container\":1}");
        assert_string_equal(s(j, "problem"), cases[k].problem);
        assert_int_equal(json_integer_value(json_object_get(j, "container")), 1);
        json_decref(j);
    }
    buf_done(&deep);
    buf_done(&wide);
}

// runc would run these, so their facts must not hide behind what another JSON reader refuses.
static void what_runc_reads_is_read(void **state)
{
    static const char *const texts[] = {
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":\"\xff\xfe\"}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":\"\\ud800\"}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":\"\\ud83d\\ude00 \\udc00\"}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":99999999999999999999999999}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":-1e999}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\",\"x\":\"\\u0000\"}",
        "{\"ociVersion\":\"1\",\"hostname\":\"h\"} trailing [[[",
        "{\"ociVersion\":\"1\",\"HostName\":\"h\"}",
        "{\"ociVersion\":\"1\",\"hostname\":\"g\",\"hostname\":\"h\"}",
    };
    for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
        json_t *j = bundle(texts[k]);
        assert_string_equal(s(j, "problem"), "");
        assert_string_equal(s(j, "hostname"), "h");
        json_decref(j);
    }
}

static void wrong_types_everywhere(void **state)
{
    static const char *const values[] = {"null", "true",         "-7", "1.5",       "\"x\"",
                                         "[]",   "[[],{},null]", "{}", "{\"a\":{}}"};
    static const char *const members[] = {"hostname",    "root",  "process",   "mounts",
                                          "annotations", "linux", "ociVersion"};
    static const char *const inner[] = {"path",
                                        "readonly",
                                        "terminal",
                                        "user",
                                        "capabilities",
                                        "namespaces",
                                        "resources",
                                        "seccomp",
                                        "cgroupsPath",
                                        "bounding",
                                        "devices",
                                        "bulkhead.io/image",
                                        "io.kubernetes.cri-o.Labels"};
    for (size_t m = 0; m < ARRAY_SIZE(members); m++)
        for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
            struct buf b = {0};
            buf_printf(&b, "{\"ociVersion\":\"1\",\"%s\":%s}", members[m], values[v]);
            json_decref(bundle(b.ptr));
            for (size_t n = 0; n < ARRAY_SIZE(inner); n++) {
                buf_reset(&b);
                buf_printf(
                    &b,
                    "{\"ociVersion\":\"1\",\"%s\":{\"%s\":%s,\"capabilities\":{\"bounding\":%s},"
                    "\"resources\":{\"devices\":%s}}}",
                    members[m], inner[n], values[v], values[v], values[v]);
                json_t *j = bundle(b.ptr);
                if (json_is_string(json_object_get(j, "privileged")))
                    fail();
                json_decref(j);
            }
            buf_done(&b);
        }
}

static void too_much_is_left_out(void **state)
{
    struct buf b = {0}, text = {0};
    for (int k = 0; k < 4000; k++)
        buf_text(&text, "\xc3\xa9"); // two bytes each: a cut must not fall inside one
    buf_printf(&b, "{\"ociVersion\":\"1\",\"hostname\":\"x%s\",\"annotations\":{", text.ptr);
    for (int k = 0; k < 300; k++)
        buf_printf(&b, "%s\"bulkhead.io/label.k%d\":\"%s\"", k ? "," : "", k, text.ptr);
    buf_text(&b, "}}");
    json_t *j = parsed(worker_parse_bundle, buf_view(&b), "{\"container\":1}");
    assert_true(str_starts(str_of(s(j, "problem")), STR("labels and mounts were left out")));
    assert_int_equal(strlen(s(j, "hostname")), 4095);
    json_decref(j);
    buf_done(&b);
    buf_done(&text);
}

static void runtimes_state(void **state)
{
    json_t *j =
        parsed(worker_parse_state,
               STR("{\"id\":\"web1\",\"init_process_pid\":4242,\"config\":{\"rootfs\":\"/b/"
                   "shop/rootfs\",\"hostname\":\"h\","
                   "\"readonlyfs\":true,\"labels\":[\"bulkhead.io/"
                   "label.tier=front=x\",\"bundle=/b/shop\",\"odd\"],"
                   "\"namespaces\":[{\"type\":\"NEWPID\",\"path\":\"\"},{\"type\":"
                   "\"NEWNS\",\"path\":\"\"}]}}"),
               "{\"container\":5,\"id\":\"\",\"bundle\":\"\"}"); // an empty word says nothing
    assert_string_equal(s(j, "problem"), "");
    assert_string_equal(s(j, "source"), "runtime state");
    assert_string_equal(s(j, "runtime"), "runc");
    assert_string_equal(s(j, "id"), "web1");
    assert_string_equal(s(j, "bundle"), "/b/shop");
    assert_string_equal(s(j, "workload"), "shop");
    assert_string_equal(label(j, "tier"), "front=x");
    assert_int_equal(json_integer_value(json_object_get(j, "pid")), 4242);
    assert_tri(j, "host_pid", 0);
    assert_tri(j, "host_net", 1);
    assert_tri(j, "readonly_root", 1);
    json_decref(j);
    j = parsed(
        worker_parse_state,
        STR("{\"pid\":12,\"cgroup-path\":\"/crun/x\",\"rootfs\":\"rootfs\",\"bundle\":\"/b/x\"}"),
        "{\"id\":\"x\"}");
    assert_string_equal(s(j, "runtime"), "crun");
    assert_string_equal(s(j, "bundle"), "/b/x");
    assert_string_equal(s(j, "rootfs"), "/b/x/rootfs");
    assert_string_equal(s(j, "cgroups_path"), "/crun/x");
    json_decref(j);
    j = parsed(worker_parse_state, STR("{\"pid\":-5}"), "{}");
    assert_string_equal(s(j, "problem"), "runtime state: neither runc's nor crun's");
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_bundle),
        cmocka_unit_test(engines_annotations),
        cmocka_unit_test(privileged_is_all_three),
        cmocka_unit_test(no_bundle_is_none),
        cmocka_unit_test(hostile_documents_say_why),
        cmocka_unit_test(what_runc_reads_is_read),
        cmocka_unit_test(wrong_types_everywhere),
        cmocka_unit_test(too_much_is_left_out),
        cmocka_unit_test(runtimes_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
