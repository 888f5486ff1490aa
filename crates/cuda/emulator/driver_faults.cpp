// What is said of a fault: which work, which place of a grid, which address.

#include "driver_faults.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "driver_work.h"

namespace {

struct sigaction before[2];
constexpr int FAULTS[] = {SIGSEGV, SIGBUS};
pthread_t owner;
const Work* work;

void on_fault(int, siginfo_t* info, void*) {
    if (pthread_equal(owner, pthread_self())) {
        // The stack of signals is small: nothing of stdio's that has a buffer.
        char thread[96], place[96], text[320];
        grid_describe(thread, sizeof thread);
        memory_describe(uintptr_t(info->si_addr), place, sizeof place);
        int length = snprintf(text, sizeof text, "emulated CUDA: %.64s%s: fault at %s\n", work->name.c_str(), thread,
                              place);
        if (write(2, text, size_t(length)) < 0) abort();
    }
    faults_leave();
}

}  // namespace

void faults_watch() {
    owner = pthread_self();
    work = work_running();
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 2; i++) sigaction(FAULTS[i], &action, &before[i]);
}

void faults_leave() {
    for (int i = 0; i < 2; i++) sigaction(FAULTS[i], &before[i], nullptr);
}
