// The command line's parser: what each spelling means, and what is said about a wrong one.
#include "cli/internal.h"

#include <setjmp.h>

#include <cmocka.h>

enum { MAX_WORDS = 100 };

static const char *variables[8]; // "NAME=value" of the running test

static const char *environment(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(variables) && variables[i]; i++)
        if (strncmp(variables[i], name, n) == 0 && variables[i][n] == '=')
            return variables[i] + n + 1;
    return NULL;
}

static int set_up(void **state)
{
    memset(variables, 0, sizeof(variables));
    return 0;
}

// Words are separated by '|' in the test, so that they may hold spaces.
struct line {
    char text[1024];
    char *words[MAX_WORDS];
    struct invocation in;
    struct buf problem;
};

static enum parsed parse(struct line *l, const char *words)
{
    int n = 0;
    *l = (struct line){0};
    l->words[n++] = (char *)"bulkhead";
    snprintf(l->text, sizeof(l->text), "%s", words);
    for (char *at = l->text; *at && n < MAX_WORDS - 1;) {
        l->words[n++] = at;
        at += strcspn(at, "|");
        if (*at)
            *at++ = 0;
    }
    const struct parse_request r = {n, l->words, cli_verbs, cli_verbs_n, environment};
    return cli_parse(&r, &l->in, &l->problem);
}

static void done(struct line *l)
{
    invocation_done(&l->in);
    buf_done(&l->problem);
}

static void expect_wrong(const char *words, const char *says)
{
    struct line l;
    enum parsed r = parse(&l, words);
    if (r != PARSED_WRONG || !l.problem.ptr || !strstr(l.problem.ptr, says))
        fail_msg("%s: %d %s", words, r, l.problem.ptr ? l.problem.ptr : "");
    done(&l);
}

static void test_each_verb_is_found_and_has_an_example(void **state)
{
    for (size_t i = 0; i < cli_verbs_n; i++) {
        struct line l;
        char words[128];
        snprintf(words, sizeof(words), "%s|--help", cli_verbs[i].name);
        for (char *p = words; *p; p++)
            *p = *p == ' ' ? '|' : *p;
        assert_int_equal(parse(&l, words), PARSED_HELP);
        assert_ptr_equal(l.in.verb, &cli_verbs[i]);
        _cleanup_buf_ struct buf out = {0};
        help_verb(&out, l.in.verb);
        assert_non_null(strstr(out.ptr, "\nExample:\n  bulkhead "));
        assert_non_null(strstr(out.ptr, cli_verbs[i].example));
        assert_non_null(strstr(out.ptr, "\nExit codes:\n"));
        done(&l);
    }
}

static void test_spellings_of_an_option(void **state)
{
    static const char *const spellings[] = {
        "run|--rules|a|-r|b|--rules=c|-rd",
        "--rules|a|-r|b|run|--rules=c|-rd",
        "--rules=a|-rb|-r|c|--rules|d|run",
    };
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        struct line l;
        size_t n;
        assert_int_equal(parse(&l, spellings[i]), PARSED_RUN);
        assert_string_equal(l.in.verb->name, "run");
        const char *const *rules = option_list(&l.in, &opt_rules, &n);
        assert_int_equal(n, 4);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(rules[k][0], 'a' + (int)k);
        done(&l);
    }
}

static void test_options_have_types(void **state)
{
    struct line l;
    assert_int_equal(parse(&l, "run|--for|1m30s|--shards=4|--quiet|--for|2s"), PARSED_RUN);
    assert_int_equal(option_number(&l.in, &opt_for), 2 * NSEC_PER_SEC); // the last one counts
    assert_int_equal(option_number(&l.in, &opt_shards), 4);
    assert_true(option_on(&l.in, &opt_quiet));
    assert_false(option_on(&l.in, &opt_release));
    assert_null(option_text(&l.in, &opt_state));
    done(&l);
    expect_wrong("run|--for|soon", "--for: 'soon' is no duration (10s, 5m, 1h30m)");
    expect_wrong("run|--for|10", "is no duration");
    expect_wrong("run|--shards|many", "--shards: 'many' is no number");
    expect_wrong("run|--shards", "--shards needs its NUMBER");
    expect_wrong("run|--quiet=1", "--quiet takes no value");
    expect_wrong("run|--state=", "--state: '' is no path");
    expect_wrong("ps|--format|xml", "--format: 'xml' is no format of this verb (text, json)");
}

static void test_words_that_are_not_options(void **state)
{
    struct line l;
    assert_int_equal(parse(&l, "why|--|--help"), PARSED_RUN);
    assert_int_equal(l.in.arguments_n, 1);
    assert_string_equal(l.in.arguments[0], "--help");
    done(&l);
    assert_int_equal(parse(&l, "ledger|check-proof|-|--key|k"), PARSED_RUN);
    assert_string_equal(l.in.arguments[0], "-");
    done(&l);
    assert_int_equal(parse(&l, "events|evt.type|=|execve"), PARSED_RUN);
    assert_int_equal(l.in.arguments_n, 3);
    done(&l);
    assert_int_equal(parse(&l, "rules|explain|ps|-r|x"),
                     PARSED_RUN); // a rule that is called like a verb
    assert_string_equal(l.in.verb->name, "rules explain");
    done(&l);
    assert_int_equal(parse(&l, "--version"), PARSED_RUN);
    assert_string_equal(l.in.verb->name, "version");
    done(&l);
    assert_int_equal(parse(&l, "--help"), PARSED_HELP);
    assert_null(l.in.verb);
    done(&l);
}

