/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

#include "daemon/util/log_output.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

#define RETRY_FIRST_NS NS_PER_S
#define RETRY_LAST_NS (64 * NS_PER_S)
/* At the stop: a write that has not ended for so long is blocked. A thread that is in no
 * write waits for a processor, and may do so for longer. */
#define STOP_STEP_NS (NS_PER_S / 2)
#define STOP_STEPS_MAX 20u
#define STOP_STEPS_WRITING 6u

/*
 * A bounded queue of many writers and one reader, after Vyukov: each slot has a turn. Slot
 * i begins at turn i. A writer at position p may fill the slot when its turn is p, and
 * hands it over with p + 1; the reader takes it then, and gives it back with p + RING, the
 * position which comes to that slot next. No one waits for another: a writer that is
 * preempted in its slot delays only what comes after it in the log.
 */
struct slot {
        _Atomic uint64_t turn;
        uint64_t position; /* of the writer; the slot is its own until it is handed over */
        uint64_t lost;     /* lines lost just before this one */
        struct log_line line;
};

static struct {
        struct slot slots[LOG_QUEUE_LINES];
        _Atomic uint64_t tail;   /* the next position to fill */
        _Atomic uint64_t untold; /* lines lost since the last one that was put in */
        _Atomic uint64_t lost;   /* in all */
        _Atomic uint64_t written; /* lines that are done with, one way or the other */
        atomic_bool running, stopping;
        atomic_bool writing; /* the thread is in write(2) */
        sem_t work, done;
        pthread_t thread;
        /* the thread's own */
        uint64_t head;     /* the next position to write */
        uint64_t to_tell;  /* lines lost before the next one that can be written */
        int64_t retry_ns;  /* until the next attempt to tell so; 0: the last write worked */
} queue;

/* ---- any thread */

static void queue_lose(void) {
        /* relaxed: counters on their own; they order nothing */
        atomic_fetch_add_explicit(&queue.lost, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&queue.untold, 1, memory_order_relaxed);
}

struct log_line *log_queue_take(void) {
        /* relaxed: only the slot's turn says whether the position may be filled */
        uint64_t position = atomic_load_explicit(&queue.tail, memory_order_relaxed);

        for (;;) {
                struct slot *slot = &queue.slots[position % LOG_QUEUE_LINES];
                /* acquire: pairs with the release of slot_return(); the thread has read
                 * the old line before this one overwrites it */
                uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

                if (turn < position) {
                        queue_lose();
                        return NULL;
                }
                if (turn > position) {
                        position = atomic_load_explicit(&queue.tail, memory_order_relaxed);
                        continue;
                }
                /* a failed exchange loads the position anew */
                if (atomic_compare_exchange_weak_explicit(&queue.tail, &position, position + 1,
                                                          memory_order_relaxed,
                                                          memory_order_relaxed)) {
                        slot->position = position;
                        return &slot->line;
                }
        }
}

void log_queue_put(struct log_line *line) {
        struct slot *slot = (struct slot *)(void *)((char *)line - offsetof(struct slot, line));

        slot->lost = atomic_exchange_explicit(&queue.untold, 0, memory_order_relaxed);
        /* release: pairs with the acquire in slot_ready() */
        atomic_store_explicit(&slot->turn, slot->position + 1, memory_order_release);
        /* Never waits. It wakes the thread only if that sleeps here, not while it is blocked
         * by standard error; as many posts as lines, so it cannot overflow. */
        (void)sem_post(&queue.work);
}

uint64_t log_queue_lost(void) {
        return atomic_load_explicit(&queue.lost, memory_order_relaxed); /* relaxed: only shown */
}

bool log_queue_running(void) {
        /* acquire: pairs with the release in log_queue_start(), which set up the slots */
        return atomic_load_explicit(&queue.running, memory_order_acquire);
}

/* ---- the thread */

__attribute__((format(printf, 2, 3)))
static void note_format(struct log_line *note, const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_line_format(note, EVENT_LOG_LOST, 0, 0, format, args);
        va_end(args);
}

static bool queue_write(const struct log_line *line) {
        bool written;

        /* relaxed: only looked at, half a second apart */
        atomic_store_explicit(&queue.writing, true, memory_order_relaxed);
        written = log_output_write(line) == 0;
        atomic_store_explicit(&queue.writing, false, memory_order_relaxed);
        if (written)
                queue.retry_ns = 0;
        else if (queue.retry_ns == 0)
                queue.retry_ns = RETRY_FIRST_NS;
        return written;
}

