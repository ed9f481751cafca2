/* SPDX-License-Identifier: MIT */
/*
 * sfshm-stat(1) on segments made up here: it tells a dead daemon from a live
 * one without asking it, and believes no count or version unchecked.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/statistics.h"
#include "tests/support/scratch.h"
#include "tests/support/tool.h"

#define CLIENTS 2u

static struct tool_result result;
static char directory[SCRATCH_MAX];
static struct clock_segment clock_segment;
static struct {
        struct statistics_segment header;
        struct statistics_client clients[CLIENTS];
} statistics;

static int64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_boot_id(uint8_t ret[16]) {
        FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
        unsigned byte;

        cr_assert_not_null(file);
        for (int i = 0; i < 16; i++) {
                cr_assert_eq(
                        fscanf(file, i == 4 || i == 6 || i == 8 || i == 10 ? "-%2x" : "%2x", &byte),
                        1);
                ret[i] = (uint8_t)byte;
        }
        fclose(file);
}

static void write_file(const char *name, const void *data, size_t size) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        unlink(path);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, data, size), (ssize_t)size);
        close(fd);
}

/* A healthy, running daemon; the tests then break one thing. */
static void setup(void) {
        struct clock_line line = { .boot_base_ns = boottime_ns(), .guarded_base_ns = 5000000000 };

        scratch_directory(directory, "stat");
        memcpy(clock_segment.magic, CLOCK_MAGIC, 8);
        clock_segment.version = CLOCK_VERSION;
        clock_segment.size = CLOCK_SIZE;
        read_boot_id(clock_segment.boot_id);
        clock_segment.layout = id_layout_default;
        clock_segment.worker_first = 7;
        clock_segment.worker_count = 2;
        atomic_store(&clock_segment.state, CLOCK_STATE_RUNNING);
        atomic_store(&clock_segment.owner, 4242);
        atomic_store(&clock_segment.now, 5000);
        clock_latch_write(&clock_segment, &line);

        memcpy(statistics.header.magic, STATISTICS_MAGIC, 8);
        statistics.header.version = STATISTICS_VERSION;
        statistics.header.client_capacity = CLIENTS;
        statistics.header.size = sizeof(statistics);
        statistics.header.layout = id_layout_default;
        statistics.header.updated_boot_ns = boottime_ns();
        statistics.header.pid = 4241;
        statistics.header.worker_first = 7;
        statistics.header.worker_count = 2;
        statistics.header.client_count = 1;
        statistics.header.clients_offset = sizeof(statistics.header);
        strcpy(statistics.header.daemon_version, "9.8.7");
        statistics.header.worker_ids[0] = 1000;
        statistics.header.worker_ids[1] = 234;
        statistics.header.histograms.wait_overflow.buckets[metrics_bucket(1000000)] = 3;
        statistics.header.histograms.wait_overflow.buckets[METRICS_BUCKETS - 1] = 1;
        statistics.header.histograms.wait_overflow.sum_ns = UINT64_C(20001500000);
        statistics.header.counters.overflows_waited = 4;
        statistics.header.counters.clients = 1;
        statistics.header.counters.fence_unix_ms = ID_DEFAULT_EPOCH_UNIX_MS + 605000;
        statistics.clients[0] = (struct statistics_client){ .client = 1, .pid = 99, .ids = 1234 };
        memcpy(statistics.clients[0].comm, "evil\033]0;x\"\\\n56789", 16);
}

static void cleanup(void) {
        char path[128];

        snprintf(path, sizeof(path), "%s/clock", directory);
        unlink(path);
        snprintf(path, sizeof(path), "%s/statistics", directory);
        unlink(path);
        snprintf(path, sizeof(path), "%s/statistics.new", directory);
        unlink(path);
        rmdir(directory);
}
TestSuite(stat, .init = setup, .fini = cleanup);

static void run(const char *const arguments[]) {
        tool_run(&result, "SFSHM_STAT_TOOL", arguments, "", 0);
}
static void publish(void) {
        write_file("clock", &clock_segment, sizeof(clock_segment));
        write_file("statistics", &statistics, sizeof(statistics));
}
#define RUN(...) \
        run(TOOL_ARGUMENTS("--shm", directory, __VA_ARGS__))

static void expect(int status, const char *part) {
        cr_assert_eq(result.status, status, "status %d: %s", result.status, result.err);
        cr_assert(strstr(result.out, part) || strstr(result.err, part), "'%s' is not in: %s%s",
                  part, result.out, result.err);
}

Test(stat, shows_a_running_daemon) {
        publish();
        RUN("--clients");
        expect(0, "9.8.7, pid 4241");
        expect(0, "ticker running");
        expect(0, "worker 7    1000");
        expect(0, "IDs        1234");
        expect(0, "fence      ");
}

