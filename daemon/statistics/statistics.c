/* SPDX-License-Identifier: MIT */
#include "daemon/statistics/statistics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/statistics/client_counters.h"
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

/* `client->statistics` is a client's record: the highest values seen of it. It lies in the
 * client's grants page, so that the next daemon goes on from there; only that of a page without
 * room for it is allocated. This one stands for a client which is still in the list, but
 * already in the totals. */
static uint64_t retired[1];

struct statistics {
        struct statistics_segment *segment;
        struct statistics_segment *image; /* the next snapshot, the thread's own */
        uint32_t capacity;                /* clients it has room for */
        struct statistics_run run;
        struct cds_list_head *clients;
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
        /* Held while one client is read, by the thread and by statistics_retire(). Guards
         * what follows, and each client's record. */
        pthread_mutex_t totals_mutex;
        uint64_t totals[STATISTICS_VALUES_MAX]; /* of all clients there ever were */
        uint64_t fresh[STATISTICS_VALUES_MAX];
        uint64_t scratch[STATISTICS_VALUES_MAX];
};

/* Of this client: its page may have room for fewer worker IDs than the run has. */
static uint32_t record_values(const struct statistics *s, const struct client *client) {
        uint32_t workers = client_grants(client)->worker_counters;

        return STATISTICS_WORKERS + (workers < s->run.worker_count ? workers : s->run.worker_count);
}

/* Adds what is new since the last time. A value that fell, or is impossible, is left
 * out, so that totals only grow, whatever a client writes. */
static void take_in(struct statistics *s, const struct client *client, uint64_t *record,
                    uint64_t *totals) {
        int64_t age_ns = time_ns(CLOCK_BOOTTIME) - client->attached_boot_ns;

        if (statistics_page_read(client, &s->run, s->fresh) < 0)
                return; /* its counters are gone: the values seen before stay */
        for (uint32_t i = 0; i < record_values(s, client); i++) {
                uint64_t value = s->fresh[i];

                if (value <= record[i] || value > statistics_page_limit(&s->run, age_ns, i))
                        continue;
                totals[i] += value - record[i];
                record[i] = value;
        }
}

static bool is_in_page(const struct client *client) {
        uint32_t workers;

        return client->statistics != NULL && client->statistics == client_counted(client, &workers);
}

/* Called with the mutex. Without memory for a record the client is counted when it ends. */
static void begin_record(struct statistics *s, struct client *client) {
        uint32_t workers;

        client->statistics = client_counted(client, &workers);
        if (client->statistics == NULL)
                client->statistics = calloc(record_values(s, client), sizeof(uint64_t));
}

static void end_record(struct client *client) {
        if (client->statistics != retired && !is_in_page(client))
                free(client->statistics);
        client->statistics = NULL;
}

/* A record in its page says what was counted of it. Otherwise that is not known: what it has
 * counted so far is left out. */
void statistics_adopt(struct statistics *s, struct client *client) {
        pthread_mutex_lock(&s->totals_mutex);
        begin_record(s, client);
        if (client->statistics != NULL && !is_in_page(client))
                take_in(s, client, client->statistics, s->scratch);
        pthread_mutex_unlock(&s->totals_mutex);
}