/* True if nothing is left to tell. */
static bool tell_lost(void) {
        static struct log_line note;

        if (queue.to_tell == 0)
                return true;
        note_format(&note, "%" PRIu64 " %s lost: standard error could not take %s",
                    queue.to_tell, queue.to_tell == 1 ? "line" : "lines",
                    queue.to_tell == 1 ? "it" : "them");
        note.dropped = queue.to_tell;
        if (!queue_write(&note))
                return false;
        queue.to_tell = 0;
        return true;
}

static struct slot *slot_ready(void) {
        struct slot *slot = &queue.slots[queue.head % LOG_QUEUE_LINES];

        /* acquire: pairs with the release in log_queue_put() */
        return atomic_load_explicit(&slot->turn, memory_order_acquire) == queue.head + 1 ? slot
                                                                                       : NULL;
}

static void slot_return(struct slot *slot) {
        /* release: pairs with the acquire in log_queue_take() */
        atomic_store_explicit(&slot->turn, queue.head + LOG_QUEUE_LINES, memory_order_release);
        queue.head++;
        /* relaxed: only looked at for progress */
        atomic_fetch_add_explicit(&queue.written, 1, memory_order_relaxed);
}

static void write_slot(struct slot *slot) {
        queue.to_tell += slot->lost;
        if (!tell_lost() || !queue_write(&slot->line)) {
                queue.to_tell++;
                atomic_fetch_add_explicit(&queue.lost, 1, memory_order_relaxed);
        }
        slot_return(slot);
}

/* Until something is put in; while lines are lost that could not be told, also for a while
 * that grows, to try again. */
static void wait_for_work(void) {
        struct timespec until;

        if (queue.to_tell == 0) {
                (void)sem_wait(&queue.work);
                return;
        }
        until = thread_deadline(queue.retry_ns);
        if (sem_clockwait(&queue.work, CLOCK_MONOTONIC, &until) < 0 && errno == ETIMEDOUT)
                queue.retry_ns = queue.retry_ns < RETRY_LAST_NS / 2 ? 2 * queue.retry_ns
                                                                   : RETRY_LAST_NS;
}

static void *log_thread(void *context) {
        struct slot *slot;

        (void)context;
        for (;;) {
                while ((slot = slot_ready()) != NULL)
                        write_slot(slot);
                /* what found the ring full, with nothing put in since */
                queue.to_tell += atomic_exchange_explicit(&queue.untold, 0, memory_order_relaxed);
                (void)tell_lost();
                /* acquire: pairs with the release in log_queue_stop() */
                if (slot_ready() == NULL &&
                    atomic_load_explicit(&queue.stopping, memory_order_acquire))
                        break;
                wait_for_work();
        }
        (void)sem_post(&queue.done);
        return NULL;
}

/* ---- start and stop */

int log_queue_start(void) {
        int r;

        for (uint64_t i = 0; i < LOG_QUEUE_LINES; i++)
                atomic_store_explicit(&queue.slots[i].turn, i, memory_order_relaxed);
        atomic_store_explicit(&queue.tail, 0, memory_order_relaxed);
        atomic_store_explicit(&queue.stopping, false, memory_order_relaxed);
        queue.head = 0;
        /* fails only for larger values */
        (void)sem_init(&queue.work, 0, 0);
        (void)sem_init(&queue.done, 0, 0);
        r = thread_start(&queue.thread, "sfshmd-log", log_thread, NULL);
        if (r < 0)
                return r;
        /* release: pairs with the acquire in log_queue_running() */
        atomic_store_explicit(&queue.running, true, memory_order_release);
        return 0;
}

/* False: standard error took nothing for a step, or takes too long. */
static bool queue_drained(void) {
        uint64_t before, after = atomic_load_explicit(&queue.written, memory_order_relaxed);

        for (unsigned i = 0; i < STOP_STEPS_MAX; i++) {
                struct timespec until = thread_deadline(STOP_STEP_NS);

                if (sem_clockwait(&queue.done, CLOCK_MONOTONIC, &until) == 0)
                        return true;
                before = after;
                after = atomic_load_explicit(&queue.written, memory_order_relaxed);
                if (atomic_load_explicit(&queue.writing, memory_order_relaxed) &&
                    (after == before || i + 1 >= STOP_STEPS_WRITING))
                        break;
        }
        return false;
}

void log_queue_stop(void) {
        if (!log_queue_running())
                return;
        /* release: pairs with the acquire in log_thread(), which then sees every line that
         * this thread has put in */
        atomic_store_explicit(&queue.stopping, true, memory_order_release);
        (void)sem_post(&queue.work);
        if (!queue_drained()) {
                /* it ends with the process */
                pthread_detach(queue.thread);
                return;
        }
        pthread_join(queue.thread, NULL);
        atomic_store_explicit(&queue.running, false, memory_order_relaxed);
}
