// A generation's sources: read from files and folders, packed into one text for the record that
// carries them, and unpacked again. The packed form is in docs/formats/config.md;
// unpacking takes a stranger's bytes.
#include "config/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <sys/stat.h>

enum {
    MAX_SOURCES = 4096,           // files of a generation
    MAX_FOLDER_ENTRIES = 65536,   // looked at in one folder
    MAX_SOURCES_BYTES = 64 << 20, // of a generation in all
    MAX_SOURCE_NAME = 4096,
};

static const char *const kind_names[] = {
    [SOURCE_CONFIG] = "config", [SOURCE_RULES] = "rules", [SOURCE_DOCUMENTS] = "documents"};

void sources_done(struct sources *s)
{
    arena_free(s->arena);
    free(s->list);
    *s = (struct sources){0};
}

static size_t total_bytes(const struct sources *s)
{
    size_t sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->list[i].text.len;
    return sum;
}

// Takes copies. -E2BIG: too many or too much, -ENOMEM.
int sources_add(struct sources *s, enum source_kind kind, struct str name, struct str text)
{
    if (s->n >= MAX_SOURCES || text.len > MAX_SOURCES_BYTES - total_bytes(s))
        return -E2BIG;
    if (!s->arena && !(s->arena = arena_new(0)))
        return -ENOMEM;
    // Doubled at each power of two, so that the struct needs no capacity.
    if ((s->n & (s->n - 1)) == 0) {
        struct source *grown = reallocarray(s->list, s->n ? s->n * 2 : 1, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->list = grown;
    }
    struct source source = {kind, arena_str(s->arena, name), arena_str(s->arena, text)};
    if (!source.name.ptr || !source.text.ptr)
        return -ENOMEM;
    s->list[s->n++] = source;
    return 0;
}

static int complain(struct diag_list *diags, const char *path, int error)
{
    const char *code = "BH001", *hint = NULL;
    switch (error) {
    case -ENOENT:
        hint = "check the path";
        break;
    case -EACCES:
    case -EPERM:
        hint = "run as root, or give the file to the agent's user";
        break;
    case -ENXIO:
        diag_add(diags, DIAG_ERROR, path, 0, 0, "BH002", "give a file or a folder of *.yaml files",
                 "this is neither a regular file nor a folder");
        return -EINVAL;
    case -EFBIG:
        diag_add(diags, DIAG_ERROR, path, 0, 0, "BH003", "split it",
                 "the file has more than %d MiB", MAX_YAML_BYTES >> 20);
        return error;
    case -E2BIG:
        diag_add(diags, DIAG_ERROR, path, 0, 0, "BH003", NULL,
                 "too much configuration: more than %d files or %d MiB in all", MAX_SOURCES,
                 MAX_SOURCES_BYTES >> 20);
        return error;
    case -ENOMEM:
        code = "BH004";
        break;
    default:
        break;
    }
    diag_add(diags, DIAG_ERROR, path, 0, 0, code, hint, "cannot be read: %s", strerror(-error));
    return error;
}

// Looks before it opens: opening some devices has effects. O_NONBLOCK for what was swapped in
// between.
static int open_regular(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, 0) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return -ENXIO;
    _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return -ENXIO;
    return TAKE_FD(fd);
}

static int read_whole(int fd, struct buf *text)
{
    char block[65536];
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return text->failed ? -ENOMEM : 0;
        if (text->len + (size_t)n > MAX_YAML_BYTES)
            return -EFBIG;
        buf_add(text, block, (size_t)n);
    }
}

static int read_file(struct sources *s, enum source_kind kind, int fd, const char *path)
{
    _cleanup_buf_ struct buf text = {0};
    int r = read_whole(fd, &text);
    return r < 0 ? r : sources_add(s, kind, str_of(path), buf_view(&text));
}

