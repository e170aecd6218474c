#include "whole_image.h"

#include "image_head.h"
#include "show.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool whole_image_asked(const job *j)
{
    return j->o->scalar == UVK_SIMILARITY || (j->o->scalar == UVK_LOGPROB && j->info->modality == UVK_VISION);
}

/* ---- The class ------------------------------------------------------------------------------------------------------------------- */

/* Whether name is the label or one of its parts between commas: "tabby" of "tabby, tabby cat". Case does not matter. */
static bool is_label(const char *label, const char *name)
{
    size_t length = strlen(name);
    if (strcasecmp(label, name) == 0)
        return true;
    for (const char *part = label; part; part = strchr(part, ',')) {
        part += strspn(part, ", ");
        if (strncasecmp(part, name, length) == 0 && (part[length] == ',' || part[length] == '\0'))
            return true;
    }
    return false;
}

static uvk_status find_by_name(job *j, uvk_error *err)
{
    const char *name = j->o->class_name;
    int found = 0;
    for (int i = 0; i < j->info->classes; i++) {
        if (!j->info->labels[i] || !is_label(j->info->labels[i], name))
            continue;
        if (strcasecmp(j->info->labels[i], name) == 0) { /* all of it: no other may share a part */
            j->label = i;
            return UVK_OK;
        }
        j->label = i;
        found++;
    }
    if (found > 1)
        return uvk_fail(err, UVK_USAGE, "--class %s: several classes have that in their label (their numbers differ, 0 to %d)", name, j->info->classes - 1);
    return found ? UVK_OK : uvk_fail(err, UVK_USAGE, "--class %s: no class of %s has that label (config.json's id2label lists them; or a number, 0 to %d)", name, j->info->name,
                                     j->info->classes - 1);
}

static uvk_status find_class(job *j, uvk_error *err)
{
    const char *name = j->o->class_name;
    char *end = NULL;
    if (!name)
        return UVK_OK;
    long number = strtol(name, &end, 10);
    if (end == name || *end)
        return find_by_name(j, err);
    if (number < 0 || number >= j->info->classes)
        return uvk_fail(err, UVK_USAGE, "--class %s: %s has classes 0 to %d", name, j->info->name, j->info->classes - 1);
    j->label = (int32_t)number;
    return UVK_OK;
}

/* ---- Checks ---------------------------------------------------------------------------------------------------------------------- */

/* What neither scalar is asked of. */
static uvk_status check_unused(const job *j, uvk_error *err)
{
    const options *o = j->o;
    if (o->class_name && !(o->scalar == UVK_LOGPROB && j->info->modality == UVK_VISION))
        return uvk_fail(err, UVK_USAGE, "--class is used by --scalar logprob of an image classifier only (found --scalar %s of a %s model)", scalar_names[o->scalar], j->info->family);
    if (o->similar_to && o->scalar != UVK_SIMILARITY)
        return uvk_fail(err, UVK_USAGE, "--similar-to is used by --scalar similarity only (found --scalar %s)", scalar_names[o->scalar]);
    if (o->scalar == UVK_SIMILARITY && !o->similar_to)
        return uvk_fail(err, UVK_USAGE, "--scalar similarity needs --similar-to TEXT");
    return UVK_OK;
}

uvk_status whole_image_check(job *j, uvk_error *err)
{
    uvk_status status = check_unused(j, err);
    j->label = -1;
    if (status != UVK_OK || !whole_image_asked(j))
        return status;
    if (strcmp(j->probe, "explain") != 0)
        return uvk_fail(err, UVK_USAGE, "--scalar %s is of a whole image, and %s asks about tokens (ultravk explain takes it)", scalar_names[j->o->scalar], j->probe);
    if (j->o->scalar == UVK_LOGPROB && !j->info->classes)
        return uvk_fail(err, UVK_USAGE, "--scalar logprob: %s is neither a language model nor an image classifier (expected sum or energy)", j->info->name);
    if (j->o->scalar == UVK_SIMILARITY && !j->info->embedding)
        return uvk_fail(err, UVK_USAGE, "--scalar similarity: %s does not compare images with texts (a whole CLIP or SigLIP model does)", j->info->name);
    return find_class(j, err);
}

