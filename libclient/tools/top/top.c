/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/top.h"

#include <string.h>
#include <time.h>

#include "libclient/observe/interval.h"
#include "libclient/observe/print.h"
#include "libclient/tools/top/frame.h"
#include "libclient/tools/top/process.h"

static int64_t unix_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Padding is of no use in a file. */
static void print_line(void *context, const struct draw_line *line) {
        size_t length = line->length;

        while (length > 0 && line->text[length - 1] == ' ')
                length--;
        fwrite(line->text, 1, length, context);
        fputc('\n', context);
}

int top_batch(const struct top_settings *settings, FILE *out) {
        static struct top_model model;
        struct top_view view = { .interval_ns = settings->interval_ns };
        struct frame frame = { .model = &model, .view = &view, .host = &process_host };
        const struct draw_sink sink = { .line = print_line, .context = out };
        int64_t at_ns = interval_now_ns();
        int status = 0, complaint;

        for (uint64_t n = 0; status == 0 && (settings->count == 0 || n < settings->count); n++) {
                struct sample sample;

                if (n > 0) {
                        interval_sleep(&at_ns, settings->interval_ns);
                        fputc('\n', out);
                }
                take_sample(&settings->target, &sample);
                frame.unix_ms = unix_ms();
                if (model_take(&model, &sample) < 0)
                        status = print_error("not enough memory for the clients");
                frame_draw(&frame, &sink);
                if (print_finish(out) != 0)
                        status = SAMPLE_EXIT_FAILED;
        }
        complaint = take_complain(&model.after);
        model_clear(&model);
        return status != 0 ? status : complaint;
}
