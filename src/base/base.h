// base: errors, byte strings, buffers, arenas, time types, JSON writing, escaping, units, ids.
// Small on purpose: nothing that a library already has. Nothing here reads a clock or a file.
#pragma once

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))
#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_       __attribute__((unused))
#define NSEC_PER_SEC   1000000000ULL
#define NSEC_PER_MSEC  1000000ULL

// ── ownership ────────────────────────────────────────────────────────────────────────────────
static inline void free_charp(char **p)
{
    free(*p);
}
static inline void free_voidp(void *p)
{
    free(*(void **)p);
}
static inline void close_fdp(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define _cleanup_free_  _cleanup_(free_voidp)
#define _cleanup_close_ _cleanup_(close_fdp)
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int take_ = (fd);                                                                          \
        (fd) = -1;                                                                                 \
        take_;                                                                                     \
    })

// Breaking an invariant aborts in debug builds and tests; a release counts it and goes on.
extern uint64_t base_broken_invariants;
#ifdef NDEBUG
#define INVARIANT(x) ((x) ? (void)0 : (void)__atomic_add_fetch(&base_broken_invariants, 1, 0))
#else
#define INVARIANT(x) ((x) ? (void)0 : invariant_abort(#x, __FILE__, __LINE__))
#endif
void invariant_abort(const char *what, const char *file, int line) __attribute__((noreturn));

// ── errors ───────────────────────────────────────────────────────────────────────────────────
// Made once where the cause is known, wrapped on the way up ("cannot load X: cause").
struct error {
    int code; // negative errno, 0 = none
    char message[512];
};
// Sets code and message; returns code, so that `return error_set(err, -EINVAL, …)` reads well. err
// may be NULL.
int error_set(struct error *err, int code, const char *format, ...) _printf_(3, 4);
// Puts "format: " before the message that is there; returns the code that is there.
int error_wrap(struct error *err, const char *format, ...) _printf_(2, 3);

// ── byte strings (not terminated; may hold NUL, bad UTF-8, escapes) ──────────────────────────
struct str {
    const char *ptr;
    size_t len;
};
#define STR(lit)   ((struct str){"" lit "", sizeof(lit) - 1})
#define STR_NULL   ((struct str){NULL, 0})
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""
static inline struct str str_of(const char *c)
{
    return (struct str){c, c ? strlen(c) : 0};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool str_starts(struct str s, struct str with)
{
    return s.len >= with.len && (with.len == 0 || memcmp(s.ptr, with.ptr, with.len) == 0);
}
static inline bool str_ends(struct str s, struct str with)
{
    return s.len >= with.len &&
           (with.len == 0 || memcmp(s.ptr + s.len - with.len, with.ptr, with.len) == 0);
}
bool str_contains(struct str s, struct str what);
int str_cmp(struct str a, struct str b);
// After the last '/', the whole string if there is none.
struct str str_basename(struct str path);
// Heap copy, terminated. NULL without memory.
char *str_dup(struct str s);
// Nearest of n words to `to` by edit distance, or NULL when none is near enough to suggest.
const char *nearest_word(const char *to, const char *const *words, size_t n);

// ── growable buffer ──────────────────────────────────────────────────────────────────────────
// An append that fails for want of memory sets `failed`; later appends do nothing. Check once, at
// the end.
struct buf {
    char *ptr; // always terminated when not NULL; the terminator isn't counted
    size_t len, cap;
    bool failed;
};
void buf_done(struct buf *b);
#define _cleanup_buf_ _cleanup_(buf_done)
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, struct str s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);
void buf_u64(struct buf *b, uint64_t v);
static inline void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}
static inline struct str buf_view(const struct buf *b)
{
    return (struct str){b->ptr ? b->ptr : "", b->len};
}

// ── arena: allocations that die together ─────────────────────────────────────────────────────
struct arena;
struct arena *arena_new(size_t limit_bytes); // 0: no limit
void arena_free(struct arena *a);
void arena_freep(struct arena **a);
void arena_reset(struct arena *a); // keeps its first block
void *arena_alloc(struct arena *a,
                  size_t size); // zeroed, 16-aligned; NULL at the limit or without memory
struct str arena_str(struct arena *a, struct str s); // copy, terminated behind its length
char *arena_cstr(struct arena *a, struct str s);

