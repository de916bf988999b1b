// Taps: `events EXPRESSION`. They look at what detectors see and change nothing but what the kernel
// is asked for.
#include "agent/core.h"

#include <errno.h>

int tap_add(struct core *c, uint64_t client, struct str filter, struct buf *ret_problem)
{
    struct tap *t = NULL;
    for (size_t i = 0; i < MAX_TAPS && !t; i++)
        if (!c->taps[i].client)
            t = &c->taps[i];
    if (!t) {
        buf_printf(ret_problem, "%d readers of events are served already", MAX_TAPS);
        return -EBUSY;
    }
    struct rule_filter *f = NULL;
    if (filter.len) {
        struct diag_list diags = {0};
        f = rule_filter_compile(filter, &diags);
        if (!f)
            diag_text(&diags, ret_problem);
        diag_list_done(&diags);
        if (!f)
            return -EINVAL;
    }
    t->client = client;
    t->filter = f;
    core_apply_interest(c);
    return 0;
}

void tap_remove(struct core *c, uint64_t client)
{
    for (size_t i = 0; i < MAX_TAPS; i++) {
        struct tap *t = &c->taps[i];
        if (t->client != client)
            continue;
        rule_filter_free(t->filter);
        for (size_t s = 0; s < BH_MAX_SHARDS; s++)
            buf_done(&t->lines[s]);
        *t = (struct tap){0};
        if (!c->stopping)
            core_apply_interest(c);
    }
    for (size_t i = 0; i < MAX_FINDING_STREAMS; i++)
        if (c->finding_streams[i] == client)
            c->finding_streams[i] = 0;
}

// On the shard's thread: touches only this shard's buffers.
void tap_event(struct core *c, unsigned shard, const struct event *e, const struct detect_env *env,
               struct rule_scratch *scratch)
{
    for (size_t i = 0; i < MAX_TAPS; i++) {
        struct tap *t = &c->taps[i];
        if (!t->client || (t->filter && !rule_filter_match(t->filter, scratch, env, e)))
            continue;
        if (t->lines[shard].len > MAX_TAP_BYTES) {
            t->dropped[shard]++;
            continue;
        }
        struct json j = json_on(&t->lines[shard]);
        rule_event_json(scratch, env, e, &j);
        buf_char(&t->lines[shard], '\n');
    }
}

void tap_flush(struct core *c)
{
    for (size_t i = 0; i < MAX_TAPS; i++) {
        struct tap *t = &c->taps[i];
        for (unsigned s = 0; t->client && s < c->shards; s++) {
            struct str all = buf_view(&t->lines[s]);
            while (all.len) {
                const char *end = memchr(all.ptr, '\n', all.len);
                size_t n = end ? (size_t)(end - all.ptr) : all.len;
                // What a slow reader misses, control counts and says.
                (void)control_line(c->control, t->client, (struct str){all.ptr, n});
                n += end ? 1 : 0;
                all = (struct str){all.ptr + n, all.len - n};
            }
            buf_reset(&t->lines[s]);
            if (t->dropped[s]) {
                char line[96];
                int len = snprintf(line, sizeof(line), "{\"dropped\":%llu}",
                                   (unsigned long long)t->dropped[s]);
                if (control_line(c->control, t->client, (struct str){line, (size_t)len}) == 0)
                    t->dropped[s] = 0;
            }
        }
    }
}
