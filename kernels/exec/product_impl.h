/* Body of the product, compiled once an instruction set: WIDTH floats a vector, ROWS rows a pass.
 */
typedef float vec __attribute__((vector_size(4 * WIDTH)));
enum { VECS = SB_PRODUCT_LANES / WIDTH };

static inline void pass(const float *q, const vec *k, int64_t wide, vec *out)
{
    vec acc[ROWS][VECS] = {0};
    for (int64_t i = 0; i < wide; i++)
        for (int r = 0; r < ROWS; r++)
            for (int v = 0; v < VECS; v++)
                acc[r][v] += k[i * VECS + v] * q[r * wide + i];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECS; v++)
            out[r * VECS + v] = acc[r][v];
}

static inline void product(const float *q, const float *k, int64_t wide, int64_t n_rows, float *out)
{
    for (int64_t r = 0; r < n_rows; r += ROWS)
        pass(q + r * wide, (const vec *)(const void *)k, wide,
             (vec *)(void *)(out + r * SB_PRODUCT_LANES));
}
