// Replay: a capture's inputs through the same line. No kernel, no clock: times come with the
// records.
#include "agent/agent.h"
#include "agent/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct replay {
    const struct output_row *output;
    struct output_style style; // as the capture's generation asks for
    struct lines_out out;
    struct streams *streams;
    struct buf line;
    bool quiet;
};

static void on_finding(void *ctx, const struct finding *f)
{
    struct replay *r = ctx;
    if (r->streams)
        streams_finding(r->streams, f);
    if (r->quiet)
        return;
    buf_reset(&r->line);
    r->output->finding_styled(&r->style, f, &r->line);
    lines_out_add(&r->out, buf_view(&r->line));
}

static void on_generation(void *ctx, const struct generation *g)
{
    struct replay *r = ctx;
    r->style.iso_time = g->documents->agent.json_iso_time;
}

static void on_incident(void *ctx, const struct incident *i)
{
    struct replay *r = ctx;
    if (r->streams)
        streams_incident(r->streams, i);
}

static void on_decision(void *ctx, const struct decision *d)
{
    struct replay *r = ctx;
    if (r->streams)
        streams_decision(r->streams, d);
}

static void on_row(void *ctx, const struct row *row, enum row_change change, uint64_t time)
{
    struct replay *r = ctx;
    if (r->streams)
        streams_row(r->streams, row, change, time);
}

// Other rules in place of the capture's: the generation's documents stay, its rules are exchanged.
static int with_other_rules(const struct bh_rec *rec, const struct replay_options *o,
                            struct buf *ret, struct error *err)
{
    struct sources had = {0}, now = {0};
    struct diag_list diags = {0};
    int r = sources_unpack(rec_text(rec), &had, err);
    for (size_t i = 0; r == 0 && i < o->rules_n; i++)
        sources_read(&now, SOURCE_RULES, o->rules[i], &diags); // what is wrong is in diags
    struct sources all = {.list = calloc(had.n + now.n + 1, sizeof(*all.list))};
    if (!all.list)
        r = error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && had.list && i < had.n; i++)
        if (had.list[i].kind != SOURCE_RULES)
            all.list[all.n++] = had.list[i];
    for (size_t i = 0; r == 0 && i < now.n; i++)
        all.list[all.n++] = now.list[i];
    struct generation *tried = NULL;
    if (r == 0 && !diags.errors)
        tried = generation_build(&all, 1, &diags);
    if (diags.n) {
        _cleanup_buf_ struct buf text = {0};
        diag_text(&diags, &text);
        fputs(text.ptr ? text.ptr : "", stderr);
    }
    if (r == 0 && !tried)
        r = error_set(err, -EINVAL, "the rules given with -r have errors");
    if (r == 0) {
        _cleanup_buf_ struct buf packed = {0};
        sources_pack(&all, &packed);
        rec_make_text(ret, BH_GENERATION, rec->time, 0, REC_AS(rec, bh_text)->what,
                      buf_view(&packed));
    }
    generation_free(tried);
    free(all.list);
    sources_done(&had);
    sources_done(&now);
    diag_list_done(&diags);
    return r;
}

static int feed(struct line *line, struct segment_reader *reader, const struct replay_options *o,
                struct replay *replay, struct error *err)
{
    const struct bh_rec *rec;
    int r;
    uint64_t n = 0;
    _cleanup_buf_ struct buf other = {0};
    while ((r = segment_next(reader, &rec)) == 1) {
        n++;
        if (rec->kind == BH_EPOCH) {
            line_epoch(line);
            continue;
        }
        if (rec->kind == BH_GENERATION && o->rules_n) {
            r = with_other_rules(rec, o, &other, err);
            if (r < 0)
                return r;
            rec = (const void *)other.ptr;
        }
        r = line_is_broadcast(rec->kind) ? line_broadcast(line, rec)
                                         : line_shard_take(line, rec->shard, rec);
        if (r < 0 && rec->kind == BH_GENERATION)
            return error_set(err, -EBADMSG,
                             "record %llu: the capture's configuration does not compile here",
                             (unsigned long long)n);
    }
    if (r < 0)
        return error_set(err, -EBADMSG, "%s is broken after record %llu (byte %zu)", o->file,
                         (unsigned long long)n, reader->at);
    line_epoch(line);
    if (!reader->closed)
        fprintf(stderr, "bulkhead: %s has no end: its writer was stopped; replayed %llu records\n",
                o->file, (unsigned long long)n);
    else if (!reader->hash_ok)
        return error_set(err, -EBADMSG,
                         "%s was changed after it was written (its hash does not fit)", o->file);
    return 0;
}

int agent_replay(const struct replay_options *o, struct error *err)
{
    struct replay replay = {.output = output_by_name(o->format ? o->format : "text"),
                            .style = {.color = o->color},
                            .out = {.fd = STDOUT_FILENO, .waits = true},
                            .quiet = o->quiet};
    if (!replay.output)
        return error_set(err, -EINVAL, "no output is called %s", o->format);
    _cleanup_close_ int fd = open(o->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set(err, -errno, "cannot read %s: %s", o->file, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return error_set(err, -EBADMSG, "%s is not a capture", o->file);
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set(err, -errno, "cannot read %s: %s", o->file, strerror(errno));
    struct arena *arena = arena_new(0);
    struct segment_reader reader = {0};
    struct line *line = NULL;
    int r = arena ? segment_open(&reader, bytes, (size_t)st.st_size, arena, err) : -ENOMEM;
    if (r < 0)
        error_wrap(err, "%s", o->file);
    if (r == 0 && (reader.info.shards == 0 || reader.info.shards > BH_MAX_SHARDS))
        r = error_set(err, -EBADMSG, "%s: made with %u shards", o->file, reader.info.shards);
    if (r == 0 && o->streams_dir)
        r = streams_open(o->streams_dir, &replay.streams, err);
    if (r == 0) {
        struct line_options options = {.shards = reader.info.shards,
                                       .wall_minus_boot = (int64_t)reader.info.wall_minus_boot,
                                       .hostname = reader.info.host,
                                       .detectors = agent_detectors,
                                       .sinks = {.ctx = &replay,
                                                 .finding = on_finding,
                                                 .generation = on_generation,
                                                 .incident = on_incident,
                                                 .decision = on_decision,
                                                 .row = on_row}};
        line = line_new(&options);
        r = line ? feed(line, &reader, o, &replay, err) : error_set(err, -ENOMEM, "out of memory");
    }
    line_free(line);
    struct error late = {0};
    int s = streams_close(replay.streams, &late);
    lines_out_done(&replay.out);
    buf_done(&replay.line);
    arena_free(arena);
    munmap(bytes, (size_t)st.st_size);
    if (r == 0 && s < 0)
        r = error_set(err, s, "%s", late.message);
    return r;
}
