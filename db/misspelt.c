/* Where SQL is wrong. SQLite says so of most mistakes; of the others the table that is missing is looked for, or the end is where SQL
 * ends too early, or the beginning of the statement is named. */
#include "query.h"

#include <ctype.h>
#include <string.h>

#define SPACE " \t\r\n\f" /* for SQLite \v is none */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* The end of what begins at c: white space, a comment, something quoted, a word, or a single character. */
static const char *token_end(const char *c)
{
    const char *end = NULL;
    if (strspn(c, SPACE) > 0)
        return c + strspn(c, SPACE);
    if (c[0] == '-' && c[1] == '-')
        return c + strcspn(c, "\n");
    if (c[0] == '/' && c[1] == '*')
        return (end = strstr(c + 2, "*/")) ? end + 2 : c + strlen(c);
    if (strchr("'\"`[", *c))
        return (end = strchr(c + 1, *c == '[' ? ']' : *c)) ? end + 1 : c + strlen(c);
    while (is_word(*c))
        end = ++c;
    return end ? end : c + 1;
}

static bool is_blank(const char *c)
{
    return strspn(c, SPACE) > 0 || *c == ';' || (c[0] == '-' && c[1] == '-') || (c[0] == '/' && c[1] == '*');
}

static const char *skip_blank(const char *c)
{
    while (*c && is_blank(c))
        c = token_end(c);
    return c;
}

static bool equals(const char *token, const char *end, const char *word)
{
    size_t length = (size_t)(end - token);
    return length == strlen(word) && sqlite3_strnicmp(token, word, (int)length) == 0;
}

/* Where the name stands as that of a table: behind FROM or JOIN, or else where it stands first. */
static const char *find_table(const char *statement, const char *name)
{
    const char *first = NULL, *end;
    bool from = false;
    for (const char *c = statement; *c; c = end) {
        end = token_end(c);
        if (is_blank(c))
            continue;
        bool quoted = strchr("\"`[", *c) != NULL;
        if (equals(c + quoted, end - quoted, name)) {
            if (from)
                return c;
            first = first ? first : c;
        }
        from = equals(c, end, "FROM") || equals(c, end, "JOIN");
    }
    return first;
}

static const char *find_mistake(sqlite3 *sqlite, const char *at)
{
    static const char no_table[] = "no such table: ";
    const char *message = sqlite3_errmsg(sqlite), *statement = skip_blank(at), *found = NULL;
#if SQLITE_VERSION_NUMBER >= 3038000
    if (sqlite3_error_offset(sqlite) >= 0)
        return at + sqlite3_error_offset(sqlite);
#endif
    if (strcmp(message, "incomplete input") == 0)
        return at + strlen(at);
    if (strncmp(message, no_table, strlen(no_table)) == 0)
        found = find_table(statement, message + strlen(no_table));
    return found ? found : statement;
}

/* Lines and columns count from 1, columns in characters. */
uvk_status uvk_sql_misspelt(uvk_db *db, const char *sql, const char *at, uvk_error *err)
{
    const char *mistake = find_mistake(db->sqlite, at);
    int line = 1, column = 1;
    for (const char *c = sql; c < mistake; c++) {
        column = *c == '\n' ? 1 : column + (((unsigned char)*c & 0xc0) != 0x80);
        line += *c == '\n';
    }
    return uvk_fail(err, UVK_USAGE, "%s: SQL error at line %d, column %d: %s%s", db->path, line, column, sqlite3_errmsg(db->sqlite), uvk_query_hint(db));
}
