/* Tokenizers written here, small enough to know by hand what comes out; files that lie; texts that are long. */
#include "scratch.h"
#include "tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static char folder[4096];
static uvk_error error;
static uvk_tokenizer *tokenizer;

static int make_folder(void **state)
{
    (void)state;
    scratch_create(folder);
    error = (uvk_error){0};
    tokenizer = NULL;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    uvk_tokenizer_free(tokenizer);
    scratch_remove(folder);
    return 0;
}

static void write_bytes(const char *name, const char *text, size_t size)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, size, stream), size);
    fclose(stream);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* ---- Loading what a test wrote ---------------------------------------------------------------------------------------------- */

static uvk_status load_text(const char *name, const char *text)
{
    uvk_tokenizer_free(tokenizer);
    tokenizer = NULL;
    if (name)
        write_file(name, text);
    return uvk_tokenizer_load(folder, &tokenizer, &error);
}

/* parts: the members of tokenizer.json but the model; ' stands for ", as in all of them. */
static uvk_status load_parts(const char *parts, const char *model)
{
    char text[16384];
    int n = snprintf(text, sizeof text, "{'version':'1.0'%s%s,'model':%s}", parts[0] ? "," : "", parts, model);
    assert_in_range(n, 1, sizeof text - 1);
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c == '`' ? '\'' : *c;
    return load_text("tokenizer.json", text);
}

static void load(const char *parts, const char *model)
{
    if (load_parts(parts, model) != UVK_OK)
        fail_msg("%s", error.message);
}

static void refuse(const char *parts, const char *model, const char *why)
{
    assert_int_equal(load_parts(parts, model), UVK_BAD_INPUT);
    assert_null(strchr(error.message, '\n'));
    if (!strstr(error.message, why))
        fail_msg("\"%s\" does not say \"%s\"", error.message, why);
}

/* The tokens as "piece:start-end", a space between; an added token put by the post-processor in brackets. */
static char *encode(const char *text, size_t length, bool add_special)
{
    static char out[8192];
    uvk_encoding e;
    if (uvk_tokenizer_encode(tokenizer, text, length, add_special, &e, &error) != UVK_OK)
        fail_msg("%s", error.message);
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < e.count && n + 256 < sizeof out; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, e.tokens[i].special ? "%s[%s]:%u-%u" : "%s%s:%u-%u", i > 0 ? " " : "",
                              uvk_tokenizer_piece(tokenizer, e.tokens[i].id), e.tokens[i].start, e.tokens[i].end);
    uvk_encoding_free(&e);
    return out;
}

static void assert_tokens(const char *text, const char *expected)
{
    assert_string_equal(encode(text, strlen(text), true), expected);
}

static void assert_decoded(const int32_t *ids, size_t count, bool skip_special, const char *expected)
{
    char *text = NULL;
    if (uvk_tokenizer_decode(tokenizer, ids, count, skip_special, &text, &error) != UVK_OK)
        fail_msg("%s", error.message);
    assert_string_equal(text, expected);
    free(text);
}

#define WORDS "{'type':'WordLevel','unk_token':'?','vocab':{'?':0,'a':1,'b':2,'ab':3,'c':4,'1':5,'.':6,'12':7}}"
#define PIECES "{'type':'Unigram','unk_id':0,'vocab':[['?',0],['a',-1],['b',-2],['ab',-2.5],['\xE2\x96\x81',-3],['\xE2\x96\x81""a',-3.5],['fi',-4]]}"

/* ---- Models ----------------------------------------------------------------------------------------------------------------- */

static void test_byte_level_bpe(void **state)
{
    (void)state;
    load("'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true},'decoder':{'type':'ByteLevel'},"
         "'added_tokens':[{'id':9,'content':'<end>','special':true,'normalized':false}]",
         "{'type':'BPE','vocab':{'h':0,'i':1,'\xC4\xA0':2,'hi':3,'\xC4\xA0hi':4,'\xC3\x83':5,'\xC2\xA9':6,'!':7,'\xC4\xA0h':8},"
         "'merges':['h i',['\xC4\xA0','hi']]}");
    assert_tokens("hi hi", "hi:0-2 \xC4\xA0hi:2-5");
    assert_tokens("\xC3\xA9!<end>hi", "\xC3\x83:0-2 \xC2\xA9:0-2 !:2-3 <end>:3-8 hi:8-10"); /* both halves stand for the letter */
    assert_tokens("", "");
    assert_decoded((int32_t[]){3, 4, 5, 6, 9}, 5, false, "hi hi\xC3\xA9<end>");
    assert_decoded((int32_t[]){3, 5, 9}, 3, true, "hi\xEF\xBF\xBD");
    assert_int_equal(uvk_tokenizer_size(tokenizer), 10);
    assert_int_equal(uvk_tokenizer_find(tokenizer, "<end>"), 9);
    assert_int_equal(uvk_tokenizer_find(tokenizer, "x"), -1);
    assert_true(uvk_tokenizer_is_special(tokenizer, 9));
    assert_false(uvk_tokenizer_is_special(tokenizer, 3));
    assert_null(uvk_tokenizer_piece(tokenizer, 10));
    assert_null(uvk_tokenizer_piece(tokenizer, -1));
}

