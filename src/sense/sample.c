// What a container has used so far: its cgroup's files (v2, or v1 controllers in a hybrid), and the
// packets of its network namespace, read through one of its processes. What can't be read here is
// ~0, never 0.
#include "sense/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>

enum { MAX_CGROUP_FILE = 64 * 1024, MAX_NET_DEV = 256 * 1024, MAX_SAMPLE_PATH = 4096 };

// The v1 path of a process in one controller's hierarchy, from the lines "4:memory:/path" of its
// cgroup file.
static int v1_path(const char *lines, const char *controller, char *ret, size_t size)
{
    size_t n = strlen(controller);
    for (const char *line = lines; line && *line;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        for (const char *at = names + 1; at < path; at += strcspn(at, ",:") + 1) {
            if (strncmp(at, controller, n) != 0 || (at[n] != ',' && at[n] != ':'))
                continue;
            size_t length = strcspn(path + 1, "\n");
            return snprintf(ret, size, "/sys/fs/cgroup/%s%.*s", controller, (int)length, path + 1) <
                           (int)size
                       ? 0
                       : -ENAMETOOLONG;
        }
    }
    return -ENOENT;
}

// A v1 controller's folder: where that process is, or where the v2 path would be.
static int open_v1(const struct sense *s, const char *controller, struct str path,
                   const struct buf *of_pid)
{
    char full[MAX_SAMPLE_PATH];
    if (!of_pid->ptr || v1_path(of_pid->ptr, controller, full, sizeof(full)) < 0) {
        int n =
            snprintf(full, sizeof(full), "/sys/fs/cgroup/%s" STR_FMT, controller, STR_ARG(path));
        if (n < 0 || (size_t)n >= sizeof(full))
            return -ENAMETOOLONG;
    }
    return host_open_dir(s->host, str_of(full));
}

static int open_v2(const struct sense *s, struct str path)
{
    char full[MAX_SAMPLE_PATH];
    if (!host_cgroup2_path(s->host))
        return -ENOENT;
    int n = snprintf(full, sizeof(full), "%s" STR_FMT, host_cgroup2_path(s->host), STR_ARG(path));
    return n < 0 || (size_t)n >= sizeof(full) ? -ENAMETOOLONG
                                              : host_open_dir(s->host, str_of(full));
}

static int read_text(int dir, const char *name, size_t max, struct buf *b)
{
    buf_reset(b);
    int r = host_read_file(dir, name, max, b);
    return r < 0 ? r : b->failed || !b->ptr ? -ENODATA : 0;
}

// A file that is one number; "max" is what ~0 says: no limit that could be named.
static uint64_t read_number(int dir, const char *name)
{
    struct buf b = {0};
    uint64_t v = UINT64_MAX;
    if (dir >= 0 && read_text(dir, name, 64, &b) == 0) {
        struct str text = buf_view(&b);
        while (text.len && isspace((unsigned char)text.ptr[text.len - 1]))
            text.len--;
        if (parse_u64(text, &v) < 0)
            v = UINT64_MAX;
    }
    buf_done(&b);
    return v;
}

// A key's value in "key value" lines.
static uint64_t read_keyed(int dir, const char *name, const char *key)
{
    struct buf b = {0};
    uint64_t v = UINT64_MAX;
    if (dir >= 0 && read_text(dir, name, MAX_CGROUP_FILE, &b) == 0) {
        size_t n = strlen(key);
        for (const char *line = b.ptr; line && *line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL)
            if (strncmp(line, key, n) == 0 && line[n] == ' ') {
                v = strtoull(line + n + 1, NULL, 10);
                break;
            }
    }
    buf_done(&b);
    return v;
}

// v2 io.stat: "8:0 rbytes=1 wbytes=2 …", a line a device. An empty file is no device used yet: 0.
static void read_io_v2(int dir, uint64_t *reads, uint64_t *writes)
{
    struct buf b = {0};
    if (dir >= 0 && host_read_file(dir, "io.stat", MAX_CGROUP_FILE, &b) == 0) {
        *reads = *writes = 0;
        for (const char *at = b.ptr; at && (at = strstr(at, "bytes=")); at += 6) {
            if (at > b.ptr && at[-1] == 'r')
                *reads += strtoull(at + 6, NULL, 10);
            else if (at > b.ptr && at[-1] == 'w')
                *writes += strtoull(at + 6, NULL, 10);
        }
    }
    buf_done(&b);
}

