/* SPDX-License-Identifier: MIT */
/* What happens to a fleet: to hosts, to the way there, and to the coordinator. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_world.h"

#define REPAIRS 4u

/* What a person puts back after a while. */
static struct {
        char *key, *value;
} repairs[REPAIRS];

static struct sim_host *any_host(void) {
        return &fleet_world.hosts[fleet_below(fleet_world.rules.hosts)];
}

static int64_t sign(void) {
        return fleet_chance(2) ? 1 : -1;
}

/* ---- hosts */

static void stop_process(struct sim_host *host) {
        int64_t ns = fleet_spread(10 * MS, 30 * MINUTE);

        if (host->stopped_until_ns > fleet_world.now_ns)
                return;
        host_promise(host);
        host->stopped_until_ns = fleet_world.now_ns + ns;
        fleet_world.sum.stalls++;
        if (!fleet_chance(3))
                return; /* SIGSTOP, or suspend */
        /* a virtual machine: its boot clock stands still as well */
        host->base_boot_ns = host_boot_ns(host) - ns - ns / 1000000 * host->rate_ppm;
        host->base_true_ns = fleet_world.now_ns;
        if (fleet_chance(2) && fleet_world.rules.attack_every_ns == 0)
                host->wall_ahead_ns -= ns;
        fleet_trace(host, "is a virtual machine that is paused");
}

static void step_clock(struct sim_host *host) {
        fleet_world.sum.steps++;
        if (fleet_chance(3))
                host->wall_ahead_ns = 0;
        else
                host->wall_ahead_ns = sign() * fleet_spread(MS, fleet_world.rules.clocks_within_ns);
        fleet_trace(host, "wall clock %+.3f s", (double)host->wall_ahead_ns / 1e9);
}

static void cut(struct sim_host *host) {
        int64_t until_ns = fleet_world.now_ns + fleet_spread(100 * MS, 30 * MINUTE);
        uint64_t way = fleet_below(3);

        fleet_world.sum.cuts++;
        if (way != 0)
                host->requests_lost_ns = until_ns;
        if (way != 1)
                host->answers_lost_ns = until_ns;
        fleet_trace(host, "cut off (%d) until %.3f", (int)way, (double)until_ns / 1e9);
}

/* Another machine begins with a copy of its disk, or of the state directory alone; or
 * another daemon on the same one does. */
static void copy(struct sim_host *host) {
        struct sim_host *other = any_host();

        if (other == host || other->region != host->region)
                return;
        host_crash(other);
        host_new_machine(other);
        other->memory = host->memory;
        memcpy(other->who.machine_id, host->who.machine_id, RECORD_HEX);
        other->known = host->known;
        other->configured = host->configured;
        if (fleet_chance(2))
                memcpy(other->who.directory, host->who.directory, RECORD_NAME);
        else if (fleet_chance(2))
                memcpy(other->who.boot_id, host->who.boot_id, RECORD_HEX);
        fleet_world.sum.copies++;
        fleet_trace(other, "is a copy of host %u", host->index);
        host_start(other);
}

static void replace(struct sim_host *host) {
        host_crash(host);
        host_new_machine(host);
        fleet_world.sum.replaced++;
        fleet_trace(host, "is another machine");
        host_start(host);
}

void chaos_replace(void) {
        if (fleet_world.now_ns >= fleet_world.churn_until_ns)
                return;
        replace(any_host());
        fleet_schedule(fleet_world.now_ns + fleet_world.rules.replace_every_ns, FLEET_REPLACE, 0,
                       0, NULL);
}

/* ---- the coordinator */

static void disturb_coordinator(void) {
        struct memory_coordinator *memory = &fleet_world.memory;

        switch (fleet_below(4)) {
        case 0:
                fleet_trace(NULL, "another leader");
                memory_restart(memory);
                break;
        case 1:
                fleet_world.memory_ppm = (int64_t)fleet_below(100001) - 50000;
                break;
        case 2:
                fleet_world.outage_ns = fleet_world.now_ns + fleet_spread(100 * MS, 5 * MINUTE);
                fleet_trace(NULL, "no coordinator until %.3f", (double)fleet_world.outage_ns / 1e9);
                break;
        default:
                if (memory->n_living == 0)
                        break;
                fleet_world.sum.revoked++;
                memory_session_end(memory, memory->sessions[fleet_below(memory->n_living)].id);
                break;
        }
}

