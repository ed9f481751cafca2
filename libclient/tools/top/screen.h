/* SPDX-License-Identifier: MIT */
#pragma once
/* The terminal, by ncurses. */
#include "libclient/tools/top/frame.h"

/* 0, or -errno after a message: this is no terminal that a frame can be drawn on. What exits from
 * now on restores the terminal. */
int screen_begin(void);
/* Restores the terminal; as often as it is called. */
void screen_end(void);
/* The terminal has another size, or something wrote to it. */
void screen_resize(void);
void screen_draw(const struct frame *frame);
/* The next key, of keys.h; -1 if there is none. */
int screen_key(void);
