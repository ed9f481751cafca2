/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A program on a pseudo-terminal, and what its user sees: as much of an xterm as ncurses makes
 * use of. A sequence that it does not know fails the test.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

#define TERMINAL_ROWS_MAX 60
#define TERMINAL_COLUMNS_MAX 200

struct terminal {
        int fd, slave; /* the slave stays open: its settings outlive the program */
        pid_t pid;
        struct termios before;
        unsigned rows, columns, row, column;
        unsigned top, bottom; /* of the rows that scroll */
        char cells[TERMINAL_ROWS_MAX][TERMINAL_COLUMNS_MAX + 1];
        char text[TERMINAL_ROWS_MAX * (TERMINAL_COLUMNS_MAX + 1) + 1];
        bool other_screen, cursor_hidden; /* as full-screen programs have it */
        char last;                        /* printed character */
        char sequence[64];                /* that has begun */
        size_t length;
};

/* Runs the program, with TERM set and its arguments, which end with NULL and begin with its name;
 * on 24 rows and 80 columns. */
void terminal_run(struct terminal *ret, const char *term, const char *program,
                  const char *const arguments[]);
void terminal_type(struct terminal *terminal, const char *keys);
void terminal_resize(struct terminal *terminal, unsigned rows, unsigned columns);
/* Reads what was written. Returns the rows, without blanks at their ends. */
const char *terminal_text(struct terminal *terminal);
/* Reads, and reaps the program if it has ended. */
bool terminal_has_ended(struct terminal *terminal, int *ret_status);
/* The screen, the cursor and the settings are as before. */
bool terminal_is_restored(struct terminal *terminal);
/* Hangs up. */
void terminal_close(struct terminal *terminal);
