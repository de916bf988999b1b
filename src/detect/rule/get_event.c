// evt.*: the event itself.
#include "detect/rule/internal.h"
#include "detect/rule/what.h"

#include <fcntl.h>
#include <time.h>

// Times of day are UTC: the line reads no time zone.
static bool written_time(struct match *m, struct value *ret, bool date, char between, bool ns,
                         const char *zone)
{
    uint64_t wall = match_wall(m);
    time_t seconds = (time_t)(wall / NSEC_PER_SEC);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return false;
    struct writer w = writer_begin(m);
    if (date)
        writer_format(&w, "%04d-%02d-%02d%c", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                      between);
    writer_format(&w, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (ns)
        writer_format(&w, ".%09u", (unsigned)(wall % NSEC_PER_SEC));
    writer_str(&w, str_of(zone));
    ret->str = writer_end(&w);
    return true;
}

static struct str category(uint16_t kind)
{
    switch (kind) {
    case BH_OPEN:
    case BH_MOUNT:
        return STR("file");
    case BH_CONNECT:
    case BH_ACCEPT:
    case BH_UDP_SEND:
        return STR("net");
    case BH_EXEC:
    case BH_FORK:
    case BH_EXIT:
    case BH_TASK:
    case BH_NAMESPACE:
    case BH_PTRACE:
        return STR("process");
    case BH_CRED:
        return STR("user");
    case BH_MEMFD:
        return STR("memory");
    case BH_DUP_SOCKET:
        return STR("IO-other");
    default:
        return STR("other");
    }
}

static bool open_flag(const struct match *m, int what, bool *ret)
{
    const struct bh_open *o = m->e->rec->kind == BH_OPEN ? REC_AS(m->e->rec, bh_open) : NULL;
    bool made_exec;
    if (!o)
        return false;
    bool creat_call = o->call == BH_CALL_CREAT;
    unsigned access = o->flags & O_ACCMODE;
    switch (what) {
    case EVT_OPEN_READ:
        *ret = !creat_call && access != O_WRONLY;
        return true;
    case EVT_OPEN_WRITE:
        *ret = !creat_call && access != O_RDONLY;
        return true;
    case EVT_OPEN_EXEC:
        made_exec = (o->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) || creat_call;
        *ret = made_exec && o->call != BH_CALL_OPEN_BY_HANDLE_AT && (o->mode & 0111);
        return true;
    default:
        *ret = o->created == 1 ||
               ((o->flags & O_TMPFILE) == O_TMPFILE && !(m->e->rec->flags & BH_F_FAILED));
        return true;
    }
}

static bool type_is(const struct match *m, struct str name)
{
    return str_eq(event_type_name(m->e->rec), name);
}

static bool result(struct match *m, int what, struct value *ret)
{
    int64_t v;
    if (!match_result(m, &v))
        return false;
    switch (what) {
    case EVT_RAWRES:
        ret->i64 = v;
        return true;
    case EVT_FAILED:
        ret->b = v < 0;
        return true;
    default: {
        const char *name = v < 0 && v >= -4095 ? strerrorname_np((int)-v) : NULL;
        struct writer w = writer_begin(m);
        if (v >= 0)
            writer_str(&w, STR("SUCCESS"));
        else if (name)
            writer_str(&w, str_of(name));
        else
            writer_format(&w, "%lld", (long long)v);
        ret->str = writer_end(&w);
        return true;
    }
    }
}

bool get_event(struct match *m, const struct field_ref *f, int64_t index, struct value *ret)
{
    const struct bh_rec *r = m->e->rec;
    const struct kind_row *kind = kind_row(r->kind);
    int64_t code = 0;
    switch (f->getter->what) {
    case EVT_NUM:
        ret->u64 = m->e->number;
        return true;
    case EVT_TIME:
        return written_time(m, ret, false, ' ', true, "");
    case EVT_TIME_S:
        return written_time(m, ret, false, ' ', false, "");
    case EVT_TIME_ISO:
        return written_time(m, ret, true, 'T', true, "+0000");
    case EVT_DATETIME:
        return written_time(m, ret, true, ' ', true, "");
    case EVT_DATETIME_S:
        return written_time(m, ret, true, ' ', false, "");
    case EVT_RAWTIME:
        ret->u64 = match_wall(m);
        return true;
    case EVT_RAWTIME_S:
        ret->u64 = match_wall(m) / NSEC_PER_SEC;
        return true;
    case EVT_RAWTIME_NS:
        ret->u64 = match_wall(m) % NSEC_PER_SEC;
        return true;
    case EVT_SOURCE:
        ret->str = STR("syscall");
        return true;
    case EVT_IS_ASYNC:
        ret->b = false;
        return true;
    case EVT_HOSTNAME:
        ret->str = m->env->hostname;
        return true;
    case EVT_DIR:
        ret->str = STR("<");
        return true;
    case EVT_TYPE:
        ret->str = event_type_name(r);
        return true;
    case EVT_TYPE_IS:
        ret->u64 = type_is(m, f->arg);
        return true;
    case EVT_SYSCALL_TYPE:
        ret->str = event_type_name(r);
        // Where no call explains the change, the type is the kind's name.
        return (r->kind != BH_CRED && r->kind != BH_NAMESPACE) ||
               !str_eq(ret->str, str_of(kind ? kind->name : ""));
    case EVT_KIND:
        ret->str = str_of(kind ? kind->name : "unknown");
        return true;
    case EVT_CATEGORY:
        ret->str = category(r->kind);
        return true;
    case EVT_CPU:
        ret->i64 = r->cpu;
        return true;
    case EVT_RES:
    case EVT_RAWRES:
    case EVT_FAILED:
        return result(m, f->getter->what, ret);
    case EVT_ONE:
        ret->u64 = 1;
        return true;
    case EVT_COUNT_ERROR:
        ret->u64 = match_result(m, &code) && code < 0;
        return true;
    case EVT_IS_IO:
    case EVT_IS_IO_WRITE:
        ret->b = r->kind == BH_UDP_SEND;
        return true;
    case EVT_IS_IO_READ:
        ret->b = false;
        return true;
    case EVT_IS_WAIT:
        ret->b = r->kind == BH_CONNECT || r->kind == BH_ACCEPT;
        return true;
    case EVT_OPEN_READ:
    case EVT_OPEN_WRITE:
    case EVT_OPEN_EXEC:
    case EVT_OPEN_CREATE:
        return open_flag(m, f->getter->what, &ret->b);
    case EVT_TRUTH:
        ret->str = str_of(truth_name((enum bh_truth)r->truth));
        return true;
    case EVT_SHARED_TABLE:
        ret->b = r->flags & BH_F_SHARED_TABLE;
        return true;
    case EVT_TRUNCATED:
        ret->b = r->flags & BH_F_TRUNCATED;
        return true;
    case EVT_MISMATCH:
        ret->b = r->flags & BH_F_MISMATCH;
        return true;
    case EVT_RENAMED:
        ret->b = r->flags & BH_F_RENAMED;
        return true;
    case EVT_COMPAT:
        ret->b = r->flags & BH_F_COMPAT;
        return true;
    default:
        return false;
    }
}
