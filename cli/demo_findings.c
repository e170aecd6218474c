/* The findings of the demo, all of them asked from the database that its runs filled. */
#include "demo.h"

#include "db.h"
#include "image.h"
#include "progress.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the runs in the database this demo's are the latest. */
#define LATEST(probe) "(SELECT max(id) FROM run WHERE probe = '" probe "')"

/* ---- Asking ------------------------------------------------------------------------------------------------------------ */

/* The rows of a query as a JSON array of objects. */
static uvk_status ask(const demo *d, const char *sql, cJSON **rows, uvk_error *err)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    uvk_status status = memory ? uvk_db_query(d->db, sql, UVK_DB_JSON, memory, err) : uvk_fail_memory(err, 1, "a query");
    if (memory)
        fclose(memory);
    *rows = status == UVK_OK ? cJSON_ParseWithLength(text, size) : NULL;
    free(text);
    return status == UVK_OK && !*rows ? uvk_fail(err, UVK_FAILED, "%s: a query gave no JSON", d->db) : status;
}

static double number(const cJSON *row, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *string(const cJSON *row, const char *name)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));
    return value ? value : "";
}

/* ---- Scenes: how much of each explanation lies where it should ---------------------------------------------------------- */

/* A patch is of the class that covers this part of it. */
#define OWN_COVER 0.9

enum { CLASSES = 256 }; /* values of a mask; 0 is the background */

/* Shares of explanations that lie inside the true objects, and of the image that these cover: sums over so many targets. */
typedef struct shares { double inside, chance; int count; } shares;

typedef struct scene {
    int tokens;
    double (*cover)[CLASSES];  /* [tokens]: how much of a patch each class covers; zeros of what is no patch */
    double (*inside)[CLASSES]; /* [tokens]: of a target's scores, the sum that lies in each class */
    double *total;             /* [tokens]: the sum of all its scores */
    double area[CLASSES];      /* how much of the image each class covers */
} scene;

static void scene_free(scene *s)
{
    free(s->cover);
    free(s->inside);
    free(s->total);
}

static void count_pixels(const uvk_image *mask, const cJSON *token, double cover[CLASSES])
{
    int x0 = (int)number(token, "x0"), x1 = (int)number(token, "x1"), y0 = (int)number(token, "y0"), y1 = (int)number(token, "y1");
    for (int y = y0; y < y1 && y < mask->height; y++)
        for (int x = x0; x < x1 && x < mask->width; x++)
            cover[mask->rgb[3 * ((size_t)y * (size_t)mask->width + (size_t)x)]] += 1.0 / ((x1 - x0) * (y1 - y0));
}

static uvk_status read_cover(const demo *d, const char *name, scene *s, uvk_error *err)
{
    char *path = text_format("%s/scenes/masks/%s", d->data, name);
    char *sql = text_format("SELECT t.idx, t.x0, t.y0, t.x1, t.y1 FROM token AS t JOIN (SELECT DISTINCT p.sequence_id AS id FROM map AS p"
                            " JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
                            " WHERE p.run_id = " LATEST("explain") " AND i.name = '%s') AS q ON t.sequence_id = q.id ORDER BY t.idx", name);
    cJSON *tokens = NULL;
    const cJSON *token;
    uvk_image mask = {0};
    uvk_status status = uvk_image_load(path, &mask, err);
    if (status == UVK_OK)
        status = ask(d, sql, &tokens, err);
    s->tokens = cJSON_GetArraySize(tokens);
    s->cover = text_alloc((size_t)s->tokens, sizeof *s->cover);
    s->inside = text_alloc((size_t)s->tokens, sizeof *s->inside);
    s->total = text_alloc((size_t)s->tokens, sizeof *s->total);
    int k = 0;
    cJSON_ArrayForEach(token, tokens)
        count_pixels(&mask, token, s->cover[k++]);
    for (size_t i = 0; mask.rgb && i < (size_t)mask.width * (size_t)mask.height; i++)
        s->area[mask.rgb[3 * i]] += 1.0 / ((double)mask.width * mask.height);
    cJSON_Delete(tokens);
    uvk_image_free(&mask);
    free(sql);
    free(path);
    return status;
}

static uvk_status read_scores(const demo *d, const char *name, scene *s, uvk_error *err)
{
    char *sql = text_format("SELECT target_idx, source_idx, score FROM v_contribution WHERE run_id = " LATEST("explain") " AND input = '%s'", name);
    cJSON *rows = NULL;
    const cJSON *row;
    uvk_status status = ask(d, sql, &rows, err);
    cJSON_ArrayForEach(row, rows) {
        int target = (int)number(row, "target_idx"), source = (int)number(row, "source_idx");
        double score = number(row, "score");
        for (int c = 0; c < CLASSES; c++)
            s->inside[target][c] += score * s->cover[source][c];
        s->total[target] += score;
    }
    cJSON_Delete(rows);
    free(sql);
    return status;
}

