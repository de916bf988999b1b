// Error objects: made once, wrapped on the way up.
#include "base/base.h"

uint64_t base_broken_invariants;

void invariant_abort(const char *what, const char *file, int line)
{
    fprintf(stderr, "bulkhead: invariant broken: %s (%s:%d)\n", what, file, line);
    abort();
}

int error_set(struct error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    err->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return code;
}

int error_wrap(struct error *err, const char *format, ...)
{
    if (!err)
        return 0;
    char cause[sizeof(err->message)];
    memcpy(cause, err->message, sizeof(cause));
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(err->message))
        snprintf(err->message + n, sizeof(err->message) - (size_t)n, ": %s", cause);
    return err->code;
}
