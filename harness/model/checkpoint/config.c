#include "harness/model/checkpoint/config.h"

#include <math.h>

const char *sb_family_name(sb_family f)
{
    static const char *const names[SB_FAMILY_COUNT] = {"llama", "qwen2", "gemma3", "transnormer"};
    return names[f];
}

void sbi_config_gemma3(sb_model_config *c, int64_t pattern, double scalar)
{
    c->scale       = 1 / sqrt(scalar);
    c->embed_scale = 1;
    for (int64_t l = 0; l < c->n_layers; l++)
        c->windowed[l] = (l + 1) % pattern != 0;
}

sb_status sbi_config_check(const char *name, const sb_model_config *c)
{
    const struct {
        const char *what;
        int64_t     value, most;
    } sizes[] = {{"layers", c->n_layers, SB_CONFIG_MAX_LAYERS},
                 {"hidden size", c->width, INT32_MAX},
                 {"attention heads", c->heads, INT32_MAX},
                 {"key-value heads", c->kv_heads, INT32_MAX},
                 {"head dims", c->head_dim, 2 * SB_ROPE_MAX_PAIRS},
                 {"intermediate size", c->mlp_width, INT32_MAX},
                 {"positions", c->max_positions, INT32_MAX},
                 {"tokens in the vocabulary", c->vocab > 0 ? c->vocab : 1, 1 << 22}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].most)
            return sb_fail(SB_ERR_USAGE, "%s: found %lld %s, allowed 1 to %lld", name,
                           (long long)sizes[i].value, sizes[i].what, (long long)sizes[i].most);
    if (c->heads % c->kv_heads != 0)
        return sb_fail(
            SB_ERR_USAGE,
            "%s: found %lld attention heads and %lld key-value heads, allowed a multiple "
            "of them",
            name, (long long)c->heads, (long long)c->kv_heads);
    if (c->head_dim % 2 != 0)
        return sb_fail(SB_ERR_USAGE, "%s: found %lld head dims, allowed an even number", name,
                       (long long)c->head_dim);
    if (!isfinite(c->eps) || c->eps <= 0)
        return sb_fail(SB_ERR_USAGE, "%s: found eps %g of the norms, allowed a positive number",
                       name, c->eps);
    /* also that the frequencies can be had */
    float     inv_freq[SB_ROPE_MAX_PAIRS], multiplier;
    sb_status st = SB_OK;
    if (c->family != SB_FAMILY_TRANSNORMER)
        st = sb_rope_frequencies(&c->rope, 1, inv_freq, &multiplier);
    if (st == SB_OK && c->family == SB_FAMILY_GEMMA3)
        st = sb_rope_frequencies(&c->local_rope, 1, inv_freq, &multiplier);
    return st == SB_OK ? st : sb_wrap(st, "%s", name);
}
