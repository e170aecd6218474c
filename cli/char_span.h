/* Parts of a text. */
#ifndef UVK_CLI_CHAR_SPAN_H
#define UVK_CLI_CHAR_SPAN_H

/* Characters start..end-1 of the context or the summary. */
typedef struct char_span { int start, end; } char_span;
typedef struct span_list { char_span *at; int count; } span_list;

#endif
