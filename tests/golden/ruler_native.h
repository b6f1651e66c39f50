/* Rows 0 and 3 of mode native, version native@1: seed 42, 8192 tokens counted by
 * tests/fixtures/tokenizer/llama3.json, configs/templates/ruler.json, built-in words, corpus
 * tests/fixtures/corpus; qa_1 and qa_2 over the questions that test_native.c makes. Printed by
 * SPAN_GOLDEN_PRINT=1 build-ci/tests/test_ruler_native. */
#ifndef SB_TESTS_RULER_NATIVE_H
#define SB_TESTS_RULER_NATIVE_H

static const char ruler_native_texts[] =
    "a1381e2e09f85bdb3d2fa86b25d205e48e5a657496dbf8c8282c2c313c267b13",
                  ruler_native_words[] =
                      "490167486300ba69474e15936c1da9f75699027dadfe99bc21526af229fbb5c3",
                  ruler_native_corpus[] =
                      "2a4038f45bddf0b1865fa58f6d85a1d94d4d11734870c63ddbf010807ae57877";

static const struct {
    const char *task;
    int         n_tokens;
    const char *row0, *row3;
} ruler_native_rows[] = {
    {"niah_single_1", 8020, "3db809827e5f8384", "c3e46b308b9fc68b"},
    {"niah_single_2", 8029, "6ef199f1f85f8ee6", "0e5a435cc8b96746"},
    {"niah_single_3", 7949, "091db5fe0d51dbe9", "52769a41cff9ee4e"},
    {"niah_multikey_1", 7869, "90ee810e4a7234fb", "bbcdb6f14e1f547c"},
    {"niah_multikey_2", 8025, "f30080edce882d97", "39d8e8e79b1e7cff"},
    {"niah_multikey_3", 8008, "54e0e5eaf0f54961", "55a752f8e6a2b929"},
    {"niah_multivalue", 8043, "497b0d5a167b4cc0", "dd54bc51fe1ced4c"},
    {"niah_multiquery", 8061, "813365c4ac33021b", "ce49401dc9317e95"},
    {"vt", 8145, "e2134bdc87cf7299", "aa52106fa08aac26"},
    {"cwe", 24441, "d7a8efcd1bb13e39", "fb4b6f9f8b4548a0"},
    {"fwe", 8136, "57184e938e4ba1c1", "8fe6ec26180f5107"},
    {"qa_1", 8129, "73203135bdf70082", "03d484799424e145"},
    {"qa_2", 8134, "beb12ae48c906802", "2244975ab860a81a"},
    {"qa_synth", 7846, "5d1563324ebe92ab", "456dcae822ea3d26"},
};

#endif
