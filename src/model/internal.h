// What the model's JSON has in common.
#pragma once

#include "model/model.h"

void json_kid(struct json *j, const char *key, struct id id);
void json_kwall(struct json *j, const char *key, struct wall_ns t);
void json_big(struct json *j, uint64_t v); // a number up to INT64_MAX, else a string of digits
void json_kbig(struct json *j, const char *key, uint64_t v);
void json_khex(struct json *j, const char *key, uint64_t v);
void json_kfile_id(struct json *j, uint64_t dev, uint64_t ino); // "dev": "8:1", "ino": "1234"
void json_kflags(struct json *j, const char *key, uint32_t value);