static void list_client(struct statistics_segment *image, const struct client *client,
                        const uint64_t *record) {
        struct statistics_client *listed =
                (struct statistics_client *)(void *)(image + 1) + image->client_count++;

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

static void look_at(struct statistics *s, struct client *client) {
        pthread_mutex_lock(&s->totals_mutex);
        if (client->statistics == NULL)
                begin_record(s, client);
        if (client->statistics != NULL && client->statistics != retired) {
                take_in(s, client, client->statistics, s->totals);
                if (s->image->client_count < s->capacity)
                        list_client(s->image, client, client->statistics);
        }
        pthread_mutex_unlock(&s->totals_mutex);
}

void statistics_retire(struct statistics *s, struct client *client) {
        pthread_mutex_lock(&s->totals_mutex);
        memset(s->scratch, 0, sizeof(s->scratch)); /* in place of a missing record */
        if (client->statistics == NULL)
                begin_record(s, client);
        take_in(s, client, client->statistics != NULL ? client->statistics : s->scratch, s->totals);
        end_record(client);
        client->statistics = retired;
        pthread_mutex_unlock(&s->totals_mutex);
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
        const uint64_t *outcomes = s->totals + STATISTICS_OUTCOMES;

        *to = load_counted(s);
        to->overflows_waited = (int64_t)outcomes[OVERFLOW_WAITED];
        to->overflows_again = (int64_t)outcomes[OVERFLOW_AGAIN];
        to->overflows_timeout = (int64_t)outcomes[OVERFLOW_TIMEOUT];
        to->ticks = (int64_t)ticker_count(s->sources.ticker);
        to->ticks_late = (int64_t)ticker_late_count(s->sources.ticker);
        to->clients = s->image->client_count;
        to->ticker_running = ticker_running(s->sources.ticker);
        to->region = region_of(s->image);
        to->start_unix_ms = s->start_unix_ms;
        to->log_dropped = (int64_t)log_lost();
        fill_fence(s);
}

static void fill_waits(struct statistics *s) {
        struct statistics_histograms *to = &s->image->histograms;
        struct histogram_values *waits[] = { [WAIT_OVERFLOW] = &to->wait_overflow,
                                             [WAIT_GRANT] = &to->wait_grant,
                                             [WAIT_ATTACH] = &to->wait_attach,
                                             [WAIT_CLOCK] = &to->wait_clock };

        for (unsigned i = 0; i < WAIT_REASONS; i++)
                memcpy(waits[i], s->totals + STATISTICS_WAITS + i * (METRICS_BUCKETS + 1),
                       sizeof(*waits[i]));
}

static void fill_histograms(struct statistics *s) {
        struct statistics_histograms *to = &s->image->histograms;

        *to = s->earlier_histograms;
        histogram_read(s->sources.loop_delay, &to->loop_delay);
        histogram_read(ticker_lateness(s->sources.ticker), &to->ticker_lateness);
        histogram_read(lease_fence_writes(s->sources.lease), &to->fence_write);
        fill_waits(s);
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
        cds_list_for_each_entry_rcu(client, s->clients, link) look_at(s, client);
        rcu_read_unlock();

        pthread_mutex_lock(&s->totals_mutex);
        memcpy(s->image->worker_ids, s->totals + STATISTICS_WORKERS,
               s->run.worker_count * sizeof(uint64_t));
        fill_counters(s);
        fill_histograms(s);
        pthread_mutex_unlock(&s->totals_mutex);
        fill_lease(s);
        add_earlier(s);
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
                if (!ticker_running(s->sources.ticker))
                        pthread_cond_wait(&s->wake, &s->wake_mutex);
                else if (pthread_cond_timedwait(&s->wake, &s->wake_mutex, &until) == ETIMEDOUT)
                        break;
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

static void fill_run(struct statistics *s) {
        const struct statistics_segment *segment = s->segment;

        s->capacity = segment->client_capacity;
        s->run = (struct statistics_run){
                .worker_first = segment->worker_first,
                .worker_count = segment->worker_count < WORKER_COUNTERS_MAX ? segment->worker_count
                                                                            : WORKER_COUNTERS_MAX,
                .sequence_bits = segment->layout.sequence_bits,
                .width = (uint64_t)segment->worker_count << segment->layout.sequence_bits,
        };
        memcpy(s->image, segment, offsetof(struct statistics_segment, counters));
        s->image->pid = (uint32_t)getpid();
        s->image->clients_offset = sizeof(struct statistics_segment);
        s->start_unix_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS;
}

/* A number that no daemon can have counted is damage. */
static bool is_count(int64_t value) {
        return value >= 0 && value <= INT64_MAX / 2;
}

/* What the segment shows is what earlier daemons of this boot have counted. */
static void continue_counters(struct statistics *s, const struct statistics_counters *from) {
#define CONTINUE(field, family, label, divisor) \
        if (metric_types[METRIC_##family] == METRIC_COUNTER && is_count(from->field)) \
                s->earlier.field = from->field;
        METRICS_SERIES(CONTINUE)
#undef CONTINUE
        s->earlier.clock_last_rollback_unix_ms = from->clock_last_rollback_unix_ms;
        /* those are in the totals */
        s->totals[STATISTICS_OUTCOMES + OVERFLOW_WAITED] = (uint64_t)s->earlier.overflows_waited;
        s->totals[STATISTICS_OUTCOMES + OVERFLOW_AGAIN] = (uint64_t)s->earlier.overflows_again;
        s->totals[STATISTICS_OUTCOMES + OVERFLOW_TIMEOUT] = (uint64_t)s->earlier.overflows_timeout;
        s->earlier.overflows_waited = s->earlier.overflows_again = 0;
        s->earlier.overflows_timeout = 0;
}

static void continue_histograms(struct statistics *s, const struct statistics_histograms *from) {
        const struct histogram_values *waits[] = { [WAIT_OVERFLOW] = &from->wait_overflow,
                                                   [WAIT_GRANT] = &from->wait_grant,
                                                   [WAIT_ATTACH] = &from->wait_attach,
                                                   [WAIT_CLOCK] = &from->wait_clock };

        s->earlier_histograms = *from;
        for (unsigned i = 0; i < WAIT_REASONS; i++)
                memcpy(s->totals + STATISTICS_WAITS + i * (METRICS_BUCKETS + 1), waits[i],
                       sizeof(*waits[i]));
}

static void continue_earlier(struct statistics *s) {
        continue_counters(s, &s->segment->counters);
        continue_histograms(s, &s->segment->histograms);
        memcpy(s->totals + STATISTICS_WORKERS, s->segment->worker_ids,
               s->run.worker_count * sizeof(uint64_t));
}

/* The thread has ended, or never ran. */
static struct statistics *statistics_dispose(struct statistics *s) {
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->wake_mutex);
        pthread_mutex_destroy(&s->totals_mutex);
        free(s->image);
        free(s);
        return NULL;
}

int statistics_new(struct statistics **ret, struct statistics_segment *segment,
                   struct cds_list_head *clients, const struct statistics_sources *sources) {
        struct statistics *s = calloc(1, sizeof(*s));
        int r = s ? thread_condition_init(&s->wake) : -ENOMEM;

        if (r < 0) {
                free(s);
                return r;
        }
        pthread_mutex_init(&s->wake_mutex, NULL); /* cannot fail with default attributes */
        pthread_mutex_init(&s->totals_mutex, NULL);
        s->segment = segment;
        s->clients = clients;
        s->sources = *sources;
        s->image = calloc(1, statistics_segment_size(segment->client_capacity));
        r = -ENOMEM;
        if (s->image) {
                fill_run(s);
                continue_earlier(s);
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
        cds_list_for_each_entry(client, s->clients, link) end_record(client);
        return statistics_dispose(s);
}
