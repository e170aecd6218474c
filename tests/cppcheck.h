/* What cppcheck is told of libraries whose headers it does not see: the macro reads as a loop. */
#define cJSON_ArrayForEach(item, list) for (item = (list)->child; item; item = item->next)
