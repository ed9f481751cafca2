/* SPDX-License-Identifier: MIT */
#include "daemon/statistics/statistics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/statistics/totals.h"
#include "daemon/util/log.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

#define INTERVAL_NS NS_PER_S
/* What comes before it in the segment never changes while the daemon runs. */
#define SNAPSHOT_OFFSET offsetof(struct statistics_segment, updated_boot_ns)

/* The counters as words, so that they can be copied one by one while another thread
 * copies them out. */
#define COUNTER_WORDS (sizeof(struct statistics_counters) / sizeof(int64_t))
union counter_words {
        struct statistics_counters named;
        int64_t words[COUNTER_WORDS];
};

struct statistics {
        struct statistics_segment *segment;
        struct statistics_segment *image; /* the next snapshot, the thread's own */
        uint32_t capacity;                /* clients it has room for */
        struct cds_list_head *clients;
        struct totals totals; /* of all clients there ever were */
        _Atomic int64_t counted[COUNTER_WORDS]; /* by the ledger thread */
        struct statistics_sources sources;
        int64_t start_unix_ms;
        /* what earlier daemons counted; gauges are 0, but for the last rollback */
        struct statistics_counters earlier;
        struct statistics_histograms earlier_histograms;
        pthread_t thread;
        pthread_mutex_t wake_mutex;
        pthread_cond_t wake;
        bool poked, stop;  /* under wake_mutex */
        uint32_t question; /* the watchdog's last; under wake_mutex */
        _Atomic uint32_t answer;
};

void statistics_adopt(struct statistics *s, struct client *client) {
        totals_adopt(&s->totals, client);
}

void statistics_retire(struct statistics *s, struct client *client) {
        totals_retire(&s->totals, client);
}

static void list_client(void *context, const struct client *client, const uint64_t *record) {
        struct statistics *s = context;
        struct statistics_client *listed =
                (struct statistics_client *)(void *)(s->image + 1) + s->image->client_count;

        if (s->image->client_count == s->capacity)
                return;
        s->image->client_count++;
        *listed = (struct statistics_client){
                .client = client->id,
                .pid = (uint32_t)client->pid,
                .uid = client->uid,
                .lanes = client->n_lanes,
                /* relaxed: only shown */
                .standing_width =
                        atomic_load_explicit(&client->standing_width, memory_order_relaxed),
                .elastic_width = atomic_load_explicit(&client->elastic_width, memory_order_relaxed),
                .ids = record[STATISTICS_IDS],
                .overflows = record[STATISTICS_OVERFLOWS],
                .overflow_wait_ns = record[STATISTICS_OVERFLOW_WAIT_NS],
                .attached_boot_ns = (uint64_t)client->attached_boot_ns,
        };
        memcpy(listed->comm, client->comm, sizeof(listed->comm));
}

static int64_t load_input(const _Atomic int64_t *input) {
        return atomic_load_explicit(input, memory_order_relaxed); /* relaxed: only shown */
}

/* Both stay 0 without a fence, and the second without a clock. */
static void fill_fence(struct statistics *s) {
        struct statistics_counters *to = &s->image->counters;
        uint64_t tick, fence_tick = lease_fence(s->sources.lease);
        struct clock_reading reading;

        if (fence_tick == 0 || fence_tick > INT64_MAX)
                return;
        if (__builtin_add_overflow(s->image->layout.epoch_unix_ms, (int64_t)fence_tick,
                                   &to->fence_unix_ms))
                to->fence_unix_ms = 0;
        tick = clock_tick_of(clock_read(ticker_clock(s->sources.ticker), time_ns, &reading));
        if (tick != CLOCK_NOW_INVALID && tick <= INT64_MAX)
                to->fence_ahead_ms = (int64_t)fence_tick - (int64_t)tick;
}

static int64_t region_of(const struct statistics_segment *image) {
        const struct id_layout *layout = &image->layout;

        /* in 64 bits: without region bits the shift may be 32 */
        return (int64_t)((uint64_t)image->worker_first >>
                         (layout->worker_bits - layout->region_bits));
}

static void fill_lease(struct statistics *s) {
        const struct lease_counters *lease = lease_counters(s->sources.lease);
        struct statistics_counters *to = &s->image->counters;

        if (lease == NULL)
                return;
        to->worker_claims = load_input(&lease->claims);
        to->worker_conflicts_race = load_input(&lease->conflicts);
        to->worker_conflicts_lost = load_input(&lease->lost);
        to->worker_waits = load_input(&lease->waits);
        to->region_workers_held = load_input(&lease->held);
        to->region_workers_resting = load_input(&lease->resting);
        to->region_workers_refused = load_input(&lease->refused);
        to->region_workers_free = load_input(&lease->free);
        to->coordinator_errors = load_input(&lease->coordinator_errors);
        to->coordinator_breakers = load_input(&lease->breakers);
        to->lease_renewals = load_input(&lease->renewals);
        to->lease_failures = load_input(&lease->failures);
        to->lease_expirations = load_input(&lease->expirations);
        to->lease_expiry_unix_ms = load_input(&lease->expiry_unix_ms);
        to->horizon_ms = lease_horizon_ns(s->sources.lease) / NS_PER_MS;
        histogram_read(&lease->renewal, &s->image->histograms.lease_renewal);
}

