/* SPDX-License-Identifier: MIT */
/* sfshm-stat --top: what each key does. */
#include <criterion/criterion.h>
#include <string.h>

#include "libclient/tools/top/keys.h"

static struct top_view view;

static enum keys_action type(const char *keys) {
        enum keys_action action = KEYS_DRAW;

        for (; *keys != '\0'; keys++)
                action = keys_press(&view, *keys == '\n' ? KEYS_ENTER : *keys);
        return action;
}

static void setup(void) {
        view = (struct top_view){ .interval_ns = 1000000000 };
}
TestSuite(top_keys, .init = setup);

Test(top_keys, quits) {
        cr_assert_eq(type("q"), KEYS_QUIT);
}

Test(top_keys, pauses_and_goes_on_at_once) {
        cr_assert_eq(type(" "), KEYS_DRAW);
        cr_assert(view.paused);
        cr_assert_eq(type("p"), KEYS_SAMPLE);
        cr_assert(!view.paused);
}

Test(top_keys, sorts_and_shows_the_first_ones) {
        view.scroll = 7;
        type("W");
        cr_assert(view.sort == TOP_BY_WAITS && view.scroll == 0);
        type("T");
        cr_assert_eq(view.sort, TOP_BY_TOTAL);
        type("R");
        cr_assert_eq(view.sort, TOP_BY_RATE);
        type("TP");
        cr_assert_eq(view.sort, TOP_BY_RATE);
}

Test(top_keys, turns_things_on_and_off) {
        type("c1");
        cr_assert(view.cgroups && view.no_workers);
        type("c1");
        cr_assert(!view.cgroups && !view.no_workers);
}

/* Red when the key that leaves the help is taken for a command. */
Test(top_keys, any_key_leaves_the_help) {
        type("?");
        cr_assert(view.help);
        cr_assert_eq(type("q"), KEYS_DRAW);
        cr_assert(!view.help);
        type("h");
        cr_assert(view.help);
}

Test(top_keys, asks_for_the_interval) {
        type("s2x");
        cr_assert(view.prompt == TOP_ASKS_INTERVAL && strcmp(view.input, "2x") == 0);
        keys_press(&view, KEYS_BACKSPACE);
        cr_assert_eq(type(".5\n"), KEYS_SAMPLE);
        cr_assert_eq(view.interval_ns, 2500000000);
        cr_assert_eq(view.prompt, TOP_NO_PROMPT);
        cr_assert_null(view.complaint);
}

Test(top_keys, keeps_the_interval_for_what_is_none) {
        static const char *const bad[] = { "dx\n", "d0\n", "d-1\n", "d99999999999\n" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                cr_assert_eq(type(bad[i]), KEYS_DRAW);
                cr_assert_eq(view.interval_ns, 1000000000);
                cr_assert_not_null(view.complaint);
        }
        type("1");
        cr_assert_null(view.complaint, "the next key takes it away");
        type("d\n");
        cr_assert_null(view.complaint, "nothing is no fault");
}

Test(top_keys, asks_for_user_and_search) {
        view.scroll = 5;
        type("ualice\n");
        cr_assert(strcmp(view.user, "alice") == 0 && view.scroll == 0);
        type("/q \n");
        cr_assert_str_eq(view.search, "q ");
        type("ubob");
        keys_press(&view, KEYS_ESCAPE);
        cr_assert(view.prompt == TOP_NO_PROMPT && strcmp(view.user, "alice") == 0);
        type("u\n/\n");
        cr_assert(view.user[0] == '\0' && view.search[0] == '\0');
}

/* Red when what is typed may be longer than its place. */
Test(top_keys, takes_no_more_than_it_has_room_for) {
        type("/");
        for (unsigned i = 0; i < 3 * TOP_INPUT_SIZE; i++)
                keys_press(&view, 'a');
        cr_assert_eq(strlen(view.input), TOP_INPUT_SIZE - 1);
        keys_press(&view, 0x1f);
        keys_press(&view, 0xe4);
        keys_press(&view, KEYS_UP);
        cr_assert_eq(strspn(view.input, "a"), TOP_INPUT_SIZE - 1);
        for (unsigned i = 0; i < 3 * TOP_INPUT_SIZE; i++)
                keys_press(&view, KEYS_BACKSPACE);
        cr_assert_str_eq(view.input, "");
}

Test(top_keys, scrolls) {
        view.page = 10;
        keys_press(&view, KEYS_UP);
        keys_press(&view, KEYS_PAGE_UP);
        cr_assert_eq(view.scroll, 0);
        keys_press(&view, KEYS_DOWN);
        keys_press(&view, KEYS_PAGE_DOWN);
        cr_assert_eq(view.scroll, 11);
        keys_press(&view, KEYS_PAGE_UP);
        cr_assert_eq(view.scroll, 1);
        keys_press(&view, KEYS_END);
        cr_assert_gt(view.scroll, 1000000);
        keys_press(&view, KEYS_PAGE_DOWN);
        cr_assert_gt(view.scroll, 1000000);
        keys_press(&view, KEYS_HOME);
        cr_assert_eq(view.scroll, 0);
}
