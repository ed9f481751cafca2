/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_line.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUT_MARK " [cut]"

struct text {
        char bytes[4 * LOG_SENTENCE_MAX + 256];
        size_t length;
};

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",
};

/* The last write ended within a line. Relaxed: one thread at a time, see log_line_write(). */
static atomic_bool torn;

void log_line_format(struct log_line *line, struct log_event event, uint64_t more,
                     const char *format, va_list args) {
        int n = vsnprintf(line->sentence, LOG_SENTENCE_MAX, format, args);

        if (n < 0)
                strcpy(line->sentence, "(a message that cannot be formatted)");
        else if ((size_t)n >= LOG_SENTENCE_MAX)
                strcpy(line->sentence + LOG_SENTENCE_MAX - sizeof(CUT_MARK), CUT_MARK);
        line->event = event;
        line->more = more;
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

/* The last byte is reserved for the newline. */
static void text_put(struct text *text, const char *bytes, size_t n) {
        if (n > sizeof(text->bytes) - 1 - text->length)
                return;
        memcpy(text->bytes + text->length, bytes, n);
        text->length += n;
}

static void text_put_escaped(struct text *text, const char *from) {
        for (; *from; from++) {
                unsigned char c = (unsigned char)*from;
                char escaped[8];

                if (c == '\\') {
                        text_put(text, "\\\\", 2);
                } else if (c >= 0x20 && c < 0x7f) {
                        text_put(text, from, 1);
                } else {
                        snprintf(escaped, sizeof(escaped), "\\x%02x", c);
                        text_put(text, escaped, 4);
                }
        }
}

static void text_put_head(struct text *text, enum log_level level) {
        char head[64];

        if (stderr_is_journal())
                snprintf(head, sizeof(head), "<%d>", (int)level);
        else
                snprintf(head, sizeof(head), "sfshmd[%d]: %s: ", (int)getpid(), level_names[level]);
        text_put(text, head, strlen(head));
}

static void text_put_more(struct text *text, uint64_t more) {
        char note[48];

        if (more == 0)
                return;
        snprintf(note, sizeof(note), " (%" PRIu64 " more before)", more);
        text_put(text, note, strlen(note));
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

int log_line_write(const struct log_line *line) {
        struct text text;

        text.length = 0;
        if (atomic_load_explicit(&torn, memory_order_relaxed))
                text_put(&text, "\n", 1);
        text_put_head(&text, line->event.level);
        text_put_escaped(&text, line->sentence);
        text_put_more(&text, line->more);
        text_put(&text, " (event=", 8);
        text_put(&text, line->event.name, strlen(line->event.name));
        text_put(&text, ")", 1);
        text.bytes[text.length++] = '\n';
        return write_all(text.bytes, text.length);
}
