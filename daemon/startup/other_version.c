/* SPDX-License-Identifier: MIT */
#include "daemon/startup/other_version.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "daemon/segment/place.h"
#include "daemon/startup/adopt.h"
#include "daemon/util/log.h"

/* The start of every segment, in every version. */
struct start {
        char magic[8];
        uint32_t version;
};
_Static_assert(offsetof(struct start, version) == offsetof(struct clock_segment, version) &&
                       offsetof(struct start, version) ==
                               offsetof(struct ledger_segment, version) &&
                       offsetof(struct start, version) ==
                               offsetof(struct statistics_segment, version),
               "all segments begin alike");

struct kind {
        const char *name, *magic;
        uint32_t version;
        mode_t mode;
        enum log_level level;
        const char *meaning;
};

static const struct kind clock_kind = {
        "clock", CLOCK_MAGIC, CLOCK_VERSION, 0644, LOG_LEVEL_WARNING,
        "clients that read it continue with what they hold; the guarded clock begins anew, above "
        "the fence",
};
static const struct kind ledger_kind = {
        "ledger", LEDGER_MAGIC, LEDGER_VERSION, 0600, LOG_LEVEL_WARNING,
        "what it promised to clients is not known, so nothing is granted until the clock is above "
        "the fence, which takes at most reserve.standing after a clean stop; until then attached "
        "clients continue with what they hold",
};
static const struct kind statistics_kind = {
        "statistics", STATISTICS_MAGIC, STATISTICS_VERSION, 0640, LOG_LEVEL_NOTICE,
        "use the sfshm-stat that came with this sfshmd",
};

/* Is it one of ours, of another version? Then it is logged. */
static bool tell(const struct kind *kind, const struct place *place, int fd) {
        struct start start;

        if (pread(fd, &start, sizeof(start), 0) != (ssize_t)sizeof(start) ||
            memcmp(start.magic, kind->magic, sizeof(start.magic)) != 0 ||
            start.version == kind->version)
                return false;
        log_event(WITH(log_at(kind->level, EVENT_VERSION), FIELD(FILE, place->file)),
                  "%s/%s has version %" PRIu32 ", sfshmd " SFSHM_VERSION
                  " makes version %" PRIu32 ": it stays unchanged, and a new one takes its name; "
                  "%s", place->directory, place->file, start.version, kind->version,
                  kind->meaning);
        return true;
}

/* 1: *ret_fd is one that cannot be adopted; 0: there is none. */
static int find(const struct kind *kind, const struct config *config, size_t size, int *ret_fd) {
        struct place place;
        off_t found;
        int fd = -1, r = place_open(&place, config->shm, kind->name);

        if (r < 0)
                return r;
        r = place_open_file(&place, kind->mode, &fd, &found);
        if (r > 0 && !tell(kind, &place, fd) && found == (off_t)size) {
                close(fd);
                r = 0;
        }
        place_close(&place);
        if (r > 0)
                *ret_fd = fd;
        return r;
}

static int look_at(const struct kind *kind, const struct config *config, size_t size) {
        int fd = -1, r = find(kind, config, size, &fd);

        if (r > 0)
                close(fd);
        return r < 0 ? r : 0;
}

int other_version_find(struct segment *ret, const struct config *config) {
        int r = look_at(&clock_kind, config, sizeof(struct clock_segment));

        if (r == 0)
                r = find(&ledger_kind, config, ledger_segment_size(ADOPT_LEDGER_RECORDS), &ret->fd);
        /* Its daemon may still run, and would not be noticed otherwise: its socket and state
         * directory may have other names. */
        if (r > 0)
                r = adopt_lock(ret, config, ", of another version");
        if (r == 0)
                r = look_at(&statistics_kind, config, statistics_segment_size(config->max_clients));
        return r;
}
