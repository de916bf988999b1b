// Throttling: processor time and the number of processes, by cpu.max and pids.max where the v2 tree
// has those controllers, else by v1's. A limit that is tighter already stays: throttling never
// loosens anything.
#include "enforce/act/internal.h"

#include <errno.h>
#include <inttypes.h>

enum { LEAST_QUOTA_US = 1000, USUAL_PERIOD_US = 100000 };

// "QUOTA PERIOD" of cpu.max for pct of one processor, no more than `before` allows.
static int cpu_max(const char *before, uint32_t pct, char out[MAX_SETTING])
{
    char quota[24];
    uint64_t period = USUAL_PERIOD_US, had;
    if (sscanf(before, "%23s %" SCNu64, quota, &period) != 2 || period == 0)
        return -EIO;
    uint64_t wanted = MAX(period * pct / 100, (uint64_t)LEAST_QUOTA_US);
    if (parse_u64(str_of(quota), &had) == 0)
        wanted = MIN(wanted, had);
    snprintf(out, MAX_SETTING, "%" PRIu64 " %" PRIu64, wanted, period);
    return 0;
}

static int put_cpu(struct acts *s, struct act *a, const struct row *row, struct error *err)
{
    struct setting *t = &a->settings[0];
    char before[MAX_SETTING], wanted[MAX_SETTING], period[MAX_SETTING];
    bool first = t->fd < 0;
    if (has_setting(a->fd, "cpu.max")) {
        a->tier = "cgroup2";
        int r = first ? read_setting(a->fd, "cpu.max", before) : 0;
        r = r < 0 ? r : cpu_max(first ? before : t->before, row->cpu_pct, wanted);
        if (r < 0)
            return error_set(err, r, "cpu.max cannot be read: %s", strerror(-r));
        return setting_put(s, t, a->fd, "cpu.max", wanted, row->until, err);
    }
    _cleanup_close_ int v1 = open_place_v1(s, a, HOST_CPU, err);
    if (v1 < 0)
        return v1;
    a->tier = "cgroup1";
    uint64_t period_us = 0, had;
    int r = read_setting(v1, "cpu.cfs_period_us", period);
    if (r == 0)
        r = parse_u64(str_of(period), &period_us);
    if (r == 0 && first)
        r = read_setting(v1, "cpu.cfs_quota_us", before);
    if (r < 0)
        return error_set(err, r, "cpu.cfs_quota_us cannot be read: %s", strerror(-r));
    uint64_t quota = MAX(period_us * row->cpu_pct / 100, (uint64_t)LEAST_QUOTA_US);
    if (parse_u64(str_of(first ? before : t->before), &had) == 0) // -1: no limit
        quota = MIN(quota, had);
    snprintf(wanted, sizeof(wanted), "%" PRIu64, quota);
    return setting_put(s, t, v1, "cpu.cfs_quota_us", wanted, row->until, err);
}

static int put_pids(struct acts *s, struct act *a, const struct row *row, struct error *err)
{
    struct setting *t = &a->settings[1];
    char before[MAX_SETTING], wanted[MAX_SETTING];
    _cleanup_close_ int v1 = -1;
    int place = a->fd;
    if (!has_setting(a->fd, "pids.max")) {
        place = v1 = open_place_v1(s, a, HOST_PIDS, err);
        if (v1 < 0)
            return v1;
    }
    int r = t->fd < 0 ? read_setting(place, "pids.max", before) : 0;
    if (r < 0)
        return error_set(err, r, "pids.max cannot be read: %s", strerror(-r));
    uint64_t had, most = row->pids_max;
    if (parse_u64(str_of(t->fd < 0 ? before : t->before), &had) == 0) // "max": no limit
        most = MIN(most, had);
    snprintf(wanted, sizeof(wanted), "%" PRIu64, most);
    return setting_put(s, t, place, "pids.max", wanted, row->until, err);
}

static int put(struct acts *s, struct act *a, const struct row *row, struct error *err)
{
    int r = row->cpu_pct ? put_cpu(s, a, row, err) : 0;
    if (r == 0 && row->pids_max)
        r = put_pids(s, a, row, err);
    return r == 0 && acts_hold(s, row) ? 0 : r < 0 ? r : -EIO;
}

static bool holds(const struct act *a)
{
    bool any = false;
    for (size_t i = 0; i < MAX_SETTINGS; i++) {
        if (a->settings[i].fd < 0)
            continue;
        if (!setting_holds(&a->settings[i]))
            return false;
        any = true;
    }
    return any;
}

const struct action action_throttle = {ROW_THROTTLE, put, holds};
