/* What the SQL of a user may do. The file is open read-only in any case; this also keeps SQL away from other files, from
 * extensions and from the settings of the connection. */
#include "query.h"

#include <string.h>

static bool is_in(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (sqlite3_stricmp(*list, name) == 0)
            return true;
    return false;
}

static bool pragma_only_reads(const char *name, const char *argument)
{
    static const char *const with_argument[] = {
        "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
        "foreign_key_check", "integrity_check", "quick_check", NULL,
    };
    static const char *const alone[] = {
        "application_id", "user_version", "schema_version", "journal_mode", "encoding", "page_count", "page_size",
        "freelist_count", "database_list", "collation_list", "function_list", "module_list", "pragma_list",
        "compile_options", NULL,
    };
    return is_in(with_argument, name) || (!argument && is_in(alone, name));
}

static bool function_is_harmless(const char *name)
{
    static const char *const refused[] = {"load_extension", "fts3_tokenizer", NULL};
    return !is_in(refused, name);
}

/* SQLite asks for this when it makes up the columns of a table function (scores, json_each, pragma_table_info) and writes
 * nothing. Real UPDATEs of the schema fail by themselves: the connection is defensive and the file is open read-only. */
static bool declares_table_function(const char *table, const char *database)
{
    return strcmp(table, "sqlite_master") == 0 && database && strcmp(database, "main") == 0;
}

static int authorize(void *user, int action, const char *first, const char *second, const char *database, const char *view)
{
    (void)user, (void)view;
    bool allowed = false;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        allowed = true;
        break;
    case SQLITE_UPDATE:
        allowed = declares_table_function(first, database);
        break;
    case SQLITE_FUNCTION:
        allowed = function_is_harmless(second);
        break;
    case SQLITE_PRAGMA:
        allowed = pragma_only_reads(first, second);
        break;
    default:
        break;
    }
    return allowed ? SQLITE_OK : SQLITE_DENY;
}

int uvk_authorize_reading(sqlite3 *sqlite)
{
    return sqlite3_set_authorizer(sqlite, authorize, NULL);
}