/* red when judge_segment() ignores the owner word */
Test(stat, says_that_the_ticker_died) {
        atomic_store(&clock_segment.owner, CLOCK_OWNER_DIED | 4242);
        publish();
        RUN("--shm", directory);
        expect(3, "sfshmd is not running (its ticker died");
        expect(3, "it was pid 4241");
        RUN("--json");
        expect(3, "\"state\":\"dead\"");
        RUN("--prometheus");
        expect(0, "sfshm_up 0\n");
        expect(0, "\nsfshm_snapshot_age_seconds ");
        expect(0, "sfshm_ids_total{worker=\"7\"} 1000\n");
        RUN("--check");
        expect(2, "CRITICAL: sfshmd is not running (its ticker died");
        RUN("0.01", "2");
        expect(3, "DEAD");
}

Test(stat, says_that_the_daemon_was_stopped) {
        atomic_store(&clock_segment.owner, 0);
        publish();
        RUN("--json");
        expect(3, "sfshmd is not running (it was stopped");
}

/* a live owner word of another boot; red without the comparison of boot IDs */
Test(stat, does_not_take_an_earlier_boot_for_life) {
        clock_segment.boot_id[3] ^= 1;
        publish();
        RUN("--json");
        expect(3, "from before the last reboot");
}

Test(stat, needs_no_statistics_to_see_death) {
        atomic_store(&clock_segment.owner, 0);
        write_file("clock", &clock_segment, sizeof(clock_segment));
        RUN("--json");
        expect(3, "\"state\":\"dead\"");
}

Test(stat, names_what_it_looked_for) {
        char path[128];

        RUN("--json");
        snprintf(path, sizeof(path), "%s/clock does not exist", directory);
        expect(3, path);
        expect(3, "\"state\":\"dead\",\"answers\":false");
        RUN("--prometheus");
        expect(0, "sfshm_up 0\n");
}

Test(stat, names_another_version) {
        clock_segment.version = 9;
        publish();
        RUN("--json");
        expect(1, "has version 9, this sfshm-stat understands 1");
        clock_segment.version = CLOCK_VERSION;
        statistics.header.version = 8;
        publish();
        RUN("--json");
        expect(1, "has version 8, this sfshm-stat understands 2");
}

/* red (a crash, or client 0 from beyond the file) without check_statistics() */
Test(stat, believes_no_count) {
        statistics.header.client_capacity = 1;
        statistics.header.client_count = CLIENTS; /* the file has that many */
        publish();
        RUN("--json");
        expect(1, "damaged");
        statistics.header.client_count = statistics.header.client_capacity = UINT32_MAX;
        publish();
        RUN("--json");
        expect(1, "damaged");
        statistics.header.client_count = statistics.header.client_capacity = CLIENTS;
        statistics.header.clients_offset = UINT32_MAX;
        publish();
        RUN("--json");
        expect(1, "damaged");
        statistics.header.clients_offset = sizeof(statistics.header);
        statistics.header.size = UINT64_MAX;
        publish();
        RUN("--json");
        expect(1, "damaged");
}

Test(stat, refuses_short_and_foreign_files) {
        char path[128];

        publish();
        write_file("clock", &clock_segment, 100);
        RUN("--json");
        expect(1, "was not made by sfshmd");
        clock_segment.magic[0] = 'x';
        publish();
        RUN("--json");
        expect(1, "was not made by sfshmd");
        clock_segment.magic[0] = CLOCK_MAGIC[0];
        publish();
        snprintf(path, sizeof(path), "%s/clock", directory);
        cr_assert_eq(chmod(path, 0666), 0);
        RUN("--json");
        expect(1, "was not made by sfshmd");
        unlink(path);
        cr_assert_eq(mkfifo(path, 0600), 0);
        RUN("--json");
        expect(1, "was not made by sfshmd");
}

/* the writer died in the middle; red when an odd sequence is taken for whole */
Test(stat, says_that_a_snapshot_is_torn) {
        atomic_store(&statistics.header.sequence, 7);
        publish();
        RUN("--json");
        expect(0, "\"torn\":true");
}

/* red when the name of a process reaches the terminal as it is */
Test(stat, does_not_let_a_client_steer_the_terminal) {
        publish();
        RUN("--clients");
        expect(0, "evil?]0;x???5678");
        RUN("--clients", "--json");
        expect(0, "\"evil\\u001b]0;x\\\"\\\\\\u000a5678\"");
}

Test(stat, shows_a_line_per_interval) {
        publish();
        RUN("0.01", "21");
        cr_assert_eq(result.status, 0, "%s", result.err);
        int lines = 0, headers = 0;

        for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"), lines++)
                headers += strstr(line, "IDs/s") != NULL;
        cr_assert_eq(lines, 23);
        cr_assert_eq(headers, 2);
}

/* Red when the first line waits for an interval. */
Test(stat, shows_the_first_line_at_once, .timeout = 60) {
        publish();
        RUN("31536000", "1");
        expect(0, "overfl/s");
        expect(0, "\n         -     -        -       -       1");
        RUN("--json", "31536000", "1");
        expect(0, "\"interval_s\":null");
}

