// Asking segment's tables as a person asks. agent's own files only.
#pragma once

#include "agent/line.h"

// "80", "53/udp", "5060/sctp". -EINVAL.
int net_port_parse(struct str text, uint8_t *ret_protocol, uint16_t *ret_port);
bool net_address_parse(struct str text, uint8_t ret[16]);
// {"verdict":…,"at":…,"policy":…,"where":…,"row":…,"allowed_by":[…]}
void net_try_json(const struct segment *s, const struct segment_end *from,
                  const struct segment_end *to, uint8_t protocol, uint16_t port, struct json *j);
