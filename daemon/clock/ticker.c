/* SPDX-License-Identifier: MIT */
#include "daemon/clock/ticker.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/clock/step_watch.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

/* A slewed line may make ticks long; the latch is read this often nevertheless. */
#define SLEEP_MAX_NS (10 * NS_PER_TICK)

enum command {
        COMMAND_IDLE = 0,
        COMMAND_RUN = 1,
        COMMAND_STOP = 2
};
/* The watchdog's question stands above the command in one word, so that a thread that is
 * about to sleep on the word misses neither. */
#define COMMAND_BITS 2u
#define COMMAND_MASK ((UINT32_C(1) << COMMAND_BITS) - 1)

struct ticker {
        struct clock_segment *segment;
        pthread_t thread;
        sem_t started;
        int start_error;          /* written before `started` is posted */
        _Atomic uint32_t command; /* with the question; a futex; the ledger thread stores it */
        _Atomic uint32_t answer;  /* the last question seen */
        _Atomic uint64_t count;
        _Atomic uint64_t late;
        struct histogram lateness;
        void (*on_run)(void *context); /* ledger thread only */
        void *on_run_context;
        int step_fd; /* an eventfd: the thread writes, the owner reads */
        /* the kernel reads these two when the thread dies */
        struct robust_list_head robust;
        struct robust_list owner_entry;
        /* only the thread uses these */
        uint64_t published; /* what `now` holds */
        uint64_t last_tick; /* the highest tick it ever held */
        uint32_t last_latch;
        struct step_watch steps;
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value) {
        return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void ticker_publish(struct ticker *ticker, uint64_t now) {
        /* release: pairs with the readers' load of `now`. A reader that sees the tick
         * sees what the daemon wrote for it before. */
        atomic_store_explicit(&ticker->segment->now, now, memory_order_release);
        ticker->published = now;
}

/*
 * Puts the owner word on this thread's robust list: the kernel finds it at
 * `owner_entry` + futex_offset and rewrites it when the thread dies, however it dies.
 * This replaces glibc's list of the thread, which matters only to robust mutexes that the
 * thread holds; it holds none. The entry is linked before the owner is stored, so there is
 * no moment in which a live owner word could outlive the thread.
 */
static int own_segment(struct ticker *ticker) {
        struct clock_segment *segment = ticker->segment;

        ticker->owner_entry.next = &ticker->robust.list;
        ticker->robust.list.next = &ticker->owner_entry;
        ticker->robust.futex_offset =
                (long)((intptr_t)&segment->owner - (intptr_t)&ticker->owner_entry);
        ticker->robust.list_op_pending = NULL;
        if (syscall(SYS_set_robust_list, &ticker->robust, sizeof(ticker->robust)) < 0)
                return -errno;

        ticker_publish(ticker, CLOCK_NOW_INVALID);
        /* release: pairs with the readers' acquire of `owner`. A reader that sees this
         * owner sees INVALID or one of its ticks, never the tick of a dead ticker. */
        atomic_store_explicit(&segment->owner, (uint32_t)gettid(), memory_order_release);
        return 0;
}

static void prefer_punctuality(void) {
        struct sched_param param = { .sched_priority = 1 };

        prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
        /* fails without privilege; then ticks come somewhat later */
        pthread_setschedparam(pthread_self(), SCHED_RR, &param);
}

/* Never publishes a lower tick than before, whatever the line says. */
static void advance(struct ticker *ticker, uint64_t tick, uint32_t latch, int64_t late_ns) {
        /* after a pause, or with a new line, no tick was skipped */
        bool continues = ticker->published != CLOCK_NOW_INVALID && latch == ticker->last_latch;

        ticker->last_latch = latch;
        if (tick < ticker->last_tick || tick == ticker->published)
                return;
        ticker_publish(ticker, tick);
        atomic_fetch_add_explicit(&ticker->count, 1, memory_order_relaxed);
        if (continues) {
                atomic_fetch_add_explicit(&ticker->late, tick - ticker->last_tick - 1,
                                          memory_order_relaxed);
                histogram_add(&ticker->lateness, late_ns);
        }
        ticker->last_tick = tick;
}

static void sleep_until(int64_t boot_ns) {
        struct timespec at = time_to_timespec(boot_ns);

        /* All signals are blocked; if it returned early, the caller would read the clock
         * anyway. BOOTTIME, so that a suspend ends the sleep. */
        clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &at, NULL);
}

