/* Ctrl-C, SIGTERM and the end of the terminal: what is finished is kept, the program ends with 5. */
#ifndef UVK_CLI_SIGNALS_H
#define UVK_CLI_SIGNALS_H

#include <stdbool.h>

/* From here on each of these signals ends the program at once, and a closed pipe is an error of write() and no signal. */
void signals_install(void);
/* From here on the first signal only sets interrupted(); two seconds later, or at the second signal, the program ends anyway. */
void signals_defer(void);
/* From here on the first signal sets no time limit: what is being written was computed already, and would be lost. */
void signals_take_time(void);
bool interrupted(void);

#endif
