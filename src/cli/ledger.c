// ledger verify, prove, check-proof, list: the log without an agent, read only.
#include "cli/internal.h"
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { MAX_PROOF_BYTES = 16 << 20 };

static int open_ledger(const struct invocation *in, const char *given)
{
    char path[4096];
    snprintf(path, sizeof(path), given ? "%s%.0s" : "%s/ledger%.0s", given ? given : state_dir(in),
             "");
    int fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        complain("cannot open the log in %s: %s%s", path, strerror(errno),
                 errno == ENOENT ? "; name its folder, or the --state that it lies in" : "");
    return fd;
}

static void report_json(const struct ledger_report *r, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_kbool(&j, "ok", r->ok);
    json_ku64(&j, "entries", r->entries);
    json_ku64(&j, "checkpoints", r->checkpoints);
    json_ku64(&j, "keys", r->keys);
    json_key(&j, "bad_index");
    if (r->bad_index == UINT64_MAX)
        json_null(&j);
    else
        json_u64(&j, r->bad_index);
    json_kcstr(&j, "problem", r->problem);
    json_kcstr(&j, "origin", r->origin);
    json_kcstr(&j, "first_key", r->first_key);
    json_kcstr(&j, "root", r->root);
    json_kcstr(&j, "time", r->time);
    json_object_end(&j);
    buf_char(out, '\n');
}

static void put(struct buf *out, const char *label, const char *text)
{
    if (!text[0])
        return;
    buf_printf(out, "  %-10s ", label);
    escape_text(out, str_of(text));
    buf_char(out, '\n');
}

static void report_text(const struct ledger_report *r, bool own_key, struct buf *out)
{
    buf_printf(out, "%s: %llu entries, %llu checkpoints, %llu keys\n",
               r->ok ? "verified" : "NOT VERIFIED", (unsigned long long)r->entries,
               (unsigned long long)r->checkpoints, (unsigned long long)r->keys);
    if (r->bad_index != UINT64_MAX)
        buf_printf(out, "  first bad entry: %llu\n", (unsigned long long)r->bad_index);
    put(out, "problem", r->problem);
    put(out, "origin", r->origin);
    put(out, "root", r->root);
    put(out, "signed", r->time);
    put(out, "first key", r->first_key);
    if (!own_key)
        buf_text(out, "  The first key was read from beside the log. Keep a copy elsewhere and "
                      "give it with --key: whoever can\n"
                      "  replace the whole log can replace that key too.\n");
}

int verb_ledger_verify(const struct invocation *in)
{
    struct ledger_report report = {0};
    struct error err = {0};
    _cleanup_buf_ struct buf out = {0};
    const char *key = option_text(in, &opt_key);
    _cleanup_close_ int fd = open_ledger(in, in->arguments_n ? in->arguments[0] : NULL);
    if (fd < 0)
        return EXIT_CANNOT;
    int r = ledger_verify(fd, key, &report, &err);
    if (r < 0 && !report.problem[0])
        return fail_with(&err);
    if (in->json)
        report_json(&report, &out);
    else
        report_text(&report, key != NULL, &out);
    int code = print_out(&out);
    return code != EXIT_WELL ? code : report.ok ? EXIT_WELL : EXIT_FOUND;
}

struct search {
    char quoted[ID_TEXT_MAX + 2]; // as it stands in the payload's JSON
    uint64_t index;
    bool found;
};

static int look(void *ctx, const struct ledger_entry *e)
{
    struct search *s = ctx;
    s->found = str_contains(e->payload, str_of(s->quoted));
    s->index = e->index;
    return s->found;
}

// The first entry that names a finding's, incident's or decision's id.
static int find_entry(int fd, struct id id, uint64_t *ret)
{
    struct search s = {.quoted = ""};
    struct error err = {0};
    char hex[ID_TEXT_MAX];
    snprintf(s.quoted, sizeof(s.quoted), "\"%s\"", id_text(id, hex));
    int r = ledger_read(fd, 0, UINT64_MAX, look, &s, &err);
    if (r < 0)
        return fail_with(&err);
    *ret = s.index;
    if (!s.found)
        complain("no entry names %s", hex);
    return s.found ? EXIT_WELL : EXIT_FOUND;
}

int verb_ledger_prove(const struct invocation *in)
{
    struct error err = {0};
    struct id id;
    uint64_t index = 0;
    const char *entry = in->arguments[0];
    bool by_id = id_parse(str_of(entry), &id) == 0;
    if (!by_id && parse_u64(str_of(entry), &index) < 0) {
        complain("'%s' is neither an entry's index nor an id; `bulkhead ledger list` shows both",
                 entry);
        return EXIT_USAGE;
    }
    _cleanup_buf_ struct buf out = {0};
    _cleanup_close_ int fd = open_ledger(in, NULL);
    int code = fd < 0 ? EXIT_CANNOT : by_id ? find_entry(fd, id, &index) : EXIT_WELL;
    if (code != EXIT_WELL)
        return code;
    int r = ledger_prove(fd, index, &out, &err);
    if (r < 0) {
        complain("%s", err.message);
        return r == -ENOENT || r == -ERANGE || r == -EINVAL || r == -EBADMSG || r == -EUCLEAN
                   ? EXIT_FOUND
                   : EXIT_CANNOT;
    }
    if (out.len && out.ptr[out.len - 1] != '\n')
        buf_char(&out, '\n');
    return print_out(&out);
}