static void test_bpe_options(void **state)
{
    (void)state;
    load("", "{'type':'BPE','ignore_merges':true,'vocab':{'a':0,'b':1,'ab':2,'abab':3},'merges':['a b']}");
    assert_tokens("abab", "abab:0-4");
    assert_tokens("ababb", "ab:0-2 ab:2-4 b:4-5");
    load("", "{'type':'BPE','continuing_subword_prefix':'##','end_of_word_suffix':'$','vocab':{'a':0,'##b':1,'##a$':2,'ab':3,'aba$':4},"
             "'merges':['a ##b','ab ##a$']}");
    assert_tokens("aba", "aba$:0-3");
    load("", "{'type':'BPE','unk_token':'?','fuse_unk':true,'vocab':{'?':0,'a':1},'merges':[]}");
    assert_tokens("xya", "?:0-2 a:2-3");
    load("", "{'type':'BPE','unk_token':'?','vocab':{'?':0,'a':1},'merges':[]}");
    assert_tokens("xya", "?:0-1 ?:1-2 a:2-3");
    load("", "{'type':'BPE','unk_token':'?','byte_fallback':true,'vocab':{'?':0,'<0xC3>':1,'<0xA9>':2},'merges':[]}");
    assert_tokens("\xC3\xA9x", "<0xC3>:0-2 <0xA9>:0-2 ?:2-3");
    refuse("", "{'type':'BPE','dropout':0.1,'vocab':{'a':0},'merges':[]}", "dropout");
}

static void test_unigram(void **state)
{
    (void)state;
    load("", PIECES);
    assert_tokens("abb", "ab:0-2 b:2-3"); /* -4.5 rather than -5 */
    assert_tokens("axyb", "a:0-1 ?:1-3 b:3-4");
    load("", "{'type':'Unigram','unk_id':0,'byte_fallback':true,'vocab':[['?',0],['<0x78>',-1],['<0x79>',-1]]}");
    assert_tokens("xy", "<0x78>:0-2 <0x79>:0-2");
    assert_tokens("xz", "?:0-2");
    load("", "{'type':'Unigram','vocab':[['a',0]]}");
    uvk_encoding e;
    assert_int_equal(uvk_tokenizer_encode(tokenizer, "ab", 2, true, &e, &error), UVK_BAD_INPUT);
}

static void test_wordpiece(void **state)
{
    (void)state;
    load("'pre_tokenizer':{'type':'WhitespaceSplit'},'decoder':{'type':'WordPiece','prefix':'##','cleanup':true}",
         "{'type':'WordPiece','unk_token':'?','continuing_subword_prefix':'##','max_input_chars_per_word':5,"
         "'vocab':{'?':0,'un':1,'##a':2,'##ab':3,'##le':4,'.':5,'do':6,'not':7}}");
    assert_tokens("unable unab  unx", "?:0-6 un:7-9 ##ab:9-11 ?:13-16"); /* too long; found; a part that nothing fits */
    assert_decoded((int32_t[]){1, 3, 4, 5, 6}, 5, false, "unable. do");
}

static void test_wordlevel(void **state)
{
    (void)state;
    load("'pre_tokenizer':{'type':'Whitespace'}", WORDS);
    assert_tokens("ab  zz.", "ab:0-2 ?:4-6 .:6-7");
    assert_decoded((int32_t[]){3, 1}, 2, false, "ab a");
}

/* ---- Normalizers: what is left, and where it came from -------------------------------------------------------------------------- */

