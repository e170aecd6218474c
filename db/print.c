/* Rows to a stream. A format is what it does before, for each and after the rows. */
#include "format.h"
#include "query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TABLE_ROWS = 1000 }; /* collected before columns are aligned: the memory of a table of any length is bounded */

typedef struct cell {
    char *text; /* sqlite3_str_finish: NULL when empty */
    int width;
    bool number;
} cell;

typedef struct printer {
    uvk_db *db;
    sqlite3_stmt *row;
    FILE *out;
    bool terminal;
    int columns;
    int64_t rows;
    cell *cells; /* table only: TABLE_ROWS + 1 rows, the header is the first */
    int *widths, held;
} printer;

typedef struct format {
    uvk_status (*begin)(printer *p, uvk_error *err), (*row)(printer *p, uvk_error *err), (*end)(printer *p, uvk_error *err);
} format;

static uvk_status fail_output(uvk_error *err)
{
    return uvk_fail(err, UVK_FAILED, "output: %s", strerror(errno));
}

static uvk_status put(printer *p, const char *text, size_t size, uvk_error *err)
{
    return fwrite(text, 1, size, p->out) == size ? UVK_OK : fail_output(err);
}

/* Writes and releases a line that was put together. */
static uvk_status put_line(printer *p, sqlite3_str *line, uvk_error *err)
{
    int code = sqlite3_str_errcode(line), size = sqlite3_str_length(line);
    char *text = sqlite3_str_finish(line);
    uvk_status status = UVK_OK;
    if (code != SQLITE_OK)
        status = uvk_fail_memory(err, (size_t)size, "a row");
    else if (size > 0)
        status = put(p, text, (size_t)size, err);
    sqlite3_free(text);
    return status;
}

static const char *column_name(const printer *p, int i)
{
    const char *name = sqlite3_column_name(p->row, i);
    return name ? name : "";
}

static uvk_status nothing(printer *p, uvk_error *err)
{
    (void)p, (void)err;
    return UVK_OK;
}

/* ---- CSV ------------------------------------------------------------------------------------------------------------ */

static uvk_status csv_begin(printer *p, uvk_error *err)
{
    sqlite3_str *line = sqlite3_str_new(NULL);
    for (int i = 0; i < p->columns; i++) {
        sqlite3_str_appendall(line, i ? "," : "");
        uvk_format_csv_text(line, column_name(p, i), strlen(column_name(p, i)), p->terminal);
    }
    sqlite3_str_appendall(line, "\r\n");
    return put_line(p, line, err);
}