static void test_what_is_wrong_is_said_with_the_nearest_name(void **state)
{
    expect_wrong("", "`bulkhead --help` lists the verbs");
    expect_wrong("rnu", "there is no verb 'rnu'; did you mean 'run'?");
    expect_wrong("incidnets", "did you mean 'incidents'?");
    expect_wrong("ledger", "there is `bulkhead ledger verify`, `bulkhead ledger prove`");
    expect_wrong("ledger|verfy", "there is no verb 'ledger verfy'");
    expect_wrong("xyzzy-plugh", "`bulkhead --help` lists them");
    expect_wrong("run|--ruels|x", "'run' takes no option '--ruels'; did you mean '--rules'?");
    expect_wrong("ps|--prove", "'ps' takes no option '--prove' (other verbs do)");
    expect_wrong("ps|-x", "'ps' takes no option '-x'");
    expect_wrong("run|surplus", "'run' takes no argument, and 'surplus' is too much");
    expect_wrong("why", "'why' needs CONTAINER|PID|PATH; for example: bulkhead why");
    expect_wrong("why|a|b", "takes only CONTAINER|PID|PATH, and 'b' is too much");
    expect_wrong("ledger|verify|a|b", "'b' is too much");
    expect_wrong("rules|check", "'rules check' needs FILE…");
}

static void test_the_environment_equals_options(void **state)
{
    struct line l;
    size_t n;
    variables[0] = "BULKHEAD_RULES=/a:/b";
    variables[1] = "BULKHEAD_FOR=5s";
    variables[2] = "BULKHEAD_QUIET=yes";
    variables[3] = "BULKHEAD_RELEASE=0";
    variables[4] = "BULKHEAD_FORMAT=json";
    variables[5] = "BULKHEAD_STATE=";
    assert_int_equal(parse(&l, "run"), PARSED_RUN);
    const char *const *rules = option_list(&l.in, &opt_rules, &n);
    assert_int_equal(n, 2);
    assert_string_equal(rules[0], "/a");
    assert_string_equal(rules[1], "/b");
    assert_int_equal(option_number(&l.in, &opt_for), 5 * NSEC_PER_SEC);
    assert_true(option_on(&l.in, &opt_quiet));
    assert_false(option_on(&l.in, &opt_release));
    assert_true(l.in.json);
    assert_null(option_text(&l.in, &opt_state)); // set to nothing is not set
    done(&l);
    assert_int_equal(parse(&l, "run|-r|/c|--format|text"),
                     PARSED_RUN); // the command line is nearer
    rules = option_list(&l.in, &opt_rules, &n);
    assert_int_equal(n, 1);
    assert_string_equal(rules[0], "/c");
    assert_false(l.in.json);
    done(&l);
    variables[1] = "BULKHEAD_FOR=soon";
    expect_wrong("run", "BULKHEAD_FOR: 'soon' is no duration");
    assert_int_equal(parse(&l, "status"), PARSED_RUN); // which doesn't take it
    done(&l);
    variables[1] = "BULKHEAD_QUIET=perhaps";
    variables[2] = NULL;
    expect_wrong("run", "BULKHEAD_QUIET: 'perhaps' is neither 1 nor 0");
}

static void test_the_number_of_values_is_bounded(void **state)
{
    struct line l;
    char words[1024] = "run";
    for (int i = 0; i < MAX_REPEATS; i++)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), "|-r%c", 'a' + i % 26);
    assert_int_equal(parse(&l, words), PARSED_RUN);
    done(&l);
    snprintf(words + strlen(words), sizeof(words) - strlen(words), "|-rz");
    expect_wrong(words, "is one too many");
}

static void test_no_two_options_share_a_name(void **state)
{
    for (size_t v = 0; v < cli_verbs_n; v++)
        for (size_t i = 0; cli_verbs[v].options[i]; i++) {
            const struct option_row *o = cli_verbs[v].options[i];
            for (size_t k = 0; cli_common_options[k]; k++) {
                assert_string_not_equal(o->name, cli_common_options[k]->name);
                assert_true(!o->letter || o->letter != cli_common_options[k]->letter);
            }
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(o->name, cli_verbs[v].options[k]->name);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_each_verb_is_found_and_has_an_example, set_up),
        cmocka_unit_test_setup(test_spellings_of_an_option, set_up),
        cmocka_unit_test_setup(test_options_have_types, set_up),
        cmocka_unit_test_setup(test_words_that_are_not_options, set_up),
        cmocka_unit_test_setup(test_what_is_wrong_is_said_with_the_nearest_name, set_up),
        cmocka_unit_test_setup(test_the_environment_equals_options, set_up),
        cmocka_unit_test_setup(test_the_number_of_values_is_bounded, set_up),
        cmocka_unit_test_setup(test_no_two_options_share_a_name, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
