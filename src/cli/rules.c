// rules check and rules explain: the compiler without an agent.
#include "agent/agent.h"
#include "cli/internal.h"

#include <errno.h>

static int show_check(const struct invocation *in, const struct diag_list *diags, size_t rules)
{
    _cleanup_buf_ struct buf out = {0};
    if (in->json) {
        struct json j = json_on(&out);
        json_object(&j);
        json_kbool(&j, "ok", diags->errors == 0);
        json_ku64(&j, "rules", rules);
        json_ku64(&j, "errors", diags->errors);
        json_key(&j, "diagnostics");
        diag_json(diags, &j);
        json_object_end(&j);
        buf_char(&out, '\n');
    } else {
        diag_text(diags, &out);
        if (diags->errors)
            buf_printf(&out, "%zu error%s\n", diags->errors, diags->errors == 1 ? "" : "s");
        else
            buf_printf(&out, "%zu rule%s, no error\n", rules, rules == 1 ? "" : "s");
    }
    return print_out(&out);
}

int verb_rules_check(const struct invocation *in)
{
    struct diag_list diags = {0};
    size_t rules = 0, policies_n;
    const char *const *policies = option_list(in, &opt_policies, &policies_n);
    int r = agent_check(in->arguments, in->arguments_n, policies, policies_n, NULL, 0,
                        option_text(in, &opt_config), &diags, &rules);
    int code = show_check(in, &diags, rules);
    diag_list_done(&diags);
    if (code != EXIT_WELL)
        return code;
    return r == 0 ? EXIT_WELL : r == -EINVAL ? EXIT_FOUND : EXIT_CANNOT;
}

int verb_rules_explain(const struct invocation *in)
{
    struct diag_list diags = {0};
    struct error err = {0};
    _cleanup_buf_ struct buf out = {0}, problems = {0};
    size_t n;
    const char *const *rules = option_list(in, &opt_rules, &n);
    int r = agent_explain(rules, n, in->arguments[0], in->json, &out, &diags, &err);
    diag_text(&diags, &problems);
    if (problems.len)
        (void)!write(STDERR_FILENO, problems.ptr, problems.len);
    diag_list_done(&diags);
    if (r == 0)
        return print_out(&out);
    complain("%s", err.message);
    return r == -ENOENT || r == -EINVAL ? EXIT_FOUND : EXIT_CANNOT;
}
