/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_events.h"

#define DEFINE(identifier, event_name, event_level, others, fields, id, ...)                       \
        const struct log_event EVENT_##identifier = {                                              \
                .name = event_name, .message_id = id, .level = LOG_LEVEL_##event_level,            \
        };
LOG_EVENTS(DEFINE)
