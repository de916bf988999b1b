// Conditions: grammar, operators, types, and what a field without a value means.
#include "world.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h> // needs those above

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    world_init(w);
    world_exec(w, "/bin/busybox", "sh", (struct str){"sh\0-c\0id -u\0", 11});
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world_done(*state);
    free(*state);
    return 0;
}

static void check_all(struct world *w, const char *const *yes, const char *const *no)
{
    for (; *yes; yes++)
        if (!holds(w, *yes))
            fail_msg("should hold: %s", *yes);
    for (; *no; no++)
        if (holds(w, *no))
            fail_msg("should not hold: %s", *no);
}

static void test_grammar(void **state)
{
    check_all(*state,
              (const char *const[]){"proc.name=sh",
                                    "proc.name = sh",
                                    "proc.name == 'sh'",
                                    "proc.name = \"sh\"",
                                    "(proc.name=sh)and(proc.tty!=0)",
                                    "proc.name in(bash,sh)",
                                    "proc.name in ( bash , sh )",
                                    "fd.num>=0 or proc.pid>=30",
                                    "not proc.name=bash",
                                    "not(proc.name=bash)",
                                    "not not proc.name=sh",
                                    "proc.name=bash or proc.name=sh and proc.pid=30",
                                    "not proc.name=bash and proc.name=sh",
                                    "proc.name = sh\n\tand proc.pid = 30",
                                    "proc.name exists",
                                    "proc.cmdline = \"sh -c id -u\"",
                                    "proc.args[0] = -c",
                                    "proc.args[1] = \"id -u\"",
                                    "proc.args[7] = \"\"",
                                    "proc.name = anyof or proc.name = sh",
                                    "proc.name startswith oneof (s, x)",
                                    "evt.type in (execve, execveat)",
                                    "((((proc.name = sh))))",
                                    "proc.name = \"s\\x68\"",
                                    "proc.pid = 30 and (proc.name = bash or proc.name = sh)",
                                    NULL},
              (const char *const[]){"proc.name=bash", "not proc.name=sh", "proc.name in ()",
                                    "not not not proc.name = sh",
                                    "proc.name = sh and proc.pid = 31", "proc.name = \"sh \"",
                                    "proc.name = SH", "not (proc.name=sh or proc.name=bash)",
                                    "proc.name = <NA>", NULL});
}

static void test_every_text_operator(void **state)
{
    struct world *w = *state;
    world_open(w, "/var/lib/App/data.DB", "/var/lib/App/data.DB", O_RDONLY, 3);
    check_all(w,
              (const char *const[]){"fd.name contains lib/App",
                                    "fd.name icontains LIB/app",
                                    "fd.name startswith /var",
                                    "fd.name endswith .DB",
                                    "fd.name glob /var/*.DB",
                                    "fd.name iglob /VAR/*.db",
                                    "fd.name glob /var/lib/App/data.?B",
                                    "fd.name glob \"/var/*[A-D]B\"",
                                    "fd.name pmatch (/var/lib)",
                                    "fd.name pmatch (/etc, /var/lib/)",
                                    "fd.name pmatch (/)",
                                    "fd.name pmatch (/var/*/App)",
                                    "fd.name pmatch (/var/lib/App/data.DB)",
                                    "fd.name regex \"/var/.*\"",
                                    "fd.name regex \"/var/(lib|opt)/[A-Za-z/.]+\"",
                                    "fd.name != /x",
                                    "fd.name intersects (/x, /var/lib/App/data.DB)",
                                    "fd.name contains \"\"",
                                    "fd.name startswith anyof (/x, /var)",
                                    "fd.name endswith allof (B, .DB)",
                                    "fd.name != allof (/a, /b)",
                                    "fd.name contains oneof (lib, nothere)",
                                    "tolower(fd.name) = /var/lib/app/data.db",
                                    "toupper(fd.filename) = DATA.DB",
                                    "basename(fd.name) = data.DB",
                                    "len(fd.name) = 20",
                                    "len(basename(fd.name)) > 6",
                                    "concat(proc.name, fd.filename) = shdata.DB",
                                    "join(\"-\", (proc.name, fd.filename, \"x\")) = sh-data.DB-x",
                                    "fd.name = val(fd.nameraw)",
                                    "fd.directory = /var/lib/App",
                                    "fd.filename = val(fd.filename)",
                                    "tolower(fd.name) = tolower(fd.nameraw)",
                                    "b64(\"c2g=\") = val(proc.name) or proc.name = sh",
                                    NULL},
              (const char *const[]){
                  "fd.name contains lib/app", "fd.name startswith var", "fd.name endswith .db",
                  "fd.name glob /var/*.db", "fd.name glob data.DB", "fd.name pmatch (/var/li)",
                  "fd.name pmatch (/var/lib/App/data.DB/x)", "fd.name pmatch ()",
                  "fd.name regex \"/var\"", "fd.name regex \"lib\"",
                  "fd.name startswith oneof (/v, /var)", "fd.name startswith allof (/v, /x)",
                  "fd.name startswith anyof ()", "fd.name = allof ()", "fd.name != val(fd.nameraw)",
                  NULL});
}

