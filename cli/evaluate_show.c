#include "evaluate_show.h"

#include "approximation.h"
#include "messages.h"
#include "show.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Means ----------------------------------------------------------------------------------------------------------------------- */

static bool same_k(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b;
}

static tally *find(evaluation *e, const char *name, method m, double k)
{
    for (int i = 0; i < e->n_tallies; i++)
        if (e->tallies[i].method == m && same_k(e->tallies[i].k, k) && strcmp(e->tallies[i].name, name) == 0)
            return &e->tallies[i];
    e->tallies = text_grow(e->tallies, (size_t)e->n_tallies + 1, sizeof *e->tallies);
    e->tallies[e->n_tallies] = (tally){.name = name, .method = m, .k = k};
    return &e->tallies[e->n_tallies++];
}

static void count(evaluation *e, const char *name, method m, double k, double value)
{
    tally *t = find(e, name, m, k);
    if (isnan(value))
        return;
    t->sum += value;
    t->count++;
}

static method method_of(const char *name)
{
    method m = METHOD_ULTRA;
    while (strcmp(method_names[m], name) != 0)
        m++;
    return m;
}

void evaluate_tally(evaluation *e, const explained *r)
{
    for (int i = 0; i < r->n_metrics; i++) {
        const uvk_db_metric *x = &r->metrics[i];
        count(e, x->name, method_of(x->method), x->k, x->value);
        if (strcmp(x->name, "faithfulness_gap") == 0 && !isnan(x->value))
            count(e, "faithfulness_share", method_of(x->method), NAN, x->value > 0);
    }
}

/* ---- The table ------------------------------------------------------------------------------------------------------------------- */

static const tally *look_up(const evaluation *e, const char *name, method m, double k)
{
    for (int i = 0; i < e->n_tallies; i++)
        if (e->tallies[i].method == m && same_k(e->tallies[i].k, k) && strcmp(e->tallies[i].name, name) == 0)
            return &e->tallies[i];
    return NULL;
}

static void print_mean(const tally *t, int width)
{
    if (t && t->count)
        printf("  %*.4f", width, t->sum / (double)t->count);
    else
        printf("  %*s", width, "-");
}

static bool is_first_of_name(const evaluation *e, int i, bool curve)
{
    for (int k = 0; k < i; k++)
        if (isnan(e->tallies[k].k) == !curve && strcmp(e->tallies[k].name, e->tallies[i].name) == 0)
            return false;
    return isnan(e->tallies[i].k) == !curve;
}

/* Numbers without an x: a line a method, a column a name. */
static void print_numbers(const evaluation *e)
{
    bool any = false;
    for (int i = 0; i < e->n_tallies; i++)
        any = any || is_first_of_name(e, i, false);
    if (!any)
        return;
    printf("%-16s", "method");
    for (int i = 0; i < e->n_tallies; i++)
        if (is_first_of_name(e, i, false))
            printf("  %s", e->tallies[i].name);
    putchar('\n');
    for (method m = METHOD_ULTRA; m < METHODS; m++) {
        if (!e->methods[m])
            continue;
        printf("%-16s", method_names[m]);
        for (int i = 0; i < e->n_tallies; i++)
            if (is_first_of_name(e, i, false))
                print_mean(look_up(e, e->tallies[i].name, m, NAN), (int)strlen(e->tallies[i].name));
        putchar('\n');
    }
}

/* A curve: a line an x, a column a method. */
static void print_curve(const evaluation *e, const char *name)
{
    bool has[METHODS] = {false};
    for (int i = 0; i < e->n_tallies; i++)
        has[e->tallies[i].method] |= strcmp(e->tallies[i].name, name) == 0;
    printf("\n%-16s", name);
    for (method m = METHOD_ULTRA; m < METHODS; m++)
        if (has[m])
            printf("  %s", method_names[m]);
    putchar('\n');
    for (int i = 0; i < e->n_tallies; i++) {
        const tally *t = &e->tallies[i];
        if (t->method != METHOD_ULTRA || strcmp(t->name, name) != 0)
            continue;
        printf("%-16.4g", t->k);
        for (method m = METHOD_ULTRA; m < METHODS; m++)
            if (has[m])
                print_mean(look_up(e, name, m, t->k), (int)strlen(method_names[m]));
        putchar('\n');
    }
}

void evaluate_show_table(const job *j, const evaluation *e)
{
    char words[APPROXIMATION_WORDS];
    if (e->n_tallies == 0)
        return;
    printf("%s of ", e->subject->name);
    print_escaped(j->info->name);
    printf(", layer %d, %s%s: means over %ld %s of %d input%s\n", j->layer, scalar_names[j->o->scalar], approximation_words(j->o, words),
           j->info->modality == UVK_VISION ? j->targets_done : (long)j->inputs_done, j->info->modality == UVK_VISION ? "targets" : "summaries", j->inputs_done, j->inputs_done == 1 ? "" : "s");
    print_numbers(e);
    for (int i = 0; i < e->n_tallies; i++)
        if (is_first_of_name(e, i, true))
            print_curve(e, e->tallies[i].name);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------ */

static void add_number(cJSON *json, const char *key, double value)
{
    if (isnan(value))
        cJSON_AddNullToObject(json, key);
    else
        cJSON_AddNumberToObject(json, key, value);
}

uvk_status evaluate_show_json(const job *j, const explained *r, uvk_error *err)
{
    cJSON *json = show_describe(j, r), *list = cJSON_AddArrayToObject(json, "metrics");
    for (int i = 0; i < r->n_metrics; i++) {
        const uvk_db_metric *x = &r->metrics[i];
        cJSON *one = cJSON_CreateObject();
        if (x->target >= 0)
            cJSON_AddNumberToObject(one, "target", x->target);
        cJSON_AddStringToObject(one, "name", x->name);
        cJSON_AddStringToObject(one, "method", x->method);
        if (!isnan(x->k))
            cJSON_AddNumberToObject(one, "k", x->k);
        add_number(one, "value", x->value);
        cJSON_AddItemToArray(list, one);
    }
    return show_line(json, err);
}

/* ---- The run's parameters ---------------------------------------------------------------------------------------------------------- */

cJSON *evaluate_params(const job *j)
{
    const options *o = j->o;
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "baselines");
    for (method m = METHOD_RANDOM; m < METHODS; m++)
        if (j->evaluation->methods[m])
            cJSON_AddItemToArray(list, cJSON_CreateString(method_names[m]));
    if (j->info->modality == UVK_VISION) {
        cJSON_AddStringToObject(json, "mask", mask_names[o->mask]);
        if (o->masks)
            show_add_text(json, "masks", o->masks);
        if (o->masks && o->classes)
            show_add_text(json, "classes", o->classes);
        if (o->masks && o->ignore)
            show_add_text(json, "ignore", o->ignore);
        cJSON_AddNumberToObject(json, "sample", evaluate_sample(o));
    } else {
        cJSON_AddStringToObject(json, "removal", removal_names[o->removal]);
    }
    cJSON_AddNumberToObject(json, "seed", (double)o->seed);
    return json;
}
