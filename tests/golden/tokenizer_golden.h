/* Ids of the Python package tokenizers 0.23.3 on the seeded text of tokenizer_text.c,
 * bytes that are no UTF-8 replaced as Python does; our ids differed in 0 documents. SHA-256 of all
 * ids as little-endian int32. tokenizer_compare.py TOKENIZER_IDS golden writes this file. */
/* clang-format off */
#define GOLDEN_TEXT_BYTES 1048576
static const golden_row golden[] = {
    {"tests/fixtures/tokenizer/gpt2.json", 0, 28810, 1048586, 946781,
     "b2b0e53d4062c11707b03daa0ad7d0bd9085634b69e0aaa535a65a01cec6e480"},
    {"tests/fixtures/tokenizer/gpt2.json", 1, 1807, 1048635, 585844,
     "f5537ba23aa8c4adb216effbd621ae3a86a0921c69252bca7e3d75520226b791"},
    {"tests/fixtures/tokenizer/llama3.json", 0, 28810, 1048586, 947155,
     "b6a2c2ce22a9c069ddd6e9a3ebd8c4d4fae0b127a13c4dc570c2e1b5df8a62bb"},
    {"tests/fixtures/tokenizer/llama3.json", 1, 1807, 1048635, 579630,
     "7bdf2f4599a7f46643036ead3c7cb364691d6549070015ef85b6f3eed76abee5"},
    {"tests/fixtures/tokenizer/qwen2.json", 0, 28810, 1048586, 954949,
     "d739659f4e800d61a7ffd8a313811a370b83006811cbf41f67fd5dd219956bf5"},
    {"tests/fixtures/tokenizer/qwen2.json", 1, 1807, 1048635, 581259,
     "f2966c5555219a4355fdbcd12cf40541e0efdfec357480f4be6782197ff0fcec"},
    {"tests/fixtures/tokenizer/smollm.json", 0, 28810, 1048586, 946203,
     "1c28b5b4875e4dc5ea61c1cf5e204b56b90b88cc0b44a72140b6194131169313"},
    {"tests/fixtures/tokenizer/smollm.json", 1, 1807, 1048635, 578475,
     "96fa7700a44186ba4332f0b17da67119c5908249dc662edb1d799283275b7f31"},
    {"tests/fixtures/tokenizer/tekken.json", 0, 28810, 1048586, 947156,
     "e7bfb22dabb05bac7ffb4294f8af3fb47fc568043cf5a59068f4c09fd8674d49"},
    {"tests/fixtures/tokenizer/tekken.json", 1, 1807, 1048635, 581605,
     "fe77fa965c1dba1bbd2abfd381c6fe6ff7971ca3cd0a14f0ffc8557bd0a06e48"},
    {"tests/fixtures/tokenizer/deepseek_v3.json", 0, 28810, 1048586, 947607,
     "d73315e444d7fa6cbc51933e95ec8bf0aad5b0346755e7d68c11bb530675b544"},
    {"tests/fixtures/tokenizer/deepseek_v3.json", 1, 1807, 1048635, 579994,
     "9df90a074255e991ac655a1ffe08f182ed329b074ef773f61cf91acfd9d236a3"},
    {"tests/fixtures/tokenizer/deepseek_coder.json", 0, 28810, 1048586, 954366,
     "4971427168acb2ba81a0c8853144cf8d842db9c1c6d1ccad1370acfb50c7fd33"},
    {"tests/fixtures/tokenizer/deepseek_coder.json", 1, 1807, 1048635, 590967,
     "40afc170ca6d8429006bb79475fcde62350a8c2d162e9ac4f6ceec9a33b826ec"},
};
/* clang-format on */
