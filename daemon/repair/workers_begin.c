/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_begin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/keys/commit.h"
#include "daemon/lease/state/fleet_memory.h"
#include "daemon/repair/above.h"
#include "daemon/util/log.h"


static bool is_space(const char *text) {
        return strlen(text) == RECORD_HEX - 1 &&
               strspn(text, "0123456789abcdef") == RECORD_HEX - 1;
}

int workers_begin_remembered(const char *state_dir, char ret[RECORD_HEX]) {
        struct fleet_memory memory = { .claims = 0 };
        int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (fd >= 0)
                r = fleet_memory_read(fd, &memory);
        else if (errno != ENOENT && errno != ENOTDIR)
                r = -errno;
        if (fd >= 0)
                close(fd);
        if (r < 0)
                return log_failure(-r, EVENT_WORKERS_BEGIN,
                                   "cannot read %s/" FLEET_MEMORY_NAME ", which names the "
                                   "space of this host: %s; run this as root or as the daemon's "
                                   "user, or on another host", state_dir,
                                   r == -EBADMSG ? "it is damaged" : strerror(-r));
        memcpy(ret, memory.space, RECORD_HEX);
        return 0;
}

/* ---- the space */

/* Which one is begun or continued; NULL: refused. `ret_is_known`: IDs of it exist. */
static const char *choose_space(const struct workers_begin *begin,
                                const struct fleet_view *view, bool *ret_is_known) {
        const char *remembered = begin->remembered[0] != '\0' ? begin->remembered : NULL;
        const char *there = view->contract_modified != 0 ? view->contract.space : remembered;
        const char *asked = begin->named != NULL ? begin->named : remembered;

        *ret_is_known = there != NULL || asked != NULL;
        if (asked == NULL)
                return there != NULL ? there : begin->drawn;
        if (is_space(asked) && (there == NULL || strcmp(asked, there) == 0))
                return asked;
        if (!is_space(asked))
                log_event(EVENT_WORKERS_BEGIN, "--space %s is no name of a space: it has 32 "
                          "lower-case hexadecimal digits", asked);
        else
                log_event(EVENT_WORKERS_BEGIN, "the space of %s is %s, not %s as %s says: "
                          "correct that, or the address and the prefix in the configuration",
                          view->contract_modified != 0 ? begin->place : "this host", there, asked,
                          begin->named != NULL ? "--space" : "daemon.state_dir");
        return NULL;
}

static int refuse_begun(const struct workers_begin *begin, const struct fleet_view *view) {
        return log_failure(EEXIST, EVENT_WORKERS_BEGIN,
                           "the space %s was begun at %s: nothing is to be done. If "
                           "its keys are an old copy, say --above with an ID or a time that no "
                           "ID of it has passed", view->contract.space, begin->place);
}

static int refuse_known(const struct workers_begin *begin, const char *space) {
        return log_failure(EEXIST, EVENT_WORKERS_BEGIN,
                           "%s has no space, and IDs of the space %s exist: it was "
                           "emptied, or its address or prefix is wrong. To begin that space "
                           "again, say --above with an ID or a time that none of them has "
                           "passed", begin->place, space);
}

/* ---- what is left of a lost contract */

/* The regions that have keys: they were begun. */
static int find_regions(const struct workers_begin *begin, struct worker_set *ret, size_t *ret_n) {
        struct coordinator_list list = { .n = 0 };
        uint32_t end = UINT32_C(1) << begin->space.layout.region_bits;
        int r = begin->calls->list(begin->coordinator, "region/", &list);

        for (size_t i = 0; r == 0 && i < list.n; i++) {
                uint32_t region;

                if (sscanf(list.items[i].key, "region/%" SCNu32 "/", &region) == 1 && region < end)
                        worker_set_add(ret, region);
        }
        *ret_n = list.n;
        coordinator_list_clear(&list);
        return r;
}

static int refuse_keys(const struct workers_begin *begin, size_t n) {
        return log_failure(EEXIST, EVENT_WORKERS_BEGIN,
                           "%s has %zu keys of hosts, and no key contract: it is "
                           "lost, or another program removed it. To continue the space, say "
                           "--above with an ID or a time that none of its IDs has passed",
                           begin->place, n);
}

/* ---- writing */

/* Another revision of the space: its hosts take it for newer than all they know. */
static void continue_space(const struct workers_begin *begin, struct record_contract *contract) {
        int64_t next_ms = contract->recovered_unix_ms + 1;

        contract->recovered_unix_ms = begin->unix_ms > next_ms ? begin->unix_ms : next_ms;
        contract->claims_since_unix_ms = 0;
}

/* An operator's word below what may exist would let IDs be issued twice. */
static int check_above(const struct workers_begin *begin, const struct record_contract *contract) {
        uint64_t least = begin->least_tick;

        if (least != 0 && least < contract->not_before_tick)
                least = contract->not_before_tick;
        return above_check(&begin->space.layout, begin->above_tick, least, EVENT_WORKERS_BEGIN,
                           "hosts of the space");
}

static int begin_space(const struct workers_begin *begin, const struct fleet_view *view,
                       struct record_contract *contract) {
        struct fleet_commit d = { .space = &begin->space };
        bool known = false;
        const char *space = choose_space(begin, view, &known);
        size_t n_keys = 0;
        int r = 0;

        if (space == NULL)
                return -EINVAL;
        if (begin->above_tick == 0 && known)
                return view->contract_modified != 0 ? refuse_begun(begin, view) :
                                                      refuse_known(begin, space);
        if (view->contract_modified == 0)
                r = find_regions(begin, &contract->regions, &n_keys);
        if (r == 0 && n_keys > 0 && begin->above_tick == 0)
                r = refuse_keys(begin, n_keys);
        if (r == 0 && (known || n_keys > 0))
                r = check_above(begin, contract);
        if (r < 0)
                return r;
        memcpy(contract->space, space, RECORD_HEX);
        if (known || n_keys > 0)
                continue_space(begin, contract);
        contract->not_before_tick = begin->above_tick;
        record_contract_raise_horizon(contract, begin->horizon_ms);
        fleet_commit_replace(&d, "contract", view->contract_modified,
                             record_keep(view->contract_later, record_contract_text(contract)));
        return fleet_commit_send(&d, begin->calls, begin->coordinator);
}

int workers_begin(const struct workers_begin *begin, struct record_contract *ret) {
        struct fleet_view *view = NULL;
        struct record_contract *contract;
        int r = fleet_view_contract(&view, begin->calls, begin->coordinator, &begin->space);

        if (r < 0)
                return r;
        contract = &view->contract;
        r = begin_space(begin, view, contract);
        if (r == 0)
                *ret = *contract;
        fleet_view_free(view);
        return r;
}
