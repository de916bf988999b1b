// Rows in the kernel: what is refused, of whom, until when; what is read back; and that a killed
// agent's rows stay in force until another takes them over, without a moment in between. Natively
// by signal, by LSM where that loads.
#include "lab.h"

#include "guardian/guardian.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { KILL_ROUNDS = 25, PROBES = 20 };
#define LEASE_NS (60 * NSEC_PER_SEC)

static struct lab lab; // one for all tests: what it is doesn't change

// ── what the reconciler says ─────────────────────────────────────────────────────────────────
struct words {
    struct outcome last;
    char message[256];
    unsigned n, in_force, gone, failed, lost;
};

static void on_outcome(void *ctx, const struct outcome *o)
{
    struct words *w = ctx;
    w->last = *o;
    snprintf(w->message, sizeof(w->message), STR_FMT, STR_ARG(o->message));
    w->last.message = str_of(w->message);
    w->n++;
    w->in_force += o->state == OUTCOME_IN_FORCE;
    w->gone += o->state == OUTCOME_GONE;
    w->failed += o->state == OUTCOME_FAILED;
    w->lost += o->state == OUTCOME_LOST;
}

static struct row deny(uint64_t number, uint32_t container, enum bh_object object)
{
    struct row r = {.number = number,
                    .id = id_of(&number, sizeof(number)),
                    .kind = ROW_EXEC,
                    .mode = MODE_ENFORCE,
                    .container = container,
                    .object = object};
    if (object == BH_OBJECT_PATH)
        r.path = str_of(lab.program);
    return r;
}

static struct reconcile *open_reconcile(bool pin, uint64_t lease_ns)
{
    struct reconcile_options o;
    struct reconcile *r = NULL;
    struct error err = {0};
    lab_options(&lab, &lab.maps, pin, lease_ns, &o);
    if (reconcile_open(&o, &r, &err) < 0)
        fail_msg("%s", err.message);
    return r;
}

static enum bh_effect tier_effect(struct reconcile *r)
{
    enum bh_effect effect;
    const char *tier = reconcile_exec_tier(r, &effect);
    assert_string_equal(tier, effect == BH_EFFECT_REFUSED ? "lsm" : "signal");
    return effect;
}

static void test_an_exec_is_refused_in_one_container_only(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row = deny(1234, LAB_A, BH_OBJECT_PATH);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_IN_FORCE);
    assert_int_equal(w.last.effect, tier_effect(r));
    assert_false(w.last.enforced); // nothing was proven yet
    lab_verdicts(&lab);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdicts, 1);
    assert_int_equal(lab.verdict.row, 1234);
    assert_int_equal(lab.verdict.action, BH_ACTION_DENY);
    assert_int_equal(lab.verdict.object, BH_OBJECT_PATH);
    assert_int_equal(lab.verdict.effect, tier_effect(r));
    assert_int_equal(lab.verdict_container, LAB_A);
    assert_string_equal(lab.verdict_path, lab.program);
    assert_int_equal(lab_exec_nested(&lab, 0), LAB_STOPPED); // its children too
    assert_int_equal(lab_exec(&lab, 1), LAB_RAN);
    assert_int_equal(lab_exec(&lab, -1), LAB_RAN);
    assert_int_equal(lab_exec_memfd(&lab, 0), LAB_RAN); // the same bytes under another name
    reconcile_row(r, &row, ROW_REMOVED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_GONE);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    reconcile_close(r, true);
}

static void test_audit_says_and_lets_pass(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row = deny(2, LAB_A, BH_OBJECT_PATH);
    row.mode = MODE_AUDIT;
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.effect, BH_EFFECT_WOULD);
    lab_verdicts(&lab);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdicts, 1);
    assert_int_equal(lab.verdict.effect, BH_EFFECT_WOULD);
    assert_int_equal(lab.verdict.action, BH_ACTION_AUDIT);
    reconcile_close(r, true);
}

