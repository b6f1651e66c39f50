/* Ids of the Python packages sentencepiece 0.2.3 (.gguf and .model, special tokens literal) and
 * tokenizers 0.23.3 (.json, special tokens parsed) on the seeded text of tokenizer_text.c, bytes
 * that are no UTF-8 replaced as Python does; our ids differed in 0 documents. SHA-256 of all ids as
 * little-endian int32. sp_compare.py TOKENIZER_IDS golden writes this file. */
/* clang-format off */
static const golden_row sp_golden[] = {
    {"tests/fixtures/tokenizer/sp_llama.gguf", 0, 28810, 1048586, 1048404,
     "07ec1b902d4a1f0d99ce7cb5b684d2812f7bd797929807c0661f8ef7bf08a108"},
    {"tests/fixtures/tokenizer/sp_llama.gguf", 1, 1807, 1048635, 675838,
     "7bff64012693f4ed04aacac5f4255f7353e04c03459d4bf12a8f10d9b12ca9fd"},
    {"tests/fixtures/tokenizer/sp_gemma.gguf", 0, 28810, 1048586, 1048394,
     "0d838526f0628687568c84fa4db4253367adb9172c3c430f6f79dc2b6aef539e"},
    {"tests/fixtures/tokenizer/sp_gemma.gguf", 1, 1807, 1048635, 666730,
     "7fc87cb784ce155ecec2f8d1d580efa48ff3703887f17c7f27dbb7bfbff2617b"},
    {"tests/fixtures/tokenizer/sp_unknown.gguf", 0, 28810, 1048586, 317352,
     "5244cb43ff93a89ec8c76df0f40cc9c0102d81d8ffac19135510745b6decfd16"},
    {"tests/fixtures/tokenizer/sp_unknown.gguf", 1, 1807, 1048635, 401984,
     "06403c102f602858691b6b3643958b9947f527f1534b0b3fe4f4cce1bc5ff0e4"},
    {"tests/fixtures/tokenizer/sp_mistral.model", 0, 28810, 1048586, 1048401,
     "3b04bcb7d014e8e62f453cf0530b0b5630b39a08a5774c97f61846b0fa2e80e8"},
    {"tests/fixtures/tokenizer/sp_mistral.model", 1, 1807, 1048635, 675412,
     "f87c1fb8a6c33c064f60e16dc21b3a49a0889cf4fe1be1a64a68b5c32d0c7b90"},
    {"tests/fixtures/tokenizer/sp_llama.json", 0, 28810, 1048586, 1048404,
     "07ec1b902d4a1f0d99ce7cb5b684d2812f7bd797929807c0661f8ef7bf08a108"},
    {"tests/fixtures/tokenizer/sp_llama.json", 1, 1807, 1048635, 669774,
     "1da88527b341e67db4de002c192a6d0f0f165d54ab3e1009eeceb13d2ada98ab"},
    {"tests/fixtures/tokenizer/sp_legacy_off.json", 0, 28810, 1048586, 1048401,
     "3b04bcb7d014e8e62f453cf0530b0b5630b39a08a5774c97f61846b0fa2e80e8"},
    {"tests/fixtures/tokenizer/sp_legacy_off.json", 1, 1807, 1048635, 667998,
     "f6e88628b86828e07e62d25d6d486e5dbf91a43e16a462acc9b4d320c8354f62"},
    {"tests/fixtures/tokenizer/sp_gemma.json", 0, 28810, 1048586, 1048399,
     "1b21b67f0dfe52b3f7235dd0aa447f088df92c9e51b60499d8fd4905fcb8e9f6"},
    {"tests/fixtures/tokenizer/sp_gemma.json", 1, 1807, 1048635, 667442,
     "2a3896c870c2d62250084c5ccbd4f323299a5a16ca0c99cfbcf10b1d7037338c"},
    {"tests/fixtures/tokenizer/sp_words.json", 0, 28810, 1048586, 1048410,
     "0b84f56af8496836bd82d78596336e7a771cc360220d9719cdc722f67a74f407"},
    {"tests/fixtures/tokenizer/sp_words.json", 1, 1807, 1048635, 676811,
     "cbe3fb5c4e837c2586aa072f24ef7c781b2f55c6a551e149666cf35b49a53b88"},
};
/* clang-format on */
