// act's own files only: one thing that stands, the files of a cgroup that it changed, the table of
// actions.
#pragma once

#include "enforce/act/act.h"

#include <sys/queue.h>

enum {
    MAX_ACTS = 256, // containers × kinds
    MAX_SETTINGS = 2,
    MAX_SETTING = 64,     // bytes of a setting's text
    MAX_OWN = 4096,       // bytes of a cgroup's path
    FREEZE_WAIT_MS = 200, // then it is said that it is not so yet, and looked at again with time
    KILL_WAIT_MS = 500,
};
#define UNDO_GRACE_NS (2 * NSEC_PER_SEC) // the core lifts first, the guardian only if it does not

// A file of a cgroup that we wrote to, and what it said before.
struct setting {
    int fd; // the folder; -1: nothing was set
    char file[24], before[MAX_SETTING], wanted[MAX_SETTING];
    uint64_t ticket, until;
};
struct act {
    LIST_ENTRY(act) next;
    enum row_kind kind;
    uint32_t container;
    uint64_t cgroup;
    char *path; // in the v2 tree
    int fd;     // its folder
    const char *tier;
    struct setting settings[MAX_SETTINGS];
};
struct acts {
    LIST_HEAD(act_list, act) list;
    size_t n;
    const struct host *host;
    struct guardian *guardian;
    char own[MAX_OWN]; // /proc/self/cgroup
};

struct action {
    enum row_kind kind;
    int (*put)(struct acts *s, struct act *a, const struct row *row, struct error *err);
    bool (*holds)(const struct act *a);
};
extern const struct action action_freeze, action_throttle, action_kill;

// ── setting.c ────────────────────────────────────────────────────────────────────────────────
int read_setting(int dirfd, const char *file, char out[MAX_SETTING]); // without its newline
bool has_setting(int dirfd, const char *file);
// Remembers what is there, tells the guardian, writes. fd is duplicated. Once set, only what
// changed is done.
int setting_put(struct acts *s, struct setting *t, int fd, const char *file, const char *text,
                uint64_t until, struct error *err);
bool setting_holds(const struct setting *t);
int setting_lift(struct acts *s, struct setting *t); // 0 also if the cgroup is gone
// Waits until one of the lines of cgroup.events is `line`. 0, -ETIMEDOUT, or why it cannot be read.
int wait_event(int dirfd, const char *line, unsigned ms);

// ── places.c ─────────────────────────────────────────────────────────────────────────────────
// The container's folder in the v2 tree. -EPERM: the host's or our own.
int open_place(const struct acts *s, const struct row *row, struct error *err);
// Its folder in a v1 hierarchy, found by its processes. -EXDEV: it has none of its own there.
int open_place_v1(const struct acts *s, const struct act *a, enum host_controller controller,
                  struct error *err);
// Sends SIGKILL to each process in and below a v2 cgroup; how many there were.
int kill_each(int dirfd);