static void test_numbers_and_bools(void **state)
{
    struct world *w = *state;
    world_open(w, "/etc/hosts", "/etc/hosts", O_RDWR, 3);
    check_all(w,
              (const char *const[]){"fd.num = 3",
                                    "fd.num < 4",
                                    "fd.num <= 3",
                                    "fd.num > -1",
                                    "fd.num >= 3",
                                    "fd.num != 4",
                                    "fd.num in (1, 3)",
                                    "fd.num in (0,1,2,3,4,5,6,7,8,9,10)",
                                    "fd.num intersects (3)",
                                    "fd.num = +3",
                                    "user.loginuid = -1",
                                    "evt.is_open_read = true",
                                    "evt.is_open_write = true",
                                    "evt.failed = false",
                                    "evt.is_open_exec != true",
                                    "evt.rawres >= 0",
                                    "evt.res = SUCCESS",
                                    "fd.num = anyof (1, 3)",
                                    "fd.num != allof (1, 2)",
                                    "user.uid = val(user.uid)",
                                    "fd.ino = 99",
                                    "fd.dev.major = 8",
                                    "proc.tty = 34816",
                                    NULL},
              (const char *const[]){"fd.num = -1", "fd.num < 3", "fd.num in (0,1,2,4,5,6,7,8,9,10)",
                                    "evt.failed = true", "user.loginuid = 0", NULL});
    world_open(w, "", "/etc/none", O_RDONLY, -2);
    check_all(w,
              (const char *const[]){"fd.num = -1", "evt.res = ENOENT", "evt.rawres = -2",
                                    "evt.failed = true", "fd.name = /etc/none", "fd.typechar = f",
                                    "not fs.path.name exists", "not fd.ino exists", NULL},
              (const char *const[]){"evt.res = SUCCESS", "fd.num = -2", NULL});
}

