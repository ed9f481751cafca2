/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/keys.h"

#include <stdio.h>
#include <string.h>

#include "libclient/observe/interval.h"

static void ask(struct top_view *view, enum top_prompt prompt) {
        view->prompt = prompt;
        view->input[0] = '\0';
}

static enum keys_action answer(struct top_view *view) {
        enum top_prompt prompt = view->prompt;

        view->prompt = TOP_NO_PROMPT;
        if (prompt == TOP_ASKS_INTERVAL) {
                if (view->input[0] == '\0')
                        return KEYS_DRAW;
                if (interval_parse(view->input, &view->interval_ns) == 0)
                        return KEYS_SAMPLE;
                view->complaint = "that is not " INTERVAL_FORM;
                return KEYS_DRAW;
        }
        view->scroll = 0;
        memcpy(prompt == TOP_ASKS_USER ? view->user : view->search, view->input, TOP_INPUT_SIZE);
        return KEYS_DRAW;
}

static enum keys_action type(struct top_view *view, int key) {
        size_t length = strlen(view->input);

        if (key == KEYS_ENTER)
                return answer(view);
        if (key == KEYS_ESCAPE)
                view->prompt = TOP_NO_PROMPT;
        else if (key == KEYS_BACKSPACE && length > 0)
                view->input[length - 1] = '\0';
        else if (key >= 0x20 && key < 0x7f && length + 1 < TOP_INPUT_SIZE)
                snprintf(view->input + length, TOP_INPUT_SIZE - length, "%c", key);
        return KEYS_DRAW;
}

/* frame_draw() keeps it in range. */
static void scroll(struct top_view *view, int key) {
        switch (key) {
        case KEYS_UP:
                view->scroll -= view->scroll > 0;
                return;
        case KEYS_DOWN:
                view->scroll++;
                return;
        case KEYS_PAGE_UP:
                view->scroll -= view->scroll < view->page ? view->scroll : view->page;
                return;
        case KEYS_PAGE_DOWN:
                view->scroll += view->page;
                return;
        case KEYS_HOME:
                view->scroll = 0;
                return;
        case KEYS_END:
                view->scroll = SIZE_MAX / 2;
                return;
        }
}

static void sort(struct top_view *view, enum top_sort order) {
        view->sort = order;
        view->scroll = 0;
}

static enum keys_action command(struct top_view *view, int key) {
        switch (key) {
        case 'q':
        case 'Q':
                return KEYS_QUIT;
        case 'p':
        case ' ':
                view->paused = !view->paused;
                return view->paused ? KEYS_DRAW : KEYS_SAMPLE;
        case 's':
        case 'd':
                ask(view, TOP_ASKS_INTERVAL);
                break;
        case 'u':
                ask(view, TOP_ASKS_USER);
                break;
        case '/':
                ask(view, TOP_ASKS_SEARCH);
                break;
        case 'P':
        case 'R':
                sort(view, TOP_BY_RATE);
                break;
        case 'W':
                sort(view, TOP_BY_WAITS);
                break;
        case 'T':
                sort(view, TOP_BY_TOTAL);
                break;
        case 'c':
                view->cgroups = !view->cgroups;
                break;
        case '1':
                view->no_workers = !view->no_workers;
                break;
        case 'h':
        case '?':
                view->help = true;
                break;
        default:
                scroll(view, key);
        }
        return KEYS_DRAW;
}

enum keys_action keys_press(struct top_view *view, int key) {
        view->complaint = NULL;
        if (view->prompt != TOP_NO_PROMPT)
                return type(view, key);
        if (view->help) {
                view->help = false;
                return KEYS_DRAW;
        }
        return command(view, key);
}
