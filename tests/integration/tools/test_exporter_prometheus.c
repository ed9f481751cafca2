/* SPDX-License-Identifier: MIT */
/* A real Prometheus scrapes sfshm-exporter(8). */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/exporter.h"
#include "tests/support/ports.h"
#include "tests/support/private_daemon.h"

static struct private_daemon d;
static struct exporter e, prometheus;
static struct exporter_reply reply;

static void configure(const char *path) {
        FILE *file = fopen(path, "we");

        cr_assert_not_null(file);
        fprintf(file,
                "global: {scrape_interval: 1s}\n"
                "scrape_configs:\n"
                "  - job_name: sfshm\n"
                "    static_configs: [{targets: ['127.0.0.1:%u']}]\n",
                e.port);
        fclose(file);
}

static void start_prometheus(void) {
        char path[128], config[160], storage[160], listen[80], log[160];

        snprintf(path, sizeof(path), "%s/prometheus.yml", d.directory);
        snprintf(config, sizeof(config), "--config.file=%s", path);
        snprintf(storage, sizeof(storage), "--storage.tsdb.path=%s/tsdb", d.directory);
        snprintf(log, sizeof(log), "%s/prometheus.log", d.directory);
        prometheus.port = port_reserve();
        snprintf(listen, sizeof(listen), "--web.listen-address=127.0.0.1:%u", prometheus.port);
        configure(path);
        prometheus.pid = fork_bound();
        if (prometheus.pid != 0)
                return;
        dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), STDERR_FILENO);
        execlp("prometheus", "prometheus", config, storage, listen, (char *)NULL);
        _exit(127);
}

/* The newest value of a series is that. */
static bool knows(const char *query, const char *value) {
        char path[128], end[32];
        int fd = exporter_connect(&prometheus);

        if (fd < 0)
                return false;
        close(fd);
        snprintf(path, sizeof(path), "/api/v1/query?query=%s", query);
        snprintf(end, sizeof(end), ",\"%s\"]}", value);
        exporter_get(&prometheus, path, &reply);
        return reply.status == 200 && strstr(reply.body, end) != NULL;
}

Test(exporter_prometheus, scrapes) {
        if (system("command -v prometheus >/dev/null") != 0)
                cr_skip("prometheus is not installed");
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        exporter_start(&e, &d, "");
        start_prometheus();
        UNTIL(knows("sfshm_up", "1"));
        UNTIL(knows("up%7Bjob=%22sfshm%22%7D", "1"));
        /* a scrape of one that hangs is answered in time, too */
        private_daemon_signal(&d, SIGSTOP, false);
        UNTIL(knows("sfshm_up", "0"));
        cr_expect(knows("up%7Bjob=%22sfshm%22%7D", "1"), "%s", reply.text);
        private_daemon_signal(&d, SIGCONT, false);
        UNTIL(knows("sfshm_up", "1"));
        kill(prometheus.pid, SIGKILL);
        waitpid(prometheus.pid, NULL, 0);
        exporter_stop(&e);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