static uvk_status csv_row(printer *p, uvk_error *err)
{
    sqlite3_str *line = sqlite3_str_new(NULL);
    for (int i = 0; i < p->columns; i++) {
        sqlite3_str_appendall(line, i ? "," : "");
        uvk_format_csv(line, p->row, i, p->terminal);
    }
    sqlite3_str_appendall(line, "\r\n");
    return put_line(p, line, err);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------- */

static void append_object(printer *p, sqlite3_str *line)
{
    sqlite3_str_appendall(line, "{");
    for (int i = 0; i < p->columns; i++) {
        const char *name = column_name(p, i);
        sqlite3_str_appendall(line, i ? "," : "");
        uvk_format_json_text(line, (const unsigned char *)name, strlen(name));
        sqlite3_str_appendall(line, ":");
        uvk_format_json(line, p->row, i);
    }
    sqlite3_str_appendall(line, "}");
}

static uvk_status json_row(printer *p, uvk_error *err)
{
    sqlite3_str *line = sqlite3_str_new(NULL);
    sqlite3_str_appendall(line, p->rows ? ",\n" : "[");
    append_object(p, line);
    return put_line(p, line, err);
}

static uvk_status json_end(printer *p, uvk_error *err)
{
    const char *end = p->rows ? "]\n" : "[]\n";
    return put(p, end, strlen(end), err);
}

static uvk_status jsonl_row(printer *p, uvk_error *err)
{
    sqlite3_str *line = sqlite3_str_new(NULL);
    append_object(p, line);
    sqlite3_str_appendall(line, "\n");
    return put_line(p, line, err);
}

/* ---- Table ---------------------------------------------------------------------------------------------------------- */

static int count_points(const char *text)
{
    int n = 0;
    for (; text && *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Takes the text over as the next cell of column i in the row that is being collected. */
static uvk_status collect(printer *p, int i, sqlite3_str *text, bool number, uvk_error *err)
{
    int code = sqlite3_str_errcode(text), size = sqlite3_str_length(text);
    cell *c = &p->cells[(size_t)p->held * (size_t)p->columns + (size_t)i];
    *c = (cell){.text = sqlite3_str_finish(text), .number = number};
    c->width = count_points(c->text);
    if (c->width > p->widths[i])
        p->widths[i] = c->width;
    return code == SQLITE_OK ? UVK_OK : uvk_fail_memory(err, (size_t)size, "a cell");
}

static void append_cell(sqlite3_str *line, const cell *c, int width, bool last)
{
    int space = width - c->width;
    if (c->number)
        sqlite3_str_appendchar(line, space, ' ');
    sqlite3_str_appendall(line, c->text ? c->text : "");
    if (!c->number && !last)
        sqlite3_str_appendchar(line, space, ' ');
    if (!last)
        sqlite3_str_appendall(line, "  ");
}

static uvk_status put_rule(printer *p, uvk_error *err)
{
    sqlite3_str *line = sqlite3_str_new(NULL);
    for (int i = 0; i < p->columns; i++) {
        sqlite3_str_appendchar(line, p->widths[i], '-');
        sqlite3_str_appendall(line, i + 1 == p->columns ? "\n" : "  ");
    }
    return put_line(p, line, err);
}

static void forget_cells(printer *p)
{
    for (size_t i = 0; p->cells && i < (size_t)(TABLE_ROWS + 1) * (size_t)p->columns; i++) {
        sqlite3_free(p->cells[i].text);
        p->cells[i].text = NULL;
    }
    p->held = 0;
}

static uvk_status put_table(printer *p, bool header, uvk_error *err)
{
    uvk_status status = UVK_OK;
    for (int k = 0; !status && k < p->held; k++) {
        sqlite3_str *line = sqlite3_str_new(NULL);
        for (int i = 0; i < p->columns; i++)
            append_cell(line, &p->cells[(size_t)k * (size_t)p->columns + (size_t)i], p->widths[i], i + 1 == p->columns);
        sqlite3_str_appendall(line, "\n");
        status = put_line(p, line, err);
        if (!status && header && k == 0)
            status = put_rule(p, err);
    }
    forget_cells(p);
    return status;
}

static uvk_status table_begin(printer *p, uvk_error *err)
{
    size_t size = (size_t)(TABLE_ROWS + 1) * (size_t)p->columns * sizeof *p->cells;
    p->cells = calloc(1, size);
    p->widths = calloc((size_t)p->columns, sizeof *p->widths);
    if (!p->cells || !p->widths)
        return uvk_fail_memory(err, size, "a table");
    uvk_status status = UVK_OK;
    for (int i = 0; !status && i < p->columns; i++) {
        sqlite3_str *text = sqlite3_str_new(NULL);
        uvk_format_plain(text, (const unsigned char *)column_name(p, i), strlen(column_name(p, i)));
        status = collect(p, i, text, false, err);
    }
    p->held = 1;
    return status;
}

static bool is_number(int type)
{
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

static uvk_status table_row(printer *p, uvk_error *err)
{
    uvk_status status = UVK_OK;
    if (p->held == TABLE_ROWS + 1)
        status = put_table(p, p->rows == TABLE_ROWS, err);
    for (int i = 0; !status && i < p->columns; i++) {
        sqlite3_str *text = sqlite3_str_new(NULL);
        bool number = is_number(sqlite3_column_type(p->row, i));
        uvk_format_table(text, p->row, i);
        status = collect(p, i, text, number, err);
    }
    p->held++;
    return status;
}

static uvk_status table_end(printer *p, uvk_error *err)
{
    return put_table(p, p->rows <= TABLE_ROWS, err);
}

/* ---- Any format ----------------------------------------------------------------------------------------------------- */

static uvk_status put_rows(printer *p, const format *f, uvk_error *err)
{
    int code = SQLITE_ROW;
    uvk_status status = f->begin(p, err);
    while (!status && (code = sqlite3_step(p->row)) == SQLITE_ROW) {
        status = f->row(p, err);
        p->rows++;
    }
    if (!status && code != SQLITE_DONE)
        status = uvk_query_fail(p->db, err);
    if (!status)
        status = f->end(p, err);
    if (!status && fflush(p->out) != 0)
        status = fail_output(err);
    return status;
}

uvk_status uvk_print_rows(uvk_db *db, sqlite3_stmt *statement, uvk_db_format which, FILE *out, uvk_error *err)
{
    static const format formats[] = {
        [UVK_DB_TABLE] = {table_begin, table_row, table_end},
        [UVK_DB_CSV] = {csv_begin, csv_row, nothing},
        [UVK_DB_JSON] = {nothing, json_row, json_end},
        [UVK_DB_JSONL] = {nothing, jsonl_row, nothing},
    };
    printer p = {.db = db, .row = statement, .out = out, .terminal = isatty(fileno(out)), .columns = sqlite3_column_count(statement)};
    uvk_status status = put_rows(&p, &formats[which], err);
    forget_cells(&p);
    free(p.cells);
    free(p.widths);
    return status;
}
