// Sources from files and folders, packed and unpacked; diagnostics as text and JSON with hostile
// names in them.
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[] = "/tmp/bulkhead-sources-XXXXXX";

static void put(const char *name, const void *bytes, size_t len)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
    closedir(d);
    return rmdir(dir);
}

static void a_folder_in_order(void **state)
{
    (void)state;
    put("b.yaml", "b", 1);
    put("a.yml", "a", 1);
    put(".hidden.yaml", "h", 1);
    put("notes.txt", "n", 1);
    char path[256];
    snprintf(path, sizeof(path), "%s/d.yaml", dir);
    mkdir(path, 0700);
    struct sources s = {0};
    struct diag_list diags = {0};
    assert_int_equal(sources_read(&s, SOURCE_DOCUMENTS, dir, &diags), 0);
    assert_int_equal(diags.n, 0);
    assert_int_equal(s.n, 2);
    assert_true(str_ends(s.list[0].name, STR("/a.yml")));
    assert_true(str_eq(s.list[1].text, STR("b")));
    sources_done(&s);
    rmdir(path);
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s/pipe.yaml", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct sources s = {0};
    struct diag_list diags = {0};
    assert_true(sources_read(&s, SOURCE_RULES, path, &diags) < 0); // would block for ever if opened
    assert_true(sources_read(&s, SOURCE_RULES, "/dev/zero", &diags) < 0);
    assert_true(sources_read(&s, SOURCE_RULES, dir, &diags) < 0); // the folder has the FIFO in it
    assert_int_equal(diags.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(diags.list[i].code, "BH002");
    assert_int_equal(sources_read(&s, SOURCE_RULES, "/nonexistent/x.yaml", &diags), -ENOENT);
    assert_string_equal(diags.list[3].code, "BH001");
    unlink(path);
    diag_list_done(&diags);
    sources_done(&s);
}

static void a_file_too_large(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof(path), "%s/big.yaml", dir);
    put("big.yaml", "", 0);
    assert_int_equal(truncate(path, MAX_YAML_BYTES + 1), 0);
    struct sources s = {0};
    struct diag_list diags = {0};
    assert_int_equal(sources_read(&s, SOURCE_RULES, path, &diags), -EFBIG);
    assert_string_equal(diags.list[0].code, "BH003");
    assert_int_equal(s.n, 0);
    unlink(path);
    diag_list_done(&diags);
    sources_done(&s);
}

static void packing_is_exact(void **state)
{
    (void)state;
    put("x.yaml", "a: \x00\xff\x1b\"\\\n\xc3\xa9\xe2\x80\xae", 13);
    put("y\n.yaml", "\xc3\xa9", 2);
    struct sources s = {0}, back = {0};
    struct diag_list diags = {0};
    assert_int_equal(sources_read(&s, SOURCE_RULES, dir, &diags), 0);
    _cleanup_buf_ struct buf packed = {0}, again = {0};
    sources_pack(&s, &packed);
    struct error err = {0};
    assert_int_equal(sources_unpack(buf_view(&packed), &back, &err), 0);
    assert_int_equal(back.n, s.n);
    for (size_t i = 0; i < s.n; i++) {
        assert_int_equal(back.list[i].kind, s.list[i].kind);
        assert_true(str_eq(back.list[i].name, s.list[i].name));
        assert_true(str_eq(back.list[i].text, s.list[i].text));
    }
    sources_pack(&back, &again);
    assert_true(str_eq(buf_view(&packed), buf_view(&again)));
    assert_true(id_eq(sources_id(&s), sources_id(&back)));
    back.list[0].kind = SOURCE_CONFIG;
    assert_false(id_eq(sources_id(&s), sources_id(&back)));
    sources_done(&s);
    sources_done(&back);
}

