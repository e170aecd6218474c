/* The two tables. A new flag or verb is a new line here. */
#include "options.h"

#include <stddef.h>

enum {
    DEVICES = 1, INFO = 2, EXPLAIN = 4, SUMMARIZE = 8, ATTRIBUTE = 16, GENERATE = 32, TOKENIZE = 64, QUERY = 128, PRUNE = 256, EVALUATE = 512,
    SEGMENT = 1024, REFINE = 2048, MERGE = 4096, DEMO = 8192, REPORT = 16384, EVERY = 32767,
    SUMMARIES = SUMMARIZE | ATTRIBUTE,         /* what works on a text and its summary */
    CLUSTERS = SEGMENT | REFINE,               /* what makes segments */
    RUNS = EXPLAIN | SUMMARIES | SEGMENT | EVALUATE, /* what explains and stores */
    ROWS = RUNS | REFINE,                      /* what explains */
    MODELS = INFO | ROWS | GENERATE | TOKENIZE /* what reads a model folder */
};

const char *const scalar_names[] = {"sum", "energy", "logprob", "learned", "similarity", NULL};
const char *const order_names[] = {"rollout", "formula", NULL};
const char *const normalize_names[] = {"norm", "none", NULL};
const char *const own_token_names[] = {"max", "keep", "zero", NULL};
const char *const at_names[] = {"predict", "token", NULL};
const char *const format_names[] = {"table", "csv", "json", "jsonl", NULL};
const char *const cluster_at_names[] = {"image", "grid", NULL};
const char *const aggregate_names[] = {"scaled", "raw", NULL};
const char *const cluster_scale_names[] = {"minmax", "none", NULL};
const char *const perturb_names[] = {"noise", "blur", "mean", "shuffle", NULL};
const char *const solver_names[] = {"adam", "closed", NULL};
static const char *const linkage_names[] = {"average", NULL};
static const char *const preset_names[] = {"none", "demo", NULL};
const char *const mask_names[] = {"black", "mean", "blur", NULL};
const char *const removal_names[] = {"delete", "mask", NULL};
static const char *const precision_names[] = {"f32", "auto", NULL};

