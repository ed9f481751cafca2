/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/draw.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define INDENT 10u /* of what follows a label */
#define ITEM_ROWS_MAX 3u

void draw_put(struct drawing *d, enum draw_style style, const char *text, size_t length) {
        struct draw_line *now = &d->now;
        size_t most = DRAW_LINE_SIZE - 1;

        if (d->sink->columns > 0 && d->sink->columns < most)
                most = d->sink->columns;
        for (size_t i = 0; i < length && now->length < most; i++) {
                now->text[now->length] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
                now->style[now->length++] = (unsigned char)style;
        }
}

void draw_print(struct drawing *d, enum draw_style style, const char *format, ...) {
        char text[DRAW_LINE_SIZE];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        draw_put(d, style, text, strlen(text));
}

void draw_end(struct drawing *d) {
        d->now.text[d->now.length] = '\0';
        if (d->sink->rows == 0 || d->row + 1 < d->sink->rows || d->last)
                d->sink->line(d->sink->context, &d->now);
        d->row++;
        d->now.length = 0;
}

/* How much of a text fits, up to a blank if there is one. */
static size_t fitting(const char *text, size_t room) {
        size_t length = strlen(text);

        if (room == 0 || length <= room)
                return length;
        for (size_t i = room; i > 0; i--)
                if (text[i] == ' ')
                        return i;
        return room;
}

void draw_item(struct drawing *d, const char *label, enum draw_style style, const char *format,
               ...) {
        char text[DRAW_LINE_SIZE], *at = text;
        size_t columns = d->sink->columns;
        size_t room = columns == 0 ? 0 : columns > INDENT ? columns - INDENT : 1;
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        for (unsigned row = 0; row < ITEM_ROWS_MAX && (row == 0 || *at != '\0'); row++) {
                size_t n = fitting(at, room);

                draw_print(d, DRAW_LABEL, "%-*s", (int)INDENT, row == 0 ? label : "");
                draw_put(d, style, at, n);
                draw_end(d);
                at += n + (at[n] == ' ');
        }
}
