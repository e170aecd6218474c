/* A bar with rate and remaining time on the terminal's last line; nothing where stderr is not a terminal. */
#ifndef UVK_CLI_PROGRESS_H
#define UVK_CLI_PROGRESS_H

#include <stdbool.h>

/* unit: what the rate counts. quiet: no bar. */
void progress_start(const char *unit, bool quiet);
/* done: the part of the run that is through, 0 to 1; units so far; name is what is being worked on. Draws at most ten times a
 * second. */
void progress_update(double done, long units, const char *name);
/* Clears the line before another message is printed; the next update draws it again. */
void progress_hide(void);
void progress_end(void);

/* Seconds of a clock that only goes forward. */
double seconds_now(void);

#endif
