// The world: see world.h.
#include "world.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> // needs those above

static const uint64_t START = 100 * NSEC_PER_SEC, WALL = 1700000000ULL * NSEC_PER_SEC;

void world_init(struct world *w)
{
    *w = (struct world){0};
    w->labels[0] = (struct label){STR("tier"), STR("front")};
    w->labels[1] = (struct label){STR("io.kubernetes.pod.name"), STR("shop-1")};
    w->labels[2] = (struct label){STR("io.kubernetes.pod.namespace"), STR("sales")};
    w->mounts[0] = (struct mount_fact){STR("/srv/data"), STR("/data"), STR("bind"), false};
    w->mounts[1] = (struct mount_fact){STR("/run/docker.sock"), STR("/var/run/docker.sock"),
                                       STR("bind"), true};
    w->facts = (struct facts){.version = 1,
                              .source = "bundle",
                              .name = STR("shop"),
                              .image = STR("registry:5000/example/shop:1.2@sha256:abc"),
                              .workload = STR("shop"),
                              .runtime = STR("runc"),
                              .labels = w->labels,
                              .labels_n = 3,
                              .mounts = w->mounts,
                              .mounts_n = 2,
                              .privileged = NO};
    w->no_facts = (struct facts){.source = "none"};
    w->host = (struct container){.type = CONTAINER_HOST, .id = STR("host"), .facts = &w->no_facts};
    w->box = (struct container){.number = 7,
                                .type = CONTAINER_OCI,
                                .id = STR("0123456789abcdef0123"),
                                .cgroup_path = STR("/box"),
                                .created = START - 1000,
                                .first_exec = START,
                                .facts = &w->facts,
                                .host_mnt_ns = 1};
    struct bh_nses inside = {.mnt = 2, .pid = 3, .net = 4, .user = 5};
    w->init_image = (struct image){.exec = 1,
                                   .path = STR("/sbin/init"),
                                   .comm = STR("init"),
                                   .cwd = STR("/"),
                                   .args = STR("/sbin/init\0"),
                                   .nses = inside,
                                   .exec_mnt_ns = 2,
                                   .sid = 10,
                                   .pgid = 10};
    w->parent_image = w->init_image;
    w->parent_image.path = STR("/usr/sbin/nginx");
    w->parent_image.comm = STR("nginx");
    w->parent_image.args = STR("nginx\0-g\0daemon off;\0");
    w->image = (struct image){.exec = 3,
                              .path = STR("/bin/busybox"),
                              .comm = STR("sh"),
                              .cwd = STR("/srv"),
                              .args = STR("sh\0-c\0id -u\0"),
                              .exe = {.ino = 77,
                                      .dev = 8 << 20 | 1,
                                      .flags = BH_FILE_OVERLAY | BH_FILE_LOWER,
                                      .mode = 0100755},
                              .creds = {.uid = 1000,
                                        .euid = 1000,
                                        .suid = 1000,
                                        .gid = 1000,
                                        .egid = 1000,
                                        .loginuid = UINT32_MAX},
                              .nses = inside,
                              .exec_mnt_ns = 2,
                              .tty = 34816,
                              .sid = 30,
                              .pgid = 30};
    w->init = (struct process){.tgid = 10,
                               .vpid = 1,
                               .start = START - 10,
                               .container = 7,
                               .image = &w->init_image,
                               .lineage = 9};
    w->parent = (struct process){.tgid = 20,
                                 .vpid = 8,
                                 .start = START,
                                 .parent = &w->init,
                                 .ppid = 10,
                                 .container = 7,
                                 .image = &w->parent_image,
                                 .lineage = 9};
    w->process = (struct process){.tgid = 30,
                                  .vpid = 9,
                                  .start = START + 5,
                                  .parent = &w->parent,
                                  .ppid = 20,
                                  .container = 7,
                                  .image = &w->image,
                                  .lineage = 9};
    w->env = (struct detect_env){.wall_minus_boot = (int64_t)(WALL - START),
                                 .generation = 3,
                                 .hostname = STR("node"),
                                 .shard = 0};
    w->scratch = rule_scratch_new();
    assert_non_null(w->scratch);
    world_on_host(w, false);
}

void world_done(struct world *w)
{
    rule_scratch_free(w->scratch);
    buf_done(&w->record);
}

