/* SPDX-License-Identifier: MIT */
#include "daemon/server/chronicle.h"

#include <unistd.h>

#include "daemon/ledger/tell.h"
#include "daemon/startup/history_segment.h"
#include "daemon/util/time.h"

#define ROUND_TICKS 10000u
#define NOW_TICKS 1000u
#define CLIENTS_AT_ONCE 256u
/* A reader that looks ten times a second loses nothing of a long round. */
#define PAUSE_NS (10 * NS_PER_MS)

/* False: all are told in this round. */
static bool tell_clients(struct chronicle *chronicle) {
        struct client *client;
        uint32_t n = 0;

        cds_list_for_each_entry(client, &chronicle->clients->list, link) {
                if (client->told_round == chronicle->round)
                        continue;
                if (n++ == CLIENTS_AT_ONCE)
                        return true;
                client->told_round = chronicle->round;
                clients_tell(chronicle->clients, client);
        }
        return false;
}

static void begin_round(struct chronicle *chronicle, uint64_t now_tick) {
        chronicle->in_round = true;
        chronicle->round++;
        chronicle->due_tick = now_tick + ROUND_TICKS;
        ledger_tell_round(chronicle->ledger);
}

void chronicle_tell_now(struct chronicle *chronicle, uint64_t now_tick) {
        if (chronicle->segment.map == NULL)
                return;
        chronicle->now_tick = now_tick;
        chronicle->history.tick = now_tick;
        history_write(&chronicle->history, (struct history_event){ .kind = HISTORY_NOW });
}

int64_t chronicle_run(struct chronicle *chronicle, uint64_t now_tick, int64_t now_ns) {
        if (chronicle->segment.map == NULL)
                return INT64_MAX;
        if (now_tick >= chronicle->now_tick + NOW_TICKS)
                chronicle_tell_now(chronicle, now_tick);
        if (!chronicle->in_round && now_tick < chronicle->due_tick)
                return INT64_MAX;
        if (!chronicle->in_round)
                begin_round(chronicle, now_tick);
        if (tell_clients(chronicle) || ledger_tell_more(chronicle->ledger))
                return now_ns + PAUSE_NS;
        ledger_tell_round_end(chronicle->ledger);
        chronicle->in_round = false;
        return INT64_MAX;
}

void chronicle_start(struct chronicle *chronicle, const struct config *config,
                     struct ledger *ledger, struct clients *clients, bool adopted,
                     uint64_t unknown_tick, uint32_t generation) {
        history_segment_open(&chronicle->segment, config);
        if (chronicle->segment.map == NULL)
                return;
        chronicle->history = (struct history){ .segment = chronicle->segment.map };
        chronicle->ledger = ledger;
        chronicle->clients = clients;
        clients->history = &chronicle->history;
        ledger_set_history(ledger, &chronicle->history);
        ledger_tell_start(ledger, adopted, unknown_tick, (uint32_t)getpid(), generation);
}

void chronicle_stop(struct chronicle *chronicle) {
        segment_close(&chronicle->segment);
}