// v1 blkio.throttle.io_service_bytes: "8:0 Read 1", "8:0 Write 2", …, "Total 3".
static void read_io_v1(int dir, uint64_t *reads, uint64_t *writes)
{
    struct buf b = {0};
    if (dir >= 0 &&
        host_read_file(dir, "blkio.throttle.io_service_bytes", MAX_CGROUP_FILE, &b) == 0) {
        *reads = *writes = 0;
        for (const char *at = b.ptr; at && (at = strstr(at, " Read ")); at += 6)
            *reads += strtoull(at + 6, NULL, 10);
        for (const char *at = b.ptr; at && (at = strstr(at, " Write ")); at += 7)
            *writes += strtoull(at + 7, NULL, 10);
    }
    buf_done(&b);
}

// /proc/PID/net/dev shows the namespace of that process. Loopback is left out: it is no traffic of
// the container's.
static void read_network(const struct sense *s, uint32_t pid, struct bh_resource *r)
{
    char name[32];
    struct buf b = {0};
    snprintf(name, sizeof(name), "%u/net/dev", pid);
    if (pid && read_text(host_proc_fd(s->host), name, MAX_NET_DEV, &b) == 0) {
        r->net_rx_bytes = r->net_tx_bytes = r->net_rx_packets = r->net_tx_packets = 0;
        for (char *line = b.ptr; line && *line;
             line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
            unsigned long long v[10];
            line += strspn(line, " ");
            char *colon = line + strcspn(line, ":\n");
            if (*colon != ':' || strncmp(line, "lo:", 3) == 0)
                continue;
            if (sscanf(colon + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
                       &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9]) != 10)
                continue;
            r->net_rx_bytes += v[0];
            r->net_rx_packets += v[1];
            r->net_tx_bytes += v[8];
            r->net_tx_packets += v[9];
        }
    }
    buf_done(&b);
}

int sense_sample(struct sense *s, uint32_t container, struct str cgroup_path, uint32_t pid,
                 struct bh_resource *ret)
{
    struct bh_resource r;
    struct buf groups = {0};
    char name[32];
    memset(&r, 0xff, sizeof(r));
    _cleanup_close_ int v2 = open_v2(s, cgroup_path);
    uint64_t used_us = read_keyed(v2, "cpu.stat", "usage_usec");
    r.cpu_ns = used_us == UINT64_MAX ? UINT64_MAX : used_us * 1000;
    r.memory_bytes = read_number(v2, "memory.current");
    r.memory_limit_bytes = read_number(v2, "memory.max");
    r.pids = read_number(v2, "pids.current");
    r.pids_limit = read_number(v2, "pids.max");
    read_io_v2(v2, &r.io_read_bytes, &r.io_write_bytes);
    if (host_cgroup_hybrid(s->host)) {
        snprintf(name, sizeof(name), "%u/cgroup", pid);
        if (pid)
            (void)read_text(host_proc_fd(s->host), name, MAX_CGROUP_FILE, &groups);
        _cleanup_close_ int cpu = open_v1(s, "cpuacct", cgroup_path, &groups);
        _cleanup_close_ int memory = open_v1(s, "memory", cgroup_path, &groups);
        _cleanup_close_ int pids = open_v1(s, "pids", cgroup_path, &groups);
        _cleanup_close_ int io = open_v1(s, "blkio", cgroup_path, &groups);
        if (cpu >= 0)
            r.cpu_ns = read_number(cpu, "cpuacct.usage");
        if (memory >= 0) {
            r.memory_bytes = read_number(memory, "memory.usage_in_bytes");
            r.memory_limit_bytes = read_number(memory, "memory.limit_in_bytes");
            if (r.memory_limit_bytes >= (uint64_t)INT64_MAX - 65536) // v1's way to say none
                r.memory_limit_bytes = UINT64_MAX;
        }
        if (pids >= 0) {
            r.pids = read_number(pids, "pids.current");
            r.pids_limit = read_number(pids, "pids.max");
        }
        read_io_v1(io, &r.io_read_bytes, &r.io_write_bytes);
    }
    read_network(s, pid, &r);
    buf_done(&groups);
    *ret = r;
    return 0;
}
