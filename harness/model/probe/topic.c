/* Topic maps: one Gaussian 14 x 128 matrix per (level, head), each entry drawn from a counter by
 * Box-Muller:
 *
 *   n = ((level * 8 + head) * 14 + row) * 128 + column,   z_i = mix(mix(code_seed ^ "topicmap") +
 * 2n + i), u_0 = ((z_0 >> 11) + 1/2) / 2^53,  u_1 = (z_1 >> 11) / 2^53,   T = sqrt(-2 ln u_0) cos(2
 * pi u_1)   (double, then fp32)
 *
 * Levels count FINAL, POS, HOP_1, ...: the map of a head does not change with the number of hops.
 */
#include <math.h>
#include <stdlib.h>

#include "harness/model/probe/state.h"
#include "kernels/base/rng.h"

#define STREAM 0x746F7069636D6170ull /* "topicmap" */
#define MAP_FLOATS ((size_t)SB_PROBE_DIM * SB_PROBE_TOPIC_PAD)

static float gaussian(uint64_t key, uint64_t n)
{
    double u0 = ((double)(sb_mix(key + 2u * n) >> 11) + 0.5) * 0x1p-53;
    double u1 = (double)(sb_mix(key + 2u * n + 1u) >> 11) * 0x1p-53;
    return (float)(sqrt(-2.0 * log(u0)) * cos(6.283185307179586476925286766559 * u1));
}

static void fill_map(int64_t seed, int32_t level, int32_t head, float *map)
{
    uint64_t key = sb_mix((uint64_t)seed ^ STREAM);
    uint64_t base =
        ((uint64_t)level * SB_PROBE_HEADS + (uint64_t)head) * SB_PROBE_TOPIC * SB_PROBE_DIM;
    for (int32_t j = 0; j < SB_PROBE_DIM; j++)
        for (int32_t i = 0; i < SB_PROBE_TOPIC_PAD; i++)
            map[j * SB_PROBE_TOPIC_PAD + i] =
                i < SB_PROBE_TOPIC ? gaussian(key, base + (uint64_t)i * SB_PROBE_DIM + (uint64_t)j)
                                   : 0.0f;
}

sb_status sb_probe_topics_grow(sb_probe *p, int32_t levels)
{
    float *maps;
    if (levels <= p->levels)
        return SB_OK;
    int in_use = p->tab.topic_map == p->topic_map; /* by an input in flight */
    maps       = realloc(p->topic_map, (size_t)levels * SB_PROBE_HEADS * MAP_FLOATS * sizeof *maps);
    if (maps == NULL)
        return sb_fail(SB_ERR_NOMEM, "probe: no memory for the topic maps of %d layers", levels);
    for (int32_t level = p->levels; level < levels; level++)
        for (int32_t head = 0; head < SB_PROBE_HEADS; head++)
            fill_map(p->par.code_seed, level, head,
                     maps + ((size_t)level * SB_PROBE_HEADS + (size_t)head) * MAP_FLOATS);
    p->topic_map = maps;
    if (in_use)
        p->tab.topic_map = maps;
    p->levels = levels;
    return SB_OK;
}

const float *sb_probe_topic_map(const sb_probe *p, int32_t level, int32_t head)
{
    return p->tab.topic_map + ((size_t)level * SB_PROBE_HEADS + (size_t)head) * MAP_FLOATS;
}
