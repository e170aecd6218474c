#include "messages.h"

#include "progress.h"
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool quiet_mode;

void messages_quiet(bool quiet)
{
    quiet_mode = quiet;
}

static void print_line(const char *kind, const char *format, va_list args)
{
    uvk_error line; /* uvk_fail's rule keeps a hostile file name on one line */
    char text[sizeof line.message];
    vsnprintf(text, sizeof text, format, args);
    uvk_fail(&line, UVK_OK, "%s", text);
    flockfile(stderr); /* jobs on several devices have one terminal */
    progress_hide();
    fprintf(stderr, "ultravk: %s%s\n", kind, line.message);
    funlockfile(stderr);
}

void note(const char *format, ...)
{
    if (quiet_mode)
        return;
    va_list args;
    va_start(args, format);
    print_line("", format, args);
    va_end(args);
}

void warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("warning: ", format, args);
    va_end(args);
}

uvk_status complain(const uvk_error *err)
{
    flockfile(stderr);
    progress_hide();
    fprintf(stderr, "ultravk: %s\n", err->message);
    funlockfile(stderr);
    return err->status;
}

static int weight(uvk_status status)
{
    switch (status) {
    case UVK_OK: return 0;
    case UVK_USAGE: return 1;
    case UVK_FAILED: return 2;
    case UVK_BAD_INPUT: return 3;
    case UVK_NO_DEVICE: return 4;
    case UVK_INTERRUPTED: return 5;
    }
    return 2;
}

uvk_status worse_status(uvk_status a, uvk_status b)
{
    return weight(a) >= weight(b) ? a : b;
}

uvk_status print_json(cJSON *json, bool pretty, uvk_error *err)
{
    char *text = pretty ? cJSON_Print(json) : cJSON_PrintUnformatted(json), *shown = text ? text_json(text) : NULL;
    if (shown)
        puts(shown);
    free(shown);
    cJSON_free(text);
    cJSON_Delete(json);
    return shown ? UVK_OK : uvk_fail_memory(err, 0, "JSON");
}

void print_escaped(const char *text)
{
    char *escaped = text_escaped(text);
    fputs(escaped, stdout);
    free(escaped);
}

uvk_status flush_results(uvk_error *err)
{
    bool failed_before = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !failed_before)
        return UVK_OK;
    return uvk_fail(err, UVK_FAILED, "standard output: %s", errno ? strerror(errno) : "a write failed");
}