static void test_addresses(void **state)
{
    struct world *w = *state;
    world_net(w, BH_CONNECT, BH_CALL_CONNECT, "10.1.2.3", 40000, "192.0.2.9", 443);
    check_all(w,
              (const char *const[]){"fd.sip = 192.0.2.9",
                                    "fd.cip = 10.1.2.3",
                                    "fd.rip = 192.0.2.9",
                                    "fd.lip = 10.1.2.3",
                                    "fd.ip = 10.1.2.3",
                                    "fd.ip = 192.0.2.9",
                                    "fd.ip in (1.1.1.1, 192.0.2.9)",
                                    "fd.sport = 443",
                                    "fd.sport = https",
                                    "fd.cport = 40000",
                                    "fd.port = 443",
                                    "fd.port in (80, 40000)",
                                    "fd.snet = \"192.0.2.0/24\"",
                                    "fd.snet in (\"10.0.0.0/8\", \"192.0.0.0/16\")",
                                    "fd.net = 10.0.0.0/8",
                                    "fd.net = 192.0.2.0/30 or fd.net = 192.0.2.8/30",
                                    "fd.net in (1.0.0.0/8, 192.0.2.0/24)",
                                    "fd.ip != 1.1.1.1",
                                    "fd.net != 172.16.0.0/12",
                                    "fd.sip != ::1",
                                    "fd.snet != \"::/0\"",
                                    "fd.l4proto = tcp",
                                    "fd.type = ipv4",
                                    "fd.typechar = 4",
                                    "fd.name = \"10.1.2.3:40000->192.0.2.9:443\"",
                                    "fd.is_server = false",
                                    "fd.sockfamily = ip",
                                    "fd.sip exists",
                                    "fd.sport >= 400",
                                    "fd.rnet = 192.0.2.9/32",
                                    "fd.cnet = 0.0.0.0/0",
                                    NULL},
              (const char *const[]){"fd.sip = 10.1.2.3", "fd.ip != 10.1.2.3", "fd.ip != 192.0.2.9",
                                    "fd.port != 443", "fd.net != 10.0.0.0/8", "fd.sip = ::1",
                                    "fd.snet = \"::/0\"", "fd.net = 192.0.2.0/29",
                                    "fd.snet = 10.0.0.0/8", NULL});
    world_net(w, BH_ACCEPT, BH_CALL_ACCEPT4, "2001:db8::1", 80, "2001:db8::2", 50000);
    check_all(w,
              (const char *const[]){"fd.sip = 2001:db8::1", "fd.cip = \"2001:db8::2\"",
                                    "fd.snet = 2001:db8::/32", "fd.sport = 80", "fd.cport = 50000",
                                    "fd.is_server = true",
                                    "fd.name = 2001:db8::2:50000->2001:db8::1:80",
                                    "fd.typechar = 6", "fd.num = 5", NULL},
              (const char *const[]){"fd.sip = 10.0.0.1", "fd.snet = 2001:db9::/32",
                                    "fd.snet = 0.0.0.0/0", NULL});
    world_net(w, BH_CONNECT, BH_CALL_CONNECT, "::ffff:10.0.0.1", 1, "::ffff:192.0.2.1", 2);
    check_all(w,
              (const char *const[]){"fd.sip = 192.0.2.1", "fd.snet = 192.0.2.0/24",
                                    "fd.name = 10.0.0.1:1->192.0.2.1:2",
                                    "fd.sip = ::ffff:192.0.2.1", NULL},
              (const char *const[]){"fd.sip != 192.0.2.1", NULL});
}

// The most important rule of the language: null makes every comparison false, and `not` simply
// negates that.
static void test_null(void **state)
{
    struct world *w = *state;
    check_all(w,
              (const char *const[]){
                  "not fd.name = x", "not fd.name != x", "not fd.name exists", "not fd.name in (x)",
                  "not fd.num >= 0", "not (fd.name = x or fd.name != x)",
                  "not fd.name = val(proc.name)", "not tolower(fd.name) = x",
                  "not len(fd.name) >= 0", "not proc.name = val(fd.name)",
                  "not fd.name startswith anyof (a)", "not fd.name regex \".*\"",
                  "not evt.is_open_read = false", "not fd.sip != 1.2.3.4", "not fd.name pmatch (/)",
                  "not proc.aname[9] exists", "not concat(proc.name, fd.name) exists", NULL},
              (const char *const[]){"fd.name = x", "fd.name != x", "fd.name exists",
                                    "fd.name in (x)", "fd.name != val(proc.name)", "fd.name = <NA>",
                                    "fd.num != 5", "evt.is_open_read = false",
                                    "evt.is_open_read != true", "proc.name != val(fd.name)", NULL});
    w->process.parent = NULL;
    check_all(
        w,
        (const char *const[]){"not proc.pname exists", "not proc.pname = nginx",
                              "not proc.pname in (a)", "not proc.aname in (nginx)", NULL},
        (const char *const[]){"proc.pname != x", "proc.pname = <NA>", "proc.aname != x", NULL});
    w->box.facts = &w->no_facts; // not known yet is not `no`
    check_all(
        w,
        (const char *const[]){"not container.privileged = false", "not container.privileged = true",
                              "not container.image.repository in (a)", "container.known = false",
                              "container.id = 0123456789ab", NULL},
        (const char *const[]){"container.privileged != true", "container.image.repository != a",
                              "container.name exists", NULL});
    w->event.process = NULL;
    w->event.image = NULL;
    check_all(w,
              (const char *const[]){"proc.name = <NA>", "user.name = root or user.name = <NA>",
                                    "not proc.exepath exists", NULL},
              (const char *const[]){"proc.name = sh", "proc.exepath != x", NULL});
}