void statistics_count(struct statistics *s, const struct statistics_counters *counters) {
        union counter_words in = { .named = *counters };

        for (unsigned i = 0; i < COUNTER_WORDS; i++)
                /* relaxed: only shown */
                atomic_store_explicit(&s->counted[i], in.words[i], memory_order_relaxed);
}

static struct statistics_counters load_counted(const struct statistics *s) {
        union counter_words in;

        for (unsigned i = 0; i < COUNTER_WORDS; i++)
                in.words[i] = load_input(&s->counted[i]);
        return in.named;
}

static void fill_counters(struct statistics *s) {
        struct statistics_counters *to = &s->image->counters;

        *to = load_counted(s);
        to->ticks = (int64_t)ticker_count(s->sources.ticker);
        to->ticks_late = (int64_t)ticker_late_count(s->sources.ticker);
        to->clients = s->image->client_count;
        to->ticker_running = ticker_running(s->sources.ticker);
        to->region = region_of(s->image);
        to->start_unix_ms = s->start_unix_ms;
        to->log_dropped = (int64_t)log_lost();
        fill_fence(s);
}

static void fill_histograms(struct statistics *s) {
        struct statistics_histograms *to = &s->image->histograms;

        *to = s->earlier_histograms;
        histogram_read(s->sources.loop_delay, &to->loop_delay);
        histogram_read(ticker_lateness(s->sources.ticker), &to->ticker_lateness);
        histogram_read(lease_fence_writes(s->sources.lease), &to->fence_write);
}

static void add_earlier(struct statistics *s) {
        union counter_words *to = (union counter_words *)&s->image->counters;
        const union counter_words *earlier = (const union counter_words *)&s->earlier;
        int64_t rollback_unix_ms = to->named.clock_last_rollback_unix_ms;

        for (unsigned i = 0; i < COUNTER_WORDS; i++)
                to->words[i] += earlier->words[i];
        if (rollback_unix_ms != 0)
                to->named.clock_last_rollback_unix_ms = rollback_unix_ms;
}

static void fill_image(struct statistics *s) {
        struct client *client;

        s->image->client_count = 0;
        rcu_read_lock();
        cds_list_for_each_entry_rcu(client, s->clients, link)
                totals_look_at(&s->totals, client, list_client, s);
        rcu_read_unlock();

        fill_counters(s);
        fill_histograms(s);
        fill_lease(s);
        add_earlier(s);
        totals_fill(&s->totals, s->image);
        s->image->updated_boot_ns = time_ns(CLOCK_BOOTTIME);
}

/* Odd, barrier, contents, even. A sequence that a dead writer left odd is used as it is.
 * The contents are stored word by word, so that a reader which copies them meanwhile
 * sees old or new words, and discards both. */
static void publish_image(struct statistics *s) {
        struct statistics_segment *segment = s->segment;
        size_t end = sizeof(*segment) + s->image->client_count * sizeof(struct statistics_client);
        const uint64_t *from = (const uint64_t *)(const void *)s->image;
        uint64_t *to = (uint64_t *)(void *)segment;
        uint64_t odd = atomic_load_explicit(&segment->sequence, memory_order_relaxed) | 1;

        atomic_store_explicit(&segment->sequence, odd, memory_order_relaxed);
        /* pairs with the reader's acquire barrier before it reads the sequence again:
         * a reader that sees a word stored below sees the sequence odd, or a later one */
        atomic_thread_fence(memory_order_release);
        for (size_t i = SNAPSHOT_OFFSET / sizeof(*to); i < end / sizeof(*to); i++)
                __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
        /* release: pairs with the reader's acquire of an even sequence */
        atomic_store_explicit(&segment->sequence, odd + 1, memory_order_release);
}

/* Called with wake_mutex held. Waits until the next snapshot is due; false: until the
 * thread must stop. While the ticker does not run nothing is due, and nothing wakes. */
static bool wait_for_reason(struct statistics *s) {
        struct timespec until = thread_deadline(INTERVAL_NS);

        while (!s->stop && !s->poked) {
                /* relaxed: it only says that the thread came here */
                atomic_store_explicit(&s->answer, s->question, memory_order_relaxed);
                if (!ticker_running(s->sources.ticker)) {
                        if (s->image->counters.ticker_running)
                                break; /* the last snapshot must not say that it runs */
                        pthread_cond_wait(&s->wake, &s->wake_mutex);
                } else if (pthread_cond_timedwait(&s->wake, &s->wake_mutex, &until) == ETIMEDOUT) {
                        break;
                }
        }
        return !s->stop;
}