static void test_memfd_and_any(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row memfd = deny(3, LAB_A, BH_OBJECT_MEMFD), any = deny(4, LAB_B, BH_OBJECT_ANY);
    reconcile_row(r, &memfd, ROW_ADDED, on_outcome, &w);
    reconcile_row(r, &any, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.in_force, 2);
    assert_int_equal(lab_exec_memfd(&lab, 0), LAB_STOPPED);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    assert_int_equal(lab_exec(&lab, 1), LAB_STOPPED);
    assert_int_equal(lab_exec_memfd(&lab, 1), LAB_STOPPED);
    assert_int_equal(lab_exec_memfd(&lab, -1), LAB_RAN);
    reconcile_close(r, true);
    assert_int_equal(lab_exec(&lab, 1), LAB_RAN);
}

static void test_not_in_the_image_is_what_came_later(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct stat st;
    assert_int_equal(stat(lab.program, &st), 0);
    uint64_t wall_of_file =
        (uint64_t)st.st_ctim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_ctim.tv_nsec;
    uint64_t boot_of_file = wall_of_file - (host_wall_now().ns - host_boot_now().ns);
    struct row row = deny(5, LAB_A, BH_OBJECT_NOT_IN_IMAGE);
    row.ctime = boot_of_file - NSEC_PER_SEC; // the container was there first
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    row.ctime = boot_of_file + NSEC_PER_SEC; // the file was
    reconcile_row(r, &row, ROW_CHANGED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    assert_int_equal(lab_exec_memfd(&lab, 0), LAB_STOPPED); // made just now
    row.ctime = 0;                                          // not known: neither passed nor refused
    reconcile_row(r, &row, ROW_CHANGED, on_outcome, &w);
    lab_verdicts(&lab);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdicts, 0);
    reconcile_close(r, true);
}

