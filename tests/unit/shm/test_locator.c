/* SPDX-License-Identifier: MIT */
/* The file beside the socket: what was written is read, and nothing else. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shm/locator.h"
#include "tests/support/random.h"

static const struct locator usual = {
        .shm = "/run/a dir/x",
        .clock_device = 26,
        .clock_inode = UINT64_MAX,
        .generation = UINT32_MAX,
        .boot_id = { 0xab, 0, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x0d },
};
static const char usual_text[] = "shm /run/a dir/x\n"
                                 "clock 26 18446744073709551615 4294967295\n"
                                 "boot ab00ff010203040506070809" "0a0b0c0d\n";

static void expect_refused(const char *text) {
        struct locator read;

        cr_expect_eq(locator_parse(text, strlen(text), &read), -EBADMSG, "%s", text);
}

Test(locator, what_is_written_is_read) {
        struct locator longest = usual, read;
        char text[LOCATOR_SIZE];
        size_t length = locator_format(&usual, text);

        cr_assert_str_eq(text, usual_text);
        cr_assert_eq(length, strlen(usual_text));
        cr_assert_eq(locator_parse(text, length, &read), 0);
        cr_assert_eq(memcmp(&read, &usual, sizeof(read)), 0);
        longest.clock_device = UINT64_MAX;
        memset(longest.shm, 'x', sizeof(longest.shm) - 1);
        length = locator_format(&longest, text);
        cr_assert_eq(locator_parse(text, length, &read), 0);
        cr_assert_eq(memcmp(&read, &longest, sizeof(read)), 0);
}

/* Red when what sscanf() tolerates is taken for the daemon's. */
Test(locator, other_texts_are_refused) {
        char text[sizeof(usual_text) + 600];

        expect_refused("");
        expect_refused("shm /sfshm\n");
        expect_refused("shm /sfshm\nclock 1 2 3\nboot 00\n");
        expect_refused("shm /sfshm\nclock 1 2 4294967296\nboot 000102030405060708090a0b0c0d0e0f\n");
        expect_refused("shm /sfshm\nclock 1 2 -3\nboot 000102030405060708090a0b0c0d0e0f\n");
        expect_refused("shm /sfshm\nclock 01 2 3\nboot 000102030405060708090a0b0c0d0e0f\n");
        expect_refused("shm /sfshm\n\nclock 1 2 3\nboot 000102030405060708090a0b0c0d0e0f\n");
        expect_refused("shm /sfshm\nclock 1 2 3\nboot 000102030405060708090A0b0c0d0e0f\n");
        expect_refused("shm /sfshm\nclock 1 2 3\nboot 000102030405060708090a0b0c0d0e0f\nx");
        for (size_t length = 0; length < strlen(usual_text); length++) {
                snprintf(text, sizeof(text), "%.*s", (int)length, usual_text);
                expect_refused(text);
        }
        snprintf(text, sizeof(text), "%s%*s", usual_text, 500, "");
        expect_refused(text);
        memset(text, 'x', sizeof(text));
        memcpy(text, "shm /", 5);
        cr_expect_eq(locator_parse(text, LOCATOR_SIZE - 1, &(struct locator){ .shm = "" }),
                     -EBADMSG);
}

/* Whatever is read would have been written like that. */
Test(locator, random_changes) {
        uint64_t state = 11;

        for (int i = 0; i < 100000; i++) {
                char text[sizeof(usual_text)], again[LOCATOR_SIZE];
                size_t length = strlen(usual_text) - random_below(&state, 2);
                struct locator read;

                memcpy(text, usual_text, sizeof(text));
                for (uint64_t n = random_below(&state, 4); n > 0; n--)
                        text[random_below(&state, length)] = (char)random_next(&state);
                if (locator_parse(text, length, &read) < 0)
                        continue;
                cr_assert_eq(locator_format(&read, again), length);
                cr_assert_eq(memcmp(again, text, length), 0);
        }
}
