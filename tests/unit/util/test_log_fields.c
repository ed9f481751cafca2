/* SPDX-License-Identifier: MIT */
/* The fields of an event, as JSON and as messages of the journal's native protocol. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/util/log_journal.h"
#include "daemon/util/log_output.h"
#include "tests/support/capture.h"
#include "tests/support/scratch.h"
#include "tests/support/until.h"

static char directory[SCRATCH_MAX]; /* of the socket that stands for the journal's */
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static void clean_up(void) {
        if (directory[0] != '\0') {
                (void)unlink(address.sun_path);
                (void)rmdir(directory);
        }
}

TestSuite(log_fields, .timeout = 120, .fini = clean_up);

static json_t *take_object(void) {
        json_error_t error;
        const char *line = capture_take();
        json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

        cr_assert_not_null(object, "%s: %s", error.text, line);
        cr_assert(strchr(line, '\n') == line + strlen(line) - 1, "one line: %s", line);
        return object;
}

static const char *text_of(json_t *object, const char *name) {
        const char *text = json_string_value(json_object_get(object, name));

        cr_assert_not_null(text, "no text: %s", name);
        return text;
}

Test(log_fields, json_has_time_level_event_message_and_fields) {
        json_t *object, *fields;

        capture_begin();
        unsetenv("JOURNAL_STREAM");
        log_output_json(true);
        log_event(WITH(EVENT_REFUSED, FIELD(UID, 1000u), FIELD(OFFSET_NS, (int64_t)-5),
                       FIELD(FENCE_UNIX_MS, INT64_MAX), FIELD(SOCKET, "/run/x")), "client %d", 7);
        object = take_object();
        fields = json_object_get(object, "fields");
        cr_expect_str_eq(text_of(object, "level"), "warning");
        cr_expect_str_eq(text_of(object, "event"), "refused");
        cr_expect_str_eq(text_of(object, "message"), "client 7");
        cr_expect_eq(strlen(text_of(object, "time")), strlen("2026-11-23T15:04:05.678Z"));
        cr_expect_eq(json_integer_value(json_object_get(object, "pid")), getpid());
        cr_expect_eq(json_integer_value(json_object_get(fields, "UID")), 1000);
        cr_expect_eq(json_integer_value(json_object_get(fields, "OFFSET_NS")), -5);
        cr_expect_str_eq(text_of(fields, "SOCKET"), "/run/x");
        cr_expect_eq(json_object_size(object), 6);
        json_decref(object);
}

/* Every byte but NUL alone, a character of each length, and what only looks like one. */
Test(log_fields, json_escapes_everything) {
        char all[256], good[] = "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6 \"\\\b\n";
        json_t *object;

        for (int i = 0; i < 255; i++)
                all[i] = (char)(i + 1);
        all[255] = '\0';
        capture_begin();
        unsetenv("JOURNAL_STREAM");
        log_output_json(true);
        log_event(WITH(EVENT_STATE, FIELD(FILE, all)), "%s%s", all,
                  "\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82");
        json_decref(take_object());
        log_event(WITH(EVENT_STATE, FIELD(FILE, good)), "%s", good);
        object = take_object();
        cr_expect_str_eq(text_of(object, "message"), good);
        cr_expect_str_eq(text_of(json_object_get(object, "fields"), "FILE"), good);
        json_decref(object);
}

/* A failure has its error by itself; what does not fit is cut, and the line stays whole. */
Test(log_fields, json_is_bounded) {
        static char longest[100000];
        json_t *object;

        memset(longest, '\x01', sizeof(longest) - 1);
        capture_begin();
        unsetenv("JOURNAL_STREAM");
        log_output_json(true);
        cr_assert_eq(log_failure(ENOSPC, WITH(EVENT_STATE, FIELD(A, longest), FIELD(B, longest),
                                              FIELD(C, longest), FIELD(D, longest)), "%s",
                                 longest), -ENOSPC);
        object = take_object();
        cr_expect_eq(strlen(text_of(json_object_get(object, "fields"), "A")), LOG_VALUE_MAX);
        cr_expect_null(json_object_get(json_object_get(object, "fields"), "D"));
        json_decref(object);
        cr_assert_eq(log_failure(ENOSPC, EVENT_STATE, "full"), -ENOSPC);
        object = take_object();
        cr_expect_eq(json_integer_value(json_object_get(json_object_get(object, "fields"),
                                                        "ERRNO")), ENOSPC);
        json_decref(object);
}

/* A socket where the journal's should be, and a standard error that is the journal. */
static int begin_journal(void) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char stream[64];
        struct stat st;

        scratch_directory(directory, "journal");
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
        cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        log_journal_socket = address.sun_path;
        capture_begin();
        cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        cr_assert_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
        return fd;
}

Test(log_fields, journal_has_its_native_fields) {
        int fd = begin_journal();
        char got[4096], expected[1024];
        ssize_t n;

        log_event(WITH(EVENT_REFUSED, FIELD(UID, 1000u), FIELD(FILE, "a\nMESSAGE=b")), "a\nb");
        n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
        snprintf(expected, sizeof(expected),
                 "MESSAGE=a\\x0ab (event=refused)\nPRIORITY=4\nSYSLOG_IDENTIFIER=sfshmd\n"
                 "SFSHM_EVENT=refused\nMESSAGE_ID=%s\nUID=1000\nFILE\n", EVENT_REFUSED.message_id);
        cr_assert_gt(n, (ssize_t)strlen(expected));
        cr_expect_eq(memcmp(got, expected, strlen(expected)), 0, "%.*s", (int)n, got);
        cr_expect_eq(memcmp(got + strlen(expected), "\x0b\0\0\0\0\0\0\0" "a\nMESSAGE=b\n", 20), 0);
        cr_expect_eq(n, (ssize_t)strlen(expected) + 20);
        cr_expect_str_eq(capture_take(), "");
}

/* Lines as before the native protocol; also when the journal has ended meanwhile. */
Test(log_fields, without_the_journals_socket_lines_go_to_standard_error) {
        int fd = begin_journal();

        log_event(EVENT_REFUSED, "to the journal");
        close(fd);
        log_event(EVENT_REFUSED, "closed");
        cr_assert_eq(unlink(log_journal_socket), 0);
        log_event(EVENT_REFUSED, "gone");
        cr_expect_str_eq(capture_take(), "<4>closed (event=refused)\n<4>gone (event=refused)\n");
}

static bool says_dropped(void *context) {
        char got[4096];
        ssize_t n;

        while ((n = recv(*(int *)context, got, sizeof(got) - 1, MSG_DONTWAIT)) > 0) {
                got[n] = '\0';
                if (strstr(got, "\nDROPPED=") != NULL)
                        return true;
        }
        return false;
}

/* The callers return while the journal takes nothing. Hangs when they send by themselves. */
Test(log_fields, journal_that_nobody_reads) {
        int fd = begin_journal();

        cr_assert_eq(log_start(), 0);
        for (int i = 0; i < 3000; i++)
                log_event_limited(1 << 30, EVENT_REFUSED, "line %d", i);
        cr_assert_gt(log_lost(), 0);
        cr_assert(wait_until(says_dropped, &fd, 60000));
        log_stop();
}