// Of an overlay the layer says it, whenever the file was made.
static void test_not_in_the_image_is_an_overlays_upper_layer(void **state)
{
    static const char *const dirs[] = {"lower", "upper", "work", "merged"};
    char path[4][128], options[512], file[160], written[160];
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        snprintf(path[i], sizeof(path[i]), "%s/overlay/%s", lab.dir, dirs[i]);
    snprintf(file, sizeof(file), "%s/overlay", lab.dir);
    // Its own tmpfs below: an overlay can't have an upper layer on every file system.
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(mount("tmpfs", file, "tmpfs", 0, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        assert_int_equal(mkdir(path[i], 0755), 0);
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", path[0], path[1],
             path[2]);
    snprintf(file, sizeof(file), "%s/came-with", path[0]);
    assert_int_equal(lab_copy(lab.program, file), 0);
    bool mounted = mount("overlay", path[3], "overlay", 0, options) == 0;
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row =
        deny(60, LAB_A, BH_OBJECT_NOT_IN_IMAGE); // when the container was made isn't known
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    enum lab_result lower = LAB_BROKE, upper = LAB_BROKE;
    char kept[sizeof(lab.program)];
    memcpy(kept, lab.program, sizeof(kept));
    if (mounted) {
        snprintf(written, sizeof(written), "%s/dropped", path[3]);
        assert_int_equal(lab_copy(kept, written), 0);
        snprintf(lab.program, sizeof(lab.program), "%s/came-with", path[3]);
        lower = lab_exec(&lab, 0);
        snprintf(lab.program, sizeof(lab.program), "%s/dropped", path[3]);
        upper = lab_exec(&lab, 0);
        umount(path[3]);
    }
    memcpy(lab.program, kept, sizeof(kept));
    reconcile_close(r, true);
    snprintf(file, sizeof(file), "%s/overlay", lab.dir);
    assert_int_equal(umount(file), 0);
    rmdir(file);
    if (!mounted) {
        print_message("no overlay can be mounted here\n");
        skip();
    }
    assert_int_equal(lower, LAB_RAN);
    assert_int_equal(upper, LAB_STOPPED);
}

static void test_priority_decides_also_between_different_objects(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row any = deny(6, LAB_A, BH_OBJECT_ANY), exception = deny(7, LAB_A, BH_OBJECT_PATH);
    exception.mode = MODE_AUDIT;
    exception.priority = 10;
    reconcile_row(r, &any, ROW_ADDED, on_outcome, &w);
    reconcile_row(r, &exception, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    assert_int_equal(lab_exec_memfd(&lab, 0), LAB_STOPPED);
    exception.priority = -10;
    reconcile_row(r, &exception, ROW_CHANGED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    reconcile_close(r, true);
}

static void test_a_shadowed_row_comes_back_when_the_other_goes(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row low = deny(8, LAB_A, BH_OBJECT_PATH), high = deny(9, LAB_A, BH_OBJECT_PATH);
    high.mode = MODE_AUDIT;
    high.priority = 1;
    reconcile_row(r, &low, ROW_ADDED, on_outcome, &w);
    reconcile_row(r, &high, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    reconcile_row(r, &high, ROW_REMOVED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdict.row, 8);
    reconcile_close(r, true);
}

// Rows for every container reach what is known to be one, and nothing else.
static void test_any_container_means_containers(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row = deny(10, ROW_ANY_CONTAINER, BH_OBJECT_PATH);
    struct bh_cgroup_entry sealed = {.container = LAB_B, .sealed = 1}, plain = {.container = LAB_B};
    bpf_map_update_elem(lab.maps.cgroups, &lab.cgroup_id[1], &sealed, 0);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    assert_int_equal(lab_exec(&lab, 1), LAB_STOPPED);
    assert_int_equal(lab_exec(&lab, -1), LAB_RAN);
    struct row host = deny(11, 0, BH_OBJECT_PATH);
    reconcile_row(r, &host, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_FAILED); // of the host nothing can be wanted
    assert_int_equal(lab_exec(&lab, -1), LAB_RAN);
    bpf_map_update_elem(lab.maps.cgroups, &lab.cgroup_id[1], &plain, 0);
    reconcile_close(r, true);
}

static void test_the_runtime_is_spared(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row = deny(12, LAB_A, BH_OBJECT_ANY);
    row.spare_runtime = true;
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0),
                     LAB_RAN); // its parent is outside, in the same mount namespace
    assert_int_equal(lab_exec_nested(&lab, 0), LAB_STOPPED); // this one's parent is inside
    reconcile_close(r, true);
}

static void wait_until(uint64_t boot_ns)
{
    while (host_boot_now().ns <= boot_ns)
        usleep(2000);
}

static void test_a_row_ends_by_itself(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct row row = deny(13, LAB_A, BH_OBJECT_PATH);
    row.until = host_boot_now().ns + NSEC_PER_SEC;
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    wait_until(row.until);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN); // the kernel's own clock: nobody was asked
    reconcile_close(r, true);
}

// ── what is pinned ───────────────────────────────────────────────────────────────────────────

// The rows' map of the only set below the pins, by a descriptor of ours.
static int pinned_rows(void)
{
    char path[512] = "";
    DIR *d = opendir(lab.pins);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            snprintf(path, sizeof(path), "%s/%s/exec_rows", lab.pins, e->d_name);
    if (d)
        closedir(d);
    return path[0] ? bpf_obj_get(path) : -ENOENT;
}

static int count_pins(void)
{
    _cleanup_buf_ struct buf b = {0};
    return reconcile_list_pins(lab.pins, &b);
}

static void test_a_lease_is_renewed_and_ends_without_us(void **state)
{
    const uint64_t lease = NSEC_PER_SEC;
    struct reconcile *r = open_reconcile(true, lease);
    struct words w = {0};
    struct row row = deny(14, LAB_A, BH_OBJECT_PATH);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    uint64_t now = host_boot_now().ns;
    _cleanup_close_ int rows = pinned_rows();
    struct bh_exec_key key;
    struct bh_exec_row value;
    assert_int_equal(bpf_map_get_next_key(rows, NULL, &key), 0);
    assert_int_equal(bpf_map_lookup_elem(rows, &key, &value), 0);
    uint64_t first = value.until;
    assert_in_range(first, now, now + lease);
    reconcile_tick(r, first - lease / 2, on_outcome, &w);
    assert_int_equal(bpf_map_lookup_elem(rows, &key, &value), 0);
    assert_int_equal(value.until, first + lease / 2);
    assert_int_equal(w.n, 1); // renewing is no news
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    wait_until(value.until); // and nobody renews it
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    reconcile_close(r, true);
}

static void test_what_others_change_is_noticed_and_put_right(void **state)
{
    struct reconcile *r = open_reconcile(true, LEASE_NS);
    struct words w = {0};
    struct row row = deny(15, LAB_A, BH_OBJECT_PATH);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    _cleanup_close_ int rows = pinned_rows();
    assert_true(rows >= 0);
    struct bh_exec_key key, none = {.container = LAB_B, .object = BH_OBJECT_ANY};
    assert_int_equal(bpf_map_get_next_key(rows, NULL, &key), 0);
    assert_int_equal(bpf_map_delete_elem(rows, &key), 0);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    w = (struct words){0};
    reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    assert_int_equal(w.lost, 1);
    assert_int_equal(w.last.state, OUTCOME_IN_FORCE);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    // And what nobody wants goes.
    struct bh_exec_row forged = {.row = 99, .action = BH_ACTION_DENY};
    assert_int_equal(bpf_map_update_elem(rows, &none, &forged, 0), 0);
    assert_int_equal(lab_exec(&lab, 1), LAB_STOPPED);
    reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 1), LAB_RAN);
    reconcile_close(r, true);
    assert_int_equal(count_pins(), 0);
}