uvk_status whole_image_open(job *j, uvk_error *err)
{
    if (j->o->scalar != UVK_SIMILARITY || j->text) /* the text stays what it is when a device is opened anew */
        return UVK_OK;
    j->text = text_alloc((size_t)j->info->embedding, sizeof *j->text);
    uvk_status status = uvk_text_embedding(j->context, j->model, j->o->similar_to, strlen(j->o->similar_to), j->text, err);
    if (status) { /* the device may yet be opened anew */
        free(j->text);
        j->text = NULL;
    }
    return status;
}

const char *whole_image_tokens(const job *j)
{
    uvk_image_head head = j->o->scalar == UVK_SIMILARITY ? UVK_EMBEDDING : UVK_CLASS_LOGITS;
    bool cls = whole_image_asked(j) && j->info->special && uvk_image_head_reads(j->model, head, j->info->tokens, 0);
    return cls ? "cls" : "patches";
}

/* ---- What the model says ------------------------------------------------------------------------------------------------------------ */

static double log_probability(const double *logits, int count, int of)
{
    double largest = logits[of], sum = 0;
    for (int i = 0; i < count; i++)
        largest = fmax(largest, logits[i]);
    for (int i = 0; i < count; i++)
        sum += exp(logits[i] - largest);
    return logits[of] - largest - log(sum);
}

static uvk_status classify(const job *j, explained *r, uvk_error *err)
{
    int count = j->info->classes, best = 0;
    double *logits = text_alloc((size_t)count, sizeof *logits);
    uvk_status status = uvk_class_logits(j->session, logits, err);
    for (int i = 0; i < count; i++)
        best = logits[i] > logits[best] ? i : best;
    r->label = j->label < 0 ? best : j->label;
    r->said = log_probability(logits, count, r->label);
    free(logits);
    return status;
}

static void keep(explained *r, const char *name, double value)
{
    explained_add_metric(r, (uvk_db_metric){.target = -1, .name = name, .method = "ultra", .k = NAN, .value = value});
}

uvk_status whole_image_measure(const job *j, explained *r, uvk_error *err)
{
    if (!whole_image_asked(j))
        return UVK_OK;
    bool classes = j->o->scalar == UVK_LOGPROB;
    uvk_status status = classes ? classify(j, r, err) : uvk_similarity(j->session, j->text, &r->said, err);
    if (status == UVK_OK && classes)
        keep(r, "class", r->label);
    if (status == UVK_OK)
        keep(r, classes ? "class_logprob" : "similarity", r->said);
    return status;
}

void whole_image_print(const job *j, const explained *r)
{
    if (!whole_image_asked(j))
        return;
    if (j->o->scalar == UVK_SIMILARITY) {
        printf("similarity (cosine) with ");
        show_quoted(j->o->similar_to);
        printf(" %.4f\n", r->said);
        return;
    }
    printf("class %d", (int)r->label);
    if (j->info->labels[r->label]) {
        printf(" ");
        show_quoted(j->info->labels[r->label]);
    }
    printf(", log p %.4f\n", r->said);
}

void whole_image_describe(const job *j, const explained *r, cJSON *json)
{
    if (!whole_image_asked(j) || !r->rows)
        return;
    if (j->o->scalar == UVK_SIMILARITY) {
        show_add_text(json, "similar_to", j->o->similar_to);
        cJSON_AddNumberToObject(json, "similarity", r->said);
        return;
    }
    cJSON_AddNumberToObject(json, "class", r->label);
    show_add_text(json, "label", j->info->labels[r->label]);
    cJSON_AddNumberToObject(json, "logprob", r->said);
}