static bool wanted(const char *name)
{
    struct str s = str_of(name);
    return name[0] != '.' && (str_ends(s, STR(".yaml")) || str_ends(s, STR(".yml")));
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **list;
    size_t n, cap;
};

static void names_done(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->list[i]);
    free(l->list);
}

static int list_folder(DIR *dir, struct names *ret)
{
    for (size_t seen = 0;; seen++) {
        errno = 0;
        const struct dirent *e = readdir(dir);
        if (!e)
            return -errno;
        if (seen >= MAX_FOLDER_ENTRIES || ret->n >= MAX_SOURCES)
            return -E2BIG;
        if (!wanted(e->d_name))
            continue;
        if (ret->n == ret->cap) {
            size_t cap = ret->cap ? ret->cap * 2 : 32;
            char **grown = reallocarray(ret->list, cap, sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            ret->list = grown;
            ret->cap = cap;
        }
        char *name = strdup(e->d_name);
        if (!name)
            return -ENOMEM;
        ret->list[ret->n++] = name;
    }
}

static int read_folder(struct sources *s, enum source_kind kind, int fd, const char *path,
                       struct diag_list *diags)
{
    int dirfd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = dirfd < 0 ? NULL : fdopendir(dirfd);
    if (!dir) {
        int error = -errno;
        if (dirfd >= 0)
            close(dirfd);
        return complain(diags, path, error);
    }
    _cleanup_(names_done) struct names names = {0};
    int result = list_folder(dir, &names);
    closedir(dir);
    if (result < 0)
        return complain(diags, path, result);
    if (names.n)
        qsort(names.list, names.n, sizeof(*names.list), name_order);
    for (size_t i = 0; i < names.n; i++) {
        bool slash = path[0] && path[strlen(path) - 1] == '/';
        _cleanup_buf_ struct buf full = {0};
        buf_printf(&full, "%s%s%s", path, slash ? "" : "/", names.list[i]);
        if (full.failed)
            return complain(diags, path, -ENOMEM);
        _cleanup_close_ int file = open_regular(fd, names.list[i]);
        struct stat st;
        int r = file;
        if (file >= 0)
            r = fstat(file, &st) == 0 && S_ISDIR(st.st_mode) ? 0
                                                             : read_file(s, kind, file, full.ptr);
        if (r < 0)
            r = complain(diags, full.ptr, r);
        if (r < 0 && result == 0)
            result = r;
    }
    return result;
}

int sources_read(struct sources *s, enum source_kind kind, const char *path,
                 struct diag_list *diags)
{
    _cleanup_close_ int fd = open_regular(AT_FDCWD, path);
    struct stat st;
    if (fd < 0)
        return complain(diags, path, fd);
    if (fstat(fd, &st) < 0)
        return complain(diags, path, -errno);
    if (S_ISDIR(st.st_mode))
        return read_folder(s, kind, fd, path, diags);
    int r = read_file(s, kind, fd, path);
    return r < 0 ? complain(diags, path, r) : 0;
}

// ── packing ──────────────────────────────────────────────────────────────────────────────────

static bool is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned n = utf8_len(s, i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

// A JSON string holds no bytes that are not text: such a value is packed in base64 under another
// key.
static void pack_bytes(struct json *j, const char *key, const char *key_base64, struct str s)
{
    if (is_utf8(s)) {
        json_kstr(j, key, s);
        return;
    }
    size_t len = sodium_base64_encoded_len(s.len, sodium_base64_VARIANT_ORIGINAL);
    _cleanup_free_ char *text = malloc(len);
    if (!text) {
        j->out->failed = true;
        return;
    }
    sodium_bin2base64(text, len, (const unsigned char *)s.ptr, s.len,
                      sodium_base64_VARIANT_ORIGINAL);
    json_kcstr(j, key_base64, text);
}

void sources_pack(const struct sources *s, struct buf *out)
{
    struct json j = json_on(out);
    json_object(&j);
    json_key(&j, "sources");
    json_array(&j);
    for (size_t i = 0; i < s->n; i++) {
        json_object(&j);
        json_kcstr(&j, "kind", kind_names[s->list[i].kind]);
        pack_bytes(&j, "name", "name_base64", s->list[i].name);
        pack_bytes(&j, "text", "text_base64", s->list[i].text);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

static int unpack_bytes(const json_t *source, const char *key, const char *key_base64, size_t max,
                        struct buf *out, struct error *err)
{
    const json_t *plain = json_object_get(source, key),
                 *coded = json_object_get(source, key_base64);
    if (!json_is_string(plain ? plain : coded))
        return error_set(err, -EBADMSG, "a source without its %s", key);
    struct str v = plain ? (struct str){json_string_value(plain), json_string_length(plain)}
                         : (struct str){json_string_value(coded), json_string_length(coded)};
    if (v.len > max * 2)
        return error_set(err, -EBADMSG, "a source's %s is too long", key);
    if (plain) {
        buf_str(out, v);
    } else {
        _cleanup_free_ unsigned char *bytes = malloc(v.len + 1);
        size_t len;
        if (!bytes)
            return error_set(err, -ENOMEM, "out of memory");
        if (sodium_base642bin(bytes, v.len + 1, v.ptr, v.len, NULL, &len, NULL,
                              sodium_base64_VARIANT_ORIGINAL) != 0)
            return error_set(err, -EBADMSG, "a source's %s is not base64", key);
        buf_add(out, bytes, len);
    }
    if (out->failed)
        return error_set(err, -ENOMEM, "out of memory");
    if (out->len > max)
        return error_set(err, -EBADMSG, "a source's %s is too long", key);
    return 0;
}

static int unpack_one(struct sources *s, const json_t *source, struct error *err)
{
    const char *kind = json_string_value(json_object_get(source, "kind"));
    size_t k = 0;
    while (k < ARRAY_SIZE(kind_names) && !(kind && strcmp(kind, kind_names[k]) == 0))
        k++;
    if (k == ARRAY_SIZE(kind_names))
        return error_set(err, -EBADMSG, "a source of an unknown kind");
    _cleanup_buf_ struct buf name = {0}, text = {0};
    int r = unpack_bytes(source, "name", "name_base64", MAX_SOURCE_NAME, &name, err);
    if (r == 0)
        r = unpack_bytes(source, "text", "text_base64", MAX_YAML_BYTES, &text, err);
    if (r < 0)
        return r;
    r = sources_add(s, (enum source_kind)k, buf_view(&name), buf_view(&text));
    return r < 0 ? error_set(err, r, "%s", r == -E2BIG ? "too many sources" : "out of memory") : 0;
}

int sources_unpack(struct str packed, struct sources *ret, struct error *err)
{
    json_error_t e;
    // JSON writes a byte in at most six; what is larger cannot be a packed generation.
    if (packed.len > (size_t)MAX_SOURCES_BYTES * 6 + (1 << 20))
        return error_set(err, -EBADMSG, "a generation that is too large");
    _cleanup_(json_decrefp) json_t *root =
        json_loadb(packed.ptr ? packed.ptr : "", packed.len, JSON_ALLOW_NUL, &e);
    if (!root)
        return error_set(err, -EBADMSG, "a generation that is not JSON: %s", e.text);
    const json_t *list = json_object_get(root, "sources");
    if (!json_is_array(list))
        return error_set(err, -EBADMSG, "a generation without its list of sources");
    _cleanup_(sources_done) struct sources s = {0};
    for (size_t i = 0; i < json_array_size(list); i++) {
        int r = unpack_one(&s, json_array_get(list, i), err);
        if (r < 0)
            return r;
    }
    *ret = s;
    s = (struct sources){0};
    return 0;
}

struct id sources_id(const struct sources *s)
{
    _cleanup_buf_ struct buf b = {0};
    sources_pack(s, &b);
    return id_of(b.ptr, b.len);
}