// A file that somebody gave: a regular one or a pipe, of bounded size.
static int read_proof(const char *path, struct buf *ret)
{
    char bytes[16384];
    _cleanup_close_ int opened =
        strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : opened;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && ret->len <= MAX_PROOF_BYTES) {
        n = read(fd, bytes, sizeof(bytes));
        if (n > 0)
            buf_add(ret, bytes, (size_t)n);
    }
    if (n < 0) {
        complain("cannot read %s: %s", path, strerror(errno));
        return EXIT_CANNOT;
    }
    if (ret->failed || ret->len > MAX_PROOF_BYTES) {
        complain("%s is too large for a proof", path);
        return EXIT_FOUND;
    }
    return EXIT_WELL;
}

int verb_ledger_check_proof(const struct invocation *in)
{
    struct error err = {0};
    _cleanup_buf_ struct buf proof = {0}, out = {0};
    const char *key = option_text(in, &opt_key);
    if (!key) {
        complain("say whose log it is: --key KEY, the log's first public key (`bulkhead ledger "
                 "verify` prints it)");
        return EXIT_USAGE;
    }
    int code = read_proof(in->arguments[0], &proof);
    if (code != EXIT_WELL)
        return code;
    int r = ledger_check_proof(buf_view(&proof), key, &err);
    if (r < 0 && r != -EBADMSG)
        return fail_with(&err);
    if (in->json) {
        struct json j = json_on(&out);
        json_object(&j);
        json_kbool(&j, "ok", r == 0);
        json_kcstr(&j, "problem", r == 0 ? "" : err.message);
        json_object_end(&j);
        buf_char(&out, '\n');
    } else {
        buf_text(&out, r == 0 ? "the proof holds" : "the proof does NOT hold: ");
        escape_text(&out, str_of(r == 0 ? "" : err.message));
        buf_char(&out, '\n');
    }
    code = print_out(&out);
    return code != EXIT_WELL ? code : r == 0 ? EXIT_WELL : EXIT_FOUND;
}

struct listing {
    bool as_json;
    struct buf out;
    int result; // of writing
};

static int list_entry(void *ctx, const struct ledger_entry *e)
{
    struct listing *l = ctx;
    _cleanup_buf_ struct buf time = {0};
    buf_reset(&l->out);
    buf_wall_iso(&time, (struct wall_ns){e->wall_ns});
    if (l->as_json) {
        json_t *payload = tree_load(e->payload);
        struct json j = json_on(&l->out);
        json_object(&j);
        json_ku64(&j, "index", e->index);
        json_kstr(&j, "time", buf_view(&time));
        json_kcstr(&j, "kind", entry_kind_name(e->kind));
        json_kbool(&j, "dropped", e->dropped);
        json_key(&j, "payload");
        if (payload && !memchr(e->payload.ptr, '\n', e->payload.len))
            json_raw(&j, e->payload);
        else // a key's entry is no JSON
            json_str(&j, e->payload);
        json_decref(payload);
        json_object_end(&j);
    } else {
        buf_printf(&l->out, "%8llu %s %-10s ", (unsigned long long)e->index,
                   time.ptr ? time.ptr : "", entry_kind_name(e->kind));
        escape_text(&l->out, e->dropped ? STR("(payload dropped by retention)") : e->payload);
    }
    buf_char(&l->out, '\n');
    l->result = write_out(&l->out);
    return l->result < 0;
}

int verb_ledger_list(const struct invocation *in)
{
    struct listing l = {.as_json = in->json};
    struct error err = {0};
    uint64_t from = 0;
    if (in->arguments_n && parse_u64(str_of(in->arguments[0]), &from) < 0) {
        complain("'%s' is no entry's index", in->arguments[0]);
        return EXIT_USAGE;
    }
    _cleanup_close_ int fd = open_ledger(in, NULL);
    if (fd < 0)
        return EXIT_CANNOT;
    int r = ledger_read(fd, from, UINT64_MAX, list_entry, &l, &err);
    buf_done(&l.out);
    if (l.result < 0 && l.result != -EPIPE) {
        complain("cannot write to standard output: %s", strerror(-l.result));
        return EXIT_CANNOT;
    }
    return r < 0 ? fail_with(&err) : EXIT_WELL;
}