static void assert_normalized(const char *normalizer, const char *text, const char *expected)
{
    char parts[4096];
    snprintf(parts, sizeof parts, "'normalizer':%s,'pre_tokenizer':{'type':'CharDelimiterSplit','delimiter':'|'}", normalizer);
    load(parts, "{'type':'Unigram','unk_id':0,'byte_fallback':false,'vocab':[['?',-9],['a',-1],['b',-1],['e',-1],['\xCC\x81',-1],['\xC3\xA9',-1],"
                "[' ',-1],['f',-1],['i',-1],['\xCC\x87',-1],['\xE2\x96\x81',-1],['1',-1],['\xE4\xB8\xAD',-1],['x',-1],['\xC3\x83',-1],['\xC2\xA9',-1]]}");
    assert_tokens(text, expected);
}

static void test_normal_forms(void **state)
{
    (void)state;
    assert_normalized("{'type':'NFD'}", "a\xC3\xA9", "a:0-1 e:1-3 \xCC\x81:1-3");
    assert_normalized("{'type':'NFC'}", "ae\xCC\x81" "b", "a:0-1 \xC3\xA9:1-2 b:4-5"); /* the letter keeps its own byte */
    assert_normalized("{'type':'NFKD'}", "\xEF\xAC\x81\xC2\xBD", "f:0-3 i:0-3 1:3-5 ?:3-5");
    assert_normalized("{'type':'NFKC'}", "\xEF\xAC\x81" "a", "f:0-3 i:0-3 a:3-4");
}

static void test_character_normalizers(void **state)
{
    (void)state;
    assert_normalized("{'type':'Lowercase'}", "A\xC4\xB0", "a:0-1 i:1-3 \xCC\x87:1-3");
    assert_normalized("{'type':'Strip','strip_left':true,'strip_right':true}", " \ta b\xE3\x80\x80", "a:2-3  :3-4 b:4-5");
    assert_normalized("{'type':'Sequence','normalizers':[{'type':'NFD'},{'type':'StripAccents'}]}", "\xC3\xA9""a", "e:0-2 a:2-3");
    assert_normalized("{'type':'Nmt'}", "a\x01\tb", "a:0-1  :2-3 b:3-4");
    assert_normalized("{'type':'Prepend','prepend':'\xE2\x96\x81'}", "ab", "\xE2\x96\x81:0-1 a:0-1 b:1-2");
    assert_normalized("{'type':'Replace','pattern':{'String':'b'},'content':'xx'}", "abba", "a:0-1 x:1-2 x:1-2 x:2-3 x:2-3 a:3-4");
    assert_normalized("{'type':'Replace','pattern':{'Regex':' {2,}'},'content':' '}", "a   b b", "a:0-1  :3-4 b:4-5  :5-6 b:6-7");
    assert_normalized("{'type':'BertNormalizer'}", "\xC3\x89\xE4\xB8\xAD", "e:0-2  :2-5 \xE4\xB8\xAD:2-5  :2-5");
    assert_normalized("{'type':'BertNormalizer','lowercase':false}", "a\x07\tb", "a:0-1  :2-3 b:3-4");
    assert_normalized("{'type':'ByteLevel'}", "\xC3\xA9", "\xC3\x83:0-2 \xC2\xA9:0-2");
}

/* A double array of one key, "f" to "b": unit 0 leads to 'f' (102), which leads to its leaf at 103. */
static void test_charsmap(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { UNITS = 104 };
    unsigned char bytes[4 + 4 * UNITS + 3] = {0}, *units = bytes + 4;
    char base64[1024], normalizer[2048];
    bytes[0] = (4 * UNITS) & 0xFF, bytes[1] = (4 * UNITS) >> 8;
    units[4 * 102] = 'f', units[4 * 102 + 1] = 1 | 1 << 2; /* label, has a leaf, offset 1 */
    units[4 * 103 + 3] = 0x80;                             /* the leaf: string 0 */
    memcpy(units + 4 * UNITS, "b", 2);
    size_t size = sizeof bytes / 3 * 3, n = 0;
    for (size_t i = 0; i < size; i += 3) {
        unsigned v = (unsigned)bytes[i] << 16 | (unsigned)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            base64[n++] = digits[v >> shift & 63];
    }
    base64[n] = '\0';
    snprintf(normalizer, sizeof normalizer, "{'type':'Precompiled','precompiled_charsmap':'%s'}", base64);
    assert_normalized(normalizer, "afa", "a:0-1 b:1-2 a:2-3");
    assert_normalized("{'type':'Precompiled','precompiled_charsmap':''}", "afa", "a:0-1 f:1-2 a:2-3");
    refuse("'normalizer':{'type':'Precompiled','precompiled_charsmap':'!'}", WORDS, "not base64");
    refuse("'normalizer':{'type':'Precompiled','precompiled_charsmap':'/////w=='}", WORDS, "size");
    /* an array whose only unit leads far away */
    assert_normalized("{'type':'Precompiled','precompiled_charsmap':'BAAAAP////8='}", "af", "a:0-1 f:1-2");
}