static void test_an_orderly_end_keeps_what_enforces(void **state)
{
    struct words w = {0};
    struct row row = deny(16, LAB_A, BH_OBJECT_PATH), audit = deny(17, LAB_B, BH_OBJECT_PATH);
    audit.mode = MODE_AUDIT;
    struct reconcile *r = open_reconcile(true, LEASE_NS);
    reconcile_row(r, &audit, ROW_ADDED, on_outcome, &w);
    reconcile_close(r, false);
    assert_int_equal(count_pins(), 0); // an audit alone is no reason to stay
    r = open_reconcile(true, LEASE_NS);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    reconcile_row(r, &audit, ROW_ADDED, on_outcome, &w);
    reconcile_close(r, false);
    assert_int_equal(count_pins(), 1);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    lab_verdicts(&lab);
    assert_int_equal(lab_exec(&lab, 1), LAB_RAN);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdicts, 0);
    _cleanup_buf_ struct buf b = {0};
    assert_int_equal(reconcile_list_pins(lab.pins, &b), 1);
    assert_non_null(strstr(b.ptr, "1 row in force, program attached"));
    assert_int_equal(reconcile_release_pins(lab.pins, NULL), 1);
    assert_int_equal(count_pins(), 0);
    assert_int_equal(access(lab.pins, F_OK), -1);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
}

// An agent: one row it will always want, others that come and go, killed whenever.
static void doomed(int ready) __attribute__((noreturn));
static void doomed(int ready)
{
    struct words w = {0};
    struct reconcile *r = open_reconcile(true, LEASE_NS);
    struct row row = deny(20, LAB_A, BH_OBJECT_PATH), other = deny(21, LAB_B, BH_OBJECT_PATH);
    reconcile_complete(r);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    if (w.in_force != 1 || write(ready, "r", 1) != 1)
        _exit(1);
    for (unsigned i = 0;; i++) {
        reconcile_row(r, &other, i % 2 ? ROW_REMOVED : ROW_ADDED, on_outcome, &w);
        row.priority = (int32_t)(i % 3);
        reconcile_row(r, &row, ROW_CHANGED, on_outcome, &w);
        reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    }
}

