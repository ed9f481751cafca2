/* SPDX-License-Identifier: MIT */
#include "daemon/util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/util/time.h"

/* The longest sentence; escaped it may be four times as long. A line is one write whatever
 * its length, but writes to pipes are atomic only up to PIPE_BUF. */
#define SENTENCE_MAX 2048u
#define CUT_MARK " [cut]"

struct line {
        char text[4 * SENTENCE_MAX + 256];
        size_t length;
};

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",
};

/* Checked for each line: a redirected stderr counts at once, and threads need not share a
 * cached answer. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        struct stat st;
        char own[64];

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, own) == 0;
}

/* The last byte is reserved for the newline. */
static void line_put(struct line *line, const char *bytes, size_t n) {
        if (n > sizeof(line->text) - 1 - line->length)
                return;
        memcpy(line->text + line->length, bytes, n);
        line->length += n;
}

static void line_put_escaped(struct line *line, const char *text) {
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;
                char escaped[8];

                if (c == '\\') {
                        line_put(line, "\\\\", 2);
                } else if (c >= 0x20 && c < 0x7f) {
                        line_put(line, text, 1);
                } else {
                        snprintf(escaped, sizeof(escaped), "\\x%02x", c);
                        line_put(line, escaped, 4);
                }
        }
}

static void line_put_head(struct line *line, enum log_level level) {
        char head[64];

        if (stderr_is_journal())
                snprintf(head, sizeof(head), "<%d>", (int)level);
        else
                snprintf(head, sizeof(head), "sfshmd[%d]: %s: ", (int)getpid(), level_names[level]);
        line_put(line, head, strlen(head));
}

/* As much of the sentence as fits, and a mark if it was cut. */
__attribute__((format(printf, 2, 0)))
static void format_sentence(char sentence[static SENTENCE_MAX], const char *format, va_list args) {
        int n = vsnprintf(sentence, SENTENCE_MAX, format, args);

        if (n < 0)
                strcpy(sentence, "(a message that cannot be formatted)");
        else if ((size_t)n >= SENTENCE_MAX)
                strcpy(sentence + SENTENCE_MAX - sizeof(CUT_MARK), CUT_MARK);
}

__attribute__((format(printf, 3, 0)))
static void log_line(enum log_level level, const char *event, const char *format, va_list args) {
        int saved_errno = errno;
        char sentence[SENTENCE_MAX];
        struct line line;
        ssize_t written;

        format_sentence(sentence, format, args);
        line.length = 0;
        line_put_head(&line, level);
        line_put_escaped(&line, sentence);
        line_put(&line, " (event=", 8);
        line_put_escaped(&line, event);
        line_put(&line, ")", 1);
        line.text[line.length++] = '\n';
        do
                written = write(STDERR_FILENO, line.text, line.length);
        while (written < 0 && errno == EINTR);
        /* a log that cannot be written cannot be reported anywhere */
        errno = saved_errno;
}

void log_event(enum log_level level, const char *event, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_line(level, event, format, args);
        va_end(args);
}

int log_failure(int error, const char *event, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_line(LOG_LEVEL_ERROR, event, format, args);
        va_end(args);
        return -error;
}

bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns,
                        char ret_more[LOG_RATELIMIT_TEXT]) {
        if (now_ns < ratelimit->open_ns) {
                ratelimit->suppressed++;
                return false;
        }
        ret_more[0] = '\0';
        if (ratelimit->suppressed > 0)
                snprintf(ret_more, LOG_RATELIMIT_TEXT, " (%" PRIu64 " more before)",
                         ratelimit->suppressed);
        ratelimit->suppressed = 0;
        ratelimit->open_ns = now_ns + NS_PER_S;
        return true;
}
