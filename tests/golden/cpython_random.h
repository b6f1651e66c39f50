/* sha256 of random streams: {seed, digest}. Written by tests/golden/cpython_random.py --write with
 * CPython 3.11.7 and numpy 2.4.6. */
static const struct rng_golden {
    uint64_t    seed;
    const char *sha256;
} python_golden[] =
    {
        {0u, "9ed677bc156dc3182e2f46285e6bb5784ae51b02691323d6a3aec67ca6ad965f"},
        {1u, "0472dfad85b26837a7cbbe8a82bdfc83db08a73526601424e041b049345027b8"},
        {42u, "29b4e8f60d2b58a268d1a61ba066dfbfee760eb39ec274d2d9508a063d785007"},
        {43u, "b2917a78606ee2d3355dca34763ed2a79d77e483c03ed7ea106081e6f0e378b7"},
        {46u, "2f086f50c6ede4f7858ecb56c785d2e39ed4e4b522324859586bf832dced00ea"},
        {2147483648u, "18babed41c95e7669dfd749ab2aad37898676ca15ae751e0c8be05a76c75de78"},
        {4294967295u, "b09da2a8c16c33ccd8e680bd86ea0ddc1cfab7b41364f627e9aa12a81b61eac9"},
        {4294967296u, "976cda825fff5cb7c7221453c6fcde2ab9e4d2933bbebe9636b2286aa19ae3bb"},
        {123456789012345u, "b146db18e22edb8da6a51457a138fe283d3af298d0efeeae0edf2fb1cb4fc8a0"},
        {18446744073709551615u, "77ef9b62a586f926b8a3072686ac8a2863a3ed3a0cb0497e141631437df33e9d"},
},
  numpy_golden[] = {
      {0u, "8df73cc291106b63ba1c3d5fff3ee6bf139cd8cf88339388e74330a75f05b68d"},
      {1u, "1068d4185f186da7a06b85dbae155f0ccbc0705d178359dd8be76b9860790096"},
      {42u, "771e06092ebe62a8057eeeadbe791122c911452a36364045f6fe91e2e9945065"},
      {43u, "5c3d3da4da8853e5c632757b5798cddc91a2a22a9aac25bbde8f596bcd251b74"},
      {4294967295u, "dddd49140ac5b1685f8e54b50c2807e0c80e66bc52243944d9c1f676be8dd9dc"},
};