static void kill_one(unsigned delay_us)
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        doomed(ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    usleep(delay_us);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_kill_9_leaves_the_rows_in_force(void **state)
{
    unsigned seed = 3;
    for (int i = 0; i < KILL_ROUNDS; i++) {
        kill_one((unsigned)(rand_r(&seed) % 4000));
        assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
        assert_int_equal(lab_exec(&lab, -1), LAB_RAN);
    }
    // Each took over from the one before it: sets don't pile up.
    assert_true(count_pins() <= 2);
    assert_true(reconcile_release_pins(lab.pins, NULL) >= 1);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
}

// Somebody who tries all the time, and counts how often it worked.
static pid_t prober(unsigned *ran, unsigned *tries)
{
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (pid == 0) {
        if (lab_exec(&lab, 0) == LAB_RAN)
            __atomic_add_fetch(ran, 1, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(tries, 1, __ATOMIC_SEQ_CST);
    }
    return pid;
}

// Time passes for the reconciler until somebody has tried a few times more.
static void tick_while_probed(struct reconcile *r, const unsigned *tries)
{
    struct words w = {0};
    unsigned enough = __atomic_load_n(tries, __ATOMIC_SEQ_CST) + PROBES;
    for (uint64_t end = host_boot_now().ns + 20 * NSEC_PER_SEC;
         __atomic_load_n(tries, __ATOMIC_SEQ_CST) < enough; usleep(5000)) {
        assert_true(host_boot_now().ns < end);
        reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    }
}

static void test_another_agent_takes_over_without_a_moment_in_between(void **state)
{
    unsigned *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(counts != MAP_FAILED);
    kill_one(500);
    pid_t pid = prober(&counts[0], &counts[1]);
    // Another sensor, with maps and numbers of its own; its scan hasn't seen the container yet.
    struct lab_maps old = lab.maps, fresh = {0};
    assert_int_equal(lab_maps_open(&lab, &fresh, 71, 81), 0);
    struct bh_cgroup_entry entry = {.container = 71};
    assert_int_equal(bpf_map_delete_elem(fresh.cgroups, &lab.cgroup_id[0]), 0);
    lab.maps = fresh;
    struct words w = {0};
    struct reconcile *r = open_reconcile(true, LEASE_NS);
    tick_while_probed(r, &counts[1]);
    assert_int_equal(lab_exec(&lab, 0),
                     LAB_STOPPED); // by the old program: its row has no number here yet
    bpf_map_update_elem(fresh.cgroups, &lab.cgroup_id[0], &entry, 0);
    reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    assert_int_equal(count_pins(), 1); // now ours
    lab_verdicts(&lab);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED);
    lab_verdicts(&lab);
    assert_true(lab.verdicts >= 1);
    assert_int_equal(lab.verdict.row, 20); // the number it always had
    assert_int_equal(lab.verdict_container, 71);
    // Facts come, the policy wants the row again: claimed. What nobody wants goes.
    struct row row = deny(20, 71, BH_OBJECT_PATH);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    reconcile_complete(r);
    tick_while_probed(r, &counts[1]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    usleep(20000); // its last child
    assert_int_equal(counts[0], 0);
    assert_int_equal(lab_exec(&lab, 1), LAB_RAN); // row 21, if it was left, was nobody's
    reconcile_row(r, &row, ROW_REMOVED, on_outcome, &w);
    assert_int_equal(lab_exec(&lab, 0), LAB_RAN);
    assert_int_equal(count_pins(), 0);
    reconcile_close(r, true);
    lab_maps_close(&fresh);
    lab.maps = old;
    munmap(counts, 4096);
}

static void test_levels_are_written_and_taken_back(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    struct bh_container_entry e;
    uint32_t a = LAB_A;
    struct row one = {.number = 30,
                      .kind = ROW_LEVEL,
                      .mode = MODE_ENFORCE,
                      .container = LAB_A,
                      .level = 1},
               two = one, gone = one;
    two.number = 31;
    two.level = 2;
    gone.number = 32;
    gone.container = 999;
    reconcile_row(r, &one, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_IN_FORCE);
    assert_string_equal(w.last.tier, "map");
    reconcile_row(r, &two, ROW_ADDED, on_outcome, &w);
    assert_int_equal(bpf_map_lookup_elem(lab.maps.containers, &a, &e), 0);
    assert_int_equal(e.level, 2);
    assert_true(kind_set_has(&e.kinds, BH_OPEN) && kind_set_has(&e.kinds, BH_PTRACE));
    reconcile_row(r, &two, ROW_EXPIRED, on_outcome, &w);
    assert_int_equal(bpf_map_lookup_elem(lab.maps.containers, &a, &e), 0);
    assert_int_equal(e.level, 1);
    reconcile_row(r, &one, ROW_REMOVED, on_outcome, &w);
    assert_int_equal(bpf_map_lookup_elem(lab.maps.containers, &a, &e), 0);
    assert_int_equal(e.level, 0);
    assert_false(kind_set_has(&e.kinds, BH_OPEN));
    reconcile_row(r, &gone, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_FAILED);
    assert_int_equal(w.last.error, -ENOENT);
    reconcile_close(r, true);
}

static void test_paths_too_long_fail_by_name(void **state)
{
    struct reconcile *r = open_reconcile(false, LEASE_NS);
    struct words w = {0};
    char path[BH_ROW_PATH_MAX + 1];
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    struct row row = deny(40, LAB_A, BH_OBJECT_PATH);
    row.path = (struct str){path, sizeof(path)};
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_FAILED);
    assert_int_equal(w.last.error, -ENAMETOOLONG);
    assert_non_null(strstr(w.message, "256"));
    row.path.len--;
    reconcile_row(r, &row, ROW_CHANGED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_IN_FORCE);
    reconcile_close(r, true);
}

static void test_what_is_proven_is_called_enforced(void **state)
{
    struct guardian *g = NULL;
    struct reconcile_options o;
    struct reconcile *r = NULL;
    struct error err = {0};
    struct proof proofs[MAX_PROOFS];
    struct words w = {0};
    assert_int_equal(guardian_start(&g, NULL), 0);
    lab_options(&lab, &lab.maps, false, LEASE_NS, &o);
    o.guardian = g;
    assert_int_equal(reconcile_open(&o, &r, &err), 0);
    struct row row = deny(50, LAB_A, BH_OBJECT_PATH);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_false(w.last.enforced);
    lab_verdicts(&lab);
    int n = reconcile_prove(r, proofs, MAX_PROOFS, &err);
    if (n < 0)
        fail_msg("%s", err.message);
    assert_int_equal(n, 6);
    for (int i = 0; i < n; i++)
        if (!proofs[i].proven)
            fail_msg("%s: %s", proofs[i].row_kind, proofs[i].text);
    lab_verdicts(&lab);
    assert_int_equal(lab.verdicts, 0); // a proof is no incident
    reconcile_tick(r, host_boot_now().ns, on_outcome, &w);
    assert_true(w.last.enforced);
    assert_int_equal(w.last.row, 50);
    assert_int_equal(lab_exec(&lab, 0), LAB_STOPPED); // and it is still in force
    reconcile_close(r, true);
    // The next reconciler may believe it: for rows to enforce, of the kinds that were proven.
    proofs[0].proven = true;
    proofs[3].proven = false;
    o.proofs = proofs;
    o.proofs_n = (size_t)n;
    assert_int_equal(reconcile_open(&o, &r, &err), 0);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_true(w.last.enforced);
    row = deny(51, LAB_B, BH_OBJECT_PATH);
    row.mode = MODE_AUDIT;
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_false(w.last.enforced);
    row = deny(52, LAB_B, BH_OBJECT_MEMFD);
    reconcile_row(r, &row, ROW_ADDED, on_outcome, &w);
    assert_int_equal(w.last.state, OUTCOME_IN_FORCE);
    assert_false(w.last.enforced);
    reconcile_close(r, true);
    guardian_stop(g);
}

int main(void)
{
    int r = lab_open(&lab);
    if (r == 1)
        return 77;
    if (r < 0) {
        printf("the lab could not be made: %s\n", strerror(errno));
        lab_close(&lab);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_exec_is_refused_in_one_container_only),
        cmocka_unit_test(test_audit_says_and_lets_pass),
        cmocka_unit_test(test_memfd_and_any),
        cmocka_unit_test(test_not_in_the_image_is_what_came_later),
        cmocka_unit_test(test_not_in_the_image_is_an_overlays_upper_layer),
        cmocka_unit_test(test_priority_decides_also_between_different_objects),
        cmocka_unit_test(test_a_shadowed_row_comes_back_when_the_other_goes),
        cmocka_unit_test(test_any_container_means_containers),
        cmocka_unit_test(test_the_runtime_is_spared),
        cmocka_unit_test(test_a_row_ends_by_itself),
        cmocka_unit_test(test_a_lease_is_renewed_and_ends_without_us),
        cmocka_unit_test(test_what_others_change_is_noticed_and_put_right),
        cmocka_unit_test(test_an_orderly_end_keeps_what_enforces),
        cmocka_unit_test(test_kill_9_leaves_the_rows_in_force),
        cmocka_unit_test(test_another_agent_takes_over_without_a_moment_in_between),
        cmocka_unit_test(test_levels_are_written_and_taken_back),
        cmocka_unit_test(test_paths_too_long_fail_by_name),
        cmocka_unit_test(test_what_is_proven_is_called_enforced),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    r = lab_close(&lab);
    if (r < 0)
        printf("something was left behind: %s\n", strerror(-r));
    return failed || r < 0;
}