/* Red when a column becomes wider than its share of 80. */
Test(stat, fits_80_columns_with_a_full_run_and_the_time) {
        unsigned hour, minute, second;

        clock_segment.worker_count = statistics.header.worker_count = 1000;
        statistics.header.counters.clients = 4096;
        statistics.header.counters.positions_standing = 2000000;
        statistics.header.counters.positions_elastic = 2096000;
        publish();
        RUN("-t", "0.01", "3");
        expect(0, "     UTC     IDs/s  %max");
        expect(0, " 4096000    run");
        for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n")) {
                cr_assert_leq(strlen(line), 80, "%s", line);
                if (strstr(line, "UTC") == NULL)
                        cr_assert_eq(sscanf(line, "%2u:%2u:%2u ", &hour, &minute, &second), 3, "%s",
                                     line);
        }
}

/* A daemon whose two workers issue half of what they can: whichever two snapshots are
 * compared, the rate is that. */
static void rewrite_statistics(void) {
        char from[160], to[160];

        snprintf(from, sizeof(from), "%s/statistics.new", directory);
        snprintf(to, sizeof(to), "%s/statistics", directory);
        for (;;) {
                statistics.header.updated_boot_ns = boottime_ns();
                statistics.header.worker_ids[0] =
                        (uint64_t)statistics.header.updated_boot_ns / 1000 * 4096 / 1000;
                write_file("statistics.new", &statistics, sizeof(statistics));
                rename(from, to);
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
}

/* Red when the ceiling is that of one worker. */
Test(stat, shows_the_share_of_the_ceiling, .timeout = 60) {
        bool shown = false;
        pid_t child;

        publish();
        child = fork_bound();
        if (child == 0)
                rewrite_statistics();
        while (!shown) { /* a slow machine may rewrite nothing in an interval */
                RUN("0.05", "2");
                cr_assert_eq(result.status, 0, "%s", result.err);
                shown = strstr(result.out, "  50.0 ") != NULL;
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
}

Test(stat, prints_prometheus_text) {
        publish();
        RUN("--prometheus");
        expect(0, "sfshm_ids_total{worker=\"7\"} 1000\n");
        expect(0, "sfshm_ids_total{worker=\"8\"} 234\n");
        expect(0, "sfshm_build_info{version=\"9.8.7\"} 1\n");
        expect(0, "sfshm_wait_seconds_bucket{reason=\"overflow\",le=\"0.000064\"} 0\n");
        expect(0, "sfshm_wait_seconds_bucket{reason=\"overflow\",le=\"0.000864\"} 0\n");
        expect(0, "sfshm_wait_seconds_bucket{reason=\"overflow\",le=\"0.001024\"} 3\n");
        expect(0, "sfshm_wait_seconds_bucket{reason=\"overflow\",le=\"16.777216\"} 3\n");
        expect(0, "sfshm_wait_seconds_bucket{reason=\"overflow\",le=\"+Inf\"} 4\n");
        expect(0, "sfshm_wait_seconds_sum{reason=\"overflow\"} 20.0015\n");
        expect(0, "sfshm_wait_seconds_count{reason=\"overflow\"} 4\n");
        expect(0, "sfshm_wait_seconds_count{reason=\"clock\"} 0\n");
        expect(0, "sfshm_overflows_total{outcome=\"waited\"} 4\n");
        expect(0, "sfshm_overflows_total{outcome=\"again\"} 0\n");
        expect(0, "sfshm_fence_timestamp_seconds 1735690205\n");
}

/* where the tool is installed: the format's own judge, of a live and of a dead daemon */
Test(stat, passes_promtool) {
        char command[512];

        if (system("command -v promtool >/dev/null") != 0)
                cr_skip("promtool is not installed");
        snprintf(command, sizeof(command),
                 "'%s' --shm %s --prometheus 2>/dev/null | promtool check metrics",
                 getenv("SFSHM_STAT_TOOL"), directory);
        cr_expect_eq(system(command), 0, "absent");
        publish();
        cr_expect_eq(system(command), 0, "alive");
        atomic_store(&clock_segment.owner, CLOCK_OWNER_DIED | 4242);
        publish();
        cr_expect_eq(system(command), 0, "dead");
}

Test(stat, names_bad_arguments) {
        static const char *const bad[] = { "0", "-1", "x", "1s", "0.001", "" };

        publish();
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                run(TOOL_ARGUMENTS("--", bad[i]));
                expect(2, "is not a number of seconds");
        }
        RUN("1", "0");
        expect(2, "COUNT: '0' is not a number above 0");
        RUN("1", "1", "1");
        expect(2, "one argument too many");
        RUN("--json", "--prometheus");
        expect(2, "exclude each other");
        RUN("-t");
        expect(2, "--time needs INTERVAL");
        RUN("-t", "--json", "1");
        expect(2, "--time needs INTERVAL");
        RUN("--colour");
        expect(2, "--help'.\n");
        RUN("--socket", "/x");
        expect(2, "exclude each other");
        RUN("--output", "/x");
        expect(2, "--output is for --prometheus");
        RUN("--check", "--json");
        expect(3, "--check takes only");
        RUN("--check", "1");
        expect(3, "--check takes only");
        RUN("--check", "--colour");
        expect(3, "--colour");
        RUN("--shm", "sfshm");
        expect(2, "--shm takes a name");
}