/* ---- Pre-tokenizers ------------------------------------------------------------------------------------------------------------ */

static void assert_split(const char *pretokenizer, const char *text, const char *expected)
{
    char parts[4096];
    snprintf(parts, sizeof parts, "'pre_tokenizer':%s", pretokenizer);
    load(parts, WORDS);
    assert_tokens(text, expected);
}

static void test_split(void **state)
{
    (void)state;
#define SPLIT(behavior) "{'type':'Split','pattern':{'String':'.'},'behavior':'" behavior "','invert':false}"
    const char *text = "a..b.c";
    assert_split(SPLIT("Removed"), text, "a:0-1 b:3-4 c:5-6");
    assert_split(SPLIT("Isolated"), text, "a:0-1 .:1-2 .:2-3 b:3-4 .:4-5 c:5-6");
    assert_split(SPLIT("MergedWithPrevious"), text, "?:0-2 .:2-3 ?:3-5 c:5-6");
    assert_split(SPLIT("MergedWithNext"), text, "a:0-1 .:1-2 ?:2-4 ?:4-6");
    assert_split(SPLIT("Contiguous"), text, "a:0-1 ?:1-3 b:3-4 .:4-5 c:5-6");
    assert_split("{'type':'Split','pattern':{'Regex':'[a-z]+'},'behavior':'Removed','invert':true}", "ab..b", "ab:0-2 b:4-5");
    refuse("'pre_tokenizer':" SPLIT("Sideways"), WORDS, "Sideways");
}

static void test_pretokenizers(void **state)
{
    (void)state;
    assert_split("{'type':'WhitespaceSplit'}", "a\xE2\x80\x83""b.", "a:0-1 ?:4-6");
    assert_split("{'type':'BertPreTokenizer'}", "a.b", "a:0-1 .:1-2 b:2-3");
    assert_split("{'type':'Punctuation'}", "ab.1", "ab:0-2 .:2-3 1:3-4");
    assert_split("{'type':'Digits','individual_digits':false}", "a12b", "a:0-1 12:1-3 b:3-4");
    assert_split("{'type':'Digits','individual_digits':true}", "a1", "a:0-1 1:1-2");
    assert_split("{'type':'Sequence','pretokenizers':[{'type':'WhitespaceSplit'},{'type':'Punctuation'}]}", "a. b", "a:0-1 .:1-2 b:3-4");
}

static void test_metaspace(void **state)
{
    (void)state;
#define META(more) "'pre_tokenizer':{'type':'Metaspace','replacement':'\xE2\x96\x81'" more "},'decoder':{'type':'Metaspace','replacement':'\xE2\x96\x81'" more "}"
    load(META(",'add_prefix_space':true"), PIECES);
    assert_tokens("ab a", "\xE2\x96\x81:0-1 ab:0-2 \xE2\x96\x81""a:2-4");
    assert_decoded((int32_t[]){5, 2, 5}, 3, false, "ab a");
    load(META(",'add_prefix_space':false"), PIECES);
    assert_tokens("a a", "a:0-1 \xE2\x96\x81""a:1-3");
    assert_decoded((int32_t[]){5, 5}, 2, false, " a a");
    load(META(",'prepend_scheme':'first'") ",'added_tokens':[{'id':9,'content':'<x>','special':true}]", PIECES);
    assert_tokens("a<x>a", "\xE2\x96\x81""a:0-1 <x>:1-4 a:4-5");
    refuse(META(",'prepend_scheme':'last'"), PIECES, "prepend_scheme");
    refuse(META(",'prepend_scheme':'always','add_prefix_space':false"), PIECES, "disagrees");
}

/* ---- Patterns: Oniguruma's syntax ------------------------------------------------------------------------------------------------ */

