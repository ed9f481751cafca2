/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libclient/observe/print.h"
#include "libclient/tools/top/keys.h"

#define NCURSES_NOMACROS /* they evaluate what they are given twice */
#include <ncurses.h>

#define ESCAPE_MS 25 /* after that, an escape is the key and not the beginning of another one */

static SCREEN *screen;
static bool drawing; /* the terminal is ours */

static void set_colours(void) {
        if (!has_colors() || start_color() == ERR)
                return;
        use_default_colors();
        init_pair(DRAW_GOOD, COLOR_GREEN, -1);
        init_pair(DRAW_WARNING, COLOR_YELLOW, -1);
        init_pair(DRAW_BAD, COLOR_RED, -1);
}

static int refuse(const char *why) {
        const char *name = getenv("TERM");
        char quoted[PRINT_QUOTED_SIZE];

        if (name == NULL)
                name = "";
        print_error("the terminal %s %s: set TERM, or use --batch",
                    print_quoted(name, strlen(name), quoted), why);
        return -ENOTTY;
}

int screen_begin(void) {
        const char *move_cursor;

        screen = newterm(NULL, stdout, stdin);
        if (screen == NULL)
                return refuse("is not known");
        drawing = true;
        atexit(screen_end);
        move_cursor = tigetstr("cup");
        if (move_cursor == NULL || move_cursor == (const char *)-1) {
                screen_end();
                return refuse("cannot place its cursor");
        }
        set_colours();
        cbreak();
        noecho();
        nonl();
        intrflush(stdscr, FALSE);
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        set_escdelay(ESCAPE_MS);
        curs_set(0);
        return 0;
}

void screen_end(void) {
        if (drawing)
                endwin();
        drawing = false;
}

void screen_resize(void) {
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
                resizeterm(size.ws_row, size.ws_col);
        clearok(stdscr, TRUE);
}

static attr_t attributes(enum draw_style style) {
        switch (style) {
        case DRAW_LABEL:
                return A_BOLD;
        case DRAW_HEADER:
                return A_REVERSE;
        case DRAW_CHOSEN:
                return A_REVERSE | A_BOLD;
        case DRAW_GOOD:
        case DRAW_WARNING:
        case DRAW_BAD:
                return has_colors() ? (attr_t)COLOR_PAIR(style) : A_NORMAL;
        default:
                return A_NORMAL;
        }
}

/* Pieces of the same style. What does not fit is cut by ncurses, too. */
static void draw_line(void *context, const struct draw_line *line) {
        int *row = context;

        for (size_t i = 0, n; i < line->length; i += n) {
                for (n = 1; i + n < line->length && line->style[i + n] == line->style[i]; n++)
                        ;
                attrset((int)attributes(line->style[i]));
                mvaddnstr(*row, (int)i, line->text + i, (int)n);
        }
        ++*row;
}

void screen_draw(const struct frame *frame) {
        int row = 0;
        const struct draw_sink sink = {
                .columns = (size_t)getmaxx(stdscr),
                .rows = (size_t)getmaxy(stdscr),
                .line = draw_line,
                .context = &row,
        };

        erase();
        frame_draw(frame, &sink);
        attrset(A_NORMAL);
        refresh();
}

int screen_key(void) {
        int key = getch();

        switch (key) {
        case ERR:
                return -1;
        case KEY_UP:
                return KEYS_UP;
        case KEY_DOWN:
                return KEYS_DOWN;
        case KEY_PPAGE:
                return KEYS_PAGE_UP;
        case KEY_NPAGE:
                return KEYS_PAGE_DOWN;
        case KEY_HOME:
                return KEYS_HOME;
        case KEY_END:
                return KEYS_END;
        case KEY_BACKSPACE:
        case '\b':
        case 0x7f:
                return KEYS_BACKSPACE;
        case KEY_ENTER:
        case '\r':
        case '\n':
                return KEYS_ENTER;
        case 0x1b:
                return KEYS_ESCAPE;
        default:
                return key < 0x100 ? key : 0;
        }
}