static void keep_for_repair(const struct memory_key *key) {
        size_t i = 0;

        while (i < REPAIRS && repairs[i].key != NULL && strcmp(repairs[i].key, key->key) != 0)
                i++;
        if (i == REPAIRS || repairs[i].key != NULL)
                return;
        repairs[i].key = strdup(key->key);
        repairs[i].value = strdup(key->value);
        fleet_schedule(fleet_world.now_ns + fleet_spread(SECOND, 5 * MINUTE), FLEET_REPAIR, 0, 0,
                       NULL);
}

void chaos_repair(void) {
        for (size_t i = 0; i < REPAIRS && repairs[i].key != NULL; i++)
                memory_put(&fleet_world.memory, repairs[i].key, repairs[i].value);
        chaos_end();
}

void chaos_end(void) {
        for (size_t i = 0; i < REPAIRS; i++) {
                free(repairs[i].key);
                free(repairs[i].value);
                repairs[i].key = repairs[i].value = NULL;
        }
}

static bool gone(const struct memory_key *key) {
        static struct record_host record;
        const char *nonce = strstr(key->key, "/host/");

        if (nonce == NULL || record_host_parse(key->value, &fleet_world.rules.layout, nonce + 6,
                                               &record) < 0)
                return false;
        check_gone((uint32_t)strtoul(key->key + strlen("region/"), NULL, 10), &record);
        return true;
}

/* A value cut short, of a version that is not read, or with another letter somewhere. */
static void spoil(const char *name, const char *value) {
        char *text = strdup(value);
        size_t length = strlen(text);

        if (fleet_chance(3) && length > 12)
                text[11] = '3'; /* the next version is read */
        else if (fleet_chance(2))
                text[fleet_below(length)] = '\0';
        else
                text[length - 1] = 'x';
        memory_put(&fleet_world.memory, name, text);
        free(text);
}

static void damage(void) {
        struct memory_coordinator *memory = &fleet_world.memory;
        const struct memory_key *key;
        char *name;

        /* all regions have begun, and most worker IDs remain */
        if (memory->n_keys == 0 || fleet_world.rules.attack_every_ns != 0 || fleet_world.now_ns < fleet_world.rules.begin_within_ns + MINUTE ||
            fleet_world.sum.damages * 8 > fleet_world.rules.hosts + 8)
                return;
        key = memory->keys[fleet_below(memory->n_keys)];
        if (!gone(key) && strstr(key->key, "/alive/") == NULL)
                keep_for_repair(key);
        name = strdup(key->key);
        fleet_trace(NULL, "damage to %s", name);
        fleet_world.sum.damages++;
        if (fleet_chance(2))
                memory_put(memory, name, NULL);
        else
                spoil(name, key->value);
        free(name);
}

/* ---- both */

void chaos_settle(void) {
        fleet_trace(NULL, "all is well");
        fleet_world.rules.calm = true;
        fleet_world.memory_ppm = 0;
        fleet_world.outage_ns = 0;
        for (unsigned i = 0; i < fleet_world.rules.hosts; i++) {
                struct sim_host *host = &fleet_world.hosts[i];

                host->wall_ahead_ns = 0;
                host->requests_lost_ns = host->answers_lost_ns = 0;
                if (host->over)
                        host_stop(host);
        }
        fleet_world_run(fleet_world.now_ns + 35 * MINUTE, UINT64_MAX);
        /* its own workers were taken while it could not be reached */
        for (unsigned i = 0; i < fleet_world.rules.hosts; i++)
                if (fleet_world.hosts[i].over)
                        host_stop(&fleet_world.hosts[i]);
        fleet_world_run(fleet_world.now_ns + 5 * MINUTE, UINT64_MAX);
}

void chaos(void) {
        struct sim_host *host = any_host();
        uint64_t what = fleet_below(100);

        if (fleet_world.rules.calm)
                return;
        fleet_schedule(fleet_world.now_ns + 1 + (int64_t)fleet_below(
                               (uint64_t)fleet_world.rules.chaos_every_ns * 2),
                       FLEET_CHAOS, 0, 0, NULL);
        if (what < 15)
                host_stop(host);
        else if (what < 30)
                host_crash(host);
        else if (what < 36)
                host_reboot(host);
        else if (what < 52)
                stop_process(host);
        else if (what < 64)
                step_clock(host);
        else if (what < 80)
                cut(host);
        else if (what < 84)
                replace(host);
        else if (what < 87)
                copy(host);
        else if (what < 90) {
                host_crash(host);
                host_new_directory(host);
        } else if (what < 98)
                disturb_coordinator();
        else
                damage();
}
