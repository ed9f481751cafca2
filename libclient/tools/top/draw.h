/* SPDX-License-Identifier: MIT */
#pragma once
/* Lines of text with styles, of which a frame is made. Only printable ASCII gets into a line: no
 * name of a process can steer a terminal. */
#include "libclient/tools/top/model.h"

#define DRAW_LINE_SIZE 1536

enum draw_style {
        DRAW_PLAIN,
        DRAW_LABEL,
        DRAW_GOOD,
        DRAW_WARNING,
        DRAW_BAD,
        DRAW_HEADER,
        DRAW_CHOSEN, /* in the header: the column that sorts */
        DRAW_STYLES
};

struct draw_line {
        size_t length;
        char text[DRAW_LINE_SIZE]; /* ends with a NUL */
        unsigned char style[DRAW_LINE_SIZE];
};

/* Where the lines go, from top to bottom. */
struct draw_sink {
        size_t columns, rows; /* 0: without end, as for a file; the last row has the keys */
        void (*line)(void *context, const struct draw_line *line);
        void *context;
};

/* A frame that is being drawn. Zeros but for the sink. */
struct drawing {
        const struct draw_sink *sink;
        size_t row;
        bool last;            /* the row of the keys, which nothing else takes */
        struct draw_line now; /* the line that is being written */
};

/* Both append to the line, which is cut at the last column. */
void draw_put(struct drawing *d, enum draw_style style, const char *text, size_t length);
void draw_print(struct drawing *d, enum draw_style style, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Ends the line, which has no place if the rows are used up. */
void draw_end(struct drawing *d);
/* A label and a text, in up to three whole lines. */
void draw_item(struct drawing *d, const char *label, enum draw_style style, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
