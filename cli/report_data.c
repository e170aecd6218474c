/* A database as one JSON tree. Every list of rows is {"sql", "columns", "rows"}, so that the page can quote where it is from. */
#include "report.h"

#include "colormap.h"
#include "options.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct report {
    uvk_db *db;
    const char *path;
    int64_t run;
    int inputs;
    int64_t scores_left; /* entries of maps that the page still has room for */
    cJSON *json;
} report;

/* ---- Rows of any kind ------------------------------------------------------------------------------------------------------- */

static cJSON *text_value(const char *bytes)
{
    char *clean = text_utf8(bytes ? bytes : "");
    cJSON *value = cJSON_CreateString(clean);
    free(clean);
    return value;
}

static cJSON *cell_value(const uvk_db_cell *cell)
{
    switch (cell->type) {
    case UVK_DB_INTEGER: return cJSON_CreateNumber((double)cell->integer);
    case UVK_DB_REAL: return cJSON_CreateNumber(cell->real);
    case UVK_DB_TEXT: return text_value(cell->bytes);
    default: return cJSON_CreateNull();
    }
}

static uvk_status begin_table(void *user, const char *sql, const char *const *names, int columns, uvk_error *err)
{
    cJSON *table = user;
    (void)err;
    cJSON_AddItemToObject(table, "sql", text_value(sql));
    cJSON_AddItemToObject(table, "columns", cJSON_CreateStringArray(names, columns));
    cJSON_AddArrayToObject(table, "rows");
    return UVK_OK;
}

static uvk_status add_row(void *user, const uvk_db_cell *cells, int columns, uvk_error *err)
{
    cJSON *row = cJSON_CreateArray();
    (void)err;
    for (int i = 0; i < columns; i++)
        cJSON_AddItemToArray(row, cell_value(&cells[i]));
    cJSON_AddItemToArray(cJSON_GetObjectItem(user, "rows"), row);
    return UVK_OK;
}

static uvk_status add_table(const report *r, cJSON *to, const char *key, uvk_db_part part, const uvk_db_chosen *chosen, uvk_error *err)
{
    uvk_db_rows rows = {begin_table, add_row, cJSON_AddObjectToObject(to, key)};
    return uvk_db_report(r->db, part, chosen, &rows, err);
}

static cJSON *rows_of(const cJSON *to, const char *key)
{
    return cJSON_GetObjectItem(cJSON_GetObjectItem(to, key), "rows");
}

static cJSON *field(const cJSON *table, const cJSON *row, const char *name)
{
    const cJSON *column;
    int i = 0;
    cJSON_ArrayForEach(column, cJSON_GetObjectItem(table, "columns")) {
        if (strcmp(column->valuestring, name) == 0)
            return cJSON_GetArrayItem(row, i);
        i++;
    }
    return NULL;
}

static int64_t number(const cJSON *value)
{
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

static const char *string(const cJSON *value)
{
    return cJSON_IsString(value) ? value->valuestring : "";
}

/* ---- Maps -------------------------------------------------------------------------------------------------------------------- */

/* What the rows of one run and sequence become: S of METHOD, each map scaled to 1 and packed as little-endian halves. */
typedef struct packing {
    cJSON *json;
    const uvk_layout *layout;
    uvk_own_token own;
    float *row, *scores;
    uint8_t *halves;
    int bad; /* maps that are not what their tokens say */
} packing;

/* IEEE half precision of a value in 0..1, rounded to nearest. */
static unsigned half_of(float value)
{
    int exponent;
    if (!(value >= 0x1p-14f))
        return value > 0 ? (unsigned)lrintf(value * 0x1p24f) : 0;
    float mantissa = frexpf(value, &exponent);
    return ((unsigned)(exponent + 13) << 10) + (unsigned)lrintf(mantissa * 2048);
}

static bool read_row(packing *p, const uvk_db_cell *blob)
{
    int n = p->layout->tokens;
    if (blob->type != UVK_DB_BLOB || blob->size != 4 * (size_t)n)
        return false;
    const unsigned char *b = (const unsigned char *)blob->bytes;
    for (int i = 0; i < n; i++, b += 4) {
        uint32_t bits = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&p->row[i], &bits, sizeof bits);
        if (!isfinite(p->row[i]))
            return false;
    }
    return true;
}

static float pack(packing *p)
{
    int n = p->layout->tokens;
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fmaxf(most, p->scores[i]);
    for (int i = 0; i < n; i++) {
        unsigned half = most > 0 ? half_of(p->scores[i] / most) : 0;
        p->halves[2 * i] = (uint8_t)half;
        p->halves[2 * i + 1] = (uint8_t)(half >> 8);
    }
    return most;
}

static void add_to(cJSON *json, const char *list, cJSON *value)
{
    cJSON_AddItemToArray(cJSON_GetObjectItem(json, list), value);
}