const verb verbs[] = {
    {"devices", "", "list the Vulkan devices of this machine",
     "The number in front is what --device takes.",
     "  ultravk devices\n"
     "  ultravk devices --json\n",
     DEVICES, 0, 0, NULL, verb_devices},
    {"info", "--model DIR", "say what a model folder holds and what a run will take",
     "A model folder is laid out as Hugging Face does: config.json, model.safetensors, preprocessor_config.json or tokenizer.json.",
     "  ultravk info --model vit-base-patch16-224\n",
     INFO, 0, 0, NULL, verb_info},
    {"explain", "--model DIR INPUT...", "explain latent tokens: which tokens made them what they are",
     "For a vision model INPUT is a photo (.jpg .jpeg .png .webp) or a .npy array (float32 [3,H,W], already resized and normalised); for\n"
     "a language model a .txt file, - (standard input) or a .npy array of token ids. A folder, a pattern in quotes, or @LIST.txt with\n"
     "one path a line name several. Without --db, --out and --png a short table per input is printed.",
     "  ultravk explain --model vit-base-patch16-224 photo.jpg\n"
     "  ultravk explain --model vit-base-patch16-224 photos/ --db results.db --png maps/\n"
     "  ultravk explain --model vit-base-patch16-224 photo.jpg --at-pixel 320,200 --layer 7 --png maps/\n"
     "  ultravk explain --model vit-base-patch16-224 @list.txt --db results.db --resume\n"
     "  ultravk explain --model vit-base-patch16-224 photo.jpg --scalar logprob --tokens cls --class tabby\n"
     "  ultravk explain --model clip-vit-base-patch32 photo.jpg --scalar similarity --similar-to 'a photo of a cat'\n"
     "  ultravk explain --model gpt2 article.txt --at-word 12\n",
     EXPLAIN, 1, -1, "no INPUT given (a photo, a text, a folder, a pattern or @list.txt)", verb_explain},
    {"segment", "--model DIR IMAGE...", "cut images into segments: patches that have the same explanation",
     "The explanations of all patches are clustered; nothing is learned and no label is used. With --db the dendrogram is stored, and rows\n"
     "that an earlier run of explain or segment left there are used again: another --zeta costs no gradients. With --masks the segments are\n"
     "matched to the labels of DIR/STEM.png, a mask of the photo's size, one 8-bit channel, 255 ignored. --out-dir receives STEM.labels.png,\n"
     "STEM.overlay.png and STEM.original.png, the labels in the photo's own geometry (255 outside of what the model sees). Without --db and\n"
     "--out-dir a short table per image is printed.",
     "  ultravk segment --model vit-base-patch16-224 photo.jpg\n"
     "  ultravk segment --model vit-base-patch16-224 photos/ --layer 10 --clusters 5 --out-dir segments/\n"
     "  ultravk segment --model vit-base-patch16-224 photos/ --masks masks/ --classes coco27.json --db results.db\n",
     SEGMENT, 1, -1, "no IMAGE given (a photo, a folder, a pattern or @list.txt)", verb_segment},
    {"refine", "--model DIR IMAGE... --out W.safetensors", "learn what of a patch's latent its own segment makes (ULTraW)",
     "For each segment of each image the patches outside are perturbed; W is the projection, one vector a patch position, of what then changes\n"
     "least, held near the plain sum by --lambda. segment and explain use it with --scalar learned --weights W.safetensors, at the layer and\n"
     "with the model that it was learned with.",
     "  ultravk refine --model vit-base-patch16-224 photos/ --layer 10 --clusters 5 --out w.safetensors\n"
     "  ultravk segment --model vit-base-patch16-224 photo.jpg --scalar learned --weights w.safetensors\n",
     REFINE, 1, -1, "no IMAGE given (a photo, a folder, a pattern or @list.txt)", verb_refine},
    {"summarize", "--model DIR TEXT...", "summarize texts, and say which of their words each summary came from",
     "TEXT is a .txt file, - (standard input), a .npy array of token ids (then no template is applied), a folder, a pattern in quotes or\n"
     "@LIST.txt. The summary is generated greedily and printed; then every token of it is explained. Without --db and --out a short table\n"
     "follows: the context words that contributed most (token contribution scores), and those of each summary word.",
     "  ultravk summarize --model Llama-3.2-1B-Instruct article.txt\n"
     "  ultravk summarize --model Llama-3.2-1B-Instruct articles/ --db results.db --truncate 1500\n"
     "  ultravk summarize --model gpt2 article.txt --prompt 'Text: {text}\\nSummary:' --max-new 40\n",
     SUMMARIZE, 1, -1, "no TEXT given (a .txt file, a folder, a pattern, @list.txt or -)", verb_summarize},
    {"attribute", "--model DIR --context FILE --summary FILE | --pairs FILE.jsonl", "say which words of a text a given summary came from",
     "Each line of --pairs is {\"document\": ..., \"summary\": ...}, optionally with \"id\", \"rationales\" ([[start, end], ...] or\n"
     "{\"fact\": [[start, end], ...]}, characters of the document), \"paraphrase\", and \"summary_spans\" and \"context_spans\", which are\n"
     "asked about in the place of --span and --context-span. --context and --summary are text files, or both .npy arrays of token ids.\n"
     "With --json one line a pair comes out, so that a score can serve as a reward or a filter.",
     "  ultravk attribute --model Llama-3.2-1B-Instruct --pairs pairs.jsonl --db results.db\n"
     "  ultravk attribute --model Llama-3.2-1B-Instruct --pairs pairs.jsonl --truncate 1500 --json\n"
     "  ultravk attribute --model gpt2 --context article.txt --summary summary.txt --span 0:24 --context-span 80:160 --json\n"
     "  ultravk attribute --model gpt2 --context article.txt --summary summary.txt --span 0:24\n",
     ATTRIBUTE, 0, 0, NULL, verb_attribute},
    {"evaluate", "faithfulness|layers|agreement|stability|sanity --model DIR INPUT...", "say how far explanations can be trusted",
     "faithfulness: whether hiding what a map names changes the token, or a summary's probability, more than hiding the rest. layers: how\n"
     "well the maps of each layer foretell what hiding one token does to it, or how well they find the object under --masks. agreement:\n"
     "scores against what a person marked (\"rationales\"). stability: the same words of a \"paraphrase\". sanity: whether maps change when\n"
     "weights are drawn anew, from the top block down. Each beside baselines: random orders, raw attention rollout, gradient x input,\n"
     "leaving out one token at a time. INPUT is a photo, or for a language model a .jsonl file of pairs (see attribute) or a text, to which\n"
     "the model then writes the summary. A table is printed; --db keeps every number.",
     "  ultravk evaluate faithfulness --model vit-base-patch16-224 photos/ --sample 4 --db results.db\n"
     "  ultravk evaluate faithfulness --model Llama-3.2-1B-Instruct pairs.jsonl --baselines random,rollout\n"
     "  ultravk evaluate sanity --model vit-base-patch16-224 photo.jpg --tokens cls\n",
     EVALUATE, 1, -1, "what? (faithfulness, layers, agreement, stability or sanity)", verb_evaluate},
    {"generate", "--model DIR [TEXT|-]", "continue a text, each time by the likeliest token",
     "The text is taken as it is, with the tokenizer's own special tokens and no template; without TEXT, or with -, it is read from\n"
     "standard input. A .npy file holds token ids. The continuation alone is printed.",
     "  ultravk generate --model gpt2 \"Once upon a time\"\n"
     "  ultravk generate --model gpt2 --max-new 200 - < story.txt\n",
     GENERATE, 0, 1, NULL, verb_generate},
    {"tokenize", "--model DIR [TEXT|-]", "cut a text into tokens",
     "Needs the tokenizer's files only, and no Vulkan. Without TEXT, or with -, the text is read from standard input. One token a line:\n"
     "its place, id, bytes of the text, piece of the vocabulary, and the text itself.",
     "  ultravk tokenize --model gpt2 \"Hello world\"\n"
     "  ultravk tokenize --model gpt2 --json - < article.txt\n",
     TOKENIZE, 0, 1, NULL, verb_tokenize},
    {"query", "DB \"SQL\" | DB --named NAME [key=value...] | DB --list", "ask a results database, read-only",
     "The table function scores(map_id) unpacks the stored row of a map.",
     "  ultravk query results.db \"SELECT * FROM v_run\"\n"
     "  ultravk query results.db --list\n"
     "  ultravk query results.db \"SELECT name, path FROM input\" --format csv\n",
     QUERY, 0, -1, NULL, verb_query},
    {"merge", "OUT.db IN.db...", "join results databases: the shards of a run, or any runs",
     "OUT.db is made when it is missing. A run that it has already is only completed, so that merging twice changes nothing; a file that\n"
     "is no results database is reported and the others are taken.",
     "  ultravk merge all.db shard-1.db shard-2.db shard-3.db\n",
     MERGE, 2, -1, "OUT.db and at least one IN.db are needed", verb_merge},
    {"report", "DB [--run N] -o FILE.html", "make one HTML page that shows what a results database holds",
     "The page needs no network and no other file: photos, texts, maps, curves and the SQL behind each of them are in it. Of many inputs\n"
     "the first are shown, and of their maps what fits about 16 MB; the page says what it leaves out. A photo is shown when its file still\n"
     "is what was explained. Works without Vulkan and without the models.",
     "  ultravk report results.db -o report.html\n"
     "  ultravk report results.db --run 3 --inputs 100 -o run3.html\n",
     REPORT, 1, 1, "no database given", verb_report},
    {"prune", "DB --run N", "delete a run and all that only it used",
     NULL,
     "  ultravk prune results.db --run 3\n",
     PRUNE, 1, 1, "no database given", verb_prune},
    {"demo", "[--dir DIR]", "let the two models that come with ultravk explain the data that comes with them",
     "Explains and segments eight drawn scenes, summarizes eight incident reports and explains the summaries, evaluates both, keeps all of it\n"
     "in DIR/results.db, shows it in DIR/report.html, and prints how well the explanations agree with what is known to be true. Takes some\n"
     "two minutes without a GPU.",
     "  ultravk demo\n"
     "  ultravk demo --dir /tmp/demo --device 1\n",
     DEMO, 0, 0, NULL, verb_demo},
};
const int n_verbs = sizeof verbs / sizeof *verbs;

