/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/util/log_journal.h"
#include "daemon/util/log_json.h"
#include "daemon/util/log_text.h"

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",
};

/* The last write ended within a line. Relaxed: one thread at a time, see log_output_write(). */
static atomic_bool torn;

static bool as_json;

void log_output_json(bool json) {
        as_json = json;
}

/* Checked for each line: a redirected standard error counts at once, and threads need not
 * share a cached answer. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat st;
        char own[64];

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, own) == 0;
}

/* Standard error may be non-blocking: its file is shared with others, who may have set that.
 * Then this waits in poll() for what a blocking write() waits for. */
static int write_all(const char *bytes, size_t length) {
        struct pollfd writable = { .fd = STDERR_FILENO, .events = POLLOUT };
        size_t done = 0;

        while (done < length) {
                ssize_t n = write(STDERR_FILENO, bytes + done, length - done);

                if (n > 0)
                        done += (size_t)n;
                else if (n < 0 && errno == EAGAIN)
                        /* the pause: not every file means by POLLOUT that there is room */
                        (void)(poll(&writable, 1, -1) + poll(NULL, 0, 10));
                else if (n == 0 || errno != EINTR)
                        break;
        }
        if (done > 0)
                atomic_store_explicit(&torn, bytes[done - 1] != '\n', memory_order_relaxed);
        return done == length ? 0 : -errno;
}

static void put_line(struct log_text *text, const struct log_line *line, bool journal) {
        if (journal)
                log_text_format(text, "<%d>", (int)line->event.level);
        else
                log_text_format(text, "sfshmd[%d]: %s: ", (int)getpid(),
                                level_names[line->event.level]);
        log_text_escape(text, line->sentence);
        if (line->more > 0)
                log_text_format(text, " (%" PRIu64 " more before)", line->more);
        log_text_format(text, " (event=%s)\n", line->event.name);
}

int log_output_write(const struct log_line *line) {
        bool journal = stderr_is_journal();
        struct log_text text;

        if (journal && log_journal_send(line) == 0)
                return 0;
        text.length = 0;
        if (atomic_load_explicit(&torn, memory_order_relaxed))
                log_text_put(&text, "\n", 1);
        if (as_json && !journal)
                log_json_put(&text, line);
        else
                put_line(&text, line, journal);
        return write_all(text.bytes, text.length);
}
