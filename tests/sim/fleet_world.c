/* SPDX-License-Identifier: MIT */
#include "fleet_world.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/util/log.h"
#include "fiber.h"
#include "tests/support/random.h"

struct fleet_world fleet_world;

/* A heap: the next one first, in the order of their making among equals. */
static struct {
        struct fleet_event *events;
        size_t n, size;
        uint64_t made;
} queue;

uint64_t fleet_below(uint64_t limit) {
        return random_below(&fleet_world.random, limit);
}

bool fleet_chance(uint64_t one_in) {
        return fleet_below(one_in) == 0;
}

int64_t fleet_spread(int64_t least_ns, int64_t most_ns) {
        int64_t ns = least_ns;

        while (ns < most_ns && !fleet_chance(4))
                ns *= 2;
        ns += (int64_t)fleet_below((uint64_t)ns);
        return ns < most_ns ? ns : most_ns;
}

/* ---- what is told */

__attribute__((format(printf, 2, 0))) static void
say(const struct sim_host *host, const char *format, va_list arguments) {
        fprintf(stderr, "%14.6f ", (double)fleet_world.now_ns / 1e9);
        if (host != NULL)
                fprintf(stderr, "host %u.%u ", host->index, host->life);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
}

void fleet_trace(const struct sim_host *host, const char *format, ...) {
        va_list arguments;

        if (!fleet_world.loud)
                return;
        va_start(arguments, format);
        say(host, format, arguments);
        va_end(arguments);
}

void fleet_fail(const char *format, ...) {
        char text[500];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        fleet_trace(NULL, "%s", text);
        cr_assert_fail("%s; history %" PRIu64 " with %" PRIu32 " hosts, at %.6f s: run again with "
                       "SFSHM_SEED=%" PRIu64, text, fleet_world.seed, fleet_world.rules.hosts,
                       (double)fleet_world.now_ns / 1e9, fleet_world.seed);
        abort();
}

void log_event_at(struct log_ratelimit *ratelimit, struct log_event event, const char *format,
                  ...) {
        char text[600];
        va_list arguments;

        (void)ratelimit;
        if (!fleet_world.loud)
                return;
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        fleet_trace(NULL, "  log %s: %s", event.name, text);
}

int log_failure_at(struct log_ratelimit *ratelimit, int error, struct log_event event,
                   const char *format, ...) {
        char text[600];
        va_list arguments;

        (void)ratelimit;
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        fleet_trace(NULL, "  failure %s: %s", event.name, text);
        snprintf(fleet_world.failure, sizeof(fleet_world.failure), "%s", event.name);
        if (strcmp(event.name, "coordinator-old") == 0 && fleet_world.rules.attack_every_ns == 0)
                fleet_fail("nobody put a copy back: %s", text);
        return -error;
}

/* ---- events */