static void assert_matches(const char *regex, const char *text, const char *expected)
{
    char component[1024];
    snprintf(component, sizeof component, "{'type':'Split','pattern':{'Regex':'%s'},'behavior':'Removed','invert':true}", regex);
    assert_split(component, text, expected);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_matches("(?i:A)b?", "AbaB.", "?:0-2 a:2-3");
    assert_matches("\\\\s+(?!\\\\S)|[^\\\\s]+", "a  b", "a:0-1 ?:1-2 b:3-4");
    assert_matches("[^(\\\\s|[.c])]", "a.cb(", "a:0-1 b:3-4");      /* a class within a class is a union */
    assert_matches("^b", "a\nb", "b:2-3");                          /* ^ is every line's */
    assert_matches("\\\\p{L}{2}+", "abc", "ab:0-2");                /* a + behind an interval repeats */
    assert_matches("\\\\p{L}++|\\\\h", "ab1", "ab:0-2 1:2-3");
    assert_matches("a{,1}b", "ab", "ab:0-2");
    assert_matches("\\\\bb\\\\b", "ab b", "b:3-4");
    assert_matches("(?m:a.b)", "a\nb", "?:0-3");                    /* here m is what s is elsewhere */
    assert_matches("\\\\u0061", "ab", "a:0-1");
    assert_matches("\\\\w+", "!ab!", "ab:1-3");
    assert_matches("\\\\W", "a!b", "?:1-2");
    assert_matches("\\\\d", "a1b", "1:1-2");
    assert_matches("\\\\D", "1!1", "?:1-2");
    assert_matches("\\\\H", "a!b", "?:1-2");
    assert_matches("\\\\v", "a\vb\n", "?:1-2");                     /* the vertical tab alone */
    assert_matches("[[:digit:]b]", "a1", "1:1-2");
    assert_matches("\\\\p{Lu}", "aAb", "?:1-2");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[a&&b]'},'behavior':'Removed'}", WORDS, "intersection");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(a'},'behavior':'Removed'}", WORDS, "pattern");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\'},'behavior':'Removed'}", WORDS, "backslash");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'[\\\\W]'},'behavior':'Removed'}", WORDS, "negated set within a class");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\pL'},'behavior':'Removed'}", WORDS, "without braces");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\u12'},'behavior':'Removed'}", WORDS, "four digits");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\K'},'behavior':'Removed'}", WORDS, "not supported");
    refuse("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(*F)'},'behavior':'Removed'}", WORDS, "a verb");
}

static void test_runaway_pattern(void **state)
{
    (void)state;
    load("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(a|aa|aaa)+[bc]'},'behavior':'Removed'}", WORDS);
    char text[20001];
    memset(text, 'a', sizeof text - 1);
    uvk_encoding e;
    assert_int_equal(uvk_tokenizer_encode(tokenizer, text, sizeof text - 1, true, &e, &error), UVK_BAD_INPUT);
    assert_non_null(strstr(error.message, "pattern"));
}

/* ---- Added tokens ------------------------------------------------------------------------------------------------------------- */

static void test_added_tokens(void **state)
{
    (void)state;
    load("'added_tokens':[{'id':10,'content':'<l>','lstrip':true,'normalized':false},{'id':11,'content':'<r>','rstrip':true,'normalized':false},"
         "{'id':12,'content':'one','single_word':true,'normalized':false},{'id':13,'content':'<r>>','normalized':false}]",
         WORDS);
    assert_tokens("a  <l>b", "a:0-1 <l>:1-6 b:6-7");
    assert_tokens("a<r>  b", "a:0-1 <r>:1-6 b:6-7");
    assert_tokens("one ones", "one:0-3 ?:3-8");
    assert_tokens("a<r>>", "a:0-1 <r>>:1-5"); /* the longest */
    load("'normalizer':{'type':'Lowercase'},'added_tokens':[{'id':10,'content':'Yes','normalized':true},{'id':11,'content':'No','normalized':false}]", WORDS);
    assert_tokens("YESNO", "Yes:0-3 ?:3-5");
    assert_tokens("No", "No:0-2");
}

/* ---- Post-processors ------------------------------------------------------------------------------------------------------------ */

static void test_postprocessors(void **state)
{
    (void)state;
    const char *split = "'pre_tokenizer':{'type':'WhitespaceSplit'},'post_processor':";
    char parts[4096];
    snprintf(parts, sizeof parts,
             "%s{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'X','type_id':0}},{'Sequence':{'id':'A','type_id':0}}],'pair':[],"
             "'special_tokens':{'X':{'id':'X','ids':[3,4],'tokens':['ab','c']}}}",
             split);
    load(parts, WORDS);
    assert_tokens("a", "[ab]:0-0 [c]:0-0 a:0-1");
    assert_string_equal(encode("a", 1, false), "a:0-1");
    snprintf(parts, sizeof parts, "%s{'type':'BertProcessing','cls':['a',1],'sep':['b',2]}", split);
    load(parts, WORDS);
    assert_tokens("c", "[a]:0-0 c:0-1 [b]:0-0");
    assert_tokens("", "[a]:0-0 [b]:0-0");
    snprintf(parts, sizeof parts, "%s{'type':'BertProcessing','cls':['a',1],'sep':['b',99]}", split);
    refuse(parts, WORDS, "99");
    snprintf(parts, sizeof parts, "%s{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'Y'}}],'special_tokens':{}}", split);
    refuse(parts, WORDS, "\"Y\"");
}