static void hostile_packs_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{\"sources\":1}",
        "{\"sources\":[1]}",
        "{\"sources\":[{\"kind\":\"rules\"}]}",
        "{\"sources\":[{\"kind\":\"sculls\",\"name\":\"a\",\"text\":\"b\"}]}",
        "{\"sources\":[{\"kind\":\"rules\",\"name\":\"a\",\"text_base64\":\"!\"}]}",
        "{\"sources\":[{\"kind\":\"rules\",\"name\":7,\"text\":\"b\"}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sources s = {0};
        struct error err = {0};
        assert_int_equal(sources_unpack(str_of(bad[i]), &s, &err), -EBADMSG);
        assert_int_equal(s.n, 0);
        assert_true(err.message[0]);
    }
}

static void diagnostics_as_text(void **state)
{
    (void)state;
    struct diag_list l = {0};
    diag_add(&l, DIAG_ERROR, "a\x1b[2J.yaml", 2, 4, "BH205", "did you mean 'x'?",
             "unknown key '%s'", "\xe2\x80\xae\n");
    diag_snippets(&l, "a\x1b[2J.yaml", STR("one\n\té: \xff\x1b]0;\a\n"));
    _cleanup_buf_ struct buf out = {0};
    diag_text(&l, &out);
    assert_string_equal(out.ptr, "a\\x1b[2J.yaml:2:4: error: unknown key '\\u{202e}\\n' [BH205]\n"
                                 "    \\té: \\xff\\x1b]0;\\x07\n"
                                 "        ^\n"
                                 "    hint: did you mean 'x'?\n");
    buf_reset(&out);
    struct json j = json_on(&out);
    diag_json(&l, &j);
    assert_string_equal(out.ptr,
                        "[{\"severity\":\"error\",\"code\":\"BH205\",\"file\":\"a\\u001b[2J.yaml\","
                        "\"line\":2,\"column\":4,"
                        "\"message\":\"unknown key '\\u202e\\n'\",\"hint\":\"did you mean 'x'?\","
                        "\"snippet\":\"\\té: \xef\xbf\xbd\\u001b]0;\\u0007\"}]");
    diag_list_done(&l);
}

static void long_lines_show_the_place(void **state)
{
    (void)state;
    struct diag_list l = {0};
    _cleanup_buf_ struct buf line = {0}, out = {0};
    for (int i = 0; i < 2000; i++)
        buf_char(&line, i == 999 ? 'X' : '.');
    diag_add(&l, DIAG_WARNING, "f", 1, 1000, "BH207", NULL, "here");
    diag_snippets(&l, "f", buf_view(&line));
    diag_text(&l, &out);
    const char *shown = strchr(out.ptr, '\n') + 1, *caret = strchr(shown, '\n') + 1;
    // characters before X in the shown line (… is three bytes, one column) = blanks before ^
    assert_int_equal(strchr(shown, 'X') - shown - 2, strchr(caret, '^') - caret);
    assert_true(strlen(shown) < 500);
    diag_list_done(&l);
}

static void diagnostics_are_bounded(void **state)
{
    (void)state;
    struct diag_list l = {0};
    for (int i = 0; i < MAX_DIAGS + 5; i++)
        diag_add(&l, DIAG_ERROR, "f", 1, 1, "BH207", NULL, "e");
    assert_int_equal(l.n, MAX_DIAGS);
    assert_int_equal(l.errors, MAX_DIAGS + 5);
    _cleanup_buf_ struct buf out = {0};
    diag_text(&l, &out);
    assert_non_null(strstr(out.ptr, "and 5 more"));
    diag_list_done(&l);
}

static void codes_are_registered_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_codes_n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(config_codes[i].code, config_codes[k].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_in_order),
        cmocka_unit_test(what_is_no_file_is_refused_without_waiting),
        cmocka_unit_test(a_file_too_large),
        cmocka_unit_test(packing_is_exact),
        cmocka_unit_test(hostile_packs_are_refused),
        cmocka_unit_test(diagnostics_as_text),
        cmocka_unit_test(long_lines_show_the_place),
        cmocka_unit_test(diagnostics_are_bounded),
        cmocka_unit_test(codes_are_registered_once),
    };
    return cmocka_run_group_tests_name("sources", tests, setup, teardown);
}
