#include "inputs.h"

#include "file.h"
#include "messages.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIST_LIMIT = 1 << 28 };

static void add(input_list *list, const char *path)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->paths = text_grow(list->paths, (size_t)list->capacity, sizeof *list->paths);
    }
    list->paths[list->count++] = text_copy(path);
}

static void reject(input_list *list, const char *path, const char *why)
{
    uvk_error err;
    uvk_fail(&err, UVK_BAD_INPUT, "%s: %s", path, why);
    complain(&err);
    list->bad = true;
}

static int has_one_of(const struct dirent *entry, const char *const *extensions)
{
    for (; *extensions; extensions++)
        if (entry->d_name[0] != '.' && text_has_extension(entry->d_name, *extensions))
            return 1;
    return 0;
}

static int is_photo(const struct dirent *entry)
{
    return has_one_of(entry, (const char *const[]){".jpg", ".jpeg", ".png", ".webp", NULL});
}

static int is_text(const struct dirent *entry)
{
    return has_one_of(entry, (const char *const[]){".txt", NULL});
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_directory(input_list *list, const char *path, uvk_modality modality)
{
    struct dirent **entries;
    int n = scandir(path, &entries, modality == UVK_VISION ? is_photo : is_text, by_name);
    if (n < 0) {
        reject(list, path, strerror(errno));
        return;
    }
    if (n == 0)
        reject(list, path, modality == UVK_VISION ? "no images in this folder (expected .jpg, .jpeg, .png or .webp)" : "no texts in this folder (expected .txt)");
    for (int i = 0; i < n; i++) {
        char *file = text_join_path(path, entries[i]->d_name);
        add(list, file);
        free(file);
        free(entries[i]);
    }
    free(entries);
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void drop_other_shards(input_list *list)
{
    int kept = 0;
    for (int i = 0; i < list->count; i++)
        if (in_shard(&list->shard, i))
            list->paths[kept++] = list->paths[i];
        else
            free(list->paths[i]);
    if (list->count && !kept)
        note("shard %d/%d has no inputs (there are %d)", list->shard.first, list->shard.second, list->count);
    list->count = kept;
}

void inputs_take_shard(input_list *list, const number_pair *shard)
{
    list->shard = *shard;
    if (!list->folders)
        drop_other_shards(list);
}

void inputs_open_folders(input_list *list, uvk_modality modality)
{
    input_list opened = {.bad = list->bad, .shard = list->shard};
    for (int i = 0; i < list->count; i++)
        if (is_directory(list->paths[i]))
            add_directory(&opened, list->paths[i], modality);
        else
            add(&opened, list->paths[i]);
    inputs_free(list);
    *list = opened;
    drop_other_shards(list);
}

static void add_path(input_list *list, const char *path);

static void add_pattern(input_list *list, const char *pattern)
{
    glob_t found;
    int status = glob(pattern, 0, NULL, &found);
    if (status == GLOB_NOMATCH)
        reject(list, pattern, "no file matches this pattern");
    else if (status != 0)
        reject(list, pattern, "this pattern could not be expanded");
    for (size_t i = 0; status == 0 && i < found.gl_pathc; i++)
        add_path(list, found.gl_pathv[i]);
    globfree(&found);
}

static void add_path(input_list *list, const char *path)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    list->folders = list->folders || (exists && S_ISDIR(info.st_mode));
    if (!exists && strpbrk(path, "*?["))
        add_pattern(list, path);
    else
        add(list, path);
}

static void add_lines(input_list *list, const char *path)
{
    uvk_error err;
    void *text;
    size_t size;
    if (uvk_file_read(path, LIST_LIMIT, &text, &size, &err) != UVK_OK) {
        complain(&err);
        list->bad = true;
        return;
    }
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 with it */
    char *rest = (char *)text + (strncmp(text, mark, 3) == 0 ? 3 : 0), *line;
    int before = list->count;
    if (memchr(text, 0, size)) {
        reject(list, path, "not a list of paths (found a zero byte, expected text with one path a line)");
        rest = NULL;
    }
    while ((line = strsep(&rest, "\n"))) {
        size_t length = strlen(line);
        if (length && line[length - 1] == '\r')
            line[length - 1] = '\0';
        if (*line)
            add_path(list, line);
    }
    if (list->count == before && !list->bad)
        reject(list, path, "this list names no input");
    free(text);
}

void inputs_expand(const char *const *arguments, int n, input_list *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++)
        if (arguments[i][0] == '@' && arguments[i][1])
            add_lines(out, arguments[i] + 1);
        else
            add_path(out, arguments[i]);
}

void inputs_free(input_list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
}

typedef struct named_path { char *stem; const char *path; } named_path;

static int by_stem(const void *a, const void *b)
{
    return strcmp(((const named_path *)a)->stem, ((const named_path *)b)->stem);
}

uvk_status inputs_check_stems(const input_list *list, uvk_error *err)
{
    uvk_status status = UVK_OK;
    named_path *named = text_alloc((size_t)list->count, sizeof *named);
    for (int i = 0; i < list->count; i++)
        named[i] = (named_path){text_stem(list->paths[i]), list->paths[i]};
    qsort(named, (size_t)list->count, sizeof *named, by_stem);
    for (int i = 1; i < list->count && status == UVK_OK; i++)
        if (by_stem(&named[i - 1], &named[i]) == 0 && strcmp(named[i - 1].path, named[i].path) != 0)
            status = uvk_fail(err, UVK_USAGE, "%s: its pictures would overwrite those of %s (same name; run them apart or into two folders)",
                              named[i].path, named[i - 1].path);
    for (int i = 0; i < list->count; i++)
        free(named[i].stem);
    free(named);
    return status;
}
