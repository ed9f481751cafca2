/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Finds the daemon behind a socket: asks it (QUERY), and reads its clock segment, whose
 * name it tells and leaves beside the socket. The segment of another daemon is never taken
 * for it: the file and its generation must be those that were named.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "libclient/observe/segments.h"
#include "shm/wire.h"

enum found {
        FOUND_NOT_ASKED, /* found by --shm */
        FOUND_ANSWERS,   /* `status` is its answer */
        FOUND_OLDER,     /* it takes connections, and does not know QUERY */
        FOUND_SILENT,    /* it does not answer, though its segment shows no death */
        FOUND_STRANGER,  /* who listens there is not this daemon */
        FOUND_DEAD,
        FOUND_ERROR, /* it cannot be asked */
};

#define FIND_WHY 512

struct find {
        const char *socket; /* NULL: --shm was given */
        bool asked;
        enum found found;
        char why[FIND_WHY]; /* a clause; "" if there is nothing to add */
        struct wire_status status;
        pid_t pid; /* of who listens, or answers; 0: not known */
        char shm[SEGMENTS_PATH_SIZE]; /* "": not known */
        bool has_clock;               /* `clock` is this daemon's */
        struct clock_segment clock;
        int clock_error;         /* otherwise: why not, as -errno, */
        char no_clock[FIND_WHY]; /* and as a sentence; "": it is not known where */
};

/* Waits for 2 s at most. A daemon which its segment shows to be dead is not asked: a connect
 * would make systemd start one. */
void find_by_socket(const char *socket, struct find *ret);
void find_by_shm(const char *shm, struct find *ret);

/* The layout of the IDs of the daemon behind the socket, whether it lives or not, and without
 * attaching. Returns true, or false with a clause that says why it is not known. */
bool find_layout(const char *socket, struct id_layout *ret, char why[FIND_WHY]);
