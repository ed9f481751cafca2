/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/chart.h"

#include "libclient/exporter/html.h"

#define SPAN_NS (HISTORY_ENTRIES * HISTORY_INTERVAL_NS)
#define WIDTH 600
#define HEIGHT 100

static double x_of(int64_t ns, int64_t now_ns) {
        double share = 1 - (double)(now_ns - ns) / (double)SPAN_NS;

        return WIDTH * (share < 0 ? 0 : share > 1 ? 1 : share);
}

static double most_of(const struct history *history, chart_value *value) {
        double most = 0;

        for (unsigned i = 0; i < history->n; i++)
                if (value(history_at(history, i)) > most)
                        most = value(history_at(history, i));
        return most;
}

/* The top of the scale: a round number. */
static double scale_of(double most) {
        static const double steps[] = { 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10 };
        double power = 1;
        unsigned i = 0;

        while (power * 10 < most)
                power *= 10;
        while (steps[i] < 10 && steps[i] * power < most)
                i++;
        return steps[i] * power;
}

/* Areas, one for each stretch without a gap. */
static void print_areas(FILE *out, const struct history *history, chart_value *value, double scale,
                        int64_t now_ns) {
        int64_t end_ns = INT64_MIN;

        fputs("<path class=\"area\" d=\"", out);
        for (unsigned i = 0; i < history->n; i++) {
                const struct history_entry *entry = history_at(history, i);
                double y = HEIGHT * (1 - value(entry) / scale);

                if (entry->to_ns < now_ns - SPAN_NS)
                        continue;
                if (entry->from_ns != end_ns)
                        fprintf(out, "%sM%.1f %d", end_ns == INT64_MIN ? "" : "Z",
                                x_of(entry->from_ns, now_ns), HEIGHT);
                fprintf(out, "L%.1f %.1fL%.1f %.1f", x_of(entry->from_ns, now_ns), y,
                        x_of(entry->to_ns, now_ns), y);
                end_ns = entry->to_ns;
                if (i + 1 == history->n || history_at(history, i + 1)->from_ns != end_ns)
                        fprintf(out, "L%.1f %d", x_of(end_ns, now_ns), HEIGHT);
        }
        fputs(end_ns == INT64_MIN ? "\"/>" : "Z\"/>", out);
}

void chart_print(FILE *out, const struct history *history, const char *title, chart_value *value,
                 int64_t now_ns) {
        double scale = scale_of(most_of(history, value));
        char top[HTML_COUNT], now[HTML_COUNT] = "–";

        html_count(scale, top);
        if (history->rates.known && history->n > 0)
                html_count(value(history_at(history, history->n - 1)), now);
        fprintf(out,
                "<figure><figcaption><b>%s</b><strong>%s</strong></figcaption>"
                "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
                "aria-label=\"%s, last five minutes\">"
                "<path class=\"grid\" d=\"M0 1H%dM0 %dH%dM0 %dH%d\"/>",
                title, now, WIDTH, HEIGHT, title, WIDTH, HEIGHT / 2, WIDTH, HEIGHT - 1, WIDTH);
        print_areas(out, history, value, scale, now_ns);
        fprintf(out, "</svg><p class=\"axis\"><span>5 min ago</span><span>top of the scale: %s</span>"
                "<span>now</span></p></figure>\n", top);
}
