/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/host/ids.h"
#include "daemon/segment/segment.h"
#include "daemon/util/log.h"

int identity_machine(uint8_t ret[16]) {
        int r = ids_machine(ret);

        if (r < 0 && r != -ENOENT)
                return log_failure(-r, EVENT_MACHINE_ID,
                                   "cannot read /etc/machine-id: %s; it tells a "
                                   "copied disk from its original. Run systemd-machine-id-setup",
                                   strerror(-r));
        return r;
}

int identity_describe(struct fence_state *ret, const struct config *config) {
        struct fence_state state = { .fence_tick = 0 };
        int r = identity_machine(state.machine_id);

        if (r == -ENOENT) /* bare containers: the ID stays all zero */
                log_event(EVENT_MACHINE_ID,
                        "there is no /etc/machine-id: a copy of %s on another machine without one "
                        "will not be noticed. Run systemd-machine-id-setup",
                        config->state_dir);
        else if (r < 0)
                return r;
        if (!config->has_first)
                return log_failure(
                        EINVAL, EVENT_WORKERS_FIRST,
                        "workers.first is not set: the local backend has no default, as "
                        "two hosts with the same worker IDs would issue the same IDs. Give "
                        "each host its own, e.g. --set workers.first=0");
        state.layout = config->layout;
        state.worker_first = config_worker_first(config);
        state.worker_count = config->max_count; /* the run may grow that far at any time */
        *ret = state;
        return 0;
}

bool identity_same_machine(const struct fence_state *a, const struct fence_state *b) {
        return memcmp(a->machine_id, b->machine_id, sizeof(a->machine_id)) == 0;
}

int identity_check_space(const char *place, const struct fence_state *found,
                         const struct fence_state *host) {
        const struct id_layout *was = &found->layout, *is = &host->layout;

        if (was->tick_bits != is->tick_bits || was->worker_bits != is->worker_bits ||
            was->sequence_bits != is->sequence_bits || was->region_bits != is->region_bits)
                return log_failure(
                        EINVAL, EVENT_STATE_LAYOUT,
                        "%s was written with layout %u/%u/%u and %u region bits, the "
                        "configuration says %u/%u/%u and %u: IDs of both could be equal. "
                        "Set id.layout and id.region_bits back, or begin a new ID space "
                        "with an empty daemon.state_dir",
                        place, was->tick_bits, was->worker_bits, was->sequence_bits,
                        was->region_bits, is->tick_bits, is->worker_bits, is->sequence_bits,
                        is->region_bits);
        if (was->epoch_unix_ms != is->epoch_unix_ms)
                return log_failure(EINVAL, EVENT_STATE_EPOCH,
                                   "%s was written with the epoch at Unix time %" PRId64 " ms, the "
                                   "configuration says %" PRId64 " ms: IDs of both could be equal. "
                                   "Set id.epoch back, or begin a new ID space with an empty "
                                   "daemon.state_dir",
                                   place, was->epoch_unix_ms, is->epoch_unix_ms);
        return 0;
}
