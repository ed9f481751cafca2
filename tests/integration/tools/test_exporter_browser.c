/* SPDX-License-Identifier: MIT */
/* The page of sfshm-exporter(8) in a real browser. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/support/exporter.h"
#include "tests/support/private_daemon.h"

static struct private_daemon d;
static struct exporter e;
static struct exporter_reply reply;

/* What the browser made of the page, and what it complained about. */
static void browse(void) {
        char command[512];
        FILE *browser;

        snprintf(command, sizeof(command),
                 "chromium --headless --no-sandbox --disable-gpu --enable-logging=stderr "
                 "--user-data-dir=%s/chromium --dump-dom http://127.0.0.1:%u/ 2>&1",
                 d.directory, e.port);
        browser = popen(command, "r");
        cr_assert_not_null(browser);
        reply.size = fread(reply.text, 1, sizeof(reply.text) - 1, browser);
        reply.text[reply.size] = '\0';
        cr_expect_eq(pclose(browser), 0, "%s", reply.text);
}

static bool has(const char *part) {
        return strstr(reply.text, part) != NULL;
}

static bool shows(const char *part) {
        exporter_get(&e, "/", &reply);
        return reply.status == 200 && has(part);
}

static void expect_no_violation(void) {
        cr_expect(!has("Content Security Policy") && !has("CONSOLE"), "%s", reply.text);
}

Test(exporter_browser, shows_what_the_daemon_does, .timeout = 240) {
        if (system("command -v chromium >/dev/null") != 0)
                cr_skip("chromium is not installed");
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        exporter_start(&e, &d, "");
        UNTIL(shows("hands out IDs") && !shows("<dt>IDs per second</dt><dd>–</dd>"));
        browse();
        cr_expect(has("hands out IDs</p>") && has("<dt>IDs per second</dt><dd>") &&
                          has("<path class=\"area\" d=\"M") && has("<h2>Lease and region</h2>"),
                  "%s", reply.text);
        expect_no_violation();
        private_daemon_signal(&d, SIGKILL, true);
        UNTIL(shows("<div class=\"state bad\"><b>not running</b>"));
        browse();
        cr_expect(has("its ticker died"), "%s", reply.text);
        expect_no_violation();
        exporter_stop(&e);
        private_daemon_remove(&d);
}