static void *statistics_thread(void *context) {
        struct statistics *s = context;

        rcu_register_thread();
        pthread_mutex_lock(&s->wake_mutex);
        do {
                s->poked = false;
                pthread_mutex_unlock(&s->wake_mutex);
                fill_image(s);
                publish_image(s);
                pthread_mutex_lock(&s->wake_mutex);
        } while (wait_for_reason(s));
        pthread_mutex_unlock(&s->wake_mutex);
        /* why the daemon stops may be among these */
        fill_image(s);
        publish_image(s);
        rcu_unregister_thread();
        return NULL;
}

void statistics_poke(void *context) {
        struct statistics *s = context;

        pthread_mutex_lock(&s->wake_mutex);
        s->poked = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->wake_mutex);
}

void statistics_ask(void *context, uint32_t question) {
        struct statistics *s = context;

        pthread_mutex_lock(&s->wake_mutex);
        s->question = question;
        pthread_mutex_unlock(&s->wake_mutex);
        /* afterwards, so that the thread finds the mutex free: one wake-up */
        pthread_cond_signal(&s->wake);
}

bool statistics_answered(void *context, uint32_t question) {
        const struct statistics *s = context;

        /* relaxed: it only says that the thread came there */
        return atomic_load_explicit(&s->answer, memory_order_relaxed) == question;
}

static struct statistics_run run_of(const struct statistics_segment *segment) {
        return (struct statistics_run){
                .worker_first = segment->worker_first,
                .worker_count = segment->worker_count < WORKER_COUNTERS_MAX ? segment->worker_count
                                                                            : WORKER_COUNTERS_MAX,
                .sequence_bits = segment->layout.sequence_bits,
                .width = (uint64_t)segment->worker_count << segment->layout.sequence_bits,
        };
}

static void begin_image(struct statistics *s) {
        memcpy(s->image, s->segment, offsetof(struct statistics_segment, counters));
        s->image->pid = (uint32_t)getpid();
        s->image->clients_offset = sizeof(struct statistics_segment);
}

/* What the segment shows is what earlier daemons of this boot have counted. A number that none
 * of them can have counted is damage. */
static void continue_counters(struct statistics *s) {
        const struct statistics_counters *from = &s->segment->counters;

#define CONTINUE(field, family, label, divisor) \
        if (metric_types[METRIC_##family] == METRIC_COUNTER && from->field >= 0 && \
            from->field <= INT64_MAX / 2) \
                s->earlier.field = from->field;
        METRICS_SERIES(CONTINUE)
#undef CONTINUE
        s->earlier.clock_last_rollback_unix_ms = from->clock_last_rollback_unix_ms;
        s->earlier_histograms = s->segment->histograms;
}

/* The thread has ended, or never ran. */
static struct statistics *statistics_dispose(struct statistics *s) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->wake_mutex);
        totals_fini(&s->totals);
        free(s->image);
        free(s);
        return NULL;
}

int statistics_new(struct statistics **ret, struct statistics_segment *segment,
                   struct cds_list_head *clients, const struct statistics_sources *sources) {
        struct statistics *s = calloc(1, sizeof(*s));
        struct statistics_run run = run_of(segment);
        int r = s ? thread_condition_init(&s->wake) : -ENOMEM;

        if (r < 0) {
                free(s);
                return r;
        }
        pthread_mutex_init(&s->wake_mutex, NULL); /* cannot fail with default attributes */
        totals_init(&s->totals, &run, segment);
        s->segment = segment;
        s->clients = clients;
        s->sources = *sources;
        s->capacity = segment->client_capacity;
        s->start_unix_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS;
        s->image = calloc(1, statistics_segment_size(segment->client_capacity));
        r = -ENOMEM;
        if (s->image) {
                begin_image(s);
                continue_counters(s);
                r = thread_start(&s->thread, "sfshmd-stats", statistics_thread, s);
        }
        if (r < 0) {
                statistics_dispose(s);
                return r;
        }
        ticker_on_run(s->sources.ticker, statistics_poke, s);
        *ret = s;
        return 0;
}

struct statistics *statistics_free(struct statistics *s) {
        struct client *client;

        if (!s)
                return NULL;
        ticker_on_run(s->sources.ticker, NULL, NULL);
        pthread_mutex_lock(&s->wake_mutex);
        s->stop = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->wake_mutex);
        pthread_join(s->thread, NULL);
        /* of the clients that are still in the list */
        cds_list_for_each_entry(client, s->clients, link) totals_forget(client);
        return statistics_dispose(s);
}