/* After the tick is published, so that it is not delayed. */
static void look_for_step(struct ticker *ticker, int64_t boot_ns) {
        uint64_t one = 1;

        /* a write fails only when the counter is full, which is readable as well */
        if (step_watch_look(&ticker->steps, boot_ns) &&
            write(ticker->step_fd, &one, sizeof(one)) < 0)
                return;
}

static void run_one_tick(struct ticker *ticker) {
        struct clock_reading reading;
        uint64_t tick = clock_tick_of(clock_read(ticker->segment, time_ns, &reading));
        int64_t boot_ns = reading.boot_ns, next_ns;

        /* There is no line yet, or it is before the epoch; or the line stands still and no
         * ID of its tick may be issued. Then callers look at the state. */
        if (tick == CLOCK_NOW_INVALID || clock_held(ticker->segment)) {
                ticker_publish(ticker, CLOCK_NOW_INVALID);
                look_for_step(ticker, boot_ns);
                sleep_until(boot_ns + NS_PER_TICK);
                return;
        }
        advance(ticker, tick, reading.sequence,
                boot_ns - clock_line_boot_of(&reading.line, tick));
        look_for_step(ticker, boot_ns);
        next_ns = clock_line_boot_of(&reading.line, tick + 1);
        sleep_until(next_ns < boot_ns + SLEEP_MAX_NS ? next_ns : boot_ns + SLEEP_MAX_NS);
}

/* The word with the command, after the question in it was answered. */
static uint32_t take_command(struct ticker *ticker) {
        /* acquire: pairs with the release in word_set() */
        uint32_t word = atomic_load_explicit(&ticker->command, memory_order_acquire);

        /* relaxed: an independent number, stored only by this thread */
        if (atomic_load_explicit(&ticker->answer, memory_order_relaxed) != word >> COMMAND_BITS)
                atomic_store_explicit(&ticker->answer, word >> COMMAND_BITS, memory_order_relaxed);
        return word;
}

/* INVALID comes first: from here on callers read the clock themselves. */
static void run_idle(struct ticker *ticker) {
        uint32_t word;

        ticker_publish(ticker, CLOCK_NOW_INVALID);
        while (((word = take_command(ticker)) & COMMAND_MASK) == COMMAND_IDLE)
                futex(&ticker->command, FUTEX_WAIT, word);
}

static void *ticker_thread(void *context) {
        struct ticker *ticker = context;
        uint32_t command;

        prefer_punctuality();
        ticker->start_error = own_segment(ticker);
        sem_post(&ticker->started);
        if (ticker->start_error < 0)
                return NULL;

        while ((command = take_command(ticker) & COMMAND_MASK) != COMMAND_STOP) {
                if (command == COMMAND_RUN)
                        run_one_tick(ticker);
                else
                        run_idle(ticker);
        }
        ticker_publish(ticker, CLOCK_NOW_INVALID);
        /* release: a reader that sees the clock without an owner sees INVALID */
        atomic_store_explicit(&ticker->segment->owner, 0, memory_order_release);
        return NULL;
}

/* Only the ledger thread stores it, so no store comes between its load and its store. */
static uint32_t word_of(const struct ticker *ticker) {
        return atomic_load_explicit(&ticker->command, memory_order_relaxed);
}

static void word_set(struct ticker *ticker, uint32_t word) {
        /* release: pairs with the thread's acquire. The thread sees what the caller wrote
         * (the line, the state) before it asked for ticks. */
        atomic_store_explicit(&ticker->command, word, memory_order_release);
        futex(&ticker->command, FUTEX_WAKE, 1);
}

