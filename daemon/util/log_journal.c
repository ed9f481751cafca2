/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_journal.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/util/log_text.h"

const char *log_journal_socket = "/run/systemd/journal/socket";

/* A value with a newline has its length before it, in eight bytes. */
static void put_field(struct log_text *text, const char *name, const char *value) {
        uint64_t length = htole64(strlen(value));

        log_text_string(text, name);
        if (strchr(value, '\n') == NULL) {
                log_text_put(text, "=", 1);
        } else {
                log_text_put(text, "\n", 1);
                log_text_put(text, (const char *)&length, sizeof(length));
        }
        log_text_string(text, value);
        log_text_put(text, "\n", 1);
}

/* As the line on standard error would be: what forges nothing on a terminal. */
static void put_message(struct log_text *text, const struct log_line *line) {
        log_text_string(text, "MESSAGE=");
        log_text_escape(text, line->sentence);
        if (line->more > 0)
                log_text_format(text, " (%" PRIu64 " more before)", line->more);
        log_text_format(text, " (event=%s)\n", line->event.name);
}

static void put_line(struct log_text *text, const struct log_line *line) {
        struct log_field_view field;
        size_t at = 0;

        put_message(text, line);
        log_text_format(text, "PRIORITY=%d\nSYSLOG_IDENTIFIER=sfshmd\n", (int)line->event.level);
        put_field(text, "SFSHM_EVENT", line->event.name);
        put_field(text, "MESSAGE_ID", line->event.message_id);
        while (log_fields_next(&line->fields, &at, &field))
                put_field(text, field.name, field.value);
        if (line->more > 0)
                log_text_format(text, "SUPPRESSED=%" PRIu64 "\n", line->more);
        if (line->dropped > 0)
                log_text_format(text, "DROPPED=%" PRIu64 "\n", line->dropped);
}

int log_journal_send(const struct log_line *line) {
        static int fd = -1; /* not connected: the journal's daemon may be another one now */
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct log_text text = { .length = 0 };
        ssize_t n;

        if (fd < 0)
                fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", log_journal_socket);
        put_line(&text, line);
        do {
                n = sendto(fd, text.bytes, text.length, MSG_NOSIGNAL,
                           (const struct sockaddr *)&address, sizeof(address));
        } while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}