static bool before(const struct fleet_event *a, const struct fleet_event *b) {
        return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void fleet_schedule(int64_t at_ns, enum fleet_event_kind kind, unsigned host, uint64_t number,
                    struct message *message) {
        const struct fleet_event event = { at_ns, queue.made++, kind, host, number, message };
        size_t at = queue.n++;

        if (queue.n > queue.size) {
                queue.size = queue.size * 2 + 64;
                queue.events = realloc(queue.events, queue.size * sizeof(*queue.events));
                cr_assert_not_null(queue.events);
        }
        for (; at > 0 && before(&event, &queue.events[(at - 1) / 2]); at = (at - 1) / 2)
                queue.events[at] = queue.events[(at - 1) / 2];
        queue.events[at] = event;
}

static struct fleet_event take_event(void) {
        struct fleet_event first = queue.events[0], last = queue.events[--queue.n];
        size_t at = 0, child;

        for (; (child = 2 * at + 1) < queue.n; at = child) {
                child += child + 1 < queue.n &&
                         before(&queue.events[child + 1], &queue.events[child]);
                if (!before(&queue.events[child], &last))
                        break;
                queue.events[at] = queue.events[child];
        }
        if (queue.n > 0)
                queue.events[at] = last;
        return first;
}

/* A stopped process sees nothing before it goes on, and then in any order. */
static bool put_off(const struct fleet_event *event) {
        const struct sim_host *host = &fleet_world.hosts[event->host];

        if (host->stopped_until_ns <= fleet_world.now_ns)
                return false;
        fleet_schedule(host->stopped_until_ns + (int64_t)fleet_below(100) * US, event->kind,
                       event->host, event->number, event->message);
        return true;
}

static void happen_to(struct sim_host *host, const struct fleet_event *event) {
        if (put_off(event))
                return;
        if (event->kind == FLEET_START && !host->up && host->life == event->number) {
                host_start(host);
        } else if (event->kind == FLEET_TURN && host->up && host->life == event->number &&
                   host->fiber == NULL) {
                host_turn(host);
        } else if (event->kind == FLEET_TIMEOUT && host->fiber != NULL &&
                   host->call == event->number) {
                host->answer = NULL;
                host_resume(host);
        } else if (event->kind == FLEET_ANSWER) {
                message_answer(host, event->message, event->number);
        }
}

void fleet_memory_time(void) {
        int64_t ns = fleet_world.now_ns - fleet_world.memory_at_ns;

        fleet_world.memory_base_ns += ns + ns / 1000000 * fleet_world.memory_ppm;
        fleet_world.memory_at_ns = fleet_world.now_ns;
        fleet_world.memory.now_ns = fleet_world.memory_base_ns;
}

static void happen(const struct fleet_event *event) {
        fleet_world.now_ns = event->at_ns;
        fleet_world.sum.events++;
        fleet_memory_time();
        if (event->kind == FLEET_ARRIVE)
                message_arrive(event->message);
        else if (event->kind == FLEET_CHAOS)
                chaos();
        else if (event->kind == FLEET_REPLACE)
                chaos_replace();
        else if (event->kind == FLEET_REPAIR)
                chaos_repair();
        else if (event->kind == FLEET_ATTACK)
                attack();
        else if (event->kind == FLEET_OPERATOR)
                attack_operator();
        else
                happen_to(&fleet_world.hosts[event->host], event);
}

void fleet_world_run(int64_t until_ns, uint64_t n_events) {
        while (queue.n > 0 && queue.events[0].at_ns <= until_ns && n_events-- > 0) {
                struct fleet_event event = take_event();

                happen(&event);
        }
        if (queue.n == 0 || queue.events[0].at_ns > until_ns)
                fleet_world.now_ns = until_ns > fleet_world.now_ns && until_ns != INT64_MAX ?
                                             until_ns : fleet_world.now_ns;
        fleet_memory_time();
}

void fleet_begin(uint64_t seed, const struct fleet_rules *rules) {
        fleet_world = (struct fleet_world){ .rules = *rules, .seed = seed,
                                            .random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15),
                                            .loud = getenv("SFSHM_SEED") != NULL,
                                            .churn_until_ns = INT64_MAX };
        for (int i = 0; i < 8; i++)
                (void)fleet_below(2);
        memory_begin_space(&fleet_world.memory, &rules->layout, 0);
        attack_begin();
        check_fleet_begin();
        fleet_world.hosts = calloc(rules->hosts, sizeof(*fleet_world.hosts));
        cr_assert_not_null(fleet_world.hosts);
        for (unsigned i = 0; i < rules->hosts; i++) {
                struct sim_host *host = &fleet_world.hosts[i];
                int64_t at_ns = (int64_t)fleet_below((uint64_t)rules->begin_within_ns);

                host->index = i;
                host->region = i & ((1u << rules->layout.region_bits) - 1);
                host->configured = 1;
                while (host->configured < rules->counts && fleet_chance(2))
                        host->configured *= 2;
                host->max_count = rules->calm ? host->configured
                                              : host->configured << fleet_below(3);
                host_new_machine(host);
                fleet_schedule(at_ns, FLEET_START, i, host->life, NULL);
        }
        if (rules->chaos_every_ns > 0)
                fleet_schedule(rules->chaos_every_ns, FLEET_CHAOS, 0, 0, NULL);
        if (rules->replace_every_ns > 0)
                fleet_schedule(rules->begin_within_ns + rules->replace_every_ns, FLEET_REPLACE, 0,
                               0, NULL);
}

void fleet_end(void) {
        for (unsigned i = 0; i < fleet_world.rules.hosts; i++)
                host_crash(&fleet_world.hosts[i]);
        while (queue.n > 0)
                message_free(take_event().message);
        free(queue.events);
        queue.events = NULL;
        queue.size = 0;
        fiber_end();
        chaos_end();
        attack_end();
        check_fleet_end();
        memory_end(&fleet_world.memory);
        free(fleet_world.hosts);
        fleet_world.hosts = NULL;
}