void world_on_host(struct world *w, bool host)
{
    w->event.container = host ? &w->host : &w->box;
}

static void begin(struct world *w, uint16_t kind, size_t fixed)
{
    struct bh_rec head = {.kind = kind,
                          .version = BH_ABI_VERSION,
                          .time = START + 1000,
                          .tgid = 30,
                          .tid = 30,
                          .start = START + 5,
                          .exec = 3,
                          .container = w->event.container->number,
                          .cpu = 1};
    buf_reset(&w->record);
    buf_add(&w->record, &head, sizeof(head));
    for (size_t i = 0; i < fixed; i++)
        buf_char(&w->record, 0);
}

static struct bh_span put(struct world *w, struct str s)
{
    struct bh_span span = {(uint16_t)w->record.len, (uint16_t)s.len};
    buf_str(&w->record, s);
    return s.len ? span : (struct bh_span){0};
}

static void end(struct world *w, const void *fixed, size_t size)
{
    while (w->record.len % 8)
        buf_char(&w->record, 0);
    assert_false(w->record.failed);
    struct bh_rec *rec = (struct bh_rec *)w->record.ptr;
    rec->size = (uint32_t)w->record.len;
    memcpy(rec + 1, fixed, size);
    assert_int_equal(rec_check(rec, w->record.len), 0);
    w->event.rec = rec;
    w->event.process = rec->kind == BH_LOSS || rec->kind == BH_STORM ? NULL : &w->process;
    w->event.image = w->event.process ? w->process.image : NULL;
    w->event.number++;
}

struct str args_of(const char *text)
{
    static char args[512];
    size_t n = strlen(text) + 1;
    assert_true(n <= sizeof(args));
    for (size_t i = 0; i < n; i++)
        args[i] = text[i] == ' ' ? 0 : text[i];
    return (struct str){args, n};
}

static struct bh_sock sock(const char *local, uint16_t lport, const char *remote, uint16_t rport)
{
    struct bh_sock s = {.proto = IPPROTO_TCP, .lport = lport, .rport = rport, .type = 1};
    s.family = strchr(remote, ':') ? AF_INET6 : AF_INET;
    assert_int_equal(inet_pton(s.family, local, s.laddr), 1);
    assert_int_equal(inet_pton(s.family, remote, s.raddr), 1);
    return s;
}

void world_stdio(struct world *w, const uint8_t stdio[3], const char *local, const char *remote)
{
    memcpy(w->image.stdio, stdio, sizeof(w->image.stdio));
    w->image.socket = remote ? sock(local, 40000, remote, 4444) : (struct bh_sock){0};
}

void world_exec(struct world *w, const char *path, const char *comm, struct str args)
{
    struct bh_exec x = {.ppid = 20,
                        .vpid = 9,
                        .tty = w->image.tty,
                        .creds = w->image.creds,
                        .nses = w->image.nses,
                        .exe = w->image.exe,
                        .call = BH_CALL_EXECVE,
                        .sid = 30,
                        .pgid = 30};
    begin(w, BH_EXEC, sizeof(x));
    x.path = put(w, str_of(path));
    x.comm = put(w, str_of(comm));
    x.args = put(w, args);
    x.name = put(w, str_of(path));
    end(w, &x, sizeof(x));
    w->image.path = str_of(path);
    w->image.comm = str_of(comm);
    w->image.args = args;
}

void world_open(struct world *w, const char *path, const char *asked, uint32_t flags, int32_t fd)
{
    struct bh_open o = {.fd = fd,
                        .flags = flags,
                        .file = {.dev = 8 << 20 | 2, .ino = 99, .mode = 0100644},
                        .call = BH_CALL_OPENAT};
    begin(w, BH_OPEN, sizeof(o));
    o.path = put(w, fd >= 0 ? str_of(path) : STR_NULL);
    o.asked = put(w, str_of(asked));
    if (fd < 0)
        ((struct bh_rec *)w->record.ptr)->flags |= BH_F_FAILED;
    end(w, &o, sizeof(o));
}

