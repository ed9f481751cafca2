/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/live.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "libclient/observe/interval.h"
#include "libclient/observe/print.h"
#include "libclient/tools/top/keys.h"
#include "libclient/tools/top/process.h"
#include "libclient/tools/top/screen.h"
#include "libclient/tools/top/taker.h"

struct live {
        const struct top_settings *settings;
        struct top_model model;
        struct top_view view;
        struct taker taker;
        int signal_fd;
        int64_t due_ns; /* of the next sample */
        uint64_t shown; /* samples */
        int signal;     /* that ends it; 0: none */
        bool done;
};

static void draw(struct live *live) {
        struct timespec now;
        struct frame frame = { .model = &live->model, .view = &live->view, .host = &process_host };

        clock_gettime(CLOCK_REALTIME, &now);
        frame.unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        screen_draw(&frame);
}

/* ---- what happens */

static void handle_keys(struct live *live) {
        int key;

        while (!live->done && (key = screen_key()) >= 0) {
                enum keys_action action = keys_press(&live->view, key);

                live->done = action == KEYS_QUIT;
                if (action == KEYS_SAMPLE)
                        live->due_ns = interval_now_ns();
        }
}

static void handle_signals(struct live *live) {
        struct signalfd_siginfo info;

        while (read(live->signal_fd, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGWINCH || info.ssi_signo == SIGCONT) {
                        screen_resize();
                } else {
                        live->signal = (int)info.ssi_signo;
                        live->done = true;
                }
        }
}

/* One that was asked for before a pause is still shown. */
static void handle_sample(struct live *live) {
        struct sample sample;

        if (!taker_take(&live->taker, &sample))
                return;
        if (model_take(&live->model, &sample) < 0)
                live->view.complaint = "there is not enough memory for the clients";
        live->shown++;
        live->done |= live->settings->count > 0 && live->shown >= live->settings->count;
}

/* Asks for a sample if one is due; returns how long to wait for the next one, in ms. */
static int keep_time(struct live *live) {
        int64_t now_ns = interval_now_ns(), left_ms;

        if (live->view.paused || live->taker.busy)
                return -1;
        if (now_ns >= live->due_ns) {
                taker_ask(&live->taker);
                live->due_ns += live->view.interval_ns;
                if (live->due_ns < now_ns)
                        live->due_ns = now_ns; /* what was missed is not made up for */
                return -1;
        }
        left_ms = (live->due_ns - now_ns) / 1000000 + 1;
        return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

static void run(struct live *live) {
        struct pollfd fds[] = {
                { .fd = STDIN_FILENO, .events = POLLIN },
                { .fd = live->signal_fd, .events = POLLIN },
                { .fd = live->taker.fd, .events = POLLIN },
        };

        live->due_ns = interval_now_ns();
        while (!live->done) {
                draw(live);
                if (poll(fds, 3, keep_time(live)) < 0 && errno != EINTR)
                        return;
                handle_sample(live);
                handle_signals(live);
                handle_keys(live);
                if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
                        return; /* the terminal has gone */
        }
}

/* ---- begin and end */

/* SIGTSTP is left to ncurses, which gives the terminal back while the process is stopped. */
static int open_signals(void) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT };
        sigset_t set;

        sigemptyset(&set);
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
                sigaddset(&set, signals[i]);
        pthread_sigmask(SIG_BLOCK, &set, NULL);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As if it had not been caught: who waits for this process sees the signal. */
static void die(int number) {
        sigset_t set;

        signal(number, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, number);
        raise(number);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int begin(struct live *live) {
        int r;

        live->signal_fd = open_signals();
        if (live->signal_fd < 0)
                return print_error("cannot watch signals: %s", strerror(errno));
        r = taker_start(&live->taker, &live->settings->target);
        if (r < 0)
                return print_error("cannot start a thread: %s", strerror(-r));
        return screen_begin() < 0;
}

int live_run(const struct top_settings *settings) {
        static struct live live;
        int status;

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return print_usage_error("--top needs a terminal: use --batch without one");
        live = (struct live){ .settings = settings,
                              .view = { .interval_ns = settings->interval_ns } };
        status = begin(&live);
        if (status != 0)
                return status;
        run(&live);
        screen_end();
        taker_stop(&live.taker);
        if (live.signal != 0)
                die(live.signal);
        status = live.model.has_sample ? take_complain(&live.model.after) : 0;
        model_clear(&live.model);
        return status;
}