// ── time: two types that don't mix ───────────────────────────────────────────────────────────
struct boot_ns {
    uint64_t ns; // CLOCK_BOOTTIME
};
struct wall_ns {
    uint64_t ns; // since 1970, UTC
};
// "2026-11-24T12:00:00.123456789Z" into b.
void buf_wall_iso(struct buf *b, struct wall_ns t);

// ── units ────────────────────────────────────────────────────────────────────────────────────
// "10s", "5m", "1h30m", "250ms", "2d"; a bare number is refused. 0 or -EINVAL/-ERANGE.
int parse_duration(struct str s, uint64_t *ret_ns);
// "64MiB", "1GB", "4096". 0 or -EINVAL/-ERANGE.
int parse_size(struct str s, uint64_t *ret_bytes);
int parse_u64(struct str s, uint64_t *ret);    // decimal, whole string
void buf_duration(struct buf *b, uint64_t ns); // shortest exact form that parse_duration reads back

// ── escaping: one function a sink ────────────────────────────────────────────────────────────
// JSON string body (no quotes): quote, backslash, and what a terminal would act on or hide
// (controls, bidi and other format characters) as \u…; bad UTF-8 → U+FFFD.
void escape_json(struct buf *b, struct str s);
// What is shown on a terminal or in a text log line: C0/C1 controls, DEL, newlines, bidi and other
// invisible format characters → \xHH or \u{…}; backslash doubled; bad UTF-8 → \xHH per byte.
void escape_text(struct buf *b, struct str s);
void escape_csv(struct buf *b,
                struct str s); // quoted when needed; a leading = + - @ gets a quote before it
void escape_html(struct buf *b, struct str s); // & < > " ' and what escape_text refuses as &#xFFFD;

// ── JSON, append-only (the hot path's writer; reading is Jansson's) ──────────────────────────
// Commas are put by the writer. Keys are constants of ours and are not escaped.
// Jansson has functions of these three names. Ours are other symbols, or Jansson's own calls would
// land in them; its header comes first, so that including it later changes nothing. Jansson's:
// (json_object)().
#include <jansson.h>
#define json_object(j) json_begin_object(j)
#define json_array(j)  json_begin_array(j)
#define json_null(j)   json_put_null(j)
struct json {
    struct buf *out;
    uint64_t comma; // bit per depth: something was written at this depth
    unsigned depth;
};
static inline struct json json_on(struct buf *out)
{
    return (struct json){out, 0, 0};
}
void json_object(struct json *j); // {
void json_object_end(struct json *j);
void json_array(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_key_str(struct json *j, struct str key); // escaped
void json_str(struct json *j, struct str s);
void json_cstr(struct json *j, const char *s); // NULL → null
void json_u64(struct json *j, uint64_t v);
void json_i64(struct json *j, int64_t v);
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
void json_double(struct json *j,
                 double v); // shortest form that reads back equal; not finite → null
void json_raw(struct json *j, struct str raw);
// key and value in one
void json_kstr(struct json *j, const char *key, struct str v);
void json_kcstr(struct json *j, const char *key, const char *v);
void json_ku64(struct json *j, const char *key, uint64_t v);
void json_ki64(struct json *j, const char *key, int64_t v);
void json_kbool(struct json *j, const char *key, bool v);
void json_kdouble(struct json *j, const char *key, double v);

// ── ids: hashes of what they name ────────────────────────────────────────────────────────────
struct id {
    uint8_t bytes[12];
};
struct id id_of(const void *bytes, size_t len); // BLAKE2b (libsodium), 12 bytes
static inline bool id_eq(struct id a, struct id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}
static inline bool id_is_zero(struct id a)
{
    return id_eq(a, (struct id){{0}});
}
#define ID_TEXT_MAX 25
const char *id_text(struct id id, char out[ID_TEXT_MAX]); // 24 hex digits
int id_parse(struct str s, struct id *ret);
void hex_of(const void *bytes, size_t len, char *out); // out: 2·len + 1
int hex_parse(struct str s, void *out, size_t len);    // exact length, else -EINVAL
// Fast, not secret: for tables whose keys a stranger can't choose freely. 64-bit FNV-1a with a
// final mix.
uint64_t hash64(const void *bytes, size_t len);
// For tables keyed by strangers' bytes: SipHash-2-4 with a caller's key (an input of the line, so
// that replay agrees).
uint64_t hash_keyed(const uint8_t key[16], const void *bytes, size_t len);

// ── secrets ──────────────────────────────────────────────────────────────────────────────────
// Why NAME=value looks like a secret, or NULL. A constant: no byte of the value is in it.
const char *secret_reason(struct str name, struct str value);
