#include "progress.h"

#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24, NAME = 40 };

static struct {
    bool active, drawn;
    const char *unit;
    double started, last, done;
} progress;

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(const char *unit, bool quiet)
{
    const char *terminal = getenv("TERM");
    progress.active = !quiet && isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
    progress.unit = unit;
    progress.started = seconds_now();
    progress.last = progress.done = 0;
}

static void print_remaining(double seconds)
{
    long left = (long)(seconds + 0.5);
    if (left >= 3600)
        fprintf(stderr, "%ld:%02ld:%02ld left", left / 3600, left / 60 % 60, left % 60);
    else
        fprintf(stderr, "%ld:%02ld left", left / 60, left % 60);
}

/* Its first characters; what is cut is cut between two of them. */
static void print_name(const char *name)
{
    char *escaped = text_escaped(name);
    size_t length = strlen(escaped);
    if (length > NAME)
        for (length = NAME; length > 0 && ((unsigned char)escaped[length] & 0xc0) == 0x80;)
            length--;
    fprintf(stderr, "  %.*s\033[K", (int)length, escaped);
    free(escaped);
}

static void draw(double done, long units, const char *name)
{
    double now = seconds_now(), passed = now - progress.started + 1e-9;
    if (!progress.active || (now - progress.last < 0.1 && done < 1))
        return;
    if (done < progress.done) /* another device is further */
        done = progress.done;
    progress.done = done;
    int filled = (int)(BAR * done);
    fprintf(stderr, "\r[%.*s%*s] %3d%%  ", filled, "========================", BAR - filled, "", (int)(100 * done));
    if (done > 0) {
        fprintf(stderr, "%.1f %s/s  ", (double)units / passed, progress.unit);
        print_remaining(passed * (1 - done) / done);
    }
    print_name(name);
    progress.last = now;
    progress.drawn = true;
}

void progress_update(double done, long units, const char *name)
{
    flockfile(stderr); /* jobs on several devices share the bar */
    draw(done, units, name);
    funlockfile(stderr);
}

void progress_hide(void)
{
    if (progress.drawn)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
}

void progress_end(void)
{
    progress_hide();
    progress.active = false;
}
