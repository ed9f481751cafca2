/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/single_step.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NO_PTRACE 77

void *single_step_memory(size_t size) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        cr_assert_neq(memory, MAP_FAILED);
        return memory;
}

unsigned long single_step(void (*writer)(void *), void (*look)(void *), void *argument) {
        unsigned long steps = 0;
        pid_t child = fork();
        int status;

        cr_assert_geq(child, 0);
        if (child == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                        _exit(EXIT_NO_PTRACE);
                (void)raise(SIGSTOP);
                writer(argument);
                (void)raise(SIGSTOP);
                _exit(0);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PTRACE)
                cr_skip_test("no process can be traced here, as in an emulator");
        cr_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        do {
                cr_assert_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
                cr_assert_eq(waitpid(child, &status, 0), child);
                cr_assert(WIFSTOPPED(status), "the writer ended in the middle");
                look(argument);
                steps++;
        } while (WSTOPSIG(status) == SIGTRAP);
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, &status, 0), child);
        return steps;
}
