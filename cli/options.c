/* The two tables. A new flag or verb is a new line here. */
#include "options.h"

#include <stddef.h>

enum {
    DEVICES = 1, INFO = 2, EXPLAIN = 4, SUMMARIZE = 8, ATTRIBUTE = 16, GENERATE = 32, TOKENIZE = 64, QUERY = 128, PRUNE = 256, REPORT = 512, EVERY = 1023,
    SUMMARIES = SUMMARIZE | ATTRIBUTE,         /* what works on a text and its summary */
    RUNS = EXPLAIN | SUMMARIES,                /* what explains and stores */
    MODELS = INFO | RUNS | GENERATE | TOKENIZE /* what reads a model folder */
};

const char *const scalar_names[] = {"sum", "energy", "logprob", NULL};
const char *const order_names[] = {"rollout", "formula", NULL};
const char *const normalize_names[] = {"norm", "none", NULL};
const char *const own_token_names[] = {"max", "keep", "zero", NULL};
const char *const at_names[] = {"predict", "token", NULL};
const char *const format_names[] = {"table", "csv", "json", "jsonl", NULL};
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
     "  ultravk explain --model gpt2 article.txt --at-word 12\n",
     EXPLAIN, 1, -1, "no INPUT given (a photo, a text, a folder, a pattern or @list.txt)", verb_explain},
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
     "{\"fact\": [[start, end], ...]}, characters of the document) and \"paraphrase\". --context and --summary are text files, or both .npy\n"
     "arrays of token ids. With --json one line a pair comes out, so that a score can serve as a reward or a filter.",
     "  ultravk attribute --model Llama-3.2-1B-Instruct --pairs pairs.jsonl --db results.db\n"
     "  ultravk attribute --model Llama-3.2-1B-Instruct --pairs pairs.jsonl --truncate 1500 --json\n"
     "  ultravk attribute --model gpt2 --context article.txt --summary summary.txt --span 0:24\n",
     ATTRIBUTE, 0, 0, NULL, verb_attribute},
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
};
const int n_verbs = sizeof verbs / sizeof *verbs;

#define FIELD(name) offsetof(options, name)

