// Profiles on disk: STATE/profiles/ID.profile, one a workload. Read once, as inputs of the line;
// written again when they changed, at most once in a while, and at the end.
//
// A file is one line "BHPROFILE 1 HASH" and the text that the hash is of: what a crash left half
// written is not believed.
#include "agent/core.h"

#include "detect/profile/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define MAGIC   "BHPROFILE 1 "
#define SAVE_NS (30 * NSEC_PER_SEC)
enum {
    SAVES_A_TURN = 8 /* so that no turn of the loop takes long */,
    MAX_SAVED = 1024,
    HEAD_BYTES = sizeof(MAGIC) - 1 + ID_TEXT_MAX
};

struct profiles {
    int dir; // kept open
    uint64_t last;
    struct saved {
        struct id id;
        uint64_t version;
    } saved[MAX_SAVED];
    size_t n, next;
    bool complained;
};

static int open_profiles(struct core *c)
{
    if (!c->profiles && (c->profiles = calloc(1, sizeof(*c->profiles))))
        c->profiles->dir = -1;
    if (!c->profiles)
        return -ENOMEM;
    if (c->profiles->dir >= 0)
        return c->profiles->dir;
    if (mkdirat(c->state_fd, "profiles", 0700) < 0 && errno != EEXIST)
        return -errno;
    int dir = openat(c->state_fd, "profiles", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    c->profiles->dir = dir;
    return dir < 0 ? -errno : dir;
}

void profiles_close(struct core *c)
{
    if (c->profiles && c->profiles->dir >= 0)
        close(c->profiles->dir);
    free(c->profiles);
    c->profiles = NULL;
}

static void complain(struct core *c, const char *what, const char *name, int error)
{
    if (!c->profiles || c->profiles->complained)
        return;
    c->profiles->complained = true; // each start once: the next save tries again
    fprintf(stderr, "bulkhead: the profile %s/profiles/%s cannot be %s: %s\n", c->state_dir, name,
            what, strerror(-error));
}

static struct saved *saved_of(struct profiles *p, struct id id)
{
    for (size_t i = 0; i < p->n; i++)
        if (id_eq(p->saved[i].id, id))
            return &p->saved[i];
    struct saved *s = &p->saved[p->n < MAX_SAVED ? p->n++ : p->next++ % MAX_SAVED];
    *s = (struct saved){.id = id};
    return s;
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────

static void load(struct core *c, const char *name)
{
    _cleanup_buf_ struct buf b = {0};
    char text[ID_TEXT_MAX];
    int r = host_read_file(c->profiles->dir, name, MAX_PROFILE_TEXT + HEAD_BYTES, &b);
    struct str all = buf_view(&b), body = {b.ptr + HEAD_BYTES, b.len - HEAD_BYTES};
    if (r == 0 && (b.failed || all.len < HEAD_BYTES || !str_starts(all, STR(MAGIC)) ||
                   all.ptr[HEAD_BYTES - 1] != '\n' ||
                   memcmp(id_text(id_of(body.ptr, body.len), text), all.ptr + sizeof(MAGIC) - 1,
                          ID_TEXT_MAX - 1) != 0))
        r = -EBADMSG;
    struct id id;
    if (id_parse((struct str){name, MIN(strlen(name), (size_t)ID_TEXT_MAX - 1)}, &id) == 0)
        saved_of(c->profiles, id); // so that it goes when its workload does
    if (r == 0)
        core_input_text(c, BH_PROFILE, 0, 0, body);
    else
        fprintf(stderr, "bulkhead: %s/profiles/%s is left out: %s; its workload is learned anew\n",
                c->state_dir, name, r == -EBADMSG ? "it is broken" : strerror(-r));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void profiles_load(struct core *c)
{
    int dir = open_profiles(c);
    int again = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again < 0 ? NULL : fdopendir(again);
    char *names[MAX_SAVED];
    size_t n = 0;
    if (!d) {
        complain(c, "read", "", dir < 0 ? dir : -errno);
        if (again >= 0)
            close(again);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) && n < MAX_SAVED;)
        if (str_ends(str_of(e->d_name), STR(".profile")) && e->d_name[0] != '.' &&
            (names[n] = strdup(e->d_name)))
            n++;
    closedir(d);
    qsort(names, n, sizeof(*names), by_name); // the same order each time
    for (size_t i = 0; i < n; i++) {
        load(c, names[i]);
        free(names[i]);
    }
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────

static int write_whole(int fd, struct str s)
{
    while (s.len) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        s.ptr += MAX(n, 0);
        s.len -= (size_t)MAX(n, 0);
    }
    return 0;
}

// The new text or the old one under the name; at the end the disk has it too.
static int save(struct core *c, const char *name, struct str body, bool sync)
{
    char head[HEAD_BYTES + 1], id[ID_TEXT_MAX];
    int dir = c->profiles->dir;
    snprintf(head, sizeof(head), MAGIC "%s\n", id_text(id_of(body.ptr, body.len), id));
    _cleanup_close_ int fd =
        openat(dir, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : write_whole(fd, str_of(head));
    if (r == 0)
        r = write_whole(fd, body);
    if (r == 0 && sync && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && renameat(dir, ".new", dir, name) < 0)
        r = -errno;
    return r;
}

// Files of workloads that made room for others go too.
static void forget(struct core *c, const struct profile *profile)
{
    struct profiles *p = c->profiles;
    for (size_t i = 0; i < p->n; i++) {
        bool known = false;
        uint64_t version;
        for (size_t k = 0; k < profile_workloads(profile) && !known; k++)
            known = id_eq(profile_workload(profile, k, &version), p->saved[i].id);
        if (known)
            continue;
        char name[ID_TEXT_MAX + 8], id[ID_TEXT_MAX];
        snprintf(name, sizeof(name), "%s.profile", id_text(p->saved[i].id, id));
        (void)unlinkat(p->dir, name, 0);
        p->saved[i--] = p->saved[--p->n];
    }
}

void profiles_save(struct core *c, bool all)
{
    const struct profile *profile = line_detector(c->line, &profile_detector);
    uint64_t now = host_boot_now().ns;
    if (!profile || !c->profiles || c->profiles->dir < 0 ||
        (!all && now - c->profiles->last < SAVE_NS))
        return;
    struct profiles *p = c->profiles;
    size_t done = 0, n = profile_workloads(profile);
    for (size_t i = 0; i < n && (all || done < SAVES_A_TURN); i++) {
        uint64_t version;
        struct id id = profile_workload(profile, i, &version);
        struct saved *s = saved_of(p, id);
        char name[ID_TEXT_MAX + 8], text[ID_TEXT_MAX];
        if (s->version == version)
            continue;
        _cleanup_buf_ struct buf b = {0};
        profile_state(profile, i, &b);
        snprintf(name, sizeof(name), "%s.profile", id_text(id, text));
        int r = b.failed                   ? -ENOMEM
                : b.len > MAX_PROFILE_TEXT ? -EFBIG
                                           : save(c, name, buf_view(&b), all);
        if (r < 0)
            complain(c, "written", name, r);
        else
            s->version = version;
        done++;
    }
    if (done < SAVES_A_TURN) // else the next turn goes on
        p->last = now;
    forget(c, profile);
}
