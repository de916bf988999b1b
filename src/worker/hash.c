// The hashes of an executed file, by which feeds name it. Read from the descriptor in pieces: an
// executable may be larger than the worker's memory.
#include "worker/internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/stat.h>

enum { HASHES = 3, PIECE = 64 << 10 };

static const struct {
    const char *algorithm, *key;
    size_t len;
} rows[HASHES] = {{"SHA256", "sha256", 32}, {"SHA1", "sha1", 20}, {"MD5", "md5", 16}};

struct hashes {
    EVP_MD *md[HASHES];
    EVP_MD_CTX *ctx[HASHES];
    char piece[PIECE];
};

// Fetches each algorithm and runs it once: what libcrypto loads and allocates is there before the
// system calls for it are not.
struct hashes *hashes_new(void)
{
    struct hashes *h = calloc(1, sizeof(*h));
    unsigned char out[EVP_MAX_MD_SIZE];
    for (size_t i = 0; h && i < HASHES; i++) {
        h->md[i] = EVP_MD_fetch(NULL, rows[i].algorithm, NULL); // NULL: not in this libcrypto
        h->ctx[i] = EVP_MD_CTX_new();
        if (h->md[i] && h->ctx[i] && EVP_DigestInit_ex2(h->ctx[i], h->md[i], NULL) == 1 &&
            EVP_DigestUpdate(h->ctx[i], "", 0) == 1)
            EVP_DigestFinal_ex(h->ctx[i], out, NULL);
    }
    return h;
}

static bool usable(const struct hashes *h, size_t i)
{
    return h->md[i] && h->ctx[i];
}

static const char *read_file(struct hashes *h, int fd, uint64_t *ret_bytes)
{
    struct stat st;
    if (!h)
        return "out of memory";
    if (fd < 0 || fstat(fd, &st) < 0)
        return "no file came with the request";
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    if (st.st_size > MAX_HASHED_BYTES)
        return "larger than 64 MiB";
    for (size_t i = 0; i < HASHES; i++)
        if (usable(h, i) && EVP_DigestInit_ex2(h->ctx[i], h->md[i], NULL) != 1)
            return "the hash can't be made";
    for (*ret_bytes = 0;;) {
        ssize_t n = pread(fd, h->piece, sizeof(h->piece), (off_t)*ret_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return "the file can't be read";
        if (n == 0)
            return NULL;
        *ret_bytes += (uint64_t)n;
        if (*ret_bytes > MAX_HASHED_BYTES) // it grew
            return "larger than 64 MiB";
        for (size_t i = 0; i < HASHES; i++)
            if (usable(h, i))
                EVP_DigestUpdate(h->ctx[i], h->piece, (size_t)n);
    }
}

void hashes_of_file(struct hashes *h, int fd, struct str args, struct buf *out)
{
    uint64_t bytes = 0;
    json_t *reply = reply_new(args, "file hash");
    const char *problem = read_file(h, fd, &bytes);
    if (problem)
        reply_problem(reply, problem);
    else
        json_object_set_new(reply, "bytes", json_integer((json_int_t)bytes));
    for (size_t i = 0; !problem && i < HASHES; i++) {
        unsigned char hash[EVP_MAX_MD_SIZE];
        char hex[2 * EVP_MAX_MD_SIZE + 1];
        if (!usable(h, i) || EVP_DigestFinal_ex(h->ctx[i], hash, NULL) != 1)
            continue;
        hex_of(hash, rows[i].len, hex);
        json_object_set_new(reply, rows[i].key, json_string(hex));
    }
    reply_write(reply, out);
    json_decref(reply);
}