static void test_trimming(void **state)
{
    (void)state;
    const char *model = "{'type':'BPE','vocab':{'a':0,'\xC4\xA0':1,'\xC4\xA0""a':2,'\xC4\xA0\xC4\xA0':3},'merges':['\xC4\xA0 a','\xC4\xA0 \xC4\xA0']}";
    load("'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':true},'post_processor':{'type':'ByteLevel','trim_offsets':true,'add_prefix_space':true}", model);
    assert_tokens("a a  a", "\xC4\xA0""a:0-1 \xC4\xA0""a:2-3 \xC4\xA0:4-4 \xC4\xA0""a:5-6");
    load("'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false},'post_processor':{'type':'RobertaProcessing','trim_offsets':true,"
         "'add_prefix_space':false,'cls':['a',0],'sep':['a',0]}",
         model);
    assert_tokens(" a", "[a]:0-0 \xC4\xA0""a:1-2 [a]:0-0");
}

/* ---- Decoders ------------------------------------------------------------------------------------------------------------------- */

static void test_decoders(void **state)
{
    (void)state;
    const char *model = "{'type':'WordLevel','unk_token':'?','vocab':{'?':0,'\xE2\x96\x81""a':1,'<0xC3>':2,'<0xA9>':3,'b</w>':4,' c':5}}";
    load("'decoder':{'type':'Sequence','decoders':[{'type':'Replace','pattern':{'String':'\xE2\x96\x81'},'content':' '},{'type':'ByteFallback'},"
         "{'type':'Fuse'},{'type':'Strip','content':' ','start':1,'stop':0}]}",
         model);
    assert_decoded((int32_t[]){1, 2, 3, 1}, 4, false, "a\xC3\xA9 a");
    assert_decoded((int32_t[]){1, 2, 1}, 3, false, "a\xEF\xBF\xBD a");
    assert_decoded(NULL, 0, false, "");
    load("'decoder':{'type':'BPEDecoder','suffix':'</w>'}", model);
    assert_decoded((int32_t[]){4, 4}, 2, false, "b b");
    char *text;
    assert_int_equal(uvk_tokenizer_decode(tokenizer, (int32_t[]){4, 6}, 2, false, &text, &error), UVK_BAD_INPUT);
    assert_int_equal(uvk_tokenizer_decode(tokenizer, (int32_t[]){-1}, 1, false, &text, &error), UVK_BAD_INPUT);
    refuse("'decoder':{'type':'CTC'}", model, "decoder CTC is not supported");
}

/* ---- Texts ------------------------------------------------------------------------------------------------------------------------ */

