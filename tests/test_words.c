/* Words and sentences, in several scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ultravk.h"

/* "word|word/word": what uvk_words makes of a text; '/' where a new sentence begins. Checks the offsets on the way. */
static char *cut(const char *text, size_t length)
{
    uvk_word *words;
    uvk_error err;
    int count;
    if (uvk_words(text, length, &words, &count, &err) != UVK_OK)
        fail_msg("%s", err.message);
    char *out = calloc(1, 2 * length + 1);
    int32_t at = 0, chars = 0;
    for (int i = 0; i < count; i++) {
        const uvk_word *w = &words[i];
        assert_true(w->start >= at && w->end > w->start && (size_t)w->end <= length);
        for (; at < w->end; at++) {
            if (at == w->start)
                assert_int_equal(w->char_start, chars);
            chars += ((unsigned char)text[at] & 0xc0) != 0x80;
        }
        assert_int_equal(w->char_end, chars);
        if (i > 0) {
            assert_in_range(w->sentence - words[i - 1].sentence, 0, 1);
            strcat(out, w->sentence > words[i - 1].sentence ? "/" : "|");
        } else {
            assert_int_equal(w->sentence, 0);
        }
        strncat(out, text + w->start, (size_t)(w->end - w->start));
    }
    free(words);
    return out;
}

static void expect(const char *text, const char *expected)
{
    char *found = cut(text, strlen(text));
    if (strcmp(found, expected) != 0)
        fail_msg("\"%s\": found %s, expected %s", text, found, expected);
    free(found);
}

static void words_are_runs_of_letters_and_digits(void **state)
{
    (void)state;
    expect("", "");
    expect("  ...  ", "");
    expect("The cat, it sat.", "The|cat|it|sat");
    expect("don't stop well-known 'quoted' O\xe2\x80\x99Neill rock-", "don't|stop|well-known|quoted|O\xe2\x80\x99Neill|rock");
    expect("one--two a-'b x' 'y", "one|two|a|b|x|y"); /* a single joiner */
    expect("3.14 and 1,000,000.50 or 7. but v2.0 a.b 5,a", "3.14|and|1,000,000.50|or|7|but|v2.0|a|b|5|a");
    expect("snake_case e-mail@host.org #tag", "snake|case|e-mail|host|org|tag");
    expect("\xc2\xa3""250m", "250m"); /* a currency is none */
}

static void marks_belong_to_what_they_stand_behind(void **state)
{
    (void)state;
    expect("cafe\xcc\x81 nai\xcc\x88ve", "cafe\xcc\x81|nai\xcc\x88ve");
    expect("\xcc\x81 x", "x");
    expect("\xe2\x9d\xa4\xef\xb8\x8f a", "a"); /* an emoji and its variation */
    expect("\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80 \xe0\xa4\xad", /* Devanagari: vowel signs and virama */
           "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80|\xe0\xa4\xad");
    expect("\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88\xd8\xa7\xd9\x87\xd9\x85", "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae\xd9\x88\xd8\xa7\xd9\x87\xd9\x85");
}

static void an_ideograph_is_a_word(void **state)
{
    (void)state;
    expect("\xe7\x8c\xab\xe3\x81\x8c\xe5\xa5\xbd\xe3\x81\x8d", "\xe7\x8c\xab|\xe3\x81\x8c|\xe5\xa5\xbd|\xe3\x81\x8d");
    expect("abc\xe4\xb8\xad""def", "abc|\xe4\xb8\xad|def");
    expect("\xe4\xb8\xad-\xe6\x96\x87", "\xe4\xb8\xad|\xe6\x96\x87");
    expect("\xe3\x82\xab\xe3\x83\xbc\xe3\x83\x89", "\xe3\x82\xab\xe3\x83\xbc\xe3\x83\x89"); /* katakana with its long-vowel letter */
    expect("\xf0\xa0\x80\x80\xf0\xa0\x80\x81", "\xf0\xa0\x80\x80|\xf0\xa0\x80\x81"); /* beyond 16 bits */
}

static void sentences_end_where_a_new_one_begins(void **state)
{
    (void)state;
    expect("It is. He was! Who? I", "It|is/He|was/Who/I");
    expect("\"Go.\" He went. (Really!) Yes", "Go/He|went/Really/Yes");
    expect("He said \xe2\x80\x9cgo.\xe2\x80\x9d Then", "He|said|go/Then");
    expect("wait... what now... Then", "wait|what|now/Then");
    expect("wait\xe2\x80\xa6 what\xe2\x80\xa6 Then", "wait|what/Then");
    expect("What?! No", "What/No");
    expect("the U.S. Army of J. Smith", "the|U|S|Army|of|J|Smith");
    expect("in 1990. In 1991", "in|1990/In|1991");
    expect("approx. two. \"Three", "approx|two/Three");
    expect("a file.txt And", "a|file|txt|And");
    expect("one\ntwo\r\n\r\nthree", "one/two/three");
    expect("\n\n. one", "one");
    expect("End. . . More", "End/More");
    expect("\xd8\xa3\xd9\x8a\xd9\x86\xd8\x9f \xd9\x87\xd9\x86\xd8\xa7", "\xd8\xa3\xd9\x8a\xd9\x86/\xd9\x87\xd9\x86\xd8\xa7"); /* Arabic */
    expect("\xd0\x94\xd0\xb0. \xd0\x9d\xd0\xb5\xd1\x82. \xd0\xb0", "\xd0\x94\xd0\xb0/\xd0\x9d\xd0\xb5\xd1\x82|\xd0\xb0"); /* Cyrillic, lower case */
    expect("\xe7\x8c\xab\xe3\x80\x82\xe7\x8a\xac\xef\xbc\x81\xe3\x80\x8d\xe9\xb3\xa5", "\xe7\x8c\xab/\xe7\x8a\xac/\xe9\xb3\xa5"); /* no spaces */
}

static void what_is_no_utf8_is_refused(void **state)
{
    static const struct { const char *text; int at; } bad[] = {{"ab\xff", 2}, {"\xc3", 0}, {"a\xed\xa0\x80", 1}, {"\xc0\x80", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uvk_word *words = NULL;
        uvk_error err;
        int count;
        char part[32];
        snprintf(part, sizeof part, "byte %d", bad[i].at);
        assert_int_equal(uvk_words(bad[i].text, strlen(bad[i].text), &words, &count, &err), UVK_BAD_INPUT);
        assert_non_null(strstr(err.message, part));
        assert_null(words);
    }
}

static double seconds(size_t length)
{
    struct timespec begin, end;
    char *text = malloc(length);
    uvk_word *words;
    int count;
    for (size_t i = 0; i < length; i++)
        text[i] = ".\"' a"[i % 2 ? 0 : i / 2 % 5];
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(uvk_words(text, length, &words, &count, NULL), UVK_OK);
    clock_gettime(CLOCK_MONOTONIC, &end);
    free(words);
    free(text);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
}

static void long_texts_take_their_length(void **state)
{
    (void)state;
    double time = seconds(8 << 20);
    print_message("8 MiB of points and quotes: %.0f ms\n", time * 1e3);
    assert_true(time < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_runs_of_letters_and_digits),
        cmocka_unit_test(marks_belong_to_what_they_stand_behind),
        cmocka_unit_test(an_ideograph_is_a_word),
        cmocka_unit_test(sentences_end_where_a_new_one_begins),
        cmocka_unit_test(what_is_no_utf8_is_refused),
        cmocka_unit_test(long_texts_take_their_length),
    };
    return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
