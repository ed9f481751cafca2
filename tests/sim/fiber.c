/* SPDX-License-Identifier: MIT */
#include "fiber.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <ucontext.h>

#define STACK_SIZE (256u * 1024)

struct fiber {
        ucontext_t context;
        void (*run)(void *context);
        void *argument;
        bool ended;
        struct fiber *next; /* of those that are free */
        char stack[STACK_SIZE] __attribute__((aligned(16)));
};

static ucontext_t outside;
static struct fiber *running, *idle;

static void enter(void) {
        for (;;) {
                running->run(running->argument);
                running->ended = true;
                fiber_wait();
        }
}

static void prepare(struct fiber *f) {
        cr_assert_eq(getcontext(&f->context), 0);
        f->context.uc_stack.ss_sp = f->stack;
        f->context.uc_stack.ss_size = STACK_SIZE;
        f->context.uc_link = NULL;
        makecontext(&f->context, enter, 0);
}

static struct fiber *take(void) {
        struct fiber *f = idle;

        if (f != NULL) {
                idle = f->next;
                return f;
        }
        f = malloc(sizeof(*f));
        cr_assert_not_null(f);
        prepare(f);
        return f;
}

struct fiber *fiber_start(void (*run)(void *context), void *context) {
        struct fiber *f = take();

        f->run = run;
        f->argument = context;
        f->ended = false;
        return fiber_resume(f);
}

struct fiber *fiber_resume(struct fiber *f) {
        struct fiber *before = running;
        ucontext_t here = outside;

        running = f;
        cr_assert_eq(swapcontext(&outside, &f->context), 0);
        running = before;
        outside = here;
        if (!f->ended)
                return f;
        f->next = idle;
        idle = f;
        return NULL;
}

void fiber_wait(void) {
        struct fiber *f = running;

        cr_assert_eq(swapcontext(&f->context, &outside), 0);
}

void fiber_end(void) {
        while (idle != NULL) {
                struct fiber *f = idle;

                idle = f->next;
                free(f);
        }
}