static void test_texts(void **state)
{
    (void)state;
    load("'pre_tokenizer':{'type':'Split','pattern':{'Regex':'\\\\x00'},'behavior':'Removed'}", WORDS);
    assert_string_equal(encode("a\0b", 3, true), "a:0-1 b:2-3");
    static const char *const bad[] = {"ab\x80", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE2\x96", "ab\xF8"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uvk_encoding e;
        assert_int_equal(uvk_tokenizer_encode(tokenizer, bad[i], strlen(bad[i]), true, &e, &error), UVK_BAD_INPUT);
        assert_non_null(strstr(error.message, "offset 2"));
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A megabyte without a space: what takes quadratic time takes hours. */
static void test_long_line(void **state)
{
    (void)state;
    enum { LENGTH = 1000 * 1000 };
    static const char *const models[] = {
        "{'type':'BPE','vocab':{'a':0,'b':1,'aa':2,'aaaa':3,'ab':4},'merges':['a a','aa aa','a b']}", PIECES,
        "{'type':'WordPiece','unk_token':'?','continuing_subword_prefix':'','max_input_chars_per_word':2000000000,'vocab':{'?':0,'a':1,'aa':2}}", WORDS};
    char *text = malloc(LENGTH);
    assert_non_null(text);
    memset(text, 'a', LENGTH);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        load("'normalizer':{'type':'NFKC'},'added_tokens':[{'id':99,'content':'aaab'}]", models[i]);
        double start = seconds();
        uvk_encoding e;
        assert_int_equal(uvk_tokenizer_encode(tokenizer, text, LENGTH, true, &e, &error), UVK_OK);
        assert_int_equal(e.tokens[e.count - 1].end, LENGTH);
        uvk_encoding_free(&e);
        assert_true(seconds() - start < 60);
    }
    free(text);
}

/* Each byte by thousands. */
static void test_growing_text(void **state)
{
    (void)state;
    char parts[8192];
    snprintf(parts, sizeof parts, "'normalizer':{'type':'Replace','pattern':{'String':'a'},'content':'%04000d'}", 0);
    load(parts, WORDS);
    enum { LENGTH = 100 * 1000 };
    char *text = malloc(LENGTH);
    assert_non_null(text);
    memset(text, 'a', LENGTH);
    uvk_encoding e;
    assert_int_equal(uvk_tokenizer_encode(tokenizer, text, LENGTH, true, &e, &error), UVK_BAD_INPUT);
    assert_non_null(strstr(error.message, "too long"));
    free(text);
}

static void test_long_decoded_text(void **state)
{
    (void)state;
    char model[5000], *text = NULL;
    enum { COUNT = 17000 };
    int32_t *ids = malloc(COUNT * sizeof *ids);
    assert_non_null(ids);
    for (int i = 0; i < COUNT; i++)
        ids[i] = 1;
    snprintf(model, sizeof model, "{'type':'WordLevel','unk_token':'?','vocab':{'?':0,'%04000d':1}}", 0);
    load("'decoder':null", model);
    assert_int_equal(uvk_tokenizer_decode(tokenizer, ids, COUNT, false, &text, &error), UVK_BAD_INPUT);
    assert_non_null(strstr(error.message, "too long"));
    free(ids);
}

/* ---- Files that lie ----------------------------------------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    refuse("'normalizer':{'type':'Foo'}", WORDS, "tokenizer.json: normalizer Foo is not supported");
    refuse("'pre_tokenizer':{'type':'UnicodeScripts'}", WORDS, "pre_tokenizer UnicodeScripts is not supported");
    refuse("'post_processor':{'type':'Foo'}", WORDS, "post_processor Foo is not supported");
    refuse("'normalizer':{'type':'Sequence'}", WORDS, "normalizers");
    refuse("'normalizer':[]", WORDS, "normalizer");
    refuse("", "{'type':'Foo'}", "model Foo is not supported");
    refuse("", "null", "model");
    refuse("", "{'type':'WordLevel','unk_token':'?'}", "vocab");
    refuse("", "{'type':'WordLevel','unk_token':'?','vocab':{'a':0,'b':0}}", "id 0 is given twice");
    refuse("", "{'type':'WordLevel','unk_token':'?','vocab':{'a':-1}}", "out of range");
    refuse("", "{'type':'WordLevel','unk_token':'?','vocab':{'a':16777216}}", "out of range");
    refuse("", "{'type':'WordLevel','unk_token':'?','vocab':{'a':0.5}}", "whole number");
    refuse("", "{'type':'BPE','vocab':{'a':0,'b':1},'merges':['a c']}", "\"c\"");
    refuse("", "{'type':'BPE','vocab':{'a':0,'b':1},'merges':['a b']}", "makes a piece");
    refuse("", "{'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':['ab']}", "pair");
    refuse("", "{'type':'BPE','vocab':{'a':0,'b':1,'ab':2},'merges':[['a','b','c']]}", "pair");
    refuse("", "{'type':'Unigram','vocab':[['a']]}", "score");
    refuse("", "{'type':'Unigram','unk_id':1,'vocab':[['a',0]]}", "unk_id");
    refuse("'added_tokens':[{'id':20,'content':''}]", WORDS, "content");
    refuse("'added_tokens':[{'content':'x'}]", WORDS, "id");
    refuse("'added_tokens':[{'id':1,'content':'x'}]", WORDS, "id 1 is given twice");
    refuse("'added_tokens':[{'id':20,'content':'x'},{'id':20,'content':'y'}]", WORDS, "id 20 is given twice");
    refuse("'added_tokens':[{'id':20,'content':'a'}]", WORDS, "in the vocabulary");
}

static void test_broken_files(void **state)
{
    (void)state;
    assert_false(uvk_tokenizer_exists(folder));
    assert_int_equal(load_text(NULL, NULL), UVK_BAD_INPUT);
    assert_non_null(strstr(error.message, "no tokenizer"));
    assert_int_equal(load_text("tokenizer.json", "{\"model\":{\"type\":"), UVK_BAD_INPUT);
    assert_int_equal(load_text("tokenizer.json", "{\"model\":\"\xFF\"}"), UVK_BAD_INPUT);
    assert_non_null(strstr(error.message, "UTF-8"));
    enum { DEPTH = 100000 };
    char *deep = malloc(2 * DEPTH);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    memcpy(deep, "{\"normalizer\":", 14);
    deep[DEPTH] = '\0';
    assert_int_equal(load_text("tokenizer.json", deep), UVK_BAD_INPUT);
    free(deep);
}

/* Any byte of a file changed: refused or not, it must not crash. */
static void test_mutations(void **state)
{
    (void)state;
    static const char good[] =
        "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"_\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},"
        "\"content\":\"_\"},{\"type\":\"NFKC\"},{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAP////8=\"}]},\"pre_tokenizer\":{\"type\":\"Sequence\","
        "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:[a-z]{1,3}+)|[^\\\\s[.]]\"},\"behavior\":\"Isolated\",\"invert\":false},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}]},\"added_tokens\":[{\"id\":7,\"content\":\"<x>\",\"rstrip\":true}],"
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":"
        "{\"x\":{\"ids\":[7]}}},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"byte_fallback\":true,"
        "\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,\"_\":4},\"merges\":[\"a b\"]}}";
    const char *sample = "ab <x>  b\xC3\xA9 a.B";
    uint32_t random = 1;
    for (int round = 0; round < 3000; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int i = 0; i < 1 + round % 3; i++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % (sizeof good - 1)] = "{}[]\",:\\x0919a(*+?|_-\xC3\x80"[(random >> 4) % 23];
        }
        write_bytes("tokenizer.json", text, round % 10 == 0 ? (random >> 8) % sizeof good : sizeof good - 1);
        uvk_tokenizer *t = NULL;
        if (uvk_tokenizer_load(folder, &t, &error) != UVK_OK)
            continue;
        uvk_encoding e;
        if (uvk_tokenizer_encode(t, sample, strlen(sample), true, &e, &error) == UVK_OK)
            uvk_encoding_free(&e);
        uvk_tokenizer_free(t);
    }
}