static void add_share(shares *sum, double inside, double total, double chance)
{
    sum->inside += total > 0 ? inside / total : chance;
    sum->chance += chance;
    sum->count++;
}

static void add_targets(const scene *s, shares *cls, shares *patches)
{
    double inside = 0;
    for (int c = 1; c < CLASSES; c++)
        inside += s->inside[0][c];
    add_share(cls, inside, s->total[0], 1 - s->area[0]);
    for (int t = 1; t < s->tokens; t++)
        for (int c = 1; c < CLASSES; c++)
            if (s->cover[t][c] > OWN_COVER)
                add_share(patches, s->inside[t][c], s->total[t], s->area[c]);
}

static uvk_status print_scenes(const demo *d, uvk_error *err)
{
    shares cls = {0}, patches = {0};
    uvk_status status = UVK_OK;
    for (int i = 0; i < DEMO_SCENES && status == UVK_OK; i++) {
        char name[16];
        scene s = {0};
        snprintf(name, sizeof name, "%04d.png", i);
        status = read_cover(d, name, &s, err);
        if (status == UVK_OK)
            status = read_scores(d, name, &s, err);
        if (status == UVK_OK && s.tokens)
            add_targets(&s, &cls, &patches);
        scene_free(&s);
    }
    if (status != UVK_OK || !patches.count)
        return status;
    printf("%d scenes, every token explained: %.0f %% of a patch's explanation lies in the object it shows (chance %.0f %%: %.1f times; %d patches),\n"
           "    %.0f %% of the explanation of CLS in the objects (chance %.0f %%: %.1f times)\n",
           DEMO_SCENES, 100 * patches.inside / patches.count, 100 * patches.chance / patches.count, patches.inside / patches.chance, patches.count,
           100 * cls.inside / cls.count, 100 * cls.chance / cls.count, cls.inside / cls.chance);
    return UVK_OK;
}

/* ---- Reports ----------------------------------------------------------------------------------------------------------- */

static const cJSON *report_of(const demo *d, const char *file)
{
    for (int i = 0; i < DEMO_REPORTS; i++)
        if (strcmp(file, text_base_name(d->texts[i])) == 0)
            return d->reports[i];
    return NULL;
}

static uvk_status print_facts(const demo *d, uvk_error *err)
{
    cJSON *rows = NULL;
    const cJSON *row;
    int right = 0, facts = 0, summaries = 0;
    uvk_status status = ask(d, "SELECT DISTINCT i.name, q.text_out FROM map AS p JOIN sequence AS q ON q.id = p.sequence_id JOIN input AS i ON i.id = q.input_id"
                               " WHERE p.run_id = " LATEST("summarize"), &rows, err);
    cJSON_ArrayForEach(row, rows) {
        const cJSON *report = report_of(d, string(row, "name"));
        int n = 0;
        right += report ? demo_facts_right(report, string(row, "text_out"), &n) : 0;
        facts += n;
        summaries++;
    }
    if (status == UVK_OK)
        printf("%d reports: summarized with %d of %d facts right\n", summaries, right, facts);
    cJSON_Delete(rows);
    return status;
}

static uvk_status print_agreement(const demo *d, uvk_error *err)
{
    cJSON *rows = NULL;
    uvk_status status = ask(d, "SELECT avg(value) AS auprc, count(*) AS n FROM metric WHERE name = 'auprc' AND method = 'ultra' AND run_id = " LATEST("attribute"),
                            &rows, err);
    if (status == UVK_OK)
        printf("    contribution scores against the words that state the facts: average precision %.2f (%.0f reports)\n",
               number(rows->child, "auprc"), number(rows->child, "n"));
    cJSON_Delete(rows);
    return status;
}

/* ---- What it ran on, and how to go on ----------------------------------------------------------------------------------- */

static uvk_status print_rest(const demo *d, uvk_error *err)
{
    cJSON *rows = NULL;
    uvk_status status = ask(d, "SELECT device FROM run WHERE id = " LATEST("explain"), &rows, err);
    if (status == UVK_OK)
        printf("device: %s; %.0f seconds\n"
               "pictures: %s (opens in a browser)\n"
               "database: %s; ask it, for example\n"
               "    %s query %s --named top-sources input=0000.png\n"
               "    %s query %s --named tcs-words input=%s.txt\n",
               string(rows->child, "device"), seconds_now() - d->started, d->page, d->db, d->o->program, d->db, d->o->program, d->db, demo_report_id(d->reports[0]));
    cJSON_Delete(rows);
    return status;
}

uvk_status demo_print_findings(const demo *d, uvk_error *err)
{
    uvk_status status = print_scenes(d, err);
    if (status == UVK_OK)
        status = print_facts(d, err);
    if (status == UVK_OK)
        status = print_agreement(d, err);
    return status == UVK_OK ? print_rest(d, err) : status;
}