static void test_ancestors(void **state)
{
    check_all(
        *state,
        (const char *const[]){"proc.pname = nginx", "proc.aname[0] = sh", "proc.aname[1] = nginx",
                              "proc.aname[2] = init", "proc.aname = init", "proc.aname in (init)",
                              "proc.aname != nginx", "proc.aname != init", "proc.apid = 10",
                              "proc.apid[1] = 20", "proc.aexepath endswith nginx",
                              "proc.acmdline contains daemon",
                              "proc.pcmdline = \"nginx -g daemon off;\"", "proc.aname exists",
                              "proc.pexepath = /usr/sbin/nginx", "proc.ppid = 20",
                              "not proc.aname = sh", "proc.pvpid = 8", NULL},
        (const char *const[]){"proc.aname = sh", "proc.aname[3] exists", "proc.apid = 30", NULL});
}

static void test_containers(void **state)
{
    struct world *w = *state;
    check_all(w,
              (const char *const[]){"container.id != host",
                                    "container.id = 0123456789ab",
                                    "container.full_id = 0123456789abcdef0123",
                                    "container.image.repository = registry:5000/example/shop",
                                    "container.image.tag = 1.2",
                                    "container.image.digest = sha256:abc",
                                    "container.name = shop",
                                    "container.privileged = false",
                                    "container.label[tier] = front",
                                    "container.label.tier = front",
                                    "k8s.pod.name = shop-1",
                                    "k8s.ns.name = sales",
                                    "container.mount.dest[/run/docker.sock] = /var/run/docker.sock",
                                    "container.mount.dest[/srv/*] exists",
                                    "container.mount.rdwr[/srv/data] = true",
                                    "container.mount.mode[1] = ro",
                                    "container.mount.source[/data] = /srv/data",
                                    "container.started = true",
                                    "container.type = runc",
                                    "container.mounts contains docker.sock",
                                    NULL},
              (const char *const[]){"container.id = host", "container.label[none] exists",
                                    "container.mount.dest[/none] exists",
                                    "container.readonly_root = false", "container.mount[9] exists",
                                    NULL});
    world_on_host(w, true);
    check_all(w,
              (const char *const[]){"container.id = host", "not container.id != host",
                                    "container.name = host", "not container.known exists", NULL},
              (const char *const[]){"container.id != host", "container.image exists",
                                    "container.privileged = false", "container.started = false",
                                    NULL});
}

// What the standard streams were at the exec: a closed one has no value, which is not "no socket".
static void test_standard_streams(void **state)
{
    struct world *w = *state;
    world_stdio(w, (const uint8_t[]){BH_STDIO_IPV4, BH_STDIO_PIPE, BH_STDIO_CLOSED}, "10.0.0.1",
                "203.0.113.9");
    check_all(w,
              (const char *const[]){"proc.stdin.type = ipv4", "proc.stdin.type in (ipv4, ipv6)",
                                    "proc.stdout.type = pipe", "not proc.stderr.type exists",
                                    "not proc.stderr.type = ipv4",
                                    "proc.stdio.connection = \"10.0.0.1:40000->203.0.113.9:4444\"",
                                    NULL},
              (const char *const[]){"proc.stderr.type != ipv4", "proc.stdin.type = ipv6",
                                    "proc.stdout.type in (ipv4, ipv6)", NULL});
    world_stdio(w, (const uint8_t[]){BH_STDIO_OTHER, BH_STDIO_UNKNOWN, BH_STDIO_MAX + 7}, NULL,
                NULL);
    check_all(w,
              (const char *const[]){"proc.stdin.type = <NA>", "not proc.stdout.type exists",
                                    "not proc.stderr.type exists",
                                    "not proc.stdio.connection exists", NULL},
              (const char *const[]){NULL});
}

