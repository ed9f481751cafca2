/* SPDX-License-Identifier: MIT */
#include "daemon/server/lobby.h"

#include <errno.h>
#include <string.h>

#include "daemon/server/announce.h"
#include "daemon/server/server.h"
#include "daemon/util/time.h"

/* The service manager and the operator hear of an attempt that takes longer. */
#define SILENT_NS (3 * NS_PER_S)

struct wait {
        struct protocol_wait said;
        const char *status; /* for the service manager */
};

#define WAIT(reason, text)                                                                         \
        { { reason, text }, "READY=1\nSTATUS=Waits for worker IDs: " text "; see the log." }

static const struct wait none_free = WAIT(CLOCK_REASON_WORKERS, "none are free");
static const struct wait slower = WAIT(CLOCK_REASON_WORKERS, "other hosts were faster");
static const struct wait denied = WAIT(CLOCK_REASON_ACCESS, "the coordinator denies access");
static const struct wait silent = WAIT(CLOCK_REASON_COORDINATOR,
                                       "the coordinator does not answer");

static const struct wait *wait_of(int error) {
        switch (error) {
        case -EBUSY:
                return &none_free;
        case -EAGAIN:
                return &slower;
        case -EACCES:
                return &denied;
        default:
                return &silent;
        }
}

static int64_t round_connections(void *context, int64_t now_ns) {
        struct server *server = context;

        protocol_expire(&server->protocol, now_ns);
        connections_reap(&server->connections);
        return connections_deadline(&server->connections);
}

/* Once for each change. The first attempt may need a moment, and be all that is needed. */
static void tell(struct server *server, const struct wait *wait) {
        if (server->protocol.wait == &wait->said && server->told)
                return;
        if (!server->told)
                announce_withdraw(&server->listener);
        server->told = true;
        server->protocol.wait = &wait->said;
        server_tell(server, wait->status);
}

static int64_t round_tell(void *context, int64_t now_ns) {
        struct server *server = context;
        struct lease_claim claim = lease_claim(server->lease);

        /* the next attempt after a conflict comes soon */
        if (!claim.over && ((claim.error != 0 && claim.error != -EAGAIN) || now_ns >= server->lobby_ns + SILENT_NS))
                tell(server, wait_of(claim.error));
        return server->told ? INT64_MAX : server->lobby_ns + SILENT_NS;
}

static const event_round rounds[] = {
        server_round_accept, round_connections, round_tell, server_round_watchdog,
};

int lobby_run(struct server *server) {
        struct lease_claim claim;
        int r = 0;

        server->lobby_ns = time_ns(CLOCK_BOOTTIME);
        server->protocol.wait = &silent.said;
        while (r == 0 && !(claim = lease_claim(server->lease)).over && !server->stopping) {
                event_run_rounds(&server->loop, rounds, sizeof(rounds) / sizeof(rounds[0]), server);
                r = event_dispatch(&server->loop);
        }
        server->protocol.wait = NULL;
        if (r < 0)
                return log_failure(-r, EVENT_SERVER, "waiting for events failed: %s", strerror(-r));
        return server->stopping ? -ECANCELED : claim.error;
}
