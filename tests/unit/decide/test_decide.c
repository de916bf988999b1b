// Which step an incident earns, when it is said, and when it is taken back.
#include "decide/decide.h"

#include <setjmp.h>

#include <cmocka.h>

struct said {
    struct decision list[64];
    char reason[64][256];
    size_t n;
};

static void hear(void *ctx, const struct decision *d)
{
    struct said *s = ctx;
    assert_true(s->n < 64);
    s->list[s->n] = *d;
    snprintf(s->reason[s->n++], 256, STR_FMT, STR_ARG(d->reason));
}

static const uint32_t numbers[] = {7, 8, 0};
static const struct str ids[] = {STR("seven"), STR("eight"), STR("host")};

static struct incident incident(enum severity severity, double confidence, size_t containers)
{
    return (struct incident){.id = id_of("i", 1),
                             .number = 1,
                             .version = 1,
                             .severity = severity,
                             .confidence = confidence,
                             .containers = numbers,
                             .container_ids = ids,
                             .containers_n = containers};
}

static void the_table(void **state)
{
    (void)state;
    const struct {
        enum severity severity;
        double confidence;
        enum step step;
    } rows[] = {
        {SEVERITY_EMERGENCY, 1, STEP_KILL},       {SEVERITY_EMERGENCY, 0.9, STEP_FREEZE},
        {SEVERITY_CRITICAL, 1, STEP_FREEZE},      {SEVERITY_CRITICAL, 1 - (1 - 0.9), STEP_FREEZE},
        {SEVERITY_CRITICAL, 0.89, STEP_THROTTLE}, {SEVERITY_CRITICAL, 0.49, STEP_WATCH},
        {SEVERITY_EMERGENCY, 0, STEP_WATCH},      {SEVERITY_ERROR, 0.9, STEP_ISOLATE},
        {SEVERITY_ERROR, 0.7, STEP_THROTTLE},     {SEVERITY_ERROR, 0.49, STEP_ALERT},
        {SEVERITY_WARNING, 1, STEP_WATCH},        {SEVERITY_WARNING, 0.4, STEP_ALERT},
        {SEVERITY_NOTICE, 1, STEP_ALERT},         {SEVERITY_INFORMATIONAL, 1, STEP_RECORD},
        {SEVERITY_DEBUG, 1, STEP_RECORD},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(step_name(decide_step_for(rows[i].severity, rows[i].confidence)),
                            step_name(rows[i].step));
}

static void more_never_earns_less_and_doubt_never_more_than_watching(void **state)
{
    (void)state;
    for (int s = 0; s < SEVERITY_MAX; s++)
        for (int c = 0; c <= 1000; c++) {
            enum step here = decide_step_for((enum severity)s, c / 1000.0);
            if (c)
                assert_true(here >= decide_step_for((enum severity)s, (c - 1) / 1000.0));
            if (s)
                assert_true(here <= decide_step_for((enum severity)(s - 1), c / 1000.0));
            if (c < 500)
                assert_true(here <= STEP_WATCH);
        }
}

static void said_once_and_again_when_it_rises(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct said said = {0};
    struct incident i = incident(SEVERITY_NOTICE, 0.9, 1);
    decide_incident(d, &i, 1000, hear, &said);
    decide_incident(d, &i, 1001, hear, &said);
    assert_int_equal(said.n, 1);
    assert_int_equal(said.list[0].step, STEP_ALERT);
    assert_int_equal(said.list[0].until, 0);
    i = incident(SEVERITY_WARNING, 0.9, 2);
    decide_incident(d, &i, 2000, hear, &said);
    assert_int_equal(said.n, 3); // the old container's rises, the new one's begins
    assert_int_equal(said.list[1].step, STEP_WATCH);
    assert_int_equal(said.list[1].container, 7);
    assert_int_equal(said.list[2].container, 8);
    assert_true(str_eq(said.list[2].container_id, STR("eight")));
    assert_int_equal(said.list[2].until, 2000 + 600 * NSEC_PER_SEC);
    assert_non_null(strstr(said.reason[2], "Warning at confidence 0.90 earns watch"));
    assert_false(id_eq(said.list[1].id, said.list[2].id));
    decide_free(d);
}

static void no_further_than_can_be_carried_out(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct said said = {0};
    struct incident i = incident(SEVERITY_CRITICAL, 0.99, 1);
    decide_incident(d, &i, 1, hear, &said);
    assert_int_equal(said.list[0].step, STEP_WATCH);
    assert_int_equal(said.list[0].would, STEP_FREEZE);
    assert_non_null(strstr(said.reason[0], "earns freeze"));
    assert_non_null(strstr(said.reason[0], "would freeze, but no Response speaks for it"));
    decide_available(d, 1u << STEP_ALERT);
    i.number = 2;
    decide_incident(d, &i, 2, hear, &said);
    assert_int_equal(said.list[1].step, STEP_ALERT);
    assert_non_null(strstr(said.reason[1], "no step above alert can be carried out here"));
    decide_free(d);
}

static void the_host_is_alerted_about_only(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct said said = {0};
    struct incident i = incident(SEVERITY_EMERGENCY, 1, 3);
    decide_incident(d, &i, 1, hear, &said);
    assert_int_equal(said.n, 3);
    assert_int_equal(said.list[2].container, 0);
    assert_int_equal(said.list[2].step, STEP_ALERT);
    assert_non_null(strstr(said.reason[2], "on the host"));
    decide_free(d);
}

static void a_dismissed_incident_takes_its_steps_back(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct said said = {0};
    struct incident i = incident(SEVERITY_CRITICAL, 0.9, 2);
    decide_incident(d, &i, 1, hear, &said);
    i.state = INCIDENT_DISMISSED;
    decide_incident(d, &i, 2, hear, &said);
    decide_incident(d, &i, 3, hear, &said); // once is enough
    assert_int_equal(said.n, 4);
    assert_int_equal(said.list[2].step, STEP_RECORD);
    assert_int_equal(said.list[3].container, 8);
    assert_non_null(strstr(said.reason[2], "dismissed: watch is taken back"));
    i.state = INCIDENT_OPEN; // reopened
    decide_incident(d, &i, 4, hear, &said);
    assert_int_equal(said.n, 6);
    assert_int_equal(said.list[5].step, STEP_WATCH);
    decide_free(d);
}

static void time_over_and_closing(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct documents docs = {0};
    agent_config_defaults(&docs.agent);
    docs.agent.watch_ns = 100;
    decide_configure(d, &docs);
    struct said said = {0};
    struct incident i = incident(SEVERITY_CRITICAL, 0.9, 1);
    decide_incident(d, &i, 1000, hear, &said);
    decide_incident(d, &i, 1099, hear, &said);
    assert_int_equal(said.n, 1);
    decide_incident(d, &i, 1100, hear, &said); // it goes on: watched again
    assert_int_equal(said.n, 2);
    assert_int_equal(said.list[1].until, 1200);
    i.state = INCIDENT_CLOSED;
    decide_incident(d, &i, 1150, hear, &said); // still in force: taken back
    assert_int_equal(said.n, 3);
    assert_int_equal(said.list[2].step, STEP_RECORD);
    i.state = INCIDENT_OPEN;
    decide_incident(d, &i, 2000, hear, &said);
    i.state = INCIDENT_CLOSED;
    i.merged_into = 9;
    decide_incident(d, &i, 5000, hear, &said); // long over: nothing to take back
    assert_int_equal(said.n, 4);
    decide_free(d);
}

// Against a slow reference: random incidents, containers, times and states.
static void agrees_with_a_plain_list(void **state)
{
    (void)state;
    static struct {
        bool there;
        enum step step, would;
        uint64_t until;
    } list[200][3];
    struct decide *d = decide_new();
    uint64_t seed = 3, now = 1;
    for (int n = 0; n < 20000; n++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t r = seed >> 33;
        struct incident i =
            incident((enum severity)(r % SEVERITY_MAX), (double)(r / 8 % 11) / 10, 1 + r / 128 % 3);
        i.number = 1 + r / 1024 % 199;
        i.state = r / 65536 % 8 == 0   ? INCIDENT_CLOSED
                  : r / 65536 % 8 == 1 ? INCIDENT_DISMISSED
                                       : INCIDENT_OPEN;
        now += r / 524288 % 60 * NSEC_PER_SEC;
        struct said said = {0};
        decide_incident(d, &i, now, hear, &said);
        size_t at = 0;
        for (size_t k = 0; k < i.containers_n; k++) {
            __typeof__(list[0][0]) *e = &list[i.number][k];
            enum step want =
                MIN(decide_step_for(i.severity, i.confidence), k == 2 ? STEP_ALERT : STEP_WATCH);
            enum step earned = decide_step_for(i.severity, i.confidence),
                      would = k != 2 && earned > STEP_WATCH ? earned : STEP_RECORD;
            bool over = e->until && now >= e->until;
            enum step had = !e->there ? STEP_RECORD
                            : over    ? STEP_ALERT
                                      : e->step,
                      had_would = !e->there || over ? STEP_RECORD : e->would;
            if (i.state == INCIDENT_OPEN && (want > had || (want == had && would > had_would))) {
                *e = (__typeof__(*e)){true, want, would,
                                      want == STEP_WATCH ? now + 600 * NSEC_PER_SEC : 0};
                assert_int_equal(said.list[at].would, would);
                assert_int_equal(said.list[at].step, want);
                assert_int_equal(said.list[at].container, numbers[k]);
                assert_int_equal(said.list[at++].until, e->until);
            } else if (i.state != INCIDENT_OPEN && e->there) {
                if (i.state == INCIDENT_DISMISSED || (e->step == STEP_WATCH && !over))
                    assert_int_equal(said.list[at++].step, STEP_RECORD);
                e->there = false;
                e->until = 0;
            }
        }
        assert_int_equal(said.n, at);
    }
    decide_free(d);
}

static void bounded(void **state)
{
    (void)state;
    struct decide *d = decide_new();
    struct said said = {0};
    for (uint64_t n = 1; n < 50000; n++) {
        struct incident i = incident(SEVERITY_WARNING, 0.9, 1);
        i.number = n;
        said.n = 0;
        decide_incident(d, &i, n, hear, &said);
        assert_int_equal(said.n, 1);
    }
    decide_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(more_never_earns_less_and_doubt_never_more_than_watching),
        cmocka_unit_test(said_once_and_again_when_it_rises),
        cmocka_unit_test(no_further_than_can_be_carried_out),
        cmocka_unit_test(the_host_is_alerted_about_only),
        cmocka_unit_test(a_dismissed_incident_takes_its_steps_back),
        cmocka_unit_test(time_over_and_closing),
        cmocka_unit_test(agrees_with_a_plain_list),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