static void test_unix_sockets(void **state)
{
    struct world *w = *state;
    world_unix(w, STR("/run/docker.sock"), 0);
    check_all(w,
              (const char *const[]){"evt.type = connect", "fd.name = /run/docker.sock",
                                    "fd.type = unix", "fd.typechar = u", "fd.sockfamily = unix",
                                    "basename(fd.name) in (docker.sock, x)", "evt.rawres = 0",
                                    "evt.res = SUCCESS", "fd.connected = true", "fd.num = 5",
                                    "not fd.sip exists", "not fd.snet = \"0.0.0.0/0\"", NULL},
              (const char *const[]){"fd.sport exists", "fd.sip != 1.2.3.4", "fd.directory exists",
                                    "fd.l4proto = tcp", NULL});
    world_unix(w, STR("/run/none.sock"), -2);
    check_all(w,
              (const char *const[]){"evt.res = ENOENT", "evt.failed = true",
                                    "fd.name endswith none.sock", "fd.connected = false", NULL},
              (const char *const[]){"evt.rawres >= 0", NULL});
    world_unix(w, STR("\0a\0b"), 0);
    assert_true(holds(w, "fd.name startswith @a"));
    assert_false(holds(w, "fd.name = @a"));
}

static void test_hostile_text(void **state)
{
    struct world *w = *state;
    w->image.args = (struct str){"sh\0a\nb\0\xff\xfe\x1b[2J\0", 14};
    check_all(w,
              (const char *const[]){"proc.args contains \"a\\nb\"",
                                    "proc.args[1] = \"\\xff\\xfe\\x1b[2J\"",
                                    "proc.cmdline regex \"sh (.|\\n)*\"", "proc.args endswith J",
                                    "proc.cmdnargs = 2", NULL},
              (const char *const[]){"proc.args contains \"\\n\\n\"", NULL});
    world_open(w, "/tmp/..a/.../b", "../../tmp/./x//y/..", O_RDONLY, 3);
    assert_string_equal(field(w, "fd.nameraw"), "../../tmp/./x//y/..");
    world_open(w, "", "../../tmp/./x//y/..", O_RDONLY, -13);
    assert_string_equal(field(w, "fd.name"), "/tmp/x");
    // A regular expression that explodes meets its limit instead of holding the line up.
    static char aaa[4000];
    memset(aaa, 'a', sizeof(aaa));
    w->image.comm = (struct str){aaa, sizeof(aaa)};
    assert_false(holds(w, "proc.name regex \"(a+)+(a+)+(a+)+b\""));
}

static void expect(const char *condition, const char *said)
{
    const char *text = refused(condition);
    if (!strstr(text, said))
        fail_msg("%s\nshould say: %s\nsaid: %s", condition, said, text);
}

static void test_what_is_refused(void **state)
{
    expect("proc.nam = x", "expression:1:1: error: unknown field 'proc.nam'");
    expect("evt.tpye = open", "did you mean 'evt.type'?");
    expect("proc.nam = x", "did you mean 'proc.name'?");
    expect("proc.name = x and fd.nmae = y", ":1:19:");
    expect("proc.nam = x and fd.nmae = y", "fd.nmae"); // both at once
    expect("proc.nam = x and fd.nmae = y", "proc.nam'");
    expect("proc.name contians x", "did you mean 'contains'?");
    expect("proc.pid contains 3", "'contains' operator not supported for I64 filters");
    expect("proc.pid = 0x10", "'0x10' is not a valid number");
    expect("proc.pid = 1.5", "'1.5' is not a valid number");
    expect("evt.is_open_read = maybe", "neither true nor false");
    expect("fd.sip = 1.2.3", "not an IP address");
    expect("fd.snet = 10.0.0.0", "not an IP network");
    expect("fd.snet = 10.0.0.0/33", "not an IP network");
    expect("evt.type = opena", "unknown event type opena");
    expect("evt.type = opena", "did you mean 'open'?");
    expect("evt.arg.nme = x", "unknown event argument 'nme'");
    expect("evt.arg[name] = x", "no valid argument");
    expect("evt.arg = x", "needs an argument");
    expect("proc.name[1] = x", "takes no argument");
    expect("(proc.name = x", "expected a ')'");
    expect("proc.name = x)", "unexpected token after 'x'");
    expect("proc.name = x y", "unexpected token after 'x', expecting 'or', 'and'");
    expect("proc.name in (a b)", "expected a ',' or a ')'");
    expect("proc.name in (a,)", "expected a list item");
    expect("proc.name in names", "a list stands in parentheses");
    expect("proc.name = \"abc", "no closing quote");
    expect("proc.name = \"a\\qb\"", "unsupported string escape");
    expect("proc.name = \"a\\x00\"", "NUL");
    expect("proc.name = ", "expected a string value");
    expect("proc.name", "expected a valid check operator after 'proc.name'");
    expect("and", "Undefined macro 'and'");
    expect("shell_procs", "Undefined macro 'shell_procs'");
    expect("", "expected a '(' token");
    expect("val(proc.name) = x", "only stand on the right");
    expect("tolower(proc.pid) = x", "can't take I64");
    expect("len() = 1", "expected a field");
    expect("concat(proc.name) = x", "takes 2 or more arguments, not 1");
    expect("proc.name = val(proc.pid)", "different types");
    expect("proc.name = val(proc.aname)", "can't stand on the right");
    expect("tolower(proc.aname) = x", "several values");
    expect("fd.name pmatch val(proc.name)", "can't take a field on its right");
    expect("proc.name regex \"(\"", "invalid regular expression");
    expect("proc.env icontains x", "that Bulkhead's records can't answer");
    expect("proc.pid < abc", "expected a number");
    expect("not", "Undefined macro 'not'");
    expect("proc.name = a ororr", "expected a blank or '('");
    _cleanup_buf_ struct buf deep = {0};
    for (int i = 0; i < 5000; i++)
        buf_char(&deep, '(');
    expect(deep.ptr, "exceeded max depth limit of 1000");
    buf_reset(&deep);
    for (int i = 0; i < 50; i++)
        buf_text(&deep, "tolower(");
    expect(deep.ptr, "within each other");
}

