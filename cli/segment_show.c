#include "segmented.h"

#include "approximation.h"
#include "messages.h"
#include "show.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_segment(const uvk_db_segment *s, int number, size_t pixels, bool scored)
{
    printf("%7d  %7d  %5.1f %%", number, s->n_tokens, 100.0 * (double)s->area / (double)pixels);
    if (isnan(s->x0))
        printf("  %-25s", "no pixel");
    else
        printf("  (%5.0f,%5.0f)-(%5.0f,%5.0f)", s->x0, s->y0, s->x1, s->y1);
    if (scored && s->class_id >= 0) {
        char *name = s->class_name ? text_escaped(s->class_name) : text_format("%d", s->class_id);
        printf("  %5.3f  %s", s->iou, name);
        free(name);
    } else if (scored) {
        printf("  %5.3f  (no class)", s->iou);
    }
    putchar('\n');
}

uvk_status segment_table(const job *j, const explained *r, uvk_error *err)
{
    const segmented *g = r->segments;
    size_t pixels = (size_t)g->s.width * (size_t)g->s.height;
    char words[APPROXIMATION_WORDS];
    print_escaped(r->path);
    printf("  layer %d of ", j->layer);
    print_escaped(j->info->name);
    printf(", %s, %s%s: %d segment%s", scalar_names[j->o->scalar], order_names[j->o->order],
           approximation_words(j->o, words), g->s.clusters, g->s.clusters == 1 ? "" : "s");
    if (!isnan(g->s.silhouette))
        printf(", silhouette %.3f", g->s.silhouette);
    printf("\nsegment  patches     area  box in the photo%s\n", g->match ? "             IoU  class" : "");
    for (int c = 0; c < g->s.clusters; c++)
        print_segment(&g->list[c], c, pixels, g->match != NULL);
    for (int m = 0; m < g->n_methods; m++)
        if (g->match[m].counted)
            printf("%-12s U.Acc %.3f  U.mIoU %.3f\n", segment_methods[m], g->match[m].accuracy, g->match[m].miou);
    putchar('\n');
    return flush_results(err);
}

static cJSON *segment_of(const uvk_db_segment *s)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "patches", s->n_tokens);
    cJSON_AddNumberToObject(json, "area", (double)s->area);
    cJSON_AddItemToObject(json, "box", isnan(s->x0) ? cJSON_CreateNull() : cJSON_CreateDoubleArray((double[]){s->x0, s->y0, s->x1, s->y1}, 4));
    cJSON_AddItemToObject(json, "class", s->class_id < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(s->class_id));
    show_add_text(json, "name", s->class_name);
    cJSON_AddItemToObject(json, "iou", isnan(s->iou) ? cJSON_CreateNull() : cJSON_CreateNumber(s->iou));
    return json;
}

uvk_status segment_json(const job *j, const explained *r, uvk_error *err)
{
    const segmented *g = r->segments;
    cJSON *json = show_describe(j, r), *list = cJSON_AddArrayToObject(json, "segments");
    for (int c = 0; g && g->list && c < g->s.clusters; c++)
        cJSON_AddItemToArray(list, segment_of(&g->list[c]));
    cJSON *scores = g && g->n_methods ? cJSON_AddObjectToObject(json, "scores") : NULL;
    for (int m = 0; scores && m < g->n_methods; m++)
        if (g->match[m].counted)
            cJSON_AddItemToObject(scores, segment_methods[m], cJSON_CreateDoubleArray((double[]){g->match[m].accuracy, g->match[m].miou}, 2));
    return show_line(json, err);
}

uvk_status segment_show_pooled(const job *j, const segment_settings *settings, uvk_error *err)
{
    int images = settings->pooled[0].images;
    if (!j->table || images < 2)
        return UVK_OK;
    printf("%d images      U.Acc  U.mIoU  pooled U.Acc  pooled U.mIoU\n", images);
    for (int m = 0; m < SEGMENT_METHODS; m++) {
        const uvk_pooled *p = &settings->pooled[m];
        if (p->images)
            printf("%-13s  %.3f   %.3f         %.3f          %.3f\n", segment_methods[m], p->accuracies / p->images, p->mious / p->images,
                   (double)p->matched / (double)p->counted, uvk_pooled_miou(p));
    }
    return flush_results(err);
}