static uvk_status begin_maps(void *user, const char *sql, const char *const *names, int columns, uvk_error *err)
{
    packing *p = user;
    static const char *const lists[] = {"id", "target", "output", "effective_tokens", "locality", "most", "scores"};
    (void)names, (void)columns, (void)err;
    cJSON_AddItemToObject(p->json, "sql", text_value(sql));
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        cJSON_AddArrayToObject(p->json, lists[i]);
    return UVK_OK;
}

/* Columns of UVK_DB_MAPS: id, target_idx, output_idx, effective_tokens, locality, scores. */
static uvk_status add_map(void *user, const uvk_db_cell *cells, int columns, uvk_error *err)
{
    packing *p = user;
    int64_t target = cells[1].integer;
    (void)columns;
    if (target < 0 || target >= p->layout->tokens || !read_row(p, &cells[5])) {
        p->bad++;
        return UVK_OK;
    }
    uvk_status status = uvk_map(p->layout, (int)target, p->row, p->own, p->scores, NULL, err);
    if (status != UVK_OK)
        return status;
    add_to(p->json, "id", cell_value(&cells[0]));
    add_to(p->json, "target", cell_value(&cells[1]));
    add_to(p->json, "output", cell_value(&cells[2]));
    add_to(p->json, "effective_tokens", cell_value(&cells[3]));
    add_to(p->json, "locality", cell_value(&cells[4]));
    add_to(p->json, "most", cJSON_CreateNumber((double)pack(p)));
    char *text = report_base64(p->halves, 2 * (size_t)p->layout->tokens);
    add_to(p->json, "scores", cJSON_CreateString(text));
    free(text);
    return UVK_OK;
}

static uvk_own_token own_rule(const char *name)
{
    for (int i = 0; own_token_names[i]; i++)
        if (strcmp(own_token_names[i], name) == 0)
            return (uvk_own_token)i;
    return UVK_OWN_KEEP;
}

static uvk_status add_maps(report *r, cJSON *to, const uvk_layout *layout, const char *own, const uvk_db_chosen *chosen, uvk_error *err)
{
    size_t n = (size_t)layout->tokens;
    packing p = {.json = cJSON_AddObjectToObject(to, "maps"), .layout = layout, .own = own_rule(own),
                 .row = text_alloc(n, sizeof *p.row), .scores = text_alloc(n, sizeof *p.scores), .halves = text_alloc(n, 2)};
    uvk_db_rows rows = {begin_maps, add_map, &p};
    uvk_status status = uvk_db_report(r->db, UVK_DB_MAPS, chosen, &rows, err);
    cJSON_AddNumberToObject(p.json, "unreadable", p.bad);
    r->scores_left -= cJSON_GetArraySize(cJSON_GetObjectItem(p.json, "id")) * (int64_t)n;
    free(p.halves);
    free(p.scores);
    free(p.row);
    return status;
}

/* ---- Sequences: an image or a text as one model saw it -------------------------------------------------------------------------- */

/* The tokens as uvk_map wants them; owned by the caller. */
static uvk_token *token_list(const cJSON *tokens)
{
    const cJSON *rows = cJSON_GetObjectItem(tokens, "rows"), *row;
    uvk_token *list = text_alloc((size_t)cJSON_GetArraySize(rows) + 1, sizeof *list);
    int i = 0;
    cJSON_ArrayForEach(row, rows)
        list[i++].special = strcmp(string(field(tokens, row, "kind")), "special") == 0;
    return list;
}

/* The runs of one sequence share alike what the page has room for; what one leaves the next may take. */
static uvk_status add_runs(report *r, cJSON *item, const cJSON *table, const uvk_layout *layout, int64_t sequence, int sequences_left, uvk_error *err)
{
    cJSON *list = cJSON_AddArrayToObject(item, "of_run");
    const cJSON *rows = cJSON_GetObjectItem(table, "rows"), *row;
    int64_t room = r->scores_left / sequences_left, left = cJSON_GetArraySize(rows);
    uvk_status status = UVK_OK;
    cJSON_ArrayForEach(row, rows) {
        cJSON *one = cJSON_CreateObject();
        int64_t before = r->scores_left, most = room / left-- / (layout->tokens ? layout->tokens : 1);
        uvk_db_chosen chosen = {.run = number(field(table, row, "run_id")), .sequence = sequence, .most = most > 0 ? most : 1};
        cJSON_AddItemToArray(list, one);
        if ((status = add_maps(r, one, layout, string(field(table, row, "own_token")), &chosen, err)) ||
            (status = add_table(r, one, "segments", UVK_DB_SEGMENTS, &chosen, err)) || (status = add_table(r, one, "tcs", UVK_DB_TCS, &chosen, err)) ||
            (status = add_table(r, one, "scores", UVK_DB_SCORES, &chosen, err)))
            break;
        room -= before - r->scores_left;
    }
    return status;
}