static void command_set(struct ticker *ticker, enum command command) {
        word_set(ticker, (word_of(ticker) & ~COMMAND_MASK) | command);
}

static int start(struct ticker *ticker) {
        int r = thread_start(&ticker->thread, "sfshmd-ticker", ticker_thread, ticker);

        if (r < 0)
                return r;
        while (sem_wait(&ticker->started) < 0)
                ; /* interrupted by a signal */
        if (ticker->start_error < 0)
                pthread_join(ticker->thread, NULL);
        return ticker->start_error;
}

/* The thread has ended, or never ran. */
static struct ticker *ticker_dispose(struct ticker *ticker) {
        sem_destroy(&ticker->started);
        if (ticker->step_fd >= 0)
                close(ticker->step_fd);
        free(ticker);
        return NULL;
}

int ticker_new(struct ticker **ret, struct clock_segment *segment,
               const struct wall_clock_calls *calls) {
        struct ticker *ticker = calloc(1, sizeof(*ticker));
        int r;

        if (!ticker)
                return -ENOMEM;
        ticker->segment = segment;
        /* fails only for larger values */
        (void)sem_init(&ticker->started, 0, 0);
        step_watch_init(&ticker->steps, calls);
        ticker->step_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        r = ticker->step_fd < 0 ? -errno : start(ticker);
        if (r < 0) {
                ticker_dispose(ticker);
                return r;
        }
        *ret = ticker;
        return 0;
}

struct ticker *ticker_free(struct ticker *ticker) {
        if (!ticker)
                return NULL;
        command_set(ticker, COMMAND_STOP);
        /* the kernel walks the robust list before the thread can be joined */
        pthread_join(ticker->thread, NULL);
        return ticker_dispose(ticker);
}

void ticker_set_running(struct ticker *ticker, bool running) {
        if (ticker_running(ticker) == running)
                return;
        command_set(ticker, running ? COMMAND_RUN : COMMAND_IDLE);
        if (running && ticker->on_run)
                ticker->on_run(ticker->on_run_context);
}

void ticker_on_run(struct ticker *ticker, void (*on_run)(void *context), void *context) {
        ticker->on_run = on_run;
        ticker->on_run_context = context;
}

int ticker_step_fd(const struct ticker *ticker) {
        return ticker->step_fd;
}

bool ticker_stepped(const struct ticker *ticker) {
        uint64_t steps;

        return read(ticker->step_fd, &steps, sizeof(steps)) == sizeof(steps);
}

uint64_t ticker_count(const struct ticker *ticker) {
        /* relaxed: a counter on its own; it orders nothing */
        return atomic_load_explicit(&ticker->count, memory_order_relaxed);
}

uint64_t ticker_late_count(const struct ticker *ticker) {
        /* relaxed: see ticker_count() */
        return atomic_load_explicit(&ticker->late, memory_order_relaxed);
}

const struct histogram *ticker_lateness(const struct ticker *ticker) {
        return &ticker->lateness;
}

const struct clock_segment *ticker_clock(const struct ticker *ticker) {
        return ticker->segment;
}

bool ticker_running(const struct ticker *ticker) {
        /* relaxed: only the ledger thread changes it; others only show it */
        return (word_of(ticker) & COMMAND_MASK) == COMMAND_RUN;
}

void ticker_ask(void *context, uint32_t question) {
        struct ticker *ticker = context;

        word_set(ticker, question << COMMAND_BITS | (word_of(ticker) & COMMAND_MASK));
}

bool ticker_answered(void *context, uint32_t question) {
        const struct ticker *ticker = context;

        /* relaxed: it only says that the thread passed its loop */
        return atomic_load_explicit(&ticker->answer, memory_order_relaxed) ==
               question << COMMAND_BITS >> COMMAND_BITS;
}