/* ---- Vocabulary files ------------------------------------------------------------------------------------------------------------------ */

static void test_vocab_txt(void **state)
{
    (void)state;
    write_file("vocab.txt", "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\nun\n##do\nUn\n.\nun\n");
    assert_true(uvk_tokenizer_exists(folder));
    assert_int_equal(load_text(NULL, NULL), UVK_OK);
    assert_tokens("Undo.", "[[CLS]]:0-0 un:0-2 ##do:2-4 .:4-5 [[SEP]]:0-0");
    assert_int_equal(uvk_tokenizer_find(tokenizer, "un"), 8); /* the last of two */
    assert_int_equal(load_text("tokenizer_config.json", "{\"do_lower_case\": false, \"tokenize_chinese_chars\": false}"), UVK_OK);
    assert_tokens("Undo [SEP]", "[[CLS]]:0-0 Un:0-2 ##do:2-4 [SEP]:5-10 [[SEP]]:0-0");
    assert_int_equal(load_text("tokenizer_config.json", "{\"do_lower_case\": 1}"), UVK_BAD_INPUT);
}

static void test_vocab_json(void **state)
{
    (void)state;
    write_file("merges.txt", "#version: 0.2\na b\n\xC4\xA0 ab\n");
    assert_int_equal(load_text("vocab.json", "{\"a\":0,\"b\":1,\"ab\":2,\"\xC4\xA0\":3,\"\xC4\xA0""ab\":4,\"<|endoftext|>\":5}"), UVK_OK);
    assert_tokens("ab ab<|endoftext|>", "ab:0-2 \xC4\xA0""ab:2-5 <|endoftext|>:5-18");
    assert_decoded((int32_t[]){2, 4}, 2, false, "ab ab");
    write_file("merges.txt", "a z\n");
    assert_int_equal(load_text(NULL, NULL), UVK_BAD_INPUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_byte_level_bpe), TEST(test_bpe_options),   TEST(test_unigram),        TEST(test_wordpiece),       TEST(test_wordlevel),
        TEST(test_normal_forms),   TEST(test_character_normalizers), TEST(test_charsmap), TEST(test_split),         TEST(test_pretokenizers),
        TEST(test_metaspace),      TEST(test_patterns),      TEST(test_runaway_pattern), TEST(test_added_tokens),   TEST(test_postprocessors),
        TEST(test_trimming),       TEST(test_decoders),      TEST(test_texts),          TEST(test_long_line),       TEST(test_growing_text),  TEST(test_long_decoded_text),
        TEST(test_refused),        TEST(test_broken_files),  TEST(test_mutations),      TEST(test_vocab_txt),       TEST(test_vocab_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