// The shell patterns against the C library's, on random short ones.
static void test_glob_is_fnmatch(void **state)
{
    struct world *w = *state;
    static const char letters[] = "ab/*?[]!-\\^";
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char pattern[9] = {0}, text[9] = {0}, condition[64];
        int n = (int)(seed = seed * 1103515245 + 12345) >> 16 & 7, bracket = 0;
        for (int i = 0; i < n; i++)
            pattern[i] =
                letters[((seed = seed * 1103515245 + 12345) >> 16) % (sizeof(letters) - 1)];
        for (int i = 0; i < 6; i++)
            text[i] = "ab/-"[(seed = seed * 1103515245 + 12345) >> 16 & 3];
        for (int i = 0; pattern[i]; i++) {
            bracket |= pattern[i] == '[' || pattern[i] == '\\';
        }
        if (bracket || !pattern[0])
            continue; // brackets that don't close are read in several ways; below are those that do
        w->image.comm = str_of(text);
        snprintf(condition, sizeof(condition), "proc.name glob '%s'", pattern);
        if (holds(w, condition) != (fnmatch(pattern, text, 0) == 0))
            fail_msg("%s on %s: fnmatch says %d", pattern, text, fnmatch(pattern, text, 0));
    }
    static const char *const brackets[] = {
        "[ab]*",         "[!a]*", "[^a]*", "[a-b]b*", "[]a]*", "[!]a]*", "*[/-]*", "[[:alpha:]]*",
        "[![:alpha:]]*", "*[a-]", "[-a]*", "\\a*",    "\\**",  "a\\?*",  "*\\/*"};
    for (size_t i = 0; i < ARRAY_SIZE(brackets); i++) {
        for (int k = 0; k < 200; k++) {
            char text[7] = {0}, quoted[64], *q = quoted;
            for (int x = 0; x < 5; x++)
                text[x] = "ab/-]?*"[((seed = seed * 1103515245 + 12345) >> 16) % 7];
            for (const char *c = brackets[i]; *c; c++) {
                if (*c == '\\')
                    *q++ = '\\';
                *q++ = *c;
            }
            *q = 0;
            char condition[96];
            snprintf(condition, sizeof(condition), "proc.name glob \"%s\"", quoted);
            w->image.comm = str_of(text);
            if (holds(w, condition) != (fnmatch(brackets[i], text, 0) == 0))
                fail_msg("%s on %s", brackets[i], text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grammar, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_text_operator, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_and_bools, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ancestors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_containers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_standard_streams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unix_sockets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_glob_is_fnmatch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
