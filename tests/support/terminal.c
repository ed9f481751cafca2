/* SPDX-License-Identifier: MIT */
#include "tests/support/terminal.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "tests/support/private_daemon.h"

/* ---- the program */

void terminal_run(struct terminal *ret, const char *term, const char *program,
                  const char *const arguments[]) {
        memset(ret, 0, sizeof(*ret));
        cr_assert_eq(openpty(&ret->fd, &ret->slave, NULL, NULL, NULL), 0);
        cr_assert_eq(fcntl(ret->fd, F_SETFD, FD_CLOEXEC), 0);
        cr_assert_eq(fcntl(ret->slave, F_SETFD, FD_CLOEXEC), 0);
        cr_assert_eq(tcgetattr(ret->slave, &ret->before), 0);
        memset(ret->cells, ' ', sizeof(ret->cells));
        terminal_resize(ret, 24, 80);
        ret->pid = fork_bound();
        cr_assert_geq(ret->pid, 0);
        if (ret->pid == 0) {
                if (login_tty(ret->slave) < 0)
                        _exit(126);
                setenv("TERM", term, 1);
                unsetenv("LINES");
                unsetenv("COLUMNS");
                execv(program, (char *const *)arguments);
                _exit(127);
        }
}

void terminal_type(struct terminal *terminal, const char *keys) {
        cr_assert_eq(write(terminal->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

void terminal_resize(struct terminal *terminal, unsigned rows, unsigned columns) {
        struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

        cr_assert(rows <= TERMINAL_ROWS_MAX && columns <= TERMINAL_COLUMNS_MAX);
        terminal->rows = rows;
        terminal->columns = columns;
        terminal->top = 0;
        terminal->bottom = rows - 1;
        cr_assert_eq(ioctl(terminal->fd, TIOCSWINSZ, &size), 0);
}

bool terminal_has_ended(struct terminal *terminal, int *ret_status) {
        (void)terminal_text(terminal); /* it may wait until there is room */
        return waitpid(terminal->pid, ret_status, WNOHANG) == terminal->pid;
}

bool terminal_is_restored(struct terminal *terminal) {
        struct termios after;

        (void)terminal_text(terminal);
        cr_assert_eq(tcgetattr(terminal->slave, &after), 0);
        return !terminal->other_screen && !terminal->cursor_hidden &&
               after.c_lflag == terminal->before.c_lflag &&
               after.c_iflag == terminal->before.c_iflag &&
               after.c_oflag == terminal->before.c_oflag;
}

void terminal_close(struct terminal *terminal) {
        if (terminal->slave >= 0)
                close(terminal->slave);
        if (terminal->fd >= 0)
                close(terminal->fd);
        terminal->slave = terminal->fd = -1;
}

/* ---- what it writes */

static void blank(struct terminal *t, unsigned row, unsigned from, unsigned to) {
        if (to > from)
                memset(t->cells[row] + from, ' ', to - from);
}

/* Moves the rows from `first` to the end of the region by one, up or down. */
static void scroll(struct terminal *t, unsigned first, bool up) {
        unsigned last = t->bottom, from = up ? first + 1 : first, to = up ? first : first + 1;

        if (first > last)
                return;
        memmove(t->cells[to], t->cells[from], (last - first) * sizeof(t->cells[0]));
        blank(t, up ? last : first, 0, TERMINAL_COLUMNS_MAX);
}

static void scroll_by(struct terminal *t, unsigned first, bool up, unsigned n) {
        for (; n > 0; n--)
                scroll(t, first, up);
}

static void feed_line(struct terminal *t) {
        if (t->row == t->bottom)
                scroll(t, t->top, true);
        else
                t->row += t->row + 1 < t->rows;
}

static void print(struct terminal *t, char c) {
        if (t->column >= t->columns) {
                t->column = 0;
                feed_line(t);
        }
        t->cells[t->row][t->column++] = c;
        t->last = c;
}

static void place(struct terminal *t, unsigned row, unsigned column) {
        t->row = row < t->rows ? row : t->rows - 1;
        t->column = column < t->columns ? column : t->columns - 1;
}

/* 0: from the cursor on; 1: up to it; 2: all */
static void erase_line(struct terminal *t, unsigned what) {
        blank(t, t->row, what == 0 ? t->column : 0,
              what == 1 ? t->column + 1 : TERMINAL_COLUMNS_MAX);
}

static void erase_screen(struct terminal *t, unsigned what) {
        for (unsigned row = 0; row < TERMINAL_ROWS_MAX; row++)
                if (what == 2 || (what == 0 && row > t->row) || (what == 1 && row < t->row))
                        blank(t, row, 0, TERMINAL_COLUMNS_MAX);
        erase_line(t, what);
}

/* Inserts or removes blanks at the cursor. */
static void shift(struct terminal *t, unsigned n, bool insert) {
        char *cells = t->cells[t->row];
        unsigned left = TERMINAL_COLUMNS_MAX - t->column;

        n = n < left ? n : left;
        if (insert) {
                memmove(cells + t->column + n, cells + t->column, left - n);
                blank(t, t->row, t->column, t->column + n);
        } else {
                memmove(cells + t->column, cells + t->column + n, left - n);
        }
}

static void set_region(struct terminal *t, unsigned first, unsigned last) {
        t->top = first > 0 ? first - 1 : 0;
        t->bottom = last > 0 && last <= t->rows ? last - 1 : t->rows - 1;
        place(t, 0, 0);
}

static void set_mode(struct terminal *t, const char *mode, bool on) {
        if (strcmp(mode, "?1049") == 0) {
                t->other_screen = on;
                memset(t->cells, ' ', sizeof(t->cells));
        }
        if (strcmp(mode, "?25") == 0)
                t->cursor_hidden = !on;
}

/* ESC [ numbers letter */
static void control(struct terminal *t, const char *numbers, char letter) {
        unsigned a = 0, b = 0, one;

        (void)sscanf(numbers, "%u;%u", &a, &b);
        one = a > 0 ? a : 1;
        switch (letter) {
        case 'H':
                place(t, one - 1, b > 0 ? b - 1 : 0);
                return;
        case 'A':
                place(t, t->row >= one ? t->row - one : 0, t->column);
                return;
        case 'B':
                place(t, t->row + one, t->column);
                return;
        case 'C':
                place(t, t->row, t->column + one);
                return;
        case 'D':
                place(t, t->row, t->column >= one ? t->column - one : 0);
                return;
        case 'G':
                place(t, t->row, one - 1);
                return;
        case 'd':
                place(t, one - 1, t->column);
                return;
        case 'J':
                erase_screen(t, a);
                return;
        case 'K':
                erase_line(t, a);
                return;
        case 'X':
                blank(t, t->row, t->column, t->column + one);
                return;
        case '@':
        case 'P':
                shift(t, one, letter == '@');
                return;
        case 'b':
                for (unsigned i = 0; i < one; i++)
                        print(t, t->last);
                return;
        case 'h':
        case 'l':
                set_mode(t, numbers, letter == 'h');
                return;
        case 'S':
        case 'T':
                scroll_by(t, t->top, letter == 'S', one);
                return;
        case 'L':
        case 'M':
                scroll_by(t, t->row, letter == 'M', one);
                return;
        case 'r':
                set_region(t, a, b);
                return;
        case 'm': /* colours */
        case 't': /* titles */
                return;
        default:
                cr_assert_fail("unknown sequence: ESC [ %s %c", numbers, letter);
        }
}

/* True when the sequence is complete: ESC [ … letter, ESC ( set, ESC character */
static bool is_complete(const struct terminal *t, char c) {
        if (t->length == 1)
                return strchr("[()", c) == NULL;
        return t->sequence[1] != '[' || (c >= 0x40 && c < 0x7f);
}

static void continue_sequence(struct terminal *t, char c) {
        bool complete = is_complete(t, c);

        cr_assert_lt(t->length + 1, sizeof(t->sequence));
        t->sequence[t->length++] = c;
        t->sequence[t->length] = '\0';
        if (!complete)
                return;
        if (t->sequence[1] == '[') {
                t->sequence[t->length - 1] = '\0';
                control(t, t->sequence + 2, c);
        } else if (t->sequence[1] == 'M') {
                if (t->row == t->top)
                        scroll(t, t->top, false);
                else
                        t->row -= t->row > 0;
        } else {
                cr_assert(strchr("(=>78", t->sequence[1]) != NULL, "unknown sequence: ESC %s",
                          t->sequence + 1);
        }
        t->length = 0;
}

static void take(struct terminal *t, char c) {
        if (t->length > 0) {
                continue_sequence(t, c);
        } else if (c == '\033') {
                t->sequence[t->length++] = c;
        } else if (c == '\r') {
                t->column = 0;
        } else if (c == '\n') {
                feed_line(t);
        } else if (c == '\b') {
                t->column -= t->column > 0;
        } else if (c == '\t') {
                place(t, t->row, t->column / 8 * 8 + 8);
        } else if (c != '\a') {
                cr_assert(c >= 0x20 && c < 0x7f, "byte %d", c);
                print(t, c);
        }
}

const char *terminal_text(struct terminal *terminal) {
        struct pollfd fd = { .fd = terminal->fd, .events = POLLIN };
        char buffer[4096], *at = terminal->text;
        ssize_t n;

        while (terminal->fd >= 0 && poll(&fd, 1, 0) > 0 &&
               (n = read(terminal->fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        take(terminal, buffer[i]);
        for (unsigned row = 0; row < terminal->rows; row++) {
                size_t length = terminal->columns;

                while (length > 0 && terminal->cells[row][length - 1] == ' ')
                        length--;
                at = mempcpy(at, terminal->cells[row], length);
                *at++ = '\n';
        }
        *at = '\0';
        return terminal->text;
}