#define FIELD(name) offsetof(options, name)

const flag flags[] = {
    {"model", FLAG_TEXT, MODELS, MODELS, FIELD(model), "DIR", NULL, NULL, "model folder", 0, 0},
    {"tokens", FLAG_TEXT, EXPLAIN | EVALUATE, 0, FIELD(tokens), "T", NULL, "patches; of a text all",
     "targets: patches, all, cls, or indices and ranges such as 0,5,40-49", 0, 0},
    {"at-pixel", FLAG_PIXEL, EXPLAIN, 0, FIELD(pixel), "X,Y", NULL, NULL, "target: the patch under this pixel of the photo", 0, 0},
    {"at-word", FLAG_INTEGER, EXPLAIN, 0, FIELD(at_word), "N", NULL, NULL, "targets: the tokens of this word of the text, counted from 0", 0, INT32_MAX},
    {"sample", FLAG_COUNT, EVALUATE, 0, FIELD(sample), "N|all", NULL, "8; all of --tokens where it is given",
     "targets of each image, drawn by --seed", 0, 0},
    {"baselines", FLAG_TEXT, EVALUATE, 0, FIELD(baselines), "LIST|none", NULL, "all of them",
     "what maps are compared with: random,rollout,gradient_x_input,leave_one_out", 0, 0},
    {"mask", FLAG_CHOICE, EVALUATE, 0, FIELD(mask), NULL, mask_names, "black", "what hides a patch: black, the image's mean colour, or its blur", 0, 0},
    {"removal", FLAG_CHOICE, EVALUATE, 0, FIELD(removal), NULL, removal_names, "delete",
     "how a token leaves a text: deleted, or replaced by the model's mask or pad token", 0, 0},
    {"context", FLAG_TEXT, ATTRIBUTE, 0, FIELD(context), "FILE", NULL, NULL, "the text: .txt, or .npy token ids", 0, 0},
    {"summary", FLAG_TEXT, ATTRIBUTE, 0, FIELD(summary), "FILE", NULL, NULL, "its summary: .txt, or .npy token ids", 0, 0},
    {"pairs", FLAG_TEXT, ATTRIBUTE, 0, FIELD(pairs), "FILE.jsonl", NULL, NULL, "texts and summaries, one JSON object a line", 0, 0},
    {"span", FLAG_SPAN, ATTRIBUTE, 0, FIELD(span), "START:END", NULL, "the whole summary",
     "score the context for these characters of the summary only", 0, 0},
    {"context-span", FLAG_SPAN, ATTRIBUTE, 0, FIELD(context_span), "START:END", NULL, NULL,
     "with --json: what share of the contribution scores these characters of the text have", 0, 0},
    {"max-new", FLAG_INTEGER, SUMMARIZE | GENERATE | EVALUATE, 0, FIELD(max_new), "N", NULL, "64", "tokens to generate at most", 1, 1 << 24},
    {"prompt", FLAG_TEXT, SUMMARIES | EVALUATE, 0, FIELD(prompt), "TEMPLATE|@FILE", NULL, "the model's chat template, else {text}\\nTL;DR:",
     "what is put around the text, which stands for {text}; \\n and \\t are understood", 0, 0},
    {"truncate", FLAG_INTEGER, SUMMARIES | GENERATE | EVALUATE, 0, FIELD(truncate), "N", NULL, "too long a text is refused",
     "keep the first N context tokens of each text", 1, INT32_MAX},
    {"at", FLAG_CHOICE, SUMMARIES | EVALUATE, 0, FIELD(at), NULL, at_names, "predict",
     "the latent that explains a summary token: where it is predicted, or its own", 0, 0},
    {"image-size", FLAG_SIZE, INFO | EXPLAIN | CLUSTERS | EVALUATE, 0, FIELD(image_size), "N|HxW", NULL, "the model's own",
     "pixels of the model's input, height first; positions are interpolated to it", 0, 0},
    {"layer", FLAG_LAYER, SEGMENT, 0, FIELD(layer), "L|auto", NULL, "blocks + 1",
     "residual stream to explain: 2 enters block 2, blocks + 1 leaves the last; auto tries three depths", 2, 100000},
    {"layer", FLAG_INTEGER, ROWS & ~SEGMENT, 0, FIELD(layer), "L", NULL, "blocks + 1",
     "residual stream to explain: 2 enters block 2, blocks + 1 leaves the last", 2, 100000},
    {"first-block", FLAG_INTEGER, ROWS, 0, FIELD(first_block), "B", NULL, "1", "first block of the product", 1, 100000},
    {"scalar", FLAG_CHOICE, RUNS, 0, FIELD(scalar), NULL, scalar_names, "sum",
     "what is differentiated: the token's sum, its length, the log probability of the next token or of an image's class, the projection that\n"
     "--weights holds, or the image's similarity with a text", 0, 0},
    {"class", FLAG_TEXT, EXPLAIN, 0, FIELD(class_name), "N|LABEL", NULL, "the likeliest", "of --scalar logprob and an image classifier: the class", 0, 0},
    {"similar-to", FLAG_TEXT, EXPLAIN, 0, FIELD(similar_to), "TEXT", NULL, NULL, "of --scalar similarity and a whole CLIP or SigLIP model: the text", 0, 0},
    {"weights", FLAG_TEXT, EXPLAIN | SEGMENT, 0, FIELD(weights), "W.safetensors", NULL, NULL, "of --scalar learned: what ultravk refine wrote", 0, 0},
    {"order", FLAG_CHOICE, ROWS, 0, FIELD(order), NULL, order_names, "rollout", "order of the product over blocks", 0, 0},
    {"normalize", FLAG_CHOICE, ROWS, 0, FIELD(normalize), NULL, normalize_names, "norm",
     "divide the scalar by the token's length, or not", 0, 0},
    {"own-token", FLAG_CHOICE, ROWS, 0, FIELD(own_token), NULL, own_token_names, "max; of a text zero",
     "the target's own entry in its map: the others' maximum, as is, or zero", 0, 0},
    {"gradient-blocks", FLAG_INTEGER, RUNS, 0, FIELD(gradient_blocks), "K", NULL, "all: exact",
     "approximate: let the gradient through the last K blocks only; those below count as the identity", 1, 100000},
    {"skip-mlp", FLAG_SWITCH, RUNS, 0, FIELD(skip_mlp), NULL, NULL, NULL, "approximate: let the gradient pass by the MLPs", 0, 0},
    {"landmarks", FLAG_INTEGER, EXPLAIN | SEGMENT, 0, FIELD(landmarks), "N", NULL, "all targets: exact",
     "approximate: explain N patches of an image only; the others get the mean of the nearest three", 1, 100000},
    {"zeta", FLAG_REAL, CLUSTERS, 0, FIELD(zeta), "Z", NULL, NULL, "cut the dendrogram at this cosine distance, 0 to 2", 0, 2},
    {"clusters", FLAG_TEXT, CLUSTERS, 0, FIELD(clusters), "K|auto|labels", NULL, "auto",
     "at most K segments; auto: as many, to 20, as have the highest silhouette; labels: as many as the mask", 0, 0},
    {"linkage", FLAG_CHOICE, CLUSTERS, 0, FIELD(linkage), NULL, linkage_names, "average", "distance between clusters", 0, 0},
    {"res", FLAG_INTEGER, SEGMENT, 0, FIELD(res), "N", NULL, "the model's input", "pixels of the label image's longer side", 1, 4096},
    {"cluster-at", FLAG_CHOICE, CLUSTERS, 0, FIELD(cluster_at), NULL, cluster_at_names, "image", "compare maps enlarged, or as they are", 0, 0},
    {"aggregate", FLAG_CHOICE, CLUSTERS, 0, FIELD(aggregate), NULL, aggregate_names, "scaled", "scale each map to 0..1 first, or not", 0, 0},
    {"cluster-scale", FLAG_CHOICE, CLUSTERS, 0, FIELD(cluster_scale), NULL, cluster_scale_names, "minmax",
     "scale the map of each cluster to 0..1 before the largest takes a pixel, or not", 0, 0},
    {"preset", FLAG_CHOICE, CLUSTERS, 0, FIELD(preset), NULL, preset_names, "none", "demo: --aggregate raw --cluster-at image --cluster-scale minmax", 0, 0},
    {"background", FLAG_SWITCH, SEGMENT, 0, FIELD(background), NULL, NULL, NULL,
     "make one segment of all that is large at the border of the image, or small; --clusters K: K - 1 objects and that one", 0, 0},
    {"edges", FLAG_SWITCH, SEGMENT, 0, FIELD(edges), NULL, NULL, NULL, "let segments end where the photo has an edge (guided filter)", 0, 0},
    {"masks", FLAG_TEXT, SEGMENT | EVALUATE, 0, FIELD(masks), "DIR", NULL, NULL, "score against DIR/STEM.png, a label for each pixel of the photo, 255 ignored", 0, 0},
    {"ignore", FLAG_TEXT, SEGMENT | EVALUATE, 0, FIELD(ignore), "LIST", NULL, "255", "labels of the mask that are no class, such as 0,255", 0, 0},
    {"classes", FLAG_TEXT, SEGMENT | EVALUATE, 0, FIELD(classes), "MAP.json", NULL, NULL,
     "what labels stand for: {\"1\": \"person\"}, {\"1\": 9}, or {\"1\": {\"id\": 9, \"name\": \"person\"}}; null ignores one", 0, 0},
    {"baselines", FLAG_SWITCH, SEGMENT, 0, FIELD(all_baselines), NULL, NULL, NULL,
     "score other ways of as many segments too: latents, attention rollout, colour, all one", 0, 0},
    {"out-dir", FLAG_TEXT, SEGMENT, 0, FIELD(out_dir), "DIR", NULL, NULL, "write labels and overlays as PNG", 0, 0},
    {"init", FLAG_TEXT, REFINE, 0, FIELD(init), "segment|random|layer:N", NULL, "segment",
     "the segments to start from: of this layer's explanations, drawn, or of another layer's explanations", 0, 0},
    {"perturb", FLAG_CHOICE, REFINE, 0, FIELD(perturb), NULL, perturb_names, "noise", "what is done to the patches outside a segment", 0, 0},
    {"delta", FLAG_REAL, REFINE, 0, FIELD(delta), "D", NULL, "1", "how much: the noise in normalised pixels, or the share of what comes in a patch's place", 0, 1000},
    {"solver", FLAG_CHOICE, REFINE, 0, FIELD(solver), NULL, solver_names, "adam", "both minimise the same; closed does it at once", 0, 0},
    {"steps", FLAG_INTEGER, REFINE, 0, FIELD(steps), "N", NULL, "200", "steps of adam", 1, 1000000},
    {"lambda", FLAG_REAL, REFINE, 0, FIELD(lambda), "X", NULL, "0.1", "how closely W is held to the plain sum", 0, 1000000},
    {"out", FLAG_TEXT, REFINE, REFINE, FIELD(out), "W.safetensors", NULL, NULL, "where W is written", 0, 0},
    {"db", FLAG_TEXT, REFINE, 0, FIELD(db), "FILE", NULL, NULL, "use rows that explain or segment stored in this database", 0, 0},
    {"db", FLAG_TEXT, RUNS, 0, FIELD(db), "FILE", NULL, NULL, "store everything in this SQLite database", 0, 0},
    {"resume", FLAG_SWITCH, RUNS, 0, FIELD(resume), NULL, NULL, NULL,
     "continue the run of the same parameters: inputs that are done are skipped", 0, 0},
    {"shard", FLAG_SHARD, RUNS, 0, FIELD(shard), "I/N", NULL, NULL,
     "work on every N-th input only, from the I-th on; ultravk merge joins what N such runs store", 0, 0},
    {"label", FLAG_TEXT, RUNS, 0, FIELD(label), "TEXT", NULL, NULL, "a name for the run", 0, 0},
    {"top", FLAG_COUNT, EXPLAIN | SUMMARIES, 0, FIELD(top), "K|all", NULL, "all up to 5 million rows, then 20; in the printed table 5",
     "sources to keep of each map in table contribution", 0, 0},
    {"out", FLAG_TEXT, EXPLAIN | SUMMARIES | REPORT, REPORT, FIELD(out), "FILE", NULL, NULL,
     "write the raw rows: .npy (one input) or .safetensors; of report the page (-o is the same)", 0, 0},
    {"png", FLAG_TEXT, EXPLAIN, 0, FIELD(png), "DIR", NULL, NULL, "write heat maps over the photo", 0, 0},
    {"dump-hidden", FLAG_TEXT, EXPLAIN | ATTRIBUTE, 0, FIELD(dump_hidden), "FILE", NULL, NULL,
     "write z1..z(L+1) of one input, of a text the logits too, to a .safetensors file", 0, 0},
    {"named", FLAG_TEXT, QUERY, 0, FIELD(named), "NAME", NULL, NULL, "a ready-made query; --list shows them", 0, 0},
    {"list", FLAG_SWITCH, QUERY, 0, FIELD(list), NULL, NULL, NULL, "list the ready-made queries", 0, 0},
    {"format", FLAG_CHOICE, QUERY, 0, FIELD(format), NULL, format_names, "table", "how rows are printed", 0, 0},
    {"run", FLAG_INTEGER, PRUNE | REPORT, PRUNE, FIELD(run), "N", NULL, "of report every run",
     "the run to delete, or to show alone (column id of table run)", 1, INT64_MAX},
    {"inputs", FLAG_INTEGER, REPORT, 0, FIELD(inputs), "N", NULL, "24", "images, and as many texts, to show at most", 1, 100000},
    {"dir", FLAG_TEXT, DEMO, 0, FIELD(dir), "DIR", NULL, "ultravk-demo", "folder for the results; made where there is none", 0, 0},
    {"device", FLAG_TEXT, EXPLAIN | SEGMENT | SUMMARIES, 0, FIELD(device), "N|NAME[,...]", NULL, "$ULTRAVK_DEVICE, else the best one",
     "device: its number, or a part of its name; several share out the inputs, and one named twice takes two at a time", 0, 0},
    {"device", FLAG_TEXT, (INFO | ROWS | GENERATE | DEMO) & ~(EXPLAIN | SEGMENT | SUMMARIES), 0, FIELD(device), "N|NAME", NULL, "$ULTRAVK_DEVICE, else the best one",
     "device: its number, or a part of its name", 0, 0},
    {"memory", FLAG_BYTES, INFO | ROWS | GENERATE | DEMO, 0, FIELD(memory), "BYTES[K|M|G]", NULL, "most of what is free",
     "device memory to use at most; weights that do not fit are streamed", 0, 0},
    {"precision", FLAG_CHOICE, ROWS | GENERATE, 0, FIELD(precision), NULL, precision_names, "f32",
     "arithmetic: float32; or, where the device is fast at it and passes a check, the products of the backward pass of half-precision numbers, added in float32", 0, 0},
    {"seed", FLAG_INTEGER, ROWS, 0, FIELD(seed), "N", NULL, "0",
     "what evaluate and refine draw: targets, orders, weights, noise; explaining draws nothing", INT64_MIN, INT64_MAX},
    {"json", FLAG_SWITCH, DEVICES | MODELS | QUERY, 0, FIELD(json), NULL, NULL, NULL, "results as JSON", 0, 0},
    {"quiet", FLAG_SWITCH, EVERY, 0, FIELD(quiet), NULL, NULL, NULL, "no progress and no notes on stderr", 0, 0},
    {"help", FLAG_SWITCH, EVERY, 0, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
    {"version", FLAG_SWITCH, EVERY, 0, FIELD(version), NULL, NULL, NULL, "print the version", 0, 0},
};
const int n_flags = sizeof flags / sizeof *flags;

bool in_shard(const number_pair *shard, int place)
{
    return !shard->given || place % shard->second == shard->first - 1;
}

int max_new_tokens(const options *o)
{
    return o->max_new ? o->max_new : 64;
}