static void add_photo(const report *r, cJSON *item, const cJSON *table, const cJSON *row)
{
    const char *why = "an array has no photo";
    char *photo = NULL;
    if (strcmp(string(field(table, row, "kind")), "image") == 0)
        photo = report_photo(string(field(table, row, "path")), string(field(table, row, "sha256")), r->path, &why);
    cJSON_AddStringToObject(item, photo ? "photo" : "no_photo", photo ? photo : why);
    free(photo);
}

static uvk_status add_sequence(report *r, cJSON *items, const cJSON *table, const cJSON *row, int left, uvk_error *err)
{
    cJSON *item = cJSON_CreateObject();
    uvk_db_chosen chosen = {.run = r->run, .sequence = number(field(table, row, "sequence"))};
    uvk_status status;
    cJSON_AddItemToArray(items, item);
    if ((status = add_table(r, item, "tokens", UVK_DB_TOKENS, &chosen, err)) || (status = add_table(r, item, "words", UVK_DB_WORDS, &chosen, err)) ||
        (status = add_table(r, item, "runs", UVK_DB_SEQUENCE_RUNS, &chosen, err)))
        return status;
    if (strcmp(string(field(table, row, "modality")), "vision") == 0)
        add_photo(r, item, table, row);
    uvk_token *list = token_list(cJSON_GetObjectItem(item, "tokens"));
    uvk_layout layout = {.tokens = cJSON_GetArraySize(rows_of(item, "tokens")), .list = list};
    status = add_runs(r, item, cJSON_GetObjectItem(item, "runs"), &layout, chosen.sequence, left, err);
    free(list);
    return status;
}

static uvk_status add_sequences(report *r, uvk_error *err)
{
    uvk_db_chosen chosen = {.run = r->run, .most = r->inputs};
    uvk_status status = add_table(r, r->json, "sequences", UVK_DB_SEQUENCES, &chosen, err);
    const cJSON *table = cJSON_GetObjectItem(r->json, "sequences"), *rows = cJSON_GetObjectItem(table, "rows"), *row;
    cJSON *items = cJSON_AddArrayToObject(r->json, "items");
    int left = cJSON_GetArraySize(rows);
    cJSON_ArrayForEach(row, rows) {
        if (status != UVK_OK)
            break;
        status = add_sequence(r, items, table, row, left--, err);
    }
    return status;
}

/* ---- The whole ------------------------------------------------------------------------------------------------------------------- */

static uvk_status add_figures(report *r, uvk_error *err)
{
    static const struct { const char *key; uvk_db_part part; } figures[] = {
        {"totals", UVK_DB_TOTALS}, {"runs", UVK_DB_RUNS}, {"depth", UVK_DB_DEPTH}, {"perturbation", UVK_DB_PERTURBATION},
        {"faithfulness", UVK_DB_FAITHFULNESS}, {"modality", UVK_DB_MODALITY},
    };
    uvk_db_chosen chosen = {.run = r->run, .most = REPORT_RUNS};
    uvk_status status = UVK_OK;
    for (size_t i = 0; i < sizeof figures / sizeof *figures && status == UVK_OK; i++)
        status = add_table(r, r->json, figures[i].key, figures[i].part, &chosen, err);
    if (status == UVK_OK && r->run && cJSON_GetArraySize(rows_of(r->json, "runs")) == 0)
        status = uvk_fail(err, UVK_BAD_INPUT, "%s: no run %lld", r->path, (long long)r->run);
    return status;
}

static void add_colors(cJSON *json)
{
    uint8_t colors[256][3];
    for (int i = 0; i < 256; i++)
        colormap(i / 255.0, colors[i]);
    char *text = report_base64(colors, sizeof colors);
    cJSON_AddStringToObject(json, "colors", text);
    free(text);
}

static void add_origin(const report *r)
{
    char when[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc);
    cJSON_AddItemToObject(r->json, "database", text_value(text_base_name(r->path)));
    cJSON_AddStringToObject(r->json, "version", uvk_version());
    cJSON_AddStringToObject(r->json, "made", when);
    cJSON_AddNumberToObject(r->json, "run", (double)r->run);
    cJSON_AddNumberToObject(r->json, "most_inputs", r->inputs);
}

uvk_status report_data(const char *path, int64_t run, int inputs, cJSON **out, uvk_error *err)
{
    report r = {.path = path, .run = run, .inputs = inputs ? inputs : REPORT_INPUTS, .scores_left = REPORT_SCORES, .json = cJSON_CreateObject()};
    uvk_status status = uvk_db_report_open(path, &r.db, err);
    if (status == UVK_OK) {
        add_origin(&r);
        add_colors(r.json);
        status = add_figures(&r, err);
        if (status == UVK_OK)
            status = add_sequences(&r, err);
        status = uvk_db_report_end(r.db, status, err);
        uvk_db_report_close(r.db);
    }
    if (status != UVK_OK)
        cJSON_Delete(r.json);
    else
        *out = r.json;
    return status;
}