void world_net(struct world *w, uint16_t kind, uint8_t call, const char *local, uint16_t lport,
               const char *remote, uint16_t rport)
{
    struct bh_net n = {
        .sock = sock(local, lport, remote, rport), .fd = kind == BH_ACCEPT ? 5 : -1, .call = call};
    if (kind == BH_UDP_SEND)
        n.sock.proto = IPPROTO_UDP;
    begin(w, kind, sizeof(n));
    end(w, &n, sizeof(n));
}

void world_unix(struct world *w, struct str path, int32_t result)
{
    struct bh_net n = {.sock = {.family = AF_UNIX, .type = 1, .role = BH_ROLE_CLIENT},
                       .fd = 5,
                       .result = result,
                       .call = BH_CALL_CONNECT};
    begin(w, BH_CONNECT, sizeof(n));
    n.path = put(w, path);
    if (result < 0)
        ((struct bh_rec *)w->record.ptr)->flags |= BH_F_FAILED;
    end(w, &n, sizeof(n));
}

void world_dup(struct world *w, uint8_t call, int32_t newfd, const char *local, const char *remote)
{
    struct bh_dup d = {
        .oldfd = 3, .newfd = newfd, .call = call, .sock = sock(local, 40000, remote, 4444)};
    begin(w, BH_DUP_SOCKET, sizeof(d));
    end(w, &d, sizeof(d));
}

void world_fixed(struct world *w, uint16_t kind, const void *fixed, size_t size)
{
    begin(w, kind, size);
    end(w, fixed, size);
}

void world_mount(struct world *w, uint8_t call, const char *source, const char *target,
                 const char *type, uint64_t flags, int32_t result)
{
    struct bh_mount x = {.flags = flags, .result = result, .call = call};
    begin(w, BH_MOUNT, sizeof(x));
    x.source = put(w, str_of(source));
    x.target = put(w, str_of(target));
    x.fstype = put(w, str_of(type));
    end(w, &x, sizeof(x));
}

struct ruleset *rules_of(const char *yaml, struct buf *ret_text)
{
    struct source one = {SOURCE_RULES, STR("rules.yaml"), str_of(yaml)};
    struct sources s = {.list = &one, .n = 1};
    struct rule_options o = {.min_severity = SEVERITY_DEBUG};
    struct diag_list diags = {0};
    struct ruleset *r = ruleset_compile(&s, &o, &diags);
    struct buf text = {0};
    diag_text(&diags, &text);
    assert_true((r == NULL) == (diags.errors > 0));
    diag_list_done(&diags);
    if (ret_text)
        *ret_text = text;
    else
        buf_done(&text);
    return r;
}

static void fire(void *ctx, const struct finding *f)
{
    struct world *w = ctx;
    size_t n = strlen(w->fired);
    snprintf(w->fired + n, sizeof(w->fired) - n, STR_FMT ",", STR_ARG(f->rule));
    w->last = *f;
}

int world_match(struct world *w, const struct ruleset *r)
{
    w->fired[0] = 0;
    return ruleset_match(r, w->scratch, &w->env, &w->event, fire, w);
}

bool holds(struct world *w, const char *condition)
{
    struct diag_list diags = {0};
    struct rule_filter *f = rule_filter_compile(str_of(condition), &diags);
    if (!f) {
        struct buf text = {0};
        diag_text(&diags, &text);
        fail_msg("%s: %s", condition, text.ptr);
    }
    bool yes = rule_filter_match(f, w->scratch, &w->env, &w->event);
    rule_filter_free(f);
    diag_list_done(&diags);
    return yes;
}

const char *refused(const char *condition)
{
    static char said[4096];
    struct diag_list diags = {0};
    struct buf text = {0};
    struct rule_filter *f = rule_filter_compile(str_of(condition), &diags);
    diag_text(&diags, &text);
    snprintf(said, sizeof(said), "%s", text.ptr ? text.ptr : "");
    assert_true((f == NULL) == (diags.errors > 0));
    rule_filter_free(f);
    diag_list_done(&diags);
    buf_done(&text);
    return said;
}

const char *field(struct world *w, const char *name)
{
    static char value[8192];
    struct buf text = {0};
    assert_int_equal(rule_field_text(str_of(name), w->scratch, &w->env, &w->event, &text), 0);
    snprintf(value, sizeof(value), "%s", text.ptr ? text.ptr : "");
    buf_done(&text);
    return value;
}
