// detect: identified events → findings. One sub-folder a detector; this header is what they share.
#pragma once

#include "base/base.h"
#include "config/config.h"
#include "model/model.h"

// A detector calls this for each finding; it is good during the call only.
typedef void (*detect_emit)(void *ctx, const struct finding *f);
