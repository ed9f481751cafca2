/* SPDX-License-Identifier: MIT */
#pragma once
/* What a key does to the view. Pure. */
#include "libclient/tools/top/model.h"

/* Keys that are no character. */
enum {
        KEYS_UP = 0x100,
        KEYS_DOWN,
        KEYS_PAGE_UP,
        KEYS_PAGE_DOWN,
        KEYS_HOME,
        KEYS_END,
        KEYS_BACKSPACE,
        KEYS_ENTER,
        KEYS_ESCAPE,
};

enum keys_action {
        KEYS_DRAW,   /* the view may have changed */
        KEYS_SAMPLE, /* and it needs a sample now */
        KEYS_QUIT,
};

enum keys_action keys_press(struct top_view *view, int key);
