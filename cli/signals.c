#include "signals.h"

#include "ultravk.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t deferring, raised, unhurried;
static timer_t deadline;

static void end_now(int signal_number)
{
    (void)signal_number;
    static const char line[] = "ultravk: interrupted\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written; /* the exit status tells as well */
    _exit(UVK_INTERRUPTED);
}

/* SQLite's journal makes ending at any moment safe: a long submission of a slow driver cannot hold the user up. */
static void on_signal(int signal_number)
{
    if (!deferring || raised)
        end_now(signal_number);
    raised = 1;
    struct itimerspec soon = {.it_value = {.tv_sec = 1, .tv_nsec = 300000000}}; /* what is left of two seconds ends the process */
    if (!unhurried)
        timer_settime(deadline, 0, &soon, NULL);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

void signals_install(void)
{
    handle(SIGPIPE, SIG_IGN);
    handle(SIGINT, on_signal);
    handle(SIGTERM, on_signal);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* under nohup it is ignored, and stays so */
        handle(SIGHUP, on_signal);
}

void signals_defer(void)
{
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm, NULL); /* a parent may have blocked it */
    handle(SIGALRM, end_now);
    deferring = timer_create(CLOCK_MONOTONIC, NULL, &deadline) == 0;
}

void signals_take_time(void)
{
    struct itimerspec never = {0};
    unhurried = 1;
    if (deferring)
        timer_settime(deadline, 0, &never, NULL);
}

bool interrupted(void)
{
    return raised;
}
