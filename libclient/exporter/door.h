/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Lets HTTP clients in and out. A connection lives for DOOR_LIFE_NS at most, whatever its
 * client does. When DOOR_GUESTS are inside, the next one takes the place of the oldest, which
 * had DOOR_STAY_NS for its request at least. So of 1,000 that send nothing, half a request or
 * one byte a second, or read no answer, and come again at once, nobody else waits for more
 * than 1000 / DOOR_GUESTS × DOOR_STAY_NS.
 */
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#define DOOR_GUESTS 512u
/* Who was sent away is inside until libmicrohttpd has closed its socket. */
#define DOOR_LEAVING 64u
#define DOOR_PLACES (DOOR_GUESTS + DOOR_LEAVING)
#define DOOR_LIFE_NS INT64_C(5000000000)
#define DOOR_STAY_NS INT64_C(1000000000)

struct door_guest {
        int fd; /* -1: the place is free; libmicrohttpd closes it */
        int64_t since_ns;
        bool leaving; /* was sent away */
        bool waiting; /* for us */
};

struct door {
        struct MHD_Daemon *daemon;
        struct door_guest guests[DOOR_PLACES];
        unsigned most; /* guests; DOOR_GUESTS, or what RLIMIT_NOFILE permits */
        bool exhausted; /* no descriptor was left for the last one */
};

void door_begin(struct door *door);
/* Of MHD_OPTION_NOTIFY_CONNECTION, with the door as context. */
void door_notify(void *context, struct MHD_Connection *connection, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
/* Who waits for us keeps its place. */
void door_set_waiting(struct MHD_Connection *connection, bool waiting);

/* Could one more come in? False once after descriptors were used up. */
bool door_has_room(struct door *door, int64_t now_ns);
/* Lets in a few of those that stand before it. */
void door_admit(struct door *door, int listen_fd, int64_t now_ns);
/* Sends away whose time is over. Returns when the next one's is; INT64_MAX: nobody's. */
int64_t door_expire(struct door *door, int64_t now_ns);