const flag flags[] = {
    {"model", FLAG_TEXT, MODELS, MODELS, FIELD(model), "DIR", NULL, NULL, "model folder", 0, 0},
    {"tokens", FLAG_TEXT, EXPLAIN, 0, FIELD(tokens), "T", NULL, "patches; of a text all",
     "targets: patches, all, cls, or indices and ranges such as 0,5,40-49", 0, 0},
    {"at-pixel", FLAG_PIXEL, EXPLAIN, 0, FIELD(pixel), "X,Y", NULL, NULL, "target: the patch under this pixel of the photo", 0, 0},
    {"at-word", FLAG_INTEGER, EXPLAIN, 0, FIELD(at_word), "N", NULL, NULL, "targets: the tokens of this word of the text, counted from 0", 0, INT32_MAX},
    {"context", FLAG_TEXT, ATTRIBUTE, 0, FIELD(context), "FILE", NULL, NULL, "the text: .txt, or .npy token ids", 0, 0},
    {"summary", FLAG_TEXT, ATTRIBUTE, 0, FIELD(summary), "FILE", NULL, NULL, "its summary: .txt, or .npy token ids", 0, 0},
    {"pairs", FLAG_TEXT, ATTRIBUTE, 0, FIELD(pairs), "FILE.jsonl", NULL, NULL, "texts and summaries, one JSON object a line", 0, 0},
    {"span", FLAG_SPAN, ATTRIBUTE, 0, FIELD(span), "START:END", NULL, "the whole summary",
     "score the context for these characters of the summary only", 0, 0},
    {"max-new", FLAG_INTEGER, SUMMARIZE | GENERATE, 0, FIELD(max_new), "N", NULL, "64", "tokens to generate at most", 1, 1 << 24},
    {"prompt", FLAG_TEXT, SUMMARIES, 0, FIELD(prompt), "TEMPLATE|@FILE", NULL, "the model's chat template, else {text}\\nTL;DR:",
     "what is put around the text, which stands for {text}; \\n and \\t are understood", 0, 0},
    {"truncate", FLAG_INTEGER, SUMMARIES | GENERATE, 0, FIELD(truncate), "N", NULL, "too long a text is refused",
     "keep the first N context tokens of each text", 1, INT32_MAX},
    {"at", FLAG_CHOICE, SUMMARIES, 0, FIELD(at), NULL, at_names, "predict",
     "the latent that explains a summary token: where it is predicted, or its own", 0, 0},
    {"layer", FLAG_INTEGER, RUNS, 0, FIELD(layer), "L", NULL, "blocks + 1",
     "residual stream to explain: 2 enters block 2, blocks + 1 leaves the last", 2, 100000},
    {"first-block", FLAG_INTEGER, RUNS, 0, FIELD(first_block), "B", NULL, "1", "first block of the product", 1, 100000},
    {"scalar", FLAG_CHOICE, RUNS, 0, FIELD(scalar), NULL, scalar_names, "sum",
     "what is differentiated: the token's sum, its length, or the log probability of the next token", 0, 0},
    {"order", FLAG_CHOICE, RUNS, 0, FIELD(order), NULL, order_names, "rollout", "order of the product over blocks", 0, 0},
    {"normalize", FLAG_CHOICE, RUNS, 0, FIELD(normalize), NULL, normalize_names, "norm",
     "divide the scalar by the token's length, or not", 0, 0},
    {"own-token", FLAG_CHOICE, RUNS, 0, FIELD(own_token), NULL, own_token_names, "max; of a text zero",
     "the target's own entry in its map: the others' maximum, as is, or zero", 0, 0},
    {"db", FLAG_TEXT, RUNS, 0, FIELD(db), "FILE", NULL, NULL, "store everything in this SQLite database", 0, 0},
    {"resume", FLAG_SWITCH, RUNS, 0, FIELD(resume), NULL, NULL, NULL,
     "continue the run of the same parameters: inputs that are done are skipped", 0, 0},
    {"label", FLAG_TEXT, RUNS, 0, FIELD(label), "TEXT", NULL, NULL, "a name for the run", 0, 0},
    {"top", FLAG_COUNT, RUNS, 0, FIELD(top), "K|all", NULL, "all up to 5 million rows, then 20; in the printed table 5",
     "sources to keep of each map in table contribution", 0, 0},
    {"out", FLAG_TEXT, RUNS | REPORT, REPORT, FIELD(out), "FILE", NULL, NULL,
     "write the raw rows: .npy (one input) or .safetensors; of report the page (-o is the same)", 0, 0},
    {"png", FLAG_TEXT, EXPLAIN, 0, FIELD(png), "DIR", NULL, NULL, "write heat maps over the photo", 0, 0},
    {"dump-hidden", FLAG_TEXT, EXPLAIN, 0, FIELD(dump_hidden), "FILE", NULL, NULL,
     "write z1..z(L+1) of one input, of a text the logits too, to a .safetensors file", 0, 0},
    {"named", FLAG_TEXT, QUERY, 0, FIELD(named), "NAME", NULL, NULL, "a ready-made query; --list shows them", 0, 0},
    {"list", FLAG_SWITCH, QUERY, 0, FIELD(list), NULL, NULL, NULL, "list the ready-made queries", 0, 0},
    {"format", FLAG_CHOICE, QUERY, 0, FIELD(format), NULL, format_names, "table", "how rows are printed", 0, 0},
    {"run", FLAG_INTEGER, PRUNE | REPORT, PRUNE, FIELD(run), "N", NULL, "of report every run",
     "the run to delete, or to show alone (column id of table run)", 1, INT64_MAX},
    {"inputs", FLAG_INTEGER, REPORT, 0, FIELD(inputs), "N", NULL, "24", "images, and as many texts, to show at most", 1, 100000},
    {"device", FLAG_TEXT, INFO | RUNS | GENERATE, 0, FIELD(device), "N|NAME", NULL, "$ULTRAVK_DEVICE, else the best one",
     "device: its number, or a part of its name", 0, 0},
    {"memory", FLAG_BYTES, INFO | RUNS | GENERATE, 0, FIELD(memory), "BYTES[K|M|G]", NULL, "most of what is free",
     "device memory to use at most", 0, 0},
    {"precision", FLAG_CHOICE, RUNS | GENERATE, 0, FIELD(precision), NULL, precision_names, "f32",
     "arithmetic; both compute and accumulate in float32 today", 0, 0},
    {"seed", FLAG_INTEGER, RUNS, 0, FIELD(seed), "N", NULL, "0",
     "recorded with the run; explaining draws no random numbers", INT64_MIN, INT64_MAX},
    {"json", FLAG_SWITCH, DEVICES | MODELS | QUERY, 0, FIELD(json), NULL, NULL, NULL, "results as JSON", 0, 0},
    {"quiet", FLAG_SWITCH, EVERY, 0, FIELD(quiet), NULL, NULL, NULL, "no progress and no notes on stderr", 0, 0},
    {"help", FLAG_SWITCH, EVERY, 0, FIELD(help), NULL, NULL, NULL, "this text", 0, 0},
    {"version", FLAG_SWITCH, EVERY, 0, FIELD(version), NULL, NULL, NULL, "print the version", 0, 0},
};
const int n_flags = sizeof flags / sizeof *flags;
_Static_assert(sizeof flags / sizeof *flags <= 64, "parse.c keeps one bit a flag");

int max_new_tokens(const options *o)
{
    return o->max_new ? o->max_new : 64;
}
