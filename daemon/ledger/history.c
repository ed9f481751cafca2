/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/history.h"

#include <stdio.h>
#include <string.h>

/*
 * A reader copies events from its position p on and loads `head` behind a barrier. An event at
 * p is whole if head < p + capacity then: only the writer at p + capacity changes it.
 *
 *   writer: head := h (release), release barrier, words of event h, head := h + 1 (release)
 *   reader: head (acquire), words, acquire barrier, head
 *
 * The release store of h + 1 pairs with the first load: who sees h + 1 sees all of event h. The
 * release barrier pairs with the reader's acquire barrier: who saw one word of event h sees
 * head >= h in the second load. Both are needed on arm64, which may make the words visible
 * before the head that precedes them.
 *
 * A daemon that is killed in between has not moved the head: the next one writes there.
 */
void history_write(struct history *history, struct history_event event) {
        struct history_segment *segment;
        uint64_t head, words[HISTORY_EVENT_WORDS];
        _Atomic uint64_t *to;

        if (history == NULL)
                return;
        segment = history->segment;
        /* relaxed: only this thread stores it */
        head = atomic_load_explicit(&segment->head, memory_order_relaxed);
        to = segment->events[head % HISTORY_EVENTS];
        event.number = head + 1;
        event.tick = history->tick;
        memcpy(words, &event, sizeof(words));
        atomic_thread_fence(memory_order_release);
        for (size_t i = 0; i < HISTORY_EVENT_WORDS; i++)
                atomic_store_explicit(&to[i], words[i], memory_order_relaxed);
        atomic_store_explicit(&segment->head, head + 1, memory_order_release);
}

void history_held(struct history *history, uint32_t record, unsigned slot, uint64_t client,
                  uint32_t lane, const struct rectangle *r) {
        history_write(history, (struct history_event){
                .kind = HISTORY_HELD, .slot = (uint16_t)slot, .record = record, .client = client,
                .held = { .start = r->start, .width = r->width, .t0 = r->t0, .t1 = r->t1,
                          .lane = lane } });
}

void history_client(struct history *history, const struct history_client *client) {
        struct history_event event = {
                .kind = HISTORY_CLIENT, .client = client->client,
                .client_is = { .pid = client->pid, .uid = client->uid,
                               .start_unix_ms = client->start_unix_ms } };
        size_t length = strlen(client->cgroup), at = 0;

        memcpy(event.client_is.comm, client->comm,
               strnlen(client->comm, sizeof(event.client_is.comm)));
        history_write(history, event);
        for (unsigned part = 0; at < length && part < HISTORY_CGROUP_PARTS; part++) {
                size_t n = length - at < HISTORY_CGROUP_PART ? length - at : HISTORY_CGROUP_PART;

                event = (struct history_event){ .kind = HISTORY_CGROUP, .slot = (uint16_t)part,
                                                .client = client->client };
                memcpy(event.cgroup, client->cgroup + at, n);
                history_write(history, event);
                at += n;
        }
}
