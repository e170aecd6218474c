/* What made one token of an image: example MODEL PHOTO TOKEN */
#include <stdio.h>
#include <stdlib.h>
#include <ultravk.h>

int main(int argc, char **argv)
{
    uvk_error err = {0};
    uvk_model *model = NULL;
    uvk_input *input = NULL;
    uvk_context *context = NULL;
    uvk_session *session = NULL;
    float *row = NULL;
    if (argc != 4)
        return 2;
    int32_t target = atoi(argv[3]);
    uvk_explain_params params = {.targets = &target, .n_targets = 1}; /* zeros are defaults: the last layer, the sum, rollout */

    uvk_status status = uvk_model_load(argv[1], &model, &err);
    if (status == UVK_OK)
        status = uvk_input_load(model, argv[2], &input, &err);
    if (status == UVK_OK)
        status = uvk_context_create(NULL, &context, &err);
    if (status == UVK_OK)
        status = uvk_session_create(context, model, &session, &err);
    if (status == UVK_OK)
        status = uvk_forward(session, input, &err);
    int n = 0;
    if (status == UVK_OK) {
        uvk_input_tokens(input, &n);
        row = malloc((size_t)n * sizeof *row);
        status = row ? uvk_explain(session, &params, row, NULL, &err) : UVK_FAILED;
    }
    for (int i = 0; status == UVK_OK && i < n; i++)
        printf("%d %.9g\n", i, (double)row[i]);
    if (status != UVK_OK)
        fprintf(stderr, "%s\n", err.message);

    free(row);
    uvk_session_free(session);
    uvk_context_free(context);
    uvk_input_free(input);
    uvk_model_free(model);
    return status;
}
